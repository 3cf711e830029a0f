"""Indexing with integer arrays.  In: an array and index arrays of one shape for adjacent axes.  Out: gathered elements, or
an array with elements added to or set at the indexed places.  Refuses (at run time) an index outside its axis.

``gather`` reads ``x[..., i0, i1, ..., :]`` with the indices at axes ``axis, axis+1, ...``; ``scatter_add`` is its
transpose.  Negative indices count from the end, as NumPy's do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from symgrad import types
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, Pair, Sample, register
from symgrad.ops import coerce, source
from symgrad.ops.shapes import broadcast_to, expand_dims, transpose, zeros_like
from symgrad.ops.structure import AxisAttrs
from symgrad.types import INT64, Shape, TensorType

__all__ = ["gather", "one_hot", "scatter_add", "scatter_set"]


class OneHotAttrs(NamedTuple):
    size: Size
    dtype: Any


def _index(attrs: AxisAttrs, indices: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*([slice(None)] * attrs.axis), *indices)


def _gathered_shape(x: Node, indices: tuple[Node, ...], axis: int) -> Shape:
    return (*x.shape[:axis], *indices[0].shape, *x.shape[axis + len(indices) :])


def _infer_gather(inputs: tuple[Node, ...], attrs: AxisAttrs) -> TensorType:
    x, *indices = inputs
    return x.type.with_shape(_gathered_shape(x, tuple(indices), attrs.axis))


def _transpose_gather(node: Node, i: int, head: Node) -> Node:
    x, *indices = node.inputs
    return scatter_add(zeros_like(x), head, indices, node.attrs.axis)


def _over_batch(indices: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> list[Node]:
    """Index arrays over the batch axis, the batch's own index first."""
    shaped = [
        x if is_batched else broadcast_to(x, (size, *x.shape)) for x, is_batched in zip(indices, batched, strict=True)
    ]
    rank = shaped[0].ndim - 1
    own = expand_dims(source.iota(size), tuple(range(1, rank + 1)))
    return [broadcast_to(own, shaped[0].shape), *shaped]


def _forward(rank: int, axis: int, count: int, offset: int) -> tuple[int, ...]:
    """The permutation that brings ``count`` axes at ``axis`` right behind the first ``offset`` ones."""
    moved = range(axis, axis + count)
    rest = [a for a in range(offset, rank) if a not in moved]
    return (*range(offset), *moved, *rest)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(order))


