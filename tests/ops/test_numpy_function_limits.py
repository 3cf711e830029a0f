"""NumPy functions on expressions at their limits: dynamic sizes, ties, signs of zero, lists, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from comparing import assert_same, said

import symgrad as sg
import symgrad.numpy as snp
from symgrad import ops
from symgrad.interp import evaluate
from symgrad.scipy.special import logsumexp

N, D = sg.symbol("x", ("n",)), sg.symbol("A", ("m", "n"))
x, A, S = sg.symbol("x", (3,)), sg.symbol("A", (3, 4)), sg.symbol("S", (2, 2))
s = sg.symbol("s")

DYNAMIC = {
    "sort": np.sort,
    "argsort": np.argsort,
    "sort_first": lambda a: np.sort(a, axis=0),
    "median": lambda a: np.median(a, axis=-1),
    "quantile": lambda a: np.quantile(a, [0.2, 0.7], axis=-1),
    "cumsum": lambda a: np.cumsum(a, axis=0),
    "cumprod": np.cumprod,
    "maximum_accumulate": lambda a: np.maximum.accumulate(a, axis=-1),
    "argmax": lambda a: np.argmax(a, axis=-1),
    "roll": lambda a: np.roll(a, 3, axis=-1),
    "flip": np.flip,
    "tile": lambda a: np.tile(a, 2),
    "repeat": lambda a: np.repeat(a, 2, axis=0),
    "std": lambda a: np.std(a, axis=0, ddof=1),
    "diff": np.diff,
    "gradient": lambda a: np.gradient(a, axis=0),
    "trapezoid": np.trapezoid,
    "searchsorted": lambda a: np.searchsorted(np.sort(np.ravel(a)), [0.0, 0.5]),
    "edge": lambda a: np.pad(a, 2, mode="edge"),
    "reflect": lambda a: np.pad(a, 7, mode="reflect"),
    "symmetric": lambda a: np.pad(a, 7, mode="symmetric"),
    "wrap": lambda a: np.pad(a, 7, mode="wrap"),
    "take_wrap": lambda a: np.take(a, [-7, 9], axis=0, mode="wrap"),
    "append": lambda a: np.append(a, a, axis=0),
}


@pytest.mark.parametrize("name", DYNAMIC)
@pytest.mark.parametrize("symbol", [N, D], ids=["vector", "matrix"])
def test_one_kernel_for_every_size(name, symbol):
    call = DYNAMIC[name]
    kernel = sg.compile(call(symbol), [symbol])
    for size in (2, 3, 20, 129):
        array = np.random.default_rng(size).uniform(-1, 1, [size + 1, size][-symbol.ndim :])
        assert_same(kernel(array), call(array))


@pytest.mark.parametrize("k", [-1, 0, 2])
def test_diagonals_of_dynamic_matrices(k):
    n = sg.symbol("M", ("n", "n"))
    kernel = sg.compile((np.diagonal(n, k), np.tril(n, k), np.trace(n, k), np.diagflat(n[0], k)), [n])
    for size in (3, 20):
        array = np.arange(1.0, size * size + 1).reshape(size, size)
        want = np.diagonal(array, k), np.tril(array, k), np.trace(array, k), np.diagflat(array[0], k)
        for one, other in zip(kernel(array), want, strict=True):
            assert_same(one, other)


# -- values that need care ------------------------------------------------------------------------------------------
def test_ties_of_running_extrema_share_equally():
    point, head = np.array([1.0, 3.0, 3.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
    gradient = sg.grad(lambda v: np.sum(np.maximum.accumulate(v) * head))(point)
    # Positions 2 and 3 share one maximum of two, position 4 one of three.
    np.testing.assert_allclose(gradient, [1, 10 + 1100 / 2 + 10000 / 3, 1100 / 2 + 10000 / 3, 0, 10000 / 3])


def test_products_with_zeros():
    for point in ([2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [4.0, 3.0, 0.0]):
        a, b, c = point
        want = [[1, 0, 0], [b, a, 0], [b * c, a * c, a * b]]
        np.testing.assert_array_equal(sg.jacobian(np.cumprod)(np.array(point)), want)
        np.testing.assert_array_equal(sg.jacobian(np.cumprod, mode="forward")(np.array(point)), want)


def test_a_recurrence_is_a_loop():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 30))
    want = [b[0]]
    for k in range(1, 30):
        want.append(a[k] * want[-1] + b[k])
    np.testing.assert_allclose(sg.jit(ops.recurrence)(a, b), want, rtol=1e-12)
    sg.check_gradients(ops.recurrence, a, b)


def test_padding_keeps_signs_of_zero():
    for mode in ("constant", "edge", "wrap"):
        made = sg.jit(lambda v, mode=mode: np.pad(v, 1, mode=mode))(np.array([-0.0, 0.0, -0.0]))
        np.testing.assert_array_equal(np.signbit(made), np.signbit(np.pad([-0.0, 0.0, -0.0], 1, mode=mode)))


def test_products_without_a_sum_keep_signs_of_zero():
    v, M = np.array([0.0, -0.0, 1.0, -2.0]), np.array([[0.0, -0.0, 3.0], [-1.0, 2.0, -0.0]])
    x, A = sg.symbol("x", v.shape), sg.symbol("A", M.shape)
    for made, given, want in (
        (np.outer(x, x), {x: v}, np.outer(v, v)),
        (np.einsum("bi,bj->jbi", A, A), {A: M}, (M[:, :, None] * M[:, None, :]).transpose(2, 0, 1)),
    ):
        for got in (evaluate([made], given)[0], sg.compile(made, [*given])(*given.values())):
            np.testing.assert_array_equal(got, want)
            np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_nan_sorts_last_and_makes_statistics_nan():
    point = np.array([2.0, np.nan, -np.inf, -0.0, 0.0, np.inf, -1.0])
    np.testing.assert_array_equal(sg.jit(np.sort)(point), np.sort(point))
    np.testing.assert_array_equal(sg.jit(np.argsort)(point), np.argsort(point, kind="stable"))
    np.testing.assert_array_equal(sg.jit(np.argmax)(point), np.argmax(point))
    assert np.isnan(sg.jit(np.median)(point))
    assert np.isnan(sg.jit(lambda v: np.quantile(v, 0.5))(point))


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7])
def test_median_of_huge_elements(size):
    """One middle element is the median, however large; the mean of two may overflow, as NumPy's."""
    x = sg.symbol("x", ("n",))
    kernel = sg.compile([np.median(x), *sg.gradients(np.median(x), [x])], [x])
    for middle in (1e308, np.inf, 3.0):
        point = np.full(size, middle)
        point[: size // 3], point[size - size // 3 :] = -1e300, np.inf
        with np.errstate(all="ignore"):
            want = np.median(point)
        got, slope = kernel(point)
        assert got == want
        if size % 2:
            assert np.count_nonzero(slope) == 1


def test_branches_not_chosen_contribute_nothing():
    def f(v):
        return np.sum(np.select([v > 0], [np.log(v)], default=v)) + np.sum(
            np.piecewise(v, [v > 0], [np.sqrt, lambda u: u * u])
        )

    np.testing.assert_allclose(sg.grad(f)(np.array([4.0, -1.0])), [1 / 4 + 1 / 4, 1 - 2])


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 1000])
def test_sorting_many_sizes(size):
    array = np.random.default_rng(size).integers(0, 50, size=(4, size))
    assert_same(sg.jit(lambda v: np.argsort(v, axis=1))(array), np.argsort(array, axis=1, kind="stable"))


