"""NumPy's functions that call a function on parts of an array.  In: a function of expressions, an array.  Out: nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad import dims, ops
from symgrad.errors import ShapeError
from symgrad.functions.axes import axis_of
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["apply_along_axis", "apply_over_axes"]


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors applied to all of those along an axis; it is called once, for a vector of no known place."""
    from symgrad.transforms.vmap import vmap

    node = ops.as_node(arr)
    own = axis_of(axis, node.ndim, "apply_along_axis")
    rest = [one for one in range(node.ndim) if one != own]
    sizes = tuple(node.shape[one] for one in rest)
    flat = ops.reshape(ops.transpose(node, [*rest, own]), (dims.product(sizes), node.shape[own]))
    made = vmap(lambda one: ops.as_node(func1d(one, *args, **kwargs)))(flat)
    inner = made.ndim - 1
    spread = ops.reshape(made, (*sizes, *made.shape[1:]))
    first = list(range(own))
    return ops.transpose(spread, [*first, *range(len(rest), len(rest) + inner), *range(own, len(rest))])


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """A function of an array and an axis applied for one axis after the other, whose axes all stay."""
    made = ops.as_node(a)
    for axis in axes if isinstance(axes, (tuple, list)) else [axes]:
        own = axis_of(axis, made.ndim, "apply_over_axes")
        less = ops.as_node(func(made, own))
        if less.ndim == made.ndim - 1:
            less = ops.expand_dims(less, own)
        if less.ndim != made.ndim:
            raise ShapeError(
                f"apply_over_axes: the function makes {shape_text(less.shape)} of {shape_text(made.shape)}",
                where=user_line(),
                hint="it keeps the axis, or drops it",
            )
        made = less
    return made
