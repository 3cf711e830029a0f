"""Results larger than the last cache: the same bits as others, wherever they lie, and nothing else written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from codegen.driver import compile_body
from codegen.llvm.toolchain import compile_text
from codegen.target import TARGETS, Target, native

n = sg.dim("n")
X = sg.symbol("values_to_stream", (n,))
Y = sg.symbol("others_to_stream", (n,))
F = sg.symbol("floats_to_stream", (n,), dtype="float32")
M = sg.symbol("rows_to_stream", (3, n))
C = sg.symbol("column_to_stream", (3, 1))
CACHE = 4096
SMALL = replace(native(), l3=CACHE)
product = X * Y + X

PROGRAMS: dict[str, tuple[list[Any], list[Any], list[Callable[..., Any]]]] = {
    "one": ([X + 1.5], [X], [lambda x: x + 1.5]),
    "value and gradient": ([product, *sg.gradients(product, [X, Y])], [X, Y], [lambda x, y: x * y + x, lambda x, y: y + 1, lambda x, y: x]),
    "floats": ([F * 2.0, F - 1.0], [F], [lambda f: f * 2, lambda f: f - 1]),
    "two formats": ([X - 1.0, F + 3.0], [X, F], [lambda x, f: x - 1, lambda x, f: f + 3]),
    "numbers and truth": ([X + 1.0, X > 0.5], [X], [lambda x: x + 1, lambda x: x > 0.5]),
    "rows": ([M * 2.0, M[0] + M[1]], [M], [lambda m: m * 2, lambda m: m[0] + m[1]]),
    "rows and a column": ([M + C], [M, C], [lambda m, c: m + c]),
}  # fmt: skip


def inputs_of(nodes: list[Any], length: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = [[size if isinstance(size, int) else length for size in one.shape] for one in nodes]
    return [rng.integers(-9, 9, shape).astype(one.dtype) for one, shape in zip(nodes, shapes, strict=True)]


def room(like: np.ndarray, moved: int) -> tuple[np.ndarray, np.ndarray]:
    """An array whose first element lies so many elements behind a multiple of 64 bytes, and the bytes around it."""
    step = like.itemsize
    whole = np.full(like.nbytes + 256, 77, "uint8")
    start = 64 + -(whole.ctypes.data + 64) % 64 + moved * step
    return whole[start : start + like.nbytes].view(like.dtype).reshape(like.shape), whole


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("threads", [1, 2])
def test_streamed_results_are_the_plain_ones(name: str, threads: int) -> None:
    outputs, nodes, meanings = PROGRAMS[name]
    kernel = sg.compile(outputs, nodes, target=SMALL, threads=threads)  # type: ignore[arg-type]
    for length in (0, 1, 3, 5, 255, 256, 257, 511, 512, 513, 1000, 4099):
        arrays = inputs_of(nodes, length)
        wanted = [np.asarray(meaning(*arrays)) for meaning in meanings]
        for places in ((0,) * len(wanted), (1,) * len(wanted), (7,) * len(wanted), (2, 5, 3)[: len(wanted)]):
            rooms = [room(one, moved) for one, moved in zip(wanted, places, strict=True)]
            kernel(*arrays, out=tuple(own for own, _ in rooms))
            for (own, whole), one in zip(rooms, wanted, strict=True):
                np.testing.assert_array_equal(own, one)
                assert np.count_nonzero(whole == 77) >= 256, "bytes around the result are left alone"


@pytest.mark.parametrize("name", PROGRAMS)
def test_results_of_a_fixed_size(name: str) -> None:
    """Here the size decides while code is made: what fits the cache has no streaming code at all."""
    _, nodes, meanings = PROGRAMS[name]
    for length in (100, 512, 1029):
        arrays = inputs_of(nodes, length)
        fixed = [
            sg.symbol(f"fixed_{one.name}", array.shape, one.dtype) for one, array in zip(nodes, arrays, strict=True)
        ]
        outputs = [meaning(*fixed) for meaning in meanings]
        kernel = sg.compile(outputs, fixed, target=SMALL)  # type: ignore[arg-type]
        wanted = [np.asarray(meaning(*arrays)) for meaning in meanings]
        if sum(one.nbytes for one in wanted) <= CACHE:
            assert "nontemporal" not in kernel.llvm_ir
        for moved in (0, 1, 3):
            rooms = [room(one, moved)[0] for one in wanted]
            kernel(*arrays, out=tuple(rooms))
            for own, one in zip(rooms, wanted, strict=True):
                np.testing.assert_array_equal(own, one)


def assembly_of(outputs: list[Any], inputs: list[Any], target: Target) -> str:
    return compile_text(compile_body(outputs, inputs, (), (), "streamed", target).text, target)


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_x86_streams_and_fences(target: str) -> None:
    text = assembly_of([X + 1.0, X * 2.0], [X], TARGETS[target])
    assert text.count("movnt") >= 2
    assert text.count("sfence") == 1


def test_lines_are_stored_whole() -> None:
    """Both halves of a line follow each other."""
    text = assembly_of([X + 1.0, X * 2.0, X - 3.0], [X], TARGETS["x86-64-v3"])
    places = re.findall(r"vmovnt\w+\s+%ymm\d+, (\d*)\((.*)\)", text)
    assert len(places) == 6
    for first, second in zip(places[::2], places[1::2], strict=True):
        assert first[1] == second[1]
        assert {first[0], second[0]} == {"", "32"}


def test_others_do_not() -> None:
    assert "stnp" not in assembly_of([X + 1.0], [X], TARGETS["aarch64"])


EXP, SINE = np.exp(X), np.sin(X)
STORES: dict[str, tuple[list[Any], int]] = {
    "a plain loop": ([X[::-1] * 2.0], 1),
    "a result that a second loop reads, and its own": ([EXP, EXP / np.sum(EXP)], 1),
    "a quotient, with more lanes for whole lines": ([X / (X * X)], 1),
    "a loop that waits for operands": ([np.exp(SINE) * np.arctan(X) + np.tanh(X)], 0),
    "a sum, and what it adds up": ([np.sum(X * X), X * X], 0),
    "rows of two": ([np.stack([X, X * X], axis=1)], 0),
}


@pytest.mark.parametrize("name", STORES)
def test_only_loops_that_wait_for_memory_stream(name: str) -> None:
    outputs, count = STORES[name]
    text = compile_body(outputs, [X], (), (), "streamed", TARGETS["x86-64-v3"]).text
    assert text.count("!nontemporal") == count


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [7, 300, 517, 1003])
def test_aligned_rounds_give_the_same_bits_wherever_results_lie(dtype: str, n: int) -> None:
    x = sg.symbol("x_aligned", ("n",), dtype)
    kernel = sg.compile([np.exp(x) * np.tanh(x), np.log(x) / np.sqrt(x)], [x])
    values = np.random.default_rng(n).uniform(0.1, 2, n).astype(dtype)
    wanted = [np.array(one) for one in kernel(values)]
    for first, second in ((0, 0), (1, 1), (2, 2), (3, 3), (1, 2), (5, 13)):
        rooms = np.full((2, n + 32), 7.0, dtype)
        out = rooms[0, first : first + n], rooms[1, second : second + n]
        kernel(values, out=out)
        for room, own, start, expected in zip(rooms, out, (first, second), wanted, strict=True):
            np.testing.assert_array_equal(own, expected)
            assert np.all(room[:start] == 7)
            assert np.all(room[start + n :] == 7)


def test_only_loops_that_may_compute_elements_again_begin_before_the_first() -> None:
    x, y = sg.symbol("x_again", ("n",)), sg.symbol("y_again", ("n",))
    plain = sg.compile([np.exp(x) * np.tanh(y)], [x, y])
    summed = sg.compile([np.sum(np.exp(x) * np.tanh(y))], [x, y])
    assert "ptrtoint" in plain.llvm_ir
    assert "ptrtoint" not in summed.llvm_ir
