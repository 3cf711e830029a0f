"""Tracing.  In: a Python function and arguments.  Out: its results as expressions of fresh placeholders.

A traced function is called once with placeholders that equal nothing else, so a derivative with respect to them can
never be confused with one with respect to an outer symbol, even of the same name; the caller's arguments take their
place afterwards.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops, types
from symgrad.containers import Structure, flatten, leaf_names, unflatten
from symgrad.dims import Dim
from symgrad.errors import DTypeError, TraceError
from symgrad.node import Node
from symgrad.provenance import user_line
from symgrad.types import FLOAT64, TensorType

__all__ = ["Arguments", "argument_names", "bind", "is_array_like", "leaf_type", "trace"]


class Arguments(NamedTuple):
    """Positional arguments, flattened: the array-like leaves, the others kept as they are, and the structure of all."""

    leaves: list[Any]
    fixed: tuple[Any, ...]  # per leaf of the structure: the value itself, or _TRACED
    structure: Structure
    names: list[str]

    def rebuild(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments with other array-like leaves."""
        rest = iter(leaves)
        made: tuple[Any, ...] = unflatten(self.structure, [next(rest) if one is _TRACED else one for one in self.fixed])
        return made


class _Traced:
    def __repr__(self) -> str:
        return "traced"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Traced)

    def __hash__(self) -> int:
        return hash(_Traced)


_TRACED = _Traced()


def is_array_like(value: Any) -> bool:
    """Whether a value is traced: a number, an array, an expression or a size; anything else stays as it is."""
    return isinstance(value, (Node, Dim, np.ndarray, np.generic, bool, int, float))


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """Names of the first positional parameters, ``arg0``, ``arg1``, ... where they are unknown."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "arg")
    return [positional[k] if k < len(positional) else f"{variadic}{k}" for k in range(count)]


def bind(function: Callable[..., Any], args: Sequence[Any], static: Sequence[int] = ()) -> Arguments:
    """The arguments of a call, taken apart; those at ``static`` positions are kept as they are."""
    leaves: list[Any] = []
    fixed: list[Any] = []
    names: list[str] = []
    structures = []
    for position, (name, arg) in enumerate(zip(argument_names(function, len(args)), args, strict=True)):
        if position in static:
            fixed.append(arg)
            structures.append(Structure())
            continue
        own, structure = flatten(arg)
        structures.append(structure)
        for leaf, leaf_name in zip(own, leaf_names(name, structure), strict=True):
            if is_array_like(leaf):
                leaves.append(leaf)
                names.append(leaf_name)
                fixed.append(_TRACED)
            else:
                fixed.append(leaf)
    return Arguments(leaves, tuple(fixed), Structure(tuple, (), tuple(structures)), _distinct(names))


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
    if isinstance(leaf, (int, float, Dim)):
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
    return parameters, function(*arguments.rebuild(parameters))


def as_outputs(value: Any, who: str) -> tuple[list[Any], Structure]:
    """The results of a traced function as nodes, and their structure.

    Raises
    ------
    TraceError
        A result is no number, array or expression.
    """
    leaves, structure = flatten(value)
    for leaf in leaves:
        if not is_array_like(leaf):
            raise TraceError(
                f"{who}: the function returned {type(leaf).__name__} {leaf!r}, no array or expression",
                where=user_line(),
            )
    return [ops.as_node(leaf) for leaf in leaves], structure
