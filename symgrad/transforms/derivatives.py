"""Derivatives of Python functions.  In: a function.  Out: functions of the same arguments that give its derivatives.

All compose with each other and with ``vmap`` and ``jit`` to any order.  Arguments and results may be nested containers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from symgrad import ops, types
from symgrad.containers import Structure, flatten, unflatten
from symgrad.diff import gradients as expressions
from symgrad.errors import DTypeError, GradientError, ShapeError, TraceError
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.transforms.tracing import Arguments, as_outputs
from symgrad.transforms.transform import Transform

__all__ = ["derivative", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


class _Chosen(NamedTuple):
    """The placeholders to differentiate with respect to, and the structure in which derivatives are returned."""

    nodes: list[Any]
    structure: Structure


def _chosen(parameters: Sequence[Any], arguments: Arguments, argnums: Any, who: str, allow_int: bool) -> _Chosen:
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    count = len(arguments.structure.parts)
    rest, groups = iter(parameters), []
    marks = iter(arguments.fixed)
    for part in arguments.structure.parts:
        own = [next(rest) if repr(next(marks)) == "traced" else None for _ in range(part.size)]
        groups.append(own)
    nodes: list[Any] = []
    structures = []
    for position in positions:
        if not isinstance(position, int) or not -count <= position < count:
            raise GradientError(f"{who}: argnums={argnums!r}, but there are {count} arguments", where=user_line())
        group = groups[position]
        for node in group:
            if node is None:
                raise DTypeError(f"{who}: argument {position} holds something that is no array", where=user_line())
            _require_float(node, who, allow_int)
        nodes += group
        structures.append(arguments.structure.parts[position])
    whole = structures[0] if isinstance(argnums, int) else Structure(tuple, (), tuple(structures))
    return _Chosen(nodes, whole)


def _require_float(node: Any, who: str, allow_int: bool | None = None) -> None:
    """Refuse what has no derivative; ``allow_int`` None: integers are never taken."""
    if types.is_float(node.type.dtype) or (allow_int and types.is_integer(node.type.dtype)):
        return
    raise DTypeError(
        f"{who}: the argument {node.attrs.name!r} is {node.type.dtype}; only floating arguments have derivatives",
        where=user_line(),
        hint="convert it to float64" + ("" if allow_int is None else ", choose other argnums, or pass allow_int=True"),
    )


def _called(
    function: Callable[..., Any], parameters: Sequence[Any], arguments: Arguments, has_aux: bool, who: str
) -> tuple[Any, Any]:
    """The function's result on placeholders, and its auxiliary data."""
    made = function(*arguments.rebuild(parameters))
    if not has_aux:
        return made, None
    if not (isinstance(made, tuple) and len(made) == 2):
        raise TraceError(f"{who}: with has_aux=True the function must return (result, aux)", where=user_line())
    return made


def _scalar(value: Any, who: str, allow_int: bool = False) -> Any:
    leaves, _ = flatten(value)
    if len(leaves) != 1:
        raise ShapeError(
            f"{who}: the function returned {len(leaves)} arrays, not a scalar",
            where=user_line(),
            hint="use sg.jacobian",
        )
    node = ops.as_node(leaves[0], who=who)
    if node.ndim:
        raise ShapeError(
            f"{who}: the function returned shape {shape_text(node.shape)}, not a scalar",
            where=user_line(),
            hint="use sg.jacobian",
        )
    if not types.is_float(node.type.dtype) and not (allow_int and types.is_integer(node.type.dtype)):
        raise DTypeError(f"{who}: the function returned {node.type.dtype}, which has no derivative", where=user_line())
    return node


