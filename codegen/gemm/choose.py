"""Choices.  In: a product and a target.  Out: the way to compute it, tile shapes and block sizes, each with its reason.

A way may depend on what is known while generating, and none that rounds in another order on the number of rows: a row
computed alone has the bits that it has in a batch.  The one exception is a product known to be a single row against
contiguous columns of B, which is a matrix-vector product seen from the other side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from math import ceil, gcd, inf

from codegen.gemm.band import Band
from codegen.gemm.panel import Rows
from codegen.gemm.product import Operands, Product
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import Type, Value
from codegen.target import Target

__all__ = [
    "Blocking",
    "Condition",
    "Way",
    "any_rows",
    "band_share",
    "block",
    "exact_rows",
    "pack_a",
    "pack_b",
    "tile_rows",
    "way",
    "with_useful_bands",
]

Condition = bool | Value
LONG = 8  # vectors along k from which adding up their lanes in the end does not count
SMALL = 160  # multiply-adds of vectors that are written without loops
PAGE = 4096
TALL = 128  # rows for which a packed B is loaded often enough to make up for its misses
BLOCK = 64  # what an unknown k is taken for
WAYS = 8  # of the first cache: lines at the same place in different pages that it holds; a way is as large as a page


class Way(Enum):
    """How a product is computed; the swapped ways compute its transpose, which is a row or a column."""

    NOTHING = "C has no elements"
    DOTS = "one column, rows of A contiguous"
    SWAPPED_DOTS = "one row, columns of B contiguous"
    SWEEPS = "one row, rows of B contiguous"
    SWAPPED_SWEEPS = "one column, columns of A contiguous"
    OUTER = "one step of k"
    SMALL = "few multiply-adds"
    NARROW_COLUMNS = "few columns, columns of A contiguous"
    NARROW_ROWS = "few columns, rows of A contiguous and long"
    BLOCKED = "any other"


def way(product: Product, target: Target) -> Way:
    """The way of a canonical product."""
    m, n, k = product.m, product.n, product.k
    (a_row, a_col), (b_row, b_col) = product.a_strides, product.b_strides
    lanes = target.lanes(product.element.bits)
    narrow = _is_narrow(product, target)
    rules = (
        (0 in (m, n), Way.NOTHING),
        (n == 1 and a_col == b_row == 1, Way.DOTS),
        (narrow and a_col == 1 and k is not None and k >= LONG * lanes, Way.NARROW_ROWS),  # also of a single row
        (_vector_steps(product, target) <= SMALL, Way.SMALL),
        (m == 1 and b_col == 1, Way.SWEEPS),
        (n == 1 and a_row == product.c_row == 1, Way.SWAPPED_SWEEPS),
        (m == 1 and a_col == b_row == 1, Way.SWAPPED_DOTS),
        (k == 1 and b_col == 1, Way.OUTER),
        (narrow and a_row == 1, Way.NARROW_COLUMNS),
    )
    return next((found for holds, found in rules if holds), Way.BLOCKED)


def with_useful_bands(product: Product, target: Target) -> Product:
    """The product without bands, unless it is computed in a way that makes use of them."""
    if way(product.canonical, target) is Way.BLOCKED:
        return product
    return replace(product, a_band=None, b_band=None, c_band=None)


def _is_narrow(product: Product, target: Target) -> bool:
    """Whether columns as lanes would leave a quarter of the lanes empty, or more, while all columns have accumulators."""
    n, lanes = product.n, target.lanes(product.element.bits)
    if n is None or not 2 <= n <= accumulators(target):
        return False
    return 4 * n <= 3 * ceil(n / lanes) * lanes and (product.k is None or product.k > 1)


def _vector_steps(product: Product, target: Target) -> float:
    """Multiply-adds, or at least stores, of vectors in the whole product; infinite where a size is unknown."""
    if product.m is None or product.n is None or product.k is None:
        return inf
    return product.m * ceil(product.n / target.lanes(product.element.bits)) * max(1, product.k)


@dataclass(frozen=True)
class Blocking:
    """Tile and block sizes of a product.

    Attributes
    ----------
    lanes : int
        Lanes of a vector.
    vectors : int
        Vectors in a row of a full tile.
    group : int
        Rows of a full tile, and height of a packed panel of A.
    kc, mc, nc : int
        Block sizes.  While a panel of B (kc x one tile) is used again for every tile of a block of A (mc x kc), the
        block stays in the second cache, and a block of B (kc x nc) in the last.
    """

    lanes: int
    vectors: int
    group: int
    kc: int
    mc: int
    nc: int

    @property
    def width(self) -> int:
        """Columns of a full tile."""
        return self.vectors * self.lanes


KC = 512  # a longer k means less traffic with C: 512 is 1 to 4 % faster than 192, 256 or 384 at n = 1024, both types
DIRECT_KC = 1024  # where nothing is packed
_HEIGHTS = 24  # a multiple of the height of every tile: only the last block of rows has a tail


def accumulators(target: Target) -> int:
    """Registers for a tile of C; the rest hold B's vectors, A's broadcast and a mask."""
    return 24 if target.registers >= 32 else 12


def tile_rows(target: Target, vectors: int) -> int:
    """Rows of a full tile: as many as the registers hold.

    Tall tiles of one vector need no more than the chains that hide the latency of a multiply-add.
    """
    return accumulators(target) // vectors if vectors > 1 else 8


def _cycles(rows: int, vectors: int) -> float:
    """Of one step of k: two multiply-adds and two loads a cycle; a chain's next link starts after four."""
    return max(rows * vectors / 2, (rows + vectors) / 2, 4)


