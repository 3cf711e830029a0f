"""Kernels of a shared library as Python functions.  In: a library and an interface.  Out: a callable by the same rules.

The loaders that are written ahead of time carry the text of this module, behind that of :mod:`codegen.python.rules` and
:mod:`codegen.python.native_call`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from codegen.python.native_call import NativeCall, NoWorkspaceError, workspace_text
from codegen.python.rules import Interface, as_inputs, as_results, as_written, find_sizes

__all__ = ["LoadedKernel"]


class LoadedKernel:
    """A kernel of a loaded library.

    Parameters
    ----------
    messages : sequence of (str, str)
        For each status from 1 on: "index", "shape" or "finite", and the text.
    """

    def __init__(self, library: ctypes.CDLL, kernel: Interface, messages: Sequence[tuple[str, str]]) -> None:
        self._kernel, self._messages = kernel, messages
        body, workspace = (
            ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
            for name in (kernel.name, f"{kernel.name}_workspace")
        )
        arrays = len(kernel.inputs) + len(kernel.variables) + len(kernel.outputs)
        self._native = NativeCall(body, workspace, arrays, len(kernel.dims))

    def __call__(self, inputs: Sequence[Any], variables: Sequence[Any], out: Any) -> Any:
        """Run with inputs, variables to change in place, and ``out`` or None.

        Raises
        ------
        InputError
            An argument does not fit.
        IndexError, ValueError, FloatingPointError
            The kernel found an index or a size that it does not allow, or a result that is not finite.
        MemoryError
            There is no memory for the workspace.
        """
        kernel = self._kernel
        arrays = as_inputs(kernel, inputs)
        sizes = find_sizes(kernel, arrays)
        given = zip(kernel.inputs, inputs, strict=True)
        others = {f"argument {one.name!r}": value for one, value in given if isinstance(value, np.ndarray)}
        names = [f"argument {one.name!r}" for one in kernel.variables]
        owned = as_written(kernel, kernel.variables, names, variables, sizes, others)
        results = as_results(kernel, out, sizes, others | dict(zip(names, owned, strict=True)))
        try:
            status = self._native([*arrays, *owned, *results], sizes)
        except NoWorkspaceError as error:
            raise MemoryError(workspace_text(kernel.name, error.needed)) from None
        if status:
            kind, text = self._messages[status - 1]
            raise {"index": IndexError, "finite": FloatingPointError}.get(kind, ValueError)(text)
        if out is not None:
            return out
        made = [one if one.ndim else one[()] for one in results]
        return tuple(made) if kernel.returns_tuple else made[0]
