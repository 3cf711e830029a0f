"""Whether rules are the derivatives that they claim to be.  In: a rule in use, and real arguments.  Out: a warning or an error.

The rule is compared with finite differences, and where these disagree with exact values, at the arguments and then, so
that a kink which happens to lie there raises no alarm, close to them.  Each rule is judged once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.check import Problem, check_problem
from symgrad.config import current
from symgrad.diff.callback import STATELESS_CALLBACK
from symgrad.diff.claims import Claim, Use, waiting
from symgrad.diff.custom import CUSTOM_GRADIENT
from symgrad.diff.gradients import gradients
from symgrad.diff.reverse import differentiable
from symgrad.diff.rules import call_rule
from symgrad.errors import GradientError, RuleWarning
from symgrad.interp import evaluate
from symgrad.node import Node, apply, substitute, topological
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.callback import CallbackAttrs
from symgrad.ops.source import is_placeholder
from symgrad.probing import aside, short_verdict
from symgrad.variables import is_variable

__all__ = ["check_at_point", "check_rule_of_operation", "probed"]

_COORDINATES = 12  # with more of them, random directions are checked instead of every coordinate
_NEAR = 1e-3  # relative distance of the second point

Array = np.ndarray[Any, Any]


def _uses_of(inputs: Sequence[Node]) -> list[Use]:
    """The unchecked uses of rules that are made from these placeholders, and variables, alone."""
    known = set(inputs)
    pairs = [(use, _sources(use)) for use in waiting()]
    return [use for use, sources in pairs if sources and all(one in known or is_variable(one) for one in sources)]


def _check_uses(uses: Sequence[Use], values: Mapping[Node, Any]) -> None:
    """Judge the rules in use, given values of the placeholders."""
    for use in uses:
        if not use.claim.settled:
            known = {node: values[node] for node in _sources(use) if not is_variable(node)}
            _judge(use, known)


class ProbedKernel:
    """A kernel whose first call judges the rules that it uses; everything else is the kernel's."""

    def __init__(self, kernel: Any, inputs: Sequence[Any], uses: list[Use]) -> None:
        self.kernel, self.inputs, self.uses = kernel, inputs, uses

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.uses:
            given = dict(zip(self.inputs, args, strict=False))
            given.update({node: kwargs[node.attrs.name] for node in self.inputs if node.attrs.name in kwargs})
            if len(given) == len(self.inputs):  # else the kernel says what is wrong
                uses, self.uses = self.uses, []
                _check_uses(uses, given)
        return self.kernel(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)

    def __reduce__(self) -> Any:
        return self.kernel.__reduce__()


def probed(kernel: Any, inputs: Sequence[Any]) -> Any:
    """The kernel; where rules that nobody has judged depend on its inputs, one that does so when it is first called."""
    uses = _uses_of(inputs)
    return ProbedKernel(kernel, inputs, uses) if uses else kernel


def check_at_point(claim: Claim, function: Callable[..., Any], args: Sequence[Any]) -> None:
    """Judge a rule at a point that the user gives."""
    from symgrad.transforms.tracing import bind, leaf_type

    arguments = bind(function, tuple(args))
    parameters = [
        ops.parameter(name, leaf_type(leaf)) for name, leaf in zip(arguments.names, arguments.leaves, strict=True)
    ]
    function(*arguments.rebuild(parameters))
    _check_uses([use for use in waiting() if use.claim is claim], dict(zip(parameters, arguments.leaves, strict=True)))


def check_rule_of_operation(name: str, rule: Callable[..., Any], op: str) -> None:
    """Compare a rule with the declared derivative of an operation, at its sample points."""
    if current().rule_check == "off":
        return
    rng = np.random.default_rng(0)
    for sample in (one for one in REGISTRY[op].samples(rng) if one.smooth):
        leaves = [ops.parameter(f"x{k}", ops.as_node(array).type) for k, array in enumerate(sample.arrays)]
        node = apply(REGISTRY[op], tuple(leaves), sample.attrs)
        head = ops.parameter("head", node.type)
        environment = dict(zip([*leaves, head], [*sample.arrays, rng.normal(size=node.shape)], strict=True))
        pairs = [
            (k, mine, true)
            for k, (mine, true) in enumerate(
                zip(call_rule(rule, node, [head]), gradients(node, leaves, [head], unconnected="zero"), strict=True)
            )
            if differentiable(leaves[k])
        ]
        for k, mine, true in pairs:
            found, exact = evaluate([true if mine is None else mine, true], environment)
            if mine is None:
                found = np.zeros_like(exact)
            if not np.allclose(found, exact, rtol=1e-6, atol=1e-9 * (1 + np.max(np.abs(exact), initial=0))):
                worst = np.unravel_index(np.argmax(np.abs(found - exact)), np.shape(exact))
                _report(
                    f"the rule {name} is not the derivative of {op}",
                    f"argument {k}: gradient {float(found[worst])!r}, exactly {float(exact[worst])!r}",
                )
                return


def _sources(use: Use) -> list[Node]:
    return [node for node in topological(use.inputs) if is_placeholder(node)]


def _results(use: Use) -> list[Any]:
    """The results that the rule belongs to, as differentiated by it."""
    if isinstance(use.attrs, CallbackAttrs):
        node = apply(STATELESS_CALLBACK, use.inputs, use.attrs)
        return [node] if use.attrs.single else [ops.item(node, k) for k in range(len(use.attrs.results))]
    node = apply(CUSTOM_GRADIENT, use.inputs, use.attrs)
    return [ops.item(node, k) for k in range(use.attrs.values)]


