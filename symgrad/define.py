"""New elementwise operations from their mathematics.  In: a name and a SymPy formula.  Out: a function of expressions.

The formula is the whole declaration: its value is computed from the operations that it is made of, and SymPy's
derivative of it is compared with exact values before the operation is accepted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from symgrad import ops
from symgrad.errors import GradientError, SymgradError, TraceError
from symgrad.node import Node
from symgrad.opdef import REGISTRY, Defined, Kind, OpDef, Sample, register
from symgrad.ops.declaring import ELEMENTWISE, Elementwise, Rule
from symgrad.ops.scalar import build

__all__ = ["elementwise"]

_POINTS = (0.0, 0.7, -0.7, 3.0, -3.0, 1e3, -1e3)


def elementwise(name: str, formula: Callable[..., Any]) -> Elementwise:
    """Declare a new elementwise operation by its formula.

    Parameters
    ----------
    name : str
        Name of the operation, in printing and for override maps.
    formula : callable
        From SymPy symbols to a SymPy expression.

    Returns
    -------
    callable of expressions, arrays and numbers.  Derivatives of every order follow from the formula.

    Raises
    ------
    SymgradError
        The name is taken.
    TraceError, GradientError
        The formula holds a function without an elementwise meaning, or its derivative does.

    Examples
    --------
    >>> import numpy as np, sympy, symgrad as sg
    >>> gelu = sg.elementwise("gelu_example", lambda x: x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2)
    >>> float(sg.grad(gelu)(0.0))
    0.5
    """
    import sympy

    arity = len(inspect.signature(formula).parameters)
    symbols = sympy.symbols(f"x:{arity}", real=True)
    meaning = formula(*symbols)
    if isinstance(meaning, str):
        raise TraceError(f"elementwise {name}: text is never evaluated", hint="return a SymPy expression")
    meaning = sympy.sympify(meaning, strict=True)

    def define(inputs: tuple[Node, ...], attrs: Any) -> Node:
        made: Node = ops.broadcast_to(
            ops.as_node(build(meaning, dict(zip(symbols, inputs, strict=True)))), inputs[0].shape
        )
        return made

    def evaluate(attrs: Any, *arrays: Any) -> Any:
        from symgrad.interp import evaluate as value_of

        leaves = [ops.parameter(f"x{k}", ops.as_node(np.asarray(array)).type) for k, array in enumerate(arrays)]
        return value_of([define(tuple(leaves), ())], dict(zip(leaves, arrays, strict=True)))[0]

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for shape in ((), (5,), (3, 4)):
            yield Sample(tuple(rng.uniform(0.2, 0.8, shape) for _ in range(arity)))

    if name in REGISTRY:
        raise SymgradError(f"elementwise: an operation named {name!r} exists already", hint="choose another name")
    op = OpDef(
        name=name,
        kind=Kind.ELEMENTWISE,
        infer=lambda inputs, attrs: inputs[0].type,
        evaluate=evaluate,
        derivative=Defined(),
        samples=samples,
        math=formula,
        define=define,
        doc=str(meaning),
    )
    _check(name, meaning, symbols, define)
    made = ELEMENTWISE[name] = Elementwise(register(op), arity, Rule.FLOAT)
    return made


def _check(name: str, meaning: Any, symbols: Any, define: Callable[..., Node]) -> None:
    """Values and first derivatives of the definition against exact ones, wherever these are finite."""
    import sympy

    from symgrad.diff.gradients import gradients
    from symgrad.interp import evaluate as value_of

    leaves = [ops.parameter(f"x{k}", ops.as_node(0.0).type) for k in range(len(symbols))]
    value = define(tuple(leaves), ())
    labels = ["value", *(f"derivative {k}" for k in range(len(symbols)))]
    nodes = [value, *gradients(value, leaves, unconnected="zero")]
    formulas = [_exactly(one, symbols) for one in (meaning, *(sympy.diff(meaning, one) for one in symbols))]
    for point in _POINTS:
        places = [point * (1 + k / 7) for k in range(len(symbols))]
        found = value_of(nodes, dict(zip(leaves, places, strict=True)))
        for label, formula, got in zip(labels, formulas, found, strict=True):
            exact = formula(places)
            if exact is not None and not np.isclose(float(got), exact, rtol=1e-6, atol=1e-12):
                raise GradientError(
                    f"elementwise {name}: its {label} at {', '.join(map(str, places))} is {float(got)!r}, "
                    f"exactly {exact!r}",
                    hint="write the formula so that it neither overflows nor cancels",
                )


def _exactly(formula: Any, symbols: Any) -> Callable[[Sequence[float]], float | None]:
    """The formula's value at a point, or None where that is not real, not finite, huge, or lost to cancellation."""
    import mpmath
    import sympy

    function = sympy.lambdify(symbols, formula, modules="mpmath")

    def at(places: Sequence[float]) -> float | None:
        known = []
        for digits in (30, 60):  # at a fixed precision: SymPy's own evaluation digs for digits that have cancelled
            with mpmath.workdps(digits):
                try:
                    known.append(mpmath.mpf(function(*map(mpmath.mpf, places))))
                except (ArithmeticError, AttributeError, NameError, TypeError, ValueError):
                    return None
        one, other = known
        sure = mpmath.isfinite(other) and abs(other) < 1e200 and abs(one - other) <= 1e-9 * abs(other) + 1e-12
        return float(other) if sure else None

    return at
