"""Derivatives where the one-sided ones differ: the same answer for every spelling, transform and setting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from judges import close

import symgrad as sg

SETTINGS = ["zero", "half", "left", "right"]
POINTS = np.array([0.0, 1.0, -2.0])
settings = pytest.mark.parametrize("kink", SETTINGS)


def chosen(kink, left, right):
    """What a setting makes of two one-sided derivatives, by its definition."""
    if kink == "zero":  # the element of smallest norm of the interval between them
        return 0.0 if min(left, right) <= 0.0 <= max(left, right) else min(left, right, key=abs)
    return {"half": (left + right) / 2, "left": left, "right": right}[kink]


RELU = {
    "relu": sg.nn.relu,
    "maximum": lambda x: np.maximum(x, 0),
    "maximum of zero and x": lambda x: np.maximum(0, x),
    "where greater": lambda x: np.where(x > 0, x, 0),
    "where greater or equal": lambda x: np.where(x >= 0, x, 0),
    "where less": lambda x: np.where(x < 0, 0, x),
    "where less or equal": lambda x: np.where(x <= 0, 0, x),
    "where, number first": lambda x: np.where(0 < x, x, 0),  # noqa: SIM300
    "sg.where": lambda x: sg.where(x > 0, x, 0.0),
    "negated minimum": lambda x: -np.minimum(-x, 0),
    "clip": lambda x: np.clip(x, 0, None),
    "clip method": lambda x: x.clip(0),
    "clip far above": lambda x: np.clip(x, 0.0, 1e9),
}
# left and right are those of the difference of the operands, which here falls as x grows
FALLING = {"maximum of zero and x", "negated minimum"}
ABS = {
    "abs": abs,
    "np.abs": np.abs,
    "np.absolute": np.absolute,
    "np.fabs": np.fabs,
    "maximum of both signs": lambda x: np.maximum(x, -x),
    "where of both signs": lambda x: np.where(x > -x, x, -x),
}
OTHERS = {
    # name: (function, point, left derivative, right derivative)
    "minimum": (lambda x: np.minimum(x, 0), 0.0, 1.0, 0.0),
    "minimum, where": (lambda x: np.where(x < 0, x, 0), 0.0, 1.0, 0.0),
    "clip, lower end": (lambda x: np.clip(x, -1, 2), -1.0, 0.0, 1.0),
    "clip, upper end": (lambda x: np.clip(x, -1, 2), 2.0, 1.0, 0.0),
    "scaled": (lambda x: 3 * sg.nn.relu(x), 0.0, 0.0, 3.0),
    "sum with a slope": (lambda x: 2 * x + abs(x), 0.0, 1.0, 3.0),
}


@settings
@pytest.mark.parametrize("name", RELU)
def test_every_spelling_of_relu(name, kink):
    with sg.config.use(kink=kink):
        gradient = sg.vmap(sg.grad(RELU[name]))(np.array([-2.0, 0.0, -0.0, 3.0]))
        at_kink = chosen(kink, 0.0, 1.0) if name not in FALLING else chosen(kink, 1.0, 0.0)
        close(gradient, np.array([0.0, at_kink, at_kink, 1.0]))
        x = sg.symbol("x")
        for mode in ("forward", "reverse"):
            slope = sg.jacobian(RELU[name](x), x, mode)
            assert sg.compile(slope, [x])(0.0) == at_kink


@settings
@pytest.mark.parametrize("name", ABS)
def test_every_spelling_of_the_absolute_value(name, kink):
    with sg.config.use(kink=kink):
        found = sg.vmap(sg.grad(ABS[name]))(np.array([-2.0, 0.0, 3.0]))
    close(found, np.array([-1.0, chosen(kink, -1.0, 1.0), 1.0]))


@settings
@pytest.mark.parametrize("name", [name for name in OTHERS if name != "sum with a slope"])
def test_other_kinks(name, kink):
    function, point, left, right = OTHERS[name]
    step = 1e-3
    around = np.array([point - step, point, point + step])
    with sg.config.use(kink=kink):
        found = sg.vmap(sg.grad(function))(around)
    close(found, np.array([left, chosen(kink, left, right), right]))


@settings
def test_a_kink_inside_a_chain(kink):
    """The chain rule multiplies what the setting makes of the operation alone: max(1 - 2x, 0) falls as x grows."""
    with sg.config.use(kink=kink):
        found = sg.vmap(sg.grad(lambda x: np.maximum(1 - 2 * x, 0)))(np.array([0.25, 0.5, 1.0]))
    close(found, np.array([-2.0, -2 * chosen(kink, 0.0, 1.0), 0.0]))


@settings
def test_a_kink_beside_a_smooth_term(kink):
    """The convention is the operation's: the smooth slope is added to it."""
    function, point, _, _ = OTHERS["sum with a slope"]
    with sg.config.use(kink=kink):
        close(sg.grad(function)(point), np.float64(2.0 + chosen(kink, -1.0, 1.0)))


