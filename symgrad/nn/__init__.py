"""Functions for neural networks, on expressions, arrays and numbers."""

from symgrad.nn.activations import elu, gelu, leaky_relu, relu6, selu, silu, softsign, swish
from symgrad.nn.attention import attention
from symgrad.nn.convolution import conv1d, conv2d, conv2d_backprop_filter, conv2d_backprop_input
from symgrad.nn.losses import (
    l2_loss,
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from symgrad.nn.normalization import batch_norm, bias_add, layer_norm, moments
from symgrad.nn.pooling import avg_pool, avg_pool2d, max_pool, max_pool2d
from symgrad.ops import expit as sigmoid
from symgrad.ops import log_softmax, one_hot, relu, softmax, softplus, tanh

__all__ = [
    "attention",
    "avg_pool",
    "avg_pool2d",
    "batch_norm",
    "bias_add",
    "conv1d",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "elu",
    "gelu",
    "l2_loss",
    "layer_norm",
    "leaky_relu",
    "log_softmax",
    "max_pool",
    "max_pool2d",
    "moments",
    "one_hot",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softplus",
    "softsign",
    "sparse_softmax_cross_entropy_with_logits",
    "swish",
    "tanh",
]
