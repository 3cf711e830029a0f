"""erf, erfc, erfcx and ndtr.  In: reals of any format and lanes.  Out: the functions; no slow path.

erf(x) is x + x P(x²) up to 1 and 1 - exp(-x²) G beyond.  erfc(x) for positive x is exp(-x²) C/(x + c), where C is a
polynomial of (x - c)/(x + c) that changes little over the whole axis (Shepherd and Laframboise, *Chebyshev
approximation of (1 + 2x) exp(x²) erfc x*, Math. Comp. 36, 1981).  erfcx(x) = exp(x²) erfc(x) is C/(x + c) up to where
its asymptotic series serves.  ndtr(x) is erfc(-x/√2)/2, whose left tail is exp(-x²/2) erfcx, with x² taken exactly.
"""

from __future__ import annotations

import math

from codegen.mathlib.double_word import fast_two_sum, two_product
from codegen.mathlib.exponential import exp, halves, power_of_two, reduce_exp, reduce_exp_closely, scale
from codegen.mathlib.real import Real, clamp, fma, horner, polynomial, select, with_sign_of

__all__ = ["erf", "erfc", "erfcx", "ndtr"]


def erf(x: Real) -> Real:
    a, z = abs(x), x * x
    small = fma(a, polynomial(z, x.table["erf_small"]), a)
    [center] = x.table["erf_center"]
    outer = clamp(a, 1.0, x.pick(6.0, 4.0))  # beyond: 1 to the last bit
    shifted, q = reduce_exp(-(outer * outer))
    power = power_of_two(shifted, x)
    tail = fma(q, power, power) * polynomial((outer - center) / (outer + center), x.table["erf_large"])
    return with_sign_of(select(a < 1.0, small, 1.0 - tail), x)


def _erfc_outer(a: Real) -> Real:
    """erfc from ½ on."""
    [center] = a.table["erfc_center"]
    divisor = a + center
    inverse = 1.0 / divisor
    first, second, *others = a.table["erfc"]
    t = fma(inverse, -2.0 * center, 1.0)  # (a - c)/(a + c)
    bend = fast_two_sum(a.number(first), fma(t, second, t * t * polynomial(t, others)))
    square, low = two_product(a, a)
    # what a², a + c and the quotient have lost, as a factor 1 + correction, which the exponential takes up
    correction = fma(divisor - center - a, inverse, -low)
    scaled = bend.high * inverse
    rest = bend.low * inverse
    if a.f.target.fma:
        correction = correction + fma(-divisor, inverse, 1.0)
        rest = rest + fma(bend.high, inverse, -scaled)
    shifted, q = reduce_exp_closely(-square, correction)
    raised, again, _ = halves(shifted, a)
    return (scaled + fma(q, scaled, rest)) * raised * again


def erfc(x: Real) -> Real:
    a, z = abs(x), x * x
    inner = 1.0 - fma(x, polynomial(z, x.table["erfc_small"]), x)
    outer = _erfc_outer(clamp(a, 0.5, x.pick(28.0, 10.5)))  # beyond: certainly 0
    return select(a < 0.5, inner, select(x < 0.0, 2.0 - outer, outer))


_ASYMPTOTIC = (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0)
"""erfcx(x) x √π as a series in 1/(2x²)."""


def _erfcx_positive(a: Real) -> Real:
    """From ½ on."""
    [center] = a.table["erfc_center"]
    far = a > a.pick(28.0, 10.5)
    near = select(far, 1.0, a)
    inverse = 1.0 / (near + center)
    t = fma(inverse, -2.0 * center, 1.0)
    outer = select(far, a, 30.0)
    reciprocal = 1.0 / outer
    series = reciprocal * (1 / math.sqrt(math.pi)) * horner(reciprocal * reciprocal * 0.5, _ASYMPTOTIC)
    return select(far, series, polynomial(t, a.table["erfc"]) * inverse)


def _exp_of_square(x: Real, factor: float) -> Real:
    """exp(factor x²) for a factor that is a power of two, perhaps negative."""
    square, low = two_product(x, x)
    return scale(reduce_exp_closely(square * factor, low * factor))


def erfcx(x: Real) -> Real:
    """exp(x²) (1 - erf(x)) around 0, 2 exp(x²) - erfcx(-x) on the left."""
    a, z = abs(x), x * x
    inner = exp(z) * (1.0 - fma(x, polynomial(z, x.table["erfc_small"]), x))
    outer = _erfcx_positive(clamp(a, 0.5))
    grown = _exp_of_square(clamp(a, high=x.pick(27.0, 9.5)), 1.0)
    return select(a < 0.5, inner, select(x < 0.0, grown * 2.0 - outer, outer))


def ndtr(x: Real) -> Real:
    a = abs(x)
    root = math.sqrt(0.5)
    s = x * root
    z = s * s
    inner = fma(fma(s, polynomial(z, x.table["erfc_small"]), s), 0.5, 0.5)
    bounded = clamp(a, 0.5, x.pick(39.0, 14.5))
    tail = _exp_of_square(bounded, -0.5) * 0.5 * _erfcx_positive(bounded * root)
    return select(a < 0.7, inner, select(x < 0.0, tail, 1.0 - tail))
