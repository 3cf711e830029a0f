"""Every ufunc of NumPy, on every element type that it has, compiled, on numbers that are hard.

NumPy judges values, SciPy those of its own functions: zeros of both signs, infinities, NaN, subnormal numbers, the ends
of the range, halves, the smallest integers, divisors of zero, counts of shifts beyond the width.
"""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
import scipy.special
from comparing import said

import symgrad as sg
import symgrad.scipy.special
from symgrad.errors import DTypeError, TraceError
from symgrad.interp import evaluate
from symgrad.ops.declaring import ELEMENTWISE
from symgrad.types import DTYPES

UFUNCS = {f.__name__: f for f in vars(np).values() if isinstance(f, np.ufunc)}
REFUSED = {"isnat": "dates only", "bitwise_count": "unsigned result only"}
CONTRACTIONS = {"matmul", "matvec", "vecdot", "vecmat"}  # generalised: tests/graph/test_numpy_protocols.py
TYPES = {"float64": "d", "float32": "f", "int64": "l", "int32": "i", "bool": "?"}

# Units in the last place of the result that compiled code may differ from NumPy by; what is not named here has none.
ULP = {
    **dict.fromkeys(("exp", "exp2", "log", "sin", "cos", "sqrt", "cbrt", "hypot", "arctan2", "power"), 3),
    **dict.fromkeys(("expm1", "log2", "log10", "log1p", "tan", "arcsin", "arccos", "arctan", "tanh"), 4),
    **dict.fromkeys(("sinh", "cosh", "arcsinh", "arccosh", "arctanh", "logaddexp", "logaddexp2", "float_power"), 4),
}
# Sums that cancel: units are those of the largest argument.
OF_ARGUMENTS = {"logaddexp", "logaddexp2", "kl_div", "betaln"}
EITHER_ZERO = {"maximum", "minimum", "fmax", "fmin"}  # of zeros of two signs, NumPy itself gives the one or the other


def hard_floats(dtype):
    info = np.finfo(dtype)
    positive = [
        0.0, info.smallest_subnormal, 7 * info.smallest_subnormal, info.tiny / 2, info.tiny, info.eps, 1e-5, 0.1, 0.25,
        0.5, np.nextafter(dtype(1), dtype(0)), 1.0, np.nextafter(dtype(1), dtype(2)), 1.5, 2.0, 2.5, 3.0, np.pi, 10.0,
        63.5, 88.0, 100.25, 700.0, 1e6, 2.0**23 + 1, 2.0**31, 2.0**63, info.max / 2, info.max, np.inf,
    ]  # fmt: skip
    return np.array([*positive, *(-one for one in positive), np.nan], dtype)


def hard_integers(dtype):
    info = np.iinfo(dtype)
    near = [0, 1, 2, 3, 5, 6, 7, 12, 31, 32, 33, 63, 64, 65, 100, 2**20, 2**30 + 1]
    return np.array([*near, *(-one for one in near), info.max, info.max - 1, info.min, info.min + 1], dtype)


