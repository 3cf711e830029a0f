"""What is stated about dimensions: what then agrees, what kernels check, and what cannot be assumed."""

from __future__ import annotations

import contextvars

import numpy as np
import pytest

import symgrad as sg
from symgrad import assumptions
from symgrad.errors import ShapeError
from symgrad.interp import evaluate


def isolated(function, *args):
    """The function's result, with the assumptions it makes undone."""
    return contextvars.copy_context().run(function, *args)


def test_differently_named_dimensions_do_not_mix():
    x, y = sg.symbol("x", ("n",)), sg.symbol("y", ("m",))
    with pytest.raises(ShapeError) as caught:
        x + y
    assert caught.value.what == (
        "add: shapes do not broadcast: (n,) and (m,)\n  sizes n and m are not known to be equal"
    )
    assert caught.value.hint == "sg.assume(n == m) adds a run-time guard"
    assert caught.value.where.startswith("test_assumptions.py:")


def test_assume_in_a_block():
    n, m = sg.dim("n"), sg.dim("m")
    x, y = sg.symbol("x", (n,)), sg.symbol("y", (m,))
    with sg.assume(n == m):
        total = x + y
        with sg.assume(m == sg.dim("k")):
            assert (x + sg.symbol("z", ("k",))).shape == (n,)
        with pytest.raises(ShapeError):
            x + sg.symbol("z", ("k",))
    with pytest.raises(ShapeError):
        x + y
    np.testing.assert_array_equal(evaluate([total], {x: np.arange(3.0), y: np.ones(3)})[0], np.arange(3.0) + 1)
    with pytest.raises(ShapeError):
        evaluate([total], {x: np.arange(3.0), y: np.ones(2)})
    kernel = sg.compile(total, [x, y])
    np.testing.assert_array_equal(kernel(np.arange(3.0), np.ones(3)), np.arange(3.0) + 1)
    with pytest.raises((ShapeError, sg.KernelInputError)):
        kernel(np.arange(3.0), np.ones(2))


def test_assume_for_good():
    n, m, k = sg.dim("n"), sg.dim("m"), sg.dim("k")

    def build():
        sg.assume(n == m, 2 * k == m)
        return [
            assumptions.agree(n, m),
            assumptions.agree(n, 2 * k),
            assumptions.agree(n + 1, 2 * k + 1),
            assumptions.agree(n, k),
        ]

    assert isolated(build) == [None, None, None, False]
    assert assumptions.agree(n, m) is False


def test_assume_a_number():
    n = sg.dim("n")
    x = sg.symbol("x", (n,))
    with sg.assume(n == 3):
        made = x + np.ones(3)
    assert made.shape == (3,)
    np.testing.assert_array_equal(evaluate([made], {x: np.zeros(3)})[0], np.ones(3))
    with pytest.raises(ShapeError):
        evaluate([made], {x: np.zeros(4)})


@pytest.mark.parametrize(
    ("relation", "what"),
    [
        (lambda n, m: n == n + 1, "assume: n == n + 1 cannot hold"),
        (lambda n, m: n == -1, "assume: n == -1 cannot hold"),
        (lambda n, m: 3, "assume: 3 is not a relation between dimensions"),
        (lambda n, m: False, "assume: False is not a relation between dimensions"),
    ],
)
def test_assumptions_that_cannot_be_made(relation, what):
    n, m = sg.dim("n"), sg.dim("m")
    with pytest.raises(ShapeError) as caught:
        isolated(sg.assume, relation(n, m))
    assert caught.value.what == what


def test_contradictory_assumptions():
    n, m = sg.dim("n"), sg.dim("m")
    with sg.assume(n == m):
        with pytest.raises(ShapeError, match="cannot hold"):
            sg.assume(n == m + 1)
        assert assumptions.agree(n, m) is None
    with sg.assume(n == 3), pytest.raises(ShapeError, match="cannot hold"):
        sg.assume(n == 4)
    assert assumptions.agree(n, m) is False


def test_what_holds_anyway_may_be_assumed():
    n = sg.dim("n")
    with sg.assume(n == n, True):
        assert assumptions.agree(n, sg.dim("m")) is False


def test_an_assumed_relation_holds_even_where_it_is_not_linear():
    """Nothing to solve for, but what is stated agrees."""
    n, m = sg.dim("n"), sg.dim("m")
    with sg.assume(n * m == n, 2 * n == 3 * m):
        assert assumptions.agree(n * m, n) is None
        assert assumptions.agree(n, n * m) is None
        assert assumptions.agree(2 * n + 1, 3 * m + 1) is None
    assert assumptions.agree(n * m, n) is False
