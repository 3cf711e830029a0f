"""Shared by the tests of the graph layer: running a function in many threads at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

THREADS = 8
ROUNDS = 150


@pytest.fixture
def racing() -> Iterator[Callable[[Callable[[int], Any]], list[list[Any]]]]:
    """Call ``make(round)`` in many threads at the same moment, round after round; results by round."""

    def run(make: Callable[[int], Any]) -> list[list[Any]]:
        start = Barrier(THREADS)

        def work() -> list[Any]:
            made = []
            for k in range(ROUNDS):
                start.wait()
                made.append(make(k))
            return made

        with ThreadPoolExecutor(THREADS) as pool:
            by_thread = [one.result() for one in [pool.submit(work) for _ in range(THREADS)]]
        return [list(row) for row in zip(*by_thread, strict=True)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield run
    sys.setswitchinterval(interval)
