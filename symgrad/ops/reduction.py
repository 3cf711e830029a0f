"""Reductions.  In: an array and axes.  Out: the array with those axes combined (and kept with size 1, on request).

``sum``, ``prod``, ``max``, ``min``, ``any`` and ``all`` are operations; the others are *defined*: each has a name of its
own, for reading and for override maps, and a definition in terms of the former, through which it is differentiated,
batched and compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from symgrad import dims, types
from symgrad.dims import Size
from symgrad.errors import DTypeError, ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Derivative, Kind, Linear, OpDef, Pair, Sample, register
from symgrad.ops import coerce, elementwise
from symgrad.ops.declaring import as_bool
from symgrad.ops.shapes import AxesAttrs, broadcast_to, expand_dims
from symgrad.provenance import user_line
from symgrad.types import BOOL, INT64, TensorType

__all__ = ["all_", "any_", "log_softmax", "logsumexp", "max_", "mean", "min_", "norm", "prod", "softmax", "sum_"]


def _reduced(inputs: tuple[Node, ...], attrs: AxesAttrs) -> TensorType:
    (x,) = inputs
    return x.type.with_shape(tuple(size for axis, size in enumerate(x.shape) if axis not in attrs.axes))


def restore(node: Node, value: Node) -> Node:
    """A value of the reduced shape, repeated along the axes that ``node`` reduced."""
    shape = node.inputs[0].shape
    return broadcast_to(value if value.ndim == 0 else expand_dims(value, node.attrs.axes), shape)


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    made: Node = apply(node.op, inputs, AxesAttrs(tuple(axis + 1 for axis in node.attrs.axes)))
    return made


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axes in (
        ((5,), (0,)),
        ((3, 4), (1,)),
        ((3, 4), (0,)),
        ((2, 3, 4), (0, 2)),
        ((3, 4), (0, 1)),
        ((40, 3), (0,)),
    ):
        yield Sample((rng.normal(size=shape),), AxesAttrs(axes))


def _samples_with_empty(rng: np.random.Generator) -> Iterable[Sample]:
    yield from _samples(rng)
    yield Sample((np.zeros((0, 3)),), AxesAttrs((0,)))
    yield Sample((np.zeros((0, 3)),), AxesAttrs((1,)))


def _bool_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for sample in _samples_with_empty(rng):
        yield Sample((sample.arrays[0] > 0.4,), sample.attrs, smooth=False)


def _reduction(
    name: str,
    evaluate: Callable[..., Any],
    derivative: Derivative,
    samples: Any = _samples,
    doc: str = "",
    define: Any = None,
    infer: Any = _reduced,
) -> OpDef:
    return register(
        OpDef(
            name=name,
            kind=Kind.REDUCTION,
            infer=infer,
            evaluate=evaluate,
            derivative=derivative,
            define=define,
            batch=_batch,
            attrs=AxesAttrs,
            samples=samples,
            doc=doc,
        )
    )


SUM = _reduction(
    "sum",
    lambda attrs, x: np.sum(x, attrs.axes, dtype=np.asarray(x).dtype),
    Linear(lambda node, i, head: restore(node, head)),
    _samples_with_empty,
    "Sum over axes.",
)


# -- prod -----------------------------------------------------------------------------------------------------------
def _others(node: Node) -> Node:
    """For each element, the product of all others that it was multiplied with: exact at zeros, to every order.

    The reduced axes come last, flattened to one of size k; the k × k table of "element i or, on the diagonal, one" is
    multiplied along its rows.
    """
    from symgrad import ops

    (x,) = node.inputs
    kept = tuple(axis for axis in range(x.ndim) if axis not in node.attrs.axes)
    order = (*kept, *node.attrs.axes)
    moved = ops.transpose(x, order)
    size = dims.product(x.shape[axis] for axis in node.attrs.axes)
    flat = ops.reshape(moved, (*moved.shape[: len(kept)], size))
    diagonal = ops.equal(ops.expand_dims(ops.iota(size), 1), ops.iota(size))
    table = ops.where(diagonal, 1, ops.expand_dims(flat, -2))
    others = ops.prod(table, axis=-1)
    back = ops.reshape(others, moved.shape)
    return ops.transpose(back, tuple(int(i) for i in np.argsort(order)))


def _prod_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    return [elementwise.multiply(restore(node, head), _others(node))]


def _prod_jvp(node: Node, tangents: Any) -> Node:
    return sum_(elementwise.multiply(tangents[0], _others(node)), axis=node.attrs.axes)


PROD = _reduction(
    "prod",
    lambda attrs, x: np.prod(x, attrs.axes, dtype=np.asarray(x).dtype),
    Pair(_prod_jvp, _prod_vjp),
    _samples_with_empty,
    "Product over axes.",
)


# -- max and min ----------------------------------------------------------------------------------------------------
def _share(node: Node) -> Node:
    """1 / number of ties at the elements that attain the extremum, 0 elsewhere: ties share equally."""
    (x,) = node.inputs
    hit = elementwise.equal(x, restore(node, node))
    count = sum_(elementwise.cast(hit, node.type.dtype), axis=node.attrs.axes)
    return elementwise.where(hit, restore(node, elementwise.divide(1, count)), 0)


def _extremum_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    share = _share(node)
    return [elementwise.where(elementwise.not_equal(share, 0), elementwise.multiply(restore(node, head), share), 0)]


def _extremum_jvp(node: Node, tangents: Any) -> Node:
    share = _share(node)
    moving = elementwise.where(elementwise.not_equal(share, 0), elementwise.multiply(tangents[0], share), 0)
    return sum_(moving, axis=node.attrs.axes)


MAX = _reduction(
    "max", lambda attrs, x: np.max(x, attrs.axes), Pair(_extremum_jvp, _extremum_vjp), doc="Largest element over axes."
)
MIN = _reduction(
    "min", lambda attrs, x: np.min(x, attrs.axes), Pair(_extremum_jvp, _extremum_vjp), doc="Smallest element over axes."
)
ANY = _reduction(
    "any", lambda attrs, x: np.any(x, attrs.axes), Constant(), _bool_samples, "Whether any element is true."
)
ALL = _reduction(
    "all", lambda attrs, x: np.all(x, attrs.axes), Constant(), _bool_samples, "Whether all elements are true."
)


def _build(op: OpDef, x: Any, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
    node = coerce.as_node(x)
    axes = coerce.normalize_axes(axis, node.ndim, op.name)
    if dtype is not None:
        node = elementwise.cast(node, dtype)
    if op in (MAX, MIN):
        for one in axes:
            if isinstance(node.shape[one], int) and node.shape[one] == 0:
                raise ShapeError(f"{op.name}: axis {one} is empty and has no {op.name}", where=user_line())
    made = apply(op, (node,), AxesAttrs(axes)) if axes else node
    return expand_dims(made, axes) if keepdims and axes else made


def _summable(x: Any, dtype: Any) -> Any:
    """NumPy adds and multiplies integers and booleans as int64."""
    node = coerce.as_node(x)
    return INT64 if dtype is None and not types.is_float(node.type.dtype) else dtype


def sum_(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Sum over axes (all by default)."""
    return _build(SUM, x, axis, keepdims, _summable(x, dtype))


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Product over axes (all by default); its derivative is exact where elements are zero."""
    return _build(PROD, x, axis, keepdims, _summable(x, dtype))


def max_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element over axes; ties share the derivative equally."""
    return _build(MAX, x, axis, keepdims)


