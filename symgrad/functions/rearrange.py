"""NumPy's functions that rearrange one array.  In: an array and positions known while tracing.  Out: nodes.

Sizes may be dynamic wherever the result's shape is a formula of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import dims, indexing, ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import along, axis_of
from symgrad.node import Node
from symgrad.ops.coerce import normalize_axes, shape_text
from symgrad.provenance import user_line

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "copy",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "matrix_transpose",
    "moveaxis",
    "ravel",
    "repeat",
    "reshape",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
    "unstack",
]


def check_order(order: Any, who: str) -> None:
    """Refuse any order of elements but row-major."""
    if order not in ("C", "K", "A"):
        raise TraceError(
            f"{who}: order={order!r} is not supported", where=user_line(), hint="transpose before and after"
        )


def reshape(a: Any, shape: Any, order: str = "C") -> Any:
    """The elements in another shape; one size may be -1."""
    check_order(order, "reshape")
    return ops.reshape(a, shape)


def ravel(a: Any, order: str = "C") -> Any:
    """The elements as a vector."""
    check_order(order, "ravel")
    return ops.reshape(a, -1) if ops.as_node(a).ndim != 1 else ops.as_node(a)


def transpose(a: Any, axes: Any = None) -> Any:
    """The axes permuted; by default reversed."""
    return ops.transpose(a, axes)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    node = ops.as_node(a)
    order = list(range(node.ndim))
    one, other = axis_of(axis1, node.ndim, "swapaxes"), axis_of(axis2, node.ndim, "swapaxes")
    order[one], order[other] = other, one
    return ops.transpose(node, order)


def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged."""
    node = ops.as_node(x)
    if node.ndim < 2:
        raise ShapeError(f"matrix_transpose: {shape_text(node.shape)} is no matrix", where=user_line())
    return swapaxes(node, -1, -2)


