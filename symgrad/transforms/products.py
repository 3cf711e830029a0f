"""Products with Jacobians and Hessians.  In: a function, arguments, directions.  Out: values and products, same structures.

Directions and head gradients match what they belong to: dictionaries by key, lists and tuples alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from symgrad import assumptions, ops
from symgrad.containers import Structure, flatten, leaves_like, unflatten
from symgrad.diff import gradients as expressions
from symgrad.errors import DTypeError, GradientError, ShapeError, TraceError
from symgrad.node import Node, substitute
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.transforms.derivatives import require_float, scalar, split
from symgrad.transforms.parameters import NOTHING_STATIC, Static
from symgrad.transforms.tracing import as_outputs
from symgrad.transforms.transform import Transform

__all__ = ["hvp", "jvp", "vjp"]


def hvp(function: Callable[..., Any]) -> Transform:
    """Hessian-vector products of a scalar function: ``hvp(f)(x, v)``, forward over reverse.

    Parameters
    ----------
    function : callable
        NumPy-style function with a scalar result, whose first argument is one array or container of arrays.

    Returns
    -------
    callable of the argument, a vector of its structure and shapes, and the function's other arguments, if it has any:
    ``hvp(f)(x, v, *args, **kwargs)``

    Raises
    ------
    ShapeError, DTypeError, TraceError
        When called: the result is no scalar, the argument is not floating, or the vector has another structure or shape.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """

    def product(x: Any, v: Any, *args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten(x)
        vectors = _matched(v, structure, "hvp: the vector has")
        _require_floats(leaves, "hvp")
        inside = [ops.parameter(leaf.attrs.name, leaf.type) for leaf in leaves]
        value = scalar(function(unflatten(structure, inside), *args, **kwargs), "hvp")
        slopes = expressions.gradients(value, inside, unconnected="zero")
        made = expressions.pushforward(list(slopes), *_directions(inside, vectors, "hvp: vector", "its argument"))
        full = [ops.zeros_like(one) if tangent is None else tangent for one, tangent in zip(inside, made, strict=True)]
        return unflatten(structure, substitute(full, dict(zip(inside, leaves, strict=True))))

    product.__name__ = f"hvp_{getattr(function, '__name__', 'function')}"
    static = NOTHING_STATIC
    if isinstance(function, Transform):  # the vector stands before its other arguments
        static = function.static._replace(positions=frozenset(k + 1 for k in function.static.positions if k))
    return Transform(product, lambda parameters, arguments: arguments.call(product, parameters), "hvp", static)


class _Made(dict[Any, Transform]):
    """The transforms made of a function, kept with the function itself, so that they go when it goes."""

    def __init__(self, owner: Callable[..., Any]) -> None:
        super().__init__()
        self.owner = ref(owner)


_KEPT = "__symgrad_products__"
_of_objects: WeakKeyDictionary[Any, dict[Any, Transform]] = WeakKeyDictionary()
_of_numpy: dict[Any, dict[Any, Transform]] = {}


def _table(function: Callable[..., Any]) -> dict[Any, Transform]:
    """What is remembered of a function; nothing of bound methods and the like, which are made anew at every use."""
    if isinstance(function, (FunctionType, Transform)):
        table: _Made | None = getattr(function, _KEPT, None)
        if table is None or table.owner() is not function:  # it may have taken over the attributes of one that it wraps
            table = _Made(function)
            setattr(function, _KEPT, table)
        return table
    try:
        return _of_objects.setdefault(function, {})
    except TypeError:  # it cannot be referred to weakly, or is not hashable
        lasting = isinstance(function, (np.ufunc, type(np.sum)))
        return _of_numpy.setdefault(function, {}) if lasting else {}


def _remembered(function: Callable[..., Any], key: Any, make: Callable[[], Transform]) -> Transform:
    """The transform of a function, made once, so that its compiled kernels are found again."""
    table = _table(function)
    return table[key] if key in table else table.setdefault(key, make())


def jvp(
    function: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    has_aux: bool = False,
    allow_int: bool = False,
    **keywords: Any,
) -> tuple[Any, ...]:
    """Value and Jacobian-vector product (forward mode).

    Parameters
    ----------
    function : callable
    primals : tuple of arguments
    tangents : tuple of the same structure
        Direction in which the arguments move; None for one that stays.
    has_aux : bool
        The function returns ``(value, aux)``.
    allow_int : bool
        Take integer arrays too; tangents follow integer arithmetic.
    **keywords
        Further arguments of the function, which stay.

    Returns
    -------
    (value, tangent of the value), with ``has_aux`` also the auxiliary data

    Raises
    ------
    GradientError, TraceError, ShapeError, DTypeError
        There are other tangents than primals, a tangent has another structure or shape than its primal, or a primal is
        not floating.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> y, dy = sg.jvp(np.sin, (0.0,), (2.0,))
    >>> float(y), float(dy)
    (0.0, 2.0)
    """
    for given, what in ((primals, "primals"), (tangents, "tangents")):
        if not isinstance(given, (tuple, list)):
            raise TraceError(
                f"jvp: the {what} are no tuple of arguments", where=user_line(), hint="sg.jvp(f, (x,), (v,))"
            )
    count = len(primals)
    if len(tangents) != count:
        raise GradientError(f"jvp: {count} primals and {len(tangents)} tangents", where=user_line())

    def make() -> Transform:
        def both(*args: Any, **kwargs: Any) -> Any:
            xs, structure = flatten(args[:count])
            vs = _matched(args[count:], structure, "jvp: the tangents have")
            _require_floats(xs, "jvp", allow_int)
            made, aux = split(function(*args[:count], **kwargs), has_aux, "jvp")
            outputs, shape = as_outputs(made, "jvp")
            moved = expressions.pushforward(outputs, *_directions(xs, vs, "jvp: tangent", "its primal"))
            full = [ops.zeros_like(y) if dy is None else dy for y, dy in zip(outputs, moved, strict=True)]
            found = (unflatten(shape, outputs), unflatten(shape, full))
            return (*found, aux) if has_aux else found

        both.__name__ = getattr(function, "__name__", "function")
        return Transform(both, lambda parameters, arguments: arguments.call(both, parameters), "jvp", _static(function))

    product = _remembered(function, ("jvp", count, has_aux, allow_int), make)
    found: tuple[Any, ...] = product(*primals, *tangents, **keywords)
    return found


def _static(function: Callable[..., Any]) -> Static:
    """The keyword arguments that a function does not trace."""
    return Static(names=function.static.names) if isinstance(function, Transform) else NOTHING_STATIC


def _matched(given: Any, structure: Structure, who: str) -> list[Any]:
    """The leaves of directions or head gradients in the order of what they belong to, with None for those left out."""
    leaves = leaves_like(given, structure)
    if leaves is None:
        raise TraceError(f"{who} another structure than {_OWNER[who]}", where=user_line())
    return leaves


_OWNER = {
    "hvp: the vector has": "the argument",
    "jvp: the tangents have": "the primals",
    "vjp: the head gradient has": "the value",
}


def _directions(xs: Sequence[Any], given: Sequence[Any], who: str, of: str) -> tuple[list[Any], list[Any]]:
    """The arrays that move, and their directions, of the same shapes; numbers fit every shape."""
    moving, directions = [], []
    for k, (x, v) in enumerate(zip(xs, given, strict=True)):
        if v is None:
            continue
        node = ops.as_node(v, who=f"{who} {k}")
        if node.ndim:
            if node.ndim != x.ndim or any(
                assumptions.agree(*pair) is False for pair in zip(node.shape, x.shape, strict=True)
            ):
                raise ShapeError(
                    f"{who} {k} has shape {shape_text(node.shape)}, {of} {shape_text(x.shape)}", where=user_line()
                )
            node = ops.assert_shape(node, x.shape)
        moving.append(x)
        directions.append(node)
    return moving, directions


def _require_floats(leaves: Sequence[Any], who: str, allow_int: bool | None = None) -> None:
    for k, leaf in enumerate(leaves):
        if not isinstance(leaf, Node):
            raise DTypeError(
                f"{who}: primal {k} is of class {type(leaf).__name__}, no array",
                where=user_line(),
                hint=f"close over it: sg.{who}(lambda x: f(x, {leaf!r}), ...)",
            )
        require_float(leaf, who, allow_int)


def vjp(
    function: Callable[..., Any], *primals: Any, has_aux: bool = False, allow_int: bool = False, **keywords: Any
) -> tuple[Any, ...]:
    """Value and pullback (reverse mode).

    Parameters
    ----------
    function : callable
    *primals : its arguments
    has_aux : bool
        The function returns ``(value, aux)``.
    allow_int : bool
        Take integer arrays too; gradients follow integer arithmetic.
    **keywords
        Further arguments of the function, with respect to which nothing is differentiated.

    Returns
    -------
    value, pullback, with ``has_aux`` also the auxiliary data
        ``pullback(head)``, with a head gradient of the value's structure, returns a tuple with one gradient per primal.
        None in place of a head gradient stands for zeros.

    Raises
    ------
    TraceError, ShapeError, DTypeError
        A primal is not floating; when the pullback is called: a head gradient has another structure or shape than the
        value.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> y, pullback = sg.vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    count = len(primals)

    def value_of(*args: Any, **kwargs: Any) -> Any:
        _require_floats(flatten(args)[0], "vjp", allow_int)
        made, aux = split(function(*args, **kwargs), has_aux, "vjp")
        return (made, aux) if has_aux else made

    def pulled(*args: Any, **kwargs: Any) -> Any:
        made, _ = split(function(*args[:count], **kwargs), has_aux, "vjp")
        outputs, structure = as_outputs(made, "vjp")
        heads = _matched(args[count], structure, "vjp: the head gradient has")
        pairs = [(y, head) for y, head in zip(outputs, heads, strict=True) if head is not None]
        xs, inside = flatten(args[:count])
        found = expressions.gradients([y for y, _ in pairs], xs, [head for _, head in pairs], unconnected="zero")
        return unflatten(inside, found)

    def made_of(body: Callable[..., Any], kind: str) -> Callable[[], Transform]:
        body.__name__ = getattr(function, "__name__", "function")
        return lambda: Transform(
            body, lambda parameters, arguments: arguments.call(body, parameters), kind, _static(function)
        )

    choice = (count, has_aux, allow_int)
    value = _remembered(function, ("value", *choice), made_of(value_of, "vjp_value"))(*primals, **keywords)

    def pullback(head: Any) -> tuple[Any, ...]:
        transform = _remembered(function, ("pullback", *choice), made_of(pulled, "pullback"))
        found: tuple[Any, ...] = transform(*primals, head, **keywords)
        return found

    return (value[0], pullback, value[1]) if has_aux else (value, pullback)
