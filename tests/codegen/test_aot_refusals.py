"""What writing libraries ahead of time refuses, and what is left where it fails."""

import ctypes
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import said
from linking import needs_linker
from test_aot import X, Y, load, sources
from test_callable_kernels import AXPY, GATHER, MATVEC, Handmade, interface, of

from codegen.aot import LinkerMissingError, write_library
from codegen.aot.library import KINDS
from codegen.signature import KernelSpec, Message
from codegen.target import TARGETS, native
from symgrad.errors import CompileError


def test_without_a_linker_all_else_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(LinkerMissingError) as caught:
        write_library(tmp_path / "made", "demo", sources(AXPY, MATVEC), native())
    assert said(caught.value) == (
        "libdemo.so cannot be linked: none of $CC, cc, gcc, clang, ld was found\n"
        "  hint: install gcc, clang or binutils, or name a compiler in the environment variable CC; "
        "the other files are complete"
    )
    assert isinstance(caught.value, CompileError)
    assert sorted(os.listdir(tmp_path / "made")) == ["demo.h", "demo.json", "demo.o", "libdemo.a"]
    monkeypatch.undo()
    others = [kind for kind in KINDS if kind not in ("shared", "python")]
    for path in write_library(tmp_path / "others", "demo", sources(AXPY, MATVEC), native(), others).values():
        assert path.read_bytes() == (tmp_path / "made" / path.name).read_bytes()


def test_the_linker_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linker = shutil.which("ld")
    if linker is None:
        pytest.skip("no ld")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ld").symlink_to(linker)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("CC", raising=False)
    made = write_library(tmp_path / "made", "demo", sources(AXPY, GATHER), native())
    np.testing.assert_array_equal(load(made["python"]).axpy(X, Y), 2 * X + Y)


def test_the_compiler_in_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "my cc"
    own.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    own.chmod(0o755)
    monkeypatch.setenv("CC", f"'{own}' -g")
    with pytest.raises(CompileError) as caught:
        write_library(tmp_path / "made", "demo", sources(AXPY), native(), ("shared",))
    assert re.fullmatch(r"linking libdemo\.so failed: '.*/my cc' -g -shared .*\nno such luck", said(caught.value))
    assert not isinstance(caught.value, LinkerMissingError)
    monkeypatch.setenv("CC", "not-there -g")
    with pytest.raises(LinkerMissingError) as missing:
        write_library(tmp_path / "made", "demo", sources(AXPY), native(), ("shared",))
    assert said(missing.value) == (
        "libdemo.so cannot be linked: the environment variable CC names 'not-there', which was not found\n"
        "  hint: install it, or unset CC; the other files are complete"
    )


@pytest.mark.parametrize("tools", [("cc",), ("ld",)])
def test_an_undefined_name_is_found_by_the_linker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: tuple[str]
) -> None:
    def emit(f: Any, spec: KernelSpec) -> None:
        f.call("nowhere_to_be_found", [], declare=True)

    kernel = Handmade(interface("lost", {}, {"r": of()}), emit)
    monkeypatch.setattr("codegen.aot.linker._tools", lambda target: list(tools))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(CompileError, match="nowhere_to_be_found" if shutil.which(tools[0]) else "cannot be linked"):
        write_library(tmp_path, "lost", sources(kernel), native(), ("shared",))
    assert sorted(os.listdir(tmp_path)) == ["lost.json"]


def test_another_architecture(tmp_path: Path) -> None:
    target = TARGETS["aarch64" if native().triple.startswith("x86_64") else "x86-64"]
    texts: list[tuple[KernelSpec, bytes | str]] = [(one.spec, one.module(target).text()) for one in (AXPY, MATVEC)]
    made = write_library(tmp_path, "demo", texts, target, ("object", "static", "header"))
    assert len(made) == 4
    architecture = target.triple.split("-")[0]
    if shutil.which(f"{architecture}-linux-gnu-gcc") is None and shutil.which(f"{architecture}-linux-gnu-ld") is None:
        with pytest.raises(LinkerMissingError, match=rf"install a cross compiler \({architecture}-linux-gnu-gcc\)"):
            write_library(tmp_path, "demo", texts, target)
    with pytest.raises(CompileError, match=f"^the object of 'axpy' is not for {target.triple}\n"):
        write_library(tmp_path, "demo", sources(MATVEC, AXPY)[1:], target)


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a.b", "class", "int", "lambda", "θ", "_hidden", "true"])
def test_names_that_will_not_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(CompileError) as caught:
        write_library(tmp_path, name, sources(AXPY), native())
    assert said(caught.value) == f"{name!r} cannot be the name of a library or kernel\n  hint: use a plain C identifier"
    assert os.listdir(tmp_path) == []


