"""Special functions under SciPy's names.  In: floats (integers become float64).  Out: nodes.  Refuses: bool operands.

Where a formula would multiply zero by infinity or subtract what is nearly equal (xlogy at 0, entropies, tails of the
normal distribution), value and derivative take their limit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgrad.node import Node
from symgrad.opdef import Gate
from symgrad.ops.declaring import Elementwise, Rule, declare, scipy_special, sympy_function
from symgrad.ops.elementwise import (
    absolute,
    add,
    arctanh,
    divide,
    equal,
    exp,
    expit,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    multiply,
    negative,
    softplus,
    square,
    subtract,
    where,
)

__all__ = [
    "entr",
    "erfcinv",
    "erfcx",
    "erfinv",
    "kl_div",
    "log_expit",
    "log_ndtr",
    "logit",
    "ndtr",
    "ndtri",
    "rel_entr",
    "xlog1py",
    "xlogy",
]

_SQRT_PI, _SQRT_2PI, _SQRT_HALF = math.sqrt(math.pi), math.sqrt(2 * math.pi), math.sqrt(0.5)


# -- the normal distribution ----------------------------------------------------------------------------------------
_FAR = 10.0  # from here on 12 terms of the asymptotic series have all digits, as have their derivatives


def _erfcx_slope_far(x: Any) -> Any:
    """2x erfcx(x) - 2/√π for large x: Σ (-1)^k (2k-1)!!/(2x²)^k times 2/√π, without its first term."""
    v = divide(0.5, square(x))
    total: Any = 1.0
    for k in range(12, 1, -1):
        total = subtract(1.0, multiply(multiply(2.0 * k - 1.0, v), total))
    return multiply(multiply(-2 / _SQRT_PI, v), total)


def _erfcx_partial(node: Node, i: int) -> Any:
    x = node.inputs[0]
    far = greater(x, _FAR)
    near = subtract(multiply(multiply(2.0, x), node), 2 / _SQRT_PI)
    return where(far, _erfcx_slope_far(where(far, x, _FAR)), near)


def _erfcx_math(x: Any) -> Any:
    import sympy

    return sympy.exp(x**2) * sympy.erfc(x)


erfcx = declare("erfcx", 1, Rule.FLOAT, scipy_special("erfcx"), math=_erfcx_math, partial=_erfcx_partial,
                doc="exp(x²) erfc(x), which neither over- nor underflows for positive x.")  # fmt: skip


def _density(x: Any) -> Any:
    return divide(exp(multiply(-0.5, square(x))), _SQRT_2PI)


def _ndtr_math(x: Any) -> Any:
    import sympy

    return sympy.erfc(-x / sympy.sqrt(2)) / 2


def _log_ndtr(inputs: tuple[Node, ...], attrs: Any) -> Any:
    x = inputs[0]
    left = less(x, -1.0)
    scaled = multiply(-_SQRT_HALF, where(left, x, -1.0))
    tail = subtract(log(multiply(0.5, erfcx(scaled))), multiply(0.5, square(x)))
    return where(left, tail, log1p(negative(ndtr(negative(where(left, -1.0, x))))))


def _log_ndtr_partial(node: Node, i: int) -> Any:
    """Density over distribution: √(2/π)/erfcx(-x/√2) on the left, where both would underflow."""
    x = node.inputs[0]
    left = less(x, 0.0)
    tail = divide(2 / _SQRT_2PI, erfcx(multiply(-_SQRT_HALF, where(left, x, -1.0))))
    right = where(left, 1.0, x)
    return where(left, tail, divide(_density(right), ndtr(right)))


def _log_ndtr_math(x: Any) -> Any:
    import sympy

    return sympy.log(_ndtr_math(x))


ndtr = declare("ndtr", 1, Rule.FLOAT, scipy_special("ndtr"), math=_ndtr_math,
               partial=lambda node, i: _density(node.inputs[0]), doc="The normal distribution function.")  # fmt: skip
log_ndtr = declare("log_ndtr", 1, Rule.FLOAT, scipy_special("log_ndtr"), math=_log_ndtr_math, define=_log_ndtr,
                   partial=_log_ndtr_partial, doc="The logarithm of the normal distribution function.")  # fmt: skip


def _inverse(scale: float, share: float) -> Any:
    """The slope of an inverse: one over a density, of the result."""
    return lambda node, i: multiply(scale, exp(multiply(share, square(node))))


def _ndtri_math(p: Any) -> Any:
    import sympy

    return sympy.sqrt(2) * sympy.erfinv(2 * p - 1)


erfinv = declare("erfinv", 1, Rule.FLOAT, scipy_special("erfinv"), math=sympy_function("erfinv"), domain=(-0.9, 0.9),
                 partial=_inverse(_SQRT_PI / 2, 1.0))  # fmt: skip
erfcinv = declare("erfcinv", 1, Rule.FLOAT, scipy_special("erfcinv"), math=sympy_function("erfcinv"), domain=(0.1, 1.9),
                  partial=_inverse(-_SQRT_PI / 2, 1.0))  # fmt: skip
ndtri = declare("ndtri", 1, Rule.FLOAT, scipy_special("ndtri"), math=_ndtri_math, domain=(0.05, 0.95),
                partial=_inverse(_SQRT_2PI, 0.5), doc="The inverse of ndtr.")  # fmt: skip


# -- the logistic function ------------------------------------------------------------------------------------------
def _logit(inputs: tuple[Node, ...], attrs: Any) -> Any:
    """log(p/(1 - p)), near ½ as 2 artanh(2p - 1)."""
    p = inputs[0]
    middle = logical_and(greater(p, 0.3), less(p, 0.65))
    twice = where(middle, subtract(multiply(2.0, p), 1.0), 0.0)
    return where(middle, multiply(2.0, arctanh(twice)), log(divide(p, subtract(1.0, p))))


def _logit_math(p: Any) -> Any:
    import sympy

    return sympy.log(p / (1 - p))


def _logit_partial(node: Node, i: int) -> Any:
    p = node.inputs[0]
    return divide(1.0, multiply(p, subtract(1.0, p)))


def _log_expit_math(x: Any) -> Any:
    import sympy

    return -sympy.log(1 + sympy.exp(-x))


logit = declare("logit", 1, Rule.FLOAT, scipy_special("logit"), math=_logit_math, domain=(0.05, 0.95), define=_logit,
                partial=_logit_partial)  # fmt: skip
log_expit = declare(
    "log_expit",
    1,
    Rule.FLOAT,
    scipy_special("log_expit"),
    math=_log_expit_math,
    partial=lambda node, i: expit(negative(node.inputs[0])),
    define=lambda inputs, attrs: negative(softplus(negative(inputs[0]))),
)


# -- entropies ------------------------------------------------------------------------------------------------------
def _zero_at_zero(inside: Any) -> Any:
    """A function of x and y, and 0 where x is 0 whatever y is, except NaN."""

    def define(inputs: tuple[Node, ...], attrs: Any) -> Any:
        x, y = inputs
        return where(logical_and(equal(x, 0), logical_not(isnan(y))), absolute(x), inside(x, y))

    return define


def _zero_quotient(x: Any, y: Any) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    with np.errstate(all="ignore"):
        return np.where((x == 0) & ~np.isnan(y), np.zeros((), x.dtype), x / y)


def _xlogy_math(x: Any, y: Any) -> Any:
    import sympy

    return x * sympy.log(y)


xdivy: Elementwise = declare(
    "xdivy",
    2,
    Rule.FLOAT,
    _zero_quotient,
    math=lambda x, y: x / y,
    partial=lambda node, i: (
        divide(1.0, node.inputs[1]) if i == 0 else negative(xdivy(node.inputs[0], square(node.inputs[1])))
    ),
    define=_zero_at_zero(divide),
    domain=((-3.0, 3.0), (0.5, 3.0)),
    doc="x/y, and 0 where x is 0 whatever y is: derivatives of xlogy.",
)
xlogy = declare(
    "xlogy",
    2,
    Rule.FLOAT,
    scipy_special("xlogy"),
    math=_xlogy_math,
    partial=lambda node, i: log(node.inputs[1]) if i == 0 else xdivy(*node.inputs),
    define=_zero_at_zero(lambda x, y: multiply(x, log(y))),
    domain=((-3.0, 3.0), (0.2, 5.0)),
    doc="x log(y), and 0 where x is 0 whatever y is, except NaN.",
)
xlog1py = declare(
    "xlog1py",
    2,
    Rule.FLOAT,
    scipy_special("xlog1py"),
    math=lambda x, y: _xlogy_math(x, 1 + y),
    partial=lambda node, i: log1p(node.inputs[1]) if i == 0 else xdivy(node.inputs[0], add(1.0, node.inputs[1])),
    define=_zero_at_zero(lambda x, y: multiply(x, log1p(y))),
    domain=((-3.0, 3.0), (-0.8, 4.0)),
    doc="x log(1 + y), and 0 where x is 0 whatever y is, except NaN.",
)


def _entr(inputs: tuple[Node, ...], attrs: Any) -> Any:
    x = inputs[0]
    return where(less(x, 0), -math.inf, xlogy(negative(x), x))


def _entr_partial(node: Node, i: int) -> Any:
    x = node.inputs[0]
    return Gate(less(x, 0), negative(add(log(x), 1.0)), inverted=True)


entr = declare("entr", 1, Rule.FLOAT, scipy_special("entr"), math=lambda x: -_xlogy_math(x, x), define=_entr,
               partial=_entr_partial, domain=(0.2, 3.0), doc="-x log(x).")  # fmt: skip


def _log_ratio(x: Any, y: Any) -> Any:
    """log(x/y), also where x/y leaves the range or is close to 1."""
    ratio = divide(x, y)
    close = logical_and(greater(ratio, 0.5), less(ratio, 2.0))
    near = log1p(where(close, divide(subtract(x, y), y), 0.0))
    tiny = float(np.finfo(ratio.type.dtype).tiny)
    whole = logical_and(greater(ratio, tiny), isfinite(ratio))
    return where(close, near, where(whole, log(ratio), subtract(log(x), log(y))))


def _within(x: Any, y: Any, inside: Any, at_zero: Any) -> Any:
    """A relative entropy: +inf outside x ≥ 0, y > 0, but for x = 0 also at y = 0; NaN for NaN."""
    positive = logical_and(greater(x, 0), greater(y, 0))
    empty = logical_and(equal(x, 0), greater_equal(y, 0))
    either_nan = logical_or(isnan(x), isnan(y))
    return where(either_nan, math.nan, where(positive, inside, where(empty, at_zero, math.inf)))


def _rel_entr(inputs: tuple[Node, ...], attrs: Any) -> Any:
    x, y = inputs
    return _within(x, y, multiply(x, _log_ratio(x, y)), absolute(x))


def _kl_div(inputs: tuple[Node, ...], attrs: Any) -> Any:
    x, y = inputs
    return _within(x, y, add(subtract(multiply(x, _log_ratio(x, y)), x), y), y)


def _domain(node: Node) -> Any:
    x, y = node.inputs
    return logical_and(greater_equal(x, 0), greater_equal(y, 0))


def _rel_entr_partial(node: Node, i: int) -> Any:
    inside = add(_log_ratio(*node.inputs), 1.0) if i == 0 else negative(xdivy(*node.inputs))
    return Gate(_domain(node), inside)


def _kl_div_partial(node: Node, i: int) -> Any:
    return Gate(_domain(node), _log_ratio(*node.inputs) if i == 0 else subtract(1.0, xdivy(*node.inputs)))


def _rel_entr_math(x: Any, y: Any) -> Any:
    import sympy

    return x * sympy.log(x / y)


rel_entr = declare("rel_entr", 2, Rule.FLOAT, scipy_special("rel_entr"), math=_rel_entr_math, define=_rel_entr,
                   partial=_rel_entr_partial, domain=(0.2, 3.0), doc="x log(x/y).")  # fmt: skip
kl_div = declare("kl_div", 2, Rule.FLOAT, scipy_special("kl_div"), math=lambda x, y: _rel_entr_math(x, y) - x + y,
                 define=_kl_div, partial=_kl_div_partial, domain=(0.2, 3.0), doc="x log(x/y) - x + y.")  # fmt: skip
