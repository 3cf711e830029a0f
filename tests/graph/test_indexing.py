"""Indexing and functional updates: NumPy is the judge of values, finite differences of derivatives."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

import symgrad as sg
from symgrad import dims
from symgrad.check import check_gradients
from symgrad.errors import KernelIndexError, SymgradError, TraceError
from symgrad.interp import evaluate

I = np.index_exp
SHAPE = (5, 4, 3)
MASK = np.array([True, False, True, True, False])
MASK2 = np.arange(20).reshape(5, 4) % 3 == 0

BASIC = [
    I[0],
    I[-1],
    I[2, 3],
    I[2, 3, 1],
    I[-5, -4, -3],
    I[...],
    I[..., 0],
    I[0, ...],
    I[1, ..., 2],
    I[1, 2, 0, ...],
    I[()],
    I[None],
    I[..., None],
    I[:, None],
    I[None, 1, None, :, None, 2, None],
    I[None, ..., None],
    I[:],
    I[1:3],
    I[:-1],
    I[-2:],
    I[3:1],
    I[10:],
    I[:100],
    I[-100:2],
    I[::2],
    I[1::2, ::3],
    I[::-1],
    I[::-1, ::-1, ::-1],
    I[4:0:-1],
    I[4:0:-2],
    I[-1:-4:-1],
    I[100:-100:-3],
    I[0:0:-1],
    I[2:2],
    I[:, 1:1],
    I[5:],
    I[-6:-5],
    I[::100],
    I[::-100],
    I[np.int64(1), np.int32(2)],
    I[np.uint8(3)],
    I[np.array(2)],
    I[: np.int64(2), np.int8(1) :],
    I[1, :, ::-1],
    I[2, None, ::-2, None, 0],
]
ADVANCED = [
    I[[0, 2, 2]],
    I[[0, -1, 4]],
    I[[]],
    I[:, [0, 1], :],
    I[:, [], :],
    I[np.array([[0, 1], [2, -1]])],
    I[:, np.array([[0, 1], [2, -1]])],
    I[..., [0, 2]],
    I[[0, 1], [1, 2]],
    I[[0, 1], [1, 2], [0, -1]],
    I[[0, 1], 1],
    I[1, [0, 1]],
    I[[0, 1], :, [0, 2]],
    I[0, :, [0, 2]],
    I[[0, 2], :, 0],
    I[:, 0, [0, 2]],
    I[:, [0, 2], 0],
    I[:, [0, 1], [0, 2]],
    I[np.array([[0], [1]]), np.array([[0, 1, 2]])],
    I[np.array([[0], [1]]), :, np.array([[0, 1, 2]])],
    I[:, np.array([[0], [1]]), np.array([[0, 1, 2]])],
    I[[0, 1], None],
    I[None, [0, 1]],
    I[[0, 1], None, [0, 1]],
    I[None, [0, 1], [0, 1], None],
    I[[0, 1], ..., [0, 1]],
    I[[0, 1], [2, 3], ...],
    I[..., [0, 1], [0, 1]],
    I[1:3, [0, 1]],
    I[::-1, [0, 1], 1:],
    I[[1], 1:3, ::2],
    I[:, 1:3, [0, 1]],
    I[[3, 1], ::-1, [0, 1]],
    I[np.zeros((2, 0), np.int64)],
    I[np.array([1, 2], np.int32)],
    I[np.array(1), [0, 1]],
    I[MASK],
    I[~MASK, 0],
    I[MASK2],
    I[MASK, :, 0],
    I[:, [True, False, True, False]],
    I[MASK, [0, 1, 2]],
    I[MASK2, 1],
    I[MASK2, None],
    I[..., np.array([True, False, True])],
    I[np.ones(SHAPE, bool)],
    I[np.zeros(SHAPE, bool)],
    I[np.zeros(5, bool)],
    I[MASK, None, 1:, [0, 1, 2]],
]
x = sg.symbol("x", SHAPE)
X = np.arange(60.0).reshape(SHAPE) + 0.5


def name_of(key):
    return str(key).replace("\n", "")


def value_of(expression, array=X):
    return evaluate([expression], {x: array})[0]


# -- reading, static ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=name_of)
def test_read(key):
    got, want = value_of(x[key]), X[key]
    assert x[key].shape == want.shape
    assert x[key].type is sg.TensorType(want.shape)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("key", [I[1], I[1:3, None], I[[0, 1]], I[MASK]], ids=name_of)
def test_an_index_need_not_be_a_tuple(key):
    (only, *_) = key
    if len(key) == 1:
        np.testing.assert_array_equal(value_of(x[only]), X[only])
    np.testing.assert_array_equal(value_of(x[key]), X[key])


def test_compiled(agree):
    keys = [*BASIC[::2], *ADVANCED]
    values = agree([x[key] for key in keys], [x], [X])
    for key, got in zip(keys, values, strict=True):
        np.testing.assert_array_equal(got, X[key])


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "bool"])
def test_element_types(dtype, agree):
    array = (X > 20) if dtype == "bool" else X.astype(dtype)
    y = sg.symbol("y", SHAPE, dtype)
    keys = [I[1, ::-1], I[[0, 1], :, [2, 0]], I[MASK]]
    for key, got in zip(keys, agree([y[key] for key in keys], [y], [array]), strict=True):
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(got, array[key])


@given(st.data())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_basic_index(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=4)))
    key = data.draw(basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=7))
    array = np.arange(float(np.prod(shape))).reshape(shape)
    y = sg.symbol("y", shape)
    if not shape:
        return
    np.testing.assert_array_equal(evaluate([y[key]], {y: array})[0], array[key])


entries = st.one_of(
    st.integers(-6, 6),
    st.slices(5),
    st.none(),
    st.just(Ellipsis),
    st.lists(st.integers(-4, 4), max_size=3),
    st.sampled_from([np.array([0, 1, -1]), np.array([[0], [1]]), np.array([[0, 1, 2]]), np.array(1), np.array([2])]),
    st.sampled_from([MASK, np.array([True, False, True]), np.array([False, True, True, False]), MASK2, True]),
)


@given(st.lists(entries, max_size=5).map(tuple))
@settings(derandomize=True, deadline=None, max_examples=600)
def test_any_mixed_index(key):
    """What NumPy reads is read alike; what NumPy refuses is refused with an error of the library's own."""
    try:
        want = X[key]
    except (IndexError, ValueError):
        with pytest.raises((SymgradError, IndexError)):
            x[key]
        return
    if any(entry is True for entry in key):
        with pytest.raises(TraceError, match="a boolean scalar is not supported"):
            x[key]
        return
    try:
        got = x[key]
    except KernelIndexError:
        assert want.size == 0  # NumPy checks no bounds where nothing is read
        return
    assert got.shape == want.shape
    np.testing.assert_array_equal(value_of(got), want)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint64"])
