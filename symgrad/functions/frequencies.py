"""``np.fft`` where no number is complex: shifts of the zero frequency.  In: arrays.  Out: nodes."""

from __future__ import annotations

from typing import Any

from symgrad import dims, ops
from symgrad.functions.rearrange import roll
from symgrad.ops.coerce import normalize_axes

__all__ = ["fftshift", "ifftshift"]


def fftshift(x: Any, axes: Any = None) -> Any:
    """The second half of each axis before the first."""
    node = ops.as_node(x)
    for axis in normalize_axes(axes, node.ndim, "fftshift"):
        node = roll(node, dims.floordiv(node.shape[axis], 2), axis)
    return node


def ifftshift(x: Any, axes: Any = None) -> Any:
    """What undoes :func:`fftshift`."""
    node = ops.as_node(x)
    for axis in normalize_axes(axes, node.ndim, "ifftshift"):
        node = roll(node, 0 - dims.floordiv(node.shape[axis], 2), axis)
    return node
