"""The functions of the vector mathematics against NumPy and SciPy.  In: nothing.  Out: a table of ratios, and JSON.

    python benchmarks/bench_mathlib.py [--json FILE] [--size N] [--only exp,log]

Each function is compiled alone by ``sg.compile`` and called as a user calls it, with ``out=`` and arrays of uniform
random numbers from a range of ordinary arguments.  Its peer, the ufunc of NumPy or else of SciPy, gets the same
arguments, and must give the same values.  Samples of the two alternate.  A ratio is the median of the ratios of
neighbouring samples, above 1 where the compiled function is faster; nanoseconds an element are the best of all samples.
Pin the process to one core: ``taskset -c 1 python benchmarks/bench_mathlib.py``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
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
    """A function: its name, how to write it, its peer and where that comes from, and the range of each argument."""

    name: str
    write: Callable[..., Any]
    peer: Callable[..., Any]
    library: str
    ranges: tuple[Ends, ...]


@dataclass(frozen=True)
class Result:
    """The ratio peer/compiled, and the nanoseconds an element of both."""

    name: str
    dtype: str
    ratio: float
    compiled_ns: float
    peer_ns: float
    library: str


def _numpy(name: str, *ranges: Ends) -> Case:
    function = getattr(np, name)
    return Case(name, function, function, "numpy", ranges)


def _scipy(name: str, *ranges: Ends, peer: str | None = None) -> Case:
    return Case(name, getattr(sg.special, name), getattr(scipy.special, peer or name), "scipy", ranges)


def _logaddexp(x: Any, out: Any) -> Any:
    return np.logaddexp(x, x.dtype.type(0), out=out)


CASES = [  # all but cbrt, which no expression can name
    _numpy("exp", (-10, 10)),
    _numpy("exp2", (-10, 10)),
    _numpy("expm1", (-3, 3)),
    _numpy("log", (0.01, 100)),
    _numpy("log2", (0.01, 100)),
    _numpy("log10", (0.01, 100)),
    _numpy("log1p", (-0.9, 10)),
    _numpy("power", (0.1, 10), (-5, 5)),
    _numpy("sqrt", (0, 100)),
    _numpy("hypot", (-3, 3), (-3, 3)),
    _numpy("sin", (-10, 10)),
    _numpy("cos", (-10, 10)),
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
    _scipy("erf", (-4, 4)),
    _scipy("erfc", (-4, 8)),
    _scipy("expit", (-10, 10)),
    Case("softplus", sg.special.softplus, _logaddexp, "numpy", ((-10, 10),)),
    _scipy("gammaln", (0.1, 100)),
    _scipy("digamma", (0.1, 100), peer="psi"),
]


def seconds(run: Callable[[], object], count: int) -> float:
    """One sample: the mean of so many calls."""
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def interleaved(runs: Sequence[Callable[[], object]], sample: float, rounds: int) -> list[tuple[float, ...]]:
    """Seconds a call of each contender, one row a round; a sample takes about ``sample`` seconds."""
    counts = [max(1, round(sample / min(seconds(run, 3) for _ in range(3)))) for run in runs]
    return [tuple(seconds(run, count) for run, count in zip(runs, counts, strict=True)) for _ in range(rounds)]


def measure(case: Case, dtype: str, size: int, sample: float, rounds: int) -> Result:
    """One function in one float type."""
    rng = np.random.default_rng(1)
    symbols = [sg.symbol(f"x{k}", ("n",), dtype) for k in range(len(case.ranges))]
    kernel = sg.compile(case.write(*symbols), symbols)
    args = [rng.uniform(low, high, size).astype(dtype) for low, high in case.ranges]
    out, wanted = np.empty(size, dtype), np.empty(size, dtype)
    runs = [lambda: kernel(*args, out=out), lambda: case.peer(*args, out=wanted)]
    table = interleaved(runs, sample, rounds)
    accuracy = 1000 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(out, wanted, rtol=accuracy, atol=accuracy, err_msg=f"{case.name} of {dtype}")
    ratio = statistics.median(theirs / ours for ours, theirs in table)
    ours, theirs = (min(column) / size * 1e9 for column in zip(*table, strict=True))
    return Result(case.name, dtype, ratio, ours, theirs, case.library)


def versions() -> dict[str, str]:
    """What was measured, and on what."""
    return {
        "symgrad": sg.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "llvmlite": llvmlite.__version__,
        "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
        "cpu": f"{native().cpu}, {native().vector_bits}-bit vectors",
    }


def row(results: Sequence[Result]) -> str:
    """One function: the ratios, then the nanoseconds of both sides, of each type."""
    ratios = "".join(f"{one.ratio:9.2f}" for one in results)
    times = "".join(f"   {one.compiled_ns:8.3f} {one.peer_ns:8.3f}" for one in results)
    return f"{results[0].name:10}{ratios}{times}   {results[0].library}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="elements of the arrays")
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
    print(f"{'peer/ours':10}{dtypes[0]:>9}{dtypes[1]:>9}" + "".join(f"   {f'{one}, peer: ns':>17}" for one in dtypes))
    results: list[Result] = []
    for case in chosen:
        found = [measure(case, dtype, options.size, options.sample, options.rounds) for dtype in dtypes]
        results += found
        print(row(found), flush=True)
    middle = [statistics.geometric_mean(one.ratio for one in results if one.dtype == dtype) for dtype in dtypes]
    print(f"{'mean':10}" + "".join(f"{ratio:9.2f}" for ratio in middle) + "   (geometric)")
    if options.json:
        document = {"versions": versions(), "size": options.size, "results": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
