"""Forms that differentiate better.  In: a node.  Out: an expression of the same value, and the nodes that it avoids.

The chain rule multiplies what has cancelled in the value: the slope of ``norm(x)**2`` at zero is 0 times a direction
that does not exist, that of ``log(exp(x))`` at 1000 is infinity over infinity.  A derivative is therefore formed from an
equivalent expression where one is on this list.  The expression itself stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from symgrad import ops, types
from symgrad.diff.rules import carried
from symgrad.node import Node
from symgrad.ops.source import uniform_value
from symgrad.ops.squares import even_exponent, is_sum_of_squares
from symgrad.rewrite.rules import is_shifted

__all__ = ["EQUIVALENTS", "Equivalent", "equivalent"]


class Equivalent(NamedTuple):
    """An expression of the same value.

    ``leaves`` are the nodes in which it is written, ``avoided`` those through which it does not pass.
    """

    value: Any
    leaves: tuple[Node, ...]
    avoided: tuple[Node, ...]


def equivalent(node: Node, kept: AbstractSet[Node]) -> Equivalent | None:
    """The form from which the derivative of a node is made, or None for the node itself.

    A form that would avoid a kept node, or one with a rule of its own, is not taken.
    """
    rule = EQUIVALENTS.get(node.op.name)
    if rule is None or not types.is_float(node.type.dtype):
        return None
    found = rule(node)
    if found is None or any(one in kept or carried(one) for one in found.avoided):
        return None
    return found


# -- squares and roots ----------------------------------------------------------------------------------------------
def _squared(root: Node) -> Equivalent | None:
    """The square of a node, without the root or the absolute value that it is."""
    name = root.op.name
    if name == "norm":
        (x,) = root.inputs
        return Equivalent(ops.sum(ops.square(x), axis=root.attrs.axes), (x,), (root,))
    if name == "hypot":
        return Equivalent(ops.add(*map(ops.square, root.inputs)), root.inputs, (root,))
    if name in ("absolute", "fabs"):
        return Equivalent(ops.square(root.inputs[0]), root.inputs, (root,))
    if name == "sqrt" or (name == "power" and uniform_value(root.inputs[1]) == 0.5):
        return Equivalent(root.inputs[0], root.inputs[:1], (root,))
    return None


def _even_power(node: Node) -> Equivalent | None:
    """norm(x)**2 = sum(x**2), sqrt(x)**2 = x, abs(x)**2 = x**2; and further even powers."""
    exponent = even_exponent(node)
    found = None if exponent is None else _squared(node.inputs[0])
    if found is None or exponent is None or exponent == 2:
        return found
    return found._replace(value=ops.power(found.value, exponent // 2))


def _power(node: Node) -> Equivalent | None:
    """Even powers, (x**2)**q = abs(x)**(2 q), and sqrt(x)**q = x**(q / 2)."""
    base = node.inputs[0]
    exponent = uniform_value(node.inputs[1])
    if exponent is None or exponent <= 0:
        return None
    if base.op.name == "sqrt" and exponent % 2:
        return Equivalent(ops.power(base.inputs[0], exponent.item() / 2), base.inputs, (base,))
    return _even_power(node) or _root_of_power(node, float(exponent))


def _root_of_power(node: Node, exponent: float) -> Equivalent | None:
    """(x**(2 k))**q = abs(x)**(2 k q), which is smooth where 2 k q is even; also with further roots between."""
    if exponent == round(exponent):
        return None
    avoided = [node.inputs[0]]
    while avoided[-1].op.name == "sqrt":
        exponent *= 0.5
        avoided.append(avoided[-1].inputs[0])
    even = even_exponent(avoided[-1])
    if even is None:
        return None
    x = avoided[-1].inputs[0]
    whole = even * exponent
    base = x if whole % 2 == 0 else ops.absolute(x)
    return Equivalent(base if whole == 1 else ops.power(base, whole), (x,), tuple(avoided))


def _absolute(node: Node) -> Equivalent | None:
    (x,) = node.inputs
    return Equivalent(x, (x,), ()) if is_sum_of_squares(x) else None


def _even_function(function: Callable[[Any], Any]) -> Callable[[Node], Equivalent | None]:
    """cos(abs(x)) = cos(x)."""

    def rule(node: Node) -> Equivalent | None:
        (inner,) = node.inputs
        if inner.op.name not in ("absolute", "fabs"):
            return None
        return Equivalent(function(inner.inputs[0]), inner.inputs, (inner,))

    return rule


# -- exponentials and logarithms ------------------------------------------------------------------------------------
def _log(node: Node) -> Equivalent | None:
    (inner,) = node.inputs
    rule = _LOG_OF.get(inner.op.name)
    return None if rule is None else rule(inner)


def _log_of_sum(total: Node) -> Equivalent | None:
    """log(1 + exp(x)) = softplus(x); log(exp(a) + exp(b)), log(sum(exp(x))) = logsumexp."""
    exponentials = [one for one in total.inputs if one.op.name == "exp"]
    if not exponentials:
        return None
    leaves = tuple(one.inputs[0] for one in exponentials)
    if total.op.name == "sum":
        if is_shifted(leaves[0], total.attrs.axes):
            return None
        return Equivalent(ops.logsumexp(leaves[0], axis=total.attrs.axes), leaves, (total, *exponentials))
    if len(exponentials) == 2:
        return Equivalent(ops.logsumexp(ops.stack(leaves), axis=0), leaves, (total, *exponentials))
    if any(uniform_value(one) == 1 for one in total.inputs):
        return Equivalent(ops.softplus(leaves[0]), leaves, (total, *exponentials))
    return None


def _log_of_complement(node: Node) -> Equivalent | None:
    """log(1 - expit(x)) = -softplus(x)."""
    one, other = node.inputs
    if other.op.name != "expit" or uniform_value(one) != 1:
        return None
    return Equivalent(ops.negative(ops.softplus(other.inputs[0])), other.inputs, (node, other))


def _log_of_expit(node: Node) -> Equivalent:
    return Equivalent(ops.negative(ops.softplus(ops.negative(node.inputs[0]))), node.inputs, (node,))


def _log_of_softmax(node: Node) -> Equivalent:
    return Equivalent(ops.log_softmax(node.inputs[0], node.attrs.axes), node.inputs, (node,))


def _undone(node: Node) -> Equivalent:
    """The argument of a function whose inverse is taken."""
    return Equivalent(node.inputs[0], node.inputs, (node,))


_LOG_OF: dict[str, Callable[[Node], Equivalent | None]] = {
    "exp": _undone,
    "add": _log_of_sum,
    "sum": _log_of_sum,
    "subtract": _log_of_complement,
    "expit": _log_of_expit,
    "softmax": _log_of_softmax,
}


def _undoing(*names: str) -> Callable[[Node], Equivalent | None]:
    return lambda node: _undone(node.inputs[0]) if node.inputs[0].op.name in names else None


def _log1p(node: Node) -> Equivalent | None:
    (inner,) = node.inputs
    if inner.op.name == "exp":
        return Equivalent(ops.softplus(inner.inputs[0]), inner.inputs, (inner,))
    return _undone(inner) if inner.op.name == "expm1" else None


def _reciprocal(node: Node) -> Equivalent | None:
    """1 / (1 + exp(x)) = expit(-x)."""
    bottom = node.inputs[-1]
    if bottom.op.name != "add" or (node.op.name == "divide" and uniform_value(node.inputs[0]) != 1):
        return None
    exponential = next((one for one in bottom.inputs if one.op.name == "exp"), None)
    if exponential is None or not any(uniform_value(one) == 1 for one in bottom.inputs):
        return None
    (x,) = exponential.inputs
    return Equivalent(ops.expit(ops.negative(x)), (x,), (bottom, exponential))


EQUIVALENTS: dict[str, Callable[[Node], Equivalent | None]] = {
    "square": _even_power,
    "multiply": _even_power,
    "power": _power,
    "sqrt": lambda node: _root_of_power(node, 0.5),
    "absolute": _absolute,
    "fabs": _absolute,
    "cos": _even_function(ops.cos),
    "cosh": _even_function(ops.cosh),
    "log": _log,
    "log1p": _log1p,
    "exp": _undoing("log"),
    "expm1": _undoing("log1p"),
    "divide": _reciprocal,
    "reciprocal": _reciprocal,
}
