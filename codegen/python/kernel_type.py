"""The type of compiled kernels.  In: an owner and the address of an entry.  Out: a callable with attributes.

A kernel is an instance of one heap type, made through ctypes, that carries its own vectorcall pointer: calling it
jumps into the kernel's emitted entry.  Members for Python are added with :func:`add_member`.  A Python subclass would
lose the pointer, so the type is final.  Where emitted code cannot read objects, :class:`PlainKernel` serves instead.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from codegen.python.numpy_layout import function_address, problem
from codegen.python.support import support
from codegen.python.type_slots import DICT, OWNER, SIZE, VECTORCALL, WEAK

__all__ = ["Kernel", "PlainKernel", "add_member", "new_kernel"]

_CALL, _CLEAR, _DEALLOC, _DOC, _TRAVERSE, _MEMBERS, _GETSET = 50, 51, 52, 56, 71, 72, 73  # typeslots.h
_NO_INSTANTIATION, _HAVE_VECTORCALL, _HAVE_GC = 1 << 7, 1 << 11, 1 << 14
_SSIZE, _READONLY = 19, 1
_DOCUMENTATION = "A compiled kernel: called with NumPy arrays, it runs machine code."


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _GetSet(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("get", ctypes.c_void_p),
        ("set", ctypes.c_void_p),
        ("doc", ctypes.c_char_p),
        ("closure", ctypes.c_void_p),
    ]


_kept: list[object] = []  # what the type refers to, for as long as the process lives


def _heap_type() -> Any:
    """The type, from emitted functions."""
    offsets = {b"__vectorcalloffset__": VECTORCALL, b"__dictoffset__": DICT, b"__weaklistoffset__": WEAK}
    members = (_Member * 4)(*(_Member(name, _SSIZE, offset, _READONLY, None) for name, offset in offsets.items()))
    accessors = (function_address("PyObject_GenericGetDict"), function_address("PyObject_GenericSetDict"))
    getset = (_GetSet * 2)(_GetSet(b"__dict__", *accessors, None, None))
    doc = ctypes.create_string_buffer(_DOCUMENTATION.encode())
    code = support()
    table = {
        _CALL: function_address("PyVectorcall_Call"),
        _TRAVERSE: code["traverse"],
        _CLEAR: code["clear"],
        _DEALLOC: code["dealloc"],
        _MEMBERS: ctypes.addressof(members),
        _GETSET: ctypes.addressof(getset),
        _DOC: ctypes.addressof(doc),
    }
    slots = (_Slot * (len(table) + 1))(*(_Slot(number, address) for number, address in table.items()))
    flags = _NO_INSTANTIATION | _HAVE_VECTORCALL | _HAVE_GC
    spec = _Spec(b"codegen.python.kernel_type.Kernel", SIZE, 0, flags, slots)
    _kept.extend((members, getset, doc, slots, spec, code))
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(function_address("PyType_FromSpec"))
    return make(ctypes.addressof(spec))


class PlainKernel:
    """A kernel without an emitted entry: the owner serves every call."""

    _owner: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._owner(*args, **kwargs)


if TYPE_CHECKING:

    class Kernel(PlainKernel):
        """What the type checker is told of the type below."""

else:
    Kernel = PlainKernel if problem() else _heap_type()


def add_member(name: str, member: Any) -> None:
    """Give all kernels a property or a method, ``add_member("stats", property(...))``.

    Raises
    ------
    AttributeError
        Kernels have a member of that name.
    """
    for kind in {Kernel, PlainKernel}:
        if name in vars(kind) and name not in _REPLACEABLE:
            raise AttributeError(f"kernels already have a member {name!r}")
        setattr(kind, name, member)


_REPLACEABLE = ("__doc__", "__module__", "__repr__")


_allocate = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_ssize_t)(
    function_address("PyType_GenericAlloc")
)
_take = ctypes.PYFUNCTYPE(None, ctypes.py_object)(function_address("Py_IncRef"))


def new_kernel(kind: type[PlainKernel], owner: Callable[..., Any], entry: int | None) -> Kernel:
    """A kernel of that type, called through the address of an entry; without one it asks its owner."""
    if kind is PlainKernel:
        plain = PlainKernel()
        plain._owner = owner
        return plain  # type: ignore[return-value]  # the same to its users
    made: Kernel = _allocate(kind, 0)
    _take(owner)  # the field's reference
    ctypes.c_void_p.from_address(id(made) + OWNER).value = id(owner)
    ctypes.c_void_p.from_address(id(made) + VECTORCALL).value = entry or support()["forward"]
    return made
