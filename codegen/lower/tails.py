"""What is left to do for each row.  In: a loop program.  Out: the same, where that is done for many rows at once.

Loops over the elements of a row leave numbers, as the maximum and the sum of a logsumexp.  Functions of these are scalar
code in the loop over rows, and dear: a logarithm takes as long as that of a whole vector.  Where nothing in the row
waits for them, they get a nest of their own, with rows as lanes; and so do sums of them over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen.lower.apart import needed_for, used_values
from codegen.lower.arena import stage_uses
from codegen.lower.forms import Axis
from codegen.lower.loopir import (
    MEMORY,
    Buffer,
    Const,
    For,
    Let,
    Load,
    Nest,
    Offset,
    Program,
    Scatter,
    Store,
    statements,
)
from codegen.lower.schedule import COST
from symgrad import types

__all__ = ["separate_tails"]

_DEAR = 10  # cycles of scalar code that are worth an array for what it needs
_FEWEST = 8  # rows
_NAMELESS = (Store, Scatter)


def separate_tails(program: Program) -> Program:
    """The program with what is done after the loops of each row in nests of its own."""
    buffers, stages = list(program.buffers), list[Any]()
    for stage in program.stages:
        stages += _separated(stage, buffers) if isinstance(stage, Nest) else [stage]
    return Program(tuple(buffers), tuple(stages))


def _separated(nest: Nest, buffers: list[Buffer]) -> list[Nest]:
    loops = [one for one in nest.body if one.__class__ is For]
    if len(loops) != 1 or loops[0].vector or not any(one.__class__ is For for one in loops[0].body):
        return [nest]
    [rows] = loops
    if isinstance(rows.axis.extent, int) and rows.axis.extent < _FEWEST:
        return [nest]
    if any(carry.inner or carry.outer is not None for carry in rows.carries):
        return [nest]
    tail = _tail(rows, nest)
    if sum(COST.get(one.op, 1) for one in tail if one.__class__ is Let) < _DEAR:
        return [nest]
    place = next(k for k, one in enumerate(nest.body) if one is rows)
    before, after = nest.body[:place], nest.body[place + 1 :]
    ends = after if rows.carries else ()
    written = stage_uses(nest).writes
    if any(one.__class__ is Load and one.buffer in written for one in before):
        return [nest]
    given = [one for one in before if one.__class__ not in _NAMELESS]
    given += [one for one in rows.body if one.__class__ is Const]
    made = {one.id for one in (*given, *tail, *ends, *rows.carries) if one.__class__ not in _NAMELESS}
    used = [value for one in (*tail, *ends) for value in used_values(one)] + [one.value for one in rows.carries]
    numbers = _numbers(rows.body)
    left = [value for value in dict.fromkeys(used) if value not in made]
    if not all(value in numbers for value in left):
        return [nest]
    extent, count = rows.axis.extent, len(buffers)
    rooms = {one: Buffer(f"r{count + k}", numbers[one], extent, "temporary") for k, one in enumerate(left)}
    buffers += rooms.values()
    own = Axis(extent, rows.axis.label)
    taken = {id(one) for one in tail}
    kept = [one for one in rows.body if id(one) not in taken]
    kept += [Store(room, _at(rows.axis), value) for value, room in rooms.items()]
    body: list[Any] = [Load(value, room, _at(own), room.dtype) for value, room in rooms.items()]
    body += [_along(one, rows.axis, own) for one in tail]
    loop = For(own, True, rows.carries, tuple(body))
    first = (*before, rows._replace(carries=(), body=tuple(kept)), *(() if rows.carries else after))
    return [Nest(first), Nest((*needed_for(given, [loop, *ends]), loop, *ends))]


def _tail(rows: For, nest: Nest) -> list[Any]:
    """Statements of a row that only its results need: elements of arrays, one for each row, and terms of sums over rows."""
    written = stage_uses(nest).writes
    used: set[int] = set()
    wanted = {carry.value for carry in rows.carries}
    found = []
    for one in reversed(rows.body):
        if _is_result(one, rows, nest):
            mine = True
        elif one.__class__ is Let:
            mine = one.id in wanted and one.id not in used
        else:
            mine = one.__class__ is Load and one.id not in used and one.buffer not in written and not one.offset.values
        if mine:
            found.append(one)
        target = wanted if mine else used
        for inner in statements((one,)):
            target.update(
                used_values(inner) if inner.__class__ is not For else [carry.value for carry in inner.carries]
            )
    return found[::-1]


def _is_result(one: Any, rows: For, nest: Nest) -> bool:
    """Whether a statement stores an element next to that of the row before, in an array that nothing else touches."""
    if one.__class__ is not Store or one.add or one.offset.values or one.buffer.per_lane:
        return False
    axes = one.offset.axes
    if len(axes) != 1 or axes[0][0] is not rows.axis or not isinstance(axes[0][1], int) or axes[0][1] != 1:
        return False
    return sum(other.buffer is one.buffer for other in statements(nest.body, MEMORY)) == 1


def _numbers(block: Sequence[Any]) -> dict[int, Any]:
    """The element types of values that a block makes, but for booleans."""
    found = {one.id: one.dtype for one in block if one.__class__ in (Let, Load)}
    found |= {carry.id: carry.dtype for one in block if one.__class__ is For for carry in one.carries}
    return {value: dtype for value, dtype in found.items() if not types.is_bool(dtype)}


def _at(axis: Axis) -> Offset:
    return Offset(0, ((axis, 1),), ())


def _along(one: Any, axis: Axis, own: Axis) -> Any:
    """A statement with the loop's axis in place of another."""
    if one.__class__ is Let:
        return one
    axes = tuple((own if along is axis else along, step) for along, step in one.offset.axes)
    return one._replace(offset=one.offset._replace(axes=axes))
