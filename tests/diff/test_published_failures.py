"""Cases of NaN, infinity and wrong values that users reported to other libraries: here each has its exact derivative."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from runners import both_floats, both_ways, close, interpreted

import symgrad as sg


def gradient_of(function, point, run=interpreted, orders=1):
    x = sg.symbol("x", np.shape(point))
    slopes = [function(x)]
    for _ in range(orders):
        slopes.append(sg.gradients(slopes[-1], [x], unconnected="zero")[0])
    return run(slopes[1:], {x: point})


@both_ways
def test_jax_347_root_of_zero_rows(run):
    """Norms of rows, those below 0.5 replaced by one; the last row is zero."""
    point = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])

    def f(x):
        length = np.sqrt(np.sum(x**2, axis=1))
        return np.sum(np.where(length > 0.5, length, np.ones_like(length)))

    first, second = gradient_of(f, point, run, 2)
    length = np.sqrt(np.sum(point**2, axis=1, keepdims=True))
    close(first, np.concatenate([point[:2] / length[:2], np.zeros((1, 2))]))
    u = point[:2] / length[:2]
    close(second[:2], (1 - u * np.sum(u, axis=1, keepdims=True)) / length[:2])
    close(second[2], np.zeros(2))


@both_ways
def test_jax_1052_arctan2_at_the_origin(run):
    def f(a):
        return np.sum(np.where(np.array([0.0, 1.0, 0.0]) > 0.5, 0.0, np.arctan2(a, a)))

    for slope in gradient_of(f, np.array([3.0, 0.0, -5.0]), run, 3):
        close(slope, np.zeros(3))


@both_ways
def test_jax_654_and_3407_pairwise_distances(run):
    """Inverse distances of all pairs, the diagonal masked before and after."""
    point = np.array([[1.0, 2.0, 3.0], [0.2, 4.0, 6.0], [-1.0, 0.5, 0.0]])
    keep = 1 - np.eye(3)

    def f(x):
        distance = np.sqrt(np.sum((x[:, None] - x[None]) ** 2, axis=-1))
        distance = np.where(keep, distance, np.zeros_like(distance))
        return np.sum(np.where(keep, 1 / distance, np.zeros_like(distance)))

    want = np.zeros((3, 3))
    for i, j in itertools.permutations(range(3), 2):
        offset = point[i] - point[j]
        want[i] -= 2 * offset / np.linalg.norm(offset) ** 3
    close(gradient_of(f, point, run)[0], want)
    x = sg.symbol("x", (3, 3))
    hessian = sg.hessian(f(x), x)
    (value,) = run([hessian], {x: point})
    assert np.all(np.isfinite(value))
    close(np.sum(value, axis=2), np.zeros((3, 3, 3)))  # moving all points together changes nothing


@both_ways
def test_jax_18562_hessian_of_a_pair_potential(run):
    """A Lennard-Jones potential continued by a parabola below 0.8 and cut off above 2.5, over all pairs."""

    def potential(r):
        inner = np.where(r > 0.8, 4 * (r**-12 - r**-6), 5.0 - 3.0 * r**2)
        return np.where(r > 2.5, 0.0, inner)

    def f(x):
        r = np.sqrt(np.sum((x[:, None] - x[None]) ** 2, axis=-1))
        return np.sum(np.where(np.eye(3) > 0, 0.0, potential(r))) / 2

    point = np.array([[0.0, 0.0], [1.1, 0.2], [0.4, 0.3]])
    x = sg.symbol("x", (3, 2))
    slope, hessian = run([*sg.gradients(f(x), [x]), sg.hessian(f(x), x)], {x: point})
    symbols = sympy.symbols("p:6", real=True)
    total = 0
    for i, j in itertools.combinations(range(3), 2):
        square = sum((symbols[2 * i + k] - symbols[2 * j + k]) ** 2 for k in range(2))
        near = np.linalg.norm(point[i] - point[j]) <= 0.8
        total += 5 - 3 * square if near else 4 * (square**-6 - square**-3)
    place = dict(zip(symbols, point.ravel(), strict=True))
    close(
        slope,
        [[float(sympy.diff(total, symbols[2 * i + k]).subs(place)) for k in range(2)] for i in range(3)],
        rtol=1e-9,
    )
    want = [[float(sympy.diff(total, p, q).subs(place)) for q in symbols] for p in symbols]
    close(hessian.reshape(6, 6), want, rtol=1e-9)


@both_ways
def test_casadi_1878_and_1805_root_behind_a_condition(run):
    """if_else(x > 0, sqrt(x), 0) at -3, -1, 0 and 1, orders 1 and 2; and with x**0.5."""
    for root in (np.sqrt, lambda x: x**0.5):
        for point in (-3.0, -1.0, 0.0):
            for slope in gradient_of(lambda x, root=root: sg.where(x > 0, root(x), 0.0), point, run, 2):
                close(slope, 0.0)
        first, second = gradient_of(lambda x, root=root: sg.where(x > 0, root(x), 0.0), 1.0, run, 2)
        close(first, 0.5)
        close(second, -0.25)


@both_ways
def test_casadi_1792_linear_behind_a_condition(run):
    for point, want in ((9.0, 0.0), (11.0, 1.0)):
        close(gradient_of(lambda x: sg.where(x > 10, x, 0.0), point, run)[0], want)


@both_ways
def test_theano_4918_and_tensorflow_2540_overflowing_branch(run):
    for point, want in ((-1.0, np.exp(-1.0)), (1.0, 1.0), (100.0, 1.0), (1000.0, 1.0)):
        close(gradient_of(lambda x: sg.where(x > 0, x + 1, np.exp(x)), point, run)[0], want)
    close(gradient_of(lambda x: sg.where(x > 0, 0.0, np.exp(x)), 1e10, run)[0], 0.0)


@both_ways
def test_theano_6476_nested_switches_share_an_expression(run):
    """switch(a == -inf, mu, switch(a >= 0, v, -v)) with v = (a - mu)**2 shared, at a = -inf, mu = 0."""
    a, mu = sg.symbols("a mu")
    v = np.square(a - mu)
    y = sg.where(np.equal(a, -np.inf), mu, sg.where(a >= 0, v, -v))
    on_mu = sg.gradients(y, [mu])[0]
    close(run([on_mu], {a: -np.inf, mu: 0.0})[0], 1.0)
    unshared = sg.where(np.equal(a, -np.inf), mu, sg.where(a >= 0, (a - mu) ** 2, -((a - mu) ** 2)))
    close(run(sg.gradients(unshared, [mu]), {a: -np.inf, mu: 0.0})[0], 1.0)
    (second,) = sg.gradients(on_mu, [mu], unconnected="zero")
    close(run([second], {a: -np.inf, mu: 0.0})[0], 0.0)


@both_ways
def test_theano_5333_limit_of_sin_t_over_t(run):
    point = np.array([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0]])

    def f(w):
        t = np.sum(w**2, axis=1)
        return np.sum(np.where(t < 1e-12, 1.0, np.sin(t) / t))

    (slope,) = gradient_of(f, point, run)
    t = 6.0
    close(slope, [(np.cos(t) / t - np.sin(t) / t**2) * 2 * point[0], np.zeros(3)])


@both_ways
def test_theano_1996_entry_of_a_root_of_an_array(run):
    xs, ys = np.meshgrid(np.arange(4.0) - 2, np.arange(6.0) - 3)
    alpha = sg.symbol("alpha")
    term = np.square(xs) + alpha * np.square(ys)
    slopes = [sg.gradients(np.sqrt(term)[0, 0], [alpha])[0], sg.gradients(np.sqrt(term[0, 0]), [alpha])[0]]
    for slope in run(slopes, {alpha: 1.0}):
        close(slope, 9 / (2 * np.sqrt(13.0)))


@both_ways
def test_theano_2773_root_of_a_shifted_argument(run):
    close(gradient_of(lambda x: np.where(x < 7, x, np.sqrt(x - 7)), 5.0, run)[0], 1.0)


@both_ways
def test_symforce_445_root_of_a_maximum(run):
    """sqrt(max(0, x² - z²)) where x² < z²: zero, not NaN; where x² > z²: x / sqrt(x² - z²)."""
    x, z = sg.symbols("x z")
    w = np.sqrt(np.maximum(0, x**2 - z**2))
    slopes = sg.gradients(w, [x, z])
    second = [sg.gradients(slope, [x])[0] for slope in slopes]
    for value in run([*slopes, *second], {x: 1.0, z: 2.0}):
        close(value, 0.0)
    on_x, on_z = run(slopes, {x: 5.0, z: 3.0})
    close(on_x, 1.25)
    close(on_z, -0.75)


@both_ways
def test_pytorch_156212_nan_and_overflow_masked(run):
    def f(x):
        return np.sum(np.where(x <= 10, np.exp(x), 1.0))

    for slope in gradient_of(f, np.array([1.0, np.nan, 1e10]), run, 3):
        close(slope, [np.e, 0.0, 0.0])


@both_ways
def test_pytorch_18287_infinite_argument_masked(run):
    close(gradient_of(lambda x: np.sum(np.where(x < 1, np.cos(x), 0.0)), np.array([0.0, np.inf]), run)[0], [0.0, 0.0])


@both_ways
def test_pytorch_23395_each_element_takes_its_branch(run):
    def f(x):
        return np.sum(np.where(np.equal(x, 0.0), x / 2, np.sqrt(x) + 1))

    close(gradient_of(f, np.array([16.0, 0.0]), run)[0], [0.125, 0.5])


@both_ways
def test_pytorch_108618_logarithm(run):
    def f(x):
        return np.sum(np.where(x > 2, np.log2(x), 2 * x))

    close(gradient_of(f, np.array([0.0, 2.0, 3.0]), run)[0], [2.0, 2.0, 1 / (3 * np.log(2))])


@both_ways
def test_pytorch_16317_quotient_of_zeros(run):
    x, n = sg.symbol("x", (2,)), sg.symbol("n", (2,))
    y = np.where(np.equal(n, 0.0), 0.0, x / n)
    on_x, on_n = run(sg.gradients(y, [x, n]), {x: [0.0, 1.0], n: [0.0, 2.0]})
    close(on_x, [0.0, 0.5])
    close(on_n, [0.0, -0.25])


@both_ways
def test_pytorch_36923_product_with_a_quotient(run):
    t, x = sg.symbols("t x")
    y = sg.where(x >= t, x, t * (x / t))
    close(run(sg.gradients(y, [x]), {t: 0.0, x: 1.0})[0], 1.0)


@both_ways
@both_floats
def test_enzyme_2285_and_jax_1538_elu(run, dtype):
    """elu at and beyond the overflow of exp."""
    x = sg.symbol("x", (4,), dtype)
    y = np.where(x > 0, x, 1.5 * np.expm1(x))
    (slope,) = sg.gradients(y, [x])
    (second,) = sg.gradients(slope, [x])
    point = np.array([88.0, 89.0, 1e4, -2.0])
    got, curvature = run([slope, second], {x: point})
    close(got, [1, 1, 1, 1.5 * np.exp(-2)], dtype)
    close(curvature, [0, 0, 0, 1.5 * np.exp(-2)], dtype)


@both_ways
def test_saiunit_114_relative_exponential(run):
    """(exp(x) - 1) / x with its series near 0: derivatives of the branch taken at exactly 0."""

    def f(x):
        series = 1 + x / 2 + x**2 / 6 + x**3 / 24
        return np.where(abs(x) < 1e-6, series, np.expm1(x) / x)

    for slope, want in zip(gradient_of(f, 0.0, run, 3), (1 / 2, 1 / 3, 1 / 4), strict=True):
        close(slope, want)


@pytest.mark.parametrize("norm", [np.linalg.norm, sg.norm], ids=["np.linalg.norm", "sg.norm"])
@both_ways
def test_autograd_151_norm_at_zero(run, norm):
    close(gradient_of(norm, np.zeros(3), run)[0], np.zeros(3))


SQUARED_NORMS = {
    "square": lambda x: np.square(sg.norm(x)),
    "power": lambda x: np.linalg.norm(x) ** 2,
    "product": lambda x: sg.norm(x) * sg.norm(x),
    "exponential": lambda x: -np.exp(-(np.linalg.norm(x) ** 2)),
}


@pytest.mark.parametrize("case", SQUARED_NORMS.values(), ids=SQUARED_NORMS)
@both_ways
def test_jax_4177_21723_autograd_570_617_squared_norm(run, case):
    """norm(x)**2 at zero has gradient zero."""
    close(gradient_of(case, np.zeros(3), run)[0], np.zeros(3))


@both_ways
def test_autograd_617_squared_norm_along_an_axis(run):
    point = np.array([[0.0, 0.0], [3.0, 4.0]])
    close(gradient_of(lambda x: np.linalg.norm(x, axis=-1) ** 2, point, run)[0], 2 * point)


@both_ways
def test_jax_26248_norm_of_a_multiple_of_zero(run):
    a, b = sg.symbol("a"), sg.symbol("b", (2,))
    on_a, on_b = run(sg.gradients(sg.norm(a * b), [a, b]), {a: 1.3, b: [0.0, 0.0]})
    close(on_a, 0.0)
    close(on_b, [0.0, 0.0])


@both_ways
def test_autograd_116_powers_and_products_agree_at_zero(run):
    """exp(-x**2) at 0: 0, -2, 0, 12, in either spelling."""
    for f in (lambda x: np.exp(-(x**2)), lambda x: np.exp(-(x * x))):
        found = gradient_of(f, 0.0, run, 4)
        np.testing.assert_allclose([float(one) for one in found], [0.0, -2.0, 0.0, 12.0])


def test_jax_6811_logsumexp_of_minus_infinities():
    """Beside a finite entry, the weights of -inf entries are zero."""
    found = gradient_of(sg.logsumexp, np.array([-np.inf, 1.0, -np.inf]))
    close(found[0], [0.0, 1.0, 0.0])


@both_ways
def test_masked_attention(run):
    """Scores of -inf where masked: no NaN in the gradient of the weighted sum, and the masked rows get zero."""
    scores, values = sg.symbol("scores", (2, 3)), sg.symbol("values", (3, 2))
    mask = np.array([[True, True, False], [True, False, False]])
    weights = sg.nn.softmax(sg.where(mask, scores, -np.inf), axis=-1)
    y = np.sum((weights @ values) ** 2)
    s, v = np.array([[0.5, -0.3, 9.0], [1.0, 2.0, 3.0]]), np.array([[1.0, -1.0], [0.5, 2.0], [7.0, 8.0]])
    on_scores, on_values = run(sg.gradients(y, [scores, values]), {scores: s, values: v})
    e = np.where(mask, np.exp(s), 0.0)
    p = e / e.sum(axis=1, keepdims=True)
    out = p @ v
    head = 2 * out @ v.T
    close(on_values, p.T @ (2 * out))
    close(on_scores, p * (head - np.sum(p * head, axis=1, keepdims=True)))
