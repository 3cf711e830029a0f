"""A line through points: one kernel for every batch size; partial updates; ascent; accumulation."""

import numpy as np

import symgrad.compat.tf1 as tf

xs = np.linspace(-1, 1, 20)
ys = 3 * xs + 0.5

x, y = tf.placeholder(tf.float32, [None], name="x"), tf.placeholder("float", shape=(None,), name="y")
w, b = tf.Variable(0.0, name="w"), tf.Variable(1.0, name="b", dtype=tf.float32)
loss = tf.reduce_mean(tf.squared_difference(w * x + b, y))
optimizer = tf.train.GradientDescentOptimizer(learning_rate=0.25)
both = optimizer.minimize(loss)
only_w = optimizer.minimize(loss, var_list=[w])
ascent = optimizer.minimize(-loss, var_list=[b])

pairs = optimizer.compute_gradients(loss)
fed = [tf.placeholder(tf.float32, []) for _ in pairs]
accumulated = optimizer.apply_gradients([(one, variable) for one, (_, variable) in zip(fed, pairs)])
init = tf.global_variables_initializer()

with tf.Session() as sess:
    sess.run(init)
    costs = [sess.run([both, loss], feed_dict={x: xs[:size], y: ys[:size]})[1] for size in (20, 7, 20, 1, 13)]
    trained = sess.run([w, b])

    sess.run(init)
    sess.run(only_w, {x: xs, y: ys})
    partial = sess.run((w, b))

    sess.run(init)
    sess.run(ascent, {x: xs, y: ys})
    raised = sess.run({"w": w, "b": b})

    sess.run(init)
    totals = [0.0, 0.0]
    for part in (slice(0, 5), slice(5, 20)):
        found = sess.run([gradient for gradient, _ in pairs], {x: xs[part], y: ys[part]})
        totals = [total + len(xs[part]) / 20 * one for total, one in zip(totals, found)]
    sess.run(accumulated, dict(zip(fed, totals)))
    gathered = sess.run([w, b])

RESULTS = {"costs": costs, "trained": trained, "partial": partial, "raised": raised, "gathered": gathered}
