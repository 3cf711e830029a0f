"""Numbers from expressions, in the two ways there are: the interpreter and compiled code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.interp import evaluate


def interpreted(outputs: Sequence[Any], values: Mapping[Any, Any]) -> list[np.ndarray]:
    return evaluate(list(outputs), values)


def compiled(outputs: Sequence[Any], values: Mapping[Any, Any]) -> list[np.ndarray]:
    kernel = sg.compile(tuple(outputs), list(values))
    return [np.asarray(one) for one in kernel(*(np.asarray(value, node.dtype) for node, value in values.items()))]


both_ways = pytest.mark.parametrize("run", [interpreted, compiled])
both_floats = pytest.mark.parametrize("dtype", ["float64", "float32"])


def close(got: Any, want: Any, dtype: Any = "float64", rtol: float | None = None) -> None:
    """Equal shape and element type, and values to the rounding of that type; infinities must coincide."""
    got = np.asarray(got)
    want = np.asarray(want)
    assert got.dtype == np.dtype(dtype)
    assert got.shape == want.shape
    if got.dtype.kind in "ib":
        np.testing.assert_array_equal(got, want)
        return
    small = 1e-13 if got.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(
        got,
        want,
        rtol=rtol or 100 * small,
        atol=small * max(1.0, np.max(np.abs(want), initial=0, where=np.isfinite(want))),
    )
