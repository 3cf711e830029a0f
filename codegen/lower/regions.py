"""Placements whose boxes overlap.  In: a ``place`` node.  Out: one of disjoint boxes, each with the sum of what covers it.

The adjoint of a stencil adds shifted arrays: ``g[1:] += a; g[:-1] += b``.  Written box by box, the array would be set to
zero, then read and written once for each shift.  Cut where boxes begin and end, every region is written once: the interior
in one loop, the rims in short ones.

Of dynamic sizes, only large arrays are cut like that.  Others are written box by box to an array of their own: a factor of
the extents of loops, 1 or 0, leaves either the regions or that array empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from codegen.lower.boxes import Span
from codegen.lower.cuts import Cuts, Large, cut
from symgrad import dims, ops
from symgrad.dims import Dim, Size
from symgrad.node import Node
from symgrad.ops.boxes import Box, Pick, Range, box_shape, is_whole, whole

__all__ = ["by_regions"]

_SHORT = 16  # sizes up to which all elements are written out, each with its own parts
_BOXES, _REGIONS = 9, 40  # more of either would be long code

Region = tuple[Span | None, ...]  # between which cuts of each axis; None: the axis is whole
Part = tuple[Box, Any]


def by_regions(node: Node) -> Any:
    """The placement by disjoint regions; None where no boxes overlap, or where that cannot be told."""
    shape, boxes, tiling = node.attrs
    if tiling or len(boxes) == 1 or len(boxes) > _BOXES:
        return None
    if all(isinstance(size, int) and size <= _SHORT for size in shape):
        return None
    if any(isinstance(size, Dim) and dims.piecewise(size) is None for size in shape):
        return None  # as what is written box by box
    large = Large()
    found = [cut([box[axis] for box in boxes], size, large) for axis, size in enumerate(shape)]
    axes = [one for one in found if one is not None]
    if len(axes) < len(found):
        return None
    covering = {
        region: [
            k for k in range(len(boxes)) if all(axis.covers(k, step) for axis, step in zip(axes, region, strict=True))
        ]
        for region in itertools.product(*(axis.steps for axis in axes))
    }
    places = [tuple(axis.spans[k] for axis in axes if axis.places) for k in range(len(boxes))]
    if all(len({places[k] for k in own}) < 2 for own in covering.values()):
        return None
    return _placed(node, axes, _joined(covering), large.factor())


def _placed(node: Node, axes: Sequence[Cuts], regions: dict[Region, list[int]], factor: Size) -> Any:
    """The placement by these regions; None where they are too many."""
    shape, boxes, _ = node.attrs
    complete = all(
        axis.places or is_whole((entry,), (size,)) for axis, entry, size in zip(axes, boxes[0], shape, strict=True)
    )
    tiling = complete and len(regions) <= _REGIONS
    if not tiling:  # what no box covers is set to zero before
        regions = {region: own for region, own in regions.items() if own}
    if len(regions) > _REGIONS or (
        isinstance(factor, Dim) and not (tiling and any(isinstance(one, Dim) for one in shape))
    ):
        return None
    parts: list[Part] = []
    for region, own in regions.items():
        entries = [axis.entry(*pair) for axis, *pair in zip(axes, region, boxes[0], strict=True)]
        box = _times(entries, factor)
        begins = [[axis.begin(k, entry) for axis, entry in zip(axes, boxes[k], strict=True)] for k in own]
        chosen = [_part(node.inputs[k], begin, box) for k, begin in zip(own, begins, strict=True)]
        parts.append((box, sum(chosen[1:], chosen[0]) if own else ops.zeros(box_shape(box), node.type.dtype)))
    if isinstance(factor, Dim):
        parts.append(_by_boxes(node, 1 - factor))
    return ops.place(shape, parts, tiling)


def _by_boxes(node: Node, factor: Size) -> Part:
    """The placement box by box, empty where the factor is 0."""
    box = _times(whole(node.shape), factor)
    boxes = [_times(one, factor) for one in node.attrs.boxes]
    parts = [_part(*three) for three in zip(node.inputs, node.attrs.boxes, boxes, strict=True)]
    return box, ops.place(box_shape(box), list(zip(boxes, parts, strict=True)))


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


def _times(box: Sequence[Pick | Range], factor: Size) -> Box:
    """A box with one of its sizes multiplied by a number, 1 or 0: one that is not known anyway, where it has such."""
    if isinstance(factor, int):
        return tuple(box)
    ranges = [axis for axis, one in enumerate(box) if isinstance(one, Range) and isinstance(one.size, Dim)]
    picks = [axis for axis, one in enumerate(box) if isinstance(one, Pick)]
    axis = (*ranges, *picks, 0)[0]
    one = box[axis]
    changed = Range(one.position, factor) if isinstance(one, Pick) else one._replace(size=one.size * factor)
    return (*box[:axis], changed, *box[axis + 1 :])


def _part(part: Node, box: Sequence[Pick | Range], inner: Box) -> Any:
    """What a part, which has a box, has in another inside of that."""
    inside: list[Pick | Range] = []
    repeated: list[int] = []  # axes that the part does not have
    for axis, (entry, here) in enumerate(zip(box, inner, strict=True)):
        if isinstance(entry, Pick):
            repeated += [len(box_shape(inner[:axis]))] if isinstance(here, Range) else []
        elif isinstance(here, Pick):
            inside.append(Pick(here.position - entry.start))
        else:
            inside.append(Range(here.start - entry.start, here.size))
    made = ops.slice(part, tuple(inside))
    return ops.broadcast_to(ops.expand_dims(made, tuple(repeated)), box_shape(inner)) if repeated else made
