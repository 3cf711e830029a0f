"""Matrix products: values against NumPy, memory outside the operands, independence of place and of blocking."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from codegen.gemm import Epilogue, Product, Tile, emit_product, workspace_bytes
from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import compile_object, load_object
from codegen.llvm.types import DOUBLE, FLOAT, I32, I64, Type, Value
from codegen.target import TARGETS, Target, native

Array = np.ndarray[Any, Any]
DTYPES: dict[Type, Any] = {DOUBLE: np.float64, FLOAT: np.float32, I64: np.int64, I32: np.int32}
TOLERANCE = {DOUBLE: 1e-12, FLOAT: 1e-4, I64: 0, I32: 0}
WIDE = replace(native(), name="wide", vector_bits=512, registers=32)  # LLVM splits its vectors where there are none
NARROW = replace(native(), name="narrow", vector_bits=128)
BASELINE = TARGETS["x86-64"]  # no fused multiply-add, no masks
RUNNABLE = [native(), WIDE, NARROW, *([BASELINE] if native().triple.startswith("x86_64") else [])]
PADDING = 64  # elements around an operand


@dataclass
class Operand:
    """A matrix with any strides inside a larger buffer."""

    memory: Array
    view: Array
    strides: tuple[int, int]

    @property
    def address(self) -> int:
        return self.view.ctypes.data

    @property
    def outside(self) -> Array:
        """The buffer's elements that do not belong to the matrix."""
        mine = np.zeros(self.memory.size, bool)
        if self.view.size:
            first = (self.address - self.memory.ctypes.data) // self.memory.itemsize
            np.lib.stride_tricks.as_strided(mine[first:], self.view.shape, self.strides)[...] = True
        return self.memory[~mine]


def operand(rows: int, columns: int, strides: tuple[int, int], dtype: Any, fill: float) -> Operand:
    """A matrix of small random integers, exact in every type; the buffer around it holds ``fill``."""
    corners = [i * strides[0] + j * strides[1] for i in (0, max(rows - 1, 0)) for j in (0, max(columns - 1, 0))]
    memory = np.full(max(corners) - min(corners) + 1 + 2 * PADDING, fill, dtype)
    steps = tuple(stride * memory.itemsize for stride in strides)
    view = np.lib.stride_tricks.as_strided(memory[PADDING - min(corners) :], (rows, columns), steps)
    view[...] = np.random.default_rng(rows + columns).integers(-9, 9, (rows, columns))
    return Operand(memory, view, strides)


Kernel = Callable[..., None]


@cache
def compiled(product: Product, target: Target, epilogue: Epilogue | None = None) -> Kernel:
    """The product's function; it takes addresses and numbers, in the order of its parameters."""
    module = Module(target)
    name = emit_product(module, product, epilogue, "test" if epilogue else "")
    f = module.function("entry", product.parameters, public=True)
    f.call(name, [f[own] for own, _ in product.parameters])
    f.ret()
    loaded = load_object(compile_object(module.text(), target), ["entry"])
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(product.parameters))(loaded["entry"])

    def call(*arguments: int) -> None:
        assert loaded
        function(*arguments)

    return call


def run(
    kernel: Kernel, product: Product, target: Target, a: Operand, b: Operand, c: Operand, context: int = 0, *slack: int
) -> None:
    """Call a kernel with a workspace of the promised size, and check that it stays inside."""
    size = workspace_bytes(product, target)
    memory = np.full(size + 256, 0x5A, np.uint8)
    start = -memory.ctypes.data % 64 + 64
    (m, k), n = a.view.shape, b.view.shape[1]
    numbers = (m, n, k, *a.strides, *b.strides, c.strides[0])
    kernel(a.address, b.address, c.address, *numbers, memory.ctypes.data + start, context, *slack)
    assert (memory[:start] == 0x5A).all()
    assert (memory[start + size :] == 0x5A).all()


