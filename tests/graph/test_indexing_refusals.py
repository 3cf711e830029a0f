"""What indexing refuses, and what its errors say."""

from __future__ import annotations

import numpy as np
import pytest
from test_indexing import MASK, MASK2, I, X, x

import symgrad as sg
from symgrad import ops
from symgrad.errors import DTypeError, KernelIndexError, ShapeError, TraceError
from symgrad.interp import evaluate

b = sg.symbol("b", (5,), "bool")
f = sg.symbol("f", (2,))
i = sg.symbol("i", (), "int64")


@pytest.mark.parametrize(
    ("key", "error", "what"),
    [
        (5, KernelIndexError, "index: 5 is out of bounds for axis 0 of (5, 4, 3)"),
        (-6, KernelIndexError, "index: -6 is out of bounds for axis 0 of (5, 4, 3)"),
        (I[:, 4], KernelIndexError, "index: 4 is out of bounds for axis 1 of (5, 4, 3)"),
        (I[..., -4], KernelIndexError, "index: -4 is out of bounds for axis 2 of (5, 4, 3)"),
        (I[None, :, None, 4], KernelIndexError, "index: 4 is out of bounds for axis 1 of (5, 4, 3)"),
        (I[0, 4, 0], KernelIndexError, "index: 4 is out of bounds for axis 1 of (5, 4, 3)"),
        ([0, 5], KernelIndexError, "index: 5 is out of bounds for axis 0 of (5, 4, 3)"),
        (I[:, [0, -5]], KernelIndexError, "index: -5 is out of bounds for axis 1 of (5, 4, 3)"),
        (I[[0, 1], 4], KernelIndexError, "index: 4 is out of bounds for axis 1 of (5, 4, 3)"),
        (I[0, 0, 0, 0], KernelIndexError, "index: 4 indices for (5, 4, 3) of rank 3"),
        (I[..., 0, 0, 0, 0], KernelIndexError, "index: 4 indices for (5, 4, 3) of rank 3"),
        (I[MASK2, 0, 0], KernelIndexError, "index: 4 indices for (5, 4, 3) of rank 3"),
        (I[..., ...], KernelIndexError, "index: more than one ellipsis"),
        (I[..., 0, ...], KernelIndexError, "index: more than one ellipsis"),
        (1.0, DTypeError, "index: 1.0 is no integer, slice, None, ellipsis or integer array"),
        (I[0, 1.5], DTypeError, "index: 1.5 is no integer, slice, None, ellipsis or integer array"),
        ("a", DTypeError, "index: 'a' is no integer, slice, None, ellipsis or integer array"),
        (np.float64(1), DTypeError, "index: np.float64(1.0) is no integer, slice, None, ellipsis or integer array"),
        ([0.0, 1.0], DTypeError, "index: an index array of float64 is not allowed"),
        (f, DTypeError, "index: an index array of float64 is not allowed"),
        (b, TraceError, "index: a boolean expression selects a number of elements that is unknown while tracing"),
        (x > 3, TraceError, "index: a boolean expression selects a number of elements that is unknown while tracing"),
        (True, TraceError, "index: a boolean scalar is not supported"),
        (I[0, np.bool_(False)], TraceError, "index: a boolean scalar is not supported"),
        (np.array(True), TraceError, "index: a boolean scalar is not supported"),
        (slice(None, None, 0), ShapeError, "index: the slice step is zero"),
        (slice(1.5, None), TraceError, "index: the slice bound 1.5 is not an integer"),
        (slice(None, "a"), TraceError, "index: the slice bound 'a' is not an integer"),
        (slice(None, i), TraceError, "index: the slice bound <int64: i> is not an integer"),
        (slice(None, None, i), TraceError, "index: the slice step <int64: i> is not an integer"),
        (slice(None, None, 1.0), TraceError, "index: the slice step 1.0 is not an integer"),
        ([[0, 1], [2]], ShapeError, None),
        (I[[0, 1], [0, 1, 2]], ShapeError, "index arrays: shapes do not broadcast: (2,) and (3,)"),
    ],
    ids=str,
)
def test_refusals(key, error, what):
    for ask in (lambda: x[key], lambda: x.at[key].set(0.0)):
        with pytest.raises(error) as caught:
            ask()
        if what is not None:
            assert caught.value.what == what
            assert caught.value.where.startswith("test_indexing_refusals.py:")