def test_index_arrays_of_every_integer_type(dtype):
    key = np.array([3, 0, 1], dtype)
    np.testing.assert_array_equal(value_of(x[key]), X[key])


def test_a_nested_tuple_is_an_index_array():
    np.testing.assert_array_equal(value_of(x[(0, 1), (2, 3)]), X[(0, 1), (2, 3)])


# -- reading at places known only at run time -----------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_symbolic_indices(dtype, agree):
    i, v, w = sg.symbol("i", (), dtype), sg.symbol("v", (2,), dtype), sg.symbol("w", (3, 1), dtype)
    I0, V, W = np.array(-2, dtype), np.array([1, -1], dtype), np.array([[0], [1], [2]], dtype)
    cases = [
        (x[i], X[I0]),
        (x[i, i], X[I0, I0]),
        (x[:, i], X[:, I0]),
        (x[1, i, 0], X[1, I0, 0]),
        (x[i, :, i], X[I0, :, I0]),
        (x[v], X[V]),
        (x[:, v], X[:, V]),
        (x[v, :, v], X[V, :, V]),
        (x[w, v], X[W, V]),
        (x[..., w], X[..., W]),
        (x[v, None, ::-1], X[V, None, ::-1]),
        (x[[i, 0]], X[[I0, 0]]),
        (x[1:, [0, i, 1]], X[1:, [0, I0, 1]]),
        (x[v + 1, i], X[V + 1, I0]),
        (x[i, MASK[:4]], X[I0, MASK[:4]]),
        (x[[0, 1], v], X[[0, 1], V]),
    ]
    values = agree([made for made, _ in cases], [x, i, v, w], [X, I0, V, W])
    for got, (_, want) in zip(values, cases, strict=True):
        np.testing.assert_array_equal(got, want)


