"""Several threads in one call: the same bits as one, whatever the sizes; parts that run in any order; forks, nested calls."""

from __future__ import annotations

import ctypes
import importlib.util
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparing import assert_same
from linking import needs_linker
from loops import interpret, program_of

import symgrad as sg
import symgrad.numpy
from codegen.aot.elf import read_object
from codegen.driver import compile_body
from codegen.emit import split as emission
from codegen.emit.threads import has_threads
from codegen.llvm.toolchain import load_object
from codegen.lower import blocking, splitting
from codegen.lower.loopir import Blocked, Fill, Split
from codegen.python.native_call import NativeCall
from codegen.target import TARGETS
from symgrad.interp import evaluate

n = sg.dim("n")
X = sg.symbol("values_in_parts", (n,))
Z = sg.symbol("floats_in_parts", (n,), dtype="float32")
M = sg.symbol("rows_in_parts", (n, 6))
W = sg.symbol("weights_of_parts", (6, 20))
T = sg.symbol("table_of_parts", (50,))
I = sg.symbol("places_in_parts", (n,), dtype="int64")
B = sg.symbol("matrices_in_parts", (n, 3, 3))
LONG = 100_003
CC = shutil.which("cc")

chain = np.exp(np.sin(X) * X) + np.tanh(X)
cost = np.sum(np.log(1 + np.exp(np.sin(X)) * X * X))
softmax = np.exp(M - np.max(M, axis=1, keepdims=True))
softmax = softmax / np.sum(softmax, axis=1, keepdims=True)
hidden = np.tanh(M @ W)
centre, width = sg.symbol("centre_of_parts"), sg.symbol("width_of_parts")
residual = (X - centre) / np.exp(width)
likelihood = np.mean(np.log1p(residual * residual / 3) * 2 + width)
loss = np.sum(np.tanh(hidden @ W.T) ** 2)

PROGRAMS = {
    "long chain": ([chain], [X], LONG),
    "a sum and its gradient": ([cost, *sg.gradients(cost, [X])], [X], LONG),
    "sums with something made of them": (
        [likelihood, *sg.gradients(likelihood, [centre, width])],
        [X, centre, width],
        LONG,
    ),
    "float32": ([np.exp(np.sin(Z) * Z), np.sum(np.exp(np.tanh(Z)))], [Z], LONG),
    "softmax": ([softmax], [M], 20_001),
    "products": ([hidden @ W.T, M @ W], [M, W], 20_001),
    "a training step": ([loss, *sg.gradients(loss, [W])], [M, W], 20_001),
    "gather": ([np.sin(np.exp(T[I])) * np.tanh(T[I])], [T, I], LONG),
    "batch of products": ([np.sin(B @ B)], [B], 20_001),
    "sorted rows": ([np.sort(M, axis=1)], [M], 20_001),
    "running sums": ([np.cumsum(M, axis=1), np.cumsum(M, axis=0)], [M], 20_001),
    "transposed": ([np.tanh(M).T], [M], 20_001),
    "neighbours": ([np.exp(X[1:]) * X[:-1]], [X], LONG),
    "scattered": ([sg.gradients(np.sum(np.exp(np.sin(T[I]))), [T])[0]], [T, I], LONG),
}


def arrays_for(inputs, size, rng):
    shapes = [tuple(length if isinstance(length, int) else size for length in node.shape) for node in inputs]
    return [
        rng.integers(0, 50, size=shape) if node.dtype.kind == "i" else rng.normal(size=shape).astype(node.dtype)
        for node, shape in zip(inputs, shapes, strict=True)
    ]


