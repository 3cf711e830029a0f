"""Singular values and vectors: NumPy judges values, 50-digit mpmath and finite differences derivatives."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from codegen import callbacks
from symgrad import interp
from symgrad.check import check_gradients
from symgrad.ops.lapack import Routine

SHAPES = [(1, 1), (3, 3), (5, 2), (2, 5), (1, 4), (20, 20), (60, 7), (2, 3, 4), (2, 2, 4, 3), (0, 3), (2, 3, 0)]
LOOSE = {"float64": {"rtol": 1e-9, "atol": 1e-10}, "float32": {"rtol": 5e-4, "atol": 5e-4}}


def thin(a):
    return np.linalg.svd(a, full_matrices=False)


def run(function, array):
    """The function of an array, compiled."""
    x = sg.symbol("x", array.shape, array.dtype)
    return sg.compile(function(x), [x])(array)


# -- values ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape, dtype, rng):
    """NumPy's values; factors of orthonormal vectors that make up the matrix, whatever their signs."""
    a = rng.normal(size=shape).astype(dtype)
    want = np.linalg.svdvals(a)
    assert_same(run(np.linalg.svdvals, a), want, **LOOSE[dtype])
    assert_same(run(lambda x: np.linalg.svd(x, compute_uv=False), a), want, **LOOSE[dtype])
    u, s, vt = run(thin, a)
    assert (u.shape, vt.shape) == tuple(thin(a)[k].shape for k in (0, 2))
    assert_same(s, want, **LOOSE[dtype])
    assert_same((u * s[..., None, :]) @ vt, a, **LOOSE[dtype])
    one = np.broadcast_to(np.eye(s.shape[-1], dtype=dtype), (*shape[:-2], s.shape[-1], s.shape[-1]))
    assert_same(np.swapaxes(u, -1, -2) @ u, one, **LOOSE[dtype])
    assert_same(vt @ np.swapaxes(vt, -1, -2), one, **LOOSE[dtype])


def test_results_are_numpys_in_the_interpreter_and_by_name(rng):
    a = rng.normal(size=(4, 3))
    x = sg.symbol("x", (4, 3))
    made = thin(x)
    assert made._fields == thin(a)._fields
    for got, want in zip(interp.evaluate(list(made), {x: a}), thin(a), strict=True):
        assert_same(got, want)
    square = sg.symbol("square", (3, 3))
    assert [one.shape for one in np.linalg.svd(square)] == [(3, 3), (3,), (3, 3)]
    whole = np.array([[2, 1], [1, 3]])
    assert_same(run(np.linalg.svdvals, whole), np.linalg.svdvals(whole))


def test_one_kernel_for_every_size(rng):
    x = sg.symbol("x", (None, "m", "n"))
    k = sg.compile(tuple(thin(x)), [x])
    for shape in ((2, 3, 5), (1, 5, 3), (3, 4, 4), (0, 2, 2), (2, 0, 3), (1, 40, 33)):
        a = rng.normal(size=shape)
        u, s, vt = k(a)
        assert_same(s, np.linalg.svdvals(a), **LOOSE["float64"])
        assert_same((u * s[:, None, :]) @ vt, a, **LOOSE["float64"])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("order", [2, -2, "nuc"])
def test_norms(order, keepdims, rng):
    t = rng.normal(size=(2, 3, 4, 5))
    for axis in ((0, 1), (3, 0), (-1, 1), (2, 1)):
        want = np.linalg.norm(t, order, axis, keepdims)
        assert_same(run(lambda x: np.linalg.norm(x, order, axis, keepdims), t), want)  # noqa: B023
    want = np.linalg.matrix_norm(t, ord=order, keepdims=keepdims)
    assert_same(run(lambda x: np.linalg.matrix_norm(x, ord=order, keepdims=keepdims), t), want)
    assert_same(
        sg.vmap(sg.vmap(lambda x: np.linalg.norm(x, order)))(t), np.linalg.norm(t, order, (2, 3)), **LOOSE["float64"]
    )


@pytest.mark.parametrize("p", [None, 2, -2, 1, np.inf, "fro", "nuc"])
def test_condition_numbers(p, rng):
    singular = [] if p == "nuc" else [np.zeros((2, 2)), np.diag([2.0, 0.0])]  # of which NumPy raises an error
    for a in (rng.normal(size=(3, 3)), rng.normal(size=(2, 4, 4)), *singular):
        assert_same(run(lambda x: np.linalg.cond(x, p), a), np.asarray(np.linalg.cond(a, p)), rtol=1e-9)
    if p in (None, 2, -2):
        a = rng.normal(size=(5, 3))
        assert_same(run(lambda x: np.linalg.cond(x, p), a), np.asarray(np.linalg.cond(a, p)), rtol=1e-9)


# -- derivatives ----------------------------------------------------------------------------------------------------
FUNCTIONS = {  # of the decomposition, independent of the vectors' signs; the same code is run by mpmath
    "values": lambda u, s, vt, w: np.sum(s * w[0, : len(s)]),
    "left": lambda u, s, vt, w: np.sum(u**2 * w[: u.shape[0], : u.shape[1]]),
    "right": lambda u, s, vt, w: np.sum(vt**2 * w[: vt.shape[0], : vt.shape[1]]),
    "both": lambda u, s, vt, w: np.sum((u @ vt) ** 3 * w[: u.shape[0], : vt.shape[1]]),
    "all": lambda u, s, vt, w: np.sum(((u * np.sqrt(s)) @ vt) * w[: u.shape[0], : vt.shape[1]]),
}


