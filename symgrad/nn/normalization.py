"""Means, variances and what is normalised by them.  In: arrays and expressions.  Out: expressions."""

from __future__ import annotations

from typing import Any

from symgrad import ops
from symgrad.assumptions import agree
from symgrad.errors import ShapeError
from symgrad.functions.axes import float_node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["batch_norm", "bias_add", "layer_norm", "moments"]


def moments(x: Any, axes: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """Mean and variance over axes; the variance is the mean of squared deviations.

    Parameters
    ----------
    x : array or expression
    axes : int, tuple of int or None
        None: all axes.
    keepdims : bool
        The axes stay, with size 1.

    Returns
    -------
    pair of expressions

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> mean, variance = sg.jit(lambda x: sg.nn.moments(x, 0))(np.array([1.0, 3.0]))
    >>> float(mean), float(variance)
    (2.0, 1.0)
    """
    node = float_node(x)
    center = ops.mean(node, axes, True)
    spread = ops.mean(ops.square(ops.subtract(node, center)), axes, keepdims)
    return (center if keepdims else ops.mean(node, axes)), spread


def layer_norm(x: Any, scale: Any = None, shift: Any = None, axis: Any = -1, epsilon: float = 1e-5) -> Any:
    """``(x - mean) / sqrt(variance + epsilon)``, mean and variance over an axis or axes, then scaled and shifted.

    Parameters
    ----------
    x : array or expression
    scale, shift : arrays or expressions, optional
        They broadcast against ``x``.
    axis : int or tuple of int
    epsilon : float

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.jit(lambda x: sg.nn.layer_norm(x, epsilon=0.0))(np.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    node = float_node(x)
    return batch_norm(node, *moments(node, axis, keepdims=True), scale, shift, epsilon)


def batch_norm(x: Any, mean: Any, variance: Any, scale: Any = None, shift: Any = None, epsilon: float = 1e-5) -> Any:
    """``(x - mean) / sqrt(variance + epsilon)``, then scaled and shifted.

    Parameters
    ----------
    x : array or expression
    mean, variance : arrays or expressions
        Of the batch, from :func:`moments`, or running ones.
    scale, shift : arrays or expressions, optional
    epsilon : float

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", ("n", 3))
    >>> sg.nn.batch_norm(x, *sg.nn.moments(x, 0)).type
    float64[n, 3]
    """
    factor = ops.divide(1, ops.sqrt(ops.add(variance, epsilon)))
    made = ops.multiply(ops.subtract(x, mean), factor if scale is None else ops.multiply(factor, scale))
    return made if shift is None else ops.add(made, shift)


def bias_add(x: Any, bias: Any) -> Any:
    """``x + bias`` along the last axis.

    Parameters
    ----------
    x : array or expression (..., channels)
    bias : array or expression (channels,)

    Raises
    ------
    ShapeError
        The bias is no vector, or not of the last axis' size.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.nn.bias_add(sg.symbol("x", ("n", 2)), np.array([1.0, 2.0])).type
    float64[n, 2]
    """
    node, own = ops.as_nodes([x, bias], who="bias_add")
    if own.ndim != 1 or node.ndim < 1 or agree(own.shape[0], node.shape[-1]) is False:
        raise ShapeError(
            f"bias_add: bias of shape {shape_text(own.shape)} for x of shape {shape_text(node.shape)}",
            where=user_line(),
            hint="the bias is a vector of the last axis' size",
        )
    return ops.add(node, own)
