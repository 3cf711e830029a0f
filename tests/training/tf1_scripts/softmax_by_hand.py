"""Softmax regression three times: updates by hand, a built-in optimiser, clipped gradients."""

import numpy as np

import symgrad.compat.tf1 as tf

rng = np.random.RandomState(0)
images = rng.rand(60, 12).astype("float32")
labels = np.eye(3, dtype="float32")[np.argmax(images[:, :3], axis=1)]
RATE, BATCH, EPOCHS = 0.5, 20, 4


def train(make_step):
    tf.reset_default_graph()
    x, y = tf.placeholder(tf.float32, [None, 12]), tf.placeholder(tf.float32, [None, 3])
    W, b = tf.Variable(tf.zeros([12, 3])), tf.Variable(tf.zeros([3]))
    chances = tf.nn.softmax(tf.matmul(x, W) + b)
    cost = tf.reduce_mean(-tf.reduce_sum(y * tf.log(chances), reduction_indices=1))
    step = make_step(cost, W, b)
    correct = tf.equal(tf.argmax(chances, 1), tf.argmax(y, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    costs = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(EPOCHS):
            for start in range(0, len(images), BATCH):
                part = slice(start, start + BATCH)
                costs.append(sess.run([step, cost], {x: images[part], y: labels[part]})[1])
        return costs, accuracy.eval({x: images, y: labels}), W.eval()


def by_hand(cost, W, b):
    grad_W, grad_b = tf.gradients(xs=[W, b], ys=cost)
    return tf.group(tf.assign(W, W - RATE * grad_W), b.assign(b - RATE * grad_b))


def built_in(cost, W, b):
    return tf.train.GradientDescentOptimizer(RATE).minimize(cost)


def clipped(cost, W, b):
    optimizer = tf.train.GradientDescentOptimizer(RATE)
    gradients, variables = zip(*optimizer.compute_gradients(cost))
    gradients, _ = tf.clip_by_global_norm(gradients, 0.125)
    return optimizer.apply_gradients(zip(gradients, variables))


RESULTS = {
    "by_hand": train(by_hand),
    "built_in": train(built_in),
    "clipped": train(clipped),
}
