"""Activations, element by element, in terms of operations.  In: arrays, numbers and expressions.  Out: expressions."""

from __future__ import annotations

import math
from typing import Any, Literal

from symgrad import ops
from symgrad.errors import TraceError
from symgrad.functions.axes import float_node
from symgrad.provenance import user_line

__all__ = ["elu", "gelu", "leaky_relu", "relu6", "selu", "silu", "softsign", "swish"]

# Klambauer et al., Self-Normalizing Neural Networks (2017), equation 2 and appendix A.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : array or expression
    alpha : number or expression

    Examples
    --------
    >>> import symgrad as sg
    >>> float(sg.grad(sg.nn.elu)(2.0)), float(sg.grad(sg.nn.elu)(0.0))
    (1.0, 1.0)
    """
    node = float_node(x)
    return ops.where(ops.greater(node, 0), node, ops.multiply(alpha, ops.expm1(node)))


def selu(x: Any) -> Any:
    """The scaled :func:`elu` under which layers keep mean 0 and variance 1.

    Parameters
    ----------
    x : array or expression

    Examples
    --------
    >>> import symgrad as sg
    >>> print(round(float(sg.grad(sg.nn.selu)(1.0)), 6))
    1.050701
    """
    return ops.multiply(_SELU_SCALE, elu(x, _SELU_ALPHA))


def gelu(x: Any, approximate: Literal["none", "tanh"] = "none") -> Any:
    """``x`` times the standard normal distribution function of ``x``.

    Parameters
    ----------
    x : array or expression
    approximate : "none" or "tanh"
        "tanh" takes the approximation of Hendrycks and Gimpel (2016) with a hyperbolic tangent.

    Raises
    ------
    TraceError
        ``approximate`` is something else.

    Examples
    --------
    >>> import symgrad as sg
    >>> float(sg.grad(sg.nn.gelu)(0.0))
    0.5
    """
    node = float_node(x)
    half = ops.multiply(0.5, node)
    if approximate == "none":  # erfc keeps the digits that 1 + erf loses for negative x
        return ops.multiply(half, ops.erfc(ops.multiply(-math.sqrt(0.5), node)))
    if approximate == "tanh":
        inner = ops.multiply(math.sqrt(2 / math.pi), ops.add(node, ops.multiply(0.044715, ops.power(node, 3))))
        return ops.multiply(half, ops.add(1, ops.tanh(inner)))
    raise TraceError(
        f"gelu: approximate {approximate!r} is not understood", where=user_line(), hint='it is "none" or "tanh"'
    )


def silu(x: Any) -> Any:
    """``x`` times the logistic function of ``x``; also called swish.

    Parameters
    ----------
    x : array or expression

    Examples
    --------
    >>> import symgrad as sg
    >>> float(sg.grad(sg.nn.silu)(0.0))
    0.5
    """
    node = float_node(x)
    return ops.multiply(node, ops.expit(node))


swish = silu


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    x : array or expression
    negative_slope : number or expression

    Examples
    --------
    >>> import symgrad as sg
    >>> float(sg.grad(sg.nn.leaky_relu)(-2.0))
    0.01
    """
    node = float_node(x)
    return ops.where(ops.greater(node, 0), node, ops.multiply(negative_slope, node))


def softsign(x: Any) -> Any:
    """``x / (1 + abs(x))``.

    Parameters
    ----------
    x : array or expression

    Examples
    --------
    >>> import symgrad as sg
    >>> float(sg.grad(sg.nn.softsign)(1.0))
    0.25
    """
    node = float_node(x)
    return ops.divide(node, ops.add(1, ops.absolute(node)))


def relu6(x: Any) -> Any:
    """``x`` between 0 and 6, and these beyond.

    Parameters
    ----------
    x : array or expression

    Examples
    --------
    >>> import symgrad as sg
    >>> float(sg.grad(sg.nn.relu6)(5.0)), float(sg.grad(sg.nn.relu6)(7.0))
    (1.0, 0.0)
    """
    return ops.minimum(ops.relu(x), 6)