def min_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element over axes; ties share the derivative equally."""
    return _build(MIN, x, axis, keepdims)


def any_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element is true, over axes."""
    return _build(ANY, as_bool(coerce.as_node(x)), axis, keepdims)


def all_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements are true, over axes."""
    return _build(ALL, as_bool(coerce.as_node(x)), axis, keepdims)


# -- defined reductions ---------------------------------------------------------------------------------------------
def _float_node(x: Any, who: str) -> Any:
    node = coerce.as_node(x)
    if types.is_float(node.type.dtype):
        return node
    if node.type.dtype is BOOL and who != "mean":
        raise DTypeError(f"{who}: not defined for bool", where=user_line())
    return elementwise.cast(node, types.FLOAT64)


def _count(node: Node) -> Node:
    """The number of elements that each result of a reduction combines, as a scalar of its element type."""
    from symgrad import ops

    (x,) = node.inputs
    return _size_of(x, node.attrs.axes, ops.cast)


def _size_of(x: Node, axes: tuple[int, ...], cast: Any) -> Any:
    from symgrad import ops

    return cast(ops.dim_value(dims.product(x.shape[axis] for axis in axes)), x.type.dtype)


def _define_mean(inputs: tuple[Node, ...], attrs: AxesAttrs) -> Node:
    (x,) = inputs
    made: Node = elementwise.divide(sum_(x, axis=attrs.axes), _size_of(x, attrs.axes, elementwise.cast))
    return made


MEAN = _reduction(
    "mean",
    lambda attrs, x: np.mean(x, attrs.axes),
    Linear(lambda node, i, head: restore(node, elementwise.divide(head, _count(node)))),
    doc="Arithmetic mean over axes.",
    define=_define_mean,
)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over axes (all by default)."""
    return _build(MEAN, _float_node(x, "mean"), axis, keepdims)


