"""NumPy's functions of each element that are no ufuncs.  In: arrays and numbers.  Out: nodes of the broadcast shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgrad import assumptions, dims, ops, types
from symgrad.functions.axes import float_node
from symgrad.ops.coerce import mismatch

__all__ = [
    "allclose",
    "around",
    "array_equal",
    "array_equiv",
    "fix",
    "i0",
    "isclose",
    "isneginf",
    "isposinf",
    "nan_to_num",
    "round",
    "sinc",
]


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


def i0(x: Any) -> Any:
    """The modified Bessel function of order 0: the mean of cosh(x cos θ) over a quarter of the circle.

    Of a periodic function, equidistant nodes converge geometrically (Trefethen and Weideman, SIAM Review 56 (2014),
    385-458): with 64 of them the error is below rounding for every x whose value is finite, and so is the error of
    derivatives of every order.
    """
    node = float_node(x)
    nodes = np.cos((np.arange(64) + 0.5) * (math.pi / 128))
    return ops.mean(ops.cosh(ops.multiply(ops.expand_dims(node, node.ndim), ops.constant(nodes, node.dtype))), -1)


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


def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements are close: an expression, whose truth Python cannot ask for while tracing."""
    return ops.all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether two arrays have one shape and equal elements: an expression.

    Raises
    ------
    ShapeError
        Only a run can tell whether two sizes are equal, and no assumption says that they are.
    """
    one, other = ops.as_nodes([a1, a2], who="array_equal")
    sizes = list(zip(one.shape, other.shape, strict=False))
    if one.ndim != other.ndim or any(dims.equal(left, right) is False for left, right in sizes):
        return ops.as_node(False)
    for left, right in sizes:
        if assumptions.agree(left, right) is False:
            raise mismatch("array_equal", "shapes differ", left, right, [one.shape, other.shape])
    return _all_equal(one, ops.assert_shape(other, one.shape), equal_nan)


def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether two arrays broadcast to equal ones: an expression.

    Raises
    ------
    ShapeError
        Only a run can tell whether two sizes are equal, and no assumption says that they are.
    """
    one, other = ops.as_nodes([a1, a2], who="array_equiv")
    for left, right in zip(reversed(one.shape), reversed(other.shape), strict=False):
        stretched = any(isinstance(size, int) and size == 1 for size in (left, right))
        if dims.equal(left, right) is False and not stretched:
            return ops.as_node(False)
    one, other = ops.broadcast_together([one, other], "array_equiv")
    return _all_equal(one, other, False)


def _all_equal(one: Any, other: Any, equal_nan: bool) -> Any:
    equal = ops.equal(one, other)
    if equal_nan and types.is_float(one.dtype):
        equal = ops.logical_or(equal, ops.logical_and(ops.isnan(one), ops.isnan(other)))
    return ops.all(equal)


def isposinf(x: Any) -> Any:
    """Whether a number is infinite and positive."""
    return ops.equal(x, math.inf)


def isneginf(x: Any) -> Any:
    """Whether a number is infinite and negative."""
    return ops.equal(x, -math.inf)
