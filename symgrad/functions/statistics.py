"""NumPy's covariances and histograms.  In: observations.  Out: nodes.

Counts are constant almost everywhere, so that histograms have derivatives with respect to their weights and edges only.
"""

from __future__ import annotations

from builtins import range as builtin_range
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.dims import Dim
from symgrad.errors import DTypeError, ShapeError, TraceError
from symgrad.functions.axes import along, float_node
from symgrad.functions.creation import linspace
from symgrad.functions.differences import diff
from symgrad.functions.matrices import diag
from symgrad.functions.rearrange import atleast_2d
from symgrad.functions.reductions import average
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = [
    "bincount",
    "corrcoef",
    "cov",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
]


# -- covariance -----------------------------------------------------------------------------------------------------
def _observations(m: Any, y: Any, rowvar: bool, dtype: Any) -> Any:
    """A matrix with one variable in each row."""
    given: list[Any] = [None if one is None else ops.as_node(one, who="cov") for one in (m, y)]
    for one in given:
        if one is not None and one.ndim > 2:
            raise ShapeError(f"cov: {shape_text(one.shape)} has more than two axes", where=user_line())
    first, second = (None if one is None else ops.cast(atleast_2d(one), dtype) for one in given)
    if not rowvar and given[0].ndim != 1:
        first = ops.transpose(first)
    if second is None:
        return first
    if not rowvar and not types.same_shape(second.shape[:1], (1,)):
        second = ops.transpose(second)
    return ops.concatenate([first, second], 0)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariances of variables, each a row of observations (a column unless ``rowvar``)."""
    rows = _observations(m, y, rowvar, types.FLOAT64 if dtype is None else types.as_dtype(dtype))
    freedom = (0 if bias else 1) if ddof is None else ddof
    parts = [ops.as_node(one, rows.dtype) for one in (fweights, aweights) if one is not None]
    weights = None if not parts else parts[0] if len(parts) == 1 else ops.multiply(*parts)
    center, totals = average(rows, 1, weights, True)
    total = along(totals, 0, 0)
    if weights is None or aweights is None:
        left = ops.subtract(total, freedom)
    else:
        spread = ops.sum(ops.multiply(weights, parts[-1]))
        left = ops.subtract(total, ops.divide(ops.multiply(freedom, spread), total))
    moved = ops.subtract(rows, ops.expand_dims(center, 1))
    weighted = moved if weights is None else ops.multiply(moved, weights)
    made = ops.divide(ops.matmul(moved, ops.transpose(weighted)), ops.maximum(left, 0))
    return ops.squeeze(made)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The correlation coefficients of variables: covariances divided by both standard deviations."""
    table = cov(x, y, rowvar, dtype=dtype)
    if table.ndim == 0:
        return ops.divide(table, table)
    deviation = ops.sqrt(diag(table))
    scaled = ops.divide(ops.divide(table, ops.expand_dims(deviation, 1)), ops.expand_dims(deviation, 0))
    return ops.minimum(ops.maximum(scaled, -1), 1)


# -- histograms -----------------------------------------------------------------------------------------------------
def _edges(a: Any, bins: Any, range: Any) -> Any:
    """The edges of bins: as given, or so many of equal width."""
    if isinstance(bins, str):
        raise TraceError(
            f"histogram: the number of bins that {bins!r} finds depends on values",
            where=user_line(),
            hint="give a number of bins, or their edges",
        )
    if np.ndim(bins) == 1:
        return ops.as_node(bins, who="histogram")
    if isinstance(bins, (Node, Dim)) or np.ndim(bins) != 0 or int(bins) < 1:
        raise TraceError(
            f"histogram: bins={bins!r} is neither a number known while tracing nor a vector of edges",
            where=user_line(),
            hint="np.histogram(x, 10, (0, 1))",
        )
    low, high = (ops.min(a), ops.max(a)) if range is None else ops.as_nodes(list(range), who="histogram")
    same = ops.equal(low, high)  # bins of width 0 would hold nothing
    dtype = types.promote(a.dtype, *(one.dtype for one in ((low, high) if range is None else ())))
    dtype = dtype if types.is_float(dtype) else types.FLOAT64
    low, high = (ops.cast(ops.where(same, ops.add(end, by), end), dtype) for end, by in ((low, -0.5), (high, 0.5)))
    return linspace(low, high, int(bins) + 1)


def _bin_of(values: Any, edges: Any) -> tuple[Any, Any]:
    """Each value's bin, the last one closed, and whether there is one."""
    place = ops.subtract(ops.searchsorted(edges, values, "right"), 1)
    last = ops.equal(values, along(edges, 0, -1))
    place = ops.where(last, ops.dim_value(edges.shape[0]) - 2, place)
    inside = ops.logical_and(ops.greater_equal(values, along(edges, 0, 0)), ops.less_equal(values, along(edges, 0, -1)))
    return ops.where(inside, place, 0), inside


