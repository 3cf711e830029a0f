"""What is checked of one operation at one sample.  Each check gives its verdict, or fails where something is wrong.

The judges are NumPy, differences in 110 digits (tests/exactly.py) and loops; the interpreter and compiled code are both
judged.  tests/ops/test_every_op.py runs the checks on every sample; tests/support_table.py makes docs/support.md of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import mpmath
import numpy as np
from comparing import assert_same
from exactly import DIGITS, Exact, many_digits, ulps
from op_cases import Case, Point, compiled, point_of, variables_of

import symgrad as sg
from symgrad import types
from symgrad.check import check_gradients
from symgrad.diff.gradients import pushforward
from symgrad.errors import DTypeError, GradientError
from symgrad.interp import evaluate
from symgrad.opdef import Kind
from symgrad.verify import verify


# -- values ---------------------------------------------------------------------------------------------------------
class Bounds(NamedTuple):
    """Allowed errors of the value, of first and of second derivatives.

    Of elementwise operations, in units in the last place of the result, or of the largest of the terms that it sums;
    of others, in units of the largest element of the result.
    """

    value: float = 4
    first: float = 8
    second: float = 16


BOUNDS = {  # where more is allowed than by default, about twice what is seen on the samples
    "power_log": Bounds(8, 32, 16),
    # results pass through zero, as sums of terms that cancel there
    "kl_div": Bounds(30000, 64, 16),
    "logaddexp": Bounds(256, 8, 16),
    "logaddexp2": Bounds(32, 16, 16),
    "sinc": Bounds(128, 512, 64),
    "sinc_derivative": Bounds(256, 64, 64),
    "entr": Bounds(4, 32, 16),
    "rel_entr": Bounds(4, 64, 16),
    # of a product of gamma functions
    "betaln": Bounds(16, 16, 16),
    "beta": Bounds(32, 64, 64),
    # first derivatives are 1 - y², near 0 where y is near 1
    "tanh": Bounds(4, 256, 256),
    # 2 x y - 2/sqrt(pi), near 0 for large x
    "erfcx": Bounds(4, 64, 512),
    "log_ndtr": Bounds(8, 16, 64),
    # second derivatives pass through zero within the samples
    "arcsin": Bounds(4, 8, 2048),
    "arccos": Bounds(4, 8, 2048),
    "arctanh": Bounds(4, 8, 4096),
    "expit": Bounds(4, 8, 1024),
    "logit": Bounds(4, 8, 2048),
    "hypot": Bounds(4, 8, 32),
    "erfinv": Bounds(8, 8, 32),
    # sums of many elements
    "sum": Bounds(8, 8, 16),
    "mean": Bounds(8, 8, 16),
    "conv2d": Bounds(8, 8, 16),
    "conv2d_backprop_input": Bounds(8, 8, 16),
    "conv2d_backprop_filter": Bounds(8, 8, 16),
    "zeta": Bounds(8, 16, 16),
}


# Floating results that only NumPy and finite differences judge: of LAPACK, the host and neighbouring numbers.
WITHOUT_EXACT = {"callback", "stateless_callback", "nextafter", "spacing", "svdvals", "svd_u", "svd_vt"}


def exact_or_none(point: Point) -> Exact | None:
    """The judge of many digits, if every operation has an exact meaning."""
    exact = Exact(point.node, point.inputs, point.arrays)
    try:
        exact.value()
    except GradientError as reason:
        assert "no exact meaning" in reason.what
        return None
    return exact


def check_value(case: Case, dtype: str) -> str:
    """The type rule gives NumPy's type; the interpreter NumPy's value, compiled code too, both near the exact one."""
    point = point_of(case, dtype)
    verify([point.node])
    (want,) = evaluate([point.node], point.values())
    if case.attrs is not None:
        with np.errstate(all="ignore"):
            plain = np.asarray(case.op.evaluate(case.attrs if point.inputs else point.node.attrs, *point.arrays))
        assert point.node.dtype == plain.dtype or case.op.kind is Kind.SOURCE
        assert_same(want, plain.astype(point.node.dtype))
    kernel = compiled([point.node], point.inputs)
    result = want if kernel is None else kernel(*point.arrays)[0]
    assert_same(result, want)
    if want.dtype.kind == "f":
        exact = exact_or_none(point)
        if exact is not None:
            _judge(case, "value", [result], exact.value(), None)
    elif not any(a.dtype.kind == "f" for a in point.arrays):
        return "no float"
    return "yes" if kernel is not None else "interpreted"


def _judge(case: Case, order: str, results: Iterable[Any], want: Any, size: Any) -> None:
    bound = getattr(BOUNDS.get(case.op.name, Bounds()), order)
    whole = size if size is not None or case.op.kind is Kind.ELEMENTWISE else _largest(want)
    for got in results:
        distance = ulps(got, want, whole)
        assert distance <= bound, f"{case.op.name}: {order}: {distance} units in the last place, {bound} are allowed"


def _largest(array: Any) -> Any:
    return np.max(abs(np.asarray(array, dtype=object)), initial=mpmath.mpf(0))


# -- derivatives ----------------------------------------------------------------------------------------------------
class Expected(NamedTuple):
    """What one output has to be, at some of its positions, and the size whose last place is the unit of its error."""

    output: int
    where: Any
    want: Any
    size: Any


class Slopes(NamedTuple):
    """Verdicts of forward and reverse mode and of second derivatives."""

    forward: str
    reverse: str
    second: str


COORDINATES = 3  # of each argument that are compared, where elements depend on one another; of large arrays 1
LARGE = 100  # elements of all operands
TOO_LARGE = 1000  # for arithmetic of many digits


def check_derivatives(case: Case, dtype: str) -> Slopes:
    """Both modes, first and second order, interpreted and compiled, against differences of many digits."""
    point = point_of(case, dtype)
    variables = variables_of(point.node)
    sources = [*point.inputs, *variables]
    arrays = [*point.arrays, *(one.value for one in variables)]
    chosen = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
    if not sources:
        return Slopes(*["no operand"] * 3)
    if not (chosen and types.is_float(point.node.dtype)):
        _check_disconnected(point.node, [sources[k] for k in chosen])
        return Slopes(*["discrete"] * 3)
    allowed = [k for k in chosen if not _is_refused(point.node, sources[k])]
    if all(one is None for one in sg.gradients(point.node, [sources[k] for k in allowed])):
        return Slopes(*["cut"] * 3)
    if not case.smooth or not point.node.type.size:
        return Slopes(*["not here"] * 3)
    point = Point(sources, arrays, point.node)
    weights = _weights(point, allowed)
    made, kernels = _derivatives_of(point, weights)
    size = 0 if case.op.kind is Kind.ELEMENTWISE else sum(a.size for a in arrays)
    exact = None if size > (LARGE if dtype == "float32" else TOO_LARGE) else exact_or_none(point)
    if exact is None:
        zero = not any(np.any(one) for found in made for one in found)
        _judge_by_differences(case, dtype, made)
    else:
        zero = _judge_derivatives(case, exact, weights, made)
    verdict = "zero" if zero else "yes" if allowed == chosen else f"only x{', x'.join(map(str, allowed))}"
    first, second = [verdict if verdict != "yes" or kernel else "interpreted" for kernel in kernels]
    return Slopes(first, first, second)


def _check_disconnected(node: Any, sources: Sequence[Any]) -> None:
    """No derivative passes between integers or truth values and floats: the result is refused, or nothing arrives."""
    try:
        assert all(one is None for one in sg.gradients(node, sources))
    except DTypeError as refusal:
        assert "has no derivative" in refusal.what
        assert not types.is_float(node.dtype)


def _is_refused(node: Any, source: Any) -> bool:
    """Whether the operation says that it has no derivative with respect to an operand."""
    try:
        sg.gradients(node, [source])
    except GradientError as refusal:
        assert "is not available" in refusal.what
        return True
    return False


class Weights(NamedTuple):
    """What derivatives are taken along: heads of the result and ways of the chosen operands."""

    chosen: Sequence[int]
    heads: Any
    ways: Sequence[Any]


def _weights(point: Point, chosen: Sequence[int]) -> Weights:
    """Powers of two, which round nothing."""
    rng = np.random.default_rng(3)

    def draw(shape: Any, dtype: Any) -> Any:
        return rng.choice(np.array([0.5, 1.0, 2.0], dtype), shape)

    heads = draw(np.shape(evaluate([point.node], point.values())[0]), point.node.dtype)
    return Weights(chosen, heads, [draw(point.arrays[k].shape, point.arrays[k].dtype) for k in chosen])


def _derivatives_of(point: Point, weights: Weights) -> tuple[list[list[Any]], list[bool]]:
    """All derivatives, interpreted and compiled, and whether those of first and of second order have machine code."""
    outputs = _derivatives(point.node, [point.inputs[k] for k in weights.chosen], weights.heads, weights.ways)
    free = [k for k, one in enumerate(point.inputs) if one.op.name != "variable"]
    inputs, arrays = [point.inputs[k] for k in free], [point.arrays[k] for k in free]
    found = [evaluate(outputs, point.values())]
    kernel = compiled(outputs, inputs)
    if kernel is None:
        partly = compiled(outputs[: 1 + len(weights.chosen)], inputs)
        return found + ([partly(*arrays)] if partly else []), [partly is not None, False]
    return [*found, kernel(*arrays)], [True, True]


def _judge_by_differences(case: Case, dtype: str, made: Sequence[Any]) -> None:
    """Of large arrays, and of what has no exact meaning: LAPACK's factors and functions of the host."""
    if dtype == "float64":
        check_gradients(case.make, *case.arrays)
    for one, *others in zip(*made, strict=False):
        for other in others:
            assert_same(other, one, **({"rtol": 2e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-9}))


