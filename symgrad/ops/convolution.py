"""Convolutions of images and both their derivatives.  In: arrays and one geometry.  Out: arrays.

The three operations are the partial evaluations of one trilinear form, the sum of ``head * x * w`` over all places, taps
and channels: each is linear in two arrays and gives what the form has as derivative with respect to the third.  So each
is the transpose of the others, and derivatives of every order stay among them.

Their definitions are contractions of sliding windows, which machine code reads in place: a product of matrices for each
row of an image and each row of taps.  The gradient of the input is a convolution again, one for each phase of the strides.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Evaluate, Infer, Kind, Linear, OpDef, Sample, register
from symgrad.ops import elementwise, reduction
from symgrad.ops.boxes import Range, whole
from symgrad.ops.coerce import shape_text
from symgrad.ops.contraction import einsum_labels
from symgrad.ops.creation import zeros
from symgrad.ops.shapes import expand_dims, reshape, transpose
from symgrad.ops.structure import place, slice_
from symgrad.ops.windows import Window, windows
from symgrad.provenance import user_line
from symgrad.types import Shape, TensorType, same_shape

__all__ = ["CONV2D", "CONV2D_BACKPROP_FILTER", "CONV2D_BACKPROP_INPUT", "Geometry", "Span"]


class Span(NamedTuple):
    """A convolution along one axis: sizes of image and filter, and how the filter moves."""

    image: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def window(self) -> int:
        """Elements from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def padded(self) -> int:
        """Size of the image with its padding."""
        return self.before + self.image + self.after

    @property
    def places(self) -> int:
        """Size of the result."""
        return (self.padded - self.window) // self.stride + 1


class Geometry(NamedTuple):
    """A convolution: along the height, along the width, and into how many groups the channels fall."""

    height: Span
    width: Span
    groups: int = 1

    @property
    def spans(self) -> tuple[Span, Span]:
        return self.height, self.width


