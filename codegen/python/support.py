"""Functions that the entries of all kernels share.  In: nothing.  Out: their machine code, emitted once a process."""

from __future__ import annotations

from functools import cache

from codegen.cache.objects import kept_object
from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import Loaded, load_object
from codegen.llvm.types import BYTE, DOUBLE, FLOAT, I32, I64, POINTER, Type, Value
from codegen.python.numpy_layout import (
    ALIGNED,
    ARRAY_DATA,
    ARRAY_DESCR,
    ARRAY_FLAGS,
    ARRAY_NDIM,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    VALUE,
    addresses,
)
from codegen.python.objects import NULL, call, external, field, holds, leave, require, run, same
from codegen.python.type_slots import emit_type_slots
from codegen.python.variables import emit_guards
from codegen.python.workspace import emit_workspace
from codegen.signature import element_type
from codegen.target import native
from symgrad.types import DTYPES, DType

__all__ = ["NAMES", "support"]

NAMES = (
    "arguments",
    "overlapping",
    "work_take",
    "work_give",
    "guards_take",
    "guards_give",
    "same_dtype",
    "number_float64",
    "number_float32",
    "number_int64",
    "number_int32",
    "number_bool",
    "traverse",
    "clear",
    "dealloc",
    "forward",
)


@cache
def support() -> Loaded:
    """The functions of :data:`NAMES`."""
    module = Module(native())
    emit_type_slots(module)
    emit_workspace(module)
    emit_guards(module)
    _emit_arguments(module)
    _emit_overlapping(module)
    _emit_same_dtype(module)
    for dtype in DTYPES:
        _emit_number(module, dtype)
    return load_object(kept_object(module.text(), native(), 1), NAMES, addresses())


def _emit_arguments(module: Module) -> None:
    """``i32 arguments(args, nargs, names, known, count, slots)``: sort a call's arguments; 0 where that fails.

    ``known`` are ``count`` interned names and ``out``; ``slots`` gets an object for each, null for an absent ``out``.
    """
    pointers = [(name, POINTER) for name in ("args", "names", "known", "slots")]
    f = module.function("arguments", [*pointers, ("nargs", I64), ("count", I64)], I32, public=True)
    args, names, known, slots, nargs, count = (f[k] for k in ("args", "names", "known", "slots", "nargs", "count"))
    places = f.add(count, 1)
    with f.when(f.icmp("sgt", nargs, count)):
        leave(f, 0)
    with f.loop(0, nargs) as each:
        f.store(_item(f, args, each.index), f.gep(slots, each.index, POINTER))
    with f.loop(0, f.sub(places, nargs)) as each:
        f.store(NULL, f.gep(slots, f.add(nargs, each.index), POINTER))
    with f.loop(0, field(f, names, TUPLE_SIZE, I64)) as each:
        name = _item(f, f.gep(names, TUPLE_ITEMS, BYTE), each.index)
        place = _find(f, name, known, places)
        slot = f.gep(slots, place, POINTER)
        require(f, same(f, f.load(slot, POINTER), NULL), "refused")
        f.store(_item(f, args, f.add(nargs, each.index)), slot)
    with f.loop(0, count) as each:
        require(f, f.icmp("ne", _item(f, slots, each.index), NULL), "refused")
    f.ret(1)
    f.enter("refused")
    f.ret(0)


def _item(f: Function, array: Value, index: int | Value) -> Value:
    return f.load(f.gep(array, index, POINTER), POINTER)


def _find(f: Function, name: Value, known: Value, places: int | Value) -> Value:
    """Where among the known names one is; refuses others."""
    start = Value("-1", I64)
    with f.loop(0, places, carried=[start]) as each:
        here = same(f, _item(f, known, each.index), name)
        each.next = [f.select(here, each.index, each.values[0])]
    (place,) = each.values
    require(f, f.icmp("sge", place, 0), "refused")
    return place


def _emit_overlapping(module: Module) -> None:
    """``i32 overlapping(regions, first, end, others, all)``: whether memory is shared.

    A region is an address and a number of bytes.  Those from ``first`` to ``end`` are compared with all that follow
    and are not before ``others``.
    """
    bounds = [(name, I64) for name in ("first", "end", "others", "all")]
    f = module.function("overlapping", [("regions", POINTER), *bounds], I32, public=True)
    with f.loop(0, f.sub(f["end"], f["first"])) as each:
        index = f.add(f["first"], each.index)
        start, end = _region(f, index)
        following = f.maximum(f.add(index, 1), f["others"])
        with f.loop(0, f.sub(f["all"], following)) as other:
            first, last = _region(f, f.add(following, other.index))
            apart = f.binary("or", f.icmp("uge", start, last), f.icmp("uge", first, end))
            require(f, apart, "found")
    f.ret(0)
    f.enter("found")
    f.ret(1)


