"""Losses.  In: labels and unnormalised log-probabilities (logits).  Out: losses, one per example, without overflow."""

from __future__ import annotations

from typing import Any

from symgrad import ops, types
from symgrad.errors import DTypeError, ShapeError
from symgrad.functions.axes import float_node
from symgrad.functions.selection import take_along_axis
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = [
    "l2_loss",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
]


def l2_loss(x: Any) -> Any:
    """Half the sum of squares.

    Parameters
    ----------
    x : array or expression

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.grad(sg.nn.l2_loss)(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """
    return ops.multiply(0.5, ops.sum(ops.square(float_node(x))))


def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1) -> Any:
    """Cross-entropy of class probabilities and the softmax of logits.

    Parameters
    ----------
    labels : array or expression of the logits' shape
        Probabilities of the classes.
    logits : array or expression
    axis : int
        The axis of the classes.

    Returns
    -------
    expression without that axis

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> logits = np.array([[0.0, 1000.0]])
    >>> sg.jit(lambda z: sg.nn.softmax_cross_entropy_with_logits(np.array([[1.0, 0.0]]), z))(logits)
    array([1000.])
    """
    known, node = ops.as_nodes([float_node(labels), float_node(logits)], who="softmax_cross_entropy_with_logits")
    return ops.negative(ops.sum(ops.multiply(known, ops.log_softmax(node, axis)), axis))


def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any) -> Any:
    """Cross-entropy of known classes and the softmax of logits over the last axis.

    Parameters
    ----------
    labels : integer array or expression of shape S
        Positions of the classes.
    logits : array or expression of shape S + (classes,)

    Returns
    -------
    expression of shape S

    Raises
    ------
    ShapeError
        The rank of the logits is not one more than that of the labels.
    DTypeError
        The labels are no integers.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> logits = np.array([[0.0, 1000.0]])
    >>> sg.jit(lambda z: sg.nn.sparse_softmax_cross_entropy_with_logits(np.array([0]), z))(logits)
    array([1000.])
    """
    who = "sparse_softmax_cross_entropy_with_logits"
    known, node = ops.as_node(labels, who=who), float_node(logits)
    if not types.is_integer(known.dtype):
        raise DTypeError(
            f"{who}: labels are {known.dtype}, not integers",
            where=user_line(),
            hint="sg.nn.softmax_cross_entropy_with_logits takes probabilities",
        )
    if node.ndim != known.ndim + 1:
        raise ShapeError(
            f"{who}: labels of shape {shape_text(known.shape)} for logits of shape {shape_text(node.shape)}",
            where=user_line(),
            hint="logits have one axis more, the last: the classes",
        )
    found = take_along_axis(node, ops.expand_dims(known, -1), -1)
    return ops.subtract(ops.logsumexp(node, -1), ops.squeeze(found, -1))


def sigmoid_cross_entropy_with_logits(labels: Any, logits: Any) -> Any:
    """Cross-entropy of probabilities and the logistic function of logits, element by element.

    Parameters
    ----------
    labels : array or expression
    logits : array or expression

    Returns
    -------
    expression of the common shape

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.jit(lambda z: sg.nn.sigmoid_cross_entropy_with_logits(1.0, z))(np.array([-1000.0, 1000.0]))
    array([1000.,    0.])
    """
    known, node = ops.as_nodes([float_node(labels), float_node(logits)], who="sigmoid_cross_entropy_with_logits")
    present = ops.multiply(known, ops.softplus(ops.negative(node)))  # each term keeps its digits where it is small
    return ops.add(present, ops.multiply(ops.subtract(1, known), ops.softplus(node)))
