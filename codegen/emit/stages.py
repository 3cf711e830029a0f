"""Stages other than nests.  In: fills, copies, checks, guards and products of the loop IR.  Out: code in the kernel's body."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from codegen.emit.finite import emit_is_finite
from codegen.gemm import Product as Kernel
from codegen.gemm import emit_product, with_useful_bands, workspace_bytes
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import BOOL, I32, I64, POINTER, Type, Value, constant
from codegen.lower.loopir import Call, Check, Copy, Fill, Product, View
from codegen.signature import element_type
from codegen.target import Target
from symgrad.dims import Size

__all__ = [
    "emit_call",
    "emit_check",
    "emit_copy",
    "emit_fill",
    "emit_product_stage",
    "product_kernel",
    "product_workspace",
]

SizeOf = Callable[[Size], Int]

_BEYOND = 1 << 40  # more diagonals than any matrix has


def emit_fill(f: Function, stage: Fill, pointer: Value, size_of: SizeOf) -> None:
    """A buffer set to zero."""
    count = f.i64(f.mul(size_of(stage.buffer.size), stage.buffer.dtype.itemsize))
    f.module.declare("@llvm.memset.p0.i64", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    f.line(f"call void @llvm.memset.p0.i64(ptr {pointer.text}, i8 0, {count.typed}, i1 false)")


def emit_copy(f: Function, stage: Copy, source: Value, target: Value, size_of: SizeOf) -> None:
    """A buffer copied to another."""
    count = f.i64(f.mul(size_of(stage.source.size), stage.source.dtype.itemsize))
    f.module.declare("@llvm.memcpy.p0.p0.i64", "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    f.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target.text}, ptr {source.text}, {count.typed}, i1 false)")


def emit_call(f: Function, stage: Call, pointers: Mapping[str, Value], size_of: SizeOf) -> Value:
    """The status of a function of the host."""
    inputs = _listed(f, [pointers[one.name] for one in stage.inputs], POINTER)
    outputs = _listed(f, [pointers[one.name] for one in stage.outputs], POINTER)
    sizes = _listed(f, [f.i64(size_of(size)) for kind in stage.types for size in kind.shape], I64)
    arguments = ", ".join(one.typed for one in (f[f"context{stage.position}"], inputs, outputs, sizes))
    return f.emit(f"call i32 {f[f'call{stage.position}'].text}({arguments})", I32)


def _listed(f: Function, values: Sequence[Value], kind: Type) -> Value:
    """An array of values on the stack."""
    room = f.alloca(kind, max(1, len(values)), 8)
    for k, value in enumerate(values):
        f.store(value, f.gep(room, k, kind))
    return room


# -- index checks ---------------------------------------------------------------------------------------------------
def emit_check(f: Function, stage: Check, pointer: Value, size_of: SizeOf) -> Value:
    """Whether an index lies outside its axis."""
    element = element_type(stage.buffer.dtype)
    limit = f.i64(size_of(stage.size))
    low, high = f.binary("sub", constant(0, I64), limit), limit
    start = f.gep(pointer, size_of(stage.base), element)

    def scan(axis: int, position: Value, bad: Value) -> Value:
        if axis == len(stage.shape):
            return f.binary("or", bad, _outside(f, f.load(position, element), low, high))
        with f.loop(0, size_of(stage.shape[axis]), 1, [bad]) as loop:
            own = f.gep(position, f.mul(loop.index, size_of(stage.strides[axis])), element)
            loop.next = [scan(axis + 1, own, loop.values[0])]
        return loop.values[0]

    dense = _dense_count(stage)
    if dense is not None:
        return _scan_dense(f, start, size_of(dense), element, low, high)
    return scan(0, start, constant(False, BOOL))


def _outside(f: Function, index: Value, low: Value, high: Value) -> Value:
    lanes = index.type.lanes
    wide = f.convert("sext", index, I64.with_lanes(lanes)) if index.type.element == "i32" else index
    below = f.icmp("slt", wide, f.splat(low, lanes))
    return f.binary("or", below, f.icmp("sge", wide, f.splat(high, lanes)))


def _dense_count(stage: Check) -> Size | None:
    """Number of elements, where they are one behind the other."""
    step: Size = 1
    for size, stride in zip(reversed(stage.shape), reversed(stage.strides), strict=True):
        if not (stride is step or (isinstance(stride, int) and isinstance(step, int) and stride == step)):
            return None
        step = step * size
    return step


def _scan_dense(f: Function, start: Value, count: Int, element: Type, low: Value, high: Value) -> Value:
    lanes = f.target.lanes(64)
    kind = element.with_lanes(lanes)
    with f.loop(0, count, lanes, [constant(False, BOOL.with_lanes(lanes))]) as loop:
        mask = f.lane_mask(loop.index, count, lanes)
        index = f.masked_load(f.gep(start, loop.index, element), kind, mask, constant(0, kind))
        bad = f.binary("and", mask, _outside(f, index, low, high))
        loop.next = [f.binary("or", loop.values[0], bad)]
    return f.any_lane(loop.values[0])


# -- products -------------------------------------------------------------------------------------------------------
def product_kernel(stage: Product, target: Target) -> Kernel:
    """The matrix-product kernel that a stage needs."""

    def static(size: Size) -> int | None:
        return size if isinstance(size, int) else None

    a, b, c = (view.strides[len(stage.batch) :] for view in (stage.a, stage.b, stage.c))
    kernel = Kernel(
        element=element_type(stage.c.buffer.dtype),
        m=static(stage.m),
        n=static(stage.n),
        k=static(stage.k),
        a_strides=(static(a[0]), static(a[1])),
        b_strides=(static(b[0]), static(b[1])),
        c_row=static(c[0]),
        accumulate=stage.accumulate,
        a_band=stage.a_band if any(_is(stride, 1) for stride in b) else None,  # of the other operand, rows are read
        b_band=stage.b_band if any(_is(stride, 1) for stride in a) else None,
        c_band=stage.c_band,
    )
    return with_useful_bands(kernel, target)


def product_workspace(stage: Product, target: Target) -> int:
    """Bytes of scratch memory that a product needs."""
    return int(workspace_bytes(product_kernel(stage, target), target))


def emit_product_stage(
    f: Function, stage: Product, pointers: Mapping[str, Value], size_of: SizeOf, work: Value
) -> None:
    """The product, once for each index of the loops around it."""
    kernel = product_kernel(stage, f.target)
    name = emit_product(f.module, kernel)
    views = (stage.a, stage.b, stage.c)
    starts = [f.gep(pointers[view.buffer.name], size_of(view.base), element_type(view.buffer.dtype)) for view in views]
    outer = len(stage.batch)
    numbers = [stage.m, stage.n, stage.k, *stage.a.strides[outer:], *stage.b.strides[outer:], stage.c.strides[outer]]
    factors = [view for view, zeros in ((stage.a, kernel.b_band), (stage.b, kernel.a_band)) if zeros is not None]
    fixed = all(_is(stride, 0) for view in factors for stride in view.strides[:outer])
    slack = _slack(f, stage, kernel, starts, size_of) if fixed else []

    def run(axis: int, places: Sequence[Value]) -> None:
        if axis < outer:
            with f.loop(0, size_of(stage.batch[axis])) as loop:
                moved = [_moved(f, view, axis, at, loop.index, size_of) for view, at in zip(views, places, strict=True)]
                run(axis + 1, moved)
            return
        own = slack if fixed else _slack(f, stage, kernel, places, size_of)
        f.call(name, [*places, *(f.i64(size_of(one)) for one in numbers), work, Value("null", POINTER), *own])

    run(0, starts)


def _moved(f: Function, view: View, axis: int, place: Value, index: Value, size_of: SizeOf) -> Value:
    return f.gep(place, f.mul(index, size_of(view.strides[axis])), element_type(view.buffer.dtype))


def _slack(f: Function, stage: Product, kernel: Kernel, places: Sequence[Value], size_of: SizeOf) -> list[Value]:
    """By how much bands are wider, if there are any: by nothing where all that their zeros are multiplied by is finite."""
    if not kernel.skips:
        return []
    finite: Value = constant(True, BOOL)
    for zeros, place, view, rows, columns in (
        (kernel.b_band, places[0], stage.a, stage.m, stage.k),
        (kernel.a_band, places[1], stage.b, stage.k, stage.n),
    ):
        if zeros is not None and kernel.element.is_float:
            row, column = view.strides[len(stage.batch) :]
            lines = (rows, columns, row) if _is(column, 1) else (columns, rows, column)
            found = emit_is_finite(f, kernel.element, place, *map(size_of, lines))
            finite = f.binary("and", finite, found)
    return [f.select(finite, f.i64(0), f.i64(_BEYOND))]


def _is(size: Size, number: int) -> bool:
    return isinstance(size, int) and size == number
