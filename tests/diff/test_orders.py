"""Derivatives of higher order, of every function of one and of two arguments, beside exact values."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
import sympy
from runners import both_floats, both_ways, close, interpreted

import symgrad as sg
from symgrad.ops.declaring import ELEMENTWISE


@both_ways
@both_floats
def test_orders_of_the_square(run, dtype):
    x = sg.symbol("x", (), dtype)
    (first,) = sg.gradients(x**2, [x])
    (second,) = sg.gradients(first, [x])
    assert sg.gradients(second, [x]) == [None]
    (third,) = sg.gradients(second, [x], unconnected="zero")
    for got, want in zip(run([first, second, third], {x: 1.0}), (2.0, 2.0, 0.0), strict=True):
        close(got, want, dtype)


@pytest.mark.parametrize("exponent", range(6))
def test_integer_powers_at_zero(exponent):
    """x**n at 0: n! at order n, zero below and above, never 0 * inf."""
    x = sg.symbol("x")
    slopes = [x**exponent]
    for _ in range(7):
        slopes.append(sg.gradients(slopes[-1], [x], unconnected="zero")[0])
    for order, value in enumerate(interpreted(slopes, {x: 0.0})):
        assert float(value) == (float(sympy.factorial(exponent)) if order == exponent else 0.0)


POINTS = {"arcsin": 0.3, "arccos": 0.3, "arctanh": 0.3, "arccosh": 1.7, "log1p": 0.4, "tan": 0.4}
EXACT = {
    "absolute": abs, "negative": lambda x: -x, "square": lambda x: x**2, "exp2": lambda x: mpmath.mpf(2) ** x,
    "expm1": mpmath.expm1, "log2": lambda x: mpmath.log(x, 2), "log10": mpmath.log10, "arcsin": mpmath.asin,
    "log1p": mpmath.log1p, "arccos": mpmath.acos, "arctan": mpmath.atan, "arcsinh": mpmath.asinh, "arccosh": mpmath.acosh,
    "arctanh": mpmath.atanh, "expit": lambda x: 1 / (1 + mpmath.exp(-x)), "gammaln": mpmath.loggamma,
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)), "relu": lambda x: max(x, mpmath.mpf(0)),
    "fabs": abs, "reciprocal": lambda x: 1 / x, "deg2rad": lambda x: x * mpmath.pi / 180,
    "rad2deg": lambda x: x * 180 / mpmath.pi, "sinc": lambda x: mpmath.sinc(mpmath.pi * x), "fraction": lambda x: x,
    "mantissa": lambda x: x, "entr": lambda x: -x * mpmath.log(x), "logit": lambda x: mpmath.log(x / (1 - x)),
    "log_expit": lambda x: -mpmath.log(1 + mpmath.exp(-x)), "ndtr": mpmath.ncdf,
    "log_ndtr": lambda x: mpmath.log(mpmath.ncdf(x)), "erfcx": lambda x: mpmath.exp(x * x) * mpmath.erfc(x),
    "erfcinv": lambda x: mpmath.erfinv(1 - x), "ndtri": lambda x: mpmath.sqrt(2) * mpmath.erfinv(2 * x - 1),
}  # fmt: skip
CONSTANT = {
    *("sign", "floor", "ceil", "rint", "trunc", "isnan", "isfinite", "logical_not", "isinf", "signbit", "spacing"),
    *("exponent", "invert", "gammasgn"),
}
UNARY = [
    name
    for name, one in ELEMENTWISE.items()
    if one.arity == 1 and name not in CONSTANT and hasattr(sg.ops, name)  # other tests declare operations of their own
]


@pytest.mark.parametrize("name", UNARY)
def test_four_orders_of_every_function_of_one_argument(name):
    exact = EXACT.get(name) or getattr(mpmath, name, None)
    assert exact is not None
    point = POINTS.get(name, 0.7)
    x = sg.symbol("x")
    slopes = [ELEMENTWISE[name](x)]
    for _ in range(4):
        slopes.append(sg.gradients(slopes[-1], [x], unconnected="zero")[0])
    with mpmath.workdps(40):
        want = [float(mpmath.diff(exact, mpmath.mpf(point), order)) for order in range(5)]
    np.testing.assert_allclose(interpreted(slopes, {x: point}), want, rtol=1e-11, atol=1e-12)


BINARY = {
    "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "arctan2": lambda a, b: mpmath.atan2(a, b),
    "hypot": lambda a, b: mpmath.sqrt(a * a + b * b),
    "multiply": lambda a, b: a * b,
    "logaddexp": lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)),
    "logaddexp2": lambda a, b: mpmath.log(mpmath.mpf(2) ** a + mpmath.mpf(2) ** b, 2),
    "xlogy": lambda a, b: a * mpmath.log(b),
    "xlog1py": lambda a, b: a * mpmath.log(1 + b),
    "xdivy": lambda a, b: a / b,
    "rel_entr": lambda a, b: a * mpmath.log(a / b),
    "kl_div": lambda a, b: a * mpmath.log(a / b) - a + b,
    "copysign": lambda a, b: abs(a) * mpmath.sign(b),
    "fmod": lambda a, b: a - b * int(a / b),
    "remainder": lambda a, b: a - b * mpmath.floor(a / b),
    "fmax": lambda a, b: max(a, b),
    "fmin": lambda a, b: min(a, b),
}


@pytest.mark.parametrize("name", BINARY)
@both_ways
def test_all_partial_derivatives_of_functions_of_two_arguments(run, name):
    a, b = sg.symbols("a b")
    table = sg.derivatives(ELEMENTWISE[name](a, b), [a, b], 3)
    assert sorted(table) == sorted(pair for pair in itertools.product(range(4), repeat=2) if sum(pair) <= 3)
    got = run(list(table.values()), {a: 0.7, b: 1.6})
    with mpmath.workdps(40):
        want = [float(mpmath.diff(BINARY[name], (0.7, 1.6), index)) if any(index) else None for index in table]
    for index, one, exact in zip(table, got, want, strict=True):
        if exact is not None:
            np.testing.assert_allclose(one, exact, rtol=1e-10, atol=1e-12, err_msg=str(index))


def test_derivatives_of_an_array_and_a_scalar_by_multi_index():
    """Indices count the scalars of all sources, in order; the judge is SymPy."""
    x, a = sg.symbol("x", (2,)), sg.symbol("a")
    table = sg.derivatives(np.sin(x[0] * a) * np.exp(x[1]) + a**3 * x[0], [x, a], 3)
    p, q, r = sympy.symbols("p q r")
    formula = sympy.sin(p * r) * sympy.exp(q) + r**3 * p
    place = {p: 0.3, q: -0.2, r: 1.1}
    assert len(table) == sum(1 for index in itertools.product(range(4), repeat=3) if sum(index) <= 3)
    values = interpreted(list(table.values()), {x: [0.3, -0.2], a: 1.1})
    for index, value in zip(table, values, strict=True):
        exact = formula
        for one, count in zip((p, q, r), index, strict=True):
            exact = sympy.diff(exact, one, count) if count else exact
        np.testing.assert_allclose(value, float(exact.subs(place)), rtol=1e-12, atol=1e-13)
