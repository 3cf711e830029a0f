"""Factors outside: what each rule makes of an expression, and its value.  NumPy judges; powers of two keep every bit."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.interp import evaluate
from symgrad.ops import masked_multiply
from symgrad.rewrite import EXACT, rewrite
from symgrad.rewrite.scaling import scaling_rules

x, y, b = sg.symbol("x", (5,)), sg.symbol("y", (5,)), sg.symbol("b", (5,), "bool")
VALUES = {
    x: np.array([0.3, -1.7, 0.0, 5e200, -2e-200]),
    y: np.array([-0.1, 3.3, 7.1, 1e-3, 6.0]),
    b: np.array([True, False, True, True, False]),
}

POWERS = [
    ((2 * x) * y, "2 * x * y"),
    ((0.5 * x) * (4 * y), "2 * x * y"),
    ((0.5 * x) / y, "0.5 * x / y"),
    (x / (4 * y), "0.25 * x / y"),
    (0.5 / y, "0.5 * 1 / y"),
    (np.square(4 * x), "16 * x**2"),
    (-(2 * x), "-2 * x"),
    (2 * x + 2 * y, "2 * (x + y)"),
    (2 * x + -2 * y, "2 * (x - y)"),
    (2 * x - 2 * y, "2 * (x - y)"),
    (y + y, "2 * y"),
    (sg.where(b, 0.5 * x, 0.0), "0.5 * where(b, x, 0)"),
    (sg.where(b, 0.0, -0.5 * x), "0.5 * where(b, 0, -x)"),
    (np.sum(2 * y), "2 * sum(y)"),
    (np.sum(-y), "-sum(y)"),
    (masked_multiply(2 * x, y), "2 * x * y"),  # printed as products
]
OTHERS = [
    ((3 * x) * y, "3 * x * y"),
    ((3 * x) * (7 * y), "21 * x * y"),
    (3 * x + 3 * y, "3 * (x + y)"),
    (y + (y + x), "2 * y + x"),
    (y + (x + y), "2 * y + x"),
    (y + (y - x), "2 * y - x"),
]


def scaled(expression, every):
    (made,), report = rewrite([expression], [*EXACT, *scaling_rules(every)])
    assert not report.exhausted
    return made


def normal(text):
    return text.replace("(", "").replace(")", "").replace(" ", "")


@pytest.mark.parametrize(("before", "after"), POWERS, ids=[str(k) for k in range(len(POWERS))])
def test_powers_of_two(before, after):
    made = scaled(before, every=False)
    assert normal(str(made)) == normal(after)
    with np.errstate(all="ignore"):
        assert_same(evaluate([made], VALUES)[0], evaluate([before], VALUES)[0])


@pytest.mark.parametrize(("before", "after"), OTHERS, ids=[str(k) for k in range(len(OTHERS))])
def test_other_factors(before, after):
    """They stay unless all may move; then values agree to a rounding or two."""
    assert normal(str(scaled(before, every=False))) == normal(str(before))
    made = scaled(before, every=True)
    assert normal(str(made)) == normal(after)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(evaluate([made], VALUES)[0], evaluate([before], VALUES)[0], rtol=5e-16)


@pytest.mark.parametrize(
    "before", [np.sum(y[:, None] * (0.5 * x)[None, :]), np.sum(np.broadcast_to((0.5 * x)[:, None], (5, 3)), axis=1)]
)
def test_factors_of_what_is_repeated(before):
    """Inside a sum of products, where the factor leaves; a repeated array alone keeps it, as it is the smaller one."""
    made = scaled(before, every=False)
    assert str(made).startswith("0.5 * sum") == (before.ndim == 0)
    with np.errstate(all="ignore"):
        assert_same(evaluate([made], VALUES)[0], evaluate([before], VALUES)[0])


def test_factors_of_products():
    """They go to the result where that is much smaller."""
    plain = y[:, None] * x[None, :]
    wide = 2.0 * plain
    for before, moved in ((np.einsum("ij,ij->", wide, plain), True), (wide @ x, False), (wide @ wide, False)):
        made = scaled(before, every=False)
        assert str(made).startswith("2 * ") == moved
        with np.errstate(all="ignore"):
            assert_same(evaluate([made], VALUES)[0], evaluate([before], VALUES)[0])


def test_numbers_that_are_no_factors():
    """0 and infinities stay where they are; y - x stays a difference."""
    for one in (x * (0.0 * y), x * (np.inf * y)):
        assert normal(str(scaled(one, every=True))) == normal(str(one))
    assert normal(str(scaled((y - x) + x, every=True))) == "y-x+x"


def test_integers_do_not_scale():
    k = sg.symbol("k", (5,), "int64")
    assert str(scaled((2 * k) * k, every=True)) == str((2 * k) * k)
    assert str(scaled(k + k, every=True)) == str(k + k)
