"""Calls of LAPACK.  In: a callback node whose function is one of its routines.  Out: a function around SciPy's pointer to it.

The function has the interface of every host function, so kernels do not know the difference, but runs without Python:
it copies what the routine works on in place, and calls the routine once for each matrix.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import reduce

from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import BYTE, I32, I64, POINTER, Type, Value, constant
from codegen.signature import element_type
from symgrad.errors import CompileError
from symgrad.node import Node, topological
from symgrad.opdef import Kind
from symgrad.ops.callback import result_types
from symgrad.ops.elimination import SMALL
from symgrad.ops.lapack import Routine
from symgrad.types import TensorType

__all__ = ["emit_routine", "is_routine", "refuse_in_files", "routine_address", "routine_symbol"]

_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def is_routine(node: Node) -> bool:
    """Whether a callback calls LAPACK."""
    return isinstance(node.attrs.host.function, Routine)


def routine_symbol(node: Node) -> str:
    """The routine's name, with the letter of the element type."""
    return "sd"[node.inputs[0].type.dtype.itemsize == 8] + str(node.attrs.host.function.name)


def routine_address(symbol: str) -> int:
    """Where SciPy's LAPACK has the routine."""
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[symbol]
    address: int = _pointer(capsule, _name(capsule))
    return address


def refuse_in_files(calls: Sequence[Node], outputs: Sequence[Node]) -> None:
    """A file has no LAPACK to call.

    Raises
    ------
    CompileError
        A routine is among the calls; the message names the operation that needs it.
    """
    if not any(map(is_routine, calls)):
        return
    node = next(one for one in topological(outputs) if one.op.kind is Kind.MATRIX and _calls(one))
    decomposed = node.op.name.startswith("svd")
    raise CompileError(
        f"export: {node.op.name} of matrices {node.inputs[0].type} calls LAPACK, which files cannot",
        where=next(iter(node.lines), None),
        hint="sg.compile makes a kernel that can"
        if decomposed
        else f"matrices of a fixed number of rows up to {SMALL} need no LAPACK",
    )


def _calls(node: Node) -> bool:
    """Whether an operation on matrices is defined by a routine."""
    assert node.op.define is not None
    known = frozenset(node.inputs)
    definition = topological([node.op.define(node.inputs, node.attrs)], known.__contains__)
    return any(one.op.kind is Kind.CALLBACK and one not in known and is_routine(one) for one in definition)


_LARGEST = 2**31 - 1  # of the integers that LAPACK takes

# Arguments after the letters: sizes, the inputs' and results' matrices by position, and the status.
_ARGUMENTS = {
    "getrf": "rows rows result0 leading result1 info",
    "getrs": "rows columns input0 leading input1 result0 leading info",
    "potrf": "rows result0 leading result1",
    "trtrs": "rows columns input0 leading result0 leading info",
    "gesddN": "rows columns result0 leading result1 result1 leading result1 narrow result3 room result4 result2",
    "gesddS": "rows columns result0 leading result1 result2 leading result3 narrow result5 room result6 result4",
}


def emit_routine(module: Module, name: str, node: Node) -> None:
    """Define the function."""
    f = module.function(name, [(own, POINTER) for own in ("context", "inputs", "outputs", "sizes")], I32)
    function = node.attrs.host.function
    kinds = {f"input{k}": one.type for k, one in enumerate(node.inputs)}
    kinds |= {f"result{k}": one for k, one in enumerate(result_types(node.attrs))}
    sizes = _sizes(f, kinds)
    shared = list(kinds)[-2:] if function.name == "gesdd" else []  # room to work in, for one matrix at a time
    last, lead = f"input{len(node.inputs) - 1}", node.inputs[0].ndim - 2
    numbers = _numbers(f, sizes["input0"][-1], sizes[last][-2], sizes[shared[0]][0] if shared else 0)
    known = {own: _passed(f, f.convert("trunc", f.i64(one), I32), I32) for own, one in numbers.items()}
    letters = [_passed(f, constant(ord(one), BYTE), BYTE) for one in function.flags]
    starts = {own: f.load(f.gep(f["inputs" if own[0] == "i" else "outputs"], int(own[-1]), POINTER), POINTER)
              for own in kinds}  # fmt: skip
    _copy(f, starts[last], starts["result0"], _product(f, sizes[last]), element_type(kinds[last].dtype))
    with f.loop(0, _product(f, sizes["input0"][:lead])) as loop:
        for own, kind in kinds.items():
            step = 0 if own in shared else f.mul(loop.index, _product(f, sizes[own][lead:]))
            known[own] = f.gep(starts[own], step, element_type(kind.dtype))
        names = _ARGUMENTS[function.name + (function.flags if shared else "")].split()
        f.call(f"lapack_{routine_symbol(node)}", [*letters, *(known[one] for one in names)], declare=True)
    f.ret(0)


def _numbers(f: Function, rows: Value, columns: Value, room: Int) -> dict[str, Int]:
    """Sizes by name.  In memory, the columns of a right-hand side, or of what gesdd gets, are its rows."""
    return {
        "rows": rows,
        "columns": columns,
        "leading": f.maximum(rows, 1),
        "narrow": f.maximum(f.minimum(rows, columns), 1),
        "room": f.minimum(room, _LARGEST),
        "info": 0,
    }


def _sizes(f: Function, kinds: Mapping[str, TensorType]) -> dict[str, list[Value]]:
    """The sizes of every array, which stand one behind the other."""
    places = iter(range(sum(kind.ndim for kind in kinds.values())))
    return {own: [f.load(f.gep(f["sizes"], next(places), I64), I64) for _ in kind.shape] for own, kind in kinds.items()}


def _product(f: Function, sizes: Sequence[Int]) -> Int:
    start: Int = 1
    return reduce(f.mul, sizes, start)


def _passed(f: Function, value: Value, kind: Type) -> Value:
    """The address of a number, as Fortran takes it."""
    place = f.alloca(kind, 1, 8)
    f.store(value, place)
    return place


def _copy(f: Function, source: Value, target: Value, count: Int, element: Type) -> None:
    """What the routine overwrites is a copy of its last input."""
    f.module.declare("@llvm.memcpy.p0.p0.i64", "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    size = f.i64(f.mul(count, element.bytes))
    f.line(f"call void @llvm.memcpy.p0.p0.i64({target.typed}, {source.typed}, {size.typed}, i1 false)")
