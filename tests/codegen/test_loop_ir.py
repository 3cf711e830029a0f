"""The loop IR: its meaning, by its interpreter, against NumPy; its text, against stored programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret, lower, program_of

import symgrad as sg
from codegen.lower.loopir import For, Let, Load, Nest, Scatter, Store, statements, text
from symgrad import types
from symgrad.backend import find_backend
from symgrad.errors import CompileError
from symgrad.interp import evaluate
from symgrad.node import apply
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.source import parameter

find_backend("llvm")
GOLDEN = Path(__file__).parent / "golden"
SMALL = 300  # elements that the interpreter may be asked for


def cases():
    for op in REGISTRY.values():
        for k, sample in enumerate(op.samples(np.random.default_rng(0))):
            if op.kind is not Kind.SOURCE and sum(np.size(a) for a in sample.arrays) <= SMALL:
                yield pytest.param(op, sample, id=f"{op.name}-{k}")


@pytest.mark.parametrize(("op", "sample"), list(cases()))
def test_every_operation(op, sample):
    """Each operation's program means what NumPy says; no element outside a buffer is touched."""
    arrays = [np.asarray(a) for a in sample.arrays]
    inputs = [parameter(f"x{k}", types.of(types.as_dtype(a.dtype), a.shape)) for k, a in enumerate(arrays)]
    node = apply(op, tuple(inputs), sample.attrs)
    try:
        status, (got,) = interpret([node], inputs, arrays)
    except CompileError as refusal:
        assert op.lowering == "host", refusal
        return
    with np.errstate(all="ignore"):
        want = np.asarray(op.evaluate(sample.attrs, *arrays)).astype(got.dtype)
    assert status == 0
    assert_same(got, want)


n, m = sg.dim("n"), sg.dim("m")
x, y = sg.symbol("x", (n,)), sg.symbol("y", (n,))
A, B = sg.symbol("A", (n, 3)), sg.symbol("B", (n, m))
w, S = sg.symbol("w", 3), sg.symbol("S", (3, 3))
index = sg.symbol("index", (m,), "int64")
hidden = np.tanh(A @ S)

PROGRAMS = {
    "axpy": ([2.0 * x + y], [x, y]),
    "two_results_one_nest": ([np.sin(x), np.sin(x) * y], [x, y]),
    "sum_of_squares": ([np.sum(x**2)], [x]),
    "rows_then_columns": ([np.sum(B, axis=1), np.sum(B, axis=0)], [B]),
    "softmax_rows": ([np.exp(B - sg.ops.logsumexp(B, axis=1, keepdims=True))], [B]),
    "batch_of_3x3": ([A @ S @ w], [A, S, w]),
    "gradient_of_a_layer": (sg.gradients(np.sum(hidden**2), [S, w], unconnected="zero"), [A, S, w]),
    "gather": ([x[index] * 2.0], [x, index]),
    "scatter_add": (sg.gradients(np.sum(x[index] ** 2), [x]), [x, index]),
    "reversed_and_padded": ([np.concatenate([x[::-1], y[:1]])], [x, y]),
    "cumulative_view": ([np.stack([x, y], axis=1).reshape(-1)], [x, y]),
}


def arrays_for(inputs, rng):
    sizes = {"n": 5, "m": 4}
    made = []
    for node in inputs:
        shape = [size if isinstance(size, int) else sizes[str(size)] for size in node.shape]
        integral = str(node.dtype) == "int64"
        made.append(rng.integers(-5, 5, shape) if integral else rng.normal(size=shape))
    return made


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_mean_what_their_graphs_mean(name, rng):
    outputs, inputs = PROGRAMS[name]
    arrays = arrays_for(inputs, rng)
    status, got = interpret(outputs, inputs, arrays)
    assert status == 0
    for one, want in zip(got, evaluate(list(outputs), dict(zip(inputs, arrays, strict=True))), strict=True):
        assert_same(one, want)


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name, update_golden):
    """The program as text; ``pytest --update-golden`` writes what it is now."""
    made = text(program_of(*PROGRAMS[name])) + "\n"
    path = GOLDEN / f"{name}.txt"
    if update_golden:
        path.write_text(made)
    assert made == path.read_text()


