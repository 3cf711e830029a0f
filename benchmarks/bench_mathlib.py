"""The functions of the vector mathematics against NumPy, SciPy and C.  In: nothing.  Out: a table of ratios, and JSON.

    python benchmarks/bench_mathlib.py [--json FILE] [--size N] [--only exp,log]

Each function is compiled alone by ``sg.compile`` and called as a user calls it, with ``out=`` and arrays of uniform
random numbers from a range of ordinary arguments.  Its peers get the same arguments and must give the same values: the
ufunc of NumPy or else of SciPy and, where GCC exists, a C loop, which calls GNU's vector mathematics (libmvec, up to 4
units in the last place).  Samples of all alternate, in processor time of the thread.  A ratio is the median of the
ratios of neighbouring samples, above 1 where the compiled function is faster; nanoseconds an element are the best of
all samples.
Pin the process to one core: ``taskset -c 1 python benchmarks/bench_mathlib.py``.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import scipy
import scipy.special

import symgrad as sg
from codegen.target import native

Ends = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """A function: its name, how to write it, its peer and where that comes from, the range of each argument, C's names."""

    name: str
    write: Callable[..., Any]
    peer: Callable[..., Any]
    library: str
    ranges: tuple[Ends, ...]
    in_c: tuple[str, ...] = ()  # one for each result


@dataclass(frozen=True)
class Result:
    """The ratios peer/compiled and C/compiled, and the nanoseconds an element of all."""

    name: str
    dtype: str
    ratio: float
    compiled_ns: float
    peer_ns: float
    library: str
    c_ratio: float | None
    c_ns: float | None


def _numpy(name: str, *ranges: Ends) -> Case:
    function = getattr(np, name)
    in_c = "pow" if name == "power" else name.replace("arc", "a")
    return Case(name, function, function, "numpy", ranges, (in_c,))


def _scipy(name: str, *ranges: Ends, peer: str | None = None, in_c: tuple[str, ...] = ()) -> Case:
    return Case(name, getattr(sg.special, name), getattr(scipy.special, peer or name), "scipy", ranges, in_c)


def _both(x: Any, out: Any = None) -> Any:
    sine, cosine = out or (None, None)
    return np.sin(x, out=sine), np.cos(x, out=cosine)


def _logaddexp(x: Any, out: Any) -> Any:
    return np.logaddexp(x, x.dtype.type(0), out=out)


CASES = [
    _numpy("exp", (-10, 10)),
    _numpy("exp2", (-10, 10)),
    _numpy("expm1", (-3, 3)),
    _numpy("log", (0.01, 100)),
    _numpy("log2", (0.01, 100)),
    _numpy("log10", (0.01, 100)),
    _numpy("log1p", (-0.9, 10)),
    _numpy("power", (0.1, 10), (-5, 5)),
    _numpy("sqrt", (0, 100)),
    _numpy("cbrt", (-10, 10)),
    _numpy("fmod", (-10, 10), (0.5, 3)),
    _numpy("hypot", (-3, 3), (-3, 3)),
    _numpy("sin", (-10, 10)),
    _numpy("cos", (-10, 10)),
    Case("sin, cos", lambda x: [np.sin(x), np.cos(x)], _both, "numpy", ((-10, 10),), ("sin", "cos")),
    _numpy("tan", (-1.5, 1.5)),
    _numpy("arcsin", (-1, 1)),
    _numpy("arccos", (-1, 1)),
    _numpy("arctan", (-5, 5)),
    _numpy("arctan2", (-3, 3), (-3, 3)),
    _numpy("sinh", (-5, 5)),
    _numpy("cosh", (-5, 5)),
    _numpy("tanh", (-5, 5)),
    _numpy("arcsinh", (-10, 10)),
    _numpy("arccosh", (1, 10)),
    _numpy("arctanh", (-0.99, 0.99)),
    _scipy("erf", (-4, 4), in_c=("erf",)),
    _scipy("erfc", (-4, 8), in_c=("erfc",)),
    _scipy("ndtr", (-8, 8)),
    _scipy("expit", (-10, 10)),
    Case("softplus", sg.special.softplus, _logaddexp, "numpy", ((-10, 10),)),
    _scipy("gammaln", (0.1, 100)),
    _scipy("digamma", (0.1, 100), peer="psi"),
]


def seconds(run: Callable[[], object], count: int) -> float:
    """One sample: the mean of so many calls."""
    start = time.thread_time()
    for _ in range(count):
        run()
    return (time.thread_time() - start) / count


def interleaved(runs: Sequence[Callable[[], object]], sample: float, rounds: int) -> list[tuple[float, ...]]:
    """Seconds a call of each contender, one row a round; a sample takes about ``sample`` seconds."""
    counts = [max(1, round(sample / min(seconds(run, 3) for _ in range(3)))) for run in runs]
    return [tuple(seconds(run, count) for run, count in zip(runs, counts, strict=True)) for _ in range(rounds)]


C_FLAGS = ("-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512", "-fno-builtin-sin", "-fno-builtin-cos",
           "-fno-builtin-sinf", "-fno-builtin-cosf")  # fmt: skip


