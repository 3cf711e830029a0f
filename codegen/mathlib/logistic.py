"""expit and softplus.  In: reals of any format and lanes.  Out: 1/(1 + exp(-x)) and log(1 + exp(x)); no slow path.

Both work with exp(-|x|), which does not overflow.
"""

from __future__ import annotations

from codegen.mathlib.double_word import fast_two_sum
from codegen.mathlib.exponential import exp
from codegen.mathlib.logarithm import log_of_sum
from codegen.mathlib.real import Real, select

__all__ = ["expit", "softplus"]


def expit(x: Real) -> Real:
    e = exp(-abs(x))
    return select(x < 0.0, e, 1.0) / (e + 1.0)


def softplus(x: Real) -> Real:
    """max(x, 0) + log1p(exp(-|x|))."""
    e = exp(-abs(x))
    return select(x > 0.0, x, 0.0) + log_of_sum(*fast_two_sum(x.number(1.0), e))
