"""Checking derivatives.  In: a function and a point.  Out: a report, or an error that names what is wrong.

The derivative is compared, coordinate by coordinate, with central differences extrapolated to step zero, whose error is
estimated as well.  Where the two disagree, a multi-precision evaluation of the function decides which of them is wrong,
so that bad scaling raises no false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops, types
from symgrad.compile import compile
from symgrad.diff.gradients import gradients, pushforward
from symgrad.errors import GradientError
from symgrad.interp import evaluate
from symgrad.node import Node, substitute, topological
from symgrad.opdef import Kind
from symgrad.provenance import user_line
from symgrad.referee import exact_slope, exact_values
from symgrad.transforms.tracing import as_outputs, bind, leaf_type

__all__ = ["CheckReport", "Problem", "check_gradients", "check_problem"]

_COORDINATES = 40  # per argument; of larger arrays a random choice is checked
_SHRINK = 1.6
_ROWS = 9

Array = np.ndarray[Any, Any]
Scalar = Callable[[list[Array]], float]


class CheckReport(NamedTuple):
    """What a check compared.

    Attributes
    ----------
    checked : int
        Number of derivatives.
    worst : float
        Largest relative deviation.
    refereed : int
        How often exact values had to decide between derivative and finite difference.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> report = sg.check_gradients(lambda x: np.sum(np.sin(x)), np.array([0.5, 1.0]))
    >>> report.checked > 0, report.worst < 1e-5
    (True, True)
    """

    checked: int
    worst: float
    refereed: int


class Problem(NamedTuple):
    """A scalar function of arrays as an expression, and a point; ``fixed`` has other placeholders, which do not vary."""

    value: Any
    parameters: list[Any]
    point: list[Array]
    compiled: bool = False
    fixed: Mapping[Node, Any] = {}

    def at(self, point: Sequence[Array]) -> dict[Node, Any]:
        """Values of all placeholders."""
        return {**self.fixed, **dict(zip(self.parameters, point, strict=True))}

    def scalar(self) -> Scalar:
        if self.compiled:
            kernel = compile(self.value, self.parameters)
            return lambda point: float(kernel(*point))
        return lambda point: float(evaluate([self.value], self.at(point))[0])

    def exact(self) -> Callable[[list[Any]], Any]:
        return lambda point: exact_values([self.value], self.at(point))[0][()]


def check_gradients(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = ("forward", "reverse"),
    rtol: float = 1e-6,
    seed: int = 0,
    compiled: bool = False,
) -> CheckReport:
    """Compare derivatives with finite differences.

    Parameters
    ----------
    f : callable
        NumPy-style function; a result that is no scalar is contracted with random numbers.
    *args : arrays, numbers or containers of them
        The point.  Floating arguments are differentiated (in float64); of large arrays, 40 random coordinates.
    order : int
        1, or 2 to check the derivative of the gradient too, and so on.
    modes : subset of ("forward", "reverse")
    rtol : float
        Allowed relative deviation beyond the estimated error of the difference quotient.
    seed : int
        For the random choices.
    compiled : bool
        Evaluate with compiled kernels instead of the interpreter.

    Returns
    -------
    CheckReport

    Raises
    ------
    GradientError
        A derivative is wrong: names operation, argument, worst coordinate and both values.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.check_gradients(lambda x: np.sum(np.sin(x) * x), np.array([0.3, -2.0])).checked > 0
    True
    """
    unknown = set(modes) - {"forward", "reverse"}
    if unknown or not modes:
        raise GradientError(f"check_gradients: modes={tuple(modes)!r}", where=user_line(), hint="'forward', 'reverse'")
    rng = np.random.default_rng(seed)
    arguments = bind(f, args)
    parameters = [_parameter(name, leaf) for name, leaf in zip(arguments.names, arguments.leaves, strict=True)]
    point = [np.asarray(leaf, node.type.dtype) for leaf, node in zip(arguments.leaves, parameters, strict=True)]
    outputs, _ = as_outputs(f(*arguments.rebuild(parameters)), "check_gradients")
    problem = Problem(_contracted(outputs, parameters, point, rng), parameters, point, compiled)
    return check_problem(problem, order, tuple(modes), rtol, rng)


def _parameter(name: str, leaf: Any) -> Any:
    kind = leaf_type(leaf)
    return ops.parameter(name, kind.with_dtype(types.FLOAT64) if types.is_float(kind.dtype) else kind)


def _contracted(
    outputs: Sequence[Any], parameters: Sequence[Any], point: Sequence[Array], rng: np.random.Generator
) -> Any:
    """The floating results as one scalar, by random weights."""
    floating = [node for node in outputs if types.is_float(node.type.dtype)]
    if not floating:
        raise GradientError("check_gradients: no result is a floating array", where=user_line())
    shapes = [value.shape for value in evaluate(floating, dict(zip(parameters, point, strict=True)))]
    terms = [
        ops.sum(ops.multiply(node, rng.uniform(0.5, 1.5, shape))) for node, shape in zip(floating, shapes, strict=True)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = ops.add(total, term)
    return total


def check_problem(
    problem: Problem, order: int, modes: tuple[str, ...], rtol: float, rng: np.random.Generator
) -> CheckReport:
    positions = [
        k for k, node in enumerate(problem.parameters) if types.is_float(node.type.dtype) and problem.point[k].size
    ]
    if not positions:
        raise GradientError("check_gradients: no argument is a floating array", where=user_line())
    sources = [problem.parameters[k] for k in positions]
    slopes = gradients(problem.value, sources, unconnected="zero")
    found = evaluate(slopes, problem.at(problem.point))
    reports = []
    if "reverse" in modes:
        reports.append(_compare(problem, positions, found, rtol, rng))
    if "forward" in modes:
        reports.append(_compare_forward(problem, positions, found, rtol, rng))
    if order > 1:
        directions = [rng.uniform(0.5, 1.5, problem.point[k].shape) for k in positions]
        terms = [ops.sum(ops.multiply(slope, v)) for slope, v in zip(slopes, directions, strict=True)]
        total = terms[0]
        for term in terms[1:]:
            total = ops.add(total, term)
        reports.append(check_problem(problem._replace(value=total), order - 1, modes, max(rtol, 1e-5), rng))
    return CheckReport(
        sum(one.checked for one in reports), max(one.worst for one in reports), sum(one.refereed for one in reports)
    )


# -- one comparison -------------------------------------------------------------------------------------------------
def _compare(
    problem: Problem, positions: Sequence[int], slopes: Sequence[Array], rtol: float, rng: np.random.Generator
) -> CheckReport:
    """Reverse mode: every partial derivative against differences."""
    scalar = problem.scalar()
    scale = max((float(np.max(np.abs(slope), initial=0)) for slope in slopes), default=1.0)
    checked = refereed = 0
    worst = 0.0
    for k, slope in zip(positions, slopes, strict=True):
        for coordinate in _coordinates(problem.point[k].shape, rng):
            estimate, error = _difference(scalar, problem.point, k, coordinate)
            value = float(slope[coordinate])
            deviation = abs(value - estimate)
            checked += 1
            if not deviation <= rtol * max(abs(value), abs(estimate), 1e-3 * scale) + 10 * error + 1e-12:
                refereed += 1
                deviation = _referee(problem, k, coordinate, value, estimate, rtol, scale)
            worst = max(worst, deviation / max(abs(value), scale, 1e-300))
    return CheckReport(checked, worst, refereed)


def _compare_forward(
    problem: Problem, positions: Sequence[int], slopes: Sequence[Array], rtol: float, rng: np.random.Generator
) -> CheckReport:
    """Forward mode: the adjoint identity with reverse mode, for random directions."""
    worst = 0.0
    for _ in range(2):
        directions = [rng.normal(size=problem.point[k].shape) for k in positions]
        (tangent,) = pushforward([problem.value], [problem.parameters[k] for k in positions], directions)
        value = 0.0 if tangent is None else float(evaluate([tangent], problem.at(problem.point))[0])
        expected = sum(float(np.sum(slope * v)) for slope, v in zip(slopes, directions, strict=True))
        size = sum(float(np.sum(np.abs(slope * v))) for slope, v in zip(slopes, directions, strict=True))
        if not abs(value - expected) <= rtol * max(size, abs(value)) + 1e-12:
            raise GradientError(
                f"check_gradients: forward and reverse mode disagree: {value!r} and {expected!r} along a random direction"
                f"{_suspect(problem)}",
                where=user_line(),
            )
        worst = max(worst, abs(value - expected) / max(size, 1e-300))
    return CheckReport(2, worst, 0)


def _coordinates(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    size = int(np.prod(shape))
    chosen = range(size) if size <= _COORDINATES else rng.choice(size, _COORDINATES, replace=False)
    return [tuple(int(i) for i in np.unravel_index(k, shape)) for k in chosen]


def _difference(scalar: Scalar, point: Sequence[Array], k: int, coordinate: tuple[int, ...]) -> tuple[float, float]:
    """Central differences extrapolated to step zero (Ridders 1982): the estimate and its estimated error."""
    start = float(point[k][coordinate])
    step = 0.1 * max(abs(start), 0.1)
    rows: list[list[float]] = []
    best, error = float("nan"), float("inf")
    for row in range(_ROWS):
        current = [_central(scalar, point, k, coordinate, step)]
        factor = _SHRINK**2
        for column in range(row):
            current.append((current[column] * factor - rows[-1][column]) / (factor - 1))
            factor *= _SHRINK**2
            spread = max(abs(current[-1] - current[-2]), abs(current[-1] - rows[-1][column]))
            if spread <= error:
                best, error = current[-1], spread
        rows.append(current)
        step /= _SHRINK
    return best, error


def _central(scalar: Scalar, point: Sequence[Array], k: int, coordinate: tuple[int, ...], step: float) -> float:
    def at(shift: float) -> float:
        moved = list(point)
        moved[k] = np.array(point[k])
        moved[k][coordinate] += shift
        return scalar(moved)

    return (at(step) - at(-step)) / (2 * step)


def _referee(
    problem: Problem, k: int, coordinate: tuple[int, ...], value: float, estimate: float, rtol: float, scale: float
) -> float:
    """The deviation from the exact derivative; raises if the derivative is wrong."""
    name = problem.parameters[k].attrs.name
    where = f"argument {name!r}, coordinate {coordinate if len(coordinate) != 1 else coordinate[0]}"
    try:
        exact = exact_slope(problem.exact(), problem.point, k, coordinate)
    except GradientError as reason:
        raise GradientError(
            f"check_gradients: {where}: derivative {value!r}, finite difference {estimate!r}; no exact value ({reason.what})"
            f"{_suspect(problem)}",
            where=user_line(),
        ) from None
    if abs(value - exact) <= rtol * max(abs(exact), 1e-3 * scale) + 1e-12:
        return abs(value - exact)
    raise GradientError(
        f"check_gradients: the derivative is wrong: {where}: derivative {value!r}, finite difference {estimate!r}, exact "
        f"{exact!r}{_suspect(problem)}",
        where=user_line(),
    )


# -- which operation ------------------------------------------------------------------------------------------------
def _suspect(problem: Problem) -> str:
    """The first operation whose own derivative is wrong at this point, for the message; of whole programs only."""
    if problem.fixed:
        return ""
    order = [node for node in topological([problem.value]) if isinstance(node.type, types.TensorType)]
    values = dict(zip(order, evaluate(order, problem.at(problem.point)), strict=True))
    for node in order:
        if node.inputs and types.is_float(node.type.dtype) and _is_wrong(node, values):
            line = next(iter(node.lines), None)
            inner = node.inputs[0] if node.op.name == "item" else node
            name = inner.attrs.name if inner is not node or node.op.kind is Kind.CALLBACK else node.op.name
            return f"; the rule of {name} is wrong" + (f" (at {line})" if line else "")
    return ""


def _is_wrong(node: Node, values: dict[Node, Any]) -> bool:
    """Whether the derivative of one node with respect to its inputs is wrong."""
    leaves = _leaves(node)
    parameters = [ops.parameter(f"x{k}", one.type) for k, one in enumerate(leaves)]
    point = [np.asarray(values[one]) for one in leaves]
    floating = [k for k, one in enumerate(leaves) if types.is_float(one.type.dtype) and point[k].size]
    if not floating:
        return False
    rng = np.random.default_rng(0)
    moved = substitute([node], dict(zip(leaves, parameters, strict=True)))
    value = _contracted(moved, parameters, point, rng)
    scalar = Problem(value, parameters, point, False).scalar()
    inputs = dict(zip(parameters, point, strict=True))
    slopes = evaluate(gradients(value, [parameters[k] for k in floating], unconnected="zero"), inputs)
    for k, slope in zip(floating, slopes, strict=True):
        for coordinate in _coordinates(point[k].shape, rng)[:5]:
            estimate, error = _difference(scalar, point, k, coordinate)
            if abs(slope[coordinate] - estimate) > 1e-5 * max(abs(estimate), 1e-3) + 10 * error:
                return True
    return False


def _leaves(node: Node) -> list[Node]:
    """What a node's derivative is taken with respect to: its inputs, or the arguments of a function with its own rule."""
    inner = node.inputs[0]
    if node.op.name == "item" and inner.op.name == "custom_gradient":
        attrs = inner.attrs
        return list(dict.fromkeys(inner.inputs[attrs.values : attrs.values + attrs.arguments]))
    if node.op.name == "item" and inner.op.kind is Kind.CALLBACK:
        return list(dict.fromkeys(inner.inputs))
    return list(dict.fromkeys(node.inputs))
