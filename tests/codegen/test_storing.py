"""What is stored because several loops need it: the smaller array from which the rest is soon made.  NumPy judges values."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg

RNG = np.random.default_rng(11)


def similarity(x, a, np=np):
    """Of every pair of points, by their distance: differences of all coordinates of all pairs are eight times as many."""
    distances = np.sum((x[:, None] - x[None]) ** 2, -1)
    return np.sum(a[:, None] * np.exp(-distances / 2) * a[None])


@pytest.mark.parametrize("rows", [40, "n"])
@pytest.mark.parametrize("with_value", [True, False])
def test_pairs_are_stored_without_their_coordinates(rows, with_value):
    x, a = sg.symbol("x", (rows, 8)), sg.symbol("a", (rows,))
    value = similarity(x, a)
    outputs = [*([value] if with_value else []), *sg.gradients(value, [x])]
    kernel = sg.compile(outputs, [x, a])
    at, weights = RNG.normal(size=(40, 8)), RNG.normal(size=40)
    differences = at[:, None] - at[None]
    table = weights[:, None] * np.exp(-np.sum(differences**2, -1) / 2) * weights[None]
    want = [*([similarity(at, weights)] if with_value else []), -2 * np.einsum("ij,ijk->ik", table, differences)]
    for found, expected in zip(kernel(at, weights), want, strict=True):
        assert_same(found, expected, rtol=1e-10)
    assert kernel.loop_ir.count("exp %") == 1
    temporaries = [line for line in kernel.loop_ir.splitlines() if line.startswith("temporary")]
    largest = "float64[1600]" if rows == 40 else "float64[n*n]"
    assert any(line.endswith(largest) for line in temporaries)
    assert not any("12800" in line or "8*n*n" in line for line in temporaries)
