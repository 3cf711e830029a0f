"""Singular values and vectors.  In: matrices along the last two axes, of any two sizes.  Out: nodes.

Integers and booleans become float64.  Refused is what is no matrix.  Each part of the thin decomposition is an operation
of its own; machine code takes all of them from one call of LAPACK's gesdd, and gives NaN where NumPy raises LinAlgError.
Signs are LAPACK's.  Derivatives of values need no differences of singular values; those of vectors do, and do not exist
where singular values are equal, nor, of matrices that are not square, where one is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from symgrad import assumptions, dims
from symgrad.dims import Size
from symgrad.node import Node, apply
from symgrad.opdef import Kind, OpDef, Pair, Sample, register
from symgrad.ops import lapack, reduction
from symgrad.ops.contraction import matmul
from symgrad.ops.elementwise import add, divide, equal, masked_multiply, multiply, subtract, where
from symgrad.ops.shapes import expand_dims, zeros_like
from symgrad.ops.source import iota
from symgrad.ops.systems import MatrixError, float_nodes, is_empty, swapped
from symgrad.provenance import user_line
from symgrad.types import TensorType

__all__ = ["SVDResult", "svd", "svdvals"]

Array = np.ndarray[Any, Any]


class ValuesAttrs(NamedTuple):
    """Whether singular values are taken from the call that computes vectors, too."""

    vectors: bool = False


# -- types ----------------------------------------------------------------------------------------------------------
def _check_matrix(who: str, a: Node) -> None:
    if a.ndim < 2:
        raise MatrixError(
            f"{who}: an array of rank {a.ndim} is no matrix", where=user_line(), hint="the last two axes are its own"
        )


def _infer(who: str, core: Callable[[Size, Size, Size], tuple[Size, ...]]) -> Any:
    """The type rule, from the last axes of the result: a function of rows, columns and the smaller of the two."""

    def infer(inputs: tuple[Node, ...], attrs: Any) -> TensorType:
        (a,) = inputs
        _check_matrix(who, a)
        rows, columns = a.shape[-2:]
        return a.type.with_shape((*a.shape[:-2], *core(rows, columns, dims.minimum(rows, columns))))

    return infer


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    made: Node = apply(node.op, inputs, node.attrs)
    return made


def _define(part: int) -> Callable[[tuple[Node, ...], Any], Any]:
    def define(inputs: tuple[Node, ...], attrs: Any) -> Any:
        (a,) = inputs
        if is_empty(a):
            return zeros_like(apply((SVDVALS, SVD_U, SVD_VT)[part], (a,), attrs))
        return lapack.singular(a, part > 0 or attrs.vectors)[part]

    return define


# -- samples --------------------------------------------------------------------------------------------------------
def _separate(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Matrices whose singular values are far from each other and from zero."""
    u, s, vt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    values = 4.0 * np.arange(s.shape[-1], 0, -1) + rng.uniform(-1, 1, s.shape)
    made: Array = (u * values[..., None, :]) @ vt
    return made


_SHAPES = ((3, 3), (1, 1), (4, 2), (2, 3), (2, 3, 3), (2, 2, 4), (1, 3), (9, 9), (0, 3))


def _samples(variants: Callable[[int], Any]) -> Callable[[np.random.Generator], Iterable[Sample]]:
    return lambda rng: [Sample((_separate(rng, shape),), variants(k)) for k, shape in enumerate(_SHAPES)]


# -- parts of rules -------------------------------------------------------------------------------------------------
class _Parts(NamedTuple):
    """The decomposition ``a = (u * s) @ vt``."""

    u: Any
    s: Any
    vt: Any


def _parts(a: Node) -> _Parts:
    return _Parts(apply(SVD_U, (a,)), apply(SVDVALS, (a,), ValuesAttrs(True)), apply(SVD_VT, (a,)))


def _columns(x: Any, factors: Any) -> Any:
    """Each column times its factor."""
    return multiply(x, expand_dims(factors, factors.ndim - 1))


def _over_gaps(x: Any, s: Any) -> Any:
    """``x[i, j] / (s[j]² - s[i]²)``, zero on the diagonal, and where ``x`` is zero however close the values are."""
    column, row = expand_dims(s, s.ndim), expand_dims(s, s.ndim - 1)
    own = equal(expand_dims(iota(s.shape[-1]), 1), iota(s.shape[-1]))
    gaps = where(own, 1, multiply(subtract(row, column), add(row, column)))
    return where(own, 0, masked_multiply(x, divide(1, gaps)))


def _both(x: Any) -> Any:
    """The sum of matrices and their transposes."""
    return add(x, swapped(x))


def _outside(x: Any, basis: Any, s: Any) -> Any:
    """The part of columns across the span of a basis, over the singular values; None where the basis spans everything."""
    if assumptions.agree(*basis.shape[-2:]) is True:
        return None
    rest = subtract(x, matmul(basis, matmul(swapped(basis), x)))
    return masked_multiply(rest, expand_dims(divide(1, s), s.ndim - 1))


def _moved(da: Any, basis: Any, s: Any, others: Any) -> Any:
    """The derivative of a basis along ``da``: of ``u``, or of ``v`` for the transposed matrix (Giles 2008).

    ``others`` are the vectors of the other side, as rows.
    """
    turned = matmul(da, swapped(others))
    rotation = _over_gaps(_both(_columns(matmul(swapped(basis), turned), s)), s)
    inside, rest = matmul(basis, rotation), _outside(turned, basis, s)
    return inside if rest is None else add(inside, rest)