def layouts(rows: int, columns: int) -> list[tuple[int, int]]:
    """Strides of a matrix: dense, padded, transposed, scattered, backwards, broadcast."""
    return [
        (columns, 1), (columns + 3, 1), (1, rows), (1, rows + 5), (2 * columns + 1, 2),
        (-columns - 1, 1), (-1, -rows), (0, 1), (1, 0),
    ]  # fmt: skip


def check(
    element: Type, m: int, n: int, k: int, a_strides: tuple[int, int], b_strides: tuple[int, int], known: str,
    target: Target, *, accumulate: bool = False,
) -> None:  # fmt: skip
    """One product against NumPy.  ``known`` names what the product knows: letters of ``mnk`` and ``s`` for strides.

    NaN (or a large number) lies around A and B, so that what is read beyond them shows in the result.
    """
    dtype, floating = DTYPES[element], element.is_float
    outside = np.nan if floating else 10**8
    a, b = operand(m, k, a_strides, dtype, outside), operand(k, n, b_strides, dtype, outside)
    c = operand(m, n, (n + 2, 1), dtype, 777)
    expected = (a.view @ b.view if k else np.zeros((m, n), dtype)) + (c.view if accumulate else 0)
    strides: Any = (a_strides, b_strides, n + 2) if "s" in known else ((None, None), (None, None), None)
    sizes = [size if letter in known else None for letter, size in (("m", m), ("n", n), ("k", k))]
    product = Product(element, sizes[0], sizes[1], sizes[2], *strides, accumulate)
    run(compiled(product, target), product, target, a, b, c)
    np.testing.assert_array_equal(c.view, expected)  # small integers: exact whatever the order
    assert (c.outside == 777).all()


SHAPES = [
    (1, 1, 1), (2, 3, 4), (7, 5, 3), (8, 8, 8), (13, 11, 17), (1, 37, 29), (37, 1, 29), (1, 1, 50), (33, 40, 1),
    (6, 16, 5), (24, 24, 24), (31, 33, 35), (5, 100, 9), (100, 10, 21), (9, 2, 130),
]  # fmt: skip


@pytest.mark.parametrize("element", [DOUBLE, FLOAT, I64, I32], ids=repr)
@pytest.mark.parametrize("known", ["mnks", "", "s", "nk"])
def test_shapes(element: Type, known: str) -> None:
    for m, n, k in SHAPES if element.is_float else SHAPES[::3]:
        check(element, m, n, k, (k, 1), (n, 1), known, native())


@pytest.mark.parametrize("known", ["mnks", "s", ""])
@pytest.mark.parametrize("which", range(9))
def test_layouts(known: str, which: int) -> None:
    for m, n, k in ((5, 9, 6), (19, 26, 23)):
        check(DOUBLE, m, n, k, layouts(m, k)[which], (n, 1), known, native())
        check(FLOAT, m, n, k, (k, 1), layouts(k, n)[which], known, native(), accumulate=True)
        check(DOUBLE, m, n, k, layouts(m, k)[which], layouts(k, n)[(which + 2) % 9], known, native())


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
def test_targets(target: Target) -> None:
    """Tile shapes of other machines, run here: other widths, other numbers of registers, no masks."""
    for known in ("mnks", "s", ""):
        for which, (m, n, k) in enumerate(
            [(2, 3, 4), (13, 11, 17), (31, 33, 35), (1, 37, 29), (37, 1, 29), (60, 75, 9)]
        ):
            element = (DOUBLE, FLOAT)[which % 2]
            check(element, m, n, k, layouts(m, k)[which % 4], layouts(k, n)[which % 3], known, target)


