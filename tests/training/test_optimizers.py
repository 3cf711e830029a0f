"""Optimisers, schedules and clipping against transcriptions in NumPy of the rules that TensorFlow 1 documents."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symgrad as sg

STEPS = 20
SCALE = np.array([1.0, 5.0, 0.2])
START = np.array([3.0, -2.0, 0.7])


def loss(w):
    return np.sum(SCALE.astype(w.dtype) * w**2) + np.sum(np.sin(w))


def slope(w):
    return 2 * SCALE.astype(w.dtype) * w + np.cos(w)


def descent(w, rate=0.1):
    while True:
        w = w - rate * slope(w)
        yield w


def momentum(w, rate=0.05, m=0.9, nesterov=False):
    v = 0 * w
    while True:
        g = slope(w)
        v = m * v + g
        w = w - rate * (g + m * v) if nesterov else w - rate * v
        yield w


def rms(w, rate=0.01, d=0.9, m=0.0, epsilon=1e-10, centered=False):
    s, a, v = np.ones_like(w), 0 * w, 0 * w
    while True:
        g = slope(w)
        s = d * s + (1 - d) * g * g
        a = d * a + (1 - d) * g
        v = m * v + rate * g / np.sqrt(s - (a * a if centered else 0) + epsilon)
        w = w - v
        yield w


def adam(w, rate=0.001, b1=0.9, b2=0.999, epsilon=1e-8, decay=0.0):
    m, v, t = 0 * w, 0 * w, 0
    while True:
        t += 1
        g = slope(w)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w = w - rate * math.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + epsilon) - rate * decay * w
        yield w


def adagrad(w, rate=0.5, start=0.1):
    a = np.full_like(w, start)
    while True:
        g = slope(w)
        a = a + g * g
        w = w - rate * g / np.sqrt(a)
        yield w


CASES = {
    "descent": (lambda: sg.optim.GradientDescent(0.1), descent),
    "momentum": (lambda: sg.optim.Momentum(0.05, 0.9), momentum),
    "nesterov": (lambda: sg.optim.Momentum(0.05, 0.9, use_nesterov=True), lambda w: momentum(w, nesterov=True)),
    "rmsprop": (lambda: sg.optim.RMSProp(0.01), rms),
    "rmsprop, centred": (
        lambda: sg.optim.RMSProp(0.01, decay=0.8, momentum=0.5, centered=True),
        lambda w: rms(w, d=0.8, m=0.5, centered=True),
    ),
    "adam": (lambda: sg.optim.Adam(), adam),
    "adam, beta1 = 0.5": (lambda: sg.optim.Adam(0.1, beta1=0.5), lambda w: adam(w, 0.1, b1=0.5)),
    "adamw": (lambda: sg.optim.AdamW(0.1, weight_decay=0.02), lambda w: adam(w, 0.1, decay=0.02)),
    "adagrad": (lambda: sg.optim.Adagrad(0.5), adagrad),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_trajectories(name, dtype):
    make, rule = CASES[name]
    w = sg.variable("w", START.astype(dtype))
    step = sg.compile(loss(w), [], updates=make().minimize(loss(w)))
    reference = rule(START.astype(dtype))
    for _ in range(STEPS):
        step()
        np.testing.assert_allclose(w.value, next(reference), rtol=0, atol=1e-12 if dtype == "float64" else 1e-6)


def test_the_two_steps_of_minimize_and_what_lies_between():
    a, b = sg.variable("a", [1.0, 2.0]), sg.variable("b", [3.0])
    optimizer = sg.optim.Momentum(0.1, 0.5)
    pairs = optimizer.compute_gradients(np.sum(a**2), [a, b])
    assert pairs[1][0] is None
    assert [one.name for _, one in pairs] == ["a", "b"]
    halved = [(None if g is None else g / 2, one) for g, one in pairs]
    updates = optimizer.apply_gradients(halved)
    assert [one.name for one, _ in updates] == ["a", "a/Momentum/momentum"]
    updates = optimizer.apply_gradients([g for g, _ in halved], [one for _, one in halved])
    step = sg.compile([], [], updates=updates)
    step()
    np.testing.assert_allclose(a.value, [0.9, 1.8])
    np.testing.assert_array_equal(b.value, [3.0])
    assert [one.name for one in optimizer.variables] == ["a/Momentum/momentum"]


def test_trainable_variables_are_found_and_ascent_is_the_negated_objective():
    a, b = sg.variable("one", 1.0), sg.variable("two", 2.0, trainable=False)
    objective = a * b - a**2 / 2
    assert [one.name for _, one in sg.optim.GradientDescent(0.1).compute_gradients(objective)] == ["one"]
    step = sg.compile(objective, [], updates=sg.optim.GradientDescent(0.5).minimize(-objective))
    for _ in range(60):
        step()
    np.testing.assert_allclose(a.value, 2.0)


def test_a_rate_that_depends_on_the_step():
    w, step = sg.variable("w", 1.0), sg.variable("step", np.int64(0), trainable=False)
    rate = sg.optim.exponential_decay(0.5, step, 2, 0.5, staircase=True)
    updates = sg.optim.GradientDescent(rate).minimize(w**2 / 2)
    kernel = sg.compile(w, [], updates=[*updates, (step, step + 1)])
    want = 1.0
    for k in range(6):
        assert kernel() == pytest.approx(want, rel=1e-14)
        want *= 1 - 0.5 * 0.5 ** (k // 2)


STEP = np.arange(25)
SCHEDULES = {
    "exponential": (lambda r, s: sg.optim.exponential_decay(r, s, 10, 0.5), 0.3 * 0.5 ** (STEP / 10)),
    "staircase": (lambda r, s: sg.optim.exponential_decay(r, s, 10, 0.5, True), 0.3 * 0.5 ** (STEP // 10)),
    "piecewise": (
        lambda r, s: sg.optim.piecewise_constant(s, [5, 10], [r, r / 2, r / 10]),
        np.where(STEP <= 5, 0.3, np.where(STEP <= 10, 0.15, 0.03)),
    ),
    "polynomial": (
        lambda r, s: sg.optim.polynomial_decay(r, s, 20, 0.01, 2.0),
        0.29 * (1 - np.minimum(STEP, 20) / 20) ** 2 + 0.01,
    ),
    "cycle": (
        lambda r, s: sg.optim.polynomial_decay(r, s, 8, 0.01, cycle=True),
        0.29 * (1 - STEP / (8 * np.maximum(np.ceil(STEP / 8), 1))) + 0.01,
    ),
    "cosine": (
        lambda r, s: sg.optim.cosine_decay(r, s, 20, 0.1),
        0.3 * (0.9 * 0.5 * (1 + np.cos(np.pi * np.minimum(STEP, 20) / 20)) + 0.1),
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, dtype):
    make, want = SCHEDULES[name]
    step, start = sg.symbol("step", dtype="int64"), sg.symbol("start", dtype=dtype)
    rate = make(start, step)
    assert rate.dtype == dtype
    kernel, given = sg.compile(rate, [start, step]), np.asarray(0.3, dtype)
    found = [kernel(given, int(k)) for k in STEP]
    np.testing.assert_allclose(found, want, rtol=1e-14 if dtype == "float64" else 1e-6)
    assert make(0.3, step).dtype == np.float64  # of a number


# -- clipping -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_clipping(dtype):
    rng = np.random.default_rng(0)
    array = rng.normal(size=(3, 4)).astype(dtype) * 5
    t = sg.symbol("t", ("n", 4), dtype)
    norm, rows = np.linalg.norm(array), np.linalg.norm(array, axis=1, keepdims=True)
    rtol = 1e-13 if dtype == "float64" else 1e-5
    cases = [
        (sg.clip_by_value(t, -1, 2), np.clip(array, -1, 2)),
        (sg.clip_by_norm(t, 2.0), array * min(1, 2 / norm)),
        (sg.clip_by_norm(t, 7.0, axes=1), array * np.minimum(1, 7 / rows)),
        (sg.clip_by_average_norm(t, 0.5), array * min(1, 0.5 / (norm / array.size))),
        (sg.clip_by_global_norm([t, None, 2 * t], 3.0)[0][2], 2 * array * (3 / (np.sqrt(5) * norm))),
        (sg.clip_by_global_norm([t], 3.0, use_norm=sg.constant(np.asarray(6.0, dtype)))[0][0], array / 2),
    ]
    for expression, want in cases:
        assert expression.dtype == dtype
        np.testing.assert_allclose(sg.compile(expression, [t])(array), want, rtol=rtol)
    for expression in (
        sg.clip_by_norm(t, 1e3),
        sg.clip_by_average_norm(t, 1e3),
        sg.clip_by_global_norm([t], 1e3)[0][0],
    ):
        np.testing.assert_array_equal(sg.compile(expression, [t])(array), array)


def test_a_norm_that_is_not_finite_spoils_everything():
    t, u = sg.symbol("t", (2,)), sg.symbol("u", (2,))
    (a, b), norm = sg.clip_by_global_norm([t, u], 1.0)
    kernel = sg.compile([a, b, norm], [t, u])
    for bad in (np.nan, np.inf):
        made = kernel(np.array([1.0, bad]), np.ones(2))
        assert np.isnan(made[0]).all()
        assert np.isnan(made[1]).all()


# -- what goes wrong ------------------------------------------------------------------------------------------------
RULES = {
    "GradientDescent": sg.optim.GradientDescent,
    "Momentum": lambda rate: sg.optim.Momentum(rate, 0.9),
    "RMSProp": sg.optim.RMSProp,
    "Adam": sg.optim.Adam,
    "AdamW": sg.optim.AdamW,
    "Adagrad": sg.optim.Adagrad,
}


@pytest.mark.parametrize("name", RULES)
def test_rates_that_are_none(name):
    for rate in (-0.1, float("nan"), np.float32(-1), None, "0.1", [0.1], 1j, True):
        with pytest.raises(sg.SymgradError) as caught:
            RULES[name](rate)
        assert caught.value.what == f"{name}: the learning rate {rate!r} is not a number of at least 0"
    with pytest.raises(sg.ShapeError) as caught:
        RULES[name](sg.symbol("rate", (2,)))
    assert caught.value.what == f"{name}: the learning rate has shape (2,), not ()"
    RULES[name](0)


@pytest.mark.parametrize("name", RULES)
def test_optimisers_applied_to_what_is_no_variable_or_to_nothing(name):
    w, x = sg.variable("weights", [1.0, 2.0]), sg.symbol("x", (2,))
    optimizer, ones = RULES[name](0.1), np.ones(2)
    hints = {
        "no variable": "make it with sg.variable(name, value)",
        "no gradient": "every gradient is None: sg.why(loss, variable) tells what stopped it",
        "no list": None,
        "no pair": "apply_gradients(gradients, variables) takes two lists",
        "trainable": "make weights with sg.variable, or name them: var_list=[...]",
        "scalar": "np.mean or np.sum of it",
    }
    for what, hint, call in (
        (
            "var_list[0] is <float64[2]: x>, which is no variable",
            "no variable",
            lambda: optimizer.minimize(np.sum(x), [x]),
        ),
        ("var_list[1] is None, which is no variable", "no variable", lambda: optimizer.minimize(np.sum(w), [w, None])),
        (
            "the variable of pair 1 is array([1., 1.]), which is no variable",
            "no variable",
            lambda: optimizer.apply_gradients([(ones, w), (ones, ones)]),
        ),
        ("var_list is <float64[2]: weights>, which is no list", "no list", lambda: optimizer.minimize(np.sum(w), w)),
        ("grads_and_vars is None, which is no list", "no list", lambda: optimizer.apply_gradients(None)),
        ("var_list is empty", "no list", lambda: optimizer.minimize(np.sum(w), [])),
        ("the loss depends on no trainable variable", "trainable", lambda: optimizer.minimize(np.sum(x))),
        ("the loss has shape (2,), not ()", "scalar", lambda: optimizer.minimize(w)),
        ("no gradient to apply", "no gradient", lambda: optimizer.minimize(np.sum(x), [w])),
        ("no gradient to apply", "no gradient", lambda: optimizer.apply_gradients([])),
        ("entry 0 of the gradients is no (gradient, variable) pair", "no pair", lambda: optimizer.apply_gradients([w])),
        (
            "the gradient for 'weights' has shape (3,), the variable (2,)",
            "no list",
            lambda: optimizer.apply_gradients([(ones, sg.variable("first", [0.0, 0.0])), (np.ones(3), w)]),
        ),
        ("2 gradients for 1 variables", "no list", lambda: optimizer.apply_gradients([None, ones], [w])),
        ("1 gradients for 2 variables", "no list", lambda: optimizer.apply_gradients([ones], [w, w])),
    ):
        with pytest.raises(sg.SymgradError) as caught:
            call()
        assert (caught.value.what, caught.value.hint) == (f"{name}: {what}", hints[hint])
        assert caught.value.where.startswith("test_optimizers.py:")
    assert not optimizer.variables  # no state was made for what was refused
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


def test_mistakes_in_clipping_and_schedules():
    x = sg.symbol("x", (2,))
    for what, call in (
        ("clip_by_norm: clip_norm=0 is not positive", lambda: sg.clip_by_norm(x, 0)),
        ("clip_by_norm: clip_norm=nan is not positive", lambda: sg.clip_by_norm(x, float("nan"))),
        ("clip_by_average_norm: clip_norm=-1.0 is not positive", lambda: sg.clip_by_average_norm(x, -1.0)),
        ("clip_by_global_norm: clip_norm=-2 is not positive", lambda: sg.clip_by_global_norm([x], -2)),
        ("clip_by_global_norm: <float64[2]: x> is no list", lambda: sg.clip_by_global_norm(x, 1.0)),
        ("global_norm: the list holds no gradient", lambda: sg.clip_by_global_norm([None], 1.0)),
        ("global_norm: the list holds no gradient", lambda: sg.global_norm([])),
        (
            "piecewise_constant: 2 values for 2 boundaries",
            lambda: sg.optim.piecewise_constant(x[0], [1, 2], [1.0, 2.0]),
        ),
    ):
        with pytest.raises(sg.SymgradError) as caught:
            call()
        assert caught.value.what == what


def test_a_step_that_is_refused_leaves_all_state_as_it_was():
    x = sg.symbol("x", ("n", 2))
    w = sg.variable("kept/w", [1.0, 2.0])
    optimizer = sg.optim.Adam(0.1)
    loss = np.mean((x @ w) ** 2)
    updates = optimizer.minimize(loss)
    step = sg.compile(loss, [x], updates=updates)
    step(np.ones((3, 2)))
    state = [w, *optimizer.variables]
    before = [one.value for one in state]
    for what, call in (
        ("mean_kernel(): argument 'x': expected float64[n, 2], got float64[3, 3]", lambda: step(np.ones((3, 3)))),
        ("mean_kernel(): argument 'x': expected float64[n, 2], got float32[3, 2]", lambda: step(np.ones((3, 2), "f"))),
        ("mean_kernel(): missing 'x'", lambda: step()),
        ("mean_kernel(): no argument is called 'z'", lambda: step(z=np.ones((3, 2)))),
        ("compile: the symbol 'x' is used but is not among the inputs", lambda: sg.compile(loss, [], updates=updates)),
        (
            "compile: output 1 is None: the gradient it stands for does not exist",
            lambda: sg.compile([loss, *sg.gradients(loss, [sg.symbol("z")])], [x], updates=updates),
        ),
        (
            "variable 'kept/empty' is read before it has a value",
            lambda: sg.compile([], [], updates=[(w, w + sg.variable("kept/empty", shape=(2,)))])(),
        ),
    ):
        with pytest.raises(sg.SymgradError) as caught:
            call()
        assert caught.value.what == what
    for one, value in zip(state, before, strict=True):
        np.testing.assert_array_equal(one.value, value)
