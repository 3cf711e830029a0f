"""The command line: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from linking import needs_linker

import symgrad as sg
from symgrad.cli import main

ROOT = Path(__file__).parents[2]
MODEL = """import numpy as np

def loss(x, w):
    return np.sum(np.log(1 + (x @ w) ** 2))

def flag(a):
    if a > 0:
        return a
    return -a

def kinked(a):
    return abs(a) * 1.0

import symgrad
def frozen(early, late, unused):
    return symgrad.stop_gradient(np.sin(early)) * late

not_a_function = 3
"""
ARGUMENTS = ("--arg", "x:f64[n,3]", "--arg", "w:f64[3]")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "model_for_commands.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return "model_for_commands.py"


def module(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """``python -m symgrad`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "symgrad", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "SYMGRAD_CACHE": "off"},
        capture_output=True,
        text=True,
        check=False,
    )


# -- the program ----------------------------------------------------------------------------------------------------
def test_version() -> None:
    done = module("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"symgrad {sg.__version__}\n", "")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: symgrad ")
    for command in ("build", "show", "check", "why", "demo"):
        assert re.search(rf"^    {command} +[A-Z]", said, re.MULTILINE)


@pytest.mark.parametrize("command", ["build", "show", "check", "why", "demo"])
def test_help_of_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: symgrad {command} ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["show"], ["show", "m.py:f", "--format", "png"]])
def test_misuse_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: symgrad ")


# -- show -----------------------------------------------------------------------------------------------------------
def test_show_a_function_and_its_gradient(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"{model}:loss", *ARGUMENTS]) == 0
    assert capsys.readouterr().out == "sum(log(1 + (x @ w)**2))\n"
    assert main(["show", f"{model}:loss", *ARGUMENTS, "--derivative", "w"]) == 0
    assert "x.T @" in capsys.readouterr().out


def test_show_by_the_module(model: str, tmp_path: Path) -> None:
    done = module("show", f"{model}:loss", *ARGUMENTS, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "sum(log(1 + (x @ w)**2))\n", "")


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("dot", r"^digraph expression \{\n(.*\n)*  n\d+ -> n\d+;\n(.*\n)*\}\n$"),
        ("loops", r"for "),
        ("ir", r"define .*@loss\("),
        ("asm", r"(?m)^loss:"),
    ],
)
def test_show_other_forms(model: str, form: str, pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"{model}:loss", *ARGUMENTS, "--format", form]) == 0
    assert re.search(pattern, capsys.readouterr().out)


# -- check ----------------------------------------------------------------------------------------------------------
def test_check(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{model}:loss", *ARGUMENTS, "--size", "n=4", "--points", "2", "--compiled"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        found = re.fullmatch(
            rf"point {number}: (\d+) derivatives agree, largest relative deviation (\S+)"
            r"(, \d+ decided by exact values)?",
            line,
        )
        assert found is not None
        assert int(found[1]) > 10
        assert float(found[2]) < 1e-4


def test_check_of_an_unknown_size(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{model}:loss", *ARGUMENTS, "--size", "k=4"]) == 1
    assert capsys.readouterr().err == (
        "symgrad check: SymgradError: --size 'k=4' is no NAME=SIZE of a dynamic dimension\n  hint: dimensions: ['n']\n"
    )


# -- why ------------------------------------------------------------------------------------------------------------
FROZEN = ("frozen", "--arg", "early:f64", "--arg", "late:f64", "--arg", "unused:f64")


def test_why(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A stop on the way, with the line of the model that has it; an argument that is not used at all."""
    arguments = [f"{model}:{FROZEN[0]}", *FROZEN[1:]]
    assert main(["why", *arguments, "--wrt", "early"]) == 0
    assert capsys.readouterr().out == (
        "derivative of stop_gradient(sin(early)) * late by early: stopped\n"
        "stopped: stop_gradient at model_for_commands.py:16: lets no derivative pass\n"
        "    multiply       model_for_commands.py:16\n"
        "  > stop_gradient  model_for_commands.py:16  lets no derivative pass\n"
        "    sin            model_for_commands.py:16\n"
        "    symbol early\n"
    )
    assert main(["why", *arguments]) == 0
    reports = capsys.readouterr().out.split("\n\n")
    assert [report.split("\n")[0].rpartition(" ")[2] for report in reports] == ["stopped", "connected", "disconnected"]
    assert "no y is made from it, but from early, late" in reports[2]


def test_why_of_an_unknown_argument(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", f"{model}:kinked", "--arg", "a:f64", "--wrt", "v"]) == 1
    assert capsys.readouterr().err == (
        "symgrad why: SymgradError: kinked has no argument 'v'\n  hint: its arguments: a\n"
    )


# -- build ----------------------------------------------------------------------------------------------------------
@needs_linker
def test_build_makes_a_library_that_computes(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", f"{model}:loss", *ARGUMENTS, "--grad", "w", "--hessian", "w", "-o", "out"]) == 0
    printed = {Path(line).name for line in capsys.readouterr().out.splitlines()}
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert printed == made == {"loss.json", "loss.o", "libloss.a", "loss.h", "libloss.so", "loss.py"}
    header = (tmp_path / "out" / "loss.h").read_text()
    for name in ("loss", "loss_grad", "loss_hessian_w"):
        assert f"int32_t {name}(" in header
    library = ctypes.CDLL(str(tmp_path / "out" / "libloss.so"))
    x, w, value = np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 0.5]), np.zeros(1)
    library.loss_workspace.restype = ctypes.c_int64
    work = np.zeros(library.loss_workspace(ctypes.c_int64(2)) + 128, np.uint8)
    start = -work.ctypes.data % 64
    pointers = [ctypes.c_void_p(one.ctypes.data) for one in (x, w, value)]
    status = library.loss(*pointers, ctypes.c_int64(2), ctypes.c_void_p(work.ctypes.data + start))
    assert status == 0
    np.testing.assert_allclose(value[0], np.sum(np.log1p((x @ w) ** 2)), rtol=1e-13)


def test_build_of_chosen_kinds_for_another_machine(model: str, tmp_path: Path) -> None:
    options = ["--kind", "object", "--kind", "header", "--name", "arm", "--target", "aarch64", "-o", "out"]
    assert main(["build", f"{model}:loss", *ARGUMENTS, *options]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"arm.o", "arm.h", "arm.json"}
    assert int.from_bytes((tmp_path / "out" / "arm.o").read_bytes()[18:20], "little") == 183  # ELF's number of AArch64


def test_build_without_a_linker_is_status_3(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert main(["build", f"{model}:loss", *ARGUMENTS, "-o", "out"]) == 3
    assert capsys.readouterr().err == (
        "symgrad build: LinkerMissingError: libloss.so cannot be linked: none of $CC, cc, gcc, clang, ld was found\n"
        "  hint: install gcc, clang or binutils, or name a compiler in the environment variable CC; "
        "the other files are complete\n"
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"loss.json", "loss.o", "libloss.a", "loss.h"}
    assert (tmp_path / "out" / "loss.o").read_bytes().startswith(b"\x7fELF")
    assert "int32_t loss(" in (tmp_path / "out" / "loss.h").read_text()


def test_build_where_nothing_can_be_written(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__")
    assert main(["build", f"{model}:loss", *ARGUMENTS, "-o", f"{model}/out"]) == 1
    said = f"symgrad build: CompileError: cannot write {model}/out: Not a directory\n"
    assert capsys.readouterr().err == said
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == before


# -- what goes wrong ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.py:loss"], "SymgradError: there is no file none.py"),
        (["loss"], "SymgradError: 'loss' names no function\n  hint: model.py:loss"),
        (
            ["model_for_commands.py:gone"],
            "SymgradError: model_for_commands.py defines no function 'gone'",
        ),
        (
            ["model_for_commands.py:not_a_function"],
            "SymgradError: model_for_commands.py defines no function 'not_a_function'",
        ),
        (
            ["model_for_commands.py:loss", "--arg", "x:f64[n,3]", "--arg", "v:f64[3]"],
            "SymgradError: loss takes x, w; --arg gives x, v",
        ),
        (
            ["model_for_commands.py:loss", "--arg", "x:f16[3]"],
            "DTypeError: --arg 'x:f16[3]' is no NAME:TYPE\n  hint: x:f64[n,3]; element types f64, f32, i64, i32, bool",
        ),
        (
            ["model_for_commands.py:loss", "--arg", "x:f64[n,__import__('os')]"],
            "ShapeError: dim: \"__import__('os')\" is not a dimension's name\n  hint: use an identifier such as 'n'",
        ),
        (
            ["model_for_commands.py:loss", *ARGUMENTS, "--derivative", "v"],
            "SymgradError: loss has no argument 'v'\n  hint: its arguments: x, w",
        ),
        (
            ["model_for_commands.py:loss", "--arg", "x:f64[n,3]", "--arg", "w:f64[4]"],
            "ShapeError: matmul: inner sizes differ: (n, 3) and (4,)\n  at model_for_commands.py:4",
        ),
        (
            ["model_for_commands.py:flag", "--arg", "a:f64"],
            "TraceError: Python asked for the truth of an expression, whose value is unknown while tracing\n"
            "  at model_for_commands.py:7\n"
            "  hint: use np.where(...) or sg.where(...) instead of if, and, or, not, in",
        ),
    ],
)
def test_errors_are_status_1(model: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"symgrad show: {said}\n"
    assert captured.out == ""


def test_errors_by_the_module(tmp_path: Path) -> None:
    done = module("show", "none.py:loss", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "symgrad show: SymgradError: there is no file none.py\n"


# -- demo -----------------------------------------------------------------------------------------------------------
def test_demo(tmp_path: Path) -> None:
    """From the loss to a C program that agrees with it, in one command."""
    done = module("demo", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    losses = re.findall(r"loss (\d\.\d+), gradient by b", done.stdout)
    assert len(losses) == 2
    assert losses[0] == losses[1]
    assert re.search(r"dloss/dW +\S", done.stdout)
    for number in range(1, 7):
        assert re.search(rf"^(.*\r)?{number}\. .* s$", done.stdout, re.MULTILINE)
    assert {"loss.o", "loss.h", "libloss.so", "main.c", "main"} <= {path.name for path in tmp_path.iterdir()}