def test_logsumexp_with_factors():
    a, b = np.array([[1.0, 800.0, -2.0], [900.0, 0.0, 1.0]]), np.array([[2.0, 0.0, 0.5], [1.0, 3.0, 0.25]])
    for keepdims in (False, True):
        got = sg.jit(lambda p, f, keepdims=keepdims: logsumexp(p, axis=1, b=f, keepdims=keepdims))(a, b)
        assert_same(got, scipy.special.logsumexp(a, axis=1, b=b, keepdims=keepdims))
    sg.check_gradients(lambda p, f: logsumexp(p, b=f * f), a / 100, b + 1)


def test_lists_of_expressions_through_symgrad_numpy():
    values = {"x": np.array([0.5, -1.0, 2.0])}
    for make in (
        lambda np, v: np.sum([v[0], v[1] * 2]),
        lambda np, v: np.sort([v[2], v[0], 1.0]),
        lambda np, v: np.tri(3, k=-1) + v,
        lambda np, v: np.indices((2, 3))[1] * v,
    ):
        got = sg.compile(make(snp, x), [x])(values["x"])
        np.testing.assert_allclose(got, make(np, values["x"]))
    size = D.shape[0]
    made = sg.compile((snp.indices((size, 2)), snp.tri(size)), [D])(np.zeros((3, 1)))
    np.testing.assert_array_equal(made[0], np.indices((3, 2)))
    np.testing.assert_array_equal(made[1], np.tri(3))


# -- refusals -------------------------------------------------------------------------------------------------------
AXES = {
    "sum": lambda: np.sum(A, axis=2),
    "argmax": lambda: np.argmax(A, axis=-3),
    "sort": lambda: np.sort(A, axis=2),
    "cumsum": lambda: np.cumsum(A, axis=5),
    "flip": lambda: np.flip(A, 2),
    "median": lambda: np.median(A, axis=2),
    "moveaxis": lambda: np.moveaxis(A, 2, 0),
    "diff": lambda: np.diff(A, axis=2),
    "norm": lambda: np.linalg.norm(A, axis=2),
}


