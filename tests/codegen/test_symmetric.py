"""Symmetric products: one triangle is computed, the other mirrored; values, special values and refusals as NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import program_of

import symgrad as sg
from codegen.lower.loopir import Product

RNG = np.random.default_rng(3)

FORMS = {
    "A @ A.T": (lambda x: x @ x.T, (70, 200)),
    "A.T @ A": (lambda x: x.T @ x, (150, 65)),
    "batches": (lambda x: np.einsum("bij,bik->bjk", x, x), (3, 140, 64)),
    "turned result": (lambda x: np.einsum("ij,ik->kj", x, x), (140, 64)),
    "batch behind": (
        lambda x: np.einsum("ib,jb->bij", x[:, :, 0], x[:, :, 0]) + np.einsum("ibk,jbk->bij", x, x),
        (64, 2, 130),
    ),
    "sums of products": (lambda x: np.tanh(x @ x.T) @ (x @ x.T), (64, 128)),
}


def banded(program):
    return [one.c_band for one in program.stages if isinstance(one, Product)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FORMS)
def test_values(name, dtype):
    function, shape = FORMS[name]
    x = sg.symbol("x", shape, dtype)
    at = (RNG.normal(size=shape) / 10).astype(dtype)
    assert any(band is not None for band in banded(program_of([function(x)], [x])))
    found = [sg.compile(function(x), [x], threads=threads)(at) for threads in (1, 2)]
    assert found[0].tobytes() == found[1].tobytes()
    assert_same(found[0], function(at), atol=1e-4 if dtype == "float32" else 1e-12)


def test_exactly_symmetric():
    x = sg.symbol("x", (100, 333))
    found = sg.compile(x @ x.T, [x])(RNG.normal(size=(100, 333)))
    np.testing.assert_array_equal(found, found.T)


def test_dynamic_sums_and_special_values():
    x = sg.symbol("x", ("n", 64))
    kernel = sg.compile(x.T @ x, [x])
    at = RNG.normal(size=(200, 64))
    at[3, 5], at[7, 9], at[8, 9] = np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        assert_same(kernel(at), at.T @ at)
    assert_same(kernel(np.zeros((0, 64))), np.zeros((64, 64)))


def test_derivative():
    """d/dx sum(w * x xᵀ) = (w + wᵀ) x."""
    x, w = sg.symbol("x", (64, 130)), RNG.normal(size=(64, 64))
    at = RNG.normal(size=(64, 130))
    value = np.sum(w * (x @ x.T))
    got = sg.compile([value, *sg.gradients(value, [x])], [x])(at)
    assert_same(got[0], np.sum(w * (at @ at.T)), rtol=1e-10)
    assert_same(got[1], (w + w.T) @ at, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: x @ x, (64, 64)),  # not symmetric
        (lambda x: x[:, 1:] @ x[:, :-1].T, (64, 200)),
        (lambda x: x @ x.T, (63, 200)),  # small
        (lambda x: x @ x.T, (64, 127)),
        (lambda x: x @ x.T, (600, 200)),  # beyond the sizes that are searched for bands
        (lambda x: x @ x.T, ("n", 200)),
    ],
)
def test_what_is_left_alone(function, shape):
    x = sg.symbol("x", shape)
    assert banded(program_of([function(x)], [x])) == [None]
