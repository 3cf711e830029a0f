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
    "exponential": (lambda s: sg.optim.exponential_decay(0.3, s, 10, 0.5), 0.3 * 0.5 ** (STEP / 10)),
    "staircase": (lambda s: sg.optim.exponential_decay(0.3, s, 10, 0.5, True), 0.3 * 0.5 ** (STEP // 10)),
    "piecewise": (
        lambda s: sg.optim.piecewise_constant(s, [5, 10], [1.0, 0.5, 0.1]),
        np.where(STEP <= 5, 1.0, np.where(STEP <= 10, 0.5, 0.1)),
    ),
    "polynomial": (
        lambda s: sg.optim.polynomial_decay(0.3, s, 20, 0.01, 2.0),
        0.29 * (1 - np.minimum(STEP, 20) / 20) ** 2 + 0.01,
    ),
    "cycle": (
        lambda s: sg.optim.polynomial_decay(0.3, s, 8, 0.01, cycle=True),
        0.29 * (1 - STEP / (8 * np.maximum(np.ceil(STEP / 8), 1))) + 0.01,
    ),
    "cosine": (
        lambda s: sg.optim.cosine_decay(0.3, s, 20, 0.1),
        0.3 * (0.9 * 0.5 * (1 + np.cos(np.pi * np.minimum(STEP, 20) / 20)) + 0.1),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    make, want = SCHEDULES[name]
    step = sg.symbol("step", dtype="int64")
    rate = make(step)
    assert rate.dtype == np.float64
    kernel = sg.compile(rate, [step])
    np.testing.assert_allclose([kernel(int(k)) for k in STEP], want, rtol=1e-14)
    single = sg.optim.exponential_decay(sg.symbol("rate", dtype="float32"), step, 10, 0.5)
    assert single.dtype == np.float32


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
def test_errors():
    w, x = sg.variable("weights", [1.0, 2.0]), sg.symbol("x", (2,))
    descent_ = sg.optim.GradientDescent(0.1)
    cases = {
        "GradientDescent: var_list[0] is <float64[2]: x>, which is no variable": lambda: descent_.minimize(
            np.sum(x), [x]
        ),
        "GradientDescent: var_list is empty": lambda: descent_.minimize(np.sum(w), []),
        "GradientDescent: the loss depends on no trainable variable": lambda: descent_.minimize(np.sum(x)),
        "GradientDescent: the loss has shape (2,), not ()": lambda: descent_.minimize(w),
        "GradientDescent: no gradient to apply": lambda: descent_.minimize(np.sum(x), [w]),
        "GradientDescent: entry 0 of the gradients is no (gradient, variable) pair": lambda: descent_.apply_gradients(
            [w]
        ),
        "GradientDescent: the gradient for 'weights' has shape (3,), the variable (2,)": lambda: (
            descent_.apply_gradients([(np.ones(3), w)])
        ),
        "GradientDescent: 2 gradients for 1 variables": lambda: descent_.apply_gradients([None, np.ones(2)], [w]),
        "Adam: the learning rate -0.1 is not a number of at least 0": lambda: sg.optim.Adam(-0.1),
        "Adam: the learning rate nan is not a number of at least 0": lambda: sg.optim.Adam(float("nan")),
        "clip_by_norm: clip_norm=0 is not positive": lambda: sg.clip_by_norm(x, 0),
        "global_norm: the list holds no gradient": lambda: sg.clip_by_global_norm([None], 1.0),
        "piecewise_constant: 2 values for 2 boundaries": lambda: sg.optim.piecewise_constant(x[0], [1, 2], [1.0, 2.0]),
    }
    for what, call in cases.items():
        with pytest.raises(sg.SymgradError) as caught:
            call()
        assert caught.value.what == what
