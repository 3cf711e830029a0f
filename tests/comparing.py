"""Comparing arrays in tests: element type, shape, and values to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np


def tolerance(dtype: Any) -> dict[str, float]:
    """How closely two evaluations in this element type agree."""
    return {"rtol": 2e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-12}


def assert_same(got: Any, want: Any, **options: float) -> None:
    """Equal element type, shape and, to rounding, values."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if got.dtype.kind == "f":
        np.testing.assert_allclose(got, want, **{**tolerance(got.dtype), **options})
    else:
        np.testing.assert_array_equal(got, want)


def said(error: BaseException) -> str:
    """An error's message without the line of the test that provoked it."""
    return "\n".join(line for line in str(error).split("\n") if not line.startswith("  at test_"))