def band_share(product: Product, target: Target) -> Fraction:
    """Which part of its multiply-adds a product does, bands leaving out the others; tiles on an edge count whole."""
    share, blocking = Fraction(1), block(product.canonical, target)
    if product.n and (product.b_band is not None or product.c_band is not None):
        widths = [(c, min(blocking.width, product.n - c)) for c in range(0, product.n, blocking.width)]
        share *= sum((_share(product, *one) * one[1] for one in widths), Fraction(0)) / product.n
    if product.a_band is not None and product.m and product.k:
        band = Band(-product.a_band.high, -product.a_band.low)
        heights = [(r, min(blocking.group, product.m - r)) for r in range(0, product.m, blocking.group)]
        share *= Fraction(sum(band.rows_of(*one, product.k) * one[1] for one in heights), product.m * product.k)
    return share


def _share(product: Product, column: int, width: int) -> Fraction:
    """Which part of a panel's multiply-adds bands leave."""
    share = Fraction(1)
    for band, rows in ((product.b_band, product.k), (product.c_band, product.m)):
        if band is not None and rows:
            share *= Fraction(band.rows_of(column, width, rows), rows)
    return share


def _vectors(product: Product, lanes: int, target: Target) -> int:
    """Vectors in a row of a tile: what suits n, else the squarest shape, which needs the fewest loads."""
    n = product.n
    usual = 3 if target.registers >= 32 else 2
    if n is None:
        return usual
    total = max(1, ceil(n / lanes))

    def panel(vectors: int) -> float:
        rows = tile_rows(target, vectors)
        return _cycles(rows, vectors) / rows if vectors else 0

    def cost(vectors: int) -> float:
        whole, rest = divmod(total, vectors)
        panels = [vectors] * whole + [rest]
        firsts = [lanes * vectors * k for k in range(len(panels))]
        return sum(panel(one) * float(_share(product, c, lanes * one)) for c, one in zip(firsts, panels, strict=True))

    most = 4 if target.registers >= 32 else 3
    return min(range(1, most + 1), key=lambda vectors: (round(cost(vectors), 3), abs(vectors - usual)))


def block(product: Product, target: Target, *, packs: bool = True) -> Blocking:
    """Tile and block sizes; ``packs`` says whether an operand may be packed."""
    lanes = target.lanes(product.element.bits)
    vectors = _vectors(product, lanes, target)
    group = tile_rows(target, vectors)
    width, size = vectors * lanes, product.element.bytes
    kc = KC if packs else DIRECT_KC
    mc = max(1, target.l2 // 4 // (kc * size) // _HEIGHTS) * _HEIGHTS
    if product.m is not None and product.m * kc * size <= target.l2 // 2:
        mc = max(mc, product.m)  # one block of rows, all of which are cut as suits them
    nc = max(1, target.l3 // 16 // (kc * size) // width) * width
    return Blocking(lanes, vectors, group, kc, mc, nc)


def any_rows(full: int) -> Rows:
    """Full tiles, and a tail of powers of two for a number of rows known only at run time."""
    powers = [1 << bit for bit in reversed(range(full.bit_length())) if 1 << bit < full]
    return Rows(full, tuple(powers), False)


def exact_rows(m: int, full: int, vectors: int, *, movable: bool) -> Rows:
    """The cheapest cut of a known number of rows.

    A short last tile waits for its own chains; where the rows need not stay in packed groups (``movable``), it shares
    the rows of the tile before it instead: 8 rows by 6 are 4 + 4, not 6 + 2.
    """
    rest = m % full
    if m < full or not rest or not movable:
        return Rows(min(full, m), (rest,) if rest and m > full else (), True)
    half = (full + rest + 1) // 2
    shared = (half, full + rest - half)
    alone = _cycles(full, vectors) + _cycles(rest, vectors)
    if sum(_cycles(rows, vectors) for rows in shared) < alone:
        return Rows(full, shared, True)
    return Rows(full, (rest,), True)


def _both(f: Function, a: Condition, b: Condition) -> Condition:
    if isinstance(a, bool):
        return b if a else False
    if isinstance(b, bool):
        return a if b else False
    return f.binary("and", a, b)


def _any(f: Function, a: Condition, b: Condition) -> Condition:
    if isinstance(a, bool):
        return True if a else b
    if isinstance(b, bool):
        return True if b else a
    return f.binary("or", a, b)


def _more(f: Function, a: Int, b: int) -> Condition:
    return a > b if isinstance(a, int) else f.icmp("sgt", a, b)


def _bytes(f: Function, element: Type, rows: Int, columns: Int) -> Int:
    return f.mul(f.mul(rows, columns), element.bytes)


def _scattered(f: Function, stride: Int) -> Condition:
    return stride != 1 if isinstance(stride, int) else f.icmp("ne", stride, 1)


def pack_b(f: Function, element: Type, x: Operands) -> Condition:
    """Whether B is packed: always unless its columns are contiguous, and where unpacked operands strain the caches.

    Measured on squares, both types: unpacked is ahead while B, with an A whose rows are not contiguous, takes a quarter
    of the second cache, behind by 5 % at twice that.  Rows of B on different pages cost up to 20 % at any size.
    Packing costs as much as two multiply-adds a row, so few rows never pay for it.
    """
    limit, size = f.target.l2 // 4, _bytes(f, element, x.k, x.n)
    strained = _any(f, _more(f, size, limit), _more(f, f.mul(x.b_row, element.bytes), PAGE - 1))
    if x.a_col != 1:
        with_a = _more(f, f.add(size, _bytes(f, element, x.m, x.k)), limit)
        strained = _any(f, strained, _both(f, _scattered(f, x.a_col), _any(f, with_a, _collide(element, x))))
    return _any(f, _scattered(f, x.b_col), _both(f, strained, _more(f, x.m, 24)))


def _collide(element: Type, x: Operands) -> bool:
    """Whether the first cache cannot hold a vector of each row of B, and many rows of A load each."""
    if not isinstance(x.b_row, int) or not isinstance(x.m, int) or x.m < TALL:
        return False
    k = x.k if isinstance(x.k, int) else BLOCK
    return k * gcd(PAGE, x.b_row * element.bytes) > WAYS * PAGE


def pack_a(f: Function, element: Type, x: Operands, packed_b: Condition, width: int) -> Condition:
    """Whether A is packed: only with B, where enough columns use it, and sooner where its rows are not contiguous.

    Measured on squares: for contiguous rows it gains 1 to 2 % from half the second cache on and costs as much below;
    for others it is ahead from a quarter on, by 30 % at four times that.
    """
    size = _bytes(f, element, x.m, x.k)
    large = _more(f, size, f.target.l2 // 2)
    if x.a_col != 1:
        large = _any(f, large, _both(f, _scattered(f, x.a_col), _more(f, size, f.target.l2 // 4)))
    return _both(f, packed_b, _both(f, large, _more(f, x.n, 8 * width)))