def hard(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return hard_floats(kind.type)
    return np.array([False, True]) if kind.kind == "b" else hard_integers(kind.type)


def grid(*types):
    return [one.ravel().copy() for one in np.meshgrid(*map(hard, types), indexing="ij")]


def argument_types(ufunc):
    """Every choice of element types of the operands for which NumPy has a loop with results of our types."""
    for types in itertools.product(TYPES, repeat=ufunc.nin):
        try:
            found = ufunc.resolve_dtypes((*map(np.dtype, types), *[None] * ufunc.nout))
        except TypeError:
            continue
        if all(one in DTYPES for one in found[ufunc.nin :]):
            yield types


def defined(name, arrays):
    """The arguments for which NumPy has a value."""
    if name == "power" and arrays[1].dtype.kind == "i" and arrays[0].dtype.kind != "f":
        return arrays[1] >= 0
    return np.ones(arrays[0].shape, bool)


def compiled(function, arrays):
    symbols = [sg.symbol(f"x{k}", ("n",), one.dtype) for k, one in enumerate(arrays)]
    made = function(*symbols)
    results = made if isinstance(made, tuple) else (made,)
    kernel = sg.compile(results, symbols)
    return kernel(*arrays), evaluate(results, dict(zip(symbols, arrays, strict=True)))


def assert_close(got, want, arrays, ulp, *, either_zero=False, of_arguments=False, judge=None):
    assert got.dtype == want.dtype
    if got.dtype.kind != "f":
        wrong = got != want
    else:
        with np.errstate(all="ignore"):
            unit = np.abs(np.spacing(want)) if ulp else np.zeros_like(want)
            if of_arguments:
                unit = np.fmax(unit, np.spacing(np.max(np.abs(arrays), axis=0).astype(want.dtype)))
            same = (got == want) | (np.isnan(got) & np.isnan(want)) | (np.abs(got - want) <= ulp * unit)
        if not either_zero:
            same &= (got != 0) | (want != 0) | (np.signbit(got) == np.signbit(want))
        wrong = ~same
    for k in np.flatnonzero(wrong) if judge is not None else ():
        exact = judge(*(mpmath.mpf(float(one[k])) for one in arrays))
        wrong[k] = not abs(exact - float(got[k])) <= ulp * abs(float(np.spacing(want.dtype.type(exact))))
    assert not wrong.any(), [(*(one[k] for one in arrays), got[k], want[k]) for k in np.flatnonzero(wrong)][:10]


SUPPORTED = [
    pytest.param(name, types, id=f"{name}-{'-'.join(types)}")
    for name, ufunc in sorted(UFUNCS.items())
    if name not in REFUSED and name not in CONTRACTIONS
    for types in argument_types(ufunc)
]


def test_there_is_nothing_else():
    assert {case.values[0] for case in SUPPORTED} | REFUSED.keys() | CONTRACTIONS == UFUNCS.keys()


@pytest.mark.parametrize(("name", "types"), SUPPORTED)
def test_hard_values(name, types):
    ufunc = UFUNCS[name]
    arrays = grid(*types)
    arrays = [one[defined(name, arrays)] for one in arrays]
    with np.errstate(all="ignore"):
        want = ufunc(*arrays)
    got, interpreted = compiled(ufunc, arrays)
    ulp = ULP.get(name, 0)
    for result, between, one in zip(got, interpreted, want if isinstance(want, tuple) else (want,), strict=True):
        assert_close(result, one, arrays, ulp, either_zero=name in EITHER_ZERO, of_arguments=name in OF_ARGUMENTS)
        np.testing.assert_array_equal(between, one)


def loop_less(ufunc):
    """Choices of one element type for all operands that NumPy takes, with a result that we have no type for, or refuses."""
    for dtype in TYPES:
        if (dtype,) * ufunc.nin not in set(argument_types(ufunc)):
            yield dtype


@pytest.mark.parametrize("name", sorted(UFUNCS.keys() - REFUSED.keys() - CONTRACTIONS))
def test_other_types_are_refused(name):
    """With the error of a wrong type, not a value of another type than NumPy's."""
    ufunc = UFUNCS[name]
    for dtype in loop_less(ufunc):
        with pytest.raises((DTypeError, TraceError)):
            ufunc(*(sg.symbol(f"x{k}", (3,), dtype) for k in range(ufunc.nin)))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(TraceError, match=f"np.{name} does not work on expressions"):
        UFUNCS[name](sg.symbol("n", (3,), "int64"))


WEAK = [(name, ufunc) for name, ufunc in sorted(UFUNCS.items()) if ufunc.nin == 2 and name not in CONTRACTIONS]


@pytest.mark.parametrize(("name", "ufunc"), WEAK, ids=[name for name, _ in WEAK])
@pytest.mark.parametrize("number", [2, 2.5, True], ids=repr)
@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_of_python_are_weak(name, ufunc, number, dtype):
    """On either side of an expression, a number has the effect that it has on NumPy's arrays."""
    array = np.ones(3, dtype)
    for order in ((0, 1), (1, 0)):
        x = sg.symbol("x", (3,), dtype)
        pair, symbolic = ([(value, number)[k] for k in order] for value in (array, x))
        try:
            want = ufunc(*pair)
        except TypeError:
            want = None
        known = want is not None and all(one.dtype in DTYPES for one in (want if isinstance(want, tuple) else (want,)))
        if name == "ldexp" and order == (1, 0) and number == 2 and dtype.startswith("int"):
            assert want.dtype == np.float16  # of two integers one of which is a number; here they make a float64
            assert ufunc(*symbolic).dtype == np.float64
            continue
        if not known:
            with pytest.raises((DTypeError, TraceError)):
                ufunc(*symbolic)
            continue
        made = ufunc(*symbolic)
        results = made if isinstance(made, tuple) else (made,)
        for result, one in zip(results, want if isinstance(want, tuple) else (want,), strict=True):
            assert result.dtype == one.dtype, order
            np.testing.assert_array_equal(evaluate([result], {x: array})[0], one)


# -- SciPy ----------------------------------------------------------------------------------------------------------
# Units that compiled code may differ from SciPy by, where SciPy itself is right.
SPECIAL = {
    "beta": 1000, "betaln": 60, "cbrt": 3, "digamma": 6, "entr": 4, "erf": 4, "erfc": 8, "erfcinv": 10, "erfcx": 10,
    "erfinv": 10, "exp2": 3, "expit": 4, "expm1": 4, "gamma": 16, "gammaln": 8, "gammasgn": 0, "kl_div": 16, "log1p": 4,
    "log_expit": 6, "log_ndtr": 16, "logit": 8, "ndtr": 5, "ndtri": 12, "psi": 6, "rel_entr": 8, "softplus": 4,
    "xlog1py": 5, "xlogy": 4,
}  # fmt: skip


# Where SciPy is less exact than that, mpmath decides.
JUDGES = {
    "beta": lambda a, b: mpmath.exp(JUDGES["betaln"](a, b)),
    "betaln": lambda a, b: mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b),
    "ndtr": mpmath.ncdf,
    "log_ndtr": lambda x: mpmath.log(mpmath.ncdf(x)) if x < 0 else mpmath.log1p(-mpmath.ncdf(-x)),
    "kl_div": lambda x, y: x * mpmath.log(x / y) - x + y,
}


