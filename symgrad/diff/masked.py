"""Contractions of masked derivatives.  In: a head with structural zeros, another factor.  Out: their contraction.

A structural zero of the head gives zero whatever it is multiplied with, also inside a sum of products.  That costs the
matrix product its speed, so it is done only where the other factor comes from an operation that has poles or a
restricted domain or that overflows soon (a quotient, a logarithm, a root, an exponential...); sums and products of
inputs are taken as finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad import ops
from symgrad.node import Node
from symgrad.ops.contraction import matmul_labels

__all__ = ["Regularity", "contract_masked", "kept_matrices", "transpose_masked"]

_SINGULAR = {
    "divide", "log", "log2", "log10", "log1p", "power", "sqrt", "tan", "arcsin", "arccos", "arccosh", "arctanh", "gammaln",
    "digamma", "power_log", "floor_divide", "remainder", "exp", "exp2", "expm1", "sinh", "cosh", "reciprocal", "fmod", "gamma", "beta", "betaln",
    "logit", "erfinv", "erfcinv", "ndtri", "erfcx", "xlogy", "xlog1py", "entr", "rel_entr", "kl_div", "cbrt",
    "solve", "solve_triangular", "inv", "cholesky", "logabsdet",
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
    """The cotangent of input ``i`` of a contraction."""
    labels, output = _labels(node)
    return _product([head, *_without(node.inputs, i)], [output, *_without(labels, i)], labels[i])


def contract_masked(node: Node, i: int, tangent: Any) -> Any:
    """The contraction with input ``i`` replaced by its tangent."""
    labels, output = _labels(node)
    return _product([tangent, *_without(node.inputs, i)], [labels[i], *_without(labels, i)], output)


def kept_matrices(node: Node, head: Any, made: Sequence[Any]) -> list[Any]:
    """The cotangents of an operation on matrices: those of a matrix whose results nobody uses are zero, singular or not."""
    lead = node.inputs[0].ndim - 2
    used = ops.not_equal(head, 0)
    used = ops.any(used, axis=tuple(range(lead, used.ndim))) if used.ndim > lead else used
    return [
        None if one is None else ops.where(ops.expand_dims(used, tuple(range(lead, one.ndim))), one, 0) for one in made
    ]


def _labels(node: Node) -> tuple[Sequence[Sequence[int]], Sequence[int]]:
    if node.op.name == "matmul":
        left, right, output = matmul_labels(node.inputs[0].ndim, node.inputs[1].ndim)
        return [left, right], output
    return node.attrs.inputs, node.attrs.output


def _without(items: Sequence[Any], i: int) -> list[Any]:
    return [*items[:i], *items[i + 1 :]]


def _product(factors: Sequence[Any], labels: Sequence[Sequence[int]], output: Sequence[int]) -> Any:
    """The sum, over the labels that the output lacks, of products masked by the first factor."""
    every = [*output, *sorted({label for own in labels for label in own}.difference(output))]
    spread = [_spread(one, own, every) for one, own in zip(factors, labels, strict=True)]
    head, *others = ops.broadcast_together(spread, "product")
    for other in others:
        head = ops.masked_multiply(head, other)
    return ops.sum(head, axis=tuple(range(len(output), len(every))))


def _spread(node: Any, labels: Sequence[int], every: Sequence[int]) -> Any:
    """The node with one axis per label of ``every``, of size 1 where it has none."""
    order = sorted(range(len(labels)), key=lambda axis: list(every).index(labels[axis]))
    moved = ops.transpose(node, tuple(order))
    return ops.expand_dims(moved, tuple(axis for axis, label in enumerate(every) if label not in labels))
