"""Kernels with the functions that they call.  In: a kernel's code, its callback nodes.  Out: code of the plain interface.

A kernel takes the functions of the host as arguments, so that its object is the same wherever it runs.  In this process
a small function passes them on.  Routines of LAPACK are called by their pointers, others through Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from codegen.lapack import emit_routine, is_routine, routine_address, routine_symbol
from codegen.llvm.builder import Module
from codegen.llvm.toolchain import Loaded, compile_object, load_object
from codegen.llvm.types import I32, POINTER, Value
from codegen.python.trampoline import trampoline
from codegen.signature import KernelSpec
from codegen.target import native
from symgrad.node import Node

__all__ = ["Bound", "bind_callbacks"]


class Bound:
    """A kernel's function with its callbacks bound; it keeps them alive."""

    __slots__ = ("_kept", "_loaded")

    def __init__(self, loaded: Loaded, kept: Sequence[Any]) -> None:
        self._loaded, self._kept = loaded, tuple(kept)

    def __getitem__(self, symbol: str) -> int:
        return self._loaded[symbol]


def bind_callbacks(spec: KernelSpec, calls: Sequence[Node], body: int) -> Bound:
    """The kernel's function, under its own name, that takes arrays, dimensions and the workspace only."""
    made = {f"call{k}": trampoline(node) for k, node in enumerate(calls) if not is_routine(node)}
    symbols = {routine_symbol(node) for node in calls if is_routine(node)}
    imports = {name: _address(one) for name, one in made.items()}
    imports |= {f"lapack_{symbol}": routine_address(symbol) for symbol in symbols}
    obj = compile_object(_text(spec, calls), native(), 1)
    return Bound(load_object(obj, [spec.name], {**imports, "body": body}), list(made.values()))


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _text(spec: KernelSpec, calls: Sequence[Node]) -> str:
    module = Module(native())
    bound = 2 * len(spec.callbacks)
    own = spec.parameters()[:-bound]
    f = module.function(spec.name, own, I32, public=True)
    arguments = [f[name] for name, _ in own]
    for k, node in enumerate(calls):
        if is_routine(node):
            emit_routine(module, f"call{k}", node)
        else:
            module.declare(f"call{k}", f"declare i32 @call{k}(ptr, ptr, ptr, ptr)")
        arguments += [Value(f"@call{k}", POINTER), Value("null", POINTER)]
    status = f.call("body", arguments, I32, declare=True)
    assert status is not None
    f.ret(status)
    return module.text()
