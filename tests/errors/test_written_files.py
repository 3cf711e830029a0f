"""Writing files: what cannot be written, and that nothing is left half written."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import Refusal, assert_refused

import symgrad as sg
from codegen.aot import LinkerMissingError
from symgrad import CompileError

ROOT = Path(__file__).parents[2]
X = sg.symbol("x", ("n",))
KERNELS = {"norm2": ((X * X).sum(), [X])}
WITHOUT_LINKER = ("object", "static", "header")


def test_a_directory_below_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")

    def call() -> None:
        sg.export(file / "build", KERNELS, WITHOUT_LINKER)

    assert_refused(Refusal(call, CompileError, f"cannot write {file / 'build'}: Not a directory"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "kept"


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")

    def call() -> None:
        sg.export(file, KERNELS, WITHOUT_LINKER)

    assert_refused(Refusal(call, CompileError, f"cannot write to {file}: it is not a directory"))
    assert file.read_text() == "kept"


def test_a_directory_without_parent(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "build"

    def call() -> None:
        sg.export(missing, KERNELS, WITHOUT_LINKER)

    assert_refused(Refusal(call, CompileError, f"cannot write to {missing}: {missing.parent} does not exist"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "case",
    [
        Refusal(lambda: sg.export("unused", {}), CompileError, "export: no kernels given"),
        Refusal(
            lambda: sg.export("unused", KERNELS, kinds=("dll",)),
            CompileError,
            "export: unknown kind 'dll'",
            "one of object, static, shared, header, python",
        ),
        Refusal(
            lambda: sg.export("unused", {"a b": KERNELS["norm2"]}), CompileError, "export: 'a b' is not a C identifier"
        ),
        Refusal(
            lambda: sg.export("unused", {"int": KERNELS["norm2"]}),
            CompileError,
            "'int' cannot be the name of a library or kernel",
            "use a plain C identifier",
        ),
        Refusal(
            lambda: sg.export("unused", KERNELS, name="a-b"),
            CompileError,
            "'a-b' cannot be the name of a library or kernel",
            "use a plain C identifier",
        ),
    ],
)
def test_names_and_kinds(case: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(case)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_by_a_directory(tmp_path: Path) -> None:
    """The file cannot be put in its place; no part of it stays behind, and the others are whole."""
    (tmp_path / "norm2.h").mkdir()

    def call() -> None:
        sg.export(tmp_path, KERNELS, WITHOUT_LINKER)

    assert_refused(Refusal(call, CompileError, f"cannot write {tmp_path / 'norm2.h'}: Is a directory"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["libnorm2.a", "norm2.h", "norm2.json", "norm2.o"]
    assert (tmp_path / "norm2.o").read_bytes().startswith(b"\x7fELF")


def test_without_a_linker_all_else_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, left = tmp_path / "whole", tmp_path / "left"
    sg.export(whole, KERNELS, WITHOUT_LINKER)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)

    def call() -> None:
        sg.export(left, KERNELS)

    what = "libnorm2.so cannot be linked: none of $CC, cc, gcc, clang, ld was found"
    hint = (
        "install gcc, clang or binutils, or name a compiler in the environment variable CC; "
        "the other files are complete"
    )
    assert_refused(Refusal(call, LinkerMissingError, what, hint))
    assert sorted(path.name for path in left.iterdir()) == sorted(path.name for path in whole.iterdir())
    for path in whole.iterdir():
        assert (left / path.name).read_bytes() == path.read_bytes()


def _small_files_only() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


FULL_DISK = """
import sys, symgrad as sg
x = sg.symbol("x", ("n",))
try:
    {statement}
except Exception as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("sg.export({folder!r}, {{'norm2': ((x * x).sum(), [x])}}, ('object',))", "CompileError: cannot write {file}"),
        ("sg.save({folder!r} + '/graph.sg', [x * k for k in range(99)])", "OSError: [Errno 27] File too large"),
    ],
)
def test_a_full_disk(statement: str, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK.format(statement=statement.format(folder=str(tmp_path)))],
        cwd=ROOT,
        preexec_fn=_small_files_only,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(said.format(file=tmp_path / "norm2.json"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_saved_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "graph.sg"
    sg.save(path, X * 2)
    with pytest.raises(sg.SymgradError, match="is not an expression"):
        sg.save(path, ["text"])
    assert sg.load(path).same(X * 2)
    assert [one.name for one in tmp_path.iterdir()] == ["graph.sg"]
