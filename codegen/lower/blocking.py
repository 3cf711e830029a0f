"""Blocks of a common axis.  In: a program.  Out: the same, where stages that run along one long axis take turns block by block.

A chain such as contraction, elementwise function, row reduction, contraction writes whole arrays along the axis that its
stages share, and reads them again from far memory.  Where each stage reads, at one index of that axis, only what earlier
stages wrote at the same index, all of them may run for a block of indices before the next block begins: temporary arrays
then need to hold one block only, and stay in the cache.  Sums over the axis go on from block to block in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from codegen.lower.arena import Use, stage_uses
from codegen.lower.forms import Axis
from codegen.lower.loopir import (
    MEMORY,
    Blocked,
    Buffer,
    Carry,
    Copy,
    Fill,
    For,
    IndexValue,
    Let,
    Load,
    Nest,
    Offset,
    Product,
    Program,
    Scatter,
    Store,
    View,
    statements,
)
from symgrad import dims
from symgrad.dims import Dim, Size
from symgrad.types import same_shape

__all__ = ["blocked"]

_WORTH = 1 << 18  # bytes of temporary arrays from which blocks are formed
_CACHE = 1 << 19  # bytes that the temporary arrays of one block may take
_LOOPS = frozenset({For})
_SHORTEST, _LONGEST = 64, 512  # indices of a block; shorter ones would make products of matrices slow


def blocked(program: Program) -> Program:
    """The program with blocks wherever they keep temporary arrays in the cache."""
    done: set[Size] = set()
    while True:
        extent = next((size for size in _extents(program) if size not in done), None)
        if extent is None:
            return program
        done.add(extent)
        program = _along(program, extent)


def _extents(program: Program) -> list[Size]:
    """Axes that are long enough, those with the largest temporary arrays along them first."""
    found: dict[Size, None] = {}
    for stage in program.stages:
        if isinstance(stage, Nest):
            found.update((one.axis.extent, None) for one in statements(stage.body, _LOOPS))
        elif isinstance(stage, Product):
            found.update((size, None) for size in (*stage.batch, stage.m, stage.n, stage.k))
    long = [size for size in found if not isinstance(size, int) or size >= 2 * _SHORTEST]
    return sorted(long, key=lambda size: -_bytes_along(program, size))


def _bytes_along(program: Program, extent: Size) -> int:
    """Bytes of the temporary arrays whose first axis may be of that extent."""
    total = 0
    for buffer in program.buffers:
        step = _quotient(buffer.size, extent)
        if buffer.kind == "temporary" and step is not None:
            total += step * buffer.dtype.itemsize * (extent if isinstance(extent, int) else _LONGEST)
    return total


def _quotient(size: Size, extent: Size) -> int | None:
    """How many times the extent a size is, if that is a number: the elements per index of a first axis of that extent."""
    if isinstance(extent, int):
        return size // extent if isinstance(size, int) and size and size % extent == 0 else None
    quotient = dims.floordiv(size, extent)
    return quotient if isinstance(quotient, int) and quotient > 0 and quotient * extent is size else None


# -- what a stage does along the axis -------------------------------------------------------------------------------
class Access(NamedTuple):
    """How a stage touches a buffer: ``aligned`` if at index i of the axis it touches row i of the buffer only."""

    buffer: Buffer
    write: bool
    aligned: bool


class Part(NamedTuple):
    """A stage that can run block by block.

    Attributes
    ----------
    stage : as it is
    axis : the loop of a nest, or which dimension of a product ("m", "n", "k", or a batch axis)
    times : rounds of the loop for each index of the axis, more than one where an array is run through as a whole
    accesses : what it touches
    sums : buffers to which it adds sums over the axis, which must start from zero
    """

    stage: Any
    axis: Any
    times: int
    accesses: tuple[Access, ...]
    sums: frozenset[Buffer]


def _part(stage: Any, extent: Size) -> Part | None:
    if isinstance(stage, Nest):
        return _nest_part(stage, extent)
    return _product_part(stage, extent) if isinstance(stage, Product) else None


def _nest_part(nest: Nest, extent: Size) -> Part | None:
    found = [(one, _quotient(one.axis.extent, extent)) for one in statements(nest.body, _LOOPS)]
    loops = [one for one, times in found if times == 1] or [one for one, times in found if times is not None]
    if len(loops) != 1 or not all(_holds(one, loops[0]) for one in nest.body if isinstance(one, For)):
        return None
    (loop,) = loops
    sums = _sums(nest, loop)
    if sums is None:
        return None
    inside = {id(one) for one in statements(loop.body, MEMORY)}
    accesses = []
    for one in statements(nest.body, MEMORY):
        write = one.__class__ is not Load
        along = dict(one.offset.axes).get(loop.axis, 0)
        aligned = id(one) in inside and not one.offset.values and _is_row(one.buffer, along, loop.axis.extent)
        accesses.append(Access(one.buffer, write, aligned))
        if write and one.buffer not in sums and one.add and id(one) not in inside:
            return None  # would be added once for each block
    written = {one.buffer for one in accesses if one.write}
    for one in statements(nest.body, MEMORY):
        if id(one) not in inside and one.__class__ is Load and one.buffer in written:
            return None  # reads what the whole loop leaves behind
    if any(one.write and one.buffer in sums and one.aligned for one in accesses):
        return None
    times = _quotient(loop.axis.extent, extent)
    assert times is not None
    return Part(nest, loop.axis, times, tuple(dict.fromkeys(accesses)), sums)


def _holds(outer: For, loop: For) -> bool:
    return outer is loop or any(one is loop for one in statements(outer.body, _LOOPS))


def _is_row(buffer: Buffer, coefficient: Size, extent: Size) -> bool:
    return not (isinstance(coefficient, int) and coefficient == 0) and same_shape(
        (coefficient * extent,), (buffer.size,)
    )


def _sums(nest: Nest, loop: For) -> frozenset[Buffer] | None:
    """Buffers that receive sums over the loop as they are; None where something else is done with its results."""
    results = {one.id for one in loop.carries}
    if any(one.kind != "sum" for one in loop.carries):
        return None
    inside = {id(one) for one in statements(loop.body)} | {id(loop)}
    outside = [one for one in statements(nest.body) if id(one) not in inside]
    for one in reversed([one for one in outside if isinstance(one, For)]):  # inner loops first
        if not _continues(one.carries, results):
            return None
    plain = {one.buffer for one in outside if isinstance(one, (Store, Scatter)) and one.value not in results}
    targets = set()
    for one in outside:
        if isinstance(one, Store) and one.value in results:
            if one.add or one.offset.values or one.buffer.kind == "variable":
                return None
            targets.add(one.buffer)
        elif not results.isdisjoint(_used(one)):
            return None
    inner = {one.buffer for one in statements(loop.body, MEMORY)}
    return None if targets & plain or targets & inner else frozenset(targets)


def _continues(carries: Sequence[Carry], results: set[int]) -> bool:
    """Whether the carries of a loop around only pass results on; those that do are results too."""
    for carry in carries:
        if carry.value in results:
            if not carry.inner or carry.kind != "sum":
                return False
            results.add(carry.id)
    return True


def _used(one: Any) -> Iterator[int]:
    if isinstance(one, Let):
        yield from one.args
    elif isinstance(one, (Load, Store, Scatter, IndexValue)):
        yield from (value for value, _ in one.offset.values)
        if isinstance(one, (Store, Scatter)):
            yield one.value


def _product_part(product: Product, extent: Size) -> Part | None:
    sizes: dict[Any, Size] = {"m": product.m, "n": product.n, "k": product.k, **dict(enumerate(product.batch))}
    found = [name for name, size in sizes.items() if same_shape((size,), (extent,))]
    if len(found) != 1:
        return None
    (axis,) = found
    accesses = [
        Access(view.buffer, write, along is not None and _is_row(view.buffer, view.strides[along], extent))
        for view, along, write in _views(product, axis)
    ]
    if axis == "k":
        sums = frozenset() if product.accumulate else frozenset({product.c.buffer})
        return Part(product, axis, 1, tuple(accesses), sums)
    return Part(product, axis, 1, tuple(accesses), frozenset())


def _views(product: Product, axis: Any) -> list[tuple[View, int | None, bool]]:
    """Each operand, which of its strides belongs to the axis, and whether it is written."""
    outer = len(product.batch)
    if isinstance(axis, int):
        return [(product.a, axis, False), (product.b, axis, False), (product.c, axis, True)]
    row, column = outer, outer + 1
    a = {"m": row, "k": column}.get(axis)
    b = {"k": row, "n": column}.get(axis)
    c = {"m": row, "n": column}.get(axis)
    return [(product.a, a, False), (product.b, b, False), (product.c, c, True)]


def _ids(body: Sequence[Any]) -> Iterator[int]:
    for one in statements(body):
        if isinstance(one, For):
            yield from (carry.id for carry in one.carries)
        elif not isinstance(one, (Store, Scatter)):
            yield one.id


# -- groups ---------------------------------------------------------------------------------------------------------
class _Group:
    """Stages that take turns, what must come before them, and what after."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.parts: list[Part] = []
        self.after: list[Any] = []
        self.touched: dict[Buffer, list[Access]] = {}
        self.sums: set[Buffer] = set()

    def take(self, stage: Any, part: Part | None) -> None:
        """Find a place for the next stage of the program."""
        use = stage_uses(stage)
        late = any(_conflict(use, stage_uses(one)) for one in self.after)
        if not late and part is not None and self._fits(part):
            self.parts.append(part)
            self.sums |= part.sums
            for access in part.accesses:
                self.touched.setdefault(access.buffer, []).append(access)
        elif late or any(_conflict(use, stage_uses(one.stage)) for one in self.parts):
            self.after.append(stage)
        else:
            self.before.append(stage)

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


