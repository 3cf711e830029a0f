"""Shared libraries.  In: an object file.  Out: the bytes of a shared library, made by a linker of this machine.

The first of ``$CC``, ``cc``, ``gcc``, ``clang`` and ``ld`` that is there is used; for a target of another architecture,
the tools that are named after it.  Refuses with :class:`LinkerMissingError` where there is none.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from codegen.target import Target
from symgrad.errors import CompileError

__all__ = ["LinkerMissingError", "link_shared"]

_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}
_COMPILER = ["-shared", "-nostartfiles", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,--no-undefined"]
_LINKER = ["-shared", "--build-id=none", "-z", "noexecstack"]


class LinkerMissingError(CompileError):
    """A shared library is wanted, and no tool that could link it was found."""


def link_shared(obj: bytes, soname: str, target: Target) -> bytes:
    """The shared library of an object file.

    Raises
    ------
    LinkerMissingError
        There is no linker for the target.
    CompileError
        There is one, and it fails.
    """
    commands = _commands(target, soname, threads=b"pthread_create" in obj)
    with tempfile.TemporaryDirectory() as directory:  # fixed names inside: no path of this machine gets into the file
        place = Path(directory)
        (place / "library.o").write_bytes(obj)
        for command in commands:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode == 0 or "cannot find -l" not in done.stderr:
                break
        if done.returncode:
            raise CompileError(
                f"linking {soname} failed: {shlex.join(command)}\n{(done.stderr or done.stdout).strip()}"
            )
        return (place / "library.so").read_bytes()


def _architecture(target: Target) -> str:
    return target.triple.split("-")[0]


def _is_own(target: Target) -> bool:
    machine = platform.machine().lower()
    return _architecture(target) == _NAMES.get(machine, machine)


def _tools(target: Target) -> list[str]:
    """Names of tools that may be able to link for the target."""
    if _is_own(target):
        return ["cc", "gcc", "clang", "ld"]
    prefix = f"{_architecture(target)}-linux-gnu"
    return [f"{prefix}-gcc", f"{prefix}-ld"]


def _commands(target: Target, soname: str, *, threads: bool) -> list[list[str]]:
    """The command of the first tool that is there; a second one where the C library's own files may be missing.

    Raises
    ------
    LinkerMissingError
        No tool is there.
    """
    chosen = shlex.split(os.environ.get("CC", ""))
    if chosen:
        if shutil.which(chosen[0]) is None:
            named = f"the environment variable CC names {chosen[0]!r}, which was not found"
            raise _missing(soname, named, "install it, or unset CC")
        return [_compile(chosen, soname, threads)]
    for name in _tools(target):
        found = shutil.which(name)
        if found and name.split("-")[-1] == "ld":
            bare = [found, *_LINKER, "-soname", soname, "-o", "library.so", "library.o"]
            return [[*bare, "--no-undefined", "-lm", *(["-lpthread"] if threads else []), "-lc"], bare]
        if found:
            return [_compile([found], soname, threads)]
    tools = _tools(target)
    packages = "gcc, clang or binutils" if _is_own(target) else f"a cross compiler ({tools[0]})"
    advice = f"install {packages}, or name a compiler in the environment variable CC"
    raise _missing(soname, f"none of $CC, {', '.join(tools)} was found", advice)


def _compile(tool: list[str], soname: str, threads: bool) -> list[str]:
    libraries = ["-lm", *(["-pthread"] if threads else [])]
    return [*tool, *_COMPILER, f"-Wl,-soname,{soname}", "-o", "library.so", "library.o", *libraries]


def _missing(soname: str, reason: str, advice: str) -> LinkerMissingError:
    return LinkerMissingError(f"{soname} cannot be linked: {reason}", hint=f"{advice}; the other files are complete")
