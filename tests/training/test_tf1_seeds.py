"""The worked cases that the project grew from, each with variations, in the TensorFlow 1 spelling and both float types."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
import symgrad.compat.tf1 as tf

both_floats = pytest.mark.parametrize("dtype", [tf.float64, tf.float32], ids=str)


@pytest.fixture(autouse=True)
def _empty_graph():
    tf.reset_default_graph()


def check(fetches, wanted, feeds=None, **rounding):
    """Fetched values, from freshly initialised variables, are the wanted ones in the fetches' element types."""
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for found, fetch, want in zip(sess.run(list(fetches), feeds), fetches, wanted, strict=True):
            assert_same(found, np.asarray(want, fetch.dtype), **rounding)


def after(operations, variables, feeds=None):
    """Values of variables after each of some operations, run from the start."""
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        made = []
        for one in operations:
            sess.run(one, feeds)
            made.append(sess.run(variables))
        return made


# -- rows 1 to 7: gradients -----------------------------------------------------------------------------------------
@both_floats
def test_gradients_sum_over_all_elements_of_all_ys(dtype):
    x, y = tf.constant([1, 2, 3], dtype), tf.constant([4, 5, 6], dtype)
    check(tf.gradients([x * x, tf.reduce_sum(x * y), 2 * y], [x, y]), [[6, 9, 12], [3, 4, 5]])
    m = tf.constant([[1, 2], [3, 4]], dtype)
    check(tf.gradients(m * tf.reduce_sum(m), m), [[[20, 20], [20, 20]]])
    check(tf.gradients(y, y), [[1, 1, 1]])


@both_floats
def test_head_gradients(dtype):
    w1, w2, w3, w4 = (tf.Variable(np.ones(3), dtype=dtype) for _ in range(4))
    z1, z2 = w1 + w2 + w3, w3 + w4
    heads = [tf.convert_to_tensor(one, dtype) for one in ([2.0, 2.0, 3.0], [3.0, 2.0, 4.0])]
    check(tf.gradients([z1, z2], [w1, w2, w3, w4], heads), [[2, 2, 3], [2, 2, 3], [5, 4, 7], [3, 2, 4]])
    check(tf.gradients([z1, z2], [w3], grad_ys=[None, heads[1]]), [[4, 3, 5]])
    check(tf.gradients(z1 * w1, w1, grad_ys=w4 * 2), [[8, 8, 8]])
    for wrong in ([heads[0]], heads * 2):
        with pytest.raises(sg.GradientError) as caught:
            tf.gradients([z1, z2], [w1], grad_ys=wrong)
        assert caught.value.what == f"gradients: {len(wrong)} head gradients for 2 ys"


