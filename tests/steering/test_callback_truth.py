"""Gradients of host functions that are no derivatives are found, and true ones raise no alarm."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.errors import GradientError


def inside(node, head):
    """The derivative of clipping to [-3, 3]."""
    (x,) = node.inputs
    return head * sg.where((x >= -3) & (x < 3), 1.0, 0.0)


def falsely(x, stateful=False, function=np.sin):
    return sg.callback(function, x, x, gradient=_falsely, stateful=stateful)


def _falsely(node, head):
    return head * np.sin(node.inputs[0])


@pytest.mark.parametrize("several", [False, True])
def test_gradients_that_are_no_derivatives_are_found(several):
    def f(x):
        y = sg.callback(
            lambda x: (x.sum(), np.sin(x)) if several else np.sin(x),
            x,
            [0.0, x] if several else x,
            gradient=lambda node, *heads: heads[-1] * np.sin(node.inputs[0]),
            stateful=False,
        )
        return np.sum(y[1] if several else y)

    grad = sg.grad(f)
    with pytest.warns(sg.RuleWarning, match="the rule of <lambda> is not the derivative of its function"):
        assert_same(grad(np.array([0.3, 2.0])), np.sin([0.3, 2.0]))
    assert_same(grad(np.array([0.3, 2.0])), np.sin([0.3, 2.0]))  # said once
    with sg.config.use(rule_check="error"), pytest.raises(GradientError, match="is not the derivative"):
        sg.grad(lambda x: f(x))(np.array([0.3, 2.0]))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_derivatives_raise_no_alarm(dtype):
    """Also at kinks and beside them, for one element and for many."""
    x = np.linspace(-6, 6, 241).astype(dtype)
    for values in (x, x[::40], np.array([-3, 3, 2.9999], dtype), np.zeros(2, dtype), 1e6 * x, 1e-6 * x):
        for fn, rule in [
            (lambda x: np.clip(x, -3, 3), inside),
            (lambda x: abs(x), lambda node, head: head * np.sign(node.inputs[0])),
            (lambda x: np.sin(x), lambda node, head: head * np.cos(node.inputs[0])),
            (lambda x: x**3, lambda node, head: 3 * head * node.inputs[0] ** 2),
        ]:
            sg.grad(lambda x, fn=fn, rule=rule: np.sum(sg.callback(fn, x, x, rule, False)))(values)


def test_gradients_may_be_untrue_on_purpose():
    grad = sg.grad(
        lambda x: sg.callback(np.rint, x, x, lambda node, head: head, stateful=False, untrue="straight through")
    )
    assert grad(0.7) == 1


def test_what_has_effects_is_not_probed():
    calls = []

    def sine(x):
        calls.append(x)
        return np.sin(x)

    value, slope = sg.value_and_grad(lambda x: np.sum(falsely(x, True, sine)))(np.array([0.3, 2.0]))
    assert_same(value, np.sum(np.sin([0.3, 2.0])))
    assert_same(slope, np.sin([0.3, 2.0]))
    assert len(calls) == 1


def test_probing_hides_what_the_function_raises_elsewhere():
    def only_there(x):
        if x.tolist() != [0.3, 2.0]:
            raise ValueError(x)
        return np.sin(x)

    slope = sg.grad(lambda x: np.sum(falsely(x, False, only_there)))
    assert_same(slope(np.array([0.3, 2.0])), np.sin([0.3, 2.0]))


def test_check_gradients_names_the_function():
    with pytest.raises(GradientError) as caught:
        sg.check_gradients(lambda x: np.sum(falsely(x)), np.array([0.3, 2.0]))
    assert (
        "no exact value (callback sin: a function of the host has no exact meaning); the rule of sin is wrong"
        in str(caught.value)
    )
    assert sg.check_gradients(
        lambda x: np.sum(sg.callback(lambda x: np.clip(x, -3, 3), x, x, inside) ** 2), np.array([0.3, 2.0, 9.0])
    ).checked
