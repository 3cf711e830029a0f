"""Convolutions.  In: images (batch, height, width, channels) and filters (height, width, channels in, channels out)."""

from __future__ import annotations

from typing import Any

from symgrad import ops
from symgrad.assumptions import agree
from symgrad.errors import DTypeError, ShapeError
from symgrad.nn.geometry import counts, image_of, spans_of, static
from symgrad.node import Node, apply
from symgrad.ops.coerce import mismatch, shape_text
from symgrad.ops.convolution import CONV2D, CONV2D_BACKPROP_FILTER, CONV2D_BACKPROP_INPUT, Geometry
from symgrad.provenance import user_line
from symgrad.types import BOOL, Shape, as_shape

__all__ = ["conv1d", "conv2d", "conv2d_backprop_filter", "conv2d_backprop_input"]


def conv2d(x: Any, w: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: int = 1) -> Any:
    """Convolution of images with filters, in the sense of neural networks: no filter is reversed.

    Parameters
    ----------
    x : array or expression (batch, height, width, channels)
        The batch may be dynamic.
    w : array or expression (height, width, channels / groups, channels out)
    strides : int or (int, int)
        How far the filter moves along height and width.
    padding : "valid", "same" (in any case), or ((top, bottom), (left, right))
        Zeros around the image: none; TensorFlow's rule, by which the result has ceil(size / stride) places and of an odd
        padding the larger half stands at the end; or as given.
    dilation : int or (int, int)
        How far the taps of the filter are apart.
    groups : int
        Channels fall into so many groups, each with filters of its own.

    Returns
    -------
    expression (batch, places along the height, places along the width, channels out)

    Raises
    ------
    ShapeError
        Ranks, channels, strides, dilation or padding do not fit, or the filter is larger than the padded image.
    DTypeError
        The arrays are bool.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, w = sg.symbol("x", ("n", 4, 4, 1)), sg.symbol("w", (3, 3, 1, 2))
    >>> y = sg.nn.conv2d(x, w, padding="same")
    >>> y.type
    float64[n, 4, 4, 2]
    >>> [node.op.name for node in sg.gradients(y, [x, w])]
    ['conv2d_backprop_input', 'conv2d_backprop_filter']
    """
    x, w = _numbers([x, w], "conv2d")
    geometry = _geometry(
        image_of(x, "conv2d"), _filter_shape(w.shape, "conv2d"), strides, padding, dilation, groups, "conv2d"
    )
    _check_channels(x.shape, w.shape, geometry.groups, "conv2d")
    return apply(CONV2D, (x, w), geometry)


def conv2d_backprop_input(
    input_shape: Any, w: Any, head: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: int = 1
) -> Any:
    """What the images of :func:`conv2d` get from the cotangent of its result.

    Parameters
    ----------
    input_shape : (batch, height, width, channels)
    w : array or expression (height, width, channels / groups, channels out)
    head : array or expression of the result's shape
    strides, padding, dilation, groups : as of :func:`conv2d`

    Returns
    -------
    expression of ``input_shape``

    Raises
    ------
    ShapeError, DTypeError
        As :func:`conv2d`, or the head has not the shape of the result.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> head = sg.symbol("head", ("n", 4, 4, 2))
    >>> sg.nn.conv2d_backprop_input((head.shape[0], 6, 6, 1), np.ones((3, 3, 1, 2)), head).type
    float64[n, 6, 6, 1]
    """
    who = "conv2d_backprop_input"
    w, head = _numbers([w, head], who)
    shape = as_shape(input_shape)
    image = _image_shape(shape, who)
    geometry = _geometry(image, _filter_shape(w.shape, who), strides, padding, dilation, groups, who)
    _check_channels(shape, w.shape, geometry.groups, who)
    head = _check_head(head, (shape[0], geometry.height.places, geometry.width.places, w.shape[3]), who)
    return apply(CONV2D_BACKPROP_INPUT, (w, head), geometry)


def conv2d_backprop_filter(
    x: Any, filter_shape: Any, head: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: int = 1
) -> Any:
    """What the filters of :func:`conv2d` get from the cotangent of its result.

    Parameters
    ----------
    x : array or expression (batch, height, width, channels)
    filter_shape : (height, width, channels / groups, channels out)
    head : array or expression of the result's shape
    strides, padding, dilation, groups : as of :func:`conv2d`

    Returns
    -------
    expression of ``filter_shape``

    Raises
    ------
    ShapeError, DTypeError
        As :func:`conv2d`, or the head has not the shape of the result.

    Examples
    --------
    >>> import symgrad as sg
    >>> x, head = sg.symbol("x", ("n", 6, 6, 1)), sg.symbol("head", ("n", 4, 4, 2))
    >>> sg.nn.conv2d_backprop_filter(x, (3, 3, 1, 2), head).type
    float64[3, 3, 1, 2]
    """
    who = "conv2d_backprop_filter"
    x, head = _numbers([x, head], who)
    shape = as_shape(filter_shape)
    geometry = _geometry(image_of(x, who), _filter_shape(shape, who), strides, padding, dilation, groups, who)
    _check_channels(x.shape, shape, geometry.groups, who)
    head = _check_head(head, (x.shape[0], geometry.height.places, geometry.width.places, shape[3]), who)
    return apply(CONV2D_BACKPROP_FILTER, (x, head), geometry)


