"""Operations that move elements.  In: arrays.  Out: arrays whose elements are input elements, or zero.

All are linear, so each states its transpose only.  Sizes and positions may be dynamic.  ``slice`` takes one entry per
axis: a :class:`Pick` (drops the axis) or a :class:`Range`; ``place`` is its transpose, ``update`` overwrites such a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import dims, types
from symgrad.dims import Size
from symgrad.errors import KernelIndexError, ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, Sample, register
from symgrad.ops import coerce
from symgrad.provenance import user_line
from symgrad.types import Shape, TensorType

__all__ = [
    "Box",
    "Pick",
    "Range",
    "assert_shape",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "place",
    "reshape",
    "slice_",
    "squeeze",
    "stack",
    "transpose",
    "update",
    "zeros_like",
]


class ShapeAttrs(NamedTuple):
    shape: Shape


class AxesAttrs(NamedTuple):
    axes: tuple[int, ...]


class AxisAttrs(NamedTuple):
    axis: int


class Pick(NamedTuple):
    """One position of an axis, which is dropped."""

    position: Size


class Range(NamedTuple):
    """``size`` positions of an axis: start, start + step, ..."""

    start: Size
    size: Size
    step: int = 1


Box = tuple[Pick | Range, ...]


class AssertAttrs(NamedTuple):
    shape: Shape
    message: str | None = None


class BoxAttrs(NamedTuple):
    box: Box


class PlaceAttrs(NamedTuple):
    shape: Shape
    boxes: tuple[Box, ...]


def _python_slice(entry: Pick | Range) -> Any:
    if isinstance(entry, Pick):
        return entry.position
    if entry.size == 0:
        return slice(0, 0)
    stop = int(entry.start) + int(entry.size) * entry.step
    return slice(entry.start, None if stop < 0 else stop, entry.step)


def python_index(box: Box) -> tuple[Any, ...]:
    """The box as a NumPy index."""
    return tuple(map(_python_slice, box))


def box_shape(box: Box) -> Shape:
    return tuple(entry.size for entry in box if isinstance(entry, Range))


def whole(shape: Shape) -> Box:
    return tuple(Range(0, size) for size in shape)


def same_box(left: Box, right: Box) -> bool:
    """Whether two boxes are certainly the same part."""
    return len(left) == len(right) and all(
        a.__class__ is b.__class__ and types.same_shape(tuple(a), tuple(b)) for a, b in zip(left, right, strict=True)
    )


def is_whole(box: Box, shape: Shape) -> bool:
    """Whether the box is certainly all of an array of this shape, in order."""
    return all(
        isinstance(entry, Range) and entry.step == 1 and types.same_shape((entry.start, entry.size), (0, size))
        for entry, size in zip(box, shape, strict=True)
    )


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
    if dims.agree(left, right) is not False:
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
    if dims.agree(x.type.size, dims.product(attrs.shape)) is False:
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


# -- concatenate, stack ---------------------------------------------------------------------------------------------
def _infer_concatenate(inputs: tuple[Node, ...], attrs: AxisAttrs) -> TensorType:
    first, axis = inputs[0], attrs.axis
    total: Size = 0
    for one in inputs:
        for position, (a, b) in enumerate(zip(first.shape, one.shape, strict=True)):
            if position != axis and not types.same_shape((a,), (b,)):
                raise coerce.mismatch("concatenate", "sizes differ off the axis", a, b, [x.shape for x in inputs])
        total = total + one.shape[axis]
    return first.type.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def offsets(node: Node) -> list[Size]:
    """Where each input of a concatenation starts."""
    starts: list[Size] = [0]
    for one in node.inputs[:-1]:
        starts.append(starts[-1] + one.shape[node.attrs.axis])
    return starts


def _transpose_concatenate(node: Node, i: int, head: Node) -> Node:
    axis = node.attrs.axis
    box = list(whole(node.shape))
    box[axis] = Range(offsets(node)[i], node.inputs[i].shape[axis])
    return slice_(head, tuple(box))


def _all_batched(inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> list[Node]:
    return [
        x if is_batched else broadcast_to(x, (size, *x.shape)) for x, is_batched in zip(inputs, batched, strict=True)
    ]


CONCATENATE: OpDef = register(
    OpDef(
        name="concatenate",
        kind=Kind.STRUCTURE,
        infer=_infer_concatenate,
        evaluate=lambda attrs, *xs: np.concatenate(xs, attrs.axis),
        derivative=Linear(_transpose_concatenate, joint=True),
        batch=lambda node, inputs, batched, size: apply(
            CONCATENATE, tuple(_all_batched(inputs, batched, size)), AxisAttrs(node.attrs.axis + 1)
        ),
        attrs=AxisAttrs,
        samples=sampler(
            (AxisAttrs(0), (2, 3), (4, 3)), (AxisAttrs(1), (2, 3), (2, 1), (2, 2)), (AxisAttrs(0), (0,), (3,))
        ),
        doc="Arrays joined along an axis.",
    )
)


def concatenate(arrays: Sequence[Any], axis: Any = 0) -> Any:
    """The arrays joined along an existing axis.

    Parameters
    ----------
    arrays : sequence of arrays and expressions
        Of one rank, and of equal sizes except along ``axis``.
    axis : int or None
        None flattens the arrays first.

    Raises
    ------
    ShapeError
        There are none, or ranks or sizes differ.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n", 3))
    >>> sg.concatenate([x, np.zeros((2, 3))]).type
    float64[n + 2, 3]
    """
    nodes = coerce.as_nodes(list(arrays), who="concatenate")
    if not nodes:
        raise ShapeError("concatenate: no arrays given", where=user_line())
    if axis is None:
        nodes, axis = [reshape(node, -1) for node in nodes], 0
    if len({node.ndim for node in nodes}) > 1 or nodes[0].ndim == 0:
        raise ShapeError(
            f"concatenate: ranks differ or are zero: {', '.join(coerce.shape_text(node.shape) for node in nodes)}",
            where=user_line(),
        )
    place_ = coerce.normalize_axis(axis, nodes[0].ndim, "concatenate")
    agreed = _agree_off_axis(nodes, place_)
    return agreed[0] if len(agreed) == 1 else apply(CONCATENATE, tuple(agreed), AxisAttrs(place_))


def _agree_off_axis(nodes: list[Any], axis: int) -> list[Any]:
    """Sizes that only a guard can compare take the first array's names."""
    first = nodes[0].shape
    out = []
    for node in nodes:
        for position, (a, b) in enumerate(zip(first, node.shape, strict=True)):
            if position != axis and dims.agree(a, b) is False:
                raise coerce.mismatch("concatenate", "sizes differ off the axis", a, b, [x.shape for x in nodes])
        out.append(assert_shape(node, (*first[:axis], node.shape[axis], *first[axis + 1 :])))
    return out