@both_floats
def test_unconnected_inputs(dtype):
    x, y = tf.constant([1, 2], dtype), tf.constant([3, 4], dtype)
    found = tf.gradients(x * x, [x, y])
    assert found[1] is None
    assert tf.gradients(tf.cast(tf.cast(x, tf.int32), dtype), x) == [None]
    zeros = tf.gradients(x * x, [x, y], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    check(zeros, [[2, 4], [0, 0]])
    with tf.Session() as sess, pytest.raises(sg.UnconnectedGradientError) as caught:
        sess.run(found)
    assert caught.value.what == "Session.run: fetch 1 is None"


@pytest.mark.parametrize("dtype", [tf.float64, tf.float32, tf.int32, tf.int64], ids=str)
def test_matrix_products(dtype):
    a, b = tf.constant([[1, 2]], dtype), tf.constant([[9], [10]], dtype)
    check(tf.gradients(tf.matmul(a, b), [a, b]), [[[9, 10]], [[1], [2]]])
    w1, w2 = tf.constant([[1, 2]], dtype), tf.constant([[2], [1]], dtype)
    check(tf.gradients(tf.matmul(w1, w2), w1), [[[2, 1]]])
    check(tf.gradients(tf.matmul(w2, w1, transpose_a=True, transpose_b=True), w1), [[[2, 1]]])


@both_floats
def test_stopped_values(dtype):
    a, b = tf.constant([1, 2], dtype), tf.constant([3, 4], dtype)
    c, d = tf.stop_gradient(a + b), a + b
    check([c + d, *tf.gradients(c + d, [a, b])], [[8, 12], [1, 1], [1, 1]])
    check(tf.gradients(c * d, [a]), [[4, 6]])
    assert tf.gradients(c, [a, b]) == [None, None]


@both_floats
def test_stops_of_one_call(dtype):
    a, b = tf.constant([1, 2], dtype), tf.constant([3, 4], dtype)
    c = a * b
    check(tf.gradients(c * a, a, stop_gradients=[c]), [[3, 8]])
    check(tf.gradients(c * a, a), [[6, 16]])
    assert tf.gradients(2 * c, [a], stop_gradients=c) == [None]


@both_floats
def test_higher_orders(dtype):
    x = tf.constant(1, dtype)
    first = tf.gradients(x**2, x)[0]
    second = tf.gradients(first, x)[0]
    check([first, second, *tf.gradients(second, x, unconnected_gradients="zero")], [2, 2, 0])
    orders = [tf.sin(x) * tf.exp(x)]
    for _ in range(4):
        orders += tf.gradients(orders[-1], x)
    check(orders[4:], [-4 * np.sin(1) * np.e])  # the fourth derivative of eˣ sin x is -4 eˣ sin x
    v = tf.constant([1, 2], dtype)
    check(tf.hessians(tf.reduce_sum(v**3), v), [[[6, 0], [0, 12]]])


# -- rows 8 to 14: rules of one's own -------------------------------------------------------------------------------
@tf.RegisterGradient("QuantizeGrad of the seeds")
def quantize(op, grad):
    inside = tf.logical_and(op.inputs[0] >= -1, op.inputs[0] <= 1)
    return tf.where(inside, grad, tf.zeros_like(grad))


@both_floats
def test_override_maps(dtype):
    override = tf.get_default_graph().gradient_override_map
    x = tf.constant([0.5, -1.5, 4.0], dtype)
    with override({"Sign": "Identity"}):
        y = tf.sign(x / tf.stop_gradient(tf.reduce_mean(tf.abs(x))))
        with override({"Sign": "QuantizeGrad of the seeds"}):
            inner = tf.sign(x)
        outer = tf.sign(x)
        with pytest.raises(RuntimeError), override({"Sign": "QuantizeGrad of the seeds"}):
            raise RuntimeError
        restored = tf.sign(x)
    found = [tf.gradients(one, x)[0] for one in (y, inner, outer, restored, tf.sign(x))]
    check([y, *found], [[1, -1, 1], [0.5] * 3, [1, 0, 0], [1] * 3, [1] * 3, [0] * 3])


@both_floats
def test_relu_as_identity(dtype):
    x = tf.constant([-1, -0.5, 0, 0.5, 1], dtype)
    with tf.get_default_graph().gradient_override_map({"Relu": "Identity"}):
        y = tf.nn.relu(x)
        z = tf.nn.relu(tf.nn.relu(x) - 0.75)
    check([y, *tf.gradients(y, x), *tf.gradients(z, x)], [[0, 0, 0, 0.5, 1], [1] * 5, [1] * 5])
    check(tf.gradients(tf.nn.relu(x), x), [[0, 0, 0, 1, 1]])


@both_floats
def test_a_registered_rule(dtype):
    x = tf.constant([-2, -1, 0.5, 1, 3], dtype)
    with tf.get_default_graph().gradient_override_map({"Sign": "QuantizeGrad of the seeds"}):
        y = tf.sign(x)
    check(tf.gradients([y], x), [[0, 1, 1, 1, 0]])
    check(tf.gradients(y * x, x), [[-1, -2, 1.5, 2, 1]])
    check(tf.gradients(y, x, grad_ys=[2 * x]), [[0, -2, 1, 2, 0]])


def py_func(func, inp, Tout, grad, stateful=True):
    """As every tutorial wrote it."""
    rule = f"PyFuncGrad{np.random.randint(0, 10**8)}"
    tf.RegisterGradient(rule)(grad)
    with tf.get_default_graph().gradient_override_map({"PyFunc": rule, "PyFuncStateless": rule}):
        return tf.py_func(func, inp, Tout, stateful=stateful)


@both_floats
@pytest.mark.parametrize("stateful", [True, False])
def test_python_functions_with_gradients_of_their_own(dtype, stateful):
    x = tf.constant([-3, -4, 1, 40], dtype)

    def slope(op, grad):
        return grad * tf.cast(tf.logical_and(op.inputs[0] >= -3, op.inputs[0] < 3), dtype)

    (y,) = py_func(lambda value: np.clip(value, -3, 3), [x], [dtype], slope, stateful)
    check([y, *tf.gradients(y, x)], [[-3, -3, 1, 3], [1, 0, 1, 0]])
    check(tf.gradients(y * x, x), [[-6, -3, 2, 3]])
    product, total = py_func(lambda a, b: (a * b, a + b), [x, 2 * x], [dtype] * 2, lambda op, g, h: (g, h), stateful)
    check([product, total], [[18, 32, 2, 3200], [-9, -12, 3, 120]])


@both_floats
def test_a_loss_with_steps_trains(dtype):
    w = tf.Variable([0.5, 0.25], dtype=dtype)
    features, wanted = np.array([[1, 2], [2, -1], [-1, 0.5], [-2, -3]]), np.array([0.0, 1.0, 0.0, 1.0])
    scores = tf.reduce_sum(tf.constant(features, dtype) * w, axis=1)
    with tf.get_default_graph().gradient_override_map({"Ceil": "Identity"}):
        steps = tf.ceil(scores / 100)  # 1 for a score above 0, or else 0
    loss = tf.reduce_sum(tf.square(steps - wanted))
    step = tf.train.GradientDescentOptimizer(0.125 * 100).minimize(loss)
    now, want, losses = np.array([0.5, 0.25]), [], []
    for _ in range(4):
        error = (features @ now > 0) - wanted
        losses.append(np.sum(error**2))
        now = now - 0.125 * 2 * error @ features
        want.append(now)
    for found, one in zip(after([step] * 4, w), want, strict=True):
        assert_same(found, one.astype(dtype))
    assert losses[-1] < losses[0]


@both_floats
def test_gradient_reversal(dtype):
    x = tf.constant([1, 2, 3], dtype)
    for strength in (1.0, 0.5):
        name = f"Reversal{strength}"
        tf.RegisterGradient(name)(lambda op, grad, strength=strength: -strength * grad)
        with tf.get_default_graph().gradient_override_map({"Identity": name}):
            y = tf.identity(x)
            twice = tf.identity(tf.identity(x))
        found = [y, *tf.gradients(y * y, x), *tf.gradients(twice, x), *tf.gradients(x * y, x)]
        wanted = [[1, 2, 3], -2 * strength * np.arange(1, 4), [strength**2] * 3, (1 - strength) * np.arange(1, 4)]
        check(found, wanted)


@both_floats
def test_straight_through(dtype):
    x = tf.constant([-2, -0.5, 0.25, 1.5], dtype)
    clipped = tf.clip_by_value(x, -1, 1)
    binary = clipped + tf.stop_gradient(tf.sign(x) - clipped)
    check([binary, *tf.gradients(binary, x)], [[-1, -1, 1, 1], [0, 1, 1, 0]])
    rounded = x + tf.stop_gradient(tf.round(x) - x)
    check([rounded, *tf.gradients(rounded * x, x)], [[-2, 0, 0, 2], [-4, -0.5, 0.25, 3.5]])
    with tf.get_default_graph().gradient_override_map({"Round": "Identity"}):
        check(tf.gradients(tf.round(4 * x) / 4, x), [[1] * 4])


# -- rows 15 to 20: optimisers --------------------------------------------------------------------------------------
@both_floats
def test_gradients_may_be_processed(dtype):
    for process, want in (
        (lambda g: g, [2, -1]),
        (lambda g: -g, [6, -3]),
        (lambda g: tf.clip_by_value(g, -1, 2.5), [2.75, -1.5]),
        (tf.sign, [3.5, -1.5]),
    ):
        tf.reset_default_graph()
        a, c = tf.Variable([4.0, -2.0], dtype=dtype), tf.Variable(7.0, dtype=dtype)
        optimizer = tf.train.GradientDescentOptimizer(0.5)
        pairs = optimizer.compute_gradients(tf.reduce_sum(a * a) / 2)
        assert [(g is None, v) for g, v in pairs] == [(False, a), (True, c)]
        step = optimizer.apply_gradients([(None if g is None else process(g), v) for g, v in pairs])
        ((found, kept),) = after([step], [a, c])
        assert_same(found, np.array(want, dtype))
        assert kept == 7


@both_floats
def test_optimisers_and_rates_that_decay(dtype):
    second = np.sqrt(0.001)
    for make, wanted in (
        (lambda: tf.train.GradientDescentOptimizer(0.5), [0.5, 0.25]),
        (lambda: tf.train.MomentumOptimizer(0.5, 0.5), [0.5, 0.0, -0.25]),
        (lambda: tf.train.MomentumOptimizer(0.5, 0.5, use_nesterov=True), [0.25, -0.0625]),
        (lambda: tf.train.RMSPropOptimizer(0.1, decay=0.5), [1 - 0.1 / np.sqrt(1 + 1e-10)]),
        (lambda: tf.train.AdamOptimizer(0.1, beta1=0.5), [1 - 0.1 * second / (second + 1e-8)]),
        (lambda: tf.train.AdagradOptimizer(0.5, initial_accumulator_value=3.0), [0.75]),
    ):
        tf.reset_default_graph()
        w = tf.Variable(1.0, dtype=dtype)
        step = make().minimize(w * w / 2)
        for found, want in zip(after([step] * len(wanted), w), wanted, strict=True):
            assert_same(found, np.asarray(want, dtype))
    for stairs, wanted in ((False, [0.5, 0.375, 0.328125]), (True, [0.5, 0.25, 0.21875])):
        tf.reset_default_graph()
        w, steps = tf.Variable(1.0, dtype=dtype), tf.train.get_or_create_global_step()
        rate = tf.train.exponential_decay(tf.constant(0.5, dtype), steps, 2, 0.25, stairs)
        step = tf.train.GradientDescentOptimizer(rate).minimize(w * w / 2, global_step=steps)
        for k, (found, want) in enumerate(zip(after([step] * 3, [w, steps]), wanted, strict=True)):
            assert_same(found[0], np.asarray(want, dtype))
            assert found[1] == k + 1


@both_floats
def test_clipping(dtype):
    t, u = tf.constant([3, -4], dtype), tf.constant([0.5, -0.0], dtype)
    both, norm = tf.clip_by_global_norm([t, None, u], 1.0)
    kept, _ = tf.clip_by_global_norm([t, u], 6.0)
    given, used = tf.clip_by_global_norm([t], 1.0, use_norm=tf.constant(4, dtype))
    assert both[1] is None
    whole = np.sqrt(25.25)
    check(
        [both[0], both[2], norm, tf.global_norm([t, None, u]), given[0], used],
        [[3 / whole, -4 / whole], [0.5 / whole, 0], whole, whole, [0.75, -1], 4],
    )
    check(
        [tf.clip_by_value(t, -1, 2), tf.clip_by_norm(t, 2.5), tf.clip_by_average_norm(t, 1.25)],
        [[2, -1], [1.5, -2], [1.5, -2]],
    )
    rows = tf.constant([[3, 4], [0.3, 0.4]], dtype)
    check([tf.clip_by_norm(rows, 1, axes=[1])], [[[0.6, 0.8], [0.3, 0.4]]])
    with tf.Session() as sess:
        for found, want in zip(sess.run([*kept, tf.clip_by_norm(u, 0.75)]), sess.run([t, u, u]), strict=True):
            assert found.tobytes() == want.tobytes()


@both_floats
def test_accumulation_over_batches_of_differing_sizes(dtype):
    xs, ys = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 3, 5, 4, 6])
    x, y, w = tf.placeholder(dtype, [None]), tf.placeholder(dtype, [None]), tf.Variable(0.5, dtype=dtype)
    optimizer = tf.train.GradientDescentOptimizer(0.01)
    pairs = optimizer.compute_gradients(tf.reduce_sum(tf.square(w * x - y)))
    fed = tf.placeholder(dtype, [])
    step = optimizer.apply_gradients([(fed, w)])
    total = tf.Variable(0.0, dtype=dtype, trainable=False)  # or kept in a variable
    clear, add = total.assign(0), total.assign_add(pairs[0][0])
    from_variable = optimizer.apply_gradients([(total, w)])
    want = np.asarray(0.5 - 0.01 * np.sum(2 * (0.5 * xs - ys) * xs), dtype)
    for sizes in ((5,), (2, 3), (1, 3, 1)):
        ends = np.cumsum((0, *sizes))
        batches = [{x: xs[a:b], y: ys[a:b]} for a, b in pairwise(ends)]
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            sess.run(step, {fed: sum(sess.run(pairs[0][0], one) for one in batches)})
            assert_same(sess.run(w), want)
            sess.run([w.initializer, clear])
            for one in batches:
                sess.run(add, one)
            sess.run(from_variable)
            assert_same(sess.run(w), want)


