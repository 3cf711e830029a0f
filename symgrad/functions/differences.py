"""NumPy's running sums, differences and integrals along an axis.  In: arrays.  Out: nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.errors import ShapeError
from symgrad.functions.axes import along, axis_of, float_node, long_enough
from symgrad.ops.boxes import Range, whole
from symgrad.ops.coerce import normalize_axes, shape_text
from symgrad.provenance import user_line

__all__ = [
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "ediff1d",
    "gradient",
    "nancumprod",
    "nancumsum",
    "trapezoid",
    "unwrap",
]


def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums along an axis; of the flattened array by default."""
    return ops.cumsum(a, axis, dtype)


def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products along an axis; of the flattened array by default."""
    return ops.cumprod(a, axis, dtype)


def _cumulative(run: Any, x: Any, axis: Any, dtype: Any, initial: int | None, who: str) -> Any:
    node = ops.as_node(x)
    if axis is None and node.ndim != 1:
        raise ShapeError(
            f"{who}: {shape_text(node.shape)} is no vector", where=user_line(), hint=f"np.{who}(x, axis=0)"
        )
    own = axis_of(0 if axis is None else axis, node.ndim, who)
    made = run(node, own, dtype)
    if initial is None:
        return made
    first = ops.full((*node.shape[:own], 1, *node.shape[own + 1 :]), initial, made.dtype)
    return ops.concatenate([first, made], own)


def cumulative_sum(x: Any, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running sums along an axis, after a 0 if ``include_initial``."""
    return _cumulative(ops.cumsum, x, axis, dtype, 0 if include_initial else None, "cumulative_sum")


