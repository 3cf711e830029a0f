"""NumPy's order statistics.  In: arrays, probabilities.  Out: nodes.

A statistic is an element of the sorted axis, or between two of them: derivatives go to those.  NaN among the elements
makes it NaN, as in NumPy, unless the function's name begins with nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import dims, ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import along, float_node
from symgrad.functions.reductions import spread_weights
from symgrad.functions.selection import take_along_axis
from symgrad.functions.sorting import sort
from symgrad.node import Node
from symgrad.ops.coerce import normalize_axes
from symgrad.provenance import user_line

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]


def _last(a: Any, axis: Any, who: str) -> tuple[Any, tuple[int, ...]]:
    """The array with the reduced axes flattened into one at the end, and those axes."""
    node = float_node(a)
    axes = normalize_axes(axis, node.ndim, who)
    kept = [one for one in range(node.ndim) if one not in axes]
    moved = ops.transpose(node, [*kept, *axes])
    return ops.reshape(moved, (*(node.shape[one] for one in kept), _product(node, axes))), axes


def _product(node: Any, axes: tuple[int, ...]) -> Any:
    return dims.product(node.shape[one] for one in axes)


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
    made = low
    if low is not high:
        made = ops.divide(ops.add(low, high), 2)
        if isinstance(size, Dim):  # of an odd number there is one middle, and twice that might overflow
            made = ops.where(ops.equal(ops.as_node(size % 2), 1), ops.cast(low, made.dtype), made)
    made = ops.where(ops.isnan(_at(ordered, -1)), float("nan"), made)
    return ops.expand_dims(made, axes) if keepdims and axes else made


# -- quantiles ------------------------------------------------------------------------------------------------------
_FRACTION = "quantile: probabilities lie between 0 and 1"


def quantile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, weights: Any = None
) -> Any:
    """Order statistics at probabilities ``q``, which make the first axes of the result.

    Weights, of the array's shape or one for each element of the axes, go with the method ``"inverted_cdf"``.

    Raises
    ------
    ShapeError
        A probability known while tracing is none, there are no elements, or the weights' shape fits nothing.
    TraceError
        The method is unknown, or another one than ``"inverted_cdf"`` has weights.
    """
    flat, axes = _last(a, axis, "quantile")
    shares = _shares(flat, q)
    if isinstance(shares, np.ndarray) and not np.all((shares >= 0) & (shares <= 1)):
        raise ShapeError(_FRACTION, where=user_line())
    size, rank = flat.shape[-1], np.ndim(shares)
    if isinstance(size, int) and size == 0:
        raise ShapeError("quantile: no elements", where=user_line())
    if weights is None:
        made = _between(sort(flat), _position(size, shares, method), shares.dtype)
        made = ops.transpose(made, [*range(made.ndim - rank, made.ndim), *range(made.ndim - rank)])
    else:
        made = _weighted(ops.as_node(a), flat, shares, axis, weights, method)
    made = ops.where(ops.any(ops.isnan(flat), -1), float("nan"), made)
    made = ops.cast(made, ops.as_node(a).dtype) if method in _ELEMENTS else made
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


# -- where quantiles lie --------------------------------------------------------------------------------------------
def _continuous(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    """Hyndman and Fan's families of interpolated statistics (The American Statistician 50 (1996), 361-365)."""
    return lambda n, q: ops.subtract(ops.add(ops.multiply(n, q), ops.add(alpha, ops.multiply(q, 1 - alpha - beta))), 1)


def _linear(n: Any, q: Any) -> Any:
    return ops.multiply(ops.subtract(n, 1), q)


def _averaged(n: Any, q: Any) -> Any:
    place = ops.subtract(ops.multiply(n, q), 1)
    return ops.where(ops.equal(place, ops.floor(place)), ops.add(place, 0.5), ops.ceil(place))


def _closest(n: Any, q: Any) -> Any:
    place = ops.subtract(ops.multiply(n, q), 1.5)
    low = ops.floor(place)
    even = ops.logical_and(ops.equal(place, low), ops.equal(ops.remainder(low, 2), 1))
    return ops.where(even, low, ops.add(low, 1))


def _midpoint(n: Any, q: Any) -> Any:
    place = _linear(n, q)
    return ops.multiply(0.5, ops.add(ops.floor(place), ops.ceil(place)))


