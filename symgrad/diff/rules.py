"""Which rule differentiates which node.  In: override maps, registered rules, ``Rules`` values.  Out: a rule per node.

Precedence: stop > override carried by the node > override of the operation > declared rule.  A user's rule has the form
``rule(node, *head_gradients) -> gradient per input``, each an expression or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from symgrad import ops, provenance, types
from symgrad.errors import GradientError, ShapeError, SymgradError
from symgrad.node import Node, apply
from symgrad.opdef import REGISTRY, Kind, OpDef
from symgrad.ops.coerce import shape_text
from symgrad.ops.declaring import ELEMENTWISE
from symgrad.provenance import user_line
from symgrad.types import same_shape
from symgrad.variables import is_variable

__all__ = ["Rule", "Rules", "find_rule", "gradient_override_map", "register_gradient"]

Rule = Callable[..., Any]  # rule(node, *heads) -> gradient(s) per input

_named: dict[str, Rule] = {}
# names of TensorFlow that are no spelling of ours
_TENSORFLOW = {
    theirs: ours
    for ours, names in (
        ("callback", "PyFunc"),
        ("stateless_callback", "PyFuncStateless"),
        ("add", "AddV2"),
        ("subtract", "Sub"),
        ("multiply", "Mul"),
        ("divide", "Div RealDiv"),
        ("negative", "Neg"),
        ("absolute", "Abs"),
        ("power", "Pow"),
        ("rint", "Round"),
        ("expit", "Sigmoid"),
    )
    for theirs in names.split()
}


def _identity_rule(node: Node, *heads: Any) -> Any:
    """The head gradient, passed on unchanged to every input of the output's shape."""
    return [heads[0] if same_shape(one.shape, node.shape) else None for one in node.inputs]


_named["Identity"] = _identity_rule


def register_gradient(name: str, op: str | None = None, untrue: str | None = None) -> Callable[[Rule], Rule]:
    """Give a rule a name, under which override maps may refer to it.

    Parameters
    ----------
    name : str
        A new name.
    op : str, optional
        The operation of which the rule is said to be the derivative: it is compared with the declared one at once.
    untrue : str, optional
        Why the rule need not be the derivative of ``op``: it is not compared.

    Returns
    -------
    decorator of a function ``rule(node, *head_gradients)`` that returns one gradient, or None, per input.

    Raises
    ------
    GradientError
        The name is taken by another rule, no operation is called ``op``, or, with ``sg.config.rule_check = "error"``, the
        rule is not the derivative of ``op``; by default that is a :class:`RuleWarning`.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> @sg.register_gradient("HardTanh")
    ... def hard_tanh(node, head):
    ...     return sg.where(abs(node.inputs[0]) <= 1, head, 0)
    >>> x = sg.symbol("x")
    >>> with sg.gradient_override_map({"sign": "HardTanh"}):
    ...     y = np.sign(x)
    >>> print(sg.gradients(y, [x])[0])
    where(abs(x) <= 1, 1, 0)
    """

    operation = None if op is None else canonical_op(op)

    def enter(rule: Rule) -> Rule:
        if not _is_again(_named.get(name, rule), rule):
            raise GradientError(f"register_gradient: the name {name!r} is taken", hint="choose another name")
        if operation is not None and untrue is None:
            from symgrad.truth import check_rule_of_operation

            check_rule_of_operation(name, rule, operation)
        _named[name] = rule
        return rule

    return enter


def _is_again(known: Rule, rule: Rule) -> bool:
    """Whether a rule is one that is known, or its definition was run once more: a cell of a notebook, a script."""
    if known is rule:
        return True
    (main, file, name), own = _definition(known), _definition(rule)
    return name == own[2] and ((main and own[0]) or file == own[1])


def _definition(rule: Rule) -> tuple[bool, Any, Any]:
    """Whether a rule belongs to the main program; its file; its name there."""
    file = getattr(getattr(rule, "__code__", None), "co_filename", rule)
    return getattr(rule, "__module__", "") == "__main__", file, getattr(rule, "__qualname__", rule)


