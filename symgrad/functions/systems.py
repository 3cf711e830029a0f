"""NumPy's systems, inverses, determinants, factors, singular values.  In: matrices along the last two axes.  Out: nodes."""

from __future__ import annotations

from typing import Any

from symgrad import assumptions, ops
from symgrad.errors import TraceError
from symgrad.provenance import user_line

__all__ = ["cholesky", "det", "inv", "slogdet", "solve", "svd", "svdvals"]

det, inv, slogdet, solve = ops.det, ops.inv, ops.slogdet, ops.solve


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The Cholesky factor, lower or upper triangular."""
    return ops.cholesky(a, upper)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Left singular vectors, singular values and right singular vectors, or the values only.

    Raises
    ------
    TraceError
        Square factors are asked for of a matrix that is not square, or ``hermitian``.
    """
    if hermitian:
        raise TraceError(
            "svd: hermitian=True reads one triangle of the matrix only",
            where=user_line(),
            hint="np.linalg.svd(A, full_matrices=False) reads all of it",
        )
    if not compute_uv:
        return ops.svdvals(a)
    made = ops.svd(a)
    if full_matrices and assumptions.agree(made.U.shape[-2], made.Vh.shape[-1]) is not True:
        raise TraceError(
            "svd: of a matrix that is not square, full_matrices=True adds vectors that it does not determine",
            where=user_line(),
            hint="np.linalg.svd(A, full_matrices=False)",
        )
    return made


def svdvals(x: Any, /) -> Any:
    """The singular values."""
    return ops.svdvals(x)
