"""Softmax regression on handwritten digits in the TensorFlow 1 spelling; only the import line is new.

python examples/training/tf1_softmax.py
"""

from pathlib import Path

import numpy as np

import symgrad.compat.tf1 as tf

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "digits.csv.gz"
BATCH, RATE, EPOCHS = 100, 0.5, 10


def main():
    table = np.loadtxt(DATA, delimiter=",")
    images, labels = table[:, :64] / 16, np.eye(10)[table[:, 64].astype(int)]

    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [None, 64])
    y = tf.placeholder(tf.float32, [None, 10])
    W = tf.Variable(tf.zeros([64, 10]))
    b = tf.Variable(tf.zeros([10]))
    pred = tf.nn.softmax(tf.matmul(x, W) + b)
    cost = tf.reduce_mean(-tf.reduce_sum(y * tf.log(pred), reduction_indices=1))

    grad_W, grad_b = tf.gradients(xs=[W, b], ys=cost)
    new_W = W.assign(W - RATE * grad_W)
    new_b = b.assign(b - RATE * grad_b)
    correct = tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

    costs = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(EPOCHS):
            average = 0.0
            for start in range(0, 1500, BATCH):
                batch = {x: images[start : start + BATCH], y: labels[start : start + BATCH]}
                _, _, value = sess.run([new_W, new_b, cost], feed_dict=batch)
                average += value / (1500 // BATCH)
            costs.append(float(average))
            print(f"epoch {epoch + 1:2d}  cost {average:.4f}")
        found = float(accuracy.eval({x: images[1500:], y: labels[1500:]}))
        print(f"accuracy on images not seen: {found:.3f}")
    return costs, found


if __name__ == "__main__":
    main()
