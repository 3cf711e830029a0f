"""Linear systems, inverses, determinants and Cholesky factors: NumPy and SciPy judge values, 50-digit mpmath derivatives."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.linalg
from comparing import assert_same

import symgrad as sg
from symgrad import interp
from symgrad.check import check_gradients
from symgrad.scipy import linalg

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 20]
LOOSE = {"float64": {"rtol": 1e-9, "atol": 1e-10}, "float32": {"rtol": 5e-4, "atol": 5e-4}}


def regular(rng, *shape, dtype="float64"):
    return (rng.uniform(-1, 1, shape) + 2 * np.eye(shape[-1])[rng.permutation(shape[-1])]).astype(dtype)


def positive(rng, *shape, dtype="float64"):
    factor = rng.uniform(-1, 1, shape)
    return (factor @ np.swapaxes(factor, -1, -2) + np.eye(shape[-1])).astype(dtype)


def symbols_of(*arrays):
    return [sg.symbol(f"x{k}", array.shape, array.dtype) for k, array in enumerate(arrays)]


def run(function, *arrays):
    """The function of arrays, compiled."""
    inputs = symbols_of(*arrays)
    return sg.compile(function(*inputs), inputs)(*arrays)


# -- values ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", SIZES)
def test_values(n, dtype, rng):
    a, s = regular(rng, n, n, dtype=dtype), positive(rng, n, n, dtype=dtype)
    b, c = rng.normal(size=n).astype(dtype), rng.normal(size=(n, 3)).astype(dtype)
    for function, arrays in (
        (np.linalg.solve, (a, b)),
        (np.linalg.solve, (a, c)),
        (np.linalg.inv, (a,)),
        (np.linalg.det, (a,)),
        (np.linalg.cholesky, (s,)),
        (lambda x: np.linalg.cholesky(x, upper=True), (s,)),
    ):
        assert_same(run(function, *arrays), function(*arrays), **LOOSE[dtype])
    got, want = run(np.linalg.slogdet, a), np.linalg.slogdet(a)
    assert_same(got[0], want.sign)
    assert_same(got[1], want.logabsdet, **LOOSE[dtype])


@pytest.mark.parametrize("n", [4, 12])
def test_batches_and_broadcasting(n, rng):
    """Only a right-hand side of one axis is a vector, as in NumPy 2."""
    for a, b in (
        ((3, n, n), (n,)),
        ((3, n, n), (3, n, 2)),
        ((3, n, n), (3, n, 12)),
        ((n, n), (3, n, 2)),
        ((2, 1, n, n), (3, n, 2)),
        ((3, n, n), (n, 2)),
        ((n, n), (2, 3, n, 12)),
        ((2, 3, n, n), (2, 3, n, 1)),
    ):
        left, right = regular(rng, *a), rng.normal(size=b)
        want = np.linalg.solve(left, right)
        assert_same(run(np.linalg.solve, left, right), want, **LOOSE["float64"])
        x, y = symbols_of(left, right)
        assert_same(interp.evaluate([np.linalg.solve(x, y)], {x: left, y: right})[0], want, **LOOSE["float64"])
    a = regular(rng, 2, 3, n, n)
    for function in (np.linalg.inv, np.linalg.det):
        assert_same(run(function, a), function(a), **LOOSE["float64"])


def test_matrices_with_fewer_rows_than_columns_of_the_right_hand_side(rng):
    a, b = regular(rng, 3, 3), rng.normal(size=(3, 50))
    assert_same(run(np.linalg.solve, a, b), np.linalg.solve(a, b))


@pytest.mark.parametrize("n", [3, 11])
def test_scipys_functions(n, rng):
    a, s, b, c = regular(rng, n, n) + 4 * np.eye(n), positive(rng, n, n), rng.normal(size=n), rng.normal(size=(n, 2))
    for trans, lower, unit, right in (
        (0, False, False, b),
        ("T", True, False, c),
        (2, True, True, b),
        ("N", True, False, c),
    ):
        own = a / 10 if unit else a
        want = scipy.linalg.solve_triangular(own, right, trans=trans, lower=lower, unit_diagonal=unit)
        got = run(lambda x, y: linalg.solve_triangular(x, y, trans, lower=lower, unit_diagonal=unit), own, right)  # noqa: B023
        assert_same(got, want, **LOOSE["float64"])
    for lower in (False, True):
        assert_same(run(lambda x: linalg.cholesky(x, lower), s), scipy.linalg.cholesky(s, lower))  # noqa: B023
        got = run(lambda x, y: linalg.cho_solve(linalg.cho_factor(x, lower), y), s, c)  # noqa: B023
        assert_same(got, scipy.linalg.cho_solve(scipy.linalg.cho_factor(s, lower), c), **LOOSE["float64"])
    for name, arrays in (("solve", (a, c)), ("inv", (a,)), ("det", (a,))):
        assert_same(
            run(getattr(linalg, name), *arrays), np.asarray(getattr(scipy.linalg, name)(*arrays)), **LOOSE["float64"]
        )
        np.testing.assert_array_equal(getattr(linalg, name)(*arrays), getattr(scipy.linalg, name)(*arrays))


def test_only_a_triangle_is_read(rng):
    for n in (4, 10):
        s, b = positive(rng, n, n), rng.normal(size=n)
        spoilt = np.where(np.tri(n, dtype=bool), s, np.nan)
        assert_same(run(np.linalg.cholesky, spoilt), np.linalg.cholesky(s))
        assert_same(
            run(lambda x, y: sg.linalg.solve_triangular(x, y, lower=True), spoilt, b),
            scipy.linalg.solve_triangular(s, b, lower=True),
            rtol=1e-9,
        )


def test_promotion_is_numpys(rng):
    for one, other in (("float32", "float32"), ("float32", "float64"), ("int64", "float32"), ("int32", "int32")):
        a, b = (4 * np.eye(3) + 1).astype(one), np.arange(3).astype(other)
        assert_same(run(np.linalg.solve, a, b), np.linalg.solve(a, b), rtol=1e-6)
    whole = np.array([[2, 1], [1, 3]])
    for function in (np.linalg.inv, np.linalg.det, np.linalg.cholesky):
        assert_same(run(function, whole), np.asarray(function(whole)))
    assert run(np.linalg.det, np.eye(2, dtype=bool)) == 1.0


def test_empty_matrices():
    a, b = np.zeros((2, 0, 0)), np.zeros((2, 0, 3))
    assert_same(run(np.linalg.solve, a, b), np.linalg.solve(a, b))
    assert_same(run(np.linalg.solve, np.eye(3), np.zeros((3, 0))), np.zeros((3, 0)))
    for function in (np.linalg.inv, np.linalg.det, np.linalg.cholesky):
        assert_same(run(function, a), function(a))
    assert [one.tolist() for one in run(np.linalg.slogdet, a)] == [[1.0, 1.0], [0.0, 0.0]]
    assert_same(run(np.linalg.det, np.zeros((0, 3, 3))), np.zeros(0))
    none = sg.symbol("none", (0, "n", "n"))
    assert_same(sg.compile(np.linalg.det(none), [none])(np.zeros((0, 4, 4))), np.zeros(0))


def test_rows_change_places_where_they_must(rng):
    """Without exchanges each of these divides by zero or loses all digits."""
    for n in (2, 3, 5, 8):
        exact = np.eye(n)[rng.permutation(n)]
        tiny = exact + 1e-20 * np.eye(n)
        for a in (exact, tiny):
            b = rng.normal(size=n)
            assert_same(run(np.linalg.solve, a, b), exact.T @ b)
            assert run(np.linalg.det, a) == pytest.approx(np.linalg.det(exact), rel=1e-12)


@pytest.mark.parametrize("n", ["n", 3])
def test_dynamic_sizes(n, rng):
    m = sg.dim("m")
    a, b = sg.symbol("a", (m, n, n)), sg.symbol("b", (m, n, 2))
    k = sg.compile((np.linalg.solve(a, b), np.linalg.det(a), np.linalg.cholesky(a @ a.mT)), [a, b])
    for count, rows in ((2, 3), (5, 3), (0, 3)) if n == 3 else ((2, 3), (3, 1), (1, 17), (2, 0)):
        x, y = regular(rng, count, rows, rows), rng.normal(size=(count, rows, 2))
        want = np.linalg.solve(x, y), np.linalg.det(x), np.linalg.cholesky(x @ np.swapaxes(x, -1, -2))
        for got, one in zip(k(x, y), want, strict=True):
            assert_same(got, one, **LOOSE["float64"])


def test_lists_of_expressions():
    import symgrad.numpy as snp

    a, b = sg.symbols("a b")
    x = snp.linalg.solve([[a, 1.0], [1.0, b]], [1.0, a])
    assert_same(sg.compile(x, [a, b])(3.0, 2.0), np.linalg.solve([[3.0, 1.0], [1.0, 2.0]], [1.0, 3.0]))
    assert_same(snp.linalg.inv(np.eye(2)), np.eye(2))
    assert snp.linalg.LinAlgError is np.linalg.LinAlgError


# -- derivatives ----------------------------------------------------------------------------------------------------
def of_lower(a):
    return mpmath.matrix(a.rows, a.cols).apply(lambda _: 0) + mpmath.matrix(
        [[a[max(i, j), min(i, j)] for j in range(a.cols)] for i in range(a.rows)]
    )


def triangle_of(a):
    return mpmath.matrix([[a[i, j] if i >= j else 0 for j in range(a.cols)] for i in range(a.rows)])


# ours, the reference, whether the matrix has to be positive definite, and whether there is a right-hand side
FUNCTIONS = {
    "solve": (np.linalg.solve, mpmath.lu_solve, False, True),
    "inv": (np.linalg.inv, mpmath.inverse, False, False),
    "det": (np.linalg.det, mpmath.det, False, False),
    "logabsdet": (
        lambda a: np.linalg.slogdet(a).logabsdet,
        lambda a: mpmath.log(abs(mpmath.det(a))),
        False,
        False,
    ),
    "cholesky": (np.linalg.cholesky, lambda a: mpmath.cholesky(of_lower(a)), True, False),
    "solve_triangular": (
        lambda a, b: sg.linalg.solve_triangular(a, b, lower=True),
        lambda a, b: mpmath.lu_solve(triangle_of(a), b),
        True,
        True,
    ),
}


def case(name, n, rng):
    """Ours and the reference as weighted sums, and arguments."""
    ours, exact, definite, pair = FUNCTIONS[name]
    arrays = [(positive if definite else regular)(rng, n, n), *([rng.normal(size=(n, 1))] if pair else [])]
    weights = rng.normal(size=np.shape(ours(*symbols_of(*arrays))))

    def reference(*matrices):
        value = exact(*matrices)
        if not isinstance(value, mpmath.matrix):
            return value * weights[()]
        return mpmath.fsum(value[i, j] * weights[i, j] for i in range(value.rows) for j in range(value.cols))

    return (lambda *xs: np.sum(weights * ours(*xs))), reference, arrays


def moved(matrix, direction, step):
    return matrix + step * mpmath.matrix(direction.tolist())


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_against_fifty_digits(name, n, rng):
    """The gradient, and the second derivative along two directions, against quotients of short differences."""
    ours, reference, arrays = case(name, n, rng)
    xs = symbols_of(*arrays)
    first = sg.gradients(ours(*xs), xs)
    directions = [[rng.normal(size=array.shape) for array in arrays] for _ in range(2)]
    slope = sum(np.sum(g * v) for g, v in zip(first, directions[0], strict=True))
    second = sg.gradients(slope, xs, unconnected="zero")
    bend = sum(np.sum(g * v) for g, v in zip(second, directions[1], strict=True))
    got_slope, got_bend = sg.compile((slope, bend), xs)(*arrays)
    with mpmath.workdps(50):
        h = mpmath.mpf(10) ** -14
        exact = [mpmath.matrix(array.tolist()) for array in arrays]

        def at(s, t):
            places = zip(exact, *directions, strict=True)
            return reference(*(moved(moved(x, u, s), v, t) for x, u, v in places))

        want_slope = (at(h, 0) - at(-h, 0)) / (2 * h)
        want_bend = (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h)
    scale = max(1.0, float(abs(want_bend)))
    assert got_slope == pytest.approx(float(want_slope), rel=1e-10, abs=1e-10)
    assert got_bend == pytest.approx(float(want_bend), rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_modes_against_differences(name, rng):
    ours, _, arrays = case(name, 4, rng)
    check_gradients(ours, *arrays)


def test_hessian_of_the_logarithm_of_a_determinant(rng):
    """d²(log |det A|) = -tr(A⁻¹ dA A⁻¹ dA)."""
    a = regular(rng, 3, 3)
    inverse = np.linalg.inv(a)
    want = -np.einsum("jk,li->ijkl", inverse, inverse)
    got = sg.hessian(lambda x: np.linalg.slogdet(x).logabsdet)(a)
    assert_same(got, want, rtol=1e-10, atol=1e-11)


def test_derivatives_of_the_determinant_of_singular_matrices(rng):
    for n in (1, 2, 3, 4):
        a = rng.normal(size=(n, n))
        a[-1] = a[0] if n > 1 else 0.0
        want = [[(-1) ** (i + j) * minor(a, i, j) for j in range(n)] for i in range(n)]
        assert_same(sg.grad(np.linalg.det)(a), np.array(want), rtol=1e-11, atol=1e-12)
        assert np.isfinite(sg.hessian(np.linalg.det)(np.zeros((n, n)))).all()


def minor(a, i, j):
    rest = np.delete(np.delete(a, i, 0), j, 1)
    return np.linalg.det(rest) if rest.size else 1.0


def log_likelihood(x, mean, covariance):
    factor = np.linalg.cholesky(covariance)
    scaled = sg.linalg.solve_triangular(factor, x - mean, lower=True)
    return -0.5 * (np.sum(scaled**2) + len(mean) * np.log(2 * np.pi)) - np.sum(np.log(np.diagonal(factor)))


@pytest.mark.parametrize("n", [2, 5, 12])
def test_log_likelihood_of_a_gaussian(n, rng):
    """Its gradients are in every textbook: S⁻¹ d, and (S⁻¹ d dᵀ S⁻¹ - S⁻¹) / 2."""
    x, mean, covariance = rng.normal(size=n), rng.normal(size=n), positive(rng, n, n)
    got = sg.value_and_grad(log_likelihood, argnums=(1, 2))(x, mean, covariance)
    from scipy.stats import multivariate_normal

    inverse = np.linalg.inv(covariance)
    solved = inverse @ (x - mean)
    assert got[0] == pytest.approx(multivariate_normal(mean, covariance).logpdf(x), rel=1e-11)
    assert_same(got[1][0], solved, rtol=1e-9, atol=1e-10)
    by_triangle = got[1][1]
    assert not np.triu(by_triangle, 1).any()
    symmetric = (by_triangle + by_triangle.T) / 2
    assert_same(symmetric, (np.outer(solved, solved) - inverse) / 2, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n", [3, 10])
def test_over_a_batch(n, shared, rng):
    """Values and gradients by vmap against one after the other."""
    a = positive(rng, n, n) if shared else positive(rng, 6, n, n)
    b = rng.normal(size=(6, n))

    def energy(matrix, right):
        solved = np.linalg.solve(matrix, right)
        return right @ solved + np.linalg.slogdet(matrix).logabsdet + np.linalg.cholesky(matrix)[-1, -1]

    each = sg.value_and_grad(energy, argnums=(0, 1))
    value, slopes = sg.vmap(each, in_axes=(None if shared else 0, 0))(a, b)
    for k in range(6):
        own = a if shared else a[k]
        want, (da, db) = each(own, b[k])
        assert value[k] == pytest.approx(want, rel=1e-11)
        assert_same(slopes[0][k], da, rtol=1e-9, atol=1e-10)
        assert_same(slopes[1][k], db, rtol=1e-9, atol=1e-10)


# -- machine code ---------------------------------------------------------------------------------------------------
def test_a_batch_of_small_systems_is_one_loop_over_vectors():
    a, b = sg.symbol("a", ("m", 3, 3)), sg.symbol("b", ("m", 3))
    x = sg.vmap(np.linalg.solve)(a, b)
    k = sg.compile((x, *sg.gradients(np.sum(x**2), [a, b])), [a, b])
    assert k.loop_ir.count("nest") == 1
    assert " vector\n" in k.loop_ir
    assert " x double>" in k.llvm_ir
    assert "call" not in k.loop_ir
    assert k.loop_ir.count(" = divide ") == 3  # one for each pivot: derivatives use the same factors


def test_values_and_derivatives_of_large_systems_factor_once():
    a, b = sg.symbol("a", (12, 12)), sg.symbol("b", (12,))
    x = np.linalg.solve(a, b)
    y = np.sum(x**2) + np.linalg.slogdet(a).logabsdet + np.linalg.det(a)
    k = sg.compile((y, *sg.gradients(y, [a, b])), [a, b])
    assert k.loop_ir.count(" getrf(") == 1


def test_exact_values_of_small_systems(rng):
    """The definition in fifty digits, against mpmath's."""
    from symgrad.referee import exact_values

    a, b = regular(rng, 5, 5), rng.normal(size=5)
    x, y = symbols_of(a, b)
    got = exact_values([np.linalg.solve(x, y)], {x: a, y: b})[0]
    with mpmath.workdps(50):
        want = mpmath.lu_solve(mpmath.matrix(a.tolist()), mpmath.matrix(b.tolist()))
        assert all(abs(one - other) < mpmath.mpf(10) ** -40 for one, other in zip(got, want, strict=True))


