"""Parts of arrays: one entry per axis, a :class:`Pick` (drops the axis) or a :class:`Range`.

In: positions and sizes, which may be dynamic.  Out: their shape, and whether boxes are certainly the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from symgrad import types
from symgrad.dims import Size
from symgrad.types import Shape

__all__ = ["Box", "Pick", "Range", "box_shape", "is_whole", "python_index", "same_box", "whole"]


class Pick(NamedTuple):
    """One position of an axis, which is dropped."""

    position: Size


class Range(NamedTuple):
    """``size`` positions of an axis: start, start + step, ..."""

    start: Size
    size: Size
    step: int = 1


Box = tuple[Pick | Range, ...]


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
