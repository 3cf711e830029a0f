"""What value and gradient cost beside the value alone: time, counted operations and bytes, for scalar-valued functions.

    python benchmarks/bench_gradient.py [--json FILE] [--rounds N] [--only WORD]

Times are medians of rounds in which the two kernels take turns, on one core, into existing arrays, in processor time of the
thread.  Operations and bytes are those that the kernels' ``stats`` count.  The design allows a ratio of 4 for each function,
and aims at a geometric mean of 3.
"""

from __future__ import annotations

import runpy
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import measuring
import numpy as np
from bench_functions import CASES, NUMPY, medians, places, potential

import symgrad as sg

MEAN, MOST = 3.0, 4.0
FILES = Path(__file__).resolve().parents[1] / "examples" / "adbench"
RNG = np.random.default_rng(5)


class Work(NamedTuple):
    """A scalar-valued function, its arguments, and with respect to how many of the first it is differentiated."""

    function: Callable[..., Any]
    args: Sequence[Any]
    wrt: int


def points(name: str, count: int = 10_000) -> Work:
    """The sum over many points of a function of numbers."""
    case = CASES[name]
    arrays = [RNG.uniform(*bounds, count) for bounds in case.bounds]
    return Work(lambda *x: np.sum(case.function(NUMPY, *x)[0]), arrays, len(arrays))


def rosenbrock(count: int = 10_000) -> Work:
    def function(x: Any) -> Any:
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return Work(function, [RNG.normal(size=count)], 1)


def five_points(rows: int = 200) -> Work:
    def function(u: Any) -> Any:
        around = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]
        return np.sum((around - 4 * u[1:-1, 1:-1]) ** 2)

    return Work(function, [RNG.normal(size=(rows, rows))], 1)


def attraction(count: int = 100) -> Work:
    return Work(potential, [places(count)], 1)


