"""Work along one axis.  In: a running sum, a sort or a search, and where its arrays are.  Out: one stage of the loop IR.

All operands, strided, and the dense result are seen as arrays over common outer axes and the axis of work.  A search
has no such axis in its values and its result, nor has a sum in its result: their stride along it is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen.lower.access import Stored
from codegen.lower.loopir import Along, Buffer, View
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.opdef import Kind
from symgrad.types import INT64, DType

__all__ = ["along_stage", "is_along"]

SORT_ROOM = 3  # elements of scratch memory for each element sorted: two keys and a position


def is_along(node: Node) -> bool:
    """Whether an operation works on an axis as a whole."""
    return node.op.kind is Kind.ALONG


def along_stage(
    node: Node, operands: Sequence[Stored], place: Stored, scratch: Callable[[DType, Size, bool], Buffer]
) -> Along:
    """The stage that computes a node."""
    if node.op.name == "searchsorted":
        return _search(node, operands, place)
    if node.op.name.endswith("_sum"):
        return _sum(node, operands[0], place)
    axis = node.ndim - 1 if node.op.name == "argsort" else node.attrs.axis
    outer = [k for k in range(node.ndim) if k != axis]
    views = [_view(one, [one.strides[k] for k in (*outer, axis)]) for one in (*operands, place)]
    size = node.shape[axis]
    room = scratch(INT64, size * SORT_ROOM, False) if node.op.name == "argsort" else None
    return Along(node.op.name, tuple(views[:-1]), views[-1], tuple(node.shape[k] for k in outer), size, room)


def _sum(node: Node, operand: Stored, place: Stored) -> Along:
    axis = node.attrs.axis
    strides = (*operand.strides[:axis], *operand.strides[axis + 1 :], operand.strides[axis])
    size = node.inputs[0].shape[axis]
    return Along(node.op.name, (_view(operand, strides),), _view(place, [*place.strides, 0]), node.shape, size)


def _search(node: Node, operands: Sequence[Stored], place: Stored) -> Along:
    table, values = operands
    lead = node.attrs.lead
    rest: list[Size] = [0] * (node.ndim - lead)
    views = (_view(table, [*table.strides[:lead], *rest, table.strides[-1]]), _view(values, [*values.strides, 0]))
    name = "search_right" if node.attrs.right else "search_left"
    return Along(name, views, _view(place, [*place.strides, 0]), node.shape, node.inputs[0].shape[-1])


def _view(place: Stored, strides: Sequence[Size]) -> View:
    return View(place.buffer, place.base, tuple(strides))
