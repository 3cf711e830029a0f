"""Host functions as nodes.  In: a NumPy function, inputs, types of its results.  Out: expressions.  Refuses derivatives without a rule.

The function is called wherever the graph is evaluated: by the interpreter, by compiled kernels, and, given by the
program that calls it, in kernels written to files.  Its derivative is a rule on expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.batching import vectorize
from symgrad.diff.claims import Claim, note
from symgrad.diff.forward import transpose_rule
from symgrad.diff.rules import call_rule
from symgrad.dims import Size
from symgrad.errors import GradientError, SymgradError
from symgrad.node import Node, apply, substitute
from symgrad.opdef import Kind, OpDef, Pair, register
from symgrad.ops.callback import CallbackAttrs, Host, evaluate, host_of, infer, next_place, result_types
from symgrad.provenance import user_line
from symgrad.types import TensorType

__all__ = ["callback"]


# -- derivatives ----------------------------------------------------------------------------------------------------
def _vjp(node: Node, heads: Any, wanted: Sequence[bool]) -> Sequence[Node | None]:
    given = [heads] if node.attrs.single else heads
    if not any(own and types.is_float(one.type.dtype) for own, one in zip(wanted, node.inputs, strict=True)):
        return [None] * len(node.inputs)
    kinds = result_types(node.attrs)
    full = [
        ops.zeros(kind.shape, kind.dtype) if head is None else head for head, kind in zip(given, kinds, strict=True)
    ]
    return _cotangents(node, full)


def _jvp(node: Node, tangents: Sequence[Node | None]) -> Any:
    kinds = result_types(node.attrs)
    found: list[Any] = [None] * len(kinds)
    if any(one is not None for one in tangents):
        heads = [ops.parameter("head", kind) for kind in kinds]
        made = transpose_rule(node.attrs.host.name, node, heads, _cotangents(node, heads), tangents)
        found = [one if types.is_float(kind.dtype) else None for one, kind in zip(made, kinds, strict=True)]
    return found[0] if node.attrs.single else found


def _cotangents(node: Node, heads: Sequence[Node]) -> list[Node | None]:
    """What the gradient rule makes of the heads; integers get nothing."""
    host: Host = node.attrs.host
    if host.gradient is None:
        raise GradientError(
            f"callback {host.name}: it has no gradient, and a derivative through it is asked for",
            where=next(iter(node.lines), host.where),
            hint="callback(..., gradient=rule); what a rule computes by a callback of its own is first order and "
            "reverse mode only, unless that has a gradient, too",
        )
    made = _over_batch(node, heads) if node.attrs.batch else call_rule(host.gradient, node, heads)
    return [one if types.is_float(x.type.dtype) else None for one, x in zip(made, node.inputs, strict=True)]


def _over_batch(node: Node, heads: Sequence[Node]) -> list[Any]:
    """The rule of one element, over the outermost batch axis."""
    attrs: CallbackAttrs = node.attrs
    (size, batched), *rest = attrs.batch
    inputs = [
        ops.parameter(f"x{k}", one.type.with_shape(one.shape[1:]) if own else one.type)
        for k, (one, own) in enumerate(zip(node.inputs, batched, strict=True))
    ]
    inner: Node = apply(node.op, tuple(inputs), attrs._replace(batch=tuple(rest)))
    inner_heads = [ops.parameter("head", kind) for kind in result_types(inner.attrs)]
    made = _cotangents(inner, inner_heads)
    moving = {x: one for x, one, own in zip(inputs, node.inputs, batched, strict=True) if own}
    same = {x: one for x, one, own in zip(inputs, node.inputs, batched, strict=True) if not own}
    replaced = {inner: node, **moving, **dict(zip(inner_heads, heads, strict=True))}
    found = iter(vectorize([one for one in made if one is not None], replaced, size))
    return [
        None if one is None else _whole(*next(found), own, size, same) for one, own in zip(made, batched, strict=True)
    ]


def _whole(node: Any, moved: bool, batched: bool, size: Size, same: dict[Node, Node]) -> Any:
    """A cotangent over the batch; of an input that all elements share, the sum."""
    full = node if moved else ops.broadcast_to(node, (size, *node.shape))
    (made,) = substitute([full if batched else ops.sum(full, axis=0)], same)
    return made


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    attrs: CallbackAttrs = node.attrs
    made: Node = apply(node.op, inputs, attrs._replace(batch=((size, batched), *attrs.batch)))
    return made


def _infer(inputs: tuple[Node, ...], attrs: CallbackAttrs) -> Any:
    if attrs.host.claim is not None and not attrs.stateful:  # what has effects is not called to look at its derivative
        note(attrs.host.claim.number, inputs, attrs)
    return infer(inputs, attrs)


def _declared(name: str, doc: str) -> OpDef:
    return register(
        OpDef(
            name=name,
            kind=Kind.CALLBACK,
            infer=_infer,
            evaluate=evaluate,
            derivative=Pair(_jvp, _vjp),
            batch=_batch,
            attrs=CallbackAttrs,
            samples=lambda rng: (),
            doc=doc,
        )
    )


CALLBACK = _declared("callback", "A host function that is called exactly once each time, in the order of creation.")
STATELESS_CALLBACK = _declared("stateless_callback", "A host function whose result depends on its arguments only.")


# -- building -------------------------------------------------------------------------------------------------------
def callback(
    fn: Callable[..., Any],
    inputs: Any,
    result_types: Any,
    gradient: Callable[..., Any] | None = None,
    stateful: bool = True,
    *,
    untrue: str | None = None,
) -> Any:
    """A Python function on NumPy arrays as a node of the graph.

    Parameters
    ----------
    fn : callable
        ``fn(*arrays)`` gets a read-only array per input, which it may keep, of rank 0 for scalars; it returns an array,
        or a tuple or list of arrays, of exactly the declared shapes and element types.
    inputs : expression, array or number, or a list or tuple of these
    result_types : type or list of types
        A type is a :class:`TensorType`, a pair (shape, dtype), or an array or expression of that type.  Shapes may
        hold dynamic dimensions of the inputs.  One gives an expression, a list a tuple of expressions.
    gradient : callable, optional
        ``gradient(node, *heads)`` returns, as expressions, one gradient (or None) per input; ``node.inputs`` are the
        inputs.  It may call :func:`callback` itself: derivatives are then of first order, in reverse mode.
    stateful : bool, default True
        The function is run exactly once per call of a kernel for each call of ``callback``, in their order.  Otherwise
        equal calls are one, and what nobody uses is left out.
    untrue : str, optional
        Why the gradient is not, and need not be, the derivative of a stateless function: it is not checked.

    Returns
    -------
    expression or tuple of expressions
        Under ``vmap`` the function is called once per element of the batch, in order.

    Raises
    ------
    SymgradError
        ``fn`` or ``gradient`` cannot be called, or a type is none.
    GradientError
        When differentiated: there is no gradient, or it has the wrong number or shape of results.
    KernelInputError
        When run: ``fn`` returned something else than it declares.  What ``fn`` raises is raised as it is.

    Warns
    -----
    RuleWarning
        The gradient of a stateless function is not its derivative; it is compared with finite differences where a kernel
        first runs (see ``sg.config.rule_check``).

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> def clamp(x):
    ...     return np.clip(x, -3, 3)
    >>> def inside(node, head):
    ...     (x,) = node.inputs
    ...     return head * sg.where((x >= -3) & (x < 3), 1.0, 0.0)
    >>> f = lambda x: sg.callback(clamp, [x], x, gradient=inside)
    >>> sg.jit(f)(np.array([-3.0, -4.0, 1.0, 40.0]))
    array([-3., -3.,  1.,  3.])
    >>> sg.grad(lambda x: np.sum(f(x)))(np.array([-3.0, -4.0, 1.0, 40.0]))
    array([1., 0., 1., 0.])
    """
    for one, role in ((fn, "function"), *([(gradient, "gradient")] if gradient is not None else [])):
        if not callable(one):
            raise SymgradError(f"callback: the {role} {one!r} cannot be called", where=user_line())
    host = host_of(fn, gradient, user_line())
    listed = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    nodes = tuple(ops.as_node(one, who=f"callback {host.name}") for one in listed)
    kinds, single = _result_types(host, result_types)
    if gradient is not None and not stateful and host.claim is None:
        host.claim = Claim(host.name, untrue)
    attrs = CallbackAttrs(host, kinds, single, (), next_place() if stateful else None)
    node = apply(CALLBACK if stateful else STATELESS_CALLBACK, nodes, attrs)
    return node if single else tuple(ops.item(node, k) for k in range(len(kinds)))


def _result_types(host: Host, given: Any) -> tuple[tuple[TensorType, ...], bool]:
    """The types of the results, and whether a single one was asked for."""
    if isinstance(given, list) or (isinstance(given, tuple) and not _is_pair(given)):
        if not given:
            raise SymgradError(
                f"callback {host.name}: no results are declared",
                where=user_line(),
                hint="what has no result is never run; return one, and use it",
            )
        return tuple(_as_type(host, one) for one in given), False
    return (_as_type(host, given),), True


def _is_pair(value: Any) -> bool:
    """Whether a value is (shape, dtype)."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], (str, type, np.dtype))


def _as_type(host: Host, given: Any) -> TensorType:
    if isinstance(given, TensorType):
        return given
    if _is_pair(given):
        return TensorType(*given)
    if isinstance(given, (Node, np.ndarray, np.generic, bool, int, float)):
        kind: TensorType = ops.as_node(given, who=f"callback {host.name}").type
        return kind
    raise SymgradError(
        f"callback {host.name}: {given!r} is no type of a result",
        where=user_line(),
        hint="sg.TensorType(shape, dtype), a pair (shape, dtype), or an array or expression of that type",
    )
