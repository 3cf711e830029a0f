"""The methods that expressions share with NumPy's arrays.  In: an expression, NumPy's arguments.  Out: expressions.

Most are NumPy's functions, whose first argument the expression is.
"""

from __future__ import annotations

from typing import Any, NoReturn

from symgrad import ops
from symgrad.errors import ShapeError, TraceError
from symgrad.functions import differences, matrices, rearrange, reductions, selection, sorting
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["ArrayMethods"]


def _in_place(name: str, instead: str) -> TraceError:
    return TraceError(f"{name}: an expression cannot be changed in place", where=user_line(), hint=instead)


class ArrayMethods:
    """What NumPy's arrays can do by methods, for anything that is a node."""

    __slots__ = ()

    all, any, max, mean, min = reductions.all, reductions.any, reductions.max, reductions.mean, reductions.min
    prod, ptp, std, sum, var = reductions.prod, reductions.ptp, reductions.std, reductions.sum, reductions.var
    argmax, argmin, argsort, searchsorted = sorting.argmax, sorting.argmin, sorting.argsort, sorting.searchsorted
    cumsum, cumprod = differences.cumsum, differences.cumprod
    diagonal, trace = matrices.diagonal, matrices.trace
    choose, clip, take = selection.choose, selection.clip, selection.take
    ravel, repeat, squeeze, swapaxes = rearrange.ravel, rearrange.repeat, rearrange.squeeze, rearrange.swapaxes
    copy = rearrange.copy
    flatten = rearrange.ravel

    @property
    def T(self: Any) -> Any:
        """The expression with its axes reversed."""
        return ops.transpose(self)

    @property
    def mT(self: Any) -> Any:
        """The expression with its last two axes exchanged."""
        if self.ndim < 2:
            raise ShapeError(f"mT: {shape_text(self.shape)} is no matrix", where=user_line())
        return rearrange.swapaxes(self, -1, -2)

    @property
    def size(self: Any) -> Any:
        """Number of elements."""
        return self.type.size

    @property
    def itemsize(self: Any) -> int:
        """Bytes of one element."""
        return int(self.type.dtype.itemsize)

    @property
    def nbytes(self: Any) -> Any:
        """Bytes of all elements."""
        return self.type.size * self.type.dtype.itemsize

    @property
    def real(self: Any) -> Any:
        """The expression itself, which is real."""
        return self

    def conj(self: Any) -> Any:
        """The expression itself, which is real."""
        return self

    conjugate = conj

    def astype(self: Any, dtype: Any, *, copy: bool = True) -> Any:
        """The expression converted to another element type."""
        return ops.cast(self, dtype)

    def reshape(self: Any, *shape: Any, order: str = "C") -> Any:
        """The elements in another shape; one size may be -1."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return rearrange.reshape(self, wanted, order)

    def transpose(self: Any, *axes: Any) -> Any:
        """The axes permuted; by default reversed."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return ops.transpose(self, order or None)

    def dot(self: Any, other: Any) -> Any:
        """NumPy's ``dot`` with another array."""
        return ops.dot(self, other)

    def round(self: Any, decimals: int = 0) -> Any:
        """The nearest multiples of ``10**-decimals``, ties to the even one."""
        return ops.round(self, decimals)

    def sort(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: NumPy's method sorts in place."""
        raise _in_place("sort", "y = np.sort(x)")

    def fill(self: Any, value: Any) -> NoReturn:
        """Refused: NumPy's method writes in place."""
        raise _in_place("fill", "y = np.full_like(x, value)")

    @property
    def device(self) -> str:
        """Where kernels run."""
        return "cpu"

    def to_device(self: Any, device: Any, /, *, stream: Any = None) -> Any:
        """The expression itself: there is one device, ``"cpu"``."""
        if device != "cpu":
            raise TraceError(
                f"to_device: device {device!r} is unknown", where=user_line(), hint="the only device is 'cpu'"
            )
        return self

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """The module :mod:`symgrad.array_api`, which has the array API standard's functions."""
        from symgrad.array_api import namespace

        return namespace(api_version)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> NoReturn:
        raise TraceError("an expression has no memory to share", where=user_line(), hint="run a kernel: sg.compile")

    def __dlpack_device__(self) -> NoReturn:
        self.__dlpack__()

    def compress(self: Any, condition: Any, axis: Any = None) -> Any:
        """The slices of an axis where a condition known while tracing holds."""
        return selection.compress(condition, self, axis)
