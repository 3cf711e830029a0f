"""Scalar programs: minus signs that wait, functions that are called, and the same values as the interpreter's."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import symgrad as sg
from codegen.driver import compile_body
from codegen.lower.loopir import Let, statements
from codegen.target import native
from symgrad.interp import evaluate

INPUTS = [sg.symbol(f"straight_{k}") for k in range(4)]
POINTS = [(0.5, -1.25, 3.0, 0.75), (0.0, -0.0, 1.0, -1.0), (-0.0, 0.0, -2.0, 0.0), (math.inf, 1.0, -1.0, -0.0)]


def scalar_program(seed: int) -> list:
    """Sums, products, quotients and many minus signs of earlier values."""
    rng = np.random.default_rng(seed)
    values = list(INPUTS)
    for _ in range(40):
        a, b = (values[int(k)] for k in rng.integers(max(0, len(values) - 12), len(values), 2))
        sign = [lambda x: x, lambda x: -x]
        a, b = sign[rng.integers(2)](a), sign[rng.integers(2)](b)
        values.append([a + b, a - b, a * b, a / b, -(a * b), np.abs(a) - b][rng.integers(6)])
    return values[-6:]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("point", POINTS)
def test_bits_are_the_interpreters(seed, point):
    """Also the signs of zeros: moving a minus changes no result."""
    results = scalar_program(seed)
    with np.errstate(all="ignore"):
        want = evaluate(results, dict(zip(INPUTS, map(np.float64, point), strict=True)))
    got = sg.compile(tuple(results), INPUTS, fastmath=set())(*point)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_equal(float(one), float(other))
        if not np.isnan(other):
            assert np.signbit(one) == np.signbit(other)


def operations(results):
    compiled = compile_body([sg.ops.identity(one) for one in results], INPUTS, [], [], "straight", native())
    return [one.op for stage in compiled.program.stages for one in statements(stage.body, frozenset({Let}))]


def test_minus_signs_are_absorbed():
    x, y, z, w = INPUTS
    assert "negative" not in operations([x + (-(y * z)), x - (-y) * w, (-x) / y - z * (-w), (-x) * (-y)])
    assert operations([-x]) == ["negative"]


def test_functions_of_long_code_are_written_once():
    x = INPUTS[0]
    value = x
    for k in range(40):
        value = np.sin(value + 0.1 * k) * np.exp(-value * value)
    compiled = compile_body([value], [x], [], [], "long", native())
    assert len(re.findall(r"define internal double @math_sin_f64", compiled.text)) == 1
    assert len(re.findall(r"call double @math_sin_f64", compiled.text)) > 30
    want = 0.7
    for k in range(40):
        want = math.sin(want + 0.1 * k) * math.exp(-want * want)
    assert float(sg.compile(value, [x])(0.7)) == pytest.approx(want, rel=1e-13)


def test_square_roots_are_instructions_however_many():
    value = INPUTS[0]
    for k in range(40):
        value = np.sqrt(value * value + 1.0 + k)
    compiled = compile_body([value], INPUTS[:1], [], [], "roots", native())
    assert "@math_" not in compiled.text
    want = 0.7
    for k in range(40):
        want = math.sqrt(want * want + 1.0 + k)
    assert float(sg.compile(value, INPUTS[:1])(0.7)) == pytest.approx(want, rel=1e-13)


def test_few_functions_are_written_out():
    compiled = compile_body([np.sin(INPUTS[0]) * np.exp(INPUTS[1])], INPUTS[:2], [], [], "few", native())
    assert "@math_" not in compiled.text
