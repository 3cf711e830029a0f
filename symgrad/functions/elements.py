"""NumPy's functions of each element that are no ufuncs.  In: arrays and numbers.  Out: nodes of the broadcast shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgrad import ops, types

__all__ = ["around", "fix", "isclose", "isneginf", "isposinf", "nan_to_num", "round", "sinc"]


def round(a: Any, decimals: int = 0) -> Any:
    """Rounded to so many decimals, halves to even; for negative ``decimals`` to tens, hundreds and so on."""
    return ops.round(a, decimals)


around = round


def fix(x: Any) -> Any:
    """Rounded towards zero."""
    return ops.trunc(x)


def sinc(x: Any) -> Any:
    """sin(πx)/(πx), 1 at 0; its derivatives of every order are those of the series there."""
    return ops.sinc(x)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN and infinities replaced; by default by 0 and the largest numbers of the element type."""
    node = ops.as_node(x, who="nan_to_num")
    if not types.is_float(node.dtype):
        return node
    largest = float(np.finfo(node.dtype).max)
    made = ops.where(ops.equal(node, math.inf), largest if posinf is None else posinf, node)
    made = ops.where(ops.equal(node, -math.inf), -largest if neginf is None else neginf, made)
    return ops.where(ops.isnan(node), nan, made)


def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Where ``abs(a - b) <= atol + rtol * abs(b)``; infinities are close to themselves only."""
    one, other = ops.as_nodes([a, b], who="isclose")
    if not types.is_float(other.dtype):
        one, other = ops.cast(one, types.FLOAT64), ops.cast(other, types.FLOAT64)
    limit = ops.add(atol, ops.multiply(rtol, ops.absolute(other)))
    within = ops.less_equal(ops.absolute(ops.subtract(one, other)), limit)
    close = ops.logical_or(ops.logical_and(within, ops.isfinite(other)), ops.equal(one, other))
    return ops.logical_or(close, ops.logical_and(ops.isnan(one), ops.isnan(other))) if equal_nan else close


def isposinf(x: Any) -> Any:
    """Whether a number is infinite and positive."""
    return ops.equal(x, math.inf)


def isneginf(x: Any) -> Any:
    """Whether a number is infinite and negative."""
    return ops.equal(x, -math.inf)