def _pulled(head: Any, basis: Any, s: Any, others: Any) -> Any:
    """The transpose of :func:`_moved` (Townsend 2016)."""
    rotation = _over_gaps(matmul(swapped(basis), head), s)
    inside, rest = matmul(basis, _columns(_both(rotation), s)), _outside(head, basis, s)
    return matmul(inside if rest is None else add(inside, rest), others)


# -- operations -----------------------------------------------------------------------------------------------------
def _values_jvp(node: Node, tangents: Any) -> Any:
    u, _, vt = _parts(node.inputs[0])
    return reduction.sum_(multiply(u, matmul(tangents[0], swapped(vt))), axis=-2)


def _values_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    u, _, vt = _parts(node.inputs[0])
    return [matmul(_columns(u, head), vt)]


def _left_jvp(node: Node, tangents: Any) -> Any:
    return _moved(tangents[0], *_parts(node.inputs[0]))


def _left_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    return [_pulled(head, *_parts(node.inputs[0]))]


def _right_jvp(node: Node, tangents: Any) -> Any:
    u, s, vt = _parts(node.inputs[0])
    return swapped(_moved(swapped(tangents[0]), swapped(vt), s, swapped(u)))


def _right_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    u, s, vt = _parts(node.inputs[0])
    return [swapped(_pulled(swapped(head), swapped(vt), s, swapped(u)))]


SVDVALS = register(
    OpDef(
        name="svdvals",
        kind=Kind.MATRIX,
        infer=_infer("svdvals", lambda rows, columns, least: (least,)),
        evaluate=lambda attrs, a: np.linalg.svd(a, compute_uv=False),
        derivative=Pair(_values_jvp, _values_vjp),
        batch=_batch,
        define=_define(0),
        attrs=ValuesAttrs,
        samples=_samples(lambda k: ValuesAttrs(k % 2 == 1)),
        doc="The singular values, the largest first.",
    )
)
SVD_U = register(
    OpDef(
        name="svd_u",
        kind=Kind.MATRIX,
        infer=_infer("svd_u", lambda rows, columns, least: (rows, least)),
        evaluate=lambda attrs, a: np.linalg.svd(a, full_matrices=False)[0],
        derivative=Pair(_left_jvp, _left_vjp),
        batch=_batch,
        define=_define(1),
        samples=_samples(lambda k: ()),
        doc="The left singular vectors as columns, those of the largest singular values first.",
    )
)
SVD_VT = register(
    OpDef(
        name="svd_vt",
        kind=Kind.MATRIX,
        infer=_infer("svd_vt", lambda rows, columns, least: (least, columns)),
        evaluate=lambda attrs, a: np.linalg.svd(a, full_matrices=False)[2],
        derivative=Pair(_right_jvp, _right_vjp),
        batch=_batch,
        define=_define(2),
        samples=_samples(lambda k: ()),
        doc="The right singular vectors as rows, those of the largest singular values first.",
    )
)


# -- builders -------------------------------------------------------------------------------------------------------
class SVDResult(NamedTuple):
    """Left vectors as columns, singular values, right vectors as rows, under NumPy's names."""

    U: Any
    S: Any
    Vh: Any


def _matrix(a: Any, who: str) -> Any:
    (node,) = float_nodes([a], who)
    _check_matrix(who, node)
    return node


def svd(a: Any) -> SVDResult:
    """The thin singular value decompositions: ``a == (U * S[..., None, :]) @ Vh``.

    Parameters
    ----------
    a : array or expression of shape (..., m, n)

    Returns
    -------
    named tuple (U, S, Vh) of expressions of shapes (..., m, k), (..., k) and (..., k, n), ``k = min(m, n)``
        float32 where ``a`` is, else float64; the largest singular value first.  Derivatives of ``U`` and ``Vh`` do not
        exist where singular values are equal nor, unless ``m == n``, where one is zero; those of ``S`` do.

    Raises
    ------
    ShapeError
        ``a`` has fewer than two axes; the error is a ``numpy.linalg.LinAlgError``, too.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A = sg.symbol("A", (3, 2))
    >>> u, s, vt = sg.linalg.svd(A)
    >>> x = np.array([[3.0, 0.0], [0.0, 2.0], [4.0, 0.0]])
    >>> np.allclose(sg.compile(u @ np.diag(s) @ vt, [A])(x), x)
    True
    """
    node = _matrix(a, "svd")
    return SVDResult(apply(SVD_U, (node,)), apply(SVDVALS, (node,), ValuesAttrs(True)), apply(SVD_VT, (node,)))


def svdvals(a: Any) -> Any:
    """The singular values, the largest first.

    Parameters
    ----------
    a : array or expression of shape (..., m, n)

    Returns
    -------
    expression of shape (..., min(m, n)), float32 where ``a`` is, else float64
        First derivatives exist also where singular values are equal, as those of LAPACK's choice of vectors.

    Raises
    ------
    ShapeError
        ``a`` has fewer than two axes; the error is a ``numpy.linalg.LinAlgError``, too.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> A = sg.symbol("A", (2, 2))
    >>> sg.compile(sg.linalg.svdvals(A), [A])(np.array([[0.0, 2.0], [-3.0, 0.0]]))
    array([3., 2.])
    """
    return apply(SVDVALS, (_matrix(a, "svdvals"),), ValuesAttrs())
