"""Products, polynomials, statistics and positions: NumPy's functions on expressions, one row per call, as next door."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
from comparing import assert_same
from test_numpy_functions import Row, arrays_of, compiled_parts, holes, parts

import symgrad as sg
import symgrad.numpy as snp
from symgrad.functions import (
    calling,
    elements,
    frequencies,
    kinds,
    matrix_products,
    polynomials,
    positions,
    products,
    statistics,
)

V, W, M, T, S = (5,), (3,), (3, 4), (2, 3, 4), (4, 4)
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25])
METHODS = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull"),
    *("linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
)
MODES = ("full", "same", "valid")
PRODUCTS = {
    **{f"convolve_{mode}": Row(lambda a, v, mode=mode: np.convolve(a, v, mode), (V, W)) for mode in MODES},
    **{f"convolve_shorter_{mode}": Row(lambda a, v, mode=mode: np.convolve(a, v, mode), ((2,), V)) for mode in MODES},
    **{f"correlate_{mode}": Row(lambda a, v, mode=mode: np.correlate(a, v, mode), (V, (2,))) for mode in MODES},
    **{f"correlate_shorter_{mode}": Row(lambda a, v, mode=mode: np.correlate(a, v, mode), (W, V)) for mode in MODES},
    "convolve_scalar": Row(lambda a: np.convolve(a, 2.0), (V,)),
    "kron": Row(lambda a, b: np.kron(a, b), (M, (2, 2))),
    "kron_ranks": Row(lambda a, b: np.kron(a, b), (W, T)),
    "vdot": Row(lambda a, b: np.vdot(a, b), (M, (4, 3))),
    "tensordot": Row(lambda a, b: np.tensordot(a, b, axes=([0], [1])), (M, (2, 3))),
    "cross_axes": Row(lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), ((3, 2), (2, 3))),
    "einsum_lists": Row(lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0], optimize=True), (M, S)),
    "einsum_list_ellipsis": Row(lambda a: np.einsum(a, [..., 0, 1], [..., 1, 0]), (T,)),
    "logaddexp_reduce": Row(lambda a: np.logaddexp.reduce(a, axis=1), (M,)),
    "multi_dot": Row(lambda a, b, c: np.linalg.multi_dot([a, b, c]), (M, (4, 2), (2, 5))),
    "multi_dot_vectors": Row(lambda a, b, c, d: np.linalg.multi_dot([a, b, c, d]), (W, M, S, (4,))),
    **{f"matrix_power_{n}": Row(lambda a, n=n: np.linalg.matrix_power(a, n), (S,)) for n in (0, 1, 2, 3, 7)},
    "matrix_power_of_inverse": Row(lambda a: np.linalg.matrix_power(a + 9 * np.eye(4, dtype=a.dtype), -2), (S,)),
    "linalg_cross": Row(lambda a, b: np.linalg.cross(a, b, axis=0), ((3, 2), (3, 2))),
    "linalg_diagonal": Row(lambda a: np.linalg.diagonal(a, offset=1), (T,)),
    "linalg_trace": Row(lambda a: np.linalg.trace(a, offset=-1), (T,)),
    "linalg_matmul": Row(lambda a, b: np.linalg.matmul(a, b), (M, S)),
    "linalg_matrix_transpose": Row(lambda a: np.linalg.matrix_transpose(a), (T,)),
    "linalg_outer": Row(lambda a, b: np.linalg.outer(a, b), (V, W)),
    "linalg_tensordot": Row(lambda a, b: np.linalg.tensordot(a, b, axes=1), (M, S)),
    "linalg_vecdot": Row(lambda a, b: np.linalg.vecdot(a, b, axis=0), (M, M)),
    "linalg_matrix_norm": Row(lambda a: np.linalg.matrix_norm(a, keepdims=True), (T,)),
    "linalg_matrix_norm_1": Row(lambda a: np.linalg.matrix_norm(a, ord=1), (T,)),
    "linalg_vector_norm": Row(lambda a: np.linalg.vector_norm(a), (T,)),
    "linalg_vector_norm_axes": Row(lambda a: np.linalg.vector_norm(a, axis=(0, 2), keepdims=True, ord=3), (T,)),
    "linalg_vector_norm_inf": Row(lambda a: np.linalg.vector_norm(a, axis=-1, ord=np.inf), (T,)),
}
POLYNOMIALS = {
    "polyval": Row(lambda p, x: np.polyval(p, x), (W, M)),
    "polyval_of_rows": Row(lambda p, x: np.polyval(p, x), (M, (4,))),
    "polyadd": Row(lambda p, q: np.polyadd(p, q), (W, V)),
    "polysub": Row(lambda p, q: np.polysub(p, q), (V, W)),
    "polymul": Row(lambda p, q: np.polymul(p, q), (W, V)),
    "polyder": Row(lambda p: np.polyder(p), (V,)),
    "polyder_twice": Row(lambda p: np.polyder(p, 2), (V,)),
    "polyint": Row(lambda p: np.polyint(p), (V,)),
    "polyint_constants": Row(lambda p, k: np.polyint(p, 2, k), (V, (2,))),
    "polyint_constant": Row(lambda p: np.polyint(p, 2, 3.0), (V,)),
    "poly": Row(lambda z: np.poly(z), (W,)),
}
STATISTICS = {
    "cov": Row(lambda m: np.cov(m), (M,)),
    "cov_columns": Row(lambda m: np.cov(m, rowvar=False, bias=True), (M,)),
    "cov_two": Row(lambda x, y: np.cov(x, y, ddof=0), (V, V)),
    "cov_weights": Row(lambda m: np.cov(m, fweights=[1, 2, 1, 3], aweights=WEIGHTS), (M,)),
    "cov_own_weights": Row(lambda m, w: np.cov(m, aweights=np.abs(w)), (M, (4,))),
    "cov_vector": Row(lambda m: np.cov(m), (V,)),
    "corrcoef": Row(lambda m: np.corrcoef(m), (M,)),
    "corrcoef_two": Row(lambda x, y: np.corrcoef(x, y), (V, V)),
    "histogram": Row(lambda x: np.histogram(x, 4, (-1.5, 1.5))[0], (T,), smooth=False),
    "histogram_edges": Row(lambda x: np.histogram(x, [-1.5, -0.3, 0.2, 1.9]), (T,), smooth=False),
    "histogram_range": Row(lambda x: np.histogram(x, 3)[1], (T,)),
    "histogram_weights": Row(lambda x, w: np.histogram(np.floor(x), [-2.5, -1.5, 0.5, 2.5], weights=w)[0], (M, M)),
    "histogram_density": Row(lambda x: np.histogram(x, [-2.0, 0.1, 2.0], density=True)[0], (T,), smooth=False),
    "histogram_bin_edges": Row(lambda x: np.histogram_bin_edges(x, 3), (M,)),
    "histogram2d": Row(lambda x, y: np.histogram2d(x, y, [2, 3], [(-2, 2), (-2, 2)])[0], (V, V), smooth=False),
    "histogramdd": Row(lambda x: np.histogramdd(x, 2, [(-2, 2)] * 3, density=True)[0], ((7, 3),), smooth=False),
    "bincount": Row(lambda w: np.bincount([0, 3, 3, 1, 0], w, minlength=6), (V,)),
    "quantile_weights": Row(
        lambda x, w: np.quantile(x, [0, 0.3, 0.5, 1], axis=1, weights=w * w, method="inverted_cdf"), (M, M)
    ),
    "quantile_weights_of_axis": Row(
        lambda x: np.percentile(x, [[20], [60.5]], axis=-1, weights=WEIGHTS, method="inverted_cdf", keepdims=True), (T,)
    ),
    "quantile_weights_zero": Row(lambda x: np.quantile(x, 0.0, weights=[0, 0, 1, 2, 3], method="inverted_cdf"), (V,)),
    **{
        f"nanquantile_{method}": Row(
            lambda x, method=method: np.nanquantile(holes(x), 0.4, axis=1, method=method), (M,)
        )
        for method in METHODS
    },
    "i0": Row(lambda x: np.i0(x), (M,)),
    "allclose": Row(lambda x, y: np.allclose(x, y), (M, M), smooth=False),
    "array_equal": Row(lambda x: np.array_equal(x, x + 0), (M,), smooth=False),
    "array_equal_shapes": Row(lambda x, y: np.array_equal(x, y), (M, V), smooth=False),
    "array_equal_nan": Row(lambda x: np.array_equal(holes(x), holes(x), equal_nan=True), (M,), smooth=False),
    "array_equiv": Row(lambda x: np.array_equiv(x[:1] * np.ones((3, 1), x.dtype), x[:1]), (M,), smooth=False),
    "array_equiv_shapes": Row(lambda x, y: np.array_equiv(x, y), (M, V), smooth=False),
}
SHAPES = {
    "cumulative_sum": Row(lambda x: np.cumulative_sum(x, axis=1, include_initial=True), (M,)),
    "cumulative_prod": Row(lambda x: np.cumulative_prod(x, axis=0), (M,)),
    "unwrap": Row(lambda x: np.unwrap(x * 3), (M,)),
    "unwrap_period": Row(lambda x: np.unwrap(x * 3, discont=1.9, axis=0, period=3.0), (M,)),
    "unstack": Row(lambda x: np.unstack(x, axis=1), (M,)),
    "matrix_transpose": Row(lambda x: np.matrix_transpose(x), (T,)),
    "astype": Row(lambda x: np.astype(x, "float64"), (M,)),
    "apply_along_axis": Row(lambda x: np.apply_along_axis(np.sum, 1, x), (T,)),
    "apply_along_axis_grows": Row(lambda x: np.apply_along_axis(np.outer, 1, x, [1.0, 2.0, 4.0]), (T,)),
    "apply_along_axis_sorts": Row(lambda x: np.apply_along_axis(lambda row: np.sort(row)[::-1], 0, x), (M,)),
    "apply_over_axes": Row(lambda x: np.apply_over_axes(np.sum, x, [0, 2]), (T,)),
    "fftshift": Row(lambda x: np.fft.fftshift(x), (M,)),
    "ifftshift": Row(lambda x: np.fft.ifftshift(x, axes=(0,)), (W,)),
    "real": Row(lambda x: np.real(x) + np.imag(x) + np.real_if_close(x), (M,)),
    "angle": Row(lambda x: np.angle(x), (M,), smooth=False),
    "angle_deg": Row(lambda x: np.angle(x, deg=True), (M,), smooth=False),
    "isreal": Row(lambda x: (np.isreal(x), np.iscomplex(x)), (M,), smooth=False),
    "ix_": Row(lambda x: x[np.ix_([2, 0], [True, False, True, True])], (M,)),
    "ix_of_expressions": Row(lambda x: np.ix_(np.argsort(x), [1, 2]), (V,), smooth=False),
    "lexsort": Row(lambda x, y: np.lexsort((x, np.round(y))), (V, V), smooth=False),
    "lexsort_axis": Row(lambda x, y: np.lexsort((x, np.round(y)), axis=0), (M, M), smooth=False),
    "isin": Row(lambda x: np.isin(np.round(x), [1.0, 0.0]), (M,), smooth=False),
    "isin_inverted": Row(lambda x: np.isin(np.round(x), [1.0, 0.0], invert=True), (M,), smooth=False),
    "ravel_multi_index": Row(lambda x: np.ravel_multi_index((np.argsort(x), np.arange(5)), (5, 6)), (V,), smooth=False),
    "ravel_multi_index_modes": Row(
        lambda x: np.ravel_multi_index(
            (3 * np.argsort(x) - 2, np.argsort(x)), (4, 3), mode=("wrap", "clip"), order="F"
        ),
        (V,),
        smooth=False,
    ),
    "unravel_index": Row(lambda x: np.unravel_index(np.argmax(x), (3, 4)), (M,), smooth=False),
    "unravel_index_f": Row(lambda x: np.unravel_index(np.argsort(x), (2, 3), order="F"), (V,), smooth=False),
    "tril_indices_from": Row(lambda x: x[np.tril_indices_from(x, -1)], (M,)),
    "triu_indices_from": Row(lambda x: x[np.triu_indices_from(x)], (M,)),
    "diag_indices_from": Row(lambda x: x[np.diag_indices_from(x)], (S,)),
    "pad_reflect_odd": Row(lambda x: np.pad(x, ((5, 7), (2, 9)), mode="reflect", reflect_type="odd"), (M,)),
    "pad_symmetric_odd": Row(lambda x: np.pad(x, ((5, 7), (2, 9)), mode="symmetric", reflect_type="odd"), (M,)),
    "positional_options": Row(lambda x: np.max(x, 0, None, True), (M,)),
}
ROWS = {**PRODUCTS, **POLYNOMIALS, **STATISTICS, **SHAPES}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ROWS)
def test_value(name: str, dtype: str) -> None:
    row = ROWS[name]
    arrays = arrays_of(row, dtype)
    want = parts(row.call(*arrays))
    got = compiled_parts(row.call, arrays)
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", ROWS)
def test_vectorised(name: str) -> None:
    """Over a batch, against a loop of NumPy's own calls."""
    row = ROWS[name]
    batches = [np.stack(group) for group in zip(*(arrays_of(row, seed=k) for k in range(3)), strict=True)]
    got = parts(sg.vmap(lambda *xs: tuple(parts(row.call(*xs))))(*batches))
    rows = [parts(row.call(*(one[k] for one in batches))) for k in range(3)]
    for one, many in zip(got, zip(*rows, strict=True), strict=True):
        assert_same(one, np.stack(many))


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.smooth])
def test_derivatives(name: str) -> None:
    row = ROWS[name]

    def total(*xs: Any) -> Any:
        return sum(np.sum(np.sin(part) * (1 + k)) for k, part in enumerate(parts(row.call(*xs))))

    sg.check_gradients(total, *arrays_of(row), order=1)


