"""NumPy for expressions, where NumPy's own protocols do not reach: ``import symgrad.numpy as np``.

Functions that make arrays from sizes, numbers and nested lists accept expressions and dynamic dimensions here; without
any they are NumPy's own.  Every other name is NumPy's, whose functions and ufuncs take expressions by themselves.

Examples
--------
>>> import symgrad as sg, symgrad.numpy as np
>>> x, y = sg.symbols("x y")
>>> print(np.sum(np.array([x, y]) * np.arange(2)))
sum([x, y] * [0., 1.])
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as _numpy

from symgrad import ops
from symgrad.functions import FUNCTIONS, joining, matrices
from symgrad.node import Node
from symgrad.numpy import linalg
from symgrad.numpy.windows import bartlett, blackman, hamming, hanning, kaiser
from symgrad.ops.coerce import is_symbolic

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "bartlett",
    "blackman",
    "c_",
    "diag_indices",
    "empty",
    "eye",
    "fromfunction",
    "full",
    "hamming",
    "hanning",
    "identity",
    "indices",
    "kaiser",
    "linalg",
    "ones",
    "r_",
    "tri",
    "zeros",
]


def __getattr__(name: str) -> Any:
    value = getattr(_numpy, name)
    ours = FUNCTIONS.get(value) if callable(value) else None
    return value if ours is None else _either(value, ours)


def _either(numpys: Any, ours: Any) -> Any:
    """NumPy's function, which hands expressions on by itself; ours where they are only found inside lists."""

    @wraps(numpys)
    def function(*args: Any, **kwargs: Any) -> Any:
        inside = is_symbolic(args) and not any(isinstance(one, Node) for one in (*args, *kwargs.values()))
        return ours(*args, **kwargs) if inside else numpys(*args, **kwargs)

    return function


def __dir__() -> list[str]:
    return sorted({*__all__, *dir(_numpy)})


def array(value: Any, dtype: Any = None) -> Any:
    """NumPy's ``array``; nested lists may hold expressions."""
    return ops.array(value, dtype) if is_symbolic(value) else _numpy.array(value, dtype=dtype)


def asarray(value: Any, dtype: Any = None) -> Any:
    """NumPy's ``asarray``; an expression stays itself."""
    return ops.array(value, dtype) if is_symbolic(value) else _numpy.asarray(value, dtype=dtype)


def asanyarray(value: Any, dtype: Any = None) -> Any:
    """NumPy's ``asanyarray``; an expression stays itself."""
    return ops.array(value, dtype) if is_symbolic(value) else _numpy.asanyarray(value, dtype=dtype)


def ascontiguousarray(value: Any, dtype: Any = None) -> Any:
    """NumPy's ``ascontiguousarray``; of an expression only that it has one axis at least."""
    if not is_symbolic(value):
        return _numpy.ascontiguousarray(value, dtype=dtype)
    made = ops.array(value, dtype)
    return ops.reshape(made, -1) if made.ndim == 0 else made


def zeros(shape: Any, dtype: Any = float) -> Any:
    """NumPy's ``zeros``; sizes may be dynamic."""
    return ops.zeros(shape, dtype) if is_symbolic(shape) else _numpy.zeros(shape, dtype=dtype)


def empty(shape: Any, dtype: Any = float) -> Any:
    """NumPy's ``empty``; sizes may be dynamic, and the elements are zeros then."""
    return ops.zeros(shape, dtype) if is_symbolic(shape) else _numpy.empty(shape, dtype=dtype)


def ones(shape: Any, dtype: Any = float) -> Any:
    """NumPy's ``ones``; sizes may be dynamic."""
    return ops.ones(shape, dtype) if is_symbolic(shape) else _numpy.ones(shape, dtype=dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """NumPy's ``full``; sizes may be dynamic and the value an expression."""
    if is_symbolic(shape) or is_symbolic(fill_value):
        return ops.full(shape, fill_value, dtype)
    return _numpy.full(shape, fill_value, dtype=dtype)


def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
    """NumPy's ``eye``; sizes may be dynamic."""
    return ops.eye(N, M, k, dtype) if is_symbolic(N) or is_symbolic(M) else _numpy.eye(N, M, k, dtype=dtype)


def identity(n: Any, dtype: Any = float) -> Any:
    """NumPy's ``identity``; the size may be dynamic."""
    return eye(n, dtype=dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """NumPy's ``arange``; with step 1 the ends may be dynamic dimensions."""
    if is_symbolic((start, stop)):
        return ops.arange(start, stop, step, dtype)
    return _numpy.arange(start, dtype=dtype) if stop is None else _numpy.arange(start, stop, step, dtype=dtype)


def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
    """NumPy's ``tri``; sizes may be dynamic."""
    if not (is_symbolic(N) or is_symbolic(M)):
        return _numpy.tri(N, M, k, dtype=dtype)
    return ops.cast(matrices.tril(ops.ones((N, N if M is None else M)), k), dtype)


def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """NumPy's ``indices``; sizes may be dynamic."""
    if not is_symbolic(dimensions):
        return _numpy.indices(dimensions, dtype=dtype, sparse=sparse)  # type: ignore[call-overload]
    grids = matrices.meshgrid(*(ops.cast(ops.iota(size), dtype) for size in dimensions), indexing="ij", sparse=sparse)
    return grids if sparse else ops.stack(grids)


def diag_indices(n: Any, ndim: int = 2) -> Any:
    """NumPy's ``diag_indices``; the size may be dynamic."""
    return (ops.iota(n),) * ndim if is_symbolic(n) else _numpy.diag_indices(n, ndim)


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """NumPy's ``fromfunction``: the function of the positions; sizes may be dynamic."""
    return function(*indices(shape, dtype), **kwargs)


class _RowConcatenation:
    """``r_[a, b, 1.0]``: scalars and vectors joined; slices as NumPy's."""

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not is_symbolic(parts):
            return _numpy.r_[key]
        ready = [_numpy.r_[part] if isinstance(part, slice) else part for part in parts]
        return joining.hstack(ready)


r_ = _RowConcatenation()


class _ColumnConcatenation:
    """``c_[a, b]``: vectors as columns beside matrices; slices as NumPy's."""

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not is_symbolic(parts):
            return _numpy.c_[key]
        ready = [_numpy.r_[part] if isinstance(part, slice) else part for part in parts]
        return joining.column_stack(ready)


c_ = _ColumnConcatenation()
