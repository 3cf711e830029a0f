"""The common call of a kernel as machine code.  In: its interface.  Out: ``ptr core(slots, out)``.

``slots`` are the inputs as Python objects, ``out`` is an object or null.  The result is a new reference, null with an
exception set, or :data:`REJECTED`, which asks for the slow road: nothing has then been written.  What is accepted is a
part of what :mod:`codegen.python.rules` accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen.llvm.builder import Function, Module
from codegen.llvm.types import BYTE, I32, I64, POINTER, Value
from codegen.python.inputs import DENSE, Inputs, check_array
from codegen.python.native_call import GIL_BYTES
from codegen.python.numpy_layout import (
    ARRAY_DATA,
    ARRAY_DIMENSIONS,
    ARRAY_FLAGS,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    VALUE,
    WRITEABLE,
)
from codegen.python.objects import NULL, call, external, field, holds, leave, require, run, same
from codegen.python.workspace import STATE_WORDS
from codegen.signature import Argument, KernelSpec
from symgrad import dims

__all__ = ["REJECTED", "Options", "Places", "emit_core", "state_word"]

REJECTED = Value("inttoptr (i64 1 to ptr)", POINTER)
_OUT = DENSE | WRITEABLE
_FEW = 8  # pairs of arrays that are compared without a loop


@dataclass(frozen=True)
class Options:
    """How a kernel is called from Python.

    Attributes
    ----------
    returns_tuple : bool
        A tuple of results, also of one; otherwise the only result itself.
    assembled : bool
        A Python function makes the result of a call from the tuple (or the only result).
    gil : str
        ``"auto"`` releases the interpreter lock for calls on more than :data:`GIL_BYTES`; ``"hold"`` never does (for
        code that calls back into Python), ``"release"`` always.
    """

    returns_tuple: bool = False
    assembled: bool = False
    gil: str = "auto"


class Places:
    """Where things are in a kernel's state, counted in words.

    Attributes
    ----------
    failure, assemble : int
        Python functions that raise the error of a status, and that make the result.
    guards : int
        Address of the variables' guards.
    variables : int
        Addresses of the variables' memory.
    names : int
        Interned names of the inputs, then ``out``.
    """

    failure, assemble, guards, variables = range(STATE_WORDS, STATE_WORDS + 4)

    def __init__(self, spec: KernelSpec) -> None:
        self.names = self.variables + len(spec.variables)


def state_word(f: Function, place: int) -> Value:
    """The address of a word of the state."""
    return f.gep(external(f, "state"), place, I64)


def emit_core(module: Module, spec: KernelSpec, options: Options) -> None:
    """Add ``core`` to the module."""
    f = module.function("core", [("slots", POINTER), ("out", POINTER)], POINTER)
    _Core(f, spec, options).emit()


class _Core:
    """The function being built, with what is known so far of the call's arrays."""

    def __init__(self, f: Function, spec: KernelSpec, options: Options) -> None:
        self.f, self.spec, self.options = f, spec, options
        self.inputs = Inputs(f, spec)
        self.made = f.alloca(POINTER, max(1, len(spec.outputs)), 8)

    def emit(self) -> None:
        f = self.f
        for k in range(len(self.spec.outputs)):
            f.store(NULL, f.gep(self.made, k, POINTER))
        self.inputs.read()
        outputs = f.either(f.icmp("ne", f["out"], NULL), self.given, self.fresh)
        status = self.execute(outputs)
        with f.when(holds(f, status), unlikely=True):
            self.fail(status)
        self.finish(outputs)
        f.enter("failed")  # an exception is set
        self.drop()
        self.inputs.release()
        f.ret(NULL)
        f.enter("rejected")
        self.inputs.release()
        f.ret(REJECTED)

    # -- results ---------------------------------------------------------------------------------------------------
    def given(self) -> list[Value]:
        """The memory of the arrays in ``out``."""
        f, outputs = self.f, self.spec.outputs
        if self.options.returns_tuple:
            require(f, same(f, field(f, f["out"], TYPE, POINTER), external(f, "python_tuple")), "rejected")
            require(f, same(f, field(f, f["out"], TUPLE_SIZE, I64), len(outputs)), "rejected")
            arrays = [field(f, f["out"], TUPLE_ITEMS + 8 * k, POINTER) for k in range(len(outputs))]
        else:
            arrays = [f["out"]]
        for one, array in zip(outputs, arrays, strict=True):
            check_array(f, array, one)
            flags = f.binary("and", field(f, array, ARRAY_FLAGS, I32), _OUT)
            require(f, same(f, flags, _OUT), "rejected")
            dimensions = field(f, array, ARRAY_DIMENSIONS, POINTER)
            for axis, size in enumerate(one.type.shape):
                own = f.load(f.gep(dimensions, axis, I64), I64)
                require(f, same(f, own, self.inputs.size(size)), "rejected")
        memory = [field(f, array, ARRAY_DATA, POINTER) for array in arrays]
        self.refuse_overlaps(memory)
        return memory

    def fresh(self) -> list[Value]:
        """The memory of new arrays and scalars, whose objects are kept in ``made``."""
        if self.spec.variables:
            self.refuse_overlaps([])
        return [self.new(k, one) for k, one in enumerate(self.spec.outputs)]

    def new(self, k: int, one: Argument) -> Value:
        f, dtype = self.f, one.type.dtype.name
        if not one.type.shape and dtype == "bool":  # True and False are shared objects: chosen afterwards
            return f.alloca(I64, 1, 8)
        if one.type.shape:
            shape = f.alloca(I64, one.type.ndim, 8)
            for axis, size in enumerate(one.type.shape):
                f.store(f.i64(self.inputs.size(size)), f.gep(shape, axis, I64))
            descriptor = external(f, f"dtype_{dtype}")
            run(f, "Py_IncRef", descriptor)  # the new array takes it over
            zero, rank = Value("0", I32), Value(str(one.type.ndim), I32)
            args = [external(f, "ndarray"), descriptor, rank, shape, NULL, NULL, zero, NULL]
            made, place = call(f, "numpy_new", args, POINTER), ARRAY_DATA
        else:
            args = [external(f, f"type_{dtype}"), Value("0", I64)]
            made, place = call(f, "PyType_GenericAlloc", args, POINTER), VALUE
        require(f, f.icmp("ne", made, NULL), "failed")
        f.store(made, f.gep(self.made, k, POINTER))
        return field(f, made, place, POINTER) if one.type.shape else f.gep(made, place, BYTE)

    def refuse_overlaps(self, memory: Sequence[Value]) -> None:
        """Reject a call in which a result shares memory with anything, or a variable with an input.

        Variables do not share memory with each other: that was looked into when the kernel was made.
        """
        f, spec = self.f, self.spec
        arrays = [*zip(memory, spec.outputs, strict=False), *zip(self.variables(), spec.variables, strict=True)]
        results, written = len(memory), len(arrays)
        arrays += zip(self.inputs.memory, spec.inputs, strict=True)
        regions = []
        for start, one in arrays:
            begin = f.convert("ptrtoint", start, I64)
            size = f.mul(self.inputs.size(one.type.size), one.type.dtype.itemsize)
            regions.append((begin, f.i64(size)))
        if written * len(arrays) <= _FEW:
            for k, region in enumerate(regions[:written]):
                for other in regions[k + 1 if k < results else written :]:
                    self.refuse_overlap(region, other)
            return
        table = f.alloca(I64, 2 * len(arrays), 8)
        for k, word in enumerate(word for region in regions for word in region):
            f.store(word, f.gep(table, k, I64))
        for first, end, others in ((0, results, 0), (results, written, written)):
            bounds = [Value(str(bound), I64) for bound in (first, end, others, len(arrays))]
            found = call(f, "overlapping", [table, *bounds], I32)
            require(f, same(f, found, 0), "rejected")

    def refuse_overlap(self, one: tuple[Value, Value], other: tuple[Value, Value]) -> None:
        f = self.f
        after = f.icmp("uge", one[0], f.i64(f.add(*other)))
        before = f.icmp("uge", other[0], f.i64(f.add(*one)))
        require(f, f.binary("or", after, before), "rejected")

    # -- the call --------------------------------------------------------------------------------------------------
    def variables(self) -> list[Value]:
        """The memory of the variables."""
        f, first = self.f, Places.variables
        return [f.load(state_word(f, first + k), POINTER) for k in range(len(self.spec.variables))]

    def execute(self, outputs: Sequence[Value]) -> Value:
        """The status of the kernel's function."""
        f = self.f
        sizes = [f.i64(self.inputs.values[atom]) for atom in self.spec.dims]
        needed = call(f, "workspace_size", sizes, I64)
        (work,) = f.either(f.icmp("sgt", needed, 0), lambda: [self.workspace(needed)], lambda: [NULL])
        if self.spec.variables:
            self.take_guards(work)
        (thread,) = self.without_lock()
        status = call(f, "body", [*self.inputs.memory, *self.variables(), *outputs, *sizes, work], I32)
        with f.when(f.icmp("ne", thread, NULL)):
            run(f, "PyEval_RestoreThread", thread)
        if self.spec.variables:
            run(f, "guards_give", *self.guards())
        self.give(work)
        return status

    def workspace(self, needed: Value) -> Value:
        work = call(self.f, "work_take", [external(self.f, "state"), needed], POINTER)
        with self.f.when(same(self.f, work, NULL), unlikely=True):
            self.complain(self.f.i64(self.f.sub(0, needed)))
        return work

    def give(self, work: Value) -> None:
        with self.f.when(self.f.icmp("ne", work, NULL)):
            run(self.f, "work_give", external(self.f, "state"), work)

    def guards(self) -> tuple[Value, Value]:
        words = self.f.load(state_word(self.f, Places.guards), POINTER)
        return words, Value(str(len(self.spec.variables)), I64)

    def take_guards(self, work: Value) -> None:
        """Exclusive use of the variables; rejects the call where that has to be waited for."""
        f = self.f
        taken = call(f, "guards_take", self.guards(), I32)
        with f.when(same(f, taken, 0), unlikely=True):
            self.give(work)
            self.drop()
            f.jump("rejected")
            f.enter(f.label("after"))

    def without_lock(self) -> list[Value]:
        """Release the interpreter lock for long calls; null where it is kept.

        The caller holds references to all arguments, so that they stay.
        """
        f = self.f
        sizes = (dims.product([one.type.size, one.type.dtype.itemsize]) for one in self.spec.arrays)
        total = sum(sizes) if self.options.gil == "auto" else GIL_BYTES + (self.options.gil == "release")
        if isinstance(total, int):
            return [call(f, "PyEval_SaveThread", [], POINTER) if total > GIL_BYTES else NULL]
        long = f.icmp("sgt", f.i64(self.inputs.size(total)), GIL_BYTES)
        return f.either(long, lambda: [call(f, "PyEval_SaveThread", [], POINTER)], lambda: [NULL])

    # -- the end ---------------------------------------------------------------------------------------------------
    def drop(self) -> None:
        """Give up the objects made for results."""
        for k in range(len(self.spec.outputs)):
            run(self.f, "Py_DecRef", self.f.load(self.f.gep(self.made, k, POINTER), POINTER))

    def fail(self, status: Value) -> None:
        """Raise the error of a status; a negative one says that an exception is set already."""
        require(self.f, self.f.icmp("sgt", status, 0), "failed")
        self.complain(self.f.convert("sext", status, I64))

    def complain(self, status: Value) -> None:
        """Raise what :class:`~codegen.python.slow_path.Failure` has for a status."""
        f = self.f
        number = call(f, "PyLong_FromLong", [status], POINTER)
        require(f, f.icmp("ne", number, NULL), "failed")
        failure = f.load(state_word(f, Places.failure), POINTER)
        run(f, "Py_DecRef", call(f, "PyObject_CallOneArg", [failure, number], POINTER))
        run(f, "Py_DecRef", number)
        f.jump("failed")
        f.enter(f.label("after"))

    def finish(self, outputs: Sequence[Value]) -> None:
        """Return ``out``, or what was made."""
        f = self.f
        self.inputs.release()
        with f.when(f.icmp("ne", f["out"], NULL)):
            run(f, "Py_IncRef", f["out"])
            leave(f, f["out"])
        objects = [self.object(k, one, outputs[k]) for k, one in enumerate(self.spec.outputs)]
        whole = self.tuple(objects) if self.options.returns_tuple else objects[0]
        if self.options.assembled:
            assemble = f.load(state_word(f, Places.assemble), POINTER)
            parts, whole = whole, call(f, "PyObject_CallOneArg", [assemble, whole], POINTER)
            run(f, "Py_DecRef", parts)
        f.ret(whole)

    def object(self, k: int, one: Argument, memory: Value) -> Value:
        """A result as a Python object, with a reference for the caller."""
        f = self.f
        if one.type.shape or one.type.dtype.name != "bool":
            return f.load(f.gep(self.made, k, POINTER), POINTER)
        truth = f.icmp("ne", f.load(memory, BYTE), 0)
        chosen = f.select(truth, external(f, "numpy_true"), external(f, "numpy_false"))
        run(f, "Py_IncRef", chosen)
        f.store(chosen, f.gep(self.made, k, POINTER))
        return chosen

    def tuple(self, objects: Sequence[Value]) -> Value:
        f = self.f
        made = call(f, "PyTuple_New", [Value(str(len(objects)), I64)], POINTER)
        require(f, f.icmp("ne", made, NULL), "failed")
        for k, one in enumerate(objects):
            call(f, "PyTuple_SetItem", [made, Value(str(k), I64), one], I32)
        return made
