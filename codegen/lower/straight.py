"""Straight-line code.  In: scalars to store.  Out: their statements, node by node.

Long scalar programs spend most of their compile time here, so this is the short way for them: no index, no loop, no
simplification that the rewrite rules have not made already.  What needs more than that takes the general way, through
:class:`~codegen.lower.access.Scalarizer` and :class:`~codegen.lower.schedule.Scheduler`, to the same values.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from codegen.lower.access import Scalarizer
from codegen.lower.forms import Index
from codegen.lower.instances import halving, value_of
from codegen.lower.loopir import Buffer, Const, Let, Load, Store, offset_of
from symgrad.node import Node
from symgrad.opdef import Kind
from symgrad.types import DType

__all__ = ["ScalarStore", "straight_line"]

_MASKED = {"masked_multiply", "zero_multiply"}  # the general way knows which heads are never zero, and drops the mask

_SIMPLE = {"constant", "slice"}
_OPENED = 0  # the id of a node that waits for its inputs


class ScalarStore(NamedTuple):
    """The sum of ``source``, rank-0 nodes, goes to one element of a buffer; ``target`` is the array being stored."""

    target: Node | None
    source: tuple[Node, ...]
    buffer: Buffer
    offset: Index
    add: bool


def straight_line(stores: Sequence[ScalarStore], scalarizer: Scalarizer) -> tuple[Any, ...] | None:
    """The statements that make the stores; None where a scalar is not simply a load, a number or an operation."""
    if not all(isinstance(store.offset, int) for store in stores):
        return None
    made = _Statements(scalarizer, {one.target for one in stores})
    if not made.compute([node for one in stores for node in one.source]):
        return None
    for store in stores:
        made.store(store)
    return tuple(made.out)


class _Statements:
    """Statements so far.  Minus signs wait until something cannot absorb them; moving them changes no result."""

    def __init__(self, scalarizer: Scalarizer, targets: Set[Node | None]) -> None:
        self.scalarizer, self.targets = scalarizer, targets
        self.out: list[Any] = []
        self.ids: dict[Node, int] = {}
        self.minus: set[Node] = set()  # nodes that are minus the value of their id
        self.count = 0

    def compute(self, sources: Sequence[Node]) -> bool:
        """Compute nodes, inputs before users as :func:`symgrad.node.topological` has them; False where one is not simple."""
        ids, minus, elementwise = self.ids, self.minus, Kind.ELEMENTWISE
        stored, targets = self.scalarizer.stored, self.targets
        pending = [*sources]
        pending.reverse()
        while pending:
            node = pending.pop()
            own = ids.get(node)
            if own is None:
                if node.op.kind is elementwise and (node not in stored or node in targets):
                    ids[node] = _OPENED
                    pending.append(node)
                    pending.extend(node.inputs[::-1])
                elif not self._leaf(node):
                    return False
            elif own is _OPENED:
                name, inputs = node.op.name, node.inputs
                if name == "negative":
                    self._negative(node)
                    continue
                if name in _MASKED:
                    return False
                if not minus.isdisjoint(inputs):
                    name, inputs = self._signed(node)
                ids[node] = self.let(name, tuple(map(ids.__getitem__, inputs)), node.type.dtype)
        return True

    def let(self, op: str, args: tuple[int, ...], dtype: DType) -> int:
        self.count += 1
        self.out.append(Let(self.count, op, args, dtype))
        return self.count

    def _negative(self, node: Node) -> None:
        (one,) = node.inputs
        self.ids[node] = self.ids[one]
        if one not in self.minus:
            self.minus.add(node)

    def _signed(self, node: Node) -> tuple[str, tuple[Node, ...]]:
        """The operation and operands that make (minus) a node of operands with waiting signs."""
        name, inputs, minus = node.op.name, node.inputs, self.minus
        if name in ("multiply", "divide"):
            a, b = inputs
            if (a in minus) is not (b in minus):
                minus.add(node)
            return name, inputs
        if name in ("add", "subtract"):
            a, b = inputs
            if a not in minus:
                return "subtract" if name == "add" else "add", inputs
            if b not in minus and name == "add":
                return "subtract", (b, a)
            if b in minus and name == "subtract":
                return "subtract", (b, a)
        for one in inputs:
            self.value(one)
        return name, inputs

    def value(self, node: Node) -> int:
        """The id of a node's own value."""
        if node in self.minus:
            self.minus.remove(node)
            self.ids[node] = self.let("negative", (self.ids[node],), node.type.dtype)
        return self.ids[node]

    def _leaf(self, node: Node) -> bool:
        """A load or a number; False for anything else."""
        if node not in self.scalarizer.stored and node.op.name not in _SIMPLE:
            return False
        found = self.scalarizer.value(node, (), node in self.targets)
        own = self.ids[node] = self.count = self.count + 1
        if found.op == "const":
            self.out.append(Const(own, value_of(found), found.dtype))
        elif found.op == "load" and isinstance(found.data[1], int):
            self.out.append(Load(own, found.data[0], offset_of(found.data[1], {}), found.dtype))
        else:
            return False
        return True

    def store(self, store: ScalarStore) -> None:
        dtype = store.source[0].type.dtype
        value = halving([self.value(node) for node in store.source], lambda a, b: self.let("add", (a, b), dtype))
        self.out.append(Store(store.buffer, offset_of(store.offset, {}), value, store.add))
