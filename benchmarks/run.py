"""Every benchmark, each in a process of its own, as one table of ratios and one file.

    python benchmarks/run.py [--json FILE] [--only NAME] [--quick]

The table has a line for each problem: the time of each peer divided by that of symgrad (above 1: symgrad is faster), then
the times.  Programs without peers, which measure costs against budgets, are shown as they print themselves.  Peers take
part where they are installed.  ``--quick`` runs small problems a few times: it shows that everything works, no more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
QUICK: dict[str, Sequence[str]] = {
    "bench_compile": ("--rounds", "1"),
    "bench_conv": ("--rounds", "1", "--types", "f"),
    "bench_first_figures": ("--rounds", "1"),
    "bench_functions": ("--rounds", "3", "--points", "1000", "--only", "rational"),
    "bench_gemm": ("--rounds", "2", "--types", "d", "--groups", "v", "--sample", "1e-4", "--seconds", "0"),
    "bench_gradient": ("--rounds", "1", "--only", "softmax"),
    "bench_mathlib": ("--rounds", "2", "--sample", "1e-4", "--only", "exp,tanh"),
    "bench_nodes": ("--nodes", "500"),
    "bench_programs": ("--rounds", "1", "--only", "compound"),
    "bench_rows": ("--quick",),
    "bench_threads": ("--rounds", "2"),
    "bench_tracing": ("--rounds", "3"),
    "bench_training": ("--rounds", "3"),
}
# Words for keys of results that are lists of records, and whether larger numbers are better.
RECORDS = {
    "bench_gemm": ({"dynamic": "symgrad", "static": "symgrad, static", "blas": "BLAS"}, True),
    "bench_mathlib": ({"compiled_ns": "symgrad", "peer_ns": "peer", "c_ns": "C"}, False),
}
LABELS = ("name", "element", "case", "dtype", "library")


class Row(NamedTuple):
    """One problem: its name and what each contender took, in some unit of time (or of speed, where more is better)."""

    label: str
    figures: dict[str, float]
    more_is_better: bool = False

    def ratios(self) -> dict[str, float]:
        """How many times as long each peer takes."""
        own = self.figures["symgrad"]
        peers = {peer: value for peer, value in self.figures.items() if peer != "symgrad" and "seconds" not in peer}
        return {peer: own / value if self.more_is_better else value / own for peer, value in peers.items() if value}


class Outcome(NamedTuple):
    """What became of one program."""

    name: str
    code: int
    printed: str
    document: Any


def run(program: Path, quick: bool) -> Outcome:
    """Run a program in a process of its own."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory(prefix="benchmarks_") as directory:
        file = Path(directory) / "figures.json"
        extra = QUICK.get(program.stem, ()) if quick else ()
        done = subprocess.run(
            [sys.executable, str(program), "--json", str(file), *extra],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        document = json.loads(file.read_text()) if done.returncode == 0 and file.exists() else None
    printed = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    return Outcome(program.stem, done.returncode, printed, document)


def rows(name: str, document: Any) -> list[Row]:
    """The problems in a program's figures that have peers."""
    if name in RECORDS:
        words, more = RECORDS[name]
        return [_record(one, words, more) for one in document["results"]]
    return list(_compared(document, ()))


def _record(one: Mapping[str, Any], words: Mapping[str, str], more: bool) -> Row:
    label = ", ".join(str(one[key]) for key in LABELS if one.get(key))
    return Row(label, {word: one[key] for key, word in words.items() if one.get(key) is not None}, more)


def _compared(value: Any, path: tuple[str, ...]) -> Iterator[Row]:
    """Every dictionary of figures by contender, symgrad among them."""
    if not isinstance(value, dict):
        return
    if isinstance(value.get("symgrad"), (int, float)):
        figures = {peer: float(one) for peer, one in value.items() if isinstance(one, (int, float))}
        yield Row(", ".join(path[1:]), figures)  # the first is the unit
        return
    for key, inside in value.items():
        yield from _compared(inside, (*path, key))


def versions(document: Any) -> dict[str, str]:
    """What was measured, as the program says it."""
    if not isinstance(document, dict):
        return {}
    found = {key: value for key, value in document.items() if isinstance(value, str) and key != "unit"}
    return found | document.get("versions", {})


def table(found: Sequence[Row]) -> list[str]:
    """Lines: ratios first, then labels and figures."""
    peers = list(dict.fromkeys(peer for row in found for peer in row.ratios()))
    lines = ["".join(f"{peer:>18}" for peer in peers) + "   problem: figures"]
    for row in found:
        ratios = row.ratios()
        cells = "".join(f"{ratios[peer]:18.2f}" if peer in ratios else f"{'-':>18}" for peer in peers)
        figures = ", ".join(f"{peer} {value:.4g}" for peer, value in row.figures.items())
        lines.append(f"{cells}   {row.label}: {figures}")
    return lines


def show(outcome: Outcome) -> None:
    """Print what a program found."""
    print(f"\n{outcome.name}" + (f" FAILED ({outcome.code})" if outcome.code else ""))
    found = rows(outcome.name, outcome.document) if outcome.document is not None else []
    print("\n".join(table(found)) if found else outcome.printed.rstrip(), flush=True)


def main() -> int:
    """Run the benchmarks; the exit status is 1 where one has failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--only", default="", help="run programs with this in their names")
    parser.add_argument("--quick", action="store_true", help="small problems, few rounds")
    chosen = parser.parse_args()
    programs = [one for one in sorted(HERE.glob("bench_*.py")) if chosen.only in one.stem]
    if not programs:
        parser.error(f"--only: no program has {chosen.only!r} in its name")
    outcomes = []
    used: dict[str, str] = {}
    print("time of the peer / time of symgrad")
    for program in programs:
        outcome = run(program, chosen.quick)
        outcomes.append(outcome)
        used |= versions(outcome.document)
        show(outcome)
    print("\n" + ", ".join(f"{name} {version}" for name, version in sorted(used.items()) if version))
    if chosen.json:
        content = {"versions": used, "figures": {one.name: one.document for one in outcomes}}
        chosen.json.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
