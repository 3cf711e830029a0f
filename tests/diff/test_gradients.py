"""Gradients of expressions: which nodes they reach, what they are worth, what they are called when something is wrong."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from runners import both_floats, both_ways, close, interpreted

import symgrad as sg
from symgrad.errors import DTypeError, GradientError, ShapeError, SymgradError, UnconnectedGradientError


def here() -> int:
    """The caller's line number."""
    return inspect.currentframe().f_back.f_lineno


# -- one gradient ---------------------------------------------------------------------------------------------------
@both_ways
@both_floats
def test_all_elements_of_all_ys_are_summed(run, dtype):
    x = sg.symbol("x", (3,), dtype)
    a = sg.symbol("a", (), dtype)
    point = np.array([0.5, -1.0, 2.0])
    slopes = run(sg.gradients([x**2, a * x, np.sum(x) * a], [x, a]), {x: point, a: 3.0})
    close(slopes[0], 2 * point + 3.0 + 3.0, dtype)
    close(slopes[1], np.sum(point) + np.sum(point), dtype)


@pytest.mark.parametrize("shape", [(), (3,), (1,), (2, 3), (0,), (2, 0), (2, 1, 3)])
@both_floats
def test_a_gradient_has_the_type_of_its_x(shape, dtype):
    x = sg.symbol("x", shape, dtype)
    other = sg.symbol("other", (2, 3), dtype)
    for y in (np.sum(np.sin(x)), 3 * x, x, sg.stack([np.sum(x), np.prod(x)]), np.sum(x) + np.sum(other)):
        (slope,) = sg.gradients(y, [x])
        assert slope.type is x.type
        (value,) = interpreted([slope], {x: np.full(shape, 0.5)})
        assert value.shape == shape
        assert value.dtype == dtype


def test_a_gradient_keeps_a_dynamic_shape():
    x, w = sg.symbol("x", ("n", 3)), sg.symbol("w", (3,))
    slopes = sg.gradients(np.sum(np.exp(x @ w)), [x, w])
    assert [slope.type for slope in slopes] == [x.type, w.type]
    for n in (0, 1, 5):
        point, weights = np.linspace(-1, 1, 3 * n).reshape(n, 3), np.array([0.3, -0.2, 0.1])
        on_x, on_w = interpreted(slopes, {x: point, w: weights})
        e = np.exp(point @ weights)
        close(on_x, e[:, None] * weights)
        close(on_w, e @ point)


@both_ways
def test_a_constant_slope_is_repeated_to_the_shape_of_x(run):
    x = sg.symbol("x", (2, 3))
    (slope,) = run(sg.gradients(np.sum(4 * x - 1), [x]), {x: np.zeros((2, 3))})
    close(slope, np.full((2, 3), 4.0))


@both_ways
def test_element_types_meet_and_part_again(run):
    """A float32 argument of a float64 result has a float32 gradient, and conversely."""
    x, y = sg.symbol("x", (2,), "float32"), sg.symbol("y", (2,))
    slopes = run(sg.gradients(np.sum(x * y), [x, y]), {x: [1.5, 2.0], y: [3.0, 4.0]})
    close(slopes[0], [3.0, 4.0], "float32")
    close(slopes[1], [1.5, 2.0], "float64")
    (down,) = run(sg.gradients(np.sum(y.astype("float32") ** 2), [y]), {y: [3.0, 4.0]})
    close(down, [6.0, 8.0], "float64")


def test_lists_and_single_expressions_are_both_taken():
    x = sg.symbol("x")
    assert len(sg.gradients(x**2, x)) == 1
    assert isinstance(sg.gradients(x**2, x), list)
    assert len(sg.gradients((x, x**2), (x, x, x))) == 3


@both_ways
def test_repeated_ys_count_and_repeated_xs_do_not(run):
    x = sg.symbol("x", (2,))
    y = x**2
    slopes = run(sg.gradients([y, y], [x, x]), {x: [1.0, 3.0]})
    for slope in slopes:
        close(slope, [4.0, 12.0])


@both_ways
def test_an_x_that_is_a_y(run):
    x = sg.symbol("x", (2,))
    y = x**3
    on_x, on_y = run(sg.gradients([y, x], [x, y]), {x: [1.0, 2.0]})
    close(on_x, [4.0, 13.0])
    close(on_y, [1.0, 1.0])


@pytest.mark.parametrize("bad", [3.0, "x", None, np.ones(3)])
def test_only_expressions_are_differentiated(bad):
    x = sg.symbol("x", (3,))
    with pytest.raises(SymgradError, match="is not an expression"):
        sg.gradients(bad, [x])
    with pytest.raises(SymgradError, match="is not an expression"):
        sg.gradients(x, [bad])


