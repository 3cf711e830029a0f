"""What ``fastmath`` changes: fused products, divisions by shared reciprocals, factors that move.  NumPy judges values."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import lower

import symgrad as sg
from codegen.lower.loopir import For, Let, Nest, statements
from codegen.lower.reciprocals import share_reciprocals

RNG = np.random.default_rng(3)
x, y, z = (sg.symbol(name, ("n",)) for name in "xyz")


def divisions(program):
    return sum(
        isinstance(one, Let) and one.op == "divide"
        for stage in program.stages
        if isinstance(stage, Nest)
        for one in statements(stage.body)
    )


def test_one_division_for_each_divisor():
    lowered = lower([x / z, y / z, 1 / z, x / y], [x, y, z])
    shared = share_reciprocals(lowered.program)
    assert (divisions(lowered.program), divisions(shared)) == (4, 2)  # y divides once, and keeps its division
    arrays = [RNG.uniform(1, 2, 5) for _ in range(3)]
    a, b, c = arrays
    for got, want in zip(
        sg.compile([x / z, y / z, 1 / z, x / y], [x, y, z], fastmath={"reciprocal"})(*arrays),
        (a * (1 / c), b * (1 / c), 1 / c, a / b),
        strict=True,
    ):
        assert_same(got, want)


def test_a_divisor_of_a_loop_divides_outside():
    """A divisor that the loop does not change divides once before it."""
    s = sg.symbol("s")
    shared = share_reciprocals(lower([x / s], [x, s]).program)
    (nest,) = shared.stages
    (loop,) = [one for one in nest.body if isinstance(one, For)]
    assert divisions(shared) == 1
    assert not any(isinstance(one, Let) and one.op == "divide" for one in statements(loop.body))
    a = RNG.uniform(1, 2, 7)
    assert_same(sg.compile(x / s, [x, s], fastmath={"reciprocal"})(a, 3.0), a * (1 / 3.0))


def test_a_sum_divides_outside():
    """The result of a reduction is such a divisor."""
    total = np.sum(x)
    kernel = sg.compile(x / total, [x], fastmath={"contract", "reciprocal"})
    a = RNG.uniform(1, 2, 33)
    np.testing.assert_allclose(kernel(a), a / a.sum(), rtol=1e-15)
    assert kernel.loop_ir.count("divide") == 1


def test_integers_keep_their_divisions():
    k = sg.symbol("k", ("n",), "int64")
    got = sg.compile([k // 3, k % 3], [k], fastmath={"reciprocal"})(np.arange(-5, 5))
    assert_same(got[0], np.arange(-5, 5) // 3)
    assert_same(got[1], np.arange(-5, 5) % 3)


@pytest.mark.parametrize(("fastmath", "exact"), [(set(), True), ({"contract"}, False)])
def test_contraction(fastmath, exact):
    """x*y - z is rounded once where it may be fused, and twice where it may not."""
    a = 1 + np.arange(1.0, 9.0) * 2.0**-30
    got = sg.compile(x * y - z, [x, y, z], fastmath=fastmath)(a, a, a * a)
    assert_same(np.all(got == 0), np.bool_(exact))


def test_factors_move_on_request():
    """2 and 1/2 cancel by themselves; other factors meet where they may."""
    distance = np.sqrt(x * x + y * y)
    slope = sg.gradients(np.sum(distance), [x])[0]
    assert "2.0 : float64" not in sg.compile(slope, [x, y]).loop_ir
    value = 3.0 * x * y + 3.0 * x * y * z
    plain, moved = sg.compile(value, [x, y, z]), sg.compile(value, [x, y, z], fastmath={"contract", "reassoc"})
    arrays = [RNG.uniform(1, 2, 9) for _ in range(3)]
    np.testing.assert_allclose(moved(*arrays), plain(*arrays), rtol=1e-15)
