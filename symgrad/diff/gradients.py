"""Derivatives of expressions.  In: expressions.  Out: expressions.

These functions name their sources and results; the transforms of Python functions are built on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad import ops
from symgrad.batching import vectorize
from symgrad.collection import collection_paused
from symgrad.diff.forward import Forward
from symgrad.diff.heads import Head, materialize
from symgrad.diff.ledger import Ledger
from symgrad.diff.reverse import Reverse, differentiable
from symgrad.diff.rules import Rules
from symgrad.dims import Size
from symgrad.errors import DTypeError, GradientError, ShapeError, SymgradError, UnconnectedGradientError
from symgrad.node import Node, topological
from symgrad.ops.coerce import shape_text
from symgrad.provenance import observed, user_line

__all__ = ["Gradients", "derivatives", "gradients", "hessian", "jacobian", "pushforward"]


class Gradients(list[Any]):
    """Gradients, one per source, None where unconnected; ``ledger`` knows where each derivative node comes from."""

    ledger: Ledger


def listed(values: Any, who: str) -> list[Any]:
    """One expression or several, as a list; anything else is refused."""
    made = list(values) if isinstance(values, (list, tuple)) else [values]
    for value in made:
        if not isinstance(value, Node):
            raise SymgradError(f"{who}: {type(value).__name__} {value!r} is not an expression", where=user_line())
    return made


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    stop_gradients: Any = (),
    unconnected: str = "none",
    rules: Rules | None = None,
) -> Gradients:
    """Reverse-mode derivatives of the sum of all elements of ``ys``.

    Parameters
    ----------
    ys : expression or list of them
    xs : expression or list of them
        Placeholders, variables or intermediate expressions.
    grad_ys : list, optional
        Head gradient of each ``y``, of its shape; None stands for ones.
    stop_gradients : list of expressions
        Taken as constants in this call.
    unconnected : {"none", "zero", "raise"}
        What an ``x`` gets that no derivative reaches; the error says why, as :func:`symgrad.why` does.
    rules : Rules, optional
        Overrides and stops for nodes that are already built.

    Returns
    -------
    Gradients
        A list with one expression (or None) per ``x``, of its shape and element type.

    Raises
    ------
    GradientError, ShapeError, DTypeError, UnconnectedGradientError

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, a = sg.symbol("x", (3,)), sg.symbol("a")
    >>> print(sg.gradients(np.sum(np.sin(x)) * a, [a])[0])
    sum(sin(x))
    """
    outputs, sources = listed(ys, "gradients: ys"), listed(xs, "gradients: xs")
    if unconnected not in ("none", "zero", "raise"):
        raise GradientError(
            f"gradients: unconnected={unconnected!r}", where=user_line(), hint="one of 'none', 'zero', 'raise'"
        )
    stops = set(listed(stop_gradients, "gradients: stop_gradients"))
    replaced: dict[Node, Any] = {}
    frozen: set[Node] = set()
    if rules is not None:
        stopped, replaced = rules.resolve(topological(outputs))
        frozen = rules.frozen(stopped)
        stops |= stopped
    heads = _heads(outputs, grad_ys)
    ledger = Ledger()
    with observed(ledger), collection_paused():
        moving = [x for x in sources if x not in frozen]
        found = Reverse(outputs, moving, stops, replaced, ledger).run(outputs, heads)
        result = Gradients(materialize(found[x]).value if x in found else None for x in sources)
    result.ledger = ledger
    if unconnected != "none":
        _fill(result, outputs, sources, unconnected, (stop_gradients, rules))
    return result


def _heads(outputs: Sequence[Any], grad_ys: Any) -> list[Head]:
    for y in outputs:
        if not differentiable(y):
            raise DTypeError(
                f"gradients: a result of {y.op.name} with element type {y.type.dtype} has no derivative",
                where=user_line(),
            )
    if grad_ys is None:
        return [Head(ops.full_of(y.type, 1)) for y in outputs]
    given = list(grad_ys) if isinstance(grad_ys, (list, tuple)) else [grad_ys]
    if len(given) != len(outputs):
        raise GradientError(f"gradients: {len(given)} head gradients for {len(outputs)} ys", where=user_line())
    return [
        Head(ops.full_of(y.type, 1) if head is None else _head(y, head, k))
        for k, (y, head) in enumerate(zip(outputs, given, strict=True))
    ]


def _head(y: Any, head: Any, position: int) -> Any:
    node = ops.as_node(head, y.type.dtype, who="gradients: grad_ys")
    try:
        return ops.broadcast_to(node, y.shape) if node.ndim == 0 else ops.assert_shape(node, y.shape)
    except ShapeError:
        raise ShapeError(
            f"gradients: head gradient {position} has shape {shape_text(node.shape)}, its y {shape_text(y.shape)}",
            where=user_line(),
        ) from None


def _fill(
    result: Gradients, outputs: Sequence[Any], sources: Sequence[Any], unconnected: str, settings: tuple[Any, ...]
) -> None:
    for k, (value, x) in enumerate(zip(result, sources, strict=True)):
        if value is None and unconnected == "zero":
            result[k] = ops.zeros_like(x)
        elif value is None:
            from symgrad.diff.why import why

            raise UnconnectedGradientError(
                f"gradients: no derivative of {_names(outputs)} reaches x number {k} ({x!r}): "
                f"{why(outputs, x, *settings).reason}",
                where=user_line(),
                hint="sg.why(y, x) shows the paths; unconnected='zero' gives zeros",
            )


def _names(outputs: Sequence[Any]) -> str:
    return repr(outputs[0]) if len(outputs) == 1 else f"the {len(outputs)} ys"


def pushforward(ys: Any, xs: Any, tangents: Any) -> list[Any]:
    """Forward-mode derivatives: the tangent of each ``y`` (None where it depends on no ``x``)."""
    outputs, sources = listed(ys, "pushforward: ys"), listed(xs, "pushforward: xs")
    given = [
        Head(ops.broadcast_to(ops.as_node(tangent, x.type.dtype), x.shape))
        for x, tangent in zip(sources, tangents, strict=True)
    ]
    ledger = Ledger()
    with observed(ledger), collection_paused():
        made = Forward(outputs, sources, (), None, ledger).run(given)
    return [None if head is None else head.value for head in made]


# -- Jacobians ------------------------------------------------------------------------------------------------------
_FEW = 16  # directions of a small problem, whose operations are written out


def choose_mode(rows: Size, columns: Size) -> str:
    """Forward mode where it needs fewer directions than reverse mode has heads, and for dynamic results.

    Of few directions it may need twice as many: what is zero in a direction costs nothing, and a direction costs less
    than a head does.
    """
    if isinstance(rows, int) and isinstance(columns, int):
        return "forward" if columns < rows or (rows > 1 and columns <= min(2 * rows, _FEW)) else "reverse"
    return "forward" if isinstance(columns, int) else "reverse"


def jacobian(y: Any, x: Any, mode: str = "auto") -> Any:
    """All partial derivatives of the elements of ``y`` with respect to those of ``x``.

    Parameters
    ----------
    y, x : expressions
    mode : {"auto", "forward", "reverse"}
        One tangent per element of ``x``, or one head gradient per element of ``y``; auto takes the smaller number.

    Returns
    -------
    Expr of shape ``y.shape + x.shape``; zeros where ``y`` does not depend on ``x``.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", (2,))
    >>> sg.compile(sg.jacobian(x**2, x), [x])(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise GradientError(f"jacobian: mode={mode!r}", where=user_line(), hint="one of 'auto', 'forward', 'reverse'")
    (y,), (x,) = listed(y, "jacobian"), listed(x, "jacobian")
    if not differentiable(y):
        raise DTypeError(f"jacobian: a result of element type {y.type.dtype} has no derivative", where=user_line())
    forward = (choose_mode(y.type.size, x.type.size) if mode == "auto" else mode) == "forward"
    ledger = Ledger()
    with observed(ledger), collection_paused():
        made = (_forward_jacobian if forward else _reverse_jacobian)(y, x, ledger)
    return ops.zeros((*y.shape, *x.shape), y.type.dtype) if made is None else made


def _reverse_jacobian(y: Any, x: Any, ledger: Ledger) -> Any:
    if y.ndim == 0:
        found = Reverse([y], [x], ledger=ledger).run([y], [Head(ops.full_of(y.type, 1))])
        return materialize(found[x]).value if x in found else None
    head = ops.parameter("head", y.type)
    found = Reverse([y], [x], ledger=ledger).run([y], [Head(head, zeros=True)])
    if x not in found:
        return None
    rows = _over_basis(materialize(found[x]).value, head)
    return ops.reshape(rows, (*y.shape, *x.shape))


def _forward_jacobian(y: Any, x: Any, ledger: Ledger) -> Any:
    if x.ndim == 0:
        (made,) = Forward([y], [x], ledger=ledger).run([Head(ops.full_of(x.type, 1))])
        return None if made is None else made.value
    tangent = ops.parameter("tangent", x.type)
    (made,) = Forward([y], [x], ledger=ledger).run([Head(tangent, zeros=True)])
    if made is None:
        return None
    columns = _over_basis(made.value, tangent)
    moved = ops.transpose(columns, (*range(1, columns.ndim), 0))
    return ops.reshape(moved, (*y.shape, *x.shape))


def _over_basis(value: Any, direction: Any) -> Any:
    """A derivative linear in a direction, evaluated for every unit direction along a new first axis."""
    units = ops.basis(direction.type)
    (made, moved), *_ = vectorize([value], {direction: units}, units.shape[0])
    return made if moved else ops.broadcast_to(made, (units.shape[0], *made.shape))


def hessian(y: Any, x: Any) -> Any:
    """All second derivatives of a scalar: shape ``x.shape + x.shape``.

    Raises
    ------
    ShapeError
        ``y`` is not a scalar.
    """
    (y,), (x,) = listed(y, "hessian"), listed(x, "hessian")
    if y.ndim:
        raise ShapeError(
            f"hessian: the result has shape {shape_text(y.shape)}, not ()",
            where=user_line(),
            hint="sg.jacobian of sg.jacobian",
        )
    slope = jacobian(y, x)
    return jacobian(slope, x, mode="forward" if isinstance(x.type.size, int) else "reverse")


def derivatives(y: Any, xs: Any, order: int) -> dict[tuple[int, ...], Any]:
    """All partial derivatives of a scalar up to an order, by multi-index over the scalars of ``xs``.

    Parameters
    ----------
    y : scalar expression
    xs : expression or list of them, of static shape
    order : int
        Largest sum of a multi-index.

    Returns
    -------
    dict from multi-index (one exponent per scalar) to scalar expression.  Equal mixed derivatives are formed once.

    Examples
    --------
    >>> import symgrad as sg
    >>> x, y = sg.symbols("x y")
    >>> d = sg.derivatives(x**2 * y, [x, y], 2)
    >>> print(d[1, 1])
    2 * x
    """
    (y,), sources = listed(y, "derivatives"), listed(xs, "derivatives")
    if y.ndim or not all(x.type.is_static for x in sources):
        raise ShapeError("derivatives: a scalar result and static sources are needed", where=user_line())
    scalars = [ops.parameter(f"s{k}", x.type.with_shape(())) for x in sources for k in range(int(x.type.size))]
    inside, start = {}, 0
    for x in sources:
        own = scalars[start : start + int(x.type.size)]
        inside[x] = own[0] if x.ndim == 0 else ops.reshape(ops.stack(own), x.shape)
        start += len(own)
    from symgrad.node import substitute

    (value,) = substitute([y], inside)
    table: dict[tuple[int, ...], Any] = {(0,) * len(scalars): value}
    for _ in range(order):
        for index, one in [item for item in table.items() if sum(item[0]) == _]:
            first = max((k for k, exponent in enumerate(index) if exponent), default=0)
            for k, slope in enumerate(gradients(one, scalars[first:], unconnected="zero"), first):
                table[(*index[:k], index[k] + 1, *index[k + 1 :])] = slope
    outside = [one for x in sources for one in _elements(x)]
    made = substitute(list(table.values()), dict(zip(scalars, outside, strict=True)))
    return dict(zip(table, made, strict=True))


def _elements(x: Any) -> list[Any]:
    if x.ndim == 0:
        return [x]
    flat = ops.reshape(x, -1)
    return [flat[k] for k in range(int(x.type.size))]
