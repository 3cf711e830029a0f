"""erf, erfc, erfcx and ndtr.  In: reals of any format and lanes.  Out: the functions; no slow path.

erf(x) is x + x P(x²) up to 1 and 1 - exp(-x²) G beyond.  For positive x, erfc(x) is exp(-x²) C/(x + d), where C is a
polynomial of t = (x - c)/(x + c) (Shepherd and Laframboise, *Chebyshev approximation of (1 + 2x) exp(x²) erfc x*,
Math. Comp. 36, 1981).  C changes so little over the whole axis that the error of t hardly matters.  erfcx(x) =
exp(x²) erfc(x) is C/(x + d) up to where its asymptotic series serves.  ndtr(x) is erfc(-x/√2)/2, with a C of its own.

The exponentials are those of :func:`~codegen.mathlib.exponential.exp` at the rounded -x² and -x²/2, as the derivatives
write them: a compiler that meets both in one block computes one.  What rounding x² has lost is a factor close to 1.
"""

from __future__ import annotations

import math

from codegen.mathlib.double_word import two_product
from codegen.mathlib.exponential import exp, exp_with_loss, reduce_exp_closely, scale
from codegen.mathlib.real import Real, clamp, fma, horner, polynomial, select, with_sign_of

__all__ = ["erf", "erfc", "erfcx", "ndtr"]


def erf(x: Real) -> Real:
    a, z = abs(x), x.squared()
    small = fma(a, polynomial(z, x.table["erf_small"]), a)
    [center] = x.table["erf_center"]
    outer = clamp(a, 1.0, x.pick(6.0, 4.0))  # beyond: 1 to the last bit
    tail = exp(-z) * polynomial((outer - center) / (outer + center), x.table["erf_large"])
    return with_sign_of(select(a < 1.0, small, 1.0 - tail), x)


def _quotient(a: Real, name: str) -> tuple[Real, Real]:
    """C/(a + d), and the relative error of that where the machine can tell it."""
    center, shift = a.table[f"{name}_center"]
    t = 1.0 - 2.0 * center / (a + center)
    c, divisor = polynomial(t, a.table[name], 2), a + shift
    y = c / divisor
    if not a.f.target.fma:
        return y, a.number(0.0)
    lost = a - (divisor - shift)
    return y, fma(-y, lost, fma(-y, divisor, c)) * (1.0 / a.table[name][0])  # C is nearly constant


def _upper_tail(x: Real, name: str, exponent: Real, low: Real, last: float) -> Real:
    """exp(exponent - low) C/(|x| + d), which is 0 from ``last`` on."""
    quotient, error = _quotient(clamp(abs(x), high=last), name)
    power, lost = exp_with_loss(exponent)
    error = error + (lost - low)
    y = power * quotient
    return y + fma(error, y, fma(power, quotient, -y) if x.f.target.fma else 0.0)


def _lost_of_square(x: Real, last: float) -> Real:
    """What rounding x² loses; nothing that matters beyond ``last``."""
    a = clamp(abs(x), high=last)
    return two_product(a, a).low


def erfc(x: Real) -> Real:
    last = x.pick(28.0, 10.5)
    upper = _upper_tail(x, "erfc", -x.squared(), _lost_of_square(x, last), last)
    return select(x < 0.0, 2.0 - upper, upper)


_ASYMPTOTIC = (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0)
"""erfcx(x) x √π as a series in 1/(2x²)."""


def _erfcx_positive(a: Real) -> Real:
    far = a > a.pick(28.0, 10.5)
    outer = select(far, a, 30.0)
    reciprocal = 1.0 / outer
    series = reciprocal * (1 / math.sqrt(math.pi)) * horner(reciprocal * reciprocal * 0.5, _ASYMPTOTIC)
    near, error = _quotient(select(far, 1.0, a), "erfc")
    return select(far, series, fma(error, near, near))


def _exp_of_square(x: Real, factor: float) -> Real:
    """exp(factor x²) for a factor that is a power of two, perhaps negative."""
    square, low = two_product(x, x)
    return scale(reduce_exp_closely(square * factor, low * factor))


def erfcx(x: Real) -> Real:
    """2 exp(x²) - erfcx(-x) on the left."""
    outer = _erfcx_positive(abs(x))
    grown = _exp_of_square(clamp(x, -x.pick(27.0, 9.5), 0.0), 1.0)
    return select(x < 0.0, grown * 2.0 - outer, outer)


def ndtr(x: Real) -> Real:
    last = x.pick(39.0, 14.5)
    tail = _upper_tail(x, "ndtr", x.squared() * -0.5, _lost_of_square(x, last) * 0.5, last)
    return select(x > 0.0, 1.0 - tail, tail)
