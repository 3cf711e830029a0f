"""Scalar programs.  In: scalar operations on instances.  Out: hash-consed :class:`Instance` nodes, simplified as they are made.

An instance is one scalar operation at one index: a load at an affine offset, an arithmetic operation, a reduction over
loop axes.  The loops it varies with are known from its operands.  Zeros that are *structural* (outside a placed part, a
basis direction) annihilate products and vanish from sums, which is how Jacobians of small functions become sparse.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from codegen.lower.forms import Axis, Form, Index
from symgrad import types
from symgrad.opdef import REGISTRY
from symgrad.types import BOOL, INT64, DType

__all__ = ["COMMUTATIVE", "Instance", "Pool", "halving"]

T = TypeVar("T")


class Instance:
    """One scalar operation.

    Attributes
    ----------
    op : str
        An elementwise operation's name, or ``const``, ``load``, ``axis``, ``size``, ``reduce``.
    args : operands
    data : what else identifies it: the value, (buffer, offset), the axis, (kind, axes)
    dtype : element type
    axes : loop axes it varies with
    masked : whether it may be a structural zero at run time
    """

    __slots__ = ("args", "axes", "data", "dtype", "masked", "op", "uid")
    op: str
    args: tuple[Instance, ...]
    data: Any
    dtype: DType
    axes: frozenset[Axis]
    masked: bool
    uid: int

    def __repr__(self) -> str:
        return f"%{self.uid}={self.op}({', '.join(f'%{arg.uid}' for arg in self.args)}; {self.data})"


class Reduction(NamedTuple):
    """A sum, product, maximum, ... over loop axes."""

    kind: str
    axes: tuple[Axis, ...]


_NO_AXES: frozenset[Axis] = frozenset()
COMMUTATIVE = {
    "add",
    "multiply",
    "maximum",
    "minimum",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
}
_BOOL_RESULT = {
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "isnan",
    "isfinite",
    "isinf",
    "signbit",
}


class Pool:
    """All instances of one loop nest, each once."""

    def __init__(self) -> None:
        self._table: dict[tuple[Any, ...], Instance] = {}
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._table)

    def _make(
        self, op: str, args: tuple[Instance, ...], data: Any, dtype: DType, axes: frozenset[Axis], masked: bool
    ) -> Instance:
        key = (op, data, dtype.char, *[arg.uid for arg in args])
        found = self._table.get(key)
        if found is None:
            found = Instance()
            found.op, found.args, found.data, found.dtype = op, args, data, dtype
            found.axes, found.masked, found.uid = axes, masked, next(self._count)
            self._table[key] = found
        return found

    # -- leaves ----------------------------------------------------------------------------------------------------
    def constant(self, value: Any, dtype: DType, structural: bool = False) -> Instance:
        """A number; ``structural`` for a zero that annihilates."""
        number = dtype.type(value)
        return self._make("const", (), (number.tobytes(), structural), dtype, _NO_AXES, False)

    def zero(self, dtype: DType) -> Instance:
        return self.constant(0, dtype, True)

    def load(self, buffer: Any, offset: Index, dtype: DType, masked: bool) -> Instance:
        """An element of a buffer, at an offset counted in elements."""
        axes, args = _symbols(offset)
        return self._make("load", args, (buffer, offset), dtype, axes, masked)

    def index(self, index: Index) -> Instance:
        """An index as an int64 value."""
        if isinstance(index, int):
            return self.constant(index, INT64)
        axes, args = _symbols(index)
        return self._make("index", args, index, INT64, axes, False)

    def reduce(self, kind: str, body: Instance, axes: Sequence[Axis]) -> Instance:
        """The body combined over loop axes."""
        if kind in ("sum", "max", "min", "any", "all") and is_zero(body) and kind == "sum":
            return body
        if kind == "sum" and body.op == "multiply":
            for head, difference in (body.args, body.args[::-1]):
                turned = self.turned(difference)
                if turned is not None:
                    return self.apply("negative", (self.reduce(kind, self.apply("multiply", (head, turned)), axes),))
        made = Reduction(kind, tuple(axes))
        return self._make(
            "reduce", (body,), made, body.dtype, body.axes.difference(axes), body.masked and kind == "sum"
        )

    # -- operations ------------------------------------------------------------------------------------------------
    def apply(self, op: str, args: tuple[Instance, ...], dtype: DType | None = None) -> Instance:
        """An elementwise operation, simplified.  ``dtype`` is needed for casts only."""
        simplify = _SIMPLIFY.get(op)
        if simplify is not None:
            made = simplify(self, args)
            if made is not None:
                return made
        result = dtype or (BOOL if op in _BOOL_RESULT else args[-1].dtype)
        first = args[0]
        if first.op == "const" and all(arg.op == "const" for arg in args):
            return self._folded(op, args, result)
        if op in COMMUTATIVE and first.uid > args[1].uid:
            args = (args[1], first)
        axes = args[0].axes
        for arg in args[1:]:
            if arg.axes is not axes:
                axes = axes | arg.axes
        return self._make(op, args, None, result, axes, _may_be_masked(op, args))

    def turned(self, one: Instance) -> Instance | None:
        """b - a for a - b where that was there first: their squares are the same."""
        if one.op != "subtract":
            return None
        a, b = one.args
        found = self._table.get(("subtract", None, one.dtype.char, b.uid, a.uid))
        return found if found is not None and found.uid < one.uid else None

    def _folded(self, op: str, args: tuple[Instance, ...], dtype: DType) -> Instance:
        values = [value_of(arg) for arg in args]
        with np.errstate(all="ignore"):
            if op == "cast":
                made = np.asarray(values[0]).astype(dtype)[()]
            else:
                made = REGISTRY[op].evaluate((), *values)
        return self.constant(np.asarray(made, dtype)[()], dtype)

    def total(self, kind: str, parts: Sequence[Instance]) -> Instance:
        """Parts combined pairwise, so that the chain of dependences is short."""
        op = {
            "sum": "add",
            "prod": "multiply",
            "max": "maximum",
            "min": "minimum",
            "any": "logical_or",
            "all": "logical_and",
        }[kind]
        return halving(parts, lambda a, b: self.apply(op, (a, b)))


def halving(parts: Sequence[T], combine: Callable[[T, T], T]) -> T:
    """Parts combined pairwise, then the results, until one is left."""
    level = list(parts)
    while len(level) > 1:
        level = [combine(level[k], level[k + 1]) if k + 1 < len(level) else level[k] for k in range(0, len(level), 2)]
    return level[0]


def _symbols(index: Index) -> tuple[frozenset[Axis], tuple[Instance, ...]]:
    if index.__class__ is not Form:
        return _NO_AXES, ()
    args = tuple(symbol for symbol, _ in index.terms if isinstance(symbol, Instance))
    axes = frozenset(symbol for symbol, _ in index.terms if isinstance(symbol, Axis))
    for arg in args:
        axes |= arg.axes
    return axes, args


def value_of(instance: Instance) -> Any:
    """The number of a constant."""
    return np.frombuffer(instance.data[0], instance.dtype)[0]


def is_zero(instance: Instance) -> bool:
    """Whether an instance is a structural zero."""
    return instance.op == "const" and bool(instance.data[1])


def _is_number(instance: Instance, number: float) -> bool:
    return instance.op == "const" and bool(value_of(instance) == number)


def _may_be_masked(op: str, args: tuple[Instance, ...]) -> bool:
    if op in ("multiply", "masked_multiply", "zero_multiply", "negative", "cast", "divide", "square"):
        return args[0].masked or (op in ("multiply", "zero_multiply") and args[1].masked)
    if op in ("add", "subtract"):
        return all(arg.masked or _is_number(arg, 0) for arg in args)
    if op == "sign":
        return True
    if op == "where":
        return any(arg.masked or _is_number(arg, 0) for arg in args[1:])
    return False


# -- simplification -------------------------------------------------------------------------------------------------
def _add(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    a, b = args
    if is_zero(a):
        return b
    if is_zero(b):
        return a
    if b.op == "negative":
        return pool.apply("subtract", (a, b.args[0]))
    if a.op == "negative":
        return pool.apply("subtract", (b, a.args[0]))
    return None


def _subtract(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    a, b = args
    if is_zero(b):
        return a
    if is_zero(a):
        return pool.apply("negative", (b,))
    return pool.apply("add", (a, b.args[0])) if b.op == "negative" else None


def _multiply(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    a, b = args
    if a is b and (turned := pool.turned(a)) is not None:
        return pool.apply("multiply", (turned, turned))
    scaled = _multiply_number(pool, a, b)
    return scaled if scaled is not None else _multiply_signed(pool, a, b)


def _multiply_number(pool: Pool, a: Instance, b: Instance) -> Instance | None:
    for one, other in ((a, b), (b, a)):
        if one.op != "const":
            continue
        if is_zero(one):
            return one
        if types.is_float(one.dtype):
            known = value_of(one)
            if known == 1:
                return other
            if known == -1:
                return pool.apply("negative", (other,))
    return None


def _multiply_signed(pool: Pool, a: Instance, b: Instance) -> Instance | None:
    if a.op == "negative" and b.op == "negative":
        return pool.apply("multiply", (a.args[0], b.args[0]))
    if a.op == "negative":
        return pool.apply("negative", (pool.apply("multiply", (a.args[0], b)),))
    if b.op == "negative":
        return pool.apply("negative", (pool.apply("multiply", (a, b.args[0])),))
    return None


def _masked_multiply(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    head, _ = args
    if head.op == "const" and value_of(head) == 0:
        return pool.zero(head.dtype)
    return None if head.masked else pool.apply("multiply", args)


def _zero_multiply(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    for one in args:
        if one.op == "const" and value_of(one) == 0:
            return pool.zero(one.dtype)
    a, b = args
    if a.masked and b.masked:
        return None
    return pool.apply("masked_multiply", args if a.masked else (b, a))


def _divide(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    a, b = args
    if is_zero(a):
        return a
    return a if _is_number(b, 1) else None


def _negative(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    (a,) = args
    if is_zero(a):
        return a
    return a.args[0] if a.op == "negative" else None


def _where(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    condition, a, b = args
    if condition.op == "const":
        return a if value_of(condition) else b
    return a if a is b else None


def _square(pool: Pool, args: tuple[Instance, ...]) -> Instance | None:
    (a,) = args
    if is_zero(a):
        return a
    turned = pool.turned(a)
    return None if turned is None else pool.apply("square", (turned,))


_SIMPLIFY: dict[str, Callable[[Pool, tuple[Instance, ...]], Instance | None]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "masked_multiply": _masked_multiply,
    "zero_multiply": _zero_multiply,
    "divide": _divide,
    "negative": _negative,
    "where": _where,
    "square": _square,
}
