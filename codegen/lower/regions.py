"""Placements whose boxes overlap.  In: a ``place`` node.  Out: one of disjoint boxes, each with the sum of what covers it.

The adjoint of a stencil adds shifted arrays: ``g[1:] += a; g[:-1] += b``.  Written box by box, the array would be set to
zero, then read and written once for each shift.  Cut where boxes begin and end, every region is written once: the interior
in one loop, the rims in short ones.  Axes along which boxes differ must be static there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from codegen.lower.boxes import Span, span
from symgrad import ops
from symgrad.node import Node
from symgrad.ops.boxes import Box, Pick, Range, same_box

__all__ = ["by_regions"]

_SHORT = 16  # sizes up to which all elements are written out, each with its own parts
_BOXES, _REGIONS = 9, 40  # more of either would be long code

Entry = Pick | Range


Region = tuple[Span | None, ...]  # None: the axis is the same in all boxes


def by_regions(node: Node) -> Any:
    """The placement by disjoint regions; None where no boxes overlap, or where that cannot be told."""
    boxes = node.attrs.boxes
    if len(boxes) == 1 or len(boxes) > _BOXES or all(isinstance(size, int) and size <= _SHORT for size in node.shape):
        return None
    cuts = [_cuts([box[axis] for box in boxes]) for axis in range(len(node.shape))]
    if None in cuts:
        return None
    covering: dict[Region, list[int]] = {}
    for region in itertools.product(*(cut for cut in cuts if cut is not None)):
        own = [k for k, box in enumerate(boxes) if _covers(box, region)]
        if own:
            covering[region] = own
    if all(len({boxes[k] for k in own}) == 1 for own in covering.values()):
        return None
    regions = _joined(covering)
    if len(regions) > _REGIONS:
        return None
    parts = []
    for region, own in regions.items():
        chosen = [_part(node.inputs[k], boxes[k], region) for k in own]
        box = tuple(_entry(here, entry) for here, entry in zip(region, boxes[own[0]], strict=True))
        parts.append((box, sum(chosen[1:], chosen[0])))
    return ops.place(node.shape, parts)


def _cuts(entries: Sequence[Entry]) -> list[Span | None] | None:
    """What an axis is cut into; None where the entries differ and one of them is not known, or has gaps."""
    if all(same_box((one,), (entries[0],)) for one in entries):
        return [None]
    spans = [span(one) for one in entries]
    if None in spans or any(isinstance(one, Range) and one.step != 1 for one in entries):
        return None
    ends = sorted({end for one in spans if one is not None for end in one})
    return [Span(*pair) for pair in itertools.pairwise(ends)]


def _covers(box: Box, region: Region) -> bool:
    for entry, inner in zip(box, region, strict=True):
        if inner is not None:
            outer = span(entry)
            if outer is None or outer.start > inner.start or inner.stop > outer.stop:
                return False
    return True


def _joined(covering: dict[Region, list[int]]) -> dict[Region, list[int]]:
    """Neighbours along an axis that the same boxes cover, as one region."""
    for axis in range(len(next(iter(covering)))):
        made: dict[Region, list[int]] = {}
        last: dict[Region, Region] = {}  # by the other axes: the region that ends where the next may begin
        for region, own in covering.items():
            others, here = (*region[:axis], None, *region[axis + 1 :]), region[axis]
            before = last.get(others)
            if before is not None and made[before] == own:
                there = before[axis]
                if here is not None and there is not None and there.stop == here.start:
                    del made[before]
                    region = (*region[:axis], Span(there.start, here.stop), *region[axis + 1 :])
            made[region] = own
            last[others] = region
        covering = made
    return covering


def _entry(here: Span | None, entry: Entry) -> Entry:
    """What a box has of an axis in a region: a single position is picked, so that all parts drop the axis."""
    if here is None:
        return entry
    return Pick(here.start) if here.stop - here.start == 1 else Range(here.start, here.stop - here.start)


def _part(part: Node, box: Box, region: Region) -> Any:
    """What a part has in a region of its box."""
    inside: list[Entry] = []
    for here, entry in zip(region, box, strict=True):
        if isinstance(entry, Range):
            whole = Range(0, entry.size)
            inside.append(
                whole if here is None else _entry(Span(here.start - entry.start, here.stop - entry.start), whole)
            )
    return ops.slice(part, tuple(inside))