# -- types ----------------------------------------------------------------------------------------------------------
class _Sizes(NamedTuple):
    """Shapes of the three arrays, each with the sizes that the geometry and the other two leave it."""

    batch: Size
    inside: int
    outside: int

    def shapes(self, attrs: Geometry) -> dict[str, Shape]:
        height, width = attrs.spans
        return {
            "x": (self.batch, height.image, width.image, self.inside),
            "w": (height.kernel, width.kernel, self.inside // attrs.groups, self.outside),
            "head": (self.batch, height.places, width.places, self.outside),
        }


def _others(made: str) -> tuple[str, ...]:
    """The arrays of which an operation makes the third, in order."""
    return tuple(name for name in ("x", "w", "head") if name != made)


def _infer(who: str, made: str) -> Infer:
    """The type rule of the operation that makes one of the arrays of the two others."""

    def infer(inputs: tuple[Node, ...], attrs: Geometry) -> TensorType:
        known = {name: one.shape for name, one in zip(_others(made), inputs, strict=True) if one.ndim == 4}
        if len(known) == 2:
            first = known.get("x", known.get("head"))
            inside = known["x"][3] if "x" in known else known["w"][2] * attrs.groups
            outside = known["w"][3] if "w" in known else known["head"][3]
            assert first is not None
            if isinstance(inside, int) and isinstance(outside, int):
                shapes = _Sizes(first[0], inside, outside).shapes(attrs)
                if all(same_shape(shapes[name], shape) for name, shape in known.items()):
                    return inputs[0].type.with_shape(shapes[made])
        shown = " and ".join(shape_text(one.shape) for one in inputs)
        raise ShapeError(f"{who}: arrays of shapes {shown} do not fit {attrs}", where=user_line())

    return infer


# -- values ---------------------------------------------------------------------------------------------------------
Array = np.ndarray[Any, Any]


def _padded(x: Array, attrs: Geometry) -> Array:
    return np.pad(x, ((0, 0), *((one.before, one.after) for one in attrs.spans), (0, 0)))


def _taps(attrs: Geometry) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
    """For each tap, the part of the padded image that it meets."""
    for taps in itertools.product(*(range(one.kernel) for one in attrs.spans)):
        parts = [
            slice(tap * one.dilation, tap * one.dilation + (one.places - 1) * one.stride + 1, one.stride)
            for tap, one in zip(taps, attrs.spans, strict=True)
        ]
        yield taps[0], taps[1], (slice(None), *parts)


def _grouped(x: Array, groups: int) -> Array:
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def _evaluate_forward(attrs: Geometry, x: Array, w: Array) -> Array:
    image, filters = _grouped(_padded(x, attrs), attrs.groups), _grouped(w, attrs.groups)
    out = np.zeros((len(x), *(one.places for one in attrs.spans), *filters.shape[3:]), x.dtype)
    for i, j, part in _taps(attrs):
        out += np.einsum("bhwgc,cgd->bhwgd", image[part], filters[i, j])
    return out.reshape(*out.shape[:3], w.shape[3])


def _evaluate_input(attrs: Geometry, w: Array, head: Array) -> Array:
    heads, filters = _grouped(head, attrs.groups), _grouped(w, attrs.groups)
    sizes = [one.padded for one in attrs.spans]
    out = np.zeros((len(head), *sizes, attrs.groups, w.shape[2]), head.dtype)
    for i, j, part in _taps(attrs):
        out[part] += np.einsum("bhwgd,cgd->bhwgc", heads, filters[i, j])
    inside = tuple(slice(one.before, one.before + one.image) for one in attrs.spans)
    return out[:, *inside].reshape(len(head), attrs.height.image, attrs.width.image, w.shape[2] * attrs.groups)


def _evaluate_filter(attrs: Geometry, x: Array, head: Array) -> Array:
    image, heads = _grouped(_padded(x, attrs), attrs.groups), _grouped(head, attrs.groups)
    out = np.zeros((attrs.height.kernel, attrs.width.kernel, image.shape[4], *heads.shape[3:]), x.dtype)
    for i, j, part in _taps(attrs):
        out[i, j] = np.einsum("bhwgc,bhwgd->cgd", image[part], heads)
    return out.reshape(*out.shape[:3], head.shape[3])


# -- definitions ----------------------------------------------------------------------------------------------------
_B, _H, _W, _I, _J, _G, _C, _D = range(8)  # labels: batch, place, tap, group, channel in, channel out


def _framed(x: Any, frame: Sequence[tuple[int, int]]) -> Any:
    """The image with zeros around it; where a width is negative, cropped."""
    kept, box, shape = list(whole(x.shape)), list(whole(x.shape)), list(x.shape)
    for axis, (before, after) in enumerate(frame, 1):
        size = max(x.shape[axis] + min(before, 0) + min(after, 0), 0)
        kept[axis] = Range(max(-before, 0), size)
        box[axis] = Range(max(before, 0), size)
        shape[axis] = x.shape[axis] + before + after
    inside = slice_(x, tuple(kept))
    return inside if all(max(pair) <= 0 for pair in frame) else place(tuple(shape), [(tuple(box), inside)])


def _padded_node(x: Any, attrs: Geometry) -> Any:
    return _framed(x, [(one.before, one.after) for one in attrs.spans])


def _split(x: Any, groups: int) -> Any:
    return reshape(x, (*x.shape[:-1], groups, x.shape[-1] // groups))


def _flat(x: Any, count: int) -> Any:
    """The last ``count`` axes as one."""
    return reshape(x, (*x.shape[:-count], int(np.prod(x.shape[-count:]))))


def _sliding(attrs: Geometry) -> list[Window]:
    return [Window(axis, one.kernel, one.stride, one.dilation) for axis, one in enumerate(attrs.spans, 1)]


def _correlated(x: Any, filters: Any, sliding: Sequence[Window], groups: int) -> Any:
    """Windows of a framed image, contracted with filters (height, width, channels in, groups * channels out)."""
    seen = windows(x, sliding)
    if groups == 1 and sliding[1].dilation == 1:  # taps of a row and channels lie side by side: one axis of the product
        rows = reshape(filters, (filters.shape[0], filters.shape[1] * filters.shape[2], filters.shape[3]))
        return einsum_labels([_flat(seen, 2), rows], [(_B, _H, _I, _W, _C), (_I, _C, _D)], (_B, _H, _W, _D))
    if groups == 1:
        return einsum_labels([seen, filters], [(_B, _H, _I, _W, _J, _C), (_I, _J, _C, _D)], (_B, _H, _W, _D))
    if filters.shape[2] == 1:  # a channel by itself: nothing to contract but the taps
        apart = _split(filters, groups)  # (height, width, 1, groups, channels out)
        one = elementwise.multiply(expand_dims(seen, 6), expand_dims(_squeezed(apart), 1))
        return _flat(reduction.sum_(one, axis=(2, 4)), 2)
    sides = [_split(seen, groups), _split(filters, groups)]
    return _flat(einsum_labels(sides, [_SEEN, (_I, _J, _C, _G, _D)], (_B, _H, _W, _G, _D)), 2)


_SEEN = (_B, _H, _I, _W, _J, _G, _C)


def _squeezed(filters: Any) -> Any:
    """Without the channels in, of which there is one."""
    return reshape(filters, (*filters.shape[:2], *filters.shape[3:]))


def _define_forward(inputs: tuple[Node, ...], attrs: Geometry) -> Any:
    x, w = inputs
    return _correlated(_padded_node(x, attrs), w, _sliding(attrs), attrs.groups)


def _define_filter(inputs: tuple[Node, ...], attrs: Geometry) -> Any:
    x, head = inputs
    seen = windows(_padded_node(x, attrs), _sliding(attrs))
    if attrs.groups == 1:
        made = einsum_labels([_flat(seen, 2), head], [(_B, _H, _I, _W, _C), (_B, _H, _W, _D)], (_I, _C, _D))
        return reshape(made, (*(one.kernel for one in attrs.spans), x.shape[3], head.shape[3]))
    sides = [_split(seen, attrs.groups), _split(head, attrs.groups)]
    return _flat(einsum_labels(sides, [_SEEN, (_B, _H, _W, _G, _D)], (_I, _J, _C, _G, _D)), 2)


class _Phase(NamedTuple):
    """Positions of an image that meet the same taps, and the windows of the result that they read."""

    positions: Range
    taps: Range  # last first
    frame: tuple[int, int]
    dilation: int


def _phases(span: Span) -> Iterator[_Phase]:
    """The positions of an image by the remainder of their padded place by the stride.

    The place ``y`` of the padded image meets place ``o`` of the result at tap ``i`` where ``y = stride * o + dilation * i``.
    """
    for rest in range(span.stride):
        taps = [tap for tap in range(span.kernel) if (tap * span.dilation - rest) % span.stride == 0]
        start = (rest - span.before) % span.stride
        count = -((start - span.image) // span.stride)
        if not taps or count <= 0:
            continue
        apart = taps[1] - taps[0] if len(taps) > 1 else 1
        dilation = apart * span.dilation // span.stride if len(taps) > 1 else 1
        first = (start + span.before - taps[-1] * span.dilation) // span.stride
        last = (start + span.before - taps[0] * span.dilation) // span.stride + count - 1
        yield _Phase(
            Range(start, count, span.stride),
            Range(taps[-1], len(taps), -apart),
            (-first, last + 1 - span.places),
            dilation,
        )


def _define_input(inputs: tuple[Node, ...], attrs: Geometry) -> Any:
    w, head = inputs
    channels, batch = w.shape[2] * attrs.groups, head.shape[0]
    back = _flat(transpose(_split(w, attrs.groups), (0, 1, 4, 3, 2)), 2)  # channels change sides
    parts = []
    for row, column in itertools.product(*map(_phases, attrs.spans)):
        taps = slice_(back, (row.taps, column.taps, *whole(back.shape[2:])))
        sliding = [Window(axis, one.taps.size, 1, one.dilation) for axis, one in enumerate((row, column), 1)]  # type: ignore[arg-type]
        part = _correlated(_framed(head, (row.frame, column.frame)), taps, sliding, attrs.groups)
        parts.append(((Range(0, batch), row.positions, column.positions, Range(0, channels)), part))
    shape = (batch, attrs.height.image, attrs.width.image, channels)
    if len(parts) == 1 and attrs.height.stride == attrs.width.stride == 1:
        return parts[0][1]
    return place(shape, parts) if parts else zeros(shape, head.dtype)


# -- operations -----------------------------------------------------------------------------------------------------
_SAMPLES = (  # geometry, batch, channels in, channels out
    (Geometry(Span(5, 3), Span(6, 2)), 2, 3, 2),
    (Geometry(Span(5, 3, 2, 1, 1), Span(6, 3, 2, 0, 1)), 2, 2, 3),
    (Geometry(Span(6, 2, 1, 1, 2, 2), Span(7, 3, 2, 2, 1, 2), 2), 1, 4, 6),
    (Geometry(Span(4, 3, 3, 1, 1), Span(5, 1, 2)), 1, 1, 2),
    (Geometry(Span(20, 3, 1, 1, 1), Span(19, 3, 2, 1, 1)), 1, 3, 20),
    (Geometry(Span(5, 3, 1, 1, 1), Span(18, 2), 3), 2, 3, 3),
)
_OPERATIONS: dict[str, OpDef] = {}  # by the array that they make


def _transpose(node: Node, i: int, head: Node) -> Node:
    """The operation that makes input ``i`` of the other input and the head."""
    made = next(name for name, op in _OPERATIONS.items() if op is node.op)
    wanted = _others(made)[i]
    known = {**dict(zip(_others(made), node.inputs, strict=True)), made: head}
    return cast(Node, apply(_OPERATIONS[wanted], tuple(known[name] for name in _others(wanted)), node.attrs))


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node | None:
    """More images are only a longer batch; filters of their own, or gradients of them, go through the definition."""
    if node.op is CONV2D_BACKPROP_FILTER or batched[1 if node.op is CONV2D else 0]:
        return None
    merged = [
        reshape(x, (size * x.shape[1], *x.shape[2:])) if own else x for x, own in zip(inputs, batched, strict=True)
    ]
    return cast(Node, reshape(apply(node.op, tuple(merged), node.attrs), (size, *node.shape)))


def _operation(name: str, made: str, evaluate: Evaluate, define: Any, doc: str) -> OpDef:
    """The operation that makes one of the arrays of the two others."""

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for attrs, batch, inside, outside in _SAMPLES:
            shapes = _Sizes(batch, inside, outside).shapes(attrs)
            yield Sample(tuple(rng.normal(size=shapes[one]) for one in _others(made)), attrs)

    op = OpDef(
        name=name,
        kind=Kind.CONTRACTION,
        infer=_infer(name, made),
        evaluate=evaluate,
        derivative=Linear(_transpose),
        batch=_batch,
        define=define,
        attrs=Geometry,
        samples=samples,
        doc=doc,
    )
    _OPERATIONS[made] = register(op)
    return op


CONV2D = _operation(
    "conv2d",
    "head",
    _evaluate_forward,
    _define_forward,
    "Convolution of images with filters, in the sense of neural networks: no tap is reversed.",
)
CONV2D_BACKPROP_INPUT = _operation(
    "conv2d_backprop_input",
    "x",
    _evaluate_input,
    _define_input,
    "What a convolution's images get from the cotangent of its result.",
)
CONV2D_BACKPROP_FILTER = _operation(
    "conv2d_backprop_filter",
    "w",
    _evaluate_filter,
    _define_filter,
    "What a convolution's filters get from the cotangent of its result.",
)
