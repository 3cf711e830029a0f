"""Elementwise operations.  In: operands of any broadcastable shapes.  Out: nodes whose operands all have one shape.

Each line of the tables declares one operation: NumPy's name, element-type rule, NumPy function, SymPy meaning, and the
interval from which tests draw arguments.  SymPy differentiates the meaning, unless a partial derivative is stated:
that is done where SymPy's form overflows, divides zero by zero, or contains a step function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import types
from symgrad.config import current
from symgrad.errors import GradientError
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Gate, Kind, Linear, OpDef, Partials, Sample, register
from symgrad.ops import coerce, scalar, source
from symgrad.ops.declaring import (
    Elementwise,
    Partial,
    Rule,
    as_bool,
    declare,
    floats_only,
    scipy_special,
    sympy_function,
    unary,
)
from symgrad.ops.squares import is_sum_of_squares
from symgrad.types import FLOAT64, DType

__all__ = ["CastAttrs", "Extremum", "as_extremum", "cast"]


# -- arithmetic -----------------------------------------------------------------------------------------------------
def _operand(sign: float) -> Partial:
    return lambda node, i: 1.0 if i == 0 else sign


def _divide_partial(node: Node, i: int) -> Any:
    _, b = node.inputs
    return divide(1, b) if i == 0 else negative(divide(node, b))


def _power_partial(node: Node, i: int) -> Any:
    """x**y: y x**(y-1) and x**y log x, with the limits where those forms divide by zero (exponent 0, base 0)."""
    x, y = node.inputs
    if i == 1:
        return power_log(x, y, 1) if types.is_float(node.type.dtype) else None
    exponent = source.uniform_value(y)
    if exponent is None:
        return Gate(not_equal(y, 0), multiply(y, power(x, subtract(y, 1))))
    if exponent == 0:
        return None
    if exponent == 1:
        return 1.0
    slope = multiply(exponent.item(), x if exponent == 2 else power(x, exponent.item() - 1))
    return _at_a_cone(node, slope) if 0.5 <= exponent < 1 else slope


def _at_a_cone(node: Node, slope: Any) -> Any:
    """The slope of a root of ``x``, which is taken as 0 at the tip of a cone: where ``x`` is a sum of squares, all 0."""
    return where(not_equal(node, 0), slope, 0) if is_sum_of_squares(node.inputs[0]) else slope


add = declare("add", 2, Rule.ANY, np.add, math=lambda a, b: a + b, partial=_operand(1.0))
subtract = declare("subtract", 2, Rule.NUMBER, np.subtract, math=lambda a, b: a - b, partial=_operand(-1.0))
multiply = declare(
    "multiply", 2, Rule.ANY, np.multiply, math=lambda a, b: a * b, partial=lambda node, i: node.inputs[1 - i]
)
divide = declare(
    "divide", 2, Rule.QUOTIENT, np.divide, math=lambda a, b: a / b, partial=_divide_partial, domain=((-3, 3), (0.5, 3))
)
negative = declare("negative", 1, Rule.NUMBER, np.negative, math=lambda a: -a, partial=lambda node, i: -1.0)
power = declare(
    "power",
    2,
    Rule.NUMBER,
    np.power,
    math=lambda a, b: a**b,
    partial=_power_partial,
    domain=((0.3, 3.0), (-2.5, 2.5)),
)
square = declare(
    "square", 1, Rule.NUMBER, np.square, math=lambda a: a**2, partial=lambda node, i: multiply(2, node.inputs[0])
)


def _masked_product(head: Any, factor: Any) -> Any:
    head, factor = np.asarray(head), np.asarray(factor)
    with np.errstate(invalid="ignore"):
        return np.where(head == 0, head, head * factor)


def _zero_product(a: Any, b: Any) -> Any:
    a, b = np.asarray(a), np.asarray(b)
    with np.errstate(invalid="ignore"):
        return np.where(a == 0, a, np.where(b == 0, b, a * b))


def _other_times_head(node: Node, i: int, head: Node) -> Any:
    """In higher derivatives either factor may hold structural zeros."""
    return zero_multiply(node.inputs[1 - i], head)


masked_multiply = declare(
    "masked_multiply",
    2,
    Rule.NUMBER,
    _masked_product,
    math=lambda a, b: a * b,
    partial=Linear(_other_times_head),
    doc="head * factor, where a head of exactly zero gives zero whatever the factor: products with masked cotangents.",
)
zero_multiply = declare(
    "zero_multiply",
    2,
    Rule.NUMBER,
    _zero_product,
    math=lambda a, b: a * b,
    partial=Linear(_other_times_head),
    doc="a * b, where an exact zero of either gives zero whatever the other: products within derivatives of those.",
)

# -- powers, exponentials, logarithms -------------------------------------------------------------------------------
sqrt = unary(
    "sqrt",
    np.sqrt,
    "sqrt",
    (0.2, 5.0),
    partial=lambda node, i: _at_a_cone(node, scalar.derived_partial(node, i)),
)
exp = unary("exp", np.exp, "exp")
exp2 = declare(
    "exp2",
    1,
    Rule.FLOAT,
    np.exp2,
    math=lambda x: 2**x,
    partial=lambda node, i: multiply(np.log(2).item(), node),
)
expm1 = declare(
    "expm1",
    1,
    Rule.FLOAT,
    np.expm1,
    math=lambda x: sympy_function("exp")(x) - 1,
    partial=lambda node, i: exp(node.inputs[0]),
)
log = unary("log", np.log, "log", (0.2, 5.0))
log2 = declare("log2", 1, Rule.FLOAT, np.log2, math=lambda x: sympy_function("log")(x, 2), domain=(0.2, 5.0),
               partial=lambda node, i: divide(1 / np.log(2).item(), node.inputs[0]))  # fmt: skip
log10 = declare("log10", 1, Rule.FLOAT, np.log10, math=lambda x: sympy_function("log")(x, 10), domain=(0.2, 5.0),
                partial=lambda node, i: divide(1 / np.log(10).item(), node.inputs[0]))  # fmt: skip
log1p = declare("log1p", 1, Rule.FLOAT, np.log1p, math=lambda x: sympy_function("log")(1 + x), domain=(-0.8, 4.0),
                partial=lambda node, i: divide(1, add(1, node.inputs[0])))  # fmt: skip


# -- logarithms times powers ----------------------------------------------------------------------------------------
class PowerLogAttrs(NamedTuple):
    """The power of the logarithm, at least 1."""

    order: int


def _define_power_log(inputs: Sequence[Node], attrs: PowerLogAttrs) -> Any:
    x, y = inputs
    whole = power(x, y)
    return where(equal(whole, 0), 0, multiply(whole, log(x) if attrs.order == 1 else power(log(x), attrs.order)))


def _evaluate_power_log(attrs: PowerLogAttrs, x: Any, y: Any) -> Any:
    whole = np.power(x, y)
    with np.errstate(invalid="ignore"):
        return np.where(whole == 0, whole.dtype.type(0), whole * np.log(x) ** attrs.order)


def _power_log_partial(node: Node, i: int) -> Any:
    x, y = node.inputs
    order = node.attrs.order
    if i == 1:
        return power_log(x, y, order + 1)
    lower = subtract(y, 1)
    slope = where(not_equal(y, 0), multiply(y, power_log(x, lower, order)), 0)
    return add(slope, power(x, lower) if order == 1 else multiply(order, power_log(x, lower, order - 1)))


def _power_log_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, order in (((), 1), ((5,), 1), ((3, 4), 2), ((37,), 3)):
        yield Sample((rng.uniform(0.3, 3.0, shape), rng.uniform(-2.5, 2.5, shape)), PowerLogAttrs(order))


POWER_LOG = register(
    OpDef(
        name="power_log",
        kind=Kind.ELEMENTWISE,
        infer=floats_only("power_log"),
        evaluate=_evaluate_power_log,
        derivative=Partials(_power_log_partial),
        samples=_power_log_samples,
        attrs=PowerLogAttrs,
        define=_define_power_log,
        doc="x**y * log(x)**order, and 0 where x**y is 0: derivatives of x**y with respect to y, also at x = 0.",
    )
)


def power_log(x: Node, y: Node, order: int) -> Any:
    return apply(POWER_LOG, (x, y), PowerLogAttrs(order))


# -- trigonometry and hyperbolic functions --------------------------------------------------------------------------
sin = unary("sin", np.sin, "sin", (-6.0, 6.0))
cos = unary("cos", np.cos, "cos", (-6.0, 6.0))
tan = unary("tan", np.tan, "tan", (-1.4, 1.4))


def _circle(x: Any) -> Any:
    """sqrt(1 - x²) without the cancellation near ±1."""
    return sqrt(multiply(subtract(1, x), add(1, x)))


arcsin = unary(
    "arcsin",
    np.arcsin,
    "asin",
    (-0.9, 0.9),
    partial=lambda node, i: divide(1, _circle(node.inputs[0])),
)
arccos = unary(
    "arccos",
    np.arccos,
    "acos",
    (-0.9, 0.9),
    partial=lambda node, i: divide(-1, _circle(node.inputs[0])),
)
arctan = unary("arctan", np.arctan, "atan")


def _arctan2_partial(node: Node, i: int) -> Any:
    """∂/∂y = x/(x²+y²), ∂/∂x = -y/(x²+y²), with the square taken of the distance so that it neither over- nor underflows early."""
    y, x = node.inputs
    distance = hypot(x, y)
    return divide(divide(x if i == 0 else negative(y), distance), distance)


hypot: Elementwise = declare(
    "hypot",
    2,
    Rule.FLOAT,
    np.hypot,
    math=lambda a, b: sympy_function("sqrt")(a**2 + b**2),
    partial=lambda node, i: where(not_equal(node, 0), divide(node.inputs[i], node), 0),
    domain=((0.3, 3.0), (-3.0, -0.3)),
)
arctan2 = declare(
    "arctan2",
    2,
    Rule.FLOAT,
    np.arctan2,
    math=sympy_function("atan2"),
    partial=_arctan2_partial,
    domain=((0.2, 3.0), (-3.0, 3.0)),
)
sinh = unary("sinh", np.sinh, "sinh")
cosh = unary("cosh", np.cosh, "cosh")
tanh = unary("tanh", np.tanh, "tanh")
arcsinh = unary("arcsinh", np.arcsinh, "asinh", partial=lambda node, i: divide(1, hypot(1, node.inputs[0])))


def _arccosh_partial(node: Node, i: int) -> Any:
    x = node.inputs[0]
    return divide(1, multiply(sqrt(subtract(x, 1)), sqrt(add(x, 1))))


arccosh = unary("arccosh", np.arccosh, "acosh", (1.3, 5.0), partial=_arccosh_partial)
arctanh = unary(
    "arctanh",
    np.arctanh,
    "atanh",
    (-0.9, 0.9),
    partial=lambda node, i: divide(1, multiply(subtract(1, node.inputs[0]), add(1, node.inputs[0]))),
)


# -- special functions ----------------------------------------------------------------------------------------------
def _erf_partial(node: Node, i: int) -> Any:
    x = node.inputs[0]
    return multiply(2 / np.sqrt(np.pi).item(), exp(negative(multiply(x, x))))


erf = unary("erf", scipy_special("erf"), "erf", partial=_erf_partial)
erfc = unary("erfc", scipy_special("erfc"), "erfc", partial=lambda node, i: negative(_erf_partial(node, i)))


def _expit_math(x: Any) -> Any:
    import sympy

    return 1 / (1 + sympy.exp(-x))


expit: Elementwise = declare(
    "expit",
    1,
    Rule.FLOAT,
    scipy_special("expit"),
    math=_expit_math,
    partial=lambda node, i: multiply(node, expit(negative(node.inputs[0]))),
    domain=(-6.0, 6.0),
)
softplus = declare(
    "softplus",
    1,
    Rule.FLOAT,
    lambda x: np.logaddexp(0, x).astype(np.asarray(x).dtype),
    math=lambda x: sympy_function("log")(1 + sympy_function("exp")(x)),
    partial=lambda node, i: expit(node.inputs[0]),
    domain=(-6.0, 6.0),
    doc="log(1 + exp(x)), without overflow.",
)


def _zeta_partial(node: Node, i: int) -> Any:
    s, x = node.inputs
    if i == 0:
        raise GradientError(
            "zeta: the derivative with respect to s is not available", where=next(iter(node.lines), None)
        )
    return multiply(negative(s), zeta(add(s, 1), x))


zeta = declare(
    "zeta",
    2,
    Rule.FLOAT,
    scipy_special("zeta"),
    math=sympy_function("zeta"),
    partial=_zeta_partial,
    domain=((1.5, 4.0), (0.5, 6.0)),
    lowering="host",
    doc="Hurwitz zeta function sum (x + k)**-s: derivatives of digamma of every order (Abramowitz & Stegun 6.4.10).",
)
digamma = unary(
    "digamma",
    scipy_special("psi"),
    "digamma",
    (0.5, 6.0),
    partial=lambda node, i: zeta(2, node.inputs[0]),
)
gammaln = unary(
    "gammaln",
    scipy_special("gammaln"),
    "loggamma",
    (0.5, 6.0),
    partial=lambda node, i: digamma(node.inputs[0]),
)


# -- pieces ---------------------------------------------------------------------------------------------------------
def _absolute_partial(node: Node, i: int) -> Any:
    x = node.inputs[0]
    kink = current().kink
    if kink in ("zero", "half"):
        return sign(x)
    return where(greater_equal(x, 0) if kink == "right" else greater(x, 0), 1.0, -1.0)


def _extremum_partial(larger: bool, operands: Sequence[Node], i: int) -> Gate:
    """Maximum (or minimum) of a and b as b plus the ramp of their difference; the kink is where they tie.

    By default ties are shared, or, against a constant, give zero: the element of smallest norm of the subdifferential.
    """
    mine, other = operands[i], operands[1 - i]
    wins = (greater if larger else less)(mine, other)
    kink = current().kink
    if kink == "zero" and source.is_constant(other):
        return Gate(wins)
    wins_or_ties = (greater_equal if larger else less_equal)(mine, other)
    if kink in ("zero", "half"):
        return Gate(wins_or_ties, where(equal(mine, other), 0.5, 1.0))
    # ``right``: the difference a - b is just above zero, so a maximum is a's and a minimum is b's.
    tie_is_mine = (kink == "right") == (i == 0) if larger else (kink == "right") == (i == 1)
    return Gate(wins_or_ties if tie_is_mine else wins)


absolute = declare("absolute", 1, Rule.ANY, np.absolute, math=sympy_function("Abs"), partial=_absolute_partial)
maximum = declare(
    "maximum",
    2,
    Rule.ANY,
    np.maximum,
    math=sympy_function("Max"),
    partial=lambda node, i: _extremum_partial(True, node.inputs, i),
)
minimum = declare(
    "minimum",
    2,
    Rule.ANY,
    np.minimum,
    math=sympy_function("Min"),
    partial=lambda node, i: _extremum_partial(False, node.inputs, i),
)


def _relu_partial(node: Node, i: int) -> Any:
    x = node.inputs[0]
    kink = current().kink
    if kink == "half":
        return Gate(greater_equal(x, 0), where(equal(x, 0), 0.5, 1.0))
    return Gate((greater_equal if kink == "right" else greater)(x, 0))


relu = declare(
    "relu",
    1,
    Rule.NUMBER,
    lambda x: np.maximum(x, np.zeros((), np.asarray(x).dtype)),
    math=lambda x: sympy_function("Max")(x, 0),
    partial=_relu_partial,
)
sign = declare("sign", 1, Rule.NUMBER, np.sign, math=sympy_function("sign"), partial=Constant(connected=True))
floor = declare("floor", 1, Rule.ANY, np.floor, math=sympy_function("floor"), partial=Constant(connected=True))
ceil = declare("ceil", 1, Rule.ANY, np.ceil, math=sympy_function("ceiling"), partial=Constant(connected=True))
rint = declare("rint", 1, Rule.FLOAT, np.rint, partial=Constant(connected=True))
trunc = declare("trunc", 1, Rule.ANY, np.trunc, partial=Constant(connected=True))


def _remainder_partial(node: Node, i: int) -> Any:
    return 1.0 if i == 0 else negative(floor_divide(*node.inputs))


remainder = declare(
    "remainder",
    2,
    Rule.NUMBER,
    np.remainder,
    math=sympy_function("Mod"),
    partial=_remainder_partial,
    domain=((0.2, 5.0), (1.1, 2.9)),
)

floor_divide: Elementwise = declare(
    "floor_divide",
    2,
    Rule.NUMBER,
    np.floor_divide,
    partial=Constant(connected=True),
    domain=((0.2, 5.0), (1.1, 2.9)),
)

# -- comparisons and logic ------------------------------------------------------------------------------------------
less = declare("less", 2, Rule.COMPARE, np.less, math=sympy_function("StrictLessThan"), partial=Constant())
less_equal = declare("less_equal", 2, Rule.COMPARE, np.less_equal, math=sympy_function("LessThan"), partial=Constant())
greater = declare("greater", 2, Rule.COMPARE, np.greater, math=sympy_function("StrictGreaterThan"), partial=Constant())
greater_equal = declare(
    "greater_equal", 2, Rule.COMPARE, np.greater_equal, math=sympy_function("GreaterThan"), partial=Constant()
)
equal = declare("equal", 2, Rule.COMPARE, np.equal, math=sympy_function("Eq"), partial=Constant())
not_equal: Elementwise = declare(
    "not_equal", 2, Rule.COMPARE, np.not_equal, math=sympy_function("Ne"), partial=Constant()
)
logical_and = declare("logical_and", 2, Rule.LOGICAL, np.logical_and, math=sympy_function("And"), partial=Constant())
logical_or = declare("logical_or", 2, Rule.LOGICAL, np.logical_or, math=sympy_function("Or"), partial=Constant())
logical_xor = declare("logical_xor", 2, Rule.LOGICAL, np.logical_xor, math=sympy_function("Xor"), partial=Constant())
logical_not = declare("logical_not", 1, Rule.LOGICAL, np.logical_not, math=sympy_function("Not"), partial=Constant())
isnan = declare("isnan", 1, Rule.COMPARE, np.isnan, partial=Constant())
isfinite = declare("isfinite", 1, Rule.COMPARE, np.isfinite, partial=Constant())
isinf = declare("isinf", 1, Rule.COMPARE, np.isinf, partial=Constant())
signbit = declare("signbit", 1, Rule.COMPARE, np.signbit, partial=Constant())


# -- selection and conversion ---------------------------------------------------------------------------------------
_ORDERINGS = ("less", "less_equal", "greater", "greater_equal")


class Extremum(NamedTuple):
    """The maximum, or minimum, of two operands, in the order in which they are compared."""

    larger: bool
    operands: tuple[Node, Node]


def as_extremum(node: Node) -> Extremum | None:
    """The maximum or minimum that a node is; None for anything else.

    ``where(a > b, a, b)`` is a maximum, ``where(a > b, b, a)`` a minimum, and so on for the other orderings.
    """
    if node.op.name in ("maximum", "minimum"):
        return Extremum(node.op.name == "maximum", (node.inputs[0], node.inputs[1]))
    if node.op is not WHERE:
        return None
    condition, a, b = node.inputs
    while condition.op.name == "logical_not":
        condition, a, b = condition.inputs[0], b, a
    if condition.op.name not in _ORDERINGS or a is b:
        return None
    larger = condition.op.name.startswith("greater")
    if all(map(_same_value, condition.inputs, (a, b))):
        return Extremum(larger, (a, b))
    return Extremum(not larger, (b, a)) if all(map(_same_value, condition.inputs, (b, a))) else None


def _where_partial(node: Node, i: int) -> Gate | None:
    """A plain select, except that every spelling of a maximum or minimum has the derivative of those."""
    if i == 0:
        return None
    extremum = as_extremum(node)
    if extremum is not None:
        return _extremum_partial(*extremum, 0 if extremum.operands[0] is node.inputs[i] else 1)
    return Gate(node.inputs[0], inverted=i == 2)


def _same_value(one: Node, other: Node) -> bool:
    if one is other:
        return True
    number = source.uniform_value(one)
    return number is not None and bool(number == source.uniform_value(other))


def _where_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((), (5,), (3, 4), (0,), (37,)):
        yield Sample((rng.random(shape) < 0.5, rng.normal(size=shape), rng.normal(size=shape)))


def _where_math(condition: Any, a: Any, b: Any) -> Any:
    import sympy

    return sympy.Piecewise((a, condition), (b, True))


WHERE = register(
    OpDef(
        name="where",
        kind=Kind.ELEMENTWISE,
        infer=lambda inputs, attrs: inputs[1].type,
        evaluate=lambda attrs, c, a, b: np.where(c, a, b),
        derivative=Partials(_where_partial),
        samples=_where_samples,
        math=_where_math,
        doc="a where the condition holds, else b.",
    )
)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where ``condition`` holds, else ``b``; the branch not taken contributes nothing to any derivative.

    Parameters
    ----------
    condition : expression or array
        Numbers count as true where they are not 0.
    a, b : arrays, numbers or expressions
        All three broadcast.

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.grad(lambda x: sg.where(x > 0, np.sqrt(x), 0.0))(0.0).item()
    0.0
    """
    test = as_bool(coerce.as_node(condition, who="where"))
    a, b = coerce.as_nodes([a, b], who="where")
    return apply(WHERE, tuple(coerce.broadcast_together([test, a, b], "where")))


