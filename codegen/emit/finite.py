"""Whether a matrix holds finite numbers only.  In: its address, sizes and strides.  Out: a bool.

Zeros of one operand of a product may be left out only where the other's numbers are finite: zero times infinity is NaN.
Reading that operand once costs a small part of the product.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.gemm.columns import has_masks, masked_strip, whole_strip
from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import BOOL, I64, POINTER, Type, Value, constant

__all__ = ["emit_is_finite"]

_CHAINS = 4


def emit_is_finite(f: Function, element: Type, start: Value, rows: Int, columns: Int, stride: Int) -> Value:
    """Whether every number of some rows, each contiguous and ``stride`` elements after the one before, is finite."""
    name = f"is_finite_{element.suffix}"
    if name not in f.module.functions:
        _emit_function(f.module, name, element)
    if isinstance(stride, int) and stride == columns:
        rows, columns = 1, f.mul(rows, columns)
    found = f.call(name, [start, *map(f.i64, (rows, columns, stride))], BOOL)
    assert found is not None
    return found


def _emit_function(module: Module, name: str, element: Type) -> None:
    numbers = [(name, I64) for name in ("rows", "columns", "stride")]
    f = module.function(name, [("start", POINTER), *numbers], BOOL, attributes="noinline")
    kind = element.with_lanes(f.target.lanes(element.bits))
    with f.loop(0, f["rows"], 1, [constant(0, kind)] * _CHAINS) as rows:
        row = f.gep(f["start"], f.mul(rows.index, f["stride"]), element)
        rows.next = _row(f, kind, row, f["columns"], rows.values)
    total = rows.values[0]
    for chain in rows.values[1:]:
        total = f.fadd(total, chain)
    f.ret(f.binary("xor", f.any_lane(f.fcmp("uno", total, total)), constant(True, BOOL)))


def _row(f: Function, kind: Type, row: Value, columns: Value, totals: Sequence[Value]) -> list[Value]:
    """Sums of zero times each number, which are zero or NaN."""
    step = kind.lanes * len(totals)
    whole = f.sub(columns, f.remainder(columns, step))
    with f.loop(0, whole, step, totals) as loop:
        places = [f.gep(row, f.add(loop.index, k * kind.lanes), kind) for k in range(len(totals))]
        loop.next = [_added(f, f.load(place, kind), total) for place, total in zip(places, loop.values, strict=True)]
    first, *others = loop.values
    step = kind.lanes if has_masks(f.target) else 1
    with f.loop(whole, columns, step, [first]) as loop:
        strip = masked_strip(f, 0, kind, f.sub(columns, loop.index)) if step > 1 else whole_strip(kind.scalar)
        value = strip.load(f, f.gep(row, loop.index, kind))
        loop.next = [_added(f, value if step > 1 else f.splat(value, kind.lanes), loop.values[0])]
    return [loop.values[0], *others]


def _added(f: Function, value: Value, total: Value) -> Value:
    return f.fma(value, constant(0, value.type), total)
