"""SciPy's linear systems and factors, which may be given expressions; without any among the arguments they are SciPy's own.

Leading axes are those of several problems, and only a right-hand side of one axis is a vector.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from symgrad import ops
from symgrad.errors import ShapeError, TraceError
from symgrad.ops.coerce import is_symbolic
from symgrad.provenance import user_line

__all__ = ["cho_factor", "cho_solve", "cholesky", "det", "inv", "solve", "solve_triangular"]


_OF_ARRAYS = {"overwrite_a", "overwrite_b", "check_finite"}  # how SciPy treats arrays: nothing to an expression


def _dispatched(function: Callable[..., Any]) -> Callable[..., Any]:
    """SciPy's own function unless an argument is an expression."""
    name = function.__name__

    @wraps(function)
    def either(*args: Any, **options: Any) -> Any:
        if not is_symbolic([*args, *options.values()]):
            import scipy.linalg

            return getattr(scipy.linalg, name)(*args, **options)
        given = {key: value for key, value in options.items() if key not in _OF_ARRAYS}
        try:
            bound = inspect.signature(function).bind(*args, **given)
        except TypeError as mistake:
            raise TraceError(f"scipy.linalg.{name} of expressions: {mistake}", where=user_line()) from None
        return function(*bound.args, **bound.kwargs)

    return either


@_dispatched
def solve(a: Any, b: Any) -> Any:
    """``scipy.linalg.solve``: the solution of linear systems."""
    return ops.solve(a, b)


@_dispatched
def inv(a: Any) -> Any:
    """``scipy.linalg.inv``: the inverse matrix."""
    return ops.inv(a)


@_dispatched
def det(a: Any) -> Any:
    """``scipy.linalg.det``: the determinant."""
    return ops.det(a)


@_dispatched
def cholesky(a: Any, lower: bool = False) -> Any:
    """``scipy.linalg.cholesky``: the factor, upper triangular by default, of which triangle only ``a`` is read."""
    return ops.cholesky(a, upper=not lower)


@_dispatched
def cho_factor(a: Any, lower: bool = False) -> tuple[Any, bool]:
    """``scipy.linalg.cho_factor``: the factor and which it is; its other triangle is zero."""
    return ops.cholesky(a, upper=not lower), bool(lower)


@_dispatched
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    """``scipy.linalg.cho_solve``: the solution of the systems whose matrix has this Cholesky factor."""
    factor, lower = c_and_lower
    inner = ops.solve_triangular(factor, b, lower=lower, transposed=not lower)
    return ops.solve_triangular(factor, inner, lower=lower, transposed=lower)


@_dispatched
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """``scipy.linalg.solve_triangular``: the solution of systems of which only a triangle of the matrix is read.

    Raises
    ------
    ShapeError
        ``trans`` is none of SciPy's, the matrix is not square, or sizes differ.
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ShapeError(f"solve_triangular: trans={trans!r}", where=user_line(), hint="0 or 'N', 1 or 'T', 2 or 'C'")
    return ops.solve_triangular(a, b, lower=lower, transposed=trans not in (0, "N"), unit_diagonal=unit_diagonal)
