"""Putting a kernel together.  In: its interface and code.  Out: a :class:`~codegen.python.kernel_type.Kernel`."""

from __future__ import annotations

import ctypes
import inspect
import re
from collections.abc import Callable, Sequence
from keyword import iskeyword
from typing import Any

import numpy as np

from codegen.llvm.toolchain import load_object
from codegen.python import rules
from codegen.python.core import Options
from codegen.python.entry import entry_object
from codegen.python.kernel_type import Kernel, add_member, new_kernel
from codegen.python.numpy_layout import addresses, function_address, problem
from codegen.python.slow_path import Code, Owner
from codegen.python.support import NAMES, support
from codegen.python.workspace import State
from codegen.signature import Argument, KernelSpec
from symgrad.errors import CompileError

__all__ = ["Options", "entry_object", "make_kernel"]

Array = np.ndarray[Any, Any]
_METH_FASTCALL = 0x80


def make_kernel(
    spec: KernelSpec,
    body: int,
    workspace: int,
    keep_alive: object,
    *,
    options: Options = Options(),  # noqa: B008 - immutable
    variables: Sequence[Array] = (),
    assemble: Callable[[Any], Any] | None = None,
    entry: bytes | None = None,
    emitted: bool = True,
) -> Kernel:
    """A callable from the code of a kernel.

    Parameters
    ----------
    spec : KernelSpec
    body, workspace : int
        Addresses of the functions ``name`` and ``name_workspace``.
    keep_alive : object
        What keeps the addresses valid.  It must not refer to the kernel: that cycle would never be collected.
    options : Options
    variables : sequence of arrays
        The memory of the variables, which the kernel keeps and changes in place (see :mod:`codegen.python.variables`).
    assemble : function, optional
        Makes the result of a call from the result that is described by ``options``; not asked where ``out`` is given.
        It must not refer to the kernel either.
    entry : bytes, optional
        What :func:`entry_object` gave for this interface and these options (with ``assembled`` set accordingly).
    emitted : bool
        False: every call goes by the slow road, as it does where emitted code cannot read objects.

    Raises
    ------
    CompileError
        The interface does not determine a dimension, or an array does not fit its variable.
    """
    if not options.returns_tuple and len(spec.outputs) != 1:
        raise CompileError(f"{spec.name}: {len(spec.outputs)} results need returns_tuple")
    if options.assembled != (assemble is not None):
        raise CompileError(f"{spec.name}: options.assembled and the function that assembles do not agree")
    owner = Owner(spec, Code(body, workspace, keep_alive), options, variables, assemble)
    address = None
    if emitted and problem() is None:
        address = _load_entry(owner, entry or entry_object(spec, options))
    made = new_kernel(Kernel, owner, address)
    _describe(made, spec, options)
    return made


def _load_entry(owner: Owner, obj: bytes) -> int:
    """Load the emitted entry for an owner; its address."""
    words = [id(owner.failure), id(owner.assemble), owner.guards.address]
    words += map(rules.address, owner.variables)
    words += [0 if name == "out" else id(name) for name in owner.names]  # out= always means the results
    state = State([*words, id(_OUT)])
    code = support()
    imports = {name: code[name] for name in NAMES} | addresses()
    imports |= {"body": owner.code.body, "workspace_size": owner.code.workspace, "state": state.address}
    used = {name: place for name, place in imports.items() if name.encode() in obj}  # each costs microseconds
    loaded = load_object(obj, ("entry", "direct"), used)
    owner.direct, method = _builtin(loaded["direct"])
    owner.machine = (loaded, state, method)
    return loaded["entry"]


_OUT = "out"


class _Method(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
    function_address("PyCFunction_NewEx")
)


def _builtin(address: int) -> tuple[Callable[..., Any], _Method]:
    """A Python function round emitted code, and what has to live as long as it."""
    method = _Method(b"direct", address, _METH_FASTCALL, None)
    made: Callable[..., Any] = _new_function(ctypes.addressof(method), None, None)
    return made, method


# -- description ----------------------------------------------------------------------------------------------------
def _describe(made: Kernel, spec: KernelSpec, options: Options) -> None:
    """What :func:`inspect.signature`, :func:`help` and the reader of a log want to know."""
    vars(made).update(
        spec=spec,
        options=options,
        __name__=spec.name,
        __qualname__=spec.name,
        __signature__=_signature(spec),
        __doc__=_documentation(spec),
    )


def _signature(spec: KernelSpec) -> inspect.Signature:
    names = [one.name for one in spec.inputs]
    plain = all(name.isidentifier() and not iskeyword(name) and name != _OUT for name in names)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if plain else inspect.Parameter.POSITIONAL_ONLY
    if not plain:  # such names can be given by ** only
        names = [re.sub(r"\W", "_", f"{name}_{k}") for k, name in enumerate(names)]
    parameters = [inspect.Parameter(name, kind) for name in names]
    return inspect.Signature([*parameters, inspect.Parameter(_OUT, inspect.Parameter.KEYWORD_ONLY, default=None)])


def _documentation(spec: KernelSpec) -> str:
    lines = [f"{spec.name}{_signature(spec)}", ""]
    for title, arguments in (("Inputs", spec.inputs), ("Changes", spec.variables), ("Gives", spec.outputs)):
        lines += [title, "-" * len(title), *(f"{one.name} : {one.type}" for one in arguments), ""] if arguments else []
    return "\n".join(lines)


def _text(kernel: Any) -> str:
    def listed(arguments: Sequence[Argument]) -> str:
        return ", ".join(f"{one.name}: {one.type}" for one in arguments)

    spec = kernel.spec
    results = ", ".join(str(one.type) for one in spec.outputs)
    whole = f"({results})" if kernel.options.returns_tuple else results
    return f"<kernel {spec.name}({listed(spec.inputs)}) -> {whole}>"


add_member("__repr__", _text)
