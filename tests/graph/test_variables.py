"""Variables: memory, names, scopes, updates from the old state, and what cannot be assigned."""

from __future__ import annotations

import gc
import itertools

import numpy as np
import pytest

import symgrad as sg
from symgrad.interp import evaluate

x = sg.symbol("x", (2,))


def test_the_initial_value_is_copied():
    start = np.array([1.0, 2.0])
    w = sg.variable("w", start)
    start[0] = 99.0
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


def test_reading_gives_a_copy():
    w = sg.variable("w", [1.0, 2.0])
    seen = w.value
    seen[0] = 99.0
    np.testing.assert_array_equal(w.value, [1.0, 2.0])
    assert w.value is not w.value


def test_assigning_copies_and_converts():
    w = sg.variable("w", [1.0, 2.0])
    new = np.array([3.0, 4.0])
    w.value = new
    new[0] = 99.0
    np.testing.assert_array_equal(w.value, [3.0, 4.0])
    w.value = [5, 6]
    np.testing.assert_array_equal(w.value, [5.0, 6.0])
    w.value += 1
    np.testing.assert_array_equal(w.value, [6.0, 7.0])
    half = sg.variable("half", np.float32(1.0))
    half.value = 0.1
    assert half.value.dtype == np.float32
    assert half.value == np.float32(0.1)


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (1, "float64", ()),
        ([1, 2], "float64", (2,)),
        (1.5, "float64", ()),
        (np.arange(3), "int64", (3,)),
        (np.zeros((2, 0), np.float32), "float32", (2, 0)),
        (True, "bool", ()),
        (np.asfortranarray(np.ones((2, 3))), "float64", (2, 3)),
    ],
)
def test_types(value, dtype, shape):
    w = sg.variable("w", value)
    assert w.dtype == dtype
    assert w.shape == shape
    assert w.value.dtype == dtype
    np.testing.assert_array_equal(w.value, value)
    assert sg.variable("w", [1, 2], dtype="int32").dtype == np.int32


@pytest.mark.parametrize("value", [[1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]], 3.0])
def test_values_of_another_shape_are_refused(value):
    w = sg.variable("w", [1.0, 2.0])
    with pytest.raises(
        sg.ShapeError, match=r"variable 'w': a value of shape \(.*\) for float64\[2\]\n  at test_variables.py"
    ):
        w.value = value
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


def test_values_of_another_type_are_refused():
    n = sg.variable("n", np.array([1, 2]))
    with pytest.raises(sg.DTypeError, match=r"variable 'n': a value of float64 for int64\[2\]"):
        n.value = [0.5, 1.0]
    with pytest.raises(sg.DTypeError, match="complex128"):
        sg.variable("w", [1.0]).value = [1j]
    with pytest.raises(sg.DTypeError, match="not supported"):
        sg.variable("c", [1j])


def test_only_variables_have_values():
    w = sg.variable("w", 1.0)
    for one in (x, w * 2, sg.constant(1.0)):
        with pytest.raises(AttributeError, match="only a variable has a value"):
            one.value  # noqa: B018
    with pytest.raises(AttributeError, match="only a variable has a value"):
        (w * 2).value = 3.0


# -- names and scopes -----------------------------------------------------------------------------------------------
def test_each_call_makes_another_variable():
    first, second = sg.variable("w", 1.0), sg.variable("w", 1.0)
    assert first is not second
    first.value = 5.0
    assert second.value == 1.0


def test_scopes_give_paths():
    with sg.name_scope("net"):
        bias = sg.variable("bias", 0.0)
        with sg.name_scope("layer1"):
            weight = sg.variable("weight", 0.0)
    assert (bias.name, weight.name) == ("net/bias", "net/layer1/weight")


def test_listing():
    with sg.name_scope("listing"):
        made = {name: sg.variable(name, 0.0, trainable=name != "step") for name in ("b", "step", "a")}
        with sg.name_scope("deep"):
            made["w"] = sg.variable("w", 0.0)

    def names(*args, **kwargs):
        return [one.name for one in sg.variables(*args, **kwargs)]

    assert names("listing/*") == ["listing/a", "listing/b", "listing/deep/w", "listing/step"]
    assert names("listing/deep/*") == ["listing/deep/w"]
    assert names("listing/?") == ["listing/a", "listing/b"]
    assert names(scope="listing/*", trainable=False) == ["listing/step"]
    assert names("listing/*", trainable=True) == ["listing/a", "listing/b", "listing/deep/w"]
    assert names("list") == []
    assert set(sg.variables()) >= {*made.values()}
    assert sg.variables("listing/a")[0] is made["a"]


def test_forgotten_variables_are_not_listed():
    w = sg.variable("forgotten/w", 0.0)
    assert len(sg.variables("forgotten/*")) == 1
    del w
    gc.collect()
    assert sg.variables("forgotten/*") == []


