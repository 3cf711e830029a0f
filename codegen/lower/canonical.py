"""The graph as the code generator wants it.  In: outputs.  Out: the same values without names, scopes and composites.

Scopes and override maps are dropped and everything is interned anew, so nothing is computed twice; operations with a
definition are replaced by it; identities disappear; products of more than two arrays become pairs, in a cheap order, whose
results are row-major.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from codegen.lower.contraction import label_groups
from codegen.lower.expansions import RUNNING, power_as_product, running_as_chain, without_units
from codegen.lower.places import gathered
from codegen.lower.regions import by_regions
from codegen.lower.symmetric import mirrored
from symgrad import ops, types
from symgrad.dims import Dim
from symgrad.errors import CompileError
from symgrad.node import Node, apply, topological
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.boxes import Pick, whole
from symgrad.ops.contraction import label_sizes
from symgrad.provenance import SILENT, observed
from symgrad.rewrite import EXACT, STABLE, Rule, rewrite
from symgrad.rewrite.scaling import scaling_rules

__all__ = ["Canonical", "canonical"]

_ELEMENTWISE, _CONTRACTION = Kind.ELEMENTWISE, Kind.CONTRACTION  # looked up once: see analysis
_FEW = 256  # places of an array that are written one by one
_MANY = 1_000  # nodes beyond which factors stay where they are: moving them takes longer than it saves
_TYPICAL = 100  # the size that a dynamic dimension is taken for when orders are compared


class Canonical(NamedTuple):
    """Outputs ready for lowering, and every node that they are made of, in topological order."""

    outputs: list[Any]
    order: Sequence[Node]


def canonical(outputs: Sequence[Node], order: Sequence[Node] = (), fastmath: Set[str] = frozenset()) -> Canonical:
    """The outputs, ready for lowering; ``order`` is the topological order of their nodes, where that is known.

    ``reassoc`` in ``fastmath`` lets every numerical factor move, not only powers of two, and makes products of larger powers.
    """
    with observed(SILENT):
        order = order or topological(outputs)
        if any(node.context is not None for node in order):
            outputs = _without_context(outputs, order)
            order = topological(outputs)
        defined = tuple(op.name for op in REGISTRY.values() if op.define is not None)
        # Definitions come second: a stability rule would turn what a definition spells out back into its name.
        stable, _ = rewrite(outputs, [_FINITE, *EXACT, *STABLE], order=order)
        product = power_as_product("reassoc" in fastmath)
        more = [*_RULES, Rule("x ** n", ("power",), product), Rule("definition", defined, _define)]
        wanted = {name for rule in more for name in rule.ops}
        nodes = order if all(map(is_, stable, outputs)) else topological(stable)
        if wanted.isdisjoint({node.op.name for node in nodes}):
            return _with_mirrors(_scaled(stable, nodes, fastmath))
        made, _ = rewrite(stable, more, order=nodes, settled=EXACT)
        return _with_mirrors(_scaled(made, topological(made), fastmath))


def _with_mirrors(made: Canonical) -> Canonical:
    """The graph with symmetric products as triangles that are mirrored.  No rule: the products stay, inside of what replaces them."""
    if all(mirrored(node) is None for node in made.order if node.op.kind is _CONTRACTION):
        return made
    new: dict[Node, Node] = {}
    for node in made.order:
        inputs = tuple(new[one] for one in node.inputs)
        same = all(map(is_, inputs, node.inputs))
        own = node if same else apply(node.op, inputs, node.attrs)
        mirror = mirrored(own) if own.op.kind is _CONTRACTION else None
        new[node] = own if mirror is None else mirror
    outputs = [new[node] for node in made.outputs]
    return Canonical(outputs, topological(outputs))


def _scaled(outputs: list[Any], order: Sequence[Node], fastmath: Set[str]) -> Canonical:
    """The graph with its numerical factors moved, if that leaves fewer operations: shared ones can become different."""
    if len(order) > _MANY:
        return Canonical(outputs, order)
    moved, report = rewrite(outputs, [*EXACT, *scaling_rules("reassoc" in fastmath)], order=order)
    if report.used:
        after = topological(moved)
        if _work(after) < _work(order):
            return Canonical(moved, after)
    return Canonical(outputs, order)


def _work(order: Sequence[Node]) -> int:
    """Elements that operations compute, dynamic dimensions taken for typical ones."""
    return sum(_elements(node.shape) for node in order if node.op.kind is _ELEMENTWISE)


def _elements(shape: Sequence[Any]) -> int:
    return math.prod(size if isinstance(size, int) else _TYPICAL for size in shape)


def _without_context(outputs: Sequence[Node], order: Sequence[Node]) -> list[Node]:
    new: dict[Node, Node] = {}
    for node in order:
        inputs = tuple(new[one] for one in node.inputs)
        same = node.context is None and all(map(is_, inputs, node.inputs))
        made = node if same else apply(node.op, inputs, node.attrs)
        if not made.sites:
            made.sites = node.sites
        new[node] = made
    return [new[node] for node in outputs]


_BOUNDED = {"tanh", "expit", "erf", "sign", "cast"}
_CLOSED = {"negative", "add", "subtract", "multiply", "square", "masked_multiply", "zero_multiply"}
_VIEWS = {"broadcast_to", "expand_dims", "squeeze", "reshape", "transpose", "slice", "windows", "assert_shape"}
_MAX_DEPTH = 6


def _bounded(node: Node, depth: int = 0) -> bool:
    """Whether an expression is finite unless an input is NaN: constants, sigmoids and the like, their sums and products."""
    if not node.inputs:
        known = ops.uniform_value(node)
        return node.op.name == "basis" or (known is not None and bool(np.isfinite(known)))
    if node.op.name in _BOUNDED:
        return node.op.name != "cast" or types.is_bool(node.inputs[0].type.dtype)
    if depth == _MAX_DEPTH:
        return False
    if node.op.name in ("where", "gather"):
        values = node.inputs[1:] if node.op.name == "where" else node.inputs[:1]
        return all(_bounded(one, depth + 1) for one in values)
    if node.op.name in _CLOSED or node.op.name in _VIEWS:
        return all(_bounded(one, depth + 1) for one in node.inputs)
    return False


def _plain_product(node: Node) -> Any:
    """A masked product with a factor that is finite anyway: the other's zeros need no care."""
    a, b = node.inputs
    if node.op.name == "masked_multiply":
        return ops.multiply(a, b) if _bounded(b) else None
    return ops.masked_multiply(a, b) if _bounded(a) else ops.masked_multiply(b, a) if _bounded(b) else None


