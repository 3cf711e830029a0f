"""NumPy's further ufuncs on floats.  In: operands of any broadcastable shapes.  Out: nodes.  Refuses: bool operands.

Most are declared with a ``define``, the same value said in other operations, through which they are differentiated,
batched and compiled; the others state their derivative and have machine code of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from symgrad import types
from symgrad.config import current
from symgrad.errors import DTypeError
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Defined, Gate, Kind, Linear, OpDef, Sample, register
from symgrad.ops import coerce
from symgrad.ops.declaring import Elementwise, Rule, declare
from symgrad.ops.elementwise import (
    absolute,
    cast,
    divide,
    equal,
    expit,
    floor_divide,
    greater,
    greater_equal,
    isinf,
    isnan,
    logical_and,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    remainder,
    rint,
    sign,
    square,
    subtract,
    trunc,
    where,
)
from symgrad.provenance import user_line
from symgrad.types import FLOAT64, INT32, DType

__all__ = [
    "cbrt",
    "copysign",
    "deg2rad",
    "divmod_",
    "exponent",
    "fabs",
    "float_power",
    "fmax",
    "fmin",
    "fmod",
    "fraction",
    "frexp",
    "heaviside",
    "ldexp",
    "logaddexp",
    "logaddexp2",
    "mantissa",
    "modf",
    "nextafter",
    "positive",
    "rad2deg",
    "reciprocal",
    "round_",
    "spacing",
]

_LN2 = math.log(2)


# -- roots, logarithms of sums --------------------------------------------------------------------------------------
def _cbrt_math(x: Any) -> Any:
    import sympy

    return sympy.sign(x) * sympy.Abs(x) ** sympy.Rational(1, 3)


cbrt = declare("cbrt", 1, Rule.FLOAT, np.cbrt, math=_cbrt_math, domain=(0.2, 5.0),
               partial=lambda node, i: divide(1 / 3, square(node)))  # fmt: skip


def _difference(node: Node, i: int) -> Any:
    """Operand i less the other; 0 where both are the same infinity, which then share the derivative."""
    mine, other = node.inputs[i], node.inputs[1 - i]
    return where(logical_and(equal(mine, other), isinf(mine)), 0.0, subtract(mine, other))


def _logaddexp_math(a: Any, b: Any) -> Any:
    import sympy

    return sympy.log(sympy.exp(a) + sympy.exp(b))


def _logaddexp2_math(a: Any, b: Any) -> Any:
    import sympy

    return sympy.log(2**a + 2**b, 2)


logaddexp = declare("logaddexp", 2, Rule.FLOAT, np.logaddexp, math=_logaddexp_math,
                    partial=lambda node, i: expit(_difference(node, i)))  # fmt: skip
logaddexp2 = declare("logaddexp2", 2, Rule.FLOAT, np.logaddexp2, math=_logaddexp2_math,
                     partial=lambda node, i: expit(multiply(_LN2, _difference(node, i))))  # fmt: skip


# -- signs and steps ------------------------------------------------------------------------------------------------
def _copysign_partial(node: Node, i: int) -> Any:
    """The sign that was given, relative to the own one; at 0 an absolute value's kink."""
    x, y = node.inputs
    if i == 1:
        return 0.0
    kink = current().kink
    given = copysign(1.0, y)
    if kink in ("zero", "half"):
        return Gate(not_equal(x, 0), multiply(sign(x), given))
    return where(greater_equal(x, 0) if kink == "right" else greater(x, 0), given, negative(given))


def _copysign_math(x: Any, y: Any) -> Any:
    import sympy

    return sympy.Abs(x) * sympy.Piecewise((1, y >= 0), (-1, True))


copysign: Elementwise = declare(
    "copysign",
    2,
    Rule.FLOAT,
    np.copysign,
    math=_copysign_math,
    partial=_copysign_partial,
    domain=((0.2, 3.0), (-3.0, 3.0)),
)
nextafter = declare("nextafter", 2, Rule.FLOAT, np.nextafter, partial=Constant(), smooth=False)
spacing = declare("spacing", 1, Rule.FLOAT, np.spacing, partial=Constant(connected=True))


