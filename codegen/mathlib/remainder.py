"""fmod.  In: reals of any format and lanes.  Out: the exact remainder; where the quotient is too large, that of libm.

x - q y for the integer q nearest to x/y is a number of the format, so a fused operation makes it without error, and
so is what adding y to a negative one gives.
"""

from __future__ import annotations

from codegen.mathlib.double_word import two_product
from codegen.mathlib.exponential import round_with_bits
from codegen.mathlib.fallback import Rare, recompute
from codegen.mathlib.real import Mask, Real, fma, select, with_sign_of

__all__ = ["fmod"]


def fmod(x: Real, y: Real) -> Real:
    """The remainder of the quotient cut to an integer, with the sign of x."""
    a, b = abs(x), abs(y)
    quotient = a / b
    q, _ = round_with_bits(quotient, 1.0)
    if x.f.target.fma:
        rest = fma(-q, b, a)
    else:
        product = two_product(q, b)
        rest = (a - product.high) - product.low
    made = with_sign_of(select(rest < 0.0, rest + b, rest), x)
    return recompute([Rare(_is_rare(quotient, b), made, "fmod", (x, y))])[0]


def _is_rare(quotient: Real, b: Real) -> Mask:
    """Quotients that are not below what rounding to integers allows; divisors whose products would not be exact."""
    most = 2.0 ** (b.format.mantissa - 1)
    if b.f.target.fma:
        return quotient.compare("uge", most) | b.compare("oeq", float("inf"))
    low, high = b.pick(2.0**-900, 2.0**-60), b.pick(2.0**900, 2.0**80)
    return quotient.compare("uge", most) | (b < low) | (b > high)
