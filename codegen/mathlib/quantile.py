"""erfinv, erfcinv, ndtri.  In: reals of any format and lanes.  Out: the inverses of erf, erfc and ndtr; no slow path.

All are the quantile of the normal distribution, whose two rational approximations in the tail and one in the middle are
those of Wichura, *Algorithm AS 241: the percentage points of the normal distribution*, Applied Statistics 37, 1988.
It takes the distance of the probability from ½ and the smaller of the two probabilities, so that neither is the result
of a subtraction that cancels.  Floats are computed in double.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from codegen.mathlib.formats import INFINITY, NAN
from codegen.mathlib.logarithm import log
from codegen.mathlib.real import Real, horner, select, with_sign_of

__all__ = ["erfcinv", "erfinv", "ndtri"]

_MIDDLE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(x: Real, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Real:
    above, below = polynomials
    return horner(x, above) / horner(x, below)


def _quantile(q: Real, tail: Real, share: float = 1.0) -> Real:
    """The quantile of ½ + q, where ``share`` of ``tail`` is the smaller of ½ + q and ½ - q.

    It is infinite for a tail of 0, and NaN where the tail is negative.
    """
    middle = abs(q) <= 0.425
    inner = q * _ratio(0.180625 - q * q, _MIDDLE)
    r = (-math.log(share) - log(select(middle, 0.25, tail))).sqrt()
    near = r <= 5.0
    outer = select(near, _ratio(r - 1.6, _TAIL), _ratio(select(near, 5.0, r) - 5.0, _FAR_TAIL))
    outer = select(tail.equals(0.0), INFINITY, select(tail > 0.0, outer, NAN))
    return select(middle, inner, with_sign_of(outer, q))


def _in_double(formula: Callable[[Real], Real], x: Real) -> Real:
    return formula(x) if x.format.is_double else formula(x.extended()).truncated()


def _ndtri(p: Real) -> Real:
    return _quantile(p - 0.5, select(p < 0.5, p, 1.0 - p))


def _erfinv(x: Real) -> Real:
    """The product with √½ would lose digits of subnormal numbers."""
    y = _quantile(0.5 * x, 1.0 - abs(x), 0.5) * math.sqrt(0.5)
    return select(abs(x) < 2.0**-500, x * (math.sqrt(math.pi) / 2), y)


def _erfcinv(x: Real) -> Real:
    return _quantile(0.5 - 0.5 * x, select(x < 1.0, x, 2.0 - x), 0.5) * math.sqrt(0.5)


def ndtri(p: Real) -> Real:
    return _in_double(_ndtri, p)


def erfinv(x: Real) -> Real:
    return _in_double(_erfinv, x)


def erfcinv(x: Real) -> Real:
    return _in_double(_erfcinv, x)
