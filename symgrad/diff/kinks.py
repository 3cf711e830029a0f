"""Where a function switches.  In: expressions.  Out: its kinks and jumps, each with the surface on which it lies.

Nodes are looked at in the form from which derivatives are made (:mod:`symgrad.diff.equivalents`), so that
``norm(x)**2`` has no kink and every spelling of a maximum is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import dims, ops, types
from symgrad.config import current
from symgrad.diff.equivalents import equivalent
from symgrad.diff.rules import carried, rule_name
from symgrad.node import Node, depends_on
from symgrad.opdef import Defined
from symgrad.ops.elementwise import as_extremum
from symgrad.ops.source import is_constant, is_placeholder
from symgrad.ops.squares import is_sum_of_squares
from symgrad.printing import summary
from symgrad.provenance import SILENT, observed

__all__ = ["Kink", "Kinks", "kinks_of"]


class Kink(NamedTuple):
    """A switching surface.

    Attributes
    ----------
    operation : str
        The operation that switches.
    surface : expression
        Zero where it does.
    convention : str
        What a derivative takes there.
    line : str or None
        The user's line that built it, ``"model.py:41"``.
    node : expression
        The operation's value.
    """

    operation: str
    surface: Any
    convention: str
    line: str | None
    node: Any

    def __str__(self) -> str:
        where = f"  [{self.line}]" if self.line else ""
        return f"{self.operation} at {summary(self.surface)} = 0: {self.convention}{where}"


class Kinks(list[Kink]):
    """Switching surfaces, in the order in which they are computed; ``str`` reads them out."""

    def __str__(self) -> str:
        return "\n".join(map(str, self)) if self else "no switching surfaces"


Description = tuple[Any, str]  # surface, convention


def kinks_of(outputs: Sequence[Node]) -> Kinks:
    """The switching surfaces of expressions, under the convention in force."""
    with observed(SILENT):
        order, lines = _as_differentiated(outputs)
        moving = depends_on(order, [node for node in order if is_placeholder(node)])
        compared = _compared(order)
        found = Kinks()
        for node in order:
            described = _described(node) if node in moving and node not in compared else None
            if described is not None:
                rule = carried(node)
                text = described[1] if rule is None else f"overridden with {rule_name(rule)!r}"
                found.append(Kink(node.op.name, described[0], text, lines[node], node))
    return found


def _compared(order: Sequence[Node]) -> set[Node]:
    """Comparisons that serve only to spell a maximum or minimum."""
    found: set[Node] = set()
    for node in order:
        if node.op.name == "where" and as_extremum(node) is not None:
            condition = node.inputs[0]
            while condition.op.name == "logical_not":
                found.add(condition)
                condition = condition.inputs[0]
            found.add(condition)
    others = (node for node in order if node not in found and as_extremum(node) is None)
    return found.difference(*(node.inputs for node in others))


def _as_differentiated(outputs: Sequence[Node]) -> tuple[list[Node], dict[Node, str | None]]:
    """The nodes of which derivatives are made, inputs first, and the user's line behind each."""
    forms: dict[Node, Node] = {}
    lines: dict[Node, str | None] = {}
    pending: list[tuple[Node, str | None]] = [(node, None) for node in reversed(outputs)]
    order: dict[Node, None] = {}
    while pending:
        node, line = pending[-1]
        if node in order:
            pending.pop()
            continue
        if node not in lines:
            lines[node] = next(iter(node.lines), line)
            forms[node] = _form(node)
        parts = node.inputs if forms[node] is node else (forms[node],)
        passed = lines[node] if forms[node] is not node or not node.lines else None  # to what the user did not write
        missing = [(one, passed) for one in parts if one not in order]
        if missing:
            pending.extend(reversed(missing))
        else:
            pending.pop()
            order[node] = None
    return [node for node in order if forms[node] is node], lines


def _form(node: Node) -> Node:
    """What is differentiated in place of a node."""
    if carried(node) is not None or types.is_tuple(node.type):
        return node
    found = equivalent(node, frozenset())
    if found is not None:
        made: Node = found.value
        return made
    if isinstance(node.op.derivative, Defined) and node.op.define is not None:
        return node.op.define(node.inputs, node.attrs)
    return node


