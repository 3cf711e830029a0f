"""Blocks of a common axis.  In: a program.  Out: the same, where stages that run along one long axis take turns block by block.

A chain such as contraction, elementwise function, row reduction, contraction writes whole arrays along the axis that its
stages share, and reads them again from far memory.  Where each stage reads, at one index of that axis, only what earlier
stages wrote at the same index, all of them may run for a block of indices before the next block begins: temporary arrays
then need to hold one block only, and stay in the cache.  Sums over the axis go on from block to block in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any

from codegen.lower.arena import Use, stage_uses
from codegen.lower.loopir import (
    MEMORY,
    Blocked,
    Buffer,
    Copy,
    Fill,
    For,
    Nest,
    Product,
    Program,
    Scatter,
    Split,
    Store,
    statements,
)
from codegen.lower.part_writer import PartWriter
from codegen.lower.parts import LOOPS, Access, Part, is_row, part_along, quotient, views, zeroing
from codegen.lower.splitting import common_parts, cost, for_workers, most_parts, rooms, scratch
from symgrad import dims
from symgrad.dims import Size

__all__ = ["blocked"]

_WORTH = 1 << 18  # bytes of temporary arrays from which blocks are formed
_CACHE = 1 << 19  # bytes that the temporary arrays of one block may take
_LAST_CACHE = 1 << 22  # the same where such blocks are too short, and the whole arrays would be in memory
_SHORTEST, _LONGEST = 64, 512  # indices of a block; shorter ones would make products of matrices slow
_AGAIN = 160  # times as much as for an index may be read again for each of those: else products take most of the time
_SHORT = 24  # the shortest where what every block reads again stays in the cache too
_WRITES = frozenset({Store, Scatter})


def blocked(program: Program, threads: int = 1) -> Program:
    """The program with blocks wherever they keep temporary arrays in the cache; for several threads, these in parts."""
    done: set[Size] = set()
    while True:
        extent = next((size for size in _extents(program) if size not in done), None)
        if extent is None:
            return program
        done.add(extent)
        program = _along(program, extent, threads)


def _extents(program: Program) -> list[Size]:
    """Axes that are long enough, those with the largest temporary arrays along them first."""
    found: dict[Size, None] = {}
    for stage in program.stages:
        if isinstance(stage, Nest):
            found.update((one.axis.extent, None) for one in statements(stage.body, LOOPS))
        elif isinstance(stage, Product):
            found.update((size, None) for size in (*stage.batch, stage.m, stage.n, stage.k))
    long = [size for size in found if not isinstance(size, int) or size >= 2 * _SHORT]
    rows = _rows(program)
    return sorted(long, key=lambda size: -_bytes_along(rows.get(size, ()), size))


def _rows(program: Program) -> dict[Size, set[Buffer]]:
    """The temporary arrays that loops or products touch row by row, by how many rows these have."""
    found: dict[Size, set[Buffer]] = {}
    for stage in program.stages:
        for buffer, coefficient, extent in _steps(stage):
            if buffer.kind == "temporary" and is_row(buffer, coefficient, extent):
                found.setdefault(extent, set()).add(buffer)
    return found


def _steps(stage: Any) -> Iterator[tuple[Buffer, Size, Size]]:
    """Each array with the step that an axis takes in it, and the axis' extent."""
    if isinstance(stage, Nest):
        for one in statements(stage.body, MEMORY):
            yield from ((one.buffer, step, axis.extent) for axis, step in one.offset.axes)
    elif isinstance(stage, Product):
        sizes: dict[Any, Size] = {"m": stage.m, "n": stage.n, "k": stage.k, **dict(enumerate(stage.batch))}
        for name, extent in sizes.items():
            yield from ((view.buffer, view.strides[at], extent) for view, at, _ in views(stage, name) if at is not None)


def _bytes_along(rows: Iterable[Buffer], extent: Size) -> int:
    """Bytes of the arrays whose first axis is of that extent."""
    total = 0
    for buffer in rows:
        step = quotient(buffer.size, extent)
        if step is not None:
            total += step * buffer.dtype.itemsize * (extent if isinstance(extent, int) else _LONGEST)
    return total


