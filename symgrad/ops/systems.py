"""Linear systems, general and triangular.  In: square matrices along the last two axes, right-hand sides.  Out: solutions.

Integers and booleans become float64.  Refused are matrices that are not square and right-hand sides of other sizes.
The values are NumPy's, which raises LinAlgError for singular matrices; machine code gives NaN there.  Its code is
elimination written out for matrices of a few rows, and calls of LAPACK for others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import assumptions, dims, types
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, OpDef, Pair, Sample, register
from symgrad.ops import coerce, elimination, lapack
from symgrad.ops.contraction import einsum, matmul
from symgrad.ops.elementwise import greater_equal, negative, subtract, where
from symgrad.ops.shapes import assert_shape, broadcast_to, expand_dims, reshape, transpose, zeros_like
from symgrad.ops.source import iota
from symgrad.provenance import user_line
from symgrad.types import TensorType

__all__ = ["SOLVE_TRIANGULAR", "MatrixError", "TriangleAttrs", "solve", "solve_triangular"]

Array = np.ndarray[Any, Any]


class MatrixError(ShapeError, np.linalg.LinAlgError):
    """What is no square matrix where one is needed."""

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        ShapeError.__init__(self, what, where=where, hint=hint)


class SolveAttrs(NamedTuple):
    """Whether the system's matrix is the transpose of the one given."""

    transposed: bool = False


class TriangleAttrs(NamedTuple):
    """Which triangle is read, whether its transpose is meant, and whether its diagonal counts as ones."""

    lower: bool = False
    transposed: bool = False
    unit: bool = False


# -- parts of rules -------------------------------------------------------------------------------------------------
def swapped(x: Any) -> Any:
    """The matrices transposed."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def is_vector(a: Node, b: Node) -> bool:
    """Whether the right-hand side of a system is one column, without an axis for it."""
    return b.ndim == a.ndim - 1


def _times(a: Any, x: Any) -> Any:
    """Matrices times solutions."""
    return einsum("...ij,...j->...i", a, x) if is_vector(a, x) and a.ndim > 2 else matmul(a, x)


def _outer(left: Any, right: Any, vector: bool) -> Any:
    """``left @ right.T`` of columns."""
    return einsum("...i,...j->...ij", left, right) if vector else matmul(left, swapped(right))


def _triangle(x: Any, attrs: TriangleAttrs) -> Any:
    """The part of a matrix that a triangular system reads."""
    rows, columns = expand_dims(iota(x.shape[-1]), 1), iota(x.shape[-1])
    low, high = (columns, rows) if attrs.lower else (rows, columns)
    return where(greater_equal(subtract(high, low), 1 if attrs.unit else 0), x, 0)


def is_small(a: Node) -> bool:
    rows = a.shape[-1]
    return isinstance(rows, int) and rows <= elimination.SMALL


def is_empty(x: Node) -> bool:
    return any(isinstance(size, int) and size == 0 for size in x.shape)


# -- types ----------------------------------------------------------------------------------------------------------
def check_square(who: str, a: Node) -> None:
    if a.ndim < 2:
        raise MatrixError(
            f"{who}: an array of rank {a.ndim} is no matrix", where=user_line(), hint="the last two axes are its own"
        )
    rows, columns = a.shape[-2:]
    if assumptions.agree(rows, columns) is False:
        differ = coerce.mismatch(who, "the matrix is not square", rows, columns, [a.shape])
        raise MatrixError(differ.what, where=user_line(), hint=differ.hint)


def _check_rows(who: str, a: Node, b: Node, vector: bool) -> None:
    rows = b.shape[-1 if vector else -2]
    if assumptions.agree(a.shape[-1], rows) is False:
        raise coerce.mismatch(who, "matrix and right-hand side differ in rows", a.shape[-1], rows, [a.shape, b.shape])


def _infer_system(who: str) -> Callable[[tuple[Node, ...], Any], TensorType]:
    def infer(inputs: tuple[Node, ...], attrs: Any) -> TensorType:
        a, b = inputs
        check_square(who, a)
        _check_rows(who, a, b, is_vector(a, b))
        return b.type

    return infer


# -- batches --------------------------------------------------------------------------------------------------------
def _batch_system(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    a, b = inputs
    if not batched[0]:
        return _as_columns(node.op, a, b, 1, node.attrs)
    made: Node = apply(node.op, (a, b if batched[1] else broadcast_to(b, (size, *b.shape))), node.attrs)
    return made


def _as_columns(op: OpDef, a: Node, b: Node, extra: int, attrs: Any) -> Any:
    """Systems of one matrix: the first axes of the right-hand sides, which the matrix lacks, become further columns."""
    order = (*range(extra, b.ndim), *range(extra))
    moved = transpose(b, order)
    wide = reshape(moved, (*moved.shape[: a.ndim - 1], dims.product(moved.shape[a.ndim - 1 :])))
    solved = reshape(apply(op, (a, wide), attrs), moved.shape)
    return transpose(solved, tuple(int(axis) for axis in np.argsort(order)))


# -- samples --------------------------------------------------------------------------------------------------------
def regular(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Matrices far from singular."""
    return rng.uniform(-1, 1, shape) + 3 * np.eye(shape[-1])[rng.permutation(shape[-1])]


