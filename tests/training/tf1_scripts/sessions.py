"""Sessions, feeds of any tensor, saving, a second graph, and a target that no gradient reaches."""

import os
import tempfile

import numpy as np

import symgrad.compat.tf1 as tf

state, following = tf.placeholder(tf.float64, [None, 2]), tf.placeholder(tf.float64, [None, 2])
action, reward = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.float64, [None])
start = np.array([[0.5, -0.25, 1.0], [1.0, 0.75, -0.5]])
with tf.variable_scope("online"):
    W = tf.get_variable("W", dtype=tf.float64, initializer=start)
with tf.variable_scope("target"):
    fixed = tf.get_variable("W", dtype=tf.float64, initializer=2 * start)
q = tf.reduce_sum(tf.matmul(state, W) * tf.one_hot(action, 3, dtype=tf.float64), axis=1)
best = reward + 0.9 * tf.reduce_max(tf.matmul(following, fixed), axis=1)
loss = tf.reduce_mean(tf.squared_difference(q, tf.stop_gradient(best)))
target_reached = tf.gradients(loss, [fixed])[0]
step = tf.train.GradientDescentOptimizer(0.5).minimize(loss, var_list=tf.trainable_variables("online"))
copy = tf.assign(fixed, W)
init, saver = tf.global_variables_initializer(), tf.train.Saver()

rng = np.random.RandomState(4)
batch = {state: rng.rand(6, 2), following: rng.rand(6, 2), action: rng.randint(0, 3, 6), reward: rng.rand(6)}

first, second = tf.Session(), tf.Session()
first.run(init)
first.run(step, batch)
stopped = first.run(W)
with second.as_default():
    init.run()
    values = best.eval({following: batch[following], reward: batch[reward]})
    step.run({state: batch[state], action: batch[action], best: values})
    fed = W.eval()

with tempfile.TemporaryDirectory() as folder:
    path = saver.save(first, os.path.join(folder, "model.ckpt"), global_step=7)
    ending = os.path.basename(path)
    first.run(copy)
    copied = first.run(fixed)
    saver.restore(first, path)
restored = first.run([W, fixed])

with tf.Graph().as_default() as inner:
    own = tf.placeholder_with_default(2.0, shape=(), name="own")
    with tf.Session(graph=inner) as sess:
        inside = [sess.run(own * 3.0), sess.run(own * 3.0, {own: 5.0}), sess.run("own:0", {"own:0": 4.0})]
outside = tf.get_default_graph() is not inner

RESULTS = {
    "stopped": stopped,
    "fed": fed,
    "target_reached": target_reached is None,
    "ending": ending,
    "copied": copied,
    "restored": restored,
    "inside": inside,
    "outside": outside,
}
first.close()
second.close()
