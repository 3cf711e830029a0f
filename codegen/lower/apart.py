"""Sums apart from what is made of them.  In: a nest.  Out: one nest that leaves its sums in memory, and one that goes on.

Only the first can be cut along the axis of the sums; the second is a few statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from codegen.lower.loopir import MEMORY, Buffer, For, IndexValue, Let, Load, Nest, Offset, Scatter, Store, statements
from symgrad.types import DType

__all__ = ["apart", "used_values"]


def apart(nest: Nest, scratch: Callable[[DType, int], Buffer]) -> tuple[Nest, Nest] | None:
    """The two nests; None where the nest is not statements, one loop with sums, and statements that use these.

    Parameters
    ----------
    nest : Nest
    scratch : makes a temporary array of an element type and size
    """
    places = [k for k, one in enumerate(nest.body) if isinstance(one, For)]
    if len(places) != 1:
        return None
    loop, before, after = nest.body[places[0]], nest.body[: places[0]], nest.body[places[0] + 1 :]
    if not loop.carries or any(one.__class__ in MEMORY and one.__class__ is not Load for one in before):
        return None
    rooms: dict[DType, Buffer] = {}
    for dtype in dict.fromkeys(carry.dtype for carry in loop.carries):
        rooms[dtype] = scratch(dtype, sum(carry.dtype is dtype for carry in loop.carries))
    counts = dict.fromkeys(rooms, 0)
    stores, loads = [], []
    for carry in loop.carries:
        place = Offset(counts[carry.dtype], (), ())
        counts[carry.dtype] += 1
        stores.append(Store(rooms[carry.dtype], place, carry.id))
        loads.append(Load(carry.id, rooms[carry.dtype], place, carry.dtype))
    first = Nest((*_needed(before, [loop]), loop, *stores))
    return first, Nest((*loads, *_needed(before, after), *after))


def used_values(one: Any) -> list[int]:
    """Values that a statement uses by itself."""
    if isinstance(one, Let):
        return list(one.args)
    if not isinstance(one, (Load, Store, Scatter, IndexValue)):
        return []
    used = [value for value, _ in one.offset.values]
    return [*used, one.value] if isinstance(one, (Store, Scatter)) else used


def _needed(before: Sequence[Any], after: Iterable[Any]) -> list[Any]:
    """The statements whose values the later ones need, in order."""
    wanted = {value for one in statements(list(after)) for value in used_values(one)}
    wanted |= {carry.value for one in statements(list(after)) if isinstance(one, For) for carry in one.carries}
    found = []
    for one in reversed(before):
        if one.id in wanted:
            found.append(one)
            wanted.update(used_values(one))
    return found[::-1]
