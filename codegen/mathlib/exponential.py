"""exp, exp2, expm1.  In: reals of any format and lanes.  Out: the functions, complete: no argument takes a slow path.

x = n log 2 + r with n an integer and |r| <= log(2)/2, so exp(x) = 2^n exp(r) (Cody and Waite, *Software Manual for
the Elementary Functions*, 1980, ch. 6).  n log 2 is subtracted in two parts of which the first is exact, with or
without a fused operation; exp(r) - 1 is a polynomial.
"""

from __future__ import annotations

from typing import NamedTuple

from codegen.mathlib.real import Bits, Number, Real, clamp, fma, ldexp, polynomial, with_sign_of

__all__ = [
    "Reduced",
    "exp",
    "exp2",
    "exp_with_loss",
    "expm1",
    "halves",
    "power_of_two",
    "reduce_exp",
    "reduce_exp_closely",
    "round_with_bits",
    "scale",
]


class Reduced(NamedTuple):
    """2^n (1 + q): an integer with n + 2 bias at its low end, and q = exp(r) - 1."""

    shifted: Bits
    q: Real


def round_with_bits(x: Real, factor: Number, offset: int = 0) -> tuple[Real, Bits]:
    """The integer n nearest to x * factor, and bits that hold n + offset at their low end.

    Adding 1.5 * 2**52 + offset leaves no room for a fraction.
    """
    magic = x.format.magic + offset
    raised = fma(x, factor, magic)
    return raised - magic, raised.bits


def reduce_exp(x: Real) -> Reduced:
    """Write exp(x) as 2^n (1 + q) for x between the bounds of :func:`exp`."""
    high, low = x.table["ln2_short"]
    n, shifted = round_with_bits(x, x.table["log2e"][0], 2 * x.format.bias)
    r = fma(n, -low, fma(n, -high, x))
    return Reduced(shifted, fma(r * r, polynomial(r, x.table["exp"]), r))


def reduce_exp_closely(x: Real, correction: Number) -> Reduced:
    """The same for x + correction, a small number: q has no error but its rounding, for sums in which it cancels."""
    high, low = x.table["ln2_short"]
    n, shifted = round_with_bits(x, x.table["log2e"][0], 2 * x.format.bias)
    start, rest = fma(n, -high, x), fma(n, -low, correction)
    r = start + rest
    lost = rest - (r - start)
    return Reduced(shifted, r + fma(r * r, polynomial(r, x.table["exp"]), lost))


def halves(shifted: Bits, like: Real) -> tuple[Real, Real, Bits]:
    """Two powers of two with the product 2^n, both far from the ends of the range, and the bits of the second.

    Two multiplications make subnormal and overflowing results right, where one power would leave the range itself.
    """
    mantissa = like.format.mantissa
    first = shifted >> 1
    second = shifted - first
    return (first << mantissa).real, (second << mantissa).real, second


def power_of_two(shifted: Bits, like: Real) -> Real:
    """2^n, for n within the range of normal numbers."""
    return ((shifted - like.format.bias) << like.format.mantissa).real


def scale(reduced: Reduced) -> Real:
    """2^n (1 + q), rounded once where the result is normal; infinite and subnormal where it must be."""
    shifted, q = reduced
    if q.f.target.is_avx512:  # one instruction there, and the same bits
        return ldexp(1.0 + q, shifted - (q.format.magic_bits + 2 * q.format.bias))
    first, second, _ = halves(shifted, q)
    return fma(q, first, first) * second


def _bounded(x: Real) -> Real:
    return clamp(x, x.pick(-746.0, -105.0), x.pick(710.0, 89.0))  # beyond: certainly 0 and infinity


def exp(x: Real) -> Real:
    return scale(reduce_exp(_bounded(x)))


def exp_with_loss(x: Real) -> tuple[Real, Real]:
    """The same, and the relative error of its last rounding."""
    reduced = reduce_exp(_bounded(x))
    q = reduced.q
    lost = q - ((1.0 + q) - 1.0)
    return scale(reduced), fma(-lost, q, lost)


def exp2(x: Real) -> Real:
    """2^x = 2^n 2^r with r = x - n, exactly."""
    form = x.format
    bounded = clamp(x, -form.bias - form.mantissa - 2.0, form.bias + 2.0)
    n, shifted = round_with_bits(bounded, 1.0, 2 * form.bias)
    r = bounded - n
    return scale(Reduced(shifted, fma(r, x.table["ln2"][0], r * r * polynomial(r, x.table["exp2"]))))


def expm1(x: Real) -> Real:
    """2^n (1 + q) - 1 = ((2^a - 2^-b) + 2^a q) 2^b with a + b = n: the first difference is exact where it matters."""
    form = x.format
    shifted, q = reduce_exp(clamp(x, x.pick(-40.0, -20.0), x.pick(710.0, 89.0)))
    first, second, second_bits = halves(shifted, x)
    inverse = ((2 * form.bias - second_bits) << form.mantissa).real
    return with_sign_of(fma(q, first, first - inverse) * second, x)
