"""Straight-line nests joined into one: what they shared is computed once, and memory is read after what was written."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import program_of

import symgrad as sg
from codegen.lower.joining import joined
from codegen.lower.loopir import Buffer, Const, For, Let, Load, Nest, Offset, Program, Store, statements

HERE = Offset(0, (), ())
F = np.dtype("float64")


def operations(program, op):
    return sum(
        one.op == op for nest in program.stages if isinstance(nest, Nest) for one in statements(nest.body, {Let})
    )


def test_scatters_share_what_they_add():
    """Two scatters and a result would each take the exponential and the sine."""
    x, i = sg.symbol("x", 2), sg.symbol("i", 3, dtype="int64")
    shared = np.exp(x) * np.sin(x[::-1])
    made = [sg.zeros((5,)).at[i[k]].add(shared[0] * (k + 1)) for k in range(2)] + [shared]
    program = program_of(made, [x, i])
    assert operations(program, "exp") == operations(program, "sin") == 2
    at, places = np.array([0.3, -0.2]), np.array([4, -5, 1])
    got = sg.compile(made, [x, i])(at, places)
    value = np.exp(at) * np.sin(at[::-1])
    for k in range(2):
        want = np.zeros(5)
        want[places[k]] = value[0] * (k + 1)
        assert_same(got[k], want)
    assert_same(got[2], value)


def test_memory_is_read_after_what_was_written():
    """A load behind a store to its buffer is made again; constants of other bits, and other element types, stay apart."""
    a, b, c = Buffer("a", F, 1, "input"), Buffer("b", F, 1, "output"), Buffer("c", F, 1, "output", 1)
    first = Nest(
        (Load(1, a, HERE, F), Const(2, 0.0, F), Let(3, "add", (1, 2), F), Store(b, HERE, 3), Load(4, b, HERE, F))
    )
    second = Nest(
        (
            Load(1, a, HERE, F),
            Const(2, -0.0, F),
            Let(3, "subtract", (1, 2), F),
            Let(4, "add", (1, 3), F),
            Store(b, HERE, 4),
            Load(5, b, HERE, F),
            Store(c, HERE, 5),
        )
    )
    (nest,) = joined(Program((a, b, c), (first, second))).stages
    assert [one.__class__.__name__ for one in nest.body] == [
        *("Load", "Const", "Let", "Store", "Load", "Const", "Let", "Let", "Store", "Load", "Store")
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_order_of_operands(turned):
    """Sums and products are the same either way round, differences are not."""
    a, b = Buffer("a", F, 2, "input"), Buffer("b", F, 4, "output")
    loads = (Load(1, a, HERE, F), Load(2, a, Offset(1, (), ()), F))
    pair = (2, 1) if turned else (1, 2)
    first = Nest(
        (
            *loads,
            Let(3, "multiply", (1, 2), F),
            Let(4, "subtract", (1, 2), F),
            Store(b, HERE, 3),
            Store(b, Offset(1, (), ()), 4),
        )
    )
    second = Nest(
        (
            *loads,
            Let(3, "multiply", pair, F),
            Let(4, "subtract", pair, F),
            Store(b, Offset(2, (), ()), 3),
            Store(b, Offset(3, (), ()), 4),
        )
    )
    program = joined(Program((a, b), (first, second)))
    assert operations(program, "multiply") == 1
    assert operations(program, "subtract") == 1 + turned


def test_loops_stay_apart():
    x = sg.symbol("x", 100)
    program = program_of([np.sum(x) * 2, x[0] + x[1], np.max(x)], [x])
    assert any(isinstance(one, For) for nest in program.stages for one in nest.body)
