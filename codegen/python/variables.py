"""Arrays that kernels change in place.  In: the arrays of some variables.  Out: the exclusive use of them.

A variable is an array that its owner gives to every kernel concerned; the kernels keep its address, so the owner
changes it by assigning to its elements and never replaces it.  Each has a guard, a word with the identity of the thread
that uses it.  A call takes the guards of all its variables at once or waits; a kernel that runs without the interpreter
lock is thereby safe from other kernels, and from readers that use :func:`holding`.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from codegen.llvm.builder import Function, Module
from codegen.llvm.types import I32, I64, POINTER, Value
from codegen.python import rules
from codegen.python.objects import call, leave
from codegen.python.workspace import exchange
from symgrad.errors import KernelInputError

__all__ = ["Guards", "emit_guards", "holding"]

Array = np.ndarray[Any, Any]


class _Guard:
    """One word: 0, or the thread that uses the variable."""

    __slots__ = ("__weakref__", "word")

    def __init__(self) -> None:
        self.word = ctypes.c_uint64(0)


_guards: WeakValueDictionary[int, _Guard] = WeakValueDictionary()
_registering = threading.Lock()


def _guard_at(place: int) -> _Guard:
    """The guard of the array that begins there: one for all kernels, as long as one of them (or a reader) has it."""
    with _registering:
        found = _guards.get(place)
        if found is None:
            found = _guards[place] = _Guard()
        return found


@cache
def _take_and_give() -> tuple[Callable[[int, int], int], Callable[[int, int], None]]:
    from codegen.python.support import support  # which emits what is below

    code = support()
    take = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64)(code["guards_take"])
    return take, ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code["guards_give"])


class Guards:
    """The guards of some variables, for emitted code and for Python.

    Attributes
    ----------
    address : int
        An array of ``count`` pointers to the words.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = tuple(arrays)  # a guard is that of an address: the memory has to stay
        self._guards = [_guard_at(rules.address(array)) for array in arrays]
        self.count = len(self._guards)
        self._words = (ctypes.c_void_p * max(1, self.count))(*(ctypes.addressof(one.word) for one in self._guards))
        self.address = ctypes.addressof(self._words)
        self._take, self._give = _take_and_give()

    def are_taken(self) -> bool:
        """Whether a call uses one of the variables."""
        return any(one.word.value for one in self._guards)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Exclusive use of the variables inside the block.

        Raises
        ------
        KernelInputError
            This thread already uses one: waiting would never end.
        """
        pause = 2e-5
        while not self._take(self.address, self.count):
            if any(one.word.value == threading.get_ident() for one in self._guards):
                raise KernelInputError(
                    "a variable of this kernel is in use by a call that has not returned",
                    hint="a host function called from a kernel may not use the kernel's variables",
                )
            time.sleep(pause)
            pause = min(2 * pause, 1e-3)
        try:
            yield
        finally:
            self._give(self.address, self.count)


@contextmanager
def holding(*arrays: Array) -> Iterator[None]:
    """Keep kernels from changing the arrays of variables inside the block, to read or assign them as a whole."""
    with Guards(arrays).held():
        yield


def emit_guards(module: Module) -> None:
    """``i32 guards_take(words, count)``, all or none, and ``guards_give(words, count)``."""
    f = module.function("guards_take", [("words", POINTER), ("count", I64)], I32, public=True)
    ident = call(f, "PyThread_get_thread_ident", [], I64)
    with f.loop(0, f["count"]) as each:
        word = f.load(f.gep(f["words"], each.index, POINTER), POINTER)
        taken, refused = f.label("taken"), f.label("refused")
        f.branch(exchange(f, word, ident), taken, refused)
        f.enter(refused)
        f.call("guards_give", [f["words"], each.index])
        leave(f, 0)
        f.jump(taken)
        f.enter(taken)
    f.ret(1)
    _emit_give(module)


def _emit_give(module: Module) -> None:
    f = module.function("guards_give", [("words", POINTER), ("count", I64)], public=True)
    with f.loop(0, f["count"]) as each:
        _release(f, f.load(f.gep(f["words"], each.index, POINTER), POINTER))
    f.ret()


def _release(f: Function, word: Value) -> None:
    f.line(f"store atomic i64 0, ptr {word.text} release, align 8")
