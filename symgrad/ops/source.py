"""Where values enter a graph.  In: names, numbers, arrays.  Out: placeholder, constant and counter nodes.

``symbol`` is the user's placeholder: equal name and type is the same symbol.  ``parameter`` is a placeholder of the
library's own (a traced argument, a loop variable): each is unique, so a traced ``x`` never captures an outer ``x``.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from symgrad import types
from symgrad.dims import Dim, Size
from symgrad.errors import DTypeError, ShapeError, TraceError
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Kind, OpDef, Sample, register
from symgrad.types import BOOL, FLOAT64, INT64, DType, TensorType

__all__ = [
    "Literal",
    "basis",
    "constant",
    "dim_value",
    "iota",
    "is_placeholder",
    "number",
    "parameter",
    "placeholders",
    "symbol",
    "uniform_value",
]

_SMALL = 256  # bytes up to which a constant is compared by its bytes rather than by a digest
_uids = itertools.count()


_large: WeakValueDictionary[tuple[Any, ...], np.ndarray[Any, Any]] = WeakValueDictionary()


class Literal:
    """A read-only array that compares by element type, shape and bit pattern (so NaN equals itself, 0.0 is not -0.0).

    A large array that some literal has already is not copied again, however often a function that closes over it is traced.
    ``number`` is its only element, of what has one.
    """

    __slots__ = ("_hash", "array", "key", "number")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        if not array.flags.c_contiguous:
            array = array.copy(order="C")
        key = _bits(array)
        known = _large.get(key)
        if known is None:
            known = array
            if array.flags.writeable or array.base is not None:
                known = array.copy()
                known.flags.writeable = False
                key = _bits(known) if array.nbytes > _SMALL else key  # somebody may have written to it meanwhile
            if array.nbytes > _SMALL:
                known = _large.setdefault(key, known)
        self.array = known
        self.number: Any = known.reshape(())[()] if known.size == 1 else None
        self.key = key
        self._hash = hash(key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self.key == other.key

    def __repr__(self) -> str:
        return f"Literal({self.array!r})"


def _bits(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    content = array.tobytes() if array.nbytes <= _SMALL else blake2b(array.data, digest_size=16).digest()
    return array.dtype.char, array.shape, content


class ConstantAttrs(NamedTuple):
    value: Literal


class SymbolAttrs(NamedTuple):
    name: str
    type: TensorType


class ParameterAttrs(NamedTuple):
    name: str
    type: TensorType
    uid: int


class IotaAttrs(NamedTuple):
    size: Size


class BasisAttrs(NamedTuple):
    type: TensorType


class DimAttrs(NamedTuple):
    dim: Dim


def _none(rng: np.random.Generator) -> Iterable[Sample]:
    return ()


def _value_needed(attrs: Any) -> Any:
    raise TraceError(f"the placeholder {attrs.name!r} has no value of its own", hint="pass one for it")


SYMBOL = register(
    OpDef(
        name="symbol",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: attrs.type,
        evaluate=_value_needed,
        derivative=Constant(),
        samples=_none,
        attrs=SymbolAttrs,
        doc="A placeholder named by the user.",
    )
)
PARAMETER = register(
    OpDef(
        name="parameter",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: attrs.type,
        evaluate=_value_needed,
        derivative=Constant(),
        samples=_none,
        attrs=ParameterAttrs,
        doc="A placeholder of a trace, with an identity of its own.",
    )
)
CONSTANT = register(
    OpDef(
        name="constant",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: types.of(types.as_dtype(attrs.value.array.dtype), attrs.value.array.shape),
        evaluate=lambda attrs: attrs.value.array,
        derivative=Constant(),
        samples=lambda rng: [Sample((), ConstantAttrs(Literal(rng.normal(size=(2, 3)))))],
        attrs=ConstantAttrs,
        doc="A fixed array.",
    )
)
IOTA = register(
    OpDef(
        name="iota",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: types.of(INT64, (attrs.size,)),
        evaluate=lambda attrs: np.arange(attrs.size),
        derivative=Constant(),
        samples=lambda rng: [Sample((), IotaAttrs(5)), Sample((), IotaAttrs(0))],
        attrs=IotaAttrs,
        doc="The integers 0 .. size-1.",
    )
)
BASIS = register(
    OpDef(
        name="basis",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: types.of(attrs.type.dtype, (attrs.type.size, *attrs.type.shape)),
        evaluate=lambda attrs: np.eye(attrs.type.size, dtype=attrs.type.dtype).reshape((-1, *attrs.type.shape)),
        derivative=Constant(),
        samples=lambda rng: [Sample((), BasisAttrs(types.of(FLOAT64, (2, 3))))],
        attrs=BasisAttrs,
        doc="One unit array for each element of a type: directions, whose zeros annihilate whatever they multiply.",
    )
)
DIM_VALUE = register(
    OpDef(
        name="dim_value",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: types.of(INT64, ()),
        evaluate=lambda attrs: np.int64(attrs.dim),
        derivative=Constant(),
        samples=_none,
        attrs=DimAttrs,
        doc="A dynamic dimension as an integer scalar.",
    )
)
placeholder_ops: set[OpDef] = {SYMBOL, PARAMETER}  # variables join them


def symbol(name: str, shape: Any = (), dtype: Any = FLOAT64) -> Any:
    """A placeholder: the same name and type is the same symbol.

    Parameters
    ----------
    name : str
    shape : sequence of int, str, Dim or None
        A string is a named dynamic dimension, ``None`` an anonymous one.
    dtype : dtype-like, default ``"float64"``

    Raises
    ------
    ShapeError, DTypeError

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", ("n", 3))
    >>> x.type, x.same(sg.symbol("x", ("n", 3)))
    (float64[n, 3], True)
    """
    if not isinstance(name, str) or not name:
        raise TraceError(f"symbol: {name!r} is not a name")
    return apply(SYMBOL, (), SymbolAttrs(name, types.of(types.as_dtype(dtype), types.as_shape(shape))))


def parameter(name: str, kind: TensorType) -> Any:
    """A new placeholder that equals no other."""
    return apply(PARAMETER, (), ParameterAttrs(name, kind, next(_uids)))


def constant(value: Any, dtype: Any = None) -> Any:
    """An expression of fixed value; the array is copied.

    Parameters
    ----------
    value : array-like of numbers
    dtype : dtype-like, optional
        By default that of ``value``; Python numbers become float64, int64 or bool.

    Raises
    ------
    DTypeError
        The values are no real numbers or booleans.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.constant(np.eye(2)).type
    float64[2, 2]
    """
    if isinstance(value, Node):
        raise TraceError("constant: the value is an expression already", hint="use it as it is")
    if isinstance(value, (bool, int, float)):
        return number(value, types.as_dtype(dtype) if dtype is not None else _natural(value))
    array = np.asarray(value)
    if array.dtype == object:
        raise DTypeError(
            "constant: an object array is not a value", hint="use symgrad.numpy.array for nested expressions"
        )
    return apply(CONSTANT, (), ConstantAttrs(Literal(array.astype(types.as_dtype(dtype or array.dtype), copy=False))))


def _natural(value: bool | int | float) -> DType:
    if isinstance(value, bool):
        return BOOL
    return INT64 if isinstance(value, int) else FLOAT64


def number(value: Any, dtype: DType) -> Any:
    """The scalar constant of that element type."""
    exact = struct.pack("<d", value) if isinstance(value, (float, np.floating)) else int(value)
    return apply(CONSTANT, (), _number(exact, dtype))


@lru_cache(4096)
def _number(value: bytes | int, dtype: DType) -> ConstantAttrs:
    plain = struct.unpack("<d", value)[0] if isinstance(value, bytes) else value
    try:
        array = np.array(plain, dtype=dtype)
    except OverflowError:
        raise DTypeError(f"{plain} does not fit into {dtype}") from None
    return ConstantAttrs(Literal(array))


def iota(size: Size) -> Any:
    """The int64 vector 0 .. size-1."""
    if isinstance(size, int) and size < 0:
        raise ShapeError(f"iota: negative size {size}")
    return apply(IOTA, (), IotaAttrs(size if isinstance(size, Dim) else types.as_shape((size,))[0]))


def basis(kind: TensorType) -> Any:
    """All unit arrays of a type, along a new first axis."""
    return apply(BASIS, (), BasisAttrs(kind))


def dim_value(dim: Size) -> Any:
    """A size as an int64 scalar expression."""
    return number(dim, INT64) if isinstance(dim, int) else apply(DIM_VALUE, (), DimAttrs(dim))


_SPREADING = frozenset({"broadcast_to", "reshape", "expand_dims", "cast"})


def uniform_value(node: Node) -> Any:
    """The number that every element of a constant expression has, as a NumPy scalar; None for anything else."""
    kind = node.type
    while node.op.name in _SPREADING:
        node = node.inputs[0]
    if node.op is not CONSTANT:
        return None
    number = node.attrs.value.number
    return number if number is None or node.type.dtype is kind.dtype else number.astype(kind.dtype)


def is_uniform(node: Node, number: float) -> bool:
    """Whether every element of an expression is this number; -0.0 is not 0."""
    known = uniform_value(node)
    return known is not None and bool(known == number) and not (number == 0 and np.signbit(known))


def is_constant(node: Node) -> bool:
    """Whether a node is a constant array, possibly reshaped, repeated, converted or negated."""
    for _ in range(8):
        if node.op.name not in ("broadcast_to", "reshape", "expand_dims", "squeeze", "transpose", "cast", "negative"):
            break
        node = node.inputs[0]
    return node.op is CONSTANT


def is_placeholder(node: Node) -> bool:
    return node.op in placeholder_ops


def placeholders(order: Iterable[Node]) -> list[Node]:
    """The placeholders among the nodes, in their order."""
    return [node for node in order if node.op in placeholder_ops]
