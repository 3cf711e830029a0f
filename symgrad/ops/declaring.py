"""How elementwise operations are declared.  In: a name, a meaning, a derivative.  Out: a function of expressions.

An operand of another element type is converted by the operation's :class:`Rule`, and all are broadcast to one shape.
Refuses element types that the rule does not take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from symgrad import types
from symgrad.errors import DTypeError
from symgrad.node import Node, apply
from symgrad.opdef import Derivative, Gate, Infer, Kind, OpDef, Partials, Sample, register
from symgrad.ops import coerce, scalar, source
from symgrad.ops.shapes import broadcast_to
from symgrad.provenance import user_line
from symgrad.types import BOOL, FLOAT64, DType

__all__ = [
    "ELEMENTWISE",
    "Domain",
    "Elementwise",
    "Partial",
    "Rule",
    "as_bool",
    "declare",
    "floats_only",
    "scipy_special",
    "sympy_function",
    "unary",
]


class Rule(Enum):
    """Element types of operands and result."""

    NUMBER = "number"  # numbers to the same type; bool refused
    ANY = "any"  # numbers or bool to the same type
    FLOAT = "float"  # integers become float64
    QUOTIENT = "quotient"  # integers and bool become float64
    INTEGER = "integer"  # integers to the same type; floats and bool refused
    COMPARE = "compare"  # anything to bool
    LOGICAL = "logical"  # operands converted to bool, result bool


Partial = Callable[[Node, int], "Node | float | Gate | None"]
Domain = tuple[float, float]


class Elementwise:
    """An elementwise operation as a function of expressions, arrays and numbers."""

    __slots__ = ("_direct", "arity", "op", "rule")

    def __init__(self, op: OpDef, arity: int, rule: Rule) -> None:
        self.op, self.arity, self.rule = op, arity, rule
        self._direct: dict[Any, Any] = {}  # operand types seen to need no conversion, with the result's

    def __call__(self, *args: Any) -> Any:
        # The common cases first: operands that need no conversion, and one beside a Python number or a scalar.
        arity = self.arity
        if len(args) != arity:
            raise TypeError(f"{self.op.name} takes {arity} operands ({len(args)} given)")
        first = args[0]
        kind = first.type if isinstance(first, Node) else None
        made = self._direct.get(kind)
        if made is not None:
            if arity == 1:
                return apply(self.op, args, (), made)
            if arity == 2:
                other = _like(args[1], kind)
                if other is not None:
                    return apply(self.op, (first, other), (), made)
        elif arity == 2 and getattr(args[1], "type", None) in self._direct:
            kind = args[1].type
            other = _like(first, kind)
            if other is not None:
                return apply(self.op, (other, args[1]), (), self._direct[kind])
        args = tuple(self._prepare(args))
        node = apply(self.op, args)
        if self._accepts(args[0].type.dtype):
            self._direct[args[0].type] = node.type
        return node

    def _accepts(self, dtype: DType) -> bool:
        """Whether operands of that element type are taken as they are."""
        if self.rule is Rule.NUMBER:
            return dtype is not BOOL
        if self.rule in (Rule.FLOAT, Rule.QUOTIENT):
            return types.is_float(dtype)
        if self.rule is Rule.INTEGER:
            return types.is_integer(dtype)
        return dtype is BOOL or self.rule is not Rule.LOGICAL

    def _prepare(self, args: Sequence[Any]) -> list[Any]:
        name = self.op.name
        ready = [coerce.plain(arg, name) for arg in args]
        dtype = self._compute_dtype(coerce.common_dtype(ready))
        if self.rule is Rule.LOGICAL:
            nodes = [as_bool(coerce.as_node(arg)) for arg in ready]
        else:
            nodes = [coerce.as_node(arg, dtype, who=name) for arg in ready]
        return coerce.broadcast_together(nodes, name) if len(nodes) > 1 else nodes

    def _compute_dtype(self, dtype: DType) -> DType:
        if self.rule is Rule.FLOAT and not types.is_float(dtype):
            if dtype is BOOL:
                raise self._refusal(dtype)
            return FLOAT64
        if self.rule is Rule.QUOTIENT and not types.is_float(dtype):
            return FLOAT64
        if (self.rule is Rule.NUMBER and dtype is BOOL) or (self.rule is Rule.INTEGER and not types.is_integer(dtype)):
            raise self._refusal(dtype)
        return dtype

    def _refusal(self, dtype: DType) -> DTypeError:
        return DTypeError(
            f"{self.op.name}: not defined for {dtype} operands",
            where=user_line(),
            hint=f"convert with .astype('{'int64' if self.rule is Rule.INTEGER else 'float64'}')",
        )

    def __repr__(self) -> str:
        return f"<elementwise {self.op.name}>"


def _like(value: Any, kind: Any) -> Any:
    """An operand of another one's type, from one of this type, or from a scalar that takes it; None for all others."""
    own = value.type if isinstance(value, Node) else None
    if own is kind:
        return value
    if own is None:
        if value.__class__ is not float and (value.__class__ is not int or kind.dtype is BOOL):
            return None
        if value.__class__ is float and not types.is_float(kind.dtype):
            return None
        value = source.number(value, kind.dtype)
    elif own.shape or own.dtype is not kind.dtype:
        return None
    return broadcast_to(value, kind.shape) if kind.shape else value


