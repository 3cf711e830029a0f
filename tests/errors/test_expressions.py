"""What an expression says when Python or NumPy wants a number, and what operations say of arrays that do not fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from refusals import Refusal, assert_refused

import symgrad as sg
from symgrad import DTypeError, KernelIndexError, ShapeError, TraceError
from symgrad.ops.coerce import AxisError

A, W, X = sg.symbol("a"), sg.symbol("w", (3,)), sg.symbol("x", ("n", 3))
M, I, N = sg.symbol("M", ("m", "k")), sg.symbol("i", ("m",), "int64"), sg.dim("n")
B, C, U, V = sg.symbol("B", (2, 3)), sg.symbol("C", (2, 4)), sg.symbol("u", (4,)), sg.symbol("v", ("m",))
UNKNOWN = "an expression, whose value is unknown while tracing"
TRUTH = (
    f"Python asked for the truth of {UNKNOWN}",
    "use np.where(...) or sg.where(...) instead of if, and, or, not, in",
)
INSIDE = (f"Python asked whether something is in {UNKNOWN}", "use np.any(x == value)")
FLOAT = (
    f"Python asked for the float value of {UNKNOWN}",
    "use NumPy's functions (np.sin, not math.sin); symgrad.numpy.array and np.stack make arrays of expressions",
)
INDEX = (
    f"Python asked for an index from {UNKNOWN}",
    "index an expression with it (x[i]), or make it a static argument",
)
ARRAY = (
    f"NumPy asked for the array of {UNKNOWN}",
    "import symgrad.numpy as np, whose array, asarray, full and linspace take expressions; sg.constant(table)[i] "
    "indexes an array with an expression",
)
DEFINE = "sg.elementwise or sg.custom_gradient defines new operations from supported ones"
NOT_IN_PLACE = "write y = y + x instead of y += x"


def while_loop() -> None:
    while A > 0:
        pass  # the condition is what fails


def set_item() -> None:
    W[0] = 1.0


def delete_item() -> None:
    del W[0]


def add_in_place() -> None:
    y = np.ones(3)
    y += W


def divide_in_place() -> None:
    y = np.ones(3)
    y /= A


def set_item_of_array() -> None:
    y = np.ones(3)
    y[0] = A


def set_slice_of_array() -> None:
    y = np.ones(3)
    y[:] = W


def test_while() -> None:
    with pytest.raises(TraceError) as caught:
        while_loop()
    first = while_loop.__code__.co_firstlineno + 1
    assert str(caught.value) == f"{TRUTH[0]}\n  at test_expressions.py:{first}\n  hint: {TRUTH[1]}"


@pytest.mark.parametrize(
    "case",
    [
        Refusal(lambda: bool(A), TraceError, *TRUTH),
        Refusal(lambda: 1 if A > 0 else 2, TraceError, *TRUTH),
        Refusal(lambda: A > 0 and A < 1, TraceError, *TRUTH),
        Refusal(lambda: A > 0 or A < 1, TraceError, *TRUTH),
        Refusal(lambda: not A, TraceError, *TRUTH),
        Refusal(lambda: 0 < A < 1, TraceError, *TRUTH),
        Refusal(lambda: [one for one in (1, 2) if W[0] > one], TraceError, *TRUTH),
        Refusal(lambda: 1.0 in W, TraceError, *INSIDE),
        Refusal(lambda: W[0] in W, TraceError, *INSIDE),
        Refusal(lambda: 1.0 in A, TraceError, *INSIDE),
        Refusal(
            lambda: list(X),
            TraceError,
            "iteration over the dynamic dimension n",
            "use array operations over the axis, or give the axis a fixed size",
        ),
        Refusal(
            lambda: len(X),
            TraceError,
            "len() of a dynamic dimension n",
            "use x.shape[0], which takes part in expressions",
        ),
        Refusal(set_item, TraceError, "an expression cannot be changed in place", "y = x.at[index].set(value)"),
        Refusal(
            delete_item,
            TraceError,
            "an expression cannot be changed in place",
            "select what is left: x[1:], x[indices]",
        ),
        Refusal(
            add_in_place, TraceError, "add: an array cannot take the value of an expression in place", NOT_IN_PLACE
        ),
        Refusal(
            divide_in_place,
            TraceError,
            "divide: an array cannot take the value of an expression in place",
            NOT_IN_PLACE,
        ),
        Refusal(
            lambda: np.sin(W, out=np.ones(3)),
            TraceError,
            "sin: an array cannot take the value of an expression in place",
            NOT_IN_PLACE,
        ),
        Refusal(set_item_of_array, TraceError, *FLOAT),
        Refusal(set_slice_of_array, TraceError, *ARRAY),
        Refusal(lambda: float(A), TraceError, *FLOAT),
        Refusal(lambda: float(W), TraceError, *FLOAT),
        Refusal(lambda: math.sin(A), TraceError, *FLOAT),
        Refusal(
            lambda: int(A), TraceError, f"Python asked for the integer value of {UNKNOWN}", "use x.astype('int64')"
        ),
        Refusal(
            lambda: complex(A),
            TraceError,
            f"Python asked for the complex value of {UNKNOWN}",
            "complex numbers are not supported: keep their parts apart",
        ),
        Refusal(lambda: range(A), TraceError, *INDEX),
        Refusal(lambda: [1, 2][A], TraceError, *INDEX),
        Refusal(
            lambda: range(N),
            TraceError,
            "an integer value of the dynamic dimension n: its size is known only when a kernel runs",
            "use array operations over the axis, or give the axis a fixed size",
        ),
    ],
)
def test_python_wants_a_number(case: Refusal) -> None:
    assert_refused(case)


@pytest.mark.parametrize(
    "case",
    [
        Refusal(lambda: np.array(A), TraceError, *ARRAY),
        Refusal(lambda: np.array(W), TraceError, *ARRAY),
        Refusal(lambda: np.asarray(W), TraceError, *ARRAY),
        Refusal(lambda: np.array([A, 1.0]), TraceError, *ARRAY),
        Refusal(lambda: np.array([W, W]), TraceError, *ARRAY),
        Refusal(lambda: np.full(3, A), TraceError, *ARRAY),
        Refusal(lambda: np.ones(3)[A], TraceError, *ARRAY),
        Refusal(
            lambda: np.unique(W),
            TraceError,
            "np.unique does not work on expressions: the size of its result depends on values, which are unknown while "
            "tracing",
            "np.sort orders the elements; np.diff(np.sort(x)) != 0 marks the first of each run",
        ),
        Refusal(lambda: np.is_busday(W), TraceError, "np.is_busday does not work on expressions", DEFINE),
        Refusal(lambda: np.linalg.eigh(X), TraceError, "np.linalg.eigh does not work on expressions", DEFINE),
        Refusal(
            lambda: np.fft.fft(W),
            TraceError,
            "np.fft.fft does not work on expressions: its numbers are complex, and element types are real",
            "keep real and imaginary parts apart: products with matrices np.cos and np.sin of 2π/n · j · k",
        ),
        Refusal(lambda: np.add.reduceat(W, [0]), TraceError, "np.add.reduceat does not work on expressions", DEFINE),
        Refusal(
            lambda: np.sum(W, out=np.zeros(())),
            TraceError,
            "np.sum with out does not work on expressions",
            DEFINE,
        ),
        Refusal(lambda: np.sin(W, where=W > 0), TraceError, "np.sin with where does not work on expressions", DEFINE),
        Refusal(
            lambda: np.where(W > 0),
            TraceError,
            "where: the number of true elements is unknown while tracing",
            "give both branches: np.where(condition, x, y)",
        ),
        Refusal(
            lambda: W & 1,
            DTypeError,
            "bitwise_and: not defined for float64 operands",
            "convert with .astype('int64')",
        ),
        Refusal(
            lambda: np.ldexp(W, 0.5),
            DTypeError,
            "ldexp: not defined for float64 operands",
            "convert with .astype('int64')",
        ),
        Refusal(
            lambda: np.positive(W > 0),
            DTypeError,
            "positive: not defined for bool operands",
            "convert with .astype('float64')",
        ),
        Refusal(
            lambda: W + np.array([None] * 3),
            TraceError,
            "add: an object array cannot be part of an expression",
            "build arrays of expressions with symgrad.numpy.array or np.stack",
        ),
        Refusal(
            lambda: sg.constant(W),
            TraceError,
            "constant: the value is an expression already",
            "use it as it is",
        ),
        Refusal(
            lambda: sg.from_sympy("x + 1"),
            TraceError,
            "from_sympy: text is never evaluated",
            "build the expression with sympy.Symbol and functions",
        ),
    ],
)
def test_numpy_wants_an_array(case: Refusal) -> None:
    assert_refused(case)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: list(A), "'ScalarExpr' object is not iterable"),
        (lambda: len(A), "object of type 'ScalarExpr' has no len()"),
        (lambda: A[0], "'ScalarExpr' object is not subscriptable"),
        (lambda: W + "a", "unsupported operand type(s) for +: 'ArrayExpr' and 'str'"),
        (lambda: W + None, "unsupported operand type(s) for +: 'ArrayExpr' and 'NoneType'"),
    ],
)
def test_python_itself_refuses(call: Any, message: str) -> None:
    """A scalar has no length and no items at all: NumPy would otherwise take it for a sequence."""
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


# -- shapes ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "case",
    [
        Refusal(lambda: B @ C, ShapeError, "matmul: inner sizes differ: (2, 3) and (2, 4)"),
        Refusal(
            lambda: X @ M,
            ShapeError,
            "matmul: inner sizes differ: (n, 3) and (m, k)\n  sizes 3 and m are not known to be equal",
            "sg.assume(3 == m) adds a run-time guard",
        ),
        Refusal(lambda: A @ W, ShapeError, "matmul: an operand is a scalar", "use * to scale"),
        Refusal(lambda: np.dot(W, U), ShapeError, "matmul: inner sizes differ: (3,) and (4,)"),
        Refusal(lambda: W + U, ShapeError, "add: shapes do not broadcast: (3,) and (4,)"),
        Refusal(
            lambda: X * V[:, None],
            ShapeError,
            "multiply: shapes do not broadcast: (n, 3) and (m, 1)\n  sizes n and m are not known to be equal",
            "sg.assume(n == m) adds a run-time guard",
        ),
        Refusal(
            lambda: np.broadcast_to(W, (2, 4)), ShapeError, "broadcast_to: shapes do not broadcast: (3,) and (2, 4)"
        ),
        Refusal(lambda: W.reshape(2, 2), ShapeError, "reshape: (3,) has 3 elements, (2, 2) has 4"),
        Refusal(lambda: X.reshape(4), ShapeError, "reshape: (n, 3) has 3*n elements, (4,) has 4"),
        Refusal(lambda: W.reshape(-1, 2), ShapeError, "reshape: (3,) does not fit (-1, 2)"),
        Refusal(lambda: W.reshape(-1, -1), ShapeError, "reshape: only one size may be -1"),
        Refusal(
            lambda: np.concatenate([B, C]), ShapeError, "concatenate: sizes differ off the axis: (2, 3) and (2, 4)"
        ),
        Refusal(lambda: np.concatenate([W, X]), ShapeError, "concatenate: ranks differ or are zero: (3,), (n, 3)"),
        Refusal(lambda: sg.concatenate([]), ShapeError, "concatenate: no arrays given"),
        Refusal(lambda: np.stack([W, U]), ShapeError, "stack: all arrays must have one shape: (3,) and (4,)"),
        Refusal(lambda: np.sum(W, axis=1), AxisError, "sum: axis 1 is out of bounds for an array of rank 1"),
        Refusal(lambda: np.sum(X, axis=(0, -2)), ShapeError, "sum: duplicate axis in (0, -2)"),
        Refusal(lambda: np.sum(X, axis=1.0), DTypeError, "sum: axis 1.0 is not an integer"),
        Refusal(
            lambda: np.transpose(X, (0, 0)),
            ShapeError,
            "transpose: (0, 0) is no permutation of the axes of (n, 3)",
        ),
        Refusal(lambda: np.squeeze(W, 0), ShapeError, "squeeze: axis 0 of (3,) is not of size 1"),
        Refusal(
            lambda: np.einsum("i,i->j", W, W),
            ShapeError,
            "einsum: the output's labels must be distinct labels of the operands",
        ),
        Refusal(lambda: np.einsum("i,i", W, U), ShapeError, "einsum: sizes of one label differ: (3,) and (4,)"),
        Refusal(lambda: sg.cross(U, U), ShapeError, "cross: axis -1 of (4,) is not of size 3"),
        Refusal(lambda: sg.symbol("s", (-1,)), ShapeError, "shape (-1,): negative size -1"),
        Refusal(
            lambda: sg.symbol("s", (1.5,)),
            ShapeError,
            "shape (1.5,): 1.5 is not a size",
            "use an int, a name, sg.dim(...) or None",
        ),
        Refusal(lambda: sg.dim("3"), ShapeError, "dim: '3' is not a dimension's name", "use an identifier such as 'n'"),
        Refusal(
            lambda: sg.assume(3), ShapeError, "assume: 3 is not a relation between dimensions", "sg.assume(n == m)"
        ),
        Refusal(
            lambda: bool(N == 3),
            TraceError,
            "cannot decide whether n == 3: the sizes are known only when a kernel runs",
            "sg.assume(n == 3) states it and adds a run-time guard",
        ),
    ],
)
def test_shapes_that_do_not_fit(case: Refusal) -> None:
    assert_refused(case)


# -- element types and indices --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: np.sin(W > 0), DTypeError, "sin: not defined for bool operands", "convert with .astype('float64')"
        ),
        Refusal(
            lambda: (W > 0) - (W < 1),
            DTypeError,
            "subtract: not defined for bool operands",
            "convert with .astype('float64')",
        ),
        Refusal(
            lambda: sg.symbol("s", dtype="complex128"),
            DTypeError,
            "element type 'complex128' is not supported",
            "use float64, float32, int64, int32, bool",
        ),
        Refusal(
            lambda: W[np.array([0.0, 1.0])],
            DTypeError,
            "index: an index array of float64 is not allowed",
            "convert with .astype('int64')",
        ),
        Refusal(
            lambda: W[A],
            DTypeError,
            "index: an index array of float64 is not allowed",
            "convert with .astype('int64')",
        ),
        Refusal(
            lambda: W[W > 0],
            TraceError,
            "index: a boolean expression selects a number of elements that is unknown while tracing",
            "use np.where(mask, x, other), or multiply by the mask",
        ),
        Refusal(lambda: W[3], KernelIndexError, "index: 3 is out of bounds for axis 0 of (3,)"),
        Refusal(lambda: W[-4], KernelIndexError, "index: -4 is out of bounds for axis 0 of (3,)"),
        Refusal(lambda: W[np.array([0, 5])], KernelIndexError, "index: 5 is out of bounds for axis 0 of (3,)"),
        Refusal(lambda: W[0, 0], KernelIndexError, "index: 2 indices for (3,) of rank 1"),
        Refusal(lambda: W[::0], ShapeError, "index: the slice step is zero"),
    ],
)
def test_element_types_and_indices(case: Refusal) -> None:
    assert_refused(case)
