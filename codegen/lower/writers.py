"""How arrays are stored.  In: a node that is stored, and where.  Out: the steps that fill its memory.

Most arrays take one step: every element by its value.  Concatenations and the like take one step per part; scatters
start from their base and then write position by position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from codegen.lower.access import Stored, wrapped_index
from codegen.lower.boxes import disjoint
from codegen.lower.forms import Index, combine, scale
from codegen.lower.nest import Writer
from codegen.lower.views import is_dense
from symgrad import dims, types
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.ops.boxes import Box, Pick, Range, box_shape, is_whole, whole
from symgrad.ops.source import uniform_value

__all__ = ["Step", "by_parts", "steps"]


class Step(NamedTuple):
    """One pass over (part of) an array; ``writer`` None sets the array to zero.  ``after``: must follow the step before."""

    writer: Writer | None
    after: bool = False


def by_parts(node: Node, is_unrolled: Callable[[Size], bool]) -> bool:
    """Whether an array is put together from parts along an axis that is looped over."""
    name = node.op.name
    if name in ("concatenate", "stack"):
        return not is_unrolled(node.shape[node.attrs.axis])
    if name not in ("place", "update"):
        return False
    boxes = node.attrs.boxes if name == "place" else (node.attrs.box,)
    return any(
        not is_unrolled(size) and not is_whole((box[axis],), (size,))
        for box in boxes
        for axis, size in enumerate(node.shape)
    )


def steps(node: Node, place: Stored, parts: bool, flat: bool, stored: Mapping[Node, Stored]) -> list[Step]:
    """The steps that store ``node`` at ``place``; ``stored`` are the arrays that are, or will be, in memory."""
    name = node.op.name
    if name in ("scatter_add", "scatter_set"):
        return _scatter_steps(node, place, flat)
    if not parts:
        return [Step(value_writer(node, (node,), place, flat))]
    if name == "update":
        base, part = node.inputs
        start = Step(value_writer(node, (base,), place, False))
        return [start, Step(_box_writer(node, (part,), node.attrs.box, place, "set"), after=True)]
    return _part_steps(node, place, stored)


def value_writer(target: Node, source: tuple[Node, ...], place: Stored, flat: bool) -> Writer:
    """Every element by its value."""
    shape = source[0].shape
    run_through = flat and len(shape) > 1 and is_dense(place, shape)
    if run_through:
        return Writer(target, source, (dims.product(shape),), place.buffer, lambda index: index[0], "set", True)
    return Writer(target, source, shape, place.buffer, lambda index: _offset(place, index))


def _offset(place: Stored, index: Sequence[Index]) -> Index:
    offset: Index = place.base
    for one, stride in zip(index, place.strides, strict=True):
        offset = combine(offset, scale(one, stride))
    return offset


def _box_writer(target: Node, source: tuple[Node, ...], box: Box, place: Stored, mode: str, piece: int = 0) -> Writer:
    """A part, into its box.  The last axes of both, as many as lie in one piece, are run through as one."""
    outer, inner = box[: len(box) - piece], box[len(box) - piece :]

    def where(index: Sequence[Index]) -> Index:
        rest = iter(index)
        full = [
            entry.position if isinstance(entry, Pick) else combine(scale(next(rest), entry.step), entry.start)
            for entry in outer
        ]
        full += [entry.start for entry in inner if isinstance(entry, Range)]
        return combine(_offset(place, full), next(rest, 0))

    shape = box_shape(outer) + ((dims.product(box_shape(inner)),) if inner else ())
    return Writer(target, source, shape, place.buffer, where, mode, flat=piece > 0)


def _piece(
    sources: Sequence[Node], box: Box, place: Stored, shape: Sequence[Size], stored: Mapping[Node, Stored]
) -> int:
    """How many of the last axes of a box lie in one piece in the array, as they do in the sources; 0 if only one.

    Sources that are not in memory are computed axis by axis, in nests that others may share.
    """
    if not is_dense(place, shape) or not all(one in stored and is_dense(stored[one], one.shape) for one in sources):
        return 0
    count = 0
    for entry, size in zip(reversed(box), reversed(shape), strict=True):
        if not isinstance(entry, Range) or entry.step != 1:
            break
        count += 1
        if not is_whole((entry,), (size,)):
            break
    return count if count > 1 else 0


def _boxes(node: Node) -> list[tuple[Box, Node]]:
    if node.op.name == "place":
        return list(zip(node.attrs.boxes, node.inputs, strict=True))
    axis, made, start = node.attrs.axis, [], 0
    for k, one in enumerate(node.inputs):
        box: list[Pick | Range] = list(whole(node.shape))
        size = one.shape[axis] if node.op.name == "concatenate" else 1
        box[axis] = Range(start, size) if node.op.name == "concatenate" else Pick(k)
        made.append((tuple(box), one))
        start = start + size
    return made


def _part_steps(node: Node, place: Stored, stored: Mapping[Node, Stored]) -> list[Step]:
    """Parts of a placement, stack or concatenation; parts of one box are added before they are stored."""
    groups: dict[Box, list[Node]] = {}
    for box, part in _boxes(node):
        groups.setdefault(box, []).append(part)
    boxes = list(groups)

    def step(box: Box, mode: str, after: bool) -> Step:
        own = tuple(groups[box])
        return Step(_box_writer(node, own, box, place, mode, _piece(own, box, place, node.shape, stored)), after)

    if node.op.name != "place" or node.attrs.tiling or disjoint(boxes):
        fill = node.op.name == "place" and not node.attrs.tiling and not _covers(boxes, node.shape)
        made = [Step(None)] if fill else []
        return made + [step(box, "set", after=fill and k == 0) for k, box in enumerate(boxes)]
    return [Step(None), *(step(box, "add", after=True) for box in boxes)]


def _covers(boxes: Sequence[Box], shape: Sequence[Size]) -> bool:
    """Whether disjoint boxes fill the array."""
    total: Size = 0
    for box in boxes:
        count: Size = 1
        for size in box_shape(box):
            count = count * size
        total = total + count
    full: Size = 1
    for size in shape:
        full = full * size
    return types.same_shape((total,), (full,))


# -- scatter --------------------------------------------------------------------------------------------------------
def _scatter_steps(node: Node, place: Stored, flat: bool) -> list[Step]:
    base, updates, *indices = node.inputs
    zero = base.op.name == "broadcast_to" and _is_zero(base)
    start = Step(None) if zero else Step(value_writer(node, (base,), place, flat))
    axis, rank = node.attrs.axis, indices[0].ndim

    def where(scalarizer: Any, index: Sequence[Index]) -> Index:
        within = tuple(index[axis : axis + rank])
        own = [
            wrapped_index(scalarizer, scalarizer.value(one, within), node.shape[axis + k])
            for k, one in enumerate(indices)
        ]
        return _offset(place, (*index[:axis], *own, *index[axis + rank :]))

    writer = Writer(node, (updates,), updates.shape, place.buffer, where, node.op.name)
    return [start, Step(writer, after=True)]


def _is_zero(node: Node) -> bool:
    known = uniform_value(node)
    return known is not None and known == 0