def arity(name):
    return ELEMENTWISE["digamma" if name == "psi" else name].arity


def test_every_special_function_is_in_all_namespaces():
    for name in SPECIAL:
        assert name in sg.special.__all__
        assert name in symgrad.scipy.special.__all__
        symbols = [sg.symbol("x")] * arity(name)
        node = getattr(sg.special, name)(*symbols)
        assert node is getattr(symgrad.scipy.special, name)(*symbols)
        function = getattr(scipy.special, name)
        if isinstance(function, np.ufunc):
            assert node is function(*symbols)


def scipy_is_right(name, arrays):
    """Where SciPy's value is not wrong, which it is for some arguments near the ends of the range and near zeros."""
    x, info = arrays[0], np.finfo(arrays[0].dtype)
    inside = np.ones(x.shape, bool)
    if name in ("gamma", "gammaln", "psi", "digamma", "beta", "betaln"):
        for one in arrays:
            inside &= (one >= info.tiny) & (one < 1e6) & ((one == 1) | (np.abs(one - 1) > 2 * info.eps))
    if name == "expit":
        inside &= x >= np.log(info.tiny)
    if name in ("erfcinv", "kl_div", "rel_entr"):
        for one in arrays:
            inside &= (one == 0) | ~(np.abs(one) < info.tiny)
    return inside


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SPECIAL)
def test_hard_values_of_special_functions(name, dtype):
    arrays = grid(*[dtype] * arity(name))
    arrays = [one[scipy_is_right(name, arrays)] for one in arrays]
    with np.errstate(all="ignore"):
        want = getattr(scipy.special, name)(*arrays)
    (got,), (interpreted,) = compiled(getattr(sg.special, name), arrays)
    options = {"either_zero": True, "of_arguments": name in OF_ARGUMENTS}
    assert_close(interpreted, want, arrays, 3, **options)
    with mpmath.workdps(40):
        assert_close(got, want, arrays, SPECIAL[name], judge=JUDGES.get(name), **options)


