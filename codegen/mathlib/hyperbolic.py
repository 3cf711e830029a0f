"""sinh, cosh, tanh and their inverses.  In: reals of any format and lanes.  Out: the functions; no slow path.

All come from 2^n (1 + q) and from the logarithm of a sum with a correction, so that small results keep their digits
(Muller, *Elementary Functions*, ch. 10 and 11).
"""

from __future__ import annotations

import math

from codegen.mathlib.double_word import two_sum
from codegen.mathlib.exponential import halves, power_of_two, reduce_exp, reduce_exp_closely
from codegen.mathlib.formats import INFINITY, NAN
from codegen.mathlib.logarithm import log_of_sum
from codegen.mathlib.real import Real, clamp, fma, polynomial, select, with_sign_of

__all__ = ["arccosh", "arcsinh", "arctanh", "cosh", "sinh", "tanh"]


def tanh(x: Real) -> Real:
    """-E/(E + 2) with E = exp(-2|x|) - 1."""
    shifted, q = reduce_exp(clamp(abs(x) * -2.0, low=x.pick(-40.0, -20.0)))
    power = power_of_two(shifted, x)
    return with_sign_of(fma(power, q, power - 1.0) / fma(power, q, power + 1.0), x)


def sinh(x: Real) -> Real:
    """F + F/(2F + 1) with F = (exp|x| - 1)/2, which does not overflow before the result does."""
    form, a = x.format, abs(x)
    shifted, q = reduce_exp_closely(clamp(a, high=x.pick(711.0, 90.0)), 0.0)
    first, second, bits = halves(shifted, x)
    inverse = ((2 * form.bias - bits) << form.mantissa).real
    half = fma(q, first, first - inverse) * (second * 0.5)
    quotient = half / fma(half, 2.0, 1.0)
    y = half + select(quotient < 0.5, quotient, 0.5)  # also where both are infinite
    return with_sign_of(select(a < x.pick(2.0**-26, 2.0**-12), a, y), x)


def cosh(x: Real) -> Real:
    """H + 1/(4H) with H = exp|x|/2; the exponential is that of sinh, so that code with both computes one."""
    shifted, q = reduce_exp_closely(clamp(abs(x), high=x.pick(711.0, 90.0)), 0.0)
    first, second, _ = halves(shifted, x)
    half = fma(q, first, first) * (second * 0.5)
    return half + 0.25 / half


def _log_of_sum_or_double(u: Real, low: Real, x: Real) -> Real:
    """log(u + low), or log(2x) where x is so large that the formula for u has lost its meaning; nan and inf pass."""
    large = x > x.pick(2.0**28, 2.0**13)
    y = log_of_sum(select(large, x, u), select(large, 0.0, low))
    y = y + select(large, x.number(math.log(2.0)), 0.0)
    return select(x < INFINITY, y, x)


def arcsinh(x: Real) -> Real:
    """log1p(a + a²/(1 + √(1 + a²))) with a = |x|."""
    a = abs(x)
    square = a * a
    u, low = two_sum(1.0, a + square / ((square + 1.0).sqrt() + 1.0))
    return with_sign_of(_log_of_sum_or_double(u, low, a), x)


def arccosh(x: Real) -> Real:
    """log1p(t + √(2t + t²)) with t = x - 1."""
    t = x - 1.0
    u, low = two_sum(1.0, t + fma(t, t, t + t).sqrt())
    return select(x >= 1.0, _log_of_sum_or_double(u, low, x), NAN)


def arctanh(x: Real) -> Real:
    """atanh(s) - k log(2)/2, where 1 - a = 2^k d with d in [1, 2) and s = (1 + a - d)/(1 + a + d); s = a up to ½."""
    form, a = x.format, abs(x)
    small = a < 0.5
    rest, more = 1.0 - a, a + 1.0  # the first is exact where it is used
    anchor = 2.0**form.mantissa
    d = ((rest.bits & form.fraction_mask) | form.one).real
    k = ((rest.bits >> form.mantissa) | x.number(anchor).bits).real - (anchor + form.bias)
    k = select(small, 0.0, k)
    s = select(small, a, (more - d) / (more + d))
    z = s * s
    high, low = x.table["half_ln2_short"]
    y = fma(k, -high, s + fma(s * z, polynomial(z, x.table["arctanh"]), k * -low))
    return with_sign_of(select(a < 1.0, y, select(a.equals(1.0), x.number(INFINITY), NAN)), x)