def test_index_checks_come_before_anything_is_written(rng):
    status, (got,) = interpret([x[index]], [x, index], [rng.normal(size=5), np.array([0, 1, 5, 2])])
    assert status != 0
    assert (got == 55).all()


def test_one_nest_for_results_of_one_index_space():
    program = program_of(*PROGRAMS["two_results_one_nest"])
    (nest,) = program.stages
    assert isinstance(nest, Nest)
    assert sum(isinstance(one, For) for one in statements(nest.body)) == 1
    assert sum(isinstance(one, Store) for one in statements(nest.body)) == 2


@pytest.mark.parametrize("shape", [(16, 16, 17), (8, 8, 8, 18), ("n", 15, 15)])
@pytest.mark.parametrize(
    "function", [lambda x: np.tanh(x[..., :-1, :] + x[..., 1:, :]), lambda x: np.mod(np.tril(x), x)]
)
def test_long_functions_are_not_written_out_for_hundreds_of_elements(shape, function):
    """A row of 17 beside axes of 16 was 240 copies of a hyperbolic tangent, which took ten seconds to compile."""
    array = sg.symbol("a", shape)
    program = program_of([function(array)], [array])
    count = sum(
        isinstance(one, Let) and one.op in ("tanh", "remainder")
        for stage in program.stages
        if isinstance(stage, Nest)
        for one in statements(stage.body)
    )
    assert 0 < count <= 64


def test_repeated_positions_are_scattered_in_order():
    program = program_of(*PROGRAMS["scatter_add"])
    assert any(
        isinstance(one, Scatter) and one.add
        for stage in program.stages
        if isinstance(stage, Nest)
        for one in statements(stage.body)
    )


def test_small_axes_are_unrolled():
    """A batch of 3-vectors has one loop, over the batch, which is the vector loop."""
    program = program_of([np.cross(A, w)], [A, w])
    (nest,) = program.stages
    (loop,) = [one for one in statements(nest.body) if isinstance(one, For)]
    assert loop.vector
    assert str(loop.axis.extent) == "n"


def test_updates_are_written_in_place_where_nothing_reads_the_old_value():
    v = sg.variable("v", np.ones(7))
    lowered = lower([], [], [(v, v * 2.0 + 1.0)])
    assert {buffer.kind for buffer in lowered.program.buffers} == {"variable"}


def test_updates_that_read_other_elements_go_through_memory():
    v = sg.variable("v", np.arange(50.0))
    lowered = lower([], [], [(v, v[::-1])])
    assert any(buffer.kind == "temporary" for buffer in lowered.program.buffers)


@pytest.mark.parametrize("size", [7, 50])
def test_updates_see_the_old_state(size):
    v, w = sg.variable(f"old{size}", np.arange(float(size))), sg.variable(f"w{size}", np.ones(size))
    kernel = sg.compile([v + w], [], updates=[(v, v[::-1] + w), (w, w + v)])
    (seen,) = kernel()
    start = np.arange(float(size))
    np.testing.assert_array_equal(seen, start + 1)
    np.testing.assert_array_equal(v.value, start[::-1] + 1)
    np.testing.assert_array_equal(w.value, start + 1)


def test_long_straight_code_is_cut(rng):
    """Thousands of scalar statements become pieces of bounded length that mean the same."""
    s = sg.symbol("s")
    value = s
    for k in range(3000):
        value = np.sin(value) + 0.001 * k
    program = program_of([value], [s])
    assert len(program.stages) > 1
    status, (got,) = interpret([value], [s], [np.float64(0.3)])
    want = 0.3
    for k in range(3000):
        want = np.sin(want) + 0.001 * k
    assert status == 0
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_axes_around_matrices_are_loops():
    """Heads and batches of attention are not written out; components of vectors, which are combined, are."""
    heads = sg.symbol("heads_of_attention", (4, 8, 100, 100))
    weights = np.exp(heads) / np.sum(np.exp(heads), axis=-1, keepdims=True)
    (nest,) = program_of([weights], [heads]).stages
    assert sum(isinstance(one, Load) for one in statements(nest.body)) < 8
    points = sg.symbol("points_by_component", (3, 100))
    gaps = points[:, :, None] - points[:, None, :]
    (nest,) = program_of([np.sum(gaps**2, axis=0)], [points]).stages
    assert sum(isinstance(one, Load) for one in statements(nest.body)) == 6
