"""Rare lanes and absent functions.  In: lanes that the inline code does not cover.  Out: their values.

:func:`per_lane` calls libm for every lane.  :func:`recompute` and :func:`replace` are for rare lanes: one unlikely
branch to a cold function of the module, made once and shared by all call sites, which leaves the other lanes their
bits.  The first calls libm for the flagged lanes, the second runs other inline code.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

from codegen.llvm.builder import Function, Module
from codegen.llvm.types import Type, Value, vector
from codegen.mathlib.real import Mask, Real

__all__ = ["Rare", "per_lane", "recompute", "replace"]


def _libm(f: Function, symbol: str, args: Sequence[Value]) -> Value:
    kind = args[0].type
    name = symbol if kind.element == "double" else f"{symbol}f"
    made = f.call(name, args, kind, declare=True)
    assert made is not None
    return made


def per_lane(f: Function, symbol: str, *args: Value) -> Value:
    """libm's ``symbol`` (``sinf`` for ``sin`` of floats) of each lane, called one after another."""
    kind = args[0].type
    if kind.lanes == 1:
        return _libm(f, symbol, args)
    total: Value | None = None
    for lane in range(kind.lanes):
        total = f.insert(total, _libm(f, symbol, [f.extract(arg, lane) for arg in args]), lane, kind)
    assert total is not None
    return total


class Rare(NamedTuple):
    """A value of which libm's ``symbol`` of the arguments replaces the flagged lanes."""

    flagged: Mask
    fast: Real
    symbol: str
    args: tuple[Real, ...]


def recompute(values: Sequence[Rare]) -> list[Real]:
    """The values, with their flagged lanes replaced: one branch for all of them."""
    masks = list({one.flagged.value.text: one.flagged for one in values}.values())
    flagged = functools.reduce(operator.or_, masks)
    return _branch(flagged, [one.fast for one in values], lambda: [_recomputed(one) for one in values])


def _recomputed(rare: Rare) -> Value:
    f, fast = rare.flagged.f, rare.fast.value
    args = [arg.value for arg in rare.args]
    lanes = fast.type.lanes
    if lanes == 1:
        return f.select(rare.flagged.value, _libm(f, rare.symbol, args), fast)
    mask = f.convert("bitcast", rare.flagged.value, vector(f"i{lanes}", 1))
    body = functools.partial(_loop_over_lanes, symbol=rare.symbol)
    return _call_cold(f, rare.symbol, [fast, mask, *args], body)


def replace(flagged: Mask, fast: Real, name: str, formula: Callable[[Real], Real], x: Real) -> Real:
    """``fast``, with the flagged lanes replaced by those of another formula, which is emitted out of line."""
    f = fast.f

    def body(own: Function) -> None:
        own.flags = ""
        other = formula(Real(own, own["x0"])).value
        own.ret(own.select(own["mask"], other, own["fast"]))

    [merged] = _branch(flagged, [fast], lambda: [_call_cold(f, name, [fast.value, flagged.value, x.value], body)])
    return merged


def _branch(flagged: Mask, fast: Sequence[Real], slow: Callable[[], list[Value]]) -> list[Real]:
    f = flagged.f
    merged = f.either(f.any_lane(flagged.value), slow, lambda: [one.value for one in fast], unlikely=True)
    return [Real(f, one) for one in merged]


def _call_cold(f: Function, stem: str, args: Sequence[Value], body: Callable[[Function], None]) -> Value:
    """Call the module's cold function for this result and mask and arguments; make it at its first use."""
    kind = args[0].type
    name = f"mathlib.{stem}.{kind.suffix}"
    if name not in f.module.functions:
        _make(f.module, name, kind, args, body)
    made = f.call(name, args, kind)
    assert made is not None
    return made


def _make(module: Module, name: str, kind: Type, args: Sequence[Value], body: Callable[[Function], None]) -> None:
    own = ["fast", "mask", *(f"x{k}" for k in range(len(args) - 2))]
    types = [arg.type for arg in args]
    body(module.function(name, list(zip(own, types, strict=True)), kind, attributes="noinline cold"))


def _loop_over_lanes(f: Function, symbol: str) -> None:
    """The body of a cold function whose mask is an integer with one bit for each lane."""
    kind, mask = f["fast"].type, f["mask"]
    result, places = f.alloca(kind), []
    f.store(f["fast"], result)
    for name, value in f.parameters.items():
        if name not in ("fast", "mask"):
            places.append(f.alloca(kind))
            f.store(value, places[-1])
    with f.loop(0, kind.lanes) as lane:
        count = lane.index if mask.type.bits == 64 else f.convert("trunc", lane.index, mask.type)
        with f.when(f.icmp("ne", f.binary("and", f.binary("lshr", mask, count), 1), 0)):
            args = [f.load(f.gep(place, lane.index, kind), kind.scalar) for place in places]
            f.store(_libm(f, symbol, args), f.gep(result, lane.index, kind))
    f.ret(f.load(result, kind))
