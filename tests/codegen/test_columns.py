"""Columns of rows, copied where loops read them again and again.  NumPy judges values, the loops say what was copied."""

from __future__ import annotations

import numpy as np
import pytest
from loops import interpret, program_of

import symgrad as sg

RNG = np.random.default_rng(5)


def nearness(x):
    """The sum over all pairs of rows of one over one and their squared distance; three columns meet in each."""
    apart = x[:, None, :] - x[None, :, :]
    return np.sum(1 / (1 + np.sum(apart * apart, axis=2)))


def copies(program):
    return [one.name for one in program.buffers if one.name.startswith("p")]


@pytest.mark.parametrize("size", [19, "n"])
def test_pairs_of_rows_read_copies(size):
    x = sg.symbol("x", (size, 3))
    program = program_of([nearness(x)], [x])
    assert len(copies(program)) == 3
    points = RNG.normal(size=(19, 3))
    status, (interpreted,) = interpret([nearness(x)], [x], [points])
    assert status == 0
    np.testing.assert_allclose(interpreted, nearness(points), rtol=1e-13)
    np.testing.assert_allclose(sg.compile(nearness(x), [x])(points), nearness(points), rtol=1e-13)


def test_every_column_is_copied_once_for_all_its_readers():
    x, y = sg.symbol("x", (20, 3)), sg.symbol("y", (30, 2))
    weights = RNG.normal(size=(20, 30))

    def closeness(x, y):
        apart = x[:, None, 0] - y[None, :, 0]
        return np.sum(weights * np.exp(-apart * apart) * (y[None, :, 1] + y[None, :, 0]))

    assert len(copies(program_of([closeness(x, y)], [x, y]))) == 2
    a, b = RNG.normal(size=(20, 3)), RNG.normal(size=(30, 2))
    np.testing.assert_allclose(sg.compile(closeness(x, y), [x, y])(a, b), closeness(a, b), rtol=1e-13)


def test_threads_share_the_copies():
    x, points = sg.symbol("x", ("n", 3)), RNG.normal(size=(3000, 3))
    one, two = (sg.compile(nearness(x), [x], threads=count)(points) for count in (1, 2))
    assert one.tobytes() == two.tobytes()
    np.testing.assert_allclose(one, nearness(points), rtol=1e-12)


def test_what_is_read_once_is_not_copied():
    x = sg.symbol("x", ("n", 3))
    assert copies(program_of([np.exp(x[:, 0]) + x[:, 2]], [x])) == []
    y = sg.symbol("y", (50,))
    assert copies(program_of([np.sum(np.exp(y[:, None] - y[None, :]), axis=1)], [y])) == []
