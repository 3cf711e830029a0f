"""Every rule: what it makes of an expression, the same value, never numerically worse.

NumPy judges values, mpmath accuracy.  Exact rules keep every bit, also of zeros, infinities, huge and tiny numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad import ops
from symgrad.interp import evaluate
from symgrad.node import topological
from symgrad.rewrite import EXACT, STABLE, rewrite, rule_names

RULES = {rule.name: rule for rule in (*EXACT, *STABLE)}
HARD = np.array([0.0, -0.0, 1.0, -1.0, 0.1, -3.7, 1e-310, -1e-310, 1.7e308, -1.7e308, np.inf, -np.inf, np.nan])
N = len(HARD)
X, Y, B = sg.symbol("x", (N,)), sg.symbol("y", (N,)), sg.symbol("b", (N,), "bool")
M, T, R = sg.symbol("M", (2, 3)), sg.symbol("T", (2, 3, 4)), sg.symbol("r", (1, N))
VALUES: dict[Any, Any] = {
    X: HARD,
    Y: np.roll(HARD, 5),
    B: np.arange(N) % 2 == 0,
    M: np.arange(6.0).reshape(2, 3),
    T: np.arange(24.0).reshape(2, 3, 4),
    R: HARD[None],
}


class Row(NamedTuple):
    """A rule, an expression that it applies to, the text of what it gives, and the value by NumPy."""

    rule: str
    before: Any
    after: str
    value: Callable[[dict[str, Any]], Any]
    but: str = ""  # what an exact rule does not keep


SUBNORMAL, ZERO_SIGNS = "rounding of subnormal numbers", "signs of zeros"
TWO, THREE = sg.constant(2.0), sg.constant(3.0)
EXACT_ROWS = [
    Row("fold constants", X + TWO * THREE, "x + 6", lambda v: v["x"] + 6),
    Row("fold constants", X + sg.constant([1.0, 2.0]).sum(), "x + 3", lambda v: v["x"] + 3),
    Row("fold constants", X * (sg.ones(N) * 2), "x * 2", lambda v: v["x"] * 2),
    Row("x * 1", X * 1, "x", lambda v: v["x"]),
    Row("x * 1", 1 * X, "x", lambda v: v["x"]),
    Row("x * -1", -1 * X, "-x", lambda v: -v["x"]),
    Row("x * -1", X * -1, "-x", lambda v: -v["x"]),
    Row("a * (2**k * x)", 4 * (0.3 * X), "1.2 * x", lambda v: 1.2 * v["x"], SUBNORMAL),
    Row("a * (2**k * x)", (X * 0.5) * 3, "1.5 * x", lambda v: v["x"] * 1.5, SUBNORMAL),
    Row("x / 1", X / 1, "x", lambda v: v["x"]),
    Row("x - 0", X - 0, "x", lambda v: v["x"]),
    Row("--x", np.negative(-X), "x", lambda v: v["x"]),
    Row("--x", ~~B, "b", lambda v: v["b"]),
    Row("a + -b", X + -Y, "x - y", lambda v: v["x"] - v["y"]),
    Row("a + -b", -X + Y, "y - x", lambda v: v["y"] - v["x"]),
    Row("a + -b", X - -Y, "x + y", lambda v: v["x"] + v["y"]),
    Row("a + -b", -X * -Y, "x * y", lambda v: v["x"] * v["y"]),
    Row("number as head", ops.masked_multiply(2.0, X), "2 * x", lambda v: 2 * v["x"]),
    Row("number as head", ops.zero_multiply(2.0, X), "x * 2", lambda v: 2 * v["x"]),
    Row("known condition", sg.where(True, X, Y), "x", lambda v: v["x"]),
    Row("known condition", sg.where(False, X, Y), "y", lambda v: v["y"]),
    Row("known condition", sg.where(B, X, X), "x", lambda v: v["x"]),
    Row("known condition", sg.where(~B, X, Y), "where(b, y, x)", lambda v: np.where(v["b"], v["y"], v["x"])),
    Row("x ** constant", X**2, "x**2", lambda v: v["x"] * v["x"]),
    Row("x ** constant", X**1, "x", lambda v: v["x"]),
    Row("x ** constant", X**-1, "1 / x", lambda v: 1 / v["x"]),
    Row("x ** constant", abs(X) ** 0.5, "sqrt(abs(x))", lambda v: np.sqrt(abs(v["x"]))),
    Row("x / 2**k", X / 4, "x * 0.25", lambda v: v["x"] / 4),
    Row("x / 2**k", X / -0.125, "x * -8", lambda v: v["x"] / -0.125),
    Row("transpose twice", M.T.T, "M", lambda v: v["M"]),
    Row(
        "transpose twice",
        T.transpose(1, 2, 0).transpose(1, 0, 2),
        "transpose(T, (2, 1, 0))",
        lambda v: v["T"].transpose(2, 1, 0),
    ),
    Row("reshape again", M.reshape(3, 2).reshape(6), "M.reshape(6)", lambda v: v["M"].reshape(6)),
    Row("reshape again", M.reshape(6).reshape(2, 3), "M", lambda v: v["M"]),
    Row("reshape again", M[None].reshape(3, 2), "M.reshape((3, 2))", lambda v: v["M"].reshape(3, 2)),
    Row(
        "broadcast twice",
        np.broadcast_to(np.broadcast_to(X, (2, N)), (3, 2, N)),
        "x",
        lambda v: np.broadcast_to(v["x"], (3, 2, N)),
    ),
    Row("squeeze expanded", np.squeeze(X[None], 0), "x", lambda v: v["x"]),
    Row("squeeze expanded", np.expand_dims(np.squeeze(R, 0), 0), "r", lambda v: v["r"]),
    Row("cast twice", B.astype("int64").astype("float64"), "float64(b)", lambda v: v["b"].astype(float)),
    Row("slice of structure", X[1:][::2], "x[1::2]", lambda v: v["x"][1::2]),
    Row("slice of structure", X[::-1][2], "x[10]", lambda v: v["x"][10]),
    Row("slice of structure", sg.stack([X, Y])[1], "y", lambda v: v["y"]),
    Row("slice of structure", sg.stack([X, Y], 1)[1:3, 0], "x[1:3]", lambda v: v["x"][1:3]),
    Row("slice of structure", sg.concatenate([X, Y])[N + 1 : N + 3], "y[1:3]", lambda v: v["y"][1:3]),
    Row("slice of structure", np.pad(X, (2, 1))[2 : N + 2], "x", lambda v: v["x"], ZERO_SIGNS),
]
STABLE_ROWS = [
    Row("log(1 + x)", np.log(1 + X), "log1p(x)", lambda v: np.log1p(v["x"])),
    Row("log(1 + x)", np.log(X + 1), "log1p(x)", lambda v: np.log1p(v["x"])),
    Row("log(1 + x)", np.log(1 + np.exp(X)), "softplus(x)", lambda v: np.logaddexp(v["x"], 0)),
    Row("log(1 + x)", np.log(np.sum(np.exp(X))), "logsumexp(x)", lambda v: np.logaddexp.reduce(v["x"])),
    Row("log1p(exp(x))", np.log1p(np.exp(X)), "softplus(x)", lambda v: np.logaddexp(v["x"], 0)),
    Row("exp(x) - 1", np.exp(X) - 1, "expm1(x)", lambda v: np.expm1(v["x"])),
    Row("norm(x)**2", np.square(sg.norm(M)), "sum(M**2)", lambda v: np.sum(v["M"] * v["M"])),
]
ROWS = [*EXACT_ROWS, *STABLE_ROWS]


def named(row: Row) -> str:
    return f"{row.rule}: {row.after}"


def applied(row: Row) -> tuple[Any, Any]:
    (made,), report = rewrite([row.before], [RULES[row.rule]])
    return made, report


def by_name(values: dict[Any, Any]) -> dict[str, Any]:
    return {symbol.name: value for symbol, value in values.items()}


def same_bits(one: Any, other: Any, but: str = "") -> bool:
    """Equal with the signs of zeros; NaN equals NaN."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.all(one == other))
    equal = (one == other) & ((np.signbit(one) == np.signbit(other)) | (but == ZERO_SIGNS))
    with np.errstate(all="ignore"):
        tiny = (but == SUBNORMAL) & (abs(one) < np.finfo(float).tiny) & (abs(one - other) <= 2e-323)
    return bool(np.all(equal | tiny | (np.isnan(one) & np.isnan(other))))


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_a_row(name: str) -> None:
    assert name in {row.rule for row in (EXACT_ROWS if name in rule_names()["exact"] else STABLE_ROWS)}