def _batch_gather(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    x, *rest = inputs
    indices, axis = tuple(rest), node.attrs.axis
    if not any(batched[1:]):
        return gather(x, indices, axis + 1)
    rank = node.inputs[1].ndim
    if not batched[0]:
        over = tuple(_over_batch(indices, batched[1:], size)[1:])
        out = gather(x, over, axis)  # the batch axis stands in front of the index axes
        return transpose(out, (axis, *range(axis), *range(axis + 1, out.ndim)))
    count = len(indices)
    front = transpose(x, _forward(x.ndim, axis + 1, count, 1))
    out = gather(front, _over_batch(indices, batched[1:], size), 0)
    # out: batch, index axes, then the axes that stood before and behind
    return transpose(out, _inverse(_forward(out.ndim, axis + 1, rank, 1)))


def _gather_samples(rng: np.random.Generator) -> Iterable[Sample]:
    x = rng.normal(size=(5, 4, 3))
    yield Sample((x, rng.integers(0, 5, size=(2, 3))), AxisAttrs(0))
    yield Sample((x, rng.integers(-4, 4, size=7)), AxisAttrs(1))
    yield Sample((x, rng.integers(0, 4, size=6), rng.integers(-3, 3, size=6)), AxisAttrs(1))
    yield Sample((x, np.array(2)), AxisAttrs(2))
    yield Sample((x, np.zeros(0, np.int64)), AxisAttrs(0))
    yield Sample((rng.normal(size=9), rng.integers(0, 9, size=40).astype(np.int32)), AxisAttrs(0))


GATHER = register(
    OpDef(
        name="gather",
        kind=Kind.STRUCTURE,
        infer=_infer_gather,
        evaluate=lambda attrs, x, *indices: np.asarray(x)[_index(attrs, indices)],
        derivative=Linear(_transpose_gather, arguments=(0,)),
        batch=_batch_gather,
        attrs=AxisAttrs,
        samples=_gather_samples,
        doc="Elements at integer positions of adjacent axes.",
    )
)


def gather(x: Any, indices: Any, axis: int) -> Any:
    """``x[..., *indices, ...]``: the index arrays, of one shape, stand for the axes from ``axis`` on."""
    return apply(GATHER, (x, *indices), AxisAttrs(axis))


# -- scatter --------------------------------------------------------------------------------------------------------
def _infer_scatter(inputs: tuple[Node, ...], attrs: AxisAttrs) -> TensorType:
    base, updates, *indices = inputs
    expected = _gathered_shape(base, tuple(indices), attrs.axis)
    if not types.same_shape(updates.shape, expected):
        raise ShapeError(
            f"scatter: updates have shape {coerce.shape_text(updates.shape)}, the places {coerce.shape_text(expected)}"
        )
    return base.type


def _evaluate_scatter_add(attrs: AxisAttrs, base: Any, updates: Any, *indices: Any) -> Any:
    out = np.array(base)
    np.add.at(out, _index(attrs, indices), updates)
    return out


def _evaluate_scatter_set(attrs: AxisAttrs, base: Any, updates: Any, *indices: Any) -> Any:
    out = np.array(base)
    out[_index(attrs, indices)] = updates
    return out


def _transpose_scatter_add(node: Node, i: int, head: Node) -> Node:
    return head if i == 0 else gather(head, node.inputs[2:], node.attrs.axis)


def _batch_scatter(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    axis = node.attrs.axis
    base, updates = (
        x if is_batched else broadcast_to(x, (size, *x.shape))
        for x, is_batched in zip(inputs[:2], batched[:2], strict=True)
    )
    indices = inputs[2:]
    if not any(batched[2:]):
        return apply(node.op, (base, updates, *indices), AxisAttrs(axis + 1))
    rank = node.inputs[2].ndim
    order = _forward(base.ndim, axis + 1, len(indices), 1)
    moved = transpose(updates, _forward(updates.ndim, axis + 1, rank, 1))
    out = apply(node.op, (transpose(base, order), moved, *_over_batch(indices, batched[2:], size)), AxisAttrs(0))
    return transpose(out, _inverse(order))


def _scatter_samples(rng: np.random.Generator) -> Iterable[Sample]:
    base = rng.normal(size=(5, 4, 3))
    yield Sample((base, rng.normal(size=(6, 4, 3)), rng.integers(0, 5, size=6)), AxisAttrs(0))
    yield Sample((base, rng.normal(size=(5, 2, 2, 3)), rng.integers(-4, 4, size=(2, 2))), AxisAttrs(1))
    yield Sample((base, rng.normal(size=(5, 6)), rng.integers(0, 4, size=6), rng.integers(0, 3, size=6)), AxisAttrs(1))
    yield Sample((base, rng.normal(size=(0, 4, 3)), np.zeros(0, np.int64)), AxisAttrs(0))


def _distinct_samples(rng: np.random.Generator) -> Iterable[Sample]:
    yield from _scatter_samples(rng)
    yield Sample((rng.normal(size=7), rng.normal(size=3), np.array([5, 0, -3])), AxisAttrs(0))


SCATTER_ADD = register(
    OpDef(
        name="scatter_add",
        kind=Kind.SCATTER,
        infer=_infer_scatter,
        evaluate=_evaluate_scatter_add,
        derivative=Linear(_transpose_scatter_add, arguments=(0, 1), joint=True),
        batch=_batch_scatter,
        attrs=AxisAttrs,
        samples=_scatter_samples,
        doc="An array with updates added at integer positions; repeated positions accumulate.",
    )
)


def scatter_add(base: Any, updates: Any, indices: Any, axis: int) -> Any:
    """``base`` with ``updates`` added at the places that ``gather`` with the same indices would read."""
    return apply(SCATTER_ADD, (base, updates, *indices), AxisAttrs(axis))


def _winners(node: Node) -> Node:
    """Which updates of a ``scatter_set`` survive: of repeated positions, the last."""
    from symgrad import ops

    base, updates, *indices = node.inputs
    numbers = ops.reshape(source.iota(updates.type.size), updates.shape)
    owners = scatter_set(ops.full_of(base.type.with_dtype(INT64), -1), numbers, indices, node.attrs.axis)
    return ops.equal(gather(owners, indices, node.attrs.axis), numbers)


def _vjp_scatter_set(node: Node, head: Node, wanted: Any) -> list[Node | None]:
    from symgrad import ops

    _, updates, *indices = node.inputs
    out: list[Node | None] = [None] * len(node.inputs)
    if wanted[0]:
        out[0] = scatter_set(head, zeros_like(updates), indices, node.attrs.axis)
    if wanted[1]:
        out[1] = ops.where(_winners(node), gather(head, indices, node.attrs.axis), 0)
    return out


def _jvp_scatter_set(node: Node, tangents: Any) -> Node:
    base, updates, *indices = node.inputs
    on_base = zeros_like(base) if tangents[0] is None else tangents[0]
    on_updates = zeros_like(updates) if tangents[1] is None else tangents[1]
    return scatter_set(on_base, on_updates, indices, node.attrs.axis)


SCATTER_SET = register(
    OpDef(
        name="scatter_set",
        kind=Kind.SCATTER,
        infer=_infer_scatter,
        evaluate=_evaluate_scatter_set,
        derivative=Pair(_jvp_scatter_set, _vjp_scatter_set),
        batch=_batch_scatter,
        attrs=AxisAttrs,
        samples=_distinct_samples,
        doc="An array with elements at integer positions overwritten; of repeated positions the last wins.",
    )
)


def scatter_set(base: Any, updates: Any, indices: Any, axis: int) -> Any:
    """``base`` with the places that ``gather`` would read overwritten by ``updates``."""
    return apply(SCATTER_SET, (base, updates, *indices), AxisAttrs(axis))


# -- one_hot --------------------------------------------------------------------------------------------------------
def one_hot(indices: Any, size: Size, dtype: Any = "float64") -> Any:
    """Rows of an identity matrix: a new last axis holds 1 at the index, 0 elsewhere (all 0 for an index outside).

    Parameters
    ----------
    indices : integer array of any shape S
    size : int or Dim
    dtype : dtype-like

    Returns
    -------
    Expr of shape S + (size,)

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> labels = sg.symbol("labels", (2,), "int64")
    >>> sg.compile(sg.nn.one_hot(labels, 3), [labels])(np.array([2, 0]))
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    from symgrad import ops

    node = coerce.as_node(indices)
    if not types.is_integer(node.type.dtype):
        from symgrad.errors import DTypeError
        from symgrad.provenance import user_line

        raise DTypeError(f"one_hot: indices are {node.type.dtype}, not integers", where=user_line())
    hit = ops.equal(ops.expand_dims(node, -1), source.iota(size))
    return ops.cast(hit, dtype)
