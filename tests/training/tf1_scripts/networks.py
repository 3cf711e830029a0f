"""``tf.nn``: convolutions, pools, losses."""

import numpy as np

import symgrad.compat.tf1 as tf

rng = np.random.RandomState(3)
IMAGES = rng.rand(2, 5, 4, 2).astype("float32")
FILTERS = (rng.rand(3, 2, 2, 3) - 0.5).astype("float32")
HEADS = {"VALID": rng.rand(2, 2, 2, 3).astype("float32"), "SAME": rng.rand(2, 3, 2, 3).astype("float32")}
LOGITS = (4 * rng.rand(4, 3) - 2).astype("float32")
CLASSES = np.array([0, 2, 1, 2])
SHARES = np.eye(3, dtype="float32")[CLASSES] * 0.5 + np.float32(0.5 / 3)

images, filters = tf.placeholder(tf.float32, [None, 5, 4, 2]), tf.constant(FILTERS)
made = {}
for padding, head in HEADS.items():
    how = {"strides": [1, 2, 2, 1], "padding": padding}
    y = tf.nn.conv2d(images, filters, **how)
    made[padding] = [
        y,
        *tf.gradients(y, [images, filters], grad_ys=[tf.constant(head)]),
        tf.nn.conv2d_backprop_input([2, 5, 4, 2], filters, head, **how),
        tf.nn.conv2d_backprop_filter(images, [3, 2, 2, 3], head, **how),
        tf.nn.max_pool(images, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding=padding),
        tf.nn.avg_pool(images, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding=padding),
    ]

logits, labels = tf.constant(LOGITS), tf.constant(SHARES)
losses = {
    "softmax": tf.nn.softmax(logits),
    "log_softmax": tf.nn.log_softmax(logits),
    "cross_entropy": tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits),
    "cross_entropy_v2": tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits),
    "sparse": tf.nn.sparse_softmax_cross_entropy_with_logits(labels=CLASSES, logits=logits),
    "sigmoid": tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits),
    "l2": tf.nn.l2_loss(logits),
    "relu": tf.nn.relu(logits),
    "activations": [tf.nn.sigmoid(logits), tf.nn.tanh(logits)],
    "bias": tf.nn.bias_add(logits, [1.0, 2.0, 3.0]),
}
reached = [
    tf.gradients(losses["cross_entropy"], [logits, labels])[1],
    tf.gradients(losses["cross_entropy_v2"], [logits, labels])[1],
]

with tf.Session() as sess:
    RESULTS = {
        "VALID": sess.run(made["VALID"], {images: IMAGES}),
        "SAME": sess.run(made["SAME"], {images: IMAGES}),
        "losses": sess.run(losses),
        "labels_reached": [reached[0] is None, sess.run(reached[1])],
    }
