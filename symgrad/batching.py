"""Vectorisation.  In: a graph and nodes with a new leading axis in place of some of its nodes.  Out: the graph over that axis.

Each operation is rebuilt over the new axis, which always stands first; what does not depend on a batched node stays as
it is, shared by all of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgrad import ops, provenance
from symgrad.dims import Size
from symgrad.errors import GradientError
from symgrad.node import Node, apply, depends_on, topological
from symgrad.opdef import Kind
from symgrad.ops.control import Closed

__all__ = ["batch_closed", "vectorize"]


def vectorize(outputs: Sequence[Node], replacements: Mapping[Node, Node], size: Size) -> list[tuple[Any, bool]]:
    """The outputs over a new leading axis.

    Parameters
    ----------
    outputs : nodes
    replacements : batched node for each node that varies over the batch; ``(size, *shape)`` for a node of ``shape``
    size : length of the new axis

    Returns
    -------
    list of (node, whether it has the new axis)
    """
    order = topological(outputs, replacements.__contains__)
    moved = depends_on(order, replacements)
    made: dict[Node, Node] = dict(replacements)
    for node in order:
        if node in moved and node not in made:
            inputs = tuple(made.get(one, one) for one in node.inputs)
            batched = tuple(one in moved for one in node.inputs)
            token = provenance.current.set(provenance.BuildContext(node.context, _Sites(node)))
            try:
                made[node] = _rebuild(node, inputs, batched, size)
            finally:
                provenance.current.reset(token)
    return [(made.get(one, one), one in moved) for one in outputs]


class _Sites:
    """An observer that hands a node's source lines on to what is built from it."""

    __slots__ = ("sites",)

    def __init__(self, node: Node) -> None:
        self.sites = node.sites

    def note(self, node: Node) -> None:
        if not node.sites:
            node.sites = self.sites


def _rebuild(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    op = node.op
    ruled = None if op.batch is None else op.batch(node, inputs, batched, size)
    if ruled is not None:
        return ruled
    if op.kind is Kind.ELEMENTWISE:
        aligned = [
            one if own else ops.broadcast_to(one, (size, *one.shape)) for one, own in zip(inputs, batched, strict=True)
        ]
        made: Node = apply(op, tuple(aligned), node.attrs)
        return made
    if op.define is not None:
        value = op.define(node.inputs, node.attrs)
        return vectorize(
            [value], {one: new for one, new, own in zip(node.inputs, inputs, batched, strict=True) if own}, size
        )[0][0]
    raise GradientError(f"{op.name}: no batching rule is declared", where=next(iter(node.lines), None))


def batch_closed(closed: Closed, size: Size) -> Closed:
    """A closed graph with a new leading axis on every parameter and every result."""
    parameters = [ops.parameter(one.attrs.name, one.type.with_shape((size, *one.shape))) for one in closed.parameters]
    made = vectorize(closed.present, dict(zip(closed.parameters, parameters, strict=True)), size)
    return closed.with_present(
        parameters, [node if own else ops.broadcast_to(node, (size, *node.shape)) for node, own in made]
    )
