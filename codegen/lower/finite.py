"""Who made the first NaN or infinity.  In: results, as the user wrote them.  Out: a graph that computes a status.

Beside each array stands one of its shape that says, element by element, who is to blame: 0 for a finite value; for one
that is not, the largest of the operation's own number and the blame of the operands that went into it.  Earlier nodes
have larger numbers, so that is the first culprit's.  Values that reach no result count for nothing, and of a selection
only the branch taken does.  Everything is graph operations, made from the nodes that the user wrote but on the values
that the kernel computes for them: what a rewrite keeps from overflowing is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops, types
from symgrad.node import Node, apply, topological
from symgrad.opdef import Kind
from symgrad.ops.source import is_placeholder
from symgrad.provenance import SILENT, derived_by, observed
from symgrad.types import INT64, is_tuple, same_shape

__all__ = ["FiniteCheck", "finite_check"]

_KINDS = ("infinite", "NaN")
_KEEPS = {"identity", "stop_gradient", "negative", "absolute", "sin", "cos"}  # finite exactly where the operand is


class FiniteCheck(NamedTuple):
    """A scalar of int64, 0 or a status; the texts of the statuses from 1 on; reductions, to be stored.

    Those are what the status and other results need of whole loops: stored, they keep the rest of those loops together.
    """

    status: Node
    flags: tuple[Node, ...]
    messages: tuple[str, ...]

    @property
    def nodes(self) -> list[Node]:
        return [self.status, *self.flags]

    def with_nodes(self, nodes: Sequence[Node]) -> FiniteCheck:
        return self._replace(status=nodes[0], flags=tuple(nodes[1:]))


def finite_check(results: Sequence[Node]) -> FiniteCheck | None:
    """The check of some results; None where each of them is finite anyway."""
    with observed(SILENT):
        return _Blame(topological(results)).check(results)


class _Blame:
    """``blame``: for each node, the array of its culprits' numbers; None where every value is finite."""

    def __init__(self, order: Sequence[Node]) -> None:
        self.order = order
        self.culprits = sorted(filter(_may_fail, order), key=_precedence(order).__getitem__, reverse=True)
        self.number = {node: len(_KINDS) * position for position, node in enumerate(self.culprits)}
        self.blame: dict[Node, Any] = {}
        self.flags: dict[Node, None] = {}

    def check(self, results: Sequence[Node]) -> FiniteCheck | None:
        for node in self.order:
            self.blame[node] = self._of(node) if _is_float(node) else None
        found = [self._whole(self.blame[node]) for node in results if self.blame[node] is not None]
        if not found:
            return None
        messages = tuple(_message(node, kind) for node in self.culprits for kind in _KINDS)
        return FiniteCheck(reduce(ops.maximum, found), tuple(self.flags), messages)

    def _of(self, node: Node) -> Any:
        operands = [self.blame[one] for one in node.inputs]
        name = node.op.name
        if name in _KEEPS:
            return operands[0]
        if name == "item":
            inner = node.inputs[0]
            if inner.op.name == "custom_gradient":
                return self.blame[inner.inputs[node.attrs.position]]
            operands = [self.blame[one] for one in inner.inputs]
        if node.op.kind is Kind.STRUCTURE or name == "where":
            return self._moved(node, operands)
        if node not in self.number:
            return None
        if node.op.kind is Kind.REDUCTION:
            self.flags[node] = None
        own = ops.where(ops.isnan(node), self.number[node] + 2, self.number[node] + 1)
        known = [self._aligned(node, one) for one in operands if one is not None]
        return ops.where(ops.isfinite(node), 0, reduce(ops.maximum, known, own))

    def _moved(self, node: Node, operands: Sequence[Any]) -> Any:
        """The operands' blame, moved as their elements are."""
        if all(one is None for one in operands):
            return None
        data = [
            (ops.zeros(one.shape, INT64) if blame is None else blame) if _is_float(one) else one
            for one, blame in zip(node.inputs, operands, strict=True)
        ]
        return apply(node.op, tuple(data), node.attrs)

    def _aligned(self, node: Node, blame: Any) -> Any:
        """An operand's blame for each element of the node."""
        if node.op.kind is Kind.ELEMENTWISE:
            return blame
        if node.op.kind is Kind.REDUCTION:
            made = self._largest(blame, node.attrs.axes)
            if same_shape(made.shape, node.shape):
                return made
        return ops.broadcast_to(self._whole(blame), node.shape)

    def _whole(self, blame: Any) -> Any:
        """The first culprit of a whole array."""
        return self._largest(blame, range(blame.ndim)) if blame.ndim else blame

    def _largest(self, blame: Any, axes: Sequence[int]) -> Any:
        made = ops.max(blame, axis=tuple(axes))
        self.flags[made] = None
        return ops.maximum(made, 0)  # of no elements, the largest is the smallest integer


def _is_float(node: Node) -> bool:
    kind = node.type
    return not is_tuple(kind) and types.is_float(kind.dtype) and not any(_is_zero(size) for size in kind.shape)


def _is_zero(size: Any) -> bool:
    return isinstance(size, int) and size == 0


def _may_fail(node: Node) -> bool:
    """Whether a node may hold NaN or infinity where its operands hold none."""
    if not _is_float(node) or node.op.kind is Kind.STRUCTURE or node.op.name == "where" or node.op.name in _KEEPS:
        return False
    if node.op.name == "constant":
        return not bool(np.isfinite(node.attrs.value.array).all())
    return node.op.kind is not Kind.SOURCE or is_placeholder(node)


def _precedence(order: Sequence[Node]) -> dict[Node, float]:
    """Who is named before whom: arguments, then the order given, in which a constant stands before its first user.

    A constant that is not finite is there on purpose, so as much as possible is named before it.
    """
    rank: dict[Node, float] = {}
    for position, node in enumerate(order):
        rank[node] = -1.0 if is_placeholder(node) else float(position)
        for one in node.inputs:
            if one.op.name == "constant" and rank[one].is_integer():
                rank[one] = position - 0.5
    return rank


def _message(node: Node, kind: str) -> str:
    """What is said of the node that made the first value that is not finite."""
    lines = ", ".join(node.lines) or "an unknown place"
    what = f"the first {kind} value"
    if is_placeholder(node):
        return f"{'variable' if node.op.name == 'variable' else 'argument'} {node.attrs.name!r}: {what} is in it"
    name = node.inputs[0].op.name if node.op.name == "item" else node.op.name
    rules = derived_by(node.sites)
    if not rules:
        return f"{name}: {what} is made at {lines}"
    return f"{' in the '.join(f'derivative of {rule}' for rule in rules)} ({lines}): {what} is made by {name}"
