"""Nested arguments and results.  In: tuples, lists, dicts, dataclasses, of anything.  Out: a flat list and a structure.

Dictionaries keep their order of insertion; named tuples, dataclasses and ordered dictionaries keep their class, other
sub-classes of tuple, list and dict become those.  ``None`` is a leaf.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from symgrad.errors import TraceError

__all__ = ["Structure", "assembler", "contents", "flatten", "leaf_names", "leaves_like", "tree_map", "unflatten"]


class Structure(NamedTuple):
    """How a value was nested: ``None`` kind is a leaf, otherwise the class, its keys and its parts."""

    kind: Any = None
    keys: tuple[Any, ...] = ()
    parts: tuple[Structure, ...] = ()

    @property
    def size(self) -> int:
        """Number of leaves."""
        return 1 if self.kind is None else sum(part.size for part in self.parts)


_LEAF = Structure()


def contents(value: Any) -> tuple[tuple[Any, ...], Sequence[Any]] | None:
    """Keys and parts of a container; None for a leaf."""
    if isinstance(value, (tuple, list)):
        return (), value
    if isinstance(value, dict):
        return tuple(value), list(value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in dataclasses.fields(value) if field.init)
        return names, [getattr(value, name) for name in names]
    return None


def flatten(value: Any) -> tuple[list[Any], Structure]:
    """The leaves of a nested value, in order, and the structure that :func:`unflatten` takes."""
    found = contents(value)
    if found is None:
        return [value], _LEAF
    keys, parts = found
    leaves: list[Any] = []
    structures = []
    for part in parts:
        own, structure = flatten(part)
        leaves.extend(own)
        structures.append(structure)
    return leaves, Structure(_kind(type(value)), keys, tuple(structures))


def _kind(given: type) -> type:
    """The class that a container of some class is built as."""
    if issubclass(given, tuple):
        return given if hasattr(given, "_fields") else tuple
    if issubclass(given, list):
        return list
    if issubclass(given, dict):
        return OrderedDict if issubclass(given, OrderedDict) else dict
    return given


def leaves_like(value: Any, structure: Structure) -> list[Any] | None:
    """The leaves of a value in the order of a structure that it has: dictionaries match by key, lists and tuples are one
    kind, and None stands for all leaves of a part.  None where the value has another structure.

    >>> leaves_like([{"b": 1, "a": 2}, None], flatten(({"a": 0, "b": 0}, (0, 0)))[1])
    [2, 1, None, None]
    """
    if structure.kind is None:
        return [value] if contents(value) is None else None
    if value is None:
        return [None] * structure.size
    found = contents(value)
    if found is None:
        return None
    keys, parts = found
    if structure.keys:
        if set(keys) != set(structure.keys):
            return None
        named = dict(zip(keys, parts, strict=True))
        parts = [named[key] for key in structure.keys]
    elif keys or len(parts) != len(structure.parts):
        return None
    leaves: list[Any] = []
    for part, own in zip(parts, structure.parts, strict=True):
        inner = leaves_like(part, own)
        if inner is None:
            return None
        leaves.extend(inner)
    return leaves


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The nested value of that structure with these leaves."""
    if len(leaves) != structure.size:
        raise TraceError(f"a structure of {structure.size} leaves was given {len(leaves)}")
    return assembler(structure)(tuple(leaves))


def assembler(structure: Structure, start: int = 0) -> Callable[[tuple[Any, ...]], Any]:
    """A function that builds nested values of a structure from their leaves, those from ``start`` on, again and again."""
    kind, keys = structure.kind, structure.keys
    if kind is None:
        return itemgetter(start)
    if all(part.kind is None for part in structure.parts):
        return _flat(structure, slice(start, start + len(structure.parts)))
    parts = []
    for part in structure.parts:
        parts.append(assembler(part, start))
        start += part.size
    if kind is tuple:
        return lambda leaves: tuple([part(leaves) for part in parts])
    if kind is list:
        return lambda leaves: [part(leaves) for part in parts]
    if issubclass(kind, tuple):
        return lambda leaves: kind(*[part(leaves) for part in parts])
    if issubclass(kind, dict):
        return lambda leaves: kind(zip(keys, [part(leaves) for part in parts], strict=True))
    return lambda leaves: kind(**dict(zip(keys, [part(leaves) for part in parts], strict=True)))


def _flat(structure: Structure, own: slice) -> Callable[[tuple[Any, ...]], Any]:
    """The same for a container without containers in it."""
    kind, keys = structure.kind, structure.keys
    if kind is tuple:
        return itemgetter(own)
    if kind is list:
        return lambda leaves: list(leaves[own])
    if issubclass(kind, tuple):
        return lambda leaves: kind(*leaves[own])
    if issubclass(kind, dict):
        return lambda leaves: kind(zip(keys, leaves[own], strict=True))
    return lambda leaves: kind(**dict(zip(keys, leaves[own], strict=True)))


def tree_map(function: Callable[..., Any], value: Any, *others: Any) -> Any:
    """The value with ``function`` applied to every leaf (and to the leaves at its place in ``others``)."""
    leaves, structure = flatten(value)
    rows = [leaves, *(flatten(other)[0] for other in others)]
    return unflatten(structure, [function(*row) for row in zip(*rows, strict=True)])


def leaf_names(name: str, structure: Structure) -> list[str]:
    """A name for each leaf: the argument's, with keys, fields and positions appended."""
    if structure.kind is None:
        return [name]
    keys = structure.keys or getattr(structure.kind, "_fields", None) or range(len(structure.parts))
    return [leaf for key, part in zip(keys, structure.parts, strict=True) for leaf in leaf_names(f"{name}_{key}", part)]
