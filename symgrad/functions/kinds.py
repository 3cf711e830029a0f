"""What NumPy asks of an array's kind.  In: expressions, which are real.  Out: nodes, element types, truths and texts.

None of these needs a value: element types and shapes are known while tracing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import ops
from symgrad.errors import TraceError
from symgrad.node import Node
from symgrad.ops.coerce import normalize_axes, shape_text
from symgrad.provenance import user_line

__all__ = [
    "angle",
    "array2string",
    "array_repr",
    "array_str",
    "astype",
    "can_cast",
    "common_type",
    "einsum_path",
    "imag",
    "iscomplex",
    "iscomplexobj",
    "isreal",
    "isrealobj",
    "min_scalar_type",
    "ndim",
    "real",
    "real_if_close",
    "result_type",
    "shape",
    "size",
]


# -- real numbers ---------------------------------------------------------------------------------------------------
def real(val: Any) -> Any:
    """The array itself, which is real."""
    return ops.as_node(val)


def imag(val: Any) -> Any:
    """Zeros: the array is real."""
    node = ops.as_node(val)
    return ops.full(node.shape, 0, node.dtype)


def real_if_close(a: Any, tol: Any = 100) -> Any:
    """The array itself, which is real."""
    return ops.as_node(a)


def angle(z: Any, deg: bool = False) -> Any:
    """0 for positive numbers, π or 180 degrees for negative ones."""
    made = ops.arctan2(0, ops.as_node(z))
    return ops.rad2deg(made) if deg else made


def isreal(x: Any) -> Any:
    """True everywhere."""
    return ops.full(ops.as_node(x).shape, True)


def iscomplex(x: Any) -> Any:
    """False everywhere."""
    return ops.full(ops.as_node(x).shape, False)


def iscomplexobj(x: Any) -> bool:
    """False: element types are real."""
    return False


def isrealobj(x: Any) -> bool:
    """True: element types are real."""
    return True


# -- types and shapes -----------------------------------------------------------------------------------------------
def shape(a: Any) -> Any:
    """The sizes of the axes."""
    return ops.as_node(a).shape


def ndim(a: Any) -> int:
    """The number of axes."""
    return int(ops.as_node(a).ndim)


def size(a: Any, axis: Any = None) -> Any:
    """The number of elements, or of those along axes."""
    node = ops.as_node(a)
    made: Any = 1
    for one in normalize_axes(axis, node.ndim, "size"):
        made = made * node.shape[one]
    return made


def _typed(value: Any) -> Any:
    return value.dtype if isinstance(value, Node) else value


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The element type of what operations make of the arguments."""
    return np.result_type(*map(_typed, arrays_and_dtypes))


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether one element type converts to another by a rule."""
    return np.can_cast(_typed(from_), _typed(to), casting=casting)


def common_type(*arrays: Any) -> Any:
    """The floating type for all of the arrays."""
    return np.common_type(*(np.empty(0, one.dtype) if isinstance(one, Node) else one for one in arrays))


def min_scalar_type(a: Any) -> Any:
    """The element type, as of any array."""
    return _typed(a)


def astype(x: Any, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    """The array converted to another element type."""
    return ops.cast(ops.as_node(x), dtype)


def einsum_path(*operands: Any, optimize: Any = "greedy") -> Any:
    """NumPy's order of contractions for arrays of these shapes, which must be fixed."""
    made: list[Any] = []
    for one in operands:
        if isinstance(one, Node) and not one.type.is_static:
            raise TraceError(
                f"einsum_path: the sizes of {shape_text(one.shape)} are not all known",
                where=user_line(),
                hint="give the axes fixed sizes",
            )
        made.append(np.broadcast_to(0.0, [int(size) for size in one.shape]) if isinstance(one, Node) else one)
    return np.einsum_path(*made, optimize=optimize)


# -- texts ----------------------------------------------------------------------------------------------------------
def array_repr(arr: Any, max_line_width: Any = None, precision: Any = None, suppress_small: Any = None) -> str:
    """The expression's short description."""
    return repr(arr)


def array_str(a: Any, max_line_width: Any = None, precision: Any = None, suppress_small: Any = None) -> str:
    """The expression in mathematics."""
    return str(a)


def array2string(a: Any, *args: Any, **options: Any) -> str:
    """The expression in mathematics."""
    return str(a)
