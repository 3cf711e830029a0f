"""Predicted and measured times: the documented formula by hand, arguments, variables, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import said

import symgrad as sg
from codegen.prediction import Prediction
from codegen.target import native
from symgrad import KernelInputError

X = sg.symbol("x", ("n",))
CALL = 100e-9


def test_static_sizes_give_a_number() -> None:
    """Sixteen bytes an element, 1,024 elements in the first cache at 64 bytes a cycle: more than the arithmetic takes."""
    y = sg.symbol("y", (1024,))
    stats = sg.compile(2 * y, [y], name="doubled").stats
    assert stats["flops"] == 1024
    assert stats["bytes"] == 16 * 1024
    cycles = max(stats["work"] / 8 * 4 / native().lanes(64), 16 * 1024 / 64)
    assert stats["predicted_seconds"] == pytest.approx(cycles / 3e9 + CALL)


@pytest.mark.parametrize(
    ("n", "rate"), [(2 << 10, 64), ((2 << 10) + 1, 32), (64 << 10, 32), (1 << 20, 12), (2 << 20, 12), (3 << 20, 8)]
)
def test_memory_of_each_level(n: int, rate: int) -> None:
    """Two arrays of 8 n bytes against caches of 32 kB, 1 MB and 32 MB."""
    predicted = Prediction("negated", 0, 16 * n, 16 * n, 8.0, (32 << 10, 1 << 20, 32 << 20), ())
    assert predicted() == pytest.approx(16 * n / rate / 3e9 + CALL)


def test_memory_of_a_kernel() -> None:
    kernel = sg.compile(np.negative(X), [X])
    assert kernel.stats["predicted_seconds"](n=10**7) == pytest.approx(16e7 / 8 / 3e9 + CALL)


def test_arithmetic_counts_where_it_takes_longer() -> None:
    plain = sg.compile(X * X, [X]).stats["predicted_seconds"]
    dear = sg.compile(np.tanh(np.sin(np.exp(X))), [X]).stats["predicted_seconds"]
    assert dear(n=1000) > 5 * plain(n=1000)
    assert dear(n=2000) - dear(n=1000) == pytest.approx(dear(n=3000) - dear(n=2000))


def test_a_product_of_matrices() -> None:
    """An eighth of a cycle for each of n m k products, with four lanes."""
    A, B = sg.symbol("A", ("n", "m")), sg.symbol("B", ("m", "k"))
    kernel = sg.compile(A @ B, [A, B], name="product")
    seconds = 300 * 200 * 500 / 8 * 4 / native().lanes(64) / 3e9 + CALL
    assert kernel.stats["predicted_seconds"](n=300, m=200, k=500) == pytest.approx(seconds)
    found = kernel.measure(np.ones((30, 20)), np.ones((20, 50)))
    assert found.flops == 2 * 30 * 20 * 50
    assert found.predicted_seconds == kernel.stats["predicted_seconds"](n=30, m=20, k=50)


def test_a_measurement() -> None:
    kernel = sg.compile(2 * X, [X], name="doubled")
    out = np.zeros(1000)
    for found in (kernel.measure(np.ones(1000)), kernel.measure(x=np.ones(1000), out=out)):
        assert found.seconds > 0
        assert (found.flops, found.bytes) == (1000, 16_000)
        assert found.flops_per_second == 1000 / found.seconds
        assert found.bytes_per_second == 16_000 / found.seconds
    np.testing.assert_array_equal(out, np.full(1000, 2.0))


def test_of_results_in_a_container() -> None:
    kernel = sg.compile({"a": X, "b": [2 * X]}, [X])
    assert kernel.measure(np.ones(3)).flops == 3


def test_variables_are_what_they_were() -> None:
    w = sg.variable("measured_w", np.arange(3.0))
    step = sg.compile(w + 1, [], updates=[(w, w + 1)])
    step.measure()
    np.testing.assert_array_equal(w.value, [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(step(), [1.0, 2.0, 3.0])


def test_refusals() -> None:
    kernel = sg.compile(2 * X, [X], name="doubled")
    for sizes in ({}, {"m": 3}, {"n": 3, "m": 3}):
        with pytest.raises(KernelInputError) as caught:
            kernel.stats["predicted_seconds"](**sizes)
        assert said(caught.value) == "doubled: the dimensions are n\n  hint: predicted_seconds(n=...)"
    with pytest.raises(KernelInputError) as caught:
        kernel.measure(np.ones(3, int))
    what = "doubled(): argument 'x': expected float64[n], got int64[3]"
    assert said(caught.value) == f"{what}\n  hint: x.astype(np.float64)"
