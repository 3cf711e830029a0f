"""A graph with names.  In: results and placeholders.  Out: one object that lists, checks and exports what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from symgrad.errors import CompileError
from symgrad.node import Node, topological
from symgrad.ops.source import is_placeholder, placeholders

__all__ = ["Graph"]


class Graph:
    """Named inputs and outputs over nodes.

    Parameters
    ----------
    outputs : sequence of expressions
    inputs : sequence of placeholders, optional
        By default all that the outputs hold, in order of appearance.

    Raises
    ------
    CompileError
        Two inputs have one name, or an input is no placeholder.

    Examples
    --------
    >>> import symgrad as sg
    >>> x, y = sg.symbols("x y")
    >>> sg.Graph([x * y + 1])
    <graph (x: float64, y: float64) -> (float64), 5 nodes>
    """

    __slots__ = ("_placeholders", "inputs", "nodes", "outputs")

    def __init__(self, outputs: Sequence[Node], inputs: Sequence[Node] | None = None) -> None:
        self.outputs = tuple(outputs)
        self.nodes = topological(self.outputs)
        self._placeholders = placeholders(self.nodes)
        self.inputs = tuple(self._placeholders if inputs is None else inputs)
        for node in self.inputs:
            if not is_placeholder(node):
                raise CompileError(f"the input {node!r} is no placeholder", hint="inputs are made by sg.symbol")
        names = Counter(self.names)
        double = [name for name, count in names.items() if count > 1]
        if double:
            raise CompileError(f"two inputs are named {double[0]!r}", hint="give every input a name of its own")

    @property
    def names(self) -> list[str]:
        """Names of the inputs, in order."""
        return [node.attrs.name for node in self.inputs]

    @property
    def free(self) -> list[Node]:
        """Placeholders that are not among the inputs."""
        known = set(self.inputs)
        return [node for node in self._placeholders if node not in known]

    def counts(self) -> dict[str, int]:
        """How often each operation occurs."""
        return dict(Counter(node.op.name for node in self.nodes).most_common())

    def networkx(self) -> Any:
        """The graph as a NetworkX ``MultiDiGraph``; see :func:`symgrad.graph`."""
        from symgrad.bridge.networkx import as_networkx

        return as_networkx(self.outputs)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        outputs = ", ".join(str(node.type) for node in self.outputs)
        inputs = ", ".join(f"{node.attrs.name}: {node.type}" for node in self.inputs)
        return f"<graph ({inputs}) -> ({outputs}), {len(self.nodes)} nodes>"
