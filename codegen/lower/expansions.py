"""Operations as simpler ones.  In: a node.  Out: the same value from other operations, or None.

Powers with small exponents are products, which share what lower powers of the same number compute.  Running results along
short axes become one expression each: no array has to be read and written in order, so they join the loops around them.
Contractions over unit arrays, of which derivatives are made, only name their indices anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgrad import ops, types
from symgrad.node import Node
from symgrad.ops.boxes import Pick, whole

__all__ = ["RUNNING", "power_as_product", "running_as_chain", "without_units"]

_SMALL = 4  # exponents of which products are within 2.5 units in the last place
_LARGEST = 64  # exponents of which they are products where the rounding may differ
_SHORT = 16  # elements of an axis
_PRODUCTS = ("multiply", "masked_multiply", "zero_multiply")
_DEEPEST = 6  # products within products


def power_as_product(largest: bool) -> Callable[[Node], Any]:
    """A rule for ``x ** n``, and for ``2 ** x``; with ``largest``, also where products round more often than ``pow``."""

    def rule(node: Node) -> Any:
        x, exponent = node.inputs
        if not types.is_float(node.type.dtype):
            return None
        if ops.is_uniform(x, 2):
            return ops.exp2(exponent)
        known = ops.uniform_value(exponent)
        if known is None:
            return None
        size = abs(float(known))
        if not (size.is_integer() and 3 <= size <= (_LARGEST if largest else _SMALL)) or (known < 0 and not largest):
            return None
        product = _product(x, int(size))
        return product if known > 0 else ops.divide(1, product)

    return rule


def _product(x: Node, exponent: int) -> Any:
    if exponent == 1:
        return x
    return ops.multiply(x, _product(x, exponent - 1)) if exponent % 2 else ops.square(_product(x, exponent // 2))


_NEXT: dict[str, Callable[..., Any]] = {
    "cumsum": ops.add,
    "cumprod": ops.multiply,
    "cummax": ops.maximum,
    "cummin": ops.minimum,
    "recurrence": lambda before, factor, term: ops.add(ops.multiply(before, factor), term),
}


def running_as_chain(node: Node) -> Any:
    """Running sums, products, extrema and linear recurrences along a short axis, one element from the one before."""
    axis = node.attrs.axis
    size = node.shape[axis]
    if not isinstance(size, int) or not 0 < size <= _SHORT:
        return None
    box = list(whole(node.shape))
    results: list[Any] = []
    for place in range(size):
        box[axis] = Pick(place)
        given = [ops.slice(one, tuple(box)) for one in node.inputs]
        results.append(_NEXT[node.op.name](results[-1], *given) if results else given[-1])
    return ops.stack(results, axis)


RUNNING = tuple(_NEXT)


def without_units(node: Node) -> Any:
    """An einsum without the factor 1, and with unit arrays only where their zeros are part of the result."""
    for place, (one, own) in enumerate(zip(node.inputs, node.attrs.inputs, strict=True)):
        rest, names = _others(node.inputs, place), _others(node.attrs.inputs, place)
        if not own and ops.is_uniform(one, 1):
            return ops.einsum_labels(rest, names, node.attrs.output)
        beside = _beside_units(one) if len(own) == 2 else None
        if beside is None:
            continue
        for factor in beside:
            narrow, left = _unrepeated(factor, own)
            rest, names = [*rest, narrow], [*names, left]
        for new, old in (own, own[::-1]):
            renamed = [[new if label == old else label for label in other] for other in names]
            if old not in node.attrs.output and any(new in other for other in renamed):
                return ops.einsum_labels(rest, renamed, node.attrs.output)
    return None


def _beside_units(node: Node, depth: int = 0) -> list[Any] | None:
    """What a product multiplies unit arrays by, which annihilate all but the diagonal of it; None without unit arrays."""
    if node.op.name == "basis":
        return []
    if node.op.name in _PRODUCTS and depth < _DEEPEST:
        for one, other in (node.inputs, node.inputs[::-1]):
            found = _beside_units(one, depth + 1) if types.same_shape(one.shape, node.shape) else None
            if found is not None:
                return [*found, other]
    return None


def _unrepeated(node: Node, labels: Sequence[int]) -> tuple[Any, Sequence[int]]:
    """A repeated array as it was, and its labels."""
    if node.op.name != "broadcast_to":
        return node, labels
    (one,) = node.inputs
    own = labels[len(labels) - one.ndim :]
    kept = [axis for axis, size in enumerate(one.shape) if not (isinstance(size, int) and size == 1)]
    return ops.reshape(one, tuple(one.shape[axis] for axis in kept)), [own[axis] for axis in kept]


def _others(sequence: Sequence[Any], place: int) -> list[Any]:
    return [*sequence[:place], *sequence[place + 1 :]]
