"""Functions with a derivative of the user's own, and stopped derivatives, under every transform."""

from __future__ import annotations

import numpy as np
import pytest
from judges import close, curvatures, in_both_ways, slopes

import symgrad as sg
from symgrad.interp import evaluate

X = np.array([0.3, -1.2, 2.5])
V = np.array([1.0, -0.5, 0.25])


@pytest.fixture(autouse=True)
def _rules_may_be_untrue():
    """Several rules here differ from the derivative on purpose, so that one sees which was used."""
    with sg.config.use(rule_check="off"):
        yield


@sg.custom_gradient
def stable(x):
    """log(1 + exp x), with the derivative written so that it does not overflow."""
    e = np.exp(x)
    return np.log(1 + e), lambda head: head * (1 - 1 / (1 + e))


def plain(x):
    return np.log(1 + np.exp(x))


def test_the_rule_is_used():
    close(in_both_ways(sg.grad(stable), 1.5), np.float64(1 / (1 + np.exp(-1.5))))
    assert sg.grad(stable)(800.0) == 1.0
    triple = sg.custom_gradient(lambda x: (x * 2, lambda head: head * 300))
    close(sg.grad(lambda x: np.sum(triple(x)))(X), np.full(3, 300.0))
    close(sg.jit(triple)(X), 2 * X)


def test_a_true_rule_agrees_with_the_derivative_everywhere():
    def f(g):
        return lambda x: np.sum(g(x * x[0]) * np.sin(x))

    want = {
        "grad": slopes(f(plain), X),
        "hessian": curvatures(f(plain), X),
    }
    close(in_both_ways(sg.grad(f(stable)), X), want["grad"])
    close(in_both_ways(sg.hessian(f(stable)), X), want["hessian"], 1e-8, 1e-8)
    close(in_both_ways(sg.hvp(f(stable)), X, V), want["hessian"] @ V, 1e-8, 1e-8)
    for mode in ("forward", "reverse"):
        close(in_both_ways(sg.jacobian(stable, mode=mode), X), np.diag(1 / (1 + np.exp(-X))))
        close(sg.jacobian(sg.grad(f(stable)), mode=mode)(X), want["hessian"], 1e-8, 1e-8)
    close(sg.jvp(f(stable), (X,), (V,))[1], want["grad"] @ V)
    close(in_both_ways(sg.vmap(sg.grad(stable)), X), 1 / (1 + np.exp(-X)))
    close(in_both_ways(sg.grad(lambda x: np.sum(sg.vmap(stable)(x))), X), 1 / (1 + np.exp(-X)))
    close(in_both_ways(sg.derivative(stable, 3), X), in_both_ways(sg.derivative(plain, 3), X), 1e-9)


def test_second_derivatives_are_those_of_the_rule():
    """Value x³, rule head · sin x: the first derivative is sin, the second cos, the third -sin."""
    f = sg.custom_gradient(lambda x: (x**3, lambda head: head * np.sin(x)))
    for order, want in enumerate([X**3, np.sin(X), np.cos(X), -np.sin(X)]):
        close(in_both_ways(sg.derivative(f, order), X), want)
    close(sg.hessian(lambda x: np.sum(f(x)))(X), np.diag(np.cos(X)))
    close(sg.grad(sg.grad(sg.grad(f)))(0.4), np.float64(-np.sin(0.4)))


def test_forward_mode_is_the_transpose_of_the_rule():
    M = np.array([[1.0, 2.0, 0.5], [-1.0, 0.3, 4.0]])
    f = sg.custom_gradient(lambda x: (np.zeros((2, 3)) @ x, lambda head: head @ M * x[0]))
    for mode in ("forward", "reverse"):
        close(in_both_ways(sg.jacobian(f, mode=mode), X), M * X[0])
    close(sg.jvp(f, (X,), (V,))[1], M @ V * X[0])


