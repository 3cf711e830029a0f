"""NumPy's window functions.  In: a number of points, which may be dynamic; for ``kaiser`` a shape.  Out: a vector."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as _numpy

from symgrad import ops
from symgrad.functions import elements
from symgrad.ops.coerce import is_symbolic

__all__ = ["bartlett", "blackman", "hamming", "hanning", "kaiser"]


def _window(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The window of a formula of positions from -1 to 1; NumPy's own where everything is a number."""
    numpys = getattr(_numpy, formula.__name__)

    @wraps(formula)
    def window(M: Any, *shape: Any) -> Any:
        if not is_symbolic((M, *shape)):
            return numpys(M, *shape)
        count = ops.dim_value(M)
        steps = ops.subtract(ops.multiply(2, ops.iota(M)), ops.subtract(count, 1))
        alone = ops.equal(count, 1)  # the middle, where the window is 1
        return formula(ops.divide(steps, ops.where(alone, 1, ops.subtract(count, 1))), *shape)

    return window


def _cosine(place: Any, times: int = 1) -> Any:
    return ops.cos(ops.multiply(times * math.pi, place))


@_window
def bartlett(place: Any) -> Any:
    """NumPy's triangular window."""
    return ops.subtract(1, ops.absolute(place))


@_window
def blackman(place: Any) -> Any:
    """NumPy's window of three cosines."""
    return ops.add(ops.add(0.42, ops.multiply(0.5, _cosine(place))), ops.multiply(0.08, _cosine(place, 2)))


@_window
def hamming(place: Any) -> Any:
    """NumPy's raised cosine that ends above zero."""
    return ops.add(0.54, ops.multiply(0.46, _cosine(place)))


@_window
def hanning(place: Any) -> Any:
    """NumPy's raised cosine."""
    return ops.add(0.5, ops.multiply(0.5, _cosine(place)))


@_window
def kaiser(place: Any, beta: Any) -> Any:
    """NumPy's window of a Bessel function, whose shape may be an expression."""
    root = ops.sqrt(ops.subtract(1, ops.square(place)))
    return ops.divide(elements.i0(ops.multiply(beta, root)), elements.i0(beta))
