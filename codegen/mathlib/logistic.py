"""expit, softplus, logaddexp.  In: reals of any format and lanes.  Out: 1/(1 + exp(-x)), log(1 + exp(x)) and the like.

All work with the exponential of a negative number, which does not overflow; no slow path.
"""

from __future__ import annotations

from codegen.mathlib.double_word import fast_two_sum
from codegen.mathlib.exponential import exp, exp2
from codegen.mathlib.formats import INFINITY
from codegen.mathlib.logarithm import log_of_sum
from codegen.mathlib.real import Real, select

__all__ = ["expit", "logaddexp", "logaddexp2", "softplus"]


def expit(x: Real) -> Real:
    e = exp(-abs(x))
    return select(x < 0.0, e, 1.0) / (e + 1.0)


def softplus(x: Real) -> Real:
    """max(x, 0) + log1p(exp(-|x|))."""
    e = exp(-abs(x))
    return select(x > 0.0, x, 0.0) + log_of_sum(*fast_two_sum(x.number(1.0), e))


def logaddexp(x: Real, y: Real) -> Real:
    """The larger of both + log1p(exp(-|x - y|)); nan if either is."""
    e = exp(-abs(x - y))
    return _with_larger(x, y, log_of_sum(*fast_two_sum(x.number(1.0), e)))


def logaddexp2(x: Real, y: Real) -> Real:
    e = exp2(-abs(x - y))
    return _with_larger(x, y, log_of_sum(*fast_two_sum(x.number(1.0), e)) * x.table["log2e"][0])


def _with_larger(x: Real, y: Real, more: Real) -> Real:
    """The sum; of two equal infinities, whose difference is nan, that infinity."""
    larger = select(x > y, x, y)
    return select(x.equals(y) & abs(x).equals(INFINITY), x, larger + more)
