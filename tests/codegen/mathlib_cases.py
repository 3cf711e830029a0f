"""Records for the tests of the mathematics library: one for each function, with samplers, a reference and bounds.

Bounds are in units in the last place of the result, with a fused multiplication and addition and without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import scipy.special
from numpy.typing import NDArray

Array = NDArray[Any]
Sampler = Callable[[np.dtype, np.random.Generator, int], Array]
mp = mpmath.mp


@dataclass(frozen=True, eq=False)
class Case:
    """One function.

    ``samples`` has one sampler for each argument in each row; ``unit`` gives the number whose last place is the unit
    of the error, where that is not the result; ``unreliable`` are arguments at which the peer is wrong.
    """

    name: str
    reference: Callable[..., Any]
    peer: Callable[..., Array]
    samples: Sequence[Sequence[Sampler]]
    bound: float = 2.5
    without_fma: float = 4.0
    unit: Callable[..., Any] = field(default=lambda y, *args: y)
    unreliable: Callable[[Array], Array] = field(default=lambda x: np.zeros(x.shape, bool))

    @property
    def arity(self) -> int:
        return len(self.samples[0])


def uniform(low: float, high: float, single: tuple[float, float] | None = None) -> Sampler:
    """Numbers of even density; other ends for floats on request."""

    def sample(dtype: np.dtype, rng: np.random.Generator, count: int) -> Array:
        ends = (low, high) if single is None or dtype == np.float64 else single
        return rng.uniform(*ends, count).astype(dtype)

    return sample


def spread(low: float, high: float, *, signed: bool = False, around: float = 0.0) -> Sampler:
    """``around`` plus numbers of even density in the exponent; ``low`` and ``high`` are shares of the exponent's range.

    The range goes from the smallest subnormal (-1) over 1 (0) to the largest number (1).
    """

    def sample(dtype: np.dtype, rng: np.random.Generator, count: int) -> Array:
        info = np.finfo(dtype)
        exponents = [share * (info.maxexp if share > 0 else info.nmant - info.minexp) for share in (low, high)]
        size = np.exp2(rng.uniform(*exponents, count))
        return (around + (size * rng.choice([-1, 1], count) if signed else size)).astype(dtype)

    return sample


def near(center: float, *, side: int = 0) -> Sampler:
    """Numbers at all distances from a center down to the last bit, on both sides or one."""

    def sample(dtype: np.dtype, rng: np.random.Generator, count: int) -> Array:
        distance = np.exp2(rng.uniform(-np.finfo(dtype).nmant - 2, -2, count))
        sign = rng.choice([-1, 1], count) if side == 0 else side
        return (center + sign * distance).astype(dtype)

    return sample


def multiples(step: float, limit: float, single: float) -> Sampler:
    """The numbers nearest to multiples of ``step``, up to a limit (another one for floats)."""

    def sample(dtype: np.dtype, rng: np.random.Generator, count: int) -> Array:
        most = (limit if dtype == np.float64 else single) / step
        return (np.rint(np.exp2(rng.uniform(0, np.log2(most), count))) * step).astype(dtype)

    return sample


def whole(low: int, high: int) -> Sampler:
    return lambda dtype, rng, count: rng.integers(low, high, count).astype(dtype)


def signed_unit(y: Any, x: Any) -> Any:
    """Reflection adds terms of opposite sign: below zero, errors are counted in units of the larger term."""
    return y if x > 0 else abs(y) + 1 + mp.log(1 + abs(x))


def remainder(x: Any, y: Any) -> Any:
    """The exact one, in fractions."""
    return mp.sign(x) * mp.mpf(float(Fraction(float(abs(x))) % Fraction(float(abs(y)))))


def erfcx(x: Any) -> Any:
    """Far out by its asymptotic series, where mpmath's erfc gives up."""
    if x < 1000:
        return mp.exp(x * x) * mp.erfc(x)
    v = 1 / (2 * x * x)
    return (1 - v * (1 - 3 * v * (1 - 5 * v * (1 - 7 * v * (1 - 9 * v))))) / (x * mp.sqrt(mp.pi))


def erfcinv(x: Any) -> Any:
    """By Newton's iteration on log erfc, which is nearly a parabola."""
    if x >= 0.5:
        return mp.erfinv(1 - x)
    y = mp.sqrt(-mp.log(x))
    for _ in range(60):
        value = mp.erfc(y)
        step = (mp.log(value) - mp.log(x)) * value * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step
        if abs(step) < mp.mpf(10) ** -30 * y:
            break
    return y


TINY = spread(-1, -0.02, signed=True)
ANY = spread(-1, 1, signed=True)
SMALL = uniform(-1, 1)


def _log_samples() -> list[list[Sampler]]:
    return [[uniform(0.5, 2)], [near(1)], [spread(-1, 1)], [spread(-1, -0.94)], [uniform(1, 1e4)]]


def _angle_samples(limit: float, single: float) -> list[list[Sampler]]:
    return [
        [SMALL],
        [uniform(-10, 10)],
        [uniform(-limit, limit, single=(-single, single))],
        [multiples(np.pi / 2, limit, single)],
        [multiples(np.pi / 4, limit, single)],
        [TINY],
    ]