@pytest.mark.parametrize("transposed_a", [False, True])
@pytest.mark.parametrize("transposed_b", [False, True])
@pytest.mark.parametrize("known", ["mnks", "s"])
def test_packed_blocks(transposed_a: bool, transposed_b: bool, known: str) -> None:
    """Sizes with several blocks of rows and of k, everything packed."""
    for element, (m, n, k) in ((DOUBLE, (205, 214, 1030)), (FLOAT, (131, 150, 1040))):
        a, b = ((1, m + 1) if transposed_a else (k + 2, 1)), ((1, k) if transposed_b else (n + 1, 1))
        check(element, m, n, k, a, b, known, native(), accumulate=transposed_a)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("accumulate", [False, True])
def test_few_columns(target: Target, accumulate: bool) -> None:
    """Lanes along the rows of C, or along k: every number of columns and of rows left over, any B."""
    shapes = ((1, 3, 160), (7, 5, 133), (20, 10, 200), (37, 2, 9), (64, 11, 150), (109, 2, 21), (150, 6, 14))
    for which, (m, n, k) in enumerate(shapes):
        b_strides = ((n, 1), (1, k + 1), (2 * n, 2))[which % 3]
        for element in (DOUBLE, FLOAT, (I64, I32)[which % 2]):
            for a_strides in ((k + 1, 1), (1, m + 2)):
                check(element, m, n, k, a_strides, b_strides, "nks", target, accumulate=accumulate)
        check(FLOAT, m, n, k, (k, 1), (n, 1), "mnks", target, accumulate=accumulate)


def test_few_columns_do_not_depend_on_the_number_of_rows() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((11, 203)), rng.standard_normal((203, 5))
    whole = result(Product(FLOAT, None, 5, 203, (203, 1), (5, 1), 5), x, y)
    for rows in (1, 2, 5):
        fixed = Product(FLOAT, rows, 5, 203, (203, 1), (5, 1), 5)
        np.testing.assert_array_equal(result(fixed, x[:rows], y), whole[:rows])


def test_several_blocks_of_columns() -> None:
    check(DOUBLE, 30, 1100, 520, (520, 1), (1100, 1), "s", native())
    check(FLOAT, 30, 2100, 20, (20, 1), (1, 20), "mnks", native())


@pytest.mark.parametrize("known", ["mnks", "mns", "s", ""])
def test_empty(known: str) -> None:
    for m, n, k in ((0, 5, 4), (5, 0, 4), (5, 4, 0), (0, 0, 0), (1, 9, 0), (9, 1, 0), (300, 200, 0)):
        for accumulate in (False, True):
            check(DOUBLE, m, n, k, (max(k, 1), 1), (max(n, 1), 1), known, native(), accumulate=accumulate)


@pytest.mark.parametrize("element", [DOUBLE, FLOAT], ids=repr)
def test_rounding_is_that_of_a_sum(element: Type) -> None:
    """Random numbers, not only integers."""
    rng = np.random.default_rng(1)
    for m, n, k in ((50, 60, 70), (50, 1, 70), (1, 60, 70), (200, 210, 600)):
        x, y = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        product = Product(element, None, None, None, (None, 1), (None, 1), None)
        np.testing.assert_allclose(result(product, x, y), x.astype(DTYPES[element]) @ y.astype(DTYPES[element]),
                                   rtol=TOLERANCE[element], atol=TOLERANCE[element] * k)  # fmt: skip


def result(product: Product, x: Array, y: Array, target: Target | None = None) -> Array:
    """The product of two arrays, which are converted to the element type and laid out densely or as it says."""
    target, dtype = target or native(), DTYPES[product.element]
    (m, k), n = x.shape, y.shape[1]
    a = operand(m, k, (1, m) if product.a_strides[0] == 1 != m else (k, 1), dtype, np.nan)
    b = operand(k, n, (1, k) if product.b_strides[0] == 1 != k else (n, 1), dtype, np.nan)
    c = operand(m, n, (n, 1), dtype, 0)
    a.view[...], b.view[...] = x, y
    run(compiled(product, target), product, target, a, b, c)
    return c.view.copy()


