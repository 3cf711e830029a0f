"""Functions of the mathematics library side by side in loops: what they share, and how wide the loops are.

Values are compared with NumPy, SciPy and the C library; the text of the kernels shows what is computed once.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import scipy.special

import symgrad as sg
from codegen.driver import compile_body
from codegen.emit.angles import Angles, with_groups
from codegen.llvm.toolchain import compile_text
from codegen.lower.loopir import Const, Let, Load, Offset, Store
from codegen.target import find_target
from symgrad.types import FLOAT64

X = sg.symbol("x", ("n",))
Y = sg.symbol("y", ("n",))
PLACE = Offset(0, (), ())


def text_of(outputs, inputs, target="x86-64-v3"):
    return compile_body(outputs, inputs, [], [], "kernel", find_target(target), ()).text


def reductions(text):
    """Products with 2/π: one for each angle in each copy of the loop."""
    return len(re.findall(r"@llvm\.fma.*splat \(double 0x3FE45F306DC9C883\)", text))


def branches(text):
    return text.count("!prof !0")


def exponentials(outputs):
    """Exponents put together in machine code; each exponential has two."""
    return compile_text(text_of(outputs, [X]), find_target("x86-64-v3")).count("$52, %ymm")


def test_sine_and_cosine_of_one_angle_share_its_reduction():
    alone, both = text_of([np.sin(X)], [X]), text_of([np.sin(X), np.cos(X), np.tan(X)], [X])
    assert reductions(both) == reductions(alone) > 0
    assert branches(both) == branches(alone) > 0
    value_and_slope = text_of([np.sin(X * Y), *sg.gradients(np.sin(X * Y), [X, Y])], [X, Y])
    assert reductions(value_and_slope) == reductions(alone)


def test_independent_angles_share_a_branch():
    angles = [X + k for k in range(6)]
    text = text_of([sum(np.sin(one) * np.cos(one) for one in angles)], [X])
    assert reductions(text) == 6 * reductions(text_of([np.sin(X)], [X]))
    assert branches(text) == branches(text_of([np.sin(X)], [X]))


def test_angles_that_depend_on_others_wait():
    value = np.sin(np.cos(X) + np.sin(Y)) * np.cos(Y)
    assert branches(text_of([value], [X, Y])) == 2 * branches(text_of([np.sin(X)], [X]))
    x, y = np.linspace(-9, 9, 101), np.linspace(50, -3, 101)
    np.testing.assert_allclose(
        sg.compile(value, [X, Y])(x, y), np.sin(np.cos(x) + np.sin(y)) * np.cos(y), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_large_angles_in_a_group_are_those_of_libm(dtype):
    x, y = sg.symbol("x", ("n",), dtype), sg.symbol("y", ("n",), dtype)
    kernel = sg.compile([np.sin(x), np.cos(y), np.tan(x), np.cos(x)], [x, y])
    a = np.linspace(-3, 3, 53).astype(dtype)
    b = a[::-1].copy()
    a[::7] = 3e18
    b[::5] = -7e15
    sines, cosines, tangents, others = kernel(a, b)
    accuracy = 4 * np.finfo(dtype).eps
    for got, function, source in (
        (sines, math.sin, a),
        (cosines, math.cos, b),
        (tangents, math.tan, a),
        (others, math.cos, a),
    ):
        want = np.array([function(float(one)) for one in source])
        np.testing.assert_allclose(got, want, rtol=accuracy, atol=accuracy)
    # lanes beside a large angle keep their bits
    single = sg.compile(np.sin(x), [x])(np.linspace(-3, 3, 53).astype(dtype))
    rare = np.arange(53) % 7 == 0
    np.testing.assert_array_equal(sines[~rare], single[~rare])


def test_operands_move_up_to_a_group_and_nothing_moves_across_stores():
    def let(own, op, *args):
        return Let(own, op, args, FLOAT64)

    first = [Load(1, "a", PLACE, FLOAT64), let(2, "sin", 1), let(3, "add", 2, 2)]
    second = [Load(4, "b", PLACE, FLOAT64), let(5, "multiply", 4, 4), let(6, "cos", 5), let(7, "sin", 6)]
    store = Store("o", PLACE, 3, False)
    last = [let(8, "cos", 1)]
    made = list(with_groups([*first, *second, store, *last]))
    assert made[:3] == [first[0], *second[:2]]
    assert made[3:] == [Angles((first[1], second[2])), first[2], Angles((second[3],)), store, Angles((last[0],))]
    plain = [Const(1, np.float64(2), FLOAT64), let(2, "exp", 1)]
    assert with_groups(plain) is plain


def test_groups_have_at_most_eight_angles():
    loads = [Load(k, "a", PLACE, FLOAT64) for k in range(20)]
    sines = [Let(100 + k, "sin", (k,), FLOAT64) for k in range(20)]
    groups = [one for one in with_groups([*loads, *sines]) if isinstance(one, Angles)]
    assert [len(group.members) for group in groups] == [8, 8, 4]


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (sg.special.erf, scipy.special.erf),
        (sg.special.erfc, scipy.special.erfc),
        (lambda x: sg.special.erfc(-x), lambda x: scipy.special.erfc(-x)),
        (sg.special.ndtr, scipy.special.ndtr),
    ],
    ids=["erf", "erfc", "erfc of a negated value", "ndtr"],
)
def test_an_error_function_and_its_slope_share_an_exponential(function, reference):
    value = function(X)
    both = [value, *sg.gradients(value, [X])]
    assert exponentials(both) == exponentials([value]) > 0
    x = np.linspace(-6, 6, 201)
    got, slope = sg.compile(both, [X])(x)
    np.testing.assert_allclose(got, reference(x), rtol=1e-14, atol=1e-300)
    step = 1e-5
    np.testing.assert_allclose(slope, (reference(x + step) - reference(x - step)) / (2 * step), atol=1e-9)


def widest(text):
    return max(int(lanes) for lanes in re.findall(r"<(\d+) x double>", text))


def test_two_vectors_run_side_by_side_where_chains_are_long():
    assert widest(text_of([np.exp(X)], [X])) == 8
    assert widest(text_of([np.exp(X)], [X], "x86-64-v4")) == 16
    short = sg.symbol("short", (1000,))
    assert widest(text_of([short * short + 1.0], [short])) == 4
    assert widest(text_of([X * Y + 1.0], [X, Y])) == 8  # for whole lines of results that may be large
    assert widest(text_of([np.sqrt(X)], [X])) == 4
    many = np.exp(sum(X**k / (Y + k) for k in range(2, 40)))  # enough independent work in one vector
    assert widest(text_of([many], [X, Y])) == 4
