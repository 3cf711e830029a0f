"""sin, cos, tan.  In: reals of any format and lanes.  Out: the functions; arguments of a billion and more go to libm.

x = n π/2 + r with |r| <= π/4 and a correction to r beyond its last bit (Cody and Waite, *Software Manual for the
Elementary Functions*, 1980, ch. 8; Muller, *Elementary Functions*, ch. 11).  The quadrant n picks one of the two
polynomials and the sign.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from codegen.mathlib.exponential import round_with_bits
from codegen.mathlib.fallback import recompute
from codegen.mathlib.real import Bits, Mask, Real, fma, horner, select, with_sign_of

__all__ = ["cos", "half_turns", "sin", "sincos", "tan"]


class Angle(NamedTuple):
    """n π/2 + r - excess: the quadrant n in the low bits of an integer."""

    quadrant: Bits
    r: Real
    excess: Real


def reduce_angle(x: Real) -> Angle:
    n, quadrant = round_with_bits(x, x.table["two_over_pi"][0], 0)
    if x.f.target.fma:
        first, second, third = x.table["half_pi"]
        start = fma(n, -first, x)  # exact: a multiple of the last bit of π/2, below 1
        step = n * second
        rest = fma(n, third, fma(n, second, -step))
    else:
        *leading, second, third = x.table["half_pi_short"]  # products with n are exact but for the last
        start = x
        for part in leading:
            start = start - n * part
        step, rest = n * second, n * third
    r = start - step  # its error is start - r - step: start is a multiple of the last bit of step
    return Angle(quadrant, r, (step - (start - r)) + rest)


def sin_of(angle: Angle, z: Real) -> Real:
    """sin(r - excess); subtracting the rest, not adding it, keeps the sign of -0."""
    r = angle.r
    return r - fma(r * z, horner(z, r.table["sin"]), angle.excess)


def cos_of(z: Real) -> Real:
    return fma(z, horner(z, (-0.5, *z.table["cos"])), 1.0)


def close_cos_of(angle: Angle, z: Real) -> Real:
    """cos(r - excess) with all that 1 - z/2 and r have lost: a quotient has no room for those errors."""
    half = z * 0.5
    start = 1.0 - half
    rest = fma(z * z, horner(z, z.table["cos"]), angle.r * angle.excess)
    return start + (((1.0 - start) - half) + rest)


def in_quadrant(quadrant: Bits, even: Real, odd: Real) -> Real:
    """The value of an even or odd quadrant, negated in the second half of the turn."""
    width = even.format.bits
    picked = select((quadrant << (width - 1)).is_negative(), odd, even)
    return (picked.bits ^ ((quadrant & 2) << (width - 2))).real


def is_large(x: Real) -> Mask:
    """Beyond these bounds the quadrant's bits would spoil the exact products."""
    limit = x.pick(1e9, 3e4) if x.f.target.fma else x.pick(4e5, 6e3)
    return abs(x) >= limit


def sincos(x: Real) -> tuple[Real, Real]:
    """Both at once: one reduction, two polynomials; the same bits as :func:`sin` and :func:`cos`."""
    quadrant, sine, cosine = _parts(x)
    both = in_quadrant(quadrant, sine, cosine), in_quadrant(quadrant + 1, sine, cosine)
    first, second = recompute(is_large(x), both, ("sin", "cos"), x)
    return first, second


def _parts(x: Real) -> tuple[Bits, Real, Real]:
    """(n, sin r, cos r)."""
    angle = reduce_angle(x)
    z = angle.r * angle.r
    return angle.quadrant, sin_of(angle, z), cos_of(z)


def sin(x: Real) -> Real:
    [y] = recompute(is_large(x), [in_quadrant(*_parts(x))], ["sin"], x)
    return y


def cos(x: Real) -> Real:
    """sin(x + π/2): the next quadrant."""
    quadrant, sine, cosine = _parts(x)
    [y] = recompute(is_large(x), [in_quadrant(quadrant + 1, sine, cosine)], ["cos"], x)
    return y


def tan(x: Real) -> Real:
    """sin r/cos r, or -cos r/sin r in odd quadrants."""
    angle = reduce_angle(x)
    z = angle.r * angle.r
    sine, cosine = sin_of(angle, z), close_cos_of(angle, z)
    odd = (angle.quadrant << (x.format.bits - 1)).is_negative()
    [y] = recompute(is_large(x), [select(odd, -cosine, sine) / select(odd, sine, cosine)], ["tan"], x)
    return y


def half_turns(x: Real) -> tuple[Real, Real]:
    """(sin πx, cos πx) up to their common sign, from the exact distance of x to an integer."""
    distance = x - x.rint()
    size = abs(distance)
    folded = size > 0.25
    r = select(folded, 0.5 - size, size) * math.pi
    z = r * r
    sine, cosine = sin_of(Angle(x.bits, r, x.number(0.0)), z), cos_of(z)
    return with_sign_of(select(folded, cosine, sine), distance), select(folded, sine, cosine)