def conv1d(x: Any, w: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: int = 1) -> Any:
    """Convolution of sequences with filters; see :func:`conv2d`, of which this is the case of height 1.

    Parameters
    ----------
    x : array or expression (batch, length, channels)
    w : array or expression (length, channels / groups, channels out)
    strides, dilation, groups : int
    padding : "valid", "same" (in any case), or (left, right)

    Returns
    -------
    expression (batch, places, channels out)

    Raises
    ------
    ShapeError, DTypeError
        As :func:`conv2d`.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n", 8, 3))
    >>> sg.nn.conv1d(x, np.ones((2, 3, 5)), strides=2).type
    float64[n, 4, 5]
    """
    x, w = _numbers([x, w], "conv1d")
    for what, one, axes in (("x", x, "(batch, length, channels)"), ("w", w, "(length, channels in, channels out)")):
        if one.ndim != 3:
            raise ShapeError(
                f"conv1d: {what} has shape {shape_text(one.shape)}, not rank 3", where=user_line(), hint=f"it is {axes}"
            )
    (length,) = static(x.shape[1:2], x.shape, "conv1d", "x")
    (taps, *_) = static(w.shape, w.shape, "conv1d", "w")
    (span,) = spans_of((length,), (taps,), strides, padding, dilation, "conv1d")
    (count,) = counts(groups, 1, "conv1d", "groups")
    _check_channels(x.shape, w.shape, count, "conv1d")
    geometry = Geometry(span._replace(image=1, kernel=1, stride=1, before=0, after=0, dilation=1), span, count)
    made = apply(CONV2D, (ops.expand_dims(x, 1), ops.expand_dims(w, 0)), geometry)
    return ops.squeeze(made, 1)


# -- arguments ------------------------------------------------------------------------------------------------------
def _numbers(arrays: list[Any], who: str) -> list[Node]:
    nodes: list[Node] = ops.as_nodes(arrays, who=who)
    if nodes[0].type.dtype is BOOL:
        raise DTypeError(
            f"{who}: not defined for bool operands", where=user_line(), hint="convert with .astype('float64')"
        )
    return nodes


def _image_shape(shape: Shape, who: str) -> tuple[int, int]:
    if len(shape) != 4:
        raise ShapeError(f"{who}: input_shape {shape_text(shape)} is not of rank 4", where=user_line())
    height, width = static(shape[1:3], shape, who, "the input")
    return height, width


def _filter_shape(shape: Shape, who: str) -> tuple[int, int]:
    if len(shape) != 4:
        raise ShapeError(
            f"{who}: w has shape {shape_text(shape)}, not rank 4",
            where=user_line(),
            hint="filters are (height, width, channels in / groups, channels out)",
        )
    height, width, *_ = static(shape, shape, who, "w")
    return height, width


def _geometry(
    image: tuple[int, int], kernel: tuple[int, int], strides: Any, padding: Any, dilation: Any, groups: Any, who: str
) -> Geometry:
    height, width = spans_of(image, kernel, strides, padding, dilation, who)
    return Geometry(height, width, *counts(groups, 1, who, "groups"))


def _check_channels(image: Shape, filters: Shape, groups: int, who: str) -> None:
    """Channels in and out fall into groups."""
    channels, _ = static((image[-1], filters[-1]), image, who, "x")
    taken, made = static(filters[-2:], filters, who, "w")
    if taken * groups != channels:
        times = "" if groups == 1 else f" in each of {groups} groups"
        raise ShapeError(
            f"{who}: x has {channels} channels, w of shape {shape_text(filters)} takes {taken}{times}",
            where=user_line(),
        )
    if made % groups:
        raise ShapeError(f"{who}: {made} channels out do not fall into {groups} groups", where=user_line())


def _check_head(head: Node, shape: Shape, who: str) -> Any:
    """The head under the names of the result's sizes."""
    if head.ndim != len(shape):
        raise ShapeError(
            f"{who}: head has shape {shape_text(head.shape)}, the result {shape_text(shape)}", where=user_line()
        )
    for own, size in zip(head.shape, shape, strict=True):
        if agree(own, size) is False:
            raise mismatch(who, "head and result differ in shape", own, size, [head.shape, shape])
    return ops.assert_shape(head, shape)
