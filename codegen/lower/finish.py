"""Last changes to a loop program.  In: a program.  Out: the same, with updates in place and long straight code cut up."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from codegen.lower.apart import used_values, with_totals_apart
from codegen.lower.arena import stage_uses
from codegen.lower.blocking import blocked
from codegen.lower.columns import pack_columns
from codegen.lower.joining import joined
from codegen.lower.loopir import (
    Buffer,
    Const,
    Copy,
    For,
    IndexValue,
    Let,
    Load,
    Nest,
    Offset,
    Program,
    Report,
    Scatter,
    Store,
    statements,
)
from codegen.lower.reciprocals import share_reciprocals
from codegen.lower.rolling import roll
from codegen.lower.row_sums import row_by_row
from codegen.lower.splitting import split
from codegen.lower.tails import separate_tails
from symgrad.types import INT64

__all__ = ["finish"]

CHUNK = 250  # statements of straight-line code in one function: machine code costs more than linear time in them


def finish(program: Program, fastmath: Set[str] = frozenset(), threads: int = 1) -> Program:
    """Write variables in place where nothing reads their old value any more, form blocks, cut long straight-line nests.

    ``reciprocal`` in ``fastmath`` asks for one division for each divisor; ``threads`` says how many may work at once.
    """
    changed = with_totals_apart(separate_tails(joined(_in_place(program))))
    if "reciprocal" in fastmath:
        changed = share_reciprocals(changed)
    packed = pack_columns(row_by_row(roll(changed, "reassoc" in fastmath)))
    return _chunked(split(blocked(packed, threads), threads))


# -- updates in place -----------------------------------------------------------------------------------------------
def _in_place(program: Program) -> Program:
    stages = list(program.stages)
    replaced: dict[Buffer, Buffer] = {}
    for copy in [one for one in stages if isinstance(one, Copy) and one.target.kind == "variable"]:
        writers = [k for k, one in enumerate(stages) if copy.source in stage_uses(one).writes]
        readers = [k for k, one in enumerate(stages) if copy.source in stage_uses(one).reads and one is not copy]
        if len(writers) != 1 or readers or not isinstance(stages[writers[0]], Nest):
            continue
        at = writers[0]
        later = [
            one
            for one in stages[at + 1 :]
            if isinstance(one, Report) or (one is not copy and copy.target in stage_uses(one).reads)
        ]
        if not later and _only_own_elements(stages[at], copy.source, copy.target):
            stages[at] = Nest(_renamed(stages[at].body, copy.source, copy.target))
            stages.remove(copy)
            replaced[copy.source] = copy.target
    kept = tuple(buffer for buffer in program.buffers if buffer not in replaced)
    return Program(kept, tuple(stages))


def _only_own_elements(nest: Nest, source: Buffer, target: Buffer) -> bool:
    """Whether, in every block, the old value is read only at the places that the block overwrites afterwards."""

    def holds(block: Sequence[Any]) -> bool:
        waiting = {one.offset for one in block if isinstance(one, Store) and one.buffer is source and not one.add}
        for one in block:
            if isinstance(one, Load) and one.buffer is target and one.offset not in waiting:
                return False
            if isinstance(one, Store) and one.buffer is source:
                waiting.discard(one.offset)
            if isinstance(one, Scatter) and one.buffer is source:
                return False
            if isinstance(one, For) and not holds(one.body):
                return False
        return True

    loops_that_read = [one for one in nest.body if isinstance(one, For) and _touches(one, target, Load)]
    loops_that_write = [one for one in nest.body if isinstance(one, For) and _touches(one, source, Store)]
    return (
        holds(nest.body) and len(loops_that_write) <= 1 and (not loops_that_read or loops_that_read == loops_that_write)
    )


def _touches(loop: For, buffer: Buffer, kind: type[Load] | type[Store]) -> bool:
    return any(isinstance(one, kind) and one.buffer is buffer for one in statements(loop.body))


def _renamed(block: Sequence[Any], old: Buffer, new: Buffer) -> tuple[Any, ...]:
    out: list[Any] = []
    for one in block:
        if isinstance(one, For):
            out.append(one._replace(body=_renamed(one.body, old, new)))
        elif isinstance(one, (Load, Store, Scatter)) and one.buffer is old:
            out.append(one._replace(buffer=new))
        else:
            out.append(one)
    return tuple(out)


# -- long straight-line code ----------------------------------------------------------------------------------------
def _chunked(program: Program) -> Program:
    stages: list[Any] = []
    buffers = list(program.buffers)
    for stage in program.stages:
        if isinstance(stage, Nest) and len(stage.body) > CHUNK and not any(isinstance(one, For) for one in stage.body):
            stages.extend(_cut(stage, buffers))
        else:
            stages.append(stage)
    return Program(tuple(buffers), tuple(stages))


class _Piece(NamedTuple):
    """Some statements one after the other: at which position each value is made, and each foreign one first used."""

    body: Sequence[Any]
    made: dict[int, int]
    used: dict[int, int]


def _piece(body: Sequence[Any]) -> _Piece:
    made = {one.id: k for k, one in enumerate(body) if one.__class__ not in _NAMELESS}
    used: dict[int, int] = {}
    for k, one in enumerate(body):
        for value in one.args if one.__class__ is Let else used_values(one):
            if value not in made and value not in used:
                used[value] = k
    return _Piece(body, made, used)


def _cut(nest: Nest, buffers: list[Buffer]) -> list[Nest]:
    """Pieces of bounded length; values that a later piece needs travel through a temporary array per element type."""
    pieces = [_piece(nest.body[k : k + CHUNK]) for k in range(0, len(nest.body), CHUNK)]
    origin = {value: piece.body[k] for piece in pieces for value, k in piece.made.items()}
    places: dict[int, Load] = {}  # of the values that travel
    rooms: dict[Any, Buffer] = {}
    for piece in pieces:
        for value in piece.used:
            dtype = _dtype(origin[value])
            if value not in places and origin[value].__class__ is not Const:
                if dtype not in rooms:
                    rooms[dtype] = Buffer(f"x{len(buffers)}", dtype, 0, "temporary")
                    buffers.append(rooms[dtype])
                places[value] = Load(value, rooms[dtype], Offset(rooms[dtype].size, (), ()), dtype)
                rooms[dtype].size += 1
    return [Nest(_joined(piece, places, origin)) for piece in pieces]


def _joined(piece: _Piece, places: dict[int, Load], origin: dict[int, Any]) -> tuple[Any, ...]:
    """A piece that fetches what it needs of earlier ones and stores what later ones need."""
    added: dict[int, list[Any]] = {}  # in front of the statements at these positions
    for value, k in piece.made.items():
        if value in places:
            added.setdefault(k + 1, []).append(Store(places[value].buffer, places[value].offset, value))
    for value, k in piece.used.items():
        added.setdefault(k, []).append(places.get(value, origin[value]))
    out: list[Any] = []
    done = 0
    for k in sorted(added):
        out += piece.body[done:k]
        out += added[k]
        done = k
    return (*out, *piece.body[done:])


_NAMELESS = frozenset({Store, Scatter})  # statements without a value


def _dtype(one: Any) -> Any:
    return INT64 if isinstance(one, IndexValue) else one.dtype
