"""Parts of an axis that may run at once.  In: a program, and for how many threads.  Out: the same, with stages in parts.

What a part writes belongs to it alone: rows of arrays, temporary arrays of its own, and rooms for sums.  Whether and
where sums are cut depends on the axis only, never on the number of threads, so that every number of threads gives the
same bits; what has no sums is cut for several threads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from codegen.lower.arena import stage_uses
from codegen.lower.loopir import Buffer, For, IndexValue, Let, Load, Nest, Product, Program, Scatter, Split, Store
from codegen.lower.part_writer import PartWriter
from codegen.lower.parts import Access, Part, nest_part, product_part
from codegen.lower.schedule import COST
from symgrad import dims
from symgrad.dims import Size
from symgrad.types import same_shape

__all__ = ["SMALL", "common_parts", "cost", "for_workers", "most_parts", "rooms", "scratch", "split"]

SMALL = 1_500_000  # eighths of a cycle that are done before other threads have started and ended
MOST = 32  # parts of what has sums
_FEWEST = 8  # parts that are worth the memory of their rooms
_ROOMS = 8 << 20  # bytes that rooms may take
_LINE = 64  # bytes of memory that different threads should not both write
_GRAIN = 64  # indices: whole vectors, however wide


# -- who may write what ---------------------------------------------------------------------------------------------
def scratch(
    touched: Mapping[Buffer, Sequence[Access]], local: Iterable[Buffer], sums: Iterable[Buffer], foreign: set[Buffer]
) -> list[Buffer] | None:
    """Temporary arrays of which each part needs one of its own; None where parts cannot run at once.

    Parameters
    ----------
    touched : what the stages touch, and how
    local : arrays of which a part has its own rows only
    sums : arrays that parts add to
    foreign : arrays that other stages touch
    """
    found = list(local)
    aside = {*found, *sums}
    for buffer, accesses in touched.items():
        written = any(one.write for one in accesses)
        if buffer in aside or not written or all(one.aligned for one in accesses):
            continue
        if buffer.kind != "temporary" or buffer in foreign or any(one.varies for one in accesses):
            return None
        found.append(buffer)
    return found


def for_workers(buffer: Buffer, size: Size, workers: int) -> Buffer:
    """An array of which each of several workers has its own of that size."""
    if workers > 1:
        line = max(1, _LINE // buffer.dtype.itemsize)
        size = dims.floordiv(size + (line - 1), line) * (line * workers)
    return Buffer(buffer.name, buffer.dtype, size, buffer.kind, per_lane=buffer.per_lane)


# -- sums -----------------------------------------------------------------------------------------------------------
def most_parts(sums: Iterable[Buffer]) -> int:
    """How many parts there may be, by the memory that their sums take; 1 where that is too much."""
    needed: Size = 0
    for buffer in sums:
        needed = needed + buffer.size * buffer.dtype.itemsize
    if not isinstance(needed, int):
        return _FEWEST
    found = min(MOST, _ROOMS // max(1, needed))
    return found if found >= _FEWEST else 1


def common_parts(extent: Size, block: int, most: int) -> Size | None:
    """The length of the parts of an axis, some blocks each, whatever the number of threads; None if there is one part."""
    if most < 2:
        return None
    blocks = dims.floordiv(extent + (block - 1), block)
    length = dims.maximum(2, dims.floordiv(blocks + (most - 1), most)) * block
    return None if isinstance(extent, int) and isinstance(length, int) and length >= extent else length


def rooms(sums: Iterable[Buffer], most: int, workers: int) -> dict[Buffer, Buffer]:
    """For each array that parts add to, the memory for the sums of all parts but the first."""
    count = most - 1 if workers > 1 else 1
    named = (Buffer(f"{one.name}_part", one.dtype, one.size, "temporary") for one in sums)
    return {one: for_workers(room, room.size, count) for one, room in zip(sums, named, strict=True)}


# -- cost -----------------------------------------------------------------------------------------------------------
def cost(stage: Any) -> Size:
    """Eighths of a cycle, roughly: lanes are four, and two products of vectors are added in a cycle."""
    if isinstance(stage, Nest):
        return _block_cost(stage.body, 8)
    if isinstance(stage, Product):
        return dims.product([*stage.batch, stage.m, stage.n, stage.k])
    return 0


def _block_cost(body: Sequence[Any], unit: int) -> Size:
    total: Size = 0
    for one in body:
        if one.__class__ is For:
            total = total + one.axis.extent * _block_cost(one.body, 2 if one.vector else unit)
        elif one.__class__ is Let:
            total = total + COST.get(one.op, 1) * unit
        elif isinstance(one, (Load, Store, Scatter, IndexValue)):
            total = total + unit
    return total


def _is_small(size: Size) -> bool:
    return isinstance(size, int) and size < SMALL


# -- stages without sums --------------------------------------------------------------------------------------------
class _Cut(NamedTuple):
    """A stage that may be cut along an axis, at multiples of so many indices."""

    part: Part
    extent: Size
    grain: int


def split(program: Program, threads: int) -> Program:
    """The program with everything that has no sums in parts, for several threads."""
    if threads == 1:
        return program
    uses = [stage_uses(stage) for stage in program.stages]
    shared: dict[Buffer, int] = {}
    for use in uses:
        for buffer in use.reads | use.writes:
            shared[buffer] = shared.get(buffer, 0) + 1
    foreign = {buffer for buffer, count in shared.items() if count > 1}
    buffers = {buffer: buffer for buffer in program.buffers}
    stages: list[Any] = []
    run: list[_Cut] = []

    def finish() -> None:
        stages.extend(_split_run(run, threads, buffers, foreign))
        run.clear()

    for stage in program.stages:
        cut = _cut(stage, foreign)
        if cut is None or (run and not _goes_on(run, cut)):
            finish()
        if cut is None:
            stages.append(stage)
        else:
            run.append(cut)
    finish()
    return Program(tuple(buffers.values()), tuple(stages))


def _cut(stage: Any, foreign: set[Buffer]) -> _Cut | None:
    """How a stage is cut: along its outermost axis."""
    made = None
    if isinstance(stage, Nest):
        loops = [one for one in stage.body if isinstance(one, For)]
        part = nest_part(stage, loops[0]) if len(loops) == 1 else None
        if part is not None:
            made = _Cut(part, loops[0].axis.extent, _GRAIN if loops[0].vector else 1)
    elif isinstance(stage, Product):
        axis = next((k for k, size in enumerate(stage.batch) if not _is_one(size)), "n" if _is_one(stage.m) else "m")
        extent = stage.batch[axis] if isinstance(axis, int) else stage.n if axis == "n" else stage.m
        made = _Cut(product_part(stage, axis, extent), extent, 1 if isinstance(axis, int) else _GRAIN)
    if made is None or made.part.sums or _is_small(cost(stage)):
        return None
    return None if scratch(_touched([made]), (), (), foreign) is None else made


def _is_one(size: Size) -> bool:
    return isinstance(size, int) and size == 1


def _touched(cuts: Iterable[_Cut]) -> dict[Buffer, list[Access]]:
    found: dict[Buffer, list[Access]] = {}
    for cut in cuts:
        for access in cut.part.accesses:
            found.setdefault(access.buffer, []).append(access)
    return found


def _goes_on(run: Sequence[_Cut], cut: _Cut) -> bool:
    """Whether a part of the stage needs, of what the stages before write, only what the same part of those writes."""
    if not same_shape((run[0].extent,), (cut.extent,)):
        return False
    before = _touched(run)
    for buffer, own in _touched([cut]).items():
        both = [*own, *before.get(buffer, ())]
        if len(both) > len(own) and any(one.write for one in both) and not all(one.aligned for one in both):
            return False
    return True


def _split_run(
    run: Sequence[_Cut], threads: int, buffers: dict[Buffer, Buffer], foreign: set[Buffer]
) -> list[Split]:
    """Stages one behind the other, in parts: some for each thread, so that a slow one holds up little."""
    if not run:
        return []
    extent, grain = run[0].extent, max(cut.grain for cut in run)
    own = scratch(_touched(run), (), (), foreign)
    assert own is not None
    most = 4 * threads
    length = dims.floordiv(dims.floordiv(extent + (most - 1), most) + (grain - 1), grain) * grain
    start, size = dims.local(f"start of {extent}"), dims.local(f"part of {extent}")
    for buffer in own:
        buffers[buffer] = for_workers(buffer, buffer.size, threads)
    local = {buffer: buffers[buffer] for buffer in own}
    writer = PartWriter(local, start, size)
    work: Size = 0
    for cut in run:
        work = work + cost(cut.part.stage)
    stages = tuple(writer.stage(cut.part) for cut in run)
    return [Split(extent, length, start, size, stages, (), tuple(local.values()), threads, most, work)]
