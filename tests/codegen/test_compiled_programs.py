"""Kernels as programs meet them."""

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg


def test_a_kernel_with_the_name_of_a_function_that_it_calls():
    x, y = sg.symbol("x", ("n",)), sg.symbol("y", ("n",))
    made = sg.compile([x, y * 2], [x, y], name="memcpy")(np.ones(3), np.arange(3.0))
    np.testing.assert_array_equal(made, [np.ones(3), [0, 2, 4]])


@pytest.mark.parametrize("shape", [("n", "m"), (30, 40), ("n", 40)])
def test_a_reduction_that_several_loops_share(shape):
    """The derivative of an extreme of extremes compares with the inner ones in several loops; they are kept in memory."""
    x = sg.symbol("x", shape)
    at = np.random.default_rng(0).normal(size=(30, 40))
    for axis in (0, 1):
        (slope,) = sg.gradients(np.max(np.min(x, axis=axis)), [x])
        inner = np.min(at, axis=axis, keepdims=True)
        assert_same(sg.compile(slope, [x])(at), ((at == inner) & (inner == np.max(inner))).astype(float))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "bool"])
def test_large_constants_keep_their_bits(dtype):
    """They are written as bytes, special values and signs of zero among them."""
    numbers = np.random.default_rng(0).normal(size=300) * 1e3
    if np.dtype(dtype).kind == "f":
        numbers[:5] = [np.inf, -np.inf, np.nan, -0.0, 5e-324]
    constants = (numbers > 0) if dtype == "bool" else numbers.astype(dtype)
    i = sg.symbol("i", ("n",), dtype="int64")
    found = sg.compile(sg.constant(constants)[i], [i])(np.arange(300)[::-1])
    assert found.dtype == constants.dtype
    assert found.tobytes() == np.ascontiguousarray(constants[::-1]).tobytes()
