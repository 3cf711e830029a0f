"""The gamma and beta functions.  In: floats (integers become float64).  Out: nodes.  Refuses: bool operands.

The beta function is made of gamma functions, except that where two of these are large their quotient is formed from
their series.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from symgrad.node import Node
from symgrad.opdef import Constant
from symgrad.ops.declaring import Rule, declare, scipy_special, sympy_function
from symgrad.ops.elementwise import (
    add,
    digamma,
    divide,
    equal,
    exp,
    floor,
    gammaln,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    remainder,
    square,
    subtract,
    where,
)
from symgrad.ops.numeric import copysign

__all__ = ["beta", "betaln", "gamma", "gammasgn"]


def _gammasgn(inputs: tuple[Node, ...], attrs: Any) -> Any:
    """1 for positive numbers; below 0 the sign changes at each integer; integers themselves have none."""
    x = inputs[0]
    below = floor(x)
    sides = subtract(1.0, multiply(2.0, remainder(below, 2.0)))
    negative_ones = where(equal(x, below), math.nan, sides)
    return where(isnan(x), x, where(less(x, 0), negative_ones, copysign(1.0, x)))


gamma = declare("gamma", 1, Rule.FLOAT, scipy_special("gamma"), math=sympy_function("gamma"), domain=(0.5, 5.0),
                partial=lambda node, i: multiply(node, digamma(node.inputs[0])), lowering="libm")  # fmt: skip
gammasgn = declare("gammasgn", 1, Rule.FLOAT, scipy_special("gammasgn"), partial=Constant(connected=True),
                   define=_gammasgn, doc="The sign of the gamma function.")  # fmt: skip


# -- the beta function ----------------------------------------------------------------------------------------------
def _betaln_math(a: Any, b: Any) -> Any:
    import sympy

    return sympy.loggamma(a) + sympy.loggamma(b) - sympy.loggamma(a + b)


_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_LARGE = 10.0  # where Stirling's series has all digits


def _stirling(x: Any) -> Any:
    """log Γ(x) less (x - ½) log x - x + log(2π)/2, for large x (Abramowitz & Stegun 6.1.41)."""
    inverse = divide(1.0, x)
    z = square(inverse)
    total: Any = _STIRLING[-1]
    for coefficient in reversed(_STIRLING[:-1]):
        total = add(multiply(total, z), coefficient)
    return multiply(total, inverse)


class _Mirrored(NamedTuple):
    """Arguments of the same beta function but for a sign, and where it is infinite whatever they are.

    Where an argument is an integer n ≤ 0, the function is finite for integers 0 < k < 1 - n only: (-1)^k B(1 - n - k, k).
    """

    a: Any
    b: Any
    sign: Any
    infinite: Any


def _mirrored(a: Any, b: Any) -> _Mirrored:
    first, second = (logical_and(less_equal(one, 0), equal(one, floor(one))) for one in (a, b))
    point, other = where(first, a, b), where(first, b, a)
    mirror = subtract(1.0, add(point, other))
    inside = logical_and(logical_and(greater(other, 0), greater(mirror, 0)), isfinite(mirror))
    whole = logical_and(equal(other, floor(other)), inside)
    pole = logical_or(first, second)
    moved = logical_and(pole, whole)
    sign = where(moved, subtract(1.0, multiply(2.0, remainder(where(moved, other, 0.0), 2.0))), 1.0)
    return _Mirrored(where(moved, mirror, a), where(moved, other, b), sign, logical_and(pole, logical_not(whole)))


def _betaln(inputs: tuple[Node, ...], attrs: Any) -> Any:
    a, b, _, infinite = _mirrored(*inputs)
    small, large = minimum(a, b), maximum(a, b)
    endless = where(greater(small, 0), -math.inf, large)
    return where(infinite, math.inf, where(equal(large, math.inf), endless, _difference(small, large)))


def _difference(small: Any, large: Any) -> Any:
    """log Γ(a) + log Γ(b) - log Γ(a + b); where the last two are large, their difference is formed from their series."""
    apart = logical_and(greater_equal(large, _LARGE), greater_equal(add(small, large), _LARGE))
    b0 = where(apart, large, _LARGE)
    a0 = where(apart, small, 1.0)
    total = add(a0, b0)
    logarithms = add(multiply(subtract(b0, 0.5), log1p(divide(a0, b0))), multiply(a0, log(total)))
    series = add(gammaln(a0), add(subtract(a0, logarithms), subtract(_stirling(b0), _stirling(total))))
    return where(apart, series, subtract(add(gammaln(small), gammaln(large)), gammaln(add(small, large))))


def _beta(inputs: tuple[Node, ...], attrs: Any) -> Any:
    a, b, sign, infinite = _mirrored(*inputs)
    signs = [gammasgn(one) for one in (a, b, add(a, b))]
    first, second, both = (where(isnan(one), 1.0, one) for one in signs)
    product = multiply(multiply(sign, first), multiply(second, both))
    return where(infinite, math.inf, multiply(product, exp(betaln(*inputs))))


def _digamma_difference(node: Node, i: int) -> Any:
    return subtract(digamma(node.inputs[i]), digamma(add(*node.inputs)))


betaln = declare(
    "betaln",
    2,
    Rule.FLOAT,
    scipy_special("betaln"),
    math=_betaln_math,
    partial=_digamma_difference,
    define=_betaln,
    domain=(0.5, 6.0),
    doc="The logarithm of the absolute value of the beta function.",
)
beta = declare(
    "beta",
    2,
    Rule.FLOAT,
    scipy_special("beta"),
    math=lambda a, b: sympy_function("exp")(_betaln_math(a, b)),
    partial=lambda node, i: multiply(node, _digamma_difference(node, i)),
    define=_beta,
    domain=(0.5, 6.0),
    doc="The beta function; infinite where one argument is a pole of the gamma function, NaN where two are.",
)