def mixture(dimension: int, count: int = 25, rows: int = 1000) -> Work:
    objective = runpy.run_path(str(FILES / "gmm.py"))["objective"]
    shapes = [(count,), (count, dimension), (count, dimension * (dimension + 1) // 2), (rows, dimension)]
    return Work(lambda *x: objective(*x, 1.0, 0), [RNG.normal(0, 0.5, shape) for shape in shapes], 3)


def regression(rows: int = 100, pixels: int = 784) -> Work:
    def function(W: Any, b: Any, x: Any, t: Any) -> Any:
        return -np.mean(np.sum(t * sg.log_softmax(x @ W + b), axis=1))

    args = [*map(RNG.random, ((pixels, 10), (10,), (rows, pixels))), np.eye(10)[RNG.integers(0, 10, rows)]]
    return Work(function, [one.astype(np.float32) for one in args], 2)


def perceptron(rows: int = 100, sizes: Sequence[int] = (784, 256, 10)) -> Work:
    def function(V: Any, c: Any, W: Any, b: Any, x: Any, t: Any) -> Any:
        return -np.mean(np.sum(t * sg.log_softmax(np.tanh(x @ V + c) @ W + b), axis=1))

    inner, hidden, outer = sizes
    shapes = [(inner, hidden), (hidden,), (hidden, outer), (outer,), (rows, inner)]
    args = [*(RNG.normal(0, 0.05, shape) for shape in shapes), np.eye(outer)[RNG.integers(0, outer, rows)]]
    return Work(function, [one.astype(np.float32) for one in args], 4)


def convolution(batch: int = 16) -> Work:
    def function(filters: Any, W: Any, x: Any) -> Any:
        kept = np.maximum(sg.nn.conv2d(x, filters, padding="same"), 0.0)
        return np.sum(sg.logsumexp(np.mean(kept, axis=(1, 2)) @ W, axis=1))

    shapes = [(3, 3, 16, 32), (32, 10), (batch, 28, 28, 16)]
    return Work(function, [RNG.normal(0, 0.1, shape).astype(np.float32) for shape in shapes], 2)


def attention(heads: int = 8, length: int = 128, size: int = 64) -> Work:
    def function(q: Any, k: Any, v: Any) -> Any:
        return np.sum(sg.nn.attention(q, k, v) ** 2)

    return Work(function, [RNG.normal(size=(heads, length, size)).astype(np.float32) for _ in range(3)], 3)


def rows_of(function: Callable[..., Any], shape: tuple[int, int] = (1000, 256)) -> Work:
    return Work(lambda x, w: np.sum(function(x) * w), [RNG.normal(size=shape), RNG.normal(size=shape)], 1)


def layer_norm(x: Any) -> Any:
    return (x - np.mean(x, 1, keepdims=True)) / np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)


WORKS: dict[str, Callable[[], Work]] = {
    "options, 1e4 points": lambda: points("options"),
    "rational, 1e4 points": lambda: points("rational"),
    "three bodies, 1e4 points": lambda: points("bodies"),
    "Rosenbrock, 1e4 variables": rosenbrock,
    "five-point stencil, 200 x 200": five_points,
    "100 attracting bodies": attraction,
    "GMM 1k, d = 2, K = 25": lambda: mixture(2),
    "GMM 1k, d = 10, K = 25": lambda: mixture(10),
    "GMM 1k, d = 64, K = 25": lambda: mixture(64),
    "softmax regression, float32": regression,
    "perceptron, float32": perceptron,
    "convolution 3 x 3, float32": convolution,
    "attention of 8 heads, float32": attention,
    "softmax of rows": lambda: rows_of(lambda x: sg.nn.softmax(x, axis=1)),
    "layer norm of rows": lambda: rows_of(layer_norm),
}


def figures(work: Work, rounds: int) -> dict[str, float]:
    """Seconds of both kernels and the ratios of time, operations and bytes."""
    symbols = [sg.symbol(f"x{k}", np.shape(arg), np.asarray(arg).dtype.name) for k, arg in enumerate(work.args)]
    value = work.function(*symbols)
    kernels = [sg.compile(value, symbols), sg.compile([value, *sg.gradients(value, symbols[: work.wrt])], symbols)]
    rooms = [np.empty((), value.dtype), tuple(map(np.array, kernels[1](*work.args)))]
    runs = [partial(kernel, *work.args, out=room) for kernel, room in zip(kernels, rooms, strict=True)]
    taken = medians({"value": (runs[0], None), "value and gradient": (runs[1], None)}, rounds)
    ratios = {name: kernels[1].stats[name] / kernels[0].stats[name] for name in ("flops", "bytes")}
    return {**taken, "time": taken["value and gradient"] / taken["value"], **ratios}


def main() -> None:
    parser = measuring.parser(__doc__, rounds=30)
    parser.add_argument("--only", default="", help="only works whose names contain this word")
    chosen = parser.parse_args()
    measuring.on_one_processor()
    found = {}
    print(f"{'(value and gradient) / value':32s} {'time':>6s} {'flops':>6s} {'bytes':>6s}   microseconds")
    for label, work in WORKS.items():
        if chosen.only not in label:
            continue
        row = found[label] = figures(work(), chosen.rounds)
        ratios = " ".join(f"{row[name]:6.2f}" for name in ("time", "flops", "bytes"))
        print(f"{label:32s} {ratios}   {row['value'] * 1e6:.1f} {row['value and gradient'] * 1e6:.1f}", flush=True)
    for name in ("time", "flops", "bytes"):
        ratios = [row[name] for row in found.values()]
        mean = statistics.geometric_mean(ratios)
        print(f"{name}: geometric mean {mean:.2f} (aim: {MEAN:g}), largest {max(ratios):.2f} (limit: {MOST:g})")
    versions = measuring.versions("numpy")
    print(versions)
    measuring.save(chosen.json, ratios=found, **versions)


if __name__ == "__main__":
    main()
