"""Products with one dimension of 1.  In: operands inside the product's function.  Out: its code.

They read every element of a matrix once, so what counts is to read it in the order of its memory:

* ``dots``: y = M x with contiguous rows of M.  Lanes are along k, and several rows share each load of x.  Every element
  is a sum of partial sums in a fixed order, which the number of rows does not change.
* ``sweeps``: y = x M with contiguous rows of M.  Lanes are along y, and several rows of M are added in one sweep over a
  strip of y that stays in the first cache.  Every element is one chain over ascending k, as in a register tile.
* ``outer``: C = x yᵀ, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.gemm.columns import Strip, has_masks, masked_strip, multiply_add, sweep_columns, whole_strip
from codegen.gemm.product import Operands
from codegen.gemm.tile import Epilogue, Tile
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import Type, Value, constant

__all__ = ["apply_epilogue", "emit_dots", "emit_outer", "emit_sweeps"]

STRIP_BYTES = 16 << 10  # of y: half the first cache
DOT_ROWS = 4  # share each load of x
DOT_CHAINS = 2  # of each row; with four rows they hide the latency of a multiply-add
SWEEP_ROWS = (8, 4, 1)  # of M in one sweep: y is loaded and stored once for eight multiply-adds


def emit_dots(f: Function, element: Type, x: Operands, *, accumulate: bool) -> None:
    """``c[i * c_row] = sum over k of a[i, k] b[k]`` where ``a_col`` and ``b_row`` are 1."""
    known = isinstance(x.m, int)
    rest = x.m % DOT_ROWS if isinstance(x.m, int) else 0
    whole = f.sub(x.m, rest)
    if whole != 0:
        with f.loop(0, whole, DOT_ROWS) as loop:
            rows = [f.add(loop.index, r) for r in range(DOT_ROWS)]
            if not known:  # beyond the last row is the last row again, computed and written more than once
                rows = [f.minimum(row, f.sub(x.m, 1)) for row in rows]
            _dots(f, element, x, rows, accumulate)
    if rest:
        _dots(f, element, x, [f.add(whole, r) for r in range(rest)], accumulate)


def _dots(f: Function, element: Type, x: Operands, rows: Sequence[Int], accumulate: bool) -> None:
    sums = _row_sums(f, element, [f.gep(x.a, f.mul(row, x.a_row), element) for row in rows], x.b, x.k)
    targets = [f.gep(x.c, f.mul(row, x.c_row), element) for row in rows]
    if accumulate:
        before = [f.load(target, element) for target in targets]
        sums = [_plus(f, a, b) for a, b in zip(before, sums, strict=True)]
    for value, target in zip(sums, targets, strict=True):
        f.store(value, target)


def _row_sums(f: Function, element: Type, rows: Sequence[Value], x: Value, k: Int) -> list[Value]:
    """Each row times x: vectors go to the accumulators of a row in turn, which are added at the end."""
    kind = element.with_lanes(f.target.lanes(element.bits))
    count, stride = len(rows), DOT_CHAINS * kind.lanes
    rest = f.remainder(k, stride)
    whole = f.sub(k, rest)
    sums = [constant(0, kind)] * (count * DOT_CHAINS)
    if whole != 0:
        strips = [Strip(chain * kind.lanes, kind, None, kind.lanes) for chain in range(DOT_CHAINS)]
        with f.loop(0, whole, stride, sums) as loop:
            loop.next = _add_products(f, strips, rows, x, loop.index, loop.values)
        sums = loop.values
    if has_masks(f.target):
        sums = _add_products(f, _rest_strips(f, kind, rest), rows, x, whole, sums)
    totals = sums[:count]
    for chain in range(1, DOT_CHAINS):
        totals = [_plus(f, a, b) for a, b in zip(totals, sums[chain * count :], strict=False)]
    totals = [f.horizontal(lambda a, b: _plus(f, a, b), total) for total in totals]
    if rest != 0 and not has_masks(f.target):
        with f.loop(whole, k, 1, totals) as loop:
            loop.next = _add_products(f, [whole_strip(element)], rows, x, loop.index, loop.values)
        totals = loop.values
    return totals


def _rest_strips(f: Function, kind: Type, rest: Int) -> list[Strip]:
    """What remains of k, a vector for each accumulator; where it is unknown any of them may be empty."""
    firsts = range(0, DOT_CHAINS * kind.lanes, kind.lanes)
    if not isinstance(rest, int):
        return [masked_strip(f, first, kind, rest) for first in firsts]
    whole = [Strip(first, kind, None, kind.lanes) for first in firsts if first + kind.lanes <= rest]
    first = len(whole) * kind.lanes
    return whole + ([masked_strip(f, first, kind, rest)] if rest > first else [])


def _add_products(
    f: Function, strips: Sequence[Strip], rows: Sequence[Value], x: Value, k: Int, sums: Sequence[Value]
) -> list[Value]:
    """``sums[c, r] += rows[r] * x``, lane by lane, with the vectors of ``strips[c]`` from k on."""
    result, count = list(sums), len(rows)
    for c, strip in enumerate(strips):
        factor = strip.load(f, f.gep(x, k, strip.kind))
        for r, row in enumerate(rows):
            a = strip.load(f, f.gep(row, k, strip.kind))
            result[c * count + r] = multiply_add(f, a, factor, result[c * count + r])
    return result


def _plus(f: Function, a: Value, b: Value) -> Value:
    return f.fadd(a, b) if a.type.is_float else f.binary("add", a, b)


def emit_sweeps(f: Function, element: Type, x: Operands, *, accumulate: bool) -> None:
    """The single row ``c[j] = sum over k of a[k] b[k, j]`` where ``b_col`` is 1."""
    strip = STRIP_BYTES // element.bytes
    with f.loop(0, x.n, strip) as strips:
        low = strips.index
        high = f.minimum(x.n, f.add(low, strip))
        if not accumulate:
            sweep_columns(f, element, low, high, lambda j, s: s.store(f, constant(0, s.kind), f.gep(x.c, j, element)))
        done: Int = 0
        for rows in SWEEP_ROWS:
            until = f.sub(x.k, f.remainder(x.k, rows))
            if until == done:
                continue
            with f.loop(done, until, rows) as loop:
                _sweep(f, element, x, loop.index, rows, low, high)
            done = until


def _sweep(f: Function, element: Type, x: Operands, k: Int, rows: int, low: Int, high: Int) -> None:
    """Add ``rows`` rows of B to a strip of C, in their order."""
    factors = [f.load(f.gep(x.a, f.mul(f.add(k, r), x.a_col), element), element) for r in range(rows)]
    sources = [f.gep(x.b, f.mul(f.add(k, r), x.b_row), element) for r in range(rows)]
    wide = {lanes: [f.splat(factor, lanes) for factor in factors] for lanes in (1, f.target.lanes(element.bits))}

    def add(j: Int, strip: Strip) -> None:
        target = f.gep(x.c, j, element)
        total = strip.load(f, target)
        lanes = strip.kind.lanes
        splats = wide.get(lanes) or [f.splat(factor, lanes) for factor in factors]
        for factor, source in zip(splats, sources, strict=True):
            total = multiply_add(f, factor, strip.load(f, f.gep(source, j, element)), total)
        strip.store(f, total, target)

    sweep_columns(f, element, low, high, add)


def emit_outer(f: Function, element: Type, x: Operands, epilogue: Epilogue | None, *, accumulate: bool) -> None:
    """``c[i, j] = a[i] b[j]`` where ``b_col`` is 1."""
    with f.loop(0, x.m) as rows:
        factor = f.load(f.gep(x.a, f.mul(rows.index, x.a_row), element), element)
        row = f.gep(x.c, f.mul(rows.index, x.c_row), element)

        def write(j: Int, strip: Strip) -> None:
            target = f.gep(row, j, element)
            start = strip.load(f, target) if accumulate else constant(0, strip.kind)
            b = strip.load(f, f.gep(x.b, j, element))
            values = [multiply_add(f, f.splat(factor, strip.kind.lanes), b, start)]
            if epilogue is not None:
                values = epilogue(f, Tile(rows.index, j, 1, (strip,), x.context), values)
            strip.store(f, values[0], target)

        sweep_columns(f, element, 0, x.n, write)


def apply_epilogue(f: Function, element: Type, x: Operands, epilogue: Epilogue) -> None:
    """Run an epilogue over C after the fact, for ways that do not end in a tile."""
    with f.loop(0, x.m) as rows:
        row = f.gep(x.c, f.mul(rows.index, x.c_row), element)

        def finish(j: Int, strip: Strip) -> None:
            target = f.gep(row, j, element)
            values = epilogue(f, Tile(rows.index, j, 1, (strip,), x.context), [strip.load(f, target)])
            strip.store(f, values[0], target)

        sweep_columns(f, element, 0, x.n, finish)
