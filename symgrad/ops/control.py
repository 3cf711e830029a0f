"""Nodes that steer differentiation, and closed graphs.  In: values.  Out: the same values, as nodes of their own.

``stop_gradient`` is the identity whose derivative is zero from an order on; ``identity`` is a node that an override may
name; ``item`` reads one result of an operation with several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import node as graph
from symgrad.errors import GradientError
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Kind, Linear, OpDef, Pair, Sample, register
from symgrad.ops import coerce
from symgrad.provenance import user_line

__all__ = ["Closed", "identity", "item", "stop_gradient"]


# -- stop_gradient --------------------------------------------------------------------------------------------------
class StopAttrs(NamedTuple):
    order: int


def _one(rng: np.random.Generator) -> Iterable[Sample]:
    yield Sample((rng.normal(size=(3, 4)),), StopAttrs(1), smooth=False)


def _plain(rng: np.random.Generator) -> Iterable[Sample]:
    yield Sample((rng.normal(size=(3, 4)),))


IDENTITY = register(
    OpDef(
        name="identity",
        kind=Kind.CONTROL,
        infer=lambda inputs, attrs: inputs[0].type,
        evaluate=lambda attrs, x: x,
        derivative=Linear(lambda node, i, head: head),
        batch=lambda node, inputs, batched, size: identity(inputs[0]),
        samples=_plain,
        doc="The value itself, as a node of its own.",
    )
)


def identity(x: Any) -> Any:
    """The value itself, as a node of its own that an override may name."""
    return apply(IDENTITY, (coerce.as_node(x),))


def _stop_vjp(node: Node, head: Node, wanted: Sequence[bool]) -> list[Node | None]:
    return [None]


def _stop_jvp(node: Node, tangents: Sequence[Any]) -> Any:
    return None


STOP_GRADIENT = register(
    OpDef(
        name="stop_gradient",
        kind=Kind.CONTROL,
        infer=lambda inputs, attrs: inputs[0].type,
        evaluate=lambda attrs, x: x,
        derivative=Pair(_stop_jvp, _stop_vjp),  # of order 1; symgrad.diff.taylor has the others
        batch=lambda node, inputs, batched, size: stop_gradient(inputs[0], node.attrs.order),
        attrs=StopAttrs,
        samples=_one,
        doc="The value itself; its derivative is zero from an order on.",
    )
)


def stop_gradient(x: Any, order: int = 1) -> Any:
    """``x`` itself, whose derivatives of ``order`` and above are zero.

    Parameters
    ----------
    x : expression or array
    order : int, default 1
        2 lets the first derivative through and blocks the derivative of that.

    Raises
    ------
    GradientError
        ``order`` is no positive integer.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x")
    >>> print(sg.gradients(x * sg.stop_gradient(x), [x])[0])
    stop_gradient(x)
    """
    if not isinstance(order, int) or isinstance(order, bool) or order < 1:
        raise GradientError(f"stop_gradient: order {order!r} is not a positive integer", where=user_line())
    return apply(STOP_GRADIENT, (coerce.as_node(x),), StopAttrs(order))


# -- tuples ---------------------------------------------------------------------------------------------------------
class ItemAttrs(NamedTuple):
    position: int


ITEM = register(
    OpDef(
        name="item",
        kind=Kind.CONTROL,
        infer=lambda inputs, attrs: inputs[0].type.items[attrs.position],  # type: ignore[attr-defined]
        evaluate=lambda attrs, values: values[attrs.position],
        derivative=Constant(),  # the engines pass tuples through item by item
        batch=lambda node, inputs, batched, size: item(inputs[0], node.attrs.position),
        attrs=ItemAttrs,
        samples=lambda rng: (),
        doc="One result of an operation with several.",
    )
)


def item(x: Any, index: int) -> Any:
    """Result ``index`` of a node with several results."""
    return apply(ITEM, (x,), ItemAttrs(index))


# -- closed graphs --------------------------------------------------------------------------------------------------
class Closed:
    """A graph without free placeholders: parameters and results (None for a missing one).  Compares by identity."""

    __slots__ = ("outputs", "parameters")

    def __init__(self, parameters: Sequence[Node], outputs: Sequence[Node | None]) -> None:
        self.parameters, self.outputs = tuple(parameters), tuple(outputs)

    @property
    def present(self) -> list[Node]:
        """The results that exist."""
        return [node for node in self.outputs if node is not None]

    def with_present(self, parameters: Sequence[Node], nodes: Sequence[Node]) -> Closed:
        """The same pattern of results, with these nodes in place of those that exist."""
        made = iter(nodes)
        return Closed(parameters, [None if node is None else next(made) for node in self.outputs])

    def __call__(self, arguments: Sequence[Node]) -> list[Node | None]:
        """The results for these arguments."""
        made = graph.substitute(self.present, dict(zip(self.parameters, arguments, strict=True)))
        return list(self.with_present((), made).outputs)
