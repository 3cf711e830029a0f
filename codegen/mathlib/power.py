"""power.  In: two reals of one format.  Out: x to the y; libm for infinite, subnormal and nan operands, huge exponents.

In double, log2 x is found to about 65 bits as an unevaluated sum, so that even y log2 x near 1000 leaves its fraction
exact enough (the plan of fdlibm's e_pow.c, with atanh as the series).  Floats are computed in double.
"""

from __future__ import annotations

from codegen.mathlib.double_word import Pair, fast_two_sum, multiply, two_product
from codegen.mathlib.exponential import Reduced, power_of_two, round_with_bits, scale
from codegen.mathlib.fallback import Rare, recompute
from codegen.mathlib.formats import INFINITY, NAN
from codegen.mathlib.logarithm import split_normal
from codegen.mathlib.real import Real, clamp, fma, polynomial, select

__all__ = ["log2_pair", "power"]

_PARITY = 2.0**51  # below it, adding the magic number rounds to an integer and shows whether it is odd
_BEYOND = 1100.0  # powers of two beyond are 0 or infinite in either format


def atanh_of_quotient(m: Real) -> Pair:
    """atanh((m - 1)/(m + 1)) to about 66 bits, for m in [√½, √2)."""
    f, divisor = m - 1.0, m + 1.0
    divisor_low = f - (divisor - 2.0)
    inverse = 1.0 / divisor
    s = f * inverse
    # the residue of the division; f - s divisor is exact in pairs
    product, low = two_product(s, divisor)
    s_low = (((f - product) - low) - s * divisor_low) * inverse
    z, z_low = two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    third, third_low = m.table["third"]
    high, tail = multiply(Pair(z, z_low), (third, third_low))
    u = fast_two_sum(high, fma(z * z, polynomial(z, m.table["power_log"]), tail))
    v, v_low = multiply(Pair(s, s_low), u)
    total = fast_two_sum(s, v)
    return Pair(total.high, total.low + (v_low + s_low))


def log2_pair(x: Real) -> Pair:
    """log2 of a positive normal number in double."""
    k, m = split_normal(x)
    a = atanh_of_quotient(m)
    first, second = x.table["two_log2e"]
    high, low = multiply(fast_two_sum(*a), (first, second))
    total = fast_two_sum(k, high)
    return fast_two_sum(total.high, total.low + low)


def _positive_double(a: Real, y: Real) -> Real:
    """a^y for a positive normal a, and |y| below 2^51."""
    log_high, log_low = log2_pair(a)
    p, p_low = two_product(y, log_high)
    p_low = fma(y, log_low, p_low)
    bounded = clamp(p, -_BEYOND, _BEYOND)
    n, shifted = round_with_bits(bounded, 1.0, 2 * a.format.bias)
    r = (bounded - n) + p_low
    return scale(Reduced(shifted, fma(r, a.table["ln2"][0], r * r * polynomial(r, a.table["exp2"]))))


def _positive_single(a: Real, y: Real) -> Real:
    """a^y to the accuracy of a float, computed in double."""
    k, m = split_normal(a)
    s = (m - 1.0) / (m + 1.0)
    p = y * fma(s, polynomial(s * s, a.table["single_log2"]), k)
    bounded = clamp(p, -1000.0, 1000.0)
    n, shifted = round_with_bits(bounded, 1.0, 2 * a.format.bias)
    return polynomial(bounded - n, a.table["single_exp2"]) * power_of_two(shifted, a)


def _with_signs(x: Real, y: Real, size: Real) -> Real:
    """The power of a zero or negative x, given that of |x|, with |y| below 2^51."""
    form = x.format
    at_zero = select(y > 0.0, 0.0, select(y < 0.0, x.number(INFINITY), 1.0))
    size = select(x.equals(0.0), at_zero, size)
    raised = y + form.magic
    whole = (raised - form.magic).equals(y)
    sign = x.bits & (raised.bits << (form.bits - 1))
    signed = (size.bits ^ sign).real
    return select(whole, signed, select(x < 0.0, NAN, size))


def power(x: Real, y: Real) -> Real:
    a = abs(x)
    rare = a.compare("uge", INFINITY) | abs(y).compare("uge", _PARITY)
    if x.format.is_double:
        rare = rare | ((a < x.format.smallest_normal) & (a > 0.0))
        made = _with_signs(x, y, _positive_double(a, y))
    else:
        wide, exponent = x.extended(), y.extended()
        made = _with_signs(wide, exponent, _positive_single(abs(wide), exponent)).truncated()
    [merged] = recompute([Rare(rare, made, "pow", (x, y))])
    return merged
