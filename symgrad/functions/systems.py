"""NumPy's linear systems, inverses, determinants and factors.  In: matrices along the last two axes.  Out: nodes."""

from __future__ import annotations

from typing import Any

from symgrad import ops

__all__ = ["cholesky", "det", "inv", "slogdet", "solve"]

det, inv, slogdet, solve = ops.det, ops.inv, ops.slogdet, ops.solve


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The Cholesky factor, lower or upper triangular."""
    return ops.cholesky(a, upper)
