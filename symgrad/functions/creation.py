"""NumPy's functions that make arrays from numbers.  In: ends, sizes and values, expressions among them.  Out: nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.rearrange import moveaxis
from symgrad.provenance import user_line

__all__ = ["empty_like", "full_like", "geomspace", "linspace", "logspace", "ones_like", "zeros_like"]


def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """An array of one value, of the element type and shape of another."""
    node = ops.as_node(a)
    return ops.full(node.shape if shape is None else shape, fill_value, node.dtype if dtype is None else dtype)


def zeros_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Zeros of the element type and shape of an array."""
    return full_like(a, 0, dtype, shape=shape)


def ones_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Ones of the element type and shape of an array."""
    return full_like(a, 1, dtype, shape=shape)


empty_like = zeros_like


def _count(num: Any, who: str) -> int:
    if isinstance(num, Dim) or ops.is_symbolic(num):
        raise TraceError(
            f"{who}: the number of points must be known while tracing",
            where=user_line(),
            hint="start + (stop - start) * np.arange(n) / (n - 1) takes a dynamic n",
        )
    if int(num) < 0:
        raise ShapeError(f"{who}: {num} points", where=user_line())
    return int(num)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Evenly spaced values from ``start`` to ``stop``, along a new axis."""
    count = _count(num, "linspace")
    first, last = ops.broadcast_together(_floats([start, stop]), "linspace")
    gaps = max(count - 1 if endpoint else count, 1)
    ticks = ops.constant((np.arange(count) / gaps).reshape(count, *([1] * first.ndim)), first.dtype)
    span = ops.subtract(last, first)
    made = ops.add(first, ops.multiply(ticks, span))
    if endpoint and count > 1:  # the end itself, not its rounding
        made = ops.concatenate([made[:-1], ops.expand_dims(last, 0)])
    if dtype is not None:
        made = ops.cast(made if types.is_float(types.as_dtype(dtype)) else ops.floor(made), dtype)
    made = moveaxis(made, 0, axis)
    return (made, ops.divide(span, gaps)) if retstep else made


def _floats(values: Sequence[Any]) -> list[Any]:
    nodes = ops.as_nodes(values, who="linspace")
    return nodes if types.is_float(nodes[0].dtype) else [ops.cast(one, types.FLOAT64) for one in nodes]


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Powers of a base with evenly spaced exponents."""
    made = ops.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return made if dtype is None else ops.cast(made, dtype)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Values of equal ratios from ``start`` to ``stop``, which have one sign; float64, as NumPy's."""
    first, last = ops.broadcast_together(ops.as_nodes([start, stop], types.FLOAT64, who="geomspace"), "geomspace")
    count = _count(num, "geomspace")
    exponents = np.linspace(0.0, 1.0, count, endpoint).reshape(-1, *([1] * first.ndim))
    made = ops.multiply(first, ops.power(ops.expand_dims(ops.divide(last, first), 0), exponents))
    if endpoint and count > 1:
        made = ops.concatenate([made[:-1], ops.expand_dims(last, 0)])
    made = moveaxis(made, 0, axis)
    return made if dtype is None else ops.cast(made, dtype)