# -- gradients ------------------------------------------------------------------------------------------------------
def grad(function: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, allow_int: bool = False) -> Transform:
    """The gradient of a scalar-valued function.

    Parameters
    ----------
    function : callable
        NumPy-style function of arrays, with a scalar result.
    argnums : int or tuple of int
        Arguments to differentiate with respect to; for a tuple the result is a tuple.
    has_aux : bool
        The function returns ``(scalar, aux)``; the gradient function returns ``(gradient, aux)``.
    allow_int : bool
        Differentiate integer arrays too, along integer arithmetic.

    Returns
    -------
    callable of the same arguments.  An argument that is a container gets a container of gradients.

    Raises
    ------
    ShapeError, DTypeError
        When called: the result is no floating scalar, or an argument is not floating.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.grad(lambda x: np.sum(np.sin(x)))(np.zeros(2))
    array([1., 1.])
    >>> float(sg.grad(sg.grad(lambda x: x**3))(3.0))
    18.0
    """

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        chosen = _chosen(parameters, arguments, argnums, "grad", allow_int)
        value, aux = _called(function, parameters, arguments, has_aux, "grad")
        found = _gradient(_scalar(value, "grad", allow_int), chosen)
        return (found, aux) if has_aux else found

    return Transform(function, rule, "grad")


def _gradient(value: Any, chosen: _Chosen) -> Any:
    return unflatten(chosen.structure, expressions.gradients(value, chosen.nodes, unconnected="zero"))


def value_and_grad(
    function: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, allow_int: bool = False
) -> Transform:
    """Value and gradient of a scalar-valued function, sharing work; parameters as :func:`grad`.

    Returns
    -------
    callable that returns ``(value, gradient)``, or ``((value, aux), gradient)``.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> value, gradient = sg.value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    """

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        chosen = _chosen(parameters, arguments, argnums, "value_and_grad", allow_int)
        made, aux = _called(function, parameters, arguments, has_aux, "value_and_grad")
        value = _scalar(made, "value_and_grad", allow_int)
        found = _gradient(value, chosen)
        return ((value, aux), found) if has_aux else (value, found)

    return Transform(function, rule, "value_and_grad")


# -- Jacobians and Hessians -----------------------------------------------------------------------------------------
def jacobian(
    function: Any, argnums: Any = 0, mode: str = "auto", has_aux: bool = False, allow_int: bool = False
) -> Any:
    """All first derivatives of a function, or of an expression with respect to another.

    Parameters
    ----------
    function : callable, or expression
    argnums : int or tuple of int, or expression
        For an expression ``y``: the expression ``x``.
    mode : {"auto", "forward", "reverse"}
        One pass per element of the argument, or per element of the result; auto takes the smaller number.
    has_aux : bool
        The function returns ``(result, aux)``.
    allow_int : bool
        Differentiate integer arrays too, along integer arithmetic.

    Returns
    -------
    callable, or expression.  Each array of shape R of the result has, for each argument of shape A, a derivative of
    shape R + A; containers give containers of containers.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if isinstance(function, Node):
        return expressions.jacobian(function, argnums, mode)

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        chosen = _chosen(parameters, arguments, argnums, "jacobian", allow_int)
        made, aux = _called(function, parameters, arguments, has_aux, "jacobian")
        outputs, structure = as_outputs(made, "jacobian")
        rows = [unflatten(chosen.structure, [expressions.jacobian(y, x, mode) for x in chosen.nodes]) for y in outputs]
        found = unflatten(structure, rows)
        return (found, aux) if has_aux else found

    return Transform(function, rule, "jacobian")


def hessian(function: Any, argnums: Any = 0, allow_int: bool = False) -> Any:
    """All second derivatives of a scalar function, or of an expression with respect to another.

    For one array argument of shape A the result has shape A + A; for containers and several arguments it is a container
    of containers, one block for each pair.

    Parameters
    ----------
    function : callable, or a scalar expression
    argnums : int or tuple of int, or the expression to differentiate with respect to
    allow_int : bool
        Differentiate integer arrays too, along integer arithmetic.

    Raises
    ------
    ShapeError, DTypeError
        The result is no floating scalar, or an argument is not floating.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    if isinstance(function, Node):
        return expressions.hessian(function, argnums)

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        chosen = _chosen(parameters, arguments, argnums, "hessian", allow_int)
        value = _scalar(function(*arguments.rebuild(parameters)), "hessian", allow_int)
        slopes = expressions.gradients(value, chosen.nodes, unconnected="zero")
        rows = [unflatten(chosen.structure, [_block(slope, x) for x in chosen.nodes]) for slope in slopes]
        return unflatten(chosen.structure, rows)

    return Transform(function, rule, "hessian")


