"""Five steps of every optimiser, and learning-rate schedules."""

import symgrad.compat.tf1 as tf

START = [1.0, -2.0, 0.5]


def steps(make, count=5):
    tf.reset_default_graph()
    w = tf.Variable(START)
    step = make().minimize(tf.reduce_sum(w**4 / 4 + w))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(count):
            sess.run(step)
        return sess.run(w)


RESULTS = {
    "descent": steps(lambda: tf.train.GradientDescentOptimizer(0.1)),
    "momentum": steps(lambda: tf.train.MomentumOptimizer(0.1, 0.9)),
    "nesterov": steps(lambda: tf.train.MomentumOptimizer(0.1, momentum=0.9, use_nesterov=True)),
    "rmsprop": steps(lambda: tf.train.RMSPropOptimizer(0.1, decay=0.8, momentum=0.5)),
    "adam": steps(lambda: tf.train.AdamOptimizer(0.1, beta1=0.5)),
    "adagrad": steps(lambda: tf.train.AdagradOptimizer(0.1)),
}

tf.reset_default_graph()
global_step = tf.Variable(0, trainable=False)
smooth = tf.train.exponential_decay(0.5, global_step, 2, 0.25)
stairs = tf.train.exponential_decay(0.5, global_step, 2, 0.25, staircase=True)
w = tf.Variable(1.0)
train_step = tf.train.GradientDescentOptimizer(smooth).minimize(w, global_step=global_step)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    RESULTS["decay"] = []
    for _ in range(4):
        RESULTS["decay"].append(sess.run([smooth, stairs, w]))
        sess.run(train_step)
    RESULTS["steps"] = sess.run(global_step)
