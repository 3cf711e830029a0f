"""Loop nests as functions.  In: a nest of the loop IR.  Out: an LLVM function with explicit vectors and masked tails.

A vector loop runs full vectors first and the remainder once, under a mask; a long body is emitted once only, always
under a mask.  Values that do not vary along the lanes stay scalar until they meet one that does.  The vector is as wide
as the registers, or a multiple of that where several accumulators or interleaved chains pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any, NamedTuple

from codegen import mathlib
from codegen.emit.angles import Angles, with_groups
from codegen.emit.elementwise import call_operation, combine, emit_angles, emit_operation, neutral, value_type
from codegen.emit.interleave import pays_interleaving
from codegen.emit.memory import Memory
from codegen.emit.order import FENCE, ordered
from codegen.emit.streaming import (
    Streams,
    aligned_stores,
    emit_fence,
    plan_alignment,
    plan_streams,
    streamed_size,
    streamed_stores,
    streaming_factor,
)
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import I64, Type, Value, constant
from codegen.lower.forms import Axis
from codegen.lower.loopir import MEMORY, Carry, Const, For, IndexValue, Let, Load, Offset, Scatter, Store, statements
from codegen.signature import emit_size
from codegen.target import Target
from symgrad import types
from symgrad.dims import Atom, Size

__all__ = ["NestEmitter", "vector_factor"]

_LONG_BODY = 1500  # statements beyond which a vector loop has one, masked body
_SHORT_BODY, _FEW_ROUNDS = 60, 16  # the same where the loop has no more rounds than this, so that compile time counts
_WRITTEN_OUT = 16  # mathematical functions of scalars in one function of straight-line code
_CALLED = mathlib.SUPPORTED - {"sqrt"}  # what takes many instructions
_LIGHT_BODY = 40  # statements up to which a reduction gets four accumulators
_SLOW = mathlib.SUPPORTED | {"divide"}
_FEW_SLOW, _FEW_CALLED = 3, 2  # slow operations, or functions, from which the order of instructions matters
_WITH_SIZES = MEMORY | {For, IndexValue}
_ARITHMETIC = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}


class _Lane(NamedTuple):
    """The vector loop around the code being emitted."""

    axis: Axis
    first: Int  # index of lane 0
    mask: Value | None
    extent: Int  # of the loop

    @property
    def active(self) -> int | None:
        """How many lanes are inside the loop, where that is known."""
        if isinstance(self.first, int) and isinstance(self.extent, int):
            return self.extent - self.first
        return None


def vector_factor(loop: For, target: Target) -> int:
    """Lanes of a loop: one register of its widest floating type, or four for short reductions."""
    body, lanes = list(statements(loop.body)), _register_lanes(loop, target)
    reduces = bool(loop.carries) or any(isinstance(one, For) and one.carries for one in body)
    factor = 4 * lanes if reduces and len(body) <= _LIGHT_BODY else lanes
    sums = max(len(loop.carries), *(len(one.carries) for one in body if isinstance(one, For)), 0)
    while factor > lanes and sums * factor // lanes > target.registers // 2:
        factor //= 2  # accumulators may not fill the registers
    if not reduces and pays_interleaving(loop.body, target):
        factor = 2 * lanes
    extent = loop.axis.extent
    while isinstance(extent, int) and factor > lanes and 4 * _filled(extent, factor) > 5 * _filled(extent, lanes):
        factor //= 2  # the last round would be mostly empty
    return factor


def _register_lanes(loop: For, target: Target) -> int:
    """Values of the loop's widest floating type in one register."""
    dtypes = {one.dtype for one in statements(loop.body) if isinstance(one, (Load, Let, Const))}
    floats = [dtype for dtype in dtypes if types.is_float(dtype)]
    widest = max((dtype.itemsize * 8 for dtype in floats or dtypes), default=64)
    return target.lanes(max(widest, 32))


