"""Operations that change an array's shape only.  In: arrays.  Out: their elements, repeated or in another arrangement.

All are linear, so each states its transpose only.  Sizes may be dynamic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import assumptions, dims, types
from symgrad.dims import Size
from symgrad.errors import KernelIndexError, ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, Sample, register
from symgrad.ops import coerce
from symgrad.provenance import user_line
from symgrad.types import Shape, TensorType

__all__ = [
    "AxesAttrs",
    "assert_shape",
    "broadcast_to",
    "expand_dims",
    "full_of",
    "reshape",
    "sampler",
    "squeeze",
    "stretched_axes",
    "transpose",
    "zeros_like",
]


class ShapeAttrs(NamedTuple):
    shape: Shape


class AxesAttrs(NamedTuple):
    axes: tuple[int, ...]


class AssertAttrs(NamedTuple):
    shape: Shape
    message: str | None = None


def _arrays(*shapes: tuple[int, ...]) -> Any:
    """A sampler: random arrays of these shapes with these attributes."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], ...]:
        return tuple(rng.normal(size=shape) for shape in shapes)

    return draw


def sampler(*cases: tuple[Any, ...]) -> Any:
    """Samples from (attrs, shape, shape...) rows."""

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for attrs, *shapes in cases:
            yield Sample(_arrays(*shapes)(rng), attrs)

    return samples


# -- broadcast_to ---------------------------------------------------------------------------------------------------
def _infer_broadcast(inputs: tuple[Node, ...], attrs: ShapeAttrs) -> TensorType:
    (x,) = inputs
    shape = attrs.shape
    offset = len(shape) - x.ndim
    fits = offset >= 0 and all(
        size is shape[offset + axis] or (isinstance(size, int) and size in (1, _int_or_none(shape[offset + axis])))
        for axis, size in enumerate(x.shape)
    )
    if not fits:
        raise ShapeError(
            f"broadcast_to: {coerce.shape_text(x.shape)} does not broadcast to {coerce.shape_text(shape)}",
            where=user_line(),
        )
    return x.type.with_shape(shape)


def _int_or_none(size: Size) -> int | None:
    return size if isinstance(size, int) else None


def stretched_axes(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes that a broadcast adds in front, and axes of size 1 that it repeats (both as positions in the result)."""
    (x,) = node.inputs
    offset = node.ndim - x.ndim
    repeated = tuple(
        offset + axis
        for axis, size in enumerate(x.shape)
        if not types.same_shape((size,), (node.shape[offset + axis],))
    )
    return tuple(range(offset)), repeated


def _transpose_broadcast(node: Node, i: int, head: Node) -> Node:
    from symgrad import ops

    added, repeated = stretched_axes(node)
    summed = ops.sum(head, axis=added + repeated)
    return expand_dims(summed, tuple(axis - len(added) for axis in repeated)) if repeated else summed


def _batch_broadcast(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    (x,) = inputs
    missing = node.ndim + 1 - x.ndim
    aligned = expand_dims(x, tuple(range(1, 1 + missing)))
    return broadcast_to(aligned, (size, *node.shape))


BROADCAST_TO = register(
    OpDef(
        name="broadcast_to",
        kind=Kind.STRUCTURE,
        infer=_infer_broadcast,
        evaluate=lambda attrs, x: np.broadcast_to(x, attrs.shape),
        derivative=Linear(_transpose_broadcast),
        batch=_batch_broadcast,
        attrs=ShapeAttrs,
        samples=sampler(
            (ShapeAttrs((3, 4)), (4,)),
            (ShapeAttrs((3, 4)), (3, 1)),
            (ShapeAttrs((2, 3)), ()),
            (ShapeAttrs((2, 5, 3)), (5, 1)),
            (ShapeAttrs((0, 3)), (3,)),
        ),
        doc="Repetition of axes of size 1 and of new leading axes.",
    )
)


def broadcast_to(x: Any, shape: Any) -> Any:
    """``x`` repeated to ``shape`` by NumPy's rule."""
    node, target = coerce.as_node(x), types.as_shape(shape)
    if types.same_shape(node.shape, target):
        return node
    offset = len(target) - len(node.shape)
    if offset >= 0:
        for own, size in zip(node.shape, target[offset:], strict=True):
            if own.__class__ is not int or (own != 1 and (size.__class__ is not int or own != size)):
                break
        else:  # the common case: no sizes that only a guard can compare
            return apply(BROADCAST_TO, (node,), ShapeAttrs(target))
    guarded = coerce.broadcast_shapes([node.shape, target], "broadcast_to")
    if len(guarded) == len(target):
        # sizes that only a guard can compare take the target's name first
        agreed = tuple(
            size if types.same_shape((size,), (1,)) else target[offset + axis] for axis, size in enumerate(node.shape)
        )
        node = assert_shape(node, agreed)
        if types.same_shape(node.shape, target):
            return node
    return apply(BROADCAST_TO, (node,), ShapeAttrs(target))


# -- assert_shape ---------------------------------------------------------------------------------------------------
def _infer_assert(inputs: tuple[Node, ...], attrs: AssertAttrs) -> TensorType:
    (x,) = inputs
    if len(attrs.shape) != x.ndim or not all(map(_may_agree, x.shape, attrs.shape)):
        raise ShapeError(
            f"assert_shape: {coerce.shape_text(x.shape)} cannot be {coerce.shape_text(attrs.shape)}", where=user_line()
        )
    return x.type.with_shape(attrs.shape)


def _may_agree(left: Size, right: Size) -> bool:
    """Whether a guard may compare two sizes: they may be equal, or one is the other with a least value."""
    if assumptions.agree(left, right) is not False:
        return True
    larger, smaller = (left, right) if dims.has_maximum(left) else (right, left)
    return dims.has_maximum(larger) and dims.equal(left, right) is None and bool(dims.at_least(larger, smaller))


def _evaluate_assert(attrs: AssertAttrs, x: Any) -> Any:
    if np.shape(x) != attrs.shape:
        if attrs.message is not None:
            raise KernelIndexError(attrs.message)
        raise ShapeError(f"run-time guard: shape {np.shape(x)} where {attrs.shape} was assumed")
    return x


ASSERT_SHAPE = register(
    OpDef(
        name="assert_shape",
        kind=Kind.STRUCTURE,
        infer=_infer_assert,
        evaluate=_evaluate_assert,
        derivative=Linear(lambda node, i, head: assert_shape(head, node.inputs[0].shape)),
        batch=lambda node, inputs, batched, size: assert_shape(inputs[0], (size, *node.shape), node.attrs.message),
        attrs=AssertAttrs,
        samples=sampler((AssertAttrs((3, 4)), (3, 4))),
        doc="The same array under other names of its sizes, which a run-time guard compares.",
    )
)


def assert_shape(x: Any, shape: Shape, message: str | None = None) -> Any:
    """``x`` itself, with a run-time guard that its sizes are those of ``shape``.

    With a ``message``, the guard is the bound of an index and raises :class:`KernelIndexError` with that text.
    """
    return x if types.same_shape(x.shape, shape) else apply(ASSERT_SHAPE, (x,), AssertAttrs(shape, message))


# -- reshape, expand_dims, squeeze, transpose -----------------------------------------------------------------------
def _infer_reshape(inputs: tuple[Node, ...], attrs: ShapeAttrs) -> TensorType:
    (x,) = inputs
    if assumptions.agree(x.type.size, dims.product(attrs.shape)) is False:
        raise ShapeError(
            f"reshape: {coerce.shape_text(x.shape)} has {x.type.size} elements, {coerce.shape_text(attrs.shape)} has "
            f"{dims.product(attrs.shape)}",
            where=user_line(),
        )
    return x.type.with_shape(attrs.shape)


RESHAPE = register(
    OpDef(
        name="reshape",
        kind=Kind.STRUCTURE,
        infer=_infer_reshape,
        evaluate=lambda attrs, x: np.reshape(x, attrs.shape),
        derivative=Linear(lambda node, i, head: reshape(head, node.inputs[0].shape)),
        batch=lambda node, inputs, batched, size: reshape(inputs[0], (size, *node.shape)),
        attrs=ShapeAttrs,
        samples=sampler(
            (ShapeAttrs((4, 3)), (3, 4)),
            (ShapeAttrs((12,)), (3, 4)),
            (ShapeAttrs((2, 3, 2)), (12,)),
            (ShapeAttrs((0, 3)), (3, 0)),
        ),
        doc="The same elements, in row-major order, in another shape.",
    )
)


def reshape(x: Any, shape: Any) -> Any:
    """``x`` in another shape; one size may be -1."""
    node = coerce.as_node(x)
    sizes = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    unknown = [axis for axis, size in enumerate(sizes) if isinstance(size, (int, np.integer)) and size == -1]
    if len(unknown) > 1:
        raise ShapeError("reshape: only one size may be -1", where=user_line())
    if unknown:
        known = dims.product(types.as_shape([size for axis, size in enumerate(sizes) if axis != unknown[0]]))
        sizes[unknown[0]] = _missing_size(node, known, sizes)
    target = types.as_shape(sizes)
    return node if types.same_shape(node.shape, target) else apply(RESHAPE, (node,), ShapeAttrs(target))


def _missing_size(node: Node, known: Size, sizes: Sequence[Any]) -> Size:
    total = node.type.size
    if isinstance(known, int) and known == 0:
        raise ShapeError(
            f"reshape: the size -1 in {tuple(sizes)} is undetermined, other sizes are zero", where=user_line()
        )
    missing = dims.floordiv(total, known)
    if isinstance(total, int) and isinstance(known, int) and total % known:
        raise ShapeError(f"reshape: {coerce.shape_text(node.shape)} does not fit {tuple(sizes)}", where=user_line())
    return missing


def _infer_expand(inputs: tuple[Node, ...], attrs: AxesAttrs) -> TensorType:
    (x,) = inputs
    shape: list[Size] = list(x.shape)
    for axis in attrs.axes:
        shape.insert(axis, 1)
    return x.type.with_shape(tuple(shape))


EXPAND_DIMS = register(
    OpDef(
        name="expand_dims",
        kind=Kind.STRUCTURE,
        infer=_infer_expand,
        evaluate=lambda attrs, x: np.expand_dims(x, attrs.axes),
        derivative=Linear(lambda node, i, head: squeeze(head, node.attrs.axes)),
        batch=lambda node, inputs, batched, size: expand_dims(inputs[0], tuple(axis + 1 for axis in node.attrs.axes)),
        attrs=AxesAttrs,
        samples=sampler((AxesAttrs((0,)), (3,)), (AxesAttrs((0, 2)), (3, 4)), (AxesAttrs((1,)), (5,))),
        doc="New axes of size 1, at these positions of the result.",
    )
)


def expand_dims(x: Any, axis: Any) -> Any:
    """``x`` with new axes of size 1 at the given positions of the result."""
    node = coerce.as_node(x)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    axes = coerce.normalize_axes(axis, node.ndim + count, "expand_dims")
    return apply(EXPAND_DIMS, (node,), AxesAttrs(axes)) if axes else node


SQUEEZE = register(
    OpDef(
        name="squeeze",
        kind=Kind.STRUCTURE,
        infer=lambda inputs, attrs: inputs[0].type.with_shape(
            tuple(size for axis, size in enumerate(inputs[0].shape) if axis not in attrs.axes)
        ),
        evaluate=lambda attrs, x: np.squeeze(x, attrs.axes),
        derivative=Linear(lambda node, i, head: expand_dims(head, node.attrs.axes)),
        batch=lambda node, inputs, batched, size: squeeze(inputs[0], tuple(axis + 1 for axis in node.attrs.axes)),
        attrs=AxesAttrs,
        samples=sampler((AxesAttrs((0,)), (1, 3)), (AxesAttrs((0, 2)), (1, 4, 1))),
        doc="Axes of size 1 dropped.",
    )
)


def squeeze(x: Any, axis: Any = None) -> Any:
    """``x`` without the given axes, which must have size 1; by default without all such."""
    node = coerce.as_node(x)
    single = [i for i, size in enumerate(node.shape) if isinstance(size, int) and size == 1]
    axes = tuple(single) if axis is None else coerce.normalize_axes(axis, node.ndim, "squeeze")
    for i in axes:
        if i not in single:
            raise ShapeError(
                f"squeeze: axis {i} of {coerce.shape_text(node.shape)} is not of size 1", where=user_line()
            )
    return apply(SQUEEZE, (node,), AxesAttrs(axes)) if axes else node


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(order))


