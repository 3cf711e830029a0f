"""jvp and vjp: against complex-step Jacobians, the adjoint identity, containers, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from judges import close, in_both_ways, slopes

import symgrad as sg

X = np.array([0.3, -1.2, 2.5])
V = np.array([1.0, -0.5, 0.25])
W = np.array([[1.0, 0.5, -0.3], [0.2, -1.1, 0.8]])

FUNCTIONS = {
    "elementwise": lambda x: np.sin(x) * x,
    "network": lambda x: np.tanh(W @ x),
    "scalar": lambda x: np.sum(x**3),
    "outer": lambda x: np.outer(x, np.exp(x)),
    "picked": lambda x: x[np.array([2, 0, 2])] / (1 + x[0] ** 2),
    "linear": lambda x: W @ x[::-1],
    "constant": lambda x: 0 * x[:2] + 4.0,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_with_the_jacobian(name):
    function = FUNCTIONS[name]
    J = slopes(function, X)
    value, tangent = in_both_ways(lambda x, v: sg.jvp(function, (x,), (v,)), X, V)
    close(value, function(X))
    close(tangent, J @ V)
    head = np.cos(np.arange(value.size)).reshape(value.shape)

    def pulled(x, head):
        value, pullback = sg.vjp(function, x)
        return value, pullback(head)

    value, cotangents = in_both_ways(pulled, X, head)
    close(value, function(X))
    assert type(cotangents) is tuple
    close(cotangents[0], np.tensordot(head, J, head.ndim))
    np.testing.assert_allclose(np.sum(head * tangent), cotangents[0] @ V, rtol=1e-12)


def test_several_arguments():
    def f(x, w, a):
        return np.tanh(w @ x) * a

    J = [
        slopes(lambda x: f(x, W, 0.5), X),
        slopes(lambda w: f(X, w, 0.5), W),
        slopes(lambda a: f(X, W, a), np.array(0.5)),
    ]
    tangents = (V, W * 0.3, 2.0)
    _, tangent = in_both_ways(lambda *args: sg.jvp(f, args[:3], args[3:]), X, W, 0.5, *tangents)
    close(tangent, sum(np.tensordot(j, v, np.ndim(v)) for j, v in zip(J, tangents, strict=True)))
    head = np.array([1.0, -2.0])
    _, pullback = sg.vjp(f, X, W, 0.5)
    for found, j in zip(pullback(head), J, strict=True):
        close(found, np.tensordot(head, j, 1))


def test_one_pullback_serves_many_heads():
    _, pullback = sg.vjp(np.sin, X)
    for head in (V, 2 * V, np.zeros(3)):
        close(pullback(head), (np.cos(X) * head,))


def test_containers():
    def f(p, scale):
        return {"scaled": p["a"] * scale, "total": np.sum(p["a"]) * p["b"]}

    p, dp = {"a": X, "b": 2.0}, {"a": V, "b": 0.5}
    value, tangent = in_both_ways(lambda *args: sg.jvp(f, args[:2], args[2:]), p, 3.0, dp, 1.0)
    close(value, {"scaled": 3 * X, "total": 2 * np.sum(X)})
    close(tangent, {"scaled": 3 * V + X, "total": 2 * np.sum(V) + 0.5 * np.sum(X)})
    _, pullback = sg.vjp(f, p, 3.0)
    head = {"scaled": np.array([1.0, 10.0, 100.0]), "total": -1.0}
    on_p, on_scale = pullback(head)
    close(on_p, {"a": 3 * head["scaled"] - 2.0, "b": -np.sum(X)})
    close(on_scale, np.sum(head["scaled"] * X))


def test_a_dataclass_argument_and_the_identity():
    value, tangent = sg.jvp(lambda p: p, ((X, [2.0]),), ((V, [1.0]),))
    close(value, (X, [np.float64(2.0)]))
    close(tangent, (V, [np.float64(1.0)]))
    value, pullback = sg.vjp(lambda *args: args, X, 2.0)
    close(pullback((V, 7.0)), (V, np.float64(7.0)))


def test_what_does_not_depend_has_zero_products():
    _, tangent = sg.jvp(lambda x, y: (x, np.cos(2.0) * np.ones(2)), (X, 1.0), (V, 1.0))
    close(tangent, (V, np.zeros(2)))
    _, pullback = sg.vjp(lambda x, y: x * 2, X, W)
    close(pullback(V), (2 * V, np.zeros((2, 3))))


def test_numbers_as_tangents_and_element_types():
    _, tangent = sg.jvp(lambda x: x * x, (X,), (1.0,))
    close(tangent, 2 * X)
    x = X.astype(np.float32)
    value, tangent = sg.jvp(lambda x: x * x, (x,), (V.astype(np.float32),))
    close(value, x * x, 1e-6, dtype=np.float32)
    close(tangent, 2 * x * V.astype(np.float32), 1e-6, dtype=np.float32)
    close(sg.vjp(lambda x: x * x, x)[1](V.astype(np.float32))[0], 2 * x * V.astype(np.float32), 1e-6, dtype=np.float32)


def test_integers():
    n = np.array([2, -3])
    for call in (lambda: sg.jvp(lambda n: n * n, (n,), (n,)), lambda: sg.vjp(lambda n: n * n, n)):
        with pytest.raises(sg.DTypeError, match="is int64; only floating arguments have derivatives"):
            call()
    value, tangent = sg.jvp(lambda n: n * n, (n,), (np.array([1, 10]),), allow_int=True)
    close((value, tangent), (n * n, 2 * n * np.array([1, 10])), dtype=np.int64)
    _, pullback = sg.vjp(lambda n: n * n, n, allow_int=True)
    close(pullback(np.array([1, 10])), (2 * n * np.array([1, 10]),), dtype=np.int64)


# -- what does not fit ----------------------------------------------------------------------------------------------
def test_tangents_that_do_not_fit():
    with pytest.raises(sg.GradientError, match="jvp: 2 primals and 1 tangents"):
        sg.jvp(lambda x, y: x, (X, X), (V,))
    with pytest.raises(
        sg.ShapeError, match=r"jvp: tangent 0 has shape \(2,\), its primal \(3,\)\n  at test_products.py"
    ):
        sg.jvp(lambda x: x, (X,), (V[:2],))
    with pytest.raises(sg.TraceError, match="jvp: the tangents have another structure than the primals"):
        sg.jvp(lambda p: p[0], ((X, X),), ((V,),))
    with pytest.raises(sg.TraceError, match="jvp: the tangents have another structure than the primals"):
        sg.jvp(lambda p: p["a"], ({"a": X, "b": X},), ({"a": V, "c": V},))


def test_heads_that_do_not_fit():
    _, pullback = sg.vjp(lambda x: (x, np.sum(x)), X)
    with pytest.raises(sg.TraceError, match="vjp: the head gradient has another structure than the value"):
        pullback(V)
    with pytest.raises(sg.ShapeError, match=r"head gradient 0 has shape \(2,\), its y \(3,\)"):
        pullback((V[:2], 1.0))
    _, pullback = sg.vjp(lambda x: x > 0, X)
    with pytest.raises(sg.DTypeError, match="element type bool has no derivative"):
        pullback(V)
