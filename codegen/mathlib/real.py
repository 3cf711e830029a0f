"""Formulas as formulas.  In: LLVM values of a float type.  Out: Python operators that emit one instruction each.

The functions of this library are polynomials, selections and work on exponent bits; written as ``f.fadd(f.fmul(...))``
nobody could check them against their sources.  :class:`Real`, :class:`Bits` and :class:`Mask` wrap a value together
with the function being built.  Nothing is folded or fused behind the reader's back: ``a * b + c`` is two roundings and
``fma(a, b, c)`` is one (two where the machine cannot fuse).  Numbers stand for themselves in every lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen.llvm.builder import Function
from codegen.llvm.types import Value, constant
from codegen.mathlib.formats import Format, format_named

__all__ = [
    "Bits",
    "Mask",
    "Number",
    "Real",
    "clamp",
    "fma",
    "horner",
    "ldexp",
    "polynomial",
    "select",
    "select_bits",
    "with_sign_of",
]


@dataclass(frozen=True, eq=False)
class Mask:
    """A truth value in each lane."""

    f: Function
    value: Value

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.f, self.f.binary("and", self.value, other.value))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.f, self.f.binary("or", self.value, other.value))


@dataclass(frozen=True, eq=False)
class Bits:
    """An integer as wide as the float, in each lane; arithmetic wraps."""

    f: Function
    value: Value

    def _binary(self, op: str, other: Bits | int) -> Bits:
        return Bits(self.f, self.f.binary(op, self.value, other.value if isinstance(other, Bits) else other))

    def __add__(self, other: Bits | int) -> Bits:
        return self._binary("add", other)

    def __sub__(self, other: Bits | int) -> Bits:
        return self._binary("sub", other)

    def __rsub__(self, other: int) -> Bits:
        return Bits(self.f, self.f.binary("sub", other, self.value))

    def __and__(self, other: Bits | int) -> Bits:
        return self._binary("and", other)

    def __or__(self, other: Bits | int) -> Bits:
        return self._binary("or", other)

    def __xor__(self, other: Bits | int) -> Bits:
        return self._binary("xor", other)

    def __lshift__(self, count: int) -> Bits:
        return self._binary("shl", count)

    def __rshift__(self, count: int) -> Bits:
        """Logical: an arithmetic shift of 64 bits is five instructions before AVX-512."""
        return self._binary("lshr", count)

    def is_negative(self) -> Mask:
        """Whether the highest bit is set: x86 selects by that bit, so this costs nothing there."""
        return Mask(self.f, self.f.icmp("slt", self.value, 0))

    def equals(self, other: Bits | int) -> Mask:
        return Mask(self.f, self.f.icmp("eq", self.value, other.value if isinstance(other, Bits) else other))

    @property
    def real(self) -> Real:
        """The float with these bits."""
        kind = self.value.type
        return Real(self.f, self.f.convert("bitcast", self.value, kind.with_element(_ELEMENT[kind.bits])))


_ELEMENT = {64: "double", 32: "float"}


@dataclass(frozen=True, eq=False)
class Real:
    """A float in each lane."""

    f: Function
    value: Value

    @property
    def format(self) -> Format:
        return format_named(self.value.type.element)

    @property
    def table(self) -> dict[str, tuple[float, ...]]:
        """The format's coefficients."""
        return self.format.table

    def number(self, value: Number) -> Real:
        """The number in every lane, as a value of this one's type."""
        return value if isinstance(value, Real) else Real(self.f, constant(value, self.value.type))

    def pick(self, double: float, single: float) -> float:
        return self.format.pick(double, single)

    def __add__(self, other: Number) -> Real:
        return Real(self.f, self.f.fadd(self.value, _operand(other)))

    def __radd__(self, other: float) -> Real:
        return Real(self.f, self.f.fadd(other, self.value))

    def __sub__(self, other: Number) -> Real:
        return Real(self.f, self.f.fsub(self.value, _operand(other)))

    def __rsub__(self, other: float) -> Real:
        return Real(self.f, self.f.fsub(other, self.value))

    def __mul__(self, other: Number) -> Real:
        return Real(self.f, self.f.fmul(self.value, _operand(other)))

    def __rmul__(self, other: float) -> Real:
        return Real(self.f, self.f.fmul(other, self.value))

    def __truediv__(self, other: Number) -> Real:
        return Real(self.f, self.f.fdiv(self.value, _operand(other)))

    def __rtruediv__(self, other: float) -> Real:
        return Real(self.f, self.f.fdiv(other, self.value))

    def __neg__(self) -> Real:
        return Real(self.f, self.f.fneg(self.value))

    def __abs__(self) -> Real:
        return Real(self.f, self.f.fabs(self.value))

    def compare(self, predicate: str, other: Number) -> Mask:
        """LLVM's ``fcmp``: predicates begin with o (false for nan) or u (true for nan)."""
        return Mask(self.f, self.f.fcmp(predicate, self.value, _operand(other)))

    def __lt__(self, other: Number) -> Mask:
        return self.compare("olt", other)

    def __le__(self, other: Number) -> Mask:
        return self.compare("ole", other)

    def __gt__(self, other: Number) -> Mask:
        return self.compare("ogt", other)

    def __ge__(self, other: Number) -> Mask:
        return self.compare("oge", other)

    def equals(self, other: Number) -> Mask:
        return self.compare("oeq", other)

    def squared(self) -> Real:
        """Its square, which for a negated value is that of the operand, so that both are computed once."""
        plain = self.f.negated.get(self.value.text, self.value)
        return Real(self.f, self.f.fmul(plain, plain))

    def sqrt(self) -> Real:
        return Real(self.f, self.f.sqrt(self.value))

    def rint(self) -> Real:
        """The nearest integer; a call of libm where the machine cannot round."""
        return Real(self.f, self.f.intrinsic("rint", self.value))

    def extended(self) -> Real:
        """In double."""
        return Real(self.f, self.f.convert("fpext", self.value, self.value.type.with_element("double")))

    def truncated(self) -> Real:
        """Rounded to float."""
        return Real(self.f, self.f.convert("fptrunc", self.value, self.value.type.with_element("float")))

    @property
    def bits(self) -> Bits:
        return Bits(self.f, self.f.convert("bitcast", self.value, self.value.type.integer))


