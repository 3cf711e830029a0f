"""Emitted text of matrix products: the way that is chosen, targets, names, workspace, refusals."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codegen.gemm import Product, Tile, choose, emit_product, workspace_bytes
from codegen.gemm.choose import Way
from codegen.gemm.packing import transposed
from codegen.gemm.product import PARAMETERS
from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import compile_object, compile_text, load_object
from codegen.llvm.types import BYTE, DOUBLE, FLOAT, I64, POINTER, Type, Value, vector
from codegen.target import TARGETS, Target, native
from symgrad.errors import CompileError


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_compiles_for_every_target(target: Target) -> None:
    for element in (DOUBLE, FLOAT, I64):
        for product in products(element):
            module = Module(target)
            f = module.function("entry", PARAMETERS, public=True)
            f.call(emit_product(module, product), [f[name] for name, _ in PARAMETERS])
            f.ret()
            text = module.text()
            assert len(compile_object(text, target)) > 500
            if target.vector_bits == 128:  # no masked moves in hardware: they would become a branch for each lane
                assert "llvm.masked" not in text
            if not target.fma:  # it would become a call of the C library
                assert "llvm.fma." not in text


def products(element: Type) -> Iterator[Product]:
    """One of each way."""
    yield Product(element, None, None, None, (None, None), (None, None), None)
    yield Product(element, None, None, None, (1, None), (1, None), None, accumulate=True)
    yield Product(element, 30, 45, 60, (60, 1), (45, 1), 45)
    yield Product(element, 3, 5, 4, (4, 1), (1, 4), 5)
    yield Product(element, None, 1, None, (None, 1), (1, 1), 1)
    yield Product(element, 1, None, None, (None, 1), (None, 1), None)
    yield Product(element, None, None, 1, (1, 1), (None, 1), None)
    yield Product(element, None, 3, None, (1, None), (3, 1), 3)
    yield Product(element, None, 5, 300, (300, 1), (5, 1), 5)


def test_every_way_is_chosen() -> None:
    target, n = TARGETS["x86-64-v3"], None
    expected = {
        Product(DOUBLE, 0, n, n, (n, n), (n, n), n): Way.NOTHING,
        Product(DOUBLE, n, 1, n, (n, 1), (1, n), n): Way.DOTS,
        Product(DOUBLE, 1, n, n, (n, 1), (1, n), n): Way.SWAPPED_DOTS,
        Product(DOUBLE, 1, n, n, (n, n), (n, 1), n): Way.SWEEPS,
        Product(DOUBLE, n, 1, n, (1, n), (n, n), 1): Way.SWAPPED_SWEEPS,
        Product(DOUBLE, n, n, 1, (n, n), (n, 1), n): Way.OUTER,
        Product(DOUBLE, 4, 4, 4, (4, 1), (4, 1), 4): Way.SMALL,
        Product(DOUBLE, n, 3, n, (1, n), (3, 1), 3): Way.NARROW_COLUMNS,
        Product(DOUBLE, n, 3, 100, (100, 1), (3, 1), 3): Way.NARROW_ROWS,
        Product(DOUBLE, 1, 3, 100, (100, 1), (3, 1), 3): Way.NARROW_ROWS,
        Product(DOUBLE, n, n, n, (n, 1), (n, 1), n): Way.BLOCKED,
    }
    assert {product: choose.way(product.canonical, target) for product in expected} == expected
    assert set(expected.values()) == set(Way)


def test_text_uses_whole_registers() -> None:
    """The inner loop of a known product: a broadcast for each row, fused multiply-adds of vectors, nothing spilled."""
    target = TARGETS["x86-64-v3"]
    module = Module(target)
    f = module.function("entry", PARAMETERS, public=True)
    f.call(emit_product(module, Product(DOUBLE, 60, 64, 64, (64, 1), (64, 1), 64)), [f[name] for name, _ in PARAMETERS])
    f.ret()
    panel = compile_text(module.text(), target).split("\npanel_", 1)[1]
    assert panel.count("vfmadd") == 12
    assert panel.count("vbroadcastsd") == 6
    assert not [line for line in panel.splitlines() if "ymm" in line and "%rsp" in line]


def test_one_function_for_equal_products() -> None:
    module = Module(native())
    product = Product(DOUBLE, None, None, None, (None, 1), (None, 1), None)
    first = emit_product(module, product)
    count = len(module.functions)
    assert emit_product(module, replace(product)) == first
    assert len(module.functions) == count


def test_workspace_is_bounded() -> None:
    for target in (*TARGETS.values(), native()):
        for element in (DOUBLE, FLOAT):
            loose = workspace_bytes(Product(element, None, None, None, (None, None), (None, None), None), target)
            assert 0 < loose <= 4 << 20
            assert workspace_bytes(Product(element, 64, 64, 64, (64, 1), (64, 1), 64), target) == 0
            small = workspace_bytes(Product(element, 9, 9, 99, (99, 1), (1, 99), 9), target)
            assert 0 < small < 40_000


def unchanged(_f: Function, _tile: Tile, values: list[Value]) -> list[Value]:
    return values


def test_refusals() -> None:
    with pytest.raises(CompileError, match="elements of type i8"):
        Product(BYTE, 1, 1, 1, (1, 1), (1, 1), 1)
    with pytest.raises(CompileError, match="negative size"):
        Product(DOUBLE, -1, 1, 1, (1, 1), (1, 1), 1)
    with pytest.raises(ValueError, match="needs a key"):
        emit_product(Module(native()), Product(DOUBLE, 1, 1, 1, (1, 1), (1, 1), 1), unchanged)
    with pytest.raises(ValueError, match="needs a key"):
        emit_product(Module(native()), Product(DOUBLE, 1, 1, 1, (1, 1), (1, 1), 1), key="relu")


@pytest.mark.parametrize(
    ("element", "lanes"), [(DOUBLE, 2), (DOUBLE, 4), (DOUBLE, 8), (FLOAT, 4), (FLOAT, 8), (FLOAT, 16)]
)
def test_transposed_squares(element: Type, lanes: int) -> None:
    module = Module(native())
    f = module.function("flip", [("x", POINTER)], public=True)
    kind = vector(element.element, lanes)
    rows = [f.load(f.gep(f["x"], i * lanes, element), kind) for i in range(lanes)]
    for i, column in enumerate(transposed(f, rows)):
        f.store(column, f.gep(f["x"], i * lanes, element))
    f.ret()
    loaded = load_object(compile_object(module.text(), native()), ["flip"])
    x: Any = np.arange(lanes * lanes, dtype=np.float64 if element is DOUBLE else np.float32).reshape(lanes, lanes)
    flipped = x.copy()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(loaded["flip"])(flipped.ctypes.data)
    np.testing.assert_array_equal(flipped, x.T)
