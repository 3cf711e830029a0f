"""Linear algebra on expressions."""

from symgrad.ops import (
    cholesky,
    cross,
    det,
    dot,
    einsum,
    inner,
    inv,
    matmul,
    norm,
    outer,
    slogdet,
    solve,
    solve_triangular,
    tensordot,
    transpose,
)

__all__ = [
    "cholesky",
    "cross",
    "det",
    "dot",
    "einsum",
    "inner",
    "inv",
    "matmul",
    "norm",
    "outer",
    "slogdet",
    "solve",
    "solve_triangular",
    "tensordot",
    "transpose",
]