def _block(slope: Any, x: Any) -> Any:
    return expressions.jacobian(slope, x, "forward" if isinstance(x.type.size, int) else "reverse")


def hvp(function: Callable[..., Any]) -> Transform:
    """Hessian-vector products of a scalar function of one argument: ``hvp(f)(x, v)``, forward over reverse.

    Parameters
    ----------
    function : callable
        NumPy-style function of one array or container of arrays, with a scalar result.

    Returns
    -------
    callable of the argument and a vector of its structure and shapes

    Raises
    ------
    ShapeError, TraceError
        When called: the result is no scalar, or the vector has another structure.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> sg.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """

    def product(x: Any, v: Any) -> Any:
        leaves, structure = flatten(x)
        vectors, other = flatten(v)
        if other != structure:
            raise TraceError("hvp: the vector has another structure than the argument", where=user_line())
        inside = [ops.parameter("x", ops.as_node(leaf).type) for leaf in leaves]
        for one in inside:
            _require_float(one, "hvp")
        value = _scalar(function(unflatten(structure, inside)), "hvp")
        slopes = expressions.gradients(value, inside, unconnected="zero")
        made = expressions.pushforward(list(slopes), inside, vectors)
        full = [ops.zeros_like(one) if tangent is None else tangent for one, tangent in zip(inside, made, strict=True)]
        from symgrad.node import substitute

        return unflatten(structure, substitute(full, dict(zip(inside, map(ops.as_node, leaves), strict=True))))

    product.__name__ = f"hvp_{getattr(function, '__name__', 'function')}"
    return Transform(product, lambda parameters, arguments: product(*arguments.rebuild(parameters)), "hvp")


