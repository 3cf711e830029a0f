"""Index arrays.  In: the gathers and scatters of a graph.  Out: which index arrays a kernel must check against which size."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import dims, types
from symgrad.dims import Size
from symgrad.node import Node

__all__ = ["SAME_ELEMENTS", "IndexUse", "check_rounds", "index_uses"]

SAME_ELEMENTS = {"broadcast_to", "expand_dims", "squeeze", "reshape", "transpose", "assert_shape"}


_INDEXED = ("gather", "scatter_add", "scatter_set")


class IndexUse(NamedTuple):
    """Elements of ``base`` index an axis of ``size``."""

    base: Node
    size: Size
    message: str


def index_uses(order: Sequence[Node]) -> list[IndexUse]:
    """The checks that a graph needs, each once."""
    found: dict[tuple[Node, Size], IndexUse] = {}
    for node in (one for one in order if one.op.name in _INDEXED):
        for k, index in enumerate(_indices(node)):
            axis = node.attrs.axis + k
            base, size = _base(index), node.inputs[0].shape[axis]
            if not _certain(base, size):
                line = next(iter(node.lines), "an unknown place")
                message = f"an index is out of bounds for axis {axis} of size {size} (the indexing at {line})"
                found.setdefault((base, size), IndexUse(base, size, message))
    return list(found.values())


def check_rounds(order: Sequence[Node], uses: Sequence[IndexUse], calls: Collection[Node]) -> dict[Node, int]:
    """How many rounds of index checks must come before a node is computed, if any; callbacks keep their order."""
    if not uses and not calls:
        return {}
    checked = {use.base for use in uses}
    phases: dict[Node, int] = {}
    reached = 0
    for node in order:
        phase = max((phases[one] for one in node.inputs), default=0)
        for base in map(_base, _indices(node)):
            if base in checked:
                phase = max(phase, phases[base] + 1)
        if node in calls:
            phase = reached = max(phase, reached)
        phases[node] = phase
    return phases


def _indices(node: Node) -> Sequence[Node]:
    """The inputs that are indices."""
    if node.op.name in _INDEXED:
        return node.inputs[1:] if node.op.name == "gather" else node.inputs[2:]
    return ()


def _base(index: Node) -> Node:
    """The array whose elements the index's are."""
    while index.op.name in SAME_ELEMENTS or (index.op.name == "cast" and types.is_integer(index.inputs[0].type.dtype)):
        index = index.inputs[0]
    return index


def _certain(base: Node, size: Size) -> bool:
    """Whether every element is known to lie within the axis."""
    if base.op.name == "iota":
        return dims.at_least(size, base.shape[0]) is True
    if base.op.name == "argsort":
        return dims.at_least(size, base.shape[-1]) is True
    if base.op.name != "constant":
        return False
    array: np.ndarray[Any, Any] = base.attrs.value.array
    if array.size == 0:
        return True
    return dims.at_least(size, int(array.max()) + 1) is True and dims.at_least(size, -int(array.min())) is True
