"""What tracing costs beside building the same nodes, and what a transform's call costs beside its kernel's.

    python benchmarks/bench_tracing.py [--json FILE] [--rounds N]

A NumPy-style function of about a thousand operations is traced; the same nodes are then built through their operations'
constructors.  Calls are those of functions that are compiled already, for arrays of a known signature.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np

import symgrad as sg
from symgrad import ops
from symgrad.containers import flatten
from symgrad.node import apply, topological
from symgrad.transforms.tracing import bind, trace

BUDGET = {"tracing": 15.0, "call": 5.0}
SIZE = 6


def step(x: Any, m: Any) -> tuple[Any, Any]:
    """Thirty operations as they are written with NumPy: functions, operators, indices."""
    y = np.sin(x) * 2.0 + np.exp(-x)  # 5
    z = np.maximum(y, x) / (1.0 + np.abs(y))  # 4
    head, tail = z[0], z[1:]  # 2
    w = np.concatenate([tail, z[:1]])  # 2
    total = np.sum(w**2) + np.mean(z, axis=0)  # 4
    x = np.where(z > head, w, y - total)  # 3
    m = np.tanh(m @ np.reshape(x, (SIZE, 1)) * m[:, 2])  # 4
    x = x + np.dot(m, y) + np.sqrt(m[1, 3] ** 2)  # 6
    return x, m


PER_STEP = 30


def function(steps: int) -> Callable[[Any, Any], Any]:
    def body(x: Any, m: Any) -> Any:
        for _ in range(steps):
            x, m = step(x, m)
        return x, m

    return body


def seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()  # the processor's, as others may take turns on it
    kept = run()
    taken = time.process_time() - start
    del kept  # so that its nodes are built again the next time
    return taken


def tracing(rounds: int, steps: int = 34) -> dict[str, float]:
    """Microseconds for each operation of a function of about a thousand; both ways in turns, the fastest of each."""
    body = function(steps)
    arguments = bind(body, (np.ones(SIZE), np.ones((SIZE, SIZE))))
    parameters, made = trace(body, arguments)
    own = set(parameters)
    order = [node for node in topological(flatten(made)[0]) if node not in own]

    def rebuilt() -> Any:
        new = {old: ops.parameter(old.attrs.name, old.type) for old in parameters}
        for node in order:
            new[node] = apply(node.op, tuple([new[one] for one in node.inputs]), node.attrs)
        return new

    turns = [(seconds(lambda: trace(body, arguments)), seconds(rebuilt)) for _ in range(rounds)]
    traced, built = (min(column) for column in zip(*turns, strict=True))
    count = PER_STEP * steps
    return {
        "operations": count,
        "nodes": len(order),
        "tracing": traced / count * 1e6,
        "building": built / count * 1e6,
        "above": (traced - built) / count * 1e6,
    }


def microseconds(run: Callable[[], Any], rounds: int) -> float:
    number = max(10, int(2e-3 / min(timeit.repeat(run, number=10, repeat=5)) * 10))
    return min(timeit.repeat(run, number=number, repeat=rounds)) / number * 1e6


def network(layers: Any, x: Any) -> Any:
    for layer in layers["hidden"]:
        x = np.tanh(layer["weight"] @ x + layer["bias"])
    return np.sum(x * layers["scale"])


def calls(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds of a call, of its kernel alone, and the difference."""
    x = np.arange(3.0)
    hidden = [{"weight": np.eye(3), "bias": x} for _ in range(2)]
    cases: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
        "one array": (sg.jit(lambda x: x * 2), (x,), {}),
        "a nested dictionary": (
            sg.jit(lambda p: p["a"] * p["b"]["c"] + p["b"]["d"][0]),
            ({"a": x, "b": {"c": x + 1, "d": [x]}},),
            {},
        ),
        "a static and a keyword argument": (sg.jit(lambda x, n, y: x**n * y, 1), (x, 3), {"y": x}),
        "a network in a dictionary": (sg.jit(network), ({"hidden": hidden, "scale": x}, x), {}),
    }
    found = {}
    for title, (run, args, kwargs) in cases.items():
        run(*args, **kwargs)
        ((kernel, *_), _), *_ = run._ready.values()
        arrays = [leaf for leaf in flatten((args, kwargs))[0] if isinstance(leaf, np.ndarray)]
        call = microseconds(lambda: run(*args, **kwargs), rounds)  # noqa: B023 - runs at once
        alone = microseconds(lambda: kernel(*arrays), rounds)  # noqa: B023
        found[title] = {"call": call, "kernel": alone, "above": call - alone}
    return found


def main() -> None:
    parser = measuring.parser(__doc__, rounds=50)
    options = parser.parse_args()
    traced, called = tracing(options.rounds), calls(options.rounds)
    print("of the budget      above it   microseconds")
    print(
        f"{traced['above'] / BUDGET['tracing']:13.2f}   {traced['above']:11.2f}   tracing an operation: "
        f"{traced['tracing']:.2f}, building its nodes: {traced['building']:.2f}"
    )
    for title, one in called.items():
        print(
            f"{one['above'] / BUDGET['call']:13.2f}   {one['above']:11.2f}   a call with {title}: {one['call']:.2f}, "
            f"its kernel: {one['kernel']:.2f}"
        )
    measuring.save(options.json, tracing=traced, calls=called, **measuring.versions("numpy"))


if __name__ == "__main__":
    main()