def _shift(x: Node, axes: tuple[int, ...]) -> Node:
    """The maximum, detached, and 0 where it is infinite: what exponentials may safely be scaled by."""
    from symgrad import ops

    top = ops.stop_gradient(max_(x, axis=axes, keepdims=True))
    return elementwise.where(elementwise.isfinite(top), top, 0)


def _define_logsumexp(inputs: tuple[Node, ...], attrs: AxesAttrs) -> Node:
    from symgrad import ops

    (x,) = inputs
    shift = _shift(x, attrs.axes)
    total = sum_(elementwise.exp(elementwise.subtract(x, shift)), axis=attrs.axes)
    made: Node = elementwise.add(elementwise.log(total), ops.squeeze(shift, attrs.axes))
    return made


def _evaluate_logsumexp(attrs: AxesAttrs, x: Any) -> Any:
    top = np.max(x, attrs.axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(np.asarray(x).dtype)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - top), attrs.axes)) + np.squeeze(top, attrs.axes)


def _logsumexp_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    return [elementwise.multiply(restore(node, head), softmax(node.inputs[0], node.attrs.axes))]


def _logsumexp_jvp(node: Node, tangents: Any) -> Node:
    return sum_(elementwise.multiply(softmax(node.inputs[0], node.attrs.axes), tangents[0]), axis=node.attrs.axes)


