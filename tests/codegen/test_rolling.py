"""Long code written out in scalars: it becomes loops, which give what NumPy gives, whatever the code's form."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret, program_of

import symgrad as sg
from codegen.lower.loopir import For, Let, Nest, statements

RNG = np.random.default_rng(7)


def lets_of(program):
    """How many operations the program's text has."""
    return sum(
        1
        for stage in program.stages
        if isinstance(stage, Nest)
        for one in statements(stage.body)
        if isinstance(one, Let)
    )


def potential(x, mass):
    """The sum over pairs of bodies, term by term."""
    total = 0.0
    for i in range(len(mass)):
        for j in range(i + 1, len(mass)):
            apart = [x[i, k] - x[j, k] for k in range(3)]
            total = total - mass[i] * mass[j] / np.sqrt(apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2)
    return total


def attraction(x, mass):
    """Potential and gradient, by NumPy in arrays."""
    apart = x[:, None] - x[None]
    distance = np.sqrt(np.sum(apart**2, axis=2) + np.eye(len(mass)))
    pull = np.outer(mass, mass) - np.diag(mass**2)
    return -0.5 * np.sum(pull / distance), np.sum((pull / distance**3)[..., None] * apart, axis=1)


@pytest.mark.parametrize("fastmath", [{"contract"}, {"contract", "reassoc", "reciprocal"}, set()])
def test_pairs_become_loops(fastmath):
    """Value and gradient of a sum over pairs: a loop over pairs, a loop over sums, and hardly anything else."""
    n = 24
    x, mass = sg.symbol("x", (n, 3)), np.linspace(1, 2, n) ** 2
    value = potential(x, mass)
    results = [value, sg.gradients(value, [x])[0]]
    assert lets_of(program_of(results, [x])) < 100  # of the 7,000 that were written
    own = RNG.normal(size=(n, 3))
    got = sg.compile(results, [x], fastmath=fastmath)(own)
    for one, want in zip(got, attraction(own, mass), strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-12, atol=1e-12)


def test_same_bits_as_straight_code():
    """Loops over pieces compute what the straight code computed, sums in the order of the text."""
    n = 24
    x, mass = sg.symbol("x", (n, 3)), np.linspace(1, 2, n) ** 2
    value = potential(x, mass)
    status, (got,) = interpret([value], [x], [own := RNG.normal(size=(n, 3))])
    assert status == 0
    assert got == potential(own, mass)


def test_levels():
    """Terms that wait for a sum over others come in a loop of their own, after it."""
    n = 300
    x = sg.symbol("x", (n,))
    parts = [np.exp(-x[k]) * (1 + x[k] * x[k]) for k in range(n)]
    total = parts[0]
    for one in parts[1:]:
        total = total + one
    score = 0.0
    for k, one in enumerate(parts):
        score = score + (one / total) * (one / total) * (k + 1.0)
    program = program_of([score, total], [x])
    own = RNG.normal(size=n)
    want_parts = np.exp(-own) * (1 + own * own)
    want = np.sum((want_parts / want_parts.sum()) ** 2 * np.arange(1.0, n + 1))
    assert sum(isinstance(one, For) for stage in program.stages for one in statements(stage.body)) >= 4
    assert lets_of(program) < 40
    status, got = interpret([score, total], [x], [own])
    assert status == 0
    np.testing.assert_allclose(got[0], want, rtol=1e-13)
    np.testing.assert_allclose(got[1], want_parts.sum(), rtol=1e-13)
    np.testing.assert_allclose(sg.compile([score, total], [x])(own), [want, want_parts.sum()], rtol=1e-13)


def test_odd_pieces_and_orders():
    """Pieces that differ from the others, differences taken the other way, terms subtracted from sums."""
    n = 260
    x, y = sg.symbol("x", (n,)), sg.symbol("y", (n,), "float64")

    def score(x, y):
        total = 0.5
        for k in range(n):
            term = x[k] * y[n - 1 - k] + 2.5 if k % 50 else np.sqrt(y[k]) * x[k]
            term = term * (x[k] - y[k]) if k % 3 else (x[k] - y[k]) * term
            total = term - total if k % 7 == 0 else total + term if k % 2 else total - term
        return total, total * x[3]

    arrays = RNG.normal(size=n), RNG.uniform(1, 2, n)
    want = score(*arrays)
    results = list(score(x, y))
    status, got = interpret(results, [x, y], arrays)
    assert status == 0
    np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(sg.compile(results, [x, y])(*arrays), want, rtol=1e-12)


def test_results_of_pieces():
    """Each piece's own result is stored where it belongs, in any order; numbers of pieces differ."""
    n = 400
    x = sg.symbol("x", (n,), "float32")
    parts = [np.sin(x[k] * (k + 0.25)) * x[(7 * k) % n] + np.cos(x[k]) for k in range(n)]
    result = sg.stack(parts[::-1])
    own = RNG.normal(size=n).astype("float32")
    steps = np.arange(n, dtype="float32") + np.float32(0.25)
    want = (np.sin(own * steps) * own[(7 * np.arange(n)) % n] + np.cos(own))[::-1]
    status, (got,) = interpret([result], [x], [own])
    assert status == 0
    assert_same(got, want)
    np.testing.assert_allclose(sg.compile(result, [x])(own), want, rtol=2e-6, atol=2e-6)


def test_chains_stay_straight():
    """A long recurrence repeats nothing that a vector loop could run side by side."""
    x = sg.symbol("x")
    value = x
    for _ in range(3000):
        value = np.sin(value) + 0.5 * value
    want = 0.3
    for _ in range(3000):
        want = np.sin(want) + 0.5 * want
    np.testing.assert_allclose(sg.compile(value, [x])(0.3), want, rtol=1e-9)
