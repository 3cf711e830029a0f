"""Elementwise operations as LLVM instructions.  In: an operation's name and operands of any lanes.  Out: the value.

Floating operations follow NumPy for special values: maxima and minima propagate NaN, comparisons with NaN are false,
remainders have the sign of the divisor.  Booleans are ``i1`` here and bytes in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from codegen import mathlib
from codegen.emit import numbers
from codegen.llvm.builder import Function
from codegen.llvm.types import Type, Value, constant, vector
from symgrad.errors import CompileError
from symgrad.types import BOOL, DType

__all__ = ["LOWERED", "call_operation", "combine", "emit_angles", "emit_operation", "neutral", "value_type"]

_ELEMENTS = {"float64": "double", "float32": "float", "int64": "i64", "int32": "i32", "bool": "i1"}


def value_type(dtype: DType, lanes: int) -> Type:
    """LLVM's type of values in registers."""
    return vector(_ELEMENTS[dtype.name], lanes)


def emit_operation(f: Function, op: str, args: Sequence[Value], dtype: DType) -> Value:
    """One elementwise operation; operands of one lane are repeated where others have more.

    Raises
    ------
    CompileError
        The operation has no lowering for this element type.
    """
    full = args
    if any(arg.type.lanes != args[0].type.lanes for arg in args[1:]):
        widest = max(arg.type.lanes for arg in args)
        full = [arg if arg.type.lanes == widest else f.splat(arg, widest) for arg in args]
    if op == "cast":
        return _cast(f, full[0], dtype)
    table = _FLOAT if full[-1].type.is_float else _INTEGER if full[-1].type.element != "i1" else _BOOL
    emitter = table.get(op) or _ANY.get(op)
    if emitter is not None:
        return emitter(f, *full)
    if full[-1].type.is_float and op in mathlib.SUPPORTED:
        return mathlib.emit(f, op, *full)
    if full[-1].type.is_float and op in _LIBM:
        return mathlib.per_lane(f, _LIBM[op], *full)
    raise CompileError(f"{op}: no machine code for {dtype} operands")


def emit_angles(f: Function, wanted: Sequence[tuple[str, Value]]) -> list[Value]:
    """Sines, cosines and tangents together: those of as many lanes, and of one type, share a branch."""
    made: dict[int, Value] = {}
    for kind in dict.fromkeys(x.type for _, x in wanted):
        places = [place for place, (_, x) in enumerate(wanted) if x.type is kind]
        made.update(zip(places, mathlib.emit_angles(f, [wanted[place] for place in places]), strict=True))
    return [made[place] for place in range(len(wanted))]


def call_operation(f: Function, op: str, args: Sequence[Value], dtype: DType) -> Value:
    """One elementwise operation, through a function of the module that is written when it is first called."""
    module, kinds = f.module, [arg.type for arg in args]
    name = f"math_{op}_{'_'.join(kind.suffix for kind in kinds)}"
    if name not in module.functions:
        parameters = [(f"x{k}", kind) for k, kind in enumerate(kinds)]
        own = module.function(name, parameters, value_type(dtype, kinds[0].lanes), attributes="noinline")
        own.ret(emit_operation(own, op, [own[parameter] for parameter, _ in parameters], dtype))
    made = f.call(name, args, value_type(dtype, kinds[0].lanes))
    assert made is not None
    return made


def _binary(name: str) -> Callable[..., Value]:
    return lambda f, a, b: getattr(f, name)(a, b)


def _compare(predicate: str) -> Callable[..., Value]:
    return lambda f, a, b: f.fcmp(predicate, a, b)


def _icompare(predicate: str) -> Callable[..., Value]:
    return lambda f, a, b: f.icmp(predicate, a, b)


def _bits(op: str) -> Callable[..., Value]:
    return lambda f, a, b: f.binary(op, a, b)


# -- floating point -------------------------------------------------------------------------------------------------
def _extremum(predicate: str) -> Callable[..., Value]:
    def emit(f: Function, a: Value, b: Value) -> Value:
        first = f.binary("or", f.fcmp(predicate, a, b), f.fcmp("uno", a, a))
        return f.select(first, a, b)

    return emit


def _sign(f: Function, x: Value) -> Value:
    zero = f.select(f.fcmp("oeq", x, 0.0), constant(0.0, x.type), x)
    return f.select(
        f.fcmp("ogt", x, 0.0), constant(1.0, x.type), f.select(f.fcmp("olt", x, 0.0), constant(-1.0, x.type), zero)
    )


def _masked_multiply(f: Function, head: Value, factor: Value) -> Value:
    return f.select(f.fcmp("oeq", head, 0.0), head, f.fmul(head, factor))


def _zero_multiply(f: Function, a: Value, b: Value) -> Value:
    return f.select(f.fcmp("oeq", a, 0.0), a, f.select(f.fcmp("oeq", b, 0.0), b, f.fmul(a, b)))


