"""Pooling.  In: images (batch, height, width, channels).  Out: the maximum or mean of each window."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.errors import ShapeError
from symgrad.functions.axes import float_node
from symgrad.functions.padding import pad
from symgrad.nn.geometry import counts, image_of, spans_of
from symgrad.ops.convolution import Span
from symgrad.ops.windows import Window, windows
from symgrad.provenance import user_line

__all__ = ["avg_pool", "avg_pool2d", "max_pool", "max_pool2d"]


def max_pool2d(x: Any, window: Any, strides: Any = None, padding: Any = "valid") -> Any:
    """The largest element of each window; padding takes no part, elements that tie share the derivative equally.

    Parameters
    ----------
    x : array or expression (batch, height, width, channels)
        The batch may be dynamic.
    window : int or (int, int)
    strides : int or (int, int), default the window
    padding : "valid", "same" (in any case), or ((top, bottom), (left, right))

    Returns
    -------
    expression (batch, places along the height, places along the width, channels)

    Raises
    ------
    ShapeError
        The rank is not 4, window, strides or padding are not understood, or the window is larger than the image.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n", 4, 6, 3))
    >>> sg.nn.max_pool2d(x, 2).type, sg.nn.max_pool2d(x, 3, 2, "same").type
    (float64[n, 2, 3, 3], float64[n, 2, 3, 3])
    """
    node = ops.as_node(x, who="max_pool2d")
    spans = _spans(node, window, strides, padding, "max_pool2d")
    lowest = -np.inf if types.is_float(node.dtype) else _least(node.dtype)
    return ops.max(_windows(node, spans, lowest), axis=(2, 4))


def avg_pool2d(x: Any, window: Any, strides: Any = None, padding: Any = "valid") -> Any:
    """The mean of each window; padding is not counted.

    Parameters
    ----------
    x, window, strides, padding
        As of :func:`max_pool2d`, and so are result and errors.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> sg.jit(lambda x: sg.nn.avg_pool2d(x, 2))(x)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    node = float_node(x)
    spans = _spans(node, window, strides, padding, "avg_pool2d")
    total = ops.sum(_windows(node, spans, 0), axis=(2, 4))
    rows, columns = map(_counted, spans)
    number = np.multiply.outer(rows, columns)
    if np.all(number == number.flat[0]):
        return ops.divide(total, float(number.flat[0]))
    return ops.divide(total, ops.constant(number[..., None].astype(node.dtype)))


max_pool, avg_pool = max_pool2d, avg_pool2d


def _spans(node: Any, window: Any, strides: Any, padding: Any, who: str) -> tuple[Span, ...]:
    image = image_of(node, who)
    sizes = counts(window, 2, who, "window")
    spans = spans_of(image, sizes, sizes if strides is None else strides, padding, 1, who)
    if any(_counted(one).min() < 1 for one in spans):
        raise ShapeError(f"{who}: padding {padding!r} makes windows that hold nothing else", where=user_line())
    return spans


def _windows(node: Any, spans: tuple[Span, ...], around: float) -> Any:
    """(batch, place, position, place, position, channels) of the padded image."""
    widths = [(0, 0), *((one.before, one.after) for one in spans), (0, 0)]
    framed = pad(node, widths, constant_values=around)
    return windows(framed, [Window(axis, one.kernel, one.stride) for axis, one in enumerate(spans, 1)])


def _counted(span: Span) -> np.ndarray[Any, Any]:
    """How many elements of the image each window holds."""
    first = np.arange(span.places) * span.stride - span.before
    return np.minimum(first + span.kernel, span.image) - np.maximum(first, 0)


def _least(dtype: types.DType) -> int:
    return 0 if types.is_bool(dtype) else int(np.iinfo(dtype).min)
