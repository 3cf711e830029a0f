"""Products of an array with itself.  In: a contraction.  Out: the same with one triangle computed and the other mirrored.

``A @ A.T`` is symmetric.  Selected from itself and its transpose by a constant mask, only its lower triangle is read, which is
all that the product then computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from codegen.lower.access import contraction_labels
from symgrad import ops
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.ops.contraction import label_sizes

__all__ = ["mirrored"]

_LEAST, _MOST = (
    64,
    512,
)  # rows: for fewer, half of the product is not worth a pass over its result; more are not searched
_INNER = 128  # terms of each sum, likewise
_TYPICAL = 100  # what a dynamic size is taken for


def mirrored(node: Node) -> Any:
    """A product of two arrays from its lower triangle; None where it is not symmetric, or too small to gain."""
    if len(node.inputs) != 2:
        return None
    attrs = contraction_labels(node)
    sizes = label_sizes(node.inputs, attrs)
    (left, own), (right, other) = (_base(*pair) for pair in zip(node.inputs, attrs.inputs, strict=True))
    differing = [pair for pair in zip(own, other, strict=False) if pair[0] != pair[1]]
    if left is not right or len(differing) != 1 or not all(label in attrs.output for label in differing[0]):
        return None
    size = sizes[differing[0][0]]
    inner = prod(_number(sizes[label]) for label in {*own} - {*attrs.output})
    if not isinstance(size, int) or not _LEAST <= size <= _MOST or inner < _INNER:
        return None
    places = [attrs.output.index(label) for label in differing[0]]
    row, column = (_along(axis, node) for axis in sorted(places))
    axes = list(range(node.ndim))
    axes[places[0]], axes[places[1]] = places[1], places[0]
    return ops.where(ops.greater_equal(row, column), node, ops.transpose(node, axes))


def _along(axis: int, node: Node) -> Any:
    """The position along an axis, in the shape of a node."""
    others = tuple(one for one in range(node.ndim) if one != axis)
    return ops.broadcast_to(ops.expand_dims(ops.arange(node.shape[axis]), others), node.shape)


def _base(node: Node, labels: Sequence[int]) -> tuple[Node, tuple[int, ...]]:
    """An array behind its transposes, and the labels of its axes."""
    while node.op.name == "transpose":
        made = dict(zip(node.attrs.axes, labels, strict=True))
        node, labels = node.inputs[0], [made[axis] for axis in range(len(labels))]
    return node, tuple(labels)


def _number(size: Size) -> int:
    return size if isinstance(size, int) else _TYPICAL
