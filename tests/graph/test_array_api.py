"""The array API standard on expressions: one row per function, called as the standard calls it.

NumPy's own namespace, which satisfies the standard, is the judge of values; where it lacks a parameter the row says what
the value is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from comparing import assert_same, said

import symgrad as sg
from symgrad import array_api
from symgrad.interp import evaluate


class Row(NamedTuple):
    """A call by the standard's rules, and NumPy's way to its value where that is another."""

    call: Callable[..., Any]
    want: Callable[..., Any] | None = None


VALUES = {
    "x": np.array([[0.5, -0.25, 0.75], [-0.5, 0.1, 0.9]]),
    "y": np.array([[1.5, 2.0, 0.3], [0.7, 1.1, 2.3]]),
    "n": np.array([[3, 1, 2], [1, 3, 3]]),
    "p": np.array([[True, False, True], [False, False, True]]),
    "S": np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]]),
}
SYMBOLS = {name: sg.symbol(name, value.shape, value.dtype) for name, value in VALUES.items()}
UNARY = (
    *("abs", "acos", "asin", "asinh", "atan", "atanh", "ceil", "conj", "cos", "cosh", "exp", "expm1", "floor", "imag"),
    *("isfinite", "isinf", "isnan", "log1p", "negative", "positive", "real", "round", "sign", "signbit", "sin", "sinh"),
    *("square", "tan", "tanh", "trunc"),
)
BINARY = (
    *("add", "atan2", "copysign", "divide", "equal", "floor_divide", "greater", "greater_equal", "hypot", "less"),
    *("less_equal", "logaddexp", "maximum", "minimum", "multiply", "not_equal", "remainder", "subtract"),
)
ROWS: dict[str, Row] = {
    **{name: Row(lambda xp, v, name=name: getattr(xp, name)(v["x"])) for name in UNARY},
    **{name: Row(lambda xp, v, name=name: getattr(xp, name)(v["x"], v["y"])) for name in BINARY},
    **{
        name: Row(lambda xp, v, name=name: getattr(xp, name)(v["y"] + 1)) for name in ("acosh", "log", "log2", "log10", "sqrt")
    },
    **{
        name: Row(lambda xp, v, name=name: getattr(xp, name)(v["n"], v["n"] + 1))
        for name in ("bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor")
    },
    **{
        name: Row(lambda xp, v, name=name: getattr(xp, name)(v["p"], v["x"] > 0))
        for name in ("logical_and", "logical_or", "logical_xor")
    },
    "bitwise_invert": Row(lambda xp, v: xp.bitwise_invert(v["n"])),
    "logical_not": Row(lambda xp, v: xp.logical_not(v["p"])),
    "pow": Row(lambda xp, v: xp.pow(v["y"], v["x"])),
    "clip": Row(lambda xp, v: xp.clip(v["x"], min=-0.2, max=v["y"])),
    "take": Row(lambda xp, v: xp.take(v["x"], v["n"][0, :] - 1, axis=1)),
    "matmul": Row(lambda xp, v: xp.matmul(v["x"], v["S"])),
    "matrix_transpose": Row(lambda xp, v: xp.matrix_transpose(v["x"])),
    "tensordot": Row(lambda xp, v: xp.tensordot(v["x"], v["S"], axes=1)),
    "vecdot": Row(lambda xp, v: xp.vecdot(v["x"], v["y"], axis=0)),
    "broadcast_arrays": Row(lambda xp, v: xp.broadcast_arrays(v["x"], v["S"][:1, :])),
    "broadcast_to": Row(lambda xp, v: xp.broadcast_to(v["x"], (2, 2, 3))),
    "concat": Row(lambda xp, v: xp.concat([v["x"], v["S"]], axis=0)),
    "expand_dims": Row(lambda xp, v: xp.expand_dims(v["x"], axis=1)),
    "flip": Row(lambda xp, v: xp.flip(v["x"], axis=(0,))),
    "moveaxis": Row(lambda xp, v: xp.moveaxis(v["x"], 0, 1)),
    "permute_dims": Row(lambda xp, v: xp.permute_dims(v["x"], (1, 0))),
    "repeat": Row(lambda xp, v: xp.repeat(v["x"], 2, axis=0)),
    "reshape": Row(lambda xp, v: xp.reshape(v["x"], (3, -1))),
    "roll": Row(lambda xp, v: xp.roll(v["x"], 1, axis=1)),
    "squeeze": Row(lambda xp, v: xp.squeeze(xp.expand_dims(v["x"], axis=0), 0)),
    "stack": Row(lambda xp, v: xp.stack([v["x"], v["y"]], axis=-1)),
    "tile": Row(lambda xp, v: xp.tile(v["x"], (2, 1, 2))),
    "unstack": Row(lambda xp, v: xp.unstack(v["x"], axis=1)),
    "argmax": Row(lambda xp, v: xp.argmax(v["x"], axis=0, keepdims=True)),
    "argmin": Row(lambda xp, v: xp.argmin(v["x"])),
    "searchsorted": Row(lambda xp, v: xp.searchsorted(xp.sort(v["S"][0, :]), v["x"], side="right")),
    "where": Row(lambda xp, v: xp.where(v["p"], v["x"], v["y"])),
    "argsort": Row(lambda xp, v: xp.argsort(v["n"], axis=1)),
    "argsort descending": Row(
        lambda xp, v: xp.argsort(v["n"], axis=1, descending=True), lambda v: np.argsort(-v["n"], axis=1, stable=True)
    ),
    "sort": Row(lambda xp, v: xp.sort(v["x"], axis=0)),
    "sort descending": Row(lambda xp, v: xp.sort(v["x"], descending=True), lambda v: -np.sort(-v["x"])),
    "cumulative_sum": Row(lambda xp, v: xp.cumulative_sum(v["x"], axis=1, include_initial=True)),
    "max": Row(lambda xp, v: xp.max(v["x"], axis=0, keepdims=True)),
    "mean": Row(lambda xp, v: xp.mean(v["x"], axis=(0, 1))),
    "min": Row(lambda xp, v: xp.min(v["x"])),
    "prod": Row(lambda xp, v: xp.prod(v["x"], axis=1, dtype=xp.float64)),
    "std": Row(lambda xp, v: xp.std(v["x"], axis=1, correction=1)),
    "sum": Row(lambda xp, v: xp.sum(v["n"], axis=1, keepdims=True)),
    "var": Row(lambda xp, v: xp.var(v["x"], correction=0.5)),
    "all": Row(lambda xp, v: xp.all(v["p"], axis=0)),
    "any": Row(lambda xp, v: xp.any(v["x"] > 0.8, axis=1)),
    "arange": Row(lambda xp, v: xp.arange(1, 7, 2) + v["n"]),
    "asarray": Row(lambda xp, v: xp.asarray([1.0, 2.0, 3.0], dtype=xp.float64) * xp.asarray(v["x"])),
    "empty": Row(lambda xp, v: xp.empty((2, 3)) * 0 + v["x"]),
    "empty_like": Row(lambda xp, v: xp.empty_like(v["n"]) * 0),
    "eye": Row(lambda xp, v: xp.eye(2, 3, k=1) + v["x"]),
    "full": Row(lambda xp, v: xp.full((2, 3), 2, dtype=xp.int64) + v["n"]),
    "full_like": Row(lambda xp, v: xp.full_like(v["x"], 3, dtype=xp.int32)),
    "linspace": Row(lambda xp, v: xp.linspace(0.0, 1.0, 3, endpoint=False) + v["x"]),
    "meshgrid": Row(lambda xp, v: list(xp.meshgrid(v["x"][0, :], v["y"][1, :], indexing="ij"))),
    "ones": Row(lambda xp, v: xp.ones(3, dtype=xp.float32) + v["x"]),
    "ones_like": Row(lambda xp, v: xp.ones_like(v["x"])),
    "tril": Row(lambda xp, v: xp.tril(v["x"], k=1)),
    "triu": Row(lambda xp, v: xp.triu(v["x"], k=-1)),
    "zeros": Row(lambda xp, v: xp.zeros((2, 3)) + v["x"]),
    "zeros_like": Row(lambda xp, v: xp.zeros_like(v["x"], dtype=xp.int64)),
    "astype": Row(lambda xp, v: xp.astype(v["n"], xp.float32, copy=False)),
    "from_dlpack": Row(lambda xp, v: xp.from_dlpack(VALUES["x"].copy()) + v["x"]),
    **{
        f"linalg.{name}": Row(lambda xp, v, name=name: getattr(xp.linalg, name)(v["S"]))
        for name in ("cholesky", "det", "diagonal", "inv", "matrix_norm", "matrix_transpose", "trace", "vector_norm")
    },
    "linalg.slogdet": Row(lambda xp, v: list(xp.linalg.slogdet(v["S"]))),
    "linalg.svd": Row(lambda xp, v: list(xp.linalg.svd(v["x"], full_matrices=False))),
    "linalg.svdvals": Row(lambda xp, v: xp.linalg.svdvals(v["S"])),
    "linalg.cross": Row(lambda xp, v: xp.linalg.cross(v["x"], v["y"], axis=-1)),
    "linalg.matmul": Row(lambda xp, v: xp.linalg.matmul(v["x"], v["S"])),
    "linalg.matrix_power": Row(lambda xp, v: xp.linalg.matrix_power(v["S"], -2)),
    "linalg.outer": Row(lambda xp, v: xp.linalg.outer(v["x"][0, :], v["y"][0, :])),
    "linalg.solve": Row(lambda xp, v: xp.linalg.solve(v["S"], v["x"].mT)),
    "linalg.tensordot": Row(lambda xp, v: xp.linalg.tensordot(v["x"], v["S"], axes=((1,), (0,)))),
    "linalg.vecdot": Row(lambda xp, v: xp.linalg.vecdot(v["x"], v["y"])),
    "fft.fftshift": Row(lambda xp, v: xp.fft.fftshift(v["x"], axes=1)),
    "fft.ifftshift": Row(lambda xp, v: xp.fft.ifftshift(v["x"])),
    "fft.fftfreq": Row(lambda xp, v: v["x"] + xp.fft.fftfreq(3, d=0.5)),
    "fft.rfftfreq": Row(lambda xp, v: v["x"] + xp.fft.rfftfreq(4)),
}  # fmt: skip
# What follows from element types alone.
KNOWN: dict[str, Callable[[Any, Any], Any]] = {
    "can_cast": lambda xp, v: xp.can_cast(v["n"], xp.float64),
    "finfo": lambda xp, v: xp.finfo(v["x"].dtype).eps,
    "iinfo": lambda xp, v: xp.iinfo(v["n"].dtype).max,
    "isdtype": lambda xp, v: xp.isdtype(v["x"].dtype, ("integral", xp.float64)),
    "result_type": lambda xp, v: xp.result_type(v["n"], v["x"], xp.float32),
    "__array_namespace_info__": lambda xp, v: xp.__array_namespace_info__().default_dtypes()["indexing"],
}
REFUSED: dict[str, Callable[[], Any]] = {
    name: lambda name=name: getattr(array_api, name)(SYMBOLS["x"])
    for name in ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values")
}
REFUSED |= {
    f"{space}.{name}": lambda space=space, name=name: getattr(getattr(array_api, space), name)(SYMBOLS["S"])
    for space, names in array_api.EXTENSIONS.items()
    for name in names
    if f"{space}.{name}" not in ROWS
}


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


@pytest.mark.parametrize("name", ROWS)
def test_value(name: str) -> None:
    row = ROWS[name]
    made = parts(row.call(SYMBOLS["x"].__array_namespace__(), SYMBOLS))
    want = parts(row.call(np, VALUES) if row.want is None else row.want(VALUES))
    assert all(isinstance(one, sg.Expr) for one in made)
    got = sg.compile(tuple(made), list(SYMBOLS.values()))(*VALUES.values())
    for one, other in zip(got, want, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", KNOWN)
def test_known_while_tracing(name: str) -> None:
    assert KNOWN[name](array_api, SYMBOLS) == KNOWN[name](np, VALUES)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_advice(name: str) -> None:
    with pytest.raises(sg.TraceError) as caught:
        REFUSED[name]()
    assert caught.value.hint


def test_every_name_of_the_standard_is_there_or_refused() -> None:
    names = {name for group in array_api.STANDARD.values() for name in group}
    names |= {f"{space}.{name}" for space, group in array_api.EXTENSIONS.items() for name in group}
    told = {name for name in (*ROWS, *KNOWN, *REFUSED) if " " not in name}
    assert told == names
    assert not {*ROWS, *KNOWN} & {*REFUSED}
    main = {name for group in array_api.STANDARD.values() for name in group}
    assert len(main - {*REFUSED}) >= 0.95 * len(main)


def test_the_namespace_has_the_standards_names_only() -> None:
    assert array_api.__array_api_version__ == "2023.12"
    assert array_api.pi == np.pi
    assert array_api.newaxis is None
    assert array_api.bool == np.dtype("bool")
    for name in dir(array_api):
        assert hasattr(array_api, name)
    with pytest.raises(AttributeError, match="the array API standard has no 'ptp'"):
        array_api.ptp  # noqa: B018


def test_attributes_of_arrays() -> None:
    x = SYMBOLS["x"]
    assert (x.dtype, x.device, x.ndim, x.shape, x.size) == (array_api.float64, "cpu", 2, (2, 3), 6)
    assert x.to_device("cpu") is x
    assert x.mT.shape == x.T.shape == (3, 2)
    assert x.__array_namespace__(api_version="2022.12") is array_api
    info = array_api.__array_namespace_info__()
    assert info.devices() == [info.default_device()] == ["cpu"]
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert info.dtypes()["bool"] == np.dtype(bool)
    assert info.capabilities() == {"boolean indexing": False, "data-dependent shapes": False}


def test_parameters_have_the_standards_names() -> None:
    assert list(inspect.signature(array_api.clip).parameters) == ["x", "min", "max"]
    assert {"stream", "max_version", "dl_device", "copy"} <= {*inspect.signature(SYMBOLS["x"].__dlpack__).parameters}


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_limits_are_pythons_numbers(name: str) -> None:
    found, want = array_api.finfo(np.dtype(name)), np.finfo(name)
    assert (found.bits, found.dtype) == (want.bits, want.dtype)
    for part in ("eps", "max", "min", "smallest_normal"):
        assert type(getattr(found, part)) is float
        assert getattr(found, part) == getattr(want, part)


@pytest.mark.parametrize(
    ("start", "stop", "options"),
    [
        (1.0, 9007199254740994.0, {"num": 2}),  # the end is no sum of the start and the distance
        (0.1, 0.7, {"num": 7}),
        (0.3, 0.3, {"num": 3}),
        (-1.6, 0.5, {"num": 4, "dtype": np.dtype("int64")}),  # rounded down, not towards zero
    ],
)
def test_linspace_ends_where_it_is_told_to(start: float, stop: float, options: dict[str, Any]) -> None:
    (got,) = evaluate([array_api.linspace(start, stop, **options)], {})
    want = np.linspace(start, stop, **options)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got[[0, -1]], want[[0, -1]])
    assert_same(got, want)


BAD = {
    "__array_namespace__: version '1999.1' is unknown": lambda: SYMBOLS["x"].__array_namespace__(api_version="1999.1"),
    "to_device: device 'gpu' is unknown": lambda: SYMBOLS["x"].to_device("gpu"),
    "zeros: device 'gpu' is unknown": lambda: array_api.zeros(2, device="gpu"),
    "an expression has no memory to share": lambda: np.from_dlpack(SYMBOLS["x"]),
}


@pytest.mark.parametrize("what", BAD)
def test_refusals(what: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        BAD[what]()
    assert said(caught.value).split("\n")[0] == what.replace("zeros", "full")
    assert caught.value.hint


def test_code_written_for_the_standard() -> None:
    """A function that knows no library, on NumPy's arrays and on expressions, and its derivative."""

    def softmax(x: Any) -> Any:
        xp = x.__array_namespace__()
        shifted = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        return shifted / xp.sum(shifted, axis=-1, keepdims=True)

    x = VALUES["x"]
    assert_same(sg.jit(softmax)(x), softmax(x))
    sg.check_gradients(softmax, x)
