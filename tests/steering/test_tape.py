"""Tapes: what they answer, what is watched, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparing import assert_same, said

import symgrad as sg
from symgrad.interp import evaluate

POINT = np.array([0.5, -1.5, 2.0])


def value(expression: Any, **inputs: Any) -> Any:
    """The value where the symbols of these names have these values; variables have their own."""
    symbols = {
        node: np.asarray(inputs[node.attrs.name]) for node in sg.Graph([expression]).inputs if node.op.name == "symbol"
    }
    return evaluate([expression], symbols)[0]


def test_a_tape_differentiates_what_its_block_computes():
    x, w = sg.symbol("x", (3,)), sg.variable("w", [1.0, 2.0, 3.0])
    with sg.GradientTape() as tape:
        tape.watch(x)
        y = np.sum(w * x**3)
    on_x, on_w = tape.gradient(y, [x, w])
    assert_same(value(on_x, x=POINT), np.array([1.0, 2.0, 3.0]) * 3 * POINT**2)
    assert_same(value(on_w, x=POINT), POINT**3)


def test_results_have_the_structure_of_the_sources():
    x, y = sg.symbols("x y")
    with sg.GradientTape(persistent=True) as tape:
        tape.watch({"x": x, "y": [y]})
        z = x * y**2
    assert_same(value(tape.gradient(z, x), x=3.0, y=2.0), 4.0)
    made = tape.gradient(z, {"first": (x,), "second": y})
    assert set(made) == {"first", "second"}
    assert isinstance(made["first"], tuple)
    assert_same(value(made["first"][0], x=3.0, y=2.0), 4.0)
    assert_same(value(made["second"], x=3.0, y=2.0), 12.0)


def test_several_results_are_summed_with_their_heads():
    x = sg.symbol("x", (3,))
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        parts = [np.sin(x), x**2]
    assert_same(value(tape.gradient(parts, x), x=POINT), np.cos(POINT) + 2 * POINT)
    head = np.array([1.0, 10.0, 100.0])
    assert_same(value(tape.gradient(parts[1], x, output_gradients=head), x=POINT), 2 * POINT * head)
    assert_same(
        value(tape.gradient(parts, x, output_gradients=[head, None]), x=POINT), np.cos(POINT) * head + 2 * POINT
    )


def test_jacobians():
    x, w = sg.symbol("x", (3,)), sg.variable("w", np.arange(6.0).reshape(2, 3))
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = w @ x**2
    assert_same(value(tape.jacobian(y, x), x=POINT), np.arange(6.0).reshape(2, 3) * 2 * POINT)
    on_x, on_w = tape.jacobian(y, (x, w))
    want = np.zeros((2, 2, 3))
    want[0, 0] = want[1, 1] = POINT**2
    assert on_x.shape == (2, 3)
    assert_same(value(on_w, x=POINT), want)


# -- what is watched ------------------------------------------------------------------------------------------------
def test_what_is_not_watched_is_unconnected():
    x, p, w = sg.symbol("x", (3,)), sg.symbol("p", (3,)), sg.variable("w", 2.0)
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = np.sum(w * x * p)
    assert tape.gradient(y, p) is None
    assert tape.jacobian(x * p, p) is None
    assert_same(value(tape.gradient(y, p, unconnected_gradients="zero")), np.zeros(3))
    assert_same(value(tape.jacobian(x * p, p, unconnected_gradients="zero")), np.zeros((3, 3)))
    with pytest.raises(sg.UnconnectedGradientError) as caught:
        tape.gradient(y, [x, p], unconnected_gradients="raise")
    assert said(caught.value) == (
        "GradientTape: <float64[3]: p> is not watched\n  hint: tape.watch(x) inside the block"
    )
    on_x, on_p, on_w = tape.gradient(y, [x, p, w])
    assert on_p is None
    assert_same(value(on_x, p=POINT), 2.0 * POINT)
    assert_same(value(on_w, x=POINT, p=POINT), np.sum(POINT**2))


def test_watched_but_not_used():
    x, lonely = sg.symbol("x"), sg.symbol("lonely", (2,))
    with sg.GradientTape(persistent=True) as tape:
        tape.watch([x, lonely])
        y = x * x
    assert tape.gradient(y, [x, lonely])[1] is None
    assert_same(value(tape.jacobian(y, lonely, unconnected_gradients="zero")), np.zeros(2))
    for ask in (tape.gradient, tape.jacobian):
        with pytest.raises(sg.UnconnectedGradientError, match="no y is made from it, but from x"):
            ask(y, lonely, unconnected_gradients="raise")
    with pytest.raises(sg.GradientError, match="unconnected='ones'"):
        tape.gradient(y, x, unconnected_gradients="ones")


def test_variables_watch_themselves_whether_trainable_or_not():
    w, step = sg.variable("w", 3.0), sg.variable("step", 4.0, trainable=False)
    with sg.GradientTape() as tape:
        y = w**2 * step
    assert [float(value(one)) for one in tape.gradient(y, [w, step])] == [24.0, 9.0]


def test_intermediate_values():
    """What is made from something watched can be asked about; what is not, cannot."""
    x, p = sg.symbols("x p")
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        hidden, other = np.sin(x), np.sin(p)
        y = hidden**2 * other**2
    assert_same(value(tape.gradient(y, hidden), x=0.3, p=0.7), 2 * np.sin(0.3) * np.sin(0.7) ** 2)
    assert tape.gradient(y, other) is None
    with sg.GradientTape() as second:
        second.watch(other)
        y = hidden**2 * other**2
    assert_same(value(second.gradient(y, other), x=0.3, p=0.7), 2 * np.sin(0.7) * np.sin(0.3) ** 2)


# -- orders and blocks ----------------------------------------------------------------------------------------------
def test_nested_tapes_give_higher_orders():
    x = sg.symbol("x")
    with sg.GradientTape() as outer:
        outer.watch(x)
        with sg.GradientTape() as middle:
            middle.watch(x)
            with sg.GradientTape() as inner:
                inner.watch(x)
                y = x**4
            first = inner.gradient(y, x)
        second = middle.gradient(first, x)
    third = outer.gradient(second, x)
    assert [float(value(one, x=2.0)) for one in (first, second, third)] == [32.0, 48.0, 48.0]


def test_a_persistent_tape_answers_inside_its_block():
    x = sg.symbol("x")
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x**3
        slope = tape.gradient(y, x)
        z = slope * x
    assert_same(value(tape.gradient(z, x), x=2.0), 36.0)


def test_a_tape_inside_a_function_that_is_compiled():
    @sg.jit
    def slope(x):
        with sg.GradientTape() as tape:
            tape.watch(x)
            y = np.sum(np.tanh(x))
        return tape.gradient(y, x)

    np.testing.assert_allclose(slope(POINT), 1 - np.tanh(POINT) ** 2, rtol=1e-13)


def test_what_is_not_recorded_is_constant():
    x, w = sg.symbol("x"), sg.variable("w", 3.0)
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        with tape.stop_recording():
            scale = x * w
        y = scale * x + x * w
    assert_same(value(tape.gradient(y, x), x=5.0), 5.0 * 3.0 + 3.0)
    assert_same(value(tape.gradient(y, w), x=5.0), 5.0)
    assert_same(value(tape.jacobian(y, x), x=5.0), 18.0)
    assert tape.gradient(scale, x) is None
    (full,) = sg.gradients(y, [x])
    assert_same(value(full, x=5.0), 2 * 5.0 * 3.0 + 3.0)  # the expression itself is what it was


def test_recording_goes_on_after_an_error_and_scopes_nest():
    x = sg.symbol("x")
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        with pytest.raises(ZeroDivisionError), sg.name_scope("net"), tape.stop_recording():
            raise ZeroDivisionError
        with sg.name_scope("net"), tape.stop_recording(), sg.name_scope("deep"):
            fixed = x * 7
        tape.watch(fixed)
        y = fixed * x
    assert_same(value(tape.gradient(y, x), x=2.0), 14.0)
    assert_same(value(tape.gradient(y, fixed), x=2.0), 2.0)


# -- refusals -------------------------------------------------------------------------------------------------------
def test_a_second_question_is_refused():
    x = sg.symbol("x")
    with sg.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    tape.gradient(y, x)
    for ask in (tape.gradient, tape.jacobian):
        with pytest.raises(sg.GradientError) as caught:
            ask(y, x)
        assert said(caught.value) == (
            "GradientTape: a tape that is not persistent answers once\n  hint: sg.GradientTape(persistent=True)"
        )
        assert caught.value.where.startswith("test_tape.py:")


def test_what_a_tape_refuses():
    x = sg.symbol("x")
    tape = sg.GradientTape()
    with pytest.raises(sg.GradientError) as caught:
        tape.gradient(x, x)
    assert said(caught.value) == "GradientTape: asked before it was entered\n  hint: with sg.GradientTape() as tape:"
    with pytest.raises(sg.GradientError) as caught:
        tape.watch(x)
    assert said(caught.value) == (
        "GradientTape: watch is called while the tape does not record\n"
        "  hint: inside the block: with sg.GradientTape() as tape: tape.watch(x)"
    )
    with tape:
        with pytest.raises(sg.GradientError) as caught:
            tape.__enter__()
        assert said(caught.value) == "GradientTape: the tape is recording already"
        with pytest.raises(sg.GradientError) as caught:
            tape.watch([x, 1.0])
        assert said(caught.value) == "GradientTape.watch: float 1.0 is not an expression"
        with tape.stop_recording(), pytest.raises(sg.GradientError, match="does not record"):
            tape.watch(x)
    with pytest.raises(sg.GradientError, match=r"GradientTape\.gradient: y: int 3 is not an expression"):
        tape.gradient(3, x)
