"""Cotangents and tangents on their way through a graph.  In: expressions.  Out: products and sums of them.

A :class:`Head` is an expression with what is known of its zeros.  ``mask`` says where it is structurally zero without
multiplying anything by zero yet: the adjoint of ``where(c, a, b)`` travels behind ``a`` as (c, value) and becomes
``where(c, value, 0)`` only when it leaves the index space of the mask, so that whatever the factors of the branch not
taken are, they contribute nothing.  ``zeros`` says that the expression may hold such structural zeros as numbers; then
products use ``masked_multiply``, in which a zero of the head prevails whatever the factor is.
"""

from __future__ import annotations

from typing import Any

from symgrad import ops
from symgrad.node import Node
from symgrad.opdef import Gate
from symgrad.ops.shapes import stretched_axes

__all__ = ["MASKED_PRODUCTS", "Head", "add_heads", "gate", "materialize", "product", "through_sum"]

# Products in which an exact zero prevails; their derivatives may be structurally zero wherever they are.
MASKED_PRODUCTS = ("masked_multiply", "zero_multiply")


class Head:
    """A cotangent (or tangent): ``where(mask, value, 0)``, or with the mask inverted."""

    __slots__ = ("inverted", "mask", "value", "zeros")

    def __init__(self, value: Any, mask: Any = None, inverted: bool = False, zeros: bool = False) -> None:
        self.value, self.mask, self.inverted, self.zeros = value, mask, inverted, zeros

    def of(self, value: Any) -> Head:
        """Another expression, zero where this head is."""
        return Head(value, self.mask, self.inverted, self.zeros)


def product(head: Head, factor: Any) -> Head:
    """The head times a partial derivative: a number, or a node of its shape."""
    if isinstance(factor, (int, float)):
        if factor == 0:
            return Head(ops.zeros_like(head.value), zeros=True)
        return head if factor == 1 else head.of(_scaled(head.value, factor))
    known = ops.uniform_value(factor)
    if known is not None and known in (1, -1):
        return head.of(_scaled(head.value, known.item()))
    own = ops.uniform_value(head.value)
    if own is not None and own in (1, -1):
        return head.of(_scaled(factor, own.item()))
    if head.zeros:
        return head.of(ops.masked_multiply(head.value, factor))
    if factor.op.name == "divide" and ops.uniform_value(factor.inputs[0]) == 1:
        return head.of(ops.divide(head.value, factor.inputs[1]))
    if factor.op.name == "negative":
        return head.of(ops.negative(ops.multiply(head.value, factor.inputs[0])))
    return head.of(ops.multiply(head.value, factor))


def _scaled(value: Any, factor: float) -> Any:
    if factor == 1:
        return value
    if factor == -1:
        known = ops.uniform_value(value)
        if known is not None:  # folded here: every product with it would be rewritten later
            return ops.full_of(value.type, -known)
        return value.inputs[0] if value.op.name == "negative" else ops.negative(value)
    return ops.multiply(factor, value)


def gate(head: Head, mask: Node, inverted: bool) -> Head:
    """The head, additionally zero where the mask does not hold (or, inverted, where it does)."""
    if head.mask is None:
        return Head(head.value, mask, inverted, head.zeros)
    if head.mask is mask and head.inverted == inverted:
        return head
    both = ops.logical_and(_positive(head.mask, head.inverted), _positive(mask, inverted))
    return Head(head.value, both, False, head.zeros)


def _positive(mask: Any, inverted: bool) -> Any:
    return ops.logical_not(mask) if inverted else mask


def apply_partial(head: Head, partial: Any) -> Head:
    """The head times an elementwise partial derivative in any of its forms."""
    if isinstance(partial, Gate):
        gated = gate(head, partial.mask, partial.inverted)
        return gated if partial.factor is None else product(gated, partial.factor)
    if isinstance(partial, Node) and partial.op.name == "sign":
        # the derivative of an absolute value, declared to be zero at its kink
        own = ops.uniform_value(head.value)
        value = _scaled(partial, own.item()) if own is not None else ops.zero_multiply(head.value, partial)
        return Head(value, head.mask, head.inverted, True)
    return product(head, partial)


def materialize(head: Head) -> Head:
    """The head as one expression, without a mask."""
    if head.mask is None:
        return head
    pair = (0, head.value) if head.inverted else (head.value, 0)
    return Head(ops.where(head.mask, *pair), zeros=True)


def add_heads(left: Head | None, right: Head) -> Head:
    """The sum of contributions that meet at a node; at first there is none."""
    if left is None:
        return right
    zeros = left.zeros or right.zeros
    if left.mask is not None and left.mask is right.mask:
        if left.inverted == right.inverted:
            return Head(_plus(left.value, right.value), left.mask, left.inverted, zeros)
        chosen, other = (right, left) if left.inverted else (left, right)
        return Head(ops.where(left.mask, chosen.value, other.value), zeros=zeros)
    left, right = materialize(left), materialize(right)
    return Head(_plus(left.value, right.value), zeros=left.zeros and right.zeros)


def _plus(left: Any, right: Any) -> Any:
    if left.op.name == "place" and right.op.name == "place":
        parts = [*zip(left.attrs.boxes, left.inputs, strict=True), *zip(right.attrs.boxes, right.inputs, strict=True)]
        return ops.place(left.shape, parts)
    for one, other in ((left, right), (right, left)):
        if ops.uniform_value(one) == 0:
            return other
    if left is right:
        return ops.multiply(2, left)
    if right.op.name == "negative":
        return ops.subtract(left, right.inputs[0])
    if left.op.name == "negative":
        return ops.subtract(right, left.inputs[0])
    return ops.add(left, right)


def through_sum(head: Head, node: Node) -> Any:
    """The mask of a head behind a broadcast, if it is the same along every axis that the broadcast added; else None."""
    mask = head.mask
    if mask is None or mask.op.name != "broadcast_to":
        return None
    added, repeated = stretched_axes(node)
    mask_added, mask_repeated = stretched_axes(mask)
    if not set(added + repeated) <= set(mask_added + mask_repeated):
        return None
    inner, target = mask.inputs[0], node.inputs[0].shape
    leading = tuple(range(max(inner.ndim - len(target), 0)))
    if leading:
        inner = ops.squeeze(inner, leading)
    return ops.broadcast_to(inner, target)
