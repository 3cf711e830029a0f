"""Pairwise and compensated sums.  In: a type of numbers, or of vectors of neighbouring problems.  Out: a function.

Where the numbers are contiguous, several partial sums run as lanes and are added up at the end by the same method.
Everything here is strict: fused or reordered, the corrections would vanish.
"""

from __future__ import annotations

from collections.abc import Callable

from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import I64, POINTER, Type, Value, constant

__all__ = ["SUMS", "sum_function"]

Load = Callable[[Int, Type], Value]  # the number at an index, or as many neighbours as the type has lanes

_BLOCK = 128  # numbers, or vectors, that are added up plainly
_CHAINS = 4  # sums within a block that do not wait for each other
_LEVELS = 64


def sum_function(module: Module, routine: str, kind: Type, dense: bool) -> str:
    """The name of ``void sum(x, out, stride, size, count)``, which sums ``size`` values of a type.

    Their first lanes are ``stride`` elements apart (1: ``dense``); the first ``count`` lanes exist.
    """
    name = f"{routine}_{kind.suffix}{'_dense' if dense else ''}"
    if name in module.functions:
        return name
    numbers = [(own, I64) for own in ("stride", "size", "count")]
    f = module.function(name, [("x", POINTER), ("out", POINTER), *numbers], attributes="noinline", distinct=True)
    mask = None if kind.lanes == 1 else f.lane_mask(0, f["count"], kind.lanes)
    stride: Int = 1 if dense else f["stride"]

    def load(index: Int, wanted: Type) -> Value:
        place = f.gep(f["x"], f.mul(index, stride), kind)
        return f.load(place, wanted, kind.scalar.bytes) if mask is None else f.masked_load(place, wanted, mask)

    with f.strict():
        total = SUMS[routine](f, load, f["size"], kind, module.target.lanes(kind.bits) if dense and mask is None else 1)
    if mask is None:
        f.store(total, f["out"])
    else:
        f.masked_store(total, f["out"], mask)
    f.ret()
    return name


# -- compensated ----------------------------------------------------------------------------------------------------
def _compensated(f: Function, load: Load, size: Value, kind: Type, lanes: int) -> Value:
    total = lost = constant(0.0, kind)
    done: Int = 0
    if lanes > 1:
        wide = kind.with_lanes(lanes)
        done = f.binary("and", size, -lanes)
        with f.loop(0, done, lanes, [constant(0.0, wide)] * 2) as loop:
            sums, errors = loop.values
            loop.next = list(_added(f, sums, errors, load(loop.index, wide)))
        for k in range(lanes):
            total, lost = _added(f, total, lost, f.extract(sums, k))
            lost = f.fadd(lost, f.extract(errors, k))
    with f.loop(done, size, 1, [total, lost]) as loop:
        total, lost = loop.values
        loop.next = list(_added(f, total, lost, load(loop.index, kind)))
    finite = f.fcmp("olt", f.fabs(total), float("inf"))  # the errors of other sums are NaN
    corrected = f.binary("and", finite, f.fcmp("une", lost, 0.0))
    return f.select(corrected, f.fadd(total, lost), total)


def _added(f: Function, total: Value, lost: Value, x: Value) -> tuple[Value, Value]:
    """Knuth's exact addition: the rounded sum, and the errors so far with that of this one."""
    new = f.fadd(total, x)
    own = f.fsub(new, total)
    error = f.fadd(f.fsub(total, f.fsub(new, own)), f.fsub(x, own))
    return new, f.fadd(lost, error)


# -- pairwise -------------------------------------------------------------------------------------------------------
def _pairwise(f: Function, load: Load, size: Value, kind: Type, lanes: int) -> Value:
    """A binary counter of partial sums: level k holds the sum of 2**k blocks where that bit of their number is set."""
    wide = kind.with_lanes(lanes) if lanes > 1 else kind
    length = _BLOCK * lanes
    blocks = f.binary("udiv", size, length)
    room = f.alloca(wide, _LEVELS)
    with f.loop(0, blocks) as block:
        value = _block(f, load, f.i64(f.mul(block.index, length)), length, wide, lanes)
        full = _zeros(f, "cttz", f.i64(f.add(block.index, 1)))
        with f.loop(0, full, 1, [value]) as level:
            level.next = [f.fadd(f.load(_level(f, room, level.index, wide), wide), level.values[0])]
        f.store(level.values[0], _level(f, room, full, wide))
    whole = f.binary("and", size, -lanes) if lanes > 1 else size
    with f.loop(f.mul(blocks, length), whole, lanes, [constant(0.0, wide)]) as rest:
        rest.next = [f.fadd(rest.values[0], load(rest.index, wide))]
    used = f.binary("sub", _LEVELS, _zeros(f, "ctlz", blocks))
    with f.loop(0, used, 1, [rest.values[0]]) as level:
        held = f.icmp("ne", f.binary("and", f.binary("lshr", blocks, level.index), 1), 0)
        below = level.values[0]
        level.next = [f.select(held, f.fadd(f.load(_level(f, room, level.index, wide), wide), below), below)]
    total = level.values[0]
    if lanes > 1:
        total = f.horizontal(f.fadd, total)
        with f.loop(whole, size, 1, [total]) as rest:
            rest.next = [f.fadd(rest.values[0], load(rest.index, kind))]
        total = rest.values[0]
    return total


def _block(f: Function, load: Load, start: Value, length: int, kind: Type, lanes: int) -> Value:
    """The plain sum of a whole block."""
    zeros = [constant(-0.0, kind)] * _CHAINS
    with f.loop(start, f.add(start, length), _CHAINS * lanes, zeros) as loop:
        loop.next = [f.fadd(value, load(f.add(loop.index, k * lanes), kind)) for k, value in enumerate(loop.values)]
    a, b, c, d = loop.values
    return f.fadd(f.fadd(a, b), f.fadd(c, d))


def _zeros(f: Function, which: str, number: Value) -> Value:
    """How many bits at one end are zero; all 64 where none is set."""
    f.module.declare(f"@llvm.{which}.i64", f"declare i64 @llvm.{which}.i64(i64, i1)")
    return f.emit(f"call i64 @llvm.{which}.i64(i64 {number.text}, i1 false)", I64)


def _level(f: Function, room: Value, level: Int, kind: Type) -> Value:
    return f.gep(room, f.mul(level, kind.lanes), kind)


SUMS = {"compensated_sum": _compensated, "pairwise_sum": _pairwise}
