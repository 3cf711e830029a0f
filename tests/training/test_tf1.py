"""Scripts in the TensorFlow 1 spelling find what they should; sessions compile once; mistakes are named."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from comparing import assert_same, said
from tf1_expected import EXPECTED

import symgrad as sg
import symgrad.compat.tf1 as tf

SCRIPTS = Path(__file__).with_name("tf1_scripts")

NAMES = """
placeholder Variable constant get_variable variable_scope name_scope get_collection GraphKeys trainable_variables
global_variables global_variables_initializer global_norm identity stack concat reshape transpose gather one_hot reduce_sum
reduce_mean reduce_max reduce_min reduce_prod argmax where cast equal not_equal less less_equal greater greater_equal
logical_and logical_or logical_not add subtract multiply divide negative abs sign square sqrt exp log sin cos tanh sigmoid
maximum minimum matmul floor ceil round pow mod squared_difference histogram_fixed_width clip_by_value clip_by_norm
clip_by_average_norm clip_by_global_norm assign assign_add assign_sub control_dependencies group no_op py_func Session
InteractiveSession get_default_graph reset_default_graph Graph RegisterGradient gradients stop_gradient GradientTape float32
float64 int32 UnconnectedGradients nn.relu nn.sigmoid nn.tanh nn.softmax nn.log_softmax nn.conv2d nn.conv2d_backprop_input
nn.conv2d_backprop_filter nn.max_pool nn.avg_pool nn.bias_add nn.l2_loss nn.softmax_cross_entropy_with_logits
nn.softmax_cross_entropy_with_logits_v2 nn.sparse_softmax_cross_entropy_with_logits nn.sigmoid_cross_entropy_with_logits
train.GradientDescentOptimizer train.MomentumOptimizer train.RMSPropOptimizer train.AdamOptimizer train.AdagradOptimizer
train.exponential_decay train.Saver
"""


@pytest.fixture(autouse=True)
def _empty_graph():
    tf.reset_default_graph()


def compare(got, want):
    """Nested results: containers of one kind, arrays of one element type."""
    if isinstance(want, dict):
        assert got.keys() == want.keys()
        for key in want:
            compare(got[key], want[key])
    elif isinstance(want, (list, tuple)):
        assert isinstance(got, (list, tuple))
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            compare(one, other)
    elif want is None or isinstance(want, (bool, str, int)):
        assert got == want
    else:
        assert_same(got, want)


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_scripts(path):
    module = runpy.run_path(str(path))
    compare(module["RESULTS"], EXPECTED[path.stem](module))


def test_there_are_ten_scripts_that_use_every_name():
    texts = [path.read_text(encoding="utf-8") for path in SCRIPTS.glob("*.py")]
    assert len(texts) >= 10
    assert all("\nimport symgrad.compat.tf1 as tf\n" in text for text in texts)
    used = {found for text in texts for found in re.findall(r"\btf\.((?:nn\.|train\.)?\w+)", text)}
    assert set(NAMES.split()) - used == set()


# -- sessions -------------------------------------------------------------------------------------------------------
def test_each_set_of_fetches_is_compiled_once(monkeypatch):
    from symgrad.compat.tf1 import session

    compiled = []
    monkeypatch.setattr(session, "compile", lambda *args, **how: compiled.append(1) or sg.compile(*args, **how))
    x = tf.placeholder(tf.float32, [None])
    y, z = x * 2.0, tf.reduce_sum(x)
    with tf.Session() as sess:
        for size in (1, 5, 3):
            sess.run([y, z], {x: np.ones(size)})
        assert len(compiled) == 1
        sess.run([y], {x: [1.0]})
        sess.run(z, {x: [1.0]})
        sess.run([y, z], {x: [1.0], z: 4.0})
        assert len(compiled) == 4
        assert sess.run([y, z], {x: [1.0], z: 7.0})[1] == 7.0
        assert len(compiled) == 4


def test_sessions_have_values_of_their_own():
    w = tf.Variable(1.0)
    step, init = w.assign_add(1.0), tf.global_variables_initializer()
    first, second = tf.Session(), tf.Session()
    first.run(init)
    second.run(init)
    for _ in range(3):
        first.run(step)
    assert (first.run(w), second.run(w)) == (4.0, 1.0)


def test_feeding_what_is_in_between_also_reaches_gradients():
    x = tf.placeholder(tf.float32, [2])
    y = x * 3.0
    z = tf.reduce_sum(y * y)
    (slope,) = tf.gradients(z, x)
    with tf.Session() as sess:
        assert_same(sess.run(slope, {x: [1, 2]}), np.float32([18, 36]))
        assert_same(sess.run([z, slope], {y: [1, 2]})[0], np.float32(5))
        assert_same(sess.run(slope, {y: [1, 2]}), np.float32([6, 12]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_worked_cases_in_both_float_types(dtype):
    def array(*values):
        return np.array(values, dtype)

    w1, w2, w3, w4 = (tf.placeholder(dtype, [3]) for _ in range(4))
    heads = tf.gradients([w1 + w2 + w3, w3 + w4], [w1, w3, w4], grad_ys=[array(2, 2, 3), array(3, 2, 4)])
    a, b = tf.constant([[1.0, 2.0]], dtype), tf.constant([[9.0], [10.0]], dtype)
    x = tf.constant([0.5, -1.5, 4.0], dtype)
    with tf.get_default_graph().gradient_override_map({"Sign": "Identity"}):
        y = tf.sign(x / tf.stop_gradient(tf.reduce_mean(tf.abs(x))))
    mapped = tf.gradients(y, x)[0]
    rate = tf.train.exponential_decay(tf.constant(0.5, dtype), tf.constant(3), 2, 0.25)
    with tf.Session() as sess:
        compare(sess.run(heads), [array(2, 2, 3), array(5, 4, 7), array(3, 2, 4)])
        compare(sess.run(tf.gradients(tf.matmul(a, b), [a, b])), [array([9, 10]), array([1], [2])])
        compare(sess.run([y, mapped]), [array(1, -1, 1), array(0.5, 0.5, 0.5)])
        assert_same(sess.run(rate), np.asarray(0.0625, dtype))


def test_arguments_by_name_and_element_types():
    x = tf.constant([1.0, 2.0])
    with tf.Session() as sess:
        found = sess.run(
            [
                tf.add(x=x, y=[3.0, 4.0]),
                tf.matmul(a=[[1.0]], b=[[2]]),
                tf.one_hot(indices=[1], depth=2, dtype=tf.float64),
                tf.zeros_like(x, dtype=tf.int64),
                tf.argmax(input=x, output_type=tf.int32),
                tf.nn.softmax(logits=[0.0, 0.0]),
                tf.range(3, dtype=tf.float64),
                tf.constant(2) / tf.constant(4),
                tf.reduce_sum(x, keep_dims=True),
            ]
        )
        wanted = [
            np.float32([4, 6]),
            np.float32([[2]]),
            np.array([[0.0, 1.0]]),
            np.array([0, 0]),
            np.int32(1),
            np.float32([0.5, 0.5]),
            np.array([0.0, 1.0, 2.0]),
            np.float64(0.5),
            np.float32([3]),
        ]
        compare(found, wanted)


def test_large_constants_are_no_part_of_the_machine_code():
    values = np.random.default_rng(0).normal(size=5000)
    w = tf.Variable(values)
    total, raw = tf.reduce_sum(tf.constant(values) * w), tf.convert_to_tensor(values)
    with tf.Session() as sess:
        sess.run(w.initializer)
        assert_same(sess.run(total), np.sum(values**2))
        assert_same(sess.run(raw), values)
        assert_same(sess.run(raw, {raw: 2 * values}), 2 * values)


def test_equal_constants_are_fed_apart():
    a, b = tf.constant(1.0), tf.constant(1.0)
    with tf.Session() as sess:
        assert sess.run(a + 10 * b, {a: 5.0}) == 15.0


def test_order_of_assignments():
    v, w = tf.Variable(1.0), tf.Variable(10.0)
    outside = v * 100.0
    with tf.control_dependencies([tf.assign(v, 2.0)]):
        inside, kept, chained = v * 100.0, outside + 0.0, tf.assign_add(v, 1.0)
        with tf.control_dependencies([chained]):
            last = tf.assign(w, v)
        with tf.control_dependencies(None):
            free = v + 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(free) == 1.0
        assert sess.run([inside, kept]) == [200.0, 100.0]
        assert sess.run([last, v, w]) == [3.0, 2.0, 10.0]  # plain reads are of the state before the run
        assert sess.run([v, w]) == [3.0, 3.0]


def test_state_of_optimizers_has_to_be_initialised_too():
    w = tf.Variable([1.0, 2.0])
    early = tf.global_variables_initializer()
    step = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w * w))
    with tf.Session() as sess:
        sess.run(early)
        with pytest.raises(sg.SymgradError) as caught:
            sess.run(step)
        assert "is not initialised" in caught.value.what
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert_same(sess.run(w), np.float32([0.9, 1.9]), rtol=1e-6)


def test_random_initial_values_repeat_with_seeds():
    def draw():
        tf.reset_default_graph()
        tf.set_random_seed(3)
        w = tf.Variable(tf.truncated_normal([500], stddev=0.1, seed=1))
        copy = tf.Variable(w.initialized_value())
        scaled = tf.get_variable("u", [30, 20])
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            return sess.run([w, copy, scaled])

    (w, copy, scaled), (again, _, _) = draw(), draw()
    assert np.array_equal(w, again)
    assert np.array_equal(w, copy)
    assert np.max(np.abs(w)) <= 0.2
    assert 0.07 < np.std(w) < 0.11  # that of a normal distribution cut at two deviations is 0.088
    limit = np.sqrt(6 / 50)
    assert 0.95 * limit < np.max(np.abs(scaled)) <= limit


# -- mistakes -------------------------------------------------------------------------------------------------------
def test_mistakes_in_runs_are_named():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    labels = tf.placeholder(tf.int32, [2], name="labels")
    w = tf.Variable(tf.ones([3]), name="w")
    y = x * w
    a, b = tf.assign(w, w + 1.0, name="first"), tf.assign(w, w + 2.0, name="second")
    with tf.Graph().as_default():
        elsewhere = tf.placeholder(tf.float32, name="elsewhere")
    (none,) = tf.gradients(y, [labels])
    ones = np.ones((1, 3))
    with tf.Session() as sess:
        run = sess.run
        for call, kind, text in (
            (
                lambda: run(y, {"z:0": 1.0, x: ones}),
                sg.SymgradError,
                "the graph has no tensor named 'z:0'",
            ),
            (
                lambda: run(y, {7: 1.0, x: ones}),
                sg.KernelInputError,
                "Session.run: 7 is fed, which is no tensor\n"
                "  hint: keys of feed_dict are placeholders, other tensors, or their names",
            ),
            (
                lambda: run(y, {elsewhere: 1.0, x: ones}),
                sg.SymgradError,
                "Session.run: 'elsewhere:0' is fed, which belongs to another graph than the session\n"
                "  hint: build it before the session in the same graph, or tf.Session(graph=...)",
            ),
            (
                lambda: run(y, {x: np.ones((2, 4))}),
                sg.ShapeError,
                "Session.run: a value of shape (2, 4) is fed for 'x:0', which has shape (?, 3)",
            ),
            (
                lambda: run(labels, {labels: [0.5, 1.0]}),
                sg.DTypeError,
                "Session.run: a value of float64 is fed for 'labels:0', which is int32\n"
                "  hint: tf.placeholder of that type, or convert with .astype",
            ),
            (
                lambda: run(x * 2.0),
                sg.KernelInputError,
                "Session.run: the placeholder 'x' of type float32(?, 3) is needed and not fed\n  hint: feed_dict={x: value}",
            ),
            (
                lambda: run([x, none], {x: ones}),
                sg.UnconnectedGradientError,
                "Session.run: fetch 1 is None\n"
                "  hint: tf.gradients gives None where no derivative reaches x: sg.why(y, x) says why, "
                "unconnected_gradients='zero' gives zeros",
            ),
            (
                lambda: run(y, {x: ones}),
                sg.SymgradError,
                "Session.run: the variable 'w' is not initialised\n"
                "  hint: run tf.global_variables_initializer(), made after every variable (those of optimisers, too), first",
            ),
            (
                lambda: run([a, b]),
                sg.SymgradError,
                "two operations of one run assign to 'w': 'first' and 'second'\n"
                "  hint: make one wait for the other: with tf.control_dependencies([first]):",
            ),
            (
                lambda: run(3),
                sg.SymgradError,
                "Session.run: fetch 0 is 3, which is neither tensor nor operation",
            ),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert said(caught.value) == text
    with pytest.raises(sg.SymgradError) as caught:
        sess.run(y, {x: ones})
    assert caught.value.what == "Session.run: the session is closed"


def test_mistakes_while_building_are_named():
    tf.get_variable("taken", [2])
    w = tf.Variable([1.0, 2.0], name="w")
    x = tf.placeholder(tf.int32, [2], name="x")
    for call, kind, what in (
        (lambda: tf.get_variable("taken", [2]), sg.SymgradError, "get_variable: 'taken' exists"),
        (
            lambda: tf.get_variable("lone"),
            sg.ShapeError,
            "get_variable: 'lone' has neither a shape nor an initial value",
        ),
        (
            lambda: tf.assign(x, [1, 2]),
            sg.SymgradError,
            "assign: <tf.Tensor 'x:0' shape=(2,) dtype=int32> is no variable",
        ),
        (lambda: x + 0.5, sg.DTypeError, "0.5 is no value of int32"),
        (lambda: tf.constant([1.5], tf.int32), sg.DTypeError, "[1.5] is no value of int32"),
        (
            lambda: tf.assign(tf.Variable(1, name="n"), tf.constant(1.0)),
            sg.DTypeError,
            "assign: a value of float32 for 'n:0', which is int32",
        ),
        (lambda: bool(w), sg.SymgradError, "a tensor has no truth value before it is run"),
        (lambda: w.eval(), sg.SymgradError, "no session is in force"),
        (
            lambda: tf.nn.softmax_cross_entropy_with_logits(w, w),
            sg.SymgradError,
            "labels and logits are given by position",
        ),
        (
            lambda: tf.train.GradientDescentOptimizer(0.1).apply_gradients([(None, w)]),
            sg.GradientError,
            "GradientDescent: no gradient to apply",
        ),
        (
            lambda: tf.train.AdamOptimizer(-0.1),
            sg.SymgradError,
            "Adam: the learning rate -0.1 is not a number of at least 0",
        ),
        (
            lambda: tf.train.RMSPropOptimizer(float("nan")),
            sg.SymgradError,
            "RMSProp: the learning rate nan is not a number of at least 0",
        ),
        (
            lambda: tf.train.AdagradOptimizer(0.1).minimize(tf.reduce_sum(w), var_list=[]),
            sg.SymgradError,
            "Adagrad: there are no variables to optimise",
        ),
        (
            lambda: tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w * w), var_list=[w * w]),
            sg.SymgradError,
            "Adam: the variable of pair 0 is <float32[2]: w * w>, which is no variable",
        ),
        (
            lambda: tf.gradients([w, w], w, grad_ys=[w]),
            sg.GradientError,
            "gradients: 1 head gradients for 2 ys",
        ),
        (lambda: tf.clip_by_global_norm(w, 1.0), sg.SymgradError, "clip_by_global_norm: <float32[2]: w> is no list"),
        (
            lambda: tf.nn.max_pool(tf.ones([1, 4, 4, 1]), [2, 2, 2, 1], [1, 2, 2, 1], "SAME"),
            sg.SymgradError,
            "[2, 2, 2, 1] is not 1 for batch and channels",
        ),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.what == what
    with tf.variable_scope("inside", reuse=True), pytest.raises(sg.SymgradError) as caught:
        tf.get_variable("missing", [2])
    assert caught.value.what == "get_variable: 'inside/missing' does not exist, and the scope reuses"


def test_a_failed_step_changes_nothing():
    x, w = tf.placeholder(tf.float32, [2]), tf.Variable([1.0, 2.0])
    step = tf.assign(w, w + x)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(sg.ShapeError):
            sess.run(step, {x: [1.0, 2.0, 3.0]})
        assert_same(sess.run(w), np.float32([1, 2]))


def test_files_that_do_not_fit_change_nothing(tmp_path):
    path = str(tmp_path / "model.ckpt")
    with tf.Session() as sess:
        w = tf.Variable([1.0, 2.0], name="w")
        sess.run(w.initializer)
        tf.train.Saver().save(sess, path)
    whole = (tmp_path / "model.ckpt").read_bytes()
    tf.reset_default_graph()
    first, w = tf.Variable(7.0, name="first"), tf.Variable([4.0, 5.0, 6.0], name="w")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for variables, data, what in (
            ([w], whole, "restore_variables: 'w' is float32(2,) in model.ckpt, the variable is float32(3,)"),
            ([first], whole, "restore_variables: model.ckpt has no variable 'first'"),
            ([w], whole[:100], "restore_variables: model.ckpt is no file of variables, or damaged"),
        ):
            (tmp_path / "model.ckpt").write_bytes(data)
            with pytest.raises(sg.SymgradError) as caught:
                tf.train.Saver(variables).restore(sess, path)
            assert caught.value.what == what
            assert_same(sess.run(w), np.float32([4, 5, 6]))
            assert sess.run(first) == 7


def test_arguments_have_tensorflows_names_and_order():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.Session() as sess:
        for given, want in (
            (tf.reduce_sum(input_tensor=x, axis=[0]), [4, 6]),
            (tf.reduce_max(x, reduction_indices=1, keep_dims=True), [[2], [4]]),
            (tf.expand_dims(input=[1.0], dim=0), [[1]]),
            (tf.nn.softmax(logits=x - x, dim=0), [[0.5, 0.5], [0.5, 0.5]]),
            (tf.fill(dims=[2], value=3.0), [3, 3]),
            (tf.fill(tf.shape(x), 1.0), [[1, 1], [1, 1]]),
            (tf.gather(x, indices=[1], axis=1), [[2], [4]]),
            (tf.split(x, [1, 1], 1)[1], [[2], [4]]),
            (tf.nn.leaky_relu([-1.0, 1.0]), [-0.2, 1]),
            (tf.norm(x, axis=1, keep_dims=True), [[np.sqrt(5)], [5]]),
            (tf.norm(tensor=x, ord=1, axis=0), [4, 6]),
            (tf.eye(2, 3), [[1, 0, 0], [0, 1, 0]]),
            (tf.linspace(0.0, 1.0, 3), [0, 0.5, 1]),
            (tf.concat(axis=0, values=[x, [[5.0, 6.0]]]), [[1, 2], [3, 4], [5, 6]]),
        ):
            assert_same(sess.run(given), np.float32(want))
    for call in (lambda: tf.add(x), lambda: tf.add(x, x, x, x), lambda: tf.matmul(b=x)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError):
        tf.reduce_sum(x, axes=0)


def test_operators_rebind_and_compare_by_identity():
    x = y = tf.constant([1.0, 2.0])
    x += 1
    x = np.array([10.0, 20.0]) * x - [1, 1]
    assert y == y
    assert (x == y) is False
    assert {x: 1, y: 2}[y] == 2
    with tf.Session() as sess:
        assert_same(sess.run([x, 1 - y, 2**y, 7 // y, abs(-y)][0]), np.float32([19, 59]))
        compare(
            sess.run([1 - y, 2**y, 7 // y, abs(-y)]), [np.float32(one) for one in ([0, -1], [2, 4], [7, 3], [1, 2])]
        )


@tf.RegisterGradient("Seven")
def seven(op, grad):
    return [7 * grad for _ in op.inputs]


@pytest.mark.parametrize(
    ("name", "build"),
    [
        *(("AddV2", lambda x: x + x), ("Add", lambda x: x + x), ("Sub", lambda x: x - x), ("Mul", lambda x: x * x)),
        *(("RealDiv", lambda x: x / x), ("Div", lambda x: x / x), ("Pow", lambda x: x**x), ("Maximum", tf.maximum)),
        *(("Neg", tf.negative), ("Abs", tf.abs), ("Round", tf.round), ("Sigmoid", tf.sigmoid), ("Tanh", tf.tanh)),
        *(("Exp", tf.exp), ("Log", tf.log), ("Sqrt", tf.sqrt), ("Sign", tf.sign), ("Floor", tf.floor)),
        *(("Relu", tf.nn.relu), ("Identity", tf.identity), ("Minimum", tf.minimum), ("Square", tf.square)),
    ],
)
def test_override_maps_know_tensorflows_names(name, build):
    x = tf.constant([0.5, 2.0])
    with tf.get_default_graph().gradient_override_map({name: "Seven"}):
        y = build(x, x) if name in ("Maximum", "Minimum") else build(x)
    inputs = len(y.node.inputs)
    with tf.Session() as sess:
        assert_same(sess.run(tf.gradients(y, x)[0]), np.float32([7 * inputs] * 2))