def cumulative_prod(x: Any, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running products along an axis, after a 1 if ``include_initial``."""
    return _cumulative(ops.cumprod, x, axis, dtype, 1 if include_initial else None, "cumulative_prod")


def _without_nan(a: Any, neutral: int) -> Any:
    node = ops.as_node(a)
    return ops.where(ops.isnan(node), neutral, node) if types.is_float(node.dtype) else node


def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums that count NaN as 0."""
    return ops.cumsum(_without_nan(a, 0), axis, dtype)


def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products that count NaN as 1."""
    return ops.cumprod(_without_nan(a, 1), axis, dtype)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th difference of neighbours along an axis."""
    node = ops.as_node(a)
    if node.ndim == 0:
        raise ShapeError("diff: a scalar has no neighbours", where=user_line())
    if n < 0:
        raise ShapeError(f"diff: order {n} is negative", where=user_line())
    own = axis_of(axis, node.ndim, "diff")
    if n == 0:
        return node
    ends = [end if end is None else _as_end(end, node, own) for end in (prepend, append)]
    parts = [part for part in (ends[0], node, ends[1]) if part is not None]
    made = ops.concatenate(parts, own) if len(parts) > 1 else node
    subtract = ops.not_equal if types.is_bool(made.dtype) else ops.subtract
    for _ in range(n):
        made = subtract(along(made, own, slice(1, None)), along(made, own, slice(None, -1)))
    return made


def _as_end(end: Any, node: Any, axis: int) -> Any:
    made = ops.as_node(end)
    return ops.broadcast_to(made, (*node.shape[:axis], 1, *node.shape[axis + 1 :])) if made.ndim == 0 else made


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened array, between values given for the ends."""
    made = diff(ops.reshape(ops.as_node(ary), -1))
    parts = [None if end is None else ops.reshape(ops.as_node(end, made.dtype), -1) for end in (to_begin, to_end)]
    return ops.concatenate([part for part in (parts[0], made, parts[1]) if part is not None])


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Any:
    """Phases without jumps: neighbours further apart than ``discont`` move by multiples of the period.

    A difference of exactly half a period keeps its sign.
    """
    node = ops.as_node(p)
    own = axis_of(axis, node.ndim, "unwrap")
    whole_numbers = types.is_integer(node.dtype) and isinstance(period, int)
    half = period // 2 if whole_numbers else period / 2
    steps = diff(node, axis=own)
    near = ops.subtract(ops.remainder(ops.add(steps, half), period), half)
    if not (whole_numbers and period % 2):
        upward = ops.logical_and(ops.equal(near, -half), ops.greater(steps, 0))
        near = ops.where(upward, half, near)
    limit = period / 2 if discont is None else discont
    moved = ops.where(ops.less(ops.absolute(steps), limit), 0, ops.subtract(near, steps))
    first, rest = along(node, own, slice(0, 1)), along(node, own, slice(1, None))
    return ops.concatenate([first, ops.add(rest, ops.cumsum(moved, own))], own)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule."""
    node = ops.as_node(y)
    own = axis_of(axis, node.ndim, "trapezoid")
    width = dx
    if x is not None:
        points = ops.as_node(x)
        width = diff(points, axis=0 if points.ndim == 1 else own)
        if points.ndim == 1 and node.ndim > own + 1:
            width = ops.expand_dims(width, tuple(range(1, node.ndim - own)))
    pairs = ops.add(along(node, own, slice(1, None)), along(node, own, slice(None, -1)))
    return ops.sum(ops.divide(ops.multiply(width, pairs), 2), own)


# -- gradient -------------------------------------------------------------------------------------------------------
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided ones of order ``edge_order`` at both ends.

    ``varargs`` are one spacing for all axes, one per axis, or the coordinates along each axis.
    """
    node = float_node(f)
    if edge_order not in (1, 2):
        raise ShapeError(f"gradient: edge_order {edge_order} is neither 1 nor 2", where=user_line())
    axes = normalize_axes(axis, node.ndim, "gradient")
    if isinstance(axis, (tuple, list)):
        axes = tuple(axis_of(one, node.ndim, "gradient") for one in axis)
    spacings = list(varargs) or [1.0]
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise ShapeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes", where=user_line())
    made = [_slope(node, own, step, edge_order) for own, step in zip(axes, spacings, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def _slope(node: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    x = long_enough(node, axis, edge_order + 1, "gradient")
    size = x.shape[axis]

    def part(start: Any, count: Any = 1) -> Any:
        box = list(whole(x.shape))
        box[axis] = Range(start, count)
        return ops.slice(x, tuple(box))

    behind, here, ahead = part(0, size - 2), part(1, size - 2), part(2, size - 2)
    if np.ndim(spacing) == 0:
        inner = ops.divide(ops.subtract(ahead, behind), 2 * spacing)
        first, second, before_last, last = [spacing] * 4
    else:
        gaps = diff(spacing)
        gaps = ops.expand_dims(gaps, tuple(range(1, node.ndim - axis))) if node.ndim > axis + 1 else gaps
        inner = _uneven(behind, here, ahead, along(gaps, 0, slice(None, -1)), along(gaps, 0, slice(1, None)))
        first, second = along(gaps, 0, slice(0, 1)), along(gaps, 0, slice(1, 2))
        before_last, last = along(gaps, 0, slice(-2, -1)), along(gaps, 0, slice(-1, None))
    if edge_order == 1:
        low = ops.divide(ops.subtract(part(1), part(0)), first)
        high = ops.divide(ops.subtract(part(size - 1), part(size - 2)), last)
    else:
        low = _end(part(0), part(1), part(2), first, second)
        high = ops.negative(_end(part(size - 1), part(size - 2), part(size - 3), last, before_last))
    made = ops.cast(ops.concatenate([low, inner, high], axis), node.dtype)
    return ops.assert_shape(made, node.shape)


def _uneven(left: Any, middle: Any, right: Any, before: Any, after: Any) -> Any:
    """The slope in the middle of three unevenly spaced points: of the parabola through them."""
    ahead = ops.divide(ops.subtract(right, middle), after)
    behind = ops.divide(ops.subtract(middle, left), before)
    return ops.divide(ops.add(ops.multiply(before, ahead), ops.multiply(after, behind)), ops.add(before, after))


def _end(first: Any, second: Any, third: Any, near: Any, far: Any) -> Any:
    """The slope at the first of three points, distances ``near`` and ``far`` apart: of the parabola through them."""
    ahead = ops.divide(ops.subtract(second, first), near)
    beyond = ops.divide(ops.subtract(third, second), far)
    bend = ops.divide(ops.subtract(beyond, ahead), ops.add(near, far))
    return ops.subtract(ahead, ops.multiply(near, bend))
