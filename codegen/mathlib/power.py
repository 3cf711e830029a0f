"""power.  In: two reals of one format.  Out: x to the y; libm for infinite, subnormal and nan operands, huge exponents.

In double, log2 x is found to about 65 bits as an unevaluated sum, so that even y log2 x near 1000 leaves its fraction
exact enough (the plan of fdlibm's e_pow.c, with atanh as the series).  Floats are computed in double.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from codegen.mathlib.double_word import Pair, fast_two_sum, multiply, two_product
from codegen.mathlib.exponential import Reduced, power_of_two, round_with_bits, scale
from codegen.mathlib.fallback import Rare, recompute
from codegen.mathlib.formats import INFINITY, NAN
from codegen.mathlib.logarithm import split_normal
from codegen.mathlib.real import Real, clamp, fma, polynomial, select

__all__ = ["has_short_form", "log2_pair", "power", "power_of_constant"]

T = TypeVar("T")
_PARITY = 2.0**51  # below it, adding the magic number rounds to an integer and shows whether it is odd
_BEYOND = 1100.0  # powers of two beyond are 0 or infinite in either format
_LARGEST, _LARGEST_UNFUSED = (
    64,
    8,
)  # constant exponents for which there are products: they are exact enough, and shorter


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


# -- constant exponents ---------------------------------------------------------------------------------------------
def has_short_form(exponent: float, fma: bool) -> bool:
    """Whether :func:`power_of_constant` takes this exponent: small integers and halves of odd ones.

    Without a fused operation, pairs near the end of the range have no second part, and each product rounds.
    """
    return abs(exponent) <= (_LARGEST if fma else _LARGEST_UNFUSED) and (2 * exponent).is_integer() and exponent != 0


def power_of_constant(x: Real, exponent: float) -> Real:
    """x to a small integer, by repeated products of pairs, or to half an odd one, which takes a root as well."""
    if exponent.is_integer():
        return _whole_power(x, int(exponent))
    whole, root = int(exponent), x.sqrt()
    made = (1.0 / root if whole == 0 else _whole_power(x, whole) / root) if exponent < 0 else root
    if whole > 0:
        made = _whole_power(x, whole) * root
    # the root of -0 is -0 and that of -infinity nan, but pow knows neither
    return select(x.equals(-INFINITY), 0.0 if exponent < 0 else INFINITY, abs(made))


def _whole_power(x: Real, n: int) -> Real:
    """x^n for n other than 0: in double by products of pairs, rounded once; in float by products in double."""
    if n == 1:
        return x
    if not x.format.is_double:
        wide = x.extended()
        return _raised(wide if n > 0 else 1.0 / wide, abs(n), Real.__mul__).truncated()
    made = _raised(x if n > 0 else _reciprocal(x), abs(n), _times)
    assert isinstance(made, Pair)
    total = made.high + made.low
    # Of infinities the second part is nan; of zeros it may have another sign.
    return select(total.compare("one", 0.0), total, made.high)


def _raised(base: T, n: int, times: Callable[[T, T], T]) -> T:
    """The base to the n by repeated squaring."""
    made = base
    for bit in f"{n:b}"[1:]:
        made = times(made, made)
        if bit == "1":
            made = times(made, base)
    return made


def _times(a: Pair | Real, b: Pair | Real) -> Pair | Real:
    """The product of two numbers, or of a pair and either, as a pair."""
    if isinstance(a, Real):
        assert isinstance(b, Real)
        return two_product(a, b)
    if isinstance(b, Pair):
        return multiply(a, b)
    high, low = two_product(a.high, b)
    return Pair(high, fma(a.low, b, low))


def _reciprocal(x: Real) -> Pair:
    inverse = 1.0 / x
    product, low = two_product(x, inverse)
    return Pair(inverse, ((1.0 - product) - low) * inverse)