@pytest.mark.parametrize(
    "mask", [np.ones(4, bool), np.ones(6, bool), np.array([True, False]), np.ones((5, 3), bool)], ids=str
)
def test_masks_of_the_wrong_shape(mask):
    with pytest.raises(IndexError):
        X[mask]
    with pytest.raises(IndexError):
        x[mask]


def test_hints():
    with pytest.raises(TraceError) as caught:
        x[x > 3]
    assert caught.value.hint == "use np.where(mask, x, other), or multiply by the mask"
    with pytest.raises(TraceError) as caught:
        x[: sg.symbol("i", (), "int64")]
    assert caught.value.hint == "slices need static bounds; gather with an index array for others"


def test_scalars_have_no_items():
    s = sg.symbol("s")
    for ask in (lambda: s[0], lambda: s[...], lambda: len(s), lambda: iter(s)):
        with pytest.raises(TypeError):
            ask()
    for name in ("__getitem__", "__len__", "__iter__", "__setitem__"):
        assert not hasattr(s, name)


@pytest.mark.parametrize("how", ["multiply", "min", "max"])
def test_changes_at_index_arrays_that_are_not_offered(how):
    with pytest.raises(TraceError) as caught:
        getattr(x.at[[0, 0]], how)(1.0)
    assert caught.value.what == "x.at[index array].multiply/min/max is not supported, as places may repeat"
    assert caught.value.hint == "use slices, or index arrays that are known while tracing and name no place twice"


@pytest.mark.parametrize("key", [I[[0, -1]], I[:, [2, 0]], I[MASK], I[[[0], [3]], 1:, [0, 2]], I[MASK2]], ids=repr)
@pytest.mark.parametrize("how", ["multiply", "min", "max"])
def test_changes_at_distinct_places(how, key):
    ufunc = {"multiply": np.multiply, "min": np.minimum, "max": np.maximum}[how]
    want = X.copy()
    want[key] = ufunc(want[key], 0.4)
    np.testing.assert_array_equal(evaluate([getattr(x.at[key], how)(0.4)], {x: X})[0], want)


# In the first an ellipsis for no axis parts the index arrays, so their axes come first.
@pytest.mark.parametrize(
    "key", [I[:, [1, 0], ..., [1, -1]], I[:, [1, 0], [1, -1], ...], I[None, MASK, ..., :, 2]], ids=repr
)
def test_an_ellipsis_for_no_axis_parts_index_arrays(key):
    np.testing.assert_array_equal(evaluate([x[key]], {x: X})[0], X[key])


def test_values_that_do_not_fit():
    for key, value in ((I[0], np.ones(5)), (I[[0, 1]], np.ones((3, 4, 3))), (I[1:1], np.ones((2, 4, 3)))):
        with pytest.raises(ShapeError):
            x.at[key].set(value)
        with pytest.raises(ValueError):
            X.copy()[key] = value


def test_assignment_is_refused():
    for change in (lambda: operator_set(x, 0, 1.0), lambda: operator_set(x, slice(None), x)):
        with pytest.raises(TraceError) as caught:
            change()
        assert caught.value.what == "an expression cannot be changed in place"
        assert caught.value.hint == "y = x.at[index].set(value)"


def operator_set(target, key, value):
    target[key] = value


def test_one_hot():
    places = np.array([[0, 2], [1, -1], [3, 0]])
    got = evaluate([ops.one_hot(sg.constant(places), 3)], {})[0]
    np.testing.assert_array_equal(got, (places[..., None] == np.arange(3)).astype(float))
    with pytest.raises(DTypeError, match="one_hot: indices are float64, not integers"):
        ops.one_hot(sg.constant(1.5), 3)
