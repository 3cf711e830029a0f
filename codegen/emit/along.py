"""Work along one axis: running sums, accurate sums, sorting, searching.  In: stages of the loop IR.  Out: code in the kernel's body.

Running results are carried in a register; where the innermost outer axis is contiguous, its elements are the lanes.
Sorting and searching compare *keys*, int64 numbers in the order of the elements with NaN last and both zeros equal.
Sorting is a merge sort of pairs of key and position, from bottom up: stable, and every pass reads and writes in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from codegen.emit.summation import SUMS, sum_function
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import BYTE, I64, POINTER, Type, Value, constant
from codegen.lower.loopir import Along, View
from codegen.signature import element_type
from symgrad.dims import Size

__all__ = ["emit_along"]

SizeOf = Callable[[Size], Int]
Places = Sequence[Value]

_NAN_KEY = 2**63 - 1


def emit_along(f: Function, stage: Along, pointers: Mapping[str, Value], size_of: SizeOf) -> None:
    """The routine, once for each index of the outer axes (several at once where they are lanes)."""
    views = (*stage.operands, stage.target)
    elements = [element_type(view.buffer.dtype) for view in views]
    starts = [
        f.gep(pointers[view.buffer.name], size_of(view.base), element)
        for view, element in zip(views, elements, strict=True)
    ]
    lanes = _lanes(f, stage, views, elements)
    last = len(stage.outer) - 1

    def run(axis: int, places: Places, count: Value | None) -> None:
        if axis > last:
            _routine(f, stage, places, elements, size_of, pointers, lanes, count)
            return
        step = lanes if axis == last else 1
        extent = size_of(stage.outer[axis])
        with f.loop(0, extent, step) as loop:
            moved = [
                f.gep(place, f.mul(loop.index, size_of(view.strides[axis])), element)
                for view, place, element in zip(views, places, elements, strict=True)
            ]
            run(axis + 1, moved, f.i64(f.sub(extent, loop.index)) if step > 1 else None)

    run(0, starts, None)


def _lanes(f: Function, stage: Along, views: Sequence[View], elements: Sequence[Type]) -> int:
    """How many neighbours along the last outer axis run at once."""
    if stage.room is not None or stage.routine.startswith("search") or not stage.outer:
        return 1
    contiguous = all(isinstance(view.strides[-2], int) and view.strides[-2] == 1 for view in views)
    return f.target.lanes(elements[-1].bits) if contiguous else 1


def _routine(
    f: Function, stage: Along, places: Places, elements: Sequence[Type], size_of: SizeOf,
    pointers: Mapping[str, Value], lanes: int, count: Value | None,
) -> None:  # fmt: skip
    size = size_of(stage.size)
    strides = [size_of(view.strides[-1]) for view in (*stage.operands, stage.target)]
    if stage.room is not None:
        numbers = [f.i64(one) for one in (strides[0], strides[1], size)]
        f.call(_sort(f, elements[0]), [*places, pointers[stage.room.name], *numbers])
    elif stage.routine.startswith("search"):
        _search(f, stage.routine == "search_right", places, elements, strides[0], size)
    elif stage.routine in SUMS:
        name = sum_function(f.module, stage.routine, elements[0].with_lanes(lanes), strides[0] == 1)
        f.call(name, [*places, *(f.i64(one) for one in (strides[0], size, lanes if count is None else count))])
    else:
        _run(f, stage.routine, places, [one.with_lanes(lanes) for one in elements], strides, size, count)


# -- running results ------------------------------------------------------------------------------------------------
def _run(
    f: Function, routine: str, places: Places, kinds: Sequence[Type], strides: Sequence[Int], size: Int,
    count: Value | None,
) -> None:  # fmt: skip
    kind = kinds[-1]
    mask = None if count is None else f.lane_mask(0, count, kind.lanes)
    with f.loop(0, size, 1, [constant(_neutral(routine, kind), kind)]) as loop:
        at = [f.gep(place, f.mul(loop.index, stride), kind) for place, stride in zip(places, strides, strict=True)]
        given = [
            f.load(one, kind) if mask is None else f.masked_load(one, kind, mask, constant(0, kind)) for one in at[:-1]
        ]
        loop.next = [_next(f, routine, loop.values[0], given, loop.index)]
        if mask is None:
            f.store(loop.next[0], at[-1])
        else:
            f.masked_store(loop.next[0], at[-1], mask)


def _neutral(routine: str, kind: Type) -> float | int:
    """What the first element is combined with, so that it comes out unchanged."""
    if routine in ("cummax", "cummin"):
        sign = -1 if routine == "cummax" else 1
        if kind.is_float:
            return sign * float("inf")
        return -(2 ** (kind.bits - 1)) if sign < 0 else 2 ** (kind.bits - 1) - 1
    if routine == "cumprod":
        return 1
    return -0.0 if kind.is_float else 0


def _next(f: Function, routine: str, state: Value, given: Sequence[Value], index: Value) -> Value:
    floating, x = state.type.is_float, given[-1]
    if routine == "cumsum":
        return f.fadd(state, x) if floating else f.binary("add", state, x)
    if routine == "cumprod":
        return f.fmul(state, x) if floating else f.binary("mul", state, x)
    if routine == "recurrence":
        product = _next(f, "cumprod", state, given[:1], index)
        return f.select(f.icmp("eq", index, 0), x, _next(f, "cumsum", product, given, index))
    order = "ge" if routine == "cummax" else "le"
    if not floating:
        return f.select(f.icmp(f"s{order}", state, x), state, x)
    kept = f.binary("or", f.fcmp(f"o{order}", state, x), f.fcmp("uno", state, state))
    return f.select(kept, state, x)


# -- keys -----------------------------------------------------------------------------------------------------------
def _key(f: Function, x: Value) -> Value:
    """The element as an int64 in the same order: both zeros equal, every NaN the largest."""
    if not x.type.is_float:
        return x if x.type is I64 else f.convert("zext" if x.type is BYTE else "sext", x, I64)
    bits = f.convert("bitcast", f.fadd(x, 0.0), x.type.integer)  # -0.0 + 0.0 is 0.0
    wide = bits if bits.type is I64 else f.convert("sext", bits, I64)
    reversed_ = f.binary("lshr", f.binary("ashr", wide, 63), 65 - x.type.bits)  # negative numbers count backwards
    return f.select(f.fcmp("uno", x, x), constant(_NAN_KEY, I64), f.binary("xor", wide, reversed_))


# -- search ---------------------------------------------------------------------------------------------------------
def _search(f: Function, right: bool, places: Places, elements: Sequence[Type], stride: Int, size: Int) -> None:
    """Binary search by halving steps: a step is taken where the element before it is still in front of the value."""
    table, values, target = places
    value = _key(f, f.load(values, elements[1]))
    count = f.i64(size)
    bits = f.binary("sub", 64, f.emit(f"call i64 @llvm.ctlz.i64(i64 {count.text}, i1 false)", I64))
    f.module.declare("@llvm.ctlz.i64", "declare i64 @llvm.ctlz.i64(i64, i1)")
    with f.loop(0, bits, 1, [constant(0, I64)]) as loop:
        step = f.binary("shl", 1, f.binary("sub", f.binary("sub", bits, loop.index), 1))
        ahead = f.binary("add", loop.values[0], step)
        inside = f.icmp("sle", ahead, count)
        last = f.select(inside, f.binary("sub", ahead, 1), constant(0, I64))
        there = _key(f, f.load(f.gep(table, f.mul(last, stride), elements[0]), elements[0]))
        before = f.icmp("sle" if right else "slt", there, value)
        loop.next = [f.select(f.binary("and", inside, before), ahead, loop.values[0])]
    f.store(loop.values[0], target)


# -- sort -----------------------------------------------------------------------------------------------------------
def _sort(caller: Function, element: Type) -> str:
    """The function that writes the positions which sort a strided vector; ``room`` holds two keys and a position each."""
    name = f"argsort_{element.suffix}"
    if name in caller.module.functions:
        return name
    numbers = [(own, I64) for own in ("stride", "step", "count")]
    f = caller.module.function(
        name, [("x", POINTER), ("out", POINTER), ("room", POINTER), *numbers], attributes="noinline", distinct=True
    )
    count, room, step = f["count"], f["room"], f["step"]
    f.module.declare("@llvm.ctlz.i64", "declare i64 @llvm.ctlz.i64(i64, i1)")
    clear = f.emit(
        f"call i64 @llvm.ctlz.i64(i64 {f.binary('sub', f.intrinsic('smax', count, 1), 1).text}, i1 false)", I64
    )
    passes = f.binary("sub", 64, clear)
    keys = [room, f.gep(room, count, I64)]
    places = [f["out"], f.gep(room, f.mul(count, 2), I64)]
    steps: list[Value] = [step, constant(1, I64)]
    odd = f.icmp("ne", f.binary("and", passes, 1), 0)
    # Positions go back and forth between the result and the room, and must end in the result.
    sides = [_ordered(f, odd, pair) for pair in (keys, places, steps)]
    with f.loop(0, count) as loop:
        element_at = f.load(f.gep(f["x"], f.mul(loop.index, f["stride"]), element), element)
        f.store(_key(f, element_at), f.gep(sides[0][0], loop.index, I64))
        f.store(loop.index, f.gep(sides[1][0], f.mul(loop.index, sides[2][0]), I64))
    carried = [one for side in sides for one in side]
    with f.loop(0, passes, 1, carried) as loop:
        _merge_pass(f, loop.index, count, loop.values)
        loop.next = [loop.values[k ^ 1] for k in range(len(carried))]
    f.ret()
    return name


def _ordered(f: Function, swapped: Value, pair: Sequence[Value]) -> tuple[Value, Value]:
    first, second = pair
    return f.select(swapped, second, first), f.select(swapped, first, second)


def _merge_pass(f: Function, level: Value, count: Value, sides: Sequence[Value]) -> None:
    """Neighbouring runs of ``2**level`` pairs merged from one side's memory into the other's."""
    keys, new_keys, places, new_places, step, new_step = sides
    width = f.binary("shl", 1, level)
    with f.loop(0, count, f.mul(width, 2)) as runs:
        middle = f.intrinsic("smin", f.binary("add", runs.index, width), count)
        end = f.intrinsic("smin", f.binary("add", middle, width), count)
        with f.loop(runs.index, end, 1, [runs.index, middle]) as loop:
            i, j = loop.values
            # Positions beyond a run's end are read (they lie in the room) and not used.
            left, right = (f.load(f.gep(keys, one, I64), I64) for one in (i, j))
            beaten = f.binary("and", f.icmp("slt", j, end), f.icmp("slt", right, left))
            from_right = f.binary("or", f.icmp("sge", i, middle), beaten)
            taken = _chosen(f, from_right, j, i)
            f.store(_chosen(f, from_right, right, left), f.gep(new_keys, loop.index, I64))
            place = f.load(f.gep(places, f.mul(taken, step), I64), I64)
            f.store(place, f.gep(new_places, f.mul(loop.index, new_step), I64))
            moved = f.convert("zext", from_right, I64)
            loop.next = [f.binary("add", i, f.binary("sub", 1, moved)), f.binary("add", j, moved)]


def _chosen(f: Function, condition: Value, a: Value, b: Value) -> Value:
    """One of two numbers, by bit operations: LLVM makes branches of selects here, which random data mispredict."""
    mask = f.convert("sext", condition, I64)
    return f.binary("xor", b, f.binary("and", f.binary("xor", a, b), mask))
