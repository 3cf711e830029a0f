"""Scratch memory of kernels.  In: the bytes that a call needs.  Out: memory aligned to 64 bytes, kept between calls.

A kernel keeps one block, which grows and serves one call at a time; a call that finds it in use (from another thread,
or further up in the same one) gets memory of its own for as long as it runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from codegen.llvm.builder import Function, Module
from codegen.llvm.types import BOOL, I64, POINTER, Value
from codegen.python.numpy_layout import function_address
from codegen.python.objects import NULL, call, field, leave, put, run, same

__all__ = ["STATE_WORDS", "State", "emit_workspace", "exchange"]

_ALIGNMENT = 64
_BLOCK, _CAPACITY, _BUSY = 0, 8, 16  # of a kernel's state
STATE_WORDS = 3


_free = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(function_address("PyMem_RawFree"))


class State:
    """Memory that a kernel's emitted code refers to: its kept block, then words that the caller lays out.

    The block is freed with the object.
    """

    def __init__(self, words: Sequence[int]) -> None:
        self._words = (ctypes.c_uint64 * (STATE_WORDS + len(words)))(*[0] * STATE_WORDS, *words)
        self._free = _free  # the module may be gone when the last kernel goes

    @property
    def address(self) -> int:
        return ctypes.addressof(self._words)

    @property
    def capacity(self) -> int:
        """Bytes of the kept block."""
        return self._words[_CAPACITY // 8]

    def __del__(self, block: int = _BLOCK // 8) -> None:  # at exit the module's names may be gone
        self._free(self._words[block])


def exchange(f: Function, place: Value, new: Value) -> Value:
    """Whether a word was 0, which it then no longer is; one step for every thread."""
    pair = f.emit(f"cmpxchg ptr {place.text}, i64 0, {new.typed} acquire monotonic", I64)
    return f.emit(f"extractvalue {{ i64, i1 }} {pair.text}, 1", BOOL)


def emit_workspace(module: Module) -> None:
    """``ptr work_take(state, bytes)``, null where there is no memory, and ``work_give(state, ptr)``."""
    _emit_take(module)
    _emit_give(module)


def _aligned(f: Function, block: Value) -> Value:
    """The first aligned address with room for a pointer before it (blocks are aligned to 16 bytes)."""
    after = f.add(f.convert("ptrtoint", block, I64), _ALIGNMENT)
    return f.convert("inttoptr", f.binary("and", f.i64(after), -_ALIGNMENT), POINTER)


def _emit_take(module: Module) -> None:
    f = module.function("work_take", [("state", POINTER), ("bytes", I64)], POINTER, public=True)
    state, wanted = f["state"], f.i64(f.add(f["bytes"], _ALIGNMENT))
    with f.when(exchange(f, f.gep(state, _BUSY // 8, I64), Value("1", I64))):
        with f.when(f.icmp("ult", field(f, state, _CAPACITY, I64), wanted), unlikely=True):
            run(f, "PyMem_RawFree", field(f, state, _BLOCK, POINTER))
            grown = call(f, "PyMem_RawMalloc", [wanted], POINTER)
            put(f, grown, state, _BLOCK)
            with f.when(same(f, grown, NULL), unlikely=True):
                put(f, Value("0", I64), state, _CAPACITY)
                put(f, Value("0", I64), state, _BUSY)
                leave(f, NULL)
            put(f, wanted, state, _CAPACITY)
        leave(f, _aligned(f, field(f, state, _BLOCK, POINTER)))
    own = call(f, "PyMem_RawMalloc", [wanted], POINTER)
    with f.when(same(f, own, NULL), unlikely=True):
        leave(f, NULL)
    work = _aligned(f, own)
    put(f, own, work, -8)
    f.ret(work)


def _emit_give(module: Module) -> None:
    f = module.function("work_give", [("state", POINTER), ("work", POINTER)], public=True)
    kept = _aligned(f, field(f, f["state"], _BLOCK, POINTER))
    with f.when(same(f, kept, f["work"])):
        f.line(f"store atomic i64 0, ptr {f.gep(f['state'], _BUSY // 8, I64).text} release, align 8")
        leave(f)
    run(f, "PyMem_RawFree", field(f, f["work"], -8, POINTER))
    f.ret()
