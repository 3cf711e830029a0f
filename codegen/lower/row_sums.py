"""Sums over rows beside stores of rows.  In: a loop program.  Out: the same, where such nests run through memory in order.

What a sum over the first axis varies with has to lie outside the loop that it runs over.  Where that loop stores rows too,
a few columns of every row would be written before the next few: each row is on another page, and half a line of the cache
is fetched twice.  Here rows come first, and the sums are accumulated in memory, which for rows of middling length is the
first cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from codegen.lower.apart import used_values
from codegen.lower.arena import stage_uses
from codegen.lower.loopir import MEMORY, Buffer, Fill, For, Load, Nest, Program, Scatter, Store, statements

__all__ = ["row_by_row"]

_SHORTEST = 24  # columns: an accumulator in memory is ready again when the next row needs it
_KEPT = 4  # numbers of a column that may be read for every row, rather than stay in registers
_FIRST_CACHE = 1 << 14  # bytes of accumulators


def row_by_row(program: Program) -> Program:
    """The program with rows outside of columns wherever a nest stores rows, and sums over them."""
    stages: list[Any] = []
    for stage in program.stages:
        found = _columns_first(stage) if isinstance(stage, Nest) else None
        stages += [stage] if found is None else _rows_first(stage, found)
    return Program(program.buffers, tuple(stages))


class _Loops(NamedTuple):
    """A loop over columns that holds one over rows, and the stores of the sums after that one."""

    columns: For
    rows: For
    stores: tuple[Store, ...]


def _columns_first(nest: Nest) -> _Loops | None:
    """The loops of a nest that stores rows column by column; None where it is none."""
    loops = [one for one in nest.body if one.__class__ is For]
    if len(loops) != 1 or not loops[0].vector or loops[0].carries:
        return None
    [columns] = loops
    inner = [one for one in columns.body if one.__class__ is For]
    if len(inner) != 1 or any(one.__class__ is For for one in inner[0].body):
        return None
    [rows] = inner
    stores = tuple(one for one in columns.body if one.__class__ is Store)
    made = _Loops(columns, rows, stores)
    return made if _only_sums(made) and _are_worthwhile(made) and _may_change_places(made, nest) else None


def _only_sums(loops: _Loops) -> bool:
    """Whether the results of the inner loop are sums that are stored, each once, and nothing else."""
    sums = {one.id for one in loops.rows.carries}
    plain = all(one.kind == "sum" and one.outer is None and not one.inner for one in loops.rows.carries)
    stored = [one.value for one in loops.stores if not one.add and not one.offset.values]
    others = [one for one in loops.columns.body if one.__class__ not in (Store, For)]
    after = {value for one in others for value in used_values(one)}
    return plain and bool(sums) and sorted(stored) == sorted(sums) and sums.isdisjoint(after)


def _are_worthwhile(loops: _Loops) -> bool:
    """Whether rows are stored, and neither the accumulators nor what is read again for every row take too long."""
    extent = loops.columns.axis.extent
    kept = sum(one.__class__ is Load for one in loops.columns.body)
    if not isinstance(extent, int) or kept > _KEPT or not any(one.__class__ is Store for one in loops.rows.body):
        return False
    size = sum(one.buffer.dtype.itemsize for one in loops.stores) * extent
    return extent >= _SHORTEST and size <= _FIRST_CACHE


def _may_change_places(loops: _Loops, nest: Nest) -> bool:
    """Whether nothing is read that is written, and the arrays of the sums are written whole, by these stores only."""
    use = stage_uses(nest)
    sums = {one.buffer for one in loops.stores}
    own = {id(one) for one in loops.stores}
    others = [one for one in statements(nest.body, MEMORY) if id(one) not in own]
    mixed = any(one.buffer in sums or one.__class__ is Scatter for one in others)
    return use.reads.isdisjoint(use.writes) and not mixed and all(_is_whole(buffer, loops) for buffer in sums)


def _is_whole(buffer: Buffer, loops: _Loops) -> bool:
    extent = loops.columns.axis.extent
    stores = sum(one.buffer is buffer for one in loops.stores)
    return isinstance(buffer.size, int) and isinstance(extent, int) and buffer.size == stores * extent


def _rows_first(nest: Nest, loops: _Loops) -> Sequence[Any]:
    """The nest with its loops exchanged, after zeros for the sums."""
    columns, rows, stores = loops
    values = {carry.id: carry.value for carry in rows.carries}
    before = [one for one in columns.body if one.__class__ not in (Store, For)]
    adding = [one._replace(value=values[one.value], add=True) for one in stores]
    inner = columns._replace(body=(*before, *rows.body, *adding))
    outer = rows._replace(carries=(), body=(inner,))
    fills = [Fill(buffer) for buffer in dict.fromkeys(one.buffer for one in stores)]
    return [*fills, Nest(tuple(outer if one is columns else one for one in nest.body))]
