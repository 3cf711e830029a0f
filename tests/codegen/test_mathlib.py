"""The inline mathematics: accuracy, special values, independence of lanes, and every target.

Errors are measured against mpmath with 40 digits, special values against NumPy and SciPy.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from mathlib_cases import ANY, BY_NAME, CASES, SMALL, Array, Case, near, special_values, spread, uniform

from codegen import mathlib
from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import compile_object, compile_text, load_object
from codegen.llvm.types import DOUBLE, I64, POINTER, Type, Value, vector
from codegen.mathlib import coefficients, generate_coefficients
from codegen.target import TARGETS, Target, native
from symgrad.errors import CompileError

COUNT = 800
FORMATS = {"double": np.dtype(np.float64), "float": np.dtype(np.float32)}
CALLS_LIBM = {"cos": "cos", "fmod": "fmod", "power": "pow", "sin": "sin", "tan": "tan"}
Body = Callable[..., Value]


def without_fma() -> Target:
    """This machine, as if it could not fuse."""
    target = native()
    features = [
        f"-{one[1:]}" if one[1:] in ("fma", "fma4") or one[1:].startswith("avx512") else one
        for one in target.features.split(",")
    ]
    return dataclasses.replace(target, features=",".join(features), fma=False, vector_bits=min(target.vector_bits, 256))


MACHINES = {"fma": native(), "no fma": without_fma()}
each_format = pytest.mark.parametrize("element", FORMATS)
each_machine = pytest.mark.parametrize("machine", MACHINES)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def module_of(name: str | Body, arity: int, kind: Type, target: Target) -> Module:
    """A loop over arrays; ``name`` may be a function that emits the operation."""
    module = Module(target)
    operands = ["x", "y"][:arity]
    f = module.function("kernel", [*((one, POINTER) for one in (*operands, "out")), ("count", I64)], public=True)
    with f.loop(0, f["count"], kind.lanes) as loop:
        args = [f.load(f.gep(f[one], loop.index, kind), kind) for one in operands]
        value = mathlib.emit(f, name, *args) if isinstance(name, str) else name(f, *args)
        f.store(value, f.gep(f["out"], loop.index, kind))
    f.ret()
    return module


@functools.cache
def compiled(name: str | Body, arity: int, kind: Type, target: Target) -> Callable[..., None]:
    loaded = load_object(compile_object(module_of(name, arity, kind, target).text(), target), ["kernel"])
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(loaded["kernel"])
    kernel.owner = loaded
    return kernel


def evaluate(name: str | Body, args: list[Array], lanes: int = 8, target: Target | None = None) -> Array:
    """The function of whole arrays."""
    dtype, count = args[0].dtype, len(args[0])
    kind = vector("double" if dtype == np.float64 else "float", lanes)
    padded = [np.concatenate([arg, np.ones(-count % lanes, dtype)]) for arg in args]
    out = np.empty_like(padded[0])
    kernel = compiled(name, len(args), kind, target or native())
    kernel(*(one.ctypes.data for one in (*padded, out)), len(out))
    return out[:count]


@functools.cache
def samples(case: Case, element: str) -> tuple[list[Array], list[Any], list[Any]]:
    """Arguments of every range of the case, references, and the units in which errors are counted."""
    dtype, rng = FORMATS[element], np.random.default_rng(7)
    parts = [[sampler(dtype, rng, COUNT) for sampler in row] for row in case.samples]
    args = [np.concatenate(column) for column in zip(*parts, strict=True)]
    digits, least = np.finfo(dtype).nmant + 1, int(np.log2(float(np.finfo(dtype).smallest_subnormal)))
    beyond = mpmath.mpf(2) ** int(np.finfo(dtype).maxexp)
    wanted, units = [], []
    with mpmath.workdps(40):
        for point in zip(*(arg.astype(float) for arg in args), strict=True):
            exact = tuple(mpmath.mpf(float(one)) for one in point)
            y = case.reference(*exact)
            y = max(min(y, beyond), -beyond)  # results that overflow
            wanted.append(y)
            units.append(mpmath.ldexp(1, max(mpmath.mag(case.unit(y, *exact)) - digits, least) if y else least))
    return args, wanted, units


def errors(got: Array, wanted: list[Any], units: list[Any]) -> Array:
    """Errors in units; an infinity stands for the first power of two beyond the range."""
    beyond = mpmath.mpf(2) ** int(np.finfo(got.dtype).maxexp)
    with mpmath.workdps(40):
        return np.array([
            math.inf if math.isnan(one)
            else float(abs((beyond * mpmath.sign(one) if math.isinf(one) else mpmath.mpf(one)) - want) / unit)
            for one, want, unit in zip(map(float, got), wanted, units, strict=True)
        ])  # fmt: skip


def same_bits_each(a: Array, b: Array) -> Array:
    """Equal bit for bit, except that one nan is as good as another."""
    same: Array = (a.view(f"i{a.itemsize}") == b.view(f"i{b.itemsize}")) | (np.isnan(a) & np.isnan(b))
    return same


def same_bits(a: Array, b: Array) -> bool:
    return bool(np.all(same_bits_each(a, b)))


def test_every_supported_operation_has_a_case() -> None:
    assert set(BY_NAME) == mathlib.SUPPORTED


@each_machine
@each_format
@each_case
def test_error_bound(case: Case, element: str, machine: str) -> None:
    args, wanted, units = samples(case, element)
    found = errors(evaluate(case.name, args, target=MACHINES[machine]), wanted, units)
    worst = int(np.argmax(found))
    bound = case.bound if MACHINES[machine].fma else case.without_fma
    assert found[worst] <= bound, [arg[worst] for arg in args]


@each_machine
@each_format
@each_case
def test_special_values(case: Case, element: str, machine: str) -> None:
    values = special_values(FORMATS[element])
    args = [values] if case.arity == 1 else [one.ravel() for one in np.meshgrid(values, values)]
    got = evaluate(case.name, args, target=MACHINES[machine]).astype(float)
    with np.errstate(all="ignore"):
        peer = case.peer(*args)
        close = np.abs(got - peer) <= 8 * np.abs(np.spacing(peer)).astype(float)
    want = peer.astype(float)
    exact = np.isinf(want) | (want == 0)
    same = (np.isnan(got) & np.isnan(want)) | (got == want) & (np.signbit(got) == np.signbit(want)) | close & ~exact
    wrong = ~same & ~case.unreliable(args[0])
    assert not wrong.any(), [(*(arg[k] for arg in args), got[k], want[k]) for k in np.flatnonzero(wrong)]


@each_format
@each_case
def test_bits_do_not_depend_on_lanes_or_neighbours(case: Case, element: str) -> None:
    """One lane has no neighbours; among eight, special values and values for libm stand beside ordinary ones."""
    args = samples(case, element)[0]
    special = special_values(FORMATS[element])
    rng = np.random.default_rng(11)
    mixed = [np.where(rng.random(len(arg)) < 0.1, rng.choice(special, len(arg)), arg) for arg in args]
    one, *others = (evaluate(case.name, mixed, lanes) for lanes in (1, 2, 3, 4, 8, 16))
    assert all(same_bits(one, other) for other in others)


@pytest.mark.skipif(not native().triple.startswith("x86_64"), reason="runs code for x86-64")
@each_format
@each_case
def test_oldest_machine_gives_the_bits_of_one_without_fma(case: Case, element: str) -> None:
    """Wide vectors in narrow registers, and instructions that the baseline lacks, change nothing."""
    args = samples(case, element)[0]
    oldest, other = (evaluate(case.name, args, target=target) for target in (TARGETS["x86-64"], MACHINES["no fma"]))
    assert same_bits(oldest, other)


@each_format
@pytest.mark.parametrize("name", ["exp", "exp2", "erfc", "expit", "power"])
def test_scaling_instruction_gives_the_bits_of_two_products(name: str, element: str) -> None:
    """AVX-512 scales with one instruction; the same intrinsic works, slowly, on any machine."""
    args = samples(BY_NAME[name], element)[0]
    pretended = dataclasses.replace(MACHINES["fma"], vector_bits=512)
    assert same_bits(evaluate(name, args, target=pretended), evaluate(name, args))


EXPONENTS = (-64, -12, -3, -2, -1, 2, 3, 5, 7, 12, 63, 64, -10.5, -2.5, -1.5, -0.5, 1.5, 2.5, 10.5)


@functools.cache
def raised(exponent: float) -> tuple[Case, Body]:
    """The power with a constant exponent."""
    size = 1 / max(abs(exponent), 1)
    wide = spread(-size, size, signed=float(exponent).is_integer())
    rows = [[uniform(1, 2)], [wide], [near(1)], *([[SMALL], [ANY]] if float(exponent).is_integer() else [])]
    case = Case("power", lambda x: mpmath.power(x, exponent), lambda x: np.power(x, x.dtype.type(exponent)), rows)

    def body(f: Function, x: Value) -> Value:
        made = mathlib.emit_power(f, x, float(exponent))
        assert made is not None
        return made

    return case, body


each_exponent = pytest.mark.parametrize(
    ("exponent", "machine"), [(one, name) for name in MACHINES for one in EXPONENTS if name == "fma" or abs(one) <= 8]
)


@each_format
@each_exponent
def test_error_bound_of_constant_exponents(exponent: float, element: str, machine: str) -> None:
    case, body = raised(exponent)
    args, wanted, units = samples(case, element)
    found = errors(evaluate(body, args, target=MACHINES[machine]), wanted, units)
    assert found.max() <= (2.5 if MACHINES[machine].fma else 4.0), args[0][np.argmax(found)]


@each_format
@each_exponent
def test_special_values_of_constant_exponents(exponent: float, element: str, machine: str) -> None:
    case, body = raised(exponent)
    values = special_values(FORMATS[element])
    with np.errstate(all="ignore"):
        want = case.peer(values)
        got = evaluate(body, [values], target=MACHINES[machine])
        close = np.abs(got.astype(float) - want) <= 8 * np.abs(np.spacing(want)).astype(float)
    same = same_bits_each(got, want) | (close & (want != 0) & np.isfinite(want))
    assert same.all(), [(values[k], got[k], want[k]) for k in np.flatnonzero(~same)]


def test_other_exponents_have_no_short_form() -> None:
    f = Module(native()).function("kernel", [("x", DOUBLE)], DOUBLE)
    assert all(mathlib.emit_power(f, f["x"], one) is None for one in (0.0, 0.25, 65.0, -64.75, math.inf, math.nan))


@each_format
@pytest.mark.parametrize("which", [0, 1])
def test_sincos_gives_the_bits_of_sin_and_cos(which: int, element: str) -> None:
    args = samples(BY_NAME["sin"], element)[0]
    args = [np.concatenate([args[0], special_values(FORMATS[element])])]

    def body(f: Function, x: Value) -> Value:
        return mathlib.emit_angles(f, [("sin", x), ("cos", x)])[which]

    assert same_bits(evaluate(body, args), evaluate(("sin", "cos")[which], args))


@each_format
def test_per_lane_calls_libm(element: str) -> None:
    x = np.linspace(0.5, 2.0, 24).astype(FORMATS[element])
    got = evaluate(lambda f, a, b: mathlib.per_lane(f, "pow", a, b), [x, x[::-1].copy()])
    np.testing.assert_allclose(got, x ** x[::-1], rtol=1e-15 if element == "double" else 2e-7)
    want = np.array([math.lgamma(one) for one in x])
    np.testing.assert_allclose(evaluate(lambda f, a: mathlib.per_lane(f, "lgamma", a), [x], 4), want, atol=1e-6)


@pytest.mark.parametrize("name", sorted(mathlib.SUPPORTED))
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v4", "aarch64"])
def test_compiles_for_every_target(name: str, target: str) -> None:
    """Without calls, but for those on rare lanes: no target lacks an instruction that the text takes for granted."""
    for element in FORMATS:
        module = module_of(name, BY_NAME[name].arity, vector(element, 8), TARGETS[target])
        text = compile_text(module.text(), TARGETS[target])
        called = {
            line.split()[-1].split("@")[0] for line in text.splitlines() if line.split()[:1] in (["callq"], ["bl"])
        }
        allowed = {f"mathlib.{CALLS_LIBM.get(name, name)}.v8f{vector(element, 1).bits}"}
        symbol = CALLS_LIBM.get(name, "rint")  # the reflection of the gamma functions rounds, out of line
        allowed |= {symbol, f"{symbol}f"} if name in (*CALLS_LIBM, "gammaln", "digamma") else set()
        assert called <= allowed


def test_eight_doubles_are_one_register_of_avx512() -> None:
    text = compile_text(module_of("exp", 1, vector("double", 8), TARGETS["x86-64-v4"]).text(), TARGETS["x86-64-v4"])
    assert "vscalefpd" in text
    assert "ymm" not in text


@pytest.mark.parametrize("name", sorted(mathlib.SUPPORTED))
def test_no_instruction_may_be_fused_behind_our_back(name: str) -> None:
    for target in MACHINES.values():
        text = module_of(name, BY_NAME[name].arity, vector("double", 4), target).text()
        assert "contract" not in text
        assert "reassoc" not in text


def test_call_sites_share_one_cold_function() -> None:
    module = Module(native())
    kind = DOUBLE.with_lanes(4)
    f = module.function("kernel", [("x", kind)], kind, public=True)
    f.ret(mathlib.emit(f, "sin", mathlib.emit(f, "sin", mathlib.emit(f, "cos", f["x"]))))
    assert set(module.functions) == {"kernel", "mathlib.sin.v4f64", "mathlib.cos.v4f64"}
    compile_object(module.text(), native())


def test_rare_lanes_take_the_value_of_libm() -> None:
    """The reference is the C library itself, through Python's math module."""
    x = np.array([1e9, -3e15, 1e22, 1.7e308, 0.5, 2.0, 1e300, -1e18])
    for name, peer in (("sin", math.sin), ("cos", math.cos), ("tan", math.tan)):
        got = evaluate(name, [x])
        want = np.array([peer(one) for one in x])
        rare = np.abs(x) >= 1e9
        np.testing.assert_array_equal(got[rare], want[rare])