def _counted(size: Any, place: Any, inside: Any, weights: Any, dtype: Any) -> Any:
    share = ops.cast(inside, dtype) if weights is None else ops.where(inside, weights, 0)
    return ops.scatter_add(ops.full((size,), 0, share.dtype), share, [place], 0)


def _flat_weights(weights: Any, size: Any, who: str) -> Any:
    if weights is None:
        return None
    node = ops.reshape(ops.as_node(weights, who=who), -1)
    if not types.same_shape(node.shape, (size,)):
        raise ShapeError(f"{who}: {shape_text(node.shape)} weights for {size} values", where=user_line())
    return node


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins that :func:`histogram` counts in."""
    return _edges(ops.reshape(ops.as_node(a), -1), bins, range)


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> tuple[Any, Any]:
    """How many values, or what weight, fall into each bin, and the bins' edges."""
    values = ops.reshape(ops.as_node(a), -1)
    edges = _edges(values, bins, range)
    share = _flat_weights(weights, values.shape[0], "histogram")
    place, inside = _bin_of(values, edges)
    made = _counted(edges.shape[0] - 1, place, inside, share, types.INT64)
    if density:
        made = ops.divide(ops.divide(made, diff(edges)), ops.sum(made))
    return made, edges


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, tuple[Any, ...]]:
    """How many points, the rows of a matrix or a list of coordinates, fall into each box, and the boxes' edges."""
    if isinstance(sample, (Node, np.ndarray)):
        points = ops.as_node(sample)
        points = ops.expand_dims(points, 1) if points.ndim == 1 else points
        if points.ndim != 2:
            raise ShapeError(f"histogramdd: {shape_text(points.shape)} is no matrix of points", where=user_line())
        columns = [along(points, 1, k) for k in builtin_range(points.shape[1])]
    else:
        columns = ops.as_nodes(list(sample), who="histogramdd")
    columns = [float_node(one) for one in columns]
    several = isinstance(bins, (list, tuple)) or (isinstance(bins, np.ndarray) and bins.ndim > 0)
    own_bins: Sequence[Any] = list(bins) if several else [bins] * len(columns)
    ranges: Sequence[Any] = [None] * len(columns) if range is None else list(range)
    if not len(own_bins) == len(ranges) == len(columns):
        raise ShapeError(f"histogramdd: {len(own_bins)} bins for {len(columns)} coordinates", where=user_line())
    edges = [_edges(one, *how) for one, how in zip(columns, zip(own_bins, ranges, strict=True), strict=True)]
    shape = [one.shape[0] - 1 for one in edges]
    flat, known = ops.as_node(0), ops.as_node(True)
    for one, own, size in zip(columns, edges, shape, strict=True):
        place, inside = _bin_of(one, own)
        flat = ops.add(ops.multiply(flat, ops.dim_value(size)), place)
        known = ops.logical_and(known, inside)
    share = _flat_weights(weights, columns[0].shape[0], "histogramdd")
    total = shape[0]
    for size in shape[1:]:
        total = total * size
    made = ops.cast(_counted(total, flat, known, share, types.FLOAT64), types.FLOAT64)
    made = ops.reshape(made, shape)
    if density:
        count = ops.sum(made)
        for axis, own in enumerate(edges):
            made = ops.divide(made, ops.expand_dims(diff(own), [k for k in builtin_range(len(shape)) if k != axis]))
        made = ops.divide(made, count)
    return made, tuple(edges)


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """How many points fall into each rectangle, and the edges of both coordinates."""
    same = isinstance(bins, Node) or (np.ndim(bins) == 1 and len(bins) != 2)
    made, (across, along_y) = histogramdd([x, y], [bins, bins] if same else bins, range, density, weights)
    return made, across, along_y


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """The weight of each integer, which must be known while tracing, as they decide the size of the result."""
    if isinstance(x, Node):
        raise TraceError(
            "bincount: the size of its result depends on values, which are unknown while tracing",
            where=user_line(),
            hint="sg.zeros(n).at[x].add(1) counts up to an n that is known",
        )
    integers = np.asarray(x)
    if integers.ndim != 1 or integers.dtype.kind not in "iub" or (integers.size and integers.min() < 0):
        raise DTypeError(f"bincount: {x!r} is no vector of integers from 0 on", where=user_line())
    size = max(int(integers.max()) + 1 if integers.size else 0, int(minlength))
    share = ops.cast(_flat_weights(weights, integers.size, "bincount"), types.FLOAT64)
    return ops.scatter_add(ops.full((size,), 0.0), share, [ops.constant(integers.astype(np.int64))], 0)
