"""What several threads in one call gain: time of a call with one thread over that with more, and whether bits agree.

    python benchmarks/bench_threads.py [--json FILE] [--rounds N] [--threads N]

Works: option prices with five greeks at a million points, a Gaussian mixture of 10,000 points with its gradient (d = 10,
K = 25), a log-likelihood of a million points with its gradient, a product of squares, and, for what threads cost, ten
points.  Best of interleaved rounds; processor time, over all threads, tells whether the machine was busy with other work.
"""

from __future__ import annotations

import os
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring
import numpy as np

import symgrad as sg

TARGET = 1.8  # times as fast with two threads: option prices and the mixture
ROOT = Path(__file__).resolve().parents[1]
RNG = np.random.default_rng(0)
Problem = tuple[list[Any], list[Any], list[Any]]


def options(count: int) -> Problem:
    spot, strike, rate, sigma, years = names = [
        sg.symbol(name, ("n",)) for name in ("spot", "strike", "rate", "sigma", "years")
    ]
    width = sigma * np.sqrt(years)
    upper = (np.log(spot / strike) + (rate + sigma * sigma / 2) * years) / width
    price = spot * sg.special.ndtr(upper) - strike * np.exp(-rate * years) * sg.special.ndtr(upper - width)
    return [price, *sg.gradients(price, names)], names, [RNG.uniform(0.5, 1.5, count) for _ in names]


def mixture(count: int) -> Problem:
    objective = runpy.run_path(str(ROOT / "examples" / "adbench" / "gmm.py"))["objective"]
    shapes = {"alpha": (25,), "mu": (25, 10), "icf": (25, 55), "x": (count, 10)}
    symbols = [sg.symbol(name, shape) for name, shape in shapes.items()]
    value = objective(*symbols, 1.0, 0)
    return [value, *sg.gradients(value, symbols[:3])], symbols, [RNG.normal(0, 0.5, shape) for shape in shapes.values()]


def likelihood(count: int) -> Problem:
    x, centre, width = sg.symbol("x", ("n",)), sg.symbol("centre"), sg.symbol("width")
    z = (x - centre) / np.exp(width)
    value = np.sum(np.log1p(z * z / 3) * 2 + width)
    return [value, *sg.gradients(value, [centre, width])], [x, centre, width], [RNG.normal(size=count), 0.1, 0.2]


def squares(size: int) -> Problem:
    a, b = sg.symbol("a", (size, size)), sg.symbol("b", (size, size))
    return [a @ b], [a, b], [RNG.normal(size=(size, size)) for _ in range(2)]


WORKS: dict[str, Callable[[], Problem]] = {
    "options, 1e6 points": lambda: options(1_000_000),
    "GMM 10k, d = 10, K = 25": lambda: mixture(10_000),
    "log-likelihood, 1e6 points": lambda: likelihood(1_000_000),
    "product, 1000 x 1000": lambda: squares(1000),
    "options, 10 points": lambda: options(10),
}


def measure(problem: Problem, threads: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of a call with one thread and with several, the best of rounds in which they take turns."""
    outputs, inputs, given = problem
    kernels = {count: sg.compile(tuple(outputs), inputs, threads=count) for count in (1, threads)}
    rooms = {count: tuple(map(np.asarray, kernel(*given))) for count, kernel in kernels.items()}
    wall, processor = dict.fromkeys(kernels, float("inf")), dict.fromkeys(kernels, float("inf"))
    for _ in range(rounds):
        for count, kernel in kernels.items():
            start, used = time.perf_counter(), time.process_time()
            kernel(*given, out=rooms[count])
            wall[count] = min(wall[count], (time.perf_counter() - start) * 1e3)
            processor[count] = min(processor[count], (time.process_time() - used) * 1e3)
    return {
        "one": wall[1],
        "several": wall[threads],
        "ratio": wall[1] / wall[threads],
        "processor": processor[threads] / processor[1],
        "equal": all(a.tobytes() == b.tobytes() for a, b in zip(rooms[1], rooms[threads], strict=True)),
    }


def main() -> None:
    parser = measuring.parser(__doc__, rounds=50)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    print(f"one / {chosen.threads} threads (two: at least {TARGET} for the first two)            milliseconds")
    figures = {}
    for label, work in WORKS.items():
        found = figures[label] = measure(work(), chosen.threads, chosen.rounds)
        times = f"{found['one']:9.4f} {found['several']:9.4f}  processor time {found['processor']:.2f}"
        print(f"{found['ratio']:6.2f}  {label:28s} {times}  {'bits equal' if found['equal'] else 'BITS DIFFER'}")
    versions = measuring.versions("numpy")
    machine = {"processors": os.cpu_count(), "threads": chosen.threads}
    print(versions | machine)
    measuring.save(chosen.json, milliseconds=figures, **versions, **machine)


if __name__ == "__main__":
    main()