def _conflict(one: Use, other: Use) -> bool:
    return bool(one.writes & (other.reads | other.writes) or one.reads & other.writes)


def _along(program: Program, extent: Size) -> Program:
    """The program with groups of stages along an axis in blocks."""
    stages: list[Any] = []
    buffers = {buffer: buffer for buffer in program.buffers}
    segment: Sequence[Any]
    for segment in _segments(program.stages):
        while segment:
            group = _Group()
            for stage in segment:
                group.take(stage, _part(stage, extent))
            made = _formed(program, group, extent, buffers)
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


def _formed(program: Program, group: _Group, extent: Size, buffers: dict[Buffer, Buffer]) -> list[Any] | None:
    """The group in blocks, with zeros for its sums; None where that would not pay."""
    members = {id(part.stage) for part in group.parts}
    uses = [(id(stage) in members, stage_uses(stage)) for stage in program.stages]
    foreign = {buffer for own, use in uses if not own for buffer in use.reads | use.writes}
    for buffer in group.sums:
        writers = [use for _, use in uses if buffer in use.writes]
        if len(writers) != 1:
            return None
    local = {
        buffer: step
        for buffer, accesses in group.touched.items()
        if buffer.kind == "temporary"
        and not buffer.per_lane
        and buffer not in foreign
        and all(one.aligned for one in accesses)
        and (step := _quotient(buffer.size, extent)) is not None
    }
    width = sum(step * buffer.dtype.itemsize for buffer, step in local.items()) + _read_again(group, local, extent)
    if len(group.parts) < 2 or not width or (isinstance(extent, int) and width * extent < _WORTH):
        return None
    length = _length(extent, width)
    if length is None:
        return None
    whole = isinstance(extent, int) and extent % length == 0
    start, size = dims.local(f"start of {extent}"), length if whole else dims.local(f"part of {extent}")
    for buffer, step in local.items():
        buffers[buffer] = Buffer(buffer.name, buffer.dtype, step * length, buffer.kind)
    writer = _Writer({buffer: buffers[buffer] for buffer in local}, start, size)
    stages = tuple(writer.stage(part) for part in group.parts)
    zeros = [Fill(buffer) for buffer in program.buffers if buffer in group.sums]
    return [*zeros, Blocked(extent, length, start, size, stages)]


