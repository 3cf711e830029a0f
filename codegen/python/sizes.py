"""Dynamic sizes of a call.  In: a kernel's interface.  Out: the order in which axes tell or check the dimensions.

Refuses an interface with a dimension that no input's shape determines.  The order is that of
:func:`symgrad.interp.bind_dims`: axes from left to right, and again while something remains to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen.python.rules import Interface, Parameter, Step
from codegen.signature import Argument, KernelSpec
from symgrad import dims
from symgrad.dims import Atom, Dim, Size
from symgrad.errors import CompileError

__all__ = ["interface_of", "plan_sizes", "split_linear"]


def interface_of(spec: KernelSpec, *, returns_tuple: bool) -> Interface:
    """The interface as the plain data of :mod:`codegen.python.rules`.

    Raises
    ------
    CompileError
        The shapes of the inputs do not determine a dimension.
    """
    inputs, variables, outputs = (
        tuple(_parameter(one, spec.dims) for one in some) for some in (spec.inputs, spec.variables, spec.outputs)
    )
    return Interface(
        name=spec.name,
        inputs=inputs,
        variables=variables,
        outputs=outputs,
        dims=tuple(atom.label for atom in spec.dims),
        steps=plan_sizes(spec),
        returns_tuple=returns_tuple,
    )


def _parameter(one: Argument, order: Sequence[Atom]) -> Parameter:
    forms = tuple(_form(size, order) for size in one.type.shape)
    return Parameter(one.name, one.type.dtype.name, forms, tuple(map(str, one.type.shape)))


def _form(size: Size, order: Sequence[Atom]) -> Any:
    """A size as an int or a polynomial of numbered dimensions."""
    if not isinstance(size, Dim):
        return size
    terms = tuple((c, tuple(_factor(atom, order) for atom in monomial)) for monomial, c in size.terms)
    return size.offset, terms


def _factor(atom: Atom, order: Sequence[Atom]) -> Any:
    if atom.is_leaf:
        return order.index(atom)
    left, right = (_form(operand, order) for operand in atom.operands)
    return atom.kind, left, right


def plan_sizes(spec: KernelSpec) -> tuple[Step, ...]:
    """Every axis of the inputs, in an order in which each can be decided.

    Raises
    ------
    CompileError
        The shapes of the inputs do not determine a dimension.
    """
    axes = [(k, axis, size) for k, one in enumerate(spec.inputs) for axis, size in enumerate(one.type.shape)]
    known: set[Atom] = set()
    steps = []
    while axes:
        waiting = []
        for argument, axis, size in axes:
            unknown = dims.atoms_of(size) - known
            found = _only_linear(size, unknown) if unknown else None
            if unknown and found is None:
                waiting.append((argument, axis, size))
                continue
            known |= unknown
            steps.append(Step(argument, axis, None if found is None else spec.dims.index(found)))
        if len(waiting) == len(axes):
            raise _undetermined(spec, str(waiting[0][2]))
        axes = waiting
    for atom in spec.dims:
        if atom not in known:
            raise _undetermined(spec, atom.label)
    return tuple(steps)


def _undetermined(spec: KernelSpec, size: str) -> CompileError:
    return CompileError(
        f"{spec.name}: the size {size} cannot be found from the shapes of the inputs",
        hint="add an input with an axis of that size, or give the size as a number",
    )


def _only_linear(size: Size, unknown: set[Atom]) -> Atom | None:
    """The one unknown dimension of a size that is linear in it."""
    assert isinstance(size, Dim)
    if len(unknown) != 1:
        return None
    (atom,) = unknown
    for monomial, _ in size.terms:
        operands = [operand for factor in monomial for operand in factor.operands]
        if monomial.count(atom) > 1 or any(atom in dims.atoms_of(operand) for operand in operands):
            return None
    return atom


def split_linear(size: Size, atom: Atom) -> tuple[Size, Size]:
    """``(factor, rest)`` with ``size = factor * atom + rest``."""
    rest = dims.substitute(size, {atom: 0})
    factor: Size = dims.substitute(size, {atom: 1}) - rest
    return factor, rest