# -- groups ---------------------------------------------------------------------------------------------------------
class _Group:
    """Stages that take turns, what must come before them, and what after.

    ``members`` are the stages as they are in the program, by id; ``zeroed`` are arrays that begin with zeros, and the
    stages that set them.
    """

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.parts: list[Part] = []
        self.members: set[int] = set()
        self.zeroed: dict[Buffer, Part] = {}
        self.after: list[Any] = []
        self.touched: dict[Buffer, list[Access]] = {}
        self.sums: set[Buffer] = set()

    def take(self, stage: Any, part: Part | None) -> None:
        """Find a place for the next stage of the program."""
        use = stage_uses(stage)
        late = any(_conflict(use, stage_uses(one)) for one in self.after)
        if not late and part is not None and self._fits(part):
            self.parts.append(part)
            self.members.add(id(stage))
            self.sums |= part.sums
            for access in part.accesses:
                self.touched.setdefault(access.buffer, []).append(access)
        elif late or any(_conflict(use, stage_uses(one.stage)) for one in self.parts):
            self.after.append(stage)
        else:
            self.before.append(stage)

    def take_zeros(self, extent: Size) -> None:
        """Find the arrays that are touched row by row, so that they can be set to zero block by block too."""
        for stage in [one for one in self.before if isinstance(one, Fill)]:
            accesses = self.touched.get(stage.buffer)
            others = [stage_uses(one) for one in self.before if one is not stage]
            mixed = any(stage.buffer in use.reads | use.writes for use in others)
            part = part_along(zeroing(stage.buffer), extent)
            if part is not None and accesses and not mixed and all(one.aligned for one in accesses):
                self.zeroed[stage.buffer] = part
                self.members.add(id(stage))
        self.before = [stage for stage in self.before if id(stage) not in self.members]

    def is_zeroed_once(self, buffer: Buffer) -> bool:
        """Whether a block leaves zeros where the next one expects them: if all its writes are to the same places, and first."""
        read = False
        for part in self.parts:
            kinds = {one.write for one in part.accesses if one.buffer is buffer}
            if True in kinds and (read or False in kinds or not _overwrites(part.stage, buffer)):
                return False
            read = read or False in kinds
        return True

    def _fits(self, part: Part) -> bool:
        """Whether what is both written and touched by several stages is touched row by row only."""
        for buffer in {access.buffer for access in part.accesses}:
            own = [access for access in part.accesses if access.buffer is buffer]
            others = self.touched.get(buffer, [])
            shared = [*own, *others]
            if others and any(one.write for one in shared) and not all(one.aligned for one in shared):
                return False
            if others and (buffer in self.sums or buffer in part.sums):
                return False
        return True


def _overwrites(stage: Any, buffer: Buffer) -> bool:
    """Whether a stage that writes rows of an array stores at places that do not depend on values."""
    if not isinstance(stage, Nest):
        return False
    own = [one for one in statements(stage.body, _WRITES) if one.buffer is buffer]
    return not any(one.__class__ is Scatter or one.add for one in own)


def _conflict(one: Use, other: Use) -> bool:
    return bool(one.writes & (other.reads | other.writes) or one.reads & other.writes)


def _along(program: Program, extent: Size, threads: int) -> Program:
    """The program with groups of stages along an axis in blocks."""
    stages: list[Any] = []
    buffers = {buffer: buffer for buffer in program.buffers}
    segment: Sequence[Any]
    for segment in _segments(program.stages):
        while segment:
            group = _Group()
            for stage in segment:
                group.take(stage, part_along(stage, extent))
            group.take_zeros(extent)
            made = _formed(program, group, extent, buffers, threads)
            stages += segment if made is None else [*group.before, *made]
            segment = [] if made is None else group.after
    return Program(tuple(buffers.values()), tuple(stages))


def _segments(stages: Sequence[Any]) -> list[list[Any]]:
    """Runs of stages that may change places, and the others one by one."""
    made: list[list[Any]] = [[]]
    for stage in stages:
        if isinstance(stage, (Nest, Product, Fill, Copy)):
            made[-1].append(stage)
        else:
            made += [[stage], []]
    return made


def _formed(
    program: Program, group: _Group, extent: Size, buffers: dict[Buffer, Buffer], threads: int
) -> list[Any] | None:
    """The group in blocks, with zeros for its sums; None where that would not pay."""
    uses = [(id(stage) in group.members, stage_uses(stage)) for stage in program.stages]
    foreign = {buffer for own, use in uses if not own for buffer in use.reads | use.writes}
    fills = [stage for stage in program.stages if isinstance(stage, Fill)]
    for buffer in group.sums:
        writers = sum(buffer in use.writes for _, use in uses) - sum(one.buffer is buffer for one in fills)
        if writers != 1:
            return None
    local = {
        buffer: step
        for buffer, accesses in group.touched.items()
        if buffer.kind == "temporary"
        and not buffer.per_lane
        and buffer not in foreign
        and all(one.aligned for one in accesses)
        and (step := quotient(buffer.size, extent)) is not None
    }
    width = sum(step * buffer.dtype.itemsize for buffer, step in local.items()) + _read_again(group, local, extent)
    if len(group.parts) < 2 or not width or (isinstance(extent, int) and width * extent < _WORTH):
        return None
    length = _short_length(extent, width) if _is_outside(group) else _length(extent, width, _whole(group))
    if length is None:
        return None
    once = {buffer for buffer in group.zeroed if buffer in local and group.is_zeroed_once(buffer)}
    group.parts = [*(part for buffer, part in group.zeroed.items() if buffer not in once), *group.parts]
    filled = {stage.buffer for stage in group.before if isinstance(stage, Fill)}
    local = {buffer: step * length for buffer, step in local.items()}
    made = _in_parts(group, extent, length, local, foreign, buffers, threads)
    cleared = (group.sums - filled) | once
    zeros = [Fill(buffers[buffer]) for buffer in program.buffers if buffer in cleared]
    return [*zeros, made]


