"""Memory that a kernel is given or needs: arrays that overlap, that lie anywhere, and sizes that no memory holds."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linking import needs_linker
from refusals import Refusal, assert_refused

import symgrad as sg
from symgrad import KernelInputError, KernelMemoryError

X, V = sg.symbol("x", ("n",)), sg.symbol("v", ("n",))
f = sg.compile(2 * X + V, [X, V], name="f")
two = sg.compile((X + 1, 3 * X), [X], name="two")
APART = "pass an array with memory of its own"
MEMORY = np.arange(12.0)
V0 = np.ones(6)


# -- results that lie on arguments ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: f(MEMORY[:6], V0, out=MEMORY[:6]),
            KernelInputError,
            "f(): out shares memory with argument 'x'",
            APART,
        ),
        Refusal(
            lambda: f(MEMORY[5::-1], V0, out=MEMORY[:6]),
            KernelInputError,
            "f(): out shares memory with argument 'x'",
            APART,
        ),
        Refusal(
            lambda: f(MEMORY[:6], V0, out=MEMORY[1:7]),
            KernelInputError,
            "f(): out shares memory with argument 'x'",
            APART,
        ),
        Refusal(
            lambda: f(V0, np.broadcast_to(MEMORY[3:4], 6), out=MEMORY[:6]),
            KernelInputError,
            "f(): out shares memory with argument 'v'",
            APART,
        ),
        Refusal(
            lambda: f(MEMORY[::2], V0, out=MEMORY[5:11]),
            KernelInputError,
            "f(): out shares memory with argument 'x'",
            APART,
        ),
        Refusal(
            lambda: two(V0, out=(MEMORY[:6], MEMORY[3:9])),
            KernelInputError,
            "two(): out[1] shares memory with out[0]",
            APART,
        ),
        Refusal(
            lambda: two(V0, out=(MEMORY[:6], MEMORY[:6])),
            KernelInputError,
            "two(): out[1] shares memory with out[0]",
            APART,
        ),
        Refusal(
            lambda: two(MEMORY[:6], out=(MEMORY[6:], MEMORY[:6])),
            KernelInputError,
            "two(): out[1] shares memory with argument 'x'",
            APART,
        ),
        Refusal(
            lambda: f(V0, V0, out=MEMORY[5::-1]),
            KernelInputError,
            "f(): out: expected float64[6], got one that is not C-contiguous",
        ),
        Refusal(
            lambda: f(V0, V0, out=_odd(6)),
            KernelInputError,
            "f(): out: expected float64[6], got one that is not aligned",
        ),
    ],
)
def test_overlap(case: Refusal) -> None:
    before = MEMORY.copy()
    assert_refused(case)
    np.testing.assert_array_equal(MEMORY, before)  # nothing was written


def test_neighbours_are_no_overlap() -> None:
    memory = np.arange(12.0)
    assert f(memory[:6], V0, out=memory[6:]) is not None
    np.testing.assert_array_equal(memory[6:], 2 * np.arange(6.0) + 1)
    np.testing.assert_array_equal(two(memory[:6], out=(np.empty(6), memory[6:]))[1], 3 * np.arange(6.0))


def test_results_and_inputs_on_a_variable() -> None:
    w = sg.variable("memory_w", np.arange(6.0))
    x = sg.symbol("x", (6,))
    step = sg.compile(x + w, [x], updates=[(w, w + x)], name="step")
    state: Any = w.attrs.state.array

    def call() -> None:
        step(V0, out=state)

    assert_refused(Refusal(call, KernelInputError, "step(): out shares memory with the variable 'memory_w'", APART))
    np.testing.assert_array_equal(w.value, np.arange(6.0))
    np.testing.assert_array_equal(step(state[::-1]), np.full(6, 5.0))  # copied before the state changes
    np.testing.assert_array_equal(w.value, np.full(6, 5.0))


# -- arguments that lie anywhere -------------------------------------------------------------------------------------
def _odd(count: int) -> Any:
    """Numbers three bytes off every boundary."""
    return np.frombuffer(bytearray(3 + 8 * count), np.float64, count, 3)


def _shifted(values: Any, offset: int) -> Any:
    raw = bytearray(offset + values.nbytes)
    raw[offset:] = values.tobytes()
    return np.frombuffer(raw, values.dtype, values.size, offset).reshape(values.shape)


LAYOUTS: list[Callable[[Any], Any]] = [
    *(lambda a, k=k: _shifted(a, k) for k in range(1, 8)),
    lambda a: a[::-1].copy()[::-1],
    lambda a: np.broadcast_to(a[:1], a.shape),
    lambda a: np.repeat(a, 3)[::3],
    lambda a: np.asfortranarray(np.stack([a, a], 1))[:, 1],
    lambda a: np.lib.stride_tricks.as_strided(a, a.shape, (0,)),
    lambda a: np.rec.fromarrays([np.zeros(a.size, "i1"), a], names="skip,number")["number"],
]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
def test_layouts(layout: int, dtype: str) -> None:
    x, v = sg.symbol("x", ("n",), dtype), sg.symbol("v", ("n",), dtype)
    kernel = sg.compile(2 * x + v, [x, v])
    for size in (1, 7, 33):
        given = LAYOUTS[layout](np.arange(1, size + 1).astype(dtype))
        kept, out = given.copy(), np.empty(size, dtype)
        np.testing.assert_array_equal(kernel(given, given), 3 * kept)
        np.testing.assert_array_equal(kernel(given, kept, out=out), 3 * kept)
        np.testing.assert_array_equal(given, kept)


def test_bytes_that_are_no_proper_booleans() -> None:
    """NumPy takes every byte but 0 for true, whatever made it."""
    b = sg.symbol("b", ("n",), "bool")
    given = np.array([0, 1, 2, 128, 255], np.uint8).view(bool)
    want = np.array([False, True, True, True, True])
    kernel = sg.compile([np.where(b, 1.0, 2.0), np.logical_not(b), np.sum(b), b.astype("float64"), b & b], [b])
    chosen, inverted, count, number, both = kernel(given)
    np.testing.assert_array_equal(chosen, np.where(want, 1.0, 2.0))
    np.testing.assert_array_equal(inverted.view(np.uint8), ~want)
    assert count == 4
    np.testing.assert_array_equal(number, want.astype(float))
    np.testing.assert_array_equal(both.view(np.uint8), want)


# -- sizes that no memory holds --------------------------------------------------------------------------------------
P, Q = sg.symbol("p", ("n", "k")), sg.symbol("q", ("m", "k"))
largest = sg.compile(np.sort(P @ Q.T, axis=None)[-1], [P, Q], name="largest")
area = sg.compile(sg.constant(1) * (P.shape[0] * Q.shape[0]), [P, Q], name="area")
HINT = "give fewer elements at a time, or free memory"


def flat(power: int) -> Any:
    """2**power rows that take no memory."""
    return np.zeros((1 << power, 0))


@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: largest(flat(33), flat(33)),
            KernelMemoryError,
            "largest(): no memory for a workspace of more than 64 bits can count",
            HINT,
        ),
        Refusal(
            lambda: largest(flat(32), flat(32), out=np.zeros(())),
            KernelMemoryError,
            "largest(): no memory for a workspace of more than 64 bits can count",
            HINT,
        ),
        Refusal(
            lambda: largest(flat(59), flat(10)),
            KernelMemoryError,
            "largest(): no memory for a workspace of more than 64 bits can count",
            HINT,
        ),
        Refusal(
            lambda: area(flat(33), flat(33)),
            KernelMemoryError,
            "area(): no memory for a workspace of more than 64 bits can count",
            HINT,
        ),
    ],
)
def test_sizes_beyond_64_bits(case: Refusal) -> None:
    assert_refused(case)


def test_a_workspace_beyond_memory() -> None:
    sums = sg.compile(np.sort(P @ Q.T, axis=None)[-1], [P, Q], name="sums")
    with pytest.raises(MemoryError, match=r"^sums\(\): no memory for a workspace of [0-9.e+]+ GB\n") as caught:
        sums(flat(24), flat(24))
    assert type(caught.value) is KernelMemoryError
    out = np.array(7.0)
    with pytest.raises(KernelMemoryError):
        sums(flat(24), flat(24), out=out)
    assert out == 7.0
    assert sums(np.ones((2, 3)), np.ones((4, 3))) == 3.0  # still works


def test_sizes_that_fit() -> None:
    assert area(flat(30), flat(31)) == 1 << 61
    assert largest(np.ones((3, 2)), np.full((2, 2), 2.0)) == 4.0


def test_arguments_that_take_no_memory_until_they_are_copied() -> None:
    total = sg.compile(np.sum(X), [X], name="total")
    with pytest.raises(MemoryError):
        total(np.broadcast_to(1.0, 1 << 50))
    assert total(np.broadcast_to(1.0, 100)) == 100.0


def test_results_that_no_memory_holds() -> None:
    table = sg.compile(sg.ones((P.shape[0], Q.shape[0])), [P, Q], name="table")
    for power in (25, 33, 59):
        with pytest.raises((MemoryError, ValueError)):
            table(flat(power), flat(power))
    assert table(flat(1), flat(2)).shape == (2, 4)


def test_static_sizes_beyond_64_bits() -> None:
    huge = sg.compile(X * np.sort(sg.ones((1 << 33, 1 << 33)))[0, 0], [X], name="huge")

    def call() -> None:
        huge(V0)

    assert_refused(
        Refusal(call, KernelMemoryError, "huge(): no memory for a workspace of more than 64 bits can count", HINT)
    )


@needs_linker
def test_written_kernels_say_the_same(tmp_path: Path) -> None:
    paths = sg.export(tmp_path, {"largest": (np.sort(P @ Q.T, axis=None)[-1], [P, Q])}, kinds=("shared", "python"))
    spec = importlib.util.spec_from_file_location("written_largest", paths["python"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.largest(np.ones((2, 3)), np.ones((4, 3))) == 3.0
    with pytest.raises(MemoryError) as caught:
        module.largest(flat(33), flat(33))
    assert str(caught.value) == "largest(): no memory for a workspace of more than 64 bits can count"
