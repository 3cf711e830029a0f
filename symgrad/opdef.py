"""Operations.  In: one declaration each.  Out: the registry that every other part reads.  Refuses: two of one name.

An operation is declared in one place with its name, type rule, NumPy meaning, derivative, batching rule, sparsity and
samples for the tests.  Its lowering lives in the back end, keyed by name; ``lowering`` says of what sort it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple

import numpy as np

from symgrad.dims import Size
from symgrad.errors import SymgradError
from symgrad.node import Node
from symgrad.types import TensorType, TupleType

__all__ = [
    "REGISTRY",
    "Constant",
    "Defined",
    "Derivative",
    "Gate",
    "Kind",
    "Linear",
    "OpDef",
    "Pair",
    "Partials",
    "Sample",
    "lookup",
    "register",
]

Infer = Callable[[tuple[Node, ...], Any], TensorType | TupleType]
Evaluate = Callable[..., Any]  # (attrs, *arrays) -> array
Batch = Callable[[Node, tuple[Node, ...], tuple[bool, ...], Size], Node | None]
Pattern = Callable[[Node], "list[np.ndarray[Any, Any] | None]"]


class Kind(Enum):
    """What sort of function an operation is; passes that treat whole families alike look only at this."""

    SOURCE = "source"  # placeholders, constants, counters: no inputs
    ELEMENTWISE = "elementwise"  # all inputs and the output have one shape
    STRUCTURE = "structure"  # each output element is one input element, or zero
    REDUCTION = "reduction"
    CONTRACTION = "contraction"
    SCATTER = "scatter"
    ALONG = "along"  # works on an axis as a whole: running sums, sorting, searching
    MATRIX = "matrix"  # works on the last two axes as a matrix: systems, inverses, factors
    CALLBACK = "callback"  # a function of the host, called as often and in the order that its attributes say
    CONTROL = "control"  # identities that steer differentiation, tuples and their items


class Derivative:
    """How an operation is differentiated; one of the classes below."""


class Gate(NamedTuple):
    """A partial derivative that exists only where a mask holds: ``where(mask, factor, 0)``, or with the mask inverted.

    Cotangents carry the mask along, so that a branch not taken contributes nothing, whatever its factors are.
    """

    mask: Node
    factor: Node | None = None  # None: one
    inverted: bool = False


@dataclass(frozen=True, eq=False)
class Partials(Derivative):
    """Elementwise: ``partial(node, i)`` is the derivative with respect to input ``i``, element by element.

    It is a node of the output's shape, a number, a :class:`Gate`, or None for an argument without derivative.
    """

    partial: Callable[[Node, int], Node | float | Gate | None]


@dataclass(frozen=True, eq=False)
class Linear(Derivative):
    """Linear in some inputs: ``transpose(node, i, head)`` maps the output's cotangent to that of input ``i``.

    ``arguments`` are the positions of the linear inputs (None: all).  ``joint``: linear in all of them together, as a
    concatenation is; otherwise in each one separately, as a product is.
    """

    transpose: Callable[[Node, int, Node], Node]
    arguments: tuple[int, ...] | None = None
    joint: bool = False


@dataclass(frozen=True, eq=False)
class Pair(Derivative):
    """Both modes stated: ``jvp(node, tangents)`` and ``vjp(node, head, wanted)``; ``None`` is a zero tangent or cotangent."""

    jvp: Callable[[Node, Sequence[Any]], Any]
    vjp: Callable[[Node, Any, Sequence[bool]], Sequence[Node | None]]


@dataclass(frozen=True, eq=False)
class Constant(Derivative):
    """Constant almost everywhere: derivative zero, or, not ``connected``, no derivative at all."""

    connected: bool = False


class Defined(Derivative):
    """Through the operation's definition in terms of others."""


class Sample(NamedTuple):
    """Arguments for the tests: arrays, attributes, and whether the operation is smooth there."""

    arrays: tuple[np.ndarray[Any, Any], ...]
    attrs: Any = ()
    smooth: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class OpDef:
    """The declaration of an operation.

    Attributes
    ----------
    name : str
        NumPy's or SciPy's name where there is one.
    kind : Kind
    infer : callable
        ``(inputs, attrs) -> TensorType``; raises ShapeError or DTypeError for what does not fit.
    evaluate : callable
        ``(attrs, *arrays) -> array``: the NumPy meaning, the only definition of the operation's value.
    derivative : Derivative
    batch : callable or None
        ``(node, inputs, batched, size) -> Node``: the operation over a new leading axis; None where ``kind`` or
        ``define`` says it, and a result of None likewise.
    pattern : callable or None
        Per input, a boolean matrix (output elements × input elements): what each output element reads; None where
        ``kind`` says it.
    samples : callable
        ``(rng) -> iterable of Sample``: arguments for the tests.
    attrs : type or None
        The named tuple of static parameters.
    math : callable or None
        Elementwise: the value as a SymPy expression of SymPy arguments.
    define : callable or None
        ``(inputs, attrs) -> Node``: the same value built from other operations.  Such an operation is differentiated,
        batched and lowered through its definition.
    lowering : str
        ``"inline"``, ``"libm"`` (each element by a call of the C library), or ``"host"``: no machine code.
    """

    name: str
    kind: Kind
    infer: Infer
    evaluate: Evaluate
    derivative: Derivative
    samples: Callable[[np.random.Generator], Iterable[Sample]]
    batch: Batch | None = None
    pattern: Pattern | None = None
    attrs: type | None = None
    math: Callable[..., Any] | None = None
    define: Callable[[tuple[Node, ...], Any], Node] | None = None
    lowering: Literal["inline", "libm", "host"] = "inline"
    doc: str = ""

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return lookup, (self.name,)


REGISTRY: dict[str, OpDef] = {}


def register(op: OpDef) -> OpDef:
    """Enter an operation into the registry.

    Raises
    ------
    SymgradError
        The name is taken.
    """
    if op.name in REGISTRY:
        raise SymgradError(f"an operation named {op.name!r} exists already", hint="choose another name")
    REGISTRY[op.name] = op
    return op


def lookup(name: str) -> OpDef:
    """The operation of that name.

    Raises
    ------
    SymgradError
        There is none; the message names the nearest.
    """
    found = REGISTRY.get(name)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, REGISTRY, 3)
        raise SymgradError(f"no operation is named {name!r}", hint=f"did you mean {', '.join(near)}?" if near else None)
    return found
