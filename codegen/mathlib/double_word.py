"""Sums and products without error.  In: floats.  Out: pairs whose sum is the exact result.

A pair (high, low) stands for high + low.  The products need a fused operation; without one they split their factors
(Dekker, *A floating-point technique for extending the available precision*, Numer. Math. 18, 1971), which is exact for
factors below 2^996 (2^115 in single precision).
"""

from __future__ import annotations

from typing import NamedTuple

from codegen.mathlib.real import Number, Real, fma

__all__ = ["Pair", "fast_two_sum", "multiply", "two_product", "two_sum"]


class Pair(NamedTuple):
    """An unevaluated sum."""

    high: Real
    low: Real


def fast_two_sum(a: Real, b: Real) -> Pair:
    """a + b where |a| >= |b|, a = 0, or a is a multiple of the last bit of b."""
    total = a + b
    return Pair(total, b - (total - a))


def two_sum(a: Number, b: Real) -> Pair:
    """a + b in any order of size (Knuth)."""
    total = b + a
    of_b = total - a
    return Pair(total, (a - (total - of_b)) + (b - of_b))


def two_product(a: Real, b: Number) -> Pair:
    product = a * b
    if a.f.target.fma:
        return Pair(product, fma(a, b, -product))
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(a.number(b))
    return Pair(product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low))


def _halves(x: Real) -> Pair:
    """The upper and lower half of the significand (Veltkamp)."""
    raised = x * (2.0 ** x.pick(27, 12) + 1.0)
    high = raised - (raised - x)
    return Pair(high, x - high)


def multiply(a: Pair, b: tuple[Number, Number]) -> Pair:
    """The product of two pairs, to almost twice the precision; not normalised."""
    high, low = two_product(a.high, b[0])
    return Pair(high, fma(a.high, b[1], fma(a.low, b[0], low)))
