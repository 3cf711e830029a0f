"""Clipping, and watching gradients."""

import symgrad.compat.tf1 as tf

t = tf.constant([[3.0, 4.0], [0.3, -0.4]])
small = tf.constant([0.1, 0.2])
clipped, norm = tf.clip_by_global_norm([t, None, small], 1.0)
untouched, _ = tf.clip_by_global_norm([small, small], 1.0)
doubled, _ = tf.clip_by_global_norm([small], 1.0, use_norm=2.0)

w = tf.Variable([3.0, -4.0])
optimizer = tf.train.GradientDescentOptimizer(1.0)
processed = [
    (tf.clip_by_norm(gradient, 0.5), variable)
    for gradient, variable in optimizer.compute_gradients(tf.reduce_sum(w * w))
]
step = optimizer.apply_gradients(processed)

x = tf.constant([-2.0, -1.0, 0.0, 1.0, 2.0])
inside = tf.clip_by_value(x, -1.0, 1.0)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    sess.run(step)
    RESULTS = {
        "by_value": sess.run([tf.clip_by_value(t, -0.35, 3.5), inside, tf.gradients(inside, x)[0]]),
        "by_norm": sess.run([tf.clip_by_norm(t, 1.0), tf.clip_by_norm(t, 1.0, axes=[1]), tf.clip_by_norm(small, 1.0)]),
        "by_average_norm": sess.run(tf.clip_by_average_norm(t, 0.5)),
        "by_global_norm": sess.run([clipped[0], clipped[2], norm, untouched, doubled[0]]),
        "none_kept": clipped[1] is None,
        "global_norm": sess.run(tf.global_norm([t, small])),
        "stepped": sess.run(w),
        "histogram": sess.run(tf.histogram_fixed_width([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0], [0.0, 5.0], nbins=5)),
    }
