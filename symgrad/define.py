"""New elementwise operations from their mathematics.  In: a name and a SymPy formula.  Out: a function of expressions.

The formula is the whole declaration: its value is computed from the operations that it is made of, and SymPy's
derivative of it is compared with exact values before the operation is accepted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from symgrad import ops
from symgrad.errors import GradientError, SymgradError
from symgrad.node import Node
from symgrad.opdef import REGISTRY, Defined, Kind, OpDef, Sample, register
from symgrad.ops.elementwise import ELEMENTWISE, Elementwise, Rule
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
    """Values and first derivatives of the definition against 30-digit ones, wherever these are finite."""
    import sympy

    from symgrad.diff.gradients import gradients
    from symgrad.interp import evaluate as value_of

    leaves = [ops.parameter(f"x{k}", ops.as_node(0.0).type) for k in range(len(symbols))]
    value = define(tuple(leaves), ())
    slopes = gradients(value, leaves, unconnected="zero")
    for point in _POINTS:
        places = dict(zip(symbols, [sympy.Float(point * (1 + k / 7), 30) for k in range(len(symbols))], strict=True))
        found = value_of([value, *slopes], {leaf: float(at) for leaf, at in zip(leaves, places.values(), strict=True)})
        formulas = [meaning, *(sympy.diff(meaning, one) for one in symbols)]
        for label, formula, got in zip(
            ["value", *(f"derivative {k}" for k in range(len(symbols)))], formulas, found, strict=True
        ):
            exact = formula.evalf(30, subs=places)
            if (
                exact.is_Float
                and abs(float(exact)) < 1e200
                and not np.isclose(float(got), float(exact), rtol=1e-6, atol=1e-12)
            ):
                raise GradientError(
                    f"elementwise {name}: its {label} at {point} is {float(got)!r}, exactly {float(exact)!r}"
                )
