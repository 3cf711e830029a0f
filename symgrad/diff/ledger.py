"""Where derivative nodes come from.  In: nodes as a derivative pass builds or finds them.  Out: rule and forward node of each."""

from __future__ import annotations

from typing import NamedTuple

from symgrad.node import Node
from symgrad.provenance import Sites

__all__ = ["Ledger", "Origin"]


class Origin(NamedTuple):
    """A rule asked for a node while differentiating a forward node."""

    rule: str
    forward: Node | None


class Ledger:
    """For each node of a derivative, the rules and forward nodes that asked for it.  Owned by the result of one pass.

    A node without source lines of its own gets those of the forward node, behind the name of the rule.
    """

    __slots__ = ("_here", "_origins", "_sites")

    def __init__(self) -> None:
        self._here = Origin("seed", None)
        self._sites: Sites = ()
        self._origins: dict[Node, set[Origin]] = {}

    def enter(self, rule: str, forward: Node | None) -> None:
        """From here on, nodes are asked for by this rule."""
        self._here = Origin(rule, forward)
        self._sites = () if forward is None else (rule, *forward.sites)

    def note(self, node: Node) -> None:
        self._origins.setdefault(node, set()).add(self._here)
        if not node.sites:
            node.sites = self._sites

    def origins(self, node: Node) -> frozenset[Origin]:
        """Who asked for the node; empty for a node that is not part of the derivative."""
        return frozenset(self._origins.get(node, ()))

    def lines(self, node: Node) -> list[str]:
        """The user's source lines behind a derivative node."""
        found = {
            line
            for origin in self._origins.get(node, ())
            if origin.forward is not None
            for line in origin.forward.lines
        }
        return sorted(found)

    def __len__(self) -> int:
        return len(self._origins)
