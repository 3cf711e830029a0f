"""Positions by order.  In: arrays.  Out: int64 positions, constant almost everywhere.

``argsort`` and ``searchsorted`` work along the last axis; NaN is larger than any number, as in NumPy.  ``argmax`` and
``argmin`` are defined by reductions: the first position that holds the extremum, or NaN where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from symgrad import types
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Kind, OpDef, Sample, register
from symgrad.ops import coerce, elementwise, reduction, source
from symgrad.ops.shapes import AxesAttrs, broadcast_to, expand_dims, reshape, transpose
from symgrad.provenance import user_line
from symgrad.types import BOOL, INT64, TensorType

__all__ = ["argmax", "argmin", "argsort", "searchsorted"]


# -- argsort --------------------------------------------------------------------------------------------------------
def _infer_argsort(inputs: tuple[Node, ...], attrs: Any) -> TensorType:
    (x,) = inputs
    if x.ndim == 0:
        raise ShapeError("argsort: a scalar has no axis")
    return x.type.with_dtype(INT64)


def _argsort_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((5,), (3, 4), (2, 3, 7), (100,), (3, 33), (0,), (1,)):
        yield Sample((rng.normal(size=shape).round(1),), smooth=False)
    yield Sample((np.array([2.0, np.nan, -np.inf, 0.0, np.inf, -0.0, np.nan, -1.0]),), smooth=False)
    yield Sample((rng.integers(-9, 9, size=(2, 50)),), smooth=False)
    yield Sample((rng.normal(size=20) > 0,), smooth=False)


ARGSORT: OpDef = register(
    OpDef(
        name="argsort",
        kind=Kind.ALONG,
        infer=_infer_argsort,
        evaluate=lambda attrs, x: np.argsort(x, axis=-1, kind="stable"),
        derivative=Constant(),
        batch=lambda node, inputs, batched, size: apply(ARGSORT, inputs, ()),
        samples=_argsort_samples,
        doc="Positions that sort the last axis; equal elements keep their order.",
    )
)


def argsort(x: Any, axis: Any = -1) -> Any:
    """Positions that sort an axis (None: of the flattened array); equal elements keep their order, NaN comes last."""
    node = coerce.as_node(x)
    if axis is None:
        node, axis = reshape(node, -1), 0
    own = coerce.normalize_axis(axis, node.ndim, "argsort")
    order = [*(one for one in range(node.ndim) if one != own), node.ndim - 1]
    order[-1] = own
    back = [*range(own), node.ndim - 1, *range(own, node.ndim - 1)]
    return transpose(apply(ARGSORT, (transpose(node, order),), ()), back)


# -- searchsorted ---------------------------------------------------------------------------------------------------
class SearchAttrs(NamedTuple):
    """``right``: behind equal elements rather than in front; ``lead``: how many first axes both arrays share."""

    right: bool
    lead: int = 0


def _infer_search(inputs: tuple[Node, ...], attrs: SearchAttrs) -> TensorType:
    table, values = inputs
    if table.ndim != attrs.lead + 1 or not types.same_shape(table.shape[:-1], values.shape[: attrs.lead]):
        raise ShapeError(
            f"searchsorted: values {coerce.shape_text(values.shape)} in {coerce.shape_text(table.shape)}",
            hint="the sorted array is a vector",
        )
    return values.type.with_dtype(INT64)


def _evaluate_search(attrs: SearchAttrs, table: Any, values: Any) -> Any:
    out = np.zeros(np.shape(values), np.int64)
    for place in np.ndindex(np.shape(table)[:-1]):
        out[place] = np.searchsorted(np.asarray(table)[place], np.asarray(values)[place], _side(attrs.right))
    return out


def _side(right: bool) -> Any:
    return "right" if right else "left"


def _batch_search(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    right, lead = node.attrs
    attrs = node.attrs
    if lead > 0 or batched[0]:
        attrs = SearchAttrs(right, lead + 1)
        inputs = tuple(
            one if own else broadcast_to(one, (size, *one.shape)) for one, own in zip(inputs, batched, strict=True)
        )
    made: Node = apply(SEARCHSORTED, inputs, attrs)
    return made


def _search_samples(rng: np.random.Generator) -> Iterable[Sample]:
    table = np.sort(rng.normal(size=20).round(1))
    for right in (False, True):
        yield Sample((table, rng.normal(size=(3, 30)).round(1)), SearchAttrs(right), smooth=False)
        yield Sample(
            (np.array([0.0, 1.0, np.inf, np.nan]), np.array([np.nan, -0.0, np.inf, -np.inf])), SearchAttrs(right)
        )
    yield Sample((table, np.array(0.3)), SearchAttrs(False), smooth=False)
    yield Sample((np.zeros(0), rng.normal(size=3)), SearchAttrs(False), smooth=False)
    yield Sample((table.reshape(4, 5), rng.normal(size=(4, 2))), SearchAttrs(False, 1), smooth=False)


SEARCHSORTED: OpDef = register(
    OpDef(
        name="searchsorted",
        kind=Kind.ALONG,
        infer=_infer_search,
        evaluate=_evaluate_search,
        derivative=Constant(),
        batch=_batch_search,
        attrs=SearchAttrs,
        samples=_search_samples,
        doc="Where values would be inserted into a sorted vector.",
    )
)


def searchsorted(table: Any, values: Any, side: str = "left") -> Any:
    """Where values would be inserted into a sorted vector to keep it sorted.

    Parameters
    ----------
    table : vector that increases
    values : array of any shape
    side : "left" or "right"
        In front of elements equal to the value, or behind them.

    Raises
    ------
    ShapeError
        The table is no vector, or the side is neither.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> sg.compile(np.searchsorted(x, [0.5, 9.0]), [x])(np.array([0.0, 1.0, 2.0]))
    array([1, 3])
    """
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: side {side!r} is neither 'left' nor 'right'", where=user_line())
    nodes = coerce.as_nodes([table, values], who="searchsorted")
    if nodes[0].ndim != 1:
        raise ShapeError(
            f"searchsorted: the sorted array {coerce.shape_text(nodes[0].shape)} is no vector", where=user_line()
        )
    return apply(SEARCHSORTED, tuple(nodes), SearchAttrs(side == "right"))


# -- argmax and argmin ----------------------------------------------------------------------------------------------
def _infer_first(inputs: tuple[Node, ...], attrs: AxesAttrs) -> TensorType:
    (x,), (axis,) = inputs, attrs.axes
    return TensorType((*x.shape[:axis], *x.shape[axis + 1 :]), INT64)


def _define_first(extremum: Callable[..., Any]) -> Callable[[tuple[Node, ...], AxesAttrs], Node]:
    def define(inputs: tuple[Node, ...], attrs: AxesAttrs) -> Node:
        (x,), (axis,) = inputs, attrs.axes
        hit = elementwise.equal(x, extremum(x, axis, True))
        if types.is_float(x.dtype):
            hit = elementwise.logical_or(hit, elementwise.not_equal(x, x))
        places = reshape(source.iota(x.shape[axis]), [x.shape[axis] if k == axis else 1 for k in range(x.ndim)])
        made: Node = reduction.min_(elementwise.where(hit, places, source.dim_value(x.shape[axis])), axis)
        return made

    return define


def _batch_first(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    made: Node = apply(node.op, inputs, AxesAttrs((node.attrs.axes[0] + 1,)))
    return made


def _first_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis in (((5,), 0), ((3, 4), 1), ((3, 4), 0), ((40, 3), 0), ((2, 50), 1)):
        yield Sample((rng.normal(size=shape).round(1),), AxesAttrs((axis,)), smooth=False)
    yield Sample((np.array([[1.0, np.nan, 3.0, np.nan], [-np.inf] * 4]),), AxesAttrs((1,)), smooth=False)


def _first(name: str, evaluate: Callable[..., Any], extremum: Callable[..., Any], which: str) -> OpDef:
    return register(
        OpDef(
            name=name,
            kind=Kind.REDUCTION,
            infer=_infer_first,
            evaluate=lambda attrs, x: evaluate(x, attrs.axes[0]),
            derivative=Constant(),
            define=_define_first(extremum),
            batch=_batch_first,
            attrs=AxesAttrs,
            samples=_first_samples,
            doc=f"Position of the first {which} element along an axis.",
        )
    )


ARGMAX = _first("argmax", np.argmax, reduction.max_, "largest")
ARGMIN = _first("argmin", np.argmin, reduction.min_, "smallest")


def _build_first(op: OpDef, x: Any, axis: Any, keepdims: bool) -> Any:
    node = coerce.as_node(x)
    if node.dtype is BOOL:
        node = elementwise.cast(node, INT64)
    rank = node.ndim
    if axis is None:
        flat = reshape(node, -1)
        made = apply(op, (_nonempty(op, flat, 0),), AxesAttrs((0,)))
        return expand_dims(made, tuple(range(rank))) if keepdims and rank else made
    own = coerce.normalize_axis(axis, rank, op.name)
    if rank == 0:
        return coerce.as_node(0)
    made = apply(op, (_nonempty(op, node, own),), AxesAttrs((own,)))
    return expand_dims(made, own) if keepdims else made


def _nonempty(op: OpDef, node: Node, axis: int) -> Node:
    size = node.shape[axis]
    if isinstance(size, int) and size == 0:
        raise ShapeError(f"{op.name}: axis {axis} of {coerce.shape_text(node.shape)} is empty", where=user_line())
    return node


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Position of the first largest element along an axis (None: in the flattened array); of a NaN where there is one."""
    return _build_first(ARGMAX, x, axis, keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Position of the first smallest element along an axis (None: in the flattened array); of a NaN where there is one."""
    return _build_first(ARGMIN, x, axis, keepdims)
