"""Derivatives of Python functions.  In: a function.  Out: functions of the same arguments that give its derivatives.

All compose with each other and with ``vmap`` and ``jit`` to any order.  Arguments and results may be nested containers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from symgrad import ops, types
from symgrad.containers import Structure, flatten, unflatten
from symgrad.diff import gradients as expressions
from symgrad.errors import DTypeError, GradientError, ShapeError, TraceError
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.transforms.parameters import positions_of
from symgrad.transforms.tracing import Arguments, as_outputs
from symgrad.transforms.transform import Transform

__all__ = ["derivative", "grad", "hessian", "jacobian", "value_and_grad"]


class _Chosen(NamedTuple):
    """The placeholders to differentiate with respect to, and the structure in which derivatives are returned."""

    nodes: list[Any]
    structure: Structure


def _chosen(parameters: Sequence[Any], arguments: Arguments, argnums: Any, who: str, allow_int: bool) -> _Chosen:
    groups = arguments.grouped(parameters)
    nodes: list[Any] = []
    structures = []
    for position in positions_of(argnums, who, "argnums"):
        part = arguments.find(position)
        if part is None:
            count = sum(place >= 0 for place in arguments.places)
            raise GradientError(
                f"{who}: argnums={argnums!r}, but there are {count} arguments",
                where=user_line(),
                hint="positions count from 0; a parameter that takes its default is no argument",
            )
        if any(node is None for node in groups[part]):
            raise DTypeError(f"{who}: argument {position} holds something that is no array", where=user_line())
        for node in groups[part]:
            require_float(node, who, allow_int)
        nodes += groups[part]
        structures.append(arguments.structure.parts[part])
    several = isinstance(argnums, Iterable)
    return _Chosen(nodes, Structure(tuple, (), tuple(structures)) if several else structures[0])


def require_float(node: Any, who: str, allow_int: bool | None = None) -> None:
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
    return split(arguments.call(function, parameters), has_aux, who)


def split(made: Any, has_aux: bool, who: str) -> tuple[Any, Any]:
    """What a function returned, as its result and its auxiliary data."""
    if not has_aux:
        return made, None
    if not (isinstance(made, tuple) and len(made) == 2):
        raise TraceError(f"{who}: with has_aux=True the function must return (result, aux)", where=user_line())
    return made


def scalar(value: Any, who: str, allow_int: bool = False) -> Any:
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
        found = _gradient(scalar(value, "grad", allow_int), chosen)
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
        value = scalar(made, "value_and_grad", allow_int)
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
        One pass per element of the argument, or per element of the result; auto takes the smaller number, and forward
        mode also for up to 16 and twice as many elements of the arguments.
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
        own = _mode(outputs, chosen.nodes) if mode == "auto" else mode
        rows = [unflatten(chosen.structure, [expressions.jacobian(y, x, own) for x in chosen.nodes]) for y in outputs]
        found = unflatten(structure, rows)
        return (found, aux) if has_aux else found

    return Transform(function, rule, "jacobian")


def _mode(outputs: Sequence[Any], inputs: Sequence[Any]) -> str:
    """One mode for all results and arguments, so that their derivatives share what they compute."""
    sizes = [[one.type.size for one in nodes] for nodes in (outputs, inputs)]
    if not all(isinstance(size, int) for some in sizes for size in some):
        return "auto"
    rows, columns = map(sum, sizes)
    return expressions.choose_mode(rows, columns)


def hessian(function: Any, argnums: Any = 0, has_aux: bool = False, allow_int: bool = False) -> Any:
    """All second derivatives of a scalar function, or of an expression with respect to another.

    For one array argument of shape A the result has shape A + A; for containers and several arguments it is a container
    of containers, one block for each pair.

    Parameters
    ----------
    function : callable, or a scalar expression
    argnums : int or tuple of int, or the expression to differentiate with respect to
    has_aux : bool
        The function returns ``(scalar, aux)``; the Hessian function returns ``(hessian, aux)``.
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
        made, aux = _called(function, parameters, arguments, has_aux, "hessian")
        value = scalar(made, "hessian", allow_int)
        slopes = expressions.gradients(value, chosen.nodes, unconnected="zero")
        rows = [unflatten(chosen.structure, [_block(slope, x) for x in chosen.nodes]) for slope in slopes]
        found = unflatten(chosen.structure, rows)
        return (found, aux) if has_aux else found

    return Transform(function, rule, "hessian")


def _block(slope: Any, x: Any) -> Any:
    return expressions.jacobian(slope, x, "forward" if isinstance(x.type.size, int) else "reverse")


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
        require_float(x, "derivative")
        value = ops.as_node(arguments.call(function, parameters), who="derivative")
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
