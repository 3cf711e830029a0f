"""log, log2, log10, log1p.  In: reals of any format and lanes.  Out: the functions, complete: no slow path.

x = 2^k m with m in [√½, √2); with f = m - 1 and s = f/(2 + f), log m = log((1 + s)/(1 - s)) = 2 atanh(s), arranged as
f - (f²/2 - s (f²/2 + R(s²))) so that the leading term is exact (the arrangement of fdlibm's e_log.c; Muller,
*Elementary Functions*, ch. 11).
"""

from __future__ import annotations

from codegen.mathlib.double_word import two_sum
from codegen.mathlib.formats import INFINITY, NAN
from codegen.mathlib.real import Bits, Real, fma, polynomial, select, select_bits

__all__ = ["log", "log1p", "log2", "log10", "log_less", "log_of_sum", "log_special", "split_exponent", "split_normal"]

_SPARE = 64  # added to stored exponents: keeps those of subnormal numbers, which lie below the range, positive


def split_bits(bits: Bits, like: Real) -> tuple[Real, Real]:
    """(k, m) of a number whose bits, less those of √½, are given, with the exponent raised by ``_SPARE``."""
    form = like.format
    m = ((bits & form.fraction_mask) + form.sqrt_half).real
    # the exponent as a float: at the low end of the bits of 2^52 (converting integers is slow before AVX-512)
    anchor = 2.0**form.mantissa
    return ((bits >> form.mantissa) | like.number(anchor).bits).real - (anchor + form.bias + _SPARE), m


def split_exponent(x: Real) -> tuple[Real, Real]:
    """(k, m) with x = 2^k m and m in [√½, √2), for positive x, subnormal ones included."""
    form = x.format
    lift = form.mantissa + 2
    lifted = (x * 2.0**lift).bits - (lift << form.mantissa)
    bits = select_bits(x < form.smallest_normal, lifted, x.bits)
    return split_bits(bits + (form.one - form.sqrt_half + (_SPARE << form.mantissa)), x)


def split_normal(x: Real) -> tuple[Real, Real]:
    """(k, m) with x = 2^k m and m in [√½, √2), for positive normal x."""
    form = x.format
    return split_bits(x.bits + (form.one - form.sqrt_half + (_SPARE << form.mantissa)), x)


def special_exponent(x: Real, k: Real) -> Real:
    """k, or for an x that has no finite logarithm, that logarithm: sums of it with finite numbers are right."""
    positive = x > 0.0
    below = select(x.equals(0.0), x.number(-INFINITY), NAN)
    return select(positive, select(x < INFINITY, k, x), below)


def log_parts(f: Real, denominator: Real) -> tuple[Real, Real, Real]:
    """(s, f²/2, f²/2 + R) of log(1 + f) = f - (f²/2 - s (f²/2 + R)); the denominator is 2 + f."""
    s = f / denominator
    half = f * (f * 0.5)
    z = s * s
    return s, half, fma(z, polynomial(z, f.table["log"]), half)


def log_fraction(m: Real) -> Real:
    """log m of the reduced argument."""
    f = m - 1.0
    s, half, rest = log_parts(f, m + 1.0)
    return f - (half - s * rest)


def _log_terms(x: Real) -> tuple[Real, Real]:
    """(k, rest) of log(x) = k times the upper part of log 2 + rest."""
    k, m = split_exponent(x)
    k = special_exponent(x, k)
    f = m - 1.0
    s, half, rest = log_parts(f, m + 1.0)
    return k, f - (half - fma(s, rest, k * x.table["ln2_short"][1]))


def log(x: Real) -> Real:
    k, rest = _log_terms(x)
    return fma(k, x.table["ln2_short"][0], rest)


def log_less(x: Real, less: Real) -> Real:
    """log(x) - less, for numbers of few digits: subtracted where that is exact, so that log(x) - 1 is good near e."""
    k, rest = _log_terms(x)
    return fma(k, x.table["ln2_short"][0], -less) + rest


def log2(x: Real) -> Real:
    """Exact for powers of two."""
    k, m = split_exponent(x)
    y = log_fraction(m)
    high, low = x.table["log2e"]
    return special_exponent(x, k) + fma(y, high, y * low)


def log10(x: Real) -> Real:
    k, m = split_exponent(x)
    k = special_exponent(x, k)
    y = log_fraction(m)
    high, low = x.table["log10e"]
    long, short = x.table["log10_2_short"]
    return fma(k, long, fma(k, short, fma(y, high, y * low)))


def log_of_sum(u: Real, low: Real) -> Real:
    """log(u + low) for a normal u in the range above 2^-60 and a low part below its last bit."""
    form = u.format
    bits = u.bits + (form.one - form.sqrt_half + (_SPARE << form.mantissa))
    k, m = split_bits(bits, u)
    # 2^(1 - k), which is 0 for the largest k, where the low part no longer matters
    twice = ((2 * form.bias + 1 + _SPARE - (bits >> form.mantissa)) << form.mantissa).real
    f = fma(low * twice, 0.5, m - 1.0)
    s, half, rest = log_parts(f, f + 2.0)
    high, tail = u.table["ln2_short"]
    return fma(k, high, f - (half - fma(s, rest, k * tail)))


def log_special(x: Real, y: Real) -> Real:
    """y, with the values that log has where x is not positive and finite."""
    return select((x > 0.0) & (x < INFINITY), y, special_exponent(x, x))


def log1p(x: Real) -> Real:
    u, low = two_sum(1.0, x)
    y = log_special(u, log_of_sum(u, low))
    return select(x.equals(0.0), x, y)
