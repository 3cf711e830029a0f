"""The SymPy bridge.  In: scalar expressions, or SymPy ones.  Out: the other kind.

Text is never evaluated: symbols are mapped by the caller, or by name.  Going out, an array element becomes a SymPy
``Indexed``; operations on whole arrays are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgrad import ops
from symgrad.errors import TraceError
from symgrad.node import Node, topological
from symgrad.ops import scalar
from symgrad.ops.boxes import Pick
from symgrad.ops.source import is_placeholder

__all__ = ["from_sympy", "to_sympy"]


def from_sympy(expression: Any, values: Mapping[Any, Any] | None = None) -> Any:
    """A SymPy expression as one of symgrad's.

    Parameters
    ----------
    expression : sympy.Expr
    values : mapping of sympy.Symbol to expression or number, optional
        Symbols that are not in it become scalar symbols of the same name.

    Raises
    ------
    TraceError
        The expression holds something without an elementwise meaning.

    Examples
    --------
    >>> import sympy, symgrad as sg
    >>> t = sympy.Symbol("t")
    >>> print(sg.from_sympy(sympy.sin(t) ** 2 + 1))
    1 + sin(t)**2
    """
    import sympy

    if isinstance(expression, str):
        raise TraceError(
            "from_sympy: text is never evaluated", hint="build the expression with sympy.Symbol and functions"
        )
    formula = sympy.sympify(expression, strict=True)
    given = dict(values or {})
    for one in sorted(formula.free_symbols, key=str):
        given.setdefault(one, ops.symbol(str(one)))
    return ops.as_node(scalar.build(formula, given))


def to_sympy(node: Node) -> Any:
    """A scalar expression as a SymPy one, in the user's names.

    Raises
    ------
    TraceError
        It holds an operation on whole arrays.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x")
    >>> (np.exp(x) / 2).to_sympy()
    exp(x)/2
    """
    made: dict[Node, Any] = {}
    for one in topological([node]):
        made[one] = _convert(one, made)
    return made[node]


def _convert(node: Node, made: Mapping[Node, Any]) -> Any:
    import sympy

    if is_placeholder(node):
        name = node.attrs.name
        return (
            sympy.Symbol(name, real=True)
            if node.ndim == 0
            else sympy.IndexedBase(name, shape=tuple(map(str, node.shape)))
        )
    if node.op.name == "constant":
        return _number(node)
    if node.op.name == "slice" and all(isinstance(entry, Pick) for entry in node.attrs.box):
        base = made[node.inputs[0]]
        if isinstance(base, sympy.IndexedBase):
            return base[tuple(entry.position for entry in node.attrs.box)]
    if node.op.name in ("identity", "stop_gradient", "assert_shape", "cast"):
        return made[node.inputs[0]]
    if node.op.name == "power_log" and node.ndim == 0:
        base, exponent = (made[one] for one in node.inputs)
        return base**exponent * sympy.log(base) ** node.attrs.order
    if node.op.math is not None and node.ndim == 0:
        return node.op.math(*(made[one] for one in node.inputs))
    raise TraceError(
        f"to_sympy: {node.op.name} of {node.type} has no scalar SymPy form",
        where=next(iter(node.lines), None),
        hint="only scalar expressions go to SymPy; index the array first",
    )


def _number(node: Node) -> Any:
    import sympy

    value = node.attrs.value.array
    if value.ndim:
        raise TraceError("to_sympy: a constant array has no scalar SymPy form")
    number = value.item()
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        return sympy.Integer(int(number))
    return sympy.true if number is True else sympy.false if number is False else sympy.sympify(number, strict=True)
