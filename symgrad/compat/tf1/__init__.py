"""The TensorFlow 1 spelling: ``import symgrad.compat.tf1 as tf``.

Tensors are expressions with names; a session compiles each set of fetches once, to a kernel.  A run computes all values
from the state before it, unless ``control_dependencies`` ask for another order.

>>> import symgrad.compat.tf1 as tf
>>> x = tf.placeholder(tf.float32, [None])
>>> w = tf.Variable(2.0)
>>> (slope,) = tf.gradients(tf.reduce_sum(w * x**2), [w])
>>> with tf.Session() as sess:
...     sess.run(tf.global_variables_initializer())
...     print(sess.run(slope, {x: [1.0, 2.0]}))
5.0
"""

from typing import Any

import numpy as _numpy

from symgrad.compat.tf1 import functions, graph, nn, session, train

float32, float64, int32, int64, bool = map(_numpy.dtype, ("float32", "float64", "int32", "int64", "bool"))
convert_to_tensor = graph.convert

_NAMES = {
    functions: "GradientTape UnconnectedGradients clip_by_value constant_initializer glorot_uniform_initializer gradients "
    "hessians ones_initializer py_func set_random_seed zeros_initializer",
    graph: "AUTO_REUSE Graph Operation RegisterGradient Tensor TensorShape as_dtype control_dependencies get_default_graph "
    "get_default_session get_variable_scope group name_scope no_op reset_default_graph variable_scope",
    session: "GraphKeys InteractiveSession Session Variable add_to_collection assign assign_add assign_sub get_collection "
    "get_variable global_variables global_variables_initializer trainable_variables variables_initializer",
}
_PUBLIC = functions.FUNCTIONS | {name: getattr(home, name) for home in _NAMES for name in _NAMES[home].split()}
__all__ = ["bool", "convert_to_tensor", "float32", "float64", "int32", "int64", "nn", "train", *_PUBLIC]
globals().update(_PUBLIC)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"symgrad.compat.tf1 has no {name!r}")
