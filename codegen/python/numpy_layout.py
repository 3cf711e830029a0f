"""Where objects keep their fields.  In: the running interpreter and NumPy.  Out: byte offsets, verified, and addresses.

Emitted code reads arrays, floats and tuples directly.  Their layouts are those of CPython with 64-bit pointers and of
NumPy 2, but nothing is taken on trust: :func:`problem` compares every field with what Python says of probe objects,
once.  Where something differs, kernels are called by the slow road only.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from symgrad.types import DTYPES

__all__ = [
    "ALIGNED",
    "ARRAY_DATA",
    "ARRAY_DESCR",
    "ARRAY_DIMENSIONS",
    "ARRAY_FLAGS",
    "ARRAY_NDIM",
    "C_CONTIGUOUS",
    "HEAD",
    "TUPLE_ITEMS",
    "TUPLE_SIZE",
    "TYPE",
    "VALUE",
    "WRITEABLE",
    "addresses",
    "function_address",
    "problem",
]

HEAD = 16  # reference count and type
TYPE = 8
ARRAY_DATA, ARRAY_NDIM, ARRAY_DIMENSIONS, ARRAY_DESCR, ARRAY_FLAGS = HEAD, HEAD + 8, HEAD + 16, HEAD + 40, HEAD + 48
VALUE = HEAD  # of a float and of NumPy's scalars
TUPLE_SIZE, TUPLE_ITEMS = HEAD, HEAD + 8
C_CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400

# Entries of NumPy's table of C functions (numpy/__multiarray_api.h); appending to it is the only change ever made.
_ARRAY_TYPE, _NEW_COPY, _NEW_FROM_DESCR, _EQUIV_TYPES = 2, 85, 94, 182

_FUNCTIONS = (
    "PyErr_Clear",
    "PyErr_NoMemory",
    "PyErr_Occurred",
    "PyEval_RestoreThread",
    "PyEval_SaveThread",
    "PyLong_AsDouble",
    "PyLong_AsLongLongAndOverflow",
    "PyLong_FromLong",
    "PyMem_RawFree",
    "PyMem_RawMalloc",
    "PyObject_CallOneArg",
    "PyObject_ClearWeakRefs",
    "PyObject_GC_Del",
    "PyObject_GC_UnTrack",
    "PyObject_Vectorcall",
    "PyThread_get_thread_ident",
    "PyTuple_New",
    "PyTuple_SetItem",
    "PyType_GenericAlloc",
    "Py_DecRef",
    "Py_IncRef",
)


def function_address(name: str) -> int:
    """The address of a function of Python's C interface."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


@cache
def problem() -> str | None:
    """Why emitted code may not read objects here; None where it may."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return "this is not CPython on a little-endian machine of 64 bits"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python is built without a global interpreter lock"
    if object.__basicsize__ != HEAD or any(not _type_found(probe) for probe in (1.0, (), np.zeros(1))):
        return "objects do not begin with a reference count and a type"
    for check in (_floats, _tuples, _arrays, _table):
        failed = next(check(), None)
        if failed is not None:
            return failed
    return None


def _word(place: int) -> int:
    return ctypes.c_int64.from_address(place).value


def _type_found(probe: object) -> bool:
    return _word(id(probe) + TYPE) == id(type(probe))


def _floats() -> Iterator[str]:
    for value in (1.5, -3.25e300, np.float64(2.75)):
        if ctypes.c_double.from_address(id(value) + VALUE).value != float(value):
            yield f"the value of a {type(value).__name__} is not where it is expected"
    for dtype in DTYPES:
        scalar = np.array([1], dtype)[0]
        if ctypes.string_at(id(scalar) + VALUE, dtype.itemsize) != scalar.tobytes():
            yield f"the value of a NumPy {dtype.name} is not where it is expected"


def _tuples() -> Iterator[str]:
    probe = (object(), object(), object())
    items = [_word(id(probe) + TUPLE_ITEMS + 8 * k) for k in range(3)]
    if _word(id(probe) + TUPLE_SIZE) != 3 or items != [id(item) for item in probe]:
        yield "the items of a tuple are not where they are expected"


def _probes() -> list[Any]:
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    frozen = np.zeros(5, np.int64)
    frozen.flags.writeable = False
    shifted = np.zeros(17, np.uint8)[1:].view(np.float64)
    swapped = np.zeros(3, np.dtype(np.float64).newbyteorder())
    return [
        base,
        base[:, ::2],
        base.T,
        np.zeros(()),
        np.zeros((0, 3), bool),
        frozen,
        shifted,
        swapped,
        np.zeros(2, np.int32),
    ]


def _arrays() -> Iterator[str]:
    for probe in _probes():
        place = id(probe)
        flags = probe.flags
        expected = C_CONTIGUOUS * flags.c_contiguous | ALIGNED * flags.aligned | WRITEABLE * flags.writeable
        dimensions = _word(place + ARRAY_DIMENSIONS)
        fields = {
            "memory": (_word(place + ARRAY_DATA), probe.__array_interface__["data"][0]),
            "rank": (ctypes.c_int32.from_address(place + ARRAY_NDIM).value, probe.ndim),
            "dtype": (_word(place + ARRAY_DESCR), id(probe.dtype)),
            "flags": (_word(place + ARRAY_FLAGS) & (C_CONTIGUOUS | ALIGNED | WRITEABLE), expected),
            "shape": ([_word(dimensions + 8 * axis) for axis in range(probe.ndim)], list(probe.shape)),
        }
        for name, (found, told) in fields.items():
            if found != told:
                yield f"the {name} of an array is not where it is expected"


def _entry(number: int) -> int:
    """An entry of NumPy's table of C functions."""
    capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    kind = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    pointer = kind(function_address("PyCapsule_GetPointer"))
    return _word(pointer(capsule, None) + 8 * number)