@pytest.mark.parametrize("element", [DOUBLE, FLOAT], ids=repr)
@pytest.mark.parametrize("b_transposed", [False, True])
def test_bits_do_not_depend_on_place_or_blocking(element: Type, b_transposed: bool) -> None:
    """Rows alone and in batches, columns alone, sizes known or not, packed or not: the same bits."""
    rng = np.random.default_rng(2)
    for m, n, k in ((25, 40, 50), (150, 160, 700)):
        x, y = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        b: Any = (1, None) if b_transposed else (None, 1)
        loose = Product(element, None, None, None, (None, 1), b, None)
        whole = result(loose, x, y)
        fixed = Product(element, m, n, k, (k, 1), (1, k) if b_transposed else (n, 1), n)
        np.testing.assert_array_equal(result(fixed, x, y), whole)
        np.testing.assert_array_equal(result(replace(loose, b_strides=(None, None)), x, y), whole)
        for rows in (1, 2, 7):
            np.testing.assert_array_equal(result(loose, x[-rows:], y), whole[-rows:])
        np.testing.assert_array_equal(result(loose, x, y[:, 3:8]), whole[:, 3:8])
        if not b_transposed:
            row = Product(element, 1, None, None, (None, 1), (None, 1), None)
            np.testing.assert_array_equal(result(row, x[5:6], y), whole[5:6])


def test_dot_products_do_not_depend_on_the_number_of_rows() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((11, 77)), rng.standard_normal((77, 1))
    loose = Product(DOUBLE, None, 1, None, (None, 1), (1, 1), 1)
    whole = result(loose, x, y)
    for rows in (1, 2, 5):
        np.testing.assert_array_equal(result(loose, x[:rows], y), whole[:rows])
        fixed = Product(DOUBLE, rows, 1, 77, (77, 1), (1, 1), 1)
        np.testing.assert_array_equal(result(fixed, x[:rows], y), whole[:rows])


def test_one_chain_over_ascending_k() -> None:
    """An order that a sum of partial sums does not have: 1 is lost in 2^60 unless -2^60 comes before it."""
    x = np.tile([2.0**60, -(2.0**60), 1.0, 2.0**60, 1.0, -(2.0**60)], 40)[None]
    for n in (3, 9, 64):
        y = np.ones((x.shape[1], n))
        got = result(Product(DOUBLE, None, None, None, (None, 1), (None, 1), None), x, y)
        np.testing.assert_array_equal(got, np.full((1, n), np.add.accumulate(x[0])[-1]))


