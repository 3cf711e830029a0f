"""Arrays made from sizes and numbers, and nested lists of expressions.  In: shapes, numbers, lists.  Out: nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import types
from symgrad.dims import Dim, Size
from symgrad.errors import DTypeError, ShapeError
from symgrad.node import Node
from symgrad.ops import coerce, elementwise, shapes, source, structure
from symgrad.provenance import user_line
from symgrad.types import FLOAT64, INT64

__all__ = ["arange", "array", "eye", "full", "ones", "zeros"]


def full(shape: Any, value: Any, dtype: Any = None) -> Any:
    """An array of one value."""
    node = coerce.as_node(value, None if dtype is None else types.as_dtype(dtype))
    return shapes.broadcast_to(node, types.as_shape(shape))


def zeros(shape: Any, dtype: Any = FLOAT64) -> Any:
    """An array of zeros.

    Parameters
    ----------
    shape : int, dimension, or tuple of these
    dtype : element type, default float64

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.zeros(("n", 3)).type
    float64[n, 3]
    """
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = FLOAT64) -> Any:
    """An array of ones.

    Parameters
    ----------
    shape : int, dimension, or tuple of these
    dtype : element type, default float64

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.compile(sg.ones(3) * 2, [])()
    array([2., 2., 2.])
    """
    return full(shape, 1, dtype)


def eye(rows: Size, columns: Size | None = None, k: int = 0, dtype: Any = FLOAT64) -> Any:
    """Ones on the diagonal ``k``, zeros elsewhere.

    Parameters
    ----------
    rows, columns : int or dimension
        Without ``columns`` the matrix is square.
    k : int
        0 is the main diagonal; positive ones lie above it.
    dtype : element type, default float64

    Returns
    -------
    expression of shape (rows, columns)

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.compile(sg.eye(2, 3, k=1), [])()
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    down = shapes.expand_dims(source.iota(rows), 1)
    across = source.iota(rows if columns is None else columns)
    return elementwise.cast(elementwise.equal(elementwise.add(down, k) if k else down, across), dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Evenly spaced values in [start, stop), as NumPy's; sizes may be dynamic when the step is 1.

    Raises
    ------
    ShapeError
        A dynamic range with a step other than 1.
    """
    if stop is None:
        start, stop = 0, start
    if isinstance(start, Dim) or isinstance(stop, Dim):
        if step != 1 or not all(isinstance(one, (int, Dim)) for one in (start, stop)):
            raise ShapeError("arange: a dynamic range has step 1 and integer or dimension ends", where=user_line())
        counted = source.iota(stop - start)
        shifted = counted if isinstance(start, int) and start == 0 else elementwise.add(counted, coerce.as_node(start))
        return elementwise.cast(shifted, INT64 if dtype is None else dtype)
    return source.constant(np.arange(start, stop, step, dtype=None if dtype is None else types.as_dtype(dtype)))


def array(value: Any, dtype: Any = None) -> Any:
    """Nested lists of numbers, arrays and expressions as one node.

    Parameters
    ----------
    value : number, array, expression, or nested lists of these
        The nesting becomes leading axes.
    dtype : element type, optional
        By default the common one of the parts.

    Raises
    ------
    ShapeError
        The lists are ragged.
    DTypeError
        Something is no number.

    Examples
    --------
    >>> import symgrad as sg
    >>> a = sg.symbol("a")
    >>> sg.array([[a, 0], [1, a * a]]).type
    float64[2, 2]
    """
    target = None if dtype is None else types.as_dtype(dtype)
    if isinstance(value, Node):
        return value if target is None else elementwise.cast(value, target)
    if isinstance(value, (list, tuple)) and coerce.is_symbolic(value):
        parts = [array(part) if isinstance(part, (list, tuple)) else part for part in value]
        nodes = coerce.as_nodes(parts, target, who="array")
        if len({node.ndim for node in nodes}) != 1:
            raise ShapeError("array: the nested lists are ragged", where=user_line())
        return structure.stack(nodes)
    if isinstance(value, Dim):
        return coerce.as_node(value, target)
    made = np.asarray(value)
    if made.dtype == object:
        raise DTypeError(f"array: {value!r} is no array of numbers", where=user_line())
    return source.constant(made, target)
