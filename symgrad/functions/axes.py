"""Parts of arrays along one axis, and sizes as numbers, which the functions here are written with."""

from __future__ import annotations

from typing import Any

from symgrad import dims, indexing, ops, types
from symgrad.errors import ShapeError
from symgrad.ops.coerce import normalize_axes, normalize_axis, shape_text
from symgrad.provenance import user_line

__all__ = ["along", "axis_of", "count_along", "float_node", "inverse_order", "long_enough", "moved_last"]


def axis_of(axis: Any, rank: int, who: str) -> int:
    """The axis counted from the front."""
    return normalize_axis(axis, rank, who)


def along(x: Any, axis: int, key: Any) -> Any:
    """``x`` indexed by ``key`` along one axis."""
    return indexing.getitem(x, (*([slice(None)] * axis), key))


def count_along(x: Any, axis: Any, dtype: Any, who: str) -> Any:
    """The number of elements along axes, as a scalar of an element type."""
    return ops.cast(ops.dim_value(dims.product(x.shape[one] for one in normalize_axes(axis, x.ndim, who))), dtype)


def float_node(x: Any) -> Any:
    """The value as a node of a floating type: integers and booleans become float64."""
    node = ops.as_node(x)
    return node if types.is_float(node.dtype) else ops.cast(node, types.FLOAT64)


def moved_last(x: Any, axis: int) -> Any:
    """``x`` with one axis moved to the end."""
    return ops.transpose(x, [*(one for one in range(x.ndim) if one != axis), axis])


def inverse_order(order: Any) -> tuple[int, ...]:
    """The permutation that undoes another."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def long_enough(x: Any, axis: int, least: int, who: str) -> Any:
    """The array, with a run-time guard where only that can tell that an axis has enough elements."""
    size = x.shape[axis]
    text = f"{who}: axis {axis} of {shape_text(x.shape)} has fewer than {least} elements"
    if dims.at_least(size, least) is False:
        raise ShapeError(text, where=user_line())
    needed = (*x.shape[:axis], dims.maximum(size, least), *x.shape[axis + 1 :])
    return ops.assert_shape(x, needed, text)