STACK: OpDef = register(
    OpDef(
        name="stack",
        kind=Kind.STRUCTURE,
        infer=lambda inputs, attrs: inputs[0].type.with_shape(
            (*inputs[0].shape[: attrs.axis], len(inputs), *inputs[0].shape[attrs.axis :])
        ),
        evaluate=lambda attrs, *xs: np.stack(xs, attrs.axis),
        derivative=Linear(
            lambda node, i, head: slice_(
                head, (*whole(node.shape[: node.attrs.axis]), Pick(i), *whole(node.shape[node.attrs.axis + 1 :]))
            ),
            joint=True,
        ),
        batch=lambda node, inputs, batched, size: apply(
            STACK, tuple(_all_batched(inputs, batched, size)), AxisAttrs(node.attrs.axis + 1)
        ),
        attrs=AxisAttrs,
        samples=sampler((AxisAttrs(0), (), ()), (AxisAttrs(0), (2, 3), (2, 3)), (AxisAttrs(2), (2, 3), (2, 3), (2, 3))),
        doc="Arrays of one shape joined along a new axis.",
    )
)


def stack(arrays: Sequence[Any], axis: Any = 0) -> Any:
    """The arrays joined along a new axis.

    Parameters
    ----------
    arrays : sequence of arrays, numbers and expressions
        Of one shape.
    axis : int
        Where the new axis stands in the result.

    Raises
    ------
    ShapeError
        There are none, or shapes differ.

    Examples
    --------
    >>> import symgrad as sg
    >>> a, b = sg.symbols("a b")
    >>> print(sg.stack([a, a * b, 1.0]))
    [a, a * b, 1]
    """
    nodes = coerce.as_nodes(list(arrays), who="stack")
    if not nodes:
        raise ShapeError("stack: no arrays given", where=user_line())
    first = nodes[0].shape
    for node in nodes:
        for a, b in zip(first, node.shape, strict=False):
            if node.ndim != len(first) or dims.agree(a, b) is False:
                raise coerce.mismatch("stack", "all arrays must have one shape", a, b, [x.shape for x in nodes])
        if node.ndim != len(first):
            raise ShapeError("stack: all arrays must have one shape", where=user_line())
    place_ = coerce.normalize_axis(axis, len(first) + 1, "stack")
    return apply(STACK, tuple(assert_shape(node, first) for node in nodes), AxisAttrs(place_))


