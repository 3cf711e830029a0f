"""Reverse mode.  In: results, their head gradients, sources.  Out: the cotangent of each source, as a graph.

One walk from the results to the sources, in reverse topological order.  Contributions to a node are summed where paths
meet and nowhere else; a structurally zero cotangent does not exist (None).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from symgrad import ops, types
from symgrad.diff.equivalents import EQUIVALENTS, equivalent
from symgrad.diff.heads import MASKED_PRODUCTS, Head, add_heads, apply_partial, materialize, through_sum
from symgrad.diff.ledger import Ledger
from symgrad.diff.masked import Regularity, kept_matrices, transpose_masked
from symgrad.diff.rules import Rule, call_rule, carried
from symgrad.errors import GradientError
from symgrad.node import Node, depends_on, topological
from symgrad.opdef import Constant, Defined, Kind, Linear, Pair, Partials
from symgrad.types import TupleType, is_tuple

__all__ = ["Reverse"]

# Integer arithmetic that carries derivatives of integers; any other integer operation disconnects.
INTEGER_OPS = {
    "add",
    "subtract",
    "negative",
    "multiply",
    "square",
    "power",
    "matmul",
    "einsum",
    "sum",
    "cross",
    *MASKED_PRODUCTS,
    "identity",
}
# Structural operations through whose transpose a mask passes element by element.
_MASK_PASSES = {"reshape", "expand_dims", "squeeze", "transpose", "assert_shape", "concatenate", "stack", "identity"}
# Operations whose transpose fills in zeros.
_FILLS_ZEROS = {"slice", "gather", "max", "min", "scatter_set", "update"}


def differentiable(node: Node) -> bool:
    """Whether derivatives exist for values of this node's element type and operation."""
    kind = node.type
    if is_tuple(kind) or types.is_float(kind.dtype):
        return True
    if not types.is_integer(kind.dtype):
        return False
    if node.op.name == "cast":
        return types.is_integer(node.inputs[0].type.dtype)
    return node.op.name in INTEGER_OPS or node.op.kind in (Kind.STRUCTURE, Kind.SOURCE)


def linear_map(
    node: Node, function: Callable[[list[Any]], Sequence[Any]], like: Sequence[Node], heads: Sequence[Head | None]
) -> list[Head | None]:
    """A linear function, made at a node, of heads that hold structural zeros, with products in which those prevail."""
    from symgrad.diff.forward import Forward

    given = [None if head is None else ops.parameter("head", node.type) for node, head in zip(like, heads, strict=True)]
    made = list(function(given))
    known = [node for node in made if node is not None]
    sources = [node for node in given if node is not None]
    tangents = iter(Forward(known, sources, (node, *node.inputs)).run([head for head in heads if head is not None]))
    found = [None if node is None else next(tangents) for node in made]
    return [None if head is None else Head(head.value, head.mask, head.inverted, True) for head in found]


def defined_by(node: Node, i: int) -> tuple[Node, Node, tuple[Node, ...]]:
    """A node's definition, what stands for its input ``i`` there (no other input is that), and all that it is made of."""
    assert node.op.define is not None
    own = ops.identity(node.inputs[i])
    while any(own is one for one in node.inputs):
        own = ops.identity(own)
    leaves = (*node.inputs[:i], own, *node.inputs[i + 1 :])
    return node.op.define(leaves, node.attrs), own, leaves


