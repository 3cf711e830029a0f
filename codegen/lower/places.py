"""Sums at known places.  In: a scatter into zeros whose places are constants.  Out: the same as a gather, or None.

The derivative of reading ``x[places]`` adds at these places, one element after the other.  Where each element of the result
gets at most one number, looking up which one it gets is several times faster.  Zeros that a constant mask has put into
the numbers need no place: of a packed triangle read as a matrix, they all go to one.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from codegen.lower.patterns import Pattern, known_values
from symgrad import ops
from symgrad.node import Node, topological

__all__ = ["gathered"]

_MASK = 8  # nodes of a mask, at most


def gathered(node: Node) -> Any:
    """A ``scatter_add`` node as a gather; None where that is not the same, or where most of the result would stay zero."""
    base, updates, *indices = node.inputs
    known = ops.uniform_value(base)
    axis, rank = node.attrs.axis, indices[0].ndim
    sizes = [size for size in node.shape[axis : axis + len(indices)] if isinstance(size, int)]
    if known is None or known != 0 or len(sizes) < len(indices) or any(one.op.name != "constant" for one in indices):
        return None
    arrays = [one.attrs.value.array for one in indices]
    if any(np.any((one < -size) | (one >= size)) for one, size in zip(arrays, sizes, strict=True)):
        return None
    mask, source = _selected(updates, axis, rank)
    shape = arrays[0].shape
    chosen = np.ones(shape, bool) if mask is None else np.broadcast_to(mask, shape)
    places = np.ravel_multi_index([one % size for one, size in zip(arrays, sizes, strict=True)], sizes)[chosen]
    if 2 * places.size < prod(sizes) or np.unique(places).size < places.size:
        return None
    found, position = np.zeros(prod(sizes), bool), np.zeros(prod(sizes), np.int64)
    found[places], position[places] = True, np.flatnonzero(chosen)
    taken = ops.gather(source, [ops.as_node(one) for one in np.unravel_index(position.reshape(sizes), shape)], axis)
    if found.all():
        return taken
    after = (1,) * (node.ndim - axis - len(sizes))
    return ops.where(ops.broadcast_to(ops.as_node(found.reshape(*sizes, *after)), node.shape), taken, 0)


def _selected(updates: Node, axis: int, rank: int) -> tuple[Pattern | None, Node]:
    """The mask along some axes under which numbers are other than zero, and the numbers; without a mask, all of them."""
    if updates.op.name != "where" or ops.uniform_value(updates.inputs[2]) != 0:
        return None, updates
    condition, source, _ = updates.inputs
    order = topological([condition])
    mask = known_values(order).get(condition) if len(order) <= _MASK else None
    if mask is None or any(size != 1 for size in (*mask.shape[:axis], *mask.shape[axis + rank :])):
        return None, updates
    return mask.reshape(mask.shape[axis : axis + rank]), source
