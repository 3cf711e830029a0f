"""Arguments of transformed functions: by position and by name, defaults, static ones, auxiliary results."""

from __future__ import annotations

import copy
import functools
import gc
import weakref

import numpy as np
import pytest
from judges import close, curvatures, in_both_ways, slopes

import symgrad as sg

X = np.array([0.3, -1.2, 2.5])
Y = np.array([1.5, 0.4, -0.7])
V = np.array([1.0, -0.5, 0.25])


def energy(x, y, scale=2.0, *, power=3.0, shift=0.0):
    """Analytic in all of its arguments; with NumPy's numbers it runs as it is."""
    return np.sum(np.sin(x) * y) * scale**power + np.sum(x * y) * shift


CALLS = {
    "positions": lambda f: f(X, Y),
    "names": lambda f: f(x=X, y=Y),
    "names in another order": lambda f: f(y=Y, x=X),
    "both": lambda f: f(X, y=Y, scale=1.5),
    "names after a gap": lambda f: f(X, Y, power=2.0),
    "all by name": lambda f: f(shift=0.5, power=2.0, scale=1.5, y=Y, x=X),
    "default and keyword-only": lambda f: f(X, Y, 1.5, shift=0.5),
}


@pytest.mark.parametrize("how", CALLS)
def test_every_way_of_passing_arguments(how):
    call = CALLS[how]

    def at(x=None, y=None):
        """The energy with some arguments replaced, for the judges."""

        def replaced(*args, **kwargs):
            given = dict(zip(("x", "y", "scale"), args, strict=False)) | kwargs
            if x is not None:
                given["x"] = x
            if y is not None:
                given["y"] = y
            return energy(**given)

        return call(replaced)

    on_x, on_y = slopes(lambda x: at(x=x), X), slopes(lambda y: at(y=y), Y)
    close(call(sg.jit(energy)), np.float64(at()))
    close(call(sg.grad(energy)), on_x)
    close(call(sg.grad(energy, 1)), on_y)
    close(call(sg.grad(energy, (0, 1))), (on_x, on_y))
    value, gradient = call(sg.value_and_grad(energy, (1, 0)))
    close(value, np.float64(at()))
    close(gradient, (on_y, on_x))
    close(call(sg.jacobian(energy, 1)), on_y)
    close(call(sg.hessian(energy)), curvatures(lambda x: at(x=x), X), 1e-7, 1e-8)


def test_the_same_combination_whichever_way_it_is_passed():
    traces = []

    def f(x, y=1.0, *, z=2.0):
        traces.append(None)
        return x * y + z

    function = sg.jit(f)
    for made in (function(3.0, 4.0), function(3.0, y=4.0), function(y=4.0, x=3.0), function(x=3.0, y=4.0)):
        assert made == 14.0
    assert len(traces) == 1
    for made in (function(3.0, 4.0, z=5.0), function(z=5.0, y=4.0, x=3.0), function(3.0, z=5.0, y=4.0)):
        assert made == 17.0
    assert len(traces) == 2
    assert function(3.0, z=5.0) == 8.0
    assert len(traces) == 3
    for _ in range(3):  # again, now that all are known
        assert function(y=4.0, z=5.0, x=3.0) == 17.0
        assert function(z=1.0, x=3.0) == 4.0
    assert len(traces) == 3


def test_keywords_that_are_containers_keep_their_order():
    def f(p, *, q, r):
        return p["a"] * 100 + q[0] * 10 + q[1] + r["b"] / 10

    function = sg.jit(f)
    for _ in range(2):
        assert function({"a": 1.0}, q=(2.0, 3.0), r={"b": 4.0}) == 123.4
        assert function(r={"b": 4.0}, q=(2.0, 3.0), p={"a": 1.0}) == 123.4
        assert function(q=(2.0, 3.0), p={"a": 1.0}, r={"b": 5.0}) == 123.5


def test_parameters_of_any_number_and_any_name():
    def f(*xs, **others):
        return sum(np.sum(x) for x in xs) * others["a"] ** others["b"]

    want = np.float64(np.sum(X + Y) * 2.0**3)
    close(sg.jit(f)(X, Y, a=2.0, b=3.0), want)
    close(sg.jit(f)(X, Y, b=3.0, a=2.0), want)
    close(sg.grad(f, (0, -1))(X, Y, a=2.0, b=3.0), (np.full(3, 8.0), np.full(3, 8.0)))
    assert sg.jit(lambda self, args: self - args)(self=5.0, args=2.0) == 3.0
    assert sg.jit(lambda **kwargs: kwargs["self"] * 2)(self=5.0) == 10.0


