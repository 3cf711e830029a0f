"""Texts of a kernel's statuses.  In: its interface.  Out: ``const char *NAME_error(int32_t)`` in its module."""

from __future__ import annotations

from codegen.llvm.builder import Module
from codegen.llvm.types import I32, POINTER, Value
from codegen.signature import KernelSpec

__all__ = ["emit_error_table"]

UNKNOWN, SUCCESS = "unknown status", "success"


def emit_error_table(module: Module, spec: KernelSpec) -> None:
    """Add the function to the module that has, or will have, the kernel's own."""
    f = module.function(f"{spec.name}_error", [("status", I32)], POINTER, public=True)

    def text(label: str, words: str) -> Value:
        return Value(module.string(f"{spec.name}.{label}", words), POINTER)

    found = text("unknown", UNKNOWN)
    for status, words in enumerate([SUCCESS, *(message.text for message in spec.messages)]):
        found = f.select(f.icmp("eq", f["status"], status), text(f"status{status}", words), found)
    f.ret(found)