def test_a_rule_that_is_not_linear_has_no_forward_mode():
    @sg.custom_gradient
    def clipped(x):
        return x * 1.0, lambda head: np.clip(head, -1, 1)

    close(in_both_ways(sg.grad(lambda x: np.sum(5 * clipped(x)) - np.sum(0.5 * clipped(x[:1]))), X),
          np.array([0.5, 1.0, 1.0]))  # fmt: skip
    for ask in (
        lambda: sg.jvp(clipped, (X,), (V,)),
        lambda: sg.jacobian(clipped, mode="forward")(X),
        lambda: sg.derivative(clipped)(X),
    ):
        with pytest.raises(sg.GradientError, match=r"rule of clipped is not linear(.|\n)*only reverse mode"):
            ask()


def test_several_arguments_and_results():
    @sg.custom_gradient
    def f(x, w, a):
        return (w @ x, a * 2), lambda on_y, on_a: (on_y @ w * 10, None, on_a * 100)

    W = np.array([[1.0, 0.5, -0.3], [0.2, -1.1, 0.8]])
    value, pullback = sg.vjp(f, X, W, 0.5)
    close(value, (W @ X, np.float64(1.0)))
    head = np.array([1.0, -2.0])
    close(pullback((head, 3.0)), (head @ W * 10, np.zeros((2, 3)), np.float64(300.0)))
    _, tangents = sg.jvp(f, (X, W, 0.5), (V, W, 2.0))
    close(tangents, (W @ V * 10, np.float64(200.0)))


def test_containers():
    @sg.custom_gradient
    def f(p):
        return {"y": p["a"] * p["b"]}, lambda head: {"a": head * 7, "b": np.sum(head) * p["b"]}

    found = in_both_ways(sg.grad(lambda p: np.sum(f(p)["y"])), {"a": X, "b": 2.0})
    close(found, {"a": np.full(3, 7.0), "b": 6.0 * np.float64(1.0)})


def test_a_rule_may_refer_to_outer_values():
    """The rule's captured argument is differentiated too, and mapped too."""

    def f(q):
        scaled = sg.custom_gradient(lambda x: (x * q, lambda head: head * q**2 * 7))
        return sg.grad(scaled)(1.0)

    assert f(3.0) == 63.0
    assert sg.grad(f)(3.0) == 42.0
    close(sg.vmap(f)(X), 7 * X**2)
    q = sg.symbol("q")
    close(evaluate([f(q)], {q: 3.0})[0], 63.0)


def test_the_rule_under_vmap_has_heads_of_one_element():
    shapes = []

    @sg.custom_gradient
    def f(x):
        def rule(head):
            shapes.append(head.shape)
            return np.sum(head) * x

        return x * 2.0, rule

    found = sg.vmap(lambda x: sg.grad(lambda x: np.sum(f(x)))(x))(np.stack([X, V]))
    close(found, 3 * np.stack([X, V]))
    assert shapes == [(3,)]


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda x: x, "must return (y, grad_fn)"),
        (lambda x: (x, 3.0), "must return (y, grad_fn)"),
        (lambda x: (x, lambda head: (head, head)), "returned a gradient of another structure"),
        (lambda x: (x, lambda head: [head, head]), "returned 2 gradients for 1 arguments"),
        (lambda x: (x, lambda head: head[None]), "gradient of shape (1, 3) for an argument, of shape (3,)"),
    ],
)
def test_rules_of_the_wrong_form(made, what):
    with pytest.raises(sg.GradientError) as caught:
        sg.grad(lambda x: np.sum(sg.custom_gradient(made)(x)))(X)
    assert what in str(caught.value)