def _table() -> Iterator[str]:
    try:
        if _entry(_ARRAY_TYPE) != id(np.ndarray):
            yield "NumPy's table of C functions does not name the array type"
            return
    except AttributeError:
        yield "NumPy's table of C functions is not where it is expected"
        return
    if not _makes_arrays():
        yield "NumPy's function for new arrays does not do what is expected"
    copy = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_int)(_entry(_NEW_COPY))
    copied = copy(np.arange(6.0).reshape(2, 3).T, 0)
    if not copied.flags.c_contiguous or copied.tolist() != [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]:
        yield "NumPy's function for copies does not do what is expected"
    equivalent = ctypes.PYFUNCTYPE(ctypes.c_ubyte, ctypes.py_object, ctypes.py_object)(_entry(_EQUIV_TYPES))
    if not equivalent(np.dtype("f8"), np.dtype("f8")) or equivalent(np.dtype("f8"), np.dtype("f4")):
        yield "NumPy's comparison of dtypes does not do what is expected"


def _makes_arrays() -> bool:
    word = ctypes.c_void_p
    make = ctypes.PYFUNCTYPE(ctypes.py_object, word, word, ctypes.c_int, word, word, word, ctypes.c_int, word)(
        _entry(_NEW_FROM_DESCR)
    )
    dtype, shape = np.dtype("float32"), (ctypes.c_int64 * 2)(2, 3)
    take = ctypes.PYFUNCTYPE(None, ctypes.py_object)(function_address("Py_IncRef"))
    take(dtype)  # this reference is the new array's
    made = make(id(np.ndarray), id(dtype), 2, ctypes.addressof(shape), None, None, 0, None)
    return type(made) is np.ndarray and made.shape == (2, 3) and made.dtype is dtype and made.flags.c_contiguous


@cache
def addresses() -> dict[str, int]:
    """What emitted code refers to by name: functions of Python and NumPy, types, dtypes and constants."""
    found = {name: function_address(name) for name in _FUNCTIONS}
    found |= {"numpy_new": _entry(_NEW_FROM_DESCR), "numpy_copy": _entry(_NEW_COPY)}
    found |= {"numpy_equivalent": _entry(_EQUIV_TYPES)}
    found |= {"ndarray": id(np.ndarray), "none": id(None), "not_implemented": id(NotImplemented)}
    found |= {"python_float": id(float), "python_int": id(int), "python_tuple": id(tuple)}
    found |= {
        "python_true": id(True),
        "python_false": id(False),
        "numpy_true": id(np.True_),
        "numpy_false": id(np.False_),
    }
    for dtype in DTYPES:  # these dtype objects and types live as long as the process
        found |= {f"dtype_{dtype.name}": id(np.dtype(dtype.name)), f"type_{dtype.name}": id(dtype.type)}
    return found
