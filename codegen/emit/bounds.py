"""The size of a workspace.  In: a program and its arena's size.  Out: the function that says how many bytes a call needs.

Code counts bytes and elements in 64 bits.  Where a size of a call might not fit, the answer is :data:`TOO_MUCH`, which no
allocator gives: such a call fails before anything is computed from a number that has wrapped round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codegen.llvm.builder import Function, Module
from codegen.llvm.types import DOUBLE, I64, Value, constant
from codegen.lower.loopir import For, IndexValue, Nest, Program, flattened, statements
from codegen.signature import KernelSpec, emit_size
from symgrad import dims
from symgrad.dims import Atom, Dim, Monomial, Size

__all__ = ["TOO_MUCH", "emit_workspace_size"]

TOO_MUCH = (1 << 63) - 1
_LIMIT = float(1 << 62)
_STATEMENTS = frozenset({For, IndexValue})


def emit_workspace_size(module: Module, program: Program, spec: KernelSpec, size: Size) -> None:
    """Add ``int64_t NAME_workspace(int64_t dimension...)`` for an arena of that size."""
    f = module.function(f"{spec.name}_workspace", spec.dim_parameters(), I64, public=True)
    values = {atom: f[f"n{k}"] for k, atom in enumerate(spec.dims)}
    needed = f.i64(emit_size(f, size, values))
    terms = _largest_terms([size, *_sizes(program)], values)
    bound = _sum(f, terms, values) if values else None
    if bound is not None:
        needed = f.select(f.fcmp("olt", bound, _LIMIT), needed, constant(TOO_MUCH, I64))
    elif terms[()] >= _LIMIT:
        needed = constant(TOO_MUCH, I64)
    f.ret(needed)


def _sizes(program: Program) -> Iterator[Size]:
    """What the program counts: bytes of its arrays, extents of its loops, and sizes that are values."""
    for buffer in program.buffers:
        yield buffer.size * buffer.dtype.itemsize
    for stage in flattened(program.stages):
        for one in statements((stage,), _STATEMENTS) if isinstance(stage, Nest) else ():
            if isinstance(one, For):
                yield one.axis.extent
            else:
                yield one.offset.base
                yield from (factor for _, factor in (*one.offset.axes, *one.offset.values))


def _largest_terms(sizes: list[Size], values: Mapping[Atom, Value]) -> dict[Monomial, int]:
    """The largest coefficient, either sign, of each product of dimensions; sizes of blocks are bounded by the whole."""
    terms: dict[Monomial, int] = {(): 0}
    for size in dict.fromkeys(sizes):
        if not isinstance(size, Dim):
            terms[()] = max(terms[()], abs(size))
        elif dims.atoms_of(size) <= values.keys():
            for monomial, coefficient in (((), size.offset), *size.terms):
                terms[monomial] = max(terms.get(monomial, 0), abs(coefficient))
    return terms


def _sum(f: Function, terms: Mapping[Monomial, int], values: Mapping[Atom, Value]) -> Value:
    """Never less than the terms together: in floating point, which does not wrap round."""
    total = constant(0.0, DOUBLE)
    for monomial, coefficient in terms.items():
        term = constant(float(coefficient), DOUBLE)
        for atom in monomial:
            term = f.fmul(term, _bound(f, atom, values))
        total = f.fadd(total, term)
    return total


def _bound(f: Function, atom: Atom, values: Mapping[Atom, Value]) -> Value:
    """A bound of a dimension: of a quotient its numerator, of a maximum the sum."""
    if atom in values:
        return f.convert("sitofp", values[atom], DOUBLE)
    parts = atom.operands[:1] if atom.kind == "//" else atom.operands
    total = constant(0.0, DOUBLE)
    for part in parts:
        total = f.fadd(total, _sum(f, _largest_terms([part], values), values))
    return total