def _rule_of(name: str) -> Rule:
    """The declared derivative of an operation, for nodes of others with as many inputs."""
    op = REGISTRY[name]

    def rule(node: Node, *heads: Any) -> list[Any]:
        from symgrad.diff.gradients import gradients

        made = _in_place_of(node, op)
        if made is None:
            raise GradientError(
                f"the rule of {name} does not fit {node.op.name}: its inputs or results are others",
                where=next(iter(node.lines), None),
                hint="an operation of as many inputs, or a rule registered with sg.register_gradient",
            )
        return gradients([made], node.inputs, [heads[0]], stop_gradients=node.inputs)

    rule.__name__ = name
    return rule


def _in_place_of(node: Node, op: OpDef) -> Any:
    """Another operation on the inputs of a node; None where it does not fit."""
    if op.kind is Kind.ELEMENTWISE and (op.name not in ELEMENTWISE or ELEMENTWISE[op.name].arity != len(node.inputs)):
        return None
    try:
        made = apply(op, node.inputs, node.attrs if op.attrs is node.op.attrs else ())
    except (SymgradError, AttributeError, TypeError, ValueError):
        return None
    return made if same_shape(made.shape, node.shape) else None


def find_rule(name: str) -> Rule:
    """The rule of that name: a registered one, or the declared derivative of an operation.

    Raises
    ------
    GradientError
        There is none; the message names the nearest.
    """
    if name in _named:
        return _named[name]
    known = next((one for one in (name, name.lower()) if one in REGISTRY), None)
    if known is not None:
        return _rule_of(known)
    near = get_close_matches(name, [*_named, *REGISTRY], 3)
    raise GradientError(
        f"no gradient rule is named {name!r}",
        where=user_line(),
        hint=f"did you mean {', '.join(near)}?" if near else "sg.register_gradient",
    )


def rule_name(rule: Rule) -> str:
    """The name under which a rule is registered, or else its own."""
    own: str | None = next((name for name, one in _named.items() if one is rule), None)
    return own or str(getattr(rule, "__name__", "rule"))


def canonical_op(name: str) -> str:
    """An operation's name, also from TensorFlow's spelling of it (``"Sign"``)."""
    lowered = _TENSORFLOW.get(name, name.lower())
    known = name if name in REGISTRY else lowered if lowered in REGISTRY else None
    if known is None:
        near = get_close_matches(lowered, REGISTRY, 3)
        raise GradientError(
            f"no operation is named {name!r}",
            where=user_line(),
            hint=f"did you mean {', '.join(near)}?" if near else None,
        )
    return known


@contextmanager
def gradient_override_map(overrides: Mapping[str, str]) -> Iterator[None]:
    """Nodes of these operations created inside the block are differentiated by the named rules; maps nest, inner wins.

    Parameters
    ----------
    overrides : mapping of operation name to rule name

    Raises
    ------
    GradientError
        An unknown operation or rule.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x")
    >>> with sg.gradient_override_map({"sign": "Identity"}):
    ...     y = np.sign(x)
    >>> print(sg.gradients(y, [x])[0])
    1
    """
    here = provenance.current.get()
    outer = here.identity
    merged = dict(outer.overrides) if outer else {}
    for name, rule in overrides.items():
        find_rule(rule)
        merged[canonical_op(name)] = rule
    inside = provenance.identity(outer.scope if outer else "", tuple(sorted(merged.items())))
    token = provenance.current.set(provenance.BuildContext(inside, here.observer))
    try:
        yield
    finally:
        provenance.current.reset(token)


Selector = Any  # operation name, name-scope glob, or expression


