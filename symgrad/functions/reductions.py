"""NumPy's reductions.  In: an array, axes, and NumPy's options.  Out: nodes.

``where`` selects elements (the others count as the neutral one), ``initial`` takes part as one element more.  Ties of an
extremum share the derivative equally.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad import ops, types
from symgrad.errors import ShapeError
from symgrad.functions.axes import count_along, float_node
from symgrad.ops.coerce import normalize_axes, shape_text
from symgrad.provenance import user_line

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "average",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]

_all, _any = all, any


def _selected(a: Any, where: Any, neutral: Any) -> Any:
    node = ops.as_node(a)
    return node if where is True else ops.where(where, node, neutral)


def sum(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = 0, where: Any = True
) -> Any:
    """Sum over axes."""
    made = ops.sum(_selected(a, where, 0), axis, keepdims, dtype)
    return made if isinstance(initial, (int, float)) and initial == 0 else ops.add(made, initial)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = 1, where: Any = True
) -> Any:
    """Product over axes."""
    made = ops.prod(_selected(a, where, 1), axis, keepdims, dtype)
    return made if isinstance(initial, (int, float)) and initial == 1 else ops.multiply(made, initial)


def _extremum(reduce: Any, combine: Any, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any) -> Any:
    node = ops.as_node(a)
    name = "max" if reduce is ops.max else "min"
    if initial is None:
        if where is not True:
            raise ShapeError(
                f"{name}: a reduction with where has no value where nothing is selected",
                where=user_line(),
                hint="give initial=",
            )
        return reduce(node, axis, keepdims)
    axes = normalize_axes(axis, node.ndim, name)
    if _any(isinstance(node.shape[one], int) and node.shape[one] == 0 for one in axes):
        return ops.add(ops.sum(node, axis, keepdims, node.dtype), initial)  # nothing but the initial value
    return combine(reduce(_selected(node, where, initial), axis, keepdims), initial)


def max(a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Largest element over axes; NaN where one is."""
    return _extremum(ops.max, ops.maximum, a, axis, keepdims, initial, where)


