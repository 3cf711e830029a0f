"""The rules.  In: one node.  Out: a simpler node of the same value, or None.

``EXACT`` rules keep every bit, except the sign of a NaN or of a zero placed among zeros, and roundings below the
smallest normal number, of which merged factors have fewer; ``STABLE`` ones replace formulas that overflow or cancel by
the functions made for them, and change last digits.  The lists are what :func:`symgrad.simplify` and the compiler
apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.containers import flatten, unflatten
from symgrad.node import Node
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.boxes import Pick, Range, same_box
from symgrad.provenance import observed
from symgrad.rewrite.engine import Rule, rewrite

__all__ = ["EXACT", "STABLE", "rule_names", "simplify"]

_FOLD_SIZE = 64  # elements up to which constant operands are computed at once


# -- constants and identities ---------------------------------------------------------------------------------------
def _fold_constants(node: Node) -> Any:
    values = []
    for one in node.inputs:
        value = None
        if one.op.name in _NUMBERS:
            value = _small_constant(one)
            if value is None and node.op.kind is Kind.ELEMENTWISE:
                value = ops.uniform_value(one)
        if value is None:
            return None
        values.append(value)
    with np.errstate(all="ignore"):
        made = np.asarray(node.op.evaluate(node.attrs, *values), node.type.dtype)
    return ops.broadcast_to(ops.constant(made), node.shape)


def _small_constant(node: Node) -> Any:
    if node.op.name != "constant" or node.attrs.value.array.size > _FOLD_SIZE:
        return None
    return node.attrs.value.array


def _multiply_one(node: Node) -> Any:
    a, b = node.inputs
    return b if ops.is_uniform(a, 1) else a if ops.is_uniform(b, 1) else None


def _multiply_minus_one(node: Node) -> Any:
    a, b = node.inputs
    if node.type.dtype is types.BOOL:
        return None
    return ops.negative(b) if ops.is_uniform(a, -1) else ops.negative(a) if ops.is_uniform(b, -1) else None


def _divide_one(node: Node) -> Any:
    return node.inputs[0] if ops.is_uniform(node.inputs[1], 1) else None


def _subtract_zero(node: Node) -> Any:
    return node.inputs[0] if ops.is_uniform(node.inputs[1], 0) else None


def _double_negation(node: Node) -> Any:
    (x,) = node.inputs
    return x.inputs[0] if x.op is node.op else None


def _negative_operand(node: Node) -> Any:
    """a + (-b) = a - b; a - (-b) = a + b; (-a)(-b) = a b: exact, as only signs move."""
    a, b = node.inputs
    if node.op.name == "add":
        if b.op.name == "negative":
            return ops.subtract(a, b.inputs[0])
        return ops.subtract(b, a.inputs[0]) if a.op.name == "negative" else None
    if node.op.name == "subtract":
        return ops.add(a, b.inputs[0]) if b.op.name == "negative" else None
    if a.op.name == "negative" and b.op.name == "negative":
        return ops.multiply(a.inputs[0], b.inputs[0])
    return None


def _masked_by_constant(node: Node) -> Any:
    """A head that is a non-zero number masks nothing; a zero masks everything."""
    for one, other in (node.inputs, node.inputs[::-1]):
        known = ops.uniform_value(one)
        if known is not None and known != 0:
            return ops.multiply(*node.inputs) if node.op.name == "masked_multiply" else ops.masked_multiply(other, one)
        if node.op.name == "masked_multiply":
            break
    return None


def _where_known(node: Node) -> Any:
    condition, a, b = node.inputs
    known = ops.uniform_value(condition)
    if known is not None:
        return a if known else b
    if a is b:
        return a
    return ops.where(condition.inputs[0], b, a) if condition.op.name == "logical_not" else None


def _power_constant(node: Node) -> Any:
    x, y = node.inputs
    if not types.is_float(node.type.dtype):
        return None
    if ops.is_uniform(y, 2):
        return ops.square(x)
    if ops.is_uniform(y, 1):
        return x
    if ops.is_uniform(y, 0.5):
        return ops.sqrt(x)
    return ops.divide(1, x) if ops.is_uniform(y, -1) else None


def _divide_by_power_of_two(node: Node) -> Any:
    """x / 2**k = x * 2**-k, exactly."""
    known = ops.uniform_value(node.inputs[1])
    if known is None or not _is_power_of_two(known):
        return None
    return ops.multiply(node.inputs[0], (1 / known).item())


def _merge_factors(node: Node) -> Any:
    """a * (b * x) = (a b) * x for numbers of which one is a power of two, so that nothing is rounded otherwise."""
    for one, other in (node.inputs, node.inputs[::-1]):
        outer = ops.uniform_value(one)
        if outer is None or other.op is not node.op or not types.is_float(node.type.dtype):
            continue
        for first, second in (other.inputs, other.inputs[::-1]):
            inner = ops.uniform_value(first)
            if inner is not None and (_is_power_of_two(outer) or _is_power_of_two(inner)):
                return ops.multiply((outer * inner).item(), second)
    return None


def _is_power_of_two(value: Any) -> bool:
    mantissa, exponent = np.frexp(value)
    return bool(abs(mantissa) == 0.5 and abs(int(exponent)) < 100)


# -- structure ------------------------------------------------------------------------------------------------------
def _transpose_twice(node: Node) -> Any:
    (x,) = node.inputs
    return (
        ops.transpose(x.inputs[0], tuple(x.attrs.axes[axis] for axis in node.attrs.axes)) if x.op is node.op else None
    )


def _reshape_again(node: Node) -> Any:
    (x,) = node.inputs
    if x.op.name in ("reshape", "expand_dims", "squeeze"):
        return ops.reshape(x.inputs[0], node.shape)
    return x if types.same_shape(x.shape, node.shape) else None


def _broadcast_twice(node: Node) -> Any:
    (x,) = node.inputs
    if x.op.name == "broadcast_to":
        return ops.broadcast_to(x.inputs[0], node.shape)
    return None


def _squeeze_expanded(node: Node) -> Any:
    (x,) = node.inputs
    if x.op.name in ("expand_dims", "squeeze") and x.op is not node.op and x.attrs.axes == node.attrs.axes:
        return x.inputs[0]
    return None


def _cast_twice(node: Node) -> Any:
    (x,) = node.inputs
    if x.op is node.op and x.inputs[0].type.dtype is types.BOOL:
        return ops.cast(x.inputs[0], node.type.dtype)
    return None


def _compose(outer: Any, inner: Any) -> Any:
    """The box of a box: entries of ``inner`` seen through those of ``outer``."""
    entries: list[Pick | Range] = []
    rest = iter(outer)
    for entry in inner:
        if isinstance(entry, Pick):
            entries.append(entry)
            continue
        own = next(rest)
        if isinstance(own, Pick):
            entries.append(Pick(entry.start + own.position * entry.step))
        else:
            entries.append(Range(entry.start + own.start * entry.step, own.size, own.step * entry.step))
    return tuple(entries)


def _slice_of(node: Node) -> Any:
    (x,) = node.inputs
    box = node.attrs.box
    if x.op.name == "slice":
        return ops.slice(x.inputs[0], _compose(box, x.attrs.box))
    if x.op.name == "stack":
        entry = box[x.attrs.axis]
        if isinstance(entry, Pick) and isinstance(entry.position, int):
            rest = (*box[: x.attrs.axis], *box[x.attrs.axis + 1 :])
            return ops.slice(x.inputs[entry.position], rest)
    if x.op.name == "concatenate":
        return _slice_of_concatenate(x, box)
    if x.op.name == "place":
        return _slice_of_place(x, box)
    if x.op.name == "update":
        return x.inputs[1] if same_box(x.attrs.box, box) else None
    return None


def _slice_of_concatenate(x: Node, box: Any) -> Any:
    """A part that lies within one of the joined arrays."""
    axis, start = x.attrs.axis, 0
    entry = box[axis]
    first = entry.position if isinstance(entry, Pick) else entry.start
    last = first if isinstance(entry, Pick) else first + (entry.size - 1) * entry.step
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    for one in x.inputs:
        size = one.shape[axis]
        if not isinstance(size, int):
            return None
        if start <= min(first, last) and max(first, last) < start + size:
            own = Pick(first - start) if isinstance(entry, Pick) else entry._replace(start=first - start)
            return ops.slice(one, (*box[:axis], own, *box[axis + 1 :]))
        start += size
    return None


def _slice_of_place(x: Node, box: Any) -> Any:
    """The very part that was placed, when it is the only one."""
    return x.inputs[0] if len(x.attrs.boxes) == 1 and same_box(x.attrs.boxes[0], box) else None


# -- stability ------------------------------------------------------------------------------------------------------
def _one_plus(node: Node) -> Any:
    """x, where the node is 1 + x."""
    if node.op.name != "add":
        return None
    a, b = node.inputs
    return b if ops.is_uniform(a, 1) else a if ops.is_uniform(b, 1) else None


def _log_of(node: Node) -> Any:
    (x,) = node.inputs
    inner = _one_plus(x)
    if inner is not None:
        return ops.softplus(inner.inputs[0]) if inner.op.name == "exp" else ops.log1p(inner)
    if x.op.name == "sum" and x.inputs[0].op.name == "exp":
        exponent = x.inputs[0].inputs[0]
        return None if is_shifted(exponent, x.attrs.axes) else ops.logsumexp(exponent, axis=x.attrs.axes)
    return None


def is_shifted(exponent: Node, axes: Sequence[int]) -> bool:
    """Whether an exponent is a value minus its largest along some of the axes: the sum of exponentials is safe as it is."""
    if exponent.op.name != "subtract":
        return False
    value, largest = exponent.inputs
    while largest.op.name in ("broadcast_to", "expand_dims", "reshape", "identity", "stop_gradient"):
        (largest,) = largest.inputs
    return largest.op.name == "max" and largest.inputs[0] is value and set(largest.attrs.axes) <= set(axes)


def _log1p_of(node: Node) -> Any:
    (x,) = node.inputs
    return ops.softplus(x.inputs[0]) if x.op.name == "exp" else None


def _exp_minus_one(node: Node) -> Any:
    a, b = node.inputs
    return ops.expm1(a.inputs[0]) if a.op.name == "exp" and ops.is_uniform(b, 1) else None


def _square_of_norm(node: Node) -> Any:
    (x,) = node.inputs
    if x.op.name == "norm":
        return ops.sum(ops.square(x.inputs[0]), axis=x.attrs.axes)
    return None


# Operations by which a number may come: see ops.uniform_value.
_NUMBERS = ("constant", "broadcast_to", "reshape", "expand_dims", "cast")
_FOLDED = tuple(op.name for op in REGISTRY.values() if op.kind in (Kind.ELEMENTWISE, Kind.REDUCTION))

EXACT: list[Rule] = [
    Rule("fold constants", _FOLDED, _fold_constants, _NUMBERS),
    Rule("x * 1", ("multiply",), _multiply_one, _NUMBERS),
    Rule("x * -1", ("multiply",), _multiply_minus_one, _NUMBERS),
    Rule("a * (2**k * x)", ("multiply",), _merge_factors, _NUMBERS),
    Rule("x / 1", ("divide",), _divide_one, _NUMBERS),
    Rule("x - 0", ("subtract",), _subtract_zero, _NUMBERS),
    Rule("--x", ("negative", "logical_not"), _double_negation, ("negative", "logical_not")),
    Rule("a + -b", ("add", "subtract", "multiply"), _negative_operand, ("negative",)),
    Rule("number as head", ("masked_multiply", "zero_multiply"), _masked_by_constant, _NUMBERS),
    Rule("known condition", ("where",), _where_known),
    Rule("x ** constant", ("power",), _power_constant, _NUMBERS),
    Rule("x / 2**k", ("divide",), _divide_by_power_of_two, _NUMBERS),
    Rule("transpose twice", ("transpose",), _transpose_twice, ("transpose",)),
    Rule("reshape again", ("reshape",), _reshape_again),
    Rule("broadcast twice", ("broadcast_to",), _broadcast_twice, ("broadcast_to",)),
    Rule("squeeze expanded", ("squeeze", "expand_dims"), _squeeze_expanded, ("squeeze", "expand_dims")),
    Rule("cast twice", ("cast",), _cast_twice, ("cast",)),
    Rule("slice of structure", ("slice",), _slice_of, ("slice", "stack", "concatenate", "place", "update")),
]
STABLE: list[Rule] = [
    Rule("log(1 + x)", ("log",), _log_of, ("add", "sum")),
    Rule("log1p(exp(x))", ("log1p",), _log1p_of, ("exp",)),
    Rule("exp(x) - 1", ("subtract",), _exp_minus_one, ("exp",)),
    Rule("norm(x)**2", ("square",), _square_of_norm, ("norm",)),
]


def rule_names() -> dict[str, list[str]]:
    """Names of the rules, by set."""
    return {"exact": [rule.name for rule in EXACT], "stable": [rule.name for rule in STABLE]}


def simplify(value: Any, stable: bool = True) -> Any:
    """An expression, or container of expressions, made simpler without changing its value.

    Parameters
    ----------
    value : expression or container
    stable : bool, default True
        Also use forms that do not overflow or cancel, which may change last digits.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x")
    >>> print(sg.simplify(np.log(1 + np.exp(x)) * 1))
    softplus(x)
    """
    leaves, structure = flatten(value)
    with observed(None):
        made, _ = rewrite([ops.as_node(leaf) for leaf in leaves], [*EXACT, *STABLE] if stable else EXACT)
    return unflatten(structure, made)
