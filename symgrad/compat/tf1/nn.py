"""``tf.nn``: functions of ``sg.nn`` on tensors; images are (batch, height, width, channels)."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import nn, ops
from symgrad.compat.tf1.functions import FUNCTIONS, Function, lift, pairs
from symgrad.compat.tf1.graph import fail
from symgrad.diff.callback import callback


def _dropout(x: Any, keep_prob: Any = None, seed: Any = None, rate: Any = None) -> Any:
    """Elements kept with a probability, and divided by it; others are zero."""
    keep, generator = 1 - rate if keep_prob is None else keep_prob, np.random.default_rng(seed)
    drawn = callback(lambda like: generator.random(like.shape).astype(like.dtype), [ops.stop_gradient(x)], x.type)
    return ops.where(ops.less(drawn, keep), ops.divide(x, keep), 0)


# -- losses ---------------------------------------------------------------------------------------------------------
def _loss(function: Function, signature: str = "*labels *logits dim axis") -> Function:
    lifted = lift(function, signature)

    def by_keyword(_sentinel: Any = None, *given: Any, **named: Any) -> Any:
        if _sentinel is not None or given:
            fail("labels and logits are given by position", "labels=..., logits=...")
        return lifted(**named)

    return by_keyword


def _softmax_loss(labels: Any, logits: Any, axis: int = -1) -> Any:
    return nn.softmax_cross_entropy_with_logits(ops.cast(labels, logits.dtype), logits, axis)


def _constant_labels_loss(labels: Any, logits: Any, axis: int = -1) -> Any:
    return _softmax_loss(ops.stop_gradient(labels), logits, axis)


# -- images ---------------------------------------------------------------------------------------------------------
_FOUR = pairs("strides ksize=window dilations=dilation")  # four numbers, those of batch and channels being 1


def _of_images(function: Function, signature: str) -> Function:
    def inner(*arrays: Any, data_format: str = "NHWC", **options: Any) -> Any:
        if data_format != "NHWC":
            fail(f"data_format {data_format!r} is not supported", "tf.transpose to 'NHWC'")
        how = {_FOUR.get(key, key): _pair(value) if key in _FOUR else value for key, value in options.items()}
        return function(*arrays, **how)

    return lift(inner, signature)


def _pair(four: Any) -> tuple[int, int]:
    """The two of four numbers that belong to height and width."""
    batch, height, width, channels = four
    if batch != 1 or channels != 1:
        fail(f"{four!r} is not 1 for batch and channels", "[1, 2, 2, 1]")
    return int(height), int(width)


relu, relu6, elu, softplus = (lift(one, "*features") for one in (ops.relu, nn.relu6, nn.elu, ops.softplus))
sigmoid, tanh, l2_loss = (lift(one, "*x") for one in (ops.expit, ops.tanh, nn.l2_loss))
leaky_relu = lift(lambda features, alpha=0.2: nn.leaky_relu(features, alpha), "*features alpha")
softmax, log_softmax = (lift(one, "*logits axis dim") for one in (ops.softmax, ops.log_softmax))
dropout, moments = lift(_dropout, "*x keep_prob noise_shape seed rate"), lift(nn.moments, "*x axes shift keep_dims")
bias_add = lift(lambda value, bias, data_format="NHWC": ops.add(value, bias), "*value *bias data_format")
embedding_lookup = FUNCTIONS["gather"]
softmax_cross_entropy_with_logits = _loss(_constant_labels_loss)
softmax_cross_entropy_with_logits_v2 = _loss(_softmax_loss, "*labels *logits axis dim")
sparse_softmax_cross_entropy_with_logits = _loss(nn.sparse_softmax_cross_entropy_with_logits, "+labels +logits")
sigmoid_cross_entropy_with_logits = _loss(nn.sigmoid_cross_entropy_with_logits, "*labels *logits")
conv2d = _of_images(nn.conv2d, "*input *filter strides padding")
conv2d_backprop_input = _of_images(
    lambda w, head, input_shape, **how: nn.conv2d_backprop_input(input_shape, w, head, **how),
    "input_sizes *filter *out_backprop strides padding",
)
conv2d_backprop_filter = _of_images(
    lambda x, head, filter_shape, **how: nn.conv2d_backprop_filter(x, filter_shape, head, **how),
    "*input filter_sizes *out_backprop strides padding",
)
max_pool, avg_pool = (_of_images(one, "*value ksize strides padding") for one in (nn.max_pool, nn.avg_pool))