def c_loops(cases: Sequence[Case], directory: Path) -> Any:
    """A library of loops, one for each function that C has, in both types; None without GCC."""
    if shutil.which("gcc") is None:
        return None
    lines = ["#include <math.h>"]
    for case in cases:
        for real, end in (("double", ""), ("float", "f")) if case.in_c else ():
            inputs = ", ".join(f"const {real} *restrict x{k}" for k in range(len(case.ranges)))
            outputs = ", ".join(f"{real} *restrict o{k}" for k in range(len(case.in_c)))
            arguments = ", ".join(f"x{k}[i]" for k in range(len(case.ranges)))
            body = " ".join(f"o{k}[i] = {name}{end}({arguments});" for k, name in enumerate(case.in_c))
            lines += [
                f"void {loop_name(case, real)}(long n, {inputs}, {outputs})",
                f"{{\n#pragma GCC ivdep\nfor (long i = 0; i < n; i++) {{ {body} }} }}",
            ]
    source, library = directory / "loops.c", directory / "loops.so"
    source.write_text("\n".join(lines))
    subprocess.run(["gcc", *C_FLAGS, "-fPIC", "-shared", source, "-o", library, "-lm"], check=True)
    return ctypes.CDLL(str(library))


def loop_name(case: Case, real: str) -> str:
    return f"loop_{'_'.join(case.in_c)}_{real}"


def contender_in_c(loops: Any, case: Case, args: Sequence[Any], out: Sequence[Any]) -> Callable[[], object]:
    function = getattr(loops, loop_name(case, {"float64": "double", "float32": "float"}[args[0].dtype.name]))
    function.restype = None
    pointers = [ctypes.c_void_p(one.ctypes.data) for one in (*args, *out)]
    return lambda: function(ctypes.c_long(len(args[0])), *pointers)


def measure(case: Case, dtype: str, size: int, sample: float, rounds: int, loops: Any) -> Result:
    """One function in one float type."""
    rng = np.random.default_rng(1)
    symbols = [sg.symbol(f"x{k}", ("n",), dtype) for k in range(len(case.ranges))]
    written = case.write(*symbols)
    kernel = sg.compile(written, symbols)
    count = len(written) if isinstance(written, list) else 1
    args = [rng.uniform(low, high, size).astype(dtype) for low, high in case.ranges]
    results = [tuple(np.empty(size, dtype) for _ in range(count)) for _ in range(3)]
    out, wanted, of_c = (one if count > 1 else one[0] for one in results)
    runs = [lambda: kernel(*args, out=out), lambda: case.peer(*args, out=wanted)]
    if loops is not None and case.in_c:
        runs.append(contender_in_c(loops, case, args, results[2]))
    table = interleaved(runs, sample, rounds)
    accuracy = 1000 * float(np.finfo(dtype).eps)
    for other in (wanted, of_c)[: len(runs) - 1]:
        np.testing.assert_allclose(out, other, rtol=accuracy, atol=accuracy, err_msg=f"{case.name} of {dtype}")
    ratios = [statistics.median(row[k] / row[0] for row in table) for k in range(1, len(runs))]
    times = [min(column) / size * 1e9 for column in zip(*table, strict=True)]
    in_c = (ratios[1], times[2]) if len(runs) > 2 else (None, None)
    return Result(case.name, dtype, ratios[0], times[0], times[1], case.library, *in_c)


def gcc_version() -> str:
    if shutil.which("gcc") is None:
        return "absent"
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def versions() -> dict[str, str]:
    """What was measured, and on what."""
    return {
        "symgrad": sg.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "gcc": gcc_version(),
        "llvmlite": llvmlite.__version__,
        "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
        "cpu": f"{native().cpu}, {native().vector_bits}-bit vectors",
    }


def row(results: Sequence[Result]) -> str:
    """One function: the ratios to the peer and to C, then the nanoseconds of all, of each type."""
    ratios = "".join(f"{one.ratio:9.2f}{number(one.c_ratio, 6, 2)}" for one in results)
    times = "".join(f"   {one.compiled_ns:7.3f} {one.peer_ns:7.3f} {number(one.c_ns, 6, 3)}" for one in results)
    return f"{results[0].name:10}{ratios}{times}   {results[0].library}"


def number(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def mean(ratios: Sequence[float | None]) -> float | None:
    """The geometric mean of those that exist."""
    found = [ratio for ratio in ratios if ratio is not None]
    return statistics.geometric_mean(found) if found else None


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="elements of the arrays")
    parser.add_argument("--sample", type=float, default=2e-3, help="seconds of one sample")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each contender")
    parser.add_argument("--only", default="", help="names of functions, with commas between them")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    chosen = [case for case in CASES if not options.only or case.name in options.only.split(",")]
    if not chosen:
        parser.error(f"--only: no function of {', '.join(case.name for case in CASES)}")
    dtypes = ("float64", "float32")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    print(f"{'':10}" + "".join(f"{one:>15}" for one in dtypes) + "".join(f"{f'{one}, ns':>25}" for one in dtypes))
    print(f"{'':10}" + f"{'peer':>9}{'C':>6}" * 2 + f"   {'own':>7} {'peer':>7} {'C':>6}" * 2)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench_mathlib_") as directory:
        loops = c_loops(chosen, Path(directory))
        for case in chosen:
            found = [measure(case, dtype, options.size, options.sample, options.rounds, loops) for dtype in dtypes]
            results += found
            print(row(found), flush=True)
    middle = ""
    for dtype in dtypes:
        own = [one for one in results if one.dtype == dtype]
        middle += number(mean([one.ratio for one in own]), 9, 2) + number(mean([one.c_ratio for one in own]), 6, 2)
    print(f"{'mean':10}{middle}   (geometric)")
    if options.json:
        document = {"versions": versions(), "size": options.size, "results": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
