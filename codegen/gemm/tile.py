"""A register tile.  In: addresses of the first row of A, of the first columns of B, of C.  Out: rows x strips of C.

The tile's elements stay in registers while k runs: per step one vector load for each strip of B, one broadcast load
for each row of A, and one fused multiply-add for each pair.  The loop over k is not unrolled: that gains nothing on
cores that reorder, and costs compile time.

Every element of C is one chain of fused multiply-adds over ascending k that starts from zero or from C itself.  The
result is therefore the same to the last bit for every blocking, packing and position in the matrix.

Work on the finished elements has one place, :func:`_finish`; work on the elements of A and B would have :func:`_step`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from codegen.gemm.columns import Strip, cheap_masked_stores, lanes_of, multiply_add
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import BOOL, I64, POINTER, Type, Value, constant

__all__ = ["Addresses", "Epilogue", "Tile", "emit_tile", "emit_unrolled_tile"]


@dataclass(frozen=True)
class Tile:
    """A block of C whose elements are in registers, as an epilogue sees it.

    ``values[i * len(strips) + j]`` holds the columns of ``strips[j]`` in row ``row + i``.

    Attributes
    ----------
    row, column : Int
        Place of the first element in C.
    rows : int
        Number of rows.
    strips : tuple of Strip
        The columns, from ``column`` on.
    context : Value
        The ``context`` pointer that the product's caller passed.
    """

    row: Int
    column: Int
    rows: int
    strips: tuple[Strip, ...]
    context: Value


Epilogue = Callable[[Function, Tile, list[Value]], list[Value]]


@dataclass(frozen=True)
class Addresses:
    """Where a tile finds its operands: the first element of each, and strides in elements."""

    a: Value
    b: Value
    c: Value
    a_row: Int
    a_col: Int
    b_row: Int
    c_row: Int


def emit_tile(
    f: Function,
    element: Type,
    tile: Tile,
    at: Addresses,
    k: Int,
    load: bool | Value,
    epilogue: Epilogue | None = None,
    last: bool | Value = True,
) -> None:
    """Compute a tile and write it.

    The accumulators begin with C where ``load`` holds, else with zero; the epilogue runs where ``last`` holds.
    """
    values = _initial(f, element, tile, at, load)
    with f.loop(0, k, 1, [at.a, at.b, *values]) as loop:  # LLVM derives the rows' addresses from the two that move
        a, b, *carried = loop.values
        columns = [strip.load(f, b) for strip in tile.strips]
        carried = _step(f, element, _rows(f, element, a, at.a_row, tile.rows), columns, carried)
        loop.next = [f.gep(a, at.a_col, element), f.gep(b, at.b_row, element), *carried]
    _finish(f, element, tile, at.c, at.c_row, loop.values[2:], epilogue, last)


def emit_unrolled_tile(
    f: Function,
    element: Type,
    tile: Tile,
    at: Addresses,
    rows_of_b: Iterable[Callable[[], list[Value]]],
    load: bool,
    epilogue: Epilogue | None = None,
) -> None:
    """The same without a loop; the functions give the vectors of one row of B each."""
    values = _initial(f, element, tile, at, load)
    for k, row_of_b in enumerate(rows_of_b):
        a = f.gep(at.a, f.mul(k, at.a_col), element)
        values = _step(f, element, _rows(f, element, a, at.a_row, tile.rows), row_of_b(), values)
    _finish(f, element, tile, at.c, at.c_row, values, epilogue)


def _rows(f: Function, element: Type, first: Value, stride: Int, rows: int) -> list[Value]:
    """Addresses of rows: displacements where the stride is known, else each from the one before, by one addition."""
    if isinstance(stride, int):
        return [f.gep(first, i * stride, element) for i in range(rows)]
    made = [first]
    for _ in range(rows - 1):
        made.append(f.gep(made[-1], stride, element))
    return made


def _step(
    f: Function, element: Type, rows: Sequence[Value], columns: Sequence[Value], values: Sequence[Value]
) -> list[Value]:
    """One value of k: ``values[i, j] += a[i] * columns[j]``, with a[i] at ``rows[i]``."""
    widest = max(column.type.lanes for column in columns)
    result: list[Value] = []
    left = iter(values)
    for row in rows:
        whole = f.splat(f.load(row, element), widest)
        result += [multiply_add(f, lanes_of(f, whole, 0, column.type.lanes), column, next(left)) for column in columns]
    return result


def _initial(f: Function, element: Type, tile: Tile, at: Addresses, load: bool | Value) -> list[Value]:
    """Zero, or C itself; a row of zeros stands in for C where that is decided at run time, which saves a branch."""
    if load is False:
        return [constant(0, strip.kind) for _ in range(tile.rows) for strip in tile.strips]
    start, stride = at.c, at.c_row
    if isinstance(load, Value):
        zeros = Value(f.module.table("gemm_zeros", [0] * 32, I64), POINTER)
        start, stride = f.select(load, at.c, zeros), f.select(load, f.i64(at.c_row), f.i64(0))
    return [strip.load(f, row) for row in _rows(f, element, start, stride, tile.rows) for strip in tile.strips]


def _finish(
    f: Function,
    element: Type,
    tile: Tile,
    c: Value,
    c_row: Int,
    values: list[Value],
    epilogue: Epilogue | None = None,
    last: bool | Value = True,
) -> None:
    """Run the epilogue, the one place for it, and write a tile whose first element is at ``c``."""
    if epilogue is not None and last is not False:
        done = epilogue
        if isinstance(last, Value):
            assert last.type is BOOL
            values = f.either(last, lambda: done(f, tile, values), lambda: values)
        else:
            values = done(f, tile, values)
    _write(f, element, tile, c, c_row, values)


def _write(f: Function, element: Type, tile: Tile, c: Value, c_row: Int, values: Sequence[Value]) -> None:
    """Store a tile.  A run-time number of columns that fills the vector is stored plainly: half the time of masks."""

    def write(strips: Sequence[Strip], chosen: Sequence[Value]) -> list[Value]:
        left = iter(chosen)
        for row in _rows(f, element, c, c_row, tile.rows):
            for strip in strips:
                strip.store(f, next(left), row)
        return []

    *others, last = tile.strips
    if last.mask is None or isinstance(last.count, int):
        write(tile.strips, values)
    elif cheap_masked_stores(f.target):
        whole = f.icmp("sge", last.count, last.kind.lanes)
        plain = [*others, replace(last, mask=None)]
        f.either(whole, lambda: write(plain, values), lambda: write(tile.strips, values))
    else:
        count = len(tile.strips)
        write(others, [value for k, value in enumerate(values, 1) if k % count])
        _write_lanes(f, element, f.gep(c, last.offset, element), c_row, values[count - 1 :: count], last.count)


def _write_lanes(f: Function, element: Type, c: Value, c_row: Int, values: Sequence[Value], count: Value) -> None:
    """Store the first lanes of one vector a row: for each bit of their number a branch for all rows."""

    def store(width: int) -> None:
        for row, value in zip(_rows(f, element, c, c_row, len(values)), values, strict=True):
            f.store(lanes_of(f, value, 0, width), row)

    def halves(width: int, first: int) -> list[Value]:
        if first:
            store(width)
        return [f.gep(c, first, element), *(lanes_of(f, value, first, width) for value in values)]

    width = values[0].type.lanes
    with f.when(f.icmp("sge", count, width)):
        store(width)
    while width > 2:
        width //= 2
        bit = f.icmp("ne", f.binary("and", count, width), 0)
        c, *values = f.either(bit, partial(halves, width, width), partial(halves, width, 0))
    with f.when(f.icmp("ne", f.binary("and", count, 1), 0)):
        store(1)