@both_floats
def test_partial_updates(dtype):
    with tf.variable_scope("body"):
        a = tf.get_variable("a", initializer=tf.constant(1.0, dtype))
        frozen = tf.get_variable("frozen", initializer=tf.constant(2.0, dtype), trainable=False)
    with tf.variable_scope("head"):
        b = tf.get_variable("b", initializer=tf.constant(4.0, dtype))
    loss = (a * a + b * b + frozen * frozen) / 2
    for chosen, want in (
        (None, [0.5, 2, 2]),
        ([a], [0.5, 2, 4]),
        (tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="head"), [1, 2, 2]),
        (tf.trainable_variables("body/"), [0.5, 2, 4]),
        ([frozen], [1, 1, 4]),
    ):
        step = tf.train.GradientDescentOptimizer(0.5).minimize(loss, var_list=chosen)
        (found,) = after([step], [a, frozen, b])
        for one, value in zip(found, want, strict=True):
            assert_same(one, np.asarray(value, dtype))


@both_floats
def test_ascent(dtype):
    w = tf.Variable([3.0, -1.0], dtype=dtype)
    height = -tf.reduce_sum(tf.square(w - 1))
    optimizer = tf.train.GradientDescentOptimizer(0.25)
    for step in (
        optimizer.minimize(-height),
        optimizer.apply_gradients([(-g, v) for g, v in optimizer.compute_gradients(height)]),
        tf.assign_add(w, 0.25 * tf.gradients(height, w)[0]),
    ):
        for found, want in zip(after([step] * 3, w), ([2, 0], [1.5, 0.5], [1.25, 0.75]), strict=True):
            assert_same(found, np.array(want, dtype))


