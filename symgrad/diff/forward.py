"""Forward mode.  In: results, sources, the sources' tangents.  Out: the tangent of each result, as a graph.

One walk in topological order; a structurally zero tangent does not exist (None).  Linear and multilinear operations
need no rule of their own: they are applied to tangents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import reduce
from typing import Any

from symgrad import ops
from symgrad.diff.equivalents import EQUIVALENTS, equivalent
from symgrad.diff.heads import MASKED_PRODUCTS, Head, add_heads, apply_partial, materialize
from symgrad.diff.ledger import Ledger
from symgrad.diff.masked import Regularity, contract_masked
from symgrad.diff.reverse import Reverse, defined_by, differentiable, linear_map
from symgrad.diff.rules import Rule, call_rule, carried
from symgrad.errors import GradientError
from symgrad.node import Node, apply, depends_on, topological
from symgrad.opdef import Constant, Defined, Gate, Kind, Linear, Pair, Partials
from symgrad.types import is_tuple

__all__ = ["Forward", "transpose_rule"]


class Forward:
    """One forward pass over one graph; the parameters are those of :class:`symgrad.diff.reverse.Reverse`."""

    def __init__(
        self,
        outputs: Sequence[Node],
        sources: Iterable[Node],
        stops: Iterable[Node] = (),
        replaced: Mapping[Node, Rule] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.outputs = list(outputs)
        self.sources = list(sources)
        self.stops = set(stops)
        self.replaced = replaced or {}
        self.kept = {*self.sources, *self.stops, *self.replaced}
        self.ledger = ledger
        self.order = topological(outputs, self.stops.__contains__ if self.stops else None)
        self.active = depends_on(self.order, self.sources)
        self.regular = Regularity()
        self.tangents: dict[Node, Head] = {}
        self.items: dict[Node, Sequence[Any]] = {}

    def run(self, tangents: Sequence[Head | None]) -> list[Head | None]:
        """The tangents of the outputs; None where an output does not depend on a source."""
        given = dict(zip(self.sources, tangents, strict=True))
        for node in self.order:
            if node not in self.active:
                continue
            if node in given:
                made = given[node]
            elif node in self.stops or not differentiable(node):
                made = None
            else:
                if self.ledger is not None:
                    self.ledger.enter(node.op.name, node)
                made = self._tangent(node)
            if made is not None:
                self.tangents[node] = materialize(made)
        return [self.tangents.get(node) for node in self.outputs]

    def _tangent(self, node: Node) -> Head | None:
        rule = self.replaced.get(node) or carried(node)
        own = [self.tangents.get(one) for one in node.inputs]
        if is_tuple(node.type):
            self.items[node] = self._pair_tangents(node, own, rule)
            return None
        if node.op.name == "item":
            made = self.items.get(node.inputs[0])
            value = None if made is None else made[node.attrs.position]
            return None if value is None else Head(value, zeros=True)
        if all(head is None for head in own):
            return None
        if rule is not None:
            return self._transposed_rule(rule, node, own)
        if node.op.name == "stop_gradient" and node.attrs.order > 1:
            return self._stopped(node)
        found = equivalent(node, self.kept) if node.op.name in EQUIVALENTS else None
        if found is not None:
            tangents = [self.tangents.get(one) for one in found.leaves]
            return Forward([found.value], found.leaves, found.leaves, self.replaced).run(tangents)[0]
        return self._declared(node, node.op.derivative, own)

    def _declared(self, node: Node, derivative: Any, own: Sequence[Head | None]) -> Head | None:
        """By the operation's declaration."""
        if isinstance(derivative, Partials):
            return self._partials(node, derivative, own)
        if isinstance(derivative, Linear):
            return self._linear(node, derivative, own)
        if isinstance(derivative, Pair):
            if _any_zeros(own) and node.op.kind is Kind.REDUCTION:
                return linear_map(node, lambda given: [derivative.jvp(node, given)], node.inputs, own)[0]
            value = derivative.jvp(node, [None if head is None else head.value for head in own])
            return (
                None
                if value is None
                else Head(value, zeros=_any_zeros(own) or node.op.name in ("max", "min", "scatter_set"))
            )
        if isinstance(derivative, Defined):
            assert node.op.define is not None
            value = node.op.define(node.inputs, node.attrs)
            return Forward([value], node.inputs, node.inputs, self.replaced).run(own)[0]
        if isinstance(derivative, Constant):
            return Head(ops.zeros_like(node), zeros=True) if derivative.connected else None
        raise GradientError(f"{node.op.name}: no derivative is declared", where=next(iter(node.lines), None))

    def _stopped(self, node: Node) -> Head | None:
        """The tangent of a value of which the first derivatives exist."""
        from symgrad.diff.taylor import truncated

        sources = [one for one in self.sources if one in self.tangents]
        inner = Forward([truncated(node, sources)], sources, self.stops, self.replaced)
        return inner.run([self.tangents[one] for one in sources])[0]

    def _pair_tangents(self, node: Node, own: Sequence[Head | None], rule: Rule | None) -> Sequence[Any]:
        given = [None if head is None else head.value for head in own]
        if rule is not None:
            kind: Any = node.type
            heads = [ops.parameter("head", one) for one in kind.items]
            name = getattr(rule, "__name__", "rule")
            return transpose_rule(name, node, heads, call_rule(rule, node, heads), given)
        derivative = node.op.derivative
        assert isinstance(derivative, Pair)
        made: Sequence[Any] = derivative.jvp(node, given)
        return made

    def _partials(self, node: Node, derivative: Partials, own: Sequence[Head | None]) -> Head | None:
        if node.op.name == "where" and _is_plain_selection(node, derivative):
            return _where_tangent(node, own)
        parts: list[Head] = []
        for i, head in enumerate(own):
            if head is not None:
                partial = derivative.partial(node, i)
                if partial is not None:
                    passed = apply_partial(head, partial)
                    if passed.value.type.dtype is not node.type.dtype:
                        passed = passed.of(ops.cast(passed.value, node.type.dtype))
                    parts.append(passed)
        return reduce(add_heads, parts) if parts else None

    def _linear(self, node: Node, derivative: Linear, own: Sequence[Head | None]) -> Head | None:
        arguments = derivative.arguments if derivative.arguments is not None else tuple(range(len(node.inputs)))
        moving = [i for i in arguments if own[i] is not None]
        if not moving:
            return None
        zeros = _any_zeros(own) or node.op.name == "place"
        if derivative.joint:
            inputs = list(node.inputs)
            for i in arguments:
                head = own[i]
                inputs[i] = ops.zeros_like(inputs[i]) if head is None else head.value
            return Head(apply(node.op, tuple(inputs), node.attrs), zeros=zeros or len(moving) < len(arguments))
        parts = []
        for i in moving:
            head = own[i]
            assert head is not None
            if head.zeros and node.op.kind is Kind.CONTRACTION and not all(self.regular(one) for one in node.inputs):
                parts.append(self._masked(node, i, head))
                continue
            if node.op.name in MASKED_PRODUCTS:
                parts.append(Head(derivative.transpose(node, i, head.value), zeros=True))
                continue
            inputs = [head.value if k == i else one for k, one in enumerate(node.inputs)]
            parts.append(Head(apply(node.op, tuple(inputs), node.attrs), zeros=zeros))
        return reduce(add_heads, parts)

    def _masked(self, node: Node, i: int, head: Head) -> Head:
        """The contraction of a tangent that holds structural zeros, which prevail."""
        if node.op.define is None:
            return Head(contract_masked(node, i, head.value), zeros=True)
        value, own, leaves = defined_by(node, i)
        made = Forward([value], [own], leaves).run([head])[0]
        assert made is not None
        return made

    def _transposed_rule(self, rule: Rule, node: Node, own: Sequence[Head | None]) -> Head | None:
        """An override gives cotangents; the tangent is the transpose of that linear map."""
        head = ops.parameter("head", node.type)
        cotangents = call_rule(rule, node, [head])
        name = getattr(rule, "__name__", "rule")
        given = [None if one is None else one.value for one in own]
        value = transpose_rule(name, node, [head], cotangents, given)[0]
        return None if value is None else Head(value, zeros=True)


