"""Matrices of more rows, or of a dynamic number, through LAPACK.  In: nodes.  Out: nodes around calls of its routines.

A row-major matrix is, to LAPACK, the transpose of a column-major one.  Routines get arrays as they lie in memory and give
results likewise: factors are those of the transpose, and right-hand sides have one row per column.  Machine code calls
the routines by their pointers; here they are SciPy's, for reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from symgrad import dims
from symgrad.node import Node, apply
from symgrad.opdef import lookup
from symgrad.ops import elementwise, reduction
from symgrad.ops.callback import CallbackAttrs, host_of
from symgrad.ops.control import item
from symgrad.ops.elementwise import absolute, equal, log, multiply, not_equal, sign, where
from symgrad.ops.indexing import gather
from symgrad.ops.shapes import expand_dims, squeeze, transpose
from symgrad.ops.source import iota
from symgrad.types import INT32, TensorType

__all__ = [
    "Routine",
    "cholesky",
    "determinant",
    "log_determinant",
    "sign_of_determinant",
    "singular",
    "solve",
    "solve_triangular",
]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Routine:
    """A LAPACK routine over matrices along leading axes.

    Attributes
    ----------
    name : ``getrf``, ``getrs``, ``potrf``, ``trtrs`` or ``gesdd``; the element type of the arrays gives the first letter
    flags : its character arguments
    """

    name: str
    flags: str = ""

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, *arrays: Array) -> Any:
        """The results of the arrays, as a tuple where there are several."""
        import scipy.linalg.lapack

        function = getattr(scipy.linalg.lapack, "sd"[arrays[0].dtype == np.float64] + self.name)
        lead = arrays[0].shape[:-2]
        made = [_CALLS[self.name](function, self.flags, *(one[index] for one in arrays)) for index in np.ndindex(*lead)]
        likes = _like_results(self.name + self.flags, arrays)
        several = list(zip(*made, strict=True)) if made else [()] * len(likes)
        results = [
            np.asarray(parts, like.dtype).reshape(lead + like.shape[len(lead) :])
            for parts, like in zip(several, likes, strict=True)
        ]
        if self.name == "gesdd":
            columns, rows = arrays[0].shape[-2:]
            results += [
                np.zeros(size, dtype)
                for size, dtype in zip(_room(rows, columns), (arrays[0].dtype, np.int32), strict=True)
            ]
        return results[0] if len(results) == 1 else tuple(results)


def _like_results(name: str, arrays: Sequence[Array]) -> Sequence[Array]:
    """Arrays of the results' types."""
    first, lead = arrays[0], arrays[0].shape[:-2]
    if name.startswith("gesdd"):
        columns, rows = first.shape[-2:]
        least = min(rows, columns)
        shapes = [(least,), (least, rows), (columns, least)] if name == "gesddS" else [(least,)]
        made = [np.empty((*lead, *shape), first.dtype) for shape in shapes]
        return [first, *made, np.empty(lead, np.int32)]
    info = np.empty(first.shape[:-1], np.int32)
    return {"getrf": (first, info), "potrf": (first, info[..., 0])}.get(name[:5], arrays[-1:])


def _getrf(function: Any, flags: str, a: Array) -> tuple[Any, ...]:
    factors, pivots, _ = function(a.T)
    return factors.T, pivots + 1


def _getrs(function: Any, flags: str, factors: Array, pivots: Array, b: Array) -> tuple[Any, ...]:
    return (function(factors.T, pivots - 1, b.T, trans="NT".index(flags))[0].T,)


def _potrf(function: Any, flags: str, a: Array) -> tuple[Any, ...]:
    made, info = function(a.T, lower=flags == "L", clean=0)
    return made.T, info


def _trtrs(function: Any, flags: str, a: Array, b: Array) -> tuple[Any, ...]:
    triangle, trans, unit = flags[0], flags[1], flags[2]
    return (function(a.T, b.T, lower=triangle == "L", trans="NT".index(trans), unitdiag=unit == "U")[0].T,)


def _gesdd(function: Any, flags: str, a: Array) -> tuple[Any, ...]:
    u, s, vt, info = function(a.T, compute_uv=flags == "S", full_matrices=0)
    return (a, s, u.T, vt.T, info) if flags == "S" else (a, s, info)


def _room(rows: Any, columns: Any) -> tuple[Any, Any]:
    """Elements that gesdd works in: numbers, enough for its blocked code, and integers."""
    return 4 * rows * columns + 80 * (rows + columns) + 1, 8 * rows + 1


_CALLS: dict[str, Callable[..., tuple[Any, ...]]] = {
    "getrf": _getrf,
    "getrs": _getrs,
    "potrf": _potrf,
    "trtrs": _trtrs,
    "gesdd": _gesdd,
}


@cache
def routine(name: str, flags: str = "") -> Routine:
    """The routine; always the same object, so that calls with equal arguments are one node."""
    return Routine(name, flags)


