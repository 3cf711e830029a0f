"""Derivatives of expressions: heads, stops, integers, higher orders, unconnected inputs."""

import symgrad.compat.tf1 as tf

w1, w2, w3, w4 = (tf.Variable([1.0, 2.0, 3.0]) for _ in range(4))
z1, z2 = w1 + w2 + w3, w3 + w4
with_heads = tf.gradients([z1, z2], [w1, w2, w3, w4], grad_ys=[[2.0, 2.0, 3.0], [3.0, 2.0, 4.0]])

row, column = tf.constant([[1, 2]]), tf.constant([[2], [1]])
integers = tf.gradients(tf.matmul(row, column), [row])[0]
floats = tf.gradients(tf.matmul([[1.0, 2.0]], w := tf.constant([[9.0], [10.0]])), [w])[0]
first_factor = tf.constant([[1.0, 2.0]])
of_first = tf.gradients(tf.matmul(first_factor, w), first_factor)[0]

a, b = tf.constant(3.0), tf.constant(5.0)
c, d = tf.stop_gradient(a + b), a + b
stopped = tf.gradients(c + d, [a, b])
product = a * b
one_call = tf.gradients(product * a, [a], stop_gradients=[product])[0]

x = tf.constant(1.0)
first = tf.gradients(x**2, x)[0]
second = tf.gradients(first, x)[0]
third = tf.gradients(second, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)[0]
nothing = tf.gradients(x**2, [a])

h = tf.tanh(w1 * 2.0)
loss = tf.reduce_sum(h * h)
g1 = tf.gradients(loss, h)
split = [tf.gradients(h, w1, grad_ys=g1)[0], tf.gradients(loss, w1)[0]]

tied = tf.constant([1.0, 2.0, 3.0])
ties = [tf.gradients(f(tied, 2.0), tied)[0] for f in (tf.maximum, tf.minimum)]
zero = tf.constant([-1.0, 0.0, 1.0])
kinks = [tf.gradients(f(zero), zero)[0] for f in (tf.nn.relu, tf.abs, tf.sign)]

with tf.GradientTape(persistent=True) as tape:
    tape.watch(x)
    y = tf.stack([x**3, 2 * x])
taped = tape.gradient(y, x)
rows = tape.jacobian(y, x)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    RESULTS = {
        "with_heads": sess.run(with_heads),
        "integers": sess.run(integers),
        "floats": sess.run(floats),
        "of_first": sess.run(of_first),
        "stopped": sess.run(stopped),
        "one_call": sess.run(one_call),
        "orders": sess.run([first, second, third]),
        "nothing": [one is None for one in nothing],
        "split": sess.run(split),
        "ties": sess.run(ties),
        "kinks": sess.run(kinks),
        "taped": sess.run([taped, rows]),
    }