def _isfinite(f: Function, x: Value) -> Value:
    return f.fcmp("olt", f.fabs(x), float("inf"))


def _remainder(f: Function, a: Value, b: Value) -> Value:
    """fmod, moved to the divisor's sign; an exact zero takes that sign."""
    rest = mathlib.emit(f, "fmod", a, b)
    wrong = f.binary("xor", f.fcmp("olt", rest, 0.0), f.fcmp("olt", b, 0.0))
    moved = f.select(wrong, f.fadd(rest, b), rest)
    return f.select(f.fcmp("oeq", rest, 0.0), f.copysign(constant(0.0, b.type), b), moved)


def _floor_divide(f: Function, a: Value, b: Value) -> Value:
    """NumPy's: (a - mod) / b rounded to the integer that it is within rounding; a / b where b is 0."""
    with f.strict():
        rest = mathlib.emit(f, "fmod", a, b)
        quotient = f.fdiv(f.fsub(a, rest), b)
        wrong = f.binary(
            "and", f.fcmp("une", rest, 0.0), f.binary("xor", f.fcmp("olt", rest, 0.0), f.fcmp("olt", b, 0.0))
        )
        quotient = f.select(wrong, f.fsub(quotient, 1.0), quotient)
        down = f.intrinsic("floor", quotient)
        nearest = f.select(f.fcmp("ogt", f.fsub(quotient, down), 0.5), f.fadd(down, 1.0), down)
        plain = f.fdiv(a, b)
        result = f.select(f.fcmp("oeq", quotient, 0.0), f.copysign(constant(0.0, a.type), plain), nearest)
        return f.select(f.fcmp("oeq", b, 0.0), plain, result)


_FLOAT: dict[str, Callable[..., Value]] = {
    "add": _binary("fadd"),
    "subtract": _binary("fsub"),
    "multiply": _binary("fmul"),
    "divide": _binary("fdiv"),
    "negative": lambda f, x: f.fneg(x),
    "square": lambda f, x: f.fmul(x, x),
    "masked_multiply": _masked_multiply,
    "zero_multiply": _zero_multiply,
    "sqrt": lambda f, x: f.sqrt(x),
    "absolute": lambda f, x: f.fabs(x),
    "sign": _sign,
    "floor": lambda f, x: f.intrinsic("floor", x),
    "ceil": lambda f, x: f.intrinsic("ceil", x),
    "rint": lambda f, x: f.intrinsic("roundeven", x),
    "trunc": lambda f, x: f.intrinsic("trunc", x),
    "maximum": _extremum("oge"),
    "minimum": _extremum("ole"),
    "relu": lambda f, x: f.select(f.fcmp("ole", x, 0.0), constant(0.0, x.type), x),
    "remainder": _remainder,
    "floor_divide": _floor_divide,
    "less": _compare("olt"),
    "less_equal": _compare("ole"),
    "greater": _compare("ogt"),
    "greater_equal": _compare("oge"),
    "equal": _compare("oeq"),
    "not_equal": _compare("une"),
    "isnan": lambda f, x: f.fcmp("uno", x, x),
    "isfinite": _isfinite,
    "isinf": numbers.is_infinite,
    "signbit": numbers.sign_bit,
    "copysign": numbers.copy_sign,
    "nextafter": numbers.next_after,
    "spacing": numbers.spacing,
    "fraction": numbers.fraction,
    "mantissa": numbers.split_mantissa,
    "exponent": numbers.split_exponent,
}

_LIBM = {"gamma": "tgamma"}  # what has no inline version: libm's name


# -- integers -------------------------------------------------------------------------------------------------------
def _unchanged(f: Function, x: Value) -> Value:
    return x


def _integer_sign(f: Function, x: Value) -> Value:
    above = f.convert("zext", f.icmp("sgt", x, 0), x.type)
    return f.binary("sub", above, f.convert("zext", f.icmp("slt", x, 0), x.type))


