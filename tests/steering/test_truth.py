"""Rules that claim to be derivatives: true ones raise no alarm, false ones do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import special

import symgrad as sg


def logistic(x):
    return 1 / (1 + np.exp(-x))


# name: value, rule (of x and y and the heads), and what a mutation may change in the rule
M = np.array([[2.0, -1.0, 0.5], [0.3, 4.0, 1.0], [-2.0, 0.7, 1.5]])
TRUE = {
    "exp": (lambda x, y: np.exp(x / 1e3), lambda x, y, h: (h * np.exp(x / 1e3) / 1e3, None)),
    "product": (lambda x, y: x * y, lambda x, y, h: (h * y, h * x)),
    "quotient": (lambda x, y: x / y, lambda x, y, h: (h / y, -h * x / y**2)),
    "softplus": (lambda x, y: sg.nn.softplus(x), lambda x, y, h: (h * logistic(x), None)),
    "tanh": (lambda x, y: np.tanh(x + y), lambda x, y, h: (h * (1 - np.tanh(x + y) ** 2),) * 2),
    "sine": (lambda x, y: np.sin(x) * y, lambda x, y, h: (h * np.cos(x) * y, h * np.sin(x))),
    "matrix": (lambda x, y: M @ x + y, lambda x, y, h: (M.T @ h, h)),
    "outer": (lambda x, y: np.outer(x, y), lambda x, y, h: (h @ y, h.T @ x)),
    "norm": (lambda x, y: np.sum(x * x) / 2 + np.sum(y), lambda x, y, h: (h * x, h * np.ones(3))),
    "power": (lambda x, y: abs(x) ** 1.5 + y, lambda x, y, h: (h * 1.5 * abs(x) ** 0.5 * np.sign(x), h)),
    "relu": (lambda x, y: np.maximum(x, 0) + y, lambda x, y, h: (h * (x > 0), h)),
    "cross": (lambda x, y: np.cross(x, y), lambda x, y, h: (np.cross(y, h), np.cross(h, x))),
    "log of a square": (lambda x, y: np.log(1 + x**2) - y, lambda x, y, h: (h * 2 * x / (1 + x**2), -h)),
}
POINTS = {
    "ordinary": (np.array([0.3, -1.2, 2.5]), np.array([1.5, 0.4, -0.7])),
    "at kinks": (np.zeros(3), np.array([1.0, 2.0, -1.0])),
    "large": (np.array([1e6, -3e5, 2e7]), np.array([2e5, -4e6, 1e6])),
    "small": (np.array([1e-9, -3e-8, 2e-7]), np.array([1e-6, -2e-7, 3e-7])),
    "unequal": (np.array([1e6, 1e-6, -3.0]), np.array([-1e-5, 2e4, 0.5])),
}
MUTATIONS = {
    "sign": lambda f: lambda x, y, h: tuple(None if one is None else -one for one in f(x, y, h)),
    "factor": lambda f: lambda x, y, h: tuple(None if one is None else 1.01 * one for one in f(x, y, h)),
    "missing": lambda f: lambda x, y, h: (None, f(x, y, h)[1]),
    "term": lambda f: (
        lambda x, y, h: (f(x, y, h)[0] + h * np.ones(3) if h.ndim < 2 else f(x, y, h)[0] + h @ x, f(x, y, h)[1])
    ),
}


def custom(value, rule, **options):
    @sg.custom_gradient(**options)
    def function(x, y):
        return value(x, y), lambda head: rule(x, y, head)

    return function


def use(function, x, y):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sg.vjp(function, x, y)[1](np.ones(np.shape(function_value(function, x, y))))
    return [one for one in said if issubclass(one.category, sg.RuleWarning)]


def function_value(function, x, y):
    with sg.config.use(rule_check="off"):
        return sg.jit(function)(x, y)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_true_rules_raise_no_alarm(name, point, dtype):
    x, y = (one.astype(dtype) for one in POINTS[point])
    assert use(custom(*TRUE[name]), x, y) == []


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", TRUE)
def test_false_rules_are_found(name, mutation):
    value, rule = TRUE[name]
    said = use(custom(value, MUTATIONS[mutation](rule)), *POINTS["ordinary"])
    assert len(said) == 1
    assert str(said[0].message).startswith("the rule of function is not the derivative of its function: argument ")


SWAPPED = {
    "product": lambda x, y, h: (h * x, h * y),
    "sine": lambda x, y, h: (h * np.sin(x), h * np.cos(x) * y),
    "cross": lambda x, y, h: (np.cross(h, x), np.cross(y, h)),
    "outer": lambda x, y, h: (h.T @ y, h @ x),
    "matrix": lambda x, y, h: (M @ h, h),
}


@pytest.mark.parametrize("name", SWAPPED)
def test_swapped_arguments_and_wrong_transposes_are_found(name):
    assert len(use(custom(TRUE[name][0], SWAPPED[name]), *POINTS["ordinary"])) == 1


def test_each_rule_is_judged_once_and_where_it_first_runs():
    wrong = custom(TRUE["product"][0], SWAPPED["product"])
    x, y = sg.symbol("x", ("n",)), sg.symbol("y", ("n",))
    kernel = sg.compile(sg.gradients(np.sum(wrong(x, 2 * y)), [x])[0], [x, y], name="slope")
    arrays = np.arange(3.0), np.arange(3.0) + 1
    with pytest.warns(sg.RuleWarning, match="the rule of function is not"):
        first = kernel(arrays[0], y=arrays[1])
    np.testing.assert_array_equal(kernel(*arrays), first)
    assert kernel.__name__ == "slope"
    assert use(wrong, *POINTS["ordinary"]) == []


def test_long_arrays_and_batches_are_checked_along_lines():
    x = np.linspace(-2, 2, 500)
    assert use(custom(*TRUE["sine"]), x, x + 3) == []
    wrong = custom(TRUE["sine"][0], SWAPPED["sine"])
    with pytest.warns(sg.RuleWarning):
        sg.grad(lambda x: np.sum(sg.vmap(wrong)(x, 2 * x)))(x)


def test_settings():
    value, wrong = TRUE["product"][0], SWAPPED["product"]
    with sg.config.use(rule_check="error"):
        with pytest.raises(sg.GradientError) as caught:
            sg.grad(lambda x: np.sum(custom(value, wrong)(x, x + 1)))(np.ones(2) * 0.5)
        assert caught.value.what.startswith("the rule of function is not the derivative of its function: argument")
        assert caught.value.hint == (
            "untrue='reason' declares that deliberate; sg.config.rule_check = 'off' checks nothing"
        )
        sg.grad(lambda x: np.sum(custom(value, wrong, untrue="to see which is used")(x, x)))(np.ones(2))
    with sg.config.use(rule_check="off"):
        sg.grad(lambda x: np.sum(custom(value, wrong)(x, x)))(np.ones(2))


def test_points_of_the_user_are_checked_at_once():
    custom(*TRUE["product"], check_at=(np.ones(2), np.arange(2.0)))
    with pytest.warns(sg.RuleWarning, match="argument"):
        custom(TRUE["product"][0], SWAPPED["product"], check_at=(np.array([1.0, 3.0]), np.arange(2.0)))


def test_a_rule_that_claims_to_be_an_operations_derivative():
    @sg.register_gradient("TrueErf", op="Erf")
    def right(node, head):
        return head * 2 / np.sqrt(np.pi) * np.exp(-(node.inputs[0] ** 2))

    with pytest.warns(sg.RuleWarning, match="the rule FalseErf is not the derivative of erf: argument 0: gradient"):

        @sg.register_gradient("FalseErf", op="erf")
        def wrong(node, head):
            return head * np.exp(-(node.inputs[0] ** 2))

    sg.register_gradient("DeliberateErf", op="erf", untrue="cheaper")(lambda node, head: head)
    x = sg.symbol("x")
    with sg.gradient_override_map({"erf": "TrueErf"}):
        y = special.erf(x)
    np.testing.assert_allclose(sg.compile(sg.gradients(y, [x])[0], [x])(0.3), 2 / np.sqrt(np.pi) * np.exp(-0.09))
    with pytest.raises(sg.GradientError) as caught:
        sg.register_gradient("Nobody", op="errf")(right)
    assert caught.value.what == "no operation is named 'errf'"