def test_symbolic_indices_out_of_bounds():
    v = sg.symbol("v", (2,), "int64")
    made = x[:, v]
    kernel = sg.compile(made, [x, v])
    for wrong in ([4, 0], [0, -5], [2**40, 0], [-(2**62), 0]):
        with pytest.raises(IndexError):
            evaluate([made], {x: X, v: np.array(wrong)})
        with pytest.raises(KernelIndexError):
            kernel(X, np.array(wrong))
    np.testing.assert_array_equal(kernel(X, np.array([3, -4])), X[:, [3, -4]])


def test_iteration_and_unpacking():
    a, b = sg.symbol("p", (2, 3))
    array = np.arange(6.0).reshape(2, 3)
    for got, want in zip(evaluate([a, b], {sg.symbol("p", (2, 3)): array}), array, strict=True):
        np.testing.assert_array_equal(got, want)
    assert len(x) == 5
    assert [part.shape for part in x] == [(4, 3)] * 5
    assert [part is x[k] for k, part in enumerate(x)] == [True] * 5
    assert len(list(reversed(x))) == 5


# -- reading, dynamic sizes -----------------------------------------------------------------------------------------
BOUNDS = [None, 0, 1, 2, 5, -1, -2, -5]
STEPS = [None, 2, 3, -1, -2, -3]
SLICES = [slice(*parts) for parts in itertools.product(BOUNDS, BOUNDS, STEPS)]
d = sg.symbol("d", ("n",))


def size_at(size, n):
    return dims.evaluate(size, {sg.dim("n").terms[0][0][0]: n})


@pytest.mark.parametrize("step", STEPS)
def test_dynamic_slices(step):
    """Every combination of bounds, interpreted: one expression for all sizes, empty ones included."""
    made = {(key.start, key.stop): d[key] for key in SLICES if key.step == step}
    for n in (0, 1, 2, 3, 4, 5, 6, 11):
        array = np.arange(float(n))
        for (start, stop), got in zip(made, evaluate(list(made.values()), {d: array}), strict=True):
            key = slice(start, stop, step)
            np.testing.assert_array_equal(got, array[key], err_msg=f"{key} of {n}")


@pytest.mark.parametrize("step", STEPS)
def test_sizes_of_dynamic_slices(step):
    """The shape of a slice, as a formula of the dimension, is never negative and always NumPy's."""
    for key in SLICES:
        if key.step == step:
            (size,) = d[key].shape
            for n in (0, 1, 2, 3, 4, 5, 6, 11):
                assert size_at(size, n) == len(range(n)[key]), f"{key} of {n}"


DYNAMIC = [
    slice(1, None),
    slice(None, -1),
    slice(None, 3),
    slice(-3, None),
    slice(2, 5),
    slice(5, 2),
    slice(5, 2, 2),
    slice(None, None, 2),
    slice(1, None, 2),
    slice(None, None, -1),
    slice(None, None, -2),
    slice(-2, None, -1),
    slice(4, 1, -1),
    slice(-5, 1, -1),
    slice(-5, 3),
    slice(-4, -1, 3),
]


