"""Columns that are read again and again.  In: a loop program.  Out: the same, with such columns copied to arrays of their own.

Where rows are lanes, an element of each row is a column: vectors of it are put together from several loads and shuffles.
A nest that does so for every index of loops around it, which do not change the column, finds it copied instead: pairs of
points are the usual case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from codegen.lower.arena import stage_uses
from codegen.lower.forms import Axis
from codegen.lower.loopir import Buffer, For, Load, Nest, Offset, Program, Store

__all__ = ["pack_columns"]

_ROUNDS = 4  # readings of a column that pay for a copy

Column = tuple[Buffer, Axis, int, int]  # where it is, its axis, the length of a row, its position in a row


def pack_columns(program: Program) -> Program:
    """The program with columns copied before the nests that read them repeatedly."""
    buffers, stages = list(program.buffers), list[Any]()
    for stage in program.stages:
        stages += _packed(stage, buffers) if isinstance(stage, Nest) else [stage]
    return Program(tuple(buffers), tuple(stages))


def _packed(nest: Nest, buffers: list[Buffer]) -> list[Nest]:
    """The nest, after one that copies its columns where it has any."""
    written = stage_uses(nest).writes
    rooms: dict[Column, Buffer] = {}
    for column in _repeated(nest.body, 1):
        if column[0] not in written and column not in rooms:
            rooms[column] = Buffer(f"p{len(buffers)}", column[0].dtype, column[1].extent, "temporary")
            buffers.append(rooms[column])
    if not rooms:
        return [nest]
    return [Nest(tuple(_copies(rooms))), Nest(_with_rooms(nest.body, rooms))]


def _repeated(block: Sequence[Any], rounds: int) -> Iterator[Column]:
    """Columns along vector loops that run often enough; loops of unknown length count as long."""
    for one in block:
        if one.__class__ is not For:
            continue
        if not one.vector:
            extent = one.axis.extent
            yield from _repeated(one.body, rounds * extent if isinstance(extent, int) else rounds * _ROUNDS)
        elif rounds >= _ROUNDS:
            found = (_column(inner) for inner in one.body if inner.__class__ is Load)
            yield from (column for column in found if column is not None and column[1] is one.axis)


def _column(one: Load) -> Column | None:
    """What names a column; None where the position depends on more than one axis, or elements are neighbours."""
    base, axes, values = one.offset
    if len(axes) != 1 or values or one.buffer.per_lane:
        return None
    [(axis, stride)] = axes
    if not isinstance(stride, int) or not isinstance(base, int) or stride == 1:
        return None
    return one.buffer, axis, stride, base


def _copies(rooms: dict[Column, Buffer]) -> Iterator[For]:
    """A loop for each axis, which reads all columns along it together."""
    for axis in dict.fromkeys(axis for _, axis, _, _ in rooms):
        own = Axis(axis.extent, axis.label)
        body: list[Any] = []
        for (buffer, along, stride, base), room in rooms.items():
            if along is axis:
                made = len(body)
                body.append(Load(made, buffer, Offset(base, ((own, stride),), ()), room.dtype))
                body.append(Store(room, Offset(0, ((own, 1),), ()), made))
        yield For(own, True, (), tuple(body))


def _with_rooms(block: Sequence[Any], rooms: dict[Column, Buffer]) -> tuple[Any, ...]:
    out: list[Any] = []
    for one in block:
        if one.__class__ is For:
            out.append(one._replace(body=_with_rooms(one.body, rooms)))
            continue
        room = rooms.get(column) if one.__class__ is Load and (column := _column(one)) is not None else None
        if room is not None:
            [(axis, _)] = one.offset.axes
            one = one._replace(buffer=room, offset=Offset(0, ((axis, 1),), ()))
        out.append(one)
    return tuple(out)
