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

from symgrad.compat.tf1 import functions, graph, nn, random, session, train, variables

float32, float64, int32, int64, bool = map(_numpy.dtype, ("float32", "float64", "int32", "int64", "bool"))
convert_to_tensor = graph.convert

_NAMES: dict[str, Any] = dict(functions.FUNCTIONS) | {
    name: getattr(home, name)
    for home, names in (
        (functions, "GradientTape UnconnectedGradients clip_by_value gradients hessians py_func"),
        (graph, "AUTO_REUSE Graph Operation RegisterGradient Tensor TensorShape as_dtype control_dependencies"),
        (graph, "get_default_graph get_default_session get_variable_scope group name_scope no_op reset_default_graph"),
        (graph, "variable_scope"),
        (random, "constant_initializer glorot_uniform_initializer ones_initializer random_normal random_uniform"),
        (random, "random_normal_initializer random_uniform_initializer set_random_seed truncated_normal"),
        (random, "truncated_normal_initializer zeros_initializer"),
        (session, "ConfigProto InteractiveSession Session"),
        (variables, "GraphKeys Variable add_to_collection assign assign_add assign_sub get_collection get_variable"),
        (variables, "global_variables global_variables_initializer initialize_all_variables trainable_variables"),
        (variables, "local_variables_initializer variables_initializer"),
    )
    for name in names.split()
}
__all__ = ["bool", "convert_to_tensor", "float32", "float64", "int32", "int64", "nn", "train", *_NAMES]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"symgrad.compat.tf1 has no {name!r}")
    return _NAMES[name]


def __dir__() -> list[str]:
    return sorted(__all__)
