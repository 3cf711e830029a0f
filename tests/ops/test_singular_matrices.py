"""Singular and indefinite matrices: an error where NumPy computes, NaN in machine code, no trace in branches not taken."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad import interp
from symgrad.scipy import linalg


def regular(rng, *shape):
    return rng.uniform(-1, 1, shape) + 2 * np.eye(shape[-1])[rng.permutation(shape[-1])]


def positive(rng, *shape):
    factor = rng.uniform(-1, 1, shape)
    return factor @ np.swapaxes(factor, -1, -2) + np.eye(shape[-1])


def symbols_of(*arrays):
    return [sg.symbol(f"x{k}", array.shape, array.dtype) for k, array in enumerate(arrays)]


def run(function, *arrays):
    """The function of arrays, compiled."""
    inputs = symbols_of(*arrays)
    return sg.compile(function(*inputs), inputs)(*arrays)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_singular_matrices(n, rng):
    """NumPy's error where NumPy computes; NaN in machine code; determinants have their values."""
    a, b = np.ones((n, n)) if n > 1 else np.zeros((1, 1)), np.arange(1.0, n + 1)
    x, y = sg.symbol("x", (n, n)), sg.symbol("y", (n,))
    for made in (np.linalg.solve(x, y), np.linalg.inv(x), np.linalg.cholesky(x), linalg.solve_triangular(x * 0, y)):
        with pytest.raises(np.linalg.LinAlgError):
            interp.evaluate([made], {x: a - np.eye(n) if made.op.name == "cholesky" else a, y: b})
    solved, inverse, size, sign, log = sg.compile(
        (np.linalg.solve(x, y), np.linalg.inv(x), np.linalg.det(x), *np.linalg.slogdet(x)), [x, y]
    )(a, b)
    assert np.isnan(solved).all()
    assert np.isnan(inverse).all()
    assert (size, sign, log) == (0.0, 0.0, -np.inf)
    assert np.isnan(run(lambda a, b: linalg.solve_triangular(a * 0.0, b), a, b)).all()
    factor = run(np.linalg.cholesky, a - np.eye(n))
    assert np.isnan(factor[-1, -1])
    assert not np.triu(factor, 1).any()


def test_one_singular_matrix_of_a_batch_spoils_no_other(rng):
    for n in (3, 9):
        a, b = regular(rng, 4, n, n), rng.normal(size=(4, n, 1))
        want = np.linalg.solve(a, b)
        a[2] = 0
        got = run(np.linalg.solve, a, b)
        assert np.isnan(got[2]).all()
        assert_same(np.delete(got, 2, 0), np.delete(want, 2, 0), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n", [3, 9])
def test_branches_not_taken_have_no_derivative(n, rng):
    """Where a matrix is singular and its result unused, derivatives are finite and those of the others unchanged."""

    def loss(a, b, usable):
        solved = np.linalg.solve(a, b[..., None])[..., 0]
        terms = np.sum(solved**2, -1) + np.linalg.slogdet(a)[1] + np.sum(np.linalg.inv(a), (-1, -2))
        return np.sum(np.where(usable, terms + np.linalg.cholesky(a)[..., 0, 0], 0.0))

    a, b, usable = positive(rng, 3, n, n), rng.normal(size=(3, n)), np.array([True, False, True])
    inputs = symbols_of(a, b, usable)
    first = sg.gradients(loss(*inputs), inputs[:2])
    second = sg.gradients([np.sum(first[0] ** 2)], inputs[:2])
    k = sg.compile((*first, *second), inputs)
    want = k(a, b, usable)
    a[1] = 0
    for one, other in zip(k(a, b, usable), want, strict=True):
        assert np.isfinite(one).all()
        assert_same(one, other)
