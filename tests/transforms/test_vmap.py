"""vmap: against a Python loop over NumPy, for every placing of the axes; nested; over containers; what does not fit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from judges import close, in_both_ways, slopes

import symgrad as sg

RNG = np.random.default_rng(7)
A = RNG.normal(size=(4, 3))
B = RNG.normal(size=(4, 3))
W = RNG.normal(size=(2, 3))
CUBE = RNG.normal(size=(4, 3, 3))


def looped(function, *args):
    """The function for each first index, stacked."""
    return np.stack([function(*row) for row in zip(*args, strict=True)])


FUNCTIONS = {
    "elementwise": lambda x: np.sin(x) + x**2,
    "sum": lambda x: np.sum(x * x),
    "matrix product": lambda x: W @ x,
    "quadratic": lambda x: x @ x,
    "max": lambda x: np.max(x),
    "parts": lambda x: x[1:] * x[0],
    "reversed": lambda x: x[::-1],
    "gathered": lambda x: x[np.array([[2, 0], [1, 1]])],
    "reshaped": lambda x: x.reshape(3, 1) * x,
    "transposed": lambda x: np.outer(x, np.arange(2.0)).T,
    "where": lambda x: np.where(x > 0, x, np.exp(x)),
    "stacked": lambda x: np.stack([x, x * 2], axis=1),
    "concatenated": lambda x: np.concatenate([x, x[:1]]),
    "einsum": lambda x: np.einsum("i,j,kj->ik", x, x, W),
    "mean": lambda x: x - np.mean(x),
    "constant": lambda x: np.arange(2.0),
    "number": lambda x: 1.5,
    "norm": lambda x: np.linalg.norm(x),
    "cast": lambda x: (x > 0).astype("int64"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name):
    function = FUNCTIONS[name]
    found = in_both_ways(sg.vmap(function), A)
    want = looped(function, A)
    close(found, want, dtype=want.dtype)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_in_axes(axis):
    function = lambda m: np.tanh(m) @ np.arange(m.shape[1] * 1.0)  # noqa: E731
    want = looped(function, np.moveaxis(CUBE, axis, 0))
    close(in_both_ways(sg.vmap(function, axis), CUBE), want)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_out_axes(axis):
    want = np.moveaxis(looped(lambda x: np.outer(x, W[0]), A), 0, axis)
    close(in_both_ways(sg.vmap(lambda x: np.outer(x, W[0]), out_axes=axis), A), want)


def test_arguments_that_are_not_mapped():
    want = np.array([[a * W[0] + k for a in (1.0, 2.0, 3.0)] for k in [0.5]])[0]
    close(in_both_ways(sg.vmap(lambda a, w, k: a * w + k, (0, None, None)), np.array([1.0, 2.0, 3.0]), W[0], 0.5), want)
    close(in_both_ways(sg.vmap(lambda w, x: w @ x, (None, 0)), W, A), A @ W.T)
    close(in_both_ways(sg.vmap(lambda w, x: w @ x, (0, None)), CUBE, W[0]), CUBE @ W[0])
    close(in_both_ways(sg.vmap(lambda w, x: w @ x, (2, 0)), CUBE[:3], A[:3]),
          np.stack([CUBE[:3, :, k] @ A[k] for k in range(3)]))  # fmt: skip


def test_a_result_without_the_axis_is_repeated():
    close(in_both_ways(sg.vmap(lambda x, w: (x, w * 2), (0, None)), A, W[0]), (A, np.tile(W[0] * 2, (4, 1))))
    close(sg.vmap(lambda x, w: w, (0, None), out_axes=1)(A, W[0]), np.tile(W[0][:, None], (1, 4)))


def test_other_values_are_passed_on():
    assert sg.vmap(lambda x, how: x * 2 if how == "double" else x, (0, None))(A, "double").shape == (4, 3)
    close(sg.vmap(lambda x, k: x * k, (0, None))(A, 2), 2 * A)


# -- containers -----------------------------------------------------------------------------------------------------
@dataclasses.dataclass
class Layer:
    weight: Any
    bias: Any


def test_containers():
    layer = Layer(CUBE, A)
    found = in_both_ways(sg.vmap(lambda layer, x: {"y": layer.weight @ x + layer.bias, "x": x}), layer, B)
    close(found, {"y": np.einsum("nij,nj->ni", CUBE, B) + A, "x": B})


def test_axes_of_containers():
    shared = Layer(W, A)
    found = in_both_ways(
        sg.vmap(lambda layer, x: layer.weight @ x + np.sum(layer.bias), (Layer(None, 0), 0)), shared, B
    )
    close(found, B @ W.T + np.sum(A, axis=1)[:, None])
    found = in_both_ways(sg.vmap(lambda p: {"sum": p["a"] + p["b"], "b": p["b"]}, ({"a": 1, "b": None},),
                                 {"sum": 1, "b": 0}), {"a": A.T, "b": W[0]})  # fmt: skip
    close(found, {"sum": (A + W[0]).T, "b": np.tile(W[0], (4, 1))})


def test_axes_of_dictionaries_go_by_key():
    found = sg.vmap(lambda p: p["a"] * p["b"], ({"b": None, "a": 0},))({"a": A, "b": W[0]})
    close(found, A * W[0])


def test_one_axis_for_a_part_of_a_container():
    found = sg.vmap(lambda p: p["x"][0] * p["x"][1] + p["w"], ({"x": 0, "w": None},))({"x": (A, B), "w": W[0]})
    close(found, A * B + W[0])


@dataclasses.dataclass
class Frozen:
    x: Any


@pytest.mark.parametrize(
    ("in_axes", "what"),
    [
        (({"a": 0},), "in_axes {'a': 0} has another structure"),
        (({"a": 0, "c": 0},), "has another structure"),
        (((0, 0, 0),), "has another structure"),
        (("0",), "in_axes '0' has another structure"),
        ((0, 0), "2 in_axes for 1 arguments"),
        (({"a": None, "b": None},), "no argument has an axis to map over"),
        (None, "no argument has an axis to map over"),
    ],
)
def test_axes_of_another_structure(in_axes, what):
    with pytest.raises(sg.ShapeError) as caught:
        sg.vmap(lambda p: p["a"], in_axes)({"a": A, "b": B})
    assert what in str(caught.value)
    assert "test_vmap.py" in str(caught.value)


def test_axes_that_do_not_fit():
    with pytest.raises(sg.ShapeError, match="mapped axes of lengths 4 and 2"):
        sg.vmap(lambda x, w: x)(A, W)
    for axis in (2, -3):
        with pytest.raises(
            np.exceptions.AxisError, match=f"vmap: argument 'x': axis {axis} is out of bounds for an array of rank 2"
        ):
            sg.vmap(lambda x: x, axis)(A)
        with pytest.raises(np.exceptions.AxisError, match=f"axis {axis} is out of bounds"):
            sg.vmap(lambda x: x, out_axes=axis)(A)
    with pytest.raises(sg.ShapeError, match=r"axis 0 is out of bounds|rank 0"):
        sg.vmap(lambda x: x)(2.0)
    with pytest.raises(sg.ShapeError, match="out_axes None"):
        sg.vmap(lambda x: x, out_axes=None)(A)
    with pytest.raises(sg.ShapeError, match=r"out_axes \(0, 0\) has another structure"):
        sg.vmap(lambda x: x, out_axes=(0, 0))(A)


# -- nested, empty, dynamic -----------------------------------------------------------------------------------------
def test_nested():
    close(in_both_ways(sg.vmap(sg.vmap(lambda x: x**2 + 1)), A), A**2 + 1)
    close(in_both_ways(sg.vmap(sg.vmap(lambda x, y: x * y, (None, 0)), (0, None)), A[:, 0], B[:, 1]),
          np.outer(A[:, 0], B[:, 1]))  # fmt: skip
    pairwise = sg.vmap(sg.vmap(lambda x, y: np.sum((x - y) ** 2), (None, 0)), (0, None))
    close(in_both_ways(pairwise, A, B), np.sum((A[:, None] - B) ** 2, axis=-1))
    thrice = sg.vmap(sg.vmap(sg.vmap(np.sin), 1, 1), 2, 2)
    close(in_both_ways(thrice, CUBE), np.sin(CUBE))


def test_the_mapped_function_sees_no_axis():
    seen = []
    sg.vmap(lambda x, y: seen.append((x.shape, y.shape)) or x * y[0], (1, 0))(A, A.T)
    assert seen == [((4,), (4,))]


def test_lengths_zero_and_one():
    close(sg.vmap(lambda x: W @ x)(A[:0]), np.zeros((0, 2)))
    close(sg.vmap(lambda x: np.sum(x))(A[:1]), np.sum(A[:1], axis=1))
    close(sg.vmap(lambda x: np.max(x) * x)(A[:1]), np.max(A[:1]) * A[:1])


def test_a_dynamic_axis():
    x = sg.symbol("x", ("n", 3))
    y = sg.symbol("y", ("n",))
    kernel = sg.compile(sg.vmap(lambda x, y: np.tanh(W @ x) * y)(x, y), [x, y])
    for n in (0, 1, 4):
        close(kernel(A[:n], A[:n, 0]), np.tanh(A[:n] @ W.T) * A[:n, :1])


# -- with derivatives -----------------------------------------------------------------------------------------------
def test_derivatives_of_each_element():
    def f(x):
        return np.sum(np.sin(x) * x[0])

    def g(x):
        return np.tanh(W @ x) * x[1]

    close(in_both_ways(sg.vmap(sg.grad(f)), A), looped(lambda x: slopes(f, x), A))
    for mode in ("forward", "reverse"):
        close(in_both_ways(sg.vmap(sg.jacobian(g, mode=mode)), A), looped(lambda x: slopes(g, x), A))
    value, gradient = sg.vmap(sg.value_and_grad(f))(A)
    close(value, looped(f, A))
    close(gradient, looped(lambda x: slopes(f, x), A))


def test_derivative_of_all_elements():
    def f(x):
        return np.sum(np.sin(x) * x[0])

    close(in_both_ways(sg.grad(lambda a: np.sum(sg.vmap(f)(a))), A), looped(lambda x: slopes(f, x), A))
    each = in_both_ways(sg.jacobian(sg.vmap(f)), A)
    want = np.zeros((4, 4, 3))
    want[np.arange(4), np.arange(4)] = looped(lambda x: slopes(f, x), A)
    close(each, want)


def test_mapping_over_directions_gives_the_jacobian():
    """Columns by jvp, rows by pullbacks, over the unit vectors."""

    def f(x):
        return np.tanh(W @ x) * x[1]

    x = A[0]
    columns = sg.vmap(lambda v: sg.jvp(f, (x,), (v,))[1], out_axes=1)(np.eye(3))
    rows = sg.vmap(lambda head: sg.vjp(f, x)[1](head)[0])(np.eye(2))
    close(columns, slopes(f, x))
    close(rows, slopes(f, x))
