"""Parts of an axis that may run at once.  In: a program, and for how many threads.  Out: the same, with stages in parts.

What a part writes belongs to it alone: rows of arrays, temporary arrays of its own, and rooms for sums.  Whether and
where sums are cut depends on the axis only, never on the number of threads, so that every number of threads gives the
same bits; what has no sums is cut for several threads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from codegen.lower.apart import apart
from codegen.lower.arena import stage_uses
from codegen.lower.loopir import (
    Along,
    Buffer,
    Fill,
    For,
    IndexValue,
    Let,
    Load,
    Nest,
    Product,
    Program,
    Scatter,
    Split,
    Store,
)
from codegen.lower.part_writer import PartWriter
from codegen.lower.parts import Access, Part, along_part, nest_part, product_part
from codegen.lower.schedule import COST
from symgrad import dims
from symgrad.dims import Size
from symgrad.types import DType, same_shape

__all__ = ["SMALL", "common_parts", "cost", "for_workers", "most_parts", "rooms", "scratch", "split"]

SMALL = 1_500_000  # eighths of a cycle that are done before other threads have started and ended
MOST = 48  # parts of what has sums
_FEWEST = 8  # parts that are worth the memory of their rooms
_ROOMS = 8 << 20  # bytes that rooms may take
_LINE = 64  # bytes of memory that different threads should not both write
_AHEAD = 128 << 10  # bytes beyond an array that a processor fetches while it walks through its rows; more is no gain
_GRAIN = 64  # indices: whole vectors, however wide
_PART = 400_000  # eighths of a cycle that a part of a sum takes at least
_DEAR = 50  # the same for an index, where the axis is dynamic and may be short: cheaper sums wait for memory


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
    """An array of which each of several workers has its own of that size.

    Between them lies memory that nobody touches: else a processor that fetches ahead takes what another one writes.
    """
    return _several(buffer, size if workers == 1 else size + _AHEAD // buffer.dtype.itemsize, workers)


def _several(buffer: Buffer, size: Size, count: int) -> Buffer:
    """An array as large as so many of that size, each of which begins a line."""
    if count > 1:
        line = max(1, _LINE // buffer.dtype.itemsize)
        size = dims.floordiv(size + (line - 1), line) * (line * count)
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
    length = dims.maximum(2, dims.floordiv(extent + (block * most - 1), block * most)) * block
    return None if isinstance(extent, int) and isinstance(length, int) and length >= extent else length


def rooms(sums: Iterable[Buffer], most: int, workers: int) -> dict[Buffer, Buffer]:
    """For each array that parts add to, the memory for the sums of all parts but the first."""
    count = most - 1 if workers > 1 else 1
    named = (Buffer(f"{one.name}_part", one.dtype, one.size, "temporary") for one in sums)
    return {one: _several(room, room.size, count) for one, room in zip(sums, named, strict=True)}


# -- cost -----------------------------------------------------------------------------------------------------------
def cost(stage: Any) -> Size:
    """Eighths of a cycle, roughly: lanes are four, and two products of vectors are added in a cycle."""
    if isinstance(stage, Nest):
        return _block_cost(stage.body, 8)
    if isinstance(stage, Product):
        return dims.product([*stage.batch, stage.m, stage.n, stage.k])
    if isinstance(stage, Along):
        return dims.product([*stage.outer, stage.size]) * (400 if stage.room is not None else 40)
    return 0


def _block_cost(body: Sequence[Any], unit: int) -> Size:
    total: Size = 0
    for one in body:
        if one.__class__ is For:
            total = total + one.axis.extent * _round_cost(one, unit)
        elif one.__class__ is Let:
            total = total + COST.get(one.op, 1) * unit
        elif isinstance(one, (Load, Store, Scatter, IndexValue)):
            total = total + unit
    return total


def _round_cost(loop: For, unit: int) -> Size:
    return _block_cost(loop.body, 2 if loop.vector else unit)


# -- stages one by one ----------------------------------------------------------------------------------------------
class _Cut(NamedTuple):
    """A stage that may be cut along an axis, at multiples of so many indices."""

    part: Part
    extent: Size
    grain: int


def _cut(stage: Any) -> _Cut | None:
    """How a stage is cut: along its outermost axis."""
    if isinstance(stage, Nest):
        loops = [one for one in stage.body if isinstance(one, For)]
        part = nest_part(stage, loops[0]) if len(loops) == 1 else None
        return None if part is None else _Cut(part, loops[0].axis.extent, _GRAIN if loops[0].vector else 1)
    if isinstance(stage, Product):
        axis = next((k for k, size in enumerate(stage.batch) if not _is_one(size)), "n" if _is_one(stage.m) else "m")
        extent = stage.batch[axis] if isinstance(axis, int) else stage.n if axis == "n" else stage.m
        return _Cut(product_part(stage, axis, extent), extent, 1 if isinstance(axis, int) else _GRAIN)
    if isinstance(stage, Along) and stage.outer:
        return _Cut(along_part(stage), stage.outer[0], _GRAIN if len(stage.outer) == 1 else 1)
    return None


def _is_one(size: Size) -> bool:
    return isinstance(size, int) and size == 1


def _touched(cuts: Iterable[_Cut]) -> dict[Buffer, list[Access]]:
    found: dict[Buffer, list[Access]] = {}
    for cut in cuts:
        for access in cut.part.accesses:
            found.setdefault(access.buffer, []).append(access)
    return found


def split(program: Program, threads: int) -> Program:
    """The program with long sums in parts, and for several threads everything else that can be."""
    return _Splitting(program, threads).run()


class _Splitting:
    """One pass over a program; ``run`` holds stages one behind the other that can share their parts."""

    def __init__(self, program: Program, threads: int) -> None:
        self.program, self.threads = program, threads
        uses = [stage_uses(stage) for stage in program.stages]
        self.touching = Counter(buffer for use in uses for buffer in use.reads | use.writes)
        made = [use for stage, use in zip(program.stages, uses, strict=True) if not isinstance(stage, Fill)]
        self.writing = Counter(buffer for use in made for buffer in use.writes)
        self.foreign = {buffer for buffer, count in self.touching.items() if count > 1}
        self.buffers = {buffer: buffer for buffer in program.buffers}
        self.stages: list[Any] = []
        self.waiting: list[_Cut] = []

    def run(self) -> Program:
        for stage in [one for whole in self.program.stages for one in self._apart(whole)]:
            cut = self._possible(stage)
            length = None if cut is None else self._sum_parts(cut)
            if cut is not None and length is not None:
                self._finish()
                self.stages += self._sums(cut, length)
            elif cut is not None and self._pays(cut):
                if self.waiting and not _goes_on(self.waiting, cut):
                    self._finish()
                self.waiting.append(cut)
            else:
                self._finish()
                self.stages.append(stage)
        self._finish()
        return Program(tuple(self.buffers.values()), tuple(self.stages))

    def _possible(self, stage: Any) -> _Cut | None:
        """How a stage is cut, if its parts may run at once."""
        cut = _cut(stage)
        if cut is None or scratch(_touched([cut]), (), cut.part.sums, self.foreign) is None:
            return None
        return cut

    # -- sums ------------------------------------------------------------------------------------------------------
    def _apart(self, stage: Any) -> Sequence[Any]:
        """A stage that makes something of its sums as two, if the sums can then be cut."""
        if not isinstance(stage, Nest) or _cut(stage) is not None:
            return [stage]
        made: list[Buffer] = []

        def room(dtype: DType, size: int) -> Buffer:
            made.append(Buffer(f"sums{len(self.buffers) + len(made)}", dtype, size, "temporary"))
            return made[-1]

        pair = apart(stage, room)
        cut = None if pair is None or len(pair) > 2 else self._possible(pair[0])
        if pair is None or cut is None or self._sum_parts(cut) is None:
            return [stage]
        self.buffers |= {one: one for one in made}
        return pair

    def _sum_parts(self, cut: _Cut) -> Size | None:
        """The length of the parts of sums over an axis, whatever the number of threads; None where they stay whole."""
        sums = cut.part.sums
        if not sums or not isinstance(cut.part.stage, Nest) or any(self.writing[one] > 1 for one in sums):
            return None
        (loop,) = (one for one in cut.part.stage.body if isinstance(one, For))
        each = _round_cost(loop, 8)
        if not isinstance(cut.extent, int) and isinstance(each, int) and each < _DEAR:
            return None
        block = -(-_PART // max(1, each)) if isinstance(each, int) else 1
        return common_parts(cut.extent, -(-block // cut.grain) * cut.grain, most_parts(sums))

    def _sums(self, cut: _Cut, length: Size) -> list[Any]:
        sums = [buffer for buffer in self.buffers if buffer in cut.part.sums]
        filled = {stage.buffer for stage in self.stages if isinstance(stage, Fill)}
        return [*(Fill(one) for one in sums if one not in filled), self._split([cut], length, sums, most_parts(sums))]

    # -- everything else -------------------------------------------------------------------------------------------
    def _pays(self, cut: _Cut) -> bool:
        """Whether a stage without sums is worth the effort of several threads."""
        if self.threads == 1 or cut.part.sums or (isinstance(cut.extent, int) and cut.extent < 2 * cut.grain):
            return False
        work = cost(cut.part.stage)
        return not isinstance(work, int) or work >= SMALL

    def _finish(self) -> None:
        """Put the waiting stages in parts: some for each thread, so that a slow one holds up little.

        The parts of a product are one for each thread, as every one of them may copy the other operand.
        """
        if self.waiting:
            extent, grain = self.waiting[0].extent, max(cut.grain for cut in self.waiting)
            packs = any(cut.part.axis == "m" for cut in self.waiting if isinstance(cut.part.stage, Product))
            most = self.threads if packs else 4 * self.threads
            length = dims.maximum(1, dims.floordiv(extent + (most * grain - 1), most * grain)) * grain
            self.stages.append(self._split(self.waiting, length, (), most))
            self.waiting = []

    def _split(self, cuts: Sequence[_Cut], length: Size, sums: Sequence[Buffer], most: int) -> Split:
        extent = cuts[0].extent
        own = scratch(_touched(cuts), (), sums, self.foreign)
        assert own is not None
        start, size = dims.local(f"start of {extent}"), dims.local(f"part of {extent}")
        for buffer in own:
            self.buffers[buffer] = for_workers(buffer, buffer.size, self.threads)
        local, adding = {buffer: self.buffers[buffer] for buffer in own}, rooms(sums, most, self.threads)
        self.buffers |= {room: room for room in adding.values()}
        writer = PartWriter(local | adding, start, size)
        stages = tuple(writer.stage(cut.part) for cut in cuts)
        work: Size = 0
        for cut in cuts:
            work = work + cost(cut.part.stage)
        pairs, taken = tuple(adding.items()), tuple(local.values())
        return Split(extent, length, start, size, stages, pairs, taken, self.threads, most, work)


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
