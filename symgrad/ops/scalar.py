"""SymPy expressions as elementwise nodes.  In: a SymPy expression and nodes for its symbols.  Out: a node.

This is how elementwise operations get their derivatives (SymPy differentiates the declared expression once, and the
result is rebuilt from nodes that reuse the forward value) and how :func:`symgrad.from_sympy` reads scalar formulas.
Refuses what has no elementwise value: unevaluated derivatives, delta and step functions, unknown functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from symgrad.errors import GradientError, TraceError
from symgrad.node import Node
from symgrad.opdef import REGISTRY, OpDef

if TYPE_CHECKING:
    import sympy

__all__ = ["build", "derived_partial"]


@cache
def _functions() -> dict[Any, Callable[..., Any]]:
    """SymPy function class -> builder, for every elementwise operation whose declared meaning is one SymPy function."""
    import sympy

    from symgrad import ops

    table: dict[Any, Callable[..., Any]] = {
        sympy.Abs: ops.absolute,
        sympy.sign: ops.sign,
        sympy.Max: _fold(ops.maximum),
        sympy.Min: _fold(ops.minimum),
        sympy.Eq: ops.equal,
        sympy.Ne: ops.not_equal,
        sympy.StrictLessThan: ops.less,
        sympy.LessThan: ops.less_equal,
        sympy.StrictGreaterThan: ops.greater,
        sympy.GreaterThan: ops.greater_equal,
        sympy.And: _fold(ops.logical_and),
        sympy.Or: _fold(ops.logical_or),
        sympy.Not: ops.logical_not,
        sympy.Mod: ops.remainder,
        sympy.loggamma: ops.gammaln,
    }
    for op in REGISTRY.values():
        if op.math is None or op.name not in ops.ELEMENTWISE:
            continue
        builder = ops.ELEMENTWISE[op.name]
        symbols = sympy.symbols(f"x:{builder.arity}", real=True)
        meaning = op.math(*symbols)
        if isinstance(meaning, sympy.Function) and meaning.args == symbols:
            table.setdefault(meaning.func, builder)
    return table


def _fold(builder: Callable[..., Any]) -> Callable[..., Any]:
    def folded(*args: Any) -> Any:
        result = args[0]
        for arg in args[1:]:
            result = builder(result, arg)
        return result

    return folded


def build(expression: sympy.Basic, values: Mapping[Any, Any]) -> Any:
    """The SymPy expression as a node.

    Parameters
    ----------
    expression : sympy.Basic
    values : mapping of sympy.Symbol to Node or number

    Raises
    ------
    TraceError
        The expression holds a symbol without a value or a function that has no elementwise operation.
    """
    return _follow(_recipe(expression, tuple(values)), list(values.values()))


Step = tuple[Callable[..., Any], tuple[int, ...]]
Recipe = tuple[tuple[Step, ...], int]


def _follow(recipe: Recipe, made: list[Any]) -> Any:
    """The value that a recipe makes of known ones."""
    steps, result = recipe
    for function, places in steps:
        made.append(function(*[made[place] for place in places]))
    return made[result]


@lru_cache(maxsize=1024)
def _recipe(expression: Any, known: tuple[Any, ...]) -> Recipe:
    """How to make an expression: functions of the places of earlier values, which start with the known; its own place."""
    place = {one: k for k, one in enumerate(known)}
    steps: list[Step] = []
    pending = [expression]
    while pending:
        one = pending[-1]
        if one in place:
            pending.pop()
            continue
        parts, function = _step(one)
        missing = [part for part in parts if part not in place]
        if missing:
            pending.extend(missing)
        else:
            pending.pop()
            place[one] = len(known) + len(steps)
            steps.append((function, tuple(place[part] for part in parts)))
    return tuple(steps), place[expression]


def _is_negative(exponent: Any) -> bool:
    return bool(exponent.could_extract_minus_sign()) if not exponent.is_number else bool(exponent.is_negative)


def _fraction(product: Any) -> tuple[list[Any], list[Any]]:
    """Factors above and below the line; rational coefficients stay above as one number."""
    import sympy

    above: list[Any] = []
    below: list[Any] = []
    for factor in product.args:
        if factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
            below.append(sympy.Pow(factor.base, -factor.exp))
        else:
            above.append(factor)
    return above, below


def _step(one: Any) -> tuple[Sequence[Any], Callable[..., Any]]:
    """What an expression is made of, and the function that makes it of their values."""
    import sympy

    from symgrad import ops

    if one.is_Number or one.is_NumberSymbol:
        number = int(one) if one.is_Integer else float(one)
        return (), lambda: number
    if one is sympy.true or one is sympy.false:
        truth = bool(one)
        return (), lambda: truth
    if one.is_Add:
        negated = [_negated(arg) for arg in one.args]
        return one.args, lambda *values: _add(values, negated)
    if one.is_Mul:
        above, below = _fraction(one)
        if len(above) == len(below) == 1:
            return [*above, *below], ops.divide
        return [*above, *below], lambda *values: _quotient(values[: len(above)], values[len(above) :])
    if one.is_Pow:
        return _power(one)
    if isinstance(one, sympy.Piecewise):
        return [part for pair in one.args for part in pair.args], _piecewise
    builder = ops.exp if isinstance(one, sympy.exp) else _functions().get(one.func)
    if builder is None:
        kind = "symbol" if one.is_Symbol else "function"
        raise TraceError(f"SymPy {kind} {one} has no elementwise meaning here", hint="give a value for each symbol")
    return one.args, builder


def _negated(term: Any) -> bool:
    return bool(term.could_extract_minus_sign())


def _add(values: Sequence[Any], negated: Sequence[bool]) -> Any:
    """The sum, written with the positive terms first so that it reads as ``1 - x`` rather than ``-x + 1``."""
    from symgrad import ops

    ordered = [value for value, minus in zip(values, negated, strict=True) if not minus]
    ordered += [value for value, minus in zip(values, negated, strict=True) if minus]
    total = ordered[0]
    for value in ordered[1:]:
        inner = _inside_minus(value)
        total = ops.add(total, value) if inner is None else ops.subtract(total, inner)
    return total


def _inside_minus(value: Any) -> Any:
    if isinstance(value, (int, float)) and value < 0:
        return -value
    return value.inputs[0] if isinstance(value, Node) and value.op.name == "negative" else None


def _quotient(above: Sequence[Any], below: Sequence[Any]) -> Any:
    from symgrad import ops

    return ops.divide(_product(above), _product(below)) if below else _product(above)


def _product(values: Sequence[Any]) -> Any:
    from symgrad import ops

    total: Any = 1
    for value in values:
        if isinstance(value, (int, float)) and isinstance(total, (int, float)):
            total = total * value
        elif isinstance(total, (int, float)) and total == 1:
            total = value
        elif isinstance(total, (int, float)) and total == -1:
            total = ops.negative(value)
        else:
            total = ops.multiply(total, value)
    return total


def _power(one: Any) -> tuple[Sequence[Any], Callable[..., Any]]:
    import sympy

    from symgrad import ops

    if one.base is sympy.E:
        return [one.exp], ops.exp
    if _is_negative(one.exp):
        return [sympy.Pow(one.base, -one.exp)], lambda positive: ops.divide(1, positive)
    if one.exp == sympy.S.Half:
        return [one.base], ops.sqrt
    if one.exp == 2:
        return [one.base], ops.square
    return [one.base, one.exp], ops.power


def _piecewise(*values: Any) -> Any:
    """Of value, condition, value, condition, ..."""
    from symgrad import ops

    last, condition = values[-2:]
    if condition is not True:
        last = ops.where(condition, last, float("nan"))
    for k in range(len(values) - 4, -1, -2):
        last = ops.where(values[k + 1], values[k], last)
    return last


# -- derivatives from declarations ----------------------------------------------------------------------------------
_FORBIDDEN = ("DiracDelta", "Heaviside", "Derivative", "Subs")


@cache
def _derived(op: OpDef, position: int) -> Recipe:
    """The derivative of an operation, of its value and its operands."""
    import inspect

    import sympy

    assert op.math is not None
    arity = len(inspect.signature(op.math).parameters)
    symbols = sympy.symbols(f"x:{arity}", real=True)
    output = sympy.Symbol("y", real=True)
    meaning = op.math(*symbols)
    slope = sympy.diff(meaning, symbols[position])
    if slope.has(*(getattr(sympy, name) for name in _FORBIDDEN)):
        raise GradientError(
            f"{op.name}: SymPy's derivative {slope} is no elementwise expression", hint="state the derivative"
        )
    made: Recipe = _recipe(slope.subs(meaning, output), (output, *symbols))
    return made


def derived_partial(node: Node, position: int) -> Any:
    """The derivative of an elementwise node by SymPy, as nodes that reuse the forward value."""
    return _follow(_derived(node.op, position), [node, *node.inputs])