def exactly(name, a, weights):
    """The function of a matrix of mpmath's numbers."""
    parts = mpmath.svd_r(mpmath.matrix(a.tolist()))
    u, s, vt = (np.array(one.tolist(), dtype=object) for one in parts)
    s = s.ravel()
    if name == "all":
        return np.sum(((u * np.array([mpmath.sqrt(one) for one in s])) @ vt) * weights[: u.shape[0], : vt.shape[1]])
    return FUNCTIONS[name](u, s, vt, weights)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (4, 2), (2, 3)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_against_fifty_digits(name, shape, rng):
    """The gradient, and the second derivative along two directions, against quotients of short differences."""
    a, weights = rng.normal(size=shape), rng.normal(size=(5, 5))
    x = sg.symbol("x", shape)
    (first,) = sg.gradients(FUNCTIONS[name](*thin(x), weights), [x], unconnected="zero")
    ways = [rng.normal(size=shape) for _ in range(2)]
    slope = np.sum(first * ways[0])
    (second,) = sg.gradients(slope, [x], unconnected="zero")
    got_slope, got_bend = sg.compile((slope, np.sum(second * ways[1])), [x])(a)
    with mpmath.workdps(50):
        h = mpmath.mpf(10) ** -14
        start, one, other = (np.vectorize(mpmath.mpf, otypes=[object])(array) for array in (a, *ways))

        def at(s, t):
            return exactly(name, start + s * one + t * other, weights)

        want_slope = (at(h, 0) - at(-h, 0)) / (2 * h)
        want_bend = (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h)
    assert got_slope == pytest.approx(float(want_slope), rel=1e-9, abs=1e-9)
    assert got_bend == pytest.approx(float(want_bend), rel=1e-8, abs=1e-8 * max(1.0, float(abs(want_bend))))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 5)])
def test_norms_in_both_modes_against_differences(shape, rng):
    a = rng.normal(size=shape)
    for order in (2, -2, "nuc"):
        check_gradients(lambda x: np.linalg.norm(x, order), a)  # noqa: B023
    check_gradients(np.linalg.cond, a)


@pytest.mark.parametrize("a", [np.eye(3), np.zeros((3, 3)), np.ones((3, 2)), np.diag([2.0, 2.0, 0.0])])
def test_gradients_of_norms_where_values_are_equal_or_zero(a, rng):
    """Subgradients: of size 1 in the dual norm, below the norm everywhere, equal to it at the matrix."""
    for order, dual in ((2, "nuc"), ("nuc", 2)):
        got = sg.grad(lambda x: np.linalg.norm(x, order))(a)  # noqa: B023
        assert np.linalg.norm(got, dual) <= 1 + 1e-12
        assert np.sum(got * a) == pytest.approx(np.linalg.norm(a, order), abs=1e-12)
    x = sg.symbol("x", a.shape)
    (moved,) = sg.compile(sg.gradients(np.sum(np.linalg.svdvals(x) ** 2), [x]), [x])(a)
    assert_same(moved, 2 * a, atol=1e-12)


def test_second_derivative_of_the_largest_value_does_not_see_that_others_are_equal(rng):
    """Of rank one: all others are zero, and the differences between them meet no cotangent."""
    a, way = np.outer([1.0, 2.0, 2.0], [2.0, 1.0, 2.0]), rng.normal(size=(3, 3))
    x = sg.symbol("x", (3, 3))
    (first,) = sg.gradients(np.linalg.norm(x, 2), [x])
    got = sg.compile(sg.gradients(np.sum(first * way), [x])[0], [x])(a)
    slope = sg.grad(lambda x: np.linalg.norm(x, 2))
    h = 1e-5
    assert_same(got, (slope(a + h * way) - slope(a - h * way)) / (2 * h), rtol=1e-6, atol=1e-8)


# -- where there are none, and machine code --------------------------------------------------------------------------
def test_one_matrix_without_values_spoils_no_other(rng):
    a = rng.normal(size=(3, 4, 2))
    want = np.linalg.svdvals(a)
    a[1, 2, 0] = np.nan
    x = sg.symbol("x", a.shape)
    with pytest.raises(np.linalg.LinAlgError):
        interp.evaluate([np.linalg.svdvals(x)], {x: a})
    for function in (np.linalg.svdvals, lambda x: thin(x).S):
        got = run(function, a)
        assert np.isnan(got[1]).all()
        assert_same(got[[0, 2]], want[[0, 2]], **LOOSE["float64"])
    usable = np.array([True, False, True])
    (slope,) = sg.compile(sg.gradients(np.sum(np.where(usable, np.linalg.norm(x, "nuc", (1, 2)), 0)), [x]), [x])(a)
    assert not slope[1].any()
    assert np.isfinite(slope).all()


def test_a_decomposition_and_its_derivatives_call_once(rng, monkeypatch):
    monkeypatch.setattr(Routine, "__call__", lambda *arrays: pytest.fail("SciPy's wrapper was called"))
    monkeypatch.setattr(callbacks, "trampoline", lambda node: pytest.fail("a way through Python was made"))
    a = rng.normal(size=(4, 3))
    x = sg.symbol("x", (4, 3))
    u, s, vt = thin(x)
    y = np.sum(u**3) + np.sum(s) + np.sum(vt**3)
    k = sg.compile((y, *sg.gradients(y, [x])), [x])
    assert k.loop_ir.count(" gesdd(") == 1
    before = a.copy()
    assert k(a)[0] == pytest.approx(sum(np.sum(one**power) for one, power in zip(thin(a), (3, 1, 3), strict=True)))
    assert_same(a, before)