def _filled(extent: int, factor: int) -> int:
    """Lanes that a loop's rounds have together."""
    return -(-extent // factor) * factor


class NestEmitter:
    """Emits one nest.

    Parameters
    ----------
    f : the function being built
    pointers : address of each buffer
    sizes : value of each dynamic dimension
    unread : names of the arrays that nothing in the kernel reads
    """

    def __init__(
        self, f: Function, pointers: Mapping[str, Value], sizes: Mapping[Atom, Int], unread: Set[str] = frozenset()
    ) -> None:
        self.f, self.sizes, self.unread = f, sizes, unread
        self.env: dict[int, Value] = {}
        self.constants: dict[int, Any] = {}
        self.index: dict[Axis, Int] = {}
        self.lane: _Lane | None = None
        self.lanes = 1
        self.memory = Memory(self, pointers)
        self._known_sizes: dict[Size, Int] = {}
        self._depth = 0  # of loops around what is emitted
        self.calls_math = False  # whether mathematical functions are called rather than written out

    def run(self, body: Sequence[Any]) -> None:
        """Emit the nest's statements."""
        for size in _sizes(body):
            self._known_sizes[size] = emit_size(self.f, size, self.sizes)
        self.memory.prepare(body)
        self.calls_math = _is_long_straight(body)
        self.block(body)

    def size(self, size: Size) -> Int:
        """A size as code; computed once, at the function's start."""
        if isinstance(size, int):
            return size
        if size not in self._known_sizes:
            self._known_sizes[size] = emit_size(self.f, size, self.sizes)
        return self._known_sizes[size]

    # -- statements ------------------------------------------------------------------------------------------------
    def block(self, body: Sequence[Any]) -> None:
        """Emit statements in order; stores of rows wait until all their columns are known."""
        arithmetic, env = self.f.arithmetic, self.env
        with self.memory.block(body):
            for one in body if self.calls_math else with_groups(body):
                # The four operations on equal types are most of long code: the shortest way for them.
                if one.__class__ is Let:
                    own, op, args, _ = one
                    if op in _ARITHMETIC:
                        a, b = env[args[0]], env[args[1]]
                        if a.type is b.type and a.type.is_float:
                            env[own] = arithmetic(_ARITHMETIC[op], a, b)
                            continue
                self._statement(one)
                env = self.env  # which a loop replaces

    def _statement(self, one: Any) -> None:
        if isinstance(one, Let):
            self.env[one.id] = self._operation(one)
        elif isinstance(one, Const):
            self.constants[one.id] = one.value.item()
            self.env[one.id] = constant(one.value.item(), value_type(one.dtype, 1))
        elif isinstance(one, Load):
            self.env[one.id] = self.memory.load(one)
        elif isinstance(one, Store):
            self.memory.store(one)
        elif isinstance(one, IndexValue):
            self.env[one.id] = self.index_value(one.offset)
        elif isinstance(one, Scatter):
            self.memory.scatter(one)
        elif isinstance(one, Angles):
            wanted = [(member.op, self.env[member.args[0]]) for member in one.members]
            for member, value in zip(one.members, emit_angles(self.f, wanted), strict=True):
                self.env[member.id] = value
        else:
            assert isinstance(one, For)
            self._loop(one)

    def _operation(self, one: Let) -> Value:
        if one.op == "power" and types.is_float(one.dtype) and one.args[1] in self.constants:
            short = mathlib.emit_power(self.f, self.env[one.args[0]], self.constants[one.args[1]])
            if short is not None:
                return short
        emit = call_operation if self.calls_math and one.op in _CALLED else emit_operation
        return emit(self.f, one.op, [self.env[arg] for arg in one.args], one.dtype)

    def index_value(self, offset: Offset) -> Value:
        """An affine index as an int64 value, a vector where it varies along the lanes."""
        f = self.f
        total: Int = self.size(offset.base)
        along: Size = 0
        for axis, coefficient in offset.axes:
            if self.lane is not None and axis is self.lane.axis:
                along = coefficient
            total = f.add(total, f.mul(self.size(coefficient), self.index[axis]))
        value = f.i64(total)
        if not (isinstance(along, int) and along == 0):
            value = self.spread(value, self.size(along))
        for own, coefficient in offset.values:
            term = self.env[own]
            if not (isinstance(coefficient, int) and coefficient == 1):
                term = self._binary("mul", term, f.i64(self.size(coefficient)))
            value = self._binary("add", value, term)
        return value

    def spread(self, first: Value, step: Int) -> Value:
        """first, first + step, ... over the lanes."""
        f, kind = self.f, I64.with_lanes(self.lanes)
        counted = Value(f"<{', '.join(f'i64 {lane}' for lane in range(self.lanes))}>", kind)
        if self.lanes == 1:
            return first
        scaled = counted if isinstance(step, int) and step == 1 else f.binary("mul", counted, self.wide(f.i64(step)))
        return f.binary("add", self.wide(first), scaled)

    def _binary(self, op: str, a: Value, b: Value) -> Value:
        if a.type.lanes != b.type.lanes:
            a, b = self.wide(a), self.wide(b)
        return self.f.binary(op, a, b)

    def wide(self, value: Value) -> Value:
        """The value in every lane."""
        return value if value.type.lanes == self.lanes else self.f.splat(value, self.lanes)

    # -- loops -----------------------------------------------------------------------------------------------------
    def _loop(self, loop: For) -> None:
        extent = self.size(loop.axis.extent)
        self._depth += 1
        with self.memory.scope(loop):
            finals = self._vector_loop(loop, extent) if loop.vector else self._scalar_loop(loop, extent)
        self._depth -= 1
        for carry, value in zip(loop.carries, finals, strict=True):
            whole = carry.outer is None and value.type.lanes > 1 and (self.lane is None)
            self.env[carry.id] = self._horizontal(carry, value) if whole else value

    def _horizontal(self, carry: Carry, value: Value) -> Value:
        return self.f.horizontal(lambda a, b: combine(self.f, carry.kind, a, b, carry.dtype), value)

    def _start(self, carry: Carry, loop: For) -> Value:
        """A reduction's accumulator before the loop."""
        if carry.outer is not None:
            return self.env[carry.outer]
        lanes = self.lanes if self.lane is not None else self._carry_lanes(carry, loop)
        return neutral(carry.kind, value_type(carry.dtype, lanes))

    def _carry_lanes(self, carry: Carry, loop: For) -> int:
        """As many as the vector loop has that this reduction runs through; one if none does."""
        if loop.vector:
            return self._factor(loop)
        for inner in loop.body:
            if isinstance(inner, For):
                for own in inner.carries:
                    if own.outer == carry.id:
                        return self._carry_lanes(own, inner)
        return 1

    def _factor(self, loop: For) -> int:
        target = self.f.target
        return streaming_factor(loop, self._streamed(loop), vector_factor(loop, target), target)

    def _streamed(self, loop: For) -> list[Store]:
        return streamed_stores(loop, self.unread, self.f.target)

    def _scalar_loop(self, loop: For, extent: Int) -> list[Value]:
        with self.f.loop(0, extent, 1, [self._start(carry, loop) for carry in loop.carries]) as made:
            self.index[loop.axis] = made.index
            made.next = self._round(loop, made.values)
        return made.values

    def _round(self, loop: For, accumulators: Sequence[Value]) -> list[Value]:
        """One round of a loop: its body, and the accumulators afterwards."""
        before = dict(self.env)
        for carry, value in zip(loop.carries, accumulators, strict=True):
            self.env[carry.id] = value
        self.block(loop.body)
        result = []
        for carry, accumulator in zip(loop.carries, accumulators, strict=True):
            value = self.env[carry.value]
            result.append(value if carry.inner else self._combined(carry, accumulator, value))
        self.env = before
        return result

    def _ordered_round(self, loop: For, accumulators: Sequence[Value]) -> list[Value]:
        """The same, with its instructions in the order in which they can be done."""
        f, before = self.f, self.f.block
        made = self._round(loop, accumulators)
        if not _has_chains(loop.body):
            return made
        start = f.lines.index(f"{before}:") + 1
        f.lines[start:] = ordered(f.lines[start:], self.lanes // _register_lanes(loop, f.target), f.target.registers)
        if FENCE in f.lines[start:]:
            f.module.declare("llvm.codeview.annotation", "declare void @llvm.codeview.annotation(metadata)")
        return made

    def _combined(self, carry: Carry, accumulator: Value, value: Value) -> Value:
        f = self.f
        if value.type.lanes != accumulator.type.lanes:
            value = f.splat(value, accumulator.type.lanes)
        made = combine(f, carry.kind, accumulator, value, carry.dtype)
        if self.lane is not None and self.lane.mask is not None and accumulator.type.lanes > 1:
            made = f.select(self.lane.mask, made, accumulator)
        return made

    # -- vector loops ----------------------------------------------------------------------------------------------
    def _vector_loop(self, loop: For, extent: Int) -> list[Value]:
        f, factor = self.f, self._factor(loop)
        starts = [self._start(carry, loop) for carry in loop.carries]
        if self._has_one_body(loop, extent, factor):
            with f.loop(0, extent, factor, starts) as made, self._lanes(loop.axis, factor, made.index, extent, True):
                made.next = self._round(loop, made.values)
            return made.values
        streams = self._streams(loop, extent, factor)
        if streams is not None:
            return self._streaming_loop(loop, streams, extent, factor, starts)
        full: Int = extent // factor * factor if isinstance(extent, int) else f.binary("and", extent, -factor)
        accumulators = starts
        if not (isinstance(full, int) and full == 0):
            with f.loop(0, full, factor, starts) as made, self._lanes(loop.axis, factor, made.index, extent, False):
                made.next = self._ordered_round(loop, made.values)
            accumulators = made.values
        return self._tail(loop, full, extent, factor, accumulators)

    def _streams(self, loop: For, extent: Int, factor: int) -> Streams | None:
        """What the loop may store past the caches, or where its rounds begin to store aligned vectors."""
        streamed = self._streamed(loop)
        stores = streamed or (aligned_stores(loop, self.unread, self.f.target) if self._depth == 1 else [])
        if not stores:
            return None
        self.index[loop.axis] = 0
        places = [self.memory.address(one.buffer, one.offset) for one in stores]
        if not streamed:
            return plan_alignment(self.f, stores, places, extent, factor)
        size = emit_size(self.f, streamed_size(stores), self.sizes)
        return plan_streams(self.f, stores, places, size, extent, factor)

    def _streaming_loop(
        self, loop: For, streams: Streams, extent: Int, factor: int, accumulators: list[Value]
    ) -> list[Value]:
        """A loop of which all rounds but perhaps the first are aligned, if it streams."""
        f = self.f
        full = f.add(streams.start, f.binary("and", f.i64(f.sub(extent, streams.start)), -factor))
        with f.loop(streams.start, full, factor) as made:
            aligned, first = f.icmp("sge", made.index, streams.aligned), f.maximum(made.index, 0)
            with self._lanes(loop.axis, factor, first, extent, False), self.memory.streaming(streams, aligned):
                self._ordered_round(loop, ())
        if streams.stores:
            emit_fence(f, streams)
        return self._tail(loop, full, extent, factor, accumulators)

    def _has_one_body(self, loop: For, extent: Int, factor: int) -> bool:
        """Whether every round runs under a mask, rather than the last one in code of its own."""
        limit = _LONG_BODY
        if isinstance(extent, int) and extent % factor and extent <= _FEW_ROUNDS * factor:
            limit = _SHORT_BODY
        return sum(1 for _ in statements(loop.body)) > limit

    def _tail(self, loop: For, full: Int, extent: Int, factor: int, accumulators: list[Value]) -> list[Value]:
        """The indices that do not fill a vector, under a mask."""
        f = self.f

        def masked() -> list[Value]:
            with self._lanes(loop.axis, factor, full, extent, True):
                return self._round(loop, accumulators)

        if isinstance(full, int) and isinstance(extent, int):
            return accumulators if full == extent else masked()
        return f.either(f.icmp("slt", full, extent), masked, lambda: accumulators)

    @contextmanager
    def _lanes(self, axis: Axis, lanes: int, first: Int, extent: Int, masked: bool) -> Iterator[None]:
        """Code inside runs for ``lanes`` indices of ``axis`` at once."""
        outer, count = self.lane, self.lanes
        mask = self.f.lane_mask(first, extent, lanes) if masked else None
        if mask is not None and lanes == 1:
            mask = None
        self.lane, self.lanes = _Lane(axis, first, mask, extent), lanes
        self.index[axis] = first
        try:
            yield
        finally:
            self.lane, self.lanes = outer, count

    def kind(self, dtype: Any) -> Type:
        """The register type of values of that element type in the current loop."""
        return value_type(dtype, self.lanes)


def _is_long_straight(body: Sequence[Any]) -> bool:
    """Whether a nest without loops has so many mathematical functions that writing each out would make huge code."""
    functions = [one for one in body if one.__class__ is For or (one.__class__ is Let and one.op in _CALLED)]
    return len(functions) > _WRITTEN_OUT and not any(one.__class__ is For for one in functions)


def _has_chains(body: Sequence[Any]) -> bool:
    """Whether a block has several slow operations: the order of one chain is right as it is."""
    slow = [one.op for one in body if one.__class__ is Let and one.op in _SLOW]
    return len(slow) >= _FEW_SLOW or sum(op in _CALLED for op in slow) >= _FEW_CALLED


def _sizes(body: Sequence[Any]) -> list[Size]:
    """Every dynamic size that a nest mentions."""
    found: dict[Size, None] = {}
    for one in statements(body, _WITH_SIZES):
        if isinstance(one, For):
            found.setdefault(one.axis.extent)
        else:
            base, axes, values = one.offset
            found.setdefault(base)
            if axes or values:
                found.update((c, None) for _, c in (*axes, *values))
    return [size for size in found if not isinstance(size, int)]
