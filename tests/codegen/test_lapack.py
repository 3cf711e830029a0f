"""LAPACK called by pointer: the loop program with SciPy's routines is the reference; no Python runs inside the call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret

import symgrad as sg
from codegen import callbacks
from symgrad.ops.lapack import Routine


def arrays_of(rng, dtype, lead):
    a = (rng.uniform(-1, 1, (*lead, 9, 9)) + 3 * np.eye(9)).astype(dtype)
    return a, rng.normal(size=(*lead, 9, 2)).astype(dtype)


def results(a, b):
    definite = a @ a.mT
    systems = [
        sg.linalg.solve_triangular(a, b, lower, transposed, unit)
        for lower, transposed, unit in ((True, False, False), (False, True, False), (True, True, True))
    ]
    return [
        np.linalg.solve(a, b),
        np.linalg.solve(a.mT, b),
        np.linalg.inv(a),
        np.linalg.det(a),
        *np.linalg.slogdet(a),
        np.linalg.cholesky(definite),
        *systems,
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("lead", [(), (3,), (2, 0), (2, 3)])
def test_the_pointers_compute_what_scipys_routines_compute(lead, dtype, rng):
    a, b = arrays_of(rng, dtype, lead)
    names = [f"m{k}" for k in range(len(lead))]
    inputs = [sg.symbol("a", (*names, "n", "n"), dtype), sg.symbol("b", (*names, "n", 2), dtype)]
    outputs = results(*inputs)
    status, want = interpret(outputs, inputs, [a, b])
    assert status == 0
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-11}
    for got, one in zip(sg.compile(tuple(outputs), inputs)(a, b), want, strict=True):
        assert_same(got, one, **tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("lead", [(), (3,), (2, 0)])
def test_singular_values_are_what_scipys_routine_computes(lead, dtype, rng):
    a = rng.normal(size=(*lead, 5, 3)).astype(dtype)
    x = sg.symbol("x", (*(f"m{k}" for k in range(len(lead))), "m", "n"), dtype)
    outputs = [*np.linalg.svd(x, full_matrices=False), np.linalg.svdvals(x)]
    status, want = interpret(outputs, [x], [a])
    assert status == 0
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-11}
    for got, one in zip(sg.compile(tuple(outputs), [x])(a), want, strict=True):
        assert_same(got, one, **tolerance)


def test_no_python_runs_and_arguments_stay(rng, monkeypatch):
    a, b = arrays_of(rng, "float64", (4,))
    inputs = [sg.symbol("a", ("m", "n", "n")), sg.symbol("b", ("m", "n", 2))]
    monkeypatch.setattr(Routine, "__call__", lambda *arrays: pytest.fail("SciPy's wrapper was called"))
    monkeypatch.setattr(callbacks, "trampoline", lambda node: pytest.fail("a way through Python was made"))
    k = sg.compile(tuple(results(*inputs)), inputs)
    before = a.copy(), b.copy()
    assert_same(k(a, b)[0], np.linalg.solve(a, b), rtol=1e-10)
    assert_same(a, before[0])
    assert_same(b, before[1])


def test_beside_functions_of_python(rng):
    a, b = arrays_of(rng, "float64", ())
    x, y = sg.symbol("a", (9, 9)), sg.symbol("b", (9, 2))
    doubled = sg.callback(lambda array: 2 * array, np.linalg.solve(x, y), y, stateful=False)
    k = sg.compile(np.linalg.solve(x, doubled), [x, y])
    assert_same(k(a, b), np.linalg.solve(a, 2 * np.linalg.solve(a, b)), rtol=1e-9, atol=1e-11)


def test_many_threads_call_one_kernel(rng):
    x, y = sg.symbol("a", ("n", "n")), sg.symbol("b", ("n", 2))
    k = sg.compile(np.linalg.solve(x, y), [x, y])
    tasks = [arrays_of(rng, "float64", ()) for _ in range(64)]
    with ThreadPoolExecutor(4) as pool:
        for (a, b), got in zip(tasks, pool.map(lambda task: k(*task), tasks), strict=True):
            assert_same(got, np.linalg.solve(a, b), rtol=1e-9, atol=1e-11)
