"""The SymPy bridge in both directions, checked by values; what has no scalar form; text that is never evaluated."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import symgrad as sg
from symgrad.interp import evaluate

x, y = sg.symbols("x y")
v = sg.symbol("v", (3,))
B = sg.symbol("B", (2, 2))
X, Y = sympy.symbols("x y", real=True)
POINT = {x: 0.7, y: 1.9, v: [0.5, -1.5, 2.0], B: [[1.0, 2.0], [3.0, 4.0]]}

EXPRESSIONS = {
    "arithmetic": (x + 2) * y / (x - 3) - x**3,
    "float constants": 0.1 * x + 1e-30,
    "powers": x**y + y**-2 + x**0.5,
    "exponentials": np.exp(x) + np.exp2(y) + np.expm1(x) + np.log(x) + np.log2(y) + np.log10(x) + np.log1p(y),
    "trigonometry": np.sin(x) * np.cos(y) + np.tan(x) + np.arctan(y) + np.arcsin(x) + np.arccos(x) + np.arctan2(x, y),
    "hyperbolic": np.sinh(x) + np.cosh(y) * np.tanh(x) + np.arcsinh(x) + np.arctanh(x) + np.arccosh(y),
    "roots": np.sqrt(x) + np.hypot(x, y) + np.square(y),
    "special": sg.special.erf(x) + sg.special.erfc(y) + sg.special.expit(x),
    "pieces": np.maximum(x, y) + np.minimum(x, 2) + abs(x - y) + np.sign(x - 1) + np.floor(y) + np.ceil(x),
    "where": np.where(x > y, x, y**2) + np.where((x < 1) & (y >= 1), 1.0, x),
    "remainder": y % x,
    "elements": v[0] * v[2] + v[1] ** 2 + B[1, 0] * B[0, 1],
    "stopped": sg.stop_gradient(x) * x,
    "relu": sg.nn.relu(x - 1) + sg.nn.relu(y),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_to_sympy_and_back(name):
    """SymPy's own value of the exported formula, and the value of the formula read again."""
    made = EXPRESSIONS[name]
    (want,) = evaluate([made], POINT)
    formula = made.to_sympy()
    assert isinstance(formula, sympy.Basic)
    bv, bB = sympy.IndexedBase("v", shape=("3",)), sympy.IndexedBase("B", shape=("2", "2"))
    places = {X: sympy.Float(0.7, 30), Y: sympy.Float(1.9, 30)}
    places |= {bv[k]: POINT[v][k] for k in range(3)} | {bB[i, j]: POINT[B][i][j] for i in range(2) for j in range(2)}
    np.testing.assert_allclose(float(formula.subs(places).evalf(20)), want, rtol=1e-13)
    inside = {X: x, Y: y} | {bv[k]: v[k] for k in range(3)} | {bB[i, j]: B[i, j] for i in range(2) for j in range(2)}
    if not formula.atoms(sympy.Indexed):
        back = sg.from_sympy(formula, inside)
        np.testing.assert_allclose(evaluate([back], POINT)[0], want, rtol=1e-13)


def test_derivatives_agree_with_those_of_sympy():
    for name in ("arithmetic", "powers", "exponentials", "trigonometry", "hyperbolic", "roots", "special"):
        made = EXPRESSIONS[name]
        slopes = evaluate(sg.gradients(made, [x, y], unconnected="zero"), POINT)
        formula = made.to_sympy()
        for slope, symbol in zip(slopes, (X, Y), strict=True):
            want = sympy.diff(formula, symbol).subs({X: sympy.Float(0.7, 30), Y: sympy.Float(1.9, 30)}).evalf(20)
            np.testing.assert_allclose(slope, float(want), rtol=1e-11)


def test_exact_forms():
    assert (np.exp(x) / 2 + x * y).to_sympy() == sympy.exp(X) / 2 + X * Y
    assert (x**2 - 1).to_sympy() == X**2 - 1
    assert np.where(x > 0, x, -x).to_sympy() == sympy.Piecewise((X, X > 0), (-X, True))
    assert (x > y).to_sympy() == (X > Y)
    assert sg.constant(3.0).to_sympy() == 3
    assert isinstance(sg.constant(3.0).to_sympy(), sympy.Integer)
    assert sg.constant(0.5).to_sympy() == sympy.Float(0.5)
    assert sg.constant(True).to_sympy() is sympy.true
    assert str((v[0] * v[2]).to_sympy()) == "v[0]*v[2]"
    assert x.to_sympy().is_real


