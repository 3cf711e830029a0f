"""Variables: names, scopes, collections, assignments and their order."""

import symgrad.compat.tf1 as tf

with tf.variable_scope("net"):
    shared = tf.get_variable("w", [2, 3], initializer=tf.constant_initializer(2.0))
    with tf.name_scope("inner"):
        own = tf.Variable([1.0, 2.0], name="v", trainable=False)
        by_scope = tf.get_variable("u", initializer=tf.constant([1.0]))
with tf.variable_scope("net", reuse=True):
    again = tf.get_variable("w", [2, 3])
with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
    either = tf.get_variable("w", [2, 3])
other = tf.Variable(10.0, name="other")

names = [one.name for one in tf.global_variables()]
trainable = [one.name for one in tf.trainable_variables()]
of_net = [one.name for one in tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="net/")]
same = [again is shared, either is shared]

counter = tf.Variable(1.0, name="counter", trainable=False)
add, subtract = tf.assign_add(counter, 2.0), tf.assign_sub(other, 4.0)
with tf.control_dependencies([add]):
    after = tf.identity(counter)
    copied = tf.assign(other, counter)
both = tf.group(add, subtract)
with tf.control_dependencies([both]):
    waited = tf.no_op()

loss = tf.reduce_sum(shared * 2.0) + other
only_net = tf.train.GradientDescentOptimizer(0.5).minimize(
    loss, var_list=tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="net/w")
)

sess = tf.InteractiveSession()
tf.global_variables_initializer().run()
RESULTS = {
    "names": names,
    "trainable": trainable,
    "of_net": of_net,
    "same": same,
    "before": sess.run(counter),
    "added": sess.run(add),
    "after": after.eval(),
    "copied": [sess.run(copied), other.eval(), counter.eval()],
    "group": [sess.run(both), counter.eval(), other.eval()],
    "waited": [sess.run(waited), counter.eval(), other.eval()],
    "only_net": [sess.run(only_net), shared.eval(), other.eval()],
    "fetches": sess.run({"pair": (counter, [other]), "nothing": tf.no_op(), "name": "net/w:0"}),
}
sess.close()