def unstack(x: Any, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of an axis of fixed size."""
    node = ops.as_node(x)
    own = axis_of(axis, node.ndim, "unstack")
    size = node.shape[own]
    if isinstance(size, Dim):
        raise TraceError(
            f"unstack: the number of slices, {size}, must be known while tracing",
            where=user_line(),
            hint="use array operations over the axis, or give the axis a fixed size",
        )
    return tuple(along(node, own, k) for k in range(size))


def _distinct_axes(axes: Any, rank: int, who: str) -> list[int]:
    wanted = axes if isinstance(axes, (tuple, list)) else [axes]
    made = [axis_of(axis, rank, who) for axis in wanted]
    if len(set(made)) != len(made):
        raise ShapeError(f"{who}: duplicate axis in {tuple(wanted)}", where=user_line())
    return made


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other positions; the rest keep their order."""
    node = ops.as_node(a)
    sources = _distinct_axes(source, node.ndim, "moveaxis")
    targets = _distinct_axes(destination, node.ndim, "moveaxis")
    if len(sources) != len(targets):
        raise ShapeError(f"moveaxis: {len(sources)} axes to {len(targets)} positions", where=user_line())
    order = [axis for axis in range(node.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return ops.transpose(node, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved in front of position ``start``."""
    node = ops.as_node(a)
    own = axis_of(axis, node.ndim, "rollaxis")
    before = axis_of(start, node.ndim + 1, "rollaxis") if start >= 0 else axis_of(start, node.ndim, "rollaxis")
    order = [one for one in range(node.ndim) if one != own]
    order.insert(before - (own < before), own)
    return ops.transpose(node, order)


def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of size 1."""
    return ops.expand_dims(a, axis)


def squeeze(a: Any, axis: Any = None) -> Any:
    """Axes of size 1 dropped."""
    return ops.squeeze(a, axis)


def copy(a: Any) -> Any:
    """The expression itself, which nothing can change."""
    return ops.as_node(a)


def broadcast_to(array: Any, shape: Any) -> Any:
    """The array repeated to a shape by NumPy's rule."""
    return ops.broadcast_to(array, shape)


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """The arrays, all of their common shape."""
    return tuple(ops.broadcast_together([ops.as_node(one) for one in args], "broadcast_arrays"))


def _each(make: Any, arrays: tuple[Any, ...]) -> Any:
    made = tuple(make(ops.as_node(one)) for one in arrays)
    return made[0] if len(made) == 1 else made


def atleast_1d(*arys: Any) -> Any:
    """Scalars as vectors of one element."""
    return _each(lambda x: ops.expand_dims(x, 0) if x.ndim == 0 else x, arys)


def atleast_2d(*arys: Any) -> Any:
    """Scalars and vectors as matrices of one row."""
    return _each(lambda x: ops.expand_dims(x, tuple(range(2 - x.ndim))) if x.ndim < 2 else x, arys)


_THIRD = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}


def atleast_3d(*arys: Any) -> Any:
    """Arrays of rank three at least: a vector of size n becomes (1, n, 1), a matrix (m, n, 1)."""
    return _each(lambda x: ops.expand_dims(x, _THIRD[x.ndim]) if x.ndim < 3 else x, arys)


# -- reversed and shifted -------------------------------------------------------------------------------------------
def flip(m: Any, axis: Any = None) -> Any:
    """The elements in reversed order along axes (all by default)."""
    node = ops.as_node(m)
    axes = normalize_axes(axis, node.ndim, "flip")
    return indexing.getitem(node, tuple(slice(None, None, -1 if one in axes else 1) for one in range(node.ndim)))


def flipud(m: Any) -> Any:
    """Reversed along axis 0."""
    return flip(m, 0)


def fliplr(m: Any) -> Any:
    """Reversed along axis 1."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned by k right angles in the plane of two axes, from the first towards the second."""
    node = ops.as_node(m)
    one, other = _distinct_axes(list(axes), node.ndim, "rot90")
    turns = k % 4
    if turns == 0:
        return node
    if turns == 2:
        return flip(node, (one, other))
    return swapaxes(flip(node, other), one, other) if turns == 1 else flip(swapaxes(node, one, other), other)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Elements shifted along axes, those that leave at one end entering at the other; a shift may be an expression."""
    node = ops.as_node(a)
    if axis is None:
        return ops.reshape(roll(ops.reshape(node, -1), shift, 0), node.shape)
    axes = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift]
    if 1 not in (len(axes), len(shifts)) and len(axes) != len(shifts):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes", where=user_line())
    count = max(len(axes), len(shifts))
    for one, by in zip(axes * (count // len(axes)), shifts * (count // len(shifts)), strict=True):
        node = _rolled(node, axis_of(one, node.ndim, "roll"), by)
    return node


def _rolled(node: Any, axis: int, shift: Any) -> Any:
    size = node.shape[axis]
    if isinstance(size, Dim) or isinstance(shift, (Node, Dim)):
        length = ops.maximum(ops.dim_value(size), 1)
        return along(node, axis, ops.remainder(ops.subtract(ops.iota(size), shift), length))
    by = int(shift) % size if size else 0
    if by == 0:
        return node
    return ops.concatenate([along(node, axis, slice(size - by, None)), along(node, axis, slice(0, size - by))], axis)


# -- repeated -------------------------------------------------------------------------------------------------------
def tile(A: Any, reps: Any) -> Any:
    """The array repeated as a whole along axes."""
    node = ops.as_node(A)
    counts = list(reps) if isinstance(reps, (tuple, list, np.ndarray)) else [reps]
    rank = max(len(counts), node.ndim)
    counts = [1] * (rank - len(counts)) + [one if isinstance(one, Dim) else int(one) for one in counts]
    sizes: Sequence[Any] = (*([1] * (rank - node.ndim)), *node.shape)
    apart = ops.reshape(node, [part for size in sizes for part in (1, size)])
    spread = ops.broadcast_to(
        apart, [part for count, size in zip(counts, sizes, strict=True) for part in (count, size)]
    )
    return ops.reshape(spread, [count * size for count, size in zip(counts, sizes, strict=True)])


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element repeated along an axis; counts are known while tracing."""
    node = ops.as_node(a)
    if isinstance(repeats, Node):
        raise TraceError(
            "repeat: the counts decide the size of the result and must be known while tracing",
            where=user_line(),
            hint="make them a static argument, or gather with an index array of fixed size",
        )
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    own = axis_of(axis, node.ndim, "repeat")
    size = node.shape[own]
    counts = repeats if isinstance(repeats, Dim) else np.asarray(repeats)
    if isinstance(counts, Dim) or counts.size == 1:
        count = counts if isinstance(counts, Dim) else int(counts.reshape(())[()])
        spread = ops.broadcast_to(
            ops.expand_dims(node, own + 1), (*node.shape[: own + 1], count, *node.shape[own + 1 :])
        )
        return ops.reshape(spread, (*node.shape[:own], size * count, *node.shape[own + 1 :]))
    if counts.ndim != 1 or dims.equal(size, len(counts)) is not True:
        raise ShapeError(
            f"repeat: {counts.size} counts along axis {own} of {shape_text(node.shape)}", where=user_line()
        )
    return along(node, own, np.repeat(np.arange(len(counts)), counts))


def resize(a: Any, new_shape: Any) -> Any:
    """The elements, repeated or cut off, in a new shape of fixed sizes."""
    node, shape = ops.reshape(ops.as_node(a), -1), types.as_shape(new_shape)
    have, want = node.shape[0], dims.product(shape)
    if isinstance(have, Dim) or isinstance(want, Dim):
        raise TraceError("resize: sizes must be fixed", where=user_line(), hint="use np.tile and slices")
    if have == 0:
        return ops.full(shape, 0, node.dtype)
    long = tile(node, -(-want // have)) if want > have else node
    return ops.reshape(along(long, 0, slice(0, want)), shape)