def test_a_result_without_derivative_is_refused():
    x = sg.symbol("x", (3,))
    for y in (x > 0, np.isnan(x)):
        with pytest.raises(DTypeError, match="bool has no derivative"):
            sg.gradients(y, [x])
    with pytest.raises(DTypeError, match="int64 has no derivative"):
        sg.gradients(x.astype("int64"), [x])


# -- head gradients -------------------------------------------------------------------------------------------------
@both_ways
@both_floats
def test_head_gradients_worked_case(run, dtype):
    """z1 = w1 + w2 + w3, z2 = w3 + w4, heads [2, 2, 3] and [3, 2, 4]."""
    w = [sg.symbol(f"w{k}", (3,), dtype) for k in range(1, 5)]
    z1, z2 = w[0] + w[1] + w[2], w[2] + w[3]
    heads = [sg.constant([2.0, 2.0, 3.0], dtype), sg.constant([3.0, 2.0, 4.0], dtype)]
    slopes = run(sg.gradients([z1, z2], w, grad_ys=heads), {one: np.zeros(3) for one in w})
    for slope, want in zip(slopes, ([2, 2, 3], [2, 2, 3], [5, 4, 7], [3, 2, 4]), strict=True):
        close(slope, want, dtype)


@both_ways
def test_head_gradients_may_be_arrays_expressions_numbers_or_none(run):
    x, head = sg.symbol("x", (2,)), sg.symbol("head", (2,))
    values = {x: [1.0, 2.0], head: [10.0, 20.0]}
    y = x**2
    found = [
        sg.gradients(y, [x], grad_ys=[head])[0],
        sg.gradients(y, [x], grad_ys=[np.array([10.0, 20.0])])[0],
        sg.gradients(y, [x], grad_ys=[[10.0, 20.0]])[0],
        sg.gradients([y, 5 * x], [x], grad_ys=[None, head])[0],
        sg.gradients(y, [x], grad_ys=[7])[0],
    ]
    want = [[20, 80], [20, 80], [20, 80], [52, 104], [14, 28]]
    for got, expected in zip(run(found, values), want, strict=True):
        close(got, expected)


@both_ways
def test_a_head_gradient_is_differentiable_itself(run):
    x, head = sg.symbol("x", (2,)), sg.symbol("head", (2,))
    (slope,) = sg.gradients(np.sin(x), [x], grad_ys=[head])
    (on_head,) = run(sg.gradients(slope, [head]), {x: [0.3, 0.6], head: [5.0, 6.0]})
    close(on_head, np.cos([0.3, 0.6]))


def test_wrong_number_of_head_gradients():
    x = sg.symbol("x", (3,))
    for heads, count in (([], 0), ([1.0, 2.0], 2), ([None, None, None], 3)):
        with pytest.raises(GradientError, match=rf"gradients: {count} head gradients for 1 ys\n  at test_gradients.py"):
            sg.gradients([x**2], [x], grad_ys=heads)


@pytest.mark.parametrize("shape", [(2,), (1,), (3, 1), (1, 3), (4,)])
def test_head_gradient_of_another_shape(shape):
    x = sg.symbol("x", (3,))
    with pytest.raises(ShapeError) as caught:
        sg.gradients([x, x**2], [x], grad_ys=[None, np.ones(shape)])
    text = str(caught.value)
    assert text.startswith("gradients: head gradient 1 has shape (")
    assert "its y (3,)" in text
    assert "test_gradients.py" in text


# -- unconnected ----------------------------------------------------------------------------------------------------
def test_unconnected_is_none_by_default_and_zero_on_request():
    x, b = sg.symbol("x", (3,)), sg.symbol("b", (2,), "float32")
    y = np.sum(x**2)
    assert sg.gradients(y, [x, b])[1] is None
    zero = sg.gradients(y, [x, b], unconnected="zero")[1]
    assert zero.type is b.type
    (value,) = interpreted([zero], {b: [1, 2]})
    close(value, np.zeros(2), "float32")


