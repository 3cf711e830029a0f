"""The worked cases about training that the project grew from, each with variations, in both float types."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.interp import evaluate

both_floats = pytest.mark.parametrize("dtype", ["float64", "float32"])


def interpreted(outputs, updates):
    """Outputs, then new values stored: all computed from the old state, node by node."""
    values = evaluate([*outputs, *(new for _, new in updates)], {})
    for (variable, _), value in zip(updates, values[len(outputs) :], strict=True):
        variable.value = value
    return values[: len(outputs)]


def compiled(outputs, updates):
    return list(sg.compile(tuple(outputs), [], updates=updates)())


both_roads = pytest.mark.parametrize("run", [interpreted, compiled])


# -- row 15: gradients, what is done to them, the step --------------------------------------------------------------
@both_roads
@both_floats
def test_gradients_may_be_processed_before_they_are_applied(run, dtype):
    """The cost a²/2 + 3b at a = (4, -2), b = 1 has gradients (4, -2) and 3; c has none."""

    def made():
        a, b = sg.variable("a", np.array([4, -2], dtype)), sg.variable("b", np.array(1, dtype))
        c = sg.variable("c", np.array([7], dtype))
        optimizer = sg.optim.GradientDescent(0.5)
        return [a, b, c], optimizer, optimizer.compute_gradients(np.sum(a**2) / 2 + 3 * b, [a, b, c])

    for process, want_a, want_b in (
        (lambda g: g, [2, -1], -0.5),  # what minimize does
        (lambda g: -g, [6, -3], 2.5),
        (lambda g: np.sign(g), [3.5, -1.5], 0.5),
        (lambda g: sg.clip_by_value(g, -1, 2.5), [2.75, -1.5], -0.25),
        (lambda g: g / 4 + g * abs(g), [-4.5, 0.25], -3.875),
    ):
        (a, b, c), optimizer, pairs = made()
        assert [g is None for g, _ in pairs] == [False, False, True]
        updates = optimizer.apply_gradients([(None if g is None else process(g), v) for g, v in pairs])
        assert [one.name for one, _ in updates] == ["a", "b"]
        run([], updates)
        assert_same(a.value, np.array(want_a, dtype))
        assert_same(b.value, np.array(want_b, dtype))
        assert_same(c.value, np.array([7], dtype))


@both_floats
def test_minimize_is_the_two_together(dtype):
    start = np.array([0.3, -1.7, 2.2], dtype)
    values = []
    for both in (True, False):
        w = sg.variable("w", start)
        optimizer = sg.optim.Momentum(0.1, 0.9)
        cost = np.sum(np.cosh(w))
        updates = optimizer.minimize(cost) if both else optimizer.apply_gradients(optimizer.compute_gradients(cost))
        step = sg.compile(cost, [], updates=updates)
        costs = [step() for _ in range(5)]
        values.append((np.array(costs), w.value))
    for one, other in zip(*values, strict=True):
        np.testing.assert_array_equal(one, other)


# -- row 16: optimisers, worked on the cost w²/2 from w = 1, whose gradient is w -------------------------------------
RMSPROP = 1 - 0.1 / np.sqrt(1 + 1e-10)  # the mean square stays 1; at the next step it is that of 1 and of this
ADAM = 1 - 0.1 * np.sqrt(0.001) / (np.sqrt(0.001) + 1e-8)
WORKED = {
    "descent": (lambda: sg.optim.GradientDescent(0.5), [0.5, 0.25, 0.125]),
    "momentum": (lambda: sg.optim.Momentum(0.5, 0.5), [0.5, 0.0, -0.25]),
    "nesterov": (lambda: sg.optim.Momentum(0.5, 0.5, use_nesterov=True), [0.25, -0.0625]),
    "rmsprop": (
        lambda: sg.optim.RMSProp(0.1, decay=0.5),
        [RMSPROP, RMSPROP - 0.1 * RMSPROP / np.sqrt((1 + RMSPROP**2) / 2 + 1e-10)],
    ),
    "rmsprop, centred": (  # mean square 1, mean 0.5
        lambda: sg.optim.RMSProp(0.1, decay=0.5, centered=True),
        [1 - 0.1 / np.sqrt(0.75 + 1e-10)],
    ),
    "adam": (lambda: sg.optim.Adam(0.1, beta1=0.5), [ADAM]),
    "adamw": (lambda: sg.optim.AdamW(0.1, weight_decay=0.5), [ADAM - 0.05]),
    "adagrad": (lambda: sg.optim.Adagrad(0.5, 3.0), [0.75, 0.75 - 0.375 / np.sqrt(4.5625)]),
}


@both_roads
@both_floats
@pytest.mark.parametrize("name", WORKED)
def test_first_steps_of_optimisers(run, dtype, name):
    make, wanted = WORKED[name]
    w = sg.variable("w", np.array([1, -1], dtype))  # the rules are odd
    updates = make().minimize(np.sum(w * w) / 2)
    for want in wanted:
        run([], updates)
        assert_same(w.value, np.array([want, -want], dtype), rtol=2e-6 if dtype == "float32" else 1e-14)


@both_roads
@both_floats
def test_rates_that_decay(run, dtype):
    """0.5 · 0.25^(step / 2) is 0.5, 0.25, 0.125, ...; in stairs 0.5, 0.5, 0.125, 0.125, ..."""
    for stairs, factors in ((False, [0.5, 0.75, 0.875, 0.9375]), (True, [0.5, 0.5, 0.875, 0.875])):
        w, step = sg.variable("w", np.array(1, dtype)), sg.variable("step", np.int64(0), trainable=False)
        rate = sg.optim.exponential_decay(np.array(0.5, dtype), step, 2, 0.25, staircase=stairs)
        assert rate.dtype == dtype
        updates = [*sg.optim.GradientDescent(rate).minimize(w * w / 2), (step, step + 1)]
        for k, factor in enumerate(factors):
            (seen,) = run([rate], updates)
            assert_same(seen, np.asarray(1 - factor, dtype))
            assert_same(w.value, np.asarray(np.prod(factors[: k + 1]), dtype))


# -- row 17: clipping -----------------------------------------------------------------------------------------------
@both_roads
@both_floats
def test_clipping(run, dtype):
    t, small = np.array([[3.0, -4.0], [0.6, 0.8]], dtype), np.array([0.25, -0.0], dtype)
    norm = np.sqrt(26.0)
    a, b = sg.constant(t), sg.constant(small)
    both, of_both = sg.clip_by_global_norm([a, None, b], 0.5)
    halved, used = sg.clip_by_global_norm([a, b], 1.0, use_norm=sg.constant(np.array(2, dtype)))
    outputs = {
        "value": (sg.clip_by_value(a, -1, 0.7), [[0.7, -1], [0.6, 0.7]]),
        "norm": (sg.clip_by_norm(a, 1.0), t / norm),
        "rows": (sg.clip_by_norm(a, 1.0, axes=1), [[0.6, -0.8], [0.6, 0.8]]),
        "columns": (sg.clip_by_norm(a, 2.0, axes=[0]), t * np.minimum(1, 2 / np.sqrt([9.36, 16.64]))),
        "average": (sg.clip_by_average_norm(a, 0.5), t * 2 / norm),
        "global": (both[0], t * 0.5 / np.sqrt(26.0625)),
        "the other": (both[2], small * 0.5 / np.sqrt(26.0625)),
        "of both": (of_both, np.sqrt(26.0625)),
        "given": (halved[1], small / 2),
        "used": (used, 2),
    }
    assert both[1] is None
    for found, (_, want) in zip(run([one for one, _ in outputs.values()], []), outputs.values(), strict=True):
        assert_same(found, np.asarray(want, dtype))


@both_roads
@both_floats
def test_clipping_leaves_the_bits_of_what_is_short_enough(run, dtype):
    tiny = np.finfo(dtype).tiny
    values = np.array([0.0, -0.0, 1 / 3, -0.1, tiny, -tiny / 4, 0.7], dtype)
    t = sg.constant(values)
    norm = np.sqrt(np.sum(values.astype(float) ** 2))
    for bound in (1.01 * norm, 1e10):
        for made in run(
            [
                sg.clip_by_value(t, -bound, bound),
                sg.clip_by_norm(t, bound),
                sg.clip_by_norm(t, bound, axes=0),
                sg.clip_by_average_norm(t, bound),
                sg.clip_by_global_norm([t, None], bound)[0][0],
                sg.clip_by_global_norm([t], 5.0, use_norm=sg.constant(np.array(5, dtype)))[0][0],
            ],
            [],
        ):
            assert made.tobytes() == values.tobytes()


@both_roads
@both_floats
def test_clipping_of_what_is_not_finite_and_of_zeros(run, dtype):
    for bad in (np.nan, np.inf):
        t, u = sg.constant(np.array([1, bad], dtype)), sg.constant(np.ones(2, dtype))
        (first, second), norm = sg.clip_by_global_norm([t, u], 1.0)
        found = run([first, second, norm, sg.clip_by_norm(t, 1.0)], [])
        assert np.isnan(found[0]).all()
        assert np.isnan(found[1]).all()
        assert not np.isfinite(found[2])
        assert np.isnan(found[3][1])
    zero = sg.variable("zero", np.zeros(3, dtype))
    for clip in (
        lambda x: sg.clip_by_norm(x, 1.0),
        lambda x: sg.clip_by_average_norm(x, 1.0),
        lambda x: sg.clip_by_global_norm([x], 1.0)[0][0],
    ):
        found = run([clip(zero), *sg.gradients(clip(zero), [zero])], [])  # a norm has a kink there; its clip has none
        assert_same(found[0], np.zeros(3, dtype))
        assert_same(found[1], np.ones(3, dtype))


# -- row 18: accumulation -------------------------------------------------------------------------------------------
@both_floats
@pytest.mark.parametrize("sizes", [(12,), (5, 7), (1, 8, 3), (4, 4, 4)])
def test_gradients_of_batches_are_summed_and_applied_once(dtype, sizes):
    rng = np.random.default_rng(0)
    xs, ys, start = rng.normal(size=(12, 3)), rng.normal(size=12), rng.normal(size=3)
    w, b = sg.variable("w", start.astype(dtype)), sg.variable("b", np.array(0.5, dtype))
    x, y = sg.symbol("x", (None, 3), dtype), sg.symbol("y", (None,), dtype)
    cost = np.sum((x @ w + b - y) ** 2)  # a sum, so that batches of any size add up
    optimizer = sg.optim.Momentum(0.01, 0.9)
    pairs = optimizer.compute_gradients(cost, [w, b])
    gather = sg.compile([g for g, _ in pairs], [x, y])
    fed = [sg.symbol(f"g{k}", g.shape, dtype) for k, (g, _) in enumerate(pairs)]
    apply = sg.compile([], fed, updates=optimizer.apply_gradients(fed, [v for _, v in pairs]))
    want_w, want_b, speed = start.astype(dtype).astype(float), 0.5, np.zeros(4)
    for _ in range(3):
        totals, begin = [np.zeros(3, dtype), np.zeros((), dtype)], 0
        for size in sizes:
            part = slice(begin, begin + size)
            found = gather(xs[part].astype(dtype), ys[part].astype(dtype))
            totals, begin = [np.asarray(a + b, dtype) for a, b in zip(totals, found, strict=True)], begin + size
        apply(*totals)
        error = xs @ want_w + want_b - ys
        speed = 0.9 * speed + np.append(2 * error @ xs, 2 * np.sum(error))
        want_w, want_b = want_w - 0.01 * speed[:3], want_b - 0.01 * speed[3]
    assert_same(w.value, want_w.astype(dtype))
    assert_same(b.value, np.asarray(want_b, dtype))


# -- row 19: partial updates ----------------------------------------------------------------------------------------
@both_roads
@both_floats
def test_only_chosen_variables_move(run, dtype):
    def made():
        with sg.name_scope("partial"):
            with sg.name_scope("body"):
                one = [sg.variable("w", np.array([1, 2], dtype)), sg.variable("b", np.array(3, dtype))]
            with sg.name_scope("head"):
                one.append(sg.variable("w", np.array([4], dtype)))
            one.append(sg.variable("fixed", np.array(5, dtype), trainable=False))
        return one, sum(np.sum(v * v) for v in one) / 2

    for choose, moved in (
        (lambda w: [w[0], w[2]], [True, False, True, False]),
        (lambda w: [w[3]], [False, False, False, True]),  # named, it moves all the same
        (
            lambda w: [v for v in sg.variables("partial/body/*") if any(v is one for one in w)],
            [True, True, False, False],
        ),
        (lambda w: [v for v in sg.variables("*/w") if any(v is one for one in w)], [True, False, True, False]),
        (lambda w: None, [True, True, True, False]),  # what is trainable
    ):
        variables, cost = made()
        before = [v.value for v in variables]
        run([], sg.optim.GradientDescent(0.5).minimize(cost, choose(variables)))
        for v, old, has_moved in zip(variables, before, moved, strict=True):
            assert_same(v.value, old * np.asarray(0.5 if has_moved else 1, dtype))


# -- rows 25, 26: softmax regression --------------------------------------------------------------------------------
DIGITS = np.loadtxt(Path(__file__).resolve().parents[1] / "data" / "digits.csv.gz", delimiter=",")
IMAGES, TARGETS = DIGITS[:, :64] / 16, np.eye(10)[DIGITS[:, 64].astype(int)]
EPOCHS, BATCH = 4, 100


def transcribed(dtype, rate, bound=None):
    """Costs of epochs and the weights, in NumPy."""
    W, b, costs = np.zeros((64, 10), dtype), np.zeros(10, dtype), []
    images, targets = IMAGES.astype(dtype), TARGETS.astype(dtype)
    for _ in range(EPOCHS):
        costs.append(0.0)
        for start in range(0, len(images), BATCH):
            x, t = images[start : start + BATCH], targets[start : start + BATCH]
            scores = x @ W + b
            chances = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
            costs[-1] += float(np.mean(-np.sum(t * np.log(chances), axis=1))) * len(x) / len(images)
            change = (chances - t) / len(x)
            dW, db = x.T @ change, np.sum(change, axis=0)
            if bound is not None:
                factor = min(1, bound / np.sqrt(np.sum(dW**2) + np.sum(db**2)))
                dW, db = dW * factor, db * factor
            W, b = (W - rate * dW).astype(dtype), (b - rate * db).astype(dtype)
    return costs, W


def trained(dtype, updates_of):
    """The same by a compiled step."""
    x, t = sg.symbol("x", (None, 64), dtype), sg.symbol("t", (None, 10), dtype)
    W, b = sg.variable("W", np.zeros((64, 10), dtype)), sg.variable("b", np.zeros(10, dtype))
    cost = np.mean(-np.sum(t * np.log(sg.nn.softmax(x @ W + b)), axis=1))
    step = sg.compile(cost, [x, t], updates=updates_of(cost, W, b))
    data = IMAGES.astype(dtype), TARGETS.astype(dtype)
    return sg.fit(step, data, epochs=EPOCHS, batch_size=BATCH, shuffle=False), W.value


def by_hand(rate):
    def updates(cost, W, b):
        grad_W, grad_b = sg.gradients(cost, [W, b])
        return [(W, W - rate * grad_W), (b, b - rate * grad_b)]

    return updates


def built_in(rate):
    return lambda cost, W, b: sg.optim.GradientDescent(rate).minimize(cost)


def clipped(rate, bound, **options):
    def updates(cost, W, b):
        optimizer = sg.optim.GradientDescent(rate)
        slopes, _ = sg.clip_by_global_norm([g for g, _ in optimizer.compute_gradients(cost, [W, b])], bound, **options)
        return optimizer.apply_gradients(slopes, [W, b])

    return updates


def assert_trained_alike(found, want, dtype):
    rounding = {"rtol": 2e-5, "atol": 2e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(found[0], want[0], **rounding)
    np.testing.assert_allclose(found[1], want[1], **rounding)


@both_floats
@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_softmax_regression_by_updates_of_ones_own(dtype, rate):
    want, found = transcribed(dtype, rate), trained(dtype, by_hand(rate))
    assert_trained_alike(found, want, dtype)
    assert_trained_alike(trained(dtype, built_in(rate)), found, dtype)
    assert all(later < earlier for earlier, later in pairwise(found[0]))
    assert found[0][0] < np.log(10)  # the cost of equal chances, with which it begins


@both_floats
def test_training_with_clipped_gradients(dtype):
    found = trained(dtype, clipped(0.5, 0.125))
    assert_trained_alike(found, transcribed(dtype, 0.5, 0.125), dtype)
    free = trained(dtype, built_in(0.5))
    assert abs(found[0][-1] - free[0][-1]) > 0.01  # it does clip
    for never in (clipped(0.5, 1e6), clipped(0.5, 1.0, use_norm=sg.constant(np.array(0.25, dtype)))):
        costs, W = trained(dtype, never)
        np.testing.assert_array_equal(W, free[1])
        np.testing.assert_array_equal(costs, free[0])


# -- row 28: watching gradients -------------------------------------------------------------------------------------
@both_floats
@pytest.mark.parametrize(("scale", "explodes"), [(0.05, False), (1.0, False), (60.0, True)])
def test_sizes_of_gradients_along_a_chain(dtype, scale, explodes):
    """A chain of linear layers scale·R, R a rotation: from layer to layer the gradient changes by the scale."""
    rng = np.random.default_rng(3)
    layers, xs = 6, rng.normal(size=(4, 3)).astype(dtype)
    rotations = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(layers)]
    x = h = sg.symbol("x", (None, 3), dtype)
    name = f"chain{scale}"
    weights = []
    for k, R in enumerate(rotations):
        with sg.name_scope(f"{name}/layer{k}"):
            weights.append(sg.variable("w", (scale * R).astype(dtype)))
        h = h @ weights[-1]
    optimizer = sg.optim.GradientDescent(0.1)
    pairs = optimizer.compute_gradients(np.sum(h), weights)
    seen = sg.compile(sg.optim.watch(pairs, bins=5, range=(-2, 2)), [x])(xs)
    for k, w in enumerate(weights):
        before, after = xs.astype(float), np.ones((4, 3))
        for R in rotations[:k]:
            before = before @ (scale * R)
        for R in rotations[:k:-1]:
            after = after @ (scale * R).T
        want = before.T @ after
        one = seen[w.name]
        for key, value in (
            ("norm", np.linalg.norm(want)),
            ("min", want.min()),
            ("max", want.max()),
            ("mean", want.mean()),
        ):
            np.testing.assert_allclose(one[key], value, rtol=1e-4 if dtype == "float32" else 1e-10)
        assert_same(one["histogram"], np.histogram(np.clip(want, -1.999999, 1.999999), 5, (-2, 2))[0])
    text = sg.optim.summary(seen)
    for w in weights:
        assert (f"hint: the gradient of {w.name} explodes" in text) == explodes


@both_floats
def test_a_sigmoid_chain_vanishes_where_a_relu_chain_does_not(dtype):
    texts = {}
    for name, activation in (("sigmoid", sg.nn.sigmoid), ("relu", sg.nn.relu)):
        h = sg.constant(np.ones((1, 4), dtype))
        for k in range(10):
            with sg.name_scope(f"{name}/{dtype}/layer{k}"):
                h = activation(h @ sg.variable("w", np.full((4, 4), 0.25, dtype)))
        pairs = sg.optim.GradientDescent(0.1).compute_gradients(np.sum(h))
        seen = sg.compile(sg.optim.watch(pairs), [])()
        texts[name] = sg.optim.summary(seen)
        assert len(seen) == 10
        if name == "relu":  # every layer passes on ones: 16 slopes of 1
            for one in seen.values():
                assert_same(one["norm"], np.asarray(4, dtype))
                assert one["histogram"][-1] == 16
    assert f"hint: the gradient of sigmoid/{dtype}/layer0/w vanishes" in texts["sigmoid"]
    assert "layer9/w vanishes" not in texts["sigmoid"]
    assert "hint" not in texts["relu"]