# -- rows 21 to 24: tapes, parts, Jacobians, convolutions -----------------------------------------------------------
@both_floats
def test_tapes(dtype):
    x, y = tf.constant([1, 2, 3], dtype), tf.constant([4, 5, 6], dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = x * x * y
    check([tape.gradient(z, x), tape.jacobian(z, x)], [[8, 20, 36], np.diag([8, 20, 36])])
    assert tape.gradient(z, y) is None
    w = tf.Variable(3.0, dtype=dtype)
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        cube = w**3  # variables are watched by themselves
        slope = inner.gradient(cube, w)
    check([slope, outer.gradient(slope, {"w": [w]})["w"][0]], [27, 18])
    with pytest.raises(sg.GradientError):
        outer.gradient(slope, w)


@both_floats
def test_a_gradient_in_two_parts(dtype):
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    W = tf.Variable(w, dtype=dtype)
    h = tf.tanh(tf.matmul(tf.constant(X, dtype), W))
    loss = tf.reduce_sum(h * h)
    H = np.tanh(X @ w)
    want = X.T @ (2 * H * (1 - H * H))
    for depth in (h, tf.identity(2 * h)):
        through = loss if depth is h else tf.reduce_sum(depth * depth / 4)
        first = tf.gradients(through, depth)
        check([*tf.gradients(depth, W, grad_ys=first), *tf.gradients(through, W)], [want, want])


@both_floats
def test_jacobians_keep_elements_apart(dtype):
    x = tf.constant([2, 3, 5], dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.stack([x[0] * x[1], x[1] * x[2]])
        square = tf.reshape(x * x, [3, 1])
    check([tape.jacobian(y, x), tape.gradient(y, x)], [[[3, 2, 0], [0, 5, 3]], [3, 7, 3]])
    check([tape.jacobian(square, x)], [np.diag([4, 6, 10])[:, None, :]])
    rows = tf.stack([tf.gradients(one, x)[0] for one in tf.unstack(y, 2)])  # as it was done without tapes
    check([rows], [[[3, 2, 0], [0, 5, 3]]])


def slid(x, w, head, stride, before):
    """Values of a convolution and derivatives of their product with a head, place by place."""
    y, dx, dw = np.zeros(head.shape), np.zeros(x.shape), np.zeros(w.shape)
    for i, j, a, b in np.ndindex(*head.shape[1:3], *w.shape[:2]):
        r, c = i * stride + a - before[0], j * stride + b - before[1]
        if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
            y[:, i, j] += x[:, r, c] @ w[a, b]
            dx[:, r, c] += head[:, i, j] @ w[a, b].T
            dw[a, b] += x[:, r, c].T @ head[:, i, j]
    return y, dx, dw


@both_floats
@pytest.mark.parametrize(
    ("padding", "stride", "places", "before"),
    [
        ("VALID", 1, (3, 3), (0, 0)),
        ("SAME", 1, (5, 4), (1, 0)),
        ("SAME", 2, (3, 2), (1, 0)),
        ("VALID", 2, (2, 2), (0, 0)),
    ],
)
def test_convolutions(dtype, padding, stride, places, before):
    rng = np.random.default_rng(5)
    image, kernel, head = rng.normal(size=(2, 5, 4, 2)), rng.normal(size=(3, 2, 2, 3)), rng.normal(size=(2, *places, 3))
    x, w, g = (tf.constant(one, dtype) for one in (image, kernel, head))
    how = {"strides": [1, stride, stride, 1], "padding": padding}
    y = tf.nn.conv2d(x, w, **how)
    check(
        [
            y,
            *tf.gradients(y, [x, w], grad_ys=g),
            tf.nn.conv2d_backprop_input(tf.shape(x), w, g, **how),
            tf.nn.conv2d_backprop_filter(x, [3, 2, 2, 3], g, **how),
        ],
        [want[k] for want in [slid(image, kernel, head, stride, before)] for k in (0, 1, 2, 1, 2)],
    )


# -- rows 25 to 30: training ----------------------------------------------------------------------------------------
def softmax_regression(dtype, make_step, epochs=3, rate=0.5):
    """Costs and weights of a training on made-up images; ``make_step(cost, W, b, rate)``."""
    tf.reset_default_graph()
    rng = np.random.default_rng(1)
    images = rng.random((60, 12))
    labels = np.eye(3)[np.argmax(images[:, :3], axis=1)]
    x, y = tf.placeholder(dtype, [None, 12]), tf.placeholder(dtype, [None, 3])
    W, b = tf.Variable(tf.zeros([12, 3], dtype)), tf.Variable(tf.zeros([3], dtype))
    chances = tf.nn.softmax(tf.matmul(x, W) + b)
    cost = tf.reduce_mean(-tf.reduce_sum(y * tf.log(chances), reduction_indices=1))
    step, costs = make_step(cost, W, b, rate), []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(epochs):
            for k in range(0, 60, 20):
                costs.append(sess.run([step, cost], {x: images[k : k + 20], y: labels[k : k + 20]})[1])
        return np.array(costs), sess.run(W)


def transcribed(bound, epochs=3, rate=0.5):
    """The same in NumPy."""
    rng = np.random.default_rng(1)
    images = rng.random((60, 12))
    labels = np.eye(3)[np.argmax(images[:, :3], axis=1)]
    W, b, costs = np.zeros((12, 3)), np.zeros(3), []
    for _ in range(epochs):
        for k in range(0, 60, 20):
            x, y = images[k : k + 20], labels[k : k + 20]
            chances = np.exp(x @ W + b) / np.sum(np.exp(x @ W + b), axis=1, keepdims=True)
            costs.append(np.mean(-np.sum(y * np.log(chances), axis=1)))
            dW, db = x.T @ (chances - y) / 20, np.sum(chances - y, axis=0) / 20
            factor = min(1, bound / np.sqrt(np.sum(dW**2) + np.sum(db**2)))
            W, b = W - rate * factor * dW, b - rate * factor * db
    return np.array(costs), W


def by_hand(cost, W, b, rate):
    grad_W, grad_b = tf.gradients(xs=[W, b], ys=cost)
    return [W.assign(W - rate * grad_W), b.assign(b - rate * grad_b)]


def clipped(bound):
    def make_step(cost, W, b, rate):
        optimizer = tf.train.GradientDescentOptimizer(rate)
        slopes, variables = zip(*optimizer.compute_gradients(cost), strict=True)
        return optimizer.apply_gradients(zip(tf.clip_by_global_norm(slopes, bound)[0], variables, strict=True))

    return make_step


@both_floats
def test_softmax_regression_by_hand_built_in_and_clipped(dtype):
    for bound, steps in (
        (
            np.inf,
            [by_hand, lambda cost, W, b, rate: tf.train.GradientDescentOptimizer(rate).minimize(cost), clipped(9.0)],
        ),
        (0.125, [clipped(0.125)]),
    ):
        for make_step in steps:
            for found, want in zip(softmax_regression(dtype, make_step), transcribed(bound), strict=True):
                assert_same(found, want.astype(dtype))


@both_floats
def test_a_target_network_that_no_gradient_reaches(dtype):
    rng = np.random.default_rng(2)
    start, states, following = rng.normal(size=(2, 3)), rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    rewards, actions = rng.normal(size=5), np.array([0, 2, 1, 1, 0])
    s, f = tf.placeholder(dtype, [None, 2]), tf.placeholder(dtype, [None, 2])
    a, r = tf.placeholder(tf.int32, [None]), tf.placeholder(dtype, [None])
    online, target = tf.Variable(start, dtype=dtype), tf.Variable(-start, dtype=dtype)
    q = tf.reduce_sum(tf.matmul(s, online) * tf.one_hot(a, 3, dtype=dtype), axis=1)
    aim = r + 0.9 * tf.reduce_max(tf.matmul(f, target), axis=1)
    loss = tf.reduce_sum(tf.square(q - tf.stop_gradient(aim)))
    (slope, none), (open_slope,) = tf.gradients(loss, [online, target]), tf.gradients(tf.square(q - aim), [target])
    assert none is None
    assert open_slope is not None
    feeds = {s: states, f: following, a: actions, r: rewards}
    best = rewards + 0.9 * np.max(following @ -start, axis=1)
    error = (states @ start)[np.arange(5), actions] - best
    check([slope], [states.T @ (2 * error[:, None] * np.eye(3)[actions])], feeds)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = sess.run(aim, feeds)
        fed = sess.run(slope, {s: states, a: actions, aim: values})  # the target as data
        np.testing.assert_array_equal(fed, sess.run(slope, feeds))


@both_floats
def test_watching_gradients(dtype):
    w, b = tf.Variable([[1.0, -2.0], [0.5, 4.0]], dtype=dtype), tf.Variable([3.0, 0.25], dtype=dtype)
    loss = tf.reduce_sum(w**2) / 2 + tf.reduce_sum(b**2)
    pairs = tf.train.AdamOptimizer(0.1).compute_gradients(loss)
    seen = [[tf.norm(g), tf.reduce_min(g), tf.reduce_max(g)] for g, _ in pairs]
    check([one for row in seen for one in row], [np.sqrt(21.25), -2, 4, np.sqrt(36.25), 0.5, 6])
    check([tf.global_norm([g for g, _ in pairs])], [np.sqrt(57.5)])
    counts = [tf.histogram_fixed_width(g, [-1.0, 3.0], nbins=4) for g, _ in pairs]
    check(counts, [[1, 1, 1, 1], [0, 1, 0, 1]])


@both_floats
def test_one_kernel_for_every_batch_size(dtype, monkeypatch):
    from symgrad.compat.tf1 import session

    compiled = []
    monkeypatch.setattr(session, "compile", lambda *args, **how: compiled.append(1) or sg.compile(*args, **how))
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(784, 2)) / 28
    x, W = tf.placeholder(dtype, [None, 784]), tf.constant(weights, dtype)
    (slope,) = tf.gradients(tf.reduce_mean(tf.matmul(x, W) ** 2), x)
    assert slope.get_shape().as_list() == [None, 784]
    with tf.Session() as sess:
        for count in (1, 3, 50):
            batch = rng.normal(size=(count, 784))
            want = batch @ weights @ weights.T / count
            assert_same(sess.run(slope, {x: batch}), want.astype(dtype), rtol=1e-4 if dtype == tf.float32 else 1e-11)
    assert len(compiled) == 1


@both_floats
def test_variables(dtype):
    with tf.name_scope("first"):
        w = tf.Variable([1.0, 2.0], dtype=dtype, name="w")
        fixed = tf.Variable(tf.constant(3.0, dtype), trainable=False, name="fixed", collections=["mine", "variables"])
    copy = tf.Variable(w.initialized_value() * 2)
    assert [one.name for one in tf.global_variables()] == ["first/w:0", "first/fixed:0", "Variable:0"]
    assert tf.trainable_variables() == [w, copy]
    assert tf.get_collection("mine") == [fixed]
    assert tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, "first/") == [w, fixed]
    grow, shrink = tf.assign_add(w, [1.0, 1.0]), w.assign_sub(w / 2)
    found = after([grow, shrink, tf.assign(w, w * fixed), w.initializer], [w, copy])
    for (one, other), want in zip(found, ([2, 3], [1, 1.5], [3, 4.5], [1, 2]), strict=True):
        assert_same(one, np.array(want, dtype))
        assert_same(other, np.array([2, 4], dtype))