def test_kernels_may_not_be_called_as_the_c_library_calls_its_own(tmp_path: Path) -> None:
    kernel = Handmade(interface("hypot", {}, {"r": of()}), lambda f, spec: None)
    with pytest.raises(CompileError, match=r"^'hypot' cannot be the name of a kernel: the C library has a function"):
        write_library(tmp_path, "demo", sources(kernel), native())


def test_names_given_twice(tmp_path: Path) -> None:
    clash = Handmade(interface("axpy_error", {}, {"r": of()}), lambda f, spec: None)
    for kernels, name in (((AXPY, AXPY), "axpy"), ((AXPY, clash), "axpy_error")):
        with pytest.raises(CompileError, match=f"^two kernels define the name '{name}'\n"):
            write_library(tmp_path, "demo", sources(*kernels), native())


def test_kinds_and_kernels_have_to_exist(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"^no kind of file is called 'dll'\n"):
        write_library(tmp_path, "demo", sources(AXPY), native(), ("dll",))
    with pytest.raises(CompileError, match=r"^the library 'demo' would have no kernel\n"):
        write_library(tmp_path, "demo", [], native())


def test_objects_have_to_define_the_kernel(tmp_path: Path) -> None:
    (_, obj) = sources(MATVEC, AXPY)[1]
    with pytest.raises(CompileError, match=r"^the object of 'matvec' does not define matvec\n"):
        write_library(tmp_path, "demo", [(MATVEC.spec, obj)], native())
    with pytest.raises(CompileError, match=r"^files can be written ahead of time for ELF machines only"):
        write_library(tmp_path, "demo", [(MATVEC.spec, b"\xcf\xfa\xed\xfe" + bytes(100))], native())


def test_directories_that_will_not_do(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "made"
    with pytest.raises(CompileError) as caught:
        write_library(missing, "demo", sources(AXPY), native())
    assert said(caught.value) == f"cannot write to {missing}: {missing.parent} does not exist"
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(CompileError) as caught:
        write_library(file, "demo", sources(AXPY), native())
    assert said(caught.value) == f"cannot write to {file}: it is not a directory"
    assert file.read_text() == "kept"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["open", "replace"])
def test_nothing_is_left_of_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "demo.json").write_text("old")
    monkeypatch.setattr(f"codegen.aot.library.os.{step}", refuse)
    with pytest.raises(CompileError) as caught:
        write_library(tmp_path, "demo", sources(AXPY), native())
    monkeypatch.undo()
    assert said(caught.value) == f"cannot write {tmp_path / 'demo.json'}: Permission denied"
    assert os.listdir(tmp_path) == ["demo.json"]
    assert (tmp_path / "demo.json").read_text() == "old"


@needs_linker
def test_no_output_and_many_messages(tmp_path: Path) -> None:
    messages = tuple(Message("index", f"message {k}") for k in range(300))
    kernel = Handmade(interface("quiet", {"x": of()}, {}, messages=messages), lambda f, spec: None)
    made = write_library(tmp_path, "quiet", sources(kernel), native())
    assert load(made["python"]).quiet(1.0) == ()
    shared = ctypes.CDLL(str(made["shared"]))
    shared.quiet_error.restype = ctypes.c_char_p
    assert [shared.quiet_error(k) for k in (1, 150, 300, 301)] == [
        b"message 0",
        b"message 149",
        b"message 299",
        b"unknown status",
    ]
