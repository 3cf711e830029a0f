"""Exact reference values.  In: a graph and numbers.  Out: its value, or a derivative, to many digits.

Elementwise operations are evaluated by mpmath from their declared SymPy meaning, everything else by NumPy on arrays of
multi-precision numbers.  Nothing here uses a derivative rule, so it can judge between a rule and a finite difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from symgrad import types
from symgrad.errors import GradientError
from symgrad.interp import bind_dims, concrete
from symgrad.node import Node, topological
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.contraction import subscripts

__all__ = ["exact_slope", "exact_values"]

DIGITS = 50


@cache
def _function(name: str, arity: int) -> Callable[..., Any]:
    """An elementwise operation on multi-precision numbers."""
    import sympy

    op = REGISTRY[name]
    if op.math is None:
        raise GradientError(f"{name}: no exact meaning is declared")
    symbols = sympy.symbols(f"x:{arity}", real=True)
    made: Callable[..., Any] = sympy.lambdify(symbols, op.math(*symbols), modules=[_SPECIAL, "mpmath"])
    return made


def _arctan2(y: Any, x: Any) -> Any:
    import mpmath

    return mpmath.atan2(y, x)


def _erfcinv(x: Any) -> Any:
    import mpmath

    with mpmath.extradps(int(max(0, -mpmath.log10(x))) + 5):
        return mpmath.erfinv(1 - x)


def _fraction(x: Any) -> Any:
    """What is behind the point, of the number's sign."""
    return x % 1 if x >= 0 else -(-x % 1)


def _mantissa(x: Any) -> Any:
    import mpmath

    return mpmath.frexp(x)[0]


def _nearest(x: Any) -> Any:
    """The nearest integer, the even one of two."""
    import mpmath

    return mpmath.nint(x)


_SPECIAL: dict[str, Any] = {"atan2": _arctan2, "erfcinv": _erfcinv}
_DIRECT: dict[str, Callable[..., Any]] = {
    "where": lambda c, a, b: a if c else b,
    "masked_multiply": lambda a, b: a if a == 0 else a * b,
    "zero_multiply": lambda a, b: a if a == 0 else b if b == 0 else a * b,
    "maximum": max,
    "minimum": min,
    "absolute": abs,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "logical_and": lambda a, b: a and b,
    "logical_or": lambda a, b: a or b,
    "logical_xor": lambda a, b: bool(a) != bool(b),
    "logical_not": lambda a: not a,
    "isfinite": lambda a: abs(a) != float("inf") and a == a,
    "isnan": lambda a: a != a,
    "isinf": lambda a: abs(a) == float("inf"),
    "rint": _nearest,
    "trunc": lambda a: a - _fraction(a),
    "fraction": lambda a: _fraction(a),
    "mantissa": lambda a: _mantissa(a),
    "floor_divide": lambda a, b: (a - a % b) / b,
}


def _as_object(array: Any) -> Any:
    import mpmath

    array = np.asarray(array)
    if not types.is_float(array.dtype):
        return array
    return (
        np.frompyfunc(mpmath.mpf, 1, 1)(array.astype(float))
        if array.ndim
        else np.array(mpmath.mpf(float(array)), dtype=object)
    )


def exact_values(outputs: Sequence[Node], values: Mapping[Node, Any], digits: int = DIGITS) -> list[Any]:
    """The values of expressions as arrays of multi-precision numbers (other element types as they are).

    Raises
    ------
    GradientError
        An operation has no exact meaning.
    """
    import mpmath

    with mpmath.workdps(digits):
        known = {node: value if _is_object(value) else _as_object(value) for node, value in values.items()}
        sizes = bind_dims([node.type for node in known], [np.shape(value) for value in known.values()])
        for node in topological(outputs, known.__contains__):
            if node not in known:
                known[node] = _value(node, concrete(node.attrs, sizes), [known[one] for one in node.inputs], sizes)
        return [known[node] for node in outputs]


def _is_object(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _value(node: Node, attrs: Any, args: list[Any], sizes: Any) -> Any:
    import mpmath

    name = node.op.name
    if name == "cast":
        return _cast(args[0], attrs.dtype)
    if name == "constant":
        return _as_object(attrs.value.array)
    if node.op.kind is Kind.ELEMENTWISE and not (node.op.math is None and node.op.define is not None):
        function = _DIRECT.get(name) or _function(name, len(args))
        made = np.frompyfunc(function, len(args), 1)(*args)
        return np.asarray(made, dtype=object if types.is_float(node.type.dtype) else node.type.dtype)
    if name == "einsum":
        return np.asarray(np.einsum(subscripts(attrs), *args), dtype=object)
    if node.op.define is not None:
        leaves = dict(zip(node.inputs, args, strict=True))
        return exact_values([node.op.define(node.inputs, node.attrs)], leaves, mpmath.mp.dps)[0]
    if name in ("sum", "prod"):
        made = (np.sum if name == "sum" else np.prod)(args[0], attrs.axes)
        return np.asarray(made, dtype=np.asarray(args[0]).dtype)
    if name == "place":
        return _place(attrs, args)
    if node.op.kind is Kind.CALLBACK:
        raise GradientError(f"callback {attrs.name}: a function of the host has no exact meaning")
    made = node.op.evaluate(attrs, *args)
    if isinstance(made, tuple):
        return made
    return np.asarray(made) if _is_object(made) else _as_object(made)


def _cast(value: Any, dtype: Any) -> Any:
    if types.is_float(dtype):
        return value if _is_object(value) else _as_object(np.asarray(value, float))
    return np.asarray(np.vectorize(int, otypes=[np.int64])(value) if types.is_integer(dtype) else value != 0).astype(
        dtype
    )


def _place(attrs: Any, args: list[Any]) -> Any:
    from symgrad.ops.boxes import python_index

    out = _as_object(np.zeros(attrs.shape))
    for box, part in zip(attrs.boxes, args, strict=True):
        out[python_index(box)] = out[python_index(box)] + part
    return out


def exact_slope(
    scalar: Callable[[list[Any]], Any], point: Sequence[Any], argument: int, coordinate: tuple[int, ...]
) -> float:
    """The partial derivative of an exactly evaluated scalar, by a difference quotient so short that only digits limit it.

    Raises
    ------
    GradientError
        The function has a kink at the point.
    """
    import mpmath

    with mpmath.workdps(DIGITS):
        start = [_as_object(one) for one in point]
        step = mpmath.mpf(10) ** (-DIGITS // 3) * max(1, abs(start[argument][coordinate]))

        def at(shift: Any) -> Any:
            moved = [one.copy() if k == argument else one for k, one in enumerate(start)]
            moved[argument][coordinate] = moved[argument][coordinate] + shift
            return scalar(moved)

        middle, right, left = at(0), at(step), at(-step)
        forward, backward = (right - middle) / step, (middle - left) / step
        if abs(forward - backward) > 1e-6 * (1 + abs(forward) + abs(backward)):
            raise GradientError("the function has a kink here")
        return float((right - left) / (2 * step))
