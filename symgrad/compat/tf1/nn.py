"""``tf.nn``: functions of ``sg.nn`` on tensors; images are (batch, height, width, channels)."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import nn, ops
from symgrad.compat.tf1.functions import FUNCTIONS, lift, sizes
from symgrad.compat.tf1.graph import call, convert
from symgrad.diff.callback import callback
from symgrad.errors import SymgradError
from symgrad.provenance import user_line


def _dropout(x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: Any = None, rate: Any = None) -> Any:
    """Elements kept with a probability, and divided by it; others are zero."""
    keep, generator = 1 - rate if keep_prob is None else keep_prob, np.random.default_rng(seed)
    drawn = callback(lambda like: generator.random(like.shape).astype(like.dtype), [ops.stop_gradient(x)], x.type)
    return ops.where(ops.less(drawn, keep), ops.divide(x, keep), 0)


def _along(function: Any) -> Any:
    return lambda logits, axis=None, dim=-1: function(logits, dim if axis is None else axis)


def _softmax_loss(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, dim: int = -1, axis: Any = None
) -> Any:
    _require_keywords(_sentinel)
    return nn.softmax_cross_entropy_with_logits(ops.cast(labels, logits.dtype), logits, dim if axis is None else axis)


def _constant_labels_loss(_sentinel: Any = None, labels: Any = None, logits: Any = None, dim: int = -1) -> Any:
    return _softmax_loss(_sentinel, ops.stop_gradient(labels), logits, dim)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: Any = None
) -> Any:
    """``sg.nn.sparse_softmax_cross_entropy_with_logits``."""
    _require_keywords(_sentinel)
    return call(nn.sparse_softmax_cross_entropy_with_logits, convert(labels), convert(logits), name=name)


def _sigmoid_loss(_sentinel: Any = None, labels: Any = None, logits: Any = None) -> Any:
    _require_keywords(_sentinel)
    return nn.sigmoid_cross_entropy_with_logits(labels, logits)


def _require_keywords(sentinel: Any) -> None:
    if sentinel is not None:
        raise SymgradError("labels and logits are given by position", where=user_line(), hint="labels=..., logits=...")


def _conv2d(input: Any, filter: Any, strides: Any, padding: str, **options: Any) -> Any:
    return nn.conv2d(input, filter, **_windows(strides, padding, **options))


def conv2d_backprop_input(
    input_sizes: Any, filter: Any, out_backprop: Any, strides: Any, padding: str, name: Any = None, **options: Any
) -> Any:
    """``sg.nn.conv2d_backprop_input``."""
    how, shape = _windows(strides, padding, **options), sizes(input_sizes)
    return lift(lambda w, head: nn.conv2d_backprop_input(shape, w, head, **how), 2)(filter, out_backprop, name=name)


def conv2d_backprop_filter(
    input: Any, filter_sizes: Any, out_backprop: Any, strides: Any, padding: str, name: Any = None, **options: Any
) -> Any:
    """``sg.nn.conv2d_backprop_filter``."""
    how, shape = _windows(strides, padding, **options), sizes(filter_sizes)
    return lift(lambda x, head: nn.conv2d_backprop_filter(x, shape, head, **how), 2)(input, out_backprop, name=name)


def _pool(pool: Any) -> Any:
    def pooled(value: Any, ksize: Any, strides: Any, padding: str, **options: Any) -> Any:
        how = _windows(strides, padding, **options)
        return pool(value, _inner(ksize), how["strides"], how["padding"])

    return lift(pooled)


def _windows(strides: Any, padding: str, data_format: str = "NHWC", dilations: Any = (1, 1, 1, 1)) -> dict[str, Any]:
    if data_format != "NHWC":
        raise SymgradError(f"data_format {data_format!r} is not supported", hint="tf.transpose to 'NHWC'")
    return {"strides": _inner(strides), "padding": padding, "dilation": _inner(dilations)}


def _inner(four: Any) -> tuple[int, int]:
    """The two of four numbers that belong to height and width."""
    batch, height, width, channels = four
    if batch != 1 or channels != 1:
        raise SymgradError(f"{four!r} is not 1 for batch and channels", where=user_line(), hint="[1, 2, 2, 1]")
    return int(height), int(width)


relu, relu6, elu = lift(ops.relu), lift(nn.relu6), lift(nn.elu)
softplus, l2_loss = lift(ops.softplus), lift(nn.l2_loss)
sigmoid, tanh, leaky_relu, dropout = lift(ops.expit), lift(ops.tanh), lift(nn.leaky_relu), lift(_dropout)
softmax, log_softmax = lift(_along(ops.softmax)), lift(_along(ops.log_softmax))
moments = lift(lambda x, axes, keep_dims=False: nn.moments(x, tuple(axes), keep_dims))
bias_add = lift(lambda value, bias, data_format="NHWC": ops.add(value, bias), 2)
embedding_lookup = FUNCTIONS["gather"]
softmax_cross_entropy_with_logits, softmax_cross_entropy_with_logits_v2 = (
    lift(_constant_labels_loss, 3),
    lift(_softmax_loss, 3),
)
sigmoid_cross_entropy_with_logits = lift(_sigmoid_loss, 3)
conv2d, max_pool, avg_pool = lift(_conv2d, 2), _pool(nn.max_pool), _pool(nn.avg_pool)
