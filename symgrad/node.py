"""The node: the one unit of every graph.  In: an operation, inputs, attributes.  Out: an interned, immutable object.

Two nodes are equal exactly when they are the same object: identity is (operation, inputs, attributes, override map and
scope in force).  Nodes are kept only as long as somebody uses them.  Nothing is simplified here; the type comes from
the operation's type rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import ref

from symgrad import provenance
from symgrad.provenance import Identity, Sites
from symgrad.types import Shape, TensorType, TupleType

if TYPE_CHECKING:
    import numpy as np

    from symgrad.opdef import OpDef

__all__ = ["Node", "apply", "depends_on", "set_faces", "substitute", "topological"]


class Node:
    """One operation applied to its inputs.

    Attributes
    ----------
    op : OpDef
        The operation.
    inputs : tuple of Node
        Its operands, in order.
    attrs : tuple
        Its static parameters: a named tuple declared by the operation, or ``()``.
    type : TensorType or TupleType
        Element type and shape of the value.
    context : Identity or None
        Name scope and override map in force when it was built.
    """

    __slots__ = ("__weakref__", "attrs", "context", "inputs", "op", "sites", "type")
    op: OpDef
    inputs: tuple[Node, ...]
    attrs: Any
    type: TensorType
    context: Identity | None
    sites: Sites

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def output(self) -> Node:
        """The node itself: the value that a derivative rule may reuse."""
        return self

    @property
    def scope(self) -> str:
        """The name scope in which the node was built, ``""`` outside any."""
        return self.context.scope if self.context else ""

    @property
    def lines(self) -> list[str]:
        """The user's source lines that built this node, ``["model.py:41"]``."""
        return provenance.describe(self.sites)


class _Reference(ref):  # type: ignore[type-arg]
    """A weak reference that knows its place in the table."""

    __slots__ = ("key",)
    key: tuple[Any, ...]


_table: dict[tuple[Any, ...], _Reference] = {}
_writing = RLock()  # re-entrant: a collection inside the guarded lines may call _forget
_context = provenance.current.get
_faces: list[type[Node]] = [Node, Node]  # classes of rank-0 and of higher-rank nodes


def _forget(reference: _Reference) -> None:
    with _writing:
        if _table.get(reference.key) is reference:
            del _table[reference.key]


def set_faces(scalar: type[Node], array: type[Node]) -> None:
    """The classes that nodes of rank 0 and of higher rank get: the expression layer's, with operators."""
    _faces[:] = [scalar, array]


def apply(op: OpDef, inputs: tuple[Node, ...], attrs: Any = (), kind: Any = None) -> Any:
    """The node of ``op`` with these inputs and attributes, built or found; ``kind`` is its type, if that is known.

    Raises whatever the operation's type rule raises for inputs that do not fit.
    """
    context = _context()
    identity = context.identity if inputs else None  # a placeholder is the same in every scope
    # Identities are safe in the key: the entry's node keeps its inputs alive, and dies before them.  A key without
    # references to containers is soon left alone by the garbage collector.
    key = (id(op), attrs, identity, *map(id, inputs))
    reference = _table.get(key)
    node = reference() if reference is not None else None
    if node is None:
        if kind is None:
            kind = op.infer(inputs, attrs)
        node = (Node if kind.__class__ is TupleType else _faces[1 if kind.shape else 0])()
        node.op, node.inputs, node.attrs, node.type = op, inputs, attrs, kind
        node.context = identity
        node.sites = ()
        made = _Reference(node, _forget)
        made.key = key
        if _table.setdefault(key, made) is not made:
            node = _entered(made, node)
    if context.observer is not None:
        context.observer.note(node)
    else:
        provenance.remember(node)
    return node


def _entered(made: _Reference, node: Node) -> Node:
    """The node that another thread has entered meanwhile, or this one in the place of one that has just died."""
    while True:
        reference = _table.setdefault(made.key, made)
        found = node if reference is made else reference()
        if found is not None:
            return found
        _forget(reference)


# -- traversals -----------------------------------------------------------------------------------------------------
def topological(outputs: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """Every node that the outputs are made of, inputs before users, each once.

    ``stop(node)`` true keeps the node but does not look behind it.
    """
    order: list[Node] = []
    done: set[Node] = set()
    opened: set[Node] = set()  # met, but waiting for their inputs, which lie above them
    pending: list[Node] = list(outputs)
    pending.reverse()
    while pending:
        node = pending.pop()
        if node in done:
            continue
        if node in opened or not node.inputs or (stop is not None and stop(node)):
            done.add(node)
            order.append(node)
        else:
            opened.add(node)
            pending.append(node)
            pending.extend(node.inputs[::-1])
    return order


def depends_on(order: Sequence[Node], sources: Iterable[Node]) -> set[Node]:
    """The nodes of a topological order that are, or are made from, one of the sources."""
    found = set(sources)
    for node in order:
        if node not in found:
            for one in node.inputs:
                if one in found:
                    found.add(node)
                    break
    return found


def substitute(outputs: Sequence[Node], replacements: dict[Node, Node]) -> list[Any]:
    """The outputs with some nodes replaced by others; untouched parts stay the same objects.

    The replaced nodes may be intermediate.  Rebuilt nodes keep the scope and override map of the originals.
    """
    if not replacements:
        return list(outputs)
    order = topological(outputs, replacements.__contains__)
    moved = depends_on(order, replacements)
    new: dict[Node, Node] = dict(replacements)
    for node in order:
        if node in moved and node not in new:
            inputs = tuple(new.get(one, one) for one in node.inputs)
            same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            new[node] = node if same else rebuild(node, inputs)
    return [new.get(one, one) for one in outputs]


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Any:
    """The node's operation on other inputs, in the node's own scope and with its source lines."""
    token = provenance.current.set(provenance.BuildContext(node.context, provenance.SILENT))
    try:
        made = apply(node.op, inputs, node.attrs)
    finally:
        provenance.current.reset(token)
    if not made.sites:
        made.sites = node.sites
    return made
