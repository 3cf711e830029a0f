"""What becomes of derivatives at one node.  In: a node, a source, the user's stops and rules.  Out: a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping

from symgrad import types
from symgrad.diff.paths import Verdict
from symgrad.diff.reverse import differentiable
from symgrad.diff.rules import Rule, carried, rule_name
from symgrad.node import Node
from symgrad.opdef import Constant

__all__ = ["Judge"]

_LOGICAL = {"logical_and", "logical_or", "logical_not", "logical_xor", "all", "any"}
_POSITIONS = {"argmax", "argmin", "argsort", "searchsorted"}


class Judge:
    """What happens at each node, judged by itself."""

    def __init__(self, x: Node, stops: Mapping[Node, Verdict], replaced: Mapping[Node, Rule]) -> None:
        self.x, self.stops, self.replaced = x, stops, replaced

    def rule(self, node: Node) -> Verdict | None:
        """The user's rule in force, if there is one."""
        if node in self.replaced:
            return Verdict(
                "overridden", "Rules override", f"overridden by Rules with {rule_name(self.replaced[node])!r}"
            )
        own = carried(node)
        if own is not None:
            return Verdict("overridden", "override map", f"overridden by an override map with {rule_name(own)!r}")
        if node.op.name == "custom_gradient":
            return Verdict("overridden", "custom_gradient", f"custom_gradient of {node.attrs.name}")
        return None

    def special(self, node: Node) -> Verdict | None:
        """What a node does to derivatives that pass it, where that is not its declared rule."""
        rule = self.rule(node)
        derivative = node.op.derivative
        if rule is None and isinstance(derivative, Constant) and derivative.connected:
            return Verdict(
                "zero", "piecewise constant", f"{node.op.name} is constant almost everywhere: derivative zero"
            )
        return rule

    def cut(self, node: Node) -> Verdict:
        """Why a node does not pass derivatives on."""
        if node in self.stops and node is not self.x:
            return self.stops[node]
        rule = self.rule(node)
        if rule is not None and differentiable(node):
            return Verdict("stopped", rule.kind, f"{rule.text}, whose rule gives nothing here")
        if node.op.name == "stop_gradient":
            return Verdict("stopped", "stop_gradient", "lets no derivative pass")
        plain = _family(node)
        return plain if rule is None else plain._replace(text=f"{plain.text}; {rule.text}, which is never asked")

    def carries(self, node: Node) -> bool:
        """Whether values of this element type carry derivatives by the source."""
        return differentiable(node) and not (types.is_float(self.x.type.dtype) and _is_integer(node))

    def unable(self, node: Node) -> Verdict:
        """A source whose element type carries no derivatives."""
        return Verdict("disconnected", "element type", f"values of type {node.type.dtype} carry no derivatives")

    def note(self, node: Node) -> str:
        """What to say of a node on the way."""
        if node in self.stops and node is not self.x:
            return self.stops[node].text
        if node.op.name == "stop_gradient" and node.attrs.order == 1 and self.rule(node) is None:
            return self.cut(node).text
        if node is not self.x and not self.carries(node) and any(map(self.carries, node.inputs)):
            return self.cut(node).text
        found = self.special(node)
        return "" if found is None else found.text


def _is_integer(node: Node) -> bool:
    return not types.is_tuple(node.type) and types.is_integer(node.type.dtype)


def _family(node: Node) -> Verdict:
    """By the operation's declaration: the element type that it loses, or the argument that it has no derivative by."""
    name, kind = node.op.name, node.type
    if name == "cast":
        return Verdict("disconnected", "integer cast", f"cast from {node.inputs[0].type.dtype} to {kind.dtype}")
    if types.is_tuple(kind) or types.is_float(kind.dtype):
        return Verdict("disconnected", "no derivative", f"{name} has no derivative by this argument")
    if types.is_integer(kind.dtype):
        if name in _POSITIONS:
            return Verdict("disconnected", "argmax", "a position has no derivative")
        return Verdict("disconnected", "integer arithmetic", f"{name} gives integers: no derivative")
    return Verdict("disconnected", "logical" if name in _LOGICAL else "comparison", "true or false: no derivative")
