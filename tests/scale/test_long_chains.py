"""A chain of 200,000 nodes passes through every stage with a small Python stack, one test for each stage."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import symgrad as sg
from symgrad import node, ops
from symgrad.interp import evaluate
from symgrad.node import topological
from symgrad.rewrite import EXACT, STABLE, rewrite
from symgrad.verify import verify

LONG = 200_000
STACK = 250  # frames beyond pytest's own
RATE, SHIFT = 0.99999, 0.25


@pytest.fixture(autouse=True)
def _small_stack():
    """Nothing may recurse along the chain."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + STACK)
    yield
    sys.setrecursionlimit(limit)


@pytest.fixture(scope="module")
def chain():
    """x and ((x · rate + shift) · rate + shift)...: half products, half sums."""
    x = sg.symbol("x")
    rate, shift = sg.constant(RATE), sg.constant(SHIFT)
    y = x
    for _ in range(LONG // 2):
        y = ops.add(ops.multiply(y, rate), shift)
    return x, y


@pytest.fixture(scope="module")
def slope(chain):
    x, y = chain
    return sg.gradients(y, [x])[0]


def steps(start):
    for _ in range(LONG // 2):
        start = start * RATE + SHIFT
    return start


def test_build(chain):
    _, y = chain
    assert len(topological([y])) == LONG + 3
    verify([y])


def test_value(chain):
    x, y = chain
    assert evaluate([y], {x: 1.0})[0] == steps(1.0)


def test_gradient(chain, slope):
    x, _ = chain
    np.testing.assert_allclose(evaluate([slope], {x: 1.0})[0], RATE ** (LONG // 2), rtol=1e-9)


def test_forward_mode(chain):
    x, y = chain
    tangent = sg.jacobian(y, x, "forward")
    np.testing.assert_allclose(evaluate([tangent], {x: 1.0})[0], RATE ** (LONG // 2), rtol=1e-9)


def test_summary(chain):
    _, y = chain
    assert str(y).endswith(f"({LONG + 3} nodes)")
    assert len(str(y)) < 300
    assert len(repr(y)) < 200


def test_rewrite(chain):
    x, y = chain
    (made,), _ = rewrite([y], [*EXACT, *STABLE])
    np.testing.assert_allclose(evaluate([made], {x: 1.0})[0], steps(1.0), rtol=1e-9)


def test_substitute(chain):
    x, y = chain
    z = sg.symbol("z")
    (moved,) = node.substitute([y], {x: z})
    assert evaluate([moved], {z: 2.0})[0] == steps(2.0)


def test_vmap(chain):
    x, y = chain
    many = sg.symbol("many", (2,))
    made = sg.vmap(lambda one: node.substitute([y], {x: one})[0])(many)
    np.testing.assert_allclose(evaluate([made], {many: [1.0, 2.0]})[0], [steps(1.0), steps(2.0)], rtol=1e-12)


def test_save_and_load(chain, slope, tmp_path):
    _, y = chain
    sg.save(tmp_path / "chain.graph", (y, slope))
    again = sg.load(tmp_path / "chain.graph")
    assert again[0] is y
    assert again[1] is slope


def test_networkx(chain):
    _, y = chain
    graph = sg.graph(y)
    assert graph.number_of_nodes() == LONG + 3
    assert graph.number_of_edges() == 2 * LONG


def test_compile(chain):
    """In the stack of a deep caller still: the back end is called from here."""
    x, y = chain
    kernel = sg.compile(y, [x])
    np.testing.assert_allclose(kernel(1.0), steps(1.0), rtol=1e-9)
