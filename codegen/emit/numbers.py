"""Parts and neighbours of numbers, and integer arithmetic that must not trap, as LLVM instructions.

In: operands of any lanes.  Out: the value.  Floats are taken apart by their bits; integers divide by zero to zero, as in
NumPy, and the smallest integer divided by -1 is itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen.llvm.builder import Function
from codegen.llvm.types import Value, constant, vector
from codegen.mathlib.formats import Format, format_named

__all__ = [
    "bounded_shift",
    "common_divisor",
    "common_multiple",
    "copy_sign",
    "fraction",
    "integer_divide",
    "integer_fmod",
    "integer_power",
    "is_infinite",
    "left_shift",
    "load_exponent",
    "next_after",
    "right_shift",
    "sign_bit",
    "spacing",
    "split_exponent",
    "split_mantissa",
]


# -- floats ---------------------------------------------------------------------------------------------------------
def _format(x: Value) -> Format:
    return format_named(x.type.element)


def _bits(f: Function, x: Value) -> Value:
    return f.convert("bitcast", x, x.type.integer)


def is_infinite(f: Function, x: Value) -> Value:
    return f.fcmp("oeq", f.fabs(x), float("inf"))


def sign_bit(f: Function, x: Value) -> Value:
    return f.icmp("slt", _bits(f, x), 0)


def copy_sign(f: Function, x: Value, sign: Value) -> Value:
    return f.copysign(x, sign)


def fraction(f: Function, x: Value) -> Value:
    """What trunc leaves, with the sign of x; of an infinity, zero."""
    with f.strict():
        rest = f.fsub(x, f.intrinsic("trunc", x))
        return f.copysign(f.select(is_infinite(f, x), constant(0.0, x.type), rest), x)


def _split(f: Function, x: Value) -> tuple[Value, Value, Value]:
    """Whether x is finite and not zero, and then: its bits as a normal number, and the exponent that this has lost."""
    form = _format(x)
    subnormal = f.fcmp("olt", f.fabs(x), form.smallest_normal)
    with f.strict():
        lifted = f.fmul(x, 2.0 ** (form.mantissa + 2))
    bits = _bits(f, f.select(subnormal, lifted, x))
    kind = x.type.integer
    lost = f.select(subnormal, constant(form.mantissa + 2, kind), constant(0, kind))
    ordinary = f.binary("and", f.fcmp("une", x, 0.0), f.fcmp("olt", f.fabs(x), float("inf")))
    return ordinary, bits, lost


def split_mantissa(f: Function, x: Value) -> Value:
    """x scaled into [1/2, 1); zeros, infinities and nan are their own."""
    form = _format(x)
    ordinary, bits, _ = _split(f, x)
    stored = ((1 << (form.bits - 1 - form.mantissa)) - 1) << form.mantissa
    made = f.binary("or", f.binary("and", bits, ~stored), (form.bias - 1) << form.mantissa)
    return f.select(ordinary, f.convert("bitcast", made, x.type), x)


def split_exponent(f: Function, x: Value) -> Value:
    """The exponent that goes with the mantissa, as an int32; 0 for zeros, infinities and nan."""
    form = _format(x)
    ordinary, bits, lost = _split(f, x)
    stored = f.binary("and", f.binary("lshr", bits, form.mantissa), (1 << (form.bits - 1 - form.mantissa)) - 1)
    power = f.binary("sub", f.binary("sub", stored, form.bias - 1), lost)
    made = f.select(ordinary, power, constant(0, power.type))
    return f.convert("trunc", made, vector("i32", x.type.lanes)) if form.is_double else made


def load_exponent(f: Function, x: Value, n: Value) -> Value:
    """x 2^n, rounded once: two products that stay normal, and a third that may round or overflow.

    n is taken in thirds; beyond three times the range of exponents nothing changes any more.
    """
    form = _format(x)
    most = 3 * (form.bias - 1)
    count = f.intrinsic("smax", f.intrinsic("smin", n, constant(most, n.type)), constant(-most, n.type))
    kind = x.type.integer
    if count.type.bits != kind.bits:
        count = f.convert("sext" if count.type.bits < kind.bits else "trunc", count, kind)
    ordinary, bits, lost = _split(f, x)
    stored = f.binary("and", f.binary("lshr", bits, form.mantissa), (1 << (form.bits - 1 - form.mantissa)) - 1)
    # x = m 2^e with 1 <= |m| < 2; the result is m 2^total
    total = f.binary("add", f.binary("sub", f.binary("sub", stored, form.bias), lost), count)
    low = -(form.bias + form.mantissa + 2)
    total = f.intrinsic("smax", f.intrinsic("smin", total, constant(form.bias + 2, kind)), constant(low, kind))
    half = f.binary("ashr", total, 1)
    mask = ((1 << (form.bits - 1 - form.mantissa)) - 1) << form.mantissa
    one_to_two = f.binary("or", f.binary("and", bits, ~mask), form.bias << form.mantissa)
    with f.strict():
        scaled = f.fmul(f.convert("bitcast", one_to_two, x.type), _power(f, half, x, form))
        scaled = f.fmul(scaled, _power(f, f.binary("sub", total, half), x, form))
    return f.select(ordinary, scaled, x)


def _power(f: Function, n: Value, like: Value, form: Format) -> Value:
    """2^n, for an n within the normal numbers."""
    return f.convert("bitcast", f.binary("shl", f.binary("add", n, form.bias), form.mantissa), like.type)


def _step(f: Function, x: Value, up: Value) -> Value:
    """The number beside a finite x, upwards under the mask; of zero, the smallest."""
    bits = _bits(f, x)
    away = f.binary("xor", up, f.fcmp("olt", x, 0.0))
    kind = bits.type
    moved = f.binary("add", bits, f.select(away, constant(1, kind), constant(-1, kind)))
    smallest = f.convert("bitcast", constant(1, kind), x.type)
    signed = f.select(up, smallest, f.fneg(smallest))
    return f.select(f.fcmp("oeq", x, 0.0), signed, f.convert("bitcast", moved, x.type))


def next_after(f: Function, x: Value, y: Value) -> Value:
    """The number beside x towards y; y itself where they are equal."""
    moved = _step(f, x, f.fcmp("olt", x, y))
    made = f.select(f.fcmp("oeq", x, y), y, moved)
    return f.select(f.fcmp("uno", x, y), f.fadd(x, y), made)


def spacing(f: Function, x: Value) -> Value:
    """The distance to the next number away from zero, with the sign of x; nan for infinities."""
    bits = _bits(f, x)
    away = f.convert("bitcast", f.binary("add", bits, 1), x.type)
    smallest = f.convert("bitcast", constant(1, bits.type), x.type)
    with f.strict():
        made = f.select(f.fcmp("oeq", x, 0.0), smallest, f.fsub(away, x))
    return f.select(f.fcmp("olt", f.fabs(x), float("inf")), made, constant(float("nan"), x.type))


# -- integers -------------------------------------------------------------------------------------------------------
def _safe_divisor(f: Function, a: Value, b: Value) -> tuple[Value, Value]:
    """Whether the divisor is zero, and a divisor with which no machine traps: 1 for zero, and for -1 where a overflows."""
    zero = f.icmp("eq", b, 0)
    smallest = f.binary("and", f.icmp("eq", b, -1), f.icmp("eq", a, -(1 << (a.type.bits - 1))))
    return zero, f.select(f.binary("or", zero, smallest), constant(1, b.type), b)


def integer_divide(f: Function, a: Value, b: Value) -> tuple[Value, Value]:
    """Quotient and remainder rounded towards minus infinity; 0 where the divisor is 0, as NumPy."""
    zero, safe = _safe_divisor(f, a, b)
    quotient, rest = f.binary("sdiv", a, safe), f.binary("srem", a, safe)
    wrong = f.binary("and", f.icmp("ne", rest, 0), f.binary("xor", f.icmp("slt", rest, 0), f.icmp("slt", safe, 0)))
    quotient = f.select(wrong, f.binary("sub", quotient, 1), quotient)
    rest = f.select(wrong, f.binary("add", rest, safe), rest)
    return f.select(zero, constant(0, a.type), quotient), f.select(zero, constant(0, a.type), rest)


def integer_fmod(f: Function, a: Value, b: Value) -> Value:
    """The remainder with the sign of a; 0 where the divisor is 0."""
    zero, safe = _safe_divisor(f, a, b)
    return f.select(zero, constant(0, a.type), f.binary("srem", a, safe))


def bounded_shift(f: Function, op: str, a: Value, count: Value, beyond: Value) -> Value:
    """A shift, with ``beyond`` for counts that are negative or leave no bit."""
    fits = f.icmp("ult", count, a.type.bits)
    return f.select(fits, f.binary(op, a, f.select(fits, count, constant(0, count.type))), beyond)


def left_shift(f: Function, a: Value, count: Value) -> Value:
    return bounded_shift(f, "shl", a, count, constant(0, a.type))


def right_shift(f: Function, a: Value, count: Value) -> Value:
    return bounded_shift(f, "ashr", a, count, f.binary("ashr", a, a.type.bits - 1))


def _magnitude(f: Function, x: Value) -> Value:
    """As an unsigned number: that of the smallest integer does not overflow."""
    return f.select(f.icmp("slt", x, 0), f.binary("sub", constant(0, x.type), x), x)


def _until(
    f: Function,
    starts: Sequence[Value],
    going: Callable[[list[Value]], Value],
    step: Callable[[list[Value]], list[Value]],
) -> list[Value]:
    """Values stepped until no lane goes on."""
    before, head, body, done = f.block, f.label("head"), f.label("body"), f.label("done")
    f.jump(head)
    f.enter(head)
    place = len(f.lines)
    values = [f.reserve(start.type) for start in starts]
    f.branch(f.any_lane(going(values)), body, done)
    f.enter(body)
    following = step(values)
    f.jump(head)
    f.lines[place:place] = [
        f"  {value.text} = phi {value.type.text} [ {start.text}, %{before} ], [ {after.text}, %{f.block} ]"
        for value, start, after in zip(values, starts, following, strict=True)
    ]
    f.enter(done)
    return values


def common_divisor(f: Function, a: Value, b: Value) -> Value:
    """Euclid's algorithm, until it has ended in all lanes."""

    def step(pair: list[Value]) -> list[Value]:
        x, y = pair
        ended = f.icmp("eq", y, 0)
        rest = f.binary("urem", x, f.select(ended, constant(1, y.type), y))
        return [f.select(ended, x, y), f.select(ended, y, rest)]

    starts = (_magnitude(f, a), _magnitude(f, b))
    return _until(f, starts, lambda pair: f.icmp("ne", pair[1], 0), step)[0]


def common_multiple(f: Function, a: Value, b: Value) -> Value:
    """|a| divided by the common divisor, times |b|; it wraps, as NumPy's."""
    divisor = common_divisor(f, a, b)
    zero = f.icmp("eq", divisor, 0)
    share = f.binary("udiv", _magnitude(f, a), f.select(zero, constant(1, a.type), divisor))
    return f.binary("mul", share, _magnitude(f, b))


def integer_power(f: Function, a: Value, b: Value) -> Value:
    """Square and multiply over the exponent's bits (negative exponents are refused by NumPy; here they give 0)."""

    def step(state: list[Value]) -> list[Value]:
        result, base, left = state
        odd = f.icmp("ne", f.binary("and", left, 1), 0)
        product = f.select(odd, f.binary("mul", result, base), result)
        return [product, f.binary("mul", base, base), f.binary("lshr", left, 1)]

    below = f.icmp("slt", b, 0)
    starts = (constant(1, a.type), a, f.select(below, constant(0, b.type), b))
    result = _until(f, starts, lambda state: f.icmp("ne", state[2], 0), step)[0]
    return f.select(below, constant(0, a.type), result)
