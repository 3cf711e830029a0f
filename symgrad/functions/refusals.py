"""NumPy's functions that no expression can have.  In: any arguments.  Out: an error that says what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np

from symgrad.errors import TraceError
from symgrad.provenance import user_line

__all__ = ["REFUSALS"]

_COUNT = "the size of its result depends on values, which are unknown while tracing"
_CHANGE = "it changes an array in place, which an expression is not"
_COMPLEX = "its numbers are complex, and element types are real"
_BYTES = "its element type, uint8, is not supported"
_MEMORY = "an expression has no memory"
_RANK = "its value depends on the rank, which jumps"
_MASK = "use np.where(mask, x, other), or multiply by the mask"

_PARTS = "keep real and imaginary parts apart: products with matrices np.cos and np.sin of 2π/n · j · k"
_SOLVE = "np.linalg.solve(A, b), np.linalg.inv(A) and np.linalg.svd(A, full_matrices=False) are there"

_REASONS: dict[str, tuple[str, str]] = {
    "unique_all": (_COUNT, "np.sort orders the elements"),
    "unique_counts": (_COUNT, "np.histogram counts in bins that are known"),
    "unique_inverse": (_COUNT, "np.searchsorted(values, x) finds positions among values that are known"),
    "unique_values": (_COUNT, "np.sort orders the elements"),
    "unique": (_COUNT, "np.sort orders the elements; np.diff(np.sort(x)) != 0 marks the first of each run"),
    "nonzero": (_COUNT, _MASK),
    "flatnonzero": (_COUNT, _MASK),
    "argwhere": (_COUNT, _MASK),
    "trim_zeros": (_COUNT, "slice with positions that are known: x[1:-1]"),
    "union1d": (_COUNT, "np.concatenate keeps repeated elements"),
    "intersect1d": (_COUNT, _MASK),
    "setdiff1d": (_COUNT, _MASK),
    "setxor1d": (_COUNT, _MASK),
    "put_along_axis": (_CHANGE, "y = x.at[rows, indices].set(values)"),
    "put": (_CHANGE, "y = x.at[indices].set(values)"),
    "place": (_CHANGE, "y = np.where(mask, value, x)"),
    "putmask": (_CHANGE, "y = np.where(mask, values, x)"),
    "copyto": (_CHANGE, "y = np.where(mask, source, x)"),
    "fill_diagonal": (_CHANGE, "y = np.where(np.eye(n, dtype=bool), value, x)"),
    "polydiv": (_COUNT, "np.convolve(quotient, divisor) is the product"),
    "polyfit": (
        "it solves a least-squares problem of unknown rank",
        "V = np.vander(x, deg + 1); np.linalg.solve(V.T @ V, V.T @ y)",
    ),
    "roots": (_COMPLEX, "np.polyval(p, x) is the polynomial's value, np.poly(zeros) has given zeros"),
    "sort_complex": (_COMPLEX, "np.sort orders real elements"),
    "packbits": (_BYTES, "np.sum(bits * 2 ** np.arange(8), axis=-1)"),
    "unpackbits": (_BYTES, "(x[..., None] >> np.arange(8)) & 1"),
    "shares_memory": (_MEMORY, "a.same(b) tells whether two expressions are one"),
    "may_share_memory": (_MEMORY, "a.same(b) tells whether two expressions are one"),
    **{
        f"fft.{name}": (_COMPLEX, _PARTS)
        for name in (
            *("fft", "fft2", "fftn", "hfft", "ifft", "ifft2", "ifftn"),
            *("ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftn"),
        )
    },
    **{f"linalg.{name}": (_COMPLEX, "np.linalg.det(A) is the eigenvalues' product") for name in ("eig", "eigvals")},
    **{f"linalg.{name}": (_RANK, _SOLVE) for name in ("lstsq", "matrix_rank", "pinv")},
}


def _refusal(name: str, reason: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise TraceError(f"np.{name} does not work on expressions: {reason}", where=user_line(), hint=instead)

    return refuse


REFUSALS: dict[Any, Callable[..., Any]] = {
    attrgetter(name)(np): _refusal(name, *advice) for name, advice in _REASONS.items()
}
