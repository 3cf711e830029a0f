"""The verifier.  In: a graph.  Out: nothing, or an error naming the first node that breaks a rule of the graph."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.errors import SymgradError
from symgrad.node import Node, topological
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.declaring import ELEMENTWISE
from symgrad.types import TensorType, TupleType, same_shape

__all__ = ["verify"]


def verify(outputs: Sequence[Node]) -> None:
    """Check every node: registered operation, attributes of the declared class, and the type that the type rule gives.

    Raises
    ------
    SymgradError
        A node breaks a rule.
    """
    for node in topological(outputs):
        if REGISTRY.get(node.op.name) is not node.op:
            raise _broken(node, "its operation is not the registered one")
        expected = node.op.attrs
        if (expected is None and node.attrs != ()) or (expected is not None and not isinstance(node.attrs, expected)):
            raise _broken(node, f"its attributes {node.attrs!r} are not of the declared class")
        if node.op.kind is Kind.ELEMENTWISE:
            _verify_operands(node)
        kind = node.op.infer(node.inputs, node.attrs)
        same = kind is node.type if isinstance(kind, TensorType) else isinstance(node.type, TupleType)
        if not same:
            raise _broken(node, f"its type is {node.type}, the type rule gives {kind}")


def _verify_operands(node: Node) -> None:
    """The number and the shapes of the operands, which the type rule of an elementwise operation takes for granted."""
    declared = ELEMENTWISE.get(node.op.name)
    if not node.inputs or (declared is not None and len(node.inputs) != declared.arity):
        raise _broken(node, f"it has {len(node.inputs)} operands")
    for one in node.inputs:
        if not isinstance(one.type, TensorType) or not same_shape(one.type.shape, node.inputs[0].type.shape):
            raise _broken(node, f"its operands are {', '.join(str(each.type) for each in node.inputs)}")


def _broken(node: Node, what: str) -> SymgradError:
    return SymgradError(f"verify: a {node.op.name} node is broken: {what}", where=next(iter(node.lines), None))
