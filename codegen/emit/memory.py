"""Memory of a nest.  In: loads and stores at affine offsets.  Out: the cheapest instructions that move their lanes.

Along the lanes an access is contiguous (one vector), the same for all (one scalar), a column of rows (several columns
together, transposed in registers), or anything else (lane by lane).  Addresses are formed once per loop level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codegen.emit.streaming import Streams, emit_stores
from codegen.llvm.builder import Int
from codegen.llvm.rows import Guard, joined, load_rows, store_rows
from codegen.llvm.types import BYTE, I64, Type, Value
from codegen.lower.forms import Axis
from codegen.lower.loopir import MEMORY, Buffer, For, Load, Offset, Scatter, Store, statements
from codegen.signature import element_type
from symgrad import types
from symgrad.dims import Size

if TYPE_CHECKING:
    from codegen.emit.nest import NestEmitter

__all__ = ["Memory"]

_MAX_GAP = 2  # columns of a row may be spread over at most this many times their number

Group = tuple[Any, ...]


def _is(size: Size, number: int) -> bool:
    return isinstance(size, int) and size == number


class Memory:
    """Loads and stores of one nest."""

    def __init__(self, nest: NestEmitter, pointers: Mapping[str, Value]) -> None:
        self.nest, self.f = nest, nest.f
        self.pointers = pointers
        self.bases: dict[Group, Value] = {}
        self.bound: frozenset[Axis] = frozenset()
        self.columns: dict[Group, list[int]] = {}
        self.loaded: dict[tuple[Group, int], Value] = {}
        self.waiting: dict[Group, dict[int, Store]] = {}
        self.streams: tuple[Streams, Value] | None = None  # of the loop, and whether this round's stores stream
        self.late: list[tuple[Value, Value]] = []
        self.indices: dict[str, Value] = {}  # where vectors of computed positions stand in memory, by their names

    # -- addresses -------------------------------------------------------------------------------------------------
    def prepare(self, body: Sequence[Any]) -> None:
        """Form, outside the coming loop, the parts of addresses that do not change in it."""
        for one in statements(body, MEMORY):
            self._base(one.buffer, one.offset)

    def _base(self, buffer: Buffer, offset: Offset) -> Value:
        """The address as far as axes outside the innermost loop determine it."""
        fixed = tuple([(axis, c) for axis, c in offset.axes if axis in self.bound]) if offset.axes else ()
        dynamic = offset.base if not isinstance(offset.base, int) else 0
        key = (buffer.name, fixed, dynamic)
        found = self.bases.get(key)
        if found is None:
            f, nest = self.f, self.nest
            position: Int = nest.size(dynamic)
            for axis, coefficient in fixed:
                position = f.add(position, f.mul(nest.size(coefficient), nest.index[axis]))
            if buffer.per_lane:
                position = f.mul(position, nest.lanes)
            found = self.bases[key] = f.gep(self.pointers[buffer.name], position, element_type(buffer.dtype))
        return found

    def address(self, buffer: Buffer, offset: Offset) -> Value:
        """The address of the element of lane 0, computed values aside."""
        f, nest = self.f, self.nest
        position: Int = offset.base if isinstance(offset.base, int) else 0
        for axis, coefficient in offset.axes:
            if axis not in self.bound:
                position = f.add(position, f.mul(nest.size(coefficient), nest.index[axis]))
        if buffer.per_lane:
            position = f.mul(position, nest.lanes)
        return f.gep(self._base(buffer, offset), position, element_type(buffer.dtype))

    @contextmanager
    def scope(self, loop: For) -> Iterator[None]:
        """Around a loop: addresses formed for it are forgotten after it."""
        bases, bound = self.bases, self.bound
        self.bases = dict(bases)
        self.bound = frozenset(self.nest.index)
        self.prepare(loop.body)
        yield
        self.bases, self.bound = bases, bound
        self.nest.index.pop(loop.axis, None)

    @contextmanager
    def block(self, body: Sequence[Any]) -> Iterator[None]:
        """Around the statements of a block: columns of rows are found first, their stores made last."""
        before = self.columns, self.loaded, self.waiting, self.late
        self.columns, self.loaded, self.waiting, self.late = {}, {}, {}, []
        if self.nest.lane is not None:
            for one in body:
                if isinstance(one, (Load, Store)) and (key := self._group(one)) is not None:
                    assert isinstance(one.offset.base, int)
                    self.columns.setdefault(key, []).append(one.offset.base)
        yield
        for key, stores in self.waiting.items():
            self._store_columns(key, stores)
        if self.late and self.streams is not None:
            emit_stores(self.f, self.late, self.streams[1])
        self.columns, self.loaded, self.waiting, self.late = before

    @contextmanager
    def streaming(self, streams: Streams, aligned: Value) -> Iterator[None]:
        """Around a round of a loop: some stores are made last, past the caches where ``aligned`` holds."""
        self.streams = streams, aligned
        yield
        self.streams = None

    # -- along the lanes -------------------------------------------------------------------------------------------
    def _stride(self, offset: Offset) -> Size:
        lane = self.nest.lane
        return next((c for axis, c in offset.axes if lane is not None and axis is lane.axis), 0)

    def _varies(self, offset: Offset) -> bool:
        """Whether a computed value in the offset differs from lane to lane."""
        return any(self.nest.env[own].type.lanes > 1 for own, _ in offset.values)

    def _group(self, one: Load | Store) -> Group | None:
        """What columns of the same rows have in common; None for other accesses."""
        offset, lane = one.offset, self.nest.lane
        if not isinstance(offset.base, int) or (isinstance(one, Store) and (one.add or offset.values)):
            return None
        stride = next((c for axis, c in offset.axes if lane is not None and axis is lane.axis), 0)
        if _is(stride, 1) or (_is(stride, 0) and not offset.values):
            return None
        return type(one).__name__, one.buffer.name, offset.axes, offset.values

    # -- loads -----------------------------------------------------------------------------------------------------
    def load(self, one: Load) -> Value:
        """The value of a load, a vector where it varies along the lanes."""
        nest, f, element = self.nest, self.f, element_type(one.buffer.dtype)
        if one.buffer.per_lane:
            kind = element.with_lanes(nest.lanes)
            return self._from_memory(f.load(self.address(one.buffer, one.offset), kind, element.bytes), one.dtype)
        if nest.lane is None or (_is(self._stride(one.offset), 0) and not self._varies(one.offset)):
            pointer = self._computed(self.address(one.buffer, one.offset), one.offset, element, None)
            return self._from_memory(f.load(pointer, element), one.dtype)
        if _is(self._stride(one.offset), 1) and not one.offset.values:
            pointer = self.address(one.buffer, one.offset)
            loaded = self._contiguous(pointer, element)
            if element is I64 and nest.lane.mask is None and one.buffer.kind in ("table", "input"):
                self.indices[loaded.text] = pointer
            return self._from_memory(loaded, one.dtype)
        return self._column(one, element)

    def _from_memory(self, value: Value, dtype: Any) -> Value:
        return self.f.icmp("ne", value, 0) if types.is_bool(dtype) else value

    def _contiguous(self, pointer: Value, element: Type) -> Value:
        nest, kind = self.nest, element.with_lanes(self.nest.lanes)
        assert nest.lane is not None
        if nest.lane.mask is None:
            return self.f.load(pointer, kind, element.bytes)
        fill = 1.0 if element.is_float else 0  # a number that is harmless to divide by or take the logarithm of
        return self.f.masked_load(pointer, kind, nest.lane.mask, fill)

    def _column(self, one: Load, element: Type) -> Value:
        """A column of rows: all columns of these rows that the block reads are loaded together."""
        key = self._group(one)
        if key is None:
            rows = self._rows(one.buffer, one.offset, element)
            return self._from_memory(self._load_columns(rows, 1, element)[0], one.dtype)
        base = one.offset.base
        assert isinstance(base, int)
        if (key, base) not in self.loaded:
            for run in _runs(sorted(set(self.columns[key]))):
                if run[0] <= base <= run[-1]:
                    rows = self._rows(one.buffer, one.offset._replace(base=run[0]), element)
                    width = run[-1] - run[0] + 1
                    for column, value in enumerate(self._load_columns(rows, width, element)):
                        self.loaded[key, run[0] + column] = value
        return self._from_memory(self.loaded[key, base], one.dtype)

    def _units(self, count: int, element: Type) -> range:
        """Starts of the groups of lanes that fit one register: transpositions stay within a register's lanes."""
        return range(0, count, min(count, self.f.target.lanes(element.bits)))

    def _load_columns(self, rows: list[Value], width: int, element: Type) -> list[Value]:
        units = self._units(len(rows), element)
        parts = [load_rows(self.f, rows[k : k + units.step], width, element) for k in units]
        return [joined(self.f, [part[column] for part in parts]) for column in range(width)]

    def _rows(self, buffer: Buffer, offset: Offset, element: Type) -> list[Value]:
        """For each lane, the address of its element; lanes beyond the end repeat the last one inside."""
        nest, f = self.nest, self.f
        lane = nest.lane
        assert lane is not None
        start, stride = self.address(buffer, offset), nest.size(self._stride(offset))
        rows = []
        for k in range(nest.lanes):
            step: Int = k
            if lane.mask is not None and k:
                left = f.sub(f.sub(lane.extent, lane.first), 1)
                step = f.minimum(left, k)
            rows.append(self._computed(f.gep(start, f.mul(stride, step), element), offset, element, k))
        return rows

    def _computed(self, pointer: Value, offset: Offset, element: Type, lane: int | None) -> Value:
        """An address moved by the computed values of an offset, those of one lane."""
        f, nest = self.f, self.nest
        for own, coefficient in offset.values:
            value = nest.env[own]
            if value.type.lanes > 1:
                assert lane is not None
                value = self._lane_of(value, lane)
            pointer = f.gep(pointer, f.mul(nest.size(coefficient), value), element)
        return pointer

    def _lane_of(self, value: Value, lane: int) -> Value:
        """One lane of a position: from memory, if it stands there, which is cheaper than taking vectors apart."""
        place = self.indices.get(value.text)
        if place is None:
            return self.f.extract(value, lane)
        return self.f.load(self.f.gep(place, lane, I64), I64)

    # -- stores ----------------------------------------------------------------------------------------------------
    def store(self, one: Store) -> None:
        """Store a value, or remember it until its row is complete."""
        nest, element = self.nest, element_type(one.buffer.dtype)
        value = self._to_memory(nest.env[one.value])
        stride = self._stride(one.offset)
        if one.buffer.per_lane:
            self.f.store(nest.wide(value), self.address(one.buffer, one.offset), element.bytes)
        elif nest.lane is None or (_is(stride, 0) and not one.offset.values):
            self._store_scalar(self.address(one.buffer, one.offset), value, element, one.add)
        elif self.streams is not None and self.streams[0].holds(one):
            self.late.append((nest.wide(value), self.address(one.buffer, one.offset)))
        elif _is(stride, 1) and not one.offset.values:
            self._store_contiguous(self.address(one.buffer, one.offset), nest.wide(value), element, one.add)
        else:
            key = self._group(one)
            if key is None:
                self._store_lanes(one.buffer, one.offset, nest.wide(value), element, one.add)
            else:
                assert isinstance(one.offset.base, int)
                self.waiting.setdefault(key, {})[one.offset.base] = one

    def _to_memory(self, value: Value) -> Value:
        return self.f.convert("zext", value, BYTE.with_lanes(value.type.lanes)) if value.type.element == "i1" else value

    def _store_scalar(self, pointer: Value, value: Value, element: Type, add: bool) -> None:
        if value.type.lanes > 1:
            value = self.f.extract(value, 0)
        if add:
            value = self._sum(self.f.load(pointer, element), value)
        self.f.store(value, pointer)

    def _sum(self, old: Value, new: Value) -> Value:
        return self.f.fadd(old, new) if old.type.is_float else self.f.binary("add", old, new)

    def _store_contiguous(self, pointer: Value, value: Value, element: Type, add: bool) -> None:
        lane = self.nest.lane
        assert lane is not None
        if add:
            value = self._sum(self._contiguous(pointer, element), value)
        if lane.mask is None:
            self.f.store(value, pointer, element.bytes)
        elif lane.active is not None and not self.f.target.is_avx512:  # elsewhere stores under a mask are slow
            self._store_pieces(pointer, value, element, lane.active)
        else:
            self.f.masked_store(value, pointer, lane.mask)

    def _store_pieces(self, pointer: Value, value: Value, element: Type, count: int) -> None:
        """The first lanes, a known number of them, as whole vectors of falling width."""
        f, done = self.f, 0
        while done < count:
            width = 1 << (count - done).bit_length() - 1
            place = f.gep(pointer, done, element)
            if width == 1:
                f.store(f.extract(value, done), place, element.bytes)
            else:
                f.store(f.shuffle(value, None, range(done, done + width)), place, element.bytes)
            done += width

    def _guard(self) -> Guard:
        """Runs a lane's stores, in a masked part only if the lane is inside."""
        lane, f = self.nest.lane, self.f
        assert lane is not None

        def guarded(k: int, store: Callable[[], None]) -> None:
            if lane.mask is None or k == 0:
                store()
                return
            with f.when(f.icmp("slt", f.add(lane.first, k), lane.extent)):
                store()

        return guarded

    def _store_columns(self, key: Group, stores: dict[int, Store]) -> None:
        """Columns of the same rows, together."""
        for run in _dense_runs(sorted(stores)):
            first = stores[run[0]]
            element = element_type(first.buffer.dtype)
            rows = self._rows(first.buffer, first.offset, element)
            values = [self.nest.wide(self._to_memory(self.nest.env[stores[column].value])) for column in run]
            units, guard = self._units(len(rows), element), self._guard()
            for k in units:
                lanes = range(k, k + units.step)
                own = values if len(units) == 1 else [self.f.shuffle(value, None, lanes) for value in values]
                store_rows(self.f, rows[k : k + units.step], own, _from_lane(k, guard))

    def _store_lanes(self, buffer: Buffer, offset: Offset, value: Value, element: Type, add: bool) -> None:
        """Lane by lane, in order."""
        f, guard = self.f, self._guard()
        rows = self._rows(buffer, offset, element)
        for k, row in enumerate(rows):
            own = f.extract(value, k) if value.type.lanes > 1 else value
            guard(k, lambda row=row, own=own: self._store_scalar(row, own, element, add))  # type: ignore[misc]

    def scatter(self, one: Scatter) -> None:
        """A store at computed positions, lane after lane, so that repeated positions accumulate."""
        nest, element = self.nest, element_type(one.buffer.dtype)
        value = self._to_memory(nest.env[one.value])
        if nest.lane is None:
            pointer = self._computed(self.address(one.buffer, one.offset), one.offset, element, None)
            self._store_scalar(pointer, value, element, one.add)
        elif _is(self._stride(one.offset), 1) and not self._varies(one.offset):
            pointer = self._computed(self.address(one.buffer, one.offset), one.offset, element, None)
            self._store_contiguous(pointer, nest.wide(value), element, one.add)
        else:
            self._store_lanes(one.buffer, one.offset, nest.wide(value), element, one.add)


def _from_lane(first: int, guard: Guard) -> Guard:
    """The guard for lanes counted from another one."""
    return lambda lane, store: guard(first + lane, store)


def _runs(columns: Sequence[int]) -> list[list[int]]:
    """Columns cut into runs worth one load: gaps may not outweigh what is used."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and column - runs[-1][0] + 1 <= _MAX_GAP * (len(runs[-1]) + 1):
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs


def _dense_runs(columns: Sequence[int]) -> list[list[int]]:
    """Columns cut into runs without gaps."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and column == runs[-1][-1] + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs
