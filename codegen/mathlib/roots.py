"""sqrt, cbrt, hypot.  In: reals of any format and lanes.  Out: the functions; no slow path."""

from __future__ import annotations

from codegen.mathlib.double_word import two_product
from codegen.mathlib.exponential import round_with_bits
from codegen.mathlib.formats import INFINITY
from codegen.mathlib.logarithm import split_exponent
from codegen.mathlib.real import Real, fma, polynomial, select, with_sign_of

__all__ = ["cbrt", "hypot", "sqrt"]


def sqrt(x: Real) -> Real:
    """The machine's own, which rounds correctly."""
    return x.sqrt()


def cbrt(x: Real) -> Real:
    """2^q (m 2^j)^(1/3), j in {-1, 0, 1}: a polynomial for m^(-1/3), then Newton steps, the last on the residue."""
    form, a = x.format, abs(x)
    k, m = split_exponent(a)
    q, bits = round_with_bits(k, 1.0 / 3.0)
    j = fma(q, -3.0, k)
    below, above = j < 0.0, j > 0.0
    root = 2.0 ** (1.0 / 3.0)
    w = polynomial(m, x.table["cbrt"]) * select(below, root, select(above, x.number(1.0 / root), 1.0))
    m = m * select(below, 0.5, select(above, x.number(2.0), 1.0))
    if form.is_double:
        w = fma(w, (1.0 - m * w * (w * w)) * (1.0 / 3.0), w)
    square = w * w
    y = m * square
    y_square, low = two_product(y, y)
    y_cubed, lower = two_product(y_square, y)
    residue = ((m - y_cubed) - lower) - low * y
    y = fma(residue, square * (1.0 / 3.0), y)
    power = ((bits + form.bias) << form.mantissa).real
    return with_sign_of(select((a > 0.0) & (a < INFINITY), y * power, a), x)


def hypot(x: Real, y: Real) -> Real:
    """√(x² + y²), scaled where the squares would leave the range."""
    ax, ay = abs(x), abs(y)
    smaller = ax < ay
    long, short = select(smaller, ay, ax), select(smaller, ax, ay)
    edge, by = x.pick(500, 50), x.pick(600, 100)
    up, down = long < 2.0**-edge, long > 2.0**edge
    factor = select(up, 2.0**by, select(down, x.number(2.0**-by), 1.0))
    back = select(up, 2.0**-by, select(down, x.number(2.0**by), 1.0))
    long, short = long * factor, short * factor
    length = fma(long, long, short * short).sqrt() * back
    return select(ax.equals(INFINITY), ax, select(ay.equals(INFINITY), ay, length))
