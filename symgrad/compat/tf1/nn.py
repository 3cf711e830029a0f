"""``tf.nn``: functions of ``sg.nn`` on tensors; images are (batch, height, width, channels)."""

from __future__ import annotations

from typing import Any

from symgrad import nn, ops, random
from symgrad.compat.tf1.functions import Function, lift, pairs
from symgrad.compat.tf1.graph import fail, get_default_graph


def _dropout(x: Any, keep_prob: Any = None, rate: Any = None, seed: Any = None) -> Any:
    return random.dropout(x, 1 - keep_prob if rate is None else rate, get_default_graph().seed_of(seed))


def _loss(function: Function, signature: str = "*labels *logits axis dim") -> Function:
    lifted = lift(function, signature)

    def by_keyword(*given: Any, **named: Any) -> Any:
        if given:
            fail("labels and logits are given by position", "labels=..., logits=...")
        return lifted(**named)

    return by_keyword


def _constant_labels_loss(labels: Any, logits: Any, axis: int = -1) -> Any:
    return nn.softmax_cross_entropy_with_logits(ops.stop_gradient(labels), logits, axis)


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
softmax_cross_entropy_with_logits = _loss(_constant_labels_loss)
softmax_cross_entropy_with_logits_v2 = _loss(nn.softmax_cross_entropy_with_logits)
sparse_softmax_cross_entropy_with_logits = _loss(nn.sparse_softmax_cross_entropy_with_logits, "+labels +logits")
sigmoid_cross_entropy_with_logits = _loss(nn.sigmoid_cross_entropy_with_logits, "*labels *logits")
bias_add = _of_images(nn.bias_add, "*value *bias data_format")
conv2d = _of_images(nn.conv2d, "*input *filter strides padding")
conv2d_backprop_input = _of_images(nn.conv2d_backprop_input, "=input_sizes *filter *out_backprop strides padding")
conv2d_backprop_filter = _of_images(nn.conv2d_backprop_filter, "*input =filter_sizes *out_backprop strides padding")
max_pool, avg_pool = (_of_images(one, "*value ksize strides padding") for one in (nn.max_pool, nn.avg_pool))