FORMULAS = {
    "polynomial": X**3 - 2 * X * Y + sympy.Rational(1, 3),
    "quotient": (X + 1) / (X**2 + Y**2) - 1 / Y,
    "negative powers": X**-2 + Y ** sympy.Rational(-3, 2) + sympy.sqrt(X) / Y,
    "constants": sympy.pi * X + sympy.E + sympy.sqrt(2) * Y + sympy.Rational(22, 7),
    "functions": sympy.sin(X) * sympy.exp(-Y) + sympy.log(X) + sympy.atan2(Y, X) + sympy.erf(X),
    "extrema": sympy.Max(X, Y, 1) + sympy.Min(X, Y) + sympy.Abs(X - Y) + sympy.sign(X - Y),
    "piecewise": sympy.Piecewise((X, X > Y), (Y**2, X > 0), (sympy.sin(X), True)),
    "conditions": sympy.Piecewise((1, sympy.And(X > 0, sympy.Or(Y < 1, sympy.Not(X > 2)))), (0, True)),
    "floor": sympy.floor(3 * X) + sympy.ceiling(Y) + sympy.Mod(Y, X),
    "nested powers": (X**Y) ** 2 + 2**X + Y**X,
    "a number": sympy.Rational(7, 2),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_from_sympy(name):
    formula = FORMULAS[name]
    made = sg.from_sympy(formula, {X: x, Y: y})
    for a, b in ((0.7, 1.9), (2.5, 0.3)):
        want = float(formula.subs({X: sympy.Float(a, 30), Y: sympy.Float(b, 30)}).evalf(20))
        np.testing.assert_allclose(evaluate([made], {x: a, y: b})[0], want, rtol=1e-14)


def test_values_may_be_expressions_arrays_and_numbers():
    made = sg.from_sympy(sympy.sin(X) * Y, {X: v * 2, Y: 3.0})
    assert made.shape == (3,)
    np.testing.assert_allclose(evaluate([made], POINT)[0], np.sin(np.array(POINT[v]) * 2) * 3, rtol=1e-15)


def test_symbols_without_a_value_become_symbols_of_their_name():
    made = sg.from_sympy(sympy.Symbol("x") + sympy.Symbol("other"))
    assert evaluate([made], {x: 1.0, sg.symbol("other"): 2.0})[0] == 3.0


def test_a_long_formula():
    """A SymPy expression nested a thousand deep is read without recursion."""
    t = sympy.Symbol("t")
    formula = t
    want = 0.3
    for _ in range(60):
        formula = sympy.sin(formula) + t
        want = np.sin(want) + 0.3
    np.testing.assert_allclose(evaluate([sg.from_sympy(formula)], {sg.symbol("t"): 0.3})[0], want, rtol=1e-13)


n = sympy.Symbol("n")
REFUSED = [
    sympy.Function("f")(n), sympy.Heaviside(n), sympy.DiracDelta(n), sympy.besselj(0, n), sympy.I * n,
    sympy.Derivative(sympy.Function("g")(n), n), sympy.Integral(n, n), sympy.zoo,
]  # fmt: skip


@pytest.mark.parametrize("formula", REFUSED, ids=str)
def test_formulas_without_an_elementwise_meaning(formula):
    with pytest.raises(sg.TraceError, match="has no elementwise meaning here"):
        sg.from_sympy(formula)


@pytest.mark.parametrize("text", ["x + 1", "__import__('os').getcwd()", ""])
def test_text_is_never_evaluated(text):
    with pytest.raises(sg.TraceError, match="text is never evaluated"):
        sg.from_sympy(text)


def test_names_are_never_evaluated():
    name = "__import__('os').getcwd()"
    made = sg.symbol(name) * 2
    (symbol,) = made.to_sympy().free_symbols
    assert symbol.name == name
    assert sg.from_sympy(made.to_sympy(), {symbol: sg.symbol(name)}) is 2 * sg.symbol(name)


@pytest.mark.parametrize(
    "made", [np.sum(v), v * 2, v @ v, np.max(v), B @ B, np.rint(x), v[::2]], ids=lambda made: made.op.name
)
def test_what_has_no_scalar_form(made):
    with pytest.raises(sg.TraceError, match=r"to_sympy: (.|\n)*has no scalar SymPy form") as caught:
        made.to_sympy()
    assert "\n  at test_" in str(caught.value)  # the first line that built it, here or in another test


def test_derivatives_by_an_exponent_go_to_sympy_and_print():
    x, y = sg.symbols("x y")
    (slope,) = sg.gradients(x**y, [y])
    (curvature,) = sg.gradients(slope, [y])
    a, b = sympy.symbols("x y", real=True)
    assert slope.to_sympy() == a**b * sympy.log(a)
    assert curvature.to_sympy() == a**b * sympy.log(a) ** 2
    assert [str(slope), str(curvature)] == ["x**y * log(x)", "x**y * log(x)**2"]
