"""Clipping.  In: gradients.  Out: gradients that are not too long; where nothing is clipped, the same bits.

A factor is formed as ``c / max(norm, c)``, which is exactly one up to the bound.  Definitions: TensorFlow's functions of these
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.errors import SymgradError
from symgrad.node import Node
from symgrad.provenance import user_line

__all__ = ["clip_by_average_norm", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Every element moved into an interval.

    Parameters
    ----------
    t : expression or array
    clip_value_min, clip_value_max : numbers or expressions that broadcast to ``t``

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> g = sg.symbol("g", (3,))
    >>> sg.compile(sg.clip_by_value(g, -1, 1), [g])(np.array([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    node = ops.as_node(t)
    low, high = _as_of(node, clip_value_min), _as_of(node, clip_value_max)
    return ops.minimum(ops.maximum(node, low), high)


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    """``t`` scaled so that its Euclidean norm, over ``axes`` or altogether, is at most ``clip_norm``.

    Parameters
    ----------
    t : expression or array
    clip_norm : positive number or expression
    axes : int or tuple of int, optional
        Each slice over these axes is scaled by itself.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> g = sg.symbol("g", (2,))
    >>> sg.compile(sg.clip_by_norm(g, 1.0), [g])(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    node = ops.as_node(t)
    norm = ops.sqrt(ops.sum(ops.square(node), axis=axes, keepdims=True))
    return ops.multiply(node, _factor(norm, _as_of(norm, _bound(clip_norm, "clip_by_norm"))))


def clip_by_average_norm(t: Any, clip_norm: Any) -> Any:
    """``t`` scaled so that its Euclidean norm divided by its number of elements is at most ``clip_norm``.

    Parameters
    ----------
    t : expression or array
    clip_norm : positive number or expression

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> g = sg.symbol("g", (2,))
    >>> sg.compile(sg.clip_by_average_norm(g, 0.5), [g])(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    node = ops.as_node(t)
    count = ops.cast(ops.dim_value(node.type.size), node.type.dtype)
    norm = ops.divide(ops.sqrt(ops.sum(ops.square(node))), count)
    return ops.multiply(node, _factor(norm, _as_of(norm, _bound(clip_norm, "clip_by_average_norm"))))


def global_norm(t_list: Sequence[Any]) -> Any:
    """The Euclidean norm of all elements of all arrays; None entries count for nothing.

    Raises
    ------
    SymgradError
        Nothing is left to take the norm of, or it is no list.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> a, b = sg.symbol("a", (1,)), sg.symbol("b", (1,))
    >>> float(sg.compile(sg.global_norm([a, None, b]), [a, b])(np.array([3.0]), np.array([4.0])))
    5.0
    """
    known = [ops.as_node(t) for t in _listed(t_list, "global_norm") if t is not None]
    if not known:
        raise SymgradError("global_norm: the list holds no gradient", where=user_line())
    total = ops.sum(ops.square(known[0]))
    for node in known[1:]:
        total = ops.add(total, ops.sum(ops.square(node)))
    return ops.sqrt(total)


def clip_by_global_norm(t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None) -> tuple[list[Any], Any]:
    """All arrays scaled by one factor, so that their common norm is at most ``clip_norm``.

    Parameters
    ----------
    t_list : list of expressions; None entries stay
    clip_norm : positive number or scalar expression
    use_norm : scalar expression, optional
        The norm to go by, in place of :func:`global_norm`.

    Returns
    -------
    (list, norm)
        If the norm is not finite, every element of the list is NaN.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> a, b = sg.symbol("a", (1,)), sg.symbol("b", (1,))
    >>> clipped, norm = sg.clip_by_global_norm([a, None, b], 1.0)
    >>> sg.compile([clipped[0], clipped[2], norm], [a, b])(np.array([3.0]), np.array([4.0]))
    (array([0.6]), array([0.8]), np.float64(5.0))
    """
    t_list = _listed(t_list, "clip_by_global_norm")
    norm = global_norm(t_list) if use_norm is None else ops.as_node(use_norm)
    factor = ops.add(_factor(norm, _bound(clip_norm, "clip_by_global_norm")), ops.subtract(norm, norm))
    return [None if t is None else _scaled(ops.as_node(t), factor) for t in t_list], norm


def _listed(t_list: Any, who: str) -> list[Any]:
    if isinstance(t_list, (Node, np.ndarray)) or not isinstance(t_list, Iterable):
        raise SymgradError(f"{who}: {t_list!r} is no list", where=user_line(), hint=f"{who}([...])")
    return list(t_list)


def _scaled(node: Any, factor: Any) -> Any:
    return ops.multiply(node, ops.cast(factor, node.type.dtype))


def _as_of(node: Any, bound: Any) -> Any:
    """A bound in the element type of what it bounds, which clipping does not change."""
    return ops.as_node(bound, node.dtype) if types.is_float(node.dtype) else bound


def _factor(norm: Any, bound: Any) -> Any:
    return ops.divide(bound, ops.maximum(norm, bound))


def _bound(value: Any, who: str) -> Any:
    if not ops.is_symbolic(value) and not np.all(np.asarray(value) > 0):
        raise SymgradError(f"{who}: clip_norm={value!r} is not positive", where=user_line())
    return value
