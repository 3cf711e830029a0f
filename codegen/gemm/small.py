"""Small products of known size.  In: operands whose sizes are all numbers.  Out: code without a loop.

Tiles are those of tile.py with k unrolled.  Where B's columns are not contiguous its vectors are built from single
elements, once for all tiles of a column group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from codegen.gemm import choose
from codegen.gemm.columns import Strip, has_masks, split
from codegen.gemm.product import Operands, Product
from codegen.gemm.tile import Addresses, Epilogue, Tile, emit_unrolled_tile
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import Value

__all__ = ["emit_small"]


def emit_small(f: Function, product: Product, x: Operands, epilogue: Epilogue | None) -> None:
    """Emit the whole product."""
    assert isinstance(x.m, int)
    assert isinstance(x.n, int)
    assert isinstance(x.k, int)
    element, blocking = product.element, choose.block(product, f.target)
    for column in range(0, x.n, blocking.width):
        count = min(blocking.width, x.n - column)
        shape = split(count, blocking.lanes, masks=has_masks(f.target))
        strips = shape.strips(f, element, count)
        b = f.gep(x.b, f.mul(column, x.b_col), element)
        if x.b_col == 1:
            source = [partial(_loaded, f, f.gep(b, f.mul(q, x.b_row), element), strips) for q in range(x.k)]
        else:
            rows_of_b = [_gathered(f, f.gep(b, f.mul(q, x.b_row), element), x.b_col, strips, count) for q in range(x.k)]
            source = [partial(list, row) for row in rows_of_b]
        rows = choose.exact_rows(x.m, choose.tile_rows(f.target, len(strips)), len(strips), movable=True)
        done = 0
        for height in rows.heights(x.m):
            a = f.gep(x.a, f.mul(done, x.a_row), element)
            c = f.gep(x.c, f.add(f.mul(done, x.c_row), column), element)
            at = Addresses(a, b, c, x.a_row, x.a_col, x.b_row, x.c_row)
            tile = Tile(done, column, height, strips, x.context)
            emit_unrolled_tile(f, element, tile, at, source, product.accumulate, epilogue)
            done += height


def _loaded(f: Function, row: Value, strips: Sequence[Strip]) -> list[Value]:
    return [strip.load(f, row) for strip in strips]


def _gathered(f: Function, row: Value, stride: Int, strips: Sequence[Strip], count: int) -> list[Value]:
    """The strips of a row of B whose elements are apart, one by one."""
    made = []
    for strip in strips:
        vector = None
        for lane in range(min(strip.kind.lanes, count - strip.offset)):
            scalar = f.load(f.gep(row, f.mul(strip.offset + lane, stride), strip.kind), strip.kind.scalar)
            vector = scalar if strip.kind.lanes == 1 else f.insert(vector, scalar, lane, strip.kind)
        assert vector is not None
        made.append(vector)
    return made
