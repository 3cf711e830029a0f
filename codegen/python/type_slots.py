"""The functions that CPython calls on kernels.  In: the fields of an instance.  Out: emitted traverse, clear, dealloc.

The garbage collector sees an instance's ``__dict__`` and type, but not its owner, which holds the machine code: code
may be unloaded only when nothing can call the kernel any more, that is when the instance itself is freed.  The owner
must therefore not refer to the kernel.
"""

from __future__ import annotations

from codegen.llvm.builder import Function, Module
from codegen.llvm.types import I32, I64, POINTER, Value
from codegen.python.numpy_layout import HEAD, TYPE
from codegen.python.objects import NULL, call, field, leave, put, run

__all__ = ["DICT", "OWNER", "SIZE", "VECTORCALL", "WEAK", "emit_type_slots"]

VECTORCALL, DICT, WEAK, OWNER, SIZE = HEAD, HEAD + 8, HEAD + 16, HEAD + 24, HEAD + 32


def emit_type_slots(module: Module) -> None:
    """``traverse``, ``clear`` and ``dealloc`` of the type, and ``forward``, the entry that always asks the owner."""
    _emit_traverse(module)
    _emit_clear(module)
    _emit_dealloc(module)
    f = module.function(
        "forward", [("self", POINTER), ("args", POINTER), ("nargs", I64), ("names", POINTER)], POINTER, public=True
    )
    f.ret(forward(f))


def forward(f: Function) -> Value:
    """Call the owner with the arguments of this call."""
    owner = field(f, f["self"], OWNER, POINTER)
    return call(f, "PyObject_Vectorcall", [owner, f["args"], f["nargs"], f["names"]], POINTER)


def _emit_traverse(module: Module) -> None:
    f = module.function("traverse", [("self", POINTER), ("visit", POINTER), ("arg", POINTER)], I32, public=True)
    attributes = field(f, f["self"], DICT, POINTER)
    with f.when(f.icmp("ne", attributes, NULL)):
        stop = _visit(f, attributes)
        with f.when(f.icmp("ne", stop, 0), unlikely=True):
            leave(f, stop)
    f.ret(_visit(f, field(f, f["self"], TYPE, POINTER)))


def _visit(f: Function, value: Value) -> Value:
    return f.emit(f"call i32 {f['visit'].text}({value.typed}, {f['arg'].typed})", I32)


def _emit_clear(module: Module) -> None:
    f = module.function("clear", [("self", POINTER)], I32, public=True)
    _drop(f, DICT)
    f.ret(0)


def _drop(f: Function, offset: int) -> None:
    """Give up the reference in a field."""
    old = field(f, f["self"], offset, POINTER)
    put(f, NULL, f["self"], offset)
    run(f, "Py_DecRef", old)


def _emit_dealloc(module: Module) -> None:
    f = module.function("dealloc", [("self", POINTER)], public=True)
    self = f["self"]
    run(f, "PyObject_GC_UnTrack", self)
    with f.when(f.icmp("ne", field(f, self, WEAK, POINTER), NULL)):
        run(f, "PyObject_ClearWeakRefs", self)
    _drop(f, DICT)
    put(f, NULL, self, VECTORCALL)
    _drop(f, OWNER)
    kind = field(f, self, TYPE, POINTER)
    run(f, "PyObject_GC_Del", self)
    run(f, "Py_DecRef", kind)
    f.ret()