def floats_only(name: str) -> Infer:
    """The type rule of an operation that only derivatives build: of floating operands, their type."""

    def infer(inputs: tuple[Node, ...], attrs: Any) -> types.TensorType:
        kind = inputs[0].type
        if not types.is_float(kind.dtype):
            raise DTypeError(f"{name}: not defined for {kind.dtype} operands", where=user_line())
        return kind

    return infer


ELEMENTWISE: dict[str, Elementwise] = {}


def as_bool(node: Any) -> Any:
    return node if node.type.dtype is BOOL else ELEMENTWISE["not_equal"](node, 0)


def declare(
    name: str,
    arity: int,
    rule: Rule,
    evaluate: Callable[..., Any],
    *,
    math: Callable[..., Any] | None = None,
    partial: Partial | Derivative | None = None,
    domain: Domain | Sequence[Domain] = (-3.0, 3.0),
    infer: Infer | None = None,
    smooth: bool = True,
    doc: str = "",
    **more: Any,
) -> Elementwise:
    """Enter an elementwise operation into the registry; ``partial`` None takes SymPy's derivative of ``math``.

    ``infer`` is given where the result's type is not that of the operands (of comparisons: bool); without ``smooth``
    the operation has no derivative though its values change.
    """
    if isinstance(partial, Derivative):
        derivative: Derivative = partial
    else:
        derivative = Partials(partial or scalar.derived_partial)

    def own_type(inputs: tuple[Node, ...], attrs: Any) -> types.TensorType:
        kind = inputs[-1].type
        return kind.with_dtype(BOOL) if rule in (Rule.COMPARE, Rule.LOGICAL) else kind

    domains = [domain] * arity if isinstance(domain[0], (int, float)) else list(domain)

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for shape in ((), (5,), (3, 4), (2, 0), (37,)):
            yield Sample(tuple(_draw(rng, shape, interval, rule) for interval in domains), smooth=smooth)

    op = OpDef(
        name=name,
        kind=Kind.ELEMENTWISE,
        infer=infer or own_type,
        evaluate=lambda attrs, *arrays: evaluate(*arrays),
        derivative=derivative,
        samples=samples,
        math=math,
        doc=doc,
        **more,
    )
    made = ELEMENTWISE[name] = Elementwise(register(op), arity, rule)
    return made


def _draw(rng: np.random.Generator, shape: tuple[int, ...], interval: Any, rule: Rule) -> np.ndarray[Any, Any]:
    if rule is Rule.LOGICAL:
        return rng.random(shape) < 0.5
    low, high = interval
    if rule is Rule.INTEGER:
        return rng.integers(low, high, shape)
    return np.asarray(rng.uniform(low, high, shape))


def sympy_function(name: str) -> Callable[..., Any]:
    """The SymPy function of that name, imported when first needed."""

    def meaning(*args: Any) -> Any:
        import sympy

        return getattr(sympy, name)(*args)

    return meaning


def unary(
    name: str, evaluate: Callable[..., Any], symbolic: str, domain: Domain = (-3.0, 3.0), **options: Any
) -> Elementwise:
    """A function of one real argument whose meaning is the SymPy function ``symbolic``."""
    function = sympy_function(symbolic)
    return declare(
        name, 1, options.pop("rule", Rule.FLOAT), evaluate, math=lambda x: function(x), domain=domain, **options
    )


def scipy_special(name: str) -> Callable[..., Any]:
    def evaluate(*arrays: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*arrays)

    return evaluate