def _arguments(use: Use) -> tuple[Node, ...]:
    """What the rule gives gradients for."""
    if isinstance(use.attrs, CallbackAttrs):
        return use.inputs
    return use.inputs[use.attrs.values : use.attrs.values + use.attrs.arguments]


def _judge(use: Use, values: Mapping[Node, Any]) -> None:
    try:
        finding = _finding(use, values)
    except Exception:
        if not isinstance(use.attrs, CallbackAttrs):
            raise
        use.claim.settled = True  # a function of the host may raise anything at a point that nobody asked for
        return
    if finding is not None:
        _report(f"the rule of {use.claim.name} is not the derivative of its function", finding)


def _finding(use: Use, values: Mapping[Node, Any]) -> str | None:
    """What is wrong with a rule; None where nothing is, or where the values tell nothing."""
    if any(_is_stateful(node) for node in topological(use.inputs)):
        use.claim.settled = True
        return None
    floating = [
        one for one in dict.fromkeys(_arguments(use)) if types.is_float(one.type.dtype) and one.op.name != "constant"
    ]
    results = [one for one in _results(use) if types.is_float(one.type.dtype)]
    if not floating or not results:
        return None
    point = [np.asarray(one) for one in evaluate(floating, values)]
    with np.errstate(all="ignore"):
        known = evaluate([*results, *gradients(results, floating, unconnected="zero")], values)
    if not all(np.all(np.isfinite(array)) for array in known):
        return None  # no place to judge: the next one may be
    rng = np.random.default_rng(0)
    first = _verdict(use, floating, point, values, rng)
    if first is None:
        use.claim.settled = True
        return None
    host = _is_of_host(use)
    near = [
        aside(array, rng)
        if host
        else array * (1 + _NEAR * rng.uniform(-1, 1, array.shape)) + _NEAR**2 * rng.normal(size=array.shape)
        for array in point
    ]
    second = _verdict(
        use, floating, [array.astype(old.dtype) for array, old in zip(near, point, strict=True)], values, rng
    )
    use.claim.settled = True
    return second


def _verdict(
    use: Use, floating: Sequence[Node], point: Sequence[Array], values: Mapping[Node, Any], rng: np.random.Generator
) -> str | None:
    """What is wrong with the rule at a point; None for nothing."""
    parameters: list[Any] = [ops.parameter(f"argument {k}", one.type) for k, one in enumerate(floating)]
    results = substitute(_results(use), dict(zip(floating, parameters, strict=True)))
    rtol = 1e-6 if all(one.type.dtype is types.FLOAT64 for one in floating) else 1e-3
    problem = _contracted(results, parameters, list(point), values, rng)
    if _is_of_host(use):
        return short_verdict(problem, rng)
    try:
        with np.errstate(all="ignore"):
            for one in _restricted(problem, rng):
                check_problem(one, 1, ("reverse",), rtol, rng)
    except GradientError as error:
        return error.what.removeprefix("check_gradients: ").removeprefix("the derivative is wrong: ")
    return None


def _contracted(
    results: Sequence[Any],
    parameters: list[Any],
    point: list[Array],
    values: Mapping[Node, Any],
    rng: np.random.Generator,
) -> Problem:
    """The results as one scalar, by random weights."""
    floating = [node for node in results if types.is_float(node.type.dtype)]
    fixed = dict(values)
    environment = {**fixed, **dict(zip(parameters, point, strict=True))}
    total = ops.as_node(0.0)
    for k, (node, array) in enumerate(zip(floating, evaluate(floating, environment), strict=True)):
        weights = ops.parameter(f"weights {k}", node.type)
        fixed[weights] = rng.uniform(0.5, 1.5, np.shape(array)).astype(node.type.dtype)
        total = ops.add(total, ops.sum(ops.cast(ops.multiply(node, weights), types.FLOAT64)))
    return Problem(total, parameters, point, fixed=fixed)


def _restricted(problem: Problem, rng: np.random.Generator) -> list[Problem]:
    """The problem itself, or for many coordinates its restrictions to random lines through the point, one per argument."""
    if sum(array.size for array in problem.point) <= _COORDINATES:
        return [problem]
    lines = []
    fixed = problem.at(problem.point)
    for parameter, array in zip(problem.parameters, problem.point, strict=True):
        along = ops.parameter("along", types.of(array.dtype, ()))
        start, direction = (ops.parameter(name, parameter.type) for name in ("start", "direction"))
        scale = np.abs(array) + 1e-3 * np.max(np.abs(array), initial=0)
        way = (scale * rng.uniform(0.5, 1.5, array.shape) * rng.choice([-1, 1], array.shape)).astype(array.dtype)
        (value,) = substitute([problem.value], {parameter: ops.add(start, ops.multiply(along, direction))})
        lines.append(
            Problem(value, [along], [np.zeros((), array.dtype)], fixed={**fixed, start: array, direction: way})
        )
    return lines


def _is_of_host(use: Use) -> bool:
    """Whether values take a function of the host, of which no exact ones exist."""
    return any(node.op.kind is Kind.CALLBACK for node in topological(_results(use)))


def _is_stateful(node: Node) -> bool:
    return node.op.name == "callback" and bool(node.attrs.stateful)


def _report(claim: str, finding: str) -> None:
    text = f"{claim}: {finding}"
    hint = "untrue='reason' declares that deliberate; sg.config.rule_check = 'off' checks nothing"
    setting = current().rule_check
    if setting == "error":
        raise GradientError(text, hint=hint)
    if setting == "warn":
        warnings.warn(f"{text}\n  hint: {hint}", RuleWarning, stacklevel=4)
