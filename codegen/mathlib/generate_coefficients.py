"""Makes ``coefficients.py``.  In: the lists below.  Out: minimax polynomials and split constants in both formats.

Run by hand after changing a list, with mpmath installed: ``python -m codegen.mathlib.generate_coefficients``.  The
weights turn an error of a polynomial into a relative error of the function computed with it; the polynomials are
corrections to exact leading terms, so rounding their coefficients costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from codegen.mathlib.minimax import Polynomial, Real, minimax, mp, rounded, split

__all__ = ["POLYNOMIALS", "constants", "tables"]

_LN2 = mp.log(2)
_LARGEST_S = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")
_QUADRANT = (mp.pi / 4 * mp.mpf("1.004")) ** 2


def _square_root(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """The function of x as a function of z = x²."""
    return lambda z: function(mp.sqrt(z))


def _odd(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """P with function(x) = x + x z P(z), z = x²."""
    return _square_root(lambda x: (function(x) / x - 1) / x**2)


def _of_quotient(center: Real, function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """The function of x as a function of t = (x - center)/(x + center)."""
    return lambda t: function(center * (1 + t) / (1 - t))


def _of_inverse_square(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """The function of x as a function of v = 1/x²."""
    return lambda v: function(1 / mp.sqrt(v))


def _quotient(center: Real, x: Real) -> Real:
    return (mp.mpf(x) - center) / (mp.mpf(x) + center)


_ERF_CENTER = mp.mpf("2.5")
_ERFC_CENTER, _ERFC_SHIFT = mp.mpf("3.75"), mp.mpf("0.875")
_NDTR_CENTER, _NDTR_SHIFT = mp.mpf(5), mp.mpf("1.25")


def _scaled_erfc(x: Real) -> Real:
    return mp.exp(x * x) * mp.erfc(x)


_DIGAMMA_ZERO = mp.findroot(lambda x: mp.psi(0, x), 1.46)


def _gammaln_quotient(t: Real) -> Real:
    s = t + 0.75
    return mp.loggamma(1 + s) / (s * (s - 1))


def _digamma_quotient(t: Real) -> Real:
    x = t + 1.5
    return mp.psi(0, x) / (x - _DIGAMMA_ZERO)


POLYNOMIALS = {
    # exp(r) = 1 + r + r² P(r), |r| <= log(2)/2
    "exp": Polynomial(lambda r: (mp.expm1(r) - r) / r**2, -0.34675, 0.34675, 9, 4, lambda r: r**2 / mp.exp(r)),
    # 2^r = 1 + r log 2 + r² P(r), |r| <= ½
    "exp2": Polynomial(
        lambda r: (mp.expm1(r * _LN2) - r * _LN2) / r**2, -0.5001, 0.5001, 9, 4, lambda r: r**2 / mp.exp(r * _LN2)
    ),
    # 2 atanh(s) = 2 s + s z P(z), z = s², |s| <= (√2 - 1)/(√2 + 1)
    "log": Polynomial(_square_root(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), 0, _LARGEST_S**2, 6, 2, lambda z: z),
    # sin(r) = r - r z P(z) and cos(r) = 1 - z/2 + z² P(z), z = r², |r| <= π/4
    "sin": Polynomial(_square_root(lambda r: (1 - mp.sin(r) / r) / r**2), 0, _QUADRANT, 5, 2, lambda z: z),
    "cos": Polynomial(_square_root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4), 0, _QUADRANT, 5, 2, lambda z: z**2),
    "arctan": Polynomial(_odd(mp.atan), 0, 1, 18, 8, lambda z: z),
    "arcsin": Polynomial(_odd(mp.asin), 0, 0.25, 11, 4, lambda z: z),
    "arctanh": Polynomial(_odd(mp.atanh), 0, 0.25, 13, 5, lambda z: z),
    # m^(-1/3), a start for Newton's iteration
    "cbrt": Polynomial(lambda m: m ** (-mp.mpf(1) / 3), 0.7071, 1.4143, 5, 5, lambda m: mp.cbrt(m)),
    # erf(x) = x + x P(x²), |x| <= 1
    "erf_small": Polynomial(_square_root(lambda x: mp.erf(x) / x - 1), 0, 1, 11, 6, lambda z: 1),
    # erfc(x) exp(x²) on [1, 6] and [1, 4], weighted for 1 - erfc(x)
    "erf_large": Polynomial(
        _of_quotient(_ERF_CENTER, _scaled_erfc),
        _quotient(_ERF_CENTER, 1),
        (_quotient(_ERF_CENTER, 6), _quotient(_ERF_CENTER, 4)),
        11,
        4,
        _of_quotient(_ERF_CENTER, lambda x: mp.exp(-x * x)),
    ),
    # erfc(x) exp(x²) (x + d) on [0, 28] and [0, 10.5]
    "erfc": Polynomial(
        _of_quotient(_ERFC_CENTER, lambda x: _scaled_erfc(x) * (x + _ERFC_SHIFT)),
        -1,
        (_quotient(_ERFC_CENTER, 28), _quotient(_ERFC_CENTER, 10.5)),
        22,
        10,
        lambda t: 1,
    ),
    # Φ(-x) exp(x²/2) (x + d) on [0, 39] and [0, 14.5]
    "ndtr": Polynomial(
        _of_quotient(_NDTR_CENTER, lambda x: _scaled_erfc(x / mp.sqrt(2)) / 2 * (x + _NDTR_SHIFT)),
        -1,
        (_quotient(_NDTR_CENTER, 39), _quotient(_NDTR_CENTER, 14.5)),
        22,
        10,
        lambda t: 1,
    ),
    # atanh(s) = s + s z/3 + s z² P(z)
    "power_log": Polynomial(
        _square_root(lambda s: (mp.atanh(s) / s - 1 - s**2 / 3) / s**4), 0, _LARGEST_S**2, 6, None, lambda z: z**2
    ),
    # log2((1 + s)/(1 - s)) = s P(z), and 2^r, for floats computed in double
    "single_log2": Polynomial(
        _square_root(lambda s: 2 * mp.atanh(s) / s / _LN2), 0, _LARGEST_S**2, 5, None, lambda z: 1
    ),
    "single_exp2": Polynomial(lambda r: mp.mpf(2) ** r, -0.5001, 0.5001, 6, None, lambda r: 1),
}

# the gamma functions of floats are computed in double, with lower degrees
_GAMMA = {
    # log Γ(1 + s) = s (s - 1) P(s - ¾) on [0, 1.5]
    "gammaln_small": (_gammaln_quotient, -0.75, 0.75, 24, 12, lambda t: 1 / _gammaln_quotient(t)),
    # log Γ(x) = (x - ½) log x - x + log(2π)/2 + P(v)/x, v = 1/x², from 2.5 on
    "gammaln_large": (
        _of_inverse_square(lambda x: (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x),
        1e-8,
        0.16,
        11,
        3,
        _of_inverse_square(lambda x: 1 / (x * mp.loggamma(x))),
    ),
    # ψ(1 + s) = (1 + s - x0) P(s - ½) on [0, 1]
    "digamma_small": (_digamma_quotient, -0.5, 0.5, 21, 11, lambda t: 1 / _digamma_quotient(t)),
    # ψ(x) = log x - 1/(2x) - v P(v), v = 1/x², from 2 on
    "digamma_large": (
        _of_inverse_square(lambda x: (mp.log(x) - mp.psi(0, x) - 1 / (2 * x)) * x**2),
        1e-8,
        0.25,
        14,
        4,
        _of_inverse_square(lambda x: 1 / (x**2 * mp.psi(0, x))),
    ),
}
for _name, (_function, _low, _high, _double, _single, _weight) in _GAMMA.items():
    POLYNOMIALS[_name] = Polynomial(_function, _low, _high, _double, None, _weight)
    POLYNOMIALS[f"single_{_name}"] = Polynomial(_function, _low, _high, _single, None, _weight)


def constants(single: bool) -> dict[str, tuple[float, ...]]:
    """Constants as sums of parts.

    ``log2e`` and the like have parts of full width.  Those named ``short`` have first parts with trailing zeros, so
    that their products with integers (exponents, quadrants) are exact without a fused operation.
    """
    exponent = 9 if single else 12
    significand = 24 if single else 53
    short = significand - exponent
    return {
        "log2e": split(1 / _LN2, (0, 0), single),
        "log10e": split(1 / mp.log(10), (0, 0), single),
        "ln2": split(_LN2, (0,), single),
        "ln2_short": split(_LN2, (short, 0), single),
        "half_ln2_short": split(_LN2 / 2, (short, 0), single),
        "log10_2_short": split(mp.log10(2), (short, 0), single),
        "half_pi": split(mp.pi / 2, (significand, significand, 0), single),
        "half_pi_short": split(mp.pi / 2, (12, 12, 12, 0) if single else (35, 35, 0), single),
        "two_over_pi": split(2 / mp.pi, (0,), single),
        "erf_center": (float(_ERF_CENTER),),
        "erfc_center": (float(_ERFC_CENTER), float(_ERFC_SHIFT)),
        "ndtr_center": (float(_NDTR_CENTER), float(_NDTR_SHIFT)),
        **({} if single else _double_constants()),
    }


def _double_constants() -> dict[str, tuple[float, ...]]:
    """Those of functions that are computed in double in either format."""
    return {
        "two_log2e": split(2 / _LN2, (0, 0), False),
        "third": split(mp.mpf(1) / 3, (0, 0), False),
        "digamma_zero_less_one": split(_DIGAMMA_ZERO - 1, (0, 0), False),
        "half_log_two_pi_less_half": split(mp.log(2 * mp.pi) / 2 - mp.mpf("0.5"), (0,), False),
        "log_pi": split(mp.log(mp.pi), (0,), False),
    }


def tables(names: Sequence[str] | None = None) -> Iterator[tuple[bool, str, tuple[float, ...], float]]:
    """(single, name, numbers, error) of every entry, or of the polynomials named; the error is 0 for constants."""
    for single in (False, True):
        for name, spec in POLYNOMIALS.items():
            if (names is None or name in names) and not (single and spec.single is None):
                found, error = minimax(spec, single)
                yield single, name, tuple(rounded(value, single) for value in found), float(error)
        if names is None:
            for name, parts in constants(single).items():
                yield single, name, parts, 0.0


_HEADER = '''"""Polynomials, constant term first, and constants as sums of parts, for both formats.

Made by ``generate_coefficients.py``; do not edit.  The comment behind a polynomial is its weighted error.
"""

'''


def _text() -> str:
    lines = {False: ["DOUBLE: dict[str, tuple[float, ...]] = {"], True: ["FLOAT: dict[str, tuple[float, ...]] = {"]}
    for single, name, numbers, error in tables():
        comment = f"  # 2**{float(mp.log(error, 2)):.1f}" if error else ""
        lines[single] += [f'    "{name}": ({comment}', *(f"        {number!r}," for number in numbers), "    ),"]
    body = "\n".join([*lines[False], "}", "", *lines[True], "}"])
    return f"{_HEADER}# fmt: off\n{body}\n"


if __name__ == "__main__":
    Path(__file__).with_name("coefficients.py").write_text(_text(), encoding="utf-8")
