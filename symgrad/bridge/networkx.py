"""The NetworkX view.  In: expressions.  Out: a ``MultiDiGraph`` whose edges are keyed by argument position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad.containers import flatten
from symgrad.graph import Graph  # loaded here, before symgrad.graph becomes the name of the function below
from symgrad.node import Node, topological

__all__ = ["as_networkx", "graph"]


def as_networkx(outputs: Sequence[Node]) -> Any:
    """Nodes are the expressions themselves, with ``op``, ``type`` and ``label``; an edge runs from input to user."""
    import networkx

    from symgrad.printing import summary

    made = networkx.MultiDiGraph()
    for node in topological(outputs):
        made.add_node(node, op=node.op.name, type=node.type, label=summary(node, 1))
        for position, one in enumerate(node.inputs):
            made.add_edge(one, node, key=position)
    return made


def graph(outputs: Any) -> Any:
    """Expressions as a NetworkX ``MultiDiGraph``.

    Parameters
    ----------
    outputs : expression, container of expressions, or Graph

    Returns
    -------
    networkx.MultiDiGraph
        Nodes are the expressions, with attributes ``op``, ``type``, ``label``; edges run from input to user and are
        keyed by argument position.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x")
    >>> g = sg.graph(x * x + 1)
    >>> sorted(data["op"] for _, data in g.nodes(data=True))
    ['add', 'constant', 'multiply', 'symbol']
    """
    return as_networkx(outputs.outputs if isinstance(outputs, Graph) else flatten(outputs)[0])