def min(a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Smallest element over axes; NaN where one is."""
    return _extremum(ops.min, ops.minimum, a, axis, keepdims, initial, where)


amax, amin = max, min


def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Largest less smallest element over axes."""
    return ops.subtract(ops.max(a, axis, keepdims), ops.min(a, axis, keepdims))


def any(a: Any, axis: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Whether any element is nonzero, over axes."""
    return ops.any(_selected(a, where, 0), axis, keepdims)


def all(a: Any, axis: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Whether all elements are nonzero, over axes."""
    return ops.all(_selected(a, where, 1), axis, keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The number of nonzero elements over axes."""
    return ops.sum(ops.not_equal(ops.as_node(a), 0), axis, keepdims)


# -- means ----------------------------------------------------------------------------------------------------------
def _count(node: Any, axis: Any, keepdims: bool, where: Any, who: str) -> Any:
    """How many elements each mean is of."""
    if where is True:
        return count_along(node, axis, node.dtype, who)
    chosen = ops.broadcast_to(ops.as_node(where), node.shape)
    return ops.sum(ops.cast(chosen, node.dtype), axis, keepdims)


def mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Arithmetic mean over axes."""
    node = float_node(a) if dtype is None else ops.cast(ops.as_node(a), dtype)
    if where is True:
        return ops.mean(node, axis, keepdims)
    return ops.divide(sum(node, axis, keepdims=keepdims, where=where), _count(node, axis, keepdims, where, "mean"))


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """Mean over axes, with weights of the array's shape or of the axes' sizes."""
    node = float_node(a)
    if weights is None:
        made = ops.mean(node, axis, keepdims)
        total = ops.broadcast_to(count_along(node, axis, node.dtype, "average"), made.shape)
    else:
        node, share = ops.as_nodes([node, spread_weights(node, axis, weights, "average")], who="average")
        total = ops.sum(ops.broadcast_to(share, node.shape), axis, keepdims)
        made = ops.divide(ops.sum(ops.multiply(node, share), axis, keepdims), total)
    return (made, total) if returned else made


def spread_weights(node: Any, axis: Any, weights: Any, who: str) -> Any:
    """Weights of an array's shape, or of the sizes of its axes, as they broadcast with the array."""
    share = ops.as_node(weights)
    if types.same_shape(share.shape, node.shape):
        return share
    wanted = [axis] if isinstance(axis, int) else list(range(node.ndim) if axis is None else axis)
    axes = [one % node.ndim for one in wanted if -node.ndim <= one < node.ndim]
    if len(axes) != share.ndim or not types.same_shape(share.shape, tuple(node.shape[one] for one in axes)):
        raise ShapeError(
            f"{who}: weights of shape {shape_text(share.shape)} for {shape_text(node.shape)} along axis {axis}",
            where=user_line(),
            hint="weights have the array's shape, or the sizes of the axes",
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    rest = tuple(one for one in range(node.ndim) if one not in axes)
    return ops.expand_dims(ops.transpose(share, order), rest) if rest else ops.transpose(share, order)


def _deviation(a: Any, axis: Any, dtype: Any, where: Any, known: Any) -> tuple[Any, Any]:
    """The floating array, and its differences from the mean (zero where it is not selected)."""
    node = float_node(a) if dtype is None else ops.cast(ops.as_node(a), dtype)
    center = mean(node, axis, keepdims=True, where=where) if known is None else known
    return node, _selected(ops.subtract(node, center), where, 0)


def _freedom(node: Any, axis: Any, keepdims: bool, where: Any, ddof: Any, who: str) -> Any:
    count = _count(node, axis, keepdims, where, who)
    return count if isinstance(ddof, (int, float)) and ddof == 0 else ops.maximum(ops.subtract(count, ddof), 0)


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    ddof: Any = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance over axes, with ``ddof`` degrees of freedom fewer than elements."""
    node, moved = _deviation(a, axis, dtype, where, mean)
    total = ops.sum(ops.square(moved), axis, keepdims)
    return ops.divide(total, _freedom(node, axis, keepdims, where, ddof if correction is None else correction, "var"))


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    ddof: Any = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Standard deviation over axes; its gradient at equal elements is zero, as that of a norm."""
    node, moved = _deviation(a, axis, dtype, where, mean)
    freedom = _freedom(node, axis, keepdims, where, ddof if correction is None else correction, "std")
    return ops.divide(ops.norm(moved, axis, keepdims), ops.sqrt(freedom))


# -- without NaN ----------------------------------------------------------------------------------------------------
def _numbers(a: Any) -> Any:
    """Which elements are numbers; True where all are, by their type."""
    node = ops.as_node(a)
    return ops.logical_not(ops.isnan(node)) if types.is_float(node.dtype) else True


def nansum(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Sum over axes of the elements that are no NaN."""
    return sum(_selected(a, _numbers(a), 0), axis, dtype, keepdims=keepdims, where=where)


def nanprod(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Product over axes of the elements that are no NaN."""
    return prod(_selected(a, _numbers(a), 1), axis, dtype, keepdims=keepdims, where=where)


def nanmean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Mean over axes of the elements that are no NaN."""
    return mean(a, axis, dtype, keepdims=keepdims, where=_numbers(a))


def nanvar(a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Any:
    """Variance over axes of the elements that are no NaN."""
    return var(a, axis, dtype, ddof=ddof, keepdims=keepdims, where=_numbers(a))


def nanstd(a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Any:
    """Standard deviation over axes of the elements that are no NaN."""
    return std(a, axis, dtype, ddof=ddof, keepdims=keepdims, where=_numbers(a))


def _nan_extremum(reduce: Callable[..., Any], a: Any, axis: Any, keepdims: bool, neutral: float) -> Any:
    node, numbers = ops.as_node(a), _numbers(a)
    if numbers is True:
        return reduce(node, axis, keepdims)
    found = reduce(ops.where(numbers, node, neutral), axis, keepdims)
    return ops.where(ops.any(numbers, axis, keepdims), found, float("nan"))


def nanmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Largest element over axes that is no NaN."""
    return _nan_extremum(ops.max, a, axis, keepdims, float("-inf"))


def nanmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Smallest element over axes that is no NaN."""
    return _nan_extremum(ops.min, a, axis, keepdims, float("inf"))


def nanargmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Position of the largest element that is no NaN."""
    return ops.argmax(_selected(a, _numbers(a), float("-inf")), axis, keepdims)


def nanargmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Position of the smallest element that is no NaN."""
    return ops.argmin(_selected(a, _numbers(a), float("inf")), axis, keepdims)
