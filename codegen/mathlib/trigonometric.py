"""sin, cos, tan.  In: reals of any format and lanes.  Out: the functions; arguments of a billion and more go to libm.

x = n π/2 + r with |r| <= π/4 and a correction to r beyond its last bit (Cody and Waite, *Software Manual for the
Elementary Functions*, 1980, ch. 8; Muller, *Elementary Functions*, ch. 11).  The quadrant n picks one of the two
polynomials and the sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from codegen.mathlib.exponential import round_with_bits
from codegen.mathlib.fallback import Rare, recompute
from codegen.mathlib.real import Bits, Mask, Real, fma, horner, select, with_sign_of

__all__ = ["ANGLES", "cos", "half_turns", "of_angles", "sin", "tan"]


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


class Reduced:
    """The quadrant, and the sine and cosine of what is left of an angle."""

    def __init__(self, x: Real) -> None:
        self.angle = reduce_angle(x)
        self.square = self.angle.r * self.angle.r
        self.large = is_large(x)

    @cached_property
    def sine(self) -> Real:
        return sin_of(self.angle, self.square)

    @cached_property
    def cosine(self) -> Real:
        return cos_of(self.square)


def _sin(parts: Reduced) -> Real:
    return in_quadrant(parts.angle.quadrant, parts.sine, parts.cosine)


def _cos(parts: Reduced) -> Real:
    """sin(x + π/2): the next quadrant."""
    return in_quadrant(parts.angle.quadrant + 1, parts.sine, parts.cosine)


def _tan(parts: Reduced) -> Real:
    """sin r/cos r, or -cos r/sin r in odd quadrants."""
    sine, cosine = parts.sine, close_cos_of(parts.angle, parts.square)
    odd = (parts.angle.quadrant << (sine.format.bits - 1)).is_negative()
    return select(odd, -cosine, sine) / select(odd, sine, cosine)


ANGLES: Final[dict[str, Callable[[Reduced], Real]]] = {"sin": _sin, "cos": _cos, "tan": _tan}


def of_angles(wanted: Sequence[tuple[str, Real]]) -> list[Real]:
    """Functions of angles: one reduction for each angle, one branch for those that are too large for it."""
    parts = {text: Reduced(x) for text, x in {x.value.text: x for _, x in wanted}.items()}
    rare = []
    for name, x in wanted:
        own = parts[x.value.text]
        rare.append(Rare(own.large, ANGLES[name](own), name, (x,)))
    return recompute(rare)


def sin(x: Real) -> Real:
    return of_angles([("sin", x)])[0]


def cos(x: Real) -> Real:
    return of_angles([("cos", x)])[0]


def tan(x: Real) -> Real:
    return of_angles([("tan", x)])[0]


def half_turns(x: Real) -> tuple[Real, Real]:
    """(sin πx, cos πx) up to their common sign, from the exact distance of x to an integer."""
    distance = x - x.rint()
    size = abs(distance)
    folded = size > 0.25
    r = select(folded, 0.5 - size, size) * math.pi
    z = r * r
    sine, cosine = sin_of(Angle(x.bits, r, x.number(0.0)), z), cos_of(z)
    return with_sign_of(select(folded, cosine, sine), distance), select(folded, sine, cosine)
