"""Why a derivative exists, or does not.  In: results and a source, as for ``gradients``.  Out: a report of paths.

Paths are as many as there are ways through the graph.  Here they fall into classes by the node that decides (none, an
override, a stop, a cast to integers, ...), with one shortest path for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symgrad import types
from symgrad.collection import collection_paused
from symgrad.diff.gradients import listed
from symgrad.diff.paths import STATUSES, Path, Report, Verdict
from symgrad.diff.reach import Search, follow, spread
from symgrad.diff.rules import Rule, Rules
from symgrad.errors import GradientError
from symgrad.node import Node, topological
from symgrad.ops.source import is_placeholder
from symgrad.printing import summary
from symgrad.provenance import user_line

__all__ = ["why"]

_MOST_NAMED = 8  # inputs that a note names


def why(y: Any, x: Any, stop_gradients: Any = (), rules: Rules | None = None) -> Report:
    """Which paths lead from ``y`` to ``x``, and what stopped, overrode or disconnected each.

    Parameters
    ----------
    y : expression or list of them
    x : expression
    stop_gradients : list of expressions
    rules : Rules, optional
        As for :func:`symgrad.gradients`, with which the answer agrees.

    Returns
    -------
    Report
        ``status`` is ``"connected"``, ``"overridden"``, ``"zero"``, ``"stopped"`` or ``"disconnected"``; ``paths`` has a
        shortest path of each class, with operation, source line and what happened for each step; ``str`` reads it out.

    Raises
    ------
    GradientError
        ``x`` is several expressions, or a rule fails as it would in ``gradients``.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> report = sg.why(np.sum(sg.stop_gradient(np.sin(x))), x)
    >>> report.status
    'stopped'
    >>> [step.operation for step in report.paths[0]]
    ['sum', 'stop_gradient', 'sin', 'symbol x']
    """
    outputs, sources = listed(y, "why: y"), listed(x, "why: x")
    if len(sources) != 1:
        raise GradientError(f"why: x is {len(sources)} expressions", where=user_line(), hint="ask for one at a time")
    stops = dict.fromkeys(listed(stop_gradients, "why: stop_gradients"), _BY_ARGUMENT)
    replaced: dict[Node, Rule] = {}
    if rules is not None:
        order = topological(outputs)
        _, replaced = rules.resolve(order)
        stopped = rules.stopped_by(order)
        stops |= {node: _by_rules(selector) for node, selector in stopped.items()}
        if sources[0] in rules.frozen(stopped):
            return _frozen(outputs, sources[0], stops[sources[0]])
    return explain(outputs, sources[0], stops, replaced)


def _frozen(outputs: Sequence[Any], x: Node, verdict: Verdict) -> Report:
    """The report for a variable that is stopped itself."""
    nodes = follow(x, spread(outputs, lambda node: node.inputs))[::-1]
    path = Path(tuple(nodes), *verdict, at=x, notes=lambda node: "")
    return Report(tuple(outputs), x, verdict.status, (path,), 0, ())


_BY_ARGUMENT = Verdict("stopped", "stop_gradients=", "stopped, being named in stop_gradients=")


def _by_rules(selector: Any) -> Verdict:
    shown = repr(selector) if isinstance(selector, str) else "this expression"
    return Verdict("stopped", "Rules stop", f"stopped by Rules(stops=[{shown}])")


def explain(
    outputs: Sequence[Any], x: Any, stops: Mapping[Node, Verdict], replaced: Mapping[Node, Rule] | None = None
) -> Report:
    """The report for one source, with the stopped nodes and rules already found."""
    order = topological(outputs)
    if x not in set(order):
        return Report(tuple(outputs), x, "disconnected", (), 0, tuple(_unrelated(outputs, x, order)))
    with collection_paused():
        search = Search(outputs, x, order, stops, replaced or {})
        paths = search.paths()
    status = min((path.status for path in paths), key=STATUSES.index)
    return Report(tuple(outputs), x, status, tuple(paths), search.omitted, tuple(_element_type(x)))


# -- no path at all -------------------------------------------------------------------------------------------------
def _element_type(x: Node) -> Iterator[str]:
    if types.is_integer(x.type.dtype):
        yield f"the source is {x.type.dtype}: its derivatives pass integer arithmetic only"


def _unrelated(outputs: Sequence[Node], x: Node, order: Sequence[Node]) -> Iterator[str]:
    """What the results are made from instead."""
    sources = [node for node in order if is_placeholder(node)]
    yield f"no y is made from it, but from {_names(sources) if sources else 'constants only'}"
    for node in sources:
        if node.attrs.name == getattr(x.attrs, "name", None):
            line = "".join(f" at {line}" for line in node.lines[:1])
            yield f"y is made from another {node.attrs.name!r}: a {node.op.name} {node.type}{line}; x is a {x.op.name} {x.type}"
    behind = topological([x])
    if any(y in set(behind) for y in outputs):
        yield "x is made from y: the arguments are swapped"
    elif x.inputs:
        known = set(order)
        common = [node for node in spread([x], lambda node: () if node in known else node.inputs) if node in known]
        common = [node for node in common if node.op.name != "constant"]
        if common:
            yield f"x is made from {_names(common)}, and so is y, but not by way of x"
    fixed = [node for node in order if node.op.name == "constant" and node.ndim]
    if fixed:
        yield f"arrays that y holds as constants: {_names(fixed)}"


def _names(nodes: Sequence[Node]) -> str:
    """The first few, each with its line."""
    said = [summary(node) + "".join(f" ({line})" for line in node.lines[:1]) for node in nodes[:_MOST_NAMED]]
    more = len(nodes) - _MOST_NAMED
    return ", ".join([*said, *([f"{more} more"] if more > 0 else [])])
