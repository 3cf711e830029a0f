"""jit, and what all transforms share: one trace per combination of types, containers, names, closures, threads."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
from judges import close, in_both_ways

import symgrad as sg

X = np.array([0.3, -1.2, 2.5])


def counted(function):
    """The function, and the list of its traces."""
    traces = []

    def body(*args):
        traces.append(args)
        return function(*args)

    return body, traces


def test_values_and_structures():
    close(in_both_ways(sg.jit(lambda x, a: np.exp(x) * a), X, 2.0), np.exp(X) * 2.0)
    found = in_both_ways(sg.jit(lambda p: {"sum": np.sum(p["x"]), "both": [p["x"], (p["a"],)]}), {"x": X, "a": 2.0})
    close(found, {"sum": np.sum(X), "both": [X, (np.float64(2.0),)]})
    assert sg.jit(lambda x: ())(X) == ()
    assert isinstance(sg.jit(lambda x: [x])(X), list)
    close(sg.jit(lambda: np.ones(2))(), np.ones(2))
    close(sg.jit(lambda x: 3.5)(X), np.float64(3.5))
    close(sg.jit(lambda x: X)(X), X)


def test_traced_once_for_each_combination_of_types():
    body, traces = counted(lambda x: x * 2)
    function = sg.jit(body)
    for x in (X, X + 1, np.arange(3.0)):
        close(function(x), x * 2)
    assert len(traces) == 1
    for x in (X[:2], X.astype(np.float32), 1.5, X.reshape(1, 3), np.arange(3)):
        close(function(x), np.asarray(x * 2), dtype=np.asarray(x).dtype)
    assert len(traces) == 6
    function(2.5)
    function(7)
    function(np.float64(1.0))
    assert len(traces) == 6
    assert all(isinstance(args[0], sg.Expr) for args in traces)


def test_static_arguments():
    body, traces = counted(lambda x, n, how: x**n if how == "power" else x * n)
    function = sg.jit(body, static_argnums=(1, 2))
    close(function(X, 3, "power"), X**3)
    close(function(X, 4, "power"), X**4)
    close(function(X, 4, "times"), X * 4)
    close(function(X + 1, 4, "times"), (X + 1) * 4)
    assert len(traces) == 3
    assert [args[1:] for args in traces] == [(3, "power"), (4, "power"), (4, "times")]
    close(sg.jit(lambda n, x: x[:n], static_argnums=0)(2, X), X[:2])
    x = sg.symbol("x", (3,))
    assert sg.jit(lambda n, x: x[:n], static_argnums=0)(2, x) is x[:2]


def test_keywords_and_defaults():
    def f(x, scale=2.0, *, flip=False):
        return (x[::-1] if flip else x) * scale

    function = sg.jit(f)
    close(function(X), X * 2)
    close(function(X, scale=3.0), X * 3)
    close(function(scale=3.0, x=X), X * 3)
    with pytest.raises(sg.TraceError, match="truth of an expression"):
        function(X, flip=True)
    close(sg.jit(f, static_argnames="flip")(X, flip=True), X[::-1] * 2)
    with pytest.raises(sg.KernelInputError, match="unexpected keyword argument 'wrong'"):
        function(X, wrong=1)


def test_wrong_number_of_arguments():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        sg.jit(lambda x, y: x)(X)


@dataclasses.dataclass
class Model:
    weight: Any
    name: str

    def __call__(self, x):
        return self.weight @ x

    def squared(self, x):
        return self.weight @ x**2


def test_dataclasses_may_hold_other_things():
    model = Model(np.eye(3) * 2, "first")
    close(sg.jit(lambda model, x: model(x))(model, X), 2 * X)
    found = sg.jit(lambda model: dataclasses.replace(model, weight=model.weight * 2).weight)(model)
    close(found, np.eye(3) * 4)


def test_bound_methods_and_callable_objects():
    model = Model(np.eye(3) * 2, "first")
    close(sg.jit(model)(X), 2 * X)
    close(sg.jit(model.squared)(X), 2 * X**2)
    close(sg.grad(lambda x: np.sum(model(x)))(X), np.full(3, 2.0))
    close(sg.jacobian(model.squared)(X), np.diag(4 * X))
    close(sg.jvp(model.squared, (X,), (np.ones(3),))[1], 4 * X)


def test_results_that_are_no_arrays():
    for result in (None, "text", object()):
        with pytest.raises(sg.TraceError, match="jit: the function returned"):
            sg.jit(lambda x, result=result: result)(X)


def test_booleans_and_integers_keep_their_type():
    close(sg.jit(lambda x: x > 0)(X), X > 0, dtype=np.bool_)
    close(sg.jit(lambda n: n * 2)(np.arange(3, dtype=np.int32)), np.arange(3, dtype=np.int32) * 2, dtype=np.int32)
    assert sg.jit(lambda flag: ~flag)(True) == np.False_


# -- what the function refers to ------------------------------------------------------------------------------------
def test_a_variable_is_read_at_every_call():
    w = sg.variable("w", [1.0, 2.0, 3.0])
    function, gradient = sg.jit(lambda x: np.sum(w * x)), sg.grad(lambda x: np.sum(w * x**2))
    close(function(X), np.float64(np.sum(w.value * X)))
    close(gradient(X), 2 * w.value * X)
    w.value = [5.0, 0.0, -1.0]
    close(function(X), np.float64(5 * X[0] - X[2]))
    close(gradient(X), 2 * np.array([5.0, 0.0, -1.0]) * X)


def test_a_variable_is_not_read_while_tracing():
    w = sg.variable("w", 3.0)
    inner = sg.grad(lambda y: w * y**2)
    outer = sg.jit(lambda x: x * inner(1.0))
    assert inner(1.0) == 6.0
    assert outer(2.0) == 12.0
    w.value = 10.0
    assert outer(2.0) == 40.0


def test_an_outer_symbol_makes_the_result_an_expression():
    a, x = sg.symbol("a", (3,)), sg.symbol("x", (3,))
    for made, want in [
        (sg.jit(lambda x: a * x)(X), lambda a: a * X),
        (sg.grad(lambda x: np.sum(a * x**2))(X), lambda a: 2 * a * X),
        (sg.vmap(lambda y: a * y)(X), lambda a: np.outer(X, a)),
        (sg.hvp(lambda x: np.sum(a * x**3))(X, X), lambda a: 6 * a * X * X),
        (sg.jvp(lambda x: np.sin(a * x), (X,), (np.ones(3),))[1], lambda a: a * np.cos(a * X)),
        (sg.vjp(lambda x: np.sin(a * x), X)[1](np.ones(3))[0], lambda a: a * np.cos(a * X)),
    ]:
        assert isinstance(made, sg.Expr)
        point = np.array([1.0, -2.0, 0.5])
        close(sg.compile(made, [a])(point), want(point))
    both = sg.grad(lambda x: np.sum(a * x))(x)
    assert both is sg.grad(lambda y: np.sum(a * y))(x)


def test_a_transform_may_be_used_after_an_outer_symbol():
    """The trace with the symbol leaves nothing behind."""
    factor = [sg.symbol("a")]
    function = sg.jit(lambda x: x * factor[0])
    assert isinstance(function(2.0), sg.Expr)
    factor[0] = 4.0
    assert function(2.0) == 8.0


def test_a_function_may_call_its_own_transform():
    def power(x, n):
        return x if n == 1 else x * compiled(x, n - 1)

    compiled = sg.jit(power, static_argnums=1)
    close(compiled(X, 5), X**5)

    def table(x, n):
        return x * 0 if n == 0 else x + recursive(1.0, n - 1)

    recursive = sg.jit(table, static_argnums=1)
    assert recursive(7.0, 3) == 9.0


def test_a_leaked_argument_is_refused():
    kept = []
    sg.jit(lambda x: kept.append(x) or x * 2)(2.0)
    with pytest.raises(sg.CompileError, match="the traced argument 'x' has leaked out of its function"):
        sg.compile(kept[0] * 2, [])


def test_names_and_wrapping():
    def my_function(x):
        """What it does."""
        return x

    for make in (sg.jit, sg.grad, sg.vmap, sg.jacobian, sg.hessian, sg.derivative, sg.value_and_grad):
        made = make(my_function)
        assert made.__name__ == "my_function"
        assert made.__doc__ == "What it does."
        assert made.__wrapped__ is my_function
        assert "my_function" in repr(made)


def test_threads_trace_once():
    body, traces = counted(lambda x: np.sum(np.sin(x)))
    function, start, found = sg.jit(body), threading.Barrier(6), []

    def work():
        start.wait()
        found.append(function(X))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(traces) == 1
    assert found == [found[0]] * 6
    np.testing.assert_allclose(found[0], np.sum(np.sin(X)), rtol=1e-14)


def test_settings_are_part_of_a_combination():
    gradient = sg.grad(lambda x: abs(x))
    assert gradient(0.0) == 0.0
    with sg.config.use(kink="right"):
        assert gradient(0.0) == 1.0
    assert gradient(0.0) == 0.0