def _dominant(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Matrices whose triangles are far from singular."""
    return rng.uniform(-1, 1, shape) + 3 * np.eye(shape[-1])


_SYSTEMS = (
    ((3, 3), (3,)), ((1, 1), (1, 2)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3)), ((2, 4, 4), (2, 4, 3)), ((2, 2), (2, 11)),
    ((0, 0), (0, 2)), ((8, 8), (8, 1)), ((10, 10), (10, 2)), ((2, 9, 9), (2, 9)),
)  # fmt: skip


def _samples(
    matrix: Callable[..., Array], variants: Sequence[Any]
) -> Callable[[np.random.Generator], Iterable[Sample]]:
    def draw(rng: np.random.Generator) -> Iterable[Sample]:
        for k, (a, b) in enumerate(_SYSTEMS):
            yield Sample((matrix(rng, a), rng.normal(size=b)), variants[k % len(variants)])

    return draw


# -- solve ----------------------------------------------------------------------------------------------------------
def _evaluate_solve(attrs: SolveAttrs, a: Array, b: Array) -> Array:
    matrix = np.swapaxes(a, -1, -2) if attrs.transposed else a
    return np.linalg.solve(matrix, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else np.linalg.solve(matrix, b)


def _define_solve(inputs: tuple[Node, ...], attrs: SolveAttrs) -> Any:
    a, b = inputs
    if is_empty(b):
        return zeros_like(b)
    road = elimination if is_small(a) else lapack
    return road.solve(a, b, is_vector(a, b), attrs.transposed)


def _moving(node: Node, tangents: Any, change: Callable[[Any], Any], transposed: bool) -> Any:
    """What solves the system of a solution's derivative: ``db - da @ x``."""
    da, db = tangents
    if da is None:
        return db
    product = _times(swapped(change(da)) if transposed else change(da), node)
    return negative(product) if db is None else subtract(db, product)


def _solve_jvp(node: Node, tangents: Any) -> Any:
    return apply(SOLVE, (node.inputs[0], _moving(node, tangents, lambda da: da, node.attrs.transposed)), node.attrs)


def _of_matrix(node: Node, back: Any, transposed: bool) -> Any:
    """The cotangent of a system's matrix, from that of its right-hand side."""
    left, right = (node, back) if transposed else (back, node)
    return negative(_outer(left, right, is_vector(*node.inputs)))


def _solve_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    transposed = node.attrs.transposed
    back = apply(SOLVE, (node.inputs[0], head), SolveAttrs(not transposed))
    return [_of_matrix(node, back, transposed) if wanted[0] else None, back]


SOLVE = register(
    OpDef(
        name="solve",
        kind=Kind.MATRIX,
        infer=_infer_system("solve"),
        evaluate=_evaluate_solve,
        derivative=Pair(_solve_jvp, _solve_vjp),
        batch=_batch_system,
        define=_define_solve,
        attrs=SolveAttrs,
        samples=_samples(regular, [SolveAttrs(), SolveAttrs(True), SolveAttrs()]),
        doc="The solution of linear systems.",
    )
)


# -- solve_triangular -----------------------------------------------------------------------------------------------
def _evaluate_triangular(attrs: TriangleAttrs, a: Array, b: Array) -> Array:
    matrix = np.swapaxes(a, -1, -2) if attrs.transposed else a
    out = np.array(b[..., None] if b.ndim == a.ndim - 1 else b)
    rows = range(a.shape[-1])
    lower = attrs.lower is not attrs.transposed
    for k in rows if lower else reversed(rows):
        if not attrs.unit:
            if not matrix[..., k, k].all():
                raise np.linalg.LinAlgError(f"singular matrix: resolution failed at diagonal {k}")
            out[..., k, :] /= matrix[..., k, k, None]
        rest = slice(k + 1, None) if lower else slice(0, k)
        out[..., rest, :] -= matrix[..., rest, k, None] * out[..., k, None, :]
    return out[..., 0] if b.ndim == a.ndim - 1 else out


def _define_triangular(inputs: tuple[Node, ...], attrs: TriangleAttrs) -> Any:
    a, b = inputs
    if is_empty(b):
        return zeros_like(b)
    road = elimination if is_small(a) else lapack
    return road.solve_triangular(a, b, is_vector(a, b), *attrs)


def _triangular_jvp(node: Node, tangents: Any) -> Any:
    attrs: TriangleAttrs = node.attrs
    moved = _moving(node, tangents, lambda da: _triangle(da, attrs), attrs.transposed)
    return apply(SOLVE_TRIANGULAR, (node.inputs[0], moved), attrs)


def _triangular_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    attrs: TriangleAttrs = node.attrs
    back = apply(SOLVE_TRIANGULAR, (node.inputs[0], head), attrs._replace(transposed=not attrs.transposed))
    return [_triangle(_of_matrix(node, back, attrs.transposed), attrs) if wanted[0] else None, back]


SOLVE_TRIANGULAR = register(
    OpDef(
        name="solve_triangular",
        kind=Kind.MATRIX,
        infer=_infer_system("solve_triangular"),
        evaluate=_evaluate_triangular,
        derivative=Pair(_triangular_jvp, _triangular_vjp),
        batch=_batch_system,
        define=_define_triangular,
        attrs=TriangleAttrs,
        samples=_samples(_dominant, [TriangleAttrs(*flags) for flags in itertools.product((False, True), repeat=3)]),
        doc="The solution of linear systems of which only a triangle of the matrix is read.",
    )
)


# -- builders -------------------------------------------------------------------------------------------------------
def float_nodes(values: Sequence[Any], who: str) -> list[Any]:
    """The values as nodes of one floating type: float32 only where all are."""
    nodes = [coerce.as_node(one, who=who) for one in values]
    narrow = all(node.type.dtype is types.FLOAT32 for node in nodes)
    return [coerce.as_node(node, types.FLOAT32 if narrow else types.FLOAT64, who=who) for node in nodes]


def square(a: Any, who: str) -> Any:
    """The matrices, with a run-time guard where only that can tell that they are square."""
    check_square(who, a)
    return assert_shape(a, (*a.shape[:-1], a.shape[-2]))


def _system(op: OpDef, a: Any, b: Any, attrs: Any) -> Any:
    """The operation on a matrix and right-hand sides: a vector where it has one axis, else matrices."""
    a, b = float_nodes([a, b], op.name)
    a = square(a, op.name)
    if b.ndim == 0:
        raise ShapeError(f"{op.name}: the right-hand side is a scalar", where=user_line())
    vector = b.ndim == 1
    _check_rows(op.name, a, b, vector)
    core = (a.shape[-1],) if vector else (a.shape[-1], b.shape[-1])
    lead = b.shape[: b.ndim - len(core)]
    b = assert_shape(b, (*lead, *core))
    if a.ndim == 2 and lead:
        return _as_columns(op, a, b, len(lead), attrs)
    batch = coerce.broadcast_shapes([a.shape[:-2], lead], f"{op.name}: leading axes")
    return apply(op, (broadcast_to(a, (*batch, *a.shape[-2:])), broadcast_to(b, (*batch, *core))), attrs)


def solve(a: Any, b: Any) -> Any:
    """The solution ``x`` of the linear systems ``a @ x = b``.

    Parameters
    ----------
    a : array or expression of shape (..., n, n)
    b : array or expression of shape (n,) or (..., n, k)
        As in NumPy 2, only an array of one axis is a vector.  Leading axes broadcast.

    Returns
    -------
    expression of shape (..., n) or (..., n, k)
        float32 where both are, else float64.  Singular matrices raise ``numpy.linalg.LinAlgError`` where NumPy computes;
        machine code gives NaN for them.

    Raises
    ------
    ShapeError
        ``a`` is not square (then the error is a ``numpy.linalg.LinAlgError``, too), or sizes differ.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A, b = sg.symbol("A", (2, 2)), sg.symbol("b", (2,))
    >>> x = np.linalg.solve(A, b)
    >>> print(x)
    solve(A, b)
    >>> sg.compile(x, [A, b])(np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([3.0, 2.0]))
    array([1., 1.])
    """
    return _system(SOLVE, a, b, SolveAttrs())


def solve_triangular(a: Any, b: Any, lower: bool = False, transposed: bool = False, unit_diagonal: bool = False) -> Any:
    """The solution of the linear systems whose matrix is a triangle of ``a``; the rest of ``a`` is not read.

    Parameters
    ----------
    a : array or expression of shape (..., n, n)
    b : array or expression of shape (n,) or (..., n, k)
    lower : bool
        Whether the triangle is the lower one.
    transposed : bool
        Whether the triangle's transpose is the system's matrix.
    unit_diagonal : bool
        Whether the diagonal counts as ones; then it is not read either.

    Returns
    -------
    expression of shape (..., n) or (..., n, k)
        A zero on the diagonal raises ``numpy.linalg.LinAlgError`` where NumPy computes; machine code gives NaN.

    Raises
    ------
    ShapeError
        ``a`` is not square, or sizes differ.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> L, b = sg.symbol("L", (2, 2)), sg.symbol("b", (2,))
    >>> k = sg.compile(sg.linalg.solve_triangular(L, b, lower=True), [L, b])
    >>> k(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([2.0, 3.0]))
    array([1., 2.])
    """
    return _system(SOLVE_TRIANGULAR, a, b, TriangleAttrs(bool(lower), bool(transposed), bool(unit_diagonal)))
