"""The rewrite engine: one visit to each node, the same object where nothing changes, budgets, overrides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad import ops
from symgrad.interp import evaluate
from symgrad.node import topological
from symgrad.rewrite import EXACT, STABLE, Rule, rewrite

ALL = [*EXACT, *STABLE]
X = sg.symbol("x", ("n",))
S = sg.symbol("s")


def counting(name: str, op: str, make: Any) -> tuple[Rule, list[Any]]:
    """A rule and the list of nodes that it is asked about."""
    seen: list[Any] = []

    def function(node: Any) -> Any:
        seen.append(node)
        return make(node)

    return Rule(name, (op,), function), seen


def test_nothing_to_do_gives_the_same_object() -> None:
    value = np.sum(np.sin(X) * X + np.exp(X) / 3)
    (made,), report = rewrite([value], ALL)
    assert made is value
    assert report.applied == {}
    assert report.used == 0
    assert not report.exhausted


def test_each_node_is_looked_at_once() -> None:
    rule, seen = counting("look", "sin", lambda node: None)
    shared = np.sin(S)
    rewrite([shared * shared + np.cos(shared), np.sin(shared)], [rule])
    assert [str(node) for node in seen] == ["sin(s)", "sin(sin(s))"]


def test_each_application_counts_once() -> None:
    rule, seen = counting("sin to cos", "sin", lambda node: ops.cos(node.inputs[0]))
    (made,), report = rewrite([np.sin(S) + np.sin(S + 1)], [rule])
    assert str(made) == "cos(s) + cos(s + 1)"
    assert report.applied == {"sin to cos": 2}
    assert len(seen) == 2


def test_what_a_rule_returns_is_rewritten_too() -> None:
    first, _ = counting("sin to cos", "sin", lambda node: ops.cos(node.inputs[0]))
    second, _ = counting("cos to tan", "cos", lambda node: ops.tan(node.inputs[0]))
    (made,), report = rewrite([np.sin(np.sin(S))], [first, second])
    assert str(made) == "tan(tan(s))"
    assert report.applied == {"sin to cos": 2, "cos to tan": 2}


@pytest.mark.parametrize("depth", [1, 5])
def test_rules_that_undo_each_other_end(depth: int) -> None:
    there, _ = counting("there", "sin", lambda node: ops.cos(node.inputs[0]))
    back, _ = counting("back", "cos", lambda node: ops.sin(node.inputs[0]))
    value = S
    for _ in range(depth):
        value = np.sin(value)
    (made,), report = rewrite([value], [there, back])
    assert len(topological([made])) == depth + 1
    assert report.used <= 4 * depth


def test_a_rule_that_wraps_its_own_node_ends() -> None:
    rule, _ = counting("wrap", "sin", lambda node: ops.negative(node))
    (made,), report = rewrite([np.sin(S)], [rule])
    assert made.same(np.sin(S))
    assert report.used == 1


def test_the_input_graph_stays_as_it_is() -> None:
    value = (X * 1 + -X) * 1
    before = topological([value])
    sg.simplify(value)
    assert all(one is other for one, other in zip(topological([value]), before, strict=True))


@pytest.mark.parametrize("budget", [0, 1, 7])
def test_the_budget_limits_applications_and_the_value_stays(budget: int) -> None:
    value: Any = S
    for k in range(20):
        value = np.cos(value * 1) + k
    (made,), report = rewrite([value], ALL, budget=budget)
    assert report.budget == budget
    assert report.used == budget
    assert report.exhausted
    point = {S: np.array(0.3)}
    np.testing.assert_array_equal(evaluate([made], point)[0], evaluate([value], point)[0])


def test_an_ample_budget_is_not_exhausted() -> None:
    value: Any = S
    for k in range(20):
        value = np.cos(value * 1) + k
    (made,), report = rewrite([value], ALL)
    assert report.applied == {"x * 1": 20}
    assert not report.exhausted
    assert len(topological([made])) == len(topological([value])) - 20


def levels(depth: int, make: Any) -> Any:
    value: Any = S
    for _ in range(depth):
        value = make(value)
    return value


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x * x + x,
        lambda x: (x * 1) * (x + -x) + x,
        lambda x: np.log(1 + np.exp(x)) * x,
        lambda x: 0.5 * (0.5 * x) + x / 4,
    ],
)
def test_shared_graphs_stay_as_large_as_they_are(make: Any) -> None:
    """As a tree, the thousandth level would have 2**1000 leaves."""
    value = levels(1000, make)
    (made,), report = rewrite([value], ALL)
    assert len(topological([made])) <= len(topological([value]))
    assert report.used <= 4 * 1000
    assert not report.exhausted


def test_work_grows_in_proportion() -> None:
    seen: dict[int, int] = {}
    for depth in (500, 4000):
        calls: list[Any] = []
        rules = [Rule(one.name, one.ops, _told(one.function, calls)) for one in ALL]
        rewrite([levels(depth, lambda x: (x * 1) * (x - 0) + x)], rules)
        seen[depth] = len(calls)
    assert seen[4000] < 8.1 * seen[500]


def _told(function: Any, calls: list[Any]) -> Any:
    def told(node: Any) -> Any:
        calls.append(node)
        return function(node)

    return told


def test_long_chains() -> None:
    value = levels(20_000, lambda x: np.negative(-x) + 1)
    (made,), report = rewrite([value], ALL)
    assert report.applied["--x"] == 20_000
    assert len(topological([made])) == 20_002


def test_overridden_operations_wait_for_their_derivative() -> None:
    @sg.register_gradient("RewriteTestTwice")
    def twice(node: Any, head: Any) -> Any:
        return 2 * head

    with sg.gradient_override_map({"negative": "RewriteTestTwice"}):
        inner = -S
    assert sg.simplify(np.negative(-S)).same(S)
    for value, slope in (
        (-inner, -2.0),
        (-(inner * 1), -2.0),
        (inner * 1, 2.0),
        (1 - np.negative(inner), 2.0),
        (-inner * -S, 1.0),
    ):
        made = sg.simplify(value)
        assert any(one is inner for one in topological([made]))
        got = [float(evaluate([sg.gradients(one, [S])[0]], {S: np.array(1.0)})[0]) for one in (value, made)]
        assert got == [slope, slope]
