"""Matrix products against the BLAS of SciPy.  In: nothing.  Out: a table of GFLOP/s on one core, and JSON on request.

Both sides run from machine code: a compiled loop calls the emitted function, another the BLAS routine through the
pointer that ``scipy.linalg.cython_blas`` exports, so that no Python call is timed.  Samples of all contenders
alternate, and the best of many counts.  Pin the process to one core: ``taskset -c 1 python benchmarks/bench_gemm.py``.

Columns: sizes known at run time only, sizes known while compiling, BLAS, and the peak, which is what a loop of nothing
but fused multiply-adds reaches in the same race; then the ratios to BLAS, those to the peak (ours with known sizes, and
BLAS), and the milliseconds that it takes to generate and to compile each of the two.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # read when the libraries are loaded

import llvmlite
import numpy as np
import scipy
import scipy.linalg.cython_blas

from codegen.gemm import Product, emit_product, workspace_bytes
from codegen.gemm.product import PARAMETERS
from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import Loaded, compile_object, load_object
from codegen.llvm.types import BYTE, DOUBLE, FLOAT, I32, I64, POINTER, Type, Value, constant
from codegen.target import native

SQUARES = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 31, 32, 48, 64, 100, 128, 200, 256, 384, 512, 768, 1000, 1024)
LAYERS = (  # m, k, n of the layers of two classifiers: forward products, and those of their gradients
    (128, 784, 256),
    (784, 128, 256),
    (128, 256, 10),
    (128, 10, 256),
    (256, 128, 10),
    (100, 784, 10),
    (784, 100, 10),
)
RECTANGLES = ((10000, 64, 64), (64, 64, 4096), (16, 10000, 16), (1000, 8, 1000), (1000, 1, 1000), (2, 1000, 1000))
VECTORS = (10, 100, 300, 1000)


@dataclass(frozen=True)
class Case:
    """One product; ``a`` and ``b`` say whether the operand is stored transposed."""

    m: int
    k: int
    n: int
    a: bool = False
    b: bool = False

    @property
    def label(self) -> str:
        return f"{self.m}x{self.k} · {self.k}x{self.n} {'Aᵀ·B' if self.a else 'A·Bᵀ' if self.b else 'A·B'}"

    @property
    def flops(self) -> float:
        return 2.0 * self.m * self.k * self.n


@dataclass(frozen=True)
class Result:
    """GFLOP/s of each contender, and milliseconds of compilation."""

    element: str
    case: str
    dynamic: float
    static: float
    blas: float
    peak: float
    dynamic_ms: float
    static_ms: float


def cases(groups: str) -> Iterator[Case]:
    """The cases of the named groups."""
    if "s" in groups:
        for transposed in ((False, False), (True, False), (False, True)):
            yield from (Case(n, n, n, *transposed) for n in SQUARES)
    if "l" in groups:
        yield from (Case(*sizes) for sizes in LAYERS)
    if "r" in groups:
        yield from (Case(*sizes) for sizes in RECTANGLES)
    if "v" in groups:
        yield from (Case(n, n, 1) for n in VECTORS)
        yield from (Case(1, n, n) for n in VECTORS)
        yield Case(1000, 1000, 1, a=True)
        yield Case(1, 1000, 1000, b=True)


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Random numbers at an address that is a multiple of 64."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    made: np.ndarray[Any, Any] = memory[skip : skip + size].view(dtype).reshape(shape)
    made[...] = np.random.default_rng(0).random(shape)
    return made


class Repeated:
    """A machine-code loop that calls a function with the same arguments; ``repeated(n)`` calls it n times."""

    def __init__(self, loaded: Loaded, arguments: list[int], keep: Any) -> None:
        kinds = [ctypes.c_int64] * (1 + len(arguments))
        self._function = ctypes.CFUNCTYPE(None, *kinds)(loaded["repeated"])
        self._arguments, self._keep = arguments, (loaded, keep)

    def __call__(self, count: int) -> None:
        self._function(count, *self._arguments)


def repeated(
    module: Module, parameters: list[tuple[str, Type]], prepare: Callable[[Function], Callable[[], None]]
) -> None:
    """Add the public loop: what ``prepare`` emits comes before it, what its result emits is repeated."""
    f = module.function("repeated", [("count", I64), *parameters], public=True)
    body = prepare(f)
    with f.loop(0, f["count"]):
        body()
    f.ret()


class Operands:
    """Three matrices of a case."""

    def __init__(self, case: Case, dtype: Any) -> None:
        self.a = aligned((case.k, case.m) if case.a else (case.m, case.k), dtype)
        self.b = aligned((case.n, case.k) if case.b else (case.k, case.n), dtype)
        self.c = aligned((case.m, case.n), dtype)
        self.expected = (self.a.T if case.a else self.a) @ (self.b.T if case.b else self.b)

    def check(self, contender: Repeated) -> None:
        self.c[...] = np.nan
        contender(1)
        tolerance = 1e-4 if self.c.dtype == np.float32 else 1e-10
        np.testing.assert_allclose(self.c, self.expected, rtol=tolerance)

    @property
    def pointers(self) -> list[int]:
        return [self.a.ctypes.data, self.b.ctypes.data, self.c.ctypes.data]


def product_of(case: Case, element: Type, *, static: bool) -> Product:
    """The product of a case; unless ``static`` its sizes are run-time ones and only unit strides are known.

    A dimension of 1 stays known: a vector is not a matrix that happens to have one column.
    """
    m, n, k = case.m, case.n, case.k
    if static:
        return Product(element, m, n, k, (1, m) if case.a else (k, 1), (1, k) if case.b else (n, 1), n)
    one_m, one_n = (1 if size == 1 else None for size in (m, n))
    a = (1, None) if case.a else (one_m, 1)
    b = (1, None) if case.b else (one_n, 1)
    return Product(element, one_m, one_n, None, a, b, one_n)


def ours(case: Case, element: Type, operands: Operands, *, static: bool) -> tuple[Repeated, float]:
    """The emitted function in a loop, and the milliseconds that it took to make."""
    target = native()
    product = product_of(case, element, static=static)
    before = time.perf_counter()
    module = Module(target)
    name = emit_product(module, product)
    parameters = list(PARAMETERS)
    repeated(module, parameters, lambda f: lambda: void(f.call(name, [f[own] for own, _ in parameters])))
    compiled = compile_object(module.text(), target)
    milliseconds = (time.perf_counter() - before) * 1e3
    loaded = load_object(compiled, ["repeated"])
    work = aligned((workspace_bytes(product, target) + 64,), np.uint8)
    size = operands.a.itemsize
    a_row, a_col = (stride // size for stride in (operands.a.T if case.a else operands.a).strides)
    b_row, b_col = (stride // size for stride in (operands.b.T if case.b else operands.b).strides)
    numbers = [case.m, case.n, case.k, a_row, a_col, b_row, b_col, case.n]
    return Repeated(loaded, [*operands.pointers, *numbers, work.ctypes.data, 0], (operands, work)), milliseconds


def void(_: object) -> None:
    """Nothing of it."""


def blas_pointer(name: str) -> int:
    """The address of a Fortran BLAS routine."""
    capsule = scipy.linalg.cython_blas.__pyx_capi__[name]
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found: int = pointer_of(capsule, name_of(capsule))
    return found


def cell(f: Function, value: float, kind: Type) -> Value:
    """The address of a number, as Fortran takes it."""
    place = f.alloca(kind)
    f.store(constant(value, kind), place)
    return place


def gemm_arguments(f: Function, case: Case, element: Type) -> list[Value]:
    """Those of ?gemm for the transposed problem, which is column-major."""
    one, zero = cell(f, 1, element), cell(f, 0, element)
    m, n, k = (cell(f, size, I32) for size in (case.m, case.n, case.k))
    of_a, of_b = (cell(f, ord("T" if flag else "N"), BYTE) for flag in (case.a, case.b))
    lead_a, lead_b = m if case.a else k, k if case.b else n
    return [of_b, of_a, n, m, k, one, f["B"], lead_b, f["A"], lead_a, zero, f["C"], n]


def gemv_arguments(f: Function, case: Case, element: Type) -> list[Value]:
    """Those of ?gemv for the one of A and B that is a matrix."""
    one, zero, step = cell(f, 1, element), cell(f, 0, element), cell(f, 1, I32)
    matrix, vector = ("B", "A") if case.m == 1 else ("A", "B")
    transposed = case.b if case.m == 1 else case.a
    across = case.n if case.m == 1 else case.m  # the size of the result
    rows, columns = (cell(f, size, I32) for size in ((case.k, across) if case.m > 1 else (across, case.k)))
    if transposed:
        rows, columns = columns, rows
    letter = cell(f, ord("N" if transposed is (case.m > 1) else "T"), BYTE)
    return [letter, rows, columns, one, f[matrix], rows, f[vector], step, zero, f["C"], step]


def blas(case: Case, element: Type, operands: Operands) -> Repeated:
    """The BLAS routine that suits the case, in a loop."""
    routine, arguments_of = ("gemv", gemv_arguments) if 1 in (case.m, case.n) else ("gemm", gemm_arguments)
    module = Module(native())

    def prepare(f: Function) -> Callable[[], None]:
        listed = ", ".join(value.typed for value in arguments_of(f, case, element))
        return lambda: f.line(f"call void %routine({listed})")

    repeated(module, [(name, POINTER) for name in ("A", "B", "C", "routine")], prepare)
    loaded = load_object(compile_object(module.text(), native()), ["repeated"])
    pointer = blas_pointer(("d" if element is DOUBLE else "s") + routine)
    return Repeated(loaded, [*operands.pointers, pointer], operands)


CHAINS = 12  # multiply-adds that do not wait for each other: more than any machine needs to hide their latency


def fma_peak(element: Type) -> tuple[Repeated, float]:
    """A loop of multiply-adds in registers, and the operations of one round: what the core can do at best."""
    target = native()
    kind = element.with_lanes(target.lanes(element.bits))
    module = Module(target)
    f = module.function("repeated", [("count", I64), ("A", POINTER)], public=True)
    factor = f.load(f["A"], kind)
    with f.loop(0, f["count"], 1, [factor] * CHAINS) as loop:
        loop.next = [f.fma(value, factor, factor) for value in loop.values]
    for value in loop.values:
        f.store(value, f["A"])
    f.ret()
    room = aligned((64,), np.float64)
    loaded = load_object(compile_object(module.text(), target), ["repeated"])
    return Repeated(loaded, [room.ctypes.data], room), 2.0 * CHAINS * kind.lanes


def race(contenders: list[Repeated], sample: float, rounds: int, seconds: float) -> list[float]:
    """Seconds of one call of each: the best of samples taken in turn, of so many rounds at least and for so long."""
    counts = []
    for contender in contenders:
        count = 1
        contender(1)
        while (elapsed := timed(contender, count)) < sample / 2:
            count = max(2 * count, int(0.7 * count * sample / max(elapsed, 1e-7)))
        counts.append(count)
    best = [float("inf")] * len(contenders)
    end = time.perf_counter() + seconds
    while rounds > 0 or time.perf_counter() < end:
        rounds -= 1
        for k, contender in enumerate(contenders):
            best[k] = min(best[k], timed(contender, counts[k]) / counts[k])
    return best


def timed(contender: Repeated, count: int) -> float:
    before = time.perf_counter()
    contender(count)
    return time.perf_counter() - before


def measure(case: Case, element: Type, sample: float, rounds: int, seconds: float) -> Result:
    """All contenders on one case, their results checked first."""
    operands = Operands(case, np.float64 if element is DOUBLE else np.float32)
    dynamic, dynamic_ms = ours(case, element, operands, static=False)
    static, static_ms = ours(case, element, operands, static=True)
    contenders = [dynamic, static, blas(case, element, operands)]
    for contender in contenders:
        operands.check(contender)
    peak, round_flops = fma_peak(element)
    work = [case.flops] * len(contenders) + [round_flops]
    times = race([*contenders, peak], sample, rounds, seconds)
    speeds = [round(flops / taken / 1e9, 2) for flops, taken in zip(work, times, strict=True)]
    return Result(element.suffix, case.label, *speeds, round(dynamic_ms, 1), round(static_ms, 1))


def versions() -> dict[str, str]:
    """What was measured, and on what."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    build = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": f"{build['name']} {build['version']}",
        "llvmlite": llvmlite.__version__,
        "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
        "cpu": f"{model}, {native().cpu}, {native().vector_bits}-bit vectors",
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--types", default="df", help="d: double, f: float")
    parser.add_argument("--groups", default="slrv", help="s: squares, l: layers, r: rectangles, v: vectors")
    parser.add_argument("--sample", type=float, default=2e-3, help="seconds of one sample")
    parser.add_argument("--rounds", type=int, default=9, help="samples of each contender, at least")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long to go on with samples of a case")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    head = f"{'':40}{'dynamic':>9}{'static':>9}{'BLAS':>9}{'peak':>9}   {'dyn/BLAS':>8} {'stat/BLAS':>9}"
    print(f"{head}   {'stat/peak':>9} {'BLAS/peak':>9}   compile ms")
    results = []
    for letter in options.types:
        for case in cases(options.groups):
            element = DOUBLE if letter == "d" else FLOAT
            found = measure(case, element, options.sample, options.rounds, options.seconds)
            results.append(found)
            print(
                f"{found.element} {found.case:36}{found.dynamic:9.1f}{found.static:9.1f}{found.blas:9.1f}{found.peak:9.1f}"
                f"   {found.dynamic / found.blas:8.2f} {found.static / found.blas:9.2f}"
                f"   {found.static / found.peak:9.2f} {found.blas / found.peak:9.2f}"
                f"   {found.dynamic_ms:6.1f} {found.static_ms:6.1f}",
                flush=True,
            )
    if options.json:
        document = {"versions": versions(), "unit": "GFLOP/s", "results": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