@pytest.mark.parametrize("key", DYNAMIC, ids=str)
def test_compiled_dynamic_slices(key):
    kernel = sg.compile((d[key], np.sum(d[key] * 2.0)), [d])
    for n in (0, 1, 2, 3, 4, 7, 20):
        array = np.arange(float(n)) + 1
        got, total = kernel(array)
        np.testing.assert_array_equal(got, array[key], err_msg=f"{n}")
        assert total == np.sum(array[key] * 2.0)


def test_compiled_dynamic_matrix(agree):
    m = sg.symbol("m", ("n", "k"))
    keys = [
        I[1:, ::-1],
        I[::2, None, :3],
        I[..., None, 1:],
        I[::-1, -2:],
        I[:-1, :-1],
        I[None, :, None, ::3],
        I[3:, 3:],
    ]
    outputs = [m[key] for key in keys]
    for shape in ((0, 0), (0, 4), (4, 0), (1, 1), (5, 2), (2, 7)):
        array = np.arange(float(np.prod(shape))).reshape(shape)
        for key, got in zip(keys, agree(outputs, [m], [array]), strict=True):
            np.testing.assert_array_equal(got, array[key])


def test_bounds_that_are_dimensions():
    n = d.shape[0]
    cases = {
        "x[:n - 1]": lambda x, n: x[: n - 1],
        "x[n - 2:]": lambda x, n: x[n - 2 :],
        "x[:n // 2]": lambda x, n: x[: n // 2],
        "x[n // 2:]": lambda x, n: x[n // 2 :],
        "x[:n + 3]": lambda x, n: x[: n + 3],
        "x[n:]": lambda x, n: x[n:],
        "x[n - 1]": lambda x, n: x[n - 1],
        "x[n // 2::-1]": lambda x, n: x[n // 2 :: -1],
    }
    for text, read in cases.items():
        made = read(d, n)
        kernel = sg.compile(made, [d])
        for size in (2, 3, 6, 9):
            array = np.arange(float(size))
            np.testing.assert_array_equal(evaluate([made], {d: array})[0], read(array, size), err_msg=text)
            np.testing.assert_array_equal(kernel(array), read(array, size), err_msg=text)


@pytest.mark.parametrize("position", [0, 1, 5, -1, -2, -5])
def test_one_position_of_a_dynamic_axis(position):
    """In bounds it is NumPy's element; out of bounds the interpreter raises as NumPy does."""
    made = d[position]
    for n in (0, 1, 2, 3, 6):
        array = np.arange(float(n)) + 10
        try:
            want = array[position]
        except IndexError:
            with pytest.raises(IndexError):
                evaluate([made], {d: array})
        else:
            assert evaluate([made], {d: array})[0] == want
            assert sg.compile(made, [d])(array) == want


def test_compiled_kernels_check_positions_on_dynamic_axes():
    """Reading or writing beyond a short array is refused by the kernel; run apart, as it must not crash."""
    program = """
        import numpy as np
        import symgrad as sg
        from symgrad.errors import SymgradError
        x = sg.symbol("x", ("n",))
        kernels = {
            "x[5]": sg.compile(x[5], [x]),
            "x[-5]": sg.compile(x[-5], [x]),
            "x[5] in a sum": sg.compile(x * x[5] + x[-1], [x]),
            "x[[0, 5]]": sg.compile(x[np.array([0, 5])], [x]),
            "x.at[5]": sg.compile(x.at[5].set(1.0), [x]),
            "gradient": sg.compile(sg.gradients(x[5] ** 2, [x])[0], [x]),
        }
        for name, kernel in kernels.items():
            for n in (1, 3):
                try:
                    kernel(np.ones(n))
                except (SymgradError, IndexError):
                    continue
                print(f"{name} accepts an array of {n}")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_index_arrays_on_dynamic_axes():
    made = d[np.array([0, -1, 2])]
    kernel = sg.compile(made, [d])
    for n in (3, 4, 9):
        array = np.arange(float(n))
        np.testing.assert_array_equal(evaluate([made], {d: array})[0], array[[0, -1, 2]])
        np.testing.assert_array_equal(kernel(array), array[[0, -1, 2]])
    for n in (0, 1, 2):
        with pytest.raises(IndexError):
            evaluate([made], {d: np.arange(float(n))})
        with pytest.raises(KernelIndexError):
            kernel(np.arange(float(n)))


def test_dynamic_index_arrays(agree):
    v = sg.symbol("v", ("k",), "int64")
    outputs = [d[v], d[v[::-1]] * 2, d.at[v].add(1.0), d.at[v].set(-1.0)]
    for size, places in ((3, []), (1, [0]), (4, [3, 0, 0, -1, 2]), (0, [])):
        array, places = np.arange(float(size)), np.array(places, np.int64)
        added, written = array.copy(), array.copy()
        np.add.at(added, places, 1.0)
        written[places] = -1.0
        wanted = [array[places], array[places[::-1]] * 2, added, written]
        for got, want in zip(agree(outputs, [d, v], [array, places]), wanted, strict=True):
            np.testing.assert_array_equal(got, want)


# -- changed copies -------------------------------------------------------------------------------------------------
def changed(array, key, how, value):
    """NumPy's array with the places changed; of repeated places every one counts for ``add``."""
    made = array.copy()
    if how == "set":
        made[key] = value
    elif how == "add":
        np.add.at(made, key, value)
    elif how == "multiply":
        made[key] = made[key] * value
    else:
        made[key] = (np.minimum if how == "min" else np.maximum)(made[key], value)
    return made


@pytest.mark.parametrize("how", ["set", "add", "multiply", "min", "max"])
@pytest.mark.parametrize("key", BASIC, ids=name_of)
def test_change_basic(key, how):
    value = np.arange(float(X[key].size)).reshape(X[key].shape) * 3 - 20
    for given_value in (7.5, value, sg.constant(value)):
        made = getattr(x.at[key], how)(given_value)
        assert made.type is x.type
        plain = value if isinstance(given_value, sg.Expr) else given_value
        np.testing.assert_array_equal(value_of(made), changed(X, key, how, plain))


@pytest.mark.parametrize("how", ["set", "add"])
@pytest.mark.parametrize("key", ADVANCED, ids=name_of)
def test_change_advanced(key, how):
    """Of places named twice the last value stays, or all are added, as NumPy's own loops have it."""
    value = np.arange(float(X[key].size)).reshape(X[key].shape) * 3 - 20
    for given_value in (7.5, value):
        made = getattr(x.at[key], how)(given_value)
        np.testing.assert_array_equal(value_of(made), changed(X, key, how, given_value))


def test_change_broadcasts_and_converts():
    row = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(value_of(x.at[1:3].set(row)), changed(X, I[1:3], "set", row))
    np.testing.assert_array_equal(value_of(x.at[[0, 0, 2], 1].add(row)), changed(X, I[[0, 0, 2], 1], "add", row))
    column = row[:, None, None]
    np.testing.assert_array_equal(value_of(x.at[2:].multiply(column)), changed(X, I[2:], "multiply", column))
    i = sg.symbol("i", (3,), "int64")
    for value in (2.9, -2.9, True, np.float32(1.5)):
        made = i.at[1].set(value)
        assert made.dtype == np.int64
        want = np.array([5, 6, 7])
        want[1] = value
        np.testing.assert_array_equal(evaluate([made], {i: [5, 6, 7]})[0], want)
    f = sg.symbol("f", (3,), "float32")
    assert f.at[0].set(np.float64(1.5)).dtype == np.float32


def test_changes_compiled(agree):
    keys = [*BASIC[1:40:4], *ADVANCED[::3]]
    outputs = [x.at[key].set(7.5) for key in keys] + [x.at[key].add(2.0) for key in keys]
    outputs += [x.at[key].max(30.0) for key in BASIC[::5]]
    wanted = [changed(X, key, "set", 7.5) for key in keys] + [changed(X, key, "add", 2.0) for key in keys]
    wanted += [changed(X, key, "max", 30.0) for key in BASIC[::5]]
    for got, want in zip(agree(outputs, [x], [X]), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("how", ["set", "add", "multiply", "min", "max"])
@pytest.mark.parametrize("key", DYNAMIC, ids=str)
def test_change_dynamic(key, how):
    made = getattr(d.at[key], how)(2.5)
    for n in (0, 1, 2, 3, 4, 7):
        array = np.arange(float(n))
        np.testing.assert_array_equal(evaluate([made], {d: array})[0], changed(array, key, how, 2.5), err_msg=f"{n}")


@pytest.mark.parametrize("key", DYNAMIC[::3], ids=str)
def test_change_dynamic_compiled(key):
    kernel = sg.compile([d.at[key].set(2.5), d.at[key].add(1.0)], [d])
    for n in (0, 1, 2, 5, 9):
        array = np.arange(float(n))
        for got, how, value in zip(kernel(array), ("set", "add"), (2.5, 1.0), strict=True):
            np.testing.assert_array_equal(got, changed(array, key, how, value))


def test_a_change_leaves_the_original():
    before = X.copy()
    y = x.at[0].set(0.0)
    assert y is not x
    np.testing.assert_array_equal(value_of(x), before)
    np.testing.assert_array_equal(X, before)
    kernel = sg.compile(y, [x])
    kernel(X)
    np.testing.assert_array_equal(X, before)


def test_changes_follow_one_another():
    made = x.at[0].set(1.0).at[:, 1].add(2.0).at[-1, -1].multiply(0.5)
    want = changed(changed(changed(X, I[0], "set", 1.0), I[:, 1], "add", 2.0), I[-1, -1], "multiply", 0.5)
    np.testing.assert_array_equal(value_of(made), want)


# -- derivatives ----------------------------------------------------------------------------------------------------
SMOOTH = [BASIC[4], BASIC[12], BASIC[14], BASIC[25], BASIC[29], *ADVANCED[::6]]
SMALL = np.linspace(0.2, 1.7, 60).reshape(SHAPE)


@pytest.mark.parametrize("key", SMOOTH, ids=name_of)
def test_gradient_of_reading(key):
    check_gradients(lambda y: np.sin(y[key]) * y[key], SMALL)


@pytest.mark.parametrize("how", ["set", "add"])
@pytest.mark.parametrize("key", SMOOTH, ids=name_of)
def test_gradient_of_changing(key, how):
    """With respect to the array and to the values, places named twice included."""
    value = np.linspace(-1, 1, max(X[key].size, 1))[: X[key].size].reshape(X[key].shape)
    check_gradients(lambda y, v: np.sin(getattr(y.at[key], how)(v)) * 0.5, SMALL, value)


def test_gradient_of_other_changes():
    value = np.linspace(-1, 1, 12).reshape(4, 3)
    check_gradients(lambda y, v: np.sin(y.at[1].multiply(v)), SMALL, value)
    check_gradients(lambda y, v: np.sin(y.at[1].max(v)) + np.cos(y.at[2:, 1].min(v[1])), SMALL, value)


def test_gradient_on_dynamic_axes():
    value = np.sum(np.sin(d[1:]) * d[:-1]) + np.sum(d[::-2] ** 2) + np.sum(d.at[:2].set(3.0) ** 3)
    (slope,) = sg.gradients(value, [d])
    kernel = sg.compile((value, slope), [d])
    for n in (1, 2, 3, 6):
        point = np.linspace(0.3, 1.4, n)

        def f(v):
            w = v.copy()
            w[:2] = 3.0
            return np.sum(np.sin(v[1:]) * v[:-1]) + np.sum(v[::-2] ** 2) + np.sum(w**3)

        got_value, got = kernel(point)
        np.testing.assert_allclose(got_value, f(point), rtol=1e-12)
        eye = np.eye(n) * 1e-6
        want = [(f(point + step) - f(point - step)) / 2e-6 for step in eye]
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-7)
