"""Functions of the host as C functions.  In: a callback node.  Out: what a kernel in this process calls.

The function gets copies, so that it may keep them; its results are checked before any is written.  What it raises is
kept for the thread until the kernel has stopped, and is then raised by the kernel's call.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from symgrad.errors import SymgradError
from symgrad.node import Node
from symgrad.ops.callback import result_types, run
from symgrad.types import TensorType

__all__ = ["raised", "trampoline"]

_Pointers = ctypes.POINTER(ctypes.c_void_p)
_prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, _Pointers, _Pointers, ctypes.POINTER(ctypes.c_int64))
_DONE, _FAILED = 0, 1
_WRITABLE = 0x200  # PyBUF_WRITE
_memory = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)(
    ("PyMemoryView_FromMemory", ctypes.pythonapi)
)


class _Raised(threading.local):
    """Exceptions of this thread on their way past a kernel; several where kernels call each other."""

    def __init__(self) -> None:
        self.waiting: list[BaseException] = []


_raised = _Raised()


def raised(otherwise: str) -> BaseException:
    """The exception that stopped the kernel which has just returned."""
    return _raised.waiting.pop() if _raised.waiting else SymgradError(otherwise)


def trampoline(node: Node) -> Any:
    """A C function that calls the host function of a node; it must be kept as long as it may be called."""
    types = [*(one.type for one in node.inputs), *result_types(node.attrs)]
    return _prototype(_called(node.attrs, types, len(node.inputs)))


def _called(attrs: Any, types: Sequence[TensorType], count: int) -> Callable[..., int]:
    """It holds attributes, not the node, so that kernels keep no graph alive."""

    def call(_: Any, inputs: Any, outputs: Any, sizes: Any) -> int:
        try:
            shapes = _shapes(types, sizes)
            places = [*inputs[:count], *outputs[: len(types) - count]]
            arrays = [_view(*three) for three in zip(places, types, shapes, strict=True)]
            given = [array.copy() for array in arrays[:count]]
            for array in given:
                array.flags.writeable = False
            run(attrs, given, arrays[count:])
        except BaseException as error:  # also KeyboardInterrupt: nothing may pass through machine code
            _raised.waiting.append(error)
            return _FAILED
        return _DONE

    return call


def _shapes(types: Sequence[TensorType], sizes: Any) -> list[tuple[int, ...]]:
    """The shape of each array, from the sizes of all axes."""
    shapes, start = [], 0
    for kind in types:
        shapes.append(tuple(sizes[start : start + kind.ndim]))
        start += kind.ndim
    return shapes


def _view(place: int | None, kind: TensorType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The array that lies in memory."""
    size = prod(shape) * kind.dtype.itemsize
    return np.ndarray(shape, kind.dtype, buffer=_memory(place, size, _WRITABLE) if place and size else None)
