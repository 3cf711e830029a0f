"""NumPy's functions of order.  In: arrays.  Out: sorted elements, their positions, and order statistics, as nodes.

Everything differentiates through the gather of the elements that it names; NaN sorts last, and makes an order statistic
NaN, as in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import along, axis_of, float_node
from symgrad.functions.selection import take_along_axis
from symgrad.node import Node
from symgrad.ops.coerce import normalize_axes
from symgrad.provenance import user_line

__all__ = [
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "digitize",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "partition",
    "percentile",
    "quantile",
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


# -- order statistics -----------------------------------------------------------------------------------------------
def _last(a: Any, axis: Any, who: str) -> tuple[Any, tuple[int, ...]]:
    """The array with the reduced axes flattened into one at the end, and those axes."""
    node = float_node(a)
    axes = normalize_axes(axis, node.ndim, who)
    kept = [one for one in range(node.ndim) if one not in axes]
    moved = ops.transpose(node, [*kept, *axes])
    return ops.reshape(moved, (*(node.shape[one] for one in kept), _product(node, axes))), axes


def _product(node: Any, axes: tuple[int, ...]) -> Any:
    size: Any = 1
    for one in axes:
        size = size * node.shape[one]
    return size


def _at(ordered: Any, position: Any) -> Any:
    """Elements of the last axis at positions, which have that axis as their first."""
    return along(ordered, ordered.ndim - 1, position)


def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The middle element over axes, or the mean of both in the middle."""
    flat, axes = _last(a, axis, "median")
    size = flat.shape[-1]
    if isinstance(size, int) and size == 0:
        raise ShapeError("median: no elements", where=user_line())
    ordered = sort(flat)
    low, high = _at(ordered, (size - 1) // 2), _at(ordered, size // 2)
    made = low if low is high else ops.divide(ops.add(low, high), 2)
    made = ops.where(ops.isnan(_at(ordered, -1)), float("nan"), made)
    return ops.expand_dims(made, axes) if keepdims and axes else made


_FRACTION = "quantile: probabilities lie between 0 and 1"


def quantile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, weights: Any = None
) -> Any:
    """Order statistics at probabilities ``q``, which make the first axes of the result.

    With probabilities and sizes known while tracing all of NumPy's methods are there, otherwise ``"linear"``.
    """
    if weights is not None:
        raise TraceError("quantile: weights are not supported", where=user_line(), hint="leave out weights=")
    flat, axes = _last(a, axis, "quantile")
    shares = _shares(flat, q)
    if isinstance(shares, np.ndarray) and not np.all((shares >= 0) & (shares <= 1)):
        raise ShapeError(_FRACTION, where=user_line())
    ordered = sort(flat)
    made = _between(ordered, _position(flat.shape[-1], shares, method), shares.dtype)
    rank = np.ndim(shares)
    bad = ops.isnan(_at(ordered, -1))
    made = ops.where(ops.expand_dims(bad, tuple(range(bad.ndim, bad.ndim + rank))) if rank else bad, float("nan"), made)
    made = ops.transpose(made, [*range(made.ndim - rank, made.ndim), *range(made.ndim - rank)])
    return ops.expand_dims(made, tuple(axis + rank for axis in axes)) if keepdims and axes else made


def _shares(flat: Any, q: Any) -> Any:
    """Probabilities; a Python number takes the element type of the data."""
    if isinstance(q, (int, float)):
        return np.asarray(q, flat.dtype)
    return q if isinstance(q, Node) else np.asarray(q) * 1.0


def _hundredths(q: Any) -> Any:
    if isinstance(q, (int, float)):
        return q / 100
    return ops.divide(q, 100) if isinstance(q, Node) else np.asarray(q) / 100


def _position(size: Any, shares: Any, method: str) -> Any:
    """Where the quantiles lie in a sorted axis: the quantile of 0, 1, ... size - 1 is its own position."""
    if not isinstance(size, Dim) and isinstance(shares, np.ndarray):
        if size == 0:
            raise ShapeError("quantile: no elements", where=user_line())
        find: Any = np.quantile
        return np.asarray(find(np.arange(size), shares, method=method))
    if method != "linear":
        raise TraceError(
            f"quantile: method {method!r} needs probabilities and sizes that are known while tracing",
            where=user_line(),
            hint="use method='linear'",
        )
    return ops.multiply(shares, ops.cast(ops.dim_value(size) - 1, shares.dtype))


def _between(ordered: Any, position: Any, dtype: Any) -> Any:
    """Elements at fractional positions, interpolated."""
    size = ordered.shape[-1]
    if isinstance(position, np.ndarray):
        low: Any = np.floor(position).astype(np.int64)
        high: Any = np.minimum(low + 1, size - 1)
        share: Any = ops.constant(position - low, dtype)
        if position.ndim == 0:
            low, high = int(low), int(high)
    else:
        floor = ops.floor(position)
        low = ops.cast(floor, types.INT64)
        high = ops.minimum(ops.add(low, 1), ops.dim_value(size) - 1)
        share = ops.subtract(position, floor)
    return _interpolated(_at(ordered, low), _at(ordered, high), share)


def _interpolated(start: Any, end: Any, share: Any) -> Any:
    """Between two values, from the nearer one; the first itself where the share is 0."""
    gap = ops.subtract(end, start)
    near_end = ops.subtract(end, ops.multiply(gap, ops.subtract(1, share)))
    made = ops.where(ops.greater_equal(share, 0.5), near_end, ops.add(start, ops.multiply(gap, share)))
    return ops.where(ops.equal(share, 0), start, made)


def percentile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, weights: Any = None
) -> Any:
    """Order statistics at percentages ``q``."""
    return quantile(a, _hundredths(q), axis, method=method, keepdims=keepdims, weights=weights)


def nanquantile(a: Any, q: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Order statistics, by the linear method, of the elements that are no NaN; NaN where none is."""
    flat, axes = _last(a, axis, "nanquantile")
    shares = _shares(flat, q)
    rank = np.ndim(shares)
    ordered = sort(flat)
    count = ops.sum(ops.logical_not(ops.isnan(flat)), -1, keepdims=True)
    column = ops.reshape(ops.as_node(shares), -1)
    position = ops.multiply(column, ops.cast(ops.maximum(ops.subtract(count, 1), 0), column.dtype))
    floor = ops.floor(position)
    low = ops.cast(floor, types.INT64)
    high = ops.minimum(ops.add(low, 1), ops.maximum(ops.subtract(count, 1), 0))
    start, end = take_along_axis(ordered, low), take_along_axis(ordered, high)
    share = ops.subtract(position, floor)
    made = _interpolated(start, end, share)
    made = ops.transpose(made, [made.ndim - 1, *range(made.ndim - 1)])
    made = ops.reshape(made, (*np.shape(shares), *made.shape[1:]))
    return ops.expand_dims(made, tuple(axis + rank for axis in axes)) if keepdims and axes else made


def nanpercentile(a: Any, q: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Order statistics at percentages of the elements that are no NaN."""
    return nanquantile(a, _hundredths(q), axis, keepdims=keepdims)


def nanmedian(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The median over axes of the elements that are no NaN."""
    return nanquantile(a, 0.5, axis, keepdims=keepdims)


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
