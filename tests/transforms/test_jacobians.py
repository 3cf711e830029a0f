"""jacobian, hessian, hvp and derivative: values against complex steps, differences and SymPy; blocks of containers."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
from judges import close, curvatures, exact, in_both_ways, slopes

import symgrad as sg

X = np.array([0.3, -1.2, 2.5])
Y = np.array([1.5, 0.4])
W = np.array([[1.0, 0.5, -0.3], [0.2, -1.1, 0.8]])
MODES = ["auto", "forward", "reverse"]

ARRAY = {
    "elementwise": lambda x: np.sin(x) * x,
    "linear": lambda x: W @ x,
    "more columns": lambda x: np.tanh(W @ x),
    "more rows": lambda x: np.outer(x, np.exp(x)),
    "scalar": lambda x: np.sum(x**3),
    "picked": lambda x: np.stack([x[0] * x[1], x[2] ** 2]),
    "repeated": lambda x: x[np.array([0, 0, 2, 1, 2])] * x[0],
    "cumulated by hand": lambda x: np.tril(np.ones((3, 3))) @ (x * x),
    "normalised": lambda x: x / np.sqrt(np.sum(x * x)),
    "softmax": lambda x: np.exp(x) / np.sum(np.exp(x)),
    "three axes": lambda x: np.einsum("i,j,k->ijk", x, x, W[0]) * 0.5,
    "reversed": lambda x: x[::-1] * np.arange(3.0),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ARRAY)
def test_jacobian(name, mode):
    function = ARRAY[name]
    found = sg.jacobian(function, mode=mode)
    want = slopes(function, X)
    assert want.shape == (*function(X).shape, 3)
    x = sg.symbol("x", (3,))
    close(sg.compile(found(x), [x])(X), want)
    close(sg.compile(sg.jacobian(function(x), x, mode), [x])(X), want)


@pytest.mark.parametrize("mode", MODES)
def test_jacobian_of_a_matrix_argument(mode):
    def function(w):
        return np.tanh(w @ X) * w[:, 0]

    found = in_both_ways(sg.jacobian(function, mode=mode), W)
    assert found.shape == (2, 2, 3)
    close(found, slopes(function, W))


@pytest.mark.parametrize("mode", MODES)
def test_scalars_and_empty_arrays(mode):
    close(sg.jacobian(lambda a: a**3, mode=mode)(2.0), np.float64(12.0))
    close(sg.jacobian(lambda a: a * X, mode=mode)(2.0), X)
    close(sg.jacobian(lambda x: x * x, mode=mode)(np.zeros((0,))), np.zeros((0, 0)))
    close(sg.jacobian(lambda x: np.sum(x) * X, mode=mode)(np.zeros((2, 0))), np.zeros((3, 2, 0)))


@pytest.mark.parametrize("mode", MODES)
def test_blocks(mode):
    def function(x, y):
        return {"product": np.outer(x, y), "sum": np.sum(x) + np.sum(y), "x": x}

    found = in_both_ways(sg.jacobian(function, (0, 1), mode), X, Y)
    assert list(found) == ["product", "sum", "x"]
    for name, (on_x, on_y) in found.items():
        close(on_x, slopes(lambda x, name=name: function(x, Y)[name] + 0 * x[0], X))
        close(on_y, slopes(lambda y, name=name: function(X, y)[name] + 0 * y[0], Y))


def test_containers_of_containers_and_aux():
    found, aux = in_both_ways(sg.jacobian(lambda p: ((p["a"] * p["b"], p["b"]), np.sum(p["b"])), has_aux=True),
                              {"a": 2.0, "b": X})  # fmt: skip
    close(found, ({"a": X, "b": 2 * np.eye(3)}, {"a": np.zeros(3), "b": np.eye(3)}))
    close(aux, np.sum(X))


def test_forward_and_reverse_do_different_work():
    """A tall Jacobian is cheaper forward, a wide one in reverse; auto is as cheap as the better."""
    x, w = sg.symbol("x", (2,)), np.linspace(-1, 1, 40).reshape(20, 2)
    square = np.linspace(-1, 1, 400).reshape(20, 20)

    def tall(x):
        return np.sin(square @ np.tanh(square @ np.tanh(w @ x)))

    flops = {mode: sg.compile(sg.jacobian(tall, mode=mode)(x), [x]).stats["flops"] for mode in MODES}
    assert flops["auto"] == flops["forward"] < flops["reverse"]
    v = sg.symbol("v", (20,))

    def wide(v):
        return np.sin(np.tanh(np.tanh(v @ square) @ square) @ w)

    flops = {mode: sg.compile(sg.jacobian(wide, mode=mode)(v), [v]).stats["flops"] for mode in MODES}
    assert flops["auto"] == flops["reverse"] < flops["forward"]


def test_unknown_mode():
    with pytest.raises(sg.GradientError, match=r"mode='backward'(.|\n)*one of 'auto', 'forward', 'reverse'"):
        sg.jacobian(lambda x: x, mode="backward")(X)


def test_dynamic_shapes():
    x = sg.symbol("x", ("n",))
    kernel = sg.compile(sg.jacobian(lambda x: np.sin(x) * np.sum(x), mode="reverse")(x), [x])
    for n in (1, 2, 5):
        point = np.linspace(-1, 2, n)
        close(kernel(point), slopes(lambda x: np.sin(x) * np.sum(x), point))


# -- second derivatives ---------------------------------------------------------------------------------------------
CURVED = {
    "quadratic": lambda x: x @ (W.T @ (W @ x)),
    "polynomial": lambda x: x[0] ** 2 * x[1] - x[2] ** 3 * x[0],
    "exponential": lambda x: np.exp(0.3 * np.sum(x * x)),
    "waves": lambda x: np.sum(np.sin(np.outer(x, x))),
    "logsumexp": lambda x: np.log(np.sum(np.exp(x))),
    "norm": lambda x: np.sqrt(np.sum(x * x) + 1.0),
    "network": lambda x: np.sum(np.tanh(W @ np.tanh(W.T @ np.tanh(W @ x)))),
    "linear": lambda x: np.sum(W @ x),
}


@pytest.mark.parametrize("name", CURVED)
def test_hessian_and_its_products(name):
    function = CURVED[name]
    want = curvatures(function, X)
    x = sg.symbol("x", (3,))
    v = np.array([0.7, -0.2, 1.1])
    kernel = sg.compile(
        {
            "hessian": sg.hessian(function)(x),
            "expression": sg.hessian(function(x), x),
            "jacobian of gradient": sg.jacobian(sg.grad(function))(x),
            "product": sg.hvp(function)(x, v),
            "forward over forward": sg.jacobian(sg.jacobian(function, mode="forward"), mode="forward")(x),
            "reverse over reverse": sg.jacobian(sg.jacobian(function, mode="reverse"), mode="reverse")(x),
        },
        [x],
    )
    for label, found in kernel(X).items():
        expected = want @ v if label == "product" else want
        close(found, expected, 1e-8, 1e-8)
        if label != "product":
            np.testing.assert_allclose(found, found.T, rtol=1e-12, atol=1e-12)


def test_hessian_called_with_arrays():
    function = CURVED["polynomial"]
    close(in_both_ways(sg.hessian(function), X), curvatures(function, X), 1e-8, 1e-8)
    v = np.array([1.0, 0.0, -1.0])
    close(in_both_ways(sg.hvp(function), X, v), curvatures(function, X) @ v, 1e-8, 1e-8)


def test_hessian_of_a_scalar_and_of_a_matrix():
    close(in_both_ways(sg.hessian(lambda a: a**4), 2.0), np.float64(48.0))
    found = in_both_ways(sg.hessian(lambda w: np.sum((w @ X) ** 3)), W)
    assert found.shape == (2, 3, 2, 3)
    close(found, curvatures(lambda w: np.sum((w @ X) ** 3), W), 1e-7, 1e-7)


def test_hessian_blocks():
    def function(x, y):
        return np.sum(np.outer(x, y) ** 2) + np.sum(np.sin(x))

    found = in_both_ways(sg.hessian(function, (0, 1)), X, Y)
    close(found[0][0], 2 * np.sum(Y**2) * np.eye(3) - np.diag(np.sin(X)))
    close(found[0][1], 4 * np.outer(X, Y))
    close(found[1][0], 4 * np.outer(Y, X))
    close(found[1][1], 2 * np.sum(X**2) * np.eye(2))


def test_hessian_of_containers():
    point = {"a": 2.0, "b": Y}
    found = in_both_ways(sg.hessian(lambda p: p["a"] ** 2 * np.sum(p["b"] ** 2)), point)
    close(found, {"a": {"a": 2 * np.sum(Y**2), "b": 8 * Y}, "b": {"a": 8 * Y, "b": 8 * np.eye(2)}})
    direction = {"a": 0.5, "b": np.array([1.0, -1.0])}
    product = in_both_ways(sg.hvp(lambda p: p["a"] ** 2 * np.sum(p["b"] ** 2)), point, direction)
    along = direction["b"]
    close(product, {"a": np.sum(Y**2) + 8 * Y @ along, "b": 4 * Y + 8 * along})


def test_hvp_of_another_structure():
    with pytest.raises(sg.TraceError, match="hvp: the vector has another structure"):
        sg.hvp(lambda p: np.sum(p[0]))((X,), X)
    with pytest.raises(sg.DTypeError, match=r"hvp: the argument 'x' is int64"):
        sg.hvp(lambda n: np.sum(n * 1.5))(np.array([1, 2]), np.array([1, 2]))


def test_a_hessian_of_what_is_linear_or_constant_is_zero():
    close(sg.hessian(lambda x: np.sum(x))(X), np.zeros((3, 3)))
    close(sg.hessian(lambda x: 1.0)(X), np.zeros((3, 3)))
    close(sg.hvp(lambda x: np.sum(x))(X, X), np.zeros(3))
    close(sg.hvp(lambda x: 1.0)(X, X), np.zeros(3))


# -- repeated derivatives -------------------------------------------------------------------------------------------
FORMULAS = {
    "sin": (np.sin, sympy.sin),
    "exp of square": (lambda x: np.exp(-x * x), lambda t: sympy.exp(-(t**2))),
    "quotient": (lambda x: x / (1 + x * x), lambda t: t / (1 + t**2)),
    "root": (lambda x: np.sqrt(1 + x), lambda t: sympy.sqrt(1 + t)),
    "tanh": (np.tanh, sympy.tanh),
    "power": (lambda x: (2 + x) ** 1.7, lambda t: (2 + t) ** sympy.Rational(17, 10)),
    "polynomial": (lambda x: x**5 - 3 * x**2, lambda t: t**5 - 3 * t**2),
    "logistic": (sg.special.expit, lambda t: 1 / (1 + sympy.exp(-t))),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_derivative(name):
    function, formula = FORMULAS[name]
    x = sg.symbol("x")
    found = sg.compile(tuple(sg.derivative(function, n)(x) for n in range(6)), [x])(0.4)
    np.testing.assert_allclose(found, [exact(formula, 0.4, n) for n in range(6)], rtol=1e-10, atol=1e-12)
    nested = function
    for _ in range(3):
        nested = sg.grad(nested)
    np.testing.assert_allclose(nested(0.4), exact(formula, 0.4, 3), rtol=1e-10)


def test_tenth_derivative():
    with mpmath.workdps(60):
        want = float(mpmath.diff(lambda t: mpmath.sin(t) * mpmath.exp(t / 2), 0.7, 10))
    close(sg.derivative(lambda x: np.sin(x) * np.exp(x / 2), 10)(0.7), np.float64(want), 1e-10)


def test_derivative_of_arrays_is_elementwise():
    close(in_both_ways(sg.derivative(lambda x: x**4, 2), X), 12 * X**2)
    close(sg.derivative(np.sin, 0)(X), np.sin(X))
    close(sg.derivative(lambda x: 0 * x + 3.0, 1)(X), np.zeros(3))
    close(sg.derivative(lambda x: x * x, 3)(X), np.zeros(3))


@pytest.mark.parametrize("n", [-1, 1.0, True, "1", None])
def test_orders_that_are_no_natural_numbers(n):
    with pytest.raises(sg.GradientError, match="is not a natural number"):
        sg.derivative(np.sin, n)


def test_what_derivative_refuses():
    with pytest.raises(sg.ShapeError, match=r"maps shape \(3,\) to \(\)(.|\n)*sg.jacobian"):
        sg.derivative(lambda x: np.sum(x))(X)
    with pytest.raises(sg.GradientError, match="one array argument is needed, 2 were given"):
        sg.derivative(lambda x, y: x * y)(1.0, 2.0)
