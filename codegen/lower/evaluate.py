"""The loop IR's own interpreter, for tests.  In: a program, arrays, sizes.  Out: a status; results are written in place.

It runs one index at a time, in order, on NumPy scalars: what a program means, whatever an emitter makes of it.  It
refuses statements that the grammar does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codegen.gemm import Band
from codegen.lower.forms import Axis
from codegen.lower.loopir import (
    Along,
    Blocked,
    Buffer,
    Call,
    Check,
    Const,
    Copy,
    Fill,
    For,
    Guard,
    IndexValue,
    Let,
    Load,
    Nest,
    Offset,
    Product,
    Program,
    Report,
    Scatter,
    Split,
    Store,
    View,
)
from symgrad import dims
from symgrad.dims import Atom, Size
from symgrad.errors import CompileError
from symgrad.opdef import REGISTRY
from symgrad.ops.structure import AxisAttrs
from symgrad.types import DType

__all__ = ["run"]

Array = np.ndarray[Any, Any]

_COMBINE = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "any": np.logical_or,
    "all": np.logical_and,
}


def run(program: Program, arrays: Mapping[tuple[str, int], Array], sizes: Mapping[Atom, int]) -> int:
    """Run a program on flat arrays; returns the status that a kernel would return, 0 for success.

    Parameters
    ----------
    arrays : contiguous arrays by kind ("input", "variable", "output") and position; those written are changed
    sizes : values of the dynamic dimensions
    """
    machine = _Machine(program, arrays, sizes)
    with np.errstate(all="ignore"):
        for stage in program.stages:
            status = machine.stage(stage)
            if status:
                return status
    return 0


class _Machine:
    def __init__(self, program: Program, arrays: Mapping[tuple[str, int], Array], sizes: Mapping[Atom, int]) -> None:
        self.sizes = sizes
        self.memory = {buffer: self._room(buffer, arrays) for buffer in program.buffers}
        self.index: dict[Axis, int] = {}
        self.env: dict[int, Any] = {}

    def size(self, size: Size) -> int:
        return dims.evaluate(size, self.sizes)

    def _room(self, buffer: Buffer, arrays: Mapping[tuple[str, int], Array]) -> Array:
        if buffer.kind == "table":
            return np.asarray(buffer.data).reshape(-1)
        if buffer.kind == "temporary":
            # Memory that was never written must not matter: fill it with what would show.
            return np.full(self.size(buffer.size), 77, buffer.dtype)
        given = arrays[buffer.kind, buffer.position]
        flat = given.reshape(-1)
        assert flat.size == 0 or np.shares_memory(flat, given)
        return flat

    # -- stages ----------------------------------------------------------------------------------------------------
    def stage(self, stage: Any) -> int:
        if isinstance(stage, Guard):
            return stage.status if self.size(stage.left) != self.size(stage.right) else 0
        if isinstance(stage, Check):
            limit = self.size(stage.size)
            found = self._strided(stage.buffer, stage.base, stage.strides, [self.size(one) for one in stage.shape])
            return stage.status if np.any((found < -limit) | (found >= limit)) else 0
        if isinstance(stage, Report):
            return int(self.memory[stage.buffer][0])
        if isinstance(stage, Fill):
            self.memory[stage.buffer][:] = 0
        elif isinstance(stage, Copy):
            self.memory[stage.target][:] = self.memory[stage.source]
        else:
            self._work(stage)
        return 0

    def _work(self, stage: Any) -> None:
        if isinstance(stage, Product):
            self._product(stage)
        elif isinstance(stage, Along):
            self._along(stage)
        elif isinstance(stage, Call):
            self._call(stage)
        elif isinstance(stage, Blocked):
            self._blocks(stage)
        elif isinstance(stage, Split):
            self._parts(stage)
        elif isinstance(stage, Nest):
            self.env, self.index = {}, {}
            self._block(stage.body)
        else:
            raise CompileError(f"the loop IR has no stage {type(stage).__name__}")

    def _blocks(self, stage: Blocked) -> None:
        extent = self.size(stage.extent)
        for start in range(0, extent, stage.length):
            size = min(stage.length, extent - start)
            own = dict.fromkeys(dims.atoms_of(stage.start), start) | dict.fromkeys(dims.atoms_of(stage.size), size)
            self.sizes = {**self.sizes, **own}
            for one in stage.stages:
                self.stage(one)

    def _parts(self, stage: Split) -> None:
        """Parts from the last to the first, as their order must not matter, but for the sums of their rooms."""
        extent, length = self.size(stage.extent), self.size(stage.length)
        targets = {room: self.memory[target] for target, room in stage.sums}
        made: list[dict[Buffer, Array]] = []
        for start in reversed(range(0, extent, length)):
            own = dict.fromkeys(dims.atoms_of(stage.start), start)
            own |= dict.fromkeys(dims.atoms_of(stage.size), min(length, extent - start))
            self.sizes = {**self.sizes, **own}
            made.append({room: np.zeros_like(target) for room, target in targets.items()})
            self.memory |= made[-1]
            for one in stage.stages:
                self.stage(one)
        for rooms in reversed(made):
            for room, target in targets.items():
                target += rooms[room]

    def _strided(self, buffer: Buffer, base: Size, strides: Sequence[Size], shape: Sequence[int]) -> Array:
        whole = self.memory[buffer]
        if 0 in shape:
            return np.zeros(shape, whole.dtype)
        steps = [self.size(one) * whole.itemsize for one in strides]
        return np.lib.stride_tricks.as_strided(whole[self.size(base) :], shape, steps)

    def _product(self, stage: Product) -> None:
        batch, (m, n, k) = [self.size(one) for one in stage.batch], map(self.size, (stage.m, stage.n, stage.k))

        def operand(view: View, rows: int, columns: int) -> Array:
            return self._strided(view.buffer, view.base, view.strides, [*batch, rows, columns])

        target = operand(stage.c, m, n)
        a, b = operand(stage.a, m, k), operand(stage.b, k, n)
        for one, band in ((a, stage.a_band), (b, stage.b_band)):
            assert not np.any(one[..., ~_inside(one, band)])
        product = a @ b
        if not stage.accumulate:
            product[..., ~_inside(product, stage.c_band)] = 77  # must not matter
        if not stage.accumulate:
            target[...] = product
            return
        for index in np.ndindex(*batch):  # in order: several products may add to one place
            target[index] += product[index]

    def _call(self, stage: Call) -> None:
        shapes = [tuple(map(self.size, kind.shape)) for kind in stage.types]
        count = len(stage.inputs)
        given = [self.memory[one].reshape(shape).copy() for one, shape in zip(stage.inputs, shapes, strict=False)]
        rooms = [self.memory[one].reshape(shape) for one, shape in zip(stage.outputs, shapes[count:], strict=True)]
        stage.function(given, rooms)

    def _along(self, stage: Along) -> None:
        outer, size = [self.size(one) for one in stage.outer], self.size(stage.size)

        def lines(view: View) -> Array:
            return self._strided(view.buffer, view.base, view.strides, [*outer, size])

        operands, target = [lines(view) for view in stage.operands], lines(stage.target)
        if stage.routine.startswith("search"):
            target = self._strided(stage.target.buffer, stage.target.base, stage.target.strides[:-1], outer)
            values = self._strided(
                stage.operands[1].buffer, stage.operands[1].base, stage.operands[1].strides[:-1], outer
            )
            for place in np.ndindex(*outer):
                target[place] = np.searchsorted(operands[0][place], values[place], stage.routine[7:])  # type: ignore[call-overload]
        elif stage.routine.endswith("_sum"):
            target = self._strided(stage.target.buffer, stage.target.base, stage.target.strides[:-1], outer)
            target[...] = REGISTRY[stage.routine].evaluate(AxisAttrs(len(outer)), *operands)
        elif stage.routine == "argsort":
            target[...] = np.argsort(operands[0], axis=-1, kind="stable")
        else:
            target[...] = REGISTRY[stage.routine].evaluate(AxisAttrs(len(outer)), *operands)

    # -- statements ------------------------------------------------------------------------------------------------
    def _position(self, offset: Offset) -> int:
        position = self.size(offset.base)
        position += sum(self.size(c) * self.index[axis] for axis, c in offset.axes)
        return position + sum(self.size(c) * int(self.env[value]) for value, c in offset.values)

    def _block(self, block: Sequence[Any]) -> None:
        for one in block:
            self._statement(one)

    def _statement(self, one: Any) -> None:
        if isinstance(one, Let):
            self.env[one.id] = _operation(one.op, [self.env[arg] for arg in one.args], one.dtype)
        elif isinstance(one, Const):
            self.env[one.id] = one.dtype.type(one.value)
        elif isinstance(one, IndexValue):
            self.env[one.id] = np.int64(self._position(one.offset))
        elif isinstance(one, Load):
            self.env[one.id] = self._element(one)
        elif isinstance(one, (Store, Scatter)):
            position = self._inside(one.buffer, one.offset)
            old = self.memory[one.buffer][position]
            self.memory[one.buffer][position] = old + self.env[one.value] if one.add else self.env[one.value]
        elif isinstance(one, For):
            self._loop(one)
        else:
            raise CompileError(f"the loop IR has no statement {type(one).__name__}")

    def _element(self, one: Load) -> Any:
        return self.memory[one.buffer][self._inside(one.buffer, one.offset)]

    def _inside(self, buffer: Buffer, offset: Offset) -> int:
        position = self._position(offset)
        if not 0 <= position < self.memory[buffer].size:
            raise CompileError(f"element {position} of {buffer.name}, which has {self.memory[buffer].size}")
        return position

    def _loop(self, loop: For) -> None:
        totals = [
            self.env[carry.outer] if carry.outer is not None else _neutral(carry.kind, carry.dtype)
            for carry in loop.carries
        ]
        outside = dict(self.env)
        for position in range(self.size(loop.axis.extent)):
            self.index[loop.axis] = position
            self.env.update((carry.id, total) for carry, total in zip(loop.carries, totals, strict=True))
            self._block(loop.body)
            totals = [
                self.env[carry.value] if carry.inner else _COMBINE[carry.kind](total, self.env[carry.value])
                for carry, total in zip(loop.carries, totals, strict=True)
            ]
        self.env = outside
        self.env.update((carry.id, total) for carry, total in zip(loop.carries, totals, strict=True))


def _neutral(kind: str, dtype: DType) -> Any:
    if kind in ("max", "min"):
        limits = np.iinfo(dtype) if dtype.kind == "i" else None
        low, high = (limits.min, limits.max) if limits else (-np.inf, np.inf)
        return dtype.type(low if kind == "max" else high)
    return dtype.type({"sum": 0, "prod": 1, "any": False, "all": True}[kind])


def _operation(op: str, args: Sequence[Any], dtype: DType) -> Any:
    if op == "cast":
        return np.asarray(args[0]).astype(dtype)[()]
    return np.asarray(REGISTRY[op].evaluate((), *args)).astype(dtype)[()]


def _inside(matrix: Array, band: Band | None) -> Array:
    """Where the band has entries."""
    rows, columns = matrix.shape[-2:]
    diagonal = np.arange(columns) - np.arange(rows)[:, None]
    return np.ones_like(diagonal, bool) if band is None else (band.low <= diagonal) & (diagonal <= band.high)
