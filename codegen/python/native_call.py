"""Calling a kernel's function through ctypes.  In: dense arrays and sizes.  Out: the function's status.

The slow road of kernels in this process, and the only one of the loaders that are written ahead of time, which carry
the text of this module.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from codegen.python.rules import address

__all__ = ["GIL_BYTES", "NativeCall", "NoWorkspaceError", "workspace_text"]

Array = np.ndarray[Any, Any]
GIL_BYTES = 256 << 10  # about 50 us of memory traffic: from there on, other Python threads may run


class NoWorkspaceError(MemoryError):
    """There is no workspace of the ``needed`` bytes."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        super().__init__(f"a workspace of {needed} bytes")


def workspace_text(name: str, needed: int) -> str:
    """What is said of a call whose workspace does not exist; the largest number stands for what 64 bits do not count."""
    size = f"{needed / 1e9:.3g} GB" if needed < (1 << 63) - 1 else "more than 64 bits can count"
    return f"{name}(): no memory for a workspace of {size}"


class NativeCall:
    """The function of a kernel.

    Parameters
    ----------
    body, workspace : int
        Addresses of the function and of the one that gives the size of its workspace.
    arrays, dims : int
        How many pointers and sizes it takes.
    """

    def __init__(self, body: int, workspace: int, arrays: int, dims: int) -> None:
        self._addresses, self._counts = (body, workspace), (arrays, dims)
        self._blocks: list[Array] = []

    @cached_property
    def _functions(self) -> tuple[Callable[..., int], ...]:
        """The kernel without and with the interpreter lock, and the size of its workspace."""
        (body, workspace), (arrays, dims) = self._addresses, self._counts
        sizes = [ctypes.c_int64] * dims
        signature = (ctypes.c_int32, *[ctypes.c_void_p] * arrays, *sizes, ctypes.c_void_p)
        size = ctypes.PYFUNCTYPE(ctypes.c_int64, *sizes)(workspace)
        return ctypes.CFUNCTYPE(*signature)(body), ctypes.PYFUNCTYPE(*signature)(body), size

    def __call__(self, arrays: Sequence[Array], sizes: Sequence[int], gil: str = "auto") -> int:
        """The status.  ``gil`` is ``"hold"``, ``"release"`` or ``"auto"``: by the number of bytes."""
        without_lock, with_lock, workspace = self._functions
        release = gil == "release" or (gil == "auto" and sum(array.nbytes for array in arrays) > GIL_BYTES)
        block = self._block(workspace(*sizes))
        start = None if block is None else -(-address(block) // 64) * 64
        try:
            return (without_lock if release else with_lock)(*map(address, arrays), *sizes, start)
        finally:
            if block is not None:
                self._blocks.append(block)

    def _block(self, needed: int) -> Array | None:
        """Scratch memory that no other call uses, with room for alignment."""
        if needed <= 0:
            return None
        try:
            kept = self._blocks.pop()  # one step: no other thread gets the same
        except IndexError:
            kept = np.empty(0, np.uint8)
        try:
            return kept if kept.size >= needed + 64 else np.empty(needed + 64, np.uint8)
        except (MemoryError, ValueError):  # the latter beyond 2**63
            raise NoWorkspaceError(needed) from None
