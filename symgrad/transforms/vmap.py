"""Vectorisation of Python functions, and compilation on first use.  In: a function.  Out: a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgrad import dims, ops
from symgrad.batching import vectorize
from symgrad.containers import Structure, contents, unflatten
from symgrad.dims import Size
from symgrad.errors import ShapeError
from symgrad.node import substitute
from symgrad.ops.coerce import normalize_axis, shape_text
from symgrad.provenance import user_line
from symgrad.transforms.tracing import Arguments, as_outputs
from symgrad.transforms.transform import Transform

__all__ = ["jit", "vmap"]


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Transform:
    """A function over a new axis of its arguments.

    Parameters
    ----------
    function : callable
        Written for one element.
    in_axes : int, None, or tuple of these (or of containers of these), one per argument
        The axis to map over; None: the same for all.
    out_axes : int, or container of ints of the result's structure
        Where the axis stands in the results.

    Returns
    -------
    callable of the arguments with the axis.

    Raises
    ------
    ShapeError
        No argument is mapped, or the mapped axes differ in length.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.vmap(np.dot)(np.ones((3, 2)), np.ones((3, 2)))
    array([2., 2., 2.])
    """

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        axes = _axes(arguments, in_axes)
        inside, replaced, size = _elements(parameters, axes)
        outputs, structure = as_outputs(function(*arguments.rebuild(inside)), "vmap")
        made = vectorize(outputs, replaced, size)
        same = {one: whole for one, whole, axis in zip(inside, parameters, axes, strict=True) if axis is None}
        full = [node if moved else ops.broadcast_to(node, (size, *node.shape)) for node, moved in made]
        targets = _spread(out_axes, structure, "out_axes")
        return unflatten(
            structure, [_moved(node, axis) for node, axis in zip(substitute(full, same), targets, strict=True)]
        )

    return Transform(function, rule, "vmap")


def _axes(arguments: Arguments, in_axes: Any) -> list[int | None]:
    """The mapped axis of each array-like leaf."""
    parts = arguments.structure.parts
    given = list(in_axes) if isinstance(in_axes, (tuple, list)) else [in_axes] * len(parts)
    if len(given) != len(parts):
        raise ShapeError(f"vmap: {len(given)} in_axes for {len(parts)} arguments", where=user_line())
    every = [axis for one, part in zip(given, parts, strict=True) for axis in _spread(one, part, "in_axes")]
    return [axis for axis, mark in zip(every, arguments.fixed, strict=True) if repr(mark) == "traced"]


def _spread(axes: Any, structure: Structure, who: str) -> list[int | None]:
    """One axis for each leaf: from a single one for all, or from a container with one for each part."""
    if axes is None or isinstance(axes, int):
        return [axes] * structure.size
    found = contents(axes)
    parts = structure.parts
    keys, values = found if found is not None else ((), ())
    if len(values) != len(parts) or structure.kind is None or (keys and {*keys} != {*structure.keys}):
        raise ShapeError(f"vmap: {who} {axes!r} has another structure than what it is for", where=user_line())
    if keys:
        own = dict(zip(keys, values, strict=True))
        values = [own[key] for key in structure.keys]
    return [axis for one, part in zip(values, parts, strict=True) for axis in _spread(one, part, who)]


def _elements(parameters: Sequence[Any], axes: Sequence[int | None]) -> tuple[list[Any], dict[Any, Any], Size]:
    """Placeholders of one element each, what stands for them over the axis, and its length."""
    inside: list[Any] = []
    replaced: dict[Any, Any] = {}
    size: Size | None = None
    for whole, axis in zip(parameters, axes, strict=True):
        if axis is None:
            inside.append(ops.parameter(whole.attrs.name, whole.type))
            continue
        place = normalize_axis(axis, whole.ndim, "vmap")
        length = whole.shape[place]
        if size is None:
            size = length
        elif dims.agree(size, length) is False:
            raise ShapeError(f"vmap: mapped axes of lengths {size} and {length}", where=user_line())
        rest = [k for k in range(whole.ndim) if k != place]
        one = ops.parameter(whole.attrs.name, whole.type.with_shape(tuple(whole.shape[k] for k in rest)))
        front = ops.transpose(whole, (place, *rest))
        inside.append(one)
        replaced[one] = ops.assert_shape(front, (size, *one.shape))
    if size is None:
        raise ShapeError("vmap: no argument has an axis to map over", where=user_line())
    return inside, replaced, size


def _moved(node: Any, axis: int | None) -> Any:
    """The first axis moved to where it was asked for."""
    if axis is None:
        raise ShapeError(f"vmap: out_axes None for a result of shape {shape_text(node.shape)}", where=user_line())
    place = normalize_axis(axis, node.ndim, "vmap")
    return ops.transpose(node, (*range(1, place + 1), 0, *range(place + 1, node.ndim)))


def jit(function: Callable[..., Any], static_argnums: Any = ()) -> Transform:
    """A function compiled on first use for each combination of argument types.

    Parameters
    ----------
    function : callable
        NumPy-style function; called once per combination, with expressions.
    static_argnums : int or tuple of int
        Arguments that are not traced: a new value is a new combination.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> f = sg.jit(lambda x: np.sum(np.exp(x)))
    >>> float(f(np.zeros(3)))
    3.0
    """
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    return Transform(function, lambda parameters, arguments: function(*arguments.rebuild(parameters)), "jit", static)
