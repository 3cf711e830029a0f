"""Derivatives where a formula would divide zero by zero, subtract infinities or underflow, against 50-digit values."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from runners import both_ways, interpreted

import symgrad as sg
from symgrad import special
from symgrad.errors import UnconnectedGradientError

INF, NAN = np.inf, np.nan


def orders(function, count):
    """The function of a scalar and its derivatives."""
    x = sg.symbol("x")
    made = [function(x)]
    for _ in range(count):
        made.append(sg.gradients(made[-1], [x], unconnected="zero")[0])
    return x, made


def slopes(function, *points):
    """The value and the gradient of a function of several scalars."""
    symbols = [sg.symbol(f"x{k}") for k in range(len(points))]
    y = function(*symbols)
    found = interpreted([y, *sg.gradients(y, symbols, unconnected="zero")], dict(zip(symbols, points, strict=True)))
    compiled = sg.compile((y, *sg.gradients(y, symbols, unconnected="zero")), symbols)(*points)
    np.testing.assert_allclose(found, compiled, rtol=1e-13)
    return [float(one) for one in found]


# -- sinc -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("point", [0.0, -0.0, 1e-300, 1e-8, 0.1, -0.32, 0.5, 1.0, 1.7, -3.3, 12.0])
@both_ways
def test_sinc_to_the_tenth_order(run, point):
    x, made = orders(np.sinc, 10)
    got = [float(one) for one in run(made, {x: point})]
    with mpmath.workdps(50):
        y = mpmath.mpf(point)
        for k, value in enumerate(got):
            # the integral of t**k cos(x t + k pi/2) over [0, 1] is the k-th derivative of sin(x)/x
            exact = mpmath.pi**k * mpmath.quad(
                lambda t, k=k: t**k * mpmath.cos(mpmath.pi * y * t + k * mpmath.pi / 2), mpmath.linspace(0, 1, 12)
            )
            scale = float(mpmath.pi**k / (k + 1))
            assert abs(value - float(exact)) <= 3e-15 * (1 + k) ** 2 * scale, k


@both_ways
def test_sinc_at_zero_is_exact(run):
    """The series is the sum of (-1)^n (pi x)^(2n)/(2n + 1)!."""
    x, made = orders(np.sinc, 8)
    got = [float(one) for one in run(made, {x: 0.0})]
    want = [(-1) ** (k // 2) * np.pi**k / (k + 1) if k % 2 == 0 else 0.0 for k in range(9)]
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=0)


def test_a_sinc_of_zeros_in_single_precision():
    x = sg.symbol("x", (3,), "float32")
    (slope,) = sg.gradients(np.sinc(x), [x])
    assert slope.dtype == np.float32
    got = sg.compile(slope, [x])(np.array([0, 0.25, 1], np.float32))
    want = [0.0, (np.pi / 4 * np.cos(np.pi / 4) - np.sin(np.pi / 4)) / (np.pi / 16), -1.0]
    np.testing.assert_allclose(got, want, rtol=3e-6)


# -- logarithms of sums, of zero ------------------------------------------------------------------------------------
LOGADDEXP = [
    ((0.0, 0.0), (0.5, 0.5)),
    ((-INF, 0.0), (0.0, 1.0)),
    ((3.0, -INF), (1.0, 0.0)),
    ((-INF, -INF), (0.5, 0.5)),
    ((INF, INF), (0.5, 0.5)),
    ((INF, 2.0), (1.0, 0.0)),
    ((INF, -INF), (1.0, 0.0)),
    ((800.0, -800.0), (1.0, 0.0)),
]


@pytest.mark.parametrize(("point", "want"), LOGADDEXP)
@pytest.mark.parametrize("function", [np.logaddexp, np.logaddexp2])
def test_logaddexp_at_its_limits(function, point, want):
    assert slopes(function, *point)[1:] == list(want)


def test_logaddexp_of_equal_numbers_keeps_its_curvature():
    x, made = orders(lambda x: np.logaddexp(x, 1.0), 4)
    got = [float(one) for one in interpreted(made, {x: 1.0})]
    np.testing.assert_allclose(got, [1 + np.log(2), 0.5, 0.25, 0.0, -0.125], rtol=1e-15, atol=1e-16)


def test_xlogy_at_zero():
    """The slope in x is log(y), there too; that in y is x/y, which is 0, also at y = 0."""
    assert slopes(special.xlogy, 0.0, 2.0) == [0.0, float(np.log(2)), 0.0]
    assert slopes(special.xlogy, 0.0, 0.0) == [0.0, -INF, 0.0]
    assert slopes(special.xlogy, 2.0, 0.0) == [-INF, -INF, INF]
    assert slopes(special.xlog1py, 0.0, 1.0) == [0.0, float(np.log1p(1)), 0.0]
    assert slopes(special.xlog1py, 0.0, -1.0) == [0.0, -INF, 0.0]


@both_ways
def test_mixed_derivatives_of_xlogy_at_zero(run):
    """All partial derivatives of x log(y) at x = 0, y = 2 from its power series in x."""
    a, b = sg.symbols("a b")
    table = sg.derivatives(special.xlogy(a, b), [a, b], 3)
    want = {
        (0, 0): 0.0, (1, 0): np.log(2), (0, 1): 0.0, (2, 0): 0.0, (1, 1): 0.5, (0, 2): 0.0, (3, 0): 0.0, (2, 1): 0.0,
        (1, 2): -0.25, (0, 3): 0.0,
    }  # fmt: skip
    got = run(list(table.values()), {a: 0.0, b: 2.0})
    for index, value in zip(table, got, strict=True):
        assert float(value) == pytest.approx(want[index], abs=1e-15), index


def test_entropies_at_zero():
    assert slopes(special.entr, 0.0) == [0.0, INF]
    assert slopes(special.entr, -1.0) == [-INF, 0.0]
    assert slopes(special.rel_entr, 0.0, 3.0) == [0.0, -INF, 0.0]
    assert slopes(special.rel_entr, 0.0, 0.0)[2] == 0.0
    assert slopes(special.kl_div, 0.0, 3.0) == [3.0, -INF, 1.0]
    assert slopes(special.kl_div, 2.0, 2.0) == [0.0, 0.0, 0.0]


def test_a_masked_entropy_has_a_finite_gradient():
    p = sg.symbol("p", (3,))
    y = np.sum(np.where(p > 0, special.entr(p), 0.0))
    (slope,) = sg.gradients(y, [p])
    point = [0.0, 0.5, 0.25]
    want = [0.0, *(-np.log(point[1:]) - 1)]
    np.testing.assert_allclose(interpreted([slope], {p: point})[0], want, rtol=1e-15)
    np.testing.assert_allclose(sg.compile(slope, [p])(np.array(point)), want, rtol=1e-15)


# -- tails of the normal distribution -------------------------------------------------------------------------------
TAILS = {
    "log_ndtr": (special.log_ndtr, lambda x: mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2)),
    "erfcx": (special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x)),
}


@pytest.mark.parametrize(
    ("name", "point"),
    [*itertools.product(["log_ndtr"], [-200.0, -30.0, -3.0, -0.5, 0.0, 2.0, 8.0]),
     *itertools.product(["erfcx"], [-4.0, 0.0, 0.6, 5.0, 12.0, 35.0, 100.0])],
)  # fmt: skip
@both_ways
def test_tails_to_the_third_order(run, name, point):
    function, exact = TAILS[name]
    x, made = orders(function, 3)
    got = [float(one) for one in run(made, {x: point})]
    with mpmath.workdps(80):
        want = [mpmath.diff(exact, mpmath.mpf(point), k) for k in range(4)]
        for k, (value, one) in enumerate(zip(got, want, strict=True)):
            # products of nearly equal terms lose digits as the square of the argument, at each order
            assert abs(value - one) <= 1e-14 * 30**k * max(abs(one), 1e-300) * max(1, point * point) ** min(k, 1), k


@pytest.mark.parametrize(("name", "point"), [("erfinv", 1.0), ("erfcinv", 0.0), ("ndtri", 0.0), ("ndtri", 1.0)])
def test_quantiles_end_vertically(name, point):
    value, slope = slopes(getattr(special, name), point)
    assert abs(value) == INF
    assert slope == (-INF if name == "erfcinv" else INF)


# -- signs, steps, parts --------------------------------------------------------------------------------------------
def test_hypot_and_cbrt_at_zero():
    assert slopes(np.hypot, 0.0, 0.0) == [0.0, 0.0, 0.0]
    assert slopes(np.cbrt, 0.0) == [0.0, INF]
    assert slopes(np.cbrt, -8.0) == pytest.approx([-2.0, 1 / 12])


@pytest.mark.parametrize(("kink", "want"), [("zero", 0.0), ("half", 0.0), ("right", -1.0), ("left", 1.0)])
def test_copysign_at_zero_follows_the_convention(kink, want):
    with sg.config.use(kink=kink):
        x = sg.symbol("x")
        (slope,) = sg.gradients(np.copysign(x, -2.0), [x])
        assert float(interpreted([slope], {x: 0.0})[0]) == want
        assert float(interpreted([slope], {x: 3.0})[0]) == -1.0
        assert float(interpreted([slope], {x: -3.0})[0]) == 1.0


def test_signs_and_steps_are_flat():
    assert slopes(np.copysign, 3.0, -2.0) == [-3.0, -1.0, 0.0]
    assert slopes(np.heaviside, 0.0, 0.7) == [0.7, 0.0, 1.0]
    assert slopes(np.heaviside, 2.0, 0.7) == [1.0, 0.0, 0.0]
    assert slopes(np.spacing, 3.0)[1] == 0.0


def test_extrema_that_ignore_nan_belong_to_the_number():
    assert slopes(np.fmax, NAN, 2.0) == [2.0, 0.0, 1.0]
    assert slopes(np.fmin, 2.0, NAN) == [2.0, 1.0, 0.0]
    assert slopes(np.fmax, 2.0, 2.0) == [2.0, 0.5, 0.5]


def test_nextafter_has_no_derivative():
    x = sg.symbol("x")
    assert sg.gradients(np.nextafter(x, 2.0), [x]) == [None]
    with pytest.raises(UnconnectedGradientError, match="nextafter has no derivative"):
        sg.gradients(np.nextafter(x, 2.0), [x], unconnected="raise")


@both_ways
def test_parts_of_numbers(run):
    x = sg.symbol("x")
    fraction, whole = np.modf(x)
    mantissa, exponent = np.frexp(x)
    scaled = np.ldexp(x, 3)
    quotient, rest = divmod(x, 1.5)
    made = [
        sg.gradients(one, [x], unconnected="zero")[0] for one in (fraction, whole, mantissa, scaled, quotient, rest)
    ]
    got = [float(one) for one in run(made, {x: 6.75})]
    assert got == [1.0, 0.0, 0.125, 8.0, 0.0, 1.0]
    assert exponent.dtype == np.int32


@both_ways
def test_the_slope_of_a_remainder_is_the_quotient_that_was_taken(run):
    """0.3 / 0.1 rounds to 3, but 0.1 goes into 0.3 only twice."""
    a, b = sg.symbols("a b")
    (slope,) = sg.gradients(a % b, [b])
    (of_fmod,) = sg.gradients(np.fmod(a, b), [b])
    got = [float(one) for one in run([slope, of_fmod], {a: 0.3, b: 0.1})]
    assert got == [-2.0, -2.0]


def test_masked_branches_contribute_nothing():
    x = sg.symbol("x", (4,))
    point = np.array([0.0, 1.0, 2.0, 4.0])
    for function, slope in (
        (np.reciprocal, lambda x: -1 / x**2),
        (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
        (lambda x: special.xlogy(2.0, x), lambda x: 2 / x),
        (lambda x: np.logaddexp(np.log(x), 0.0), lambda x: 1 / (1 + x)),
    ):
        (made,) = sg.gradients(np.sum(np.where(x > 0, function(x), 0.0)), [x])
        want = np.array([0.0, *slope(point[1:])])
        np.testing.assert_allclose(interpreted([made], {x: point})[0], want, rtol=1e-14)
        np.testing.assert_allclose(sg.compile(made, [x])(point), want, rtol=1e-14)
