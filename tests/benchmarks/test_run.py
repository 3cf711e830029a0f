"""The program that runs all benchmarks: one small benchmark from start to end, and what it makes of figures and failures."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import symgrad as sg

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def runner() -> ModuleType:
    """benchmarks/run.py as a module."""
    spec = importlib.util.spec_from_file_location("benchmarks_run", FOLDER / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


RUN = runner()


def test_one_benchmark_from_start_to_end(tmp_path: Path) -> None:
    """Each row function is compared with NumPy by the benchmark itself; here: that all are there, and that ratios fit."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(FOLDER / "run.py"), "--quick", "--only", "rows", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(file.read_text())
    assert content["versions"]["symgrad"] == sg.__version__
    assert list(content["figures"]) == ["bench_rows"]
    times = content["figures"]["bench_rows"]["milliseconds"]
    named = {label.partition(",")[0] for label in times}
    assert named == {"softmax", "logsumexp", "layer norm", "variance", "attention"}
    assert sum(label.endswith("with gradient") for label in times) == len(times) / 2
    lines = [line for line in done.stdout.splitlines() if "symgrad " in line and ": " in line]
    assert len(lines) == len(times)
    for line in lines:
        label, _, _ = line.partition(": ")
        taken = next(value for name, value in times.items() if label.endswith(name))
        assert f"{taken['numpy'] / taken['symgrad']:.2f}" in label


def test_figures_of_every_shape() -> None:
    nested = {"milliseconds": {"a": {"symgrad": 2.0, "numpy": 5.0, "numpy seconds": 9.0}, "b": {"budget": 1.0}}}
    (row,) = RUN.rows("bench_any", nested)
    assert row.label == "a"
    assert row.ratios() == {"numpy": 2.5}
    speeds = {"results": [{"case": "c", "element": "f64", "dynamic": 30.0, "static": 40.0, "blas": 20.0}]}
    (row,) = RUN.rows("bench_gemm", speeds)
    assert row.label == "f64, c"
    assert row.ratios() == {"symgrad, static": 0.75, "BLAS": 1.5}
    without_c = {"results": [{"name": "exp", "dtype": "float32", "compiled_ns": 2.0, "peer_ns": 3.0, "c_ns": None}]}
    (row,) = RUN.rows("bench_mathlib", without_c)
    assert row.ratios() == {"peer": 1.5}
    assert RUN.rows("bench_budget", {"per_node": {"build": 4.0}, "python": "3"}) == []


def test_a_program_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "bench_broken.py"
    program.write_text("print('begun')\nraise SystemExit('not today')\n")
    outcome = RUN.run(program, quick=True)
    assert outcome.code == 1
    assert outcome.document is None
    RUN.show(outcome)
    assert capsys.readouterr().out == "\nbench_broken FAILED (1)\nbegun\nnot today\n"


def test_a_name_that_no_program_has() -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "run.py"), "--only", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("error: --only: no program has 'nothing' in its name\n")


def test_every_quick_program_exists() -> None:
    assert {*RUN.QUICK, *RUN.RECORDS} <= {one.stem for one in FOLDER.glob("bench_*.py")}
