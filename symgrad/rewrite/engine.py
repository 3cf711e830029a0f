"""The rewrite engine.  In: a graph and rules.  Out: a graph of equal value, the same object where nothing changed.

Each node is rebuilt on rewritten inputs, then the rules of its operation are tried until none applies; what a rule
returns is rewritten in turn.  The engine remembers every node, so work is linear in nodes, and stops applying rules
when its budget is spent: the graph is then correct, only less simple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any

from symgrad.node import Node, rebuild, topological

__all__ = ["Report", "Rule", "rewrite"]


@dataclass(frozen=True)
class Rule:
    """One rewrite.

    Attributes
    ----------
    name : str
    ops : tuple of str
        Names of the operations whose nodes it looks at.
    function : callable
        ``(node) -> Node or None``: an expression of the same value and type, or None where the rule does not apply.
    inputs : tuple of str, optional
        Names of operations: it applies only to nodes with an input of one of them, and is not asked about others.
    """

    name: str
    ops: tuple[str, ...]
    function: Callable[[Any], Any]
    inputs: tuple[str, ...] = ()


@dataclass
class Report:
    """What a run did: how often each rule applied, and whether the budget sufficed."""

    budget: int
    applied: dict[str, int] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return sum(self.applied.values())

    @property
    def exhausted(self) -> bool:
        return self.used >= self.budget


def rewrite(
    outputs: Sequence[Node],
    rules: Sequence[Rule],
    budget: int | None = None,
    order: Sequence[Node] = (),
    settled: Sequence[Rule] = (),
) -> tuple[list[Any], Report]:
    """The outputs rewritten.

    Parameters
    ----------
    outputs : expressions
    rules : rules to apply
    budget : int, optional
        Largest number of rule applications; by default 1000 and 20 per node met.
    order : sequence of Node, optional
        The topological order of the outputs' nodes, where that is known.
    settled : rules, optional
        Those by which the outputs are the result of a rewrite: they are asked about what other rules change only.

    Returns
    -------
    list of expressions, Report
    """
    run = _Run(rules, budget, settled)
    order = order or topological(outputs)
    if budget is None:
        run.report.budget += 20 * len(order)
    run.settle(order)
    return [run.rewritten(node) for node in outputs], run.report


class _Run:
    def __init__(self, rules: Sequence[Rule], budget: int | None, settled: Sequence[Rule]) -> None:
        self.by_op = _by_operation([*settled, *rules])
        # For each operation, those that an input must have for any rule to apply; None where some rule needs none.
        self.wanted = {
            name: frozenset(one for rule in own for one in rule.inputs) if all(rule.inputs for rule in own) else None
            for name, own in _by_operation(rules).items()
        }
        self.fixed_budget = budget
        self.report = Report(1000 if budget is None else budget)
        self.applied = 0
        self.done: dict[Node, Any] = {}
        self.guarded = False  # whether a node with an override has been met
        self.asked: dict[tuple[str, ...], list[Rule]] = {}  # by the operations of a node and of its inputs
        self.became: dict[Node, Any] = {}  # nodes under way, and what they were turned into

    def settle(self, order: Sequence[Node]) -> None:
        """Rewrite nodes in topological order: at once where nothing can change, as most."""
        done, every_wanted = self.done, self.wanted
        for node in order:
            if node in done:
                continue
            wanted = every_wanted.get(node.op.name, _NOTHING)
            if wanted is not None and node.context is None:
                for one in node.inputs:
                    if done[one] is not one or one.op.name in wanted:
                        break
                else:
                    done[node] = node
                    continue
            made = self._step(node)
            if made is not node and made not in done:
                self._begin(node, made)
                self.rewritten(made)
            done.setdefault(node, done.get(made, node))

    def _begin(self, node: Node, made: Node) -> None:
        """What a rule returned is to be rewritten first."""
        self.became[node] = made
        if self.fixed_budget is None:
            self.report.budget += 20

    def rewritten(self, root: Node) -> Any:
        """What a node becomes."""
        pending = [root]
        while pending:
            node = pending[-1]
            if node in self.done:
                pending.pop()
                continue
            missing = [one for one in node.inputs if one not in self.done]
            if missing:
                pending.extend(reversed(missing))
                continue
            made = self.became.get(node)
            if made is None:
                made = self._step(node)
                if made is not node and made not in self.done and made not in self.became:
                    self._begin(node, made)
                    pending.append(made)  # and then this node is looked at again
                    continue
            pending.pop()
            self.done[node] = self.done.get(made, node)  # rules that lead back to a node under way end there
        return self.done[root]

    def _step(self, node: Node) -> Node:
        """The node on rewritten inputs, or what the first applicable rule makes of it."""
        inputs = tuple(map(self.done.__getitem__, node.inputs))
        if not all(map(is_, inputs, node.inputs)):
            rebuilt: Node = rebuild(node, inputs)
            return rebuilt
        if node.context is not None and _overridden(node):
            self.guarded = True
            return node
        if self.applied < self.report.budget:
            for rule in self._asked(node):
                made = rule.function(node)
                if made is not None and made is not node and not (self.guarded and _loses_override(node, made)):
                    self.applied += 1
                    self.report.applied[rule.name] = self.report.applied.get(rule.name, 0) + 1
                    result: Node = made
                    return result
        return node

    def _asked(self, node: Node) -> Sequence[Rule]:
        """The rules that look at such a node."""
        key = (node.op.name, *[one.op.name for one in node.inputs])
        found = self.asked.get(key)
        if found is None:
            found = [
                rule
                for rule in self.by_op.get(key[0], ())
                if not rule.inputs or not set(rule.inputs).isdisjoint(key[1:])
            ]
            self.asked[key] = found
        return found


def _by_operation(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        for name in rule.ops:
            found.setdefault(name, []).append(rule)
    return found


_NOTHING: frozenset[str] = frozenset()
_REACH = 3  # how far down a rule looks


def _overridden(node: Node) -> bool:
    """Whether an override belongs to this very operation: it must stay until it is differentiated."""
    context = node.context
    return context is not None and any(node.op.name == name for name, _ in context.overrides)


def _loses_override(node: Node, made: Node) -> bool:
    """Whether a rule would take an operation with an override out of the graph."""
    return not {one for one in _near(node) if _overridden(one)} <= _near(made)


def _near(node: Node) -> set[Node]:
    found = level = {node}
    for _ in range(_REACH):
        level = {one for parent in level for one in parent.inputs}
        found = found | level
    return found