def test_a_parameter_after_one_that_takes_its_default():
    def f(x, n=2, scale=1.0):
        return np.sum(x**n) * scale

    close(sg.grad(f)(X, scale=3.0), 6 * X)
    close(sg.grad(f, 2)(X, scale=3.0), np.float64(np.sum(X**2)))
    close(sg.grad(f, (0, 2))(X, scale=3.0), (6 * X, np.float64(np.sum(X**2))))
    close(sg.vmap(f, (0, None, None))(np.stack([X, Y]), scale=3.0), 3 * np.sum(np.stack([X, Y]) ** 2, axis=1))


def test_names_of_a_partial_function():
    f = functools.partial(energy, y=Y, power=1.0)
    close(sg.grad(f)(X, scale=0.5), 0.5 * np.cos(X) * Y)


def test_negative_argnums():
    close(sg.grad(lambda x, y: np.sum(x * y), -1)(Y, X), Y)
    close(sg.grad(lambda x, y: np.sum(x * y), (-1, 0))(Y, X), (Y, X))
    close(sg.jacobian(lambda x, y: x * y**2, (-2, -1))(X, Y), (np.diag(Y**2), np.diag(2 * X * Y)))
    close(sg.grad(lambda x, y: np.sum(x * y), np.int64(1))(Y, X), Y)


# -- vmap -----------------------------------------------------------------------------------------------------------
def test_keywords_of_mapped_functions():
    rows = np.stack([X, Y, V])

    def f(x, w, *, shift=0.0):
        return x @ w + shift

    close(sg.vmap(f, (0, None))(rows, w=X), rows @ X)
    close(sg.vmap(f, (0, None))(w=X, x=rows), rows @ X)
    shifts = np.array([1.0, 2.0, 3.0])
    close(sg.vmap(f, (0, None))(rows, X, shift=shifts), rows @ X + shifts)
    close(sg.vmap(f)(rows, w=rows, shift=shifts), np.sum(rows**2, axis=1) + shifts)


def test_results_that_are_the_same_for_all():
    found = sg.vmap(lambda x, w: {"own": x * w, "same": w**2}, (0, None), {"own": 0, "same": None})(X, 3.0)
    close(found, {"own": 3 * X, "same": np.float64(9.0)})


def test_the_number_of_elements():
    close(sg.vmap(lambda x: x + 1.0, None, axis_size=4)(2.0), np.full(4, 3.0))
    close(sg.vmap(lambda x: x + 1.0, axis_size=3)(X), X + 1)
    close(sg.vmap(lambda x, w: x * w, (0, None), axis_size=np.int64(3))(X, 2.0), 2 * X)
    kernel_of = sg.symbol("x", ("n",))
    made = sg.vmap(lambda a, b: a * b, (None, 0), axis_size="n")(2.0, kernel_of)
    for n in (1, 5):
        close(sg.compile(made, [kernel_of])(np.arange(float(n))), 2 * np.arange(float(n)))


# -- static arguments -----------------------------------------------------------------------------------------------
def power(x, n, *, how="plain"):
    made = x
    for _ in range(n - 1):
        made = made * x
    return np.sum(made) if how == "sum" else made


STATIC = {
    "numbers": {"static_argnums": 1, "static_argnames": "how"},
    "negative numbers": {"static_argnums": -1, "static_argnames": ("how",)},
    "names": {"static_argnames": ("n", "how")},
    "both": {"static_argnums": (1,), "static_argnames": ["n", "how"]},
}


@pytest.mark.parametrize("how", STATIC)
def test_static_arguments_however_named_and_passed(how):
    function = sg.jit(power, **STATIC[how])
    for _ in range(2):
        close(function(X, 3), X**3)
        close(function(X, n=3), X**3)
        close(function(n=2, x=X, how="plain"), X**2)
        close(function(X, 3, how="sum"), np.sum(X**3))


def test_static_values_are_told_apart():
    seen = []

    def f(x, value):
        seen.append(value)
        return x * (value[0] if isinstance(value, tuple) else value)

    function = sg.jit(f, static_argnums=1)
    values = [1, 1.0, True, 0.0, -0.0, (1,), (1.0,), float("nan"), np.float32(1.0)]
    for _ in range(2):
        for value in values:
            function(2.0, copy.copy(value))
    assert len(seen) == len(values)
    assert np.signbit(function(2.0, -0.0))
    assert not np.signbit(function(2.0, 0.0))


