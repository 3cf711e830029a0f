"""Memory for temporary arrays.  In: a program.  Out: an offset for each temporary buffer in one arena, and its size.

Buffers whose lives do not overlap share memory.  Offsets are multiples of 64 bytes; with dynamic dimensions they are
formulas, and only buffers of equal size take over from each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from codegen.lower.loopir import (
    MEMORY,
    Along,
    Blocked,
    Buffer,
    Call,
    Check,
    Copy,
    Fill,
    Load,
    Nest,
    Product,
    Program,
    Report,
    Split,
    statements,
)
from symgrad import dims
from symgrad.dims import Size

__all__ = ["Arena", "Use", "lay_out", "stage_uses"]

_ALIGNMENT = 64


class Arena(NamedTuple):
    """Byte offset of each temporary buffer, by name, and the total size."""

    offsets: dict[str, Size]
    size: Size


class Use(NamedTuple):
    """Buffers that a stage reads and writes."""

    reads: set[Buffer]
    writes: set[Buffer]


def stage_uses(stage: Any) -> Use:
    """What memory a stage touches."""
    if isinstance(stage, Nest):
        return _nest_uses(stage)
    if isinstance(stage, (Blocked, Split)):
        inside = [stage_uses(one) for one in stage.stages]
        sums = {buffer for pair in stage.sums for buffer in pair} if isinstance(stage, Split) else set()
        return Use(sums.union(*(use.reads for use in inside)), sums.union(*(use.writes for use in inside)))
    reads: set[Buffer] = set()
    writes: set[Buffer] = set()
    if isinstance(stage, Product):
        reads |= {stage.a.buffer, stage.b.buffer}
        writes.add(stage.c.buffer)
        if stage.accumulate:
            reads.add(stage.c.buffer)
    elif isinstance(stage, Along):
        reads |= {view.buffer for view in stage.operands}
        writes |= {stage.target.buffer, *([stage.room] if stage.room is not None else [])}
    elif isinstance(stage, Copy):
        reads.add(stage.source)
        writes.add(stage.target)
    elif isinstance(stage, Call):
        reads.update(stage.inputs)
        writes.update(stage.outputs)
    elif isinstance(stage, Fill):
        writes.add(stage.buffer)
    elif isinstance(stage, (Check, Report)):
        reads.add(stage.buffer)
    return Use(reads, writes)


def _nest_uses(nest: Nest) -> Use:
    use = Use(set(), set())
    for one in statements(nest.body, MEMORY):
        if one.__class__ is Load:
            use.reads.add(one.buffer)
        else:
            use.writes.add(one.buffer)
            if one.add:
                use.reads.add(one.buffer)
    return use


def _lives(program: Program) -> dict[Buffer, tuple[int, int]]:
    """First and last stage that touches each temporary buffer."""
    lives: dict[Buffer, tuple[int, int]] = {}
    for position, stage in enumerate(program.stages):
        use = stage_uses(stage)
        for buffer in sorted(use.reads | use.writes, key=lambda one: one.name):
            if buffer.kind == "temporary":
                first = lives.get(buffer, (position, position))[0]
                lives[buffer] = (first, position)
    return lives


def _rounded(size: Size) -> Size:
    """Bytes up to the next multiple of the alignment."""
    return dims.floordiv(size + (_ALIGNMENT - 1), _ALIGNMENT) * _ALIGNMENT


def lay_out(program: Program, extra: int = 0) -> Arena:
    """Offsets for the temporary buffers of a program; ``extra`` bytes are reserved at the start for matrix products."""
    lives = _lives(program)
    offsets: dict[str, Size] = {}
    start: Size = _rounded(extra)
    static = {b: life for b, life in lives.items() if isinstance(b.size, int)}
    top = _place_static(static, offsets, start)
    free: list[tuple[int, Size, Buffer]] = []
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: (item[1], item[0].name)):
        if buffer in static:
            continue
        size = _rounded(buffer.size * buffer.dtype.itemsize)
        found = next((slot for slot in free if slot[0] < first and slot[1] is size), None)
        if found is not None:
            free = [slot for slot in free if slot is not found]
            offsets[buffer.name] = offsets[found[2].name]
        else:
            offsets[buffer.name] = top
            top = top + size
        free.append((last, size, buffer))
    return Arena(offsets, top)


def _place_static(lives: dict[Buffer, tuple[int, int]], offsets: dict[str, Size], start: Size) -> Size:
    """Largest buffers first, each at the lowest place where no living neighbour is."""
    placed: list[tuple[int, int, tuple[int, int]]] = []
    top = 0
    for buffer, life in sorted(lives.items(), key=lambda item: (-_bytes(item[0]), item[0].name)):
        size, at = _bytes(buffer), 0
        for low, high, other in sorted(placed):
            if other[0] <= life[1] and life[0] <= other[1] and low < at + size and at < high:
                at = high
        placed.append((at, at + size, life))
        offsets[buffer.name] = start + at
        top = max(top, at + size)
    return start + top


def _bytes(buffer: Buffer) -> int:
    size = _rounded(buffer.size * buffer.dtype.itemsize)
    assert isinstance(size, int)
    return size
