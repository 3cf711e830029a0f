"""How windows slide over images.  In: window sizes, strides, padding and dilation as users write them.  Out: spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.ops.coerce import shape_text
from symgrad.ops.convolution import Span
from symgrad.provenance import user_line
from symgrad.types import Shape

__all__ = ["counts", "image_of", "spans_of"]


def counts(value: Any, number: int, who: str, what: str) -> tuple[int, ...]:
    """One positive integer per axis, from one for all or a sequence.

    Raises
    ------
    ShapeError
        They are no positive integers, or too many or too few.
    """
    made = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else (value,) * number
    whole = all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) and one > 0 for one in made)
    if len(made) != number or not whole:
        wanted = "a positive integer" + (f", or {number} of them" if number > 1 else "")
        raise ShapeError(f"{who}: {what} {value!r} is not {wanted}", where=user_line())
    return tuple(map(int, made))


def image_of(x: Any, who: str, what: str = "x") -> tuple[int, int]:
    """Height and width of (batch, height, width, channels).

    Raises
    ------
    ShapeError
        The rank is not 4, or a size other than the batch is dynamic.
    """
    shape: Shape = x.shape
    if len(shape) != 4:
        raise ShapeError(
            f"{who}: {what} has shape {shape_text(shape)}, not rank 4",
            where=user_line(),
            hint="images are (batch, height, width, channels)",
        )
    height, width = static(shape[1:3], shape, who, what)
    return height, width


def static(sizes: Sequence[Size], shape: Shape, who: str, what: str) -> tuple[int, ...]:
    """The sizes, which must be known while tracing."""
    if not all(isinstance(size, int) for size in sizes):
        raise ShapeError(
            f"{who}: {what} has shape {shape_text(shape)}, of which only the batch may be dynamic", where=user_line()
        )
    return tuple(int(size) for size in sizes if isinstance(size, int))


def spans_of(
    image: Sequence[int], kernel: Sequence[int], strides: Any, padding: Any, dilation: Any, who: str
) -> tuple[Span, ...]:
    """A span per axis.

    Raises
    ------
    ShapeError
        Strides or dilation are no positive integers, the padding is not understood, or a window is larger than the image.
    """
    steps = counts(strides, len(image), who, "strides")
    apart = counts(dilation, len(image), who, "dilation")
    bare = [
        Span(size, taps, step, 0, 0, rate) for size, taps, step, rate in zip(image, kernel, steps, apart, strict=True)
    ]
    pads = _pads(bare, padding, who)
    made = tuple(one._replace(before=before, after=after) for one, (before, after) in zip(bare, pads, strict=True))
    if any(one.places < 1 for one in made):
        window, padded = (tuple(sizes) for sizes in zip(*((one.window, one.padded) for one in made), strict=True))
        raise ShapeError(
            f"{who}: the window {shape_text(window)} is larger than the padded image {shape_text(padded)}",
            where=user_line(),
        )
    return made


def _pads(spans: Sequence[Span], padding: Any, who: str) -> list[tuple[int, int]]:
    if isinstance(padding, str) and padding.lower() == "valid":
        return [(0, 0)] * len(spans)
    if isinstance(padding, str) and padding.lower() == "same":
        return [_same(one) for one in spans]
    pairs = [padding] if len(spans) == 1 and _is_pair(padding) else padding
    if isinstance(pairs, (tuple, list)) and len(pairs) == len(spans) and all(map(_is_pair, pairs)):
        return [(int(before), int(after)) for before, after in pairs]
    explicit = "(left, right)" if len(spans) == 1 else "((top, bottom), (left, right))"
    raise ShapeError(
        f"{who}: padding {padding!r} is not understood",
        where=user_line(),
        hint=f'padding is "valid", "same", or {explicit} of numbers not below 0',
    )


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) == 2
        and all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) and one >= 0 for one in value)
    )


def _same(span: Span) -> tuple[int, int]:
    """TensorFlow's rule: as many places as strides fit into the image; of an odd padding the larger half comes last."""
    places = -(-span.image // span.stride)
    total = max((places - 1) * span.stride + span.window - span.image, 0)
    return total // 2, total - total // 2
