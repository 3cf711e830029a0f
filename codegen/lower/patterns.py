"""Which elements matter.  In: a graph.  Out: where arrays hold zeros for certain, and which of their elements are read.

Both follow from selections by masks that are known while compiling: ``where(mask, x, 0)`` is zero outside of the mask, and
of an array that is only read through such a selection nobody reads the rest.  Only what holds for infinite numbers and
NaN too counts: ``x * 0`` is no zero.

A pattern is an array of bools that broadcasts to the shape of the array that it is about, and has its rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from symgrad.node import Node, topological
from symgrad.opdef import Kind
from symgrad.types import is_tuple

__all__ = ["Pattern", "Patterns", "known_values", "patterns"]

Pattern = np.ndarray[Any, Any]

_LARGEST = 1 << 18  # elements of a pattern
_MOVES = {"reshape", "slice", "concatenate", "stack", "place", "update", "gather", "scatter_add", "scatter_set"}
_SELECTS = {"where", "masked_multiply", "zero_multiply", *_MOVES} - {"reshape", "concatenate", "stack"}
_READS = {"broadcast_to", "expand_dims", "squeeze", "transpose", "assert_shape"}
_FIRST_INDEX = {"gather": 1, "scatter_add": 2, "scatter_set": 2}


class Patterns(NamedTuple):
    """What is known of arrays; those that are missing may be anything anywhere, and are read everywhere.

    Attributes
    ----------
    entries : where an array may be other than zero
    needed : which elements are read
    """

    entries: dict[Node, Pattern]
    needed: dict[Node, Pattern]


def patterns(order: Sequence[Node], results: Iterable[Node], products: Sequence[Node]) -> Patterns:
    """Patterns of the operands of some products, and of their results."""
    if not any(node.op.name in _SELECTS or (node.op.name == "constant" and node.ndim > 1) for node in order):
        return Patterns({}, {})
    known = known_values(order)
    entries: dict[Node, Pattern] = {}
    with np.errstate(all="ignore"):
        for node in topological([one for product in products for one in product.inputs]):
            found = known[node] != 0 if node in known else _entries(node, known, entries)
            if found is not None and not found.all():
                entries[node] = found
    return Patterns(entries, _needed(order, set(results), _watched(order, products), known, entries))


def known_values(order: Iterable[Node]) -> dict[Node, Pattern]:
    """Arrays that do not depend on arguments, in the form of patterns; not all such."""
    known: dict[Node, Pattern] = {}
    with np.errstate(all="ignore"):
        for node in order:
            value = None if is_tuple(node.type) else _value(node, known)
            if value is not None:
                known[node] = value
    return known


# -- zeros ----------------------------------------------------------------------------------------------------------
def _value(node: Node, known: dict[Node, Pattern]) -> Pattern | None:
    """Elements that do not depend on arguments, in the form of a pattern."""
    if node.op.name == "constant":
        array: Pattern = node.attrs.value.array
        return array if array.size <= _LARGEST else None
    if node.op.name == "iota":
        return _evaluated(node, []) if _sizes(node) is not None else None
    if not node.inputs or not all(one in known for one in node.inputs):
        return None
    values = [known[one] for one in node.inputs]
    if node.op.kind is Kind.ELEMENTWISE:
        sizes = np.broadcast_shapes(*(value.shape for value in values))
        return _evaluated(node, values) if prod(sizes) <= _LARGEST else None
    return _viewed(node, values[0])


def _evaluated(node: Node, values: Sequence[Any]) -> Pattern:
    return np.asarray(node.op.evaluate(node.attrs, *values))


def _sizes(node: Node) -> tuple[int, ...] | None:
    """The shape of a small array of known size."""
    sizes = tuple(size for size in node.shape if isinstance(size, int))
    return sizes if len(sizes) == node.ndim and prod(sizes) <= _LARGEST else None


def _spread(pattern: Pattern, node: Node) -> Pattern:
    """A pattern in the shape of its array, which is small."""
    sizes = _sizes(node)
    assert sizes is not None
    return np.broadcast_to(pattern, sizes)


def _viewed(node: Node, pattern: Pattern) -> Pattern | None:
    """The pattern of a view, given that of its input; None where it is no view that keeps axes whole."""
    name = node.op.name
    if name == "broadcast_to":
        return pattern.reshape((1,) * (node.ndim - pattern.ndim) + pattern.shape)
    if name in ("expand_dims", "squeeze", "transpose"):
        return np.asarray(node.op.evaluate(node.attrs, pattern))
    return pattern if name == "assert_shape" else None


def _entries(node: Node, known: dict[Node, Pattern], entries: dict[Node, Pattern]) -> Pattern | None:
    """Where the elements of a node may be other than zero; None for everywhere."""
    name = node.op.name
    if name == "where":
        return _selected(node, known, entries)
    if name in ("masked_multiply", "zero_multiply"):  # a zero of the first factor prevails, or of either
        found = [entries[one] for one in node.inputs[: 1 if name == "masked_multiply" else 2] if one in entries]
        return found[0] if len(found) == 1 else found[0] & found[1] if found else None
    if not any(one in entries for one in node.inputs):
        return None
    if node.op.kind is Kind.ELEMENTWISE:
        return _combined(node, known, entries)
    if name in _MOVES:
        return _moved(node, known, entries)
    return _viewed(node, entries[node.inputs[0]]) if len(node.inputs) == 1 else None


def _selected(node: Node, known: dict[Node, Pattern], entries: dict[Node, Pattern]) -> Pattern | None:
    condition, yes, no = node.inputs
    if yes not in entries and no not in entries:
        return None
    a, b = (entries.get(one, np.ones((1,) * node.ndim, bool)) for one in (yes, no))
    if condition not in known:
        return a | b
    mask = known[condition]
    return (mask & a) | (~mask & b)


def _combined(node: Node, known: dict[Node, Pattern], entries: dict[Node, Pattern]) -> Pattern | None:
    """An operation whose value is zero where those of its operands that have zeros are zero; the others are numbers."""
    values, found = [], []
    for one in node.inputs:
        if one in entries and entries[one].any():
            values.append(np.zeros((), one.type.dtype))
            found.append(entries[one])
        elif one in known and known[one].size == 1:
            values.append(known[one].reshape(()))
        else:
            return None
    zero = _evaluated(node, values)
    return np.logical_or.reduce(np.broadcast_arrays(*found)) if found and zero == 0 else None


def _moved(node: Node, known: dict[Node, Pattern], entries: dict[Node, Pattern]) -> Pattern | None:
    """An operation that moves elements moves their patterns."""
    first = _FIRST_INDEX.get(node.op.name, len(node.inputs))
    data, indices = node.inputs[:first], node.inputs[first:]
    if any(_sizes(one) is None for one in (node, *node.inputs)) or not all(one in known for one in indices):
        return None
    everywhere = np.ones((), bool)
    moved = [_spread(entries.get(one, everywhere), one) for one in data]
    places = [_spread(known[one], one) for one in indices]
    return _evaluated(node, [*moved, *places]).astype(bool)


# -- what is read ---------------------------------------------------------------------------------------------------
def _watched(order: Sequence[Node], products: Iterable[Node]) -> set[Node]:
    """Products, and what is read of them element by element."""
    watched = set(products)
    for node in order:
        if (node.op.kind is Kind.ELEMENTWISE or node.op.name in _READS) and not watched.isdisjoint(node.inputs):
            watched.add(node)
    return watched


def _needed(
    order: Sequence[Node],
    everywhere: set[Node],
    watched: set[Node],
    known: dict[Node, Pattern],
    entries: dict[Node, Pattern],
) -> dict[Node, Pattern]:
    """Which elements of watched arrays somebody reads, from those of which all are read backwards."""
    needed: dict[Node, Pattern] = {}
    for node in reversed(order):
        own = None if node in everywhere else needed.get(node)
        for position, one in enumerate(node.inputs):
            if one not in watched or one in everywhere:
                continue
            found = None if is_tuple(node.type) else _read(node, position, own, known, entries)
            if found is None or found.all():
                everywhere.add(one)
            else:
                before = needed.get(one)
                needed[one] = found if before is None else before | found
    return {node: pattern for node, pattern in needed.items() if node not in everywhere}


def _read(
    node: Node, position: int, own: Pattern | None, known: dict[Node, Pattern], entries: dict[Node, Pattern]
) -> Pattern | None:
    """Which elements of an input a node reads, if somebody needs those of it in ``own``; None for all."""
    name, one = node.op.name, node.inputs[position]
    if name == "where" and position and node.inputs[0] in known:
        mask = known[node.inputs[0]]
        mask = mask if position == 1 else ~mask
        return mask if own is None else mask & own
    if name == "masked_multiply" and position == 1 and node.inputs[0] in entries:
        mask = entries[node.inputs[0]]
        return mask if own is None else mask & own
    if name in ("gather", "slice"):
        return _picked(node, known) if position == 0 else None
    if own is None:
        return None
    if node.op.kind is Kind.ELEMENTWISE:
        return own
    if name == "broadcast_to":
        lead = node.ndim - one.ndim
        repeated = tuple(lead + axis for axis, size in enumerate(one.shape) if isinstance(size, int) and size == 1)
        return np.any(own, axis=repeated, keepdims=True).any(axis=tuple(range(lead)))
    if name == "transpose":
        return np.transpose(own, np.argsort(node.attrs.axes))
    if name == "expand_dims":
        return np.squeeze(own, node.attrs.axes)
    if name == "squeeze":
        return np.expand_dims(own, node.attrs.axes)
    return own if name == "assert_shape" else None


def _picked(node: Node, known: dict[Node, Pattern]) -> Pattern | None:
    """Which elements of its first input an indexing operation reads, all its own being needed."""
    base, *indices = node.inputs
    sizes = _sizes(base)
    if sizes is None or any(_sizes(one) is None for one in indices) or not all(one in known for one in indices):
        return None
    places = [_spread(known[one], one) for one in indices]
    found = np.zeros(prod(sizes), bool)
    found[_evaluated(node, [np.arange(found.size).reshape(sizes), *places])] = True
    return found.reshape(sizes)
