"""Gradients of the user's own: named rules, override maps, Python functions."""

import numpy as np

import symgrad.compat.tf1 as tf

graph = tf.get_default_graph()


@tf.RegisterGradient("QuantizeGrad")
def taken_twice(op, grad):
    return 100.0 * grad


@tf.RegisterGradient("QuantizeGrad")
def quantize(op, grad):
    x = op.inputs[0]
    inside = tf.logical_and(tf.greater_equal(x, -1.0), tf.less_equal(x, 1.0))
    return tf.where(inside, grad, tf.zeros_like(grad))


x = tf.constant([-2.0, -0.5, 0.25, 4.0])
with graph.gradient_override_map({"Sign": "Identity"}):
    binary = tf.sign(x / tf.stop_gradient(tf.reduce_mean(tf.abs(x))))
    with graph.gradient_override_map({"Sign": "QuantizeGrad"}):
        quantized = tf.sign(x)
    outer = tf.sign(x)
plain = tf.sign(x)
line = tf.constant([-1.0, -0.5, 0.0, 0.5, 1.0])
with graph.gradient_override_map({"Relu": "Identity"}):
    rectified = tf.nn.relu(line)


def py_func(func, inp, Tout, stateful=True, name=None, grad=None):
    rule = "PyFuncGrad" + str(np.random.randint(0, 10**8))
    tf.RegisterGradient(rule)(grad)
    with tf.get_default_graph().gradient_override_map({"PyFunc": rule, "PyFuncStateless": rule}):
        return tf.py_func(func, inp, Tout, stateful=stateful, name=name)


def clamp_grad(op, grad):
    x = op.inputs[0]
    return grad * tf.cast(tf.logical_and(x >= -3.0, x < 3.0), tf.float32)


points = tf.constant([-3.0, -4.0, 1.0, 40.0])
clamped = py_func(lambda x: np.clip(x, -3, 3), [points], [tf.float32], grad=clamp_grad)[0]
calls = []
counted = tf.py_func(lambda x: calls.append(1) or 2 * x, [points], tf.float32, stateful=True)


def reverse(op, grad):
    return -0.5 * grad


tf.RegisterGradient("Reversal")(reverse)
with graph.gradient_override_map({"Identity": "Reversal"}):
    reversed_ = tf.identity(points)

# a loss with steps, which trains by a gradient of the user's
features = np.array([[1.0, 2.0], [2.0, -1.0], [-1.0, 0.5], [-2.0, -3.0]], "float32")
wanted = np.array([0.0, 1.0, 0.0, 1.0], "float32")
w = tf.Variable([0.5, 0.25])
stepped = py_func(
    lambda z: (z > 0).astype("float32"),
    [tf.reduce_sum(features * w, axis=1)],
    [tf.float32],
    stateful=False,
    grad=lambda op, grad: grad,
)[0]
loss = tf.reduce_sum(tf.square(stepped - wanted))
descend = tf.train.GradientDescentOptimizer(0.125).minimize(loss)

with tf.Session() as sess:
    sess.run(w.initializer)
    losses = [sess.run([loss, descend])[0] for _ in range(6)]
    RESULTS = {
        "losses": losses,
        "weights": sess.run(w),
        "binary": sess.run([binary, tf.gradients(binary, x)[0]]),
        "quantized": sess.run([quantized, tf.gradients(quantized, x)[0]]),
        "outer": sess.run(tf.gradients(outer, x)[0]),
        "plain": sess.run(tf.gradients(plain, x)[0]),
        "rectified": sess.run([rectified, tf.gradients(rectified, line)[0]]),
        "clamped": sess.run([clamped, tf.gradients(clamped, points)[0]]),
        "counted": [sess.run([counted, counted])[0], sess.run(counted)],
        "calls": len(calls),
        "reversed": sess.run(tf.gradients(tf.square(reversed_), points)[0]),
    }