def _described(node: Node) -> Description | None:
    extremum = as_extremum(node)
    if extremum is not None:
        a, b = extremum.operands
        shared = current().kink == "zero" and not any(map(is_constant, extremum.operands))
        left, right = (0, 1) if extremum.larger else (1, 0)
        return _difference(a, b), _slopes(left, right, shared, " by the first operand")
    rule = _DESCRIPTIONS.get(node.op.name)
    return None if rule is None else rule(node)


def _slopes(left: int, right: int, shared: bool = False, whose: str = "") -> str:
    """The slope that the convention in force takes between two."""
    kink = current().kink
    middle = (left + right) / 2
    least = middle if shared else min(max(left, right), max(0, min(left, right)))
    slope = {"zero": least, "half": middle, "left": left, "right": right}[kink]
    return f"slope {slope:g}{whose}, between {left} on the left and {right} on the right (kink = {kink!r})"


_JUMP = "a jump: slope 0 on either side"
_SELECT = "a choice between values: the side that the comparison names"
_TIES = "ties share the slope equally"
_TIP = "slope 0 at the tip of a cone"


def _unary(left: int, right: int) -> Callable[[Node], Description]:
    return lambda node: (node.inputs[0], _slopes(left, right))


def _comparison(node: Node) -> Description | None:
    a, b = node.inputs
    return None if a.type.dtype is types.BOOL else (_difference(a, b), _SELECT)


def _difference(a: Any, b: Any) -> Any:
    if ops.uniform_value(b) == 0:
        return a
    return ops.negative(b) if ops.uniform_value(a) == 0 else ops.subtract(a, b)


def _rounding(x: Any) -> Description:
    """Zero at the integers."""
    return ops.subtract(x, ops.rint(x)), _JUMP


def _root(node: Node) -> Description | None:
    return (node, _TIP) if is_sum_of_squares(node.inputs[0]) else None


def _power(node: Node) -> Description | None:
    exponent = ops.uniform_value(node.inputs[1])
    return _root(node) if exponent is not None and 0.5 <= exponent < 1 else None


def _reduction(node: Node) -> Description:
    """Each element less the best of the others: zero where it ties with that."""
    (x,) = node.inputs
    kept = tuple(axis for axis in range(x.ndim) if axis not in node.attrs.axes)
    order = (*kept, *node.attrs.axes)
    moved = ops.transpose(x, order)
    size = dims.product(x.shape[axis] for axis in node.attrs.axes)
    flat = ops.reshape(moved, (*moved.shape[: len(kept)], size))
    largest = node.op.name == "max"
    limits: Any = np.iinfo(x.dtype) if types.is_integer(x.dtype) else None
    worst = (limits.min if largest else limits.max) if limits else float("-inf" if largest else "inf")
    diagonal = ops.equal(ops.expand_dims(ops.iota(size), 1), ops.iota(size))
    others = (ops.max if largest else ops.min)(ops.where(diagonal, worst, ops.expand_dims(flat, -2)), axis=-1)
    back = ops.transpose(ops.reshape(others, moved.shape), tuple(int(i) for i in np.argsort(order)))
    return ops.subtract(x, back), _TIES


_DESCRIPTIONS: dict[str, Callable[[Node], Description | None]] = {
    "absolute": _unary(-1, 1),
    "relu": _unary(0, 1),
    "copysign": _unary(-1, 1),
    "norm": lambda node: (node, _TIP),
    "hypot": lambda node: (node, _TIP),
    "sqrt": _root,
    "power": _power,
    "max": _reduction,
    "min": _reduction,
    "sign": lambda node: (node.inputs[0], _JUMP),
    "rint": lambda node: (ops.subtract(ops.subtract(node.inputs[0], ops.floor(node.inputs[0])), 0.5), _JUMP),
    **dict.fromkeys(("floor", "ceil", "trunc"), lambda node: _rounding(node.inputs[0])),
    **dict.fromkeys(("remainder", "fmod", "floor_divide"), lambda node: _rounding(ops.divide(*node.inputs))),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), _comparison),
}