Number = Real | float


def _operand(x: Number) -> Value | float:
    return x.value if isinstance(x, Real) else x


def fma(a: Number, b: Number, c: Number) -> Real:
    """a b + c: rounded once where the machine fuses, else twice."""
    f = next(x.f for x in (a, b, c) if isinstance(x, Real))
    return Real(f, f.fma(_operand(a), _operand(b), _operand(c)))


def select(mask: Mask, yes: Number, no: Number) -> Real:
    return Real(mask.f, mask.f.select(mask.value, _operand(yes), _operand(no)))


def select_bits(mask: Mask, yes: Bits, no: Bits) -> Bits:
    return Bits(mask.f, mask.f.select(mask.value, yes.value, no.value))


def clamp(x: Real, low: float | None = None, high: float | None = None) -> Real:
    """x within bounds; nan passes.  The order of the operands makes each bound one ``max`` or ``min`` of x86."""
    if low is not None:
        x = select(x < low, low, x)
    if high is not None:
        x = select(x > high, high, x)
    return x


def with_sign_of(magnitude: Number, sign: Real) -> Real:
    """The magnitude with the other's sign."""
    return Real(sign.f, sign.f.copysign(_operand(magnitude), sign.value))


def ldexp(x: Real, n: Bits) -> Real:
    """x times 2^n, rounded once.  One instruction on AVX-512, a long expansion elsewhere: build powers of two there."""
    kind, exponent = x.value.type, n.value.type
    symbol = f"@llvm.ldexp.{kind.suffix}.{exponent.suffix}"
    x.f.module.declare(symbol, f"declare {kind.text} {symbol}({kind.text}, {exponent.text})")
    return Real(x.f, x.f.emit(f"call {kind.text} {symbol}({x.value.typed}, {n.value.typed})", kind))


def horner(x: Real, coefficients: Sequence[float]) -> Real:
    """A polynomial, its constant term first, in the fewest operations."""
    total: Number = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = fma(total, x, coefficient)
    return x.number(total)


def polynomial(x: Real, coefficients: Sequence[float], last: int = 0) -> Real:
    """A polynomial, its constant term first, as E(x²) + x O(x²): one product more than Horner's rule, half its latency.

    The functions of this library are bound by latency: the window of a processor holds one or two vectors of them.
    Where E and O nearly cancel, the ``last`` steps follow Horner's rule.
    """
    first, rest = coefficients[:last], coefficients[last:]
    total = _halved(x, rest)
    for coefficient in reversed(first):
        total = fma(x, total, coefficient)
    return total


def _halved(x: Real, coefficients: Sequence[float]) -> Real:
    if len(coefficients) < _SHORT:
        return horner(x, coefficients)
    square = x * x
    return fma(x, _halved(square, coefficients[1::2]), _halved(square, coefficients[0::2]))


_SHORT = 8
