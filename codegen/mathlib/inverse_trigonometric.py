"""arcsin, arccos, arctan, arctan2.  In: reals of any format and lanes.  Out: the functions; no slow path.

Each is c π/2 + p with c in {0, 1, 2}, where p is an odd polynomial of an argument reduced by one division or one
square root, with its sign (Muller, *Elementary Functions*, ch. 11); π/2 is added in two parts.
"""

from __future__ import annotations

from codegen.mathlib.formats import INFINITY
from codegen.mathlib.real import Mask, Real, clamp, fma, polynomial, select, with_sign_of

__all__ = ["arccos", "arcsin", "arctan", "arctan2"]


def _around(quarters: Real, leading: Real, small: Real) -> Real:
    """quarters π/2 + leading + small, for 0, 1 or 2 quarters."""
    high, low = quarters.table["half_pi"][:2]
    return fma(quarters, high, leading + fma(quarters, low, small))


def _arctan_around(quarters: Real, t: Real) -> Real:
    z = t * t
    return _around(quarters, t, t * z * polynomial(z, t.table["arctan"], last=2))


def arctan(x: Real) -> Real:
    """Beyond 1, π/2 - arctan(1/x)."""
    a = abs(x)
    large = a > 1.0
    t = select(large, -1.0, a) / select(large, a, 1.0)  # in this order nan reaches the quotient
    return with_sign_of(_arctan_around(select(large, x.number(1.0), 0.0), t), x)


def arctan2(y: Real, x: Real) -> Real:
    """Over the steep half, from the y axis; left of it, from the negative x axis: the quotient is at most 1."""
    form = x.format
    ay, ax = abs(y), abs(x)
    steep = ax < ay
    least = 2.0 ** (1 - form.bias - form.mantissa)
    divisor = select(steep, ay, with_sign_of(clamp(ax, low=least), x))  # 0/0 is 0 here
    quotient = select(steep, -x, ay) / divisor
    both = ax.equals(INFINITY) & ay.equals(INFINITY)
    quotient = select(both, with_sign_of(1.0, x), quotient)  # inf/inf is 1 here
    left = x.bits.is_negative()
    quarters = select(steep, 1.0, select(left, x.number(2.0), 0.0))
    return with_sign_of(_arctan_around(quarters, quotient), y)


def _arcsin_parts(x: Real) -> tuple[Mask, Real, Real]:
    """Whether |x| > ½; then z = (1 - |x|)/2 and 2 √z, else z = x² and |x|."""
    a = abs(x)
    large = a > 0.5
    z = select(large, (1.0 - a) * 0.5, a * a)
    root = z.sqrt()
    return large, z, select(large, root + root, a)


def _arcsin_around(quarters: Real, leading: Real, z: Real) -> Real:
    return _around(quarters, leading, leading * z * polynomial(z, z.table["arcsin"]))


def arcsin(x: Real) -> Real:
    """Beyond ½, π/2 - 2 arcsin √((1 - x)/2)."""
    large, z, leading = _arcsin_parts(x)
    y = _arcsin_around(select(large, x.number(1.0), 0.0), select(large, -leading, leading), z)
    return with_sign_of(y, x)


def arccos(x: Real) -> Real:
    """π/2 - arcsin(x); beyond ½, 2 arcsin √((1 - x)/2); below -½ the supplement."""
    large, z, leading = _arcsin_parts(x)
    left = select(x.bits.is_negative(), x.number(2.0), 0.0)
    toward = with_sign_of(leading, x)
    return _arcsin_around(select(large, left, 1.0), select(large, toward, -toward), z)