# -- operators ------------------------------------------------------------------------------------------------------
INTEGER_OPERATORS = {
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "divmod": divmod,
    "~": lambda a, b: (~a, ~b),
    "abs": lambda a, b: (abs(a), abs(b)),
    "number // x": lambda a, b: (7 // b, 7 % b, divmod(-7, b)[1], 6 & a, 6 | a, 6 ^ a, 6 << b, 6 >> b),
    "x // number": lambda a, b: (a // 3, a % -3, *divmod(a, 2), a & 6, a | 6, a ^ 6, a << 2, a >> 2),
}


@pytest.mark.parametrize("dtype", ["int64", "int32"])
@pytest.mark.parametrize("operator", INTEGER_OPERATORS.values(), ids=INTEGER_OPERATORS)
def test_operators_on_integers(operator, dtype):
    arrays = grid(dtype, dtype)
    with np.errstate(all="ignore"):
        want = operator(*arrays)
    got, _ = compiled(operator, arrays)
    for result, one in zip(got, want if isinstance(want, tuple) else (want,), strict=True):
        assert_close(result, one, arrays, 0)


def test_operators_on_truth_values():
    arrays = grid("bool", "bool")
    got, _ = compiled(lambda a, b: (a & b, a | b, a ^ b, ~a, a & True, False | b), arrays)
    a, b = arrays
    for result, one in zip(got, (a & b, a | b, a ^ b, ~a, a, b), strict=True):
        assert_close(result, one, arrays, 0)


@pytest.mark.parametrize(
    "operator", [lambda x: x & 1, lambda x: 1 | x, lambda x: x ^ x, lambda x: ~x, lambda x: x << 1]
)
def test_bits_of_floats_are_refused(operator):
    with pytest.raises(DTypeError, match="not defined for float64 operands"):
        operator(sg.symbol("x", (3,)))


def test_the_refusal_names_the_remedy():
    with pytest.raises(DTypeError) as caught:
        np.gcd(sg.symbol("x", (3,)), 2)
    assert said(caught.value) == ("gcd: not defined for float64 operands\n  hint: convert with .astype('int64')")


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 3])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
def test_round(dtype, decimals):
    array = np.array([0.5, 1.5, -2.5, 1234.5678, -0.04, 15.0, 25.0, -15.0, 149.0]).astype(dtype)
    for function in (lambda x: np.round(x, decimals), lambda x: round(x, decimals), lambda x: x.round(decimals)):
        (got,), _ = compiled(function, [array])
        assert_close(got, np.round(array, decimals), [array], 1)


def test_python_rounding_functions():
    array = np.array([0.5, 1.5, -2.5, 7.9, -0.0])
    got, _ = compiled(lambda x: (math.floor(x), math.ceil(x), math.trunc(x), round(x)), [array])
    for result, one in zip(got, (np.floor(array), np.ceil(array), np.trunc(array), np.rint(array)), strict=True):
        assert_close(result, one, [array], 0)


FUNCTIONS = {
    "nan_to_num": [lambda x: np.nan_to_num(x), lambda x: np.nan_to_num(x, nan=-1.0, posinf=2.0, neginf=3.0)],
    "isclose": [
        lambda x: np.isclose(x, 1.0),
        lambda x: np.isclose(x, x, equal_nan=True),
        lambda x: np.isclose(x, np.inf),
        lambda x: np.isclose(1.0, x, rtol=0.5, atol=0.1),
    ],
    "fix": [np.fix],
    "sinc": [np.sinc],
    "is infinite": [np.isposinf, np.isneginf],
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_each_element(name, dtype):
    array = hard(dtype)
    for function in FUNCTIONS[name]:
        with np.errstate(all="ignore"):
            want = function(array)
        (got,), _ = compiled(function, [array])
        near = np.abs(array) < 100 if name == "sinc" else np.ones(array.shape, bool)  # beyond, π x is rounded
        assert_close(got[near], want[near], [array[near]], 8 if name == "sinc" else 0)
