"""The array API standard's namespace, version 2023.12, for expressions: what ``x.__array_namespace__()`` returns.

Functions have the standard's names and parameters and give expressions; arrays of numbers become constants.  What depends
on values (``nonzero``, ``unique_*``), needs complex numbers or shares memory is refused with advice.

Examples
--------
>>> import symgrad as sg
>>> x = sg.symbol("x", (3,))
>>> xp = x.__array_namespace__()
>>> print(xp.sum(xp.asin(x), axis=0) + xp.pi)
sum(arcsin(x)) + 3.141592653589793
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from symgrad import numpy as numpy_of_expressions
from symgrad import ops, types
from symgrad.errors import SymgradError, TraceError
from symgrad.functions import creation, differences, kinds, matrices, matrix_products, rearrange, selection, sorting
from symgrad.numpy import linalg as linalg_of_expressions
from symgrad.provenance import user_line

__array_api_version__ = "2023.12"
VERSIONS = ("2021.12", "2022.12", "2023.12")

# The standard's functions, by the parts of its text.
STANDARD: dict[str, tuple[str, ...]] = {
    "creation": (
        *("arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace"),
        *("meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like"),
    ),
    "data types": ("astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"),
    "elementwise": (
        *("abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert"),
        *("bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip", "conj", "copysign"),
        *("cos", "cosh", "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal"),
        *("hypot", "imag", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2"),
        *("logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply"),
        *("negative", "not_equal", "positive", "pow", "real", "remainder", "round", "sign", "signbit", "sin", "sinh"),
        *("sqrt", "square", "subtract", "tan", "tanh", "trunc"),
    ),
    "indexing": ("take",),
    "information": ("__array_namespace_info__",),
    "linear algebra": ("matmul", "matrix_transpose", "tensordot", "vecdot"),
    "manipulation": (
        *("broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims", "repeat"),
        *("reshape", "roll", "squeeze", "stack", "tile", "unstack"),
    ),
    "searching": ("argmax", "argmin", "nonzero", "searchsorted", "where"),
    "sets": ("unique_all", "unique_counts", "unique_inverse", "unique_values"),
    "sorting": ("argsort", "sort"),
    "statistics": ("cumulative_sum", "max", "mean", "min", "prod", "std", "sum", "var"),
    "utilities": ("all", "any"),
}
CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")
DTYPES = ("bool", "float32", "float64", "int32", "int64")
# Extensions: symgrad.array_api.linalg and symgrad.array_api.fft.
EXTENSIONS: dict[str, tuple[str, ...]] = {
    "linalg": (
        *("cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power"),
        *("matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot"),
        *("trace", "vecdot", "vector_norm"),
    ),
    "fft": (
        *("fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn"),
        *("rfft", "rfftfreq", "rfftn"),
    ),
}
linalg, fft = linalg_of_expressions, np.fft

__all__ = [*(name for names in STANDARD.values() for name in names), *CONSTANTS, *DTYPES, *EXTENSIONS]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        value = getattr(numpy_of_expressions, name)
        return np.dtype(name) if name in DTYPES else value
    raise AttributeError(f"the array API standard has no {name!r}")


def namespace(version: str | None = None) -> Any:
    """This module, for a version of the standard that it satisfies.

    Raises
    ------
    SymgradError
        The version is unknown.
    """
    if version is not None and version not in VERSIONS:
        raise SymgradError(
            f"__array_namespace__: version {version!r} is unknown",
            where=user_line(),
            hint=f"versions are {', '.join(VERSIONS)}",
        )
    return sys.modules[__name__]


def on(device: Any, who: str) -> None:
    """Refuse any device but the one that there is."""
    if device not in (None, "cpu"):
        raise TraceError(f"{who}: device {device!r} is unknown", where=user_line(), hint="the only device is 'cpu'")


# -- creation -------------------------------------------------------------------------------------------------------
def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """An expression of a number, an array, or nested lists of these and expressions."""
    on(device, "asarray")
    return ops.array(obj, dtype)


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Any:
    """Evenly spaced numbers."""
    on(device, "arange")
    return ops.arange(start, stop, step, dtype)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of one value."""
    on(device, "full")
    return ops.full(shape, fill_value, dtype)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of zeros."""
    return full(shape, 0, dtype=types.FLOAT64 if dtype is None else dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of ones."""
    return full(shape, 1, dtype=types.FLOAT64 if dtype is None else dtype, device=device)