# The position, among n sorted elements counted from 0, of the quantile at q.
_POSITIONS: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": _averaged,
    "closest_observation": _closest,
    "hazen": _continuous(1 / 2, 1 / 2),
    "higher": lambda n, q: ops.ceil(_linear(n, q)),
    "interpolated_inverted_cdf": _continuous(0, 1),
    "inverted_cdf": lambda n, q: ops.ceil(ops.subtract(ops.multiply(n, q), 1)),
    "linear": _linear,
    "lower": lambda n, q: ops.floor(_linear(n, q)),
    "median_unbiased": _continuous(1 / 3, 1 / 3),
    "midpoint": _midpoint,
    "nearest": lambda n, q: ops.rint(_linear(n, q)),
    "normal_unbiased": _continuous(3 / 8, 3 / 8),
    "weibull": _continuous(0, 0),
}


# Methods whose quantiles are elements, never between two of them.
_ELEMENTS = frozenset({"closest_observation", "higher", "inverted_cdf", "lower", "nearest"})


def _known(method: Any) -> str:
    if not isinstance(method, str) or method not in _POSITIONS:
        raise TraceError(
            f"quantile: method {method!r} is unknown", where=user_line(), hint=f"methods are {', '.join(_POSITIONS)}"
        )
    return method


def _position(size: Any, shares: Any, method: str) -> Any:
    """Where the quantiles lie in a sorted axis: the quantile of 0, 1, ... size - 1 is its own position."""
    formula = _POSITIONS[_known(method)]
    if not isinstance(size, Dim) and isinstance(shares, np.ndarray):
        find: Any = np.quantile
        return np.asarray(find(np.arange(size), shares, method=method))
    count = ops.cast(ops.dim_value(size), shares.dtype)
    return ops.minimum(ops.maximum(formula(count, shares), 0), ops.subtract(count, 1))


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


def _weighted(node: Any, flat: Any, shares: Any, axis: Any, weights: Any, method: str) -> Any:
    """The first elements, in order, at which the sum of weights reaches shares of the whole."""
    if _known(method) != "inverted_cdf":
        raise TraceError(
            f"quantile: method {method!r} has no weights", where=user_line(), hint="method='inverted_cdf' has"
        )
    spread = ops.broadcast_to(spread_weights(node, axis, weights, "quantile"), node.shape)
    order = ops.argsort(flat)
    heavy = take_along_axis(_last(spread, axis, "quantile")[0], order)
    running = ops.cumsum(heavy, -1, types.FLOAT64)
    level = ops.divide(running, ops.expand_dims(_at(running, -1), running.ndim - 1))
    wanted = ops.as_node(shares)
    level = ops.cast(level, wanted.dtype)
    tall = ops.expand_dims(wanted, tuple(range(wanted.ndim, wanted.ndim + flat.ndim)))
    below = ops.logical_or(ops.less(level, tall), ops.equal(level, 0))
    place = ops.minimum(ops.sum(below, -1, True), ops.dim_value(flat.shape[-1]) - 1)
    ordered = ops.broadcast_to(take_along_axis(flat, order), (*wanted.shape, *flat.shape))
    return ops.squeeze(take_along_axis(ordered, place), -1)


def percentile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, weights: Any = None
) -> Any:
    """Order statistics at percentages ``q``."""
    return quantile(a, _hundredths(q), axis, method=method, keepdims=keepdims, weights=weights)


def nanquantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """Order statistics of the elements that are no NaN; NaN where none is."""
    flat, axes = _last(a, axis, "nanquantile")
    shares = _shares(flat, q)
    rank = np.ndim(shares)
    ordered = sort(flat)
    count = ops.sum(ops.logical_not(ops.isnan(flat)), -1, keepdims=True)
    column = ops.reshape(ops.as_node(shares), -1)
    top = ops.maximum(ops.subtract(count, 1), 0)
    found = _POSITIONS[_known(method)](ops.cast(ops.add(top, 1), column.dtype), column)
    position = ops.minimum(ops.maximum(found, 0), ops.cast(top, column.dtype))
    floor = ops.floor(position)
    low = ops.cast(floor, types.INT64)
    high = ops.minimum(ops.add(low, 1), top)
    start, end = take_along_axis(ordered, low), take_along_axis(ordered, high)
    share = ops.subtract(position, floor)
    made = _interpolated(start, end, share)
    made = ops.transpose(made, [made.ndim - 1, *range(made.ndim - 1)])
    made = ops.reshape(made, (*np.shape(shares), *made.shape[1:]))
    return ops.expand_dims(made, tuple(axis + rank for axis in axes)) if keepdims and axes else made


def nanpercentile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """Order statistics at percentages of the elements that are no NaN."""
    return nanquantile(a, _hundredths(q), axis, method=method, keepdims=keepdims)


def nanmedian(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The median over axes of the elements that are no NaN."""
    return nanquantile(a, 0.5, axis, keepdims=keepdims)
