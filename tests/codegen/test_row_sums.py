"""Nests that store rows and sum over them: in the order of memory, and cut along the rows, with the same values."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret, program_of

import symgrad as sg
from codegen.lower.loopir import Blocked, For, Nest, Product, flattened

n = sg.dim("n")
X = sg.symbol("rows_and_their_sums", (n, 40))
FEW = sg.symbol("short_rows_and_their_sums", (n, 20))


def outermost(program):
    """The first loop of every nest that has one."""
    nests = [stage for stage in flattened(program.stages) if isinstance(stage, Nest)]
    return [next(one for one in nest.body if isinstance(one, For)) for nest in nests]


def results(x):
    return [np.tanh(x) * x[:, :1], np.sum(x * x, axis=0)]


def test_rows_come_first_where_columns_have_accumulators_in_memory():
    (loop,) = outermost(program_of(results(X), [X]))
    assert not isinstance(loop.axis.extent, int)
    assert [one.vector for one in loop.body if isinstance(one, For)] == [True]


def test_short_rows_and_sums_alone_keep_their_accumulators_in_registers():
    for outputs, given in ((results(FEW), FEW), (results(X)[1:], X)):
        assert all(isinstance(loop.axis.extent, int) for loop in outermost(program_of(outputs, [given])))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [0, 1, 3, 1000])
def test_values(rows, threads, rng):
    given = rng.normal(size=(rows, 40))
    want = [np.tanh(given) * given[:, :1], np.sum(given * given, axis=0)]
    status, got = interpret(results(X), [X], [given], threads=threads)
    assert status == 0
    for one, other, third in zip(got, want, sg.compile(results(X), [X], threads=threads)(given), strict=True):
        assert_same(one, other, rtol=1e-12, atol=1e-12)
        assert_same(third, other, rtol=1e-12, atol=1e-12)


def test_a_total_that_is_used_further_does_not_end_a_block(rng):
    """The logarithms' total goes into a value, beside the weights that the second product reads."""
    x, w = sg.symbol("points_in_one_block", (1000, 8)), sg.symbol("their_scores", (8, 200))
    scores = x @ w
    value = np.sum(sg.logsumexp(scores, axis=1)) + np.sum(w * w)
    outputs = [value, sg.gradients(value, [w])[0]]
    program = program_of(outputs, [x, w])
    (loop,) = [
        stage for whole in program.stages for stage in getattr(whole, "stages", ()) if isinstance(stage, Blocked)
    ]
    assert sum(isinstance(stage, Product) for stage in loop.stages) == 2
    points, weights = rng.normal(size=(1000, 8)), rng.normal(size=(8, 200))
    found, slope = sg.compile(outputs, [x, w])(points, weights)
    powers = np.exp(points @ weights)
    total = powers.sum(axis=1, keepdims=True)
    assert_same(found, np.log(total).sum() + (weights**2).sum(), rtol=1e-12)
    assert_same(slope, points.T @ (powers / total) + 2 * weights, rtol=1e-10, atol=1e-12)
