"""grad and value_and_grad: values against complex steps, structure of the results, what is refused."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest
from judges import close, in_both_ways, slopes

import symgrad as sg

X = np.array([0.3, -1.2, 2.5])
Y = np.array([1.5, 0.4, -0.7])
M = np.array([[1.0, 0.5, -0.3], [0.2, -1.1, 0.8], [0.6, 0.9, 1.3]])

SCALAR = {
    "sum of squares": lambda x: np.sum(x**2),
    "sines": lambda x: np.sum(np.sin(x) * np.exp(-x)),
    "product": lambda x: np.prod(x + 3.0),
    "quadratic form": lambda x: x @ (M @ x),
    "rational": lambda x: np.sum(x / (1.0 + x * x)),
    "log-sum": lambda x: np.log(np.sum(np.exp(x))),
    "einsum": lambda x: np.einsum("i,ij,j->", x, M, np.tanh(x)),
    "parts": lambda x: x[0] * x[1] - x[2] ** 3 + np.sum(x[::-1] * M[0]),
    "mean": lambda x: np.mean(np.sqrt(4.0 + x * x)),
    "outer": lambda x: np.sum(np.outer(x, x) * M),
    "stack": lambda x: np.sum(np.stack([x, x * x]) ** 2),
    "reshape": lambda x: np.sum(np.cos(x.reshape(3, 1) * x.reshape(1, 3))),
    "power": lambda x: np.sum((x + 4.0) ** 2.5),
    "constant": lambda x: 0.0 * x[0] + 2.0,
}


@pytest.mark.parametrize("name", SCALAR)
def test_gradient(name):
    function = SCALAR[name]
    close(in_both_ways(sg.grad(function), X), slopes(function, X))


@pytest.mark.parametrize("name", ["sines", "quadratic form", "einsum"])
def test_value_and_gradient(name):
    function = SCALAR[name]
    value, gradient = in_both_ways(sg.value_and_grad(function), X)
    close(value, function(X))
    close(gradient, slopes(function, X))


def test_float32_stays_float32():
    x = X.astype(np.float32)
    value, gradient = in_both_ways(sg.value_and_grad(lambda x: np.sum(np.sin(x) * x)), x)
    assert value.dtype == np.float32
    close(gradient, np.cos(x) * x + np.sin(x), 1e-5, dtype=np.float32)


def test_a_gradient_has_the_shape_of_its_argument():
    for shape in [(), (1,), (2, 3), (0,), (2, 0, 1)]:
        found = sg.grad(lambda x: np.sum(x * x * 1.5))(np.full(shape, 2.0))
        assert isinstance(found, np.ndarray if shape else np.float64)
        close(found, np.full(shape, 6.0))


def test_one_transform_serves_many_types():
    gradient = sg.grad(lambda x: np.sum(x**3))
    for x in (X, M, 2.0, X[:2], X.astype(np.float32), M[:, ::2], np.asfortranarray(M)):
        close(gradient(x), 3 * np.asarray(x) ** 2, 1e-6, dtype=np.asarray(x).dtype)


def test_arguments_are_left_as_they_are():
    x = X.copy()
    sg.grad(lambda x: np.sum(x * x))(x)
    np.testing.assert_array_equal(x, X)


# -- choice of arguments --------------------------------------------------------------------------------------------
def three(x, y, a):
    return np.sum(np.sin(x) * y) * a + a**2


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, -3])
def test_one_argument_by_position(argnums):
    args = [X, Y, 0.5]

    def moved(own):
        return three(*(own if k == argnums % 3 else arg for k, arg in enumerate(args)))

    close(in_both_ways(sg.grad(three, argnums), *args), slopes(moved, args[argnums]))


def test_several_arguments_in_the_order_asked_for():
    on_x, on_y, on_a = np.cos(X) * Y * 0.5, np.sin(X) * 0.5, np.sum(np.sin(X) * Y) + 1.0
    close(in_both_ways(sg.grad(three, (0, 2)), X, Y, 0.5), (on_x, on_a))
    close(in_both_ways(sg.grad(three, (2, 1, 0)), X, Y, 0.5), (on_a, on_y, on_x))
    close(in_both_ways(sg.grad(three, [1]), X, Y, 0.5), (on_y,))
    close(in_both_ways(sg.grad(three, (1, 1)), X, Y, 0.5), (on_y, on_y))
    assert sg.grad(three, ())(X, Y, 0.5) == ()


def test_keywords_defaults_and_other_values():
    def f(x, power=2, *, scale="one"):
        return np.sum(x**power) if scale == "one" else x

    close(sg.grad(f)(x=X), 2 * X)
    close(sg.grad(f)(X, power=3.0), 3 * X**2)
    named = sg.grad(lambda x, how: np.sum(x * x) if how == "square" else np.sum(x))
    close(named(X, "square"), 2 * X)
    close(named(X, "other"), np.ones(3))


@pytest.mark.parametrize("argnums", [3, -4, (0, 5)])
def test_arguments_that_do_not_exist(argnums):
    with pytest.raises(sg.GradientError, match=r"there are 3 arguments"):
        sg.grad(three, argnums)(X, Y, 0.5)


def test_an_argument_that_is_no_array():
    with pytest.raises(sg.DTypeError, match="argument 1 holds something that is no array"):
        sg.grad(lambda x, how: np.sum(x), 1)(X, "square")


# -- auxiliary data -------------------------------------------------------------------------------------------------
def with_aux(x):
    return np.sum(x**2), {"double": 2 * x, "parts": (x[0], np.sum(x))}


def test_auxiliary_data_is_passed_through():
    aux = {"double": 2 * X, "parts": (X[0], np.sum(X))}
    close(in_both_ways(sg.grad(with_aux, has_aux=True), X), (2 * X, aux))
    close(in_both_ways(sg.value_and_grad(with_aux, has_aux=True), X), ((np.sum(X**2), aux), 2 * X))
    close(in_both_ways(sg.grad(lambda x, y: (x @ y, x * y), (0, 1), has_aux=True), X, Y), ((Y, X), X * Y))


@pytest.mark.parametrize("made", [lambda x: np.sum(x), lambda x: (np.sum(x), x, x), lambda x: [np.sum(x), x]])
def test_has_aux_needs_a_pair(made):
    with pytest.raises(sg.TraceError, match=r"with has_aux=True the function must return \(result, aux\)"):
        sg.grad(made, has_aux=True)(X)


# -- containers -----------------------------------------------------------------------------------------------------
@dataclasses.dataclass
class Layer:
    weight: Any
    bias: Any


class Pair(NamedTuple):
    left: Any
    right: Any


def model(layers, x):
    for layer in layers["hidden"]:
        x = np.tanh(layer.weight @ x + layer.bias)
    return np.sum(x * layers["scale"])


def test_a_network_in_nested_containers():
    layers = {"hidden": [Layer(M, X), Layer(M.T / 2, Y)], "scale": np.array([1.0, -2.0, 0.5])}
    found = in_both_ways(sg.grad(model), layers, Y)
    assert list(found) == ["hidden", "scale"]
    assert [type(one) for one in found["hidden"]] == [Layer, Layer]
    for k, (name, at) in enumerate([("weight", M), ("bias", X), ("weight", M.T / 2), ("bias", Y)]):

        def moved(own, k=k, name=name):
            hidden = list(layers["hidden"])
            hidden[k // 2] = dataclasses.replace(hidden[k // 2], **{name: own})
            return model({**layers, "hidden": hidden}, Y)

        close(getattr(found["hidden"][k // 2], name), slopes(moved, at))
    close(found["scale"], np.tanh(M.T / 2 @ np.tanh(M @ Y + X) + Y))


def test_named_tuples_keep_their_class():
    found = sg.grad(lambda p: np.sum(p.left * p.right))(Pair(X, Y))
    assert type(found) is Pair
    close(found.left, Y)
    close(found.right, X)


def test_container_and_array_arguments_together():
    found = in_both_ways(sg.grad(lambda p, x: p[0] * np.sum(p[1]["w"] * x), (0, 1)), (2.0, {"w": X}), Y)
    close(found, ((np.sum(X * Y), {"w": 2 * Y}), 2 * X))


def test_what_is_not_used_gets_zeros():
    found = sg.grad(lambda p: np.sum(p["used"] ** 2))({"used": X, "idle": M, "none": 3.0})
    close(found, {"used": 2 * X, "idle": np.zeros((3, 3)), "none": np.float64(0.0)})
    close(in_both_ways(sg.grad(lambda x: sg.stop_gradient(np.sum(x))), X), np.zeros(3))


# -- integers -------------------------------------------------------------------------------------------------------
def test_a_python_number_counts_as_float64():
    for number in (3, 3.0, np.float64(3.0)):
        found = sg.grad(lambda x: x**2)(number)
        assert found.dtype == np.float64
        assert found == 6.0


@pytest.mark.parametrize("value", [np.array([1, 2]), np.int64(3), np.array([True]), True])
@pytest.mark.parametrize("make", [sg.grad, sg.value_and_grad, sg.jacobian, sg.hessian, sg.derivative])
def test_integer_arrays_are_refused(make, value):
    with pytest.raises(sg.DTypeError, match=r"'n' is (int64|bool); only floating arguments have derivatives"):
        make(lambda n: np.sum(n * 1.5))(value)


def test_integer_arguments_beside_floating_ones():
    table, rows = np.arange(12.0).reshape(4, 3), np.array([0, 2, 2])
    found = in_both_ways(sg.grad(lambda t, rows: np.sum(t[rows] ** 2)), table, rows)
    want = np.zeros((4, 3))
    np.add.at(want, rows, 2 * table[rows])
    close(found, want)


def test_integers_on_request():
    n = np.array([1, -2, 5])
    close(in_both_ways(sg.grad(lambda n: np.sum(n * n), allow_int=True), n), 2 * n, dtype=np.int64)
    value, gradient = in_both_ways(sg.value_and_grad(lambda n: np.sum(n**3), allow_int=True), n)
    assert value == np.sum(n**3)
    close(gradient, 3 * n**2, dtype=np.int64)
    want = np.diag(n[::-1]) + np.diag(n)[:, ::-1]
    close(in_both_ways(sg.jacobian(lambda n: n * n[::-1], allow_int=True), n), want, dtype=np.int64)
    close(in_both_ways(sg.hessian(lambda n: np.sum(n**3), allow_int=True), n), np.diag(6 * n), dtype=np.int64)


def test_a_path_of_integers_through_other_arithmetic_gives_zeros():
    n = np.array([1, -2, 5])
    on_n, on_x = in_both_ways(sg.grad(lambda n, x: np.sum(n * x), (0, 1), allow_int=True), n, X)
    close(on_n, np.zeros(3, int), dtype=np.int64)
    close(on_x, n.astype(float))


# -- refusals -------------------------------------------------------------------------------------------------------
def here() -> int:
    return inspect.currentframe().f_back.f_lineno


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: x, "the function returned shape (3,), not a scalar"),
        (lambda x: np.sum(x, keepdims=True), "the function returned shape (1,), not a scalar"),
        (lambda x: (np.sum(x), np.sum(x)), "the function returned 2 arrays, not a scalar"),
        (lambda x: (), "the function returned 0 arrays, not a scalar"),
    ],
)
def test_results_that_are_no_scalars(function, what):
    for make in (sg.grad, sg.value_and_grad, sg.hessian):
        line = here() + 2
        with pytest.raises(sg.ShapeError) as caught:
            make(function)(X)
        name = make.__name__
        assert str(caught.value) == f"{name}: {what}\n  at test_function_gradients.py:{line}\n  hint: use sg.jacobian"


@pytest.mark.parametrize(
    ("function", "kind"),
    [(lambda x: np.sum(x) > 0, "bool"), (lambda x: np.sum(x).astype("int64"), "int64"), (lambda x: 3, "int64")],
)
def test_results_that_are_not_floating(function, kind):
    with pytest.raises(sg.DTypeError, match=f"grad: the function returned {kind}, which has no derivative"):
        sg.grad(function)(X)


@pytest.mark.parametrize("result", [None, "text", object()])
def test_results_that_are_no_arrays(result):
    with pytest.raises(sg.TraceError, match="neither number, array nor expression"):
        sg.grad(lambda x: result)(X)


def test_python_control_flow_on_values():
    with pytest.raises(sg.TraceError, match=r"truth of an expression(.|\n)*sg.where"):
        sg.grad(lambda x: x**2 if x > 0 else -x)(2.0)
    with pytest.raises(sg.TraceError, match="float value"):
        sg.grad(lambda x: float(x) ** 2)(2.0)


def test_object_arrays_are_refused():
    with pytest.raises(sg.DTypeError, match="object array"):
        sg.grad(lambda x: np.sum(x))(np.array([1.0, None]))


def test_an_error_in_the_function_comes_out_as_it_is():
    def broken(x):
        raise RuntimeError("my own mistake")

    with pytest.raises(RuntimeError, match="my own mistake"):
        sg.grad(broken)(X)


def test_names():
    gradient = sg.grad(three)
    assert gradient.__name__ == "three"
    assert repr(gradient) == "<grad of three>"
