"""Passes within a pass: an operation differentiated through its definition, or a rule of the user's transposed.

They look at that operation only, not at the graph behind it, so that the whole costs in proportion to its nodes.
"""

from __future__ import annotations

import numpy as np
import pytest
from runners import both_ways

import symgrad as sg
from symgrad import ops
from symgrad.diff import forward, reverse
from symgrad.diff.gradients import pushforward

WEIGHTS = np.array([1.0, 2.0, -1.0])


@sg.custom_gradient
def sine(x):
    return np.sin(x), lambda head: head * np.cos(x)


# a step from y to the next one; its cotangents hold structural zeros, except in the last two
STEPS = {
    "product": lambda x, y: np.maximum(np.cross(y, np.log(x)), 0),
    "maximum": lambda x, y: np.maximum(y, 0) * np.max(np.maximum(y, 0.5)),
    "log_softmax": lambda x, y: np.maximum(ops.log_softmax(np.maximum(y, 0), (1,)), -1),
    "custom rule": lambda x, y: sine(y) * x,
    "definition": lambda x, y: np.outer(y[:, 0], np.sinc(y[0])) + x[0, 0],
}


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("step", STEPS)
def test_a_pass_looks_at_nodes_in_proportion_to_the_graph(step, mode, monkeypatch):
    seen = []

    def counted(*args):
        order = topological(*args)
        seen.append(len(order))
        return order

    topological = reverse.topological
    monkeypatch.setattr(reverse, "topological", counted)
    monkeypatch.setattr(forward, "topological", counted)

    def cost(count):
        x = y = sg.symbol("x", (4, 3))
        for _ in range(count):
            y = STEPS[step](x, y)
        seen.clear()
        made = sg.gradients(y, [x]) if mode == "reverse" else pushforward(y, [x], [np.ones((4, 3))])
        assert made[0] is not None
        return sum(seen)

    small, large = cost(10), cost(40)
    assert small < large < 5 * small


@both_ways
def test_an_input_behind_another_input(run):
    """The product's left operand occurs, as the same identity that stands for it, in its right operand."""
    x = sg.symbol("x", (2, 3))
    a = np.log(x)
    y = np.sum(np.maximum(np.cross(a, ops.identity(a) * WEIGHTS), 0))
    point = np.array([[1.5, 2.5, 2.1], [3.0, 1.7, 0.3]])

    def value(point):
        return np.sum(np.maximum(np.cross(np.log(point), np.log(point) * WEIGHTS), 0))

    step = 1e-6 * np.eye(6).reshape(6, 2, 3)
    want = np.array([(value(point + one) - value(point - one)) / 2e-6 for one in step]).reshape(2, 3)
    (tangent,) = pushforward(y, [x], [np.ones((2, 3))])
    slope, along = run([sg.gradients(y, [x])[0], tangent], {x: point})
    np.testing.assert_allclose(slope, want, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(along, want.sum(), rtol=1e-7)
