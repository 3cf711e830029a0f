"""Vectorisation of Python functions, and compilation on first use.  In: a function.  Out: a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad import assumptions, dims, ops
from symgrad.batching import vectorize
from symgrad.containers import Structure, contents, unflatten
from symgrad.dims import Dim, Size
from symgrad.errors import ShapeError
from symgrad.node import substitute
from symgrad.ops.coerce import normalize_axis, shape_text
from symgrad.provenance import user_line
from symgrad.transforms.parameters import Parameters
from symgrad.transforms.tracing import Arguments, as_outputs
from symgrad.transforms.transform import Transform

__all__ = ["jit", "vmap"]


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, axis_size: Any = None) -> Transform:
    """A function over a new axis of its arguments.

    Parameters
    ----------
    function : callable
        Written for one element.
    in_axes : int, None, or tuple of these (or of containers of these), one per positional argument
        The axis to map over; None: the same for all.  With a tuple, keyword-only arguments are mapped over their first
        axis.
    out_axes : int, None, or container of these of the result's structure
        Where the axis stands in the results; None for a result that is the same for all, which then has no such axis.
    axis_size : int, Dim or str, optional
        The length of the mapped axes; needed where no argument is mapped.

    Returns
    -------
    callable of the arguments with the axis.

    Raises
    ------
    ShapeError
        When called: no argument is mapped, mapped axes differ in length, an axis does not exist, or ``in_axes`` or
        ``out_axes`` has another structure than what it is for.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.vmap(np.dot)(np.ones((3, 2)), np.ones((3, 2)))
    array([2., 2., 2.])
    >>> rows = sg.vmap(lambda p, x: p["w"] @ x + p["b"], in_axes=({"w": None, "b": 0}, 1))
    >>> rows({"w": np.eye(2), "b": np.zeros((3, 2))}, np.ones((2, 3))).shape
    (3, 2)
    """
    length = None if axis_size is None else _length(axis_size)

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        axes = _axes(arguments, in_axes)
        inside, replaced, size = _elements(parameters, axes, length)
        outputs, structure = as_outputs(arguments.call(function, inside), "vmap")
        made = vectorize(outputs, replaced, size)
        targets = _spread(out_axes, structure, "out_axes")
        full = [_placed(node, moved, axis, size) for (node, moved), axis in zip(made, targets, strict=True)]
        same = {one: whole for one, whole, axis in zip(inside, parameters, axes, strict=True) if axis is None}
        return unflatten(structure, substitute(full, same))

    return Transform(function, rule, "vmap")


def _length(given: Any) -> Size:
    """A length that a user gave."""
    if isinstance(given, Dim):
        return given
    if isinstance(given, str):
        return dims.dim(given)
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool) and given >= 0:
        return int(given)
    raise ShapeError(
        f"vmap: axis_size={given!r} is no length", where=user_line(), hint="use an int, a name or sg.dim(...)"
    )


def _axes(arguments: Arguments, in_axes: Any) -> list[int | None]:
    """The mapped axis of each array-like leaf."""
    places, parts = arguments.places, arguments.structure.parts
    given = [in_axes] * len(parts)
    if isinstance(in_axes, (tuple, list)):
        count = max(places, default=-1) + 1
        if len(in_axes) != count:
            raise ShapeError(
                f"vmap: {len(in_axes)} in_axes for {count} arguments",
                where=user_line(),
                hint="one for each positional argument; keyword-only ones are mapped over their first axis",
            )
        given = [0 if place < 0 else in_axes[place] for place in places]
    every = [axis for one, part in zip(given, parts, strict=True) for axis in _spread(one, part, "in_axes")]
    return [axis for axis, traced in zip(every, arguments.traced, strict=True) if traced]


def _spread(axes: Any, structure: Structure, who: str) -> list[int | None]:
    """One axis for each leaf: from a single one for all, or from a container with one for each part."""
    if axes is None or (isinstance(axes, (int, np.integer)) and not isinstance(axes, bool)):
        return [None if axes is None else int(axes)] * structure.size
    found = contents(axes)
    parts = structure.parts
    keys, values = found if found is not None else ((), ())
    if len(values) != len(parts) or structure.kind is None or (keys and {*keys} != {*structure.keys}):
        raise ShapeError(f"vmap: {who} {axes!r} has another structure than what it is for", where=user_line())
    if keys:
        own = dict(zip(keys, values, strict=True))
        values = [own[key] for key in structure.keys]
    return [axis for one, part in zip(values, parts, strict=True) for axis in _spread(one, part, who)]


def _elements(
    parameters: Sequence[Any], axes: Sequence[int | None], length: Size | None
) -> tuple[list[Any], dict[Any, Any], Size]:
    """Placeholders of one element each, what stands for them over the axis, and its length."""
    places = [
        None if axis is None else normalize_axis(axis, whole.ndim, f"vmap: argument {whole.attrs.name!r}")
        for whole, axis in zip(parameters, axes, strict=True)
    ]
    size = _common_length(parameters, places, length)
    inside: list[Any] = []
    replaced: dict[Any, Any] = {}
    for whole, place in zip(parameters, places, strict=True):
        rest = [k for k in range(whole.ndim) if k != place]
        one = ops.parameter(whole.attrs.name, whole.type.with_shape(tuple(whole.shape[k] for k in rest)))
        inside.append(one)
        if place is not None:
            replaced[one] = ops.assert_shape(ops.transpose(whole, (place, *rest)), (size, *one.shape))
    return inside, replaced, size


def _common_length(parameters: Sequence[Any], places: Sequence[int | None], length: Size | None) -> Size:
    """The length of all mapped axes; where only a guard can tell, static ones are taken."""
    size, first = length, "axis_size"
    for whole, place in zip(parameters, places, strict=True):
        if place is None:
            continue
        own, title = whole.shape[place], f"axis {place} of {whole.attrs.name!r}"
        if size is None:
            size, first = own, title
        elif assumptions.agree(size, own) is False:
            dynamic = isinstance(size, Dim) or isinstance(own, Dim)
            raise ShapeError(
                f"vmap: mapped axes of lengths {size} and {own}: {first}, {title}",
                where=user_line(),
                hint=f"sg.assume({size} == {own}) adds a run-time guard" if dynamic else None,
            )
        elif isinstance(own, int):
            size, first = own, title
    if size is None:
        raise ShapeError(
            "vmap: no argument has an axis to map over",
            where=user_line(),
            hint="choose other in_axes, or give the length as axis_size",
        )
    return size


def _placed(node: Any, moved: bool, axis: int | None, size: Size) -> Any:
    """A result with the new axis, which stands first where there is one, where it was asked for."""
    if axis is None:
        if moved:
            raise ShapeError(
                f"vmap: out_axes None for a result of shape {shape_text(node.shape)}",
                where=user_line(),
                hint="only a result that is the same for all elements can go without the axis",
            )
        return node
    full = node if moved else ops.broadcast_to(node, (size, *node.shape))
    place = normalize_axis(axis, full.ndim, "vmap: out_axes")
    return ops.transpose(full, (*range(1, place + 1), 0, *range(place + 1, full.ndim)))


def jit(function: Callable[..., Any], static_argnums: Any = (), static_argnames: Any = ()) -> Transform:
    """A function compiled on first use for each combination of argument types.

    Parameters
    ----------
    function : callable
        NumPy-style function; called once per combination, with expressions.
    static_argnums : int or tuple of int
        Arguments that are not traced: a new value is a new combination.  They may be anything hashable, and stay so in
        derivatives and maps of the result, ``sg.grad(sg.jit(f, 1))``.
    static_argnames : str or tuple of str
        The same, by name.  An argument named in one way is static in whichever way it is passed.

    Returns
    -------
    callable of the same arguments; containers may hold anything hashable beside arrays, which is static too.

    Raises
    ------
    TraceError
        The function has no such parameter; when called, a static argument is not hashable.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> f = sg.jit(lambda x: np.sum(np.exp(x)))
    >>> float(f(np.zeros(3)))
    3.0
    >>> power = sg.jit(lambda x, *, n: x**n, static_argnames="n")
    >>> power(np.array([1.0, 2.0]), n=3)
    array([1., 8.])
    """

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        return arguments.call(function, parameters)

    return Transform(function, rule, "jit", Parameters(function).static(static_argnums, static_argnames, "jit"))
