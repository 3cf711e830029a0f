"""Products with few columns.  In: operands inside the product's function.  Out: its code.

A register tile has its lanes along the columns of C; with ten columns, a third of the lanes or more would be empty.
Here the lanes are along the other axis of A whose elements are contiguous, and every column has accumulators of its own:

* ``columns``: columns of A are contiguous.  Lanes are rows of C, which are put together in registers before they are
  stored.  Every element is one chain over ascending k, as in a register tile.
* ``rows``: rows of A are contiguous and long.  Lanes are along k, B is turned once, and the lanes of all accumulators of
  a row are added up together.  Every element is a sum of partial sums in a fixed order, the same for every row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen.gemm.columns import Strip, masked_strip, multiply_add, sweep_columns
from codegen.gemm.product import Operands
from codegen.llvm.builder import Function, Int
from codegen.llvm.rows import load_rows, store_rows
from codegen.llvm.types import Type, Value, constant

__all__ = ["emit_columns", "emit_rows", "rows_workspace"]

ROWS = 2  # of A, which share each load of B
VECTORS = 2  # of rows, at least, which share each element of B


def emit_columns(f: Function, element: Type, x: Operands, *, accumulate: bool, most: int) -> None:
    """``C (+)= A B`` for a known number of columns, where ``a_row`` is 1; ``most`` accumulators fit.

    Several vectors of rows share each element of B, so that few of the instructions are loads and enough sums run at
    once to hide the latency of a multiply-add; the columns take turns.
    """
    assert isinstance(x.n, int)
    lanes = f.target.lanes(element.bits)
    columns = range(x.n)
    turns = -(-x.n * VECTORS // most)
    group = -(-x.n // turns)
    done: Int = 0
    for vectors in dict.fromkeys((most // group, VECTORS)):
        until = f.sub(x.m, f.remainder(x.m, vectors * lanes))
        if until == done:
            continue
        strips = [Strip(0, element.with_lanes(lanes), None, lanes)] * vectors
        with f.loop(done, until, vectors * lanes) as loop:
            for first in columns[::group]:
                _column_block(f, element, x, loop.index, strips, columns[first : first + group], accumulate)
        done = until
    sweep_columns(f, element, done, x.m, lambda i, strip: _column_block(f, element, x, i, [strip], columns, accumulate))


def _column_block(
    f: Function, element: Type, x: Operands, i: Int, strips: Sequence[Strip], columns: range, accumulate: bool
) -> None:
    """Some columns of the rows from i on, a vector of rows for each strip."""
    starts: list[Value] = []
    targets = []
    for place, strip in _placed(f, i, strips):
        lanes = range(strip.kind.lanes)
        offsets = [f.mul(_inside(f, f.add(place, lane), x.m, strip), x.c_row) for lane in lanes]
        targets.append([f.gep(x.c, f.add(offset, columns[0]), element) for offset in offsets])
        zeros = [constant(0, strip.kind)] * len(columns)
        starts += load_rows(f, targets[-1], len(columns), element) if accumulate else zeros
    source = f.gep(x.a, i, element)
    with f.loop(0, x.k, 1, starts) as loop:
        loop.next = _step(f, element, x, source, loop.index, strips, columns, loop.values)
    for k, (strip, rows) in enumerate(zip(strips, targets, strict=True)):
        store_rows(f, rows, loop.values[k * len(columns) : (k + 1) * len(columns)], _guard(f, strip))


def _step(
    f: Function,
    element: Type,
    x: Operands,
    source: Value,
    k: Int,
    strips: Sequence[Strip],
    columns: range,
    before: Sequence[Value],
) -> list[Value]:
    """The sums after one more k.  Of A's vectors and B's elements, those that are fewer wait in registers for the others."""
    row = f.gep(source, f.mul(k, x.a_col), element)
    b = f.gep(x.b, f.mul(k, x.b_row), element)

    def vector(q: int) -> Value:
        place, strip = _placed(f, 0, strips)[q]
        return strip.load(f, f.gep(row, place, element))

    def factor(c: int) -> Value:
        one = f.load(f.gep(b, f.mul(columns[c], x.b_col), element), element)
        return f.splat(one, strips[0].kind.lanes)

    totals, count = list(before), len(columns)
    if len(strips) < count:
        vectors = [vector(q) for q in range(len(strips))]
        for c in range(count):
            other = factor(c)
            for q, one in enumerate(vectors):
                totals[q * count + c] = multiply_add(f, one, other, totals[q * count + c])
        return totals
    factors = [factor(c) for c in range(count)]
    for q in range(len(strips)):
        one = vector(q)
        for c, other in enumerate(factors):
            totals[q * count + c] = multiply_add(f, one, other, totals[q * count + c])
    return totals


def _placed(f: Function, i: Int, strips: Sequence[Strip]) -> list[tuple[Int, Strip]]:
    """Strips one behind the other from i on."""
    return [(f.add(i, k * strip.kind.lanes), strip) for k, strip in enumerate(strips)]


def _inside(f: Function, row: Int, count: Int, strip: Strip) -> Int:
    """The row, or the last one instead of those beyond it."""
    return row if strip.mask is None else f.minimum(row, f.sub(count, 1))


def _guard(f: Function, strip: Strip) -> Callable[[int, Callable[[], None]], None]:
    def guarded(lane: int, store: Callable[[], None]) -> None:
        if strip.mask is None or lane == 0:
            store()
        elif isinstance(strip.count, int):
            if lane < strip.count:
                store()
        else:
            with f.when(f.icmp("sgt", strip.count, lane)):
                store()

    return guarded


# -- lanes along k --------------------------------------------------------------------------------------------------
def rows_workspace(n: int, k: int, lanes: int) -> int:
    """Elements of the turned B: each column padded with zeros to whole vectors."""
    return n * -(-k // lanes) * lanes


def emit_rows(f: Function, element: Type, x: Operands, *, accumulate: bool, most: int) -> None:
    """``C (+)= A B`` for known numbers of columns and of k, where ``a_col`` is 1; ``most`` accumulators fit."""
    assert isinstance(x.n, int)
    assert isinstance(x.k, int)
    lanes = f.target.lanes(element.bits)
    length = -(-x.k // lanes) * lanes
    _turn(f, element, x, lanes, length)
    group = min(x.n, lanes, most // ROWS)
    count = -(-x.n // group)
    group = -(-x.n // count)  # equal groups
    for first in range(0, x.n, group):
        with f.loop(0, x.m, ROWS) as loop:
            rows = [loop.index, f.minimum(f.add(loop.index, 1), f.sub(x.m, 1))]  # beyond the last is the last again
            _products(f, element, x, rows, range(first, min(first + group, x.n)), length, accumulate)


def _turn(f: Function, element: Type, x: Operands, lanes: int, length: int) -> None:
    """The columns of B one behind the other in the workspace."""
    assert isinstance(x.n, int)
    assert isinstance(x.k, int)
    for j in range(x.n):
        for q in range(x.k, length):
            f.store(constant(0, element), f.gep(x.work, j * length + q, element))
    whole = x.k // lanes * lanes if isinstance(x.b_col, int) and x.b_col == 1 else 0
    if whole:
        with f.loop(0, whole, lanes) as loop:
            rows = [f.gep(x.b, f.mul(f.add(loop.index, lane), x.b_row), element) for lane in range(lanes)]
            for j, column in enumerate(load_rows(f, rows, x.n, element)):
                f.store(column, f.gep(f.gep(x.work, j * length, element), loop.index, element))
    with f.loop(whole, x.k) as loop:
        source = f.gep(x.b, f.mul(loop.index, x.b_row), element)
        for j in range(x.n):
            value = f.load(f.gep(source, f.mul(j, x.b_col), element), element)
            f.store(value, f.gep(f.gep(x.work, j * length, element), loop.index, element))


def _products(
    f: Function, element: Type, x: Operands, rows: Sequence[Int], columns: range, length: int, accumulate: bool
) -> None:
    """Some columns of some rows of C."""
    assert isinstance(x.k, int)
    lanes = f.target.lanes(element.bits)
    kind = element.with_lanes(lanes)
    sources = [f.gep(x.a, f.mul(row, x.a_row), element) for row in rows]
    whole = x.k // lanes * lanes
    totals = [constant(0, kind)] * (len(rows) * len(columns))

    def step(k: Int, strip: Strip, before: Sequence[Value]) -> list[Value]:
        a = [strip.load(f, f.gep(source, k, element)) for source in sources]
        b = [f.load(f.gep(f.gep(x.work, j * length, element), k, element), kind) for j in columns]
        pairs = [(one, other) for one in a for other in b]
        return [multiply_add(f, *pair, total) for pair, total in zip(pairs, before, strict=True)]

    with f.loop(0, whole, lanes, totals) as loop:
        loop.next = step(loop.index, Strip(0, kind, None, lanes), loop.values)
    totals = loop.values
    if whole < x.k:
        totals = step(whole, masked_strip(f, 0, kind, x.k - whole), totals)
    strip = masked_strip(f, 0, kind, len(columns)) if len(columns) < lanes else Strip(0, kind, None, lanes)
    sums = [_sums(f, totals[r * len(columns) : (r + 1) * len(columns)], lanes) for r in range(len(rows))]
    targets = [f.gep(f.gep(x.c, f.mul(row, x.c_row), element), columns[0], element) for row in rows]
    if accumulate:  # every row is read before one is written: the last one may be there twice
        before = [strip.load(f, target) for target in targets]
        sums = [_plus(f, one, other) for one, other in zip(before, sums, strict=True)]
    for own, target in zip(sums, targets, strict=True):
        strip.store(f, own, target)


def _sums(f: Function, vectors: Sequence[Value], lanes: int) -> Value:
    """A vector whose lane j is the sum over the lanes of vector j: pairs exchange lanes and are added, level by level."""
    level: list[Value | None] = [*vectors, *[None] * (lanes - len(vectors))]
    distance = 1
    while distance < lanes:
        low = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        high = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        following: list[Value | None] = []
        for a, b in zip(level[::2], level[1::2], strict=True):
            if a is None:
                following.append(None)
                continue
            other = a if b is None else b
            left, right = f.shuffle(a, other, low), f.shuffle(a, other, high)
            following.append(_plus(f, left, right))
        level = following
        distance *= 2
    (total,) = level
    assert total is not None
    return total


def _plus(f: Function, a: Value, b: Value) -> Value:
    return f.fadd(a, b) if a.type.is_float else f.binary("add", a, b)
