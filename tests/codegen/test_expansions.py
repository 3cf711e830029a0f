"""Operations as simpler ones: powers, short running results, contractions over unit arrays.  NumPy judges values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
import symgrad.numpy as snp

RNG = np.random.default_rng(5)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e200, -1e-200, 5e-324, -2.0, 0.3])
x = sg.symbol("x", ("n",))


# -- powers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("exponent", [3, 4, 5, 12, -2, -7, 1.5, -0.5, -2.5, 70, 0.3])
def test_powers_with_special_values(exponent, dtype):
    y = sg.symbol("y", ("n",), dtype)
    with np.errstate(all="ignore"):
        values = np.concatenate([SPECIAL, RNG.uniform(0.1, 3, 30)]).astype(dtype)
        want = values ** np.dtype(dtype).type(exponent)
    found = sg.compile(y**exponent, [y])(values)
    np.testing.assert_allclose(found, want, rtol=4 * np.finfo(dtype).eps)
    known = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(want[known]))


def test_small_powers_are_products_that_share():
    kernel = sg.compile([x**4, *sg.gradients(x**4, [x])], [x])
    assert "power" not in kernel.loop_ir
    assert kernel.loop_ir.count("square %") == 2  # of x, and of that


@pytest.mark.parametrize("exponent", [7, -3, 64])
def test_larger_powers_are_products_on_request(exponent):
    kernel = sg.compile(x**exponent, [x], fastmath={"contract", "reassoc"})
    assert "power" not in kernel.loop_ir
    assert "power" in sg.compile(x**exponent, [x]).loop_ir
    a = RNG.uniform(0.7, 1.4, 50)
    np.testing.assert_allclose(kernel(a), a**exponent, rtol=1e-14)


def test_constant_exponents_in_long_code():
    """Where mathematics is called rather than written out, as in code of hundreds of scalars."""
    s = sg.symbols(" ".join(f"s{k}" for k in range(40)))
    total = sum(a**1.5 * b**-3 for a, b in pairwise(s))
    values = RNG.uniform(0.5, 2, 40)
    want = sum(a**1.5 * b**-3.0 for a, b in pairwise(values))
    np.testing.assert_allclose(sg.compile(total, list(s))(*values), want, rtol=1e-13)


def test_powers_of_two():
    kernel = sg.compile(2.0**x, [x])
    assert "exp2" in kernel.loop_ir
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(kernel(SPECIAL), 2.0**SPECIAL, rtol=1e-15)


def test_integer_powers_stay():
    k = sg.symbol("k", ("n",), "int64")
    np.testing.assert_array_equal(sg.compile(k**3, [k])(np.arange(-3, 9)), np.arange(-3, 9) ** 3)


# -- running results ------------------------------------------------------------------------------------------------
RUNNING = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("size", [1, 2, 7, 16, 17])
@pytest.mark.parametrize("name", RUNNING)
def test_running_results_of_short_axes(name, size, dtype):
    for shape, axis in ((("n", size), 1), ((size, "n"), 0), (("n", size, 3), 1)):
        y = sg.symbol("y", shape, dtype)
        kernel = sg.compile(getattr(sg.ops, name)(y, axis), [y])
        at = (9 * RNG.normal(size=[5 if one == "n" else one for one in shape])).astype(dtype)
        assert_same(kernel(at), RUNNING[name](at, axis), rtol=1e-14 if dtype == "float64" else 1e-5)
        assert ("along" in kernel.loop_ir) == (size > 16)


def test_running_extrema_of_special_values():
    y = sg.symbol("y", (10,))
    for name in ("cummax", "cummin"):
        np.testing.assert_array_equal(sg.compile(getattr(sg.ops, name)(y), [y])(SPECIAL), RUNNING[name](SPECIAL))


def test_short_recurrences():
    a, b = sg.symbol("a", ("n", 4)), sg.symbol("b", ("n", 4))
    at, bt = RNG.normal(size=(2, 6, 4))
    want = np.zeros((6, 4))
    for k in range(4):
        want[:, k] = (at[:, k] * want[:, k - 1] if k else 0) + bt[:, k]
    kernel = sg.compile(sg.ops.recurrence(a, b, 1), [a, b])
    np.testing.assert_allclose(kernel(at, bt), want, rtol=1e-14)
    assert "along" not in kernel.loop_ir


def test_many_small_running_sums_are_one_loop():
    """An arm of six joints at many angles: no array between the sums of angles, their sines, and the sums of those."""

    def hand(q):
        angles = np.cumsum(q)
        return np.stack([np.sum(np.cos(angles)), np.sum(np.sin(angles))])

    q = sg.symbol("q", ("n", 6))
    kernel = sg.compile(sg.vmap(sg.jacobian(hand))(q), [q])
    assert kernel.stats["stages"] == 1
    at = RNG.normal(size=(9, 6))
    angles = np.cumsum(at, 1)
    want = np.stack([-np.sin(angles)[:, ::-1].cumsum(1)[:, ::-1], np.cos(angles)[:, ::-1].cumsum(1)[:, ::-1]], 1)
    np.testing.assert_allclose(kernel(at), want, rtol=1e-12)


# -- contractions ---------------------------------------------------------------------------------------------------
def test_hessian_of_a_quadratic_form_has_no_product_of_unit_arrays():
    matrix = RNG.normal(size=(5, 5))

    def form(v):
        return snp.einsum("i,ij,j", v, snp.outer(v, v) + matrix, v)

    q = sg.symbol("q", ("n", 5))
    kernel = sg.compile(sg.vmap(sg.hessian(form))(q), [q])
    assert kernel.stats["stages"] == 1
    at = RNG.normal(size=(4, 5))
    squares = np.einsum("ni,ni->n", at, at)
    want = 8 * np.einsum("ni,nj->nij", at, at) + 4 * squares[:, None, None] * np.eye(5) + matrix + matrix.T
    np.testing.assert_allclose(kernel(at), want, rtol=1e-11)


def test_contractions_with_unit_arrays_and_ones():
    y, one = sg.symbol("y", ("n", 3)), sg.ops.as_node(1.0)
    units = sg.ops.basis(sg.TensorType((3,)))
    at = RNG.normal(size=(4, 3))
    for labels, output, formula in (
        (((0, 1), (1, 2)), (0, 2), "ni,ij->nj"),
        (((0, 1), (1, 2)), (2, 0), "ni,ij->jn"),
        (((0, 1), (2, 1)), (0,), "ni,ji->n"),
        (((0, 1), (1, 2)), (0, 1, 2), "ni,ij->nij"),
    ):
        made = sg.ops.einsum_labels([y, units], labels, output)
        more = sg.ops.einsum_labels([y, one, units], (labels[0], (), labels[1]), output)
        want = np.einsum(formula, at, np.eye(3))
        for node in (made, more):
            np.testing.assert_allclose(sg.compile(node, [y])(at), want, rtol=1e-15)


@pytest.mark.parametrize("size", [1, 3, 30])
def test_jacobians_of_layers_scale_their_weights(size):
    """What comes between unit directions and a matrix is a factor of its rows: nothing is added up."""
    weights = RNG.normal(size=(20, size)) / 8
    v = sg.symbol("v", (20,))
    made = sg.jacobian(lambda v: np.sin(np.tanh(v @ weights)), mode="reverse")(v)
    kernel = sg.compile(made, [v])
    assert "@" not in kernel.loop_ir
    at = RNG.normal(size=20)
    hidden = np.tanh(at @ weights)
    np.testing.assert_allclose(kernel(at), (np.cos(hidden) * (1 - hidden**2) * weights).T, rtol=1e-12)


@pytest.mark.parametrize("size", [4, 6, 7])
def test_products_with_small_constant_matrices_join_the_loop(size):
    matrix = RNG.normal(size=(size, size))
    q = sg.symbol("q", ("n", size))
    kernel = sg.compile(np.tanh(np.sin(q) @ matrix), [q])
    assert ("@" in kernel.loop_ir) == (size * size > 48)
    at = RNG.normal(size=(11, size))
    np.testing.assert_allclose(kernel(at), np.tanh(np.sin(at) @ matrix), rtol=1e-13)