def _read_again(group: _Group, local: dict[Buffer, int], extent: Size) -> int:
    """Bytes per index of arrays that are not temporary, but that several stages touch row by row."""
    total = 0
    for buffer, accesses in group.touched.items():
        step = _quotient(buffer.size, extent)
        stages = sum(any(one.buffer is buffer for one in part.accesses) for part in group.parts)
        if buffer not in local and step is not None and stages > 1 and all(one.aligned for one in accesses):
            total += step * buffer.dtype.itemsize
    return total


def _length(extent: Size, width: int) -> int | None:
    """Indices of a block: what the cache holds, and a divisor of the extent if one is near."""
    most = min(_LONGEST, _CACHE // width)
    if most < _SHORTEST:
        return None
    if not isinstance(extent, int):
        return most // 16 * 16
    divisors = [size for size in range(_SHORTEST // 2, most + 1) if extent % size == 0 and size % 4 == 0]
    made = max(divisors, default=most // 16 * 16)
    return made if 2 * made <= extent else None


class _Writer:
    """Stages as they run in a block: loops run over the block, and arrays that hold more than it start further on."""

    def __init__(self, local: dict[Buffer, Buffer], start: Dim, size: Size) -> None:
        self.local, self.start, self.size = local, start, size
        self.ids = itertools.count()

    def stage(self, part: Part) -> Any:
        if isinstance(part.stage, Product):
            return self._product(part)
        self.ids = itertools.count(1 + max(_ids(part.stage.body)))
        axis = Axis(self.size * part.times, part.axis.label)
        return Nest(self._block(part.stage.body, part.axis, axis, part))

    def _block(self, block: Sequence[Any], old: Axis, new: Axis, part: Part) -> tuple[Any, ...]:
        start = self.start * part.times
        made: list[Any] = []
        for one in block:
            if isinstance(one, For):
                axis = new if one.axis is old else one.axis
                made.append(one._replace(axis=axis, body=self._block(one.body, old, new, part)))
            elif isinstance(one, IndexValue):
                made.append(one._replace(offset=_moved(one.offset, old, new, start)))
            elif isinstance(one, (Load, Store, Scatter)):
                place = self.local.get(one.buffer)
                moved = place is None and not one.buffer.per_lane
                offset = _moved(one.offset, old, new, start if moved else 0)
                if isinstance(one, Store) and one.buffer in part.sums:
                    made += self._added(one, offset)
                else:
                    made.append(one._replace(buffer=one.buffer if place is None else place, offset=offset))
            else:
                made.append(one)
        return tuple(made)

    def _added(self, one: Store, offset: Offset) -> list[Any]:
        """The store of a sum that goes on from the blocks before: as three statements, so that rows load and store whole."""
        before, total = next(self.ids), next(self.ids)
        dtype = one.buffer.dtype
        return [
            Load(before, one.buffer, offset, dtype),
            Let(total, "add", (before, one.value), dtype),
            one._replace(offset=offset, value=total),
        ]

    def _product(self, part: Part) -> Product:
        product: Product = part.stage
        a, b, c = (self._view(view, along) for view, along, _ in _views(product, part.axis))
        made = product._replace(a=a, b=b, c=c)
        if isinstance(part.axis, int):
            batch = tuple(self.size if k == part.axis else size for k, size in enumerate(product.batch))
            return made._replace(batch=batch)
        if part.axis == "k":
            return made._replace(k=self.size, accumulate=True)
        return made._replace(m=self.size) if part.axis == "m" else made._replace(n=self.size)

    def _view(self, view: View, along: int | None) -> View:
        place = self.local.get(view.buffer)
        if place is not None:
            return view._replace(buffer=place)
        return view if along is None else view._replace(base=view.base + view.strides[along] * self.start)


def _moved(offset: Offset, old: Axis, new: Axis, start: Size) -> Offset:
    """The place at index i of the new axis that was at index start + i of the old one."""
    coefficients = dict(offset.axes)
    base = offset.base + coefficients[old] * start if old in coefficients else offset.base
    return Offset(base, tuple((new if axis is old else axis, c) for axis, c in offset.axes), offset.values)
