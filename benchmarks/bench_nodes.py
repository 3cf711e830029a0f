"""What a node costs: building, differentiating, lowering to text, memory; beside the budget of the design.

    python benchmarks/bench_nodes.py [--json FILE] [--nodes N]

The graph is a chain of scalar operations that does not simplify.  Costs are per created node: the derivative creates
nodes of its own, which are counted.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np

import symgrad as sg
from symgrad.node import topological

BUDGET = {"build": 6.0, "differentiate": 10.0, "rewrite, lower, text": 12.0, "memory": 1000.0}


def chain(nodes: int) -> tuple[Any, Any]:
    """x and a value made from it by this many operations."""
    x = sg.symbol("x")
    y = x
    for _ in range(nodes // 3):
        y = np.sqrt(x - y) * x
    return x, y


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    made = run()
    return made, time.perf_counter() - start


def bytes_per_node(nodes: int) -> float:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    _, kept = chain(nodes)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken / len(topological([kept]))


def measure(nodes: int) -> dict[str, float]:
    """Microseconds, or bytes, per node."""
    memory = bytes_per_node(nodes)
    (x, y), built = timed(lambda: chain(nodes))
    own = len(topological([y]))
    (slope,), differentiated = timed(lambda: sg.gradients(y, [x]))
    added = len(topological([y, slope])) - own
    with sg.config.use(cache=False):
        kernel = sg.compile([y, slope], [x])
    seconds = kernel.stats["seconds"]
    text = sum(seconds[stage] for stage in ("canonical", "loops", "llvm text"))
    return {
        "build": built / own * 1e6,
        "differentiate": differentiated / added * 1e6,
        "rewrite, lower, text": text / (own + added) * 1e6,
        "memory": memory,
    }


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--nodes", type=int, default=6_000)
    options = parser.parse_args()
    runs = [measure(options.nodes) for _ in range(9)]
    figures = {stage: min(run[stage] for run in runs) for stage in BUDGET}
    figures["memory"] = runs[0]["memory"]  # later runs may find nodes that still live
    for stage, value in figures.items():
        unit = "bytes" if stage == "memory" else "us"
        print(f"{stage:22s} {value / BUDGET[stage]:6.2f} of the budget   {value:8.2f} {unit} a node")
    measuring.save(options.json, per_node=figures, **measuring.versions("numpy"))


if __name__ == "__main__":
    main()
