"""Steps of rows that are done for many rows at once.  NumPy judges values, the loops say what is done where."""

from __future__ import annotations

import numpy as np
import pytest
from loops import interpret, program_of

import symgrad as sg
from codegen.lower.loopir import For, Let, Nest, flattened, statements

RNG = np.random.default_rng(5)


def nests_with(program, op):
    """For each nest with that operation: whether its outermost loop runs over lanes."""
    nests = [stage for stage in flattened(program.stages) if isinstance(stage, Nest)]
    having = [nest for nest in nests if any(isinstance(one, Let) and one.op == op for one in statements(nest.body))]
    return [next(one.vector for one in nest.body if isinstance(one, For)) for nest in having]


def logsumexp_and_slope(width, dtype="float64"):
    x, head = sg.symbol("x", ("n", width), dtype), sg.symbol("head", ("n",), dtype)
    value = sg.logsumexp(x, -1)
    return [value, *sg.gradients(value, [x], [head])], [x, head]


def reference(x, head):
    top = x.max(-1, keepdims=True)
    e = np.exp(x - top)
    total = e.sum(-1, keepdims=True)
    return (np.log(total) + top)[:, 0], e * (head[:, None] / total)


@pytest.mark.parametrize(("width", "dtype"), [(37, "float32"), (64, "float64"), (1000, "float64")])
@pytest.mark.parametrize("rows", [0, 1, 7, 700])
def test_logarithms_of_sums_are_taken_for_many_rows_at_once(width, dtype, rows):
    outputs, inputs = logsumexp_and_slope(width, dtype)
    program = program_of(outputs, inputs)
    assert nests_with(program, "log") == [True]
    assert nests_with(program, "exp") == [False]
    x, head = RNG.normal(size=(rows, width)).astype(dtype), RNG.normal(size=rows).astype(dtype)
    if rows:
        x[0, 3:] = -np.inf
    want = reference(x, head)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    kernels = [sg.compile(outputs, inputs, threads=count)(x, head) for count in (1, 2)]
    for one, two, expected in zip(*kernels, want, strict=True):
        np.testing.assert_allclose(one, expected, rtol=tolerance, atol=tolerance)
        assert one.tobytes() == two.tobytes()
    if rows in (1, 7) and width == 37:
        status, interpreted = interpret(outputs, inputs, [x, head])
        assert status == 0
        for one, expected in zip(interpreted, want, strict=True):
            np.testing.assert_allclose(one, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("width", "dtype", "count"), [(37, "float32", 2), (64, "float32", 2), (64, "float64", 1)])
def test_maxima_of_short_rows_come_first(width, dtype, count):
    x = sg.symbol("x", ("n", width), dtype)
    program = program_of([sg.nn.softmax(x)], [x])
    assert sum(isinstance(stage, Nest) for stage in flattened(program.stages)) == count
    rows = RNG.normal(size=(130, width)).astype(dtype)
    e = np.exp(rows - rows.max(-1, keepdims=True))
    want = e / e.sum(-1, keepdims=True)
    np.testing.assert_allclose(
        sg.compile(sg.nn.softmax(x), [x])(rows), want, rtol=1e-5 if dtype == "float32" else 1e-12
    )


def test_what_rows_need_and_what_they_leave_together():
    """A number of a row is needed for each of its elements, and for another result, and for the sum over all rows."""
    x, y = sg.symbol("x", ("n", 40)), RNG.normal(size=(9, 40))
    total = np.sum(x * x, axis=1) + 1
    outputs = [x / total[:, None], np.exp(-total), np.sum(np.log(total))]
    want = (y * y).sum(1) + 1
    for one, expected in zip(
        sg.compile(outputs, [x])(y), (y / want[:, None], np.exp(-want), np.log(want).sum()), strict=True
    ):
        np.testing.assert_allclose(one, expected, rtol=1e-12)


def test_columns_of_other_arrays_come_along():
    """What only the last step reads is read there: a column, a weight for each row, a constant."""
    x, z = sg.symbol("x", ("n", 40)), sg.symbol("z", ("n", 3))
    scale = np.sqrt(np.sum(x * x, axis=1)) + 1.5
    outputs = [x / scale[:, None], np.exp(z[:, 1] * scale) * 2.5]
    a, b = RNG.normal(size=(21, 40)), RNG.normal(size=(21, 3))
    want = np.sqrt((a * a).sum(1)) + 1.5
    assert nests_with(program_of(outputs, [x, z]), "exp") == [True]
    for one, expected in zip(
        sg.compile(outputs, [x, z])(a, b), (a / want[:, None], np.exp(b[:, 1] * want) * 2.5), strict=True
    ):
        np.testing.assert_allclose(one, expected, rtol=1e-12)


@pytest.mark.parametrize("rows", ["n", 20, 3000])
def test_terms_of_sums_over_rows_are_computed_for_many_rows_at_once(rows):
    """The value of a logistic regression: a scalar logarithm for each row would take longer than the product."""
    x, w, y = sg.symbol("x", (rows, 30)), sg.symbol("w", (30,)), sg.symbol("y", (rows,))
    z = x @ w
    outputs, inputs = [np.mean(np.logaddexp(0.0, z) - y * z), np.max(np.tanh(z))], [x, w, y]
    program = program_of(outputs, inputs)
    assert nests_with(program, "logaddexp") == nests_with(program, "tanh") == [True]
    count = 700 if rows == "n" else rows
    arrays = [RNG.normal(size=(count, 30)), RNG.normal(size=30), RNG.normal(size=count)]
    product = arrays[0] @ arrays[1]
    want = np.mean(np.logaddexp(0.0, product) - arrays[2] * product), np.max(np.tanh(product))
    found = [sg.compile(outputs, inputs, threads=threads)(*arrays) for threads in (1, 2)]
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0], want, rtol=1e-12)
    if count < 100:
        status, interpreted = interpret(outputs, inputs, arrays)
        assert status == 0
        np.testing.assert_allclose(interpreted, want, rtol=1e-12)