def _region(f: Function, index: int | Value) -> tuple[Value, Value]:
    place = f.gep(f["regions"], f.mul(index, 2), I64)
    start, size = f.load(place, I64), field(f, place, 8, I64)
    return start, f.i64(f.add(start, size))


def _emit_same_dtype(module: Module) -> None:
    """``i32 same_dtype(array, dtype)``: also for another dtype object of the same meaning, as unpickled arrays have."""
    f = module.function("same_dtype", [("array", POINTER), ("dtype", POINTER)], I32, public=True)
    own = field(f, f["array"], ARRAY_DESCR, POINTER)
    with f.when(same(f, own, f["dtype"])):
        leave(f, 1)
    answer = call(f, "numpy_equivalent", [own, f["dtype"]], BYTE)
    f.ret(f.convert("zext", holds(f, answer), I32))


def _emit_number(module: Module, dtype: DType) -> None:
    """``ptr number_T(object, slot)``: where an argument of rank 0 has its value, perhaps put into the slot; or null."""
    f = module.function(f"number_{dtype.name}", [("object", POINTER), ("slot", POINTER)], POINTER, public=True)
    given, element = f["object"], element_type(dtype)
    kind = field(f, given, TYPE, POINTER)
    with f.when(same(f, kind, external(f, f"type_{dtype.name}"))):
        leave(f, f.gep(given, VALUE, BYTE))
    with f.when(same(f, kind, external(f, "ndarray"))):
        require(f, same(f, field(f, given, ARRAY_NDIM, I32), 0), "refused")
        aligned = f.binary("and", field(f, given, ARRAY_FLAGS, I32), ALIGNED)
        require(f, holds(f, aligned), "refused")
        alike = call(f, "same_dtype", [given, external(f, f"dtype_{dtype.name}")], I32, inside=True)
        require(f, holds(f, alike), "refused")
        leave(f, field(f, given, ARRAY_DATA, POINTER))
    {"f": _emit_float, "i": _emit_int, "b": _emit_bool}[dtype.kind](f, kind, element)
    f.enter("refused")
    f.ret(NULL)


def _emit_float(f: Function, kind: Value, element: Type) -> None:
    with f.when(same(f, kind, external(f, "python_float"))):
        _give_float(f, field(f, f["object"], VALUE, DOUBLE), element)
    require(f, same(f, kind, external(f, "python_int")), "refused")
    value = call(f, "PyLong_AsDouble", [f["object"]], DOUBLE)
    with f.when(f.fcmp("oeq", value, -1.0)), f.when(f.icmp("ne", call(f, "PyErr_Occurred", [], POINTER), NULL)):
        run(f, "PyErr_Clear")
        f.jump("refused")
        f.enter(f.label("after"))
    _give_float(f, value, element)
    f.jump("refused")


def _give_float(f: Function, value: Value, element: Type) -> None:
    if element is FLOAT:  # a finite number must not become infinite
        single = f.convert("fptrunc", value, FLOAT)
        infinite = f.fcmp("oeq", f.fabs(single), float("inf"))
        finite = f.fcmp("one", f.fabs(value), float("inf"))
        require(f, f.icmp("eq", f.binary("and", infinite, finite), 0), "refused")
        value = single
    f.store(value, f["slot"])
    leave(f, f["slot"])


def _emit_int(f: Function, kind: Value, element: Type) -> None:
    require(f, same(f, kind, external(f, "python_int")), "refused")
    overflow = f.alloca(I32)
    value = call(f, "PyLong_AsLongLongAndOverflow", [f["object"], overflow], I64)
    require(f, same(f, f.load(overflow, I32), 0), "refused")
    if element is I32:
        short = f.convert("trunc", value, I32)
        require(f, same(f, f.convert("sext", short, I64), value), "refused")
        value = short
    f.store(value, f["slot"])
    f.ret(f["slot"])


def _emit_bool(f: Function, kind: Value, element: Type) -> None:
    for name, byte in (("python_true", 1), ("python_false", 0)):
        with f.when(same(f, f["object"], external(f, name))):
            f.store(Value(str(byte), element), f["slot"])
            leave(f, f["slot"])
    f.jump("refused")
