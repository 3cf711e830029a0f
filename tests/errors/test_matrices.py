"""What is said of matrices that are none, and of systems that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import said
from refusals import Refusal, assert_refused, line_of

import symgrad as sg
from symgrad import CompileError, ShapeError, TraceError
from symgrad.ops.systems import MatrixError
from symgrad.scipy import linalg

A, W, B = sg.symbol("A", (3, 3)), sg.symbol("W", (2, 3)), sg.symbol("b", (4,))
D, V = sg.symbol("D", ("n", "n")), sg.symbol("v", ("m",))
LAST = "the last two axes are its own"


@pytest.mark.parametrize(
    "case",
    [
        Refusal(lambda: np.linalg.inv(B), MatrixError, "inv: an array of rank 1 is no matrix", LAST),
        Refusal(lambda: np.linalg.det(sg.symbol("x")), MatrixError, "det: an array of rank 0 is no matrix", LAST),
        Refusal(lambda: np.linalg.solve(B, B), MatrixError, "solve: an array of rank 1 is no matrix", LAST),
        Refusal(lambda: np.linalg.cholesky(W), MatrixError, "cholesky: the matrix is not square: (2, 3)"),
        Refusal(lambda: np.linalg.slogdet(W), MatrixError, "slogdet: the matrix is not square: (2, 3)"),
        Refusal(
            lambda: linalg.solve_triangular(W, B), MatrixError, "solve_triangular: the matrix is not square: (2, 3)"
        ),
        Refusal(
            lambda: np.linalg.inv(sg.symbol("E", ("n", 3))),
            MatrixError,
            "inv: the matrix is not square: (n, 3)\n  sizes n and 3 are not known to be equal",
            "sg.assume(n == 3) adds a run-time guard",
        ),
        Refusal(
            lambda: np.linalg.solve(A, B),
            ShapeError,
            "solve: matrix and right-hand side differ in rows: (3, 3) and (4,)",
        ),
        Refusal(
            lambda: linalg.cho_solve((A, True), np.ones((4, 2))),
            ShapeError,
            "solve_triangular: matrix and right-hand side differ in rows: (3, 3) and (4, 2)",
        ),
        Refusal(
            lambda: np.linalg.solve(D, V),
            ShapeError,
            "solve: matrix and right-hand side differ in rows: (n, n) and (m,)\n"
            "  sizes n and m are not known to be equal",
            "sg.assume(n == m) adds a run-time guard",
        ),
        Refusal(lambda: np.linalg.solve(A, 2.0), ShapeError, "solve: the right-hand side is a scalar"),
        Refusal(
            lambda: np.linalg.solve(sg.symbol("F", (2, 3, 3)), np.ones((4, 3, 1))),
            ShapeError,
            "solve: leading axes: shapes do not broadcast: (2,) and (4,)",
        ),
        Refusal(
            lambda: linalg.solve_triangular(A, np.ones(3), trans=5),
            ShapeError,
            "solve_triangular: trans=5",
            "0 or 'N', 1 or 'T', 2 or 'C'",
        ),
        Refusal(
            lambda: linalg.solve(A, np.ones(3), assume_a="pos"),
            TraceError,
            "scipy.linalg.solve of expressions: got an unexpected keyword argument 'assume_a'",
        ),
        Refusal(
            lambda: np.linalg.norm(A, sg.symbol("p")),
            TraceError,
            "norm: the order of a matrix's norm is an expression",
            "give a number that is known while tracing",
        ),
        Refusal(lambda: np.linalg.svd(B), MatrixError, "svd: an array of rank 1 is no matrix", LAST),
        Refusal(lambda: np.linalg.svdvals(B), MatrixError, "svdvals: an array of rank 1 is no matrix", LAST),
        Refusal(
            lambda: np.linalg.svd(W),
            TraceError,
            "svd: of a matrix that is not square, full_matrices=True adds vectors that it does not determine",
            "np.linalg.svd(A, full_matrices=False)",
        ),
        Refusal(
            lambda: np.linalg.svd(A, hermitian=True),
            TraceError,
            "svd: hermitian=True reads one triangle of the matrix only",
            "np.linalg.svd(A, full_matrices=False) reads all of it",
        ),
        Refusal(
            lambda: np.linalg.norm(sg.symbol("N", (0, 3)), -2),
            ShapeError,
            "norm: a matrix without elements has no singular values",
        ),
        Refusal(
            lambda: np.linalg.cond(sg.symbol("N", (2, 0, 0))),
            ShapeError,
            "cond: a matrix without elements has no singular values",
        ),
        Refusal(
            lambda: np.linalg.pinv(A),
            TraceError,
            "np.linalg.pinv does not work on expressions: its value depends on the rank, which jumps",
            "np.linalg.solve(A, b), np.linalg.inv(A) and np.linalg.svd(A, full_matrices=False) are there",
        ),
    ],
    ids=lambda case: case.what.split(":")[0],
)
def test_refusals(case):
    assert_refused(case)


def test_what_is_no_square_matrix_is_an_error_of_numpys_kind():
    """NumPy raises LinAlgError here, and ValueError for sizes that differ."""
    for call, kind in (
        (lambda x: np.linalg.inv(x), np.linalg.LinAlgError),
        (lambda x: np.linalg.det(x), np.linalg.LinAlgError),
        (lambda x: np.linalg.solve(np.eye(3), x), ValueError),
    ):
        for x in (np.ones(4), B):
            with pytest.raises(kind):
                call(x)


def test_sizes_that_only_a_guard_can_compare(rng):
    a = sg.symbol("a", (None, None))
    k = sg.compile(np.linalg.inv(a), [a])
    np.testing.assert_allclose(k(2 * np.eye(4)), np.eye(4) / 2)
    with pytest.raises(ShapeError) as caught:
        k(np.ones((2, 3)))
    assert "differ (they meet at test_matrices.py:" in said(caught.value)


def test_files_have_no_lapack(tmp_path):
    def log_determinant():
        return np.linalg.slogdet(D).logabsdet

    with pytest.raises(CompileError) as caught:
        sg.export(tmp_path, {"f": (log_determinant(), [D])}, kinds=("object",))
    assert str(caught.value) == (
        f"export: logabsdet of matrices float64[n, n] calls LAPACK, which files cannot\n  at {line_of(log_determinant)}\n"
        "  hint: matrices of a fixed number of rows up to 8 need no LAPACK"
    )
    with pytest.raises(CompileError) as caught:
        sg.export(tmp_path, {"f": (np.linalg.norm(A, 2), [A])}, kinds=("object",))
    assert said(caught.value) == (
        "export: svdvals of matrices float64[3, 3] calls LAPACK, which files cannot\n"
        "  hint: sg.compile makes a kernel that can"
    )
    assert not list(tmp_path.iterdir())
    small = sg.symbol("s", (8, 8))
    assert sg.export(tmp_path, {"f": (np.linalg.inv(small), [small])}, kinds=("object",))["object"].exists()
