"""Array functions, reductions, arithmetic and mathematics."""

import numpy as np

import symgrad.compat.tf1 as tf

x = tf.constant([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
y = tf.constant([[2.0, 2.0, 3.0], [0.5, -1.0, 2.0]])
p = tf.constant([0.25, 0.5, 0.75])
k = tf.constant([[7, -7], [3, 2]])

structure = [
    tf.identity(x),
    tf.stack([p, p * 2], axis=1),
    tf.concat([x, y], 1),
    tf.reshape(x, [-1, 2]),
    tf.transpose(x),
    tf.transpose(tf.reshape(x, (1, 2, 3)), perm=[2, 0, 1]),
    tf.gather(x, [1, 0, 1]),
    tf.gather(p, 2),
    tf.one_hot([0, 2, 1], 3),
    tf.one_hot([1, 0], depth=2, on_value=5, off_value=-1),
    tf.expand_dims(p, 0),
    tf.squeeze(tf.ones([1, 3, 1])),
    tf.tile(p, [2]),
    tf.pad(p, [[1, 2]]),
    tf.fill([2], 7.0),
    tf.range(2, 8, 3),
    tf.shape(x),
    tf.zeros_like(k),
    tf.ones_like(p),
    tf.where([True, False, True], p, -p),
    tf.where([False, True], x, y),
    tf.cast(x, tf.int32),
    tf.cast(k, tf.float64),
    tf.unstack(p)[1],
    tf.split(x, 3, axis=1)[2],
]
reductions = [
    tf.reduce_sum(x),
    tf.reduce_sum(x, axis=0),
    tf.reduce_sum(x, 1, keepdims=True),
    tf.reduce_mean(x, reduction_indices=[1]),
    tf.reduce_mean(k),
    tf.reduce_max(x, axis=1),
    tf.reduce_min(x),
    tf.reduce_prod(x, axis=0),
    tf.argmax(x, 1),
    tf.argmax(x),
]
comparisons = [
    tf.equal(x, y),
    tf.not_equal(x, y),
    tf.less(x, y),
    tf.less_equal(x, y),
    tf.greater(x, y),
    tf.greater_equal(x, y),
    tf.logical_and(x > 0, y > 0),
    tf.logical_or(x > 0, y > 0),
    tf.logical_not(x < y),
]
arithmetic = [
    tf.add(x, y),
    tf.subtract(x, 1.0),
    tf.multiply(2.0, y),
    tf.divide(x, y),
    tf.div(k, 2),
    tf.floordiv(k, 2),
    tf.mod(k, 3),
    tf.pow(x, 2.0),
    tf.negative(x),
    tf.maximum(x, y),
    tf.minimum(x, 2.0),
    tf.squared_difference(x, y),
    1.0 - x,
    2.0 / p,
    np.array([1.0, 2.0, 3.0]) * p,
    tf.matmul(x, y, transpose_b=True),
    x @ tf.transpose(y),
]
functions = [
    f(p)
    for f in (
        *(
            tf.exp,
            tf.log,
            tf.sqrt,
            tf.rsqrt,
            tf.square,
            tf.sin,
            tf.cos,
            tf.tan,
            tf.tanh,
            tf.sigmoid,
            tf.log1p,
            tf.expm1,
        ),
        *(tf.abs, tf.sign, tf.floor, tf.ceil, tf.round, tf.asin, tf.acos, tf.atan, tf.sinh, tf.cosh),
    )
]

with tf.Session() as sess:
    RESULTS = {
        "structure": sess.run(structure),
        "reductions": sess.run(reductions),
        "comparisons": sess.run(comparisons),
        "arithmetic": sess.run(arithmetic),
        "functions": sess.run(functions),
    }