def _heaviside(inputs: tuple[Node, ...], attrs: Any) -> Any:
    x, middle = inputs
    beside = where(isnan(x), x, cast(greater(x, 0), x.type.dtype))
    return where(equal(x, 0), middle, beside)


heaviside = declare("heaviside", 2, Rule.FLOAT, np.heaviside, partial=Defined(), define=_heaviside)


# -- parts of numbers -----------------------------------------------------------------------------------------------
fraction = declare(
    "fraction",
    1,
    Rule.FLOAT,
    lambda x: np.modf(x)[0],
    partial=lambda node, i: 1.0,
    domain=(0.1, 0.9),
    doc="The fractional part, with the sign of the number: the first result of modf.",
)
mantissa: Elementwise = declare(
    "mantissa",
    1,
    Rule.FLOAT,
    lambda x: np.frexp(x)[0],
    partial=lambda node, i: ldexp(coerce.as_node(1.0, node.type.dtype), negative(exponent(node.inputs[0]))),
    domain=(0.55, 0.95),
    doc="The number scaled by a power of two into [1/2, 1): the first result of frexp.",
)
exponent: Elementwise = declare(
    "exponent",
    1,
    Rule.FLOAT,
    lambda x: np.frexp(x)[1],
    partial=Constant(),
    infer=lambda inputs, attrs: inputs[0].type.with_dtype(INT32),
    doc="The power of two of a number: the second result of frexp.",
)


def modf(x: Any) -> tuple[Any, Any]:
    """Fractional and integral part, both with the sign of ``x``."""
    node = _as_float(x, "modf")
    return fraction(node), trunc(node)


def frexp(x: Any) -> tuple[Any, Any]:
    """A number in [1/2, 1) and an int32 power of two, of which ``x`` is the product."""
    node = _as_float(x, "frexp")
    return mantissa(node), exponent(node)


def divmod_(a: Any, b: Any) -> tuple[Any, Any]:
    """``floor_divide`` and ``remainder`` of the same operands."""
    return floor_divide(a, b), remainder(a, b)


def _as_float(value: Any, who: str) -> Any:
    node = coerce.as_node(value, who=who)
    dtype = node.type.dtype
    if dtype is types.BOOL:
        raise _refusal(who, dtype)
    return node if types.is_float(dtype) else cast(node, FLOAT64)


def _refusal(who: str, dtype: DType, target: str = "float64") -> DTypeError:
    return DTypeError(
        f"{who}: not defined for {dtype} operands", where=user_line(), hint=f"convert with .astype('{target}')"
    )


def _ldexp_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((), (5,), (3, 4), (2, 0), (37,)):
        yield Sample((np.asarray(rng.normal(size=shape)), np.asarray(rng.integers(-5, 6, shape))))


def _ldexp_math(x: Any, n: Any) -> Any:
    return x * 2**n


LDEXP = register(
    OpDef(
        name="ldexp",
        kind=Kind.ELEMENTWISE,
        infer=lambda inputs, attrs: inputs[0].type,
        evaluate=lambda attrs, x, n: np.ldexp(x, n),
        derivative=Linear(lambda node, i, head: ldexp(head, node.inputs[1]), arguments=(0,)),
        samples=_ldexp_samples,
        math=_ldexp_math,
        doc="x times a power of two, rounded once.",
    )
)


def ldexp(x: Any, n: Any) -> Any:
    """``x * 2**n`` for an integer ``n``, rounded once."""
    number = _as_float(x, "ldexp")
    count = coerce.as_node(n, INT32 if isinstance(n, int) and abs(n) < 2**31 else None, who="ldexp")
    if types.is_float(count.type.dtype):
        raise _refusal("ldexp", count.type.dtype, "int64")
    if types.is_bool(count.type.dtype):
        count = cast(count, INT32)
    return apply(LDEXP, tuple(coerce.broadcast_together([number, count], "ldexp")))


