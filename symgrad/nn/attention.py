"""Attention.  In: queries, keys and values.  Out: for each query the mean of the values, weighted by its keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.errors import ShapeError
from symgrad.functions.axes import float_node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["attention"]


def attention(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
    """``softmax(q kᵀ / sqrt(d)) v`` over the last two axes.

    Parameters
    ----------
    q : array or expression (..., queries, d)
    k : array or expression (..., keys, d)
    v : array or expression (..., keys, e)
    mask : array or expression, optional
        Broadcasts to (..., queries, keys).  Where a bool mask is false, the key counts nothing, unless the query has no
        other; another mask is added to the scores.

    Returns
    -------
    expression (..., queries, e)

    Raises
    ------
    ShapeError
        A rank is below 2, or sizes differ.

    Examples
    --------
    >>> import symgrad as sg
    >>> q, k, v = sg.symbol("q", ("n", 4)), sg.symbol("k", ("m", 4)), sg.symbol("v", ("m", 2))
    >>> sg.nn.attention(q, k, v).type
    float64[n, 2]
    """
    queries, keys, values = ops.as_nodes([float_node(one) for one in (q, k, v)], who="attention")
    for name, one in (("q", queries), ("k", keys), ("v", values)):
        if one.ndim < 2:
            raise ShapeError(
                f"attention: {name} has shape {shape_text(one.shape)}, not rank 2 or more", where=user_line()
            )
    size = queries.shape[-1]
    length = math.sqrt(size) if isinstance(size, int) else ops.sqrt(ops.cast(ops.dim_value(size), queries.dtype))
    swapped = ops.transpose(keys, (*range(keys.ndim - 2), keys.ndim - 1, keys.ndim - 2))
    scores = ops.matmul(ops.divide(queries, length), swapped)
    if mask is not None:
        scores = _masked(scores, ops.as_node(mask, who="attention"))
    return ops.matmul(ops.softmax(scores), values)


def _masked(scores: Any, mask: Any) -> Any:
    if not types.is_bool(mask.dtype):
        return ops.add(scores, mask)
    lowest = float(np.finfo(scores.dtype).min) / 2  # finite, so that a query without any key gets no NaN
    return ops.where(mask, scores, lowest)
