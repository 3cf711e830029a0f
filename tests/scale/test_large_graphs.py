"""Arrays of a million elements, wide graphs, graphs with more paths than atoms."""

from __future__ import annotations

import numpy as np

import symgrad as sg
from symgrad.interp import evaluate
from symgrad.node import topological

MILLION = 10**6


def test_a_million_elements_of_static_size():
    x = sg.symbol("x", (MILLION,))
    loss = np.sum(np.sin(x) * x)
    point = np.linspace(-3, 3, MILLION)
    value, gradient = sg.compile((loss, sg.gradients(loss, [x])[0]), [x])(point)
    np.testing.assert_allclose(value, np.sum(np.sin(point) * point), rtol=1e-11)
    np.testing.assert_allclose(gradient, np.cos(point) * point + np.sin(point), rtol=1e-12, atol=1e-13)


def test_a_million_elements_of_dynamic_size():
    x, w = sg.symbol("x", ("n", 10)), sg.symbol("w", (10,))
    loss = np.mean((x @ w - 1) ** 2)
    kernel = sg.compile(sg.gradients(loss, [w])[0], [x, w])
    rng = np.random.default_rng(3)
    points, weights = rng.normal(size=(MILLION // 10, 10)), rng.normal(size=10)
    want = 2 * points.T @ (points @ weights - 1) / len(points)
    np.testing.assert_allclose(kernel(points, weights), want, rtol=1e-10)


def test_a_large_constant():
    table = np.arange(MILLION, dtype=float).reshape(1000, 1000) / MILLION
    x = sg.symbol("x", (1000,))
    np.testing.assert_allclose(sg.compile(sg.constant(table) @ x, [x])(np.ones(1000)), table.sum(axis=1), rtol=1e-12)
    assert len(str(sg.constant(table) @ x)) < 100


def test_shapes_cost_nothing():
    """Views, broadcasts and derivatives of huge shapes are graphs: no array is made."""
    x = sg.symbol("x", (MILLION, MILLION))
    loss = np.sum(x.T[::2] * 3 + x[::2].reshape(MILLION // 2, MILLION))
    (slope,) = sg.gradients(loss, [x])
    assert slope.shape == (MILLION, MILLION)
    assert len(topological([slope])) < 40


def doubled(times):
    """x + x, that plus itself, ...: 2**times paths."""
    x = sg.symbol("x")
    y = x
    for _ in range(times):
        y = np.sin(y) + y * y
    return x, y


def test_heavy_sharing():
    x, y = doubled(300)
    assert len(topological([y])) == 1 + 3 * 300
    assert len(str(y)) < 30_000
    assert len(repr(y)) < 200
    (slope,) = sg.gradients(y, [x])
    assert len(topological([slope])) < 10 * 300
    assert len(str(slope)) < 200_000


def test_heavy_sharing_is_worth_what_it_should():
    x, y = doubled(25)
    value, rate = np.float64(0.01), np.float64(1.0)
    for _ in range(25):
        value, rate = np.sin(value) + value * value, (np.cos(value) + 2 * value) * rate
    (slope,) = sg.gradients(y, [x])
    found = sg.compile((y, slope), [x])(0.01)
    np.testing.assert_allclose(found, [value, rate], rtol=1e-9)


def test_many_inputs():
    names = [sg.symbol(f"x{k}") for k in range(1000)]
    total = sum((one * one for one in names), sg.constant(0.0))
    slopes = sg.gradients(total, names)
    values = dict(zip(names, np.arange(1000.0), strict=True))
    assert [float(one) for one in evaluate(slopes, values)] == [2.0 * k for k in range(1000)]


def test_one_node_used_by_many():
    """A fan of 20,000: cotangents are summed once for each use, not once for each path."""
    x = sg.symbol("x")
    shared = np.sin(x)
    total = x
    for k in range(20_000):
        total = total + shared * float(k)
    (slope,) = sg.gradients(total, [x])
    np.testing.assert_allclose(evaluate([slope], {x: 0.5})[0], 1 + np.cos(0.5) * sum(range(20_000)), rtol=1e-12)
