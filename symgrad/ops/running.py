"""Running sums, products and extrema along an axis.  In: arrays.  Out: arrays of the same shape.

``recurrence`` is the linear one, ``h[i] = a[i] h[i-1] + b[i]`` from ``h[-1] = 0``: the derivatives of the others are
recurrences, exact at zeros and to every order.  Of a running extremum, ties share the derivative equally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from symgrad import types
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, Pair, Sample, register
from symgrad.ops import coerce, elementwise
from symgrad.ops.boxes import Range, whole
from symgrad.ops.shapes import broadcast_to, full_of, reshape
from symgrad.ops.structure import AxisAttrs, slice_, update
from symgrad.provenance import user_line
from symgrad.types import BOOL, INT64, TensorType

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "recurrence"]


def _flipped(x: Node, axis: int) -> Any:
    box = list(whole(x.shape))
    box[axis] = Range(x.shape[axis] - 1, x.shape[axis], -1)
    return slice_(x, tuple(box))


def _delayed(x: Node, axis: int, first: int) -> Any:
    """The elements one position later; ``first`` enters in front and the last one leaves."""
    size = x.shape[axis]
    longer = x.type.with_shape((*x.shape[:axis], size + 1, *x.shape[axis + 1 :]))
    late, kept = list(whole(x.shape)), list(whole(x.shape))
    late[axis], kept[axis] = Range(1, size), Range(0, size)
    return slice_(update(full_of(longer, first), tuple(late), x), tuple(kept))


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    ready = [one if own else broadcast_to(one, (size, *one.shape)) for one, own in zip(inputs, batched, strict=True)]
    made: Node = apply(node.op, tuple(ready), AxisAttrs(node.attrs.axis + 1))
    return made


_SHAPES = (((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1), ((40,), 0), ((20, 3), 0), ((3, 20), 1), ((0, 3), 0))


def _samples(inputs: int) -> Callable[[np.random.Generator], Iterable[Sample]]:
    def draw(rng: np.random.Generator) -> Iterable[Sample]:
        for shape, axis in _SHAPES:
            yield Sample(tuple(rng.uniform(-1.2, 1.2, shape) for _ in range(inputs)), AxisAttrs(axis))

    return draw


def _infer(inputs: tuple[Node, ...], attrs: AxisAttrs) -> TensorType:
    for one in inputs[1:]:
        if one.type is not inputs[0].type:
            raise ShapeError(
                f"recurrence: {coerce.shape_text(inputs[0].shape)} and {coerce.shape_text(one.shape)} differ"
            )
    return inputs[0].type


def _running(name: str, evaluate: Callable[..., Any], derivative: Any, doc: str, inputs: int = 1) -> OpDef:
    return register(
        OpDef(
            name=name,
            kind=Kind.ALONG,
            infer=_infer,
            evaluate=evaluate,
            derivative=derivative,
            batch=_batch,
            attrs=AxisAttrs,
            samples=_samples(inputs),
            doc=doc,
        )
    )


# -- recurrence -----------------------------------------------------------------------------------------------------
def _evaluate_recurrence(attrs: AxisAttrs, a: Any, b: Any) -> Any:
    out = np.moveaxis(np.array(b), attrs.axis, 0)
    for k in range(1, out.shape[0]):
        out[k] += np.moveaxis(np.asarray(a), attrs.axis, 0)[k] * out[k - 1]
    return np.moveaxis(out, 0, attrs.axis)


def _backwards(a: Node, head: Node, axis: int) -> Any:
    """The transpose of ``b -> recurrence(a, b)``: l[i] = a[i+1] l[i+1] + head[i]."""
    return _flipped(_recurrence(_delayed(_flipped(a, axis), axis, 0), _flipped(head, axis), axis), axis)


def _recurrence_jvp(node: Node, tangents: Any) -> Node:
    (a, _), (da, db), axis = node.inputs, tangents, node.attrs.axis
    if da is not None:
        moved = elementwise.multiply(da, _delayed(node, axis, 0))
        db = moved if db is None else elementwise.add(db, moved)
    return _recurrence(a, db, axis)


def _recurrence_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    back = _backwards(node.inputs[0], head, node.attrs.axis)
    return [elementwise.multiply(back, _delayed(node, node.attrs.axis, 0)) if wanted[0] else None, back]


RECURRENCE = _running(
    "recurrence",
    _evaluate_recurrence,
    Pair(_recurrence_jvp, _recurrence_vjp),
    "The linear recurrence h[i] = a[i] h[i-1] + b[i] along an axis, from h[-1] = 0.",
    2,
)


def _recurrence(a: Node, b: Node, axis: int) -> Any:
    return apply(RECURRENCE, (a, b), AxisAttrs(axis))


def recurrence(a: Any, b: Any, axis: int = -1) -> Any:
    """The linear recurrence ``h[i] = a[i] h[i-1] + b[i]`` along an axis, from ``h[-1] = 0``.

    Parameters
    ----------
    a, b : arrays or expressions of shapes that broadcast
    axis : int

    Returns
    -------
    expression of their common shape and type

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> b = sg.symbol("b", (3,))
    >>> sg.compile(sg.ops.recurrence(0.5, b), [b])(np.ones(3))
    array([1.  , 1.5 , 1.75])
    """
    nodes = coerce.broadcast_together(coerce.as_nodes([a, b], who="recurrence"), "recurrence")
    return _recurrence(nodes[0], nodes[1], coerce.normalize_axis(axis, nodes[0].ndim, "recurrence"))


# -- sums and products ----------------------------------------------------------------------------------------------
CUMSUM = _running(
    "cumsum",
    lambda attrs, x: np.cumsum(x, attrs.axis, dtype=np.asarray(x).dtype),
    Linear(lambda node, i, head: _flipped(_cumsum(_flipped(head, node.attrs.axis), node.attrs.axis), node.attrs.axis)),
    "Running sums along an axis.",
)


def _cumsum(x: Node, axis: int) -> Any:
    return apply(CUMSUM, (x,), AxisAttrs(axis))


def _cumprod_jvp(node: Node, tangents: Any) -> Node:
    axis = node.attrs.axis
    return _recurrence(node.inputs[0], elementwise.multiply(tangents[0], _delayed(node, axis, 1)), axis)


def _cumprod_vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    axis = node.attrs.axis
    return [elementwise.multiply(_backwards(node.inputs[0], head, axis), _delayed(node, axis, 1))]


CUMPROD = _running(
    "cumprod",
    lambda attrs, x: np.cumprod(x, attrs.axis, dtype=np.asarray(x).dtype),
    Pair(_cumprod_jvp, _cumprod_vjp),
    "Running products along an axis.",
)


# -- extrema --------------------------------------------------------------------------------------------------------
def _shares(node: Node, beats: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """Where the extremum stays what it was (1) or is a new one (0), which elements tie with it, and how many."""
    (x,), axis = node.inputs, node.attrs.axis
    same = elementwise.cast(elementwise.logical_not(beats(x, _delayed(node, axis, 0))), node.dtype)
    hit = elementwise.equal(x, node)
    return same, hit, _recurrence(same, elementwise.cast(hit, node.dtype), axis)


def _extremum(name: str, ufunc: Any, beats: str) -> OpDef:
    def jvp(node: Node, tangents: Any) -> Node:
        same, hit, count = _shares(node, getattr(elementwise, beats))
        moving = _recurrence(same, elementwise.where(hit, tangents[0], 0), node.attrs.axis)
        made: Node = elementwise.divide(moving, count)
        return made

    def vjp(node: Node, head: Node, wanted: Any) -> list[Node | None]:
        same, hit, count = _shares(node, getattr(elementwise, beats))
        back = _backwards(same, elementwise.divide(head, count), node.attrs.axis)
        return [elementwise.where(hit, back, 0)]

    return _running(
        name,
        lambda attrs, x: ufunc.accumulate(x, attrs.axis, dtype=np.asarray(x).dtype),
        Pair(jvp, vjp),
        f"{'Largest' if beats == 'greater' else 'Smallest'} element so far along an axis.",
    )


CUMMAX, CUMMIN = _extremum("cummax", np.maximum, "greater"), _extremum("cummin", np.minimum, "less")


# -- builders -------------------------------------------------------------------------------------------------------
def _build(op: OpDef, x: Any, axis: Any, dtype: Any = None) -> Any:
    node = coerce.as_node(x)
    if axis is None:
        node, axis = reshape(node, -1), 0
    if node.ndim == 0:
        raise ShapeError(f"{op.name}: a scalar has no axis", where=user_line(), hint="use axis=None")
    if dtype is not None:
        node = elementwise.cast(node, dtype)
    return apply(op, (node,), AxisAttrs(coerce.normalize_axis(axis, node.ndim, op.name)))


def _summable(x: Any, dtype: Any) -> Any:
    """NumPy adds and multiplies integers and booleans as int64."""
    return INT64 if dtype is None and not types.is_float(coerce.as_node(x).dtype) else dtype


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums along an axis (None: of the flattened array)."""
    return _build(CUMSUM, x, axis, _summable(x, dtype))


def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products along an axis (None: of the flattened array); the derivative is exact at zeros."""
    return _build(CUMPROD, x, axis, _summable(x, dtype))


def _running_extremum(op: OpDef, x: Any, axis: Any) -> Any:
    node = coerce.as_node(x)
    if node.dtype is not BOOL:
        return _build(op, node, axis)
    return elementwise.cast(_build(op, elementwise.cast(node, INT64), axis), BOOL)


def cummax(x: Any, axis: Any = None) -> Any:
    """The largest element so far along an axis (None: of the flattened array)."""
    return _running_extremum(CUMMAX, x, axis)


def cummin(x: Any, axis: Any = None) -> Any:
    """The smallest element so far along an axis (None: of the flattened array)."""
    return _running_extremum(CUMMIN, x, axis)
