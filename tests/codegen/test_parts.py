"""Modules compiled in parts: the same bytes from any number of threads, the same results as in one piece."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from comparing import assert_same

import codegen.driver as driver
import codegen.llvm.parts as parts
import symgrad as sg
from codegen.aot.elf import read_object
from codegen.llvm.builder import Module
from codegen.llvm.parts import compile_module, split
from codegen.llvm.toolchain import compile_object, load_object
from codegen.llvm.types import DOUBLE, I64, POINTER
from codegen.target import TARGETS, find_target, native
from symgrad.errors import CompileError


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few functions, so that small programs have several."""
    monkeypatch.setattr(parts, "_PART", 3000)


def several() -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
    """A program of several nests, its arguments and its results."""
    A, b = sg.symbol("A", (6, 7)), sg.symbol("b", (6,))
    outputs = [np.sum(np.sin(A), axis=1) + b, A / (1 + np.sum(A**2, axis=0)), np.max(A, axis=0), np.cumsum(b)]
    rng = np.random.default_rng(3)
    a, c = rng.normal(size=(6, 7)), rng.normal(size=6)
    want = [np.sin(a).sum(axis=1) + c, a / (1 + (a**2).sum(axis=0)), a.max(axis=0), np.cumsum(c)]
    return (outputs, [A, b]), [a, c], want


def test_kernels_in_parts_give_the_right_results(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        driver, "compile_module", lambda module, *rest: made.append(module) or compile_module(module, *rest)
    )
    program, arrays, want = several()
    kernel = sg.compile(*program)
    for got, own in zip(kernel(*arrays), want, strict=True):
        assert_same(got, own)
    assert len(split(made[0])) > 2


@pytest.mark.parametrize("target", ["native", *TARGETS])
def test_the_number_of_threads_does_not_change_a_byte(target: str) -> None:
    machine = find_target(target)
    module = chain(machine, 40)
    assert len(split(module)) > 2
    objects = {compile_module(module, machine, workers) for workers in (1, 2, 3, 8, 2, 3)}
    assert len(objects) == 1


def chain(target: Any, count: int) -> Module:
    """``double top(ptr, i64)``: functions that call each other round by round, with tables that several share."""
    module = Module(target)
    shared = module.table("shared", [0.5, 2.0, -1.0], DOUBLE, writable=True)
    for k in range(count):
        own = module.table(f"own{k}", [k / 8, 1.0 + k, 2.0 - k], DOUBLE, writable=True)
        f = module.function(f"step{k}", [("x", DOUBLE), ("n", I64)], DOUBLE, attributes="noinline")
        x = f["x"]
        for j in range(12):
            table = own if j % 2 else shared
            value = f.emit(
                f"load double, ptr getelementptr (double, ptr {table}, i64 {j % 2 + k % 2}), align 8", DOUBLE
            )
            x = f.fadd(f.fmul(x, 0.5), value)
        if k:
            x = f.call(f"step{k - 1}", [x, f["n"]], DOUBLE)
        f.ret(x)
    top = module.function("top", [("x", POINTER), ("n", I64)], DOUBLE, public=True)
    top.ret(top.call(f"step{count - 1}", [top.load(top["x"], DOUBLE), top["n"]], DOUBLE))
    return module


def called(obj: bytes, x: float) -> float:
    loaded = load_object(obj, ["top"])
    top = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int64)(loaded["top"])
    place = ctypes.c_double(x)
    return float(top(ctypes.addressof(place), 0))


def expected(x: float, count: int) -> float:
    for k in reversed(range(count)):
        tables = ((0.5, 2.0, -1.0), (k / 8, 1.0 + k, 2.0 - k))
        for j in range(12):
            x = x * 0.5 + tables[j % 2][j % 2 + k % 2]
    return x


def test_functions_and_tables_of_other_parts_are_found() -> None:
    found = called(compile_module(chain(native(), 40), native()), 0.25)
    np.testing.assert_allclose(found, expected(0.25, 40), rtol=1e-12)


def test_the_whole_defines_what_it_defines_in_one_piece() -> None:
    module = chain(native(), 40)
    whole, joined = (
        read_object(one) for one in (compile_object(module.text(), native()), compile_module(module, native()))
    )
    assert joined.defined == whole.defined == ["top"]
    names = [one.name for one in joined.symbols if one.name and one.section < 0xFF00]
    assert len(set(names)) == len(names)  # LLVM's loader knows symbols by name


def test_small_modules_and_other_formats_stay_whole() -> None:
    assert len(split(chain(native(), 1))) == 1
    assert len(split(chain(replace(native(), triple="x86_64-apple-darwin"), 40))) == 1


def test_without_the_unlocked_call_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    module = chain(native(), 40)
    want = compile_module(module, native(), 2)
    monkeypatch.setattr(parts, "_unlocked", lambda: None)
    assert compile_module(module, native(), 2) == want


def test_a_part_that_is_not_valid_is_refused() -> None:
    module = chain(native(), 40)
    module.functions["step7"].line("call void @nobody()")
    with pytest.raises(CompileError, match="the generated code is not valid LLVM"):
        compile_module(module, native(), 2)
