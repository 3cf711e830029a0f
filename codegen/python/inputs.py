"""Reading the inputs of a call in machine code.  In: the slots.  Out: addresses of dense elements, and the sizes.

Plain arrays of the declared types are read where they are; strided or misaligned ones are copied for the call.  All
else goes to the label ``rejected``, and an exception that is set goes to ``failed``.
"""

from __future__ import annotations

from codegen.llvm.builder import Function, Int
from codegen.llvm.types import I32, I64, POINTER, Value
from codegen.python.numpy_layout import (
    ALIGNED,
    ARRAY_DATA,
    ARRAY_DESCR,
    ARRAY_DIMENSIONS,
    ARRAY_FLAGS,
    ARRAY_NDIM,
    C_CONTIGUOUS,
    TYPE,
)
from codegen.python.objects import NULL, call, external, field, holds, require, run, same
from codegen.python.rules import Step
from codegen.python.sizes import plan_sizes, split_linear
from codegen.signature import Argument, KernelSpec, emit_size
from symgrad import dims
from symgrad.dims import Atom, Dim, Size

__all__ = ["DENSE", "Inputs", "check_array"]

DENSE = C_CONTIGUOUS | ALIGNED


class Inputs:
    """The inputs of a call, as they are known while the function is built.

    Attributes
    ----------
    memory : list of Value
        Addresses of their elements.
    values : dict of Atom to Int
        The dimensions.
    """

    def __init__(self, f: Function, spec: KernelSpec) -> None:
        self.f, self.spec = f, spec
        self.memory: list[Value] = []
        self.values: dict[Atom, Int] = {}
        self._shapes: dict[tuple[int, int], Value] = {}
        self._divisors: set[Size] = set()
        self._copies = f.alloca(I64, 1 + len(spec.inputs), 8)  # a count, then references to arrays

    def read(self) -> None:
        """Find everything, or reject the call."""
        self.f.store(Value("0", I64), self._copies)
        for k, one in enumerate(self.spec.inputs):
            given = self.f.load(self.f.gep(self.f["slots"], k, POINTER), POINTER)
            self.memory.append(self._array(given, k, one) if one.type.shape else self._number(given, one))
        for step in plan_sizes(self.spec):
            self._decide(step)
        for one in self.spec.outputs:
            for size in one.type.shape:
                self._check_divisors(size)
                if not dims.at_least(size, 0):
                    require(self.f, self.f.icmp("sge", self.f.i64(self.size(size)), 0), "rejected")

    def _number(self, given: Value, one: Argument) -> Value:
        """The address of the value of an input of rank 0."""
        f = self.f
        slot = f.alloca(I64, 1, 8)
        value = call(f, f"number_{one.type.dtype.name}", [given, slot], POINTER)
        require(f, f.icmp("ne", value, NULL), "rejected")
        return value

    def _array(self, given: Value, k: int, one: Argument) -> Value:
        """The address of an input's elements; its shape is kept."""
        f = self.f
        check_array(f, given, one)
        flags = f.binary("and", field(f, given, ARRAY_FLAGS, I32), DENSE)
        (dense,) = f.either(same(f, flags, DENSE), lambda: [given], lambda: [self._copied(given)])
        dimensions = field(f, given, ARRAY_DIMENSIONS, POINTER)
        for axis in range(one.type.ndim):
            self._shapes[k, axis] = f.load(f.gep(dimensions, axis, I64), I64)
        return field(f, dense, ARRAY_DATA, POINTER)

    def _copied(self, given: Value) -> Value:
        """A dense copy of an input, for this call.  Where arrays are overwritten, the slow road looks for overlaps."""
        f = self.f
        if self.spec.variables:
            f.jump("rejected")
            f.enter(f.label("after"))
            return NULL
        require(f, same(f, f["out"], NULL), "rejected")
        made = call(f, "numpy_copy", [given, Value("0", I32)], POINTER)
        require(f, f.icmp("ne", made, NULL), "failed")
        count = f.load(self._copies, I64)
        f.store(made, f.gep(self._copies, f.add(count, 1), I64))
        f.store(f.i64(f.add(count, 1)), self._copies)
        return made

    # -- sizes -----------------------------------------------------------------------------------------------------
    def _decide(self, step: Step) -> None:
        """Find a dimension from an axis, or check the axis."""
        f = self.f
        size = self.spec.inputs[step.argument].type.shape[step.axis]
        actual = self._shapes[step.argument, step.axis]
        self._check_divisors(size)
        if step.unknown is None:
            require(f, same(f, actual, self.size(size)), "rejected")
            return
        atom = self.spec.dims[step.unknown]
        factor, rest = (self.size(part) for part in split_linear(size, atom))
        value = f.i64(f.sub(actual, rest))
        if factor != 1:
            value = self._divided(value, f.i64(factor))
        require(f, f.icmp("ult", value, _limit(self.spec)), "rejected")  # which also refuses negative ones
        self.values[atom] = value

    def _divided(self, value: Value, factor: Value) -> Value:
        """The exact quotient."""
        f = self.f
        require(f, f.icmp("ne", factor, 0), "rejected")
        quotient = f.binary("sdiv", value, factor)
        require(f, same(f, f.binary("mul", quotient, factor), value), "rejected")
        return quotient

    def _check_divisors(self, size: Size) -> None:
        """Reject the call rather than divide by zero."""
        f = self.f
        for divisor in _divisors(size):
            require(f, f.icmp("sgt", f.i64(self.size(divisor)), 0), "rejected")

    def size(self, size: Size) -> Int:
        """A size of this call."""
        return emit_size(self.f, size, self.values)

    def release(self) -> None:
        """Give up the copies of inputs; a second time, nothing is left to do."""
        f = self.f
        with f.loop(0, f.load(self._copies, I64)) as each:
            run(f, "Py_DecRef", f.load(f.gep(self._copies, f.add(each.index, 1), POINTER), POINTER))
        f.store(Value("0", I64), self._copies)


def check_array(f: Function, given: Value, one: Argument) -> None:
    """Reject what is not a plain array of the dtype and rank."""
    require(f, same(f, field(f, given, TYPE, POINTER), external(f, "ndarray")), "rejected")
    require(f, same(f, field(f, given, ARRAY_NDIM, I32), one.type.ndim), "rejected")
    dtype = external(f, f"dtype_{one.type.dtype.name}")
    with f.when(f.icmp("ne", field(f, given, ARRAY_DESCR, POINTER), dtype), unlikely=True):
        require(f, holds(f, call(f, "same_dtype", [given, dtype], I32)), "rejected")


def _divisors(size: Size) -> list[Size]:
    """Everything dynamic that a size divides by, innermost first."""
    found: list[Size] = []
    if isinstance(size, Dim):
        for atom in (atom for monomial, _ in size.terms for atom in monomial if not atom.is_leaf):
            found += [inner for operand in atom.operands for inner in _divisors(operand)]
            if atom.kind == "//" and isinstance(atom.operands[1], Dim):
                found.append(atom.operands[1])
    return found


def _limit(spec: KernelSpec) -> int:
    """From where on a dimension might make a size overflow; such calls are left to Python's integers."""
    degree = max((_degree(size) for one in spec.arrays for size in one.type.shape), default=1)
    return int(1 << min(40, 56 // max(1, degree)))


def _degree(size: Size) -> int:
    if not isinstance(size, Dim):
        return 0
    return max(sum(_atom_degree(atom) for atom in monomial) for monomial, _ in size.terms)


def _atom_degree(atom: Atom) -> int:
    return 1 if atom.is_leaf else max(1, *(_degree(operand) for operand in atom.operands))
