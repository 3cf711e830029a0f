"""The gamma and beta functions.  In: floats (integers become float64).  Out: nodes.  Refuses: bool operands.

The beta function is made of gamma functions, except that where two of these are large their quotient is formed from
their series.
"""

from __future__ import annotations

import math
from typing import Any

from symgrad.node import Node
from symgrad.opdef import Constant
from symgrad.ops.elementwise import (
    Rule,
    _sympy,
    add,
    declare,
    digamma,
    divide,
    equal,
    exp,
    floor,
    gammaln,
    greater,
    greater_equal,
    isnan,
    less,
    log,
    log1p,
    logical_and,
    maximum,
    minimum,
    multiply,
    remainder,
    scipy_special,
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


gamma = declare("gamma", 1, Rule.FLOAT, scipy_special("gamma"), math=_sympy("gamma"), domain=(0.5, 5.0),
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


def _betaln(inputs: tuple[Node, ...], attrs: Any) -> Any:
    """log Γ(a) + log Γ(b) - log Γ(a + b); where the last two are large, their difference is formed from their series."""
    a, b = inputs
    small, large = minimum(a, b), maximum(a, b)
    apart = logical_and(greater(small, 0), greater_equal(large, _LARGE))
    b0 = where(apart, large, _LARGE)
    a0 = where(apart, small, 1.0)
    total = add(a0, b0)
    logarithms = add(multiply(subtract(b0, 0.5), log1p(divide(a0, b0))), multiply(a0, log(total)))
    series = add(gammaln(a0), add(subtract(a0, logarithms), subtract(_stirling(b0), _stirling(total))))
    return where(apart, series, subtract(add(gammaln(a), gammaln(b)), gammaln(add(a, b))))


def _beta(inputs: tuple[Node, ...], attrs: Any) -> Any:
    a, b = inputs
    signs = [gammasgn(one) for one in (a, b, add(a, b))]
    first, second, both = (where(isnan(one), 1.0, one) for one in signs)
    return multiply(multiply(multiply(first, second), both), exp(betaln(a, b)))


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
    math=lambda a, b: _sympy("exp")(_betaln_math(a, b)),
    partial=lambda node, i: multiply(node, _digamma_difference(node, i)),
    define=_beta,
    domain=(0.5, 6.0),
    doc="The beta function; infinite where one argument is a pole of the gamma function, NaN where two are.",
)
