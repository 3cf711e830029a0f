"""A small convolutional network on handwritten digits, as tutorials for TensorFlow 1 wrote it; only the import line is new.

python examples/training/tf1_convnet.py
"""

from pathlib import Path
from time import perf_counter

import numpy as np

import symgrad.compat.tf1 as tf

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "digits.csv.gz"
STEPS, BATCH = 1000, 50


def weight_variable(shape, seed):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1, seed=seed))


def bias_variable(shape):
    return tf.Variable(tf.constant(0.1, shape=shape))


def conv2d(x, W):
    return tf.nn.conv2d(x, W, strides=[1, 1, 1, 1], padding="SAME")


def max_pool_2x2(x):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def main():
    begin = perf_counter()
    table = np.loadtxt(DATA, delimiter=",")
    images, labels = table[:, :64] / 16, np.eye(10)[table[:, 64].astype(int)]
    held_out = np.arange(len(images)) % 6 == 0
    train = np.flatnonzero(~held_out)

    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, shape=[None, 64])
    y_ = tf.placeholder(tf.float32, shape=[None, 10])
    keep_prob = tf.placeholder(tf.float32)
    x_image = tf.reshape(x, [-1, 8, 8, 1])
    h_pool1 = max_pool_2x2(tf.nn.relu(conv2d(x_image, weight_variable([3, 3, 1, 8], 1)) + bias_variable([8])))
    h_pool2 = max_pool_2x2(tf.nn.relu(conv2d(h_pool1, weight_variable([3, 3, 8, 16], 2)) + bias_variable([16])))
    flat = tf.reshape(h_pool2, [-1, 2 * 2 * 16])
    h_fc1 = tf.nn.relu(tf.matmul(flat, weight_variable([64, 64], 3)) + bias_variable([64]))
    h_drop = tf.nn.dropout(h_fc1, keep_prob, seed=4)
    y = tf.matmul(h_drop, weight_variable([64, 10], 5)) + bias_variable([10])

    cross_entropy = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=y))
    train_step = tf.train.AdamOptimizer(5e-3).minimize(cross_entropy)
    correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

    rng = np.random.default_rng(0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(STEPS):
            chosen = rng.choice(train, BATCH)
            batch = {x: images[chosen], y_: labels[chosen]}
            if step % 100 == 0:
                cost = cross_entropy.eval(feed_dict={**batch, keep_prob: 1.0})
                print(f"step {step:4d}  cost of a batch {cost:.4f}")
            train_step.run(feed_dict={**batch, keep_prob: 0.8})
        found = float(accuracy.eval({x: images[held_out], y_: labels[held_out], keep_prob: 1.0}))
    seconds = perf_counter() - begin
    print(f"accuracy on {np.sum(held_out)} images not seen: {found:.3f}, after {seconds:.1f} s")
    return found, seconds


if __name__ == "__main__":
    main()
