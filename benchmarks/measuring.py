"""What the programs of this folder share: arguments, one processor, interleaved rounds, versions, the file of figures."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import symgrad as sg
from codegen.target import native


def parser(about: str | None, rounds: int | None = None) -> argparse.ArgumentParser:
    """The arguments that every program has: ``--json``, and ``--rounds`` where it takes any."""
    made = argparse.ArgumentParser(description=about.split("\n")[0] if about else None)
    made.add_argument("--json", type=Path, help="write the figures to this file")
    if rounds is not None:
        made.add_argument("--rounds", type=int, default=rounds)
    return made


def on_one_processor() -> None:
    """Let this process, with the threads that it makes from now on, use one processor only."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def race(works: Mapping[str, Callable[[], Any]], rounds: int, unit: float = 1e-3) -> dict[str, float]:
    """The time of one call of each, in units of so many seconds: the best of rounds taken in turn, after one unmeasured."""
    for work in works.values():
        work()
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            before = time.perf_counter()
            work()
            best[name] = min(best[name], (time.perf_counter() - before) / unit)
    return best


def versions(*packages: str) -> dict[str, str]:
    """What is measured, and on what; packages that are not installed are left out."""
    found = {name: importlib.metadata.version(name) for name in packages if importlib.util.find_spec(name)}
    cpu = f"{native().cpu}, {native().vector_bits}-bit vectors"
    return {"python": platform.python_version(), **found, "symgrad": sg.__version__, "cpu": cpu}


def save(file: Path | None, **content: Any) -> None:
    """Write figures and versions to the file that the user named, if any."""
    if file is not None:
        file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