def test_names_of_rules_are_distinct_and_listed() -> None:
    assert len(RULES) == len(EXACT) + len(STABLE)
    assert rule_names() == {"exact": [rule.name for rule in EXACT], "stable": [rule.name for rule in STABLE]}


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_text_and_report(row: Row) -> None:
    made, report = applied(row)
    assert str(made) == row.after
    assert set(report.applied) == {row.rule}
    assert report.used <= 3


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_graph_changes_for_the_better_and_then_no_more(row: Row) -> None:
    made, _ = applied(row)
    assert made is not row.before
    assert made.type is row.before.type
    assert len(topological([made])) <= len(topological([row.before]))
    (again,), report = rewrite([made], [RULES[row.rule]])
    assert again is made
    assert report.used == 0


@pytest.mark.parametrize("row", EXACT_ROWS, ids=named)
def test_exact_rules_keep_every_bit(row: Row) -> None:
    made, _ = applied(row)
    before, after = evaluate([row.before, made], VALUES)
    assert same_bits(after, before, row.but)
    with np.errstate(all="ignore"):
        assert same_bits(after, row.value(by_name(VALUES)))


def test_what_exact_rules_keep_is_compared_bit_by_bit() -> None:
    assert same_bits(HARD, HARD.copy())
    assert not same_bits(HARD, abs(HARD))
    assert not same_bits(np.array(0.0), np.array(-0.0))
    assert same_bits(np.array(0.0), np.array(-0.0), ZERO_SIGNS)
    assert not same_bits(np.array(1.0), np.array(1.0 + 2**-52), SUBNORMAL)


