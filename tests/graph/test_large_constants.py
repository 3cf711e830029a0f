"""Functions that close over large arrays: the array is neither printed nor copied by each trace, nor ever changed."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.node import topological

TABLE = np.random.default_rng(8).normal(size=(1000, 1000))


def constants(expression):
    return [node for node in topological([expression]) if node.op.name == "constant" and node.type.size > 1]


def predict(x):
    return np.tanh(TABLE @ x)


def test_a_closure_holds_one_copy_however_often_it_is_traced():
    x = sg.symbol("x", (1000,))
    made = predict(x)
    tracemalloc.start()
    others = [predict(sg.symbol(f"x{k}", (1000,))) for k in range(5)]
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < TABLE.nbytes / 10
    (first,) = constants(made)
    assert all(constants(other)[0] is first for other in others)
    assert first.attrs.value.array is not TABLE
    assert np.shares_memory(first.attrs.value.array, constants(others[0])[0].attrs.value.array)


def test_nothing_prints_it():
    made = predict(sg.symbol("x", (1000,)))
    assert str(made) == "tanh(constant(1000,1000) @ x)"
    assert len(repr(made)) < 100
    assert len(sg.latex(made)) < 200
    assert len(str(sg.gradients(np.sum(made), [sg.symbol("x", (1000,))])[0])) < 300


def test_changing_the_array_afterwards_changes_nothing():
    table = TABLE[:20, :20].copy()
    x = sg.symbol("x", (20,))
    kernel = sg.compile(table @ x, [x])
    want = table @ np.ones(20)
    table[:] = 0.0
    assert_same(kernel(np.ones(20)), want)
    other = sg.compile(table @ x, [x])
    assert_same(other(np.ones(20)), np.zeros(20))


def test_a_read_only_view_of_an_array_that_changes_is_copied():
    table = np.arange(400.0)
    view = table[:]
    view.flags.writeable = False
    node = sg.constant(view)
    table[:] = 0.0
    assert sg.compile(node, [])()[399] == 399.0


def test_the_copy_goes_with_the_last_graph_that_has_it():
    made = sg.constant(TABLE[:50] + 1)
    held = weakref.ref(made.attrs.value.array)
    assert held() is not None
    del made
    gc.collect()
    assert held() is None


def test_in_place_operators_on_closed_over_arrays_are_refused():
    x = sg.symbol("x", (1000, 1000))
    table = TABLE.copy()
    for change in ("__iadd__", "__imul__", "__isub__", "__itruediv__", "__ipow__", "__imatmul__"):
        with pytest.raises(sg.TraceError, match="an array cannot take the value of an expression in place"):
            getattr(table, change)(x)
    np.testing.assert_array_equal(table, TABLE)
    rebound = x
    rebound += table
    assert str(rebound) == "x + constant(1000,1000)"
