"""Transforms of transforms, to third order, and the classical ways of confusing one derivative with another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from judges import close, exact, in_both_ways, slopes

import symgrad as sg
from symgrad.interp import evaluate

X = np.array([0.3, -1.2, 2.5])
V = np.array([1.0, -0.5, 0.25])
UNIT = np.eye(3)


# -- every way of taking three derivatives --------------------------------------------------------------------------
def by_reverse(f):
    return sg.grad(f)


def by_forward(f):
    return lambda x: sg.jvp(f, (x,), (1.0,))[1]


def by_pullback(f):
    return lambda x: sg.vjp(f, x)[1](1.0)[0]


def by_jacobian(f):
    return sg.jacobian(f)


def by_derivative(f):
    return sg.derivative(f)


def by_vmap(f):
    return lambda x: sg.vmap(sg.grad(f))(np.array([1.0, 2.0]) * x)[0]


def by_mapped_sum(f):
    return sg.grad(lambda x: np.sum(sg.vmap(f)(np.array([1.0, 0.0]) * x)))


def by_jit(f):
    return sg.jit(sg.grad(sg.jit(f)))


WAYS = [by_reverse, by_forward, by_pullback, by_jacobian, by_derivative, by_vmap, by_mapped_sum, by_jit]


@pytest.mark.parametrize("first", WAYS)
def test_three_derivatives_of_a_scalar(first):
    """All 8 x 8 ways of going on from the first; the same function in NumPy's terms and SymPy's."""

    def f(x):
        return np.sin(x) * np.exp(x / 2) + x**4

    want = exact(lambda t: sympy.sin(t) * sympy.exp(t / 2) + t**4, 0.7, 3)
    x = sg.symbol("x")
    made = [third(second(first(f)))(x) for second, third in itertools.product(WAYS, WAYS)]
    np.testing.assert_allclose(evaluate(made, {x: 0.7}), np.full(64, want), rtol=1e-11)
    second, third = WAYS[(WAYS.index(first) + 3) % 8], WAYS[(WAYS.index(first) + 5) % 8]
    np.testing.assert_allclose(third(second(first(f)))(0.7), want, rtol=1e-11)


def cubic(x):
    return np.sum(x) * np.sum(x * x) + x[0] * x[1] * x[2] + np.sum(x**3)


def sympy_tensor(order):
    """All third (or second, or first) derivatives of the cubic at X, by SymPy."""
    symbols = np.array(sympy.symbols("a b c"), dtype=object)
    made = np.asarray(cubic(symbols))
    for _ in range(order):
        made = np.array([sympy.diff(one, s) for one in made.ravel() for s in symbols]).reshape((*made.shape, 3))
    places = dict(zip(symbols, [sympy.Rational(str(one)) for one in X], strict=True))
    return np.array([float(one.subs(places)) for one in made.ravel()]).reshape(made.shape)


COMPOSITIONS = {
    "jacobian of hessian": (lambda f: sg.jacobian(sg.hessian(f)), 3),
    "hessian of gradient's parts": (
        lambda f: lambda x: np.stack([sg.hessian(lambda x, k=k: sg.grad(f)(x)[k])(x) for k in range(3)]),
        3,
    ),
    "jacobian of jacobian of gradient": (
        lambda f: sg.jacobian(sg.jacobian(sg.grad(f), mode="forward"), mode="reverse"),
        3,
    ),
    "jacobian of mapped hvp": (lambda f: sg.jacobian(lambda x: sg.vmap(sg.hvp(f), (None, 0))(x, UNIT)), 3),
    "mapped jacobian of hvp": (
        lambda f: lambda x: sg.vmap(lambda v: sg.jacobian(lambda y: sg.hvp(f)(y, v))(x))(UNIT),
        3,
    ),
    "jvp of vjp": (
        lambda f: lambda x: sg.vmap(lambda v: sg.jvp(lambda y: sg.vjp(f, y)[1](1.0)[0], (x,), (v,))[1])(UNIT),
        2,
    ),
    "vjp of jvp": (
        lambda f: lambda x: sg.vmap(lambda v: sg.vjp(lambda y: sg.jvp(f, (y,), (v,))[1], x)[1](1.0)[0])(UNIT),
        2,
    ),
    "vjp of vjp": (
        lambda f: lambda x: sg.vmap(lambda u: sg.vjp(lambda y: sg.vjp(f, y)[1](1.0)[0], x)[1](u)[0])(UNIT),
        2,
    ),
    "jvp of jvp": (
        lambda f: (
            lambda x: sg.vmap(
                lambda u: sg.vmap(lambda v: sg.jvp(lambda y: sg.jvp(f, (y,), (u,))[1], (x,), (v,))[1])(UNIT)
            )(UNIT)
        ),
        2,
    ),
    "vmap of jacobian": (lambda f: lambda x: sg.vmap(sg.jacobian(sg.grad(f)))(x[None])[0], 2),
    "gradient of vmap": (lambda f: lambda x: sg.grad(lambda xs: np.sum(sg.vmap(f)(xs)))(np.stack([x, x]))[1], 1),
    "hessian of vmap": (
        lambda f: lambda x: sg.hessian(lambda xs: np.sum(sg.vmap(f)(xs)))(np.stack([x, x]))[0, :, 0, :],
        2,
    ),
    "jit of everything": (lambda f: sg.jit(sg.jacobian(sg.jit(sg.hessian(sg.jit(f))))), 3),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_compositions(name):
    compose, order = COMPOSITIONS[name]
    close(in_both_ways(compose(cubic), X), sympy_tensor(order), 1e-10, 1e-10)


def test_vmap_of_compositions():
    points = np.stack([X, V, X - V])
    found = in_both_ways(sg.vmap(sg.hessian(lambda x: np.sum(np.sin(x)) * x[0])), points)
    for one, x in zip(found, points, strict=True):
        want = np.diag(-np.sin(x) * x[0])
        want[0] += np.cos(x)
        want[:, 0] += np.cos(x)
        close(one, want)


# -- perturbation confusion -----------------------------------------------------------------------------------------
def D(f):
    return sg.derivative(f)


def F(f):
    return lambda x: sg.jvp(f, (x,), (1.0,))[1]


def P(f):
    return lambda x: sg.vjp(f, x)[1](1.0)[0]


OPERATORS = {"derivative": D, "jvp": F, "vjp": P, "grad": sg.grad, "jacobian": sg.jacobian}
pairs = pytest.mark.parametrize("pair", [*itertools.product(OPERATORS, OPERATORS)], ids="-".join)


@pairs
def test_siskind_and_pearlmutter(pair):
    """d/dx (x d/dy (x + y) at y = 1) at x = 1 is 1, not 2."""
    outer, inner = (OPERATORS[name] for name in pair)
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0


@pairs
def test_the_inner_derivative_depends_on_the_outer_argument(pair):
    """d/dx (x d/dy (x y²) at y = 3) at x = 2: x · 6x has derivative 12 x = 24."""
    outer, inner = (OPERATORS[name] for name in pair)
    assert outer(lambda x: x * inner(lambda y: x * y**2)(3.0))(2.0) == 24.0


@pairs
def test_one_name_for_both_arguments(pair):
    """The same with both arguments called x."""
    outer, inner = (OPERATORS[name] for name in pair)

    def f(x):
        outside = x

        def g(x):
            return outside * x**2

        return x * inner(g)(3.0)

    assert outer(f)(2.0) == 24.0


@pairs
def test_the_inner_derivative_at_the_outer_argument(pair):
    """d/dx (d/dy (x y³) at y = x) = d/dx 3x³ = 9x²; at 2: 36."""
    outer, inner = (OPERATORS[name] for name in pair)
    assert outer(lambda x: inner(lambda y: x * y**3)(x))(2.0) == 36.0


@pairs
def test_amazing_bug(pair):
    """Manzyuk et al. 2019: a derivative operator that returns functions, s(u)(f)(x) = f(x + u), used twice."""
    outer, inner = (OPERATORS[name] for name in pair)

    def shift(u):
        return lambda f: lambda x: f(x + u)

    # d/du s(u) at 0 is the derivative operator itself; applied twice to exp at 1 it gives exp(1).
    def hat(f):
        return lambda x: inner(lambda u: shift(u)(f)(x))(0.0)

    def hat_outer(f):
        return lambda x: outer(lambda u: shift(u)(f)(x))(0.0)

    np.testing.assert_allclose(hat_outer(hat(np.exp))(1.0), np.e, rtol=1e-14)
    np.testing.assert_allclose(hat_outer(hat(lambda x: x**3))(2.0), 12.0, rtol=1e-14)
    np.testing.assert_allclose(outer(hat(hat(lambda x: x**4)))(1.5), 24 * 1.5, rtol=1e-14)


@pairs
def test_curried_functions(pair):
    """The derivative of a function that closes over the outer argument, taken outside of it again."""
    outer, inner = (OPERATORS[name] for name in pair)

    def make(x):
        return lambda y: x * x * y

    assert outer(lambda x: inner(make(x))(x))(3.0) == 6.0
    assert outer(lambda x: inner(make(x))(5.0) * x)(3.0) == 27.0


def test_three_deep():
    """x, y and z meet at the innermost level: d/dx d/dy d/dz sin(x y z) against SymPy."""
    a, b, c = sympy.symbols("a b c")
    want = float(sympy.diff(sympy.sin(a * b * c), c, b, a).subs({a: 0.5, b: 1.2, c: -0.7}))
    for one, two, three in itertools.product((sg.grad, F, P), repeat=3):
        found = one(lambda x: two(lambda y: three(lambda z: np.sin(x * y * z))(-0.7))(1.2))(0.5)  # noqa: B023
        np.testing.assert_allclose(found, want, rtol=1e-13)


def test_gradient_of_a_function_of_a_gradient_norm():
    """The double backpropagation penalty: grad of |grad f|² is 2 H g."""

    def f(x):
        return np.sum(np.tanh(x) * x[::-1])

    def penalty(x):
        g = sg.grad(f)(x)
        return np.sum(g * g)

    g = slopes(f, X)
    close(sg.grad(penalty)(X), 2 * sg.hessian(f)(X) @ g)
    symbols = np.array(sympy.symbols("a b c"), dtype=object)
    formula = sum(sympy.tanh(s) * r for s, r in zip(symbols, symbols[::-1], strict=True))
    square = sum(sympy.diff(formula, s) ** 2 for s in symbols)
    want = [float(sympy.diff(square, s).subs(dict(zip(symbols, X, strict=True)))) for s in symbols]
    close(sg.grad(penalty)(X), np.array(want))


def test_an_inner_optimum():
    """One Newton step inside, differentiated outside (a bilevel gradient)."""

    def inner(y, a):
        return (y - a**2) ** 2 + y**4

    def step(a):
        at = 0.5
        return at - sg.grad(inner)(at, a) / sg.derivative(sg.grad(lambda y: inner(y, a)))(at)

    s = sympy.Symbol("s")
    y = sympy.Symbol("y")
    loss = (y - s**2) ** 2 + y**4
    newton = (y - sympy.diff(loss, y) / sympy.diff(loss, y, 2)).subs(y, sympy.Rational(1, 2))
    for a in (0.3, 1.5):
        np.testing.assert_allclose(sg.grad(step)(a), float(sympy.diff(newton, s).subs(s, a)), rtol=1e-13)


# -- names ----------------------------------------------------------------------------------------------------------
def test_an_argument_never_captures_a_symbol_of_its_name():
    x = sg.symbol("x", (3,))

    def f(y):
        return np.sum(x * y**2)

    def g(x, outside=x):
        return np.sum(outside * x**2)

    want = evaluate([sg.grad(f)(V)], {x: X})[0]
    close(want, 2 * X * V)
    close(evaluate([sg.grad(lambda x: g(x))(V)], {x: X})[0], want)
    # at x itself: only the second factor is differentiated
    close(evaluate([sg.grad(f)(x)], {x: X})[0], 2 * X * X)
    close(evaluate([sg.grad(lambda x: g(x))(x)], {x: X})[0], 2 * X * X)
    # ... whereas gradients sees both
    close(evaluate(sg.gradients(f(x), [x]), {x: X})[0], 3 * X * X)


def test_vmap_never_captures_a_symbol_of_its_name():
    x = sg.symbol("x", (3,))
    found = sg.vmap(lambda y: y * x)(V)
    close(evaluate([found], {x: X})[0], np.outer(V, X))
    found = sg.vmap(lambda x, outside=x: x * outside, (0, None))(x, x)
    close(evaluate([found], {x: X})[0], np.outer(X, X))


def test_arguments_of_one_name_are_kept_apart_in_a_kernel():
    """Two leaves whose names would clash: p_a of the dictionary, and an argument called p_a."""
    f = sg.jit(lambda p, p_a: p["a"] - 2 * p_a)
    close(f({"a": X}, V), X - 2 * V)
    close(sg.grad(lambda p, p_a: np.sum(p["a"] * p_a**2), 1)({"a": X}, V), 2 * X * V)


def test_outer_argument_inside_a_vmap():
    def f(a):
        return np.sum(sg.vmap(lambda b: np.sin(a * b) * b)(X))

    close(in_both_ways(sg.grad(f), 0.5), np.sum(np.cos(0.5 * X) * X * X))
    close(in_both_ways(sg.hessian(f), 0.5), -np.sum(np.sin(0.5 * X) * X**3))


def test_outer_argument_inside_inner_transforms():
    a = 0.5
    inner = {
        "jit": (lambda a: sg.jit(lambda y: a * y**2)(3.0), 9.0),
        "grad": (lambda a: sg.grad(lambda y: a**2 * y**2)(3.0), 12 * a),
        "hessian": (lambda a: sg.hessian(lambda y: a**3 * y**2)(3.0), 6 * a**2),
        "hvp": (lambda a: sg.hvp(lambda y: a * y**3)(3.0, 2.0), 36.0),
        "derivative": (lambda a: sg.derivative(lambda y: a**2 * y**3, 2)(3.0), 36 * a),
        "value_and_grad": (lambda a: sum(sg.value_and_grad(lambda y: a**2 * y)(3.0)), 2 * a * 4.0),
        "jvp": (lambda a: sum(sg.jvp(lambda y: a**2 * y, (3.0,), (5.0,))), 16 * a),
        "tangent": (lambda a: sg.jvp(lambda y: y**2, (3.0,), (a,))[1], 6.0),
        "head": (lambda a: sg.vjp(lambda y: y**2, 3.0)[1](a)[0], 6.0),
        "jacobian": (lambda a: np.sum(sg.jacobian(lambda y: a**2 * y * y)(np.array([1.0, 2.0]))), 12 * a),
        "has_aux": (lambda a: sg.grad(lambda y: (y, a**3 * y), has_aux=True)(2.0)[1], 6 * a**2),
    }
    for function, want in inner.values():
        close(sg.grad(function)(a), np.float64(want))
        np.testing.assert_allclose(sg.jvp(function, (a,), (1.0,))[1], want, rtol=1e-14)
