"""erf and erfc.  In: reals of any format and lanes.  Out: the functions; no slow path.

erf(x) is x + x P(x²) up to 1 and 1 - exp(-x²) G beyond.  erfc(x) for positive x is exp(-x²) C/(x + c), where C is a
polynomial of (x - c)/(x + c) that changes little over the whole axis (Shepherd and Laframboise, *Chebyshev
approximation of (1 + 2x) exp(x²) erfc x*, Math. Comp. 36, 1981).
"""

from __future__ import annotations

from codegen.mathlib.double_word import fast_two_sum, two_product
from codegen.mathlib.exponential import halves, power_of_two, reduce_exp, reduce_exp_closely
from codegen.mathlib.real import Real, clamp, fma, polynomial, select, with_sign_of

__all__ = ["erf", "erfc"]


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
