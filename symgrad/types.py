"""Types of values.  In: a shape and an element type.  Out: interned :class:`TensorType`.  Refuses: other element types.

Two types are equal exactly when they are the same object.  Element types are NumPy's ``float64``, ``float32``,
``int64``, ``int32`` and ``bool``; promotion between them is NumPy 2's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from symgrad import dims
from symgrad.dims import Dim, Size
from symgrad.errors import DTypeError, ShapeError

__all__ = [
    "BOOL",
    "FLOAT32",
    "FLOAT64",
    "INT32",
    "INT64",
    "Shape",
    "TensorType",
    "TupleType",
    "as_dtype",
    "as_shape",
    "is_bool",
    "is_float",
    "is_integer",
    "is_tuple",
    "promote",
    "same_shape",
]

FLOAT64, FLOAT32 = np.dtype("float64"), np.dtype("float32")
INT64, INT32, BOOL = np.dtype("int64"), np.dtype("int32"), np.dtype("bool")
DTYPES = (FLOAT64, FLOAT32, INT64, INT32, BOOL)
_RANK = {BOOL: 0, INT32: 1, INT64: 2, FLOAT32: 3, FLOAT64: 4}

Shape = tuple[Size, ...]
DType = np.dtype[Any]


class TensorType:
    """Element type and shape of an expression, a placeholder or a kernel's argument.

    Parameters
    ----------
    shape : sequence of int, Dim, str or None
        Sizes of the axes; a string names a dynamic dimension, ``None`` is an anonymous one.
    dtype : dtype-like, default ``"float64"``

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.TensorType(("n", 3), "float32")
    float32[n, 3]
    >>> sg.TensorType((2,)) is sg.TensorType((2,))
    True
    """

    __slots__ = ("__weakref__", "dtype", "shape")
    dtype: DType
    shape: Shape

    def __new__(cls, shape: Iterable[Size | str | None] | Size | str = (), dtype: Any = FLOAT64) -> TensorType:
        return of(as_dtype(dtype), as_shape(shape))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Size:
        """Number of elements."""
        return dims.product(self.shape)

    @property
    def is_static(self) -> bool:
        return all(isinstance(size, int) for size in self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        return of(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return of(dtype, self.shape)

    def __repr__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]" if self.shape else str(self.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.shape, self.dtype.name)


class TupleType:
    """Type of an operation with several results; only ``item`` nodes read it."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[TensorType, ...]) -> None:
        self.items = items

    def __repr__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


_types: dict[tuple[Any, ...], TensorType] = {}


def of(dtype: DType, shape: Shape) -> TensorType:
    """The type of this element type and shape, both already in canonical form."""
    key = (dtype, shape)
    found = _types.get(key)
    if found is None:
        made = object.__new__(TensorType)
        made.dtype, made.shape = dtype, shape
        found = _types.setdefault(key, made)
    return found


def as_dtype(dtype: Any) -> DType:
    """The element type meant by ``dtype``.

    Raises
    ------
    DTypeError
        For anything but float64, float32, int64, int32 and bool.
    """
    try:
        made = np.dtype(dtype)
    except TypeError:
        made = None
    if made not in _RANK or made is None or not made.isnative:
        raise DTypeError(f"element type {dtype!r} is not supported", hint=f"use {', '.join(d.name for d in DTYPES)}")
    return DTYPES[DTYPES.index(made)]


_SIZES = "use an int, a name, sg.dim(...) or None"


def as_shape(shape: Any) -> Shape:
    """A shape in canonical form: a tuple of non-negative ints and dimensions.

    Raises
    ------
    ShapeError
        A size is negative or is no integer, name or dimension.
    """
    if shape.__class__ is tuple:
        for size in shape:
            if size.__class__ is not int or size < 0:
                break
        else:  # the common case: known sizes
            return shape
    if isinstance(shape, (int, np.integer, str, Dim)):
        shape = (shape,)
    if not isinstance(shape, Iterable):
        raise ShapeError(f"shape {shape!r}: {shape!r} is not a size", hint=_SIZES)
    return tuple(_as_size(size, shape) for size in shape)


def _as_size(size: Any, shape: Any) -> Size:
    if isinstance(size, Dim):
        return size
    if isinstance(size, str):
        return dims.dim(size)
    if size is None:
        return dims.anonymous()
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool):
        if size < 0:
            raise ShapeError(f"shape {tuple(shape)}: negative size {size}")
        return int(size)
    raise ShapeError(f"shape {shape!r}: {size!r} is not a size", hint=_SIZES)


def is_tuple(kind: object) -> bool:
    """Whether a node's type is that of several results."""
    return isinstance(kind, TupleType)


def is_float(dtype: DType) -> bool:
    return dtype is FLOAT64 or dtype is FLOAT32


def is_integer(dtype: DType) -> bool:
    return dtype is INT64 or dtype is INT32


def is_bool(dtype: DType) -> bool:
    return dtype is BOOL


def promote(*dtypes: DType) -> DType:
    """NumPy's common type, within the five supported ones."""
    result = dtypes[0]
    for dtype in dtypes[1:]:
        if dtype is result:
            continue
        low, high = sorted((result, dtype), key=_RANK.__getitem__)
        result = FLOAT64 if high is FLOAT32 and is_integer(low) else high
    return result


def same_shape(left: Shape, right: Shape) -> bool:
    """Whether two shapes are certainly the same, decided without asking about dimensions."""
    if left is right:
        return True
    return len(left) == len(right) and all(
        a is b or (a.__class__ is int and b.__class__ is int and a == b) for a, b in zip(left, right, strict=True)
    )