def _judge_derivatives(case: Case, exact: Exact, weights: Weights, made: Sequence[Any]) -> bool:
    """Against differences of many digits; whether all derivatives are zero."""
    expected = list((_of_elements if case.op.kind is Kind.ELEMENTWISE else _of_arrays)(exact, *weights))
    for one in expected:
        results = [np.asarray(found[one.output])[one.where] for found in made if one.output < len(found)]
        order = "first" if one.output <= len(weights.chosen) else "second"
        _judge(case, order, results, one.want, one.size)
    return all(not np.any(one.want) for one in expected)


def _derivatives(node: Any, sources: Sequence[Any], heads: Any, ways: Sequence[Any]) -> list[Any]:
    """The derivative along ways, gradients; the second derivative along the ways, gradients of the gradients along them."""
    tangents = pushforward([node], sources, ways)
    bends = pushforward(tangents, sources, ways)
    first = sg.gradients(node, sources, [heads], unconnected="zero")
    second = sg.gradients(list(first), sources, ways, unconnected="zero")
    nothing = sg.constant(np.zeros_like(heads))
    return [nothing if one is None else one for one in (*tangents, *first, *bends, *second)]


def _of_elements(exact: Exact, chosen: Sequence[int], heads: Any, ways: Sequence[Any]) -> Iterator[Expected]:
    """Elementwise: every partial derivative by itself, so that the terms of sums are known too."""
    with mpmath.workdps(DIGITS):
        count, u, v = len(chosen), many_digits(heads), [many_digits(way) for way in ways]
        slopes = [exact.derivative({i: 1}) for i in chosen]
        bends = {(a, b): exact.derivative({chosen[a]: 1}, {chosen[b]: 1}) for a in range(count) for b in range(a + 1)}
        bends |= {(b, a): bend for (a, b), bend in bends.items()}
        yield _sum(0, [slopes[a] * v[a] for a in range(count)])
        yield _sum(1 + count, [bends[a, b] * v[a] * v[b] for a in range(count) for b in range(count)])
        for a in range(count):
            yield _sum(1 + a, [slopes[a] * u])
            yield _sum(2 + count + a, [bends[b, a] * v[b] * u for b in range(count)])


