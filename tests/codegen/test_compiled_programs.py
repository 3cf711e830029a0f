"""Kernels as programs meet them."""

import numpy as np

import symgrad as sg


def test_a_kernel_with_the_name_of_a_function_that_it_calls():
    x, y = sg.symbol("x", ("n",)), sg.symbol("y", ("n",))
    made = sg.compile([x, y * 2], [x, y], name="memcpy")(np.ones(3), np.arange(3.0))
    np.testing.assert_array_equal(made, [np.ones(3), [0, 2, 4]])