LOGSUMEXP = _reduction(
    "logsumexp",
    _evaluate_logsumexp,
    Pair(_logsumexp_jvp, _logsumexp_vjp),
    doc="log(sum(exp(x))) over axes, without overflow.",
    define=_define_logsumexp,
)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` over axes, computed from the largest element so that nothing overflows.

    Parameters
    ----------
    x : array or expression
    axis : int, tuple of int or None
        None: all axes.
    keepdims : bool
        The axes stay, with size 1.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (2,))
    >>> round(float(sg.compile(sg.logsumexp(x), [x])(np.array([1000.0, 1000.0]))), 6)
    1000.693147
    """
    return _build(LOGSUMEXP, _float_node(x, "logsumexp"), axis, keepdims)


def _same_type(inputs: tuple[Node, ...], attrs: AxesAttrs) -> TensorType:
    return inputs[0].type


def _define_log_softmax(inputs: tuple[Node, ...], attrs: AxesAttrs) -> Node:
    (x,) = inputs
    moved = elementwise.subtract(x, _shift(x, attrs.axes))
    total = sum_(elementwise.exp(moved), axis=attrs.axes, keepdims=True)
    made: Node = elementwise.subtract(moved, elementwise.log(total))
    return made


def _evaluate_log_softmax(attrs: AxesAttrs, x: Any) -> Any:
    return x - np.expand_dims(_evaluate_logsumexp(attrs, x), attrs.axes)


def _define_softmax(inputs: tuple[Node, ...], attrs: AxesAttrs) -> Node:
    (x,) = inputs
    weights = elementwise.exp(elementwise.subtract(x, _shift(x, attrs.axes)))
    made: Node = elementwise.divide(weights, sum_(weights, axis=attrs.axes, keepdims=True))
    return made


def _along(node: Node, x: Node) -> Any:
    """The sum along the axes of a softmax, repeated along them."""
    return broadcast_to(sum_(x, axis=node.attrs.axes, keepdims=True), node.shape)


def _log_softmax_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    weights = softmax(node.inputs[0], node.attrs.axes)
    return [elementwise.subtract(head, elementwise.multiply(weights, _along(node, head)))]


def _log_softmax_jvp(node: Node, tangents: Any) -> Node:
    weights = softmax(node.inputs[0], node.attrs.axes)
    made: Node = elementwise.subtract(tangents[0], _along(node, elementwise.multiply(weights, tangents[0])))
    return made


def _softmax_map(node: Node, direction: Node) -> Node:
    """The Jacobian of softmax, which is symmetric, times a direction: y (v - sum(y v))."""
    made: Node = elementwise.multiply(
        node, elementwise.subtract(direction, _along(node, elementwise.multiply(node, direction)))
    )
    return made


LOG_SOFTMAX = _reduction(
    "log_softmax",
    _evaluate_log_softmax,
    Pair(_log_softmax_jvp, _log_softmax_vjp),
    doc="x - logsumexp(x) along axes.",
    define=_define_log_softmax,
    infer=_same_type,
)
SOFTMAX = _reduction(
    "softmax",
    lambda attrs, x: np.exp(_evaluate_log_softmax(attrs, x)),
    Pair(
        lambda node, tangents: _softmax_map(node, tangents[0]),
        lambda node, head, wanted: [_softmax_map(node, head)],
    ),
    doc="exp(x) / sum(exp(x)) along axes.",
    define=_define_softmax,
    infer=_same_type,
)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """``x - logsumexp(x)`` along an axis or axes, without overflow.

    Parameters
    ----------
    x : array or expression
    axis : int or tuple of int, default the last

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (2,))
    >>> sg.compile(sg.log_softmax(x), [x])(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    node = _float_node(x, "log_softmax")
    return apply(LOG_SOFTMAX, (node,), AxesAttrs(coerce.normalize_axes(axis, node.ndim, "log_softmax")))


def softmax(x: Any, axis: Any = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis or axes, without overflow.

    Parameters
    ----------
    x : array or expression
    axis : int or tuple of int, default the last

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (2,))
    >>> sg.compile(sg.nn.softmax(x), [x])(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    node = _float_node(x, "softmax")
    return apply(SOFTMAX, (node,), AxesAttrs(coerce.normalize_axes(axis, node.ndim, "softmax")))


# -- norm -----------------------------------------------------------------------------------------------------------
def _define_norm(inputs: tuple[Node, ...], attrs: AxesAttrs) -> Node:
    made: Node = elementwise.sqrt(sum_(elementwise.square(inputs[0]), axis=attrs.axes))
    return made


def _direction(node: Node) -> Node:
    """x / norm(x), and 0 where the norm is 0: the element of smallest norm of the subdifferential there."""
    (x,) = node.inputs
    length = restore(node, node)
    made: Node = elementwise.where(elementwise.not_equal(length, 0), elementwise.divide(x, length), 0)
    return made


NORM = _reduction(
    "norm",
    lambda attrs, x: np.sqrt(np.sum(np.square(x), attrs.axes)),
    Pair(
        lambda node, tangents: sum_(elementwise.multiply(_direction(node), tangents[0]), axis=node.attrs.axes),
        lambda node, head, wanted: [elementwise.multiply(restore(node, head), _direction(node))],
    ),
    doc="Euclidean norm over axes.",
    define=_define_norm,
)


def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Euclidean norm over axes; its gradient at zero is zero.

    Parameters
    ----------
    x : array or expression
    axis : int, tuple of int or None
        None: all axes, which for a matrix is the Frobenius norm.
    keepdims : bool
        The axes stay, with size 1.

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.grad(sg.norm)(np.array([3.0, 4.0])), sg.grad(sg.norm)(np.zeros(2))
    (array([0.6, 0.8]), array([0., 0.]))
    """
    node = _float_node(x, "norm")
    if not coerce.normalize_axes(axis, node.ndim, "norm"):
        return elementwise.absolute(node)
    return _build(NORM, node, axis, keepdims)
