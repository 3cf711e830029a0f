"""From text to machine code.  In: a module's text and a target.  Out: an object file, assembly, or loaded addresses.

One road for everything: parse, verify, emit an object; the same bytes are loaded here or written to a file.  No IR
passes run: the generators write clean code, and passes would double the time and gain a few per cent.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from codegen.target import Target, native
from symgrad.errors import CompileError

__all__ = ["Loaded", "compile_object", "compile_text", "load_object", "new_machine", "parsed"]

_names = itertools.count()


@cache
def _initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def new_machine(target: Target, level: int) -> Any:
    """LLVM's code generator for a target; one may be used by one thread at a time."""
    _initialize()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="pic", codemodel="default"
    )


_machine = cache(new_machine)


def parsed(text: str, context: Any = None) -> Any:
    """The module of a text, verified; in LLVM's global context if no other is given.

    Raises
    ------
    CompileError
        LLVM refuses the text.
    """
    _initialize()
    try:
        module = llvm.parse_assembly(text, context)
        module.verify()
    except RuntimeError as error:
        raise CompileError(
            f"the generated code is not valid LLVM: {error}", hint="this is a defect of symgrad: please report it"
        ) from None
    return module


def compile_object(text: str, target: Target, level: int = 2) -> bytes:
    """The object file of a module.

    Raises
    ------
    CompileError
        LLVM refuses the text.
    """
    made: bytes = _machine(target, level).emit_object(parsed(text))
    return made


def compile_text(text: str, target: Target, level: int = 2) -> str:
    """The assembly of a module."""
    made: str = _machine(target, level).emit_assembly(parsed(text))
    return made


@cache
def _linker() -> Any:
    _initialize()
    return llvm.create_lljit_compiler(_machine(native(), 2))


class Loaded:
    """Machine code in memory: addresses by symbol.  The code lives as long as this object does."""

    __slots__ = ("_library", "addresses")

    def __init__(self, library: Any, symbols: Sequence[str]) -> None:
        self._library = library
        self.addresses = {symbol: library[symbol] for symbol in symbols}

    def __getitem__(self, symbol: str) -> int:
        address: int = self.addresses[symbol]
        return address


def load_object(obj: bytes, symbols: Sequence[str], imports: Mapping[str, int] | None = None) -> Loaded:
    """Load an object for this machine; ``imports`` gives addresses of symbols that are not in the process.

    Raises
    ------
    CompileError
        A symbol is undefined.
    """
    builder = llvm.JITLibraryBuilder().add_object_img(obj).add_current_process()
    for name, address in (imports or {}).items():
        builder.import_symbol(name, address)
    for name in symbols:
        builder.export_symbol(name)
    try:
        return Loaded(builder.link(_linker(), f"symgrad{next(_names)}"), symbols)
    except RuntimeError as error:
        raise CompileError(f"the compiled object cannot be loaded: {error}") from None
