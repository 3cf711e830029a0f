"""Sums apart from what is made of them.  In: a nest.  Out: nests that leave their sums in memory, and one that goes on.

Only the first ones can be cut along the axis of their sums; the last is a few statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from codegen.lower.loopir import (
    MEMORY,
    Buffer,
    For,
    IndexValue,
    Let,
    Load,
    Nest,
    Offset,
    Program,
    Scatter,
    Store,
    statements,
)
from symgrad.types import DType

__all__ = ["apart", "needed_for", "used_values", "with_totals_apart"]

Scratch = Callable[[DType, int], Buffer]


def apart(nest: Nest, scratch: Scratch) -> tuple[Nest, ...] | None:
    """A nest for each loop, and the last one; None where the nest is not loops with sums, and then what uses these.

    Parameters
    ----------
    nest : Nest
    scratch : makes a temporary array of an element type and size
    """
    places = [k for k, one in enumerate(nest.body) if isinstance(one, For)]
    if not places or not all(nest.body[k].carries for k in places):
        return None
    before = [one for one in nest.body[: places[-1]] if not isinstance(one, For)]
    written = {one.buffer for one in statements(nest.body, MEMORY) if one.__class__ is not Load}
    if any(one.__class__ in MEMORY and (one.__class__ is not Load or one.buffer in written) for one in before):
        return None
    made, loads = [], list[Any]()
    for loop in (nest.body[k] for k in places):
        rooms = _rooms(loop, scratch)
        needed = needed_for([*loads, *before], [loop])
        made.append(Nest((*needed, loop, *(Store(room, place, own) for own, (room, place) in rooms.items()))))
        loads += [Load(own, room, place, room.dtype) for own, (room, place) in rooms.items()]
    after = nest.body[places[-1] + 1 :]
    return *made, Nest((*needed_for([*loads, *before], after), *after))


def _rooms(loop: For, scratch: Scratch) -> dict[int, tuple[Buffer, Offset]]:
    """Where each result of a loop goes: one array for each element type."""
    dtypes = [carry.dtype for carry in loop.carries]
    rooms = {dtype: scratch(dtype, sum(one is dtype for one in dtypes)) for dtype in dict.fromkeys(dtypes)}
    places = [sum(one is dtype for one in dtypes[:k]) for k, dtype in enumerate(dtypes)]
    return {
        carry.id: (rooms[carry.dtype], Offset(place, (), ())) for carry, place in zip(loop.carries, places, strict=True)
    }


def with_totals_apart(program: Program) -> Program:
    """The program with nests in two that store elements, sum over them, and make something else of the sums."""
    buffers, stages = list(program.buffers), list[Any]()

    def room(dtype: DType, size: int) -> Buffer:
        buffers.append(Buffer(f"sums{len(buffers)}", dtype, size, "temporary"))
        return buffers[-1]

    for stage in program.stages:
        pair = apart(stage, room) if isinstance(stage, Nest) and _makes_more(stage) else None
        stages += [stage] if pair is None else pair
    return Program(tuple(buffers), tuple(stages))


def _makes_more(nest: Nest) -> bool:
    """Whether a loop that stores elements also has sums, and some of these are not just stored."""
    sums = {
        carry.id
        for one in nest.body
        if one.__class__ is For and any(inner.__class__ is Store for inner in statements(one.body))
        for carry in one.carries
    }
    more = {value for one in nest.body if one.__class__ is Let for value in one.args}
    return not sums.isdisjoint(more)


def used_values(one: Any) -> list[int]:
    """Values that a statement uses by itself."""
    if isinstance(one, Let):
        return list(one.args)
    if not isinstance(one, (Load, Store, Scatter, IndexValue)):
        return []
    used = [value for value, _ in one.offset.values]
    return [*used, one.value] if isinstance(one, (Store, Scatter)) else used


def needed_for(before: Sequence[Any], after: Iterable[Any]) -> list[Any]:
    """The statements whose values the later ones need, in order."""
    wanted = {value for one in statements(list(after)) for value in used_values(one)}
    wanted |= {carry.value for one in statements(list(after)) if isinstance(one, For) for carry in one.carries}
    found = []
    for one in reversed(before):
        if one.id in wanted:
            found.append(one)
            wanted.update(used_values(one))
    return found[::-1]