_SIN = _angle_samples(9.9e8, 2.9e4)

CASES = [
    Case("exp", mp.exp, np.exp,
         [[SMALL], [uniform(-746, 709.7, (-104, 88.7))], [uniform(-746, -708, (-104, -87))], [TINY]], 1.5),
    Case("exp2", lambda x: mp.mpf(2) ** x, np.exp2,
         [[SMALL], [uniform(-1075, 1024, (-150, 128))], [uniform(-1075, -1021, (-150, -125))], [TINY],
          [whole(-149, 128)]]),
    Case("expm1", mp.expm1, np.expm1, [[SMALL], [uniform(-3, 3)], [uniform(-50, 709.7, (-20, 88.7))], [TINY]]),
    Case("log", mp.log, np.log, _log_samples(), 1.5),
    Case("log2", lambda x: mp.log(x) / mp.log(2), np.log2, _log_samples()),
    Case("log10", mp.log10, np.log10, _log_samples()),
    Case("log1p", mp.log1p, np.log1p,
         [[uniform(-0.999, 1)], [uniform(-0.5, 3)], [TINY], [spread(0, 1)], [near(-1, side=1)]]),
    Case("sin", mp.sin, np.sin, _SIN, 1.5),
    Case("cos", mp.cos, np.cos, _SIN, 1.5),
    Case("tan", mp.tan, np.tan, _SIN),
    Case("arcsin", mp.asin, np.arcsin,
         [[SMALL], [uniform(0.49, 0.51)], [near(1, side=-1)], [near(-1, side=1)], [TINY]]),
    Case("arccos", mp.acos, np.arccos,
         [[SMALL], [uniform(-0.51, 0.51)], [near(1, side=-1)], [near(-1, side=1)], [TINY]]),
    Case("arctan", mp.atan, np.arctan, [[SMALL], [uniform(-5, 5)], [near(1)], [ANY]]),
    Case("arctan2", mp.atan2, np.arctan2,
         [[uniform(-3, 3)] * 2, [ANY] * 2, [spread(-1, -0.9, signed=True)] * 2, [uniform(1, 1.1), uniform(-1.1, -1)]]),
    Case("sinh", mp.sinh, np.sinh, [[SMALL], [uniform(-3, 3)], [uniform(-710.4, 710.4, (-89.4, 89.4))], [TINY]]),
    Case("cosh", mp.cosh, np.cosh, [[SMALL], [uniform(-3, 3)], [uniform(-710.4, 710.4, (-89.4, 89.4))], [TINY]]),
    Case("tanh", mp.tanh, np.tanh, [[SMALL], [uniform(-3, 3)], [uniform(-30, 30)], [TINY]]),
    Case("arcsinh", mp.asinh, np.arcsinh, [[SMALL], [uniform(-5, 5)], [ANY], [spread(0.02, 0.04, signed=True)]]),
    Case("arccosh", mp.acosh, np.arccosh, [[uniform(1, 10)], [near(1, side=1)], [spread(0, 1)], [spread(0.02, 0.04)]]),
    Case("arctanh", mp.atanh, np.arctanh, [[SMALL], [uniform(0.45, 0.8)], [near(1, side=-1)], [TINY]]),
    Case("power", mp.power, np.power,
         [[uniform(0.1, 10), uniform(-5, 5)], [uniform(0.1, 10), uniform(-300, 300, (-40, 40))],
          [uniform(1, 2), uniform(500, 1000, (60, 120))], [uniform(0.3, 0.5), uniform(600, 900, (80, 120))],
          [spread(0.5, 0.99), uniform(-1, 1)], [spread(-0.9, -0.5), uniform(-1.1, 1.1)],
          [uniform(-10, 0), whole(-20, 20)], [near(1), uniform(-1000, 1000, (-100, 100))]]),
    Case("sqrt", mp.sqrt, np.sqrt, [[spread(-1, 1)]], 0.5001, 0.5001),
    Case("cbrt", lambda x: mp.sign(x) * mp.cbrt(abs(x)), np.cbrt,
         [[uniform(-10, 10)], [ANY], [spread(-1, -0.9, signed=True)]]),
    Case("hypot", mp.hypot, np.hypot,
         [[uniform(-3, 3)] * 2, [spread(-1, 0.99, signed=True)] * 2, [spread(-1, -0.9, signed=True)] * 2,
          [spread(0.9, 0.99)] * 2]),
    Case("fmod", lambda x, y: remainder(x, y), np.fmod,
         [[uniform(-10, 10), uniform(-3, 3)], [ANY, ANY], [uniform(-1e6, 1e6), uniform(0.1, 1)], [whole(-900, 900), whole(1, 9)],
          [spread(0.3, 0.35), spread(0.28, 0.3)], [TINY, TINY], [multiples(0.1, 1e9, 1e5), near(0.1)]], 0.0, 0.0),
    Case("erf", mp.erf, scipy.special.erf, [[SMALL], [uniform(-3, 3)], [uniform(-7, 7)], [near(1)], [TINY]]),
    Case("erfc", mp.erfc, scipy.special.erfc,
         [[SMALL], [uniform(-3, 3)], [uniform(0, 27.2, (0, 10.2))], [uniform(26, 27.2, (9, 10.2))],
          [uniform(0.4, 0.6)], [TINY]]),
    Case("erfcx", lambda x: erfcx(x), scipy.special.erfcx,
         [[SMALL], [uniform(-3, 3)], [uniform(-26.6, 40, (-9.3, 15))], [spread(0, 1)], [uniform(0.4, 0.6)],
          [uniform(27.9, 28.1, (10.4, 10.6))], [TINY]]),
    Case("ndtr", mp.ncdf, scipy.special.ndtr,
         [[SMALL], [uniform(-3, 3)], [uniform(-38.4, 9, (-14.1, 6))], [uniform(-0.8, -0.6)], [TINY]]),
    Case("erfinv", mp.erfinv, scipy.special.erfinv, [[uniform(-1, 1)], [uniform(0.84, 0.86)], [near(1, side=-1)], [TINY]],
         6.0, 6.0, unreliable=lambda x: x == 0),  # the peer loses the sign of zero
    Case("erfcinv", lambda x: erfcinv(x), scipy.special.erfcinv,
         [[uniform(0.2, 2)], [near(1)], [near(2, side=-1)], [spread(-0.9, -0.02)], [spread(-1, -0.9)]], 6.0, 6.0,
         unreliable=lambda x: (x == 1) | (np.abs(x) == np.finfo(x.dtype).smallest_subnormal)),
    Case("ndtri", lambda p: -mp.sqrt(2) * erfcinv(2 * p), scipy.special.ndtri,
         [[uniform(0, 1)], [near(0.5)], [near(1, side=-1)], [spread(-0.9, -0.02)], [spread(-1, -0.9)]], 6.0, 6.0),
    Case("logaddexp", lambda x, y: max(x, y) + mp.log1p(mp.exp(-abs(x - y))), np.logaddexp,
         [[SMALL, SMALL], [uniform(-50, 50)] * 2, [ANY, ANY], [TINY, SMALL], [uniform(700, 710), uniform(-10, 10)]],
         unit=lambda y, a, b: max(abs(y), abs(a), abs(b))),
    Case("logaddexp2", lambda x, y: max(x, y) + mp.log1p(mp.mpf(2) ** -abs(x - y)) / mp.log(2), np.logaddexp2,
         [[SMALL, SMALL], [uniform(-50, 50)] * 2, [ANY, ANY], [TINY, SMALL], [uniform(700, 1100), uniform(-10, 10)]],
         unit=lambda y, a, b: max(abs(y), abs(a), abs(b))),
    Case("expit", lambda x: 1 / (1 + mp.exp(-x)), scipy.special.expit,
         [[uniform(-5, 5)], [uniform(-744, 744, (-103, 103))], [TINY]],
         unreliable=lambda x: x < np.log(np.finfo(x.dtype).tiny)),
    Case("softplus", lambda x: mp.log1p(mp.exp(x)), lambda x: np.logaddexp(0, x).astype(x.dtype),
         [[SMALL], [uniform(-5, 5)], [uniform(-744, 744, (-103, 103))], [TINY]]),
    Case("gammaln", lambda x: mp.log(abs(mp.gamma(x))) if x < 200 else mp.loggamma(x), scipy.special.gammaln,
         [[uniform(0.01, 4)], [uniform(4, 100)], [near(1)], [near(2)], [near(2.5)], [spread(0.01, 0.98)],
          [spread(-1, 0, signed=True)], [uniform(-3.001, -2.999)], [uniform(-200, 0)]],
         3.0, unit=signed_unit, unreliable=lambda x: np.abs(x) < np.finfo(x.dtype).tiny),
    Case("digamma", lambda x: mp.psi(0, x), scipy.special.psi,
         [[uniform(0.01, 4)], [uniform(4, 100)], [near(1.4616321449683623)], [near(1)], [near(2)], [spread(0.01, 0.98)],
          [spread(-0.98, 0, signed=True)], [uniform(-3.001, -2.999)], [uniform(-200, 0)]],
         3.0, unit=signed_unit),
]  # fmt: skip

BY_NAME = {case.name: case for case in CASES}


def special_values(dtype: Any) -> Array:
    """Zeros, infinities, nan, the ends of the range, poles, branch points, halves and large even and odd numbers."""
    info = np.finfo(dtype)
    positive = [
        0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0, 40.0, 126.5, 128.0, 149.0, 150.0, 1023.5, 1024.0, 1074.0, 1075.0,
        1e5, 1e9, 1e22, 88.0, 89.0, 104.0, 709.0, 710.0, 745.0, 746.0, 2.0**23 + 1, 2.0**24 + 2, 2.0**51,
        2.0**53, 2.0**53 + 2, info.max, info.tiny, info.tiny / 2, info.smallest_subnormal, np.inf,
    ]  # fmt: skip
    return np.array([*positive, *(-one for one in positive), np.nan], dtype)
