"""Objects by their text.  In: the text of a module.  Out: its object, which an earlier process may have compiled."""

from __future__ import annotations

from dataclasses import astuple
from hashlib import sha256

from codegen.cache.files import store_in_force
from codegen.cache.fingerprint import versions
from codegen.llvm.toolchain import compile_object
from codegen.target import Target

__all__ = ["kept_object"]


def kept_object(text: str, target: Target, level: int) -> bytes:
    """What :func:`codegen.llvm.toolchain.compile_object` gives, from the disk where it is there."""
    store = store_in_force()
    if store is None:
        return compile_object(text, target, level)
    key = sha256(repr((text, astuple(target), level, versions())).encode()).digest()
    found = store.find(key)
    if found is None:
        found = [compile_object(text, target, level)]
        store.keep(key, found)
    return found[0]