class Reverse:
    """One reverse pass over one graph.

    Parameters
    ----------
    outputs : nodes to differentiate
    sources : nodes to differentiate with respect to
    stops : nodes through which no derivative passes
    replaced : rules that replace the declared ones, by node
    ledger : records which rule asks for which node
    """

    def __init__(
        self,
        outputs: Sequence[Node],
        sources: Iterable[Node],
        stops: Iterable[Node] = (),
        replaced: Mapping[Node, Rule] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.sources = set(sources)
        self.stops = set(stops)
        self.replaced = replaced or {}
        self.kept = {*self.sources, *self.stops, *self.replaced}
        self.ledger = ledger
        self.order = topological(outputs, self.stops.__contains__ if self.stops else None)
        self.active = depends_on(self.order, self.sources)
        self.wanted = set(filter(differentiable, self.active))  # what a cotangent may be given to
        self.heads: dict[Node, Head] = {}
        self.regular = Regularity()
        self.items: dict[Node, dict[int, Head]] = {}

    def run(self, outputs: Sequence[Node], heads: Sequence[Head]) -> dict[Node, Head]:
        """The cotangent of every source that is reached."""
        for node, head in zip(outputs, heads, strict=True):
            self.heads[node] = add_heads(self.heads.get(node), head)
        found: dict[Node, Head] = {}
        for node in reversed(self.order):
            if node not in self.active:
                continue
            if node in self.items:
                self._pass_tuple(node)
                continue
            arrived = self.heads.pop(node, None)
            if arrived is None:
                continue
            if node in self.sources:
                found[node] = arrived
            if node.inputs and node not in self.stops:
                self._pass_on(node, arrived)
        return found

    def _give(self, node: Node, head: Head | None) -> None:
        if head is not None and node in self.wanted:
            if head.value.type.dtype is not node.type.dtype:  # sums of narrow integers widen
                head = head.of(ops.cast(head.value, node.type.dtype))
            self.heads[node] = add_heads(self.heads.get(node), head)

    def _enter(self, rule: str, node: Node) -> None:
        if self.ledger is not None:
            self.ledger.enter(rule, node)

    def _pass_on(self, node: Node, head: Head) -> None:
        """Contributions of one node to its inputs."""
        rule = self.replaced.get(node) or carried(node)
        if rule is not None:
            self._enter(getattr(rule, "__name__", "rule"), node)
            results = call_rule(rule, node, [materialize(head).value])
            for one, result in zip(node.inputs, results, strict=True):
                self._give(one, None if result is None else Head(result, zeros=True))
            return
        name, derivative = node.op.name, node.op.derivative
        self._enter(name, node)
        if name in EQUIVALENTS and self._pass_equivalent(node, head):
            return
        if name == "item":
            arrived = self.items.setdefault(node.inputs[0], {})
            arrived[node.attrs.position] = add_heads(arrived.get(node.attrs.position), head)
        elif name == "stop_gradient" and node.attrs.order > 1:
            self._pass_stopped(node, head)
        elif derivative.__class__ in self._PASSES:
            self._PASSES[derivative.__class__](self, node, derivative, head)
        else:
            raise GradientError(f"{name}: no derivative is declared", where=next(iter(node.lines), None))

    def _pass_equivalent(self, node: Node, head: Head) -> bool:
        """Through an expression of the same value that differentiates better, if there is one."""
        found = equivalent(node, self.kept)
        if found is None:
            return False
        inner = Reverse([found.value], found.leaves, found.leaves, self.replaced)
        for one, passed in inner.run([found.value], [head]).items():
            self._give(one, passed)
        return True

    def _pass_partials(self, node: Node, derivative: Partials, head: Head) -> None:
        for i, one in enumerate(node.inputs):
            if one in self.wanted:
                partial = derivative.partial(node, i)
                if partial is not None:
                    self._give(one, apply_partial(head, partial))

    def _pass_linear(self, node: Node, derivative: Linear, head: Head) -> None:
        arguments = derivative.arguments if derivative.arguments is not None else range(len(node.inputs))
        for i in arguments:
            one = node.inputs[i]
            if one in self.wanted:
                self._give(one, self._transposed(node, derivative, i, head))

    def _transposed(self, node: Node, derivative: Linear, i: int, head: Head) -> Head:
        name = node.op.name
        if node.op.kind is Kind.ELEMENTWISE:
            zeros = head.zeros or name in MASKED_PRODUCTS
            return Head(derivative.transpose(node, i, head.value), head.mask, head.inverted, zeros)
        mask = head.mask
        if mask is not None and name in _MASK_PASSES:
            mask = derivative.transpose(node, i, mask)
        elif mask is not None and name == "broadcast_to":
            mask = through_sum(head, node)
        else:
            mask = None
        if mask is None:
            head = materialize(head)
            if head.zeros and node.op.kind is Kind.CONTRACTION and not all(self.regular(one) for one in node.inputs):
                if node.op.define is not None:
                    value, own, leaves = defined_by(node, i)
                    return Reverse([value], [own], leaves).run([value], [head])[own]
                return Head(transpose_masked(node, i, head.value), zeros=True)
            return Head(derivative.transpose(node, i, head.value), zeros=head.zeros or name in _FILLS_ZEROS)
        return Head(derivative.transpose(node, i, head.value), mask, head.inverted, head.zeros)

    def _pass_pair(self, node: Node, derivative: Pair, head: Head) -> None:
        head = materialize(head)
        wanted = [one in self.wanted for one in node.inputs]
        if head.zeros and node.op.kind is Kind.REDUCTION:
            results = linear_map(node, lambda given: derivative.vjp(node, given[0], wanted), [node], [head])
        else:
            made = derivative.vjp(node, head.value, wanted)
            if head.zeros and node.op.kind is Kind.MATRIX:
                made = kept_matrices(node, head.value, made)
            zeros = head.zeros or node.op.name in _FILLS_ZEROS
            results = [None if value is None else Head(value, zeros=zeros) for value in made]
        for one, result in zip(node.inputs, results, strict=True):
            self._give(one, result)

    def _pass_stopped(self, node: Node, head: Head) -> None:
        """Through a value of which the first derivatives exist."""
        from symgrad.diff.taylor import truncated

        polynomial = truncated(node, self.sources)
        inner = Reverse([polynomial], self.sources, self.stops | self.sources, self.replaced)
        for source, passed in inner.run([polynomial], [head]).items():
            self._give(source, passed)

    def _pass_constant(self, node: Node, derivative: Constant, head: Head) -> None:
        """Zeros, where a value that is constant almost everywhere counts as connected."""
        for one in node.inputs if derivative.connected else ():
            if one in self.active and one.type.dtype is node.type.dtype:
                self._give(one, Head(ops.zeros_like(one), zeros=True))

    def _pass_defined(self, node: Node, derivative: Defined, head: Head) -> None:
        """Through the definition, whose leaves are the node's inputs."""
        assert node.op.define is not None
        value = node.op.define(node.inputs, node.attrs)
        wanted = [one for one in node.inputs if one in self.active]
        inner = Reverse([value], wanted, list(node.inputs), self.replaced, None)
        for one, passed in inner.run([value], [head]).items():
            self._give(one, passed)

    _PASSES: ClassVar[dict[type, Callable[..., None]]] = {
        Partials: _pass_partials,
        Linear: _pass_linear,
        Pair: _pass_pair,
        Defined: _pass_defined,
        Constant: _pass_constant,
    }

    def _pass_tuple(self, node: Node) -> None:
        """Contributions of a node with several results, once all of them have arrived."""
        self._enter(node.op.name, node)
        arrived = self.items.pop(node)
        kind: Any = node.type
        assert isinstance(kind, TupleType)
        heads = [materialize(arrived[k]) if k in arrived else None for k in range(len(kind.items))]
        given = [None if head is None else head.value for head in heads]
        rule = self.replaced.get(node) or carried(node)
        if rule is not None:
            full = [
                ops.zeros(one.shape, one.dtype) if head is None else head
                for one, head in zip(kind.items, given, strict=True)
            ]
            results = call_rule(rule, node, full)
        else:
            derivative = node.op.derivative
            assert isinstance(derivative, Pair)
            results = list(derivative.vjp(node, given, [one in self.active for one in node.inputs]))
        for one, result in zip(node.inputs, results, strict=True):
            self._give(one, None if result is None else Head(result, zeros=True))
