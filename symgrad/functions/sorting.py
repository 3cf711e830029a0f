"""NumPy's functions of order.  In: arrays.  Out: sorted elements and their positions, as nodes.

Everything differentiates through the gather of the elements that it names; NaN sorts last, as in NumPy.
"""

from __future__ import annotations

from typing import Any

from symgrad import ops
from symgrad.functions.axes import along, axis_of
from symgrad.functions.selection import take_along_axis
from symgrad.node import Node

__all__ = [
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "digitize",
    "partition",
    "searchsorted",
    "sort",
]


def argmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Position of the first largest element along an axis; in the flattened array by default."""
    return ops.argmax(a, axis, keepdims)


def argmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Position of the first smallest element along an axis; in the flattened array by default."""
    return ops.argmin(a, axis, keepdims)


def argsort(a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Any:
    """Positions that sort an axis (None: the flattened array); equal elements keep their order."""
    return ops.argsort(a, axis)


def sort(a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Any:
    """The elements sorted along an axis (None: flattened)."""
    node = ops.as_node(a)
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    return take_along_axis(node, ops.argsort(node, axis), axis)


def partition(a: Any, kth: Any, axis: Any = -1, kind: Any = None) -> Any:
    """The elements of an axis with those at ``kth`` where sorting would put them: here, all are."""
    return sort(a, axis)


def argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = None) -> Any:
    """Positions that partition an axis: here, that sort it."""
    return ops.argsort(a, axis)


# -- search ---------------------------------------------------------------------------------------------------------
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where values would be inserted into a sorted vector."""
    node = ops.as_node(a)
    return ops.searchsorted(node if sorter is None else along(node, 0, ops.as_node(sorter)), v, side)


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number of each value's bin; bins that are expressions must increase, others may decrease as well."""
    falling = not isinstance(bins, Node) and len(bins) > 1 and bins[-1] < bins[0]
    edges = ops.as_node(bins)
    axis_of(0, edges.ndim, "digitize")
    if not falling:
        return ops.searchsorted(edges, x, "left" if right else "right")
    turned = along(edges, 0, slice(None, None, -1))
    return ops.subtract(ops.dim_value(edges.shape[0]), ops.searchsorted(turned, x, "right" if right else "left"))
