"""NaN, infinities, zeros of both signs, subnormals and the largest numbers through every elementwise operation.

NumPy's and SciPy's own functions are the judges, of the sign of zeros, too.  The exceptions are those of
docs/special_values.md; where SciPy's number is not right, mpmath judges.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad import types
from symgrad.backend import find_backend
from symgrad.node import apply
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.source import parameter

find_backend("llvm")  # registers everything that registers anything

STRUCTURAL = {"masked_multiply", "zero_multiply"}  # of derivatives only: they multiply plainly where nothing is masked
INTEGERS = [0, 1, -1, 2, 5, -7, 100]
TOLERANCE = {"float64": 1e-9, "float32": 2e-4}  # accuracy is tested elsewhere


def specials(dtype: str) -> Any:
    info = np.finfo(dtype)
    edges = [0.0, info.smallest_subnormal, info.tiny / 2, info.tiny, 2.0**25, 2.0**53, info.max, np.inf]
    ordinary = [1e-20, 0.5, 1.0, 1.5, 2.0, 3.0, 7.25, 1e10]
    return np.array([*(sign * one for one in (*edges, *ordinary) for sign in (1, -1)), np.nan], dtype)


def _subnormal(x: Any) -> Any:
    return (x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)


def _tiny(x: Any) -> Any:
    return (x != 0) & (np.abs(x) <= np.finfo(x.dtype).tiny)


def _pole(x: Any) -> Any:
    return (x <= 0) & (x == np.floor(x))


def _beta(a: Any, b: Any) -> Any:
    """Poles beyond 32 bits; infinite arguments beside huge or tiny ones; gamma functions that overflow; signs of two poles."""
    far = (_pole(a) & (a < -(2.0**31))) | (_pole(b) & (b < -(2.0**31)))
    extreme = np.abs([a, b]).max(0) >= np.finfo(a.dtype).max
    return far | extreme | _tiny(a) | _tiny(b) | (_pole(a) & _pole(b))


EXCEPTIONS: dict[str, Callable[..., Any]] = {
    "gammaln": _subnormal,  # SciPy: infinite; log(1/x) is not
    "erfinv": lambda x: (x == 0) & np.signbit(x),  # SciPy: 0 for -0
    "erfcinv": lambda x: _subnormal(x) | (x == 1),  # SciPy: infinite for the smallest number, -0 for 1
    "kl_div": lambda x, y: np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0),  # SciPy: log of x/y, which overflows
    "betaln": _beta,
    "beta": _beta,
}


def cases() -> list[Any]:
    """Each elementwise operation once for each combination of kinds of arguments and attributes that its samples have."""
    found = {}
    for op in REGISTRY.values():
        if op.kind is not Kind.ELEMENTWISE or op.name in STRUCTURAL or op.lowering == "host":
            continue
        for sample in op.samples(np.random.default_rng(0)):
            dtypes = tuple(np.asarray(one).dtype for one in sample.arrays)
            if any(dtype.kind == "f" for dtype in dtypes):
                found[op.name, tuple(map(str, dtypes)), repr(sample.attrs)] = (op, dtypes, sample.attrs)
    return [pytest.param(*case, id=f"{key[0]}-{k}") for k, (key, case) in enumerate(found.items())]


def pool(dtype: np.dtype[Any], kind: str) -> Any:
    if dtype.kind == "f":
        return specials(kind)
    return np.array([True, False]) if dtype.kind == "b" else np.array(INTEGERS, dtype)


def agree(got: Any, want: Any, kind: str) -> Any:
    """The same NaN, the same infinities, the same sign, nearly the same number."""
    if want.dtype.kind != "f":
        return got == want
    with np.errstate(all="ignore"):
        near = np.isclose(got, want, rtol=TOLERANCE[kind], atol=0)
        near |= (np.abs(want) < 4 * np.finfo(kind).tiny) & (np.abs(got - want) <= 8 * np.finfo(kind).smallest_subnormal)
    return np.where(np.isnan(want), np.isnan(got), near & (np.signbit(got) == np.signbit(want)))


def compare(op: Any, dtypes: Any, attrs: Any, kind: str) -> tuple[list[Any], Any, Any, Any]:
    """Arguments, the two results, and where they agree."""
    grid = np.meshgrid(*(pool(dtype, kind) for dtype in dtypes), indexing="ij")
    arrays = [np.ascontiguousarray(one.ravel()) for one in grid]
    inputs = [parameter(f"x{k}", types.of(types.as_dtype(one.dtype), one.shape)) for k, one in enumerate(arrays)]
    node: Any = apply(op, tuple(inputs), attrs)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = np.asarray(op.evaluate(attrs, *arrays)).astype(node.dtype)
    got = sg.compile(node, inputs)(*arrays)
    return arrays, got, want, agree(got, want, kind)


@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize(("op", "dtypes", "attrs"), cases())
def test_special_values(op: Any, dtypes: Any, attrs: Any, kind: str) -> None:
    arrays, got, want, right = compare(op, dtypes, attrs, kind)
    if op.name in EXCEPTIONS:
        right = right | EXCEPTIONS[op.name](*arrays)
    wrong = np.flatnonzero(~right)
    assert not wrong.size, [(*(one[k] for one in arrays), "expected", want[k], "got", got[k]) for k in wrong[:5]]


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_every_exception_is_one(name: str) -> None:
    """An exception that is none any more has to go."""
    op = REGISTRY[name]
    sample = next(iter(op.samples(np.random.default_rng(0))))
    dtypes = tuple(np.asarray(one).dtype for one in sample.arrays)
    arrays, _, _, right = compare(op, dtypes, sample.attrs, "float64")
    excepted = EXCEPTIONS[name](*arrays)
    assert (~right & excepted).any()


@pytest.mark.parametrize(
    ("name", "args", "exact"),
    [
        ("gammaln", (5e-324,), mpmath.loggamma),
        ("erfcinv", (5e-324,), lambda x: mpmath.findroot(lambda y: mpmath.log(mpmath.erfc(y) / x), 27)),
        ("kl_div", (5e-324, 2.0), lambda x, y: x * mpmath.log(x / y) - x + y),
        ("kl_div", (2.0, 5e-324), lambda x, y: x * mpmath.log(x / y) - x + y),
        ("betaln", (1.0, -1e10), lambda a, b: mpmath.log(abs(mpmath.beta(1 - a - b, a)))),
        ("betaln", (2.0**53, -(2.0**-1022)), lambda a, b: mpmath.log(abs(mpmath.beta(a, b)))),
    ],
)
def test_where_ours_is_right(name: str, args: tuple[float, ...], exact: Callable[..., Any]) -> None:
    inputs = [sg.symbol(f"x{k}") for k in range(len(args))]
    got = sg.compile(apply(REGISTRY[name], tuple(inputs), ()), inputs)(*args)
    with mpmath.workdps(60):
        want = float(exact(*map(mpmath.mpf, args)))
    assert got == pytest.approx(want, rel=1e-12)


# -- reductions -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "mean", "argmax", "argmin", "any", "all", "cumsum", "sort"]
)
def test_reductions(name: str, kind: str) -> None:
    """Every pair of special values among ordinary numbers, at the ends and in the middle of a vector."""
    values = specials(kind)
    if name == "prod":  # another order of multiplication under- or overflows otherwise
        values = values[~((np.abs(values) > 1e10) | (np.abs(values) < 1e-20)) | np.isinf(values) | (values == 0)]
    rows = []
    for one, other in itertools.product(values, repeat=2):
        for places in ((0, 9), (4, 5), (8, 1)):
            row = np.full(10, 0.25, kind)
            row[list(places)] = one, other
            rows.append(row)
    array = np.array(rows)
    x = sg.symbol("x", ("n", 10), kind)
    got = sg.compile(getattr(np, name)(x, axis=1), [x])(array)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(array, axis=1)
        overflow = (
            np.isinf(want) & ~np.isinf(array).any(1, keepdims=want.ndim == 2) if want.dtype.kind == "f" else False
        )
    if name == "sort":  # zeros of either sign are equal: their order is not fixed
        got, want = got + 0.0, want + 0.0
    near = agree(got, want, kind)
    if want.dtype.kind == "f":
        with np.errstate(all="ignore"):  # another order of summation cancels otherwise
            near |= np.abs(got - want) <= TOLERANCE[kind] * np.abs(array).max(1, keepdims=want.ndim == 2)
    assert (near | overflow).all(), array[np.flatnonzero(~(near | overflow).reshape(len(array), -1).all(1))[:5]]
