"""Blocks of a common axis: the same values whatever the block, small temporary arrays, and what must stay whole."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret, program_of

import symgrad as sg
import symgrad.numpy
from codegen.lower import blocking
from codegen.lower.arena import stage_uses
from codegen.lower.loopir import Blocked, Fill, For, Nest, Product, Split, statements
from symgrad.interp import evaluate

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
n = sg.dim("n")
X = sg.symbol("rows_in_blocks", (n, 6))
W = sg.symbol("weights_of_blocks", (6, 20))
V = sg.symbol("seconds_of_blocks", (20, 3))
hidden = np.tanh(X @ W)
scores = hidden @ V
softmax = np.exp(scores - sg.ops.logsumexp(scores, axis=1, keepdims=True))
cost = np.sum(np.log(softmax[:, 0]))

PROGRAMS = {
    "chain of products": [softmax],
    "a sum over the axis": [cost, *sg.gradients(cost, [W, V])],
    "rows and sums": [softmax, np.sum(hidden, axis=0), np.sum(hidden**2)],
    "the mean of all rows": [hidden - np.mean(hidden, axis=0), scores],
    "neighbouring rows": [np.concatenate([scores[1:] * scores[:-1], scores[:1]])],
    "reversed rows": [scores[::-1] + scores],
    "running sums": [np.cumsum(scores, axis=0) @ np.ones((3, 2))],
    "largest of all": [scores - np.max(scores, axis=0), hidden],
    "sorted rows": [np.sort(scores, axis=0) @ np.ones((3, 2))],
    "the transpose": [(hidden.T @ hidden), hidden @ hidden.T],
    "a position": [scores * sg.numpy.arange(X.shape[0])[:, None]],
}


@pytest.fixture
def short_blocks(monkeypatch):
    """Blocks of three indices, wherever they are possible."""
    monkeypatch.setattr(blocking, "_length", lambda extent, width, whole: 3)
    monkeypatch.setattr(blocking, "_WORTH", 0)


def arrays(rows, rng):
    return [rng.normal(size=shape) for shape in ((rows, 6), (6, 20), (20, 3))]


def loops_over_blocks(program):
    """Those of the program itself, and of its parts."""
    stages = [one for stage in program.stages for one in (stage.stages if isinstance(stage, Split) else [stage])]
    return [one for one in stages if isinstance(one, Blocked)]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7, 12, 40])
@pytest.mark.parametrize("name", PROGRAMS)
def test_short_blocks_change_nothing(name, rows, rng, short_blocks):
    if rows == 0 and name in ("largest of all", "the mean of all rows", "neighbouring rows"):
        rows = 5  # these have no meaning without rows
    outputs, inputs, given = PROGRAMS[name], [X, W, V], arrays(rows, rng)
    want = evaluate(list(outputs), dict(zip(inputs, given, strict=True)))
    status, got = interpret(outputs, inputs, given)
    assert status == 0
    for one, other in zip(got, want, strict=True):
        assert_same(one, other, rtol=1e-11, atol=1e-12)
    for one, other in zip(sg.compile(tuple(outputs), inputs)(*given), want, strict=False):
        assert_same(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rows", [511, 512, 513, 1500])
def test_blocks_of_real_size(rows, rng):
    outputs, inputs, given = PROGRAMS["a sum over the axis"], [X, W, V], arrays(rows, rng)
    want = evaluate(list(outputs), dict(zip(inputs, given, strict=True)))
    for one, other in zip(sg.compile(tuple(outputs), inputs)(*given), want, strict=True):
        assert_same(one, other, rtol=1e-11, atol=1e-12)


def test_a_training_step_runs_in_one_loop_over_blocks():
    """Two products forward, three backward, and everything between them; temporary arrays have the length of a block."""
    program = program_of(PROGRAMS["a sum over the axis"], [X, W, V])
    (loop,) = loops_over_blocks(program)
    assert sum(isinstance(stage, Product) for stage in loop.stages) == 5
    assert not any(isinstance(stage, Product) for stage in program.stages)
    assert all(isinstance(buffer.size, int) for buffer in program.buffers if buffer.kind == "temporary")


def test_a_scaled_sum_of_what_a_product_reads_is_taken_block_by_block(rng):
    """The sum is stored before it is scaled, so that the array that it is of need not be whole."""
    value = np.sum(hidden * hidden)
    outputs = [V.T @ (hidden.T @ X[:, :3]), 3.0 * np.sum(hidden, axis=0) + 1.0, value]
    program = program_of(outputs, [X, W, V])
    assert all(isinstance(buffer.size, int) for buffer in program.buffers if buffer.kind == "temporary")
    given = arrays(700, rng)
    want = evaluate(list(outputs), dict(zip([X, W, V], given, strict=True)))
    for one, other in zip(sg.compile(tuple(outputs), [X, W, V])(*given), want, strict=True):
        assert_same(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("columns", "hidden_size", "rows", "length"), [
    (20, 800, 2000, 40),  # in the second cache, as what each block reads again is small
    (80, 800, 2000, 60),  # in the last one
    (80, 800, 300, None),  # where the whole arrays are anyway
    (600, 800, 2000, None),  # products take most of the time
    (20, 80_000, 2000, None),
])  # fmt: skip
def test_blocks_are_short_only_where_that_pays(columns, hidden_size, rows, length):
    inputs = sg.symbol("long_rows", (rows, columns)), sg.symbol("wide_weights", (columns, hidden_size))
    product = np.tanh(inputs[0] @ inputs[1])
    program = program_of([np.sum(product * product, axis=1), product.T @ inputs[0]], inputs)
    assert [one.length for one in loops_over_blocks(program)] == ([] if length is None else [length])


def test_the_rows_of_an_array_come_before_a_divisor_of_their_number():
    """1,000 points of 20 coordinates in 25 components: 500 divides all sizes too, but is no number of rows."""
    mixture = runpy.run_path(str(EXAMPLES / "adbench" / "gmm.py"))
    shapes = {"alpha": (25,), "mu": (25, 20), "icf": (25, 210), "x": (1000, 20)}
    inputs = [sg.symbol(name, shape) for name, shape in shapes.items()]
    value = mixture["objective"](*inputs, 1.0, 0)
    (loop,) = loops_over_blocks(program_of([value, *sg.gradients(value, inputs[:3])], inputs))
    assert sum(isinstance(stage, Product) for stage in loop.stages) == 2


def test_short_axes_and_small_arrays_stay_whole():
    few = sg.symbol("few_rows", (100, 6))
    many = sg.symbol("narrow_rows", (2000, 2))
    for rows, weights in ((few, np.ones((6, 20))), (many, np.ones((2, 3)))):
        program = program_of([np.tanh(rows @ weights)], [rows])
        assert not loops_over_blocks(program)


def test_static_axes_are_cut_into_equal_blocks():
    rows = sg.symbol("ten_thousand_rows", (10_000, 6))
    value = np.sum(np.tanh(np.tanh(rows @ W) @ np.ones((20, 20))) @ V, axis=1)
    (loop,) = loops_over_blocks(program_of([value], [rows, W, V]))
    assert loop.size == loop.length
    assert 10_000 % loop.length == 0


def test_statistics_count_all_blocks(rng):
    """Operations and bytes are those of the whole call, whatever the blocks."""
    rows = sg.symbol("rows_counted", (10_000, 6))
    figures = sg.compile([np.tanh(rows @ np.ones((6, 20))) @ np.ones((20, 30))], [rows]).stats
    assert figures["flops"] == 10_000 * (2 * 6 * 20 + 20 + 2 * 20 * 30)
    assert figures["temporaries"] < 10_000 * 20 * 8 / 4


IMAGES = sg.symbol("images_in_blocks", (n, 9, 10, 3))
FILTERS = sg.symbol("filters_of_blocks", (3, 3, 3, 12))
HEADS = sg.symbol("heads_in_blocks", (n, 9, 10, 12))
CONVOLUTIONS = {
    "forward": (sg.nn.conv2d(IMAGES, FILTERS, padding="same"), [IMAGES, FILTERS]),
    "input": (sg.nn.conv2d_backprop_input(IMAGES.shape, FILTERS, HEADS, padding="same"), [FILTERS, HEADS]),
    "filter": (sg.nn.conv2d_backprop_filter(IMAGES, FILTERS.shape, HEADS, padding="same"), [IMAGES, HEADS]),
}


def image_arrays(inputs, images, rng):
    return [rng.normal(size=[size if isinstance(size, int) else images for size in one.shape]) for one in inputs]


@pytest.mark.parametrize("images", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_of_some_images_at_a_time(name, images, rng, monkeypatch):
    """Blocks of a few images, the last one with fewer; frames of zeros stay zeros from block to block."""
    monkeypatch.setattr(blocking, "_CACHE", 1 << 15)
    made, inputs = CONVOLUTIONS[name]
    [block] = loops_over_blocks(program_of([made], inputs))
    assert block.length < 7
    given = image_arrays(inputs, images, rng)
    [want] = evaluate([made], dict(zip(inputs, given, strict=True)))
    status, [got] = interpret([made], inputs, given)
    assert status == 0
    assert_same(got, want, rtol=1e-11, atol=1e-12)
    assert_same(sg.compile(made, inputs)(*given), want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_run_along_rows_of_images(name):
    """Products run along the places of a row, not along images that are far apart; frames are set to zero once."""
    made, inputs = CONVOLUTIONS[name]
    program = program_of([made], inputs)
    [block] = loops_over_blocks(program)
    [product] = [one for one in block.stages if isinstance(one, Product)]
    assert (product.k if name == "filter" else product.m) == 10
    assert any(isinstance(stage, Fill) and stage.buffer is product.a.buffer for stage in program.stages)
    [copy] = [one for one in block.stages if isinstance(one, Nest) and product.a.buffer in stage_uses(one).writes]
    inner = list(statements(copy.body, frozenset({For})))[-1]
    assert inner.vector
    assert inner.axis.extent == 10 * (12 if name == "input" else 3)  # whole rows, in one piece