@pytest.mark.parametrize("name", AXES)
def test_axes_outside_are_axis_errors(name):
    with pytest.raises(np.exceptions.AxisError, match="is out of bounds for an array of rank 2") as caught:
        AXES[name]()
    assert isinstance(caught.value, sg.ShapeError)
    assert "test_numpy_function_limits.py" in str(caught.value)


REFUSED = {
    "sum: duplicate axis in (0, 0)": lambda: np.sum(A, axis=(0, 0)),
    "moveaxis: duplicate axis in (0, -2)": lambda: np.moveaxis(A, (0, -2), (0, 1)),
    "max: a reduction with where has no value where nothing is selected": lambda: np.max(A, where=A > 0),
    "argmax: axis 0 of (0,) is empty": lambda: np.argmax(sg.symbol("e", (0,))),
    "median: no elements": lambda: np.median(sg.symbol("e", (0,))),
    "quantile: probabilities lie between 0 and 1": lambda: np.quantile(A, 1.5),
    "repeat: 2 counts along axis 0 of (3,)": lambda: np.repeat(x, [1, 2]),
    "split: an axis of size 3 has no 2 equal sections": lambda: np.split(x, 2),
    "pad: negative width in -1": lambda: np.pad(x, -1),
    "pad: mode 'edge' has no option constant_values": lambda: np.pad(x, 1, mode="edge", constant_values=0),
    "block: lists are nested to different depths": lambda: np.block([[x], x]),
    "diag: () is no vector or matrix": lambda: np.diag(s),
    "diagonal: axis1 and axis2 are both 1": lambda: np.diagonal(A, 0, 1, -1),
    "norm: order 'fro' is none of a vector's": lambda: np.linalg.norm(x, "fro"),
    "norm: order 3 is none of a matrix's": lambda: np.linalg.norm(A, 3),
    "searchsorted: the sorted array (3, 4) is no vector": lambda: np.searchsorted(A, x),
    "take_along_axis: indices of shape (1,) for an array of shape (3, 4): ranks differ": lambda: np.take_along_axis(
        A, np.array([0]), 0
    ),
    "insert: index 9 is out of bounds for axis 0 with size 3": lambda: np.insert(x, 9, 0.0),
    "where: the number of true elements is unknown while tracing": lambda: np.where(x > 0),
    "repeat: the counts decide the size of the result and must be known while tracing": lambda: np.repeat(
        x, x.astype(int)
    ),
    "compress: a symbolic condition selects a number of elements that is unknown while tracing": lambda: np.compress(
        x > 0, x
    ),
    "sort: an expression cannot be changed in place": lambda: x.sort(),
    "reshape: order='F' is not supported": lambda: np.reshape(A, (4, 3), order="F"),
    "select: 1 conditions for 2 choices": lambda: np.select([x > 0], [x, x]),
    "gradient: axis 0 of (2, 2) has fewer than 3 elements": lambda: np.gradient(S, edge_order=2),
    "mT: (3,) is no matrix": lambda: x.mT,
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    with pytest.raises(sg.SymgradError) as caught:
        REFUSED[what]()
    assert caught.value.what == what
    assert "test_numpy_function_limits.py" in str(caught.value)


@pytest.mark.parametrize(
    "call", [lambda: np.unique(x), lambda: np.nonzero(x), lambda: np.roots(x), lambda: np.put(x, 0, 1.0)]
)
def test_functions_that_no_expression_can_have(call):
    with pytest.raises(
        sg.TraceError, match=r"does not work on expressions: (the size of|its numbers|it changes)"
    ) as caught:
        call()
    assert caught.value.hint
    assert said(caught.value)


def test_printed():
    assert str(np.cumsum(x)) == "cumsum(x)"
    assert str(np.cumprod(A, axis=1)) == "cumprod(A, axis=1)"
    assert str(np.argmax(A, axis=0)) == "argmax(A, axis=0)"
    assert str(np.argsort(A)) == "argsort(A)"
    assert str(np.searchsorted(x, s, side="right")) == "searchsorted(x, s, side='right')"


def test_kept_by_saving(tmp_path):
    path = tmp_path / "graph"
    sg.save(path, [np.sort(A, axis=0), np.searchsorted(x, A), np.cumsum(A, axis=1)])
    sorted_, places, sums = sg.load(path)
    assert str(sorted_) == str(np.sort(A, axis=0))
    assert places.same(np.searchsorted(x, A))
    assert sums.same(np.cumsum(A, axis=1))


def test_ahead_of_time(tmp_path):
    """Sorting and running sums need nothing at run time."""
    kernel = sg.compile((np.sort(D), np.cumsum(D, axis=0)), [D], name="ordered")
    sg.export(tmp_path, {"ordered": kernel}, kinds=("object",))
    assert any(tmp_path.iterdir())