def assert_bits(got, want):
    for one, other in zip(got, want, strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.fixture
def always(monkeypatch):
    """Threads for work of any size."""
    monkeypatch.setattr(emission, "SMALL", 0)
    monkeypatch.setattr(splitting, "SMALL", 0)


@pytest.fixture
def short(always, monkeypatch):
    """Parts of a few indices, wherever parts are possible."""
    monkeypatch.setattr(blocking, "_length", lambda extent, width, whole: 3)
    monkeypatch.setattr(blocking, "_WORTH", 0)
    monkeypatch.setattr(splitting, "_PART", 1)
    monkeypatch.setattr(splitting, "_DEAR", 0)


# -- values ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_number_of_threads_gives_the_same_bits(name, rng):
    outputs, inputs, size = PROGRAMS[name]
    given = arrays_for(inputs, size, rng)
    alone = sg.compile(tuple(outputs), inputs)(*given)
    want = evaluate(list(outputs), dict(zip(inputs, given, strict=True)))
    for one, other in zip(alone, want, strict=True):
        single = np.asarray(one).dtype == np.float32
        assert_same(one, other, rtol=1e-3 if single else 1e-9, atol=1e-3 if single else 1e-9)
    for threads in (2, 3, 8):
        assert_bits(sg.compile(tuple(outputs), inputs, threads=threads)(*given), alone)


@pytest.mark.parametrize("name", PROGRAMS)
def test_short_axes(name, rng, short):
    outputs, inputs, _ = PROGRAMS[name]
    alone = sg.compile(tuple(outputs), inputs)
    several = [sg.compile(tuple(outputs), inputs, threads=threads) for threads in (2, 8)]
    for size in (1, 2, 5, 63, 64, 65, 129, 1000):
        given = arrays_for(inputs, size, rng)
        want = alone(*given)
        for one in several:
            assert_bits(one(*given), want)


@pytest.mark.parametrize("name", ["long chain", "a sum and its gradient", "products", "a training step", "gather"])
def test_axes_without_an_index(name, rng, short):
    outputs, inputs, _ = PROGRAMS[name]
    given = arrays_for(inputs, 0, rng)
    want = evaluate(list(outputs), dict(zip(inputs, given, strict=True)))
    for one, other in zip(sg.compile(tuple(outputs), inputs, threads=4)(*given), want, strict=True):
        assert_same(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("size", [1, 5, 70])
@pytest.mark.parametrize("name", PROGRAMS)
def test_parts_may_run_in_any_order(name, size, rng, short):
    """The interpreter of the loop IR runs them from the last to the first."""
    outputs, inputs, _ = PROGRAMS[name]
    given = arrays_for(inputs, size, rng)
    want = evaluate(list(outputs), dict(zip(inputs, given, strict=True)))
    status, got = interpret(outputs, inputs, given, threads=3)
    assert status == 0
    for one, other in zip(got, want, strict=True):
        single = one.dtype == np.float32
        assert_same(one, other, rtol=1e-4 if single else 1e-10, atol=1e-5 if single else 1e-11)


def test_static_squares_are_cut_along_their_rows(rng, always):
    a, b = (sg.symbol(name, (300, 300)) for name in ("left_square", "right_square"))
    scaled = np.exp(a - np.max(a, axis=1, keepdims=True))
    outputs = (scaled / np.sum(scaled, axis=1, keepdims=True), np.tanh(a @ b), np.sum(np.exp(a) * b))
    given = [rng.normal(size=(300, 300)) for _ in range(2)]
    alone = sg.compile(outputs, [a, b])(*given)
    assert_same(alone[1], np.tanh(given[0] @ given[1]), rtol=1e-10, atol=1e-11)
    for threads in (2, 3, 8):
        assert_bits(sg.compile(outputs, [a, b], threads=threads)(*given), alone)


def test_products_that_copy_their_operands_have_room_for_each_thread(rng, always):
    a, b = (sg.symbol(name, (8, 200, 200)) for name in ("left_copied", "right_copied"))
    given = [rng.normal(size=(8, 200, 200)) for _ in range(2)]
    alone = sg.compile([a @ b], [a, b])(*given)
    assert_same(alone[0], given[0] @ given[1], rtol=1e-10, atol=1e-11)
    for threads in (2, 8):
        kernel = sg.compile([a @ b], [a, b], threads=threads)
        assert kernel.stats["temporaries"] > 0
        assert_bits(kernel(*given), alone)


def test_gmm(rng):
    """The value and the gradient of the ADBench problem, all of whose work is in one loop over blocks."""
    path = Path(__file__).resolve().parents[2] / "examples" / "adbench" / "gmm.py"
    spec = importlib.util.spec_from_file_location("gmm_example", path)
    gmm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gmm)
    shapes = {"alpha": (5,), "mu": (5, 3), "icf": (5, 6), "x": (6000, 3)}
    symbols = [sg.symbol(f"gmm_{name}", shape) for name, shape in shapes.items()]
    value = gmm.objective(*symbols, 1.0, 0)
    outputs = (value, *sg.gradients(value, symbols[:3]))
    given = [rng.normal(size=shape) for shape in shapes.values()]
    assert any(isinstance(one, Split) and one.sums for one in program_of(outputs, symbols).stages)
    alone = sg.compile(outputs, symbols)(*given)
    assert_same(alone[0], gmm.objective(*given, 1.0, 0), rtol=1e-11)
    for threads in (2, 3, 8):
        assert_bits(sg.compile(outputs, symbols, threads=threads)(*given), alone)


def test_updates_in_place(rng, always):
    start, given = rng.normal(size=LONG), rng.normal(size=LONG)
    found, push = [], sg.symbol("push", (LONG,))
    for threads in (1, 2, 8):
        w, speed = sg.variable(f"state_of_{threads}", start), sg.variable(f"speed_of_{threads}", np.zeros(LONG))
        faster = 0.9 * speed + np.exp(np.sin(push)) * w
        kernel = sg.compile([np.sum(w)], [push], updates=[(speed, faster), (w, w - 0.1 * faster)], threads=threads)
        before = [kernel(given)[0] for _ in range(3)]
        found.append([*before, w.value, speed.value])
    assert_same(found[0][0], np.sum(start), rtol=1e-9)
    assert_bits(found[1], found[0])
    assert_bits(found[2], found[0])


# -- what is cut ----------------------------------------------------------------------------------------------------
def splits(outputs, inputs, threads):
    return [one for one in program_of(outputs, inputs, threads).stages if isinstance(one, Split)]


def test_stages_of_one_axis_share_their_parts():
    rows = sg.symbol("rows_of_one_axis", (n, 40))
    (made,) = splits([np.sort(rows, axis=1)], [rows], 2)
    assert len(made.stages) > 1
    assert made.workers == 2


def test_blocks_are_inside_parts_and_have_arrays_of_their_own():
    (made,) = splits([loss, *sg.gradients(loss, [W])], [M, W], 3)
    (blocks,) = made.stages
    assert isinstance(blocks, Blocked)
    assert made.own
    assert all(isinstance(one.size, int) and one.size % 3 == 0 for one in made.own)
    assert all(one.size * one.dtype.itemsize > 3 * (128 << 10) for one in made.own)  # processors fetch ahead
    assert len(made.sums) == 3  # the loss, and the two products whose sum is the gradient


def test_one_thread_cuts_sums_only():
    assert not splits([chain], [X], 1)
    (made,) = splits([cost], [X], 1)
    assert made.workers == 1
    assert made.sums


def test_cheap_sums_and_small_work_stay_whole():
    few = sg.symbol("few_values", (1000,))
    assert not splits([np.sum(X), np.sum(X * X)], [X], 1)
    assert not splits([np.exp(np.sin(few))], [few], 2)


def test_an_axis_that_repeated_places_share_stays_whole():
    scatter = sg.gradients(np.sum(np.exp(np.sin(T[I]))), [T])
    stages = program_of(scatter, [T, I], 2).stages
    written = {one.buffer for one in stages if isinstance(one, Fill)}
    assert not any(written & {target for target, _ in one.sums} for one in stages if isinstance(one, Split))


# -- threads --------------------------------------------------------------------------------------------------------
_CREATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_JOIN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


@pytest.mark.parametrize(("size", "asked"), [(LONG, 2), (10, 0)])
def test_threads_that_cannot_be_had_are_done_without(size, asked, rng):
    """The kernel is linked with a function that starts nothing, and counts how often it is asked."""
    calls = []
    create = _CREATE(lambda *given: calls.append(given) or 11)  # EAGAIN
    join = _JOIN(lambda *given: calls.append(given) or 0)
    kernel = sg.compile(chain, [X], threads=3)
    addresses = {
        "pthread_create": ctypes.cast(create, ctypes.c_void_p).value,
        "pthread_join": ctypes.cast(join, ctypes.c_void_p).value,
    }
    name = kernel.spec.name
    code = load_object(kernel.made.object, [name, f"{name}_workspace"], addresses)
    given, result = rng.normal(size=size), np.empty(size)
    assert NativeCall(code[name], code[f"{name}_workspace"], 2, 1)([given, result], [size]) == 0
    assert len(calls) == asked
    assert_bits([result], [sg.compile(chain, [X])(given)])


def test_calls_from_several_python_threads(rng, always):
    outputs, inputs, _ = PROGRAMS["a training step"]
    kernel = sg.compile(tuple(outputs), inputs, threads=2)
    given = [arrays_for(inputs, 3000 + k, rng) for k in range(6)]
    want = [sg.compile(tuple(outputs), inputs)(*one) for one in given]
    ready, wrong = threading.Barrier(6), []

    def work(k):
        ready.wait()
        for _ in range(20):
            got = kernel(*given[k])
            if any(np.asarray(a).tobytes() != np.asarray(b).tobytes() for a, b in zip(got, want[k], strict=True)):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert not wrong


def _in_child(kernel, given, pipe):
    pipe.send([np.asarray(one).tobytes() for one in kernel(*given)])
    pipe.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_may_call_what_the_parent_has_called(rng, always):
    outputs, inputs, _ = PROGRAMS["a training step"]
    kernel = sg.compile(tuple(outputs), inputs, threads=3)
    given = arrays_for(inputs, 5000, rng)
    want = [np.asarray(one).tobytes() for one in kernel(*given)]
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        receive, send = context.Pipe(duplex=False)
        child = context.Process(target=_in_child, args=(kernel, given, send))
        child.start()
        send.close()
        assert receive.recv() == want
        child.join()
        assert child.exitcode == 0
    assert [np.asarray(one).tobytes() for one in kernel(*given)] == want


def test_pickled_kernels_keep_their_threads(rng, always):
    kernel = pickle.loads(pickle.dumps(sg.compile([chain], [X], threads=4)))
    assert kernel.request.threads == 4
    assert kernel.options.gil == "release"
    given = rng.normal(size=1000)
    assert_bits(kernel(given), sg.compile([chain], [X])(given))


# -- files and other machines ---------------------------------------------------------------------------------------
@needs_linker
def test_exported_kernels_have_threads(tmp_path, rng):
    outputs, inputs, size = PROGRAMS["a training step"]
    kernel = sg.compile(tuple(outputs), inputs, name="parallel_step", threads=2)
    serial = sg.compile([chain], [X], name="serial_chain")
    files = sg.export(tmp_path / "made", {"parallel_step": kernel, "serial_chain": serial})
    spec = importlib.util.spec_from_file_location("exported_threads", files["python"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    given = arrays_for(inputs, size, rng)
    assert_bits(module.parallel_step(*given), kernel(*given))
    header = files["header"].read_text()
    assert header.count("threads, all but the caller's ended when it returns; link with -pthread") == 1
    assert '"threads": 2' in files["manifest"].read_text()
    assert "pthread_create" in {one.name for one in read_object(files["object"].read_bytes()).symbols}


C_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "made.h"

int main(void) {
    int64_t n = 200000;
    double *x = malloc(n * sizeof *x), result;
    for (int64_t i = 0; i < n; i++) x[i] = (double)(i % 97) / 97;
    int64_t bytes = parallel_cost_workspace(n);
    int status = parallel_cost(x, &result, n, aligned_alloc(64, bytes + (-bytes & 63)));
    printf("%d %a\\n", status, result);
    return 0;
}
"""


@pytest.mark.skipif(CC is None, reason="no C compiler")
def test_a_c_program_calls_a_kernel_with_threads(tmp_path):
    kernel = sg.compile(cost, [X], threads=2)
    files = sg.export(tmp_path / "made", {"parallel_cost": kernel}, kinds=("static", "header"))
    header, archive = files["header"], files["static"]
    (tmp_path / "program.c").write_text(C_PROGRAM.replace("made.h", header.name))
    command = [CC, "-I", str(header.parent), "program.c", str(archive), "-o", "program", "-lm", "-pthread"]
    subprocess.run(command, cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "program"], check=True, capture_output=True, text=True)
    status, told = ran.stdout.split()
    assert status == "0"
    assert float.fromhex(told) == kernel(np.arange(200_000) % 97 / 97)


def test_kernels_of_one_thread_need_none():
    kernel = sg.compile([loss, *sg.gradients(loss, [W])], [M, W])
    assert not [one.name for one in read_object(kernel.made.object).symbols if "thread" in one.name]


def test_threads_of_windows():
    target = replace(TARGETS["x86-64-v3"], triple="x86_64-pc-windows-msvc")
    made = compile_body([chain], [X], [], [], "chain", target, threads=2)
    assert "call i64 @CreateThread(" in made.text
    assert "@WaitForSingleObject(" in made.text
    assert "pthread" not in made.text


def test_targets_without_threads():
    assert has_threads(TARGETS["aarch64"])
    assert not has_threads(replace(TARGETS["x86-64"], triple="wasm32-unknown-unknown"))
