"""Every call that emitted code does not serve.  In: the arguments as given.  Out: the results, or an exact error.

An :class:`Owner` holds what a kernel's code refers to.  Called with the arguments of a call, it checks them by
:mod:`codegen.python.rules`, copies what is not dense, and calls the emitted code again with plain arrays, or, where
objects cannot be read by emitted code, the kernel's function through ctypes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from codegen.python import rules
from codegen.python.core import Options
from codegen.python.keywords import arrange
from codegen.python.native_call import NativeCall, NoWorkspaceError, workspace_text
from codegen.python.rules import InputError
from codegen.python.sizes import interface_of
from codegen.python.trampoline import raised
from codegen.python.variables import Guards
from codegen.signature import KernelSpec
from symgrad.errors import (
    CompileError,
    KernelIndexError,
    KernelInputError,
    KernelMemoryError,
    NonFiniteError,
    ShapeError,
    SymgradError,
)
from symgrad.node import Node

__all__ = ["Code", "Failure", "Owner"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Code:
    """A kernel's machine code: two addresses, and whatever keeps them valid."""

    body: int
    workspace: int
    keep_alive: object


_ERRORS = {"index": KernelIndexError, "shape": ShapeError, "finite": NonFiniteError}


class Failure:
    """Raises the error that a status stands for; a negative one stands for a workspace of so many bytes."""

    __slots__ = ("_spec",)

    def __init__(self, spec: KernelSpec) -> None:
        self._spec = spec

    def __call__(self, status: int) -> NoReturn:
        messages = self._spec.messages
        if status < 0:
            hint = "give fewer elements at a time, or free memory"
            raise KernelMemoryError(workspace_text(self._spec.name, -status), hint=hint)
        if not 1 <= status <= len(messages):
            raise SymgradError(f"{self._spec.name}() returned the unknown status {status}")
        message = messages[status - 1]
        if message.kind == "callback":
            raise raised(message.text)
        raise _ERRORS[message.kind](message.text)


class Owner:
    """What a kernel consists of, apart from its Python attributes; callable as the kernel is.

    It must not refer to the kernel: the garbage collector does not see this object from there.
    """

    def __init__(
        self,
        spec: KernelSpec,
        code: Code,
        options: Options,
        variables: Sequence[Array],
        assemble: Callable[[Any], Any] | None,
    ) -> None:
        self.spec, self.code, self.options, self.assemble = spec, code, options, assemble
        self.interface = interface_of(spec, returns_tuple=options.returns_tuple)
        self.names = [sys.intern(one.name) for one in spec.inputs]
        self.failure = Failure(spec)
        self.variables = _checked_variables(spec, variables)
        self.guards = Guards(self.variables)
        self.native = NativeCall(code.body, code.workspace, len(spec.arrays), len(spec.dims))
        self.direct: Callable[..., Any] | None = None
        self.machine: object = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A call by the rules.

        Raises
        ------
        KernelInputError
            The arguments do not fit.
        KernelIndexError, ShapeError, NonFiniteError
            The kernel found an index or a size that it does not allow, or a result that is not finite.
        """
        try:
            return self._checked_call(args, kwargs)
        except InputError as error:
            symbolic = any(isinstance(one, Node) for one in (*args, *kwargs.values()))
            hint = "an expression has no value: pass arrays and numbers" if symbolic else error.hint
            raise KernelInputError(error.what, hint=hint) from None

    def _checked_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values, out = arrange(self.interface, args, kwargs)
        inputs = rules.as_inputs(self.interface, values)
        sizes = rules.find_sizes(self.interface, inputs)
        results = None if out is None else self._results(values, out, sizes)
        inputs = [self._apart(array) for array in inputs]
        made = self._by_machine(inputs, results)
        if made is NotImplemented:
            made = self._by_ctypes(inputs, sizes, results)
        return made if out is None else out

    def _results(self, values: Sequence[Any], out: Any, sizes: Sequence[int]) -> list[Array]:
        arrays = zip(self.names, values, strict=True)
        others: dict[str, Array] = {f"argument {name!r}": one for name, one in arrays if isinstance(one, np.ndarray)}
        for one, array in zip(self.spec.variables, self.variables, strict=True):
            others[f"the variable {one.name!r}"] = array
        return rules.as_results(self.interface, out, sizes, others)

    def _apart(self, array: Array) -> Array:
        """The input, or a copy where it is the memory of a variable."""
        return array.copy() if any(rules.overlap(array, own) for own in self.variables) else array

    def _by_machine(self, inputs: Sequence[Array], results: Sequence[Array] | None) -> Any:
        """The result of the emitted code, or NotImplemented."""
        if self.direct is None:
            return NotImplemented
        out: Any = None
        if results is not None:
            out = tuple(results) if self.options.returns_tuple else results[0]
        made = self.direct(*inputs, out)
        while made is NotImplemented and self.guards.are_taken():
            with self.guards.held():
                pass  # now the other call has ended
            made = self.direct(*inputs, out)
        return made

    def _by_ctypes(self, inputs: Sequence[Array], sizes: Sequence[int], results: Sequence[Array] | None) -> Any:
        outputs = rules.as_results(self.interface, None, sizes, {}) if results is None else results
        with self.guards.held():
            status = self._native([*inputs, *self.variables, *outputs], sizes)
        if status:
            self.failure(status)
        made = [array if array.ndim else array[()] for array in outputs]
        whole = tuple(made) if self.options.returns_tuple else made[0]
        return whole if self.assemble is None or results is not None else self.assemble(whole)

    def _native(self, arrays: Sequence[Array], sizes: Sequence[int]) -> int:
        """The status of the kernel's function; negative: there is no workspace."""
        try:
            return self.native(arrays, sizes, self.options.gil)
        except NoWorkspaceError as error:
            return -error.needed


def _checked_variables(spec: KernelSpec, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """The arrays of the variables, which the kernel's function is given as they are.

    Raises
    ------
    CompileError
        One does not fit.
    """
    interface = interface_of(spec, returns_tuple=True)
    expected = interface.variables
    for one in spec.variables:
        if not one.type.is_static:
            raise CompileError(f"{spec.name}: the variable {one.name!r} has the dynamic shape {one.type}")
    if len(arrays) != len(expected):
        raise CompileError(f"{spec.name}: {len(arrays)} arrays given for {len(expected)} variables")
    names = [f"the variable {one.name!r}" for one in spec.variables]
    try:
        checked = rules.as_written(interface, expected, names, arrays, (), {})
    except InputError as error:
        raise CompileError(error.what, hint=error.hint) from None
    return tuple(checked)
