"""Inverses, determinants and Cholesky factors.  In: square matrices along the last two axes.  Out: nodes.

Integers and booleans become float64.  Refused are matrices that are not square.  The values are those of ``numpy.linalg``,
which raises LinAlgError where an inverse or a factor does not exist; machine code gives NaN there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from symgrad.dims import Size
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Kind, OpDef, Pair, Sample, register
from symgrad.ops import elimination, lapack, reduction
from symgrad.ops.contraction import matmul
from symgrad.ops.creation import eye
from symgrad.ops.elementwise import add, greater_equal, multiply, negative, where
from symgrad.ops.shapes import broadcast_to, expand_dims, full_of, zeros_like
from symgrad.ops.source import iota
from symgrad.ops.systems import (
    SOLVE_TRIANGULAR,
    TriangleAttrs,
    check_square,
    float_nodes,
    is_empty,
    is_small,
    regular,
    square,
    swapped,
)
from symgrad.types import TensorType

__all__ = ["SlogdetResult", "cholesky", "det", "inv", "slogdet"]

Array = np.ndarray[Any, Any]


def _half(x: Any) -> Any:
    """The lower triangle with its diagonal halved: what, with its transpose, makes a symmetric matrix."""
    rows, columns = expand_dims(iota(x.shape[-1]), 1), iota(x.shape[-1])
    below = where(greater_equal(rows, columns), x, 0)
    return where(greater_equal(columns, rows), multiply(below, 0.5), below)


def _infer_matrix(who: str) -> Callable[[tuple[Node, ...], Any], TensorType]:
    def infer(inputs: tuple[Node, ...], attrs: Any) -> TensorType:
        check_square(who, inputs[0])
        return inputs[0].type

    return infer


def _infer_number(who: str) -> Callable[[tuple[Node, ...], Any], TensorType]:
    def infer(inputs: tuple[Node, ...], attrs: Any) -> TensorType:
        check_square(who, inputs[0])
        return inputs[0].type.with_shape(inputs[0].shape[:-2])

    return infer


def _batch_matrix(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    made: Node = apply(node.op, inputs, node.attrs)
    return made


def _positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Positive definite matrices."""
    factor = rng.uniform(-1, 1, shape)
    return factor @ np.swapaxes(factor, -1, -2) + np.eye(shape[-1])


_SHAPES = ((3, 3), (1, 1), (2, 2), (2, 3, 3), (4, 4), (0, 0), (5, 5), (10, 10), (2, 9, 9))


def _matrix_samples(draw: Callable[..., Array]) -> Callable[[np.random.Generator], Iterable[Sample]]:
    return lambda rng: [Sample((draw(rng, shape),)) for shape in _SHAPES]


# -- inv ------------------------------------------------------------------------------------------------------------
def _define_inv(inputs: tuple[Node, ...], attrs: Any) -> Any:
    (a,) = inputs
    if is_empty(a):
        return zeros_like(a)
    if is_small(a):
        return elimination.inverse(a)
    return lapack.solve(a, broadcast_to(eye(a.shape[-1], dtype=a.dtype), a.shape), False, False)


INV = register(
    OpDef(
        name="inv",
        kind=Kind.MATRIX,
        infer=_infer_matrix("inv"),
        evaluate=lambda attrs, a: np.linalg.inv(a),
        derivative=Pair(
            lambda node, tangents: negative(matmul(matmul(node, tangents[0]), node)),
            lambda node, head, wanted: [negative(matmul(matmul(swapped(node), head), swapped(node)))],
        ),
        batch=_batch_matrix,
        define=_define_inv,
        samples=_matrix_samples(regular),
        doc="The inverse matrix.",
    )
)


# -- cholesky -------------------------------------------------------------------------------------------------------
def _through_factor(factor: Any, x: Any, transposed: bool) -> Any:
    """``L⁻¹ x L⁻ᵀ``, or with the transposes of both, for symmetric ``x`` or up to transposition."""
    attrs = TriangleAttrs(True, transposed)
    return apply(SOLVE_TRIANGULAR, (factor, swapped(apply(SOLVE_TRIANGULAR, (factor, x), attrs))), attrs)


def _cholesky_jvp(node: Node, tangents: Any) -> Any:
    """dL = L half(L⁻¹ dA L⁻ᵀ), of the matrix that the lower triangle stands for (Murray 2016, equation 8)."""
    lower = _half(tangents[0])
    return matmul(node, _half(_through_factor(node, add(lower, swapped(lower)), False)))


def _cholesky_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    """L⁻ᵀ half(Lᵀ head) L⁻¹, with its transpose folded onto the lower triangle (Murray 2016, equation 10)."""
    inside = _through_factor(node, _half(matmul(swapped(node), head)), True)
    return [_half(add(inside, swapped(inside)))]


def _define_cholesky(inputs: tuple[Node, ...], attrs: Any) -> Any:
    (a,) = inputs
    if is_empty(a):
        return zeros_like(a)
    return (elimination if is_small(a) else lapack).cholesky(a)


CHOLESKY = register(
    OpDef(
        name="cholesky",
        kind=Kind.MATRIX,
        infer=_infer_matrix("cholesky"),
        evaluate=lambda attrs, a: np.linalg.cholesky(a),
        derivative=Pair(_cholesky_jvp, _cholesky_vjp),
        batch=_batch_matrix,
        define=_define_cholesky,
        samples=_matrix_samples(_positive),
        doc="The lower triangular matrix whose product with its transpose is the matrix; reads the lower triangle only.",
    )
)


# -- determinants ---------------------------------------------------------------------------------------------------
_EXPANDED = 4  # rows up to which the derivative of the determinant is written out: exact for singular matrices, too