def derivative(function: Callable[..., Any], n: int = 1) -> Transform:
    """The ``n``-th derivative of a function of one scalar, elementwise for arrays.

    Raises
    ------
    GradientError
        ``n`` is no natural number.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> float(sg.derivative(np.sin, 3)(0.0))
    -1.0
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise GradientError(f"derivative: n={n!r} is not a natural number", where=user_line())

    def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
        if len(parameters) != 1:
            raise GradientError(
                f"derivative: one array argument is needed, {len(parameters)} were given",
                where=user_line(),
                hint="use sg.grad or sg.jvp, or fix the others: sg.derivative(lambda x: f(x, y))(x)",
            )
        (x,) = parameters
        _require_float(x, "derivative")
        value = ops.as_node(function(*arguments.rebuild(parameters)), who="derivative")
        if not types.same_shape(value.shape, x.shape):
            raise ShapeError(
                f"derivative: the function maps shape {shape_text(x.shape)} to {shape_text(value.shape)}",
                where=user_line(),
                hint="use sg.jacobian",
            )
        for _ in range(n):
            value = expressions.pushforward([value], [x], [1.0])[0]
            if value is None:
                return ops.zeros_like(x)
        return value

    return Transform(function, rule, "derivative")


# -- products with Jacobians ----------------------------------------------------------------------------------------
_products: WeakKeyDictionary[Any, dict[Any, Transform]] = WeakKeyDictionary()


def _remembered(function: Callable[..., Any], key: Any, make: Callable[[], Transform]) -> Transform:
    """The transform of a function, made once, so that its compiled kernels are found again."""
    try:
        table = _products.setdefault(function, {})
    except TypeError:
        return make()
    return table.setdefault(key, make()) if key not in table else table[key]


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, allow_int: bool = False
) -> tuple[Any, Any]:
    """Value and Jacobian-vector product (forward mode).

    Parameters
    ----------
    function : callable
    primals : tuple of arguments
    tangents : tuple of the same structure
        Direction in which the arguments move.
    allow_int : bool
        Take integer arrays too; tangents follow integer arithmetic.

    Returns
    -------
    (value, tangent of the value)

    Raises
    ------
    ShapeError, DTypeError
        A tangent does not fit its primal; a primal is not floating.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> y, dy = sg.jvp(np.sin, (0.0,), (2.0,))
    >>> float(y), float(dy)
    (0.0, 2.0)
    """
    count = len(primals)
    if len(tangents) != count:
        raise GradientError(f"jvp: {count} primals and {len(tangents)} tangents", where=user_line())

    def make() -> Transform:
        def both(*args: Any) -> Any:
            raise AssertionError("only its rule is used")

        def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
            args = arguments.rebuild(parameters)
            xs, vs = _directions(args[:count], args[count:], allow_int)
            outputs, structure = as_outputs(function(*args[:count]), "jvp")
            made = expressions.pushforward(outputs, xs, vs)
            full = [ops.zeros_like(y) if dy is None else dy for y, dy in zip(outputs, made, strict=True)]
            return unflatten(structure, outputs), unflatten(structure, full)

        both.__name__ = f"{getattr(function, '__name__', 'function')}"
        return Transform(both, rule, "jvp")

    value, tangent = _remembered(function, ("jvp", count, allow_int), make)(*primals, *tangents)
    return value, tangent


def _directions(primals: Any, tangents: Any, allow_int: bool) -> tuple[list[Any], list[Any]]:
    """The arrays of the primals and of their tangents, in pairs that fit."""
    (xs, structure), (vs, other) = flatten(primals), flatten(tangents)
    if structure != other:
        raise TraceError("jvp: the tangents have another structure than the primals", where=user_line())
    for k, (x, v) in enumerate(zip(xs, vs, strict=True)):
        _require_float(x, "jvp", allow_int)
        if v.ndim and not types.same_shape(v.shape, x.shape):
            raise ShapeError(
                f"jvp: tangent {k} has shape {shape_text(v.shape)}, its primal {shape_text(x.shape)}", where=user_line()
            )
    return xs, vs


def vjp(
    function: Callable[..., Any], *primals: Any, allow_int: bool = False
) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Value and pullback (reverse mode).

    Parameters
    ----------
    function : callable
    *primals : its arguments
    allow_int : bool
        Take integer arrays too; gradients follow integer arithmetic.

    Returns
    -------
    value, pullback
        ``pullback(head)``, with a head gradient of the value's structure, returns a tuple with one gradient per primal.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> y, pullback = sg.vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    count = len(primals)

    def value_only(*args: Any) -> Any:
        return function(*args)

    def make_value() -> Transform:
        def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
            for one in parameters:
                _require_float(one, "vjp", allow_int)
            return function(*arguments.rebuild(parameters))

        value_only.__name__ = getattr(function, "__name__", "function")
        return Transform(value_only, rule, "vjp_value")

    def make_pullback() -> Transform:
        def rule(parameters: Sequence[Any], arguments: Arguments) -> Any:
            args = arguments.rebuild(parameters)
            outputs, structure = as_outputs(function(*args[:count]), "vjp")
            heads, given = flatten(args[count])
            if given != structure:
                raise TraceError("vjp: the head gradient has another structure than the value", where=user_line())
            xs, inside = flatten(args[:count])
            return unflatten(inside, expressions.gradients(outputs, xs, heads, unconnected="zero"))

        return Transform(value_only, rule, "pullback")

    value = _remembered(function, ("value", count, allow_int), make_value)(*primals)

    def pullback(head: Any) -> tuple[Any, ...]:
        found: tuple[Any, ...] = _remembered(function, ("pullback", count), make_pullback)(*primals, head)
        return found

    return value, pullback
