"""Numerical factors.  In: one node.  Out: the same value with its factor outside, where it meets others, or None.

Derivatives are full of twos and halves that cancel: those of ``sqrt(x*x + y*y)`` are ``0.5 / s * (2 * x)``.  Moved outside
products, quotients and choices, factors meet and become one.  For powers of two this is exact, but for results within
that power of overflow or underflow; other factors round differently, so they move on request only.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.node import Node, apply
from symgrad.rewrite.engine import Rule

__all__ = ["scaling_rules"]

_LARGEST = 10  # exponents of the powers of two that move
_MUCH = 8  # times as large as a result has to be what a factor leaves for it
_TYPICAL = 100  # the size that a dynamic dimension is taken for
_SCALED = ("multiply",)


def scaling_rules(every: bool = False) -> list[Rule]:
    """The rules; with ``every``, for all factors rather than powers of two."""
    movable = _is_number if every else _is_small_power

    def rule(name: str, op: tuple[str, ...], function: Callable[..., Any], inputs: tuple[str, ...] = _SCALED) -> Rule:
        return Rule(name, op, lambda node: function(node, movable), inputs)

    return [
        rule("(c x) y", ("multiply", "masked_multiply", "zero_multiply"), _product),
        rule("(c x) / y", ("divide",), _quotient, ("multiply", *_NUMBERS)),
        rule("(c x)**2", ("square",), _square),
        rule("-(c x)", ("negative",), _negative),
        rule("c x + c y", ("add", "subtract"), _sum),
        Rule("x + x", ("add",), _doubled),
        *([Rule("x + (x + y)", ("add",), _doubled_first, ("add", "subtract"))] if every else []),
        rule("where(a, c x, 0)", ("where",), _choice),
        rule("sum(c x)", ("sum",), _total, ("multiply", "negative")),
        rule("(c x) @ y", ("matmul", "einsum"), _contraction),
    ]


_REPEATED = ("broadcast_to", "expand_dims")
_NUMBERS = ("constant", "broadcast_to", "reshape", "expand_dims", "cast")


def _is_number(value: Any) -> bool:
    return bool(np.isfinite(value)) and value != 0 and value != 1


def _is_small_power(value: Any) -> bool:
    mantissa, exponent = np.frexp(value)
    return bool(abs(mantissa) == 0.5 and abs(int(exponent) - 1) <= _LARGEST and value != 1)


Movable = Callable[[Any], bool]


def _split(node: Node, movable: Movable) -> tuple[Any, Any] | None:
    """(c, x), where a node is c times an x that is no number."""
    if node.op.name != "multiply" or not types.is_float(node.type.dtype):
        return None
    for one, other in (node.inputs, node.inputs[::-1]):
        if one.op.name in _NUMBERS:
            known = ops.uniform_value(one)
            if known is not None and movable(known) and ops.uniform_value(other) is None:
                return known, other
    return None


def _times(factor: Any, node: Any) -> Any:
    return ops.multiply(np.asarray(factor).item(), node)


def _product(node: Any, movable: Movable) -> Any:
    a, b = node.inputs
    own = _split(node, _is_number) if node.op.name == "multiply" else None
    if own is not None:  # a number times something: only where that has a factor too
        inner = _split(own[1], movable)
        return None if inner is None else _times(own[0] * inner[0], inner[1])
    if a is b:
        movable = _is_small_power  # a square keeps its argument, which exp(-x**2) shares with erf(x)
    for one, other, first in ((a, b, True), (b, a, False)):
        found = _split(one, movable)
        if found is not None:
            factor, rest = found
            operands = (rest, other) if first else (other, rest)
            return _times(factor, getattr(ops, node.op.name)(*operands))
    return None


def _quotient(node: Any, movable: Movable) -> Any:
    a, b = node.inputs
    known = ops.uniform_value(a)
    if known is not None:
        return _times(known, ops.divide(1, b)) if _is_small_power(known) and types.is_float(node.type.dtype) else None
    found = _split(a, movable)
    if found is not None:
        return _times(found[0], ops.divide(found[1], b))
    found = _split(b, _is_small_power)
    return None if found is None else _times(1 / found[0], ops.divide(a, found[1]))


def _square(node: Any, _: Movable) -> Any:
    found = _split(node.inputs[0], _is_small_power)
    return None if found is None else _times(found[0] * found[0], ops.square(found[1]))


def _negative(node: Any, movable: Movable) -> Any:
    found = _split(node.inputs[0], movable)
    return None if found is None else _times(-found[0], found[1])


def _sum(node: Any, movable: Movable) -> Any:
    a, b = (_split(one, movable) for one in node.inputs)
    if a is None or b is None or abs(a[0]) != abs(b[0]):
        return None
    same = a[0] == b[0]
    plus = same if node.op.name == "add" else not same
    return _times(a[0], (ops.add if plus else ops.subtract)(a[1], b[1]))


def _doubled(node: Any) -> Any:
    a, b = node.inputs
    return ops.multiply(2, a) if a is b and types.is_float(node.type.dtype) else None


def _doubled_first(node: Any) -> Any:
    """Gradients add up: x + (x + y) is 2 x + y, and x + (x - y) is 2 x - y."""
    for one, other in (node.inputs, node.inputs[::-1]):
        if other.op.name in ("add", "subtract") and types.is_float(node.type.dtype):
            first, second = other.inputs
            if first is one or (second is one and other.op.name == "add"):
                return getattr(ops, other.op.name)(ops.multiply(2, one), second if first is one else first)
    return None


def _total(node: Any, movable: Movable) -> Any:
    (x,) = node.inputs
    if x.op.name == "negative":
        return ops.negative(ops.sum(x.inputs[0], axis=node.attrs.axes))
    found = _split(x, movable) or _split_inside(x, movable)
    return None if found is None else _times(found[0], ops.sum(found[1], axis=node.attrs.axes))


def _split_inside(node: Any, movable: Movable) -> tuple[Any, Any] | None:
    """(c, x y) for x times c y, where a larger array repeats c y: outside the product, c would be multiplied more often."""
    if node.op.name != "multiply":
        return None
    for one, other, first in ((*node.inputs, True), (*node.inputs[::-1], False)):
        views = []
        while one.op.name in _REPEATED:
            views.append(one)
            one = one.inputs[0]
        found = _split(one, movable) if views else None
        if found is not None:
            factor, rest = found
            for view in reversed(views):
                rest = apply(view.op, (rest,), view.attrs)
            return factor, ops.multiply(*((rest, other) if first else (other, rest)))
    return None


def _contraction(node: Any, movable: Movable) -> Any:
    """The factor of a large operand goes to the result, if this is so much smaller that a pass over it pays."""
    for position, one in enumerate(node.inputs):
        found = _split(one, movable) or _split_inside(one, movable)
        if found is not None and _MUCH * _elements(node) <= _elements(one):
            factor, rest = found
            return _times(
                factor, apply(node.op, (*node.inputs[:position], rest, *node.inputs[position + 1 :]), node.attrs)
            )
    return None


def _elements(node: Node) -> int:
    """Elements of an array, where dynamic dimensions are taken for typical ones."""
    return prod(size if isinstance(size, int) else _TYPICAL for size in node.shape)


def _choice(node: Any, movable: Movable) -> Any:
    condition, a, b = node.inputs
    for one, other, first in ((a, b, True), (b, a, False)):
        known = ops.uniform_value(other)
        if known is not None and known == 0 and not np.signbit(known):
            found = _split(one, movable)
            if found is not None and abs(found[0]) != 1:
                factor, rest = found
                rest = ops.negative(rest) if factor < 0 else rest  # outside, it would change the sign of the other zero
                return _times(abs(factor), ops.where(condition, *((rest, other) if first else (other, rest))))
    return None
