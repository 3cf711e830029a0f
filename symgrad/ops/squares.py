"""Sums of squares.  In: a node.  Out: whether its form says that it is one.

Where a sum of squares is zero, so are all the terms that it is made of: the root of it is a distance, with a cone at
zero rather than an infinite slope.
"""

from __future__ import annotations

from symgrad.node import Node
from symgrad.ops.source import uniform_value

__all__ = ["even_exponent", "is_sum_of_squares"]

_MAX_NODES = 64  # nodes looked at before the answer is no
_SHAPED = {
    "sum", "mean", "reshape", "expand_dims", "squeeze", "transpose", "broadcast_to", "assert_shape", "slice", "gather",
    "identity", "add", "stack", "concatenate", "place", "cast",
}  # fmt: skip


def even_exponent(node: Node) -> int | None:
    """The exponent of a power by an even positive number; None for anything else."""
    if node.op.name == "square":
        return 2
    if node.op.name == "multiply" and node.inputs[0] is node.inputs[1]:
        return 2
    known = uniform_value(node.inputs[1]) if node.op.name == "power" else None
    return int(known) if known is not None and known > 0 and known % 2 == 0 else None


def is_sum_of_squares(node: Node) -> bool:
    """Whether a node is a sum of squares, weighted by positive numbers, from the look of its graph.

    Weights may be constant arrays; a graph of more than a few dozen additions counts as anything else.
    """
    pending = [node]
    for _ in range(_MAX_NODES):
        if not pending:
            return True
        one = pending.pop()
        terms = _terms(one)
        if terms is None:
            return False
        pending += terms
    return False


def _terms(node: Node) -> list[Node] | None:
    """The nodes that have to be sums of squares for this one to be, or None where it is none."""
    name = node.op.name
    if name in _SHAPED:
        return [node.inputs[0]] if name == "gather" else list(node.inputs)
    if even_exponent(node) is not None:
        return []
    if name == "multiply":
        weights = [_is_weight(one) for one in node.inputs]
        return [one for one, weight in zip(node.inputs, weights, strict=True) if not weight] if any(weights) else None
    if name == "divide":
        return [node.inputs[0]] if _is_weight(node.inputs[1]) else None
    if name == "matmul":
        return [] if node.inputs[0] is node.inputs[1] and node.inputs[0].ndim == 1 else None
    if name == "einsum":
        a, *rest = node.inputs
        return [] if len(rest) == 1 and a is rest[0] and node.attrs.inputs[0] == node.attrs.inputs[1] else None
    return None


def _is_weight(node: Node) -> bool:
    """Whether a node is a constant without a negative element."""
    while node.op.name in ("broadcast_to", "reshape", "expand_dims", "cast"):
        node = node.inputs[0]
    return node.op.name == "constant" and bool((node.attrs.value.array >= 0).all())
