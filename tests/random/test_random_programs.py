"""Random programs: NumPy = interpreter = loop IR = compiled; derivatives against multi-precision slopes."""

from __future__ import annotations

import numpy as np
from comparing import assert_same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Program, concrete, programs

import symgrad as sg
from symgrad.interp import evaluate
from symgrad.referee import exact_slope, exact_values
from symgrad.rewrite import EXACT, STABLE, rewrite

COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


def inputs_of(program: Program, seed: int):
    rng = np.random.default_rng(seed)
    symbols = [sg.symbol(f"x{k}", shape) for k, shape in enumerate(program.shapes)]
    arrays = [rng.normal(size=concrete(shape)) for shape in program.shapes]
    return symbols, arrays


def scalar_of(results):
    """A scalar that depends on every result, with weights that tell elements apart."""
    return sum((np.sum(np.sin(one + 0.1 * k)) for k, one in enumerate(results)), 0.0)


@settings(max_examples=120, **COMMON)
@given(programs(), st.integers(0, 100))
def test_values(program, seed):
    symbols, arrays = inputs_of(program, seed)
    results = program.run(symbols)
    want = program.run(arrays)
    environment = dict(zip(symbols, arrays, strict=True))
    for one, other in zip(evaluate(results, environment), want, strict=True):
        assert_same(one, other)
    rewritten, _ = rewrite(results, [*EXACT, *STABLE])
    for one, other in zip(evaluate(rewritten, environment), want, strict=True):
        assert_same(one, other, rtol=1e-9, atol=1e-10)
    for one, other in zip(sg.compile(tuple(results), symbols)(*arrays), want, strict=True):
        assert_same(one, other, rtol=1e-9, atol=1e-10)


@settings(max_examples=100, **COMMON)
@given(programs(7), st.integers(0, 100))
def test_gradients(program, seed):
    """The compiled gradient is the interpreter's, and its product with a direction the exact slope."""
    symbols, arrays = inputs_of(program, seed)
    value = scalar_of(program.run(symbols))
    gradient = sg.gradients(value, symbols, unconnected="zero")
    environment = dict(zip(symbols, arrays, strict=True))
    reference = evaluate(gradient, environment)
    for one, other in zip(sg.compile(tuple(gradient), symbols)(*arrays), reference, strict=True):
        assert_same(one, other, rtol=1e-8, atol=1e-9)
    rng = np.random.default_rng(seed + 1)
    k = int(rng.integers(len(arrays)))
    place = tuple(int(rng.integers(size)) for size in arrays[k].shape)

    def exact(point):
        return exact_values([value], dict(zip(symbols, point, strict=True)))[0]

    slope = exact_slope(exact, arrays, k, place)
    assert abs(float(slope) - reference[k][place]) <= 1e-8 * (1 + abs(float(slope)))


@settings(max_examples=60, **COMMON)
@given(programs(5), st.integers(0, 100))
def test_forward_and_second_order(program, seed):
    """Forward mode is the transpose of reverse mode; so is the derivative of the gradient, which is symmetric."""
    symbols, arrays = inputs_of(program, seed)
    rng = np.random.default_rng(seed)
    u, v = (
        {
            sg.symbol(f"{letter}{k}", one.shape): rng.normal(size=array.shape)
            for k, (one, array) in enumerate(zip(symbols, arrays, strict=True))
        }
        for letter in "uv"
    )
    environment = {**dict(zip(symbols, arrays, strict=True)), **u, **v}

    def f(*xs):
        return scalar_of(program.run(xs))

    gradient = sg.gradients(f(*symbols), symbols, unconnected="zero")
    slope = sg.jvp(f, symbols, list(v))[1]
    curvature = sg.gradients(slope, symbols, unconnected="zero")  # H v
    along = sg.jvp(lambda *xs: sg.jvp(f, xs, list(u))[1], symbols, list(v))[1]  # u H v
    outputs = [slope, along, *gradient, *curvature]
    values = evaluate(outputs, environment)
    count = len(symbols)
    expected = sum(np.sum(g * d) for g, d in zip(values[2 : 2 + count], v.values(), strict=True))
    np.testing.assert_allclose(values[0], expected, rtol=1e-9, atol=1e-9)
    both = sum(np.sum(h * d) for h, d in zip(values[2 + count :], u.values(), strict=True))
    np.testing.assert_allclose(values[1], both, rtol=1e-8, atol=1e-8)
    compiled = sg.compile(tuple(outputs), list(environment))(*environment.values())
    for one, other in zip(compiled, values, strict=True):
        assert_same(one, other, rtol=1e-7, atol=1e-8)
