"""NumPy's functions that choose elements.  In: arrays, conditions, positions.  Out: nodes.

Values of branches that are not chosen contribute nothing to derivatives.  Where the number of results depends on values
(``compress``, ``extract``), the condition must be known while tracing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad import indexing, ops, types
from symgrad.errors import DTypeError, ShapeError, TraceError
from symgrad.functions.axes import along, axis_of
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = [
    "choose",
    "clip",
    "compress",
    "extract",
    "interp",
    "piecewise",
    "select",
    "take",
    "take_along_axis",
    "where",
]


def where(condition: Any, *branches: Any) -> Any:
    """Elements of the first branch where the condition holds, of the second elsewhere."""
    if len(branches) != 2:
        raise TraceError(
            "where: the number of true elements is unknown while tracing",
            where=user_line(),
            hint="give both branches: np.where(condition, x, y)",
        )
    return ops.where(condition, *branches)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None, dtype: Any = None) -> Any:
    """Values limited to an interval."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    made = ops.as_node(a) if low is None else ops.maximum(a, low)
    made = made if high is None else ops.minimum(made, high)
    return made if dtype is None else ops.cast(made, dtype)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Of each element's choices the first whose condition holds."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError(f"select: {len(condlist)} conditions for {len(choicelist)} choices", where=user_line())
    nodes = ops.as_nodes([*choicelist, default], who="select")
    made = nodes.pop()
    for condition, choice in zip(reversed(condlist), reversed(nodes), strict=True):
        made = ops.where(condition, choice, made)
    return made


def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """Elements of the choice that each index names."""
    index = _integers(a, "choose")
    if isinstance(choices, (Node, np.ndarray)):
        choices = [indexing.getitem(ops.as_node(choices), k) for k in range(choices.shape[0])]
    nodes = ops.as_nodes(list(choices), who="choose")
    if mode == "raise":  # gathers check their indices when the kernel runs
        outside = ops.where(ops.less(index, 0), len(nodes), index)
        index = ops.gather(ops.iota(len(nodes)), [outside], 0)
    else:
        index = _inside(index, len(nodes), mode, "choose")
    made = nodes[-1]
    for k in reversed(range(len(nodes) - 1)):
        made = ops.where(ops.equal(index, k), nodes[k], made)
    return ops.broadcast_together([made, index], "choose")[0]


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Values of functions, or numbers, where their conditions hold; the last condition that holds decides."""
    node = ops.as_node(x)
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    conditions = [ops.as_node(one) for one in conditions]
    functions: list[Any] = list(funclist)

    def value(function: Callable[..., Any] | Any) -> Any:
        return ops.cast(ops.as_node(function(node, *args, **kw) if callable(function) else function), node.dtype)

    made: Any = 0
    if len(functions) == len(conditions) + 1:
        made = value(functions.pop())
    elif len(functions) != len(conditions):
        raise ShapeError(f"piecewise: {len(conditions)} conditions for {len(functions)} functions", where=user_line())
    made = ops.broadcast_to(ops.as_node(made, node.dtype), node.shape)
    for condition, function in zip(conditions, functions, strict=True):
        made = ops.where(condition, value(function), made)
    return made


# -- by position ----------------------------------------------------------------------------------------------------
def _integers(indices: Any, who: str) -> Any:
    node = ops.as_node(indices)
    if types.is_bool(node.dtype):
        return ops.cast(node, types.INT64)
    if not types.is_integer(node.dtype):
        if node.type.size == 0:
            return ops.cast(node, types.INT64)
        raise DTypeError(f"{who}: indices are {node.dtype}, not integers", where=user_line())
    return node


def _inside(index: Any, size: Any, mode: str, who: str) -> Any:
    """Indices brought into the axis as ``mode`` says."""
    if mode == "clip":
        return ops.maximum(ops.minimum(index, ops.dim_value(size) - 1), 0)
    if mode == "wrap":
        return ops.remainder(index, ops.dim_value(size))
    raise TraceError(f"{who}: mode {mode!r} is none of raise, wrap, clip", where=user_line())


def take(a: Any, indices: Any, axis: Any = None, *, mode: str = "raise") -> Any:
    """Elements at positions along an axis; of the flattened array by default."""
    node = ops.as_node(a)
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    own = axis_of(axis, node.ndim, "take")
    index: Any = indices if isinstance(indices, (Node, np.ndarray)) else ops.as_node(indices)
    if mode != "raise":
        index = _inside(_integers(index, "take"), node.shape[own], mode, "take")
    elif not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
        index = _integers(index, "take")
    return along(node, own, index)


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Elements at positions along an axis, which differ from place to place of the others."""
    node, index = ops.as_node(arr), _integers(indices, "take_along_axis")
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    own = axis_of(axis, node.ndim, "take_along_axis")
    if index.ndim != node.ndim:
        raise ShapeError(
            f"take_along_axis: indices of shape {shape_text(index.shape)} for an array of shape "
            f"{shape_text(node.shape)}: ranks differ",
            where=user_line(),
        )
    places = [
        index if k == own else ops.reshape(ops.iota(size), [size if j == k else 1 for j in range(node.ndim)])
        for k, size in enumerate(node.shape)
    ]
    return ops.gather(node, ops.broadcast_together(places, "take_along_axis"), 0)


