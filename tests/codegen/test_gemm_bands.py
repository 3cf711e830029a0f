"""Products of triangular and other banded matrices: values against NumPy, what is left out, and infinite numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_gemm import RUNNABLE, Operand, compiled, operand, run

from codegen.gemm import Band, Product
from codegen.llvm.types import DOUBLE, FLOAT, I64, Type
from codegen.target import Target, native

ALL = 1 << 31  # a slack beyond every diagonal
FAR = 64  # diagonals outside of a band that no tile of any target touches
SHAPES = ((64, 64, 64), (205, 64, 64), (33, 20, 20), (100, 150, 170), (40, 33, 1100), (1, 48, 50))
KINDS, KNOWN = (DOUBLE, FLOAT, I64), ("mnk", "nk", "n")
DTYPES: dict[Type, Any] = {DOUBLE: np.float64, FLOAT: np.float32, I64: np.int64}


def bands(rows: int, columns: int) -> list[Band]:
    """Lower and upper triangles, strict ones, a few diagonals, and a band beside the matrix."""
    last, first = columns - 1, 1 - rows
    return [Band(first, 0), Band(0, last), Band(first, -1), Band(3, last), Band(-2, 2), Band(last + 3, last + 9)]


def inside(shape: tuple[int, ...], band: Band) -> np.ndarray[Any, Any]:
    diagonal = np.arange(shape[1]) - np.arange(shape[0])[:, None]
    return (band.low <= diagonal) & (diagonal <= band.high)


def operands(m: int, n: int, k: int, kind: Type, transposed: bool) -> tuple[Operand, Operand, Operand]:
    a = operand(m, k, (1, m + 1) if transposed else (k + 2, 1), DTYPES[kind], 7)
    b = operand(k, n, (1, k) if transposed else (n + 1, 1), DTYPES[kind], 7)
    return a, b, operand(m, n, (n + 2, 1), DTYPES[kind], 777)


def product_of(kind: Type, a: Operand, b: Operand, c: Operand, known: str, **more: Any) -> Product:
    m, k = a.view.shape
    sizes = [size if letter in known else None for letter, size in (("m", m), ("n", b.view.shape[1]), ("k", k))]
    return Product(kind, *sizes, a.strides, b.strides, c.strides[0], **more)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
def test_operands_with_zeros(target: Target) -> None:
    for which, (m, n, k) in enumerate(SHAPES):
        own, other = bands(m, k)[which], bands(k, n)[which * 5 % 6]
        a, b, c = operands(m, n, k, KINDS[which % 3], which % 2 == 0)
        a.view[~inside((m, k), own)] = 0
        b.view[~inside((k, n), other)] = 0
        expected = a.view @ b.view + (c.view if which % 2 else 0)
        product = product_of(KINDS[which % 3], a, b, c, KNOWN[which % 3], accumulate=which % 2 == 1)
        for given in ({"a_band": own}, {"b_band": other}, {"a_band": own, "b_band": other}):
            again = operands(m, n, k, KINDS[which % 3], False)[2]
            banded = replace(product, **given)
            run(compiled(banded, target), banded, target, a, b, again, 0, 0)
            np.testing.assert_array_equal(again.view, expected)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
def test_results_that_nobody_reads(target: Target) -> None:
    for which, (m, n, k) in enumerate(SHAPES):
        for own in bands(m, n)[which % 2 :: 2]:
            a, b, c = operands(m, n, k, DOUBLE, which % 2 == 0)
            wanted = inside((m, n), own)
            product = product_of(DOUBLE, a, b, c, KNOWN[which % 3], c_band=own)
            run(compiled(product, target), product, target, a, b, c)
            np.testing.assert_array_equal(c.view[wanted], (a.view @ b.view)[wanted])
            assert (c.outside == 777).all()


def test_what_is_far_from_a_band_is_not_touched() -> None:
    size = 300
    lower, upper = Band(1 - size, 0), Band(0, size - 1)
    diagonal = np.arange(size) - np.arange(size)[:, None]
    for own in (lower, upper):
        far = ~inside((size, size), Band(own.low - FAR, own.high + FAR))
        for name in "abc":
            a, b, c = operands(size, size, size, DOUBLE, False)
            for each, operand_ in (("a", a), ("b", b)):
                if each == name:
                    operand_.view[~inside((size, size), own)] = 0
            expected = a.view @ b.view
            {"a": a, "b": b, "c": c}[name].view[far] = np.nan
            product = product_of(DOUBLE, a, b, c, "mnk", **{f"{name}_band": own})
            run(compiled(product, native()), product, native(), a, b, c, 0, *([0] if name != "c" else []))
            if name == "c":
                assert np.isnan(c.view[far]).all()
                expected[diagonal != diagonal.clip(*own)], c.view[~inside((size, size), own)] = 0, 0
            np.testing.assert_array_equal(c.view, expected)


@pytest.mark.parametrize("name", ["a", "b"])
def test_slack_multiplies_zeros_by_what_is_not_finite(name: str) -> None:
    own = Band(-199, 0)
    a, b, c = operands(200, 200, 200, DOUBLE, False)
    (a if name == "a" else b).view[~inside((200, 200), own)] = 0
    (b if name == "a" else a).view[7, 11] = np.inf
    (b if name == "a" else a).view[150, 3] = np.nan
    with np.errstate(invalid="ignore"):
        expected = a.view @ b.view
    assert np.isnan(expected).sum() > 200
    product = product_of(DOUBLE, a, b, c, "mnk", **{f"{name}_band": own})
    run(compiled(product, native()), product, native(), a, b, c, 0, ALL)
    np.testing.assert_array_equal(c.view, expected)