# -- stops ----------------------------------------------------------------------------------------------------------
def test_stops_in_functions():
    """x · stop(x²): the derivative sees x² as a number; its own derivative sees it no more either."""

    def f(x):
        return x * sg.stop_gradient(x**2)

    close(in_both_ways(sg.value_and_grad(f), 3.0), (np.float64(27.0), np.float64(9.0)))
    close(sg.grad(sg.grad(f))(3.0), np.float64(0.0))
    close(sg.jvp(f, (3.0,), (1.0,))[1], np.float64(9.0))
    close(sg.vmap(sg.grad(f))(X), X**2)
    close(sg.jacobian(f, mode="forward")(X), np.diag(X**2))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_stops_of_higher_order_in_functions(order):
    """x⁵ may be differentiated order - 1 times; then it is a constant."""
    falling = [X**5, 5 * X**4, 20 * X**3, 60 * X**2, 120 * X]
    for n in range(5):
        want = falling[n] if n < order else np.zeros(3)
        close(sg.derivative(lambda x: sg.stop_gradient(x**5, order=order), n)(X), want)
    nested = lambda x: np.sum(sg.stop_gradient(x**5, order=order))  # noqa: E731
    close(sg.hessian(nested)(X), np.diag(falling[2]) if order > 2 else np.zeros((3, 3)))


def test_a_target_network():
    """The loss of a fixed target: the target's parameters get no gradient, however they are packed."""

    def loss(p, x):
        target = sg.stop_gradient(np.sum(p["target"] * x))
        return (np.sum(p["online"] * x) - target) ** 2

    found = sg.grad(loss)({"online": X, "target": V}, X + 1)
    close(found, {"online": 2 * (X - V) @ (X + 1) * (X + 1), "target": np.zeros(3)})


# -- gradients on what transforms give --------------------------------------------------------------------------------
def test_gradients_of_transformed_expressions():
    """sg.gradients and the transforms may follow one another."""
    x, a = sg.symbol("x", (3,)), sg.symbol("a")
    slope = sg.grad(lambda x: np.sum(np.sin(a * x)))(x)
    (on_a, on_x) = sg.gradients(slope, [a, x])
    values = evaluate([on_a, on_x], {x: X, a: 0.5})
    close(values[0], np.sum(np.cos(0.5 * X) - 0.5 * X * np.sin(0.5 * X)))
    close(values[1], -0.25 * np.sin(0.5 * X))
    inside = sg.jit(lambda y: sg.gradients(np.sum(y**3), [y])[0])
    close(inside(X), 3 * X**2)


def test_intermediates_heads_and_stops_inside_a_function():
    def f(x):
        u = np.sin(x)
        y = u * x
        on_u, on_x = sg.gradients(y, [u, x], grad_ys=[np.array([1.0, 10.0, 100.0])])
        (partial,) = sg.gradients(y, [x], stop_gradients=[u])
        return on_u, on_x, partial

    on_u, on_x, partial = sg.jit(f)(X)
    head = np.array([1.0, 10.0, 100.0])
    close(on_u, head * X)
    close(on_x, head * (np.cos(X) * X + np.sin(X)))
    close(partial, np.sin(X))


@pytest.mark.parametrize("policy", ["none", "zero", "raise"])
def test_unconnected_inside_a_function(policy):
    def f(x, y):
        return sg.gradients(np.sum(x), [y], unconnected=policy)[0]

    if policy == "zero":
        close(sg.jit(f)(X, V), np.zeros(3))
    elif policy == "raise":
        with pytest.raises(sg.UnconnectedGradientError, match="no y is made from it"):
            sg.jit(f)(X, V)
    else:
        with pytest.raises(sg.TraceError, match="NoneType None"):
            sg.jit(f)(X, V)


def test_gradients_in_a_dictionary_are_matched_by_key():
    @sg.custom_gradient
    def scaled(parts):
        return parts["a"] * parts["b"], lambda head: {"b": 10 * head, "a": head}

    made = sg.grad(scaled)({"a": 2.0, "b": 3.0})
    assert (made["a"], made["b"]) == (1.0, 10.0)


def test_a_gradient_that_does_not_fit_names_both_shapes():
    @sg.custom_gradient
    def wrong(x):
        return np.sum(x), lambda head: np.ones(2)

    with pytest.raises(sg.GradientError) as caught:
        sg.grad(wrong)(np.ones(3))
    assert caught.value.what == "the rule of wrong: gradient of shape (2,) for an argument, of shape (3,)"
