"""Where derivative nodes come from.  In: nodes as a derivative pass builds or finds them.  Out: rule and forward node of each."""

from __future__ import annotations

from typing import Any, NamedTuple

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

    __slots__ = ("_log", "_origins", "_sites")

    def __init__(self) -> None:
        self._log: list[Any] = ["seed", None]  # a rule, its forward node, the nodes asked for; the next rule, ...
        self._sites: Sites = ()
        self._origins: dict[Node, set[Origin]] = {}

    def enter(self, rule: str, forward: Node | None) -> None:
        """From here on, nodes are asked for by this rule."""
        self._log += (rule, forward)
        self._sites = () if forward is None else (rule, *forward.sites)

    def note(self, node: Node) -> None:
        self._log.append(node)
        if not node.sites:
            node.sites = self._sites

    def _read(self) -> dict[Node, set[Origin]]:
        """The origins of each node: what the log says, which is written more often than read."""
        entries, origin = iter(self._log), Origin("seed", None)
        for one in entries:
            if one.__class__ is str:
                origin = Origin(one, next(entries))
            else:
                self._origins.setdefault(one, set()).add(origin)
        self._log = list(origin)
        return self._origins

    def origins(self, node: Node) -> frozenset[Origin]:
        """Who asked for the node; empty for a node that is not part of the derivative."""
        return frozenset(self._read().get(node, ()))

    def lines(self, node: Node) -> list[str]:
        """The user's source lines behind a derivative node."""
        found = {line for origin in self.origins(node) if origin.forward is not None for line in origin.forward.lines}
        return sorted(found)

    def __len__(self) -> int:
        return len(self._read())