def _sum(output: int, terms: Sequence[Any]) -> Expected:
    arrays = [np.asarray(term, dtype=object) for term in terms]
    return Expected(output, ..., np.asarray(sum(arrays), object), np.asarray(sum(map(abs, arrays)), object))


def _of_arrays(exact: Exact, chosen: Sequence[int], heads: Any, ways: Sequence[Any]) -> Iterator[Expected]:
    """Any operation: derivatives along directions, and some coordinates of gradients."""
    rng = np.random.default_rng(4)
    with mpmath.workdps(DIGITS):
        u, v = many_digits(heads), {k: many_digits(way) for k, way in zip(chosen, ways, strict=True)}
        along = {0: exact.derivative(v), 1 + len(chosen): exact.derivative(v, v)}
        large = sum(one.size for one in exact.arrays) > LARGE
        size = max(_largest(one) for one in (exact.value(), *along.values()))  # terms of these sizes were summed
        for output, want in along.items():
            yield Expected(output, ..., want, size)
        for a, k in enumerate(chosen):
            count = ways[a].size
            for flat in rng.choice(count, min(count, 1 if large else COORDINATES), replace=False):
                where = tuple(map(int, np.unravel_index(flat, ways[a].shape)))
                unit = np.zeros(ways[a].shape, dtype=object)
                unit[where] = 1
                for output, moves in ((1 + a, ({k: unit},)), (2 + len(chosen) + a, ({k: unit}, v))):
                    terms = u * exact.derivative(*moves)
                    yield Expected(output, where, np.sum(terms), max(size, np.sum(abs(terms))))
