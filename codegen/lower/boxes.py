"""Boxes of one array.  In: boxes.  Out: whether, and how many of them, may share elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from symgrad import dims
from symgrad.dims import Size
from symgrad.ops.boxes import Box, Pick, Range, same_box

__all__ = ["Span", "disjoint", "overlapping", "span", "typical_size"]

_MANY = 64  # boxes beyond which overlaps are not looked for
_TYPICAL = 1 << 20  # the size that a dynamic axis is taken for where that only decides what is faster


class Span(NamedTuple):
    """Positions of an axis from ``start`` to ``stop - 1``."""

    start: int
    stop: int


def overlapping(boxes: Sequence[Box]) -> int:
    """How many boxes share elements with one of them, itself counted, at most; in arrays of typical size."""
    if disjoint(boxes) or len(boxes) > _MANY:
        return 1
    typical = [tuple(map(_typical_entry, box)) for box in boxes]
    return max(sum(not _apart(a, b) for b in typical) for a in typical)


def _typical_entry(entry: Pick | Range) -> Pick | Range:
    if isinstance(entry, Pick):
        return Pick(typical_size(entry.position))
    return Range(typical_size(entry.start), typical_size(entry.size), entry.step)


def typical_size(size: Size) -> int:
    """A size in arrays of typical size."""
    return dims.evaluate(size, dict.fromkeys(dims.atoms_of(size), _TYPICAL))


def disjoint(boxes: Sequence[Box]) -> bool:
    """Whether boxes, no two of which are equal, certainly share no element."""
    if all(isinstance(entry, Pick) and isinstance(entry.position, int) for box in boxes for entry in box):
        return True  # distinct points
    if _only_picks_differ(boxes):
        return True
    if len(boxes) > _MANY:
        return False
    return all(_apart(a, b) for k, a in enumerate(boxes) for b in boxes[:k])


def _only_picks_differ(boxes: Sequence[Box]) -> bool:
    """Whether they are the same ranges at other positions."""
    first = boxes[0]
    for box in boxes:
        for one, other in zip(box, first, strict=True):
            if isinstance(one, Pick) and isinstance(other, Pick):
                if not (isinstance(one.position, int) and isinstance(other.position, int)):
                    return False
            elif not same_box((one,), (other,)):
                return False
    return True


def _apart(a: Box, b: Box) -> bool:
    """Whether two boxes certainly share no element: their ranges do not meet along some axis, or alternate."""
    for one, other in zip(a, b, strict=True):
        if _alternate(one, other):
            return True
        first, second = span(one), span(other)
        if first is not None and second is not None and (first.stop <= second.start or second.stop <= first.start):
            return True
    return False


def _alternate(one: Pick | Range, other: Pick | Range) -> bool:
    """Whether two ranges of one step leave different remainders by it."""
    if not (isinstance(one, Range) and isinstance(other, Range) and one.step == other.step > 1):
        return False
    starts = one.start, other.start
    return all(isinstance(start, int) for start in starts) and (one.start - other.start) % one.step != 0


def span(entry: Pick | Range) -> Span | None:
    """From the first position to behind the last, where static."""
    if isinstance(entry, Pick):
        return Span(entry.position, entry.position + 1) if isinstance(entry.position, int) else None
    if not isinstance(entry.start, int) or not isinstance(entry.size, int):
        return None
    if entry.size == 0:
        return Span(entry.start, entry.start)
    first, last = sorted((entry.start, entry.start + (entry.size - 1) * entry.step))
    return Span(first, last + 1)