def test_unknown_names_are_refused() -> None:
    f = Module(native()).function("kernel", [("x", DOUBLE)], DOUBLE)
    with pytest.raises(CompileError, match="no inline version of 'zeta'"):
        mathlib.emit(f, "zeta", f["x"])
    with pytest.raises(CompileError, match="power takes 2 operands, not 1"):
        mathlib.emit(f, "power", f["x"])


def test_coefficients_are_those_that_the_generator_makes() -> None:
    tables = {False: coefficients.DOUBLE, True: coefficients.FLOAT}
    names = ["exp", "sin", "cbrt", "arctanh", "erf_large", "ndtr", "digamma_small"]
    for single, name, numbers, error in generate_coefficients.tables(names):
        assert tables[single][name] == numbers
        assert error < (2e-5 if name == "cbrt" else 1e-8 if single else 1e-16)
    for single in (False, True):
        for name, parts in generate_coefficients.constants(single).items():
            assert tables[single][name] == parts


def test_constants_are_right() -> None:
    """Sums of the parts against mpmath, and the trailing zeros that exact products need."""
    with mpmath.workdps(60):
        exact = {"ln2_short": mpmath.log(2), "half_pi": mpmath.pi / 2, "half_pi_short": mpmath.pi / 2,
                 "log10_2_short": mpmath.log10(2), "log2e": 1 / mpmath.log(2)}  # fmt: skip
        for name, value in exact.items():
            for table, digits in ((coefficients.DOUBLE, 53), (coefficients.FLOAT, 24)):
                assert abs(mpmath.fsum(table[name]) - value) < mpmath.mpf(2) ** (-digits - 20 if digits > 24 else -35)
    assert coefficients.DOUBLE["ln2_short"][0] * 2**42 % 1 == 0
    assert coefficients.DOUBLE["half_pi_short"][0] * 2**34 % 1 == 0
    assert min(coefficients.FLOAT["half_pi"]) > 0  # the sign of sin(-0) rests on it
    assert min(coefficients.FLOAT["ln2_short"] + coefficients.DOUBLE["ln2_short"]) > 0  # and log(inf) on this
