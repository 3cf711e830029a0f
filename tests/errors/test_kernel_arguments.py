"""What a compiled kernel says of arguments that it does not take."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import Refusal, assert_refused, line_of

import symgrad as sg
from symgrad import KernelIndexError, KernelInputError, ShapeError

X, W, A = sg.symbol("x", ("n", 3)), sg.symbol("w", (3,)), sg.symbol("a")
V, U, Z, I = sg.symbol("v", ("n",)), sg.symbol("u", ("n",)), sg.symbol("z", ("m",)), sg.symbol("i", ("m",), "int64")
f = sg.compile(X @ W * A, [X, W, A], name="f")
two = sg.compile((A, A + 1), [A], name="two")
take = sg.compile(V[I], [V, I], name="take")
plus = sg.compile(U + V, [U, V], name="plus")
even = sg.compile(sg.symbol("r", (2 * sg.dim("n"),)).sum(), [sg.symbol("r", (2 * sg.dim("n"),))], name="even")
x, w = np.ones((2, 3)), np.ones(3)
READ_ONLY = np.broadcast_to(0.0, 2)
F_USAGE = "call f(x, w, a, out=None)"


@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: f(x.astype("f4"), w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got float32[2, 3]",
            "x.astype(np.float64)",
        ),
        Refusal(
            lambda: f(x, np.ones(3, int), 1.0),
            KernelInputError,
            "f(): argument 'w': expected float64[3], got int64[3]",
            "w.astype(np.float64)",
        ),
        Refusal(
            lambda: f(w, w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got float64[3]",
        ),
        Refusal(
            lambda: f(np.ones((2, 4)), w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got float64[2, 4]",
        ),
        Refusal(
            lambda: f(x, w, np.ones(1)),
            KernelInputError,
            "f(): argument 'a': expected float64, got float64[1]",
        ),
        Refusal(lambda: f(x, w), KernelInputError, "f(): missing 'a'", F_USAGE),
        Refusal(lambda: f(), KernelInputError, "f(): missing 'x', 'w', 'a'", F_USAGE),
        Refusal(lambda: f(x, w, 1.0, 2.0), KernelInputError, "f(): expected 3 arguments, got 4", F_USAGE),
        Refusal(lambda: f(x, w, 1.0, z=2), KernelInputError, "f(): no argument is called 'z'", F_USAGE),
        Refusal(lambda: f(x, w, 1.0, w=w), KernelInputError, "f(): argument 'w' is given twice", F_USAGE),
        Refusal(
            lambda: f([[1, 2, 3]], w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got an object of type list",
            "np.asarray(x, dtype=np.float64)",
        ),
        Refusal(lambda: f(None, w, 1.0), KernelInputError, "f(): argument 'x': expected float64[n, 3], got None"),
        Refusal(
            lambda: f(x, w, "1"), KernelInputError, "f(): argument 'a': expected float64, got an object of type str"
        ),
        Refusal(
            lambda: f(x, w, 1j),
            KernelInputError,
            "f(): argument 'a': expected float64, got an object of type complex",
        ),
        Refusal(
            lambda: f(X, w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got an object of type ArrayExpr",
            "an expression has no value: pass arrays and numbers",
        ),
        Refusal(
            lambda: f(x.astype(object), w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got object[2, 3]",
            "x.astype(np.float64)",
        ),
        Refusal(
            lambda: f(x.astype(">f8"), w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got float64[2, 3] in foreign byte order",
            "x.astype(x.dtype.newbyteorder('='))",
        ),
        Refusal(
            lambda: f(np.ma.array(x), w, 1.0),
            KernelInputError,
            "f(): argument 'x': expected float64[n, 3], got masked float64[2, 3]",
            "fill it first: masks are not taken into account",
        ),
        Refusal(
            lambda: take(np.ones(3), np.array([0.0, 1.0])),
            KernelInputError,
            "take(): argument 'i': expected int64[m], got float64[2]",
            "i.astype(np.int64)",
        ),
    ],
)
def test_arguments(case: Refusal) -> None:
    assert_refused(case)


@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: f(x, w, 1.0, out=READ_ONLY),
            KernelInputError,
            "f(): out: expected float64[2], got one that is not writeable",
        ),
        Refusal(
            lambda: f(x, w, 1.0, out=np.empty(3)), KernelInputError, "f(): out: expected float64[2], got float64[3]"
        ),
        Refusal(
            lambda: f(x, w, 1.0, out=np.empty(2, "f4")),
            KernelInputError,
            "f(): out: expected float64[2], got float32[2]",
        ),
        Refusal(
            lambda: f(x, w, 1.0, out=[0.0, 0.0]),
            KernelInputError,
            "f(): out: expected float64[2], got an object of type list",
        ),
        Refusal(
            lambda: f(x, w, 1.0, out=np.empty(4)[::2]),
            KernelInputError,
            "f(): out: expected float64[2], got one that is not C-contiguous",
        ),
        Refusal(
            lambda: f(x, w, 1.0, out=x.reshape(-1)[:2]),
            KernelInputError,
            "f(): out shares memory with argument 'x'",
            "pass an array with memory of its own",
        ),
        Refusal(
            lambda: two(1.0, out=np.empty(())),
            KernelInputError,
            "two(): out: expected a tuple of 2 arrays, got float64[]",
        ),
    ],
)
def test_results(case: Refusal) -> None:
    assert_refused(case)


# -- sizes that are known only when a kernel runs -------------------------------------------------------------------
@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: plus(np.ones(3), np.ones(4)),
            KernelInputError,
            "plus(): argument 'v': expected float64[n], got float64[4], where n = 3 by argument 'u'",
        ),
        Refusal(
            lambda: even(np.ones(3)),
            KernelInputError,
            "even(): argument 'r': expected float64[2*n], got float64[3]: no n makes 2*n equal to 3",
        ),
    ],
)
def test_named_sizes(case: Refusal) -> None:
    assert_refused(case)


def test_an_assumption_is_checked_at_run_time() -> None:
    with sg.assume(sg.dim("n") == sg.dim("m")):
        total = U + Z
    assumed, out = sg.compile(total, [U, Z], name="assumed"), np.full(3, 7.0)
    np.testing.assert_array_equal(assumed(np.ones(3), np.ones(3)), np.full(3, 2.0))

    def call() -> None:
        assumed(np.ones(3), np.ones(4), out=out)

    place = line_in(test_an_assumption_is_checked_at_run_time, 2)
    assert_refused(Refusal(call, ShapeError, f"the sizes m and n differ (they meet at {place})"))
    np.testing.assert_array_equal(out, np.full(3, 7.0))


def line_in(test: object, offset: int) -> str:
    """A line of a test, counted from its first."""
    code = test.__code__  # type: ignore[attr-defined]
    return f"test_kernel_arguments.py:{code.co_firstlineno + offset}"


def test_sizes_without_names_are_compared_at_run_time() -> None:
    p, q = sg.symbol("p", (None,)), sg.symbol("q", (None,))
    product, out = sg.compile(p * q, [p, q], name="product"), np.full(3, 7.0)
    np.testing.assert_array_equal(product(np.full(3, 2.0), np.full(3, 4.0)), np.full(3, 8.0))

    def call() -> None:
        product(np.ones(3), np.ones(4), out=out)

    place = line_in(test_sizes_without_names_are_compared_at_run_time, 2)
    what = f"the sizes {q.shape[0]} and {p.shape[0]} differ (they meet at {place})"
    assert_refused(Refusal(call, ShapeError, what))
    np.testing.assert_array_equal(out, np.full(3, 7.0))


@pytest.mark.parametrize("index", [3, -4, 2**62, -(2**63)])
def test_an_index_outside_its_array(index: int) -> None:
    out = np.full(2, 7.0)
    gathered = sg.compile((V + V)[I], [V, I], name="gathered")

    def call() -> None:
        gathered(np.arange(3.0), np.array([0, index]), out=out)

    place = line_in(test_an_index_outside_its_array, 3)
    what = f"an index is out of bounds for axis 0 of size n (the indexing at {place})"
    assert_refused(Refusal(call, KernelIndexError, what))
    np.testing.assert_array_equal(out, [7.0, 7.0])
    gathered(np.arange(3.0), np.array([-3, 2]), out=out)
    np.testing.assert_array_equal(out, [0.0, 4.0])


def test_no_result_is_written_when_one_of_several_fails() -> None:
    both = sg.compile((V * 2, V[I]), [V, I], name="both")
    out = (np.full(3, 7.0), np.full(1, 7.0))
    with pytest.raises(KernelIndexError):
        both(np.ones(3), np.array([3]), out=out)
    np.testing.assert_array_equal(out[0], np.full(3, 7.0))
    np.testing.assert_array_equal(out[1], np.full(1, 7.0))


def test_variables_keep_their_state_when_a_kernel_fails() -> None:
    state = sg.variable("errors_state", [1.0, 2.0])
    step = sg.compile(V[I], [V, I], updates=[(state, state + 1)], name="step")
    with pytest.raises(KernelIndexError):
        step(np.ones(3), np.array([5]))
    np.testing.assert_array_equal(state.value, [1.0, 2.0])
    step(np.ones(3), np.array([2]))
    np.testing.assert_array_equal(state.value, [2.0, 3.0])


def test_kinds_are_those_that_numpy_raises() -> None:
    assert issubclass(KernelInputError, TypeError)
    assert issubclass(KernelInputError, ValueError)
    assert issubclass(KernelIndexError, IndexError)
    assert line_of(lambda: None).startswith("test_kernel_arguments.py:")
