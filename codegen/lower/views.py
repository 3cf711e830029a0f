"""Strided views.  In: a node and the arrays that are stored.  Out: where its elements are, if a stride per axis says it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from codegen.lower.access import Stored, reshape_groups, row_major
from symgrad import types
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.ops.boxes import Pick

__all__ = ["as_view", "is_dense", "view_base"]

_VIEWS = {"transpose", "expand_dims", "squeeze", "slice", "windows", "broadcast_to", "reshape", "assert_shape"}


def as_view(node: Node, stored: Mapping[Node, Stored]) -> Stored | None:
    """The node's elements as a strided view of a stored array; None where there is no such view."""
    chain = []
    while node not in stored:
        if node.op.name not in _VIEWS:
            return None
        chain.append(node)
        node = node.inputs[0]
    view: Stored | None = stored[node]
    for one in reversed(chain):
        assert view is not None
        view = _through(one, view)
        if view is None:
            return None
    return view


def view_base(node: Node, stored: Mapping[Node, Stored]) -> Node:
    """The array to store so that ``node`` becomes a view of it: the nearest that is not itself a view."""
    chain = [node]
    while chain[-1].op.name in _VIEWS and chain[-1].op.name != "broadcast_to" and chain[-1] not in stored:
        chain.append(chain[-1].inputs[0])
    for base in reversed(chain):
        if base not in stored and base.op.name not in ("symbol", "parameter", "variable"):
            trial = {base: Stored(None, 0, row_major(base.shape))}
            if as_view(node, trial) is not None:
                return base
    return node


def _through(node: Node, view: Stored) -> Stored | None:
    name, strides = node.op.name, view.strides
    (x,) = node.inputs
    if name == "transpose":
        return view._replace(strides=tuple(strides[axis] for axis in node.attrs.axes))
    if name == "expand_dims":
        own = list(strides)
        for axis in node.attrs.axes:
            own.insert(axis, 0)
        return view._replace(strides=tuple(own))
    if name == "squeeze":
        return view._replace(strides=tuple(s for axis, s in enumerate(strides) if axis not in node.attrs.axes))
    if name == "broadcast_to":
        offset = node.ndim - x.ndim
        same = [types.same_shape((size,), (node.shape[offset + axis],)) for axis, size in enumerate(x.shape)]
        kept = tuple(stride if keep else 0 for stride, keep in zip(strides, same, strict=True))
        return view._replace(strides=(*([0] * offset), *kept))
    if name == "slice":
        return _sliced(node, view)
    if name == "windows":
        return _windows(node, view)
    return _reshaped(x, node, view) if name == "reshape" else view


def _sliced(node: Node, view: Stored) -> Stored:
    base: Size = view.base
    strides: list[Size] = []
    for entry, stride in zip(node.attrs.box, view.strides, strict=True):
        if isinstance(entry, Pick):
            base = base + stride * entry.position
        else:
            base = base + stride * entry.start
            strides.append(stride * entry.step)
    return view._replace(base=base, strides=tuple(strides))


def _windows(node: Node, view: Stored) -> Stored:
    own = list(view.strides)
    for one in reversed(node.attrs.windows):
        own[one.axis : one.axis + 1] = [own[one.axis] * one.step, own[one.axis] * one.dilation]
    return view._replace(strides=tuple(own))


def _reshaped(x: Node, node: Node, view: Stored) -> Stored | None:
    """Groups of axes that are split or merged must be dense among themselves."""
    strides: list[Size] = []
    for inside, outside in reshape_groups(x.shape, node.shape):
        own = range(*inside)
        if not own:
            strides += [0] * (outside[1] - outside[0])
            continue
        relevant = [axis for axis in own if not types.same_shape((x.shape[axis],), (1,))]
        for axis, following in itertools.pairwise(relevant):
            if not types.same_shape((view.strides[axis],), (view.strides[following] * x.shape[following],)):
                return None
        last = view.strides[relevant[-1]] if relevant else 0
        strides += [step * last for step in row_major(node.shape[outside[0] : outside[1]])]
    return view._replace(strides=tuple(strides))


def is_dense(view: Stored, shape: Sequence[Size]) -> bool:
    """Whether a view is the whole of a row-major array of that shape."""
    return types.same_shape((view.base,), (0,)) and types.same_shape(view.strides, row_major(shape))
