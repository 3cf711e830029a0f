"""Tracing.  In: a Python function and arguments.  Out: its results as expressions of fresh placeholders.

A traced function is called once with placeholders that equal nothing else, so a derivative with respect to them can
never be confused with one with respect to an outer symbol, even of the same name; the caller's arguments take their
place afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops, types
from symgrad.containers import Structure, flatten, leaf_names, unflatten
from symgrad.dims import Dim
from symgrad.errors import DTypeError, TraceError
from symgrad.node import Node
from symgrad.provenance import user_line
from symgrad.transforms.parameters import NOTHING_STATIC, Parameters, Static
from symgrad.types import FLOAT64, TensorType

__all__ = ["Arguments", "argument_names", "bind", "identity_of", "is_array_like", "leaf_type", "trace"]


class Arguments(NamedTuple):
    """The arguments of a call, flattened: array-like leaves, the others kept as they are, and the structure of all.

    ``structure`` has one part for each argument, first the positional ones, then those that ``keywords`` names;
    ``places`` has the position of each one's parameter, -1 where it has none.
    """

    leaves: list[Any]
    fixed: tuple[Any, ...]  # per leaf of the structure: the value itself, or _TRACED
    structure: Structure
    names: list[str]  # of the array-like leaves
    titles: tuple[str, ...]  # of the arguments
    places: tuple[int, ...]
    keywords: tuple[str, ...] = ()

    def rebuild(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments with other array-like leaves."""
        rest = iter(leaves)
        made: tuple[Any, ...] = unflatten(self.structure, [next(rest) if one is _TRACED else one for one in self.fixed])
        return made

    def call(self, function: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        """What the function returns for the arguments with other array-like leaves."""
        values = self.rebuild(leaves)
        if not self.keywords:
            return function(*values)
        count = len(values) - len(self.keywords)
        return function(*values[:count], **dict(zip(self.keywords, values[count:], strict=True)))

    @property
    def traced(self) -> list[bool]:
        """Per leaf of the structure: whether it is array-like."""
        return [one is _TRACED for one in self.fixed]

    def grouped(self, leaves: Sequence[Any]) -> list[list[Any]]:
        """What stands for the array-like leaves of each argument; None for its other leaves."""
        rest, marks = iter(leaves), iter(self.fixed)
        return [[next(rest) if next(marks) is _TRACED else None for _ in range(p.size)] for p in self.structure.parts]

    def find(self, position: int) -> int | None:
        """The argument for the parameter at a position, negative ones counted from the last that was given."""
        given = [place for place in self.places if place >= 0]
        if position < 0:
            position += len(given)
        return self.places.index(position) if position in given else None

    @property
    def symbolic(self) -> bool:
        """Whether an expression or a dynamic dimension is among the arguments."""
        return any(isinstance(leaf, Node) for leaf in self.leaves) or any(isinstance(one, Dim) for one in self.fixed)

    def combination(self, who: str) -> tuple[Any, ...]:
        """What a trace depends on: types, structure, and the values of what is not traced.

        Raises
        ------
        TraceError
            Something that is not traced is not hashable either.
        """
        fixed = tuple(one if one is _TRACED else identity_of(one) for one in self.fixed)
        try:
            hash(fixed)
        except TypeError:
            raise self._unhashable(who) from None
        return tuple(map(leaf_type, self.leaves)), fixed, self.structure, self.keywords

    def _unhashable(self, who: str) -> TraceError:
        parts = zip(self.titles, self.structure.parts, strict=True)
        names = [name for title, part in parts for name in leaf_names(title, part)]
        for name, value in zip(names, self.fixed, strict=True):
            try:
                hash(value)
            except TypeError:
                return TraceError(
                    f"{who}: {name!r} is of class {type(value).__name__}, which is neither traced nor hashable",
                    where=user_line(),
                    hint="static arguments are compared from call to call: use tuples for lists, and trace arrays",
                )
        raise AssertionError("called for what is not hashable")


class _Traced:
    def __repr__(self) -> str:
        return "traced"


_TRACED = _Traced()


def is_array_like(value: Any) -> bool:
    """Whether a value is traced: a number, an array or an expression; anything else stays as it is."""
    return isinstance(value, (Node, np.ndarray, np.generic, bool, int, float))


def identity_of(value: Any) -> Any:
    """What tells apart values that are equal in Python and yet lead to other traces: 1, 1.0 and True, 0.0 and -0.0."""
    if isinstance(value, float):
        return type(value), float(value).hex()
    if isinstance(value, tuple):
        return type(value), *map(identity_of, value)
    return type(value), value


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """Names of the first positional parameters, ``arg0``, ``arg1``, ... where they are unknown."""
    return Parameters(function).names(count)


def bind(
    function: Callable[..., Any] | Parameters,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    static: Static = NOTHING_STATIC,
) -> Arguments:
    """The arguments of a call, taken apart; static ones are kept as they are.

    Raises
    ------
    KernelInputError
        The function has no parameter of a keyword's name, or gets it twice, or misses one.
    """
    parameters = function if isinstance(function, Parameters) else Parameters(function)
    if kwargs:
        args, kwargs = parameters.arranged(args, kwargs)
    keywords = tuple(kwargs or ())
    titles = [*parameters.names(len(args)), *keywords]
    places = [*range(len(args)), *map(parameters.place, keywords)]
    leaves: list[Any] = []
    fixed: list[Any] = []
    names: list[str] = []
    structures = []
    for place, title, arg in zip(places, titles, (*args, *(kwargs or {}).values()), strict=True):
        if place in static.positions or title in static.names:
            fixed.append(arg)
            structures.append(Structure())
            continue
        own, structure = flatten(arg)
        structures.append(structure)
        for leaf, leaf_name in zip(own, leaf_names(title, structure), strict=True):
            if is_array_like(leaf):
                leaves.append(leaf)
                names.append(leaf_name)
                fixed.append(_TRACED)
            else:
                fixed.append(leaf)
    whole = Structure(tuple, (), tuple(structures))
    return Arguments(leaves, tuple(fixed), whole, _distinct(names), tuple(titles), tuple(places), keywords)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with underscores added where one occurs again."""
    taken: set[str] = set()
    out = []
    for name in names:
        while name in taken:
            name += "_"
        taken.add(name)
        out.append(name)
    return out


def leaf_type(leaf: Any) -> TensorType:
    """The type of the placeholder for an argument; Python numbers count as float64.

    Raises
    ------
    DTypeError
        An array of another element type.
    """
    if isinstance(leaf, Node):
        return leaf.type
    if isinstance(leaf, bool):
        return types.of(types.BOOL, ())
    if isinstance(leaf, (int, float)):
        return types.of(FLOAT64, ())
    if leaf.dtype == object:
        raise DTypeError(
            "an argument is an object array", where=user_line(), hint="use numeric arrays, or a list of expressions"
        )
    return types.of(types.as_dtype(leaf.dtype), leaf.shape)


def trace(function: Callable[..., Any], arguments: Arguments) -> tuple[list[Any], Any]:
    """Call the function with fresh placeholders; returns them and what it returned."""
    parameters = [
        ops.parameter(name, leaf_type(leaf)) for name, leaf in zip(arguments.names, arguments.leaves, strict=True)
    ]
    return parameters, arguments.call(function, parameters)


def as_outputs(value: Any, who: str) -> tuple[list[Any], Structure]:
    """The results of a traced function as nodes, and their structure.

    Raises
    ------
    TraceError
        A result is no number, array or expression.
    """
    leaves, structure = flatten(value)
    for leaf in leaves:
        if not (is_array_like(leaf) or isinstance(leaf, Dim)):
            raise TraceError(
                f"{who}: the function returned {type(leaf).__name__} {leaf!r}, no array or expression",
                where=user_line(),
            )
    return [ops.as_node(leaf) for leaf in leaves], structure
