"""gammaln and digamma.  In: reals of any format and lanes.  Out: log|Γ(x)| and ψ(x); negative x take a cold path.

Near their zeros at 1, 2 and 1.4616 the functions are the distances from these times polynomials; arguments below 1 are
raised by the recurrence; large ones use Stirling's series, as polynomials fitted from 2.5 (or 2) to infinity.  The
logarithm less 1 that multiplies x in log Γ is formed before it is rounded.  Negative arguments are reflected, by code
out of line (Abramowitz and Stegun, *Handbook of Mathematical Functions*, 6.1.17, 6.1.40, 6.3.7, 6.3.18).  Floats are
computed in double, with shorter polynomials.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from codegen.mathlib.fallback import replace
from codegen.mathlib.formats import INFINITY, NAN
from codegen.mathlib.logarithm import log, log_less
from codegen.mathlib.real import Real, fma, polynomial, select
from codegen.mathlib.trigonometric import half_turns

__all__ = ["digamma", "gammaln"]

_TINY = 2.0**-60  # up to here |Γ(x)| is 1/|x| to the last bit


def _in_double(formula: Callable[[Real, str], Real], x: Real) -> Real:
    """The formula in the format of x, with the coefficients whose names begin as the second argument says."""
    if x.format.is_double:
        return formula(x, "")
    return formula(x.extended(), "single_").truncated()


def _gammaln_positive(x: Real, degree: str) -> Real:
    below, large = x < 1.0, x > 2.5
    less = select(below, x.number(0.0), 1.0)
    logarithm = log_less(x, less)
    s = select(below, x, x - 1.0)
    small = s * (s - 1.0) * polynomial(s - 0.75, x.table[f"{degree}gammaln_small"])
    small = select(below, -logarithm, 0.0) + small  # 0, not -0, at 1 and 2
    inverse = 1.0 / x
    [start] = x.table["half_log_two_pi_less_half"]
    series = fma(inverse, polynomial(inverse * inverse, x.table[f"{degree}gammaln_large"]), start)
    return select(large, fma(x - 0.5, logarithm, series), small)


def _gammaln_negative(x: Real, degree: str) -> Real:
    """log(π/|sin πx|) - log Γ(1 - x); infinite at the poles, and -inf at -inf as in SciPy.

    Close to 0, sin πx is not yet multiplied by π: πx may be a subnormal number of few digits.
    """
    sine, _ = half_turns(x)
    [log_pi] = x.table["log_pi"]
    tiny = x > -_TINY
    y = (select(tiny, x.number(0.0), log_pi) - log(abs(select(tiny, x, sine)))) - _gammaln_positive(1.0 - x, degree)
    return select(x > -INFINITY, select(sine.equals(0.0), INFINITY, y), x)


def gammaln(x: Real) -> Real:
    return replace(x < 0.0, _in_double(_gammaln_positive, x), "gammaln", lambda y: _in_double(_gammaln_negative, y), x)


def _digamma_positive(x: Real, degree: str) -> Real:
    below = x < 1.0
    s = select(below, x, x - 1.0)
    zero, rest = x.table["digamma_zero_less_one"]
    inverse = 1.0 / x
    small = ((s - zero) - rest) * polynomial(s - 0.5, x.table[f"{degree}digamma_small"])
    small = small - select(below, inverse, 0.0)
    v = inverse * inverse
    large = log(x) - fma(inverse, 0.5, v * polynomial(v, x.table[f"{degree}digamma_large"]))
    return select(x >= 2.0, large, small)


def _digamma_negative(x: Real, degree: str) -> Real:
    """ψ(1 - x) - π/tan πx; nan at the poles."""
    sine, cosine = half_turns(x)
    y = fma(cosine / sine, -math.pi, _digamma_positive(1.0 - x, degree))
    return select(sine.equals(0.0), NAN, y)


def digamma(x: Real) -> Real:
    return replace(x < 0.0, _in_double(_digamma_positive, x), "digamma", lambda y: _in_double(_digamma_negative, y), x)