def _called(function: Routine, inputs: Sequence[Node], results: Sequence[TensorType]) -> list[Any]:
    host = host_of(function, None, None)
    node = apply(lookup("stateless_callback"), tuple(inputs), CallbackAttrs(host, tuple(results), len(results) == 1))
    return [node] if len(results) == 1 else [item(node, k) for k in range(len(results))]


# -- right-hand sides -----------------------------------------------------------------------------------------------
def _swapped(x: Any) -> Any:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _solved(function: Routine, factors: Sequence[Any], pivots: Any, b: Node, vector: bool) -> Any:
    """The solution, NaN where a pivot is zero."""
    rows = expand_dims(b, b.ndim - 1) if vector else _swapped(b)
    (made,) = _called(function, [*factors, rows], [rows.type])
    if pivots is not None:
        flat = reduction.any_(equal(pivots, 0), axis=-1)
        made = where(expand_dims(flat, (flat.ndim, flat.ndim + 1)), math.nan, made)
    return squeeze(made, b.ndim - 1) if vector else _swapped(made)


def _diagonal(a: Any) -> Any:
    places = iota(a.shape[-1])
    return gather(a, [places, places], a.ndim - 2)


# -- operations -----------------------------------------------------------------------------------------------------
def _factored(a: Node) -> list[Any]:
    """The factors of the transpose, packed, and for each row the one, counted from 1, that it changed places with."""
    return _called(routine("getrf"), [a], [a.type, TensorType(a.shape[:-1], INT32)])


def solve(a: Node, b: Node, vector: bool, transposed: bool) -> Any:
    """The solution of linear systems; NaN where the matrix is singular."""
    factors, pivots = _factored(a)
    return _solved(routine("getrs", "N" if transposed else "T"), [factors, pivots], _diagonal(factors), b, vector)


def solve_triangular(a: Node, b: Node, vector: bool, lower: bool, transposed: bool, unit: bool) -> Any:
    """The solution for the triangle of a matrix; NaN where an element of the diagonal is zero."""
    flags = ("U" if lower else "L") + ("N" if transposed else "T") + ("U" if unit else "N")
    return _solved(routine("trtrs", flags), [a], None if unit else _diagonal(a), b, vector)


def cholesky(a: Node) -> Any:
    """The lower factor; NaN where the matrix is not positive definite."""
    made, failed = _called(routine("potrf", "U"), [a], [a.type, TensorType(a.shape[:-2], INT32)])
    places = iota(a.shape[-1])
    bad = not_equal(failed, 0)
    inside = elementwise.greater_equal(expand_dims(places, 1), places)
    return where(inside, where(expand_dims(bad, (bad.ndim, bad.ndim + 1)), math.nan, made), 0)


def _turns(pivots: Any, dtype: Any) -> Any:
    """The sign of the permutation."""
    moved = not_equal(pivots, elementwise.add(iota(pivots.shape[-1]), 1))
    return reduction.prod(elementwise.cast(where(moved, -1, 1), dtype), axis=-1)


def determinant(a: Node) -> Any:
    """The product of the pivots."""
    factors, pivots = _factored(a)
    return multiply(reduction.prod(_diagonal(factors), axis=-1), _turns(pivots, a.dtype))


def sign_of_determinant(a: Node) -> Any:
    """1, -1, or 0 for a singular matrix."""
    factors, pivots = _factored(a)
    return multiply(reduction.prod(sign(_diagonal(factors)), axis=-1), _turns(pivots, a.dtype))


def log_determinant(a: Node) -> Any:
    """The logarithm of the determinant's size, -inf for a singular matrix."""
    return reduction.sum_(log(absolute(_diagonal(_factored(a)[0]))), axis=-1)


def singular(a: Node, vectors: bool) -> list[Any]:
    """Singular values and, if asked for, left vectors as columns and right vectors as rows; NaN where gesdd fails.

    It gets matrices as they are, not transposed, so that vectors have NumPy's signs.
    """
    lead, (rows, columns) = a.shape[:-2], a.shape[-2:]
    least = dims.minimum(rows, columns)
    shapes = [(least,), (least, rows), (columns, least)] if vectors else [(least,)]
    room, places = _room(rows, columns)
    kinds = [a.type.with_shape((*lead, *shape)) for shape in shapes]
    kinds += [TensorType(lead, INT32), a.type.with_shape((room,)), TensorType((places,), INT32)]
    given = _swapped(a)
    _, *made, failed, _, _ = _called(routine("gesdd", "S" if vectors else "N"), [given], [given.type, *kinds])
    bad = not_equal(failed, 0)
    values, *factors = [where(expand_dims(bad, tuple(range(bad.ndim, one.ndim))), math.nan, one) for one in made]
    return [values, *map(_swapped, factors)]
