"""Types of arrays: NumPy's promotion is the judge."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
from symgrad import types
from symgrad.errors import DTypeError, ShapeError
from symgrad.ops import as_nodes

DTYPES = ["bool", "int32", "int64", "float32", "float64"]


@pytest.mark.parametrize(("left", "right"), list(itertools.product(DTYPES, DTYPES)))
def test_promotion(left, right):
    want = np.result_type(np.dtype(left), np.dtype(right))
    assert types.promote(types.as_dtype(left), types.as_dtype(right)) is types.as_dtype(want)
    made = as_nodes([sg.symbol("x", (), left), sg.symbol("y", (), right)])
    assert [node.dtype for node in made] == [want, want]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [True, 2, 2.5])
def test_promotion_of_python_numbers(dtype, number):
    want = np.result_type(np.dtype(dtype), number)
    made = as_nodes([sg.symbol("x", (), dtype), number])
    assert [node.dtype for node in made] == [want, want]


@given(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=5), st.lists(st.sampled_from([True, 1, 1.5]), max_size=2))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_promotion_of_many(dtypes, numbers):
    want = np.result_type(*map(np.dtype, dtypes), *numbers)
    made = as_nodes([*(sg.symbol("x", (), dtype) for dtype in dtypes), *numbers])
    assert {node.dtype for node in made} == {want}


def test_types_are_interned():
    n = sg.dim("n")
    assert sg.TensorType((n, 3), "float32") is sg.TensorType(["n", np.int64(3)], np.float32)
    assert sg.TensorType(3) is sg.TensorType((3,))
    assert sg.TensorType("n") is sg.TensorType((n,))
    assert repr(sg.TensorType((n, 3), "float32")) == "float32[n, 3]"
    assert repr(sg.TensorType()) == "float64"
    assert sg.TensorType((2, "n")).size is 2 * n
    assert sg.TensorType((2, 3)).size == 6
    assert sg.TensorType((2, 3)).is_static
    assert not sg.TensorType((2, "n")).is_static
    kind = sg.TensorType((n + 1, 2), "bool")
    assert pickle.loads(pickle.dumps(kind)) is kind


@pytest.mark.parametrize("dtype", DTYPES)
def test_element_types(dtype):
    assert sg.TensorType((), dtype).dtype == np.dtype(dtype)
    assert sg.TensorType((), np.dtype(dtype).type).dtype is types.as_dtype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "complex128", "int8", "uint64", ">f8", "U3", "object", "nonsense"])
def test_other_element_types(dtype):
    with pytest.raises(DTypeError) as caught:
        sg.TensorType((), dtype)
    assert caught.value.what == f"element type {dtype!r} is not supported"
    assert caught.value.hint == "use float64, float32, int64, int32, bool"


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        (-1, "shape (-1,): negative size -1"),
        ((2, -3), "shape (2, -3): negative size -3"),
        ((2.0,), "shape (2.0,): 2.0 is not a size"),
        ((True,), "shape (True,): True is not a size"),
        (("a b",), "dim: 'a b' is not a dimension's name"),
        (2.5, "shape 2.5: 2.5 is not a size"),
    ],
)
def test_other_shapes(shape, what):
    with pytest.raises(ShapeError) as caught:
        sg.symbol("x", shape)
    assert caught.value.what == what