empty = zeros


def eye(n_rows: Any, n_cols: Any = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    """Ones on a diagonal, zeros elsewhere."""
    on(device, "eye")
    return ops.eye(n_rows, n_cols, k, types.FLOAT64 if dtype is None else dtype)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of one value, of the shape and element type of another."""
    node = ops.as_node(x)
    return full(node.shape, fill_value, dtype=node.dtype if dtype is None else dtype, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Zeros of the shape and element type of an array."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Ones of the shape and element type of an array."""
    return full_like(x, 1, dtype=dtype, device=device)


empty_like = zeros_like


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Any:
    """So many evenly spaced numbers, the last one among them or not."""
    on(device, "linspace")
    return creation.linspace(start, stop, num, endpoint, dtype=dtype)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """Coordinates of a grid."""
    return list(matrices.meshgrid(*arrays, indexing=indexing))


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """The elements of another library's array, as a constant; an expression has no memory to share."""
    on(device, "from_dlpack")
    return ops.constant(np.from_dlpack(x))


# -- where the standard's parameters are not NumPy's ----------------------------------------------------------------
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The array converted to another element type."""
    on(device, "astype")
    return kinds.astype(x, dtype)


class Limits(NamedTuple):
    """The limits of a floating type as Python's numbers, which NumPy's are not for ``float32``."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


def finfo(type: Any, /) -> Limits:
    """The limits of a floating type, or of an array's."""
    info = np.finfo(getattr(type, "dtype", type))
    return Limits(info.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), info.dtype)


def iinfo(type: Any, /) -> Any:
    """The limits of an integer type, or of an array's."""
    return np.iinfo(getattr(type, "dtype", type))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """The elements limited to an interval; a limit left out or None does not limit them."""
    return selection.clip(x, min=min, max=max)


def expand_dims(x: Any, /, *, axis: Any = 0) -> Any:
    """A new axis of size 1."""
    return ops.expand_dims(x, axis)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, all of their common shape."""
    return list(rearrange.broadcast_arrays(*arrays))


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Any:
    """The elements in another shape."""
    return ops.reshape(x, shape)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sums of products along an axis."""
    return matrix_products.vecdot(x1, x2, axis=axis)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running sums along an axis."""
    return differences.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Positions that sort an axis; equal elements keep their order."""
    if not descending:
        return sorting.argsort(x, axis)
    node = ops.as_node(x)
    # Sorted upwards from the far end, equal elements stand in reverse order, and in their own one when read downwards.
    place = sorting.argsort(rearrange.flip(node, axis), axis)
    return rearrange.flip(ops.subtract(ops.dim_value(node.shape[axis]) - 1, place), axis)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements sorted along an axis."""
    made = sorting.sort(x, axis)
    return rearrange.flip(made, axis) if descending else made


class _Information:
    """What the namespace can do, as the standard asks."""

    def capabilities(self) -> dict[str, bool]:
        """Shapes never depend on values."""
        return {"boolean indexing": False, "data-dependent shapes": False}

    def default_device(self) -> str:
        return "cpu"

    def devices(self) -> list[str]:
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        return {"real floating": types.FLOAT64, "integral": types.INT64, "indexing": types.INT64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The element types, of all kinds or of some."""
        wanted = kind if kind is not None else ("bool", "signed integer", "real floating")
        return {name: np.dtype(name) for name in DTYPES if np.isdtype(np.dtype(name), wanted)}


__array_namespace_info__ = _Information  # calling it makes one
