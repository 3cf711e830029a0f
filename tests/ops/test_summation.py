"""Pairwise and compensated sums against exactly rounded ones (math.fsum), compiled and interpreted."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from comparing import assert_same, said

import symgrad as sg
from symgrad import SymgradError
from symgrad.interp import evaluate

X = sg.symbol("x", ("n",))
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 127, 128, 129, 511, 512, 513, 1023, 1024, 1025, 4096, 5000, 70_001]
METHODS = ["pairwise", "compensated"]


def both(method, values, dtype="float64"):
    """The sum of a vector by compiled code and by the interpreter."""
    x = sg.symbol("x", ("n",), dtype)
    node = sg.sum(x, method=method)
    return sg.compile(node, [x])(values), evaluate([node], {x: values})[0]


def spread(size, seed=0):
    """Numbers of both signs over 16 orders of magnitude."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=size) * 10.0 ** rng.integers(-8, 8, size)


def units(got, values, dtype="float64"):
    """Errors in units of the sum of magnitudes."""
    return abs(float(got) - math.fsum(values)) / (np.finfo(dtype).eps * math.fsum(np.abs(values)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compensated_sums_are_rounded_once(size, dtype):
    values = spread(size).astype(dtype)
    exact = math.fsum(values.astype(float))
    for got in both("compensated", values, dtype):
        assert got.dtype == dtype
        assert got == np.dtype(dtype).type(exact)


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_pairwise_sums_are_within_their_bound(size, dtype):
    """log2 of the number of blocks, and within a block of each lane at most 128 / 4 additions in a row, and the ends."""
    values = np.abs(spread(size)).astype(dtype)
    bound = math.log2(size + 1) + 36
    for got in both("pairwise", values, dtype):
        assert units(got, values.astype(float), dtype) <= bound


def test_pairwise_beats_plain_addition_in_order():
    values = np.full(1_000_000, 0.1, np.float32)
    exact = math.fsum(values.astype(float))
    in_order = np.cumsum(values)[-1]
    for got in both("pairwise", values, "float32"):
        assert abs(got - exact) < 1e-6 * exact
        assert abs(got - exact) < 1e-3 * abs(in_order - exact)


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1.0, 1e100, 1.0, -1e100], 2.0),  # Neumaier's example: Kahan's algorithm gives 0
        ([1e16, *[1.0] * 1000, -1e16], 1000.0),
        ([1.0, *[2.0**-53] * 4096], 1.0 + 2.0**-41),
        ([*range(1, 1001), *(-k for k in range(1, 1001)), 1e-30], 1e-30),
    ],
)
def test_cancellation(values, total):
    for got in both("compensated", np.array(values, float)):
        assert got == total


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 3, 40, 700])
def test_special_values(method, size):
    """As NumPy's sums: NaN and infinities wherever they stand, and the sign of zeros."""
    for one in (np.nan, np.inf, -np.inf):
        for place in {0, size // 2, size - 1}:
            values = np.ones(size)
            values[place] = one
            for got in both(method, values):
                assert_same(got, np.float64(one))
    values = np.ones(size + 1)
    values[[0, -1]] = np.inf, -np.inf
    assert all(np.isnan(both(method, values)))
    for zero in (0.0, -0.0):
        for got in both(method, np.full(size, zero)):
            assert np.signbit(got) == np.signbit(np.sum(np.full(size, zero)))
    for got in both(method, np.zeros(0)):
        assert got == 0.0
        assert not np.signbit(got)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 1), (0, 2), (2, 1), None, ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes(method, axis, keepdims):
    a = np.random.default_rng(1).normal(size=(4, 33, 5))
    for shape in ((4, 33, 5), ("n", 33, "m"), ("n", "k", "m")):
        A = sg.symbol("A", shape)
        node = sg.sum(A, axis, keepdims, method=method)
        want = np.sum(a, axis, keepdims=keepdims)
        got = sg.compile(node, [A])(a)
        assert got.shape == want.shape
        assert_same(got, want, rtol=1e-12, atol=1e-13)
        assert_same(evaluate([node], {A: a})[0], want, rtol=1e-12, atol=1e-13)


def test_columns_as_lanes_are_compensated():
    """Sums over the first axis, of more columns than a register has lanes."""
    columns = np.array([spread(3000, seed) for seed in range(11)]).T.copy()
    A = sg.symbol("A", ("n", "m"))
    for given in (columns, np.asfortranarray(columns), columns[:, :1].copy()):
        got = sg.compile(sg.sum(A, 0, method="compensated"), [A])(given)
        assert_same(got, np.array([math.fsum(column) for column in given.T]), rtol=0, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_of_what_is_computed_on_the_way(method):
    x = np.linspace(0.1, 3, 1000)
    got = sg.compile(np.log(sg.sum(np.exp(X), method=method)), [X])(x)
    assert got == pytest.approx(math.log(math.fsum(np.exp(x))), rel=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives(method):
    A = sg.symbol("A", ("n", 3))
    value = np.sum(sg.sum(A**2, 0, method=method) ** 2)
    a = np.random.default_rng(2).normal(size=(5, 3))
    totals = (a**2).sum(0)
    got = sg.compile(sg.gradients(value, [A])[0], [A])(a)
    assert_same(got, 4 * totals * a, rtol=1e-12)
    sg.check_gradients(lambda x: sg.sum(x**3, 1, method=method), a, order=2)
    rows = sg.vmap(lambda row: sg.sum(row, method=method))(a)
    assert_same(rows, a.sum(1), rtol=1e-12)


def test_integers_are_exact_anyway():
    n = sg.symbol("i", ("n",), "int32")
    assert sg.sum(n, method="compensated").same(sg.sum(n))
    assert sg.compile(sg.sum(n, method="pairwise"), [n])(np.arange(5, dtype="int32")) == 10


def test_plain_is_what_numpy_spells():
    assert sg.sum(X).same(np.sum(X))


@pytest.mark.parametrize("fastmath", [{"contract"}, {"contract", "reassoc", "reciprocal"}])
def test_nothing_is_fused_or_reordered(fastmath):
    kernel = sg.compile(sg.sum(2 * X, method="compensated"), [X], fastmath=fastmath)
    start = re.search(r"define internal void @compensated_sum_\w*dense", kernel.llvm_ir).start()
    body = kernel.llvm_ir[start : kernel.llvm_ir.index("\n}", start)]
    assert re.search(r"\bfadd\b", body)
    assert not re.search(r"\bf(add|sub|mul) (contract|reassoc|fast|nnan|nsz)", body)
    values = np.array([1.0, 1e100, 1.0, -1e100])
    assert kernel(values) == 4.0


def test_refusals():
    with pytest.raises(SymgradError) as caught:
        sg.sum(X, method="kahan")
    assert said(caught.value) == "sum: method 'kahan' is unknown\n  hint: one of plain, pairwise, compensated"
    with pytest.raises(sg.ShapeError):
        sg.sum(X, 1, method="pairwise")