class CastAttrs(NamedTuple):
    """The element type converted to."""

    dtype: DType


def _cast_partial(node: Node, i: int) -> Any:
    pair = (node.inputs[0].type.dtype, node.type.dtype)
    return 1.0 if all(map(types.is_float, pair)) or all(map(types.is_integer, pair)) else None


def _cast_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for dtype in types.DTYPES:
        yield Sample((rng.normal(size=(3, 4)) * 3,), CastAttrs(dtype), smooth=types.is_float(dtype))
    yield Sample((rng.integers(-5, 5, size=(7,)),), CastAttrs(FLOAT64), smooth=False)
    yield Sample((rng.random(9) < 0.5,), CastAttrs(FLOAT64), smooth=False)


CAST = register(
    OpDef(
        name="cast",
        kind=Kind.ELEMENTWISE,
        infer=lambda inputs, attrs: inputs[0].type.with_dtype(attrs.dtype),
        evaluate=lambda attrs, x: np.asarray(x).astype(attrs.dtype),
        derivative=Partials(_cast_partial),
        samples=_cast_samples,
        attrs=CastAttrs,
        doc="Conversion of the element type.",
    )
)


def cast(x: Any, dtype: Any) -> Any:
    """``x`` converted to ``dtype``; only conversions between floating types carry a derivative."""
    target = types.as_dtype(dtype)
    node = coerce.as_node(x)
    return node if node.type.dtype is target else apply(CAST, (node,), CastAttrs(target))