# -- remainders, powers, extrema ------------------------------------------------------------------------------------
def _fmod_math(a: Any, b: Any) -> Any:
    import sympy

    return sympy.sign(a) * sympy.Mod(sympy.Abs(a), sympy.Abs(b))


fmod = declare(
    "fmod",
    2,
    Rule.NUMBER,
    np.fmod,
    math=_fmod_math,
    partial=lambda node, i: 1.0 if i == 0 else negative(rint(divide(subtract(node.inputs[0], node), node.inputs[1]))),
    domain=((0.2, 5.0), (1.1, 2.9)),
)


def float_power(a: Any, b: Any) -> Any:
    """``power`` in float64."""
    return power(*(cast(node, FLOAT64) for node in coerce.as_nodes([a, b], who="float_power")))


def _ignoring_nan(extremum: Any) -> Any:
    def define(inputs: tuple[Node, ...], attrs: Any) -> Any:
        a, b = inputs
        if not types.is_float(a.type.dtype):
            return extremum(a, b)
        return where(isnan(a), b, where(isnan(b), a, extremum(a, b)))

    return define


fmax = declare("fmax", 2, Rule.ANY, np.fmax, math=lambda a, b: _max(a, b), partial=Defined(),
               define=_ignoring_nan(maximum))  # fmt: skip
fmin = declare("fmin", 2, Rule.ANY, np.fmin, math=lambda a, b: -_max(-a, -b), partial=Defined(),
               define=_ignoring_nan(minimum))  # fmt: skip


def _max(a: Any, b: Any) -> Any:
    import sympy

    return sympy.Max(a, b)


fabs = declare("fabs", 1, Rule.FLOAT, np.fabs, math=abs, partial=Defined(),
               define=lambda inputs, attrs: absolute(inputs[0]))  # fmt: skip
reciprocal = declare(
    "reciprocal",
    1,
    Rule.NUMBER,
    np.reciprocal,
    math=lambda x: 1 / x,
    partial=Defined(),
    define=lambda inputs, attrs: cast(divide(1, inputs[0]), inputs[0].type.dtype),
    domain=(0.5, 3.0),
)


def _factor(function: Any) -> Any:
    """A product with the function's value at 1, which NumPy rounds to each element type in its own way."""
    return lambda inputs, attrs: multiply(function(np.ones((), inputs[0].type.dtype)).item(), inputs[0])


deg2rad = declare("deg2rad", 1, Rule.FLOAT, np.deg2rad, math=lambda x: x * math.pi / 180, partial=Defined(),
                  define=_factor(np.deg2rad))  # fmt: skip
rad2deg = declare("rad2deg", 1, Rule.FLOAT, np.rad2deg, math=lambda x: x * 180 / math.pi, partial=Defined(),
                  define=_factor(np.rad2deg))  # fmt: skip


# -- compositions under NumPy's names -------------------------------------------------------------------------------
def positive(x: Any) -> Any:
    """``x`` itself; bool is refused, as by NumPy."""
    node = coerce.as_node(x, who="positive")
    if node.type.dtype is types.BOOL:
        raise _refusal("positive", node.type.dtype)
    return node


def round_(x: Any, decimals: int = 0) -> Any:
    """``x`` rounded to so many decimals, halves to even; for negative ``decimals`` to tens, hundreds..."""
    node = coerce.as_node(x, who="round")
    dtype = node.type.dtype
    if dtype is types.BOOL:
        raise _refusal("round", dtype)
    if types.is_integer(dtype) and decimals >= 0:
        return node
    if decimals == 0:
        return rint(node)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return divide(rint(multiply(node, factor)), factor)
    return cast(multiply(rint(divide(node, factor)), factor), dtype)