# -- reading --------------------------------------------------------------------------------------------------------
def test_how_they_are_written():
    a, b, s = sg.symbol("A", (3, 3)), sg.symbol("b", (3,)), sg.symbol("S", (2, 3, 3))
    x = np.linalg.solve(a, b)
    assert str(x) == "solve(A, b)"
    assert str(sg.gradients(np.sum(x * b), [a])[0]) == "-outer(solve(A.T, b), solve(A, b))"
    assert str(sg.gradients(np.sum(np.linalg.solve(s, s)), [s])[0]).endswith("\nwhere t1 = solve(S.mT, 1)")
    assert str(np.linalg.cholesky(a, upper=True)) == "cholesky(A.T).T"
    solved = sg.linalg.solve_triangular(a, b, lower=True, unit_diagonal=True)
    assert str(solved) == "solve_triangular(A, b, lower=True, unit_diagonal=True)"
    assert sg.latex(x * 2) == r"A^{-1} \, b \cdot 2"
    assert sg.latex(sg.simplify(sg.gradients(np.sum(x * b), [b])[0])) == r"A^{-1} \, b + A^{-\top} \, b"
    assert sg.latex(np.linalg.inv(a @ a) @ b) == r"\left(A \, A\right)^{-1} \, b"
    assert sg.latex(np.linalg.slogdet(a)[1] + np.linalg.det(a)) == (
        r"\log \left| \det\left(A\right) \right| + \det\left(A\right)"
    )