# -- in expressions -------------------------------------------------------------------------------------------------
def test_values_are_read_when_a_kernel_runs():
    w = sg.variable("w", [1.0, 2.0])
    kernel = sg.compile(w * x, [x])
    np.testing.assert_array_equal(kernel(np.array([10.0, 10.0])), [10.0, 20.0])
    w.value = [5.0, 7.0]
    np.testing.assert_array_equal(kernel(np.array([10.0, 10.0])), [50.0, 70.0])
    np.testing.assert_array_equal(evaluate([w * 2], {})[0], [10.0, 14.0])


def test_an_earlier_result_does_not_change():
    w = sg.variable("w", [1.0, 2.0])
    kernel = sg.compile([w, w * 1], [])
    for one in kernel():
        w.value = [8.0, 9.0]
        np.testing.assert_array_equal(one, [1.0, 2.0])
        w.value = [1.0, 2.0]
    (value,) = evaluate([w], {})
    w.value = [8.0, 9.0]
    np.testing.assert_array_equal(value, [1.0, 2.0])


def test_gradients():
    w = sg.variable("w", [1.0, 2.0])
    loss = np.sum((w * x) ** 2)
    kernel = sg.compile(sg.gradients(loss, [w])[0], [x])
    np.testing.assert_array_equal(kernel(np.array([3.0, -1.0])), [18.0, 4.0])


# -- updates --------------------------------------------------------------------------------------------------------
def test_updates_change_the_state_after_the_outputs_are_computed():
    w = sg.variable("w", [1.0, 2.0])
    step = sg.compile(w * 10, [x], updates=[(w, w + x)])
    np.testing.assert_array_equal(step(np.array([1.0, 1.0])), [10.0, 20.0])
    np.testing.assert_array_equal(w.value, [2.0, 3.0])
    np.testing.assert_array_equal(step(np.array([1.0, 1.0])), [20.0, 30.0])
    np.testing.assert_array_equal(w.value, [3.0, 4.0])


@pytest.mark.parametrize("shape", [(), (2,), (3, 40)])
def test_all_new_values_come_from_the_old_state(shape):
    """Three variables change places, and a fourth sums them as they were."""
    a, b, c, total = (
        sg.variable(name, np.full(shape, value)) for name, value in zip("abcd", (1.0, 2.0, 3.0, 0.0), strict=True)
    )
    step = sg.compile([], [], updates=[(a, b), (b, c), (c, a), (total, a + 10 * b + 100 * c)])
    step()
    for one, want in zip((a, b, c, total), (2.0, 3.0, 1.0, 321.0), strict=True):
        np.testing.assert_array_equal(one.value, np.full(shape, want))
    step()
    for one, want in zip((a, b, c, total), (3.0, 1.0, 2.0, 132.0), strict=True):
        np.testing.assert_array_equal(one.value, np.full(shape, want))


def test_an_update_that_reads_its_variable_elsewhere():
    """The new value is made of other elements of the old one: it may not be written while it is read."""
    w = sg.variable("w", np.arange(50.0))
    square = sg.variable("square", np.arange(9.0).reshape(3, 3))
    step = sg.compile([], [], updates=[(w, w[::-1] * 2), (square, square.T @ square)])
    step()
    np.testing.assert_array_equal(w.value, np.arange(50.0)[::-1] * 2)
    old = np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(square.value, old.T @ old)


def test_a_training_run():
    """Least squares by gradient descent arrives where NumPy's solver does."""
    rng = np.random.default_rng(1)
    data, target = rng.normal(size=(40, 3)), rng.normal(size=40)
    points, values, w = sg.symbol("points", ("n", 3)), sg.symbol("values", ("n",)), sg.variable("w", np.zeros(3))
    loss = np.mean((points @ w - values) ** 2)
    step = sg.compile(loss, [points, values], updates=[(w, w - 0.3 * sg.gradients(loss, [w])[0])])
    losses = [float(step(data, target)) for _ in range(300)]
    assert all(late <= early + 1e-15 for early, late in itertools.pairwise(losses))
    np.testing.assert_allclose(w.value, np.linalg.lstsq(data, target, rcond=None)[0], rtol=1e-9)


def test_updates_that_do_not_fit():
    w, n = sg.variable("w", [1.0, 2.0]), sg.variable("n", np.array([1, 2]))
    for updates, error, what in [
        ([(x, x)], sg.CompileError, "which is no variable"),
        ([(w, np.zeros(3))], sg.ShapeError, r"new value of 'w' has shape \(3,\), the variable \(2,\)"),
        ([(n, n * 0.5)], sg.DTypeError, "new value of 'n' is float64, the variable int64"),
        ([(w, w), (w, w + 1)], sg.CompileError, "updated twice"),
    ]:
        with pytest.raises(error, match=what):
            sg.compile([], [], updates=updates)
