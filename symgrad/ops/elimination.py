"""Small matrices, element by element.  In: nodes whose last two axes are matrices of at most ``SMALL`` rows.  Out: nodes.

Every element is an array over the batch axes, so that machine code has the batch as lanes and the matrix in registers.
There are no branches: rows change places by selection.  The factors of one matrix are the same nodes wherever they are
asked for, so that a solution, its derivative and a determinant eliminate once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from symgrad.node import Node
from symgrad.ops import elementwise
from symgrad.ops.boxes import Pick, Range, whole
from symgrad.ops.elementwise import (
    absolute,
    add,
    divide,
    equal,
    greater,
    log,
    logical_or,
    logical_xor,
    multiply,
    negative,
    sign,
    sqrt,
    square,
    subtract,
    where,
)
from symgrad.ops.shapes import expand_dims, full_of, reshape, zeros_like
from symgrad.ops.structure import slice_, stack
from symgrad.types import TensorType

__all__ = [
    "SMALL",
    "cholesky",
    "cofactors",
    "determinant",
    "inverse",
    "log_determinant",
    "polynomial",
    "sign_of_determinant",
    "solve",
    "solve_triangular",
]

SMALL = 8  # rows up to which matrices are taken apart
Grid = list[list[Any]]
Rows = Sequence[Any]  # one array per row of a right-hand side: a column, or several as a last axis


def elements(a: Node) -> Grid:
    """The elements of the matrices, row by row."""
    lead = whole(a.shape[:-2])
    return [[slice_(a, (*lead, Pick(i), Pick(j))) for j in range(a.shape[-1])] for i in range(a.shape[-2])]


def _assembled(grid: Grid, kind: TensorType) -> Any:
    """The array of that type with these elements, of which None is zero."""
    flat = [one for row in grid for one in row]
    zero = full_of(kind.with_shape(kind.shape[:-2]), 0)
    lead = kind.shape[:-2]
    return reshape(stack([zero if one is None else one for one in flat], len(lead)), kind.shape)


def _columns(b: Node, vector: bool) -> list[Rows]:
    """A right-hand side by columns; a long row stays one array."""
    if vector:
        return [[slice_(b, (*whole(b.shape[:-1]), Pick(i))) for i in range(b.shape[-1])]]
    count = b.shape[-1]
    if isinstance(count, int) and count <= SMALL:
        grid = elements(b)
        return [[row[j] for row in grid] for j in range(count)]
    rows = b.shape[-2]
    return [[slice_(b, (*whole(b.shape[:-2]), Pick(i), Range(0, count))) for i in range(rows)]]


def _joined(columns: Sequence[Rows], like: Node, vector: bool) -> Any:
    """The inverse of :func:`_columns`."""
    if vector:
        return stack(columns[0], like.ndim - 1)
    if columns and columns[0][0].ndim == like.ndim - 1:
        return stack(columns[0], like.ndim - 2)
    return _assembled([list(row) for row in zip(*columns, strict=True)], like.type)


# -- triangles ------------------------------------------------------------------------------------------------------
def _substituted(grid: Grid, inverses: Sequence[Any], rows: Rows, lower: bool, transposed: bool) -> list[Any]:
    """The solution for a triangle with these reciprocals on its diagonal, None for ones."""
    n = len(rows)
    made = list(rows)
    order = range(n) if lower is not transposed else range(n - 1, -1, -1)
    for k in order:
        if inverses[k] is not None:
            made[k] = multiply(made[k], _like(inverses[k], made[k]))
        for i in range(k + 1, n) if order.step > 0 else range(k):
            factor = grid[k][i] if transposed else grid[i][k]
            made[i] = subtract(made[i], multiply(_like(factor, made[k]), made[k]))
    return made


def _like(factor: Any, row: Any) -> Any:
    """A factor for each matrix, ready for a row of several columns."""
    return factor if factor.ndim == row.ndim else expand_dims(factor, factor.ndim)


def _if_regular(diagonal: Sequence[Any], inverses: Sequence[Any]) -> list[Any]:
    """The reciprocals of a diagonal; all are NaN where one of it is zero."""
    flat = reduce(logical_or, [equal(one, 0) for one in diagonal])
    return [where(flat, math.nan, one) for one in inverses]


def solve_triangular(a: Node, b: Node, vector: bool, lower: bool, transposed: bool, unit: bool) -> Any:
    """The solution for the triangle of a matrix; NaN where an element of the diagonal is zero."""
    grid = elements(a)
    diagonal = [row[k] for k, row in enumerate(grid)]
    inverses = [None] * len(grid) if unit else _if_regular(diagonal, [divide(1, one) for one in diagonal])
    columns = [_substituted(grid, inverses, rows, lower, transposed) for rows in _columns(b, vector)]
    return _joined(columns, b, vector)


def cholesky(a: Node) -> Any:
    """The lower factor; NaN from the column on where the matrix proves not to be positive definite."""
    grid = elements(a)
    made: Grid = [[None] * len(grid) for _ in grid]
    for k, row in enumerate(grid):
        pivot = row[k]
        for j in range(k):
            pivot = subtract(pivot, square(made[k][j]))
        made[k][k] = sqrt(where(greater(pivot, 0), pivot, math.nan))
        inverse = divide(1, made[k][k])
        for i in range(k + 1, len(grid)):
            rest = grid[i][k]
            for j in range(k):
                rest = subtract(rest, multiply(made[i][j], made[k][j]))
            made[i][k] = multiply(rest, inverse)
    return _assembled(made, a.type)


# -- elimination ----------------------------------------------------------------------------------------------------
class _Factors(NamedTuple):
    """A matrix brought to upper triangular form: for each column, exchanges of rows, then multiples of one subtracted.

    Attributes
    ----------
    swaps : for each column k and each row below it in turn, whether that row and row k change places
    multipliers : for each column, what of row k is subtracted from each row below
    upper : the triangle
    inverses : reciprocals of its diagonal; one where that is zero
    """

    swaps: list[list[Any]]
    multipliers: list[list[Any]]
    upper: Grid
    inverses: list[Any]

    @property
    def pivots(self) -> list[Any]:
        return [row[k] for k, row in enumerate(self.upper)]


def _eliminated(a: Node) -> _Factors:
    """Gaussian elimination; the largest element of each column becomes its pivot."""
    grid = elements(a)
    n = len(grid)
    swaps, multipliers, inverses = [], [], []
    for k in range(n):
        swaps.append([_exchanged(grid, k, i) for i in range(k + 1, n)])
        pivot = grid[k][k]
        inverses.append(divide(1, where(equal(pivot, 0), 1, pivot)))  # where it is zero, so is the rest of the column
        multipliers.append([multiply(grid[i][k], inverses[k]) for i in range(k + 1, n)])
        for i, factor in enumerate(multipliers[k], k + 1):
            for j in range(k + 1, n):
                grid[i][j] = subtract(grid[i][j], multiply(factor, grid[k][j]))
    return _Factors(swaps, multipliers, grid, inverses)


def _exchanged(grid: Grid, k: int, i: int) -> Any:
    """Exchange the rest of two rows where the lower one begins with the larger element; returns where."""
    larger = greater(absolute(grid[i][k]), absolute(grid[k][k]))
    for j in range(k, len(grid)):
        grid[k][j], grid[i][j] = _swapped(larger, grid[k][j], grid[i][j])
    return larger


def _swapped(condition: Any, first: Any, second: Any) -> tuple[Any, Any]:
    return where(condition, second, first), where(condition, first, second)


def solve(a: Node, b: Node, vector: bool, transposed: bool) -> Any:
    """The solution of linear systems; NaN where the matrix is singular."""
    factors = _eliminated(a)
    inverses = _if_regular(factors.pivots, factors.inverses)
    one = _solved_transposed if transposed else _solved
    return _joined([one(factors, inverses, rows) for rows in _columns(b, vector)], b, vector)


def inverse(a: Node) -> Any:
    """The inverse matrix; NaN where the matrix is singular."""
    factors = _eliminated(a)
    inverses = _if_regular(factors.pivots, factors.inverses)
    lead = a.type.with_shape(a.shape[:-2])
    n = len(inverses)
    columns = [_solved(factors, inverses, [full_of(lead, int(i == j)) for i in range(n)]) for j in range(n)]
    return _joined(columns, a, False)


def _solved(factors: _Factors, inverses: Sequence[Any], rows: Rows) -> list[Any]:
    made = list(rows)
    for k, (swaps, multipliers) in enumerate(zip(factors.swaps, factors.multipliers, strict=True)):
        for i, swap in enumerate(swaps, k + 1):
            made[k], made[i] = _swapped(_like(swap, made[k]), made[k], made[i])
        for i, factor in enumerate(multipliers, k + 1):
            made[i] = subtract(made[i], multiply(_like(factor, made[k]), made[k]))
    return _substituted(factors.upper, inverses, made, False, False)


def _solved_transposed(factors: _Factors, inverses: Sequence[Any], rows: Rows) -> list[Any]:
    """The same steps the other way round, each transposed."""
    made = _substituted(factors.upper, inverses, rows, False, True)
    for k in range(len(made) - 1, -1, -1):
        for i, factor in enumerate(factors.multipliers[k], k + 1):
            made[k] = subtract(made[k], multiply(_like(factor, made[i]), made[i]))
        for i in range(len(made) - 1, k, -1):
            swap = _like(factors.swaps[k][i - k - 1], made[k])
            made[k], made[i] = _swapped(swap, made[k], made[i])
    return made


# -- determinants ---------------------------------------------------------------------------------------------------
def _turned(factors: _Factors, value: Any) -> Any:
    """A product of pivots, with the sign of the permutation."""
    swaps = [swap for column in factors.swaps for swap in column]
    return where(reduce(logical_xor, swaps), negative(value), value) if swaps else value


def determinant(a: Node) -> Any:
    """Up to three rows the polynomial of the elements, else the product of the pivots."""
    if len(grid := elements(a)) <= 3:
        return polynomial(grid)
    factors = _eliminated(a)
    return _turned(factors, reduce(multiply, factors.pivots))


def sign_of_determinant(a: Node) -> Any:
    """1, -1, or 0 for a singular matrix."""
    factors = _eliminated(a)
    return _turned(factors, reduce(multiply, [sign(one) for one in factors.pivots]))


def log_determinant(a: Node) -> Any:
    """The logarithm of the determinant's size, -inf for a singular matrix."""
    return reduce(add, [log(absolute(one)) for one in _eliminated(a).pivots])


def polynomial(grid: Grid) -> Any:
    """The determinant by expansion along the first row; for few rows only."""
    if len(grid) == 1:
        return grid[0][0]
    terms = [multiply(one, polynomial(_minor(grid, 0, j))) for j, one in enumerate(grid[0])]
    return reduce(elementwise.add, [negative(one) if j % 2 else one for j, one in enumerate(terms)])


def _minor(grid: Grid, row: int, column: int) -> Grid:
    return [[one for j, one in enumerate(own) if j != column] for i, own in enumerate(grid) if i != row]


def cofactors(a: Node) -> Any:
    """The matrices of signed minors, the derivative of the determinant with respect to each element."""
    grid = elements(a)
    if len(grid) == 1:
        return elementwise.add(zeros_like(a), 1)
    minors = [[polynomial(_minor(grid, i, j)) for j in range(len(grid))] for i in range(len(grid))]
    return _assembled(
        [[negative(one) if (i + j) % 2 else one for j, one in enumerate(row)] for i, row in enumerate(minors)], a.type
    )
