"""What a training step costs: one kernel, beside the kernels of its parts, and what it allocates.

    python benchmarks/bench_training.py [--json FILE] [--rounds N]

The parts are the cost with its gradients, and the optimiser's updates from given gradients, each compiled alone and
writing into existing arrays.  Single-threaded, best of interleaved rounds.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np

import symgrad as sg

TARGET = 1.15  # times the sum of the parts
RNG = np.random.default_rng(0)
Work = dict[str, Callable[[], Any]]


def cross_entropy(scores: Any, targets: Any) -> Any:
    return -np.mean(np.sum(targets * sg.log_softmax(scores), axis=1))


def weights(name: str, shapes: list[tuple[int, ...]]) -> list[Any]:
    return [sg.variable(f"{name}/{k}", RNG.normal(0, 0.1, shape).astype("float32")) for k, shape in enumerate(shapes)]


def softmax(x: Any, own: list[Any]) -> Any:
    return x @ own[0] + own[1]


def perceptron(x: Any, own: list[Any]) -> Any:
    return np.maximum(x @ own[0] + own[1], 0) @ own[2] + own[3]


MODELS: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
    "softmax regression": (softmax, [(784, 10), (10,)]),
    "perceptron 784-256-10": (perceptron, [(784, 256), (256,), (256, 10), (10,)]),
}
OPTIMIZERS = {
    "descent": lambda: sg.optim.GradientDescent(0.01),
    "momentum": lambda: sg.optim.Momentum(0.01, 0.9),
    "adam": lambda: sg.optim.Adam(0.001),
}


def prepare(model: str, optimizer: str) -> Work:
    function, shapes = MODELS[model]
    x, t = sg.symbol("x", ("n", 784), "float32"), sg.symbol("t", ("n", 10), "float32")
    own = weights(f"{model}/{optimizer}", shapes)
    cost = cross_entropy(function(x, own), t)
    images = RNG.random((100, 784), dtype=np.float32)
    targets = np.eye(10, dtype=np.float32)[RNG.integers(0, 10, 100)]
    step = sg.compile(cost, [x, t], updates=OPTIMIZERS[optimizer]().minimize(cost))
    slopes = sg.compile([cost, *sg.gradients(cost, own)], [x, t])
    given = [sg.symbol(f"g{k}", shape, "float32") for k, shape in enumerate(shapes)]
    update = sg.compile([], given, updates=OPTIMIZERS[optimizer]().apply_gradients(list(zip(given, own, strict=True))))
    room = tuple(np.asarray(one) for one in slopes(images, targets))
    return {
        "step": lambda: step(images, targets),
        "gradients": lambda: slopes(images, targets, out=room),
        "update": lambda: update(*room[1:]),
    }


def allocated(run: Callable[[], Any], calls: int = 100) -> float:
    """Bytes that Python and NumPy hold at most during a call."""
    run()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(calls):
        run()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak


def main() -> None:
    parser = measuring.parser(__doc__, rounds=300)
    chosen = parser.parse_args()
    measuring.on_one_processor()
    figures = {}
    print(f"step / parts (at most {TARGET})                        microseconds")
    for model in MODELS:
        for optimizer in OPTIMIZERS:
            work = prepare(model, optimizer)
            taken = measuring.race(work, chosen.rounds, unit=1e-6)
            ratio = taken["step"] / (taken["gradients"] + taken["update"])
            room = allocated(work["step"])
            figures[f"{model}, {optimizer}"] = {**taken, "ratio": ratio, "bytes": room}
            parts = "  ".join(f"{label} {value:.1f}" for label, value in taken.items())
            print(f"{ratio:6.2f}  {model}, {optimizer:10s}  {parts}  ({room:.0f} bytes at most on the Python side)")
    versions = measuring.versions("numpy")
    print(versions)
    measuring.save(chosen.json, microseconds=figures, **versions)


if __name__ == "__main__":
    main()
