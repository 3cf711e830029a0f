"""Emitting code that handles Python objects.  In: a function being built.  Out: loads of fields, tests, C calls."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.llvm.builder import Function
from codegen.llvm.types import BYTE, POINTER, Type, Value

__all__ = ["NULL", "call", "external", "field", "holds", "leave", "put", "require", "run", "same"]

NULL = Value("null", POINTER)


def external(f: Function, name: str) -> Value:
    """The address of something outside the module, known when it is loaded."""
    f.module.globals.setdefault(name, f"@{name} = external global i8")
    return Value(f"@{name}", POINTER)


def field(f: Function, place: Value, offset: int, kind: Type) -> Value:
    """What is stored so many bytes behind an address."""
    return f.load(f.gep(place, offset, BYTE), kind)


def put(f: Function, value: Value, place: Value, offset: int) -> None:
    """Store so many bytes behind an address."""
    f.store(value, f.gep(place, offset, BYTE))


def leave(f: Function, value: Value | int | None = None) -> None:
    """Return from inside a block; what the block's end adds is never reached."""
    f.ret(value)
    f.enter(f.label("after"))


def same(f: Function, a: Value, b: Value | int) -> Value:
    return f.icmp("eq", a, b)


def require(f: Function, condition: Value, otherwise: str) -> None:
    """Go on where the condition holds; elsewhere to the label."""
    ok = f.label("ok")
    f.branch(condition, ok, otherwise)
    f.enter(ok)


def call(f: Function, name: str, args: Sequence[Value], result: Type, *, inside: bool = False) -> Value:
    """The result of a function outside (or inside) the module."""
    made = f.call(name, args, result, declare=not inside)
    assert made is not None
    return made


def run(f: Function, name: str, *args: Value) -> None:
    """Call a function outside the module that gives nothing."""
    f.call(name, args, declare=True)


def holds(f: Function, answer: Value) -> Value:
    """Whether what a C function answered is true."""
    return f.icmp("ne", answer, 0)