_INTEGER: dict[str, Callable[..., Value]] = {
    "add": _bits("add"),
    "subtract": _bits("sub"),
    "multiply": _bits("mul"),
    "masked_multiply": _bits("mul"),
    "zero_multiply": _bits("mul"),
    "negative": lambda f, x: f.binary("sub", constant(0, x.type), x),
    "square": lambda f, x: f.binary("mul", x, x),
    "power": numbers.integer_power,
    "absolute": lambda f, x: f.select(f.icmp("slt", x, 0), f.binary("sub", constant(0, x.type), x), x),
    "sign": _integer_sign,
    "maximum": lambda f, a, b: f.intrinsic("smax", a, b),
    "minimum": lambda f, a, b: f.intrinsic("smin", a, b),
    "relu": lambda f, x: f.intrinsic("smax", x, constant(0, x.type)),
    "floor_divide": lambda f, a, b: numbers.integer_divide(f, a, b)[0],
    "remainder": lambda f, a, b: numbers.integer_divide(f, a, b)[1],
    "less": _icompare("slt"),
    "less_equal": _icompare("sle"),
    "greater": _icompare("sgt"),
    "greater_equal": _icompare("sge"),
    "equal": _icompare("eq"),
    "not_equal": _icompare("ne"),
    "isnan": lambda f, x: constant(False, x.type.mask),
    "isfinite": lambda f, x: constant(True, x.type.mask),
    "isinf": lambda f, x: constant(False, x.type.mask),
    "signbit": lambda f, x: f.icmp("slt", x, 0),
    "floor": _unchanged,
    "ceil": _unchanged,
    "trunc": _unchanged,
    "fmod": numbers.integer_fmod,
    "bitwise_and": _bits("and"),
    "bitwise_or": _bits("or"),
    "bitwise_xor": _bits("xor"),
    "invert": lambda f, x: f.binary("xor", x, -1),
    "left_shift": numbers.left_shift,
    "right_shift": numbers.right_shift,
    "gcd": numbers.common_divisor,
    "lcm": numbers.common_multiple,
}
_BOOL: dict[str, Callable[..., Value]] = {
    "add": _bits("or"),
    "multiply": _bits("and"),
    "maximum": _bits("or"),
    "minimum": _bits("and"),
    "logical_and": _bits("and"),
    "logical_or": _bits("or"),
    "logical_xor": _bits("xor"),
    "logical_not": lambda f, x: f.binary("xor", x, True),
    "equal": _icompare("eq"),
    "not_equal": _icompare("ne"),
    "less": _icompare("ult"),
    "less_equal": _icompare("ule"),
    "greater": _icompare("ugt"),
    "greater_equal": _icompare("uge"),
    "isnan": lambda f, x: constant(False, x.type.mask),
    "isfinite": lambda f, x: constant(True, x.type.mask),
    "isinf": lambda f, x: constant(False, x.type.mask),
    "signbit": lambda f, x: constant(False, x.type.mask),
    "absolute": _unchanged,
    "floor": _unchanged,
    "ceil": _unchanged,
    "trunc": _unchanged,
}
_ANY: dict[str, Callable[..., Value]] = {
    "where": lambda f, c, a, b: f.select(c, a, b),
    "ldexp": numbers.load_exponent,
}

LOWERED = {*_FLOAT, *_INTEGER, *_BOOL, *_ANY, *_LIBM, "cast"} | mathlib.SUPPORTED


# -- conversions ----------------------------------------------------------------------------------------------------
def _cast(f: Function, x: Value, dtype: DType) -> Value:
    target = value_type(dtype, x.type.lanes)
    source = x.type
    if source is target:
        return x
    if dtype is BOOL:
        return f.fcmp("une", x, 0.0) if source.is_float else f.icmp("ne", x, 0)
    if source.element == "i1":
        return f.convert("uitofp" if target.is_float else "zext", x, target)
    if source.is_float and target.is_float:
        return f.convert("fpext" if target.bits > source.bits else "fptrunc", x, target)
    if source.is_float:
        return _to_integer(f, x, target)
    if target.is_float:
        return f.convert("sitofp", x, target)
    return f.convert("sext" if target.bits > source.bits else "trunc", x, target)


def _to_integer(f: Function, x: Value, target: Type) -> Value:
    """Towards zero; what does not fit gives the most negative integer, as on x86."""
    limit = float(2 ** (target.bits - 1))
    fits = f.binary("and", f.fcmp("oge", x, -limit), f.fcmp("olt", x, limit))
    safe = f.select(fits, x, constant(0.0, x.type))
    return f.select(fits, f.convert("fptosi", safe, target), constant(-(2 ** (target.bits - 1)), target))


# -- reductions -----------------------------------------------------------------------------------------------------
_COMBINE = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}


def combine(f: Function, kind: str, a: Value, b: Value, dtype: DType) -> Value:
    """Two partial results of a reduction as one."""
    return emit_operation(f, _COMBINE[kind], (a, b), dtype)


def neutral(kind: str, kind_type: Type) -> Value:
    """What changes nothing in a reduction."""
    if kind in ("max", "min"):
        if kind_type.is_float:
            return constant(float("-inf") if kind == "max" else float("inf"), kind_type)
        if kind_type.element == "i1":
            return constant(kind == "min", kind_type)
        edge = 1 << (kind_type.bits - 1)
        return constant(-edge if kind == "max" else edge - 1, kind_type)
    values: dict[str, Any] = {"sum": 0, "prod": 1, "any": False, "all": True}
    return constant(values[kind], kind_type)