def _mask(condition: Any, who: str) -> np.ndarray[Any, Any]:
    if isinstance(condition, Node):
        raise TraceError(
            f"{who}: a symbolic condition selects a number of elements that is unknown while tracing",
            where=user_line(),
            hint="use np.where(condition, x, other), or multiply by the condition",
        )
    return np.flatnonzero(np.asarray(condition))


def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    """The slices of an axis where a condition known while tracing holds."""
    node = ops.as_node(a)
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    return along(node, axis_of(axis, node.ndim, "compress"), _mask(condition, "compress"))


def extract(condition: Any, arr: Any) -> Any:
    """The elements where a condition known while tracing holds."""
    return along(ops.reshape(ops.as_node(arr), -1), 0, _mask(condition, "extract"))


# -- by value -------------------------------------------------------------------------------------------------------
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation between points of increasing abscissa; constant outside them."""
    at, points, values = ops.as_nodes([x, xp, fp], types.FLOAT64, who="interp")
    if points.ndim != 1 or not types.same_shape(points.shape, values.shape):
        raise ShapeError(
            f"interp: points {shape_text(points.shape)} and values {shape_text(values.shape)} must be vectors of one "
            "size",
            where=user_line(),
        )
    if period is not None:
        at, points, values = _periodic(at, points, values, period)
        left = right = None
    size = points.shape[0]
    if isinstance(size, int) and size == 0:
        raise ShapeError("interp: there are no points", where=user_line())
    first, last = along(values, 0, 0), along(values, 0, -1)
    below = ops.as_node(first if left is None else left, values.dtype)
    above = ops.as_node(last if right is None else right, values.dtype)
    place = ops.subtract(ops.searchsorted(points, at, "right"), 1)
    low = ops.maximum(ops.minimum(place, ops.dim_value(size) - 2), 0)
    high = ops.minimum(ops.add(low, 1), ops.dim_value(size) - 1)
    start, end, lower, upper = (along(one, 0, k) for one in (points, values) for k in (low, high))
    gap = ops.subtract(end, start)
    slope = ops.divide(ops.subtract(upper, lower), ops.where(ops.equal(gap, 0), 1, gap))
    made = ops.add(ops.multiply(slope, ops.subtract(at, start)), lower)
    made = ops.where(ops.equal(at, along(points, 0, -1)), last, made)
    made = ops.where(ops.greater(at, along(points, 0, -1)), above, made)
    return ops.where(ops.less(at, along(points, 0, 0)), below, made)


def _periodic(at: Any, points: Any, values: Any, period: Any) -> tuple[Any, Any, Any]:
    """Points sorted within one period, with one more before and behind."""
    length = ops.absolute(ops.as_node(period, points.dtype))
    at, points = ops.remainder(at, length), ops.remainder(points, length)
    order = ops.argsort(points)
    points, values = along(points, 0, order), along(values, 0, order)
    ends = [slice(-1, None), slice(None), slice(0, 1)]
    points = ops.concatenate(
        [ops.add(along(points, 0, end), shift) for end, shift in zip(ends, (-length, 0, length), strict=True)]
    )
    return at, points, ops.concatenate([along(values, 0, end) for end in ends])