def test_derivatives_and_maps_keep_static_arguments():
    compiled = sg.jit(power, static_argnums=1, static_argnames="how")
    close(sg.grad(compiled)(X, 3, how="sum"), 3 * X**2)
    close(sg.jit(sg.grad(compiled))(X, n=3, how="sum"), 3 * X**2)
    close(sg.value_and_grad(compiled)(X, 2, how="sum")[1], 2 * X)
    close(sg.jacobian(compiled)(X, 2), np.diag(2 * X))
    close(sg.hessian(compiled)(X, 3, how="sum"), np.diag(6 * X))
    close(sg.vmap(compiled, (0, None))(np.stack([X, Y]), 2), np.stack([X, Y]) ** 2)
    close(sg.hvp(compiled)(X, V, 3, how="sum"), 6 * X * V)
    close(sg.jvp(compiled, (X,), (V,), n=3)[1], 3 * X**2 * V)
    close(sg.vjp(compiled, X, n=3, how="sum")[1](2.0), (6 * X**2,))


def test_other_values_in_containers_are_static():
    function = sg.jit(lambda p: p["x"] * 2 if p["how"] == "double" else p["x"])
    for _ in range(2):
        close(function({"x": X, "how": "double"}), 2 * X)
        close(function({"x": X, "how": None}), X)


# -- auxiliary data -------------------------------------------------------------------------------------------------
def test_auxiliary_data_of_hessians_and_products():
    def f(x):
        return np.sum(x**3), {"twice": 2 * x}

    close(in_both_ways(sg.hessian(f, has_aux=True), X), (np.diag(6 * X), {"twice": 2 * X}))
    found = in_both_ways(lambda x, v: sg.jvp(f, (x,), (v,), has_aux=True), X, V)
    close(found, (np.float64(np.sum(X**3)), np.float64(3 * X**2 @ V), {"twice": 2 * X}))
    value, pullback, aux = sg.vjp(f, X, has_aux=True)
    close((value, aux), (np.float64(np.sum(X**3)), {"twice": 2 * X}))
    close(pullback(2.0), (6 * X**2,))


def test_further_arguments_of_products():
    def f(x, a=1.0, *, b=0.0):
        return np.sum(x**3) * a + b

    close(in_both_ways(lambda x, v, a: sg.hvp(f)(x, v, a), X, V, 2.0), 12 * X * V)
    close(sg.hvp(f)(X, V, b=2.0, a=3.0), 18 * X * V)
    value, tangent = sg.jvp(f, (X,), (V,), a=2.0, b=1.0)
    close((value, tangent), (np.float64(2 * np.sum(X**3) + 1), np.float64(6 * X**2 @ V)))
    value, pullback = sg.vjp(f, X, a=2.0, b=1.0)
    close(value, np.float64(2 * np.sum(X**3) + 1))
    close(pullback(0.5), (3 * X**2,))


def test_directions_left_out():
    value, tangent = sg.jvp(lambda x, y: x * y, (X, Y), (V, None))
    close((value, tangent), (X * Y, V * Y))
    close(sg.jvp(lambda x, y: x * y, (X, Y), (None, None))[1], np.zeros(3))
    _, pullback = sg.vjp(lambda x, y: (x * y, np.sum(x)), X, Y)
    close(pullback((V, None)), (V * Y, V * X))
    close(pullback((None, 2.0)), (np.full(3, 2.0), np.zeros(3)))
    close(pullback((None, None)), (np.zeros(3), np.zeros(3)))


# -- methods, and what is kept --------------------------------------------------------------------------------------
class Scaled:
    def __init__(self, factor):
        self.factor = factor

    @sg.jit
    def __call__(self, x):
        return x * self.factor

    @functools.partial(sg.jit, static_argnames="n")
    def power(self, x, n):
        return x**n * self.factor


def test_methods():
    double, triple = Scaled(2.0), Scaled(3.0)
    close(double(X), 2 * X)
    close(triple(X), 3 * X)
    close(double.power(X, 2), 2 * X**2)
    close(triple.power(X, n=3), 3 * X**3)
    close(sg.grad(lambda x: np.sum(double(x)))(X), np.full(3, 2.0))


def test_products_are_forgotten_with_their_function():
    def make():
        factor = 3.0
        return lambda x: x * factor

    function = make()
    close(sg.jvp(function, (X,), (V,))[1], 3 * V)
    close(sg.vjp(function, X)[1](V), (3 * V,))
    kept = weakref.ref(function)
    del function
    gc.collect()
    assert kept() is None


def test_a_function_that_wraps_another_has_products_of_its_own():
    def inner(x):
        return x**2

    close(sg.jvp(inner, (X,), (V,))[1], 2 * X * V)

    @functools.wraps(inner)
    def outer(x):
        return inner(x) * 10

    close(sg.jvp(outer, (X,), (V,))[1], 20 * X * V)
    close(sg.jvp(inner, (X,), (V,))[1], 2 * X * V)