@settings
def test_ties_of_two_arguments(kink):
    """At a tie each share is a derivative of the function of the difference; shares of a maximum sum to one."""
    with sg.config.use(kink=kink):
        for function, sign in ((np.maximum, 1), (np.minimum, -1)):
            found = sg.grad(lambda p: function(p[0], p[1]))((2.0, 2.0))  # noqa: B023
            # max(a, b) = b + relu(a - b), min(a, b) = b - relu(b - a): slopes 0 | 1 and 1 | 0 of the difference
            left, right = (0.0, 1.0) if sign == 1 else (1.0, 0.0)
            share = 0.5 if kink == "zero" else chosen(kink, left, right)
            close(found, (np.float64(share), np.float64(1 - share)))
            tangent = sg.jvp(function, (2.0, 2.0), (10.0, 1.0))[1]
            close(tangent, np.float64(10 * share + (1 - share)))


@settings
def test_ties_of_a_reduction_are_shared_equally(kink):
    x = np.array([3.0, 1.0, 3.0, 3.0])
    with sg.config.use(kink=kink):
        close(sg.grad(lambda x: np.max(x))(x), np.array([1, 0, 1, 1]) / 3)
        close(sg.grad(lambda x: np.min(-x))(x), -np.array([1, 0, 1, 1]) / 3)
        close(sg.grad(lambda x: np.sum(np.max(x.reshape(2, 2), axis=0)))(x), np.array([0.5, 0.0, 0.5, 1.0]))


@settings
def test_a_where_that_is_no_extremum_is_a_plain_select(kink):
    def f(x):
        return np.where(x > 0, 3 * x, x)

    def g(x):
        return np.where(x >= 0, 3 * x, x)

    with sg.config.use(kink=kink):
        assert sg.grad(f)(0.0) == 1.0
        assert sg.grad(g)(0.0) == 3.0


@settings
def test_operations_that_are_constant_almost_everywhere(kink):
    with sg.config.use(kink=kink):
        for function in (np.sign, np.floor, np.ceil, np.rint, np.trunc):
            found = sg.grad(lambda x, function=function: np.sum(function(x) * x), 0)(POINTS)
            close(found, function(POINTS))


def test_the_setting_is_read_when_the_derivative_is_formed():
    x = sg.symbol("x")
    y = sg.nn.relu(x)
    with sg.config.use(kink="right"):
        (slope,) = sg.gradients(y, [x])
    assert sg.compile(slope, [x])(0.0) == 1.0
    assert sg.compile(sg.gradients(y, [x])[0], [x])(0.0) == 0.0


def test_second_derivatives_at_kinks_are_those_of_the_pieces():
    for kink, x in itertools.product(SETTINGS, (-1.0, 0.0, 1.0)):
        with sg.config.use(kink=kink):
            assert sg.grad(sg.grad(lambda x: sg.nn.relu(x) ** 2))(x) == (
                2.0 * chosen(kink, 0.0, 1.0) ** 2 if x == 0 else 2.0 * (x > 0)
            )
            assert sg.grad(sg.grad(lambda x: abs(x)))(x) == 0.0