# -- slice, place, update -------------------------------------------------------------------------------------------
SLICE = register(
    OpDef(
        name="slice",
        kind=Kind.STRUCTURE,
        infer=lambda inputs, attrs: inputs[0].type.with_shape(box_shape(attrs.box)),
        evaluate=lambda attrs, x: np.asarray(x)[python_index(attrs.box)],
        derivative=Linear(lambda node, i, head: place(node.inputs[0].shape, [(node.attrs.box, head)])),
        batch=lambda node, inputs, batched, size: slice_(inputs[0], (Range(0, size), *node.attrs.box)),
        attrs=BoxAttrs,
        samples=sampler(
            (BoxAttrs((Pick(2),)), (5,)),
            (BoxAttrs((Range(1, 3), Pick(0))), (5, 4)),
            (BoxAttrs((Range(4, 3, -2), Range(0, 4))), (5, 4)),
            (BoxAttrs((Range(0, 0),)), (3,)),
        ),
        doc="Part of an array: per axis a position or a range.",
    )
)


def slice_(x: Any, box: Box) -> Any:
    """Part of an array; ``box`` has one in-range entry per axis."""
    full = all(
        isinstance(entry, Range) and entry.step == 1 and types.same_shape((entry.start, entry.size), (0, size))
        for entry, size in zip(box, x.shape, strict=True)
    )
    return x if full else apply(SLICE, (x,), BoxAttrs(box))


def _evaluate_place(attrs: PlaceAttrs, *parts: Any) -> Any:
    out = np.zeros(attrs.shape, np.asarray(parts[0]).dtype)
    for box, part in zip(attrs.boxes, parts, strict=True):
        out[python_index(box)] += part
    return out


def _transpose_place(node: Node, i: int, head: Node) -> Node:
    return slice_(head, node.attrs.boxes[i])


def _batch_place(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    parts = _all_batched(inputs, batched, size)
    boxes = [(Range(0, size), *box) for box in node.attrs.boxes]
    return place((size, *node.shape), list(zip(boxes, parts, strict=True)))


PLACE = register(
    OpDef(
        name="place",
        kind=Kind.STRUCTURE,
        infer=lambda inputs, attrs: inputs[0].type.with_shape(attrs.shape),
        evaluate=_evaluate_place,
        derivative=Linear(_transpose_place, joint=True),
        batch=_batch_place,
        attrs=PlaceAttrs,
        samples=sampler(
            (PlaceAttrs((5,), ((Pick(2),),)), ()),
            (PlaceAttrs((5, 4), ((Range(1, 3), Range(0, 4)), (Pick(0), Range(0, 4)))), (3, 4), (4,)),
            (PlaceAttrs((5,), ((Range(4, 3, -2),), (Range(0, 2),))), (3,), (2,)),
        ),
        doc="Zeros with parts added into boxes: the transpose of slices.",
    )
)


def place(shape: Shape, parts: Sequence[tuple[Box, Any]]) -> Any:
    """Zeros of ``shape`` with each part added into its box."""
    return apply(PLACE, tuple(part for _, part in parts), PlaceAttrs(shape, tuple(box for box, _ in parts)))


def _evaluate_update(attrs: BoxAttrs, base: Any, part: Any) -> Any:
    out = np.array(base)
    out[python_index(attrs.box)] = part
    return out


def _transpose_update(node: Node, i: int, head: Node) -> Node:
    box = node.attrs.box
    return slice_(head, box) if i == 1 else update(head, box, zeros_like(node.inputs[1]))


def _batch_update(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    base, part = _all_batched(inputs, batched, size)
    return update(base, (Range(0, size), *node.attrs.box), part)


UPDATE = register(
    OpDef(
        name="update",
        kind=Kind.STRUCTURE,
        infer=lambda inputs, attrs: inputs[0].type,
        evaluate=_evaluate_update,
        derivative=Linear(_transpose_update, joint=True),
        batch=_batch_update,
        attrs=BoxAttrs,
        samples=sampler(
            (BoxAttrs((Pick(2),)), (5,), ()),
            (BoxAttrs((Range(1, 3), Pick(0))), (5, 4), (3,)),
            (BoxAttrs((Range(4, 3, -2),)), (5,), (3,)),
        ),
        doc="An array with one box overwritten.",
    )
)


def update(base: Any, box: Box, part: Any) -> Any:
    """``base`` with the box replaced by ``part``, which has the box's shape and ``base``'s element type."""
    return apply(UPDATE, (base, part), BoxAttrs(box))


def zeros_like(x: Node) -> Any:
    """Zeros of the type of ``x``."""
    return full_of(x.type, 0)


def full_of(kind: TensorType, value: Any) -> Any:
    """An array of that type with one value everywhere."""
    from symgrad.ops import source

    return broadcast_to(source.number(value, kind.dtype), kind.shape)