def test_unconnected_raise_names_both_ends_and_the_reason():
    loss_input, lonely = sg.symbol("loss_input", (3,)), sg.symbol("lonely", (2,))
    y = np.tanh(loss_input)
    with pytest.raises(UnconnectedGradientError) as caught:
        sg.gradients(y, [loss_input, lonely], unconnected="raise")
    text = str(caught.value)
    assert "lonely" in text
    assert "tanh" in text
    assert "no y is made from it" in text
    assert "test_gradients.py" in text


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        (lambda x: sg.stop_gradient(x), "stop_gradient at {}: lets no derivative pass"),
        (lambda x: x.astype("int64").astype("float64"), "cast at {}: cast from float64 to int64"),
        (lambda x: (x > 0).astype("float64"), "greater at {}: true or false: no derivative"),
        (lambda x: sg.where(x < 0, 1.0, 2.0), "less at {}: true or false: no derivative"),
    ],
    ids=["stopped", "integer cast", "bool cast", "condition"],
)
def test_unconnected_though_reached(cut, reason):
    x = sg.symbol("unconnected", (3,))
    y = np.sum(cut(x))
    assert sg.gradients(y, [x])[0] is None
    with pytest.raises(UnconnectedGradientError) as caught:
        sg.gradients(y, [x], unconnected="raise")
    place = f"test_gradients.py:{cut.__code__.co_firstlineno}"
    assert str(caught.value) == (
        f"gradients: no derivative of {y!r} reaches x number 0 (<float64[3]: unconnected>): {reason.format(place)}\n"
        f"  at test_gradients.py:{here() - 4}\n"
        "  hint: sg.why(y, x) shows the paths; unconnected='zero' gives zeros"
    )


def test_every_connected_x_passes_the_raise():
    x, a = sg.symbol("x", (3,)), sg.symbol("a")
    assert None not in sg.gradients(np.sum(a * x), [x, a], unconnected="raise")


def test_an_unknown_policy():
    x = sg.symbol("x")
    with pytest.raises(GradientError, match="unconnected='zeros'"):
        sg.gradients(x, [x], unconnected="zeros")


def test_compiling_none_says_which_output():
    x, b = sg.symbol("x", (3,)), sg.symbol("b")
    slopes = sg.gradients(np.sum(x), [x, b])
    with pytest.raises(UnconnectedGradientError, match="output 1 is None") as caught:
        sg.compile(slopes, [x, b])
    assert "sg.why(y, x) says why" in str(caught.value)
    assert "unconnected='zero'" in str(caught.value)


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "rint", "trunc"])
@both_ways
def test_piecewise_constant_operations_are_connected_with_zero(run, name):
    x = sg.symbol("x", (3,))
    (slope,) = sg.gradients(getattr(np, name)(x) * 2, [x])
    assert slope is not None
    close(run([slope], {x: [0.4, -1.0, 2.5]})[0], np.zeros(3))


@pytest.mark.parametrize("name", ["less", "greater_equal", "equal", "isfinite"])
def test_comparisons_disconnect(name):
    x = sg.symbol("x", (3,))
    compared = getattr(np, name)(x, 1.0) if name != "isfinite" else np.isfinite(x)
    assert sg.gradients(compared.astype("float64"), [x])[0] is None


# -- integers -------------------------------------------------------------------------------------------------------
@both_ways
def test_matrix_product_worked_case(run):
    left, right = sg.symbol("left", (1, 2)), sg.symbol("right", (2, 1))
    slopes = run(sg.gradients(left @ right, [left, right]), {left: [[1.0, 2.0]], right: [[9.0], [10.0]]})
    close(slopes[0], [[9.0, 10.0]])
    close(slopes[1], [[1.0], [2.0]])


@both_ways
def test_integer_matrix_product_worked_case(run):
    w1 = sg.symbol("w1", (1, 2), "int32")
    (slope,) = run(sg.gradients(w1 @ np.array([[2], [1]], np.int32), [w1]), {w1: [[1, 2]]})
    close(slope, [[2, 1]], "int32")


INTEGER = {
    "sum of squares": (lambda n: np.sum(n * n), lambda n: 2 * n),
    "square": (lambda n: np.square(n), lambda n: 2 * n),
    "cube": (lambda n: n**3, lambda n: 3 * n**2),
    "first power": (lambda n: n**1 + 4, lambda n: np.ones_like(n)),
    "difference": (lambda n: 5 - 3 * n, lambda n: np.full_like(n, -3)),
    "negative": (lambda n: -n, lambda n: -np.ones_like(n)),
    "views": (lambda n: n[::-1].reshape(3, 1) * n.reshape(1, 3), lambda n: np.full_like(n, 2 * np.sum(n))),
    "picked": (lambda n: n[1] * n[1], lambda n: np.array([0, 2 * n[1], 0])),
    "gathered": (lambda n: n[np.array([0, 0, 2])], lambda n: np.array([2, 0, 1])),
    "concatenated": (lambda n: np.concatenate([n, 2 * n]), lambda n: np.full_like(n, 3)),
    "einsum": (lambda n: np.einsum("i,i->", n, n), lambda n: 2 * n),
}