class Guarded:
    """Memory between two pages that may not be touched."""

    def __init__(self, size: int) -> None:
        self.length = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self._map = mmap.mmap(-1, self.length + 2 * mmap.PAGESIZE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + mmap.PAGESIZE
        libc = ctypes.CDLL(None, use_errno=True)
        for page in (self.start - mmap.PAGESIZE, self.start + self.length):
            assert libc.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE, 0) == 0

    def array(self, shape: tuple[int, ...], dtype: Any, *, at_end: bool) -> Array:
        """An array that touches the page before it, or the one after it."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self.start + (self.length - size if at_end else 0)
        buffer = (ctypes.c_char * size).from_address(address)
        return np.frombuffer(buffer, dtype).reshape(shape)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("mode", ["A B", "At B", "A Bt"])
def test_nothing_outside_the_operands_is_touched(at_end: bool, mode: str) -> None:
    """A read or write beyond an operand would end the process here."""
    if not hasattr(mmap, "PROT_READ"):
        pytest.skip("no page protection")
    for target in (native(), BASELINE) if BASELINE in RUNNABLE else (native(),):
        for element in (DOUBLE, FLOAT):
            dynamic = Product(element, None, None, None, *modes(mode, None, None, None), None)
            kernel = compiled(dynamic, target)
            for m, n, k in ((1, 1, 1), (5, 7, 3), (13, 21, 9), (6, 33, 10), (40, 19, 11), (150, 170, 300), (1, 45, 70)):
                static = Product(element, m, n, k, *modes(mode, m, n, k), n)
                _guarded(kernel, dynamic, target, mode, (m, n, k), at_end)
                _guarded(compiled(static, target), static, target, mode, (m, n, k), at_end)
            column = Product(element, 11, 1, 37, *modes(mode, 11, 1, 37), 1)
            _guarded(compiled(column, target), column, target, mode, (11, 1, 37), at_end)


def modes(mode: str, m: Any, n: Any, k: Any) -> Any:
    """The strides of dense operands."""
    return (1, m) if mode == "At B" else (k, 1), (1, k) if mode == "A Bt" else (n, 1)


def _guarded(
    kernel: Kernel, product: Product, target: Target, mode: str, sizes: tuple[int, int, int], at_end: bool
) -> None:
    m, n, k = sizes
    dtype = DTYPES[product.element]
    pages = [Guarded(size * np.dtype(dtype).itemsize) for size in (m * k, k * n, m * n)]
    x, y, z = (
        page.array((size,), dtype, at_end=at_end) for page, size in zip(pages, (m * k, k * n, m * n), strict=True)
    )
    x[:], y[:] = np.arange(m * k) % 7, np.arange(k * n) % 5
    a_strides, b_strides = modes(mode, m, n, k)
    strided = [
        np.lib.stride_tricks.as_strided(base, shape, tuple(s * base.itemsize for s in strides))
        for base, shape, strides in ((x, (m, k), a_strides), (y, (k, n), b_strides), (z, (m, n), (n, 1)))
    ]
    a, b, c = (Operand(np.empty(0), view, s) for view, s in zip(strided, (a_strides, b_strides, (n, 1)), strict=True))
    run(kernel, product, target, a, b, c)
    np.testing.assert_array_equal(c.view, a.view @ b.view)


def bias_and_square(f: Function, tile: Tile, values: list[Value]) -> list[Value]:
    """(c + bias[column]) ** 2 + row, with the bias at the context."""
    kind = values[0].type.scalar
    finished = []
    for i in range(tile.rows):
        row = f.convert("sitofp", f.i64(f.add(tile.row, i)), kind)
        for j, strip in enumerate(tile.strips):
            total = f.fadd(values[i * len(tile.strips) + j], strip.load(f, f.gep(tile.context, tile.column, kind)))
            finished.append(f.fadd(f.fmul(total, total), f.splat(row, strip.kind.lanes)))
    return finished


@pytest.mark.parametrize("known", ["mnks", "s", "n"])
def test_epilogue_runs_once_on_every_finished_element(known: str) -> None:
    for element, sizes in ((DOUBLE, SHAPES), (FLOAT, [(21, 34, 9), (1, 50, 600), (70, 90, 1100)])):
        for m, n, k in sizes:
            for b_strides in ((n, 1), (1, k)):
                _epilogue(element, m, n, k, b_strides, known)


def _epilogue(element: Type, m: int, n: int, k: int, b_strides: tuple[int, int], known: str) -> None:
    dtype = DTYPES[element]
    a, b = operand(m, k, (k, 1), dtype, np.nan), operand(k, n, b_strides, dtype, np.nan)
    c, bias = operand(m, n, (n, 1), dtype, 777), np.arange(n).astype(dtype)
    strides: Any = ((k, 1), b_strides, n) if "s" in known else ((None, None), (None, None), None)
    sizes = [size if letter in known else None for letter, size in (("m", m), ("n", n), ("k", k))]
    product = Product(element, sizes[0], sizes[1], sizes[2], *strides, accumulate=True)
    total = c.view + a.view @ b.view + bias
    expected = total * total + np.arange(m, dtype=dtype)[:, None]
    run(compiled(product, native(), bias_and_square), product, native(), a, b, c, bias.ctypes.data)
    np.testing.assert_allclose(c.view, expected, rtol=1e-6)
