"""Writing a library.  In: kernels with their objects or LLVM text.  Out: files, each complete or not there.

Files of a library called ``name``: ``name.o``, ``libname.a`` and ``libname.so`` (so that ``-lname`` finds them, and so
that Python does not take the library for the module), ``name.h``, ``name.py`` and the manifest ``name.json``.  The same
kernels make the same bytes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from codegen.aot.archive import write_archive
from codegen.aot.elf import MACHINES, read_object
from codegen.aot.header import header_text
from codegen.aot.identifiers import check_names
from codegen.aot.linker import link_shared
from codegen.aot.loader import loader_text
from codegen.aot.manifest import manifest_text
from codegen.aot.merge import merge_objects
from codegen.aot.messages import emit_error_table
from codegen.llvm.builder import Module
from codegen.llvm.toolchain import compile_object
from codegen.signature import KernelSpec
from codegen.target import Target
from symgrad.errors import CompileError

__all__ = ["KINDS", "write_library"]

KINDS = ("object", "static", "shared", "header", "python")


def write_library(
    directory: str | Path,
    name: str,
    kernels: Sequence[tuple[KernelSpec, bytes | str]],
    target: Target,
    kinds: Sequence[str] = KINDS,
) -> dict[str, Path]:
    """Write kernels to files.

    Parameters
    ----------
    directory : path
        Made if its parent exists.
    name : str
        Of the library; a C identifier.
    kernels : sequence of (KernelSpec, bytes or str)
        Each interface with its object file or the text of its LLVM module.
    target : Target
        What the kernels were, or are to be, compiled for.
    kinds : sequence of str
        Of ``"object"``, ``"static"``, ``"shared"``, ``"header"``, and ``"python"``, which adds ``"shared"``.

    Returns
    -------
    dict
        Paths by kind; the manifest is always there, as ``"manifest"``.

    Raises
    ------
    LinkerMissingError
        A shared library is wanted and nothing can link it; all other files have been written.
    CompileError
        A name, an object or the directory will not do.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise CompileError(f"no kind of file is called {unknown[0]!r}", hint=f"one of {', '.join(KINDS)}")
    if not kernels:
        raise CompileError(f"the library {name!r} would have no kernel")
    specs = [spec for spec, _ in kernels]
    check_names(name, specs)
    if "python" in kinds:
        _refuse_callbacks(specs)
    objects = [_object(spec, code, target) for spec, code in kernels]
    wanted = {"manifest", *kinds, *(["shared"] if "python" in kinds else [])}
    contents = _contents(name, specs, objects, target)
    place = _directory(Path(directory))
    return {
        kind: _write(place / file, content(), executable=kind == "shared")
        for kind, (file, content) in contents.items()
        if kind in wanted
    }


def _refuse_callbacks(specs: Sequence[KernelSpec]) -> None:
    """A Python module has nobody to pass functions to its kernels."""
    for spec in specs:
        for call in spec.callbacks:
            raise CompileError(
                f"the kernel {spec.name!r} calls the host function {call.name}: a Python module cannot be written for it",
                hint='kinds=("object", "static", "shared", "header"): C functions take it as an argument',
            )


def _contents(
    name: str, specs: Sequence[KernelSpec], objects: Sequence[bytes], target: Target
) -> dict[str, tuple[str, Callable[[], bytes]]]:
    """File names and what gives the bytes, in the order of writing: what may fail to link comes last."""
    whole, shared = merge_objects(objects), f"lib{name}.so"
    members = [(f"{spec.name}.o", obj) for spec, obj in zip(specs, objects, strict=True)]
    return {
        "manifest": (f"{name}.json", lambda: manifest_text(name, specs, target).encode()),
        "object": (f"{name}.o", lambda: whole),
        "static": (f"lib{name}.a", lambda: write_archive(members)),
        "header": (f"{name}.h", lambda: header_text(name, specs, target).encode()),
        "shared": (shared, lambda: link_shared(whole, shared, target)),
        "python": (f"{name}.py", lambda: loader_text(shared, specs).encode()),
    }


# -- objects --------------------------------------------------------------------------------------------------------
def _object(spec: KernelSpec, code: bytes | str, target: Target) -> bytes:
    """The object of a kernel, with the function that names its errors.

    Raises
    ------
    CompileError
        It is for another machine, or lacks a function.
    """
    obj = code if isinstance(code, bytes) else compile_object(code, target)
    read = read_object(obj)
    if read.machine != MACHINES.get(target.triple.split("-")[0]):
        raise CompileError(f"the object of {spec.name!r} is not for {target.triple}")
    defined = set(read.defined)
    for symbol in (spec.name, f"{spec.name}_workspace"):
        if symbol not in defined:
            raise CompileError(f"the object of {spec.name!r} does not define {symbol}")
    if f"{spec.name}_error" in defined:
        return obj
    module = Module(target)
    emit_error_table(module, spec)
    return merge_objects([obj, compile_object(module.text(), target)])


# -- files ----------------------------------------------------------------------------------------------------------
def _directory(directory: Path) -> Path:
    """The directory, made if need be."""
    try:
        directory.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise CompileError(f"cannot write to {directory}: {directory.parent} does not exist") from None
    except FileExistsError:
        raise CompileError(f"cannot write to {directory}: it is not a directory") from None
    except OSError as error:
        raise _unwritable(directory, error) from None
    return directory


def _write(path: Path, content: bytes, *, executable: bool) -> Path:
    """Put a file there, complete or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if executable else 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def _unwritable(path: Path, error: OSError) -> CompileError:
    return CompileError(f"cannot write {path}: {error.strerror or error}")
