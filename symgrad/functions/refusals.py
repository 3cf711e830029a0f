"""NumPy's functions that no expression can have.  In: any arguments.  Out: an error that says what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from symgrad.errors import TraceError
from symgrad.provenance import user_line

__all__ = ["REFUSALS"]

_COUNT = "the size of its result depends on values, which are unknown while tracing"
_TRUTH = "its result is one Python truth value, which is unknown while tracing"
_CHANGE = "it changes an array in place, which an expression is not"
_MASK = "use np.where(mask, x, other), or multiply by the mask"

_REASONS: dict[str, tuple[str, str]] = {
    "unique": (_COUNT, "np.sort orders the elements; np.diff(np.sort(x)) != 0 marks the first of each run"),
    "nonzero": (_COUNT, _MASK),
    "flatnonzero": (_COUNT, _MASK),
    "argwhere": (_COUNT, _MASK),
    "trim_zeros": (_COUNT, "slice with positions that are known: x[1:-1]"),
    "union1d": (_COUNT, "np.concatenate keeps repeated elements"),
    "intersect1d": (_COUNT, _MASK),
    "setdiff1d": (_COUNT, _MASK),
    "setxor1d": (_COUNT, _MASK),
    "allclose": (_TRUTH, "np.all(np.abs(a - b) <= tolerance) is an expression"),
    "array_equal": (_TRUTH, "np.all(a == b) is an expression"),
    "array_equiv": (_TRUTH, "np.all(a == b) is an expression"),
    "put_along_axis": (_CHANGE, "y = x.at[rows, indices].set(values)"),
    "put": (_CHANGE, "y = x.at[indices].set(values)"),
    "place": (_CHANGE, "y = np.where(mask, value, x)"),
    "putmask": (_CHANGE, "y = np.where(mask, values, x)"),
    "copyto": (_CHANGE, "y = np.where(mask, source, x)"),
    "fill_diagonal": (_CHANGE, "y = np.where(np.eye(n, dtype=bool), value, x)"),
}


def _refusal(name: str, reason: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise TraceError(f"np.{name} does not work on expressions: {reason}", where=user_line(), hint=instead)

    return refuse


REFUSALS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): _refusal(name, *advice) for name, advice in _REASONS.items()
}
