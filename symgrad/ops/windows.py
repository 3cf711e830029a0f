"""Sliding windows.  In: an array, and for some of its axes the size, step and dilation of a window.  Out: all windows.

Each such axis becomes two: where the window stands, and the position within it.  The windows overlap in memory, so that
machine code reads them in place: convolutions are contractions of them, poolings reductions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import dims
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, register
from symgrad.ops import coerce
from symgrad.ops.boxes import Box, Pick, Range, whole
from symgrad.ops.shapes import sampler
from symgrad.ops.structure import place, slice_
from symgrad.provenance import user_line
from symgrad.types import Shape, TensorType

__all__ = ["Window", "windows"]


class Window(NamedTuple):
    """A window along one axis: its elements are ``dilation`` apart, its places ``step``."""

    axis: int
    size: int
    step: int = 1
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Elements from the first to the last, both included."""
        return (self.size - 1) * self.dilation + 1

    def places(self, size: Size) -> Size:
        """How many windows an axis of that size holds."""
        return dims.floordiv(size - self.reach, self.step) + 1


class WindowsAttrs(NamedTuple):
    """The windows, in the order of their axes."""

    windows: tuple[Window, ...]


def _infer(inputs: tuple[Node, ...], attrs: WindowsAttrs) -> TensorType:
    (x,) = inputs
    made: list[Size] = []
    of_axis = {one.axis: one for one in attrs.windows}
    for axis, size in enumerate(x.shape):
        window = of_axis.get(axis)
        if window is not None and isinstance(size, int) and window.reach > size:
            raise ShapeError(
                f"windows: a window of {window.reach} elements is larger than axis {axis} of {coerce.shape_text(x.shape)}",
                where=user_line(),
            )
        made += [size] if window is None else [window.places(size), window.size]
    return x.type.with_shape(tuple(made))


def _evaluate(attrs: WindowsAttrs, x: Any) -> Any:
    for one in reversed(attrs.windows):
        seen = np.lib.stride_tricks.sliding_window_view(x, one.reach, one.axis)
        x = np.moveaxis(seen[..., :: one.dilation], -1, one.axis + 1)[
            (slice(None),) * one.axis + (slice(None, None, one.step),)
        ]
    return x


def _boxes(attrs: WindowsAttrs, inside: Shape, outside: Shape) -> list[tuple[Box, Box]]:
    """For each position within the windows: where its elements are among the windows, and in the array."""
    made = []
    for offsets in itertools.product(*(range(one.size) for one in attrs.windows)):
        there, here = list(whole(outside)), list(whole(inside))
        for k, (one, offset) in enumerate(zip(attrs.windows, offsets, strict=True)):
            there[one.axis + k + 1] = Pick(offset)
            here[one.axis] = Range(offset * one.dilation, outside[one.axis + k], one.step)
        made.append((tuple(there), tuple(here)))
    return made


def _transpose(node: Node, i: int, head: Node) -> Node:
    (x,) = node.inputs
    parts = [(here, slice_(head, there)) for there, here in _boxes(node.attrs, x.shape, node.shape)]
    made: Node = place(x.shape, parts)
    return made


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    return windows(inputs[0], [one._replace(axis=one.axis + 1) for one in node.attrs.windows])


WINDOWS = register(
    OpDef(
        name="windows",
        kind=Kind.STRUCTURE,
        infer=_infer,
        evaluate=_evaluate,
        derivative=Linear(_transpose),
        batch=_batch,
        attrs=WindowsAttrs,
        samples=sampler(
            (WindowsAttrs((Window(0, 3),)), (7,)),
            (WindowsAttrs((Window(0, 2, 2), Window(1, 3, 1, 2))), (5, 6)),
            (WindowsAttrs((Window(1, 3, 2), Window(2, 2))), (2, 40, 5, 3)),
            (WindowsAttrs((Window(0, 4),)), (4, 0)),
        ),
        doc="All windows that slide along axes.",
    )
)


def windows(x: Any, chosen: Sequence[Window]) -> Any:
    """All windows of ``x``: each axis of a window becomes the places of the window and the positions within it."""
    return apply(WINDOWS, (x,), WindowsAttrs(tuple(sorted(chosen))))
