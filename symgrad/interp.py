"""The reference semantics.  In: a graph and values for its placeholders.  Out: NumPy arrays.

Every operation's value is defined by its ``evaluate``; compiled code is tested against this.  Dynamic dimensions get
their sizes from the values given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgrad import dims
from symgrad.dims import Atom, Dim, Size
from symgrad.errors import KernelInputError, ShapeError
from symgrad.node import Node
from symgrad.ops.callback import in_program_order
from symgrad.types import TensorType

__all__ = ["bind_dims", "concrete", "evaluate"]


def bind_dims(kinds: Sequence[TensorType], shapes: Sequence[tuple[int, ...]]) -> dict[Atom, int]:
    """Sizes of the dimensions, from the shapes of arguments.

    Raises
    ------
    ShapeError
        A shape contradicts its type or another argument, or a dimension cannot be found from the shapes.
    """
    values: dict[Atom, int] = {}
    pairs = [
        (size, actual)
        for kind, shape in zip(kinds, shapes, strict=True)
        for size, actual in zip(kind.shape, shape, strict=True)
    ]
    waiting = [(size, actual) for size, actual in pairs if isinstance(size, Dim)]
    while waiting:
        rest = []
        for size, actual in waiting:
            solved = _solve(size, actual, values)
            if solved is None:
                rest.append((size, actual))
        if len(rest) == len(waiting):
            raise ShapeError(f"the size {rest[0][0]} cannot be found from the arguments' shapes")
        waiting = rest
    for expected, actual in pairs:
        if dims.evaluate(expected, values) != actual:
            raise ShapeError(
                f"an axis of size {actual} where {expected} = {dims.evaluate(expected, values)} is expected"
            )
    return values


def _solve(size: Dim, actual: int, values: dict[Atom, int]) -> bool | None:
    """Find the one unknown of a size; True when nothing is left to find, None when more than one is unknown."""
    left = dims.substitute(size, values)
    if isinstance(left, int):
        return True
    if len(left.terms) != 1 or len(left.terms[0][0]) != 1 or not left.terms[0][0][0].is_leaf:
        return None
    (atom,), factor = left.terms[0]
    if (actual - left.offset) % factor:
        raise ShapeError(f"an axis of size {actual} cannot be {size}")
    values[atom] = (actual - left.offset) // factor
    return True


def concrete(attrs: Any, values: Mapping[Atom, Size]) -> Any:
    """Attributes with every dimension replaced by its size."""
    if isinstance(attrs, Dim):
        return dims.substitute(attrs, values)
    if isinstance(attrs, TensorType):
        return attrs.with_shape(concrete(attrs.shape, values))
    if isinstance(attrs, tuple):
        parts = [concrete(part, values) for part in attrs]
        return type(attrs)(*parts) if hasattr(attrs, "_fields") else tuple(parts)
    return attrs


def evaluate(outputs: Sequence[Node], values: Mapping[Node, Any]) -> list[np.ndarray[Any, Any]]:
    """The values of expressions, computed with NumPy.

    Parameters
    ----------
    outputs : expressions
    values : array for each placeholder (or intermediate expression)

    Raises
    ------
    TraceError
        A placeholder has no value.
    KernelInputError, ShapeError
        An array does not fit its placeholder.
    """
    known: dict[Node, Any] = {}
    for node, value in values.items():
        array = np.asarray(value, dtype=node.type.dtype)
        if array.ndim != node.ndim:
            raise KernelInputError(f"{node}: rank {array.ndim} where rank {node.ndim} is expected")
        known[node] = array
    sizes = bind_dims([node.type for node in known], [array.shape for array in known.values()])
    with np.errstate(all="ignore"):
        for node in in_program_order(outputs, known.__contains__):
            if node not in known:
                known[node] = _value(node, known, sizes)
    return [np.asarray(known[node]) for node in outputs]


def _value(node: Node, known: Mapping[Node, Any], sizes: Mapping[Atom, int]) -> Any:
    made = node.op.evaluate(concrete(node.attrs, sizes), *(known[one] for one in node.inputs))
    return made if isinstance(made, tuple) else np.asarray(made, dtype=node.type.dtype)
