"""The machine-code entry of a kernel.  In: its interface.  Out: an object with ``entry`` and ``direct``.

``entry`` has CPython's vectorcall signature.  It serves calls whose arrays are plain, C-contiguous, aligned and of the
declared types without leaving machine code, and hands every other call to the kernel's owner, unchanged.  ``direct``
is called by the owner with the inputs as such arrays and ``out`` behind them; it gives ``NotImplemented`` where even
that does not fit.  The text depends on types only: names, addresses and memory come from the kernel's state, so that
kernels of one interface share one object.
"""

from __future__ import annotations

from functools import lru_cache

from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import compile_object
from codegen.llvm.types import I32, I64, POINTER, Value
from codegen.python.core import REJECTED, Options, Places, emit_core, state_word
from codegen.python.numpy_layout import TUPLE_ITEMS, TUPLE_SIZE
from codegen.python.objects import NULL, call, external, field, holds, require, run, same
from codegen.python.type_slots import forward
from codegen.signature import KernelSpec
from codegen.target import native

__all__ = ["emit_entry", "entry_object"]

_COUNT = (1 << 63) - 1  # of the number of arguments; the bit above says that the word before them may be used


def entry_object(spec: KernelSpec, options: Options = Options()) -> bytes:  # noqa: B008 - immutable
    """The object file of a kernel's entry, for the machine that this runs on.

    Raises
    ------
    CompileError
        The shapes of the inputs do not determine a dimension.
    """
    return _compiled(emit_entry(spec, options))


@lru_cache(maxsize=256)
def _compiled(text: str) -> bytes:
    return compile_object(text, native(), 0)


def emit_entry(spec: KernelSpec, options: Options) -> str:
    """The text of the entry's module."""
    module = Module(native())
    emit_core(module, spec, options)
    _emit_entry(module, spec)
    _emit_direct(module, len(spec.inputs))
    return module.text()


def _emit_entry(module: Module, spec: KernelSpec) -> None:
    parameters = [("self", POINTER), ("args", POINTER), ("nargs", I64), ("names", POINTER)]
    f = module.function("entry", parameters, POINTER, public=True)
    number = f.binary("and", f["nargs"], _COUNT)

    def by_position() -> list[Value]:
        require(f, same(f, number, len(spec.inputs)), "slow")
        return [f["args"], NULL]

    slots, out = f.either(same(f, f["names"], NULL), by_position, lambda: _by_name(f, spec, number))
    made = call(f, "core", [slots, out], POINTER, inside=True)
    require(f, f.icmp("ne", made, REJECTED), "slow")
    f.ret(made)
    f.enter("slow")
    f.ret(forward(f))


def _by_name(f: Function, spec: KernelSpec, number: Value) -> list[Value]:
    """Inputs and ``out`` of a call with keywords; the commonest has ``out`` as the only one."""
    count = len(spec.inputs)
    known = state_word(f, Places(spec).names)
    first = field(f, f["names"], TUPLE_ITEMS, POINTER)
    alone = f.binary("and", same(f, field(f, f["names"], TUPLE_SIZE, I64), 1), same(f, number, count))
    named = same(f, first, f.load(f.gep(known, count, POINTER), POINTER))

    def in_any_order() -> list[Value]:
        slots = f.alloca(POINTER, count + 1, 8)
        done = call(f, "arguments", [f["args"], f["names"], known, slots, number, Value(str(count), I64)], I32)
        require(f, holds(f, done), "slow")
        return [slots, _out_behind(f, slots, count)]

    return f.either(f.binary("and", alone, named), lambda: [f["args"], _out_behind(f, f["args"], count)], in_any_order)


def _out_behind(f: Function, slots: Value, inputs: int) -> Value:
    """``out``, which stands behind the inputs; null for None."""
    out = f.load(f.gep(slots, inputs, POINTER), POINTER)
    return f.select(same(f, out, external(f, "none")), NULL, out)


def _emit_direct(module: Module, inputs: int) -> None:
    parameters = [("self", POINTER), ("args", POINTER), ("nargs", I64)]
    f = module.function("direct", parameters, POINTER, public=True)
    made = call(f, "core", [f["args"], _out_behind(f, f["args"], inputs)], POINTER, inside=True)
    require(f, f.icmp("ne", made, REJECTED), "rejected")
    f.ret(made)
    f.enter("rejected")
    other = external(f, "not_implemented")
    run(f, "Py_IncRef", other)
    f.ret(other)
