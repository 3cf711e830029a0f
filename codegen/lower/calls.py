"""Functions of the host in a loop program.  In: a callback node and the buffers of its arrays.  Out: the stage that calls it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from codegen.lower.access import Stored
from codegen.lower.loopir import Buffer, Call
from symgrad.node import Node
from symgrad.opdef import Kind
from symgrad.ops.callback import result_types, run

__all__ = ["call_message", "call_of", "call_stage", "result_position"]


def call_of(node: Node) -> Node | None:
    """The callback of which a node is a result; None for any other node."""
    if node.op.name == "item":
        (node,) = node.inputs
        return node if node.op.kind is Kind.CALLBACK else None
    return node if node.op.kind is Kind.CALLBACK and node.attrs.single else None


def result_position(node: Node) -> int:
    """Which result of its callback a node is."""
    return node.attrs.position if node.op.name == "item" else 0


def call_message(node: Node) -> str:
    """What a kernel says when the function has failed."""
    return f"the callback {node.attrs.host.name} failed (called at {next(iter(node.lines), 'an unknown place')})"


def call_stage(
    node: Node, position: int, inputs: Sequence[Stored | None], outputs: Sequence[Buffer], status: int
) -> Call:
    """The stage; every input is dense."""
    buffers: list[Any] = [None if one is None else one.buffer for one in inputs]
    assert None not in buffers
    types = (*(one.type for one in node.inputs), *result_types(node.attrs))
    return Call(position, node.attrs.host.name, tuple(buffers), tuple(outputs), types, partial(run, node.attrs), status)