TRANSPOSE = register(
    OpDef(
        name="transpose",
        kind=Kind.STRUCTURE,
        infer=lambda inputs, attrs: inputs[0].type.with_shape(tuple(inputs[0].shape[axis] for axis in attrs.axes)),
        evaluate=lambda attrs, x: np.transpose(x, attrs.axes),
        derivative=Linear(lambda node, i, head: transpose(head, _inverse(node.attrs.axes))),
        batch=lambda node, inputs, batched, size: transpose(inputs[0], (0, *(axis + 1 for axis in node.attrs.axes))),
        attrs=AxesAttrs,
        samples=sampler((AxesAttrs((1, 0)), (3, 4)), (AxesAttrs((2, 0, 1)), (2, 3, 4)), (AxesAttrs((1, 0)), (0, 4))),
        doc="Axes in another order.",
    )
)


def transpose(x: Any, axes: Any = None) -> Any:
    """The array with its axes permuted.

    Parameters
    ----------
    x : array or expression
    axes : sequence of int, optional
        A permutation of the axes; by default they are reversed.

    Raises
    ------
    ShapeError
        ``axes`` is no permutation.

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.linalg.transpose(sg.symbol("A", ("n", 3))).type
    float64[3, n]
    """
    node = coerce.as_node(x)
    order = (
        tuple(reversed(range(node.ndim)))
        if axes is None
        else tuple(coerce.normalize_axis(a, node.ndim, "transpose") for a in axes)
    )
    if sorted(order) != list(range(node.ndim)):
        raise ShapeError(
            f"transpose: {order} is no permutation of the axes of {coerce.shape_text(node.shape)}", where=user_line()
        )
    return node if order == tuple(range(node.ndim)) else apply(TRANSPOSE, (node,), AxesAttrs(order))


# -- filled ----------------------------------------------------------------------------------------------------------
def zeros_like(x: Node) -> Any:
    """Zeros of the type of ``x``."""
    return full_of(x.type, 0)


def full_of(kind: TensorType, value: Any) -> Any:
    """An array of that type with one value everywhere."""
    from symgrad.ops import source

    return broadcast_to(source.number(value, kind.dtype), kind.shape)