def _define(node: Node) -> Any:
    assert node.op.define is not None
    made = node.op.define(node.inputs, node.attrs)
    if made.type.dtype is not node.type.dtype:  # results are written with the size of the node's own elements
        raise CompileError(f"{node.op.name}: its definition is {made.type}, the operation {node.type}")
    return made


def _skip_identity(node: Node) -> Any:
    return node.inputs[0]


def _item(node: Node) -> Any:
    inner = node.inputs[0]
    return inner.inputs[node.attrs.position] if inner.op.name == "custom_gradient" else None


def _pairs(node: Node) -> Any:
    """A product of several arrays as products of two, in the order that NumPy's planner finds cheapest."""
    if len(node.inputs) <= 2:
        return None
    attrs = node.attrs
    sizes = {
        label: _TYPICAL if isinstance(size, Dim) else max(size, 1)
        for label, size in label_sizes(node.inputs, attrs).items()
    }
    shapes = [np.broadcast_to(0.0, [sizes[label] for label in labels]) for labels in attrs.inputs]
    operands: list[Any] = [one for pair in zip(shapes, map(list, attrs.inputs), strict=True) for one in pair]
    path = np.einsum_path(*operands, list(attrs.output), optimize="optimal" if len(node.inputs) <= 6 else "greedy")[0][
        1:
    ]
    pending = list(zip(node.inputs, attrs.inputs, strict=True))
    for positions in path:
        chosen = [pending.pop(position) for position in sorted(positions, reverse=True)]
        pending.append(_combine(chosen, pending, attrs.output))
    return pending[0][0]


def _combine(chosen: list[Any], rest: list[Any], output: Sequence[int]) -> Any:
    """The product of some operands, keeping the labels that are still needed."""
    needed = {label for _, labels in rest for label in labels} | set(output)
    kept: list[int] = []
    for _, labels in chosen:
        kept += [label for label in labels if label in needed and label not in kept]
    if not rest:
        kept = list(output)
    return ops.einsum_labels([node for node, _ in chosen], [labels for _, labels in chosen], kept), tuple(kept)


def _batch_first(node: Node) -> Any:
    """A product whose last axis counts matrices, with its matrices one behind the other, seen from the other side."""
    if len(node.inputs) != 2:
        return None
    output = node.attrs.output
    groups = label_groups(node)
    if not (groups.rows and groups.columns and groups.inner and output[-1] in groups.batch):
        return None
    order = (*groups.batch, *groups.rows, *groups.columns)
    return ops.transpose(
        ops.einsum_labels(node.inputs, node.attrs.inputs, order), [order.index(label) for label in output]
    )


def _known_places(node: Node) -> Any:
    """Zeros with values added at a few places known beforehand: a placement of those values."""
    base, updates, *indices = node.inputs
    known = ops.uniform_value(base)
    if known is None or known != 0 or any(one.op.name != "constant" for one in indices):
        return None
    axis, rank, count = node.attrs.axis, indices[0].ndim, len(indices)
    sizes = node.shape[axis : axis + count]
    arrays = [one.attrs.value.array for one in indices]
    if arrays[0].size > _FEW or any(isinstance(size, Dim) for size in sizes):
        return None
    before, after = whole(node.shape)[:axis], whole(node.shape)[axis + count :]
    parts = []
    for place in np.ndindex(arrays[0].shape):
        own = [Pick(int(array[place]) % size) for array, size in zip(arrays, sizes, strict=True)]
        part = ops.slice(updates, (*before, *map(Pick, place), *after))
        parts.append(((*before, *own, *after), part))
    assert len(updates.shape) == len(before) + rank + len(after)
    return ops.place(node.shape, parts)


_FINITE = Rule("finite factor", ("masked_multiply", "zero_multiply"), _plain_product)
_RULES = [
    _FINITE,
    Rule("identity", ("identity", "stop_gradient"), _skip_identity),
    Rule("custom gradient", ("item",), _item),
    Rule("units", ("einsum",), without_units),
    Rule("pairs", ("einsum",), _pairs),
    Rule("batch first", ("einsum",), _batch_first),
    Rule("known places", ("scatter_add",), _known_places),
    Rule("one number a place", ("scatter_add",), gathered),
    Rule("regions", ("place",), by_regions),
    Rule("running results", RUNNING, running_as_chain),
]