@pytest.mark.parametrize("dtype", ["int64", "int32"])
@pytest.mark.parametrize("case", INTEGER.values(), ids=INTEGER)
@both_ways
def test_integer_arithmetic_carries_integer_gradients(run, case, dtype):
    function, slope = case
    n = sg.symbol("n", (3,), dtype)
    point = np.array([2, -1, 4], dtype)
    (found,) = sg.gradients(function(n), [n])
    assert found.type is n.type
    close(run([found], {n: point})[0], slope(point), dtype)


@pytest.mark.parametrize(
    "function",
    [
        lambda n: np.sin(n),
        lambda n: n / 2,
        lambda n: np.mean(n),
        lambda n: n.astype("float64") * 2,
        lambda n: n * 1.5,
        lambda n: np.sqrt(n * n),
        lambda n: (n // 2) * 1,
        lambda n: abs(n) * 1,
        lambda n: np.maximum(n, 1) * 1,
    ],
    ids=["sin", "half", "mean", "cast", "float factor", "root", "floor", "abs", "maximum"],
)
def test_other_paths_of_integers_disconnect(function):
    n = sg.symbol("n", (3,), "int64")
    assert sg.gradients(function(n), [n])[0] is None


def test_an_integer_exponent_that_varies_disconnects():
    """x ** n grows by log x, which no integer can say."""
    x, n = sg.symbol("x", (2,), "int64"), sg.symbol("n", (2,), "int64")
    on_x, on_n = sg.gradients(x**n, [x, n])
    assert on_n is None
    assert on_x is None or on_x.type is x.type


def test_an_integer_beside_a_float_disconnects_only_itself():
    x, n = sg.symbol("x", (2,)), sg.symbol("n", (2,), "int64")
    on_x, on_n = sg.gradients(np.sum(x * n), [x, n])
    assert on_n is None
    close(interpreted([on_x], {x: [1.0, 2.0], n: [5, 6]})[0], [5.0, 6.0])


# -- stops ----------------------------------------------------------------------------------------------------------
@both_ways
def test_stop_gradient_worked_case(run):
    """c = a + b stopped, d = a + b, e = c + d."""
    a, b = sg.symbols("a b")
    e = sg.stop_gradient(a + b) + (a + b)
    value, *slopes = run([e, *sg.gradients(e, [a, b])], {a: 2.0, b: 5.0})
    close(value, 14.0)
    for slope in slopes:
        close(slope, 1.0)


@both_ways
def test_stop_gradient_is_the_identity_forward(run):
    x = sg.symbol("x", (3,))
    point = [np.inf, -0.0, 1e-310]
    (value,) = run([sg.stop_gradient(x)], {x: point})
    np.testing.assert_array_equal(value, point)
    assert np.signbit(value[1])


def test_stop_gradient_in_forward_mode():
    x = sg.symbol("x")
    y = x * sg.stop_gradient(x**2)
    for mode in ("forward", "reverse"):
        close(interpreted([sg.jacobian(y, x, mode)], {x: 3.0})[0], 9.0)


@both_ways
def test_a_second_order_stop_lets_one_derivative_through(run):
    x = sg.symbol("x")
    y = sg.stop_gradient(x**3, order=2)
    (first,) = sg.gradients(y, [x])
    close(run([first], {x: 2.0})[0], 12.0)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_second_order_stop_blocks_the_second_derivative(mode):
    """d²/dx² of a stopped x**3 is zero, not 6 x; a path beside the stop still counts."""
    x = sg.symbol("x")
    y = sg.stop_gradient(x**3, order=2) + x**2
    slope = sg.jacobian(y, x, mode)
    second = sg.jacobian(slope, x, mode)
    close(interpreted([slope], {x: 2.0})[0], 16.0)
    close(interpreted([second], {x: 2.0})[0], 2.0)


def test_a_third_order_stop_blocks_the_third_derivative():
    x = sg.symbol("x")
    slopes = [sg.stop_gradient(x**4, order=3)]
    for _ in range(3):
        slopes.append(sg.gradients(slopes[-1], [x], unconnected="zero")[0])
    found = [float(one) for one in interpreted(slopes, {x: 2.0})]
    assert found == [16.0, 32.0, 48.0, 0.0]


@pytest.mark.parametrize("order", [0, -1, 1.0, True, "1", None])
def test_a_stop_has_a_positive_order(order):
    with pytest.raises(GradientError, match="is not a positive integer"):
        sg.stop_gradient(sg.symbol("x"), order=order)


@both_ways
def test_stop_gradients_of_one_call(run):
    """With b = 2 a: total derivative of a + b is 3, partial derivative 1; the next call knows nothing of the stop."""
    a = sg.symbol("a")
    b = 2 * a
    total = sg.gradients(a + b, [a, b])
    partial = sg.gradients(a + b, [a, b], stop_gradients=[a, b])
    again = sg.gradients(a + b, [a, b])
    found = run([*total, *partial, *again], {a: 0.0})
    assert [float(one) for one in found] == [3.0, 1.0, 1.0, 1.0, 3.0, 1.0]


def test_stop_gradients_disconnect_what_lies_behind():
    x, y = sg.symbols("x y")
    hidden = x * y
    top = hidden**2 + y
    on_x, on_y = sg.gradients(top, [x, y], stop_gradients=hidden)
    assert on_x is None
    close(interpreted([on_y], {x: 3.0, y: 4.0})[0], 1.0)
    with pytest.raises(UnconnectedGradientError, match="stopped"):
        sg.gradients(top, [x], stop_gradients=[hidden], unconnected="raise")


# -- intermediates --------------------------------------------------------------------------------------------------
@both_ways
def test_gradient_with_respect_to_an_intermediate(run):
    x = sg.symbol("x", (3,))
    h = np.sin(x)
    y = np.sum(h**2 + x * h)
    on_x, on_h = sg.gradients(y, [x, h])
    point = np.array([0.1, 0.7, -0.4])
    got_x, got_h = run([on_x, on_h], {x: point})
    s, c = np.sin(point), np.cos(point)
    close(got_h, 2 * s + point)
    close(got_x, (2 * s + point) * c + s)


@both_ways
def test_a_gradient_split_at_an_intermediate(run):
    """dloss/dW from the cotangent of h, and by differentiating h with that head: the same."""
    W, x = sg.symbol("W", (3, 2)), sg.symbol("x", (2,))
    h = np.tanh(W @ x)
    loss = np.sum(h**3)
    (g1,) = sg.gradients(loss, [h])
    (split,) = sg.gradients(h, [W], grad_ys=[g1])
    (whole,) = sg.gradients(loss, [W])
    weights, point = np.linspace(-1, 1, 6).reshape(3, 2), np.array([0.5, -2.0])
    got_split, got_whole, got_g1 = run([split, whole, g1], {W: weights, x: point})
    tanh = np.tanh(weights @ point)
    close(got_g1, 3 * tanh**2)
    close(got_whole, np.outer(3 * tanh**2 * (1 - tanh**2), point))
    close(got_split, np.outer(3 * tanh**2 * (1 - tanh**2), point))


def test_gradients_of_summed_quantities_do_not_multiply():
    """The product of dloss/dh and dh/dx, each summed, is not dloss/dx; head gradients and Jacobians are the way."""
    x = sg.symbol("x", (2,))
    h = sg.stack([x[0] * x[1], x[0] + x[1]])
    loss = h[0] ** 2 + 3 * h[1]
    (g1,) = sg.gradients(loss, [h])
    (right,) = sg.gradients(h, [x], grad_ys=[g1])
    chained = np.einsum("i,ij->j", g1, sg.jacobian(h, x))
    (summed,) = sg.gradients(h, [x])
    want = [2 * 6 * 3.0 + 3, 2 * 6 * 2.0 + 3]
    got = interpreted([right, chained, g1 * summed], {x: [2.0, 3.0]})
    close(got[0], want)
    close(got[1], want)
    assert not np.allclose(got[2], want)


@both_ways
def test_jacobian_of_a_vector_is_not_summed(run):
    x = sg.symbol("x", (3,))
    y = sg.stack([x[0] * x[1], np.sin(x[2])])
    point = np.array([2.0, 3.0, 0.5])
    for mode in ("auto", "forward", "reverse"):
        (found,) = run([sg.jacobian(y, x, mode)], {x: point})
        close(found, [[3.0, 2.0, 0.0], [0.0, 0.0, np.cos(0.5)]])


def test_jacobian_of_what_does_not_depend():
    x, b = sg.symbol("x", (3,)), sg.symbol("b", (2,), "float32")
    zero = sg.jacobian(np.sin(b), x)
    assert zero.shape == (2, 3)
    assert zero.dtype == np.float32
    with pytest.raises(GradientError, match="mode='backward'"):
        sg.jacobian(b, b, "backward")
