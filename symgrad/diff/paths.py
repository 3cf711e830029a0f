"""What ``why`` answers with.  In: nodes from a result down to a source, and a verdict.  Out: steps to read and to test.

One :class:`Path` stands for a class: all paths that one node decides.  Steps are made when they are looked at, so that a
path of 200,000 nodes costs no more than the tuple of its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from symgrad.node import Node
from symgrad.printing import summary

__all__ = ["STATUSES", "Path", "Report", "Step", "Verdict"]

STATUSES = ("connected", "overridden", "zero", "stopped", "disconnected")  # from the most to the least of a derivative
_SHOWN = 5  # steps shown on either side of what is left out


class Verdict(NamedTuple):
    """What happens to derivatives at a node: the status of paths that it decides, the kind of thing, and a sentence."""

    status: str
    kind: str
    text: str


class Step(NamedTuple):
    """A node on a path.

    Attributes
    ----------
    operation : str
        Its operation, for a placeholder with its name.
    line : str or None
        The user's line that built it, ``"model.py:41"``.
    happened : str
        What happens to the derivative here; ``""`` where it passes by the declared rule.
    node : Node
    """

    operation: str
    line: str | None
    happened: str
    node: Node

    def __str__(self) -> str:
        return "  ".join(part for part in (self.operation, self.line, self.happened) if part)


@dataclass(frozen=True, eq=False)
class Path(Sequence[Step]):
    """A shortest path of its class, as a sequence of steps from a result to the source.

    Attributes
    ----------
    nodes : tuple of Node
    status : str
        ``"connected"``, ``"overridden"``, ``"zero"``, ``"stopped"`` or ``"disconnected"``.
    kind : str
        What decides: ``"declared rules"``, ``"stop_gradient"``, ``"stop_gradients="``, ``"Rules stop"``,
        ``"override map"``, ``"Rules override"``, ``"custom_gradient"``, ``"piecewise constant"``, ``"integer cast"``,
        ``"comparison"``, ``"logical"``, ``"argmax"``, ``"integer arithmetic"``, ``"element type"`` or ``"no derivative"``.
    text : str
        The same in words.
    at : Node or None
        The node that decides.
    notes : callable
        What happens at a node.
    """

    nodes: tuple[Node, ...]
    status: str
    kind: str
    text: str
    at: Node | None
    notes: Callable[[Node], str]

    @property
    def step(self) -> Step | None:
        """The step that decides; None for a path of declared rules."""
        return None if self.at is None else self._step(self.at)

    @property
    def reason(self) -> str:
        """What decides, in a sentence."""
        step = self.step
        if step is None:
            return self.text
        return f"{step.operation}{f' at {step.line}' if step.line else ''}: {self.text}"

    def __len__(self) -> int:
        return len(self.nodes)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return [self._step(node) for node in self.nodes[index]]
        return self._step(self.nodes[index])

    def _step(self, node: Node) -> Step:
        name = getattr(node.attrs, "name", None)
        operation = f"{node.op.name} {name}" if name else node.op.name
        happened = self.text if node is self.at else self.notes(node)
        return Step(operation, next(iter(node.lines), None), happened, node)

    def _shown(self) -> list[int]:
        """Positions of the steps that are printed: the ends and what surrounds the decision."""
        last = len(self) - 1
        at = next((k for k, node in enumerate(self.nodes) if node is self.at), 0)
        return [k for k in range(last + 1) if k < _SHOWN or last - k < _SHOWN or abs(k - at) < _SHOWN]

    def __str__(self) -> str:
        positions = self._shown()
        steps = [self[k] for k in positions]
        wide = max(len(step.operation) for step in steps)
        long = max(len(step.line or "") for step in steps)
        lines = [f"{self.status}: {self.reason}"]
        before = -1
        for k, step in zip(positions, steps, strict=True):
            if k != before + 1:
                lines.append(f"    ... {k - before - 1} more steps")
            mark = ">" if step.node is self.at else " "
            lines.append(f"  {mark} {step.operation:<{wide}}  {step.line or '':<{long}}  {step.happened}".rstrip())
            before = k
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<path of {len(self)} steps, {self.reason}>"


@dataclass(frozen=True, eq=False)
class Report:
    """Why a derivative is what it is; ``print`` it.

    Attributes
    ----------
    ys, x : the expressions asked about
    status : str
        The best that a path does: ``"connected"``, ``"overridden"`` (through a user's rule only), ``"zero"`` (through
        operations that are constant almost everywhere), ``"stopped"`` (by the user) or ``"disconnected"``.
    paths : tuple of Path
        One for each class of paths between y and x, the best first.
    omitted : int
        Further classes, beyond those listed.
    notes : tuple of str
        What else may help: what y is made from where there is no path, element types, namesakes.
    """

    ys: tuple[Any, ...]
    x: Any
    status: str
    paths: tuple[Path, ...]
    omitted: int
    notes: tuple[str, ...]

    @property
    def connected(self) -> bool:
        """Whether ``sg.gradients`` gives an expression, rather than None."""
        return self.status in ("connected", "overridden", "zero")

    @property
    def reason(self) -> str:
        """Why there is no derivative, or which there is, in a sentence or two."""
        said = [path.reason for path in self.paths[:3] if path.status == self.status]
        more = len(self.paths) + self.omitted - len(said)
        if self.paths:
            return "; ".join([*said, *([f"{more} more kinds of paths"] if more else [])])
        return self.notes[0]

    def __str__(self) -> str:
        ys = ", ".join(summary(y) for y in self.ys)
        lines = [f"derivative of {ys} by {summary(self.x)}: {self.status}", *map(str, self.paths)]
        if self.omitted:
            lines.append(f"and {self.omitted} more kinds of paths")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return f"<why: {self.status}, {len(self.paths) + self.omitted} kinds of paths>"