# -- one kernel for every size --------------------------------------------------------------------------------------
DYNAMIC = {
    "convolve": lambda a: np.convolve(a, [1.0, -2.0, 0.5]),
    "convolve_same": lambda a: np.convolve(a, [1.0, -2.0, 0.5], "same"),
    "correlate": lambda a: np.correlate([1.0, -2.0, 0.5], a, "valid"),
    "kron": lambda a: np.kron(a, [1.0, 2.0]),
    "polyder": np.polyder,
    "polyint": np.polyint,
    "cov": lambda a: np.cov(a, a * a),
    "histogram": lambda a: np.histogram(a, 3)[0],
    "cumulative_sum": lambda a: np.cumulative_sum(a, include_initial=True),
    "unwrap": lambda a: np.unwrap(9 * a),
    "fftshift": np.fft.fftshift,
    "odd": lambda a: np.pad(a, (5, 9), mode="reflect", reflect_type="odd"),
    "vector_norm": np.linalg.vector_norm,
    **{f"quantile_{one}": lambda a, one=one: np.quantile(a, [0.0, 0.35, 0.8, 1.0], method=one) for one in METHODS},
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_sizes(name: str) -> None:
    x = sg.symbol("x", ("n",))
    kernel = sg.compile(DYNAMIC[name](x), [x])
    for size in (3, 4, 20, 65):
        array = np.random.default_rng(size).uniform(-1, 1, size)
        assert_same(kernel(array), DYNAMIC[name](array))


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_of_integers(method: str) -> None:
    n = sg.symbol("n", (7,), "int64")
    array = np.array([3, -1, 4, 1, -5, 9, 2])
    got = sg.compile(np.quantile(n, [0.0, 0.3, 0.5, 1.0], method=method), [n])(array)
    assert_same(got, np.quantile(array, [0.0, 0.3, 0.5, 1.0], method=method))


def test_windows_of_dynamic_sizes() -> None:
    x = sg.symbol("x", ("n",))
    size = x.shape[0]
    names = ("bartlett", "blackman", "hamming", "hanning")
    made = [getattr(snp, name)(size) for name in names]
    kernel = sg.compile((*made, snp.kaiser(size, 2.5), snp.fromfunction(lambda i, j: i - j, (size, 2))), [x])
    for count in (1, 2, 9):
        want = [getattr(np, name)(count) for name in names]
        want += [np.kaiser(count, 2.5), np.fromfunction(lambda i, j: i - j, (count, 2))]
        for one, other in zip(kernel(np.zeros(count)), want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    assert snp.hanning(5).tolist() == np.hanning(5).tolist()


# -- what a table of values does not show ---------------------------------------------------------------------------
@pytest.mark.parametrize("point", [0.0, 0.3, -5.0, 40.0, 690.0])
def test_bessel_function_and_its_derivatives(point: float) -> None:
    x = sg.symbol("x")
    first = sg.gradients(np.i0(x), [x])[0]
    second = sg.gradients(first, [x])[0]
    got = sg.compile((np.i0(x), first, second), [x])(point)
    zeroth, one, two = (mpmath.besseli(k, point) for k in range(3))
    want = [zeroth, one, (zeroth + two) / 2]
    np.testing.assert_allclose(got, [float(one) for one in want], rtol=3e-13)


def test_chains_of_matrices_take_the_cheapest_order() -> None:
    """The example of Cormen, Leiserson, Rivest and Stein, Introduction to Algorithms, section 15.2."""
    sizes = (30, 35, 15, 5, 10, 20, 25)
    symbols = [sg.symbol(f"A{k + 1}", pair) for k, pair in enumerate(itertools.pairwise(sizes))]
    assert str(np.linalg.multi_dot(symbols)) == "A1 @ (A2 @ A3) @ (A4 @ A5 @ A6)"  # 15,125 multiplications


def test_indices_outside_are_found_at_run_time() -> None:
    n = sg.symbol("n", (2,), "int64")
    kernel = sg.compile(np.ravel_multi_index((n, n), (3, 4)), [n])
    assert kernel(np.array([2, 0])).tolist() == [10, 0]
    for bad in ([3, 0], [-1, 0]):
        with pytest.raises(sg.KernelIndexError):
            kernel(np.array(bad))


def test_too_short_an_operand_is_found_at_run_time() -> None:
    x = sg.symbol("x", ("n",))
    kernel = sg.compile(np.convolve(x, [1.0, 2.0, 3.0], "valid"), [x])
    with pytest.raises(sg.KernelIndexError, match=r"convolve: axis 0 of \(n,\) has fewer than 3 elements"):
        kernel(np.ones(2))


A, x, D = sg.symbol("A", (3, 4)), sg.symbol("x", (3,)), sg.symbol("D", ("n",))
REFUSED = {
    "convolve: both operands have dynamic sizes, n and n": lambda: np.convolve(D, D),
    "convolve: mode 'wide' is unknown": lambda: np.convolve(x, x, "wide"),
    "convolve: (3, 4) is no vector": lambda: np.convolve(A, x),
    "correlate: an operand is empty": lambda: np.correlate(x, np.zeros(0)),
    "cross: axis -1 of (3, 4) is not of size 3": lambda: np.cross(A, A),
    "matrix_power: (3, 4) is not square": lambda: np.linalg.matrix_power(A, 2),
    "multi_dot: fewer than two arrays": lambda: np.linalg.multi_dot([A]),
    "outer: (3, 4) and (3,) are not both vectors": lambda: np.linalg.outer(A, x),
    "polyval: the number of coefficients, n, must be known while tracing": lambda: np.polyval(D, x),
    "polyint: (3,) constants for 2 integrations": lambda: np.polyint(x, 2, x),
    "poly: (3, 4) is no vector of zeros": lambda: np.poly(A),
    "bincount: the size of its result depends on values, which are unknown while tracing": lambda: np.bincount(
        x.astype("int64")
    ),
    "histogram: the number of bins that 'auto' finds depends on values": lambda: np.histogram(x, "auto"),
    "quantile: method 'linear' has no weights": lambda: np.quantile(x, 0.5, weights=[1, 2, 3]),
    "quantile: method 'best' is unknown": lambda: np.quantile(x, 0.5, method="best"),
    "unstack: the number of slices, n, must be known while tracing": lambda: np.unstack(D),
    "cumulative_sum: (3, 4) is no vector": lambda: np.cumulative_sum(A),
    "tril_indices_from: (3,) is no matrix": lambda: np.tril_indices_from(x),
    "ravel_multi_index: indices are float64, not integers": lambda: np.ravel_multi_index((x,), (3,)),
    "ix_: a symbolic condition selects a number of elements that is unknown while tracing": lambda: np.ix_(x > 0),
    "pad: reflect_type='no' is neither 'even' nor 'odd'": lambda: np.pad(x, 1, mode="reflect", reflect_type="no"),
    "shape (1.0,): 1.0 is not a size": lambda: snp.eye(sg.dim("n"), 1.0),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        REFUSED[what]()
    assert caught.value.what == what


def test_kinds_are_known_while_tracing() -> None:
    half = sg.symbol("h", (2, 3), "float32")
    assert np.result_type(half, 1.5) == np.float32
    assert np.result_type(half, np.float64(1.0), np.int64) == np.float64
    assert np.can_cast(half, np.float64)
    assert not np.can_cast(A, np.float32)
    assert np.common_type(half, np.zeros(2)) == np.float64
    assert np.min_scalar_type(half) == np.float32
    assert (np.iscomplexobj(half), np.isrealobj(half)) == (False, True)
    assert (np.shape(half), np.ndim(half), np.size(half), np.size(half, 1)) == ((2, 3), 2, 6, 3)
    assert np.array_str(A + 1) == np.array2string(A + 1) == "A + 1"
    assert np.array_repr(x) == repr(x)
    assert np.einsum_path("ij,jk", A, A.T)[0] == np.einsum_path("ij,jk", np.zeros((3, 4)), np.zeros((4, 3)))[0]


def test_every_function_is_called() -> None:
    source = inspect.getsource(inspect.getmodule(test_every_function_is_called))
    modules = (calling, frequencies, kinds, matrix_products, polynomials, positions, products, statistics)
    names = [name for module in modules for name in module.__all__] + elements.__all__
    elsewhere = {"around", "fix", "isclose", "isneginf", "isposinf", "nan_to_num", "round", "sinc"}
    assert [name for name in names if f".{name}(" not in source and name not in elsewhere] == []
