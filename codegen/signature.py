"""A kernel's interface.  In: names and types of arguments and results.  Out: one description for every caller.

The machine-code function of a kernel called ``name`` has the C interface ::

    int32_t name(const T *input..., T *variable..., T *output..., int64_t dimension..., void *workspace,
                 symgrad_callback function, void *context, ...);
    int64_t name_workspace(int64_t dimension...);

Arrays are dense and row-major; scalars are arrays of rank 0, also passed by pointer.  Booleans are bytes 0 or 1.  The
workspace is as large as ``name_workspace`` says and aligned to 64 bytes; it may be null when that is 0.  No array may
overlap one that is written.  The result is 0, or the number of a message in :attr:`KernelSpec.messages`, counted from 1;
then nothing has been written to an output or a variable.  A kernel that calls functions of the host takes each, with a
pointer that it passes on, behind all else ::

    int32_t (*symgrad_callback)(void *context, const void *const *inputs, void *const *outputs, const int64_t *sizes);

``sizes`` are those of all axes of all inputs, then of all outputs.  A result other than 0 stops the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codegen.llvm.builder import Function, Int
from codegen.llvm.types import I64, POINTER, Type, vector
from symgrad import dims
from symgrad.dims import Atom, Dim, Size
from symgrad.errors import CompileError
from symgrad.types import DType, TensorType

__all__ = ["Argument", "Callback", "KernelSpec", "Message", "element_type", "emit_size"]

_ELEMENTS = {"float64": "double", "float32": "float", "int64": "i64", "int32": "i32", "bool": "i8"}
_ELEMENT_TYPES = {np.dtype(name): vector(scalar, 1) for name, scalar in _ELEMENTS.items()}
_C_TYPES = {"float64": "double", "float32": "float", "int64": "int64_t", "int32": "int32_t", "bool": "uint8_t"}


@dataclass(frozen=True)
class Argument:
    """A named array argument or result."""

    name: str
    type: TensorType

    @property
    def c_type(self) -> str:
        """The C type of one element."""
        return _C_TYPES[self.type.dtype.name]


@dataclass(frozen=True)
class Message:
    """What a status means.

    ``kind`` is "index" (IndexError), "shape" (a guard on sizes), "finite" (FloatingPointError) or "callback" (whatever a
    function of the host has raised).
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Callback:
    """A function of the host that a kernel calls."""

    name: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]


@dataclass(frozen=True)
class KernelSpec:
    """The interface of one kernel.

    Attributes
    ----------
    name : str
        The symbol of its function; a C identifier.
    inputs, variables, outputs : tuple of Argument
        Variables are read and overwritten.
    dims : tuple of Atom
        Dynamic dimensions, in the order in which the function takes them.
    messages : tuple of Message
        Meanings of the non-zero results.
    callbacks : tuple of Callback
        Functions of the host, in the order in which the function takes them.
    kink : str
        The convention for derivatives at kinks under which it was made, for the record.
    threads : int
        How many threads a call may use.
    """

    name: str
    inputs: tuple[Argument, ...]
    variables: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    dims: tuple[Atom, ...]
    messages: tuple[Message, ...] = ()
    callbacks: tuple[Callback, ...] = ()
    kink: str = "zero"
    threads: int = 1

    @property
    def arrays(self) -> tuple[Argument, ...]:
        """All array arguments, in the order in which the function takes them."""
        return (*self.inputs, *self.variables, *self.outputs)

    def parameters(self) -> list[tuple[str, Type]]:
        """Parameters of the machine-code function, for the builder."""
        arrays: list[tuple[str, Type]] = [(f"a{k}", POINTER) for k in range(len(self.arrays))]
        calls = [(f"{what}{k}", POINTER) for k in range(len(self.callbacks)) for what in ("call", "context")]
        return [*arrays, *self.dim_parameters(), ("work", POINTER), *calls]

    def dim_parameters(self) -> list[tuple[str, Type]]:
        return [(f"n{k}", I64) for k in range(len(self.dims))]


def element_type(dtype: DType) -> Type:
    """LLVM's type of one element in memory."""
    return _ELEMENT_TYPES[dtype]


def emit_size(f: Function, size: Size, values: Mapping[Atom, Int]) -> Int:
    """Code that computes a size from the dimensions; an int where it is static."""
    if not isinstance(size, Dim):
        return size
    total: Int = size.offset
    for monomial, coefficient in size.terms:
        term: Int = coefficient
        for atom in monomial:
            term = f.mul(term, _emit_atom(f, atom, values))
        total = f.add(total, term)
    return total


def _emit_atom(f: Function, atom: Atom, values: Mapping[Atom, Int]) -> Int:
    if atom in values:
        return values[atom]
    if atom.is_leaf:
        raise CompileError(f"the size {atom.label} cannot be found from the inputs", hint="add an input that has it")
    left, right = (emit_size(f, operand, values) for operand in atom.operands)
    if atom.kind == "max":
        return f.maximum(left, right)
    # floor division of a possibly negative number by a positive one
    quotient = f.binary("sdiv", f.i64(left), f.i64(right))
    back = f.binary("mul", quotient, f.i64(right))
    below = f.icmp("sgt", back, f.i64(left))
    return f.sub(quotient, f.convert("zext", below, I64))


def dims_of(types: Sequence[TensorType]) -> tuple[Atom, ...]:
    """The dynamic dimensions of some types, each once, in order of appearance."""
    found: dict[Atom, None] = {}
    for kind in types:
        for size in kind.shape:
            for atom in sorted(dims.atoms_of(size), key=lambda atom: atom.order):
                found.setdefault(atom)
    return tuple(found)