class Rules:
    """Overrides and stops for a graph that is already built.

    Parameters
    ----------
    overrides : mapping of selector to rule
        A selector is an operation's name, a name-scope glob (``"net/*"``, which covers the variables made there, too) or an
        expression; a rule is a function ``rule(node, *heads)`` or the name of a registered one.
    stops : iterable of selectors
        No derivative passes through what these select, nor reaches a variable that a name selects.

    Raises
    ------
    GradientError
        When used: a selector matches nothing.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x")
    >>> print(sg.gradients(np.sign(x) * x, [x], rules=sg.Rules({"sign": "Identity"}))[0])
    sign(x) + x
    """

    __slots__ = ("overrides", "stops")

    def __init__(self, overrides: Mapping[Selector, Rule | str] | None = None, stops: Iterable[Selector] = ()) -> None:
        self.overrides = {
            key: find_rule(rule) if isinstance(rule, str) else rule for key, rule in (overrides or {}).items()
        }
        self.stops = tuple(stops)

    def resolve(self, order: Sequence[Node]) -> tuple[set[Node], dict[Node, Rule]]:
        """The stopped nodes of a graph, and the rule for each overridden one."""
        replaced: dict[Node, Rule] = {}
        for selector, rule in self.overrides.items():
            replaced.update(dict.fromkeys(_selected(selector, order), rule))
        return set(self.stopped_by(order)), replaced

    def frozen(self, stopped: Iterable[Node]) -> set[Node]:
        """Of the stopped nodes the variables that a name selects: not even their own derivative exists."""
        given = {selector for selector in self.stops if isinstance(selector, Node)}
        return {node for node in stopped if is_variable(node) and node not in given}

    def stopped_by(self, order: Sequence[Node]) -> dict[Node, Selector]:
        """The stopped nodes of a graph, each with the selector that names it."""
        stopped: dict[Node, Selector] = {}
        for selector in self.stops:
            stopped.update(dict.fromkeys(_selected(selector, order), selector))
        return stopped


def _selected(selector: Selector, order: Sequence[Node]) -> list[Node]:
    if isinstance(selector, Node):
        found = [node for node in order if node is selector]
    elif "*" in selector or "/" in selector:
        found = [node for node in order if _in_scope(node, selector)]
    else:
        name = canonical_op(selector)
        found = [node for node in order if node.op.name == name]
    if not found:
        scopes = {_place(node) for node in order} - {""} | {node.op.name for node in order}
        near = get_close_matches(str(selector), scopes, 3)
        raise GradientError(
            f"Rules: {selector!r} selects nothing in this graph",
            where=user_line(),
            hint=f"nearest: {', '.join(near)}" if near else None,
        )
    return found


def _in_scope(node: Node, glob: str) -> bool:
    """Whether a node, or a variable by its name, was made in a scope that matches."""
    place = _place(node)
    return fnmatchcase(place, glob) or (not is_variable(node) and fnmatchcase(f"{place}/", glob))


def _place(node: Node) -> str:
    """The name of a variable, the name scope of any other node."""
    return str(node.attrs.name) if is_variable(node) else node.scope


def carried(node: Node) -> Rule | None:
    """The rule that an override map in force at the node's creation gave it."""
    context = node.context
    if context is None or not context.overrides:
        return None
    name = dict(context.overrides).get(node.op.name)
    return None if name is None else find_rule(name)


def call_rule(rule: Rule, node: Node, heads: Sequence[Any]) -> list[Any]:
    """A user's rule, its result brought to one gradient of the right type per input.

    Raises
    ------
    GradientError
        It returned another number of gradients, or one of the wrong shape.
    """
    made = rule(node, *heads)
    results = list(made) if isinstance(made, (list, tuple)) else [made]
    name = getattr(rule, "__name__", "rule")
    if len(results) != len(node.inputs):
        raise GradientError(
            f"{name}: returned {len(results)} gradients for the {len(node.inputs)} inputs of {node.op.name}"
        )
    out: list[Any] = []
    for one, result in zip(node.inputs, results, strict=True):
        if result is None:
            out.append(None)
            continue
        out.append(fitting(result, one, name, f"an input of {node.op.name}"))
    return out


def fitting(result: Any, one: Any, name: str, what: str) -> Any:
    """A rule's gradient for an array, broadcast to its shape.

    Raises
    ------
    GradientError
        It has another shape, or is boolean or integer where the array is not.
    """
    if isinstance(result, Node) and types.is_float(one.type.dtype) and not types.is_float(result.type.dtype):
        raise GradientError(
            f"{name}: gradient of element type {result.type.dtype} for {what}, which is {one.type.dtype}",
            hint=f"convert it with .astype('{one.type.dtype}')",
        )
    value = ops.as_node(result, one.type.dtype, who=name)
    try:
        return ops.broadcast_to(value, one.shape)
    except ShapeError:
        raise GradientError(
            f"{name}: gradient of shape {shape_text(value.shape)} for {what}, of shape {shape_text(one.shape)}",
            where=user_line(),
        ) from None
