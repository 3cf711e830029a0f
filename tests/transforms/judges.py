"""Judges of derivatives that owe nothing to the library: complex steps, differences of them, SymPy.

And both ways of calling a transform: with arrays, which compiles, and with expressions, which are interpreted here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

import symgrad as sg
from symgrad.containers import flatten, unflatten
from symgrad.interp import evaluate
from symgrad.ops import as_node

STEP = 1e-30


def slopes(function: Callable[..., Any], x: Any, *others: Any) -> np.ndarray:
    """The Jacobian of an analytic NumPy function in its first argument, of shape value + x, exact to rounding."""
    x = np.asarray(x, float)
    columns = []
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += STEP * 1j
        columns.append(np.imag(np.asarray(function(moved, *others))) / STEP)
    shape = np.shape(function(x, *others))
    return np.moveaxis(np.reshape(columns, (*x.shape, *shape)), range(x.ndim), range(len(shape), len(shape) + x.ndim))


def curvatures(function: Callable[..., Any], x: Any, *others: Any, step: float = 1e-5) -> np.ndarray:
    """The derivative of :func:`slopes`, of shape value + x + x, by central differences: about ten digits."""
    x = np.asarray(x, float)
    columns = []
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        columns.append((slopes(function, up, *others) - slopes(function, down, *others)) / (2 * step))
    rank = columns[0].ndim
    return np.moveaxis(np.reshape(columns, (*x.shape, *columns[0].shape)), range(x.ndim), range(rank, rank + x.ndim))


def exact(formula: Callable[[Any], Any], point: float, order: int) -> float:
    """The derivative of that order of a SymPy formula."""
    t = sympy.Symbol("t", real=True)
    return float(sympy.diff(formula(t), t, order).subs(t, sympy.Float(point, 40)).evalf(25))


def in_both_ways(transform: Callable[..., Any], *args: Any) -> Any:
    """The transform's results: called with arrays, and, checked to be the same, with expressions."""
    numbers, structure = flatten(transform(*args))
    leaves, shape = flatten(args)
    symbols = [
        sg.symbol(f"s{k}", np.shape(leaf), "float64" if isinstance(leaf, (int, float)) else np.asarray(leaf).dtype)
        for k, leaf in enumerate(leaves)
    ]
    made, other = flatten(transform(*unflatten(shape, symbols)))
    assert other == structure
    values = evaluate([as_node(one) for one in made], dict(zip(symbols, leaves, strict=True)))
    for one, value in zip(numbers, values, strict=True):
        assert isinstance(one, (np.ndarray, np.generic))
        assert one.dtype == value.dtype
        assert one.shape == value.shape
        np.testing.assert_allclose(one, value, rtol=1e-12 if one.dtype == np.float64 else 2e-5, atol=1e-13)
    return unflatten(structure, numbers)


def close(got: Any, want: Any, rtol: float = 1e-11, atol: float = 1e-12, dtype: Any = np.float64) -> None:
    """Equal structure, element type, shape, and values to rounding."""
    found, structure = flatten(got)
    expected, other = flatten(want)
    assert structure == other
    for one, value in zip(found, expected, strict=True):
        assert np.asarray(one).dtype == dtype
        assert np.shape(one) == np.shape(value)
        np.testing.assert_allclose(one, value, rtol=rtol, atol=atol)
