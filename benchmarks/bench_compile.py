"""What a first call costs: tracing, differentiation, and every stage of compilation; without, and from, the cache on disk.

    python benchmarks/bench_compile.py [--json FILE] [--rounds N]

Every figure is the least of some rounds.  ``cold``: no cache.  ``hit``: the kernel is on disk, an earlier one has loaded
the modules.  ``process``: the kernel is on disk, and this is the first compilation of a process, which loads LLVM.
``one thread``: code generation of ``cold`` in one piece.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring
import numpy as np

import symgrad as sg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "adbench"))
BUDGET = {"cold": 400.0, "hit": 15.0}  # milliseconds of compilation for the first program below

Program = tuple[list[Any], list[Any]]


def mixture(d: int = 10, count: int = 25, n: int = 1000) -> Program:
    """The Gaussian mixture of ADBench and its gradient."""
    from gmm import objective

    shapes = {"alpha": (count,), "mu": (count, d), "icf": (count, d * (d + 1) // 2), "x": (n, d)}
    symbols = [sg.symbol(name, shape) for name, shape in shapes.items()]
    value = objective(*symbols, 1.0, 0)
    return [value, *sg.gradients(value, symbols[:3])], symbols


def layers(count: int = 4) -> Program:
    """A network of layers for any number of rows, and its gradient."""
    x = y = sg.symbol("x", ("rows", 32))
    weights = [sg.symbol(f"w{k}", (32, 32)) for k in range(count)]
    for w in weights:
        y = np.tanh(y @ w)
    return [np.sum(y**2), *sg.gradients(np.sum(y**2), weights)], [x, *weights]


def scalars(count: int = 3000) -> Program:
    """A chain of scalar operations, and its derivative."""
    x = y = sg.symbol("x")
    for _ in range(count // 3):
        y = np.sqrt(x - y) * x
    return [y, *sg.gradients(y, [x])], [x]


PROGRAMS: dict[str, Callable[[], Program]] = {
    "GMM d=10 K=25": mixture,
    "GMM d=64 K=25": lambda: mixture(64),
    "4 layers": layers,
    "3000 scalars": scalars,
}


def compiled(build: Callable[[], Program], cache: bool | str) -> dict[str, float]:
    """Milliseconds of one compilation, stage by stage; ``total`` is what ``sg.compile`` took."""
    start = time.perf_counter()
    outputs, inputs = build()
    traced = time.perf_counter()
    with sg.config.use(cache=cache):
        kernel = sg.compile(outputs, inputs)
    total = time.perf_counter() - traced
    stages = {"trace, differentiate": traced - start, "total": total, **kernel.stats["seconds"]}
    return {stage: 1e3 * seconds for stage, seconds in stages.items()}


def in_process(name: str, folder: str) -> dict[str, float]:
    """The same for the first compilation of a process."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, "--folder", folder], capture_output=True, text=True, check=True
    )
    made: dict[str, float] = json.loads(done.stdout)
    return made


def in_one_thread(build: Callable[[], Program]) -> float:
    """Milliseconds of code generation where only one processor may be used."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        return compiled(build, False)["machine code"]
    finally:
        os.sched_setaffinity(0, allowed)


def least(runs: list[dict[str, float]]) -> dict[str, float]:
    return {stage: min(run[stage] for run in runs) for stage in runs[0]}


def measure(name: str, rounds: int) -> dict[str, Any]:
    build = PROGRAMS[name]
    with tempfile.TemporaryDirectory() as folder:
        compiled(build, folder)
        figures: dict[str, Any] = {
            "cold": least([compiled(build, False) for _ in range(rounds)]),
            "hit": least([compiled(build, folder) for _ in range(rounds)]),
            "process": least([in_process(name, folder) for _ in range(rounds)]),
        }
        if hasattr(os, "sched_setaffinity"):
            figures["one thread"] = min(in_one_thread(build) for _ in range(rounds))
    return figures


def report(name: str, figures: dict[str, Any]) -> None:
    cold, hit, process = (figures[how] for how in ("cold", "hit", "process"))
    print(f"{name:14s} cold / hit {cold['total'] / hit['total']:6.1f}", end="")
    print(
        f"   cold {cold['total']:7.1f} ms   hit {hit['total']:6.1f} ms   first of a process {process['total']:6.1f} ms"
    )
    stages = {stage: value for stage, value in cold.items() if stage != "total"}
    print("    " + ", ".join(f"{stage} {value:.1f}" for stage, value in stages.items()))
    if "one thread" in figures:
        print(f"    machine code in one thread {figures['one thread']:.1f} ms")


def main() -> None:
    parser = measuring.parser(__doc__, rounds=5)
    parser.add_argument("--one", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(compiled(PROGRAMS[options.one], options.folder)))
        return
    made = {name: measure(name, options.rounds) for name in PROGRAMS}
    first = made["GMM d=10 K=25"]
    for how, budget in BUDGET.items():
        print(
            f"{how:14s} {first[how]['total'] / budget:6.2f} of the budget of {budget:.0f} ms for the gradient of the mixture"
        )
    for name, figures in made.items():
        report(name, figures)
    versions = measuring.versions("llvmlite")
    measuring.save(options.json, milliseconds=made, processors=os.cpu_count(), **versions)


if __name__ == "__main__":
    main()
