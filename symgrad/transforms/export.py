"""Ahead of time.  In: kernels or expressions, by name.  Out: object files, libraries, a C header, a Python loader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from symgrad.backend import find_backend
from symgrad.compile import StructuredKernel, request_for
from symgrad.errors import CompileError

__all__ = ["export"]

KINDS = ("object", "static", "shared", "header", "python")


def export(
    directory: str | Path,
    kernels: Mapping[str, Any],
    kinds: Sequence[str] = KINDS,
    name: str | None = None,
    target: str = "native",
    backend: str = "llvm",
) -> dict[str, Path]:
    """Write kernels to files that need neither symgrad nor Python to run.

    Parameters
    ----------
    directory : path
        Created if its parent exists.
    kernels : mapping of name to kernel, or to (outputs, inputs) or (outputs, inputs, updates)
        The names become C functions.
    kinds : subset of ("object", "static", "shared", "header", "python")
        The Python loader comes with the shared library that it loads.
    name : str, optional
        Base name of the files; by default that of the first kernel.
    target, backend : as for :func:`symgrad.compile`

    Returns
    -------
    dict from kind to the file written; ``"manifest"`` describes the others

    Raises
    ------
    CompileError
        Nothing to export, an unknown kind, or no linker for a shared library (its subclass ``LinkerMissingError``; the
        other files are then complete).
    OSError
        The directory cannot be written; nothing is left behind.

    Examples
    --------
    >>> import numpy as np, symgrad as sg, tempfile
    >>> x = sg.symbol("x", ("n",))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = sg.export(folder, {"norm2": (np.sum(x * x), [x])}, kinds=("object", "header"))
    ...     sorted(path.name for path in files.values())
    ['norm2.h', 'norm2.json', 'norm2.o']
    """
    if not kernels:
        raise CompileError("export: no kernels given")
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise CompileError(f"export: unknown kind {sorted(unknown)[0]!r}", hint=f"one of {', '.join(KINDS)}")
    requests = [_request(own, spec, target) for own, spec in kernels.items()]
    made = find_backend(backend).export(Path(directory), name or next(iter(kernels)), requests, tuple(kinds))
    return dict(made)


def _request(name: str, spec: Any, target: str) -> Any:
    from dataclasses import replace

    if not name.isidentifier():
        raise CompileError(f"export: {name!r} is not a C identifier")
    kernel = spec.kernel if isinstance(spec, StructuredKernel) else spec
    known = getattr(kernel, "request", None)
    if known is not None:
        return replace(known, name=name, target=target)
    outputs, inputs, *updates = spec
    return request_for(outputs, inputs, updates[0] if updates else None, name, target)[0]
