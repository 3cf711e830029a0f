"""Operations that join and cut arrays.  In: arrays.  Out: arrays whose elements are input elements, or zero.

All are linear, so each states its transpose only.  Sizes and positions may be dynamic.  ``slice`` takes a part, a
:class:`Box`; ``place`` is its transpose, ``update`` overwrites such a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import assumptions, types
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, register
from symgrad.ops import coerce
from symgrad.ops.boxes import Box, Pick, Range, box_shape, is_whole, python_index, whole
from symgrad.ops.shapes import (
    assert_shape,
    broadcast_to,
    reshape,
    sampler,
    zeros_like,
)
from symgrad.provenance import user_line
from symgrad.types import Shape, TensorType

__all__ = ["AxisAttrs", "concatenate", "place", "slice_", "stack", "update"]


class AxisAttrs(NamedTuple):
    axis: int


class BoxAttrs(NamedTuple):
    box: Box


class PlaceAttrs(NamedTuple):
    """``tiling``: every element of the array is in one of the boxes, and in no other."""

    shape: Shape
    boxes: tuple[Box, ...]
    tiling: bool = False


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
            if position != axis and assumptions.agree(a, b) is False:
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
            if node.ndim != len(first) or assumptions.agree(a, b) is False:
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
    return x if is_whole(box, x.shape) else apply(SLICE, (x,), BoxAttrs(box))


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
    return place((size, *node.shape), list(zip(boxes, parts, strict=True)), tiling=node.attrs.tiling)


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


def place(shape: Shape, parts: Sequence[tuple[Box, Any]], tiling: bool = False) -> Any:
    """Zeros of ``shape`` with each part added into its box; ``tiling``: the boxes are known to fill it, each its own part."""
    return apply(PLACE, tuple(part for _, part in parts), PlaceAttrs(shape, tuple(box for box, _ in parts), tiling))


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
