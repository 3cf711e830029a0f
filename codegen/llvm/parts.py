"""A module in parts that are compiled side by side.  In: a module and its target.  Out: one object.

Functions are dealt out by size alone, so the bytes are the same however many threads work on them.  What a part uses of
another is hidden, and local again in the whole.  Joining is for ELF objects; other machines get one part.

llvmlite guards every call with one lock.  Code generation, by far the longest, is called past it: each part has a context
and a target machine of its own, which is what LLVM asks of threads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from ctypes import string_at
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from codegen.aot.merge import merge_objects
from codegen.llvm.builder import Module
from codegen.llvm.toolchain import compile_object, new_machine, parsed
from codegen.target import Target

__all__ = ["compile_module", "split"]

_PART = 96_000  # characters of text for which a part is worth its overhead, about 70 ms of code generation
_MOST = 64
_HUGE = 2_000_000  # characters of text from which straight-line parts are compiled quickly: in a quarter of the time
_NAME = re.compile(r"@([\w.$-]+)")
_TABLE = re.compile(r"(@[\w.$-]+) = internal (constant|global) (\[\d+ x \w+\]) .*")


def compile_module(module: Module, target: Target, workers: int | None = None) -> bytes:
    """The object file of a module; ``workers`` is the number of threads, by default one for each processor.

    Raises
    ------
    CompileError
        LLVM refuses the text.
    """
    texts = split(module)
    if len(texts) == 1:
        return compile_object(texts[0], target)
    huge = sum(map(len, texts)) > _HUGE
    jobs = [(text, target, 0 if huge and _is_straight(text) else 2) for text in texts]
    workers = min(len(texts), workers or _processors())
    if workers == 1:
        return merge_objects([_object(*job) for job in jobs])
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as threads:
        return merge_objects(list(threads.map(lambda job: _object(*job), jobs)))


def _is_straight(text: str) -> bool:
    """Whether there is no loop, so that quick code generation costs nothing or little: a value is used once or twice."""
    return " = phi " not in text


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _object(text: str, target: Target, level: int) -> bytes:
    """The object of one part, in a context of its own."""
    machine = new_machine(target, level)
    module = parsed(text, llvm.create_context())
    emit = _unlocked()
    if emit is None:
        made: bytes = machine.emit_object(module)
        return made
    with ffi.OutputString() as error:
        buffer = emit(machine, module, 1, error)
        if not buffer:
            raise RuntimeError(str(error))
    try:
        return string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _unlocked() -> Any:
    """The function that generates code, without llvmlite's lock; None where this llvmlite keeps it elsewhere."""
    return getattr(ffi.lib.LLVMPY_TargetMachineEmitToMemory, "_cfn", None)


# -- dealing out ----------------------------------------------------------------------------------------------------
class _Piece(NamedTuple):
    """A function: its text, and the names that it uses."""

    name: str
    text: str
    used: set[str]


def split(module: Module) -> list[str]:
    """The texts of a module's parts; only one for a small module."""
    pieces = [(name, function.text()) for name, function in module.functions.items()]
    count = min(sum(len(text) for _, text in pieces) // _PART + 1, len(pieces), _MOST)
    if count < 2 or "linux" not in module.target.triple:
        return [module.text()]
    whole = [_Piece(name, text, set(_NAME.findall(text))) for name, text in pieces]
    return _Parts(module, _dealt(whole, count)).texts()


def _dealt(pieces: Sequence[_Piece], count: int) -> list[list[_Piece]]:
    """Lists of pieces of about the same length: the longest first, each to the shortest list so far."""
    sizes, parts = [0] * count, [[] for _ in range(count)]  # type: tuple[list[int], list[list[int]]]
    for k in sorted(range(len(pieces)), key=lambda k: -len(pieces[k].text)):
        shortest = sizes.index(min(sizes))
        sizes[shortest] += len(pieces[k].text)
        parts[shortest].append(k)
    return [[pieces[k] for k in sorted(part)] for part in parts]


class _Parts:
    """``home``: the part that defines a name, the first of those that use a table; ``shared``: names used elsewhere."""

    def __init__(self, module: Module, parts: Sequence[Sequence[_Piece]]) -> None:
        self.module, self.parts = module, parts
        self.home = {piece.name: k for k, part in enumerate(parts) for piece in part}
        self.used = [set().union(*(piece.used for piece in part)) for part in parts]
        for k, used in enumerate(self.used):
            for name in used & module.globals.keys():
                self.home.setdefault(name, k)
        self.shared = {name for k, used in enumerate(self.used) for name in used if self.home.get(name, k) != k}

    def texts(self) -> list[str]:
        return [self._text(k) for k in range(len(self.parts))]

    def _text(self, k: int) -> str:
        module, used = self.module, self.used[k]
        tables = [self._table(k, name, text) for name, text in module.globals.items() if name in used]
        functions = [self._visible(piece) for piece in self.parts[k]]
        elsewhere = [
            _declared(function.header)
            for name, function in module.functions.items()
            if name in used and self.home[name] != k
        ]
        declared = [text for name, text in module.declarations.items() if name.removeprefix("@") in used]
        return module.assembled([*tables, *functions, *elsewhere, *declared])

    def _visible(self, piece: _Piece) -> str:
        shared = piece.name in self.shared
        return piece.text.replace("define internal ", "define hidden ", 1) if shared else piece.text

    def _table(self, k: int, name: str, text: str) -> str:
        """A global of a part: its definition, or what says that another part has it."""
        found = _TABLE.fullmatch(text)
        if found is None or name not in self.shared:
            return text  # strings, and names from outside: each part has its own
        if self.home[name] == k:
            return text.replace(" internal ", " hidden ", 1)
        return f"{found[1]} = external hidden {found[2]} {found[3]}"


def _declared(header: str) -> str:
    return header.replace("define internal ", "declare hidden ", 1).replace("define ", "declare ", 1).removesuffix(" {")