def _in_parts(
    group: _Group,
    extent: Size,
    length: int,
    local: dict[Buffer, int],
    foreign: set[Buffer],
    buffers: dict[Buffer, Buffer],
    threads: int,
) -> Any:
    """The blocks of a group, in parts that may run at once if it can have such."""
    sums = [buffer for buffer in buffers if buffer in group.sums]
    own = scratch(group.touched, local, sums, foreign)
    most = most_parts(sums)
    part = common_parts(extent, length, most) if own is not None and (sums or threads > 1) else None
    if own is None or part is None:
        own, threads = list(local), 1
    for buffer in own:
        buffers[buffer] = for_workers(buffer, local.get(buffer, buffer.size), threads)
    places = {buffer: buffers[buffer] for buffer in own}
    if part is None:
        return _blocks(group, extent, length, places)
    adding = rooms(sums, most, threads)
    buffers |= {room: room for room in adding.values()}
    start, size = dims.local(f"start of {extent}"), dims.local(f"part of {extent}")
    stage = _blocks(group, extent, length, places | adding, (start, size))
    work: Size = 0
    for one in group.parts:
        work = work + cost(one.stage)
    taken = tuple(places.values())
    return Split(extent, part, start, size, (stage,), tuple(adding.items()), taken, threads, most, work)


def _blocks(
    group: _Group, extent: Size, length: int, places: dict[Buffer, Buffer], part: tuple[Size, Size] | None = None
) -> Blocked:
    """Blocks of an axis, or of a part of it, given by its first index and how many it has."""
    before, axis = part or (0, extent)
    start = dims.local(f"{'block' if part else 'start'} of {extent}")
    whole = isinstance(extent, int) and extent % length == 0
    size = length if whole else dims.local(f"{'rest' if part else 'part'} of {extent}")
    writer = PartWriter(places, before + start, size)
    return Blocked(axis, length, start, size, tuple(writer.stage(one) for one in group.parts))


def _read_again(group: _Group, local: dict[Buffer, int], extent: Size) -> int:
    """Bytes per index of arrays that are not temporary, but that several stages touch row by row."""
    total = 0
    for buffer, accesses in group.touched.items():
        step = quotient(buffer.size, extent)
        stages = sum(any(one.buffer is buffer for one in part.accesses) for part in group.parts)
        if buffer not in local and step is not None and stages > 1 and all(one.aligned for one in accesses):
            total += step * buffer.dtype.itemsize
    return total


def _whole(group: _Group) -> float:
    """Bytes of the arrays that every block reads or adds to as a whole, for products."""
    products = [part for part in group.parts if isinstance(part.stage, Product)]
    buffers = {one.buffer for part in products for one in part.accesses if not one.varies}
    return sum(one.size * one.dtype.itemsize if isinstance(one.size, int) else inf for one in buffers)


def _is_outside(group: _Group) -> bool:
    """Whether the axis counts whole products of matrices, and runs around all other loops that are long."""
    for part in group.parts:
        if isinstance(part.stage, Product):
            if not isinstance(part.axis, int):
                return False
        elif part.times < _SHORT and any(one.axis is part.axis and one.vector for one in _loops(part.stage)):
            return False
    return any(isinstance(part.stage, Product) for part in group.parts)


def _loops(nest: Nest) -> Iterator[For]:
    return statements(nest.body, LOOPS)


def _short_length(extent: Size, width: int) -> int | None:
    """Indices of a block where even one is long enough: as many as leave half of the cache to other arrays."""
    made = max(1, _CACHE // 2 // width)
    return made if width <= _LAST_CACHE and (not isinstance(extent, int) or 2 * made <= extent) else None


def _length(extent: Size, width: int, whole: float) -> int | None:
    """Indices of a block: what the cache holds, and a divisor of the extent if one is near.

    ``whole`` are the bytes that every block reads again.
    """
    most = min(_LONGEST, _CACHE // width)
    if most < (_SHORT if whole <= _CACHE else _SHORTEST):
        most = min(_SHORTEST, _LAST_CACHE // width)
        in_memory = not isinstance(extent, int) or width * extent >= 2 * _LAST_CACHE
        if most < _SHORT or not in_memory or whole > _AGAIN * width:
            return None
    if not isinstance(extent, int):
        return most // 16 * 16
    divisors = [size for size in range(most * 3 // 4, most + 1) if extent % size == 0 and size % 4 == 0]
    made = max(divisors, default=most // 12 * 12)
    return made if 2 * made <= extent else None
