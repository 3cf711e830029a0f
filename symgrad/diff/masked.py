"""Contractions of masked derivatives.  In: a head with structural zeros, another factor.  Out: their contraction.

A structural zero of the head gives zero whatever it is multiplied with, also inside a sum of products.  That costs the
matrix product its speed, so it is done only where the other factor comes from an operation that has poles or a
restricted domain (a quotient, a logarithm, a root...); sums, products and exponentials of inputs are taken as finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad import ops
from symgrad.node import Node
from symgrad.ops.contraction import matmul_labels
from symgrad.ops.structure import Pick, whole

__all__ = ["Regularity", "contract_masked", "transpose_masked"]

_SINGULAR = {
    "divide", "log", "log2", "log10", "log1p", "power", "sqrt", "tan", "arcsin", "arccos", "arccosh", "arctanh", "gammaln",
    "digamma", "floor_divide", "remainder",
}  # fmt: skip


class Regularity:
    """Which expressions cannot be infinite or NaN at moderate finite inputs; remembers what it has seen."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Node, bool] = {}

    def __call__(self, node: Node) -> bool:
        pending = [node]
        while pending:
            one = pending[-1]
            missing = [inner for inner in one.inputs if inner not in self._known]
            if one not in self._known and missing:
                pending.extend(missing)
                continue
            pending.pop()
            self._known[one] = self._holds(one)
        return self._known[node]

    def _holds(self, node: Node) -> bool:
        if node.op.name == "divide":
            denominator = ops.uniform_value(node.inputs[1])
            return denominator is not None and bool(denominator != 0) and self._known[node.inputs[0]]
        return node.op.name not in _SINGULAR and all(self._known[one] for one in node.inputs)


def transpose_masked(node: Node, i: int, head: Any) -> Any:
    """The cotangent of input ``i`` of a contraction of two arrays; None where no masked form is known."""
    if len(node.inputs) != 2:
        return None
    other = node.inputs[1 - i]
    if node.op.name == "cross":
        return _cross_masked(head, other, 1.0 if i == 1 else -1.0)
    left, right, output = _labels(node)
    own, others = (left, right) if i == 0 else (right, left)
    return _product(head, output, other, others, own)


def contract_masked(node: Node, i: int, tangent: Any) -> Any:
    """The contraction with input ``i`` replaced by its tangent; None where no masked form is known."""
    if len(node.inputs) != 2:
        return None
    other = node.inputs[1 - i]
    if node.op.name == "cross":
        return _cross_masked(tangent, other, 1.0 if i == 0 else -1.0)
    left, right, output = _labels(node)
    own, others = (left, right) if i == 0 else (right, left)
    return _product(tangent, own, other, others, output)


def _labels(node: Node) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    if node.op.name == "matmul":
        return matmul_labels(node.inputs[0].ndim, node.inputs[1].ndim)
    left, right = node.attrs.inputs
    return left, right, node.attrs.output


def _product(head: Any, own: Sequence[int], other: Any, others: Sequence[int], output: Sequence[int]) -> Any:
    """The sum of masked products over the labels that the output lacks."""
    every = [*output, *sorted({*own, *others}.difference(output))]
    aligned = ops.broadcast_together([_spread(head, own, every), _spread(other, others, every)], "product")
    return ops.sum(ops.masked_multiply(*aligned), axis=tuple(range(len(output), len(every))))


def _spread(node: Any, labels: Sequence[int], every: Sequence[int]) -> Any:
    """The node with one axis per label of ``every``, of size 1 where it has none."""
    order = sorted(range(len(labels)), key=lambda axis: list(every).index(labels[axis]))
    moved = ops.transpose(node, tuple(order))
    return ops.expand_dims(moved, tuple(axis for axis, label in enumerate(every) if label not in labels))


def _cross_masked(head: Any, other: Any, sign: float) -> Any:
    """cross(head, other), or minus that."""
    a, b = ([ops.slice(x, (*whole(x.shape[:-1]), Pick(k))) for k in range(3)] for x in (head, other))
    parts = []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        one, two = ops.masked_multiply(a[i], b[j]), ops.masked_multiply(a[j], b[i])
        parts.append(ops.subtract(one, two) if sign > 0 else ops.subtract(two, one))
    return ops.stack(parts, axis=-1)
