"""Functions with a derivative of the user's own.  In: ``f(x) -> (y, grad_fn)``.  Out: ``f`` with that derivative.

The value is computed as written; a ``custom_gradient`` node then diverts its cotangents to the arguments, by the rule.
The rule is recorded once, as a closed graph from head gradients to cotangents, so that it survives vectorisation,
substitution and saving.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, NamedTuple

from symgrad import node as graph
from symgrad import ops
from symgrad.batching import batch_closed
from symgrad.containers import flatten, leaves_like, unflatten
from symgrad.diff.claims import Claim, note
from symgrad.diff.forward import transpose_rule
from symgrad.diff.rules import fitting
from symgrad.dims import Size
from symgrad.errors import GradientError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, OpDef, Pair, register
from symgrad.ops.control import Closed
from symgrad.ops.source import is_placeholder
from symgrad.provenance import user_line
from symgrad.types import TupleType

__all__ = ["custom_gradient"]


class CustomAttrs(NamedTuple):
    """The inputs are ``values`` results, then ``arguments`` that receive gradients, then captured placeholders.

    ``rule`` maps head gradients and all inputs to one cotangent, or None, per argument.
    """

    name: str
    values: int
    arguments: int
    rule: Closed
    claim: int = 0  # see symgrad.diff.claims


def _vjp(node: Node, heads: Sequence[Node | None], wanted: Sequence[bool]) -> list[Node | None]:
    attrs: CustomAttrs = node.attrs
    full = [ops.zeros_like(node.inputs[k]) if head is None else head for k, head in enumerate(heads)]
    captured = len(node.inputs) - attrs.values - attrs.arguments
    return [None] * attrs.values + attrs.rule([*full, *node.inputs]) + [None] * captured


def _jvp(node: Node, tangents: Sequence[Node | None]) -> list[Any]:
    attrs: CustomAttrs = node.attrs
    heads = [ops.parameter("head", one.type) for one in node.inputs[: attrs.values]]
    cotangents = attrs.rule([*heads, *node.inputs])
    return transpose_rule(attrs.name, node, heads, cotangents, tangents[attrs.values : attrs.values + attrs.arguments])


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    attrs: CustomAttrs = node.attrs
    full = [one if own else ops.broadcast_to(one, (size, *one.shape)) for one, own in zip(inputs, batched, strict=True)]
    made: Node = apply(CUSTOM_GRADIENT, tuple(full), attrs._replace(rule=batch_closed(attrs.rule, size)))
    return made


def _infer(inputs: tuple[Node, ...], attrs: CustomAttrs) -> TupleType:
    note(attrs.claim, inputs, attrs)
    return TupleType(tuple(node.type for node in inputs[: attrs.values]))


CUSTOM_GRADIENT = register(
    OpDef(
        name="custom_gradient",
        kind=Kind.CONTROL,
        infer=_infer,
        evaluate=lambda attrs, *xs: tuple(xs[: attrs.values]),
        derivative=Pair(_jvp, _vjp),
        batch=_batch,
        attrs=CustomAttrs,
        samples=lambda rng: (),
        doc="Values whose cotangents go to the arguments by the user's rule.",
    )
)


def custom_gradient(
    function: Callable[..., Any] | None = None,
    *,
    check_at: Sequence[Any] | None = None,
    untrue: str | None = None,
) -> Callable[..., Any]:
    """Give a function a derivative of its own.

    Parameters
    ----------
    function : callable
        ``f(*args) -> (y, grad_fn)``; ``grad_fn(*heads)``, one head gradient per array of ``y``, returns one gradient (or
        None) per argument.  Arguments may be containers, whose gradients then have the same structure.
    check_at : sequence of arguments, optional
        A point at which the rule is compared with finite differences at once.  Without it, that happens where a kernel
        that uses the rule first runs; see ``sg.config.rule_check``.
    untrue : str, optional
        Why the rule is not, and need not be, the derivative of the function: it is not checked.

    Returns
    -------
    callable of the same arguments that returns ``y``.  A rule linear in the heads (checked on its graph) gives forward
    mode too; derivatives of the rule give higher orders.

    Raises
    ------
    GradientError
        The rule returns the wrong number or shape of gradients; or forward mode is asked of a rule that is not linear;
        or, with ``sg.config.rule_check = "error"``, the rule is not the derivative.  By default that is a
        :class:`RuleWarning`, once.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> @sg.custom_gradient
    ... def log1pexp(x):
    ...     e = np.exp(x)
    ...     return np.log(1 + e), lambda head: head * (1 - 1 / (1 + e))
    >>> float(sg.grad(log1pexp)(100.0))
    1.0
    """

    if function is None:
        return partial(custom_gradient, check_at=check_at, untrue=untrue)
    claim = Claim(function.__name__, untrue)

    @wraps(function)
    def wrapped(*args: Any) -> Any:
        leaves, structure = flatten(args)
        arguments = [ops.as_node(leaf, who=function.__name__) for leaf in leaves]
        made = function(*unflatten(structure, arguments))
        if not (isinstance(made, tuple) and len(made) == 2 and callable(made[1])):
            raise GradientError(f"custom_gradient: {function.__name__} must return (y, grad_fn)", where=user_line())
        value_leaves, value_structure = flatten(made[0])
        values = [ops.as_node(leaf, who=function.__name__) for leaf in value_leaves]
        heads = [ops.parameter(f"head{k}", node.type) for k, node in enumerate(values)]
        cotangents = _cotangents(function.__name__, made[1](*heads), args, arguments)
        return unflatten(value_structure, _attach(claim, values, arguments, heads, cotangents))

    if check_at is not None and untrue is None:
        from symgrad.truth import check_at_point

        check_at_point(claim, wrapped, check_at)
    return wrapped


def _cotangents(name: str, made: Any, args: tuple[Any, ...], arguments: Sequence[Node]) -> list[Node | None]:
    """The rule's result, one cotangent per array of the arguments."""
    results = made if isinstance(made, tuple) and len(args) != 1 else made if isinstance(made, list) else (made,)
    if len(results) != len(args):
        raise GradientError(
            f"custom_gradient: the rule of {name} returned {len(results)} gradients for {len(args)} arguments",
            where=user_line(),
        )
    leaves: list[Any] = []
    for result, arg in zip(results, args, strict=True):
        own = leaves_like(result, flatten(arg)[1])
        if own is None:
            raise GradientError(
                f"custom_gradient: the rule of {name} returned a gradient of another structure", where=user_line()
            )
        leaves.extend(own)
    out: list[Node | None] = []
    for leaf, node in zip(leaves, arguments, strict=True):
        if leaf is None:
            out.append(None)
            continue
        out.append(fitting(leaf, node, f"the rule of {name}", "an argument"))
    return out


def _attach(
    claim: Claim,
    values: Sequence[Node],
    arguments: Sequence[Node],
    heads: Sequence[Node],
    cotangents: Sequence[Node | None],
) -> list[Any]:
    """The values as nodes whose cotangents, instead of flowing on, become those of the arguments."""
    found = [node for node in cotangents if node is not None]
    known = {*heads, *values, *arguments}
    captured = [
        node for node in graph.topological(found, known.__contains__) if is_placeholder(node) and node not in known
    ]
    inputs = [*values, *arguments, *captured]
    parameters = [ops.parameter(f"v{k}", node.type) for k, node in enumerate(inputs)]
    swapped = graph.substitute(found, dict(zip(inputs, parameters, strict=True)))
    rule = Closed([*heads, *parameters], cotangents).with_present([*heads, *parameters], swapped)
    attrs = CustomAttrs(claim.name, len(values), len(arguments), rule, claim.number)
    node = apply(CUSTOM_GRADIENT, tuple(inputs), attrs)
    return [ops.item(node, k) for k in range(len(values))]
