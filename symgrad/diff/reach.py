"""The ways between results and a source.  In: a graph, stops and rules.  Out: a shortest path of each class.

Reverse mode is run and watched, so that the answer is what ``gradients`` does: which inputs of each node receive a
cotangent.  Everything else is breadth-first search, linear in the nodes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from symgrad import ops
from symgrad.diff.heads import Head
from symgrad.diff.ledger import Ledger
from symgrad.diff.paths import STATUSES, Path, Verdict
from symgrad.diff.reverse import Reverse, differentiable
from symgrad.diff.rules import Rule
from symgrad.diff.verdicts import Judge
from symgrad.node import Node, depends_on
from symgrad.provenance import observed

__all__ = ["Search", "follow", "spread"]

MOST = 20  # classes of paths that are listed


class _Watched(Reverse):
    """A reverse pass that records who receives a cotangent from whom."""

    def __init__(
        self, outputs: Sequence[Node], x: Node, stops: Iterable[Node], replaced: Mapping[Node, Rule], ledger: Ledger
    ) -> None:
        super().__init__(outputs, [x], (), replaced, ledger)
        self.stops = set(stops)  # only now, so that cotangents arrive at what is stopped
        known = [y for y in outputs if differentiable(y) and y in self.active]
        self.given: dict[Node, dict[Node, None]] = {y: {} for y in known}
        self.here: Node = x
        self.run(known, [Head(ops.full_of(y.type, 1)) for y in known])

    def _record(self, node: Node) -> None:
        self.given[self.here][node] = None
        self.given.setdefault(node, {})

    def _give(self, node: Node, head: Head | None) -> None:
        if head is not None and node in self.active and differentiable(node):
            self._record(node)
        super()._give(node, head)

    def _pass_on(self, node: Node, head: Head) -> None:
        self.here = node
        if node.op.name == "item" and node.inputs[0] in self.active:
            self._record(node.inputs[0])
        super()._pass_on(node, head)

    def _pass_tuple(self, node: Node) -> None:
        self.here = node
        super()._pass_tuple(node)

    def _pass_equivalent(self, node: Node, head: Head) -> bool:
        return False  # paths are those of the graph as it was written

    def _pass_stopped(self, node: Node, head: Head) -> None:
        self._give(node.inputs[0], head)  # the first derivatives exist; their value does not matter here


# -- the search ---------------------------------------------------------------------------------------------------------
Links = dict[Node, "Node | None"]  # the next node on a shortest way to where a search began


def spread(starts: Iterable[Node], onwards: Callable[[Node], Iterable[Node]]) -> Links:
    """Breadth first: every node reached, with the one it was reached from."""
    found: Links = dict.fromkeys(starts)
    waiting = deque(found)
    while waiting:
        node = waiting.popleft()
        for one in onwards(node):
            if one not in found:
                found[one] = node
                waiting.append(one)
    return found


def follow(node: Node | None, links: Links) -> list[Node]:
    """The way back from a node to where a search began."""
    made: list[Node] = []
    while node is not None:
        made.append(node)
        node = links[node]
    return made


def _users(edges: Iterable[tuple[Node, Iterable[Node]]]) -> dict[Node, list[Node]]:
    made: dict[Node, list[Node]] = {}
    for node, inputs in edges:
        for one in inputs:
            made.setdefault(one, []).append(node)
    return made


_Class = tuple[Verdict, "Node | None", Callable[[], tuple[Node, ...]]]  # what decides, where, and a path when asked
_DECLARED = Verdict("connected", "declared rules", "declared rules all the way")


def _joined(node: Node, above: Links, then: Node | None, below: Links) -> tuple[Node, ...]:
    """From a result to the node, on to the next, and from there to the source."""
    return (*reversed(follow(node, above)), *follow(then, below))


class Search:
    """The classes of paths between results and a source that they are made of."""

    def __init__(
        self,
        outputs: Sequence[Node],
        x: Node,
        order: Sequence[Node],
        stops: Mapping[Node, Verdict],
        replaced: Mapping[Node, Rule],
    ) -> None:
        self.outputs, self.x = outputs, x
        self.judge = Judge(x, stops, replaced)
        self.active = depends_on(order, [x])
        self.nodes = [node for node in order if node in self.active]
        ledger = Ledger()
        with observed(ledger):
            self.given = _Watched(outputs, x, stops, replaced, ledger).given
        special = {node: self.judge.special(node) for node in self.given if node is not x}
        self.special = {node: verdict for node, verdict in special.items() if verdict is not None}
        self.begin = [y for y in outputs if y in self.given]
        self.down = spread(self.begin, self.given.__getitem__)
        self.omitted = 0

    def paths(self) -> list[Path]:
        """A path of each class, the best first; the number of those left out is kept."""
        made = [*self._plain(), *self._through("overridden"), *self._through("zero"), *self._cuts()]
        made.sort(key=lambda one: STATUSES.index(one[0].status))
        self.omitted = max(0, len(made) - MOST)
        return [
            Path(nodes(), verdict.status, verdict.kind, verdict.text, decisive, self.judge.note)
            for verdict, decisive, nodes in made[:MOST]
        ]

    def _plain(self) -> Iterator[_Class]:
        """By declared rules all the way."""
        links = spread(self.begin, lambda node: () if node in self.special else self.given[node])
        if self.x in links:
            yield _DECLARED, None, lambda: tuple(follow(self.x, links)[::-1])

    def _through(self, status: str) -> Iterator[_Class]:
        """By a user's rule, or through what is constant almost everywhere; a path that another class shows is no class."""

        if all(verdict.status != status for verdict in self.special.values()):
            return

        def onwards(node: Node) -> Iterable[Node]:
            verdict = self.special.get(node)
            return () if verdict is not None and status == "overridden" != verdict.status else self.given[node]

        down = spread(self.begin, onwards)
        users = _users((node, onwards(node)) for node in self.given)
        up = spread([self.x] if self.x in down else [], lambda node: users.get(node, ()))
        covered: set[Node] = set()
        shown = 0
        for node in down:
            verdict = self.special.get(node)
            if verdict is not None and verdict.status == status and node in up and node not in covered:
                shown += 1
                if shown <= MOST:
                    covered.update(_joined(node, down, up[node], up))
                yield verdict, node, partial(_joined, node, down, up[node], up)

    def _cuts(self) -> Iterator[_Class]:
        """Where cotangents end though the source lies behind: below each node that has one, and among values without."""
        users = _users((node, node.inputs) for node in self.nodes)
        up = spread([self.x], lambda node: users.get(node, ()))
        links = dict(self.down)
        waiting = deque(y for y in self.outputs if y in self.active and y not in self.given)
        links.update(dict.fromkeys(waiting))
        for node, able, unable in self._edges(waiting):
            for one in unable:
                if one not in links:
                    links[one] = node
                    waiting.append(one)
            if able:
                yield self.judge.cut(node), node, partial(_joined, node, links, able[0], up)
        if self.x in links and self.x not in self.down:
            yield self.judge.unable(self.x), self.x, partial(_joined, self.x, links, None, up)

    def _edges(self, waiting: deque[Node]) -> Iterator[tuple[Node, list[Node], list[Node]]]:
        """Nodes, with inputs whose cotangents end there, and inputs that can have none: those are waited for, and follow."""
        for node in self.down:
            given = self.given[node]
            if node.op.name == "custom_gradient" and given:
                continue  # the values' own paths are meant to end where a rule stands for them
            lost = [one for one in node.inputs if one in self.active and one not in given]
            yield node, *self._by_type(lost, self._ends(node))
        while waiting:
            node = waiting.popleft()
            if node is not self.x:
                yield node, *self._by_type([one for one in node.inputs if one in self.active], node in self.judge.stops)

    def _by_type(self, inputs: list[Node], every: bool) -> tuple[list[Node], list[Node]]:
        """Those whose values carry derivatives (or, on request, all), and the others."""
        unable = [] if every else [one for one in inputs if not self.judge.carries(one)]
        return [one for one in inputs if every or self.judge.carries(one)], unable

    def _ends(self, node: Node) -> bool:
        """Whether what a node passes on is the user's decision."""
        return node in self.judge.stops or node.op.name == "stop_gradient" or self.judge.rule(node) is not None