@pytest.mark.parametrize("row", STABLE_ROWS, ids=named)
def test_stable_rules_keep_the_value_where_nothing_is_lost(row: Row) -> None:
    values = {**VALUES, X: np.linspace(-0.9, 3.0, N)}
    made, _ = applied(row)
    before, after = evaluate([row.before, made], values)
    np.testing.assert_allclose(after, before, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(after, row.value(by_name(values)), rtol=1e-14, atol=1e-15)


# -- stability: hard points, judged with 60 digits ------------------------------------------------------------------
SMALL = [10.0**k for k in range(-300, 0, 23)] + [1e-16, 1e-17, 3e-16]
SIGNED = [*SMALL, *(-x for x in SMALL)]
LARGE = [30.0, 40.0, 700.0, 709.7, 710.0, 1e3, 1e5, 1e300, -30.0, -40.0, -700.0, -745.0]


class Hard(NamedTuple):
    """A formula on symbols, the same in mpmath, and points at which it overflows or cancels."""

    name: str
    build: Callable[[Any], Any]
    exact: Callable[[Any], Any]
    points: list[float]


HARD_CASES = [
    Hard("log(1 + x)", lambda x: np.log(1 + x), lambda x: mpmath.log1p(x), SIGNED),
    Hard("log(1 + exp(x))", lambda x: np.log(1 + np.exp(x)), lambda x: mpmath.log1p(mpmath.exp(x)), LARGE + SIGNED),
    Hard("log1p(exp(x))", lambda x: np.log1p(np.exp(x)), lambda x: mpmath.log1p(mpmath.exp(x)), LARGE + SIGNED),
    Hard("exp(x) - 1", lambda x: np.exp(x) - 1, lambda x: mpmath.expm1(x), [*SIGNED, 700.0, -700.0]),
    Hard(
        "log(exp(x) + exp(2 x))",
        lambda x: np.log(np.sum(np.exp(sg.stack([x, 2 * x])))),
        lambda x: x + mpmath.log1p(mpmath.exp(x)),
        [x for x in LARGE if abs(x) < 1e299],
    ),
    Hard("norm**2", lambda x: np.square(sg.norm(sg.stack([x, 3 * x]))), lambda x: 10 * x * x, [1e-150, 0.3, 1e150]),
]


def error(value: float, exact: Any) -> float:
    """Distance in units of the last place of the exact value; infinite for what is not finite."""
    if not np.isfinite(value):
        return np.inf
    near = max(abs(float(exact)), 5e-324)
    return float(abs(mpmath.mpf(value) - exact) / mpmath.mpf(float(np.spacing(near))))


@pytest.mark.parametrize("case", HARD_CASES, ids=[case.name for case in HARD_CASES])
def test_stable_rules_are_never_worse(case: Hard) -> None:
    s = sg.symbol("s")
    plain = case.build(s)
    made = sg.simplify(plain)
    assert made is not plain
    better = 0
    for point in case.points:
        with mpmath.workdps(400):
            exact = case.exact(mpmath.mpf(point))
            before, after = (error(float(one), exact) for one in evaluate([plain, made], {s: np.array(point)}))
        assert after <= max(before, 4.0), (point, before, after)
        better += after < before
    assert better > 0 or case.name == "norm**2"


def test_simplify_may_be_kept_to_exact_rules() -> None:
    risky = np.log(1 + X) * 1
    assert str(sg.simplify(risky, stable=False)) == "log(1 + x)"
    assert str(sg.simplify(risky)) == "log1p(x)"


def test_containers_keep_their_form() -> None:
    made = sg.simplify({"one": X * 1, "two": (Y / 1, [X - 0])})
    assert made["one"].same(X)
    assert made["two"][0].same(Y)
    assert made["two"][1][0].same(X)


def test_parts_of_dynamic_axes_are_compared_without_asking_for_their_sizes() -> None:
    x = sg.symbol("x", ("n", 3))
    (slope,) = sg.gradients(np.sum(np.sin(x[1:])), [x])
    array = np.arange(12.0).reshape(4, 3)
    for part, want in ((slope[1:], np.cos(array[1:])), (slope[2:], np.cos(array[2:])), (slope[0], np.zeros(3))):
        np.testing.assert_allclose(sg.compile(part, [x])(array), want, rtol=1e-14)