def _any_zeros(heads: Sequence[Head | None]) -> bool:
    return any(head is not None and head.zeros for head in heads)


def _is_plain_selection(node: Node, derivative: Partials) -> bool:
    """Whether a selection is not a maximum or minimum in disguise, which has a convention at its kink."""
    partial = derivative.partial(node, 1)
    return isinstance(partial, Gate) and partial.mask is node.inputs[0] and partial.factor is None


def _where_tangent(node: Node, own: Sequence[Head | None]) -> Head | None:
    condition, a, b = node.inputs
    if own[1] is None and own[2] is None:
        return None
    chosen = [ops.zeros_like(one) if head is None else head.value for one, head in zip((a, b), own[1:], strict=True)]
    return Head(ops.where(condition, *chosen), zeros=_any_zeros(own) or own[1] is None or own[2] is None)


def is_linear(cotangents: Sequence[Node], heads: Sequence[Node], stops: AbstractSet[Node]) -> bool:
    """Whether cotangents depend linearly on the heads: their derivative with respect to them is free of them.

    No head is looked for behind the ``stops``.
    Checked on the graph, so a rule that is linear only by cancellation counts as not linear.
    """
    probe = [ops.parameter("probe", head.type) for head in heads]
    tangents = Forward(list(cotangents), heads, stops).run([Head(one) for one in probe])
    known = [head.value for head in tangents if head is not None]
    return set(heads).isdisjoint(topological(known, stops.__contains__))


def transpose_rule(
    name: str, node: Node, heads: Sequence[Node], cotangents: Sequence[Node | None], tangents: Sequence[Any]
) -> list[Any]:
    """Tangents of a rule's results: the transpose of its map, at a node, from heads to cotangents, applied to tangents.

    Raises
    ------
    GradientError
        The map is not linear.
    """
    pairs = [
        (cotangent, tangent)
        for cotangent, tangent in zip(cotangents, tangents, strict=True)
        if cotangent is not None and tangent is not None
    ]
    if not pairs:
        return [None] * len(heads)
    outputs = [cotangent for cotangent, _ in pairs]
    stops = {node, *node.inputs}
    if not is_linear(outputs, heads, stops):
        raise GradientError(
            f"forward mode: the rule of {name} is not linear in its head gradients, so only reverse mode is defined",
            hint="use sg.grad, sg.vjp or jacobian(mode='reverse')",
        )
    found = Reverse(outputs, heads, stops).run(outputs, [Head(tangent) for _, tangent in pairs])
    return [materialize(found[head]).value if head in found else None for head in heads]