def _cofactors(node: Node) -> Any:
    """The derivative of the determinant by each element."""
    (a,) = node.inputs
    if is_empty(a):
        return zeros_like(a)
    if is_small(a) and a.shape[-1] <= _EXPANDED:
        return elimination.cofactors(a)
    return multiply(_over_elements(node), swapped(apply(INV, (a,))))


def _over_elements(x: Any) -> Any:
    """A number for each matrix, ready for its elements."""
    return expand_dims(x, (x.ndim, x.ndim + 1)) if x.ndim else x


def _slope(factors: Callable[[Node], Any]) -> Pair:
    """The rules of a function of matrices whose derivative by each element is given."""
    return Pair(
        lambda node, tangents: reduction.sum_(multiply(factors(node), tangents[0]), axis=(-2, -1)),
        lambda node, head, wanted: [multiply(_over_elements(head), factors(node))],
    )


def _define_number(name: str, empty: float, inputs: tuple[Node, ...], attrs: Any) -> Any:
    (a,) = inputs
    if is_empty(a):
        return full_of(a.type.with_shape(a.shape[:-2]), empty)
    return getattr(elimination if is_small(a) else lapack, name)(a)


def _number(name: str, evaluate: Any, derivative: Any, road: str, empty: float, doc: str) -> OpDef:
    return register(
        OpDef(
            name=name,
            kind=Kind.MATRIX,
            infer=_infer_number(name),
            evaluate=evaluate,
            derivative=derivative,
            batch=_batch_matrix,
            define=partial(_define_number, road, empty),
            samples=_matrix_samples(regular),
            doc=doc,
        )
    )


DET = _number("det", lambda attrs, a: np.linalg.det(a), _slope(_cofactors), "determinant", 1, "The determinant.")
DET_SIGN = _number(
    "det_sign",
    lambda attrs, a: np.linalg.slogdet(a)[0],
    Constant(connected=True),
    "sign_of_determinant",
    1,
    "The sign of the determinant.",
)
LOGABSDET = _number(
    "logabsdet",
    lambda attrs, a: np.linalg.slogdet(a)[1],
    _slope(lambda node: swapped(apply(INV, node.inputs))),
    "log_determinant",
    0,
    "The logarithm of the determinant's absolute value, from the logarithms of pivots.",
)


# -- builders -------------------------------------------------------------------------------------------------------
class SlogdetResult(NamedTuple):
    """Sign and logarithm of a determinant."""

    sign: Any
    logabsdet: Any


def _matrix(a: Any, who: str) -> Any:
    return square(float_nodes([a], who)[0], who)


def inv(a: Any) -> Any:
    """The inverse matrices.

    Parameters
    ----------
    a : array or expression of shape (..., n, n)

    Returns
    -------
    expression of shape (..., n, n), float32 where ``a`` is, else float64
        Singular matrices raise ``numpy.linalg.LinAlgError`` where NumPy computes; machine code gives NaN.

    Raises
    ------
    ShapeError
        ``a`` is not square; the error is a ``numpy.linalg.LinAlgError``, too.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A = sg.symbol("A", (2, 2))
    >>> sg.compile(np.linalg.inv(A), [A])(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return apply(INV, (_matrix(a, "inv"),))


def det(a: Any) -> Any:
    """The determinants.

    Parameters
    ----------
    a : array or expression of shape (..., n, n)

    Returns
    -------
    expression of shape (...), float32 where ``a`` is, else float64
        Up to four rows its derivatives exist for singular matrices, too; for more rows they need the inverse.

    Raises
    ------
    ShapeError
        ``a`` is not square; the error is a ``numpy.linalg.LinAlgError``, too.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A = sg.symbol("A", (2, 2))
    >>> sg.compile(sg.gradients(np.linalg.det(A), [A])[0], [A])(np.array([[1.0, 2.0], [2.0, 4.0]]))
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return apply(DET, (_matrix(a, "det"),))


def slogdet(a: Any) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinants, where these themselves might overflow.

    Parameters
    ----------
    a : array or expression of shape (..., n, n)

    Returns
    -------
    named tuple (sign, logabsdet) of expressions of shape (...)
        Of a singular matrix 0 and -inf.  The sign's derivative is zero, the logarithm's the transposed inverse.

    Raises
    ------
    ShapeError
        ``a`` is not square; the error is a ``numpy.linalg.LinAlgError``, too.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A = sg.symbol("A", (2, 2))
    >>> sg.compile(np.linalg.slogdet(A).logabsdet, [A])(np.diag([np.e, -1.0]))
    np.float64(1.0)
    """
    node = _matrix(a, "slogdet")
    return SlogdetResult(apply(DET_SIGN, (node,)), apply(LOGABSDET, (node,)))


def cholesky(a: Any, upper: bool = False) -> Any:
    """The Cholesky factors of symmetric positive definite matrices.

    Parameters
    ----------
    a : array or expression of shape (..., n, n)
        As in NumPy, only the triangle of the result is read: derivatives with respect to the other one are zero, and
        those with respect to this one count both.
    upper : bool
        The factor is upper triangular.

    Returns
    -------
    expression of shape (..., n, n): ``L`` with ``L @ L.T == a``, or ``U`` with ``U.T @ U == a``
        What is not positive definite raises ``numpy.linalg.LinAlgError`` where NumPy computes; machine code gives NaN
        from the first column on that cannot be computed.

    Raises
    ------
    ShapeError
        ``a`` is not square; the error is a ``numpy.linalg.LinAlgError``, too.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A = sg.symbol("A", (2, 2))
    >>> sg.compile(np.linalg.cholesky(A), [A])(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[2., 0.],
           [1., 1.]])
    """
    node = _matrix(a, "cholesky")
    return swapped(apply(CHOLESKY, (swapped(node),))) if upper else apply(CHOLESKY, (node,))
