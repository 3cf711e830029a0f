"""Kernels that name the forward line of their first NaN or infinity: faults planted in programs, and what is no fault.

A program is written as source text around one faulty line, so that its line number is known; the operation, the kind of
value and whether the derivative is to blame are worked out by hand, in the tables.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_same
from linking import needs_linker

import symgrad as sg
from codegen.lower.canonical import canonical
from codegen.lower.evaluate import run
from codegen.lower.finite import finite_check
from codegen.lower.partition import Request, partition
from symgrad import ops, types
from symgrad.backend import find_backend
from symgrad.node import apply
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops.source import parameter

# -- planted faults -------------------------------------------------------------------------------------------------
# The faulty line, where v is finite; the operation that is to blame; what it makes.
FORWARD = [
    ("np.log(0 * {v})", "log", "infinite"),
    ("np.log(-1 - {v} * {v})", "log", "NaN"),
    ("np.log1p(-1 + 0 * {v})", "log1p", "infinite"),
    ("np.log2(0 * {v})", "log2", "infinite"),
    ("np.log10(-2 - {v} * {v})", "log10", "NaN"),
    ("np.sqrt(-1 - {v} * {v})", "sqrt", "NaN"),
    ("{v} / (0 * {v})", "divide", "infinite"),
    ("(0 * {v}) / (0 * {v})", "divide", "NaN"),
    ("np.exp(1e4 + {v})", "exp", "infinite"),
    ("np.exp2(1e4 + {v})", "exp2", "infinite"),
    ("np.expm1(1e4 + {v})", "expm1", "infinite"),
    ("np.cosh(1e4 + {v})", "cosh", "infinite"),
    ("np.sinh(1e4 + {v})", "sinh", "infinite"),
    ("np.arcsin(2 + {v} * {v})", "arcsin", "NaN"),
    ("np.arccos(2 + {v} * {v})", "arccos", "NaN"),
    ("np.arctanh(1 + 0 * {v})", "arctanh", "infinite"),
    ("np.arccosh(-1 - {v} * {v})", "arccosh", "NaN"),
    ("(0 * {v}) ** -1.5", "power", "infinite"),
    ("(-1 - {v} * {v}) ** 0.5", "power", "NaN"),
    ("np.remainder(1 + {v}, 0 * {v})", "remainder", "NaN"),
    ("np.square({huge} + {v})", "square", "infinite"),
    ("np.hypot({top} + {v}, {top} + {v})", "hypot", "infinite"),
    ("{v} + np.sum({top} + {v})", "sum", "infinite"),
    ("{v} * np.prod({huge} + {v})", "prod", "infinite"),
    ("{v} + ({huge} + {v}) @ ({huge} + {v})", "matmul", "infinite"),
    ("(A + {huge}) @ ({huge} + {v})", "matmul", "infinite"),
    ("{v} + np.mean({top} + {v})", "mean", "infinite"),
    ("{v} + sg.norm({huge} * (1 + {v} * {v}))", "norm", "infinite"),
]
# The forward value is finite, the derivative is not: the forward operation, what makes the value, the kind.
BACKWARD = [
    ("np.sqrt(0 * {v})", "sqrt", "divide", "infinite"),
    ("(0 * {v}) ** 0.5", "power", "power", "infinite"),
    ("(0 * {v}) ** 0.25", "power", "power", "infinite"),
    ("np.arcsin(1 + 0 * {v})", "arcsin", "divide", "infinite"),
    ("np.arccos(1 + 0 * {v})", "arccos", "divide", "infinite"),
    ("np.arccosh(1 + 0 * {v})", "arccosh", "divide", "infinite"),
    ("np.arctan2(0 * {v}, 0 * {v})", "arctan2", "divide", "NaN"),
    ("1 / (1 / {huge} + 0 * {v})", "divide", "divide", "infinite"),
    ("np.log(1 / {top} / 64 + 0 * {v})", "log", "divide", "infinite"),
]
# Lines that keep finite values finite; the second ones also keep what is not finite so.
HARMLESS = ["np.tanh({v})", "np.exp(-{v} * {v})", "np.maximum({v}, 0.25)", "sg.where({v} > 0, {v}, -{v})"]
FAITHFUL = ["0.5 * {v} + 0.25", "{v} - 0.125", "A @ {v}", "np.sin({v})", "-{v}", "{v}[::-1]", "np.arctan({v}) + {v}"]


def planted(fault: str, seed: int, dtype: str) -> tuple[Callable[..., Any], int]:
    """A program with the fault in a random line, and the number of that line."""
    rng = np.random.default_rng(seed)
    limits = np.finfo(dtype)
    numbers = {"top": f"{limits.max * 0.9!r}", "huge": f"{np.sqrt(float(limits.max)) * 4!r}"}
    numbers = {name: re.sub(r"np\.float\d+\((.*)\)", r"\1", text) for name, text in numbers.items()}
    before = [str(rng.choice(HARMLESS + FAITHFUL)) for _ in range(rng.integers(5))]
    after = [str(rng.choice(FAITHFUL)) for _ in range(rng.integers(5))]
    lines = ["def program(x, A):", "    v0 = 0.5 * x + 0.25"]
    for one in [*before, fault, *after]:
        lines.append(f"    v{len(lines) - 1} = {one.format(v=f'v{len(lines) - 2}', **numbers)}")
    lines.append(f"    return np.sum(v{len(lines) - 2})")
    space: dict[str, Any] = {"__name__": "planted", "np": np, "sg": sg}
    exec(compile("\n".join(lines), "/somewhere/planted.py", "exec"), space)
    return space["program"], 3 + len(before)


def blamed(kernel: Any, *arrays: Any) -> str:
    """The first line of the message that a call fails with."""
    with pytest.raises(sg.NonFiniteError) as caught:
        kernel(*arrays)
    return caught.value.what


def symbols(name: str, dtype: str, size: Any = None) -> list[Any]:
    """A vector and a matrix, of sizes that nobody else has: nodes of other tests may still live."""
    n = size or f"n_{name}"
    return [sg.symbol(f"x_{name}", (n,), dtype), sg.symbol(f"A_{name}", (n, n), dtype)]


def arrays(dtype: str, size: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(size)
    return [rng.uniform(0.3, 0.8, size).astype(dtype), rng.uniform(0.1, 0.3, (size, size)).astype(dtype)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", range(len(FORWARD)))
def test_planted_in_the_value(row: int, dtype: str) -> None:
    fault, operation, kind = FORWARD[row]
    program, line = planted(fault, row, dtype)
    x, A = symbols(f"f{row}", dtype, 3 if row % 2 else None)
    value = program(x, A)
    kernel = sg.compile([value, sg.gradients(value, [x])[0]], [x, A], check_finite=True)
    expected = f"{operation}: the first {kind} value is made at planted.py:{line}"
    assert blamed(kernel, *arrays(dtype)) == expected


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("row", range(len(BACKWARD)))
def test_planted_in_the_derivative(row: int, both: bool, dtype: str) -> None:
    fault, operation, maker, kind = BACKWARD[row]
    program, line = planted(fault, 100 + row, dtype)
    x, A = symbols(f"b{row}{both}", dtype)
    value = program(x, A)
    slope = sg.gradients(value, [x])[0]
    given = arrays(dtype)
    assert np.isfinite(sg.compile(value, [x, A], check_finite=True)(*given))
    kernel = sg.compile([value, slope] if both else slope, [x, A], check_finite=True)
    assert (
        blamed(kernel, *given)
        == f"derivative of {operation} (planted.py:{line}): the first {kind} value is made by {maker}"
    )


# -- what is no fault -----------------------------------------------------------------------------------------------
X = sg.symbol("x_controls", ("n_controls",))
FINE: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "a branch not taken": (lambda x: sg.where(x > 0, np.log(x), 0), [0.0, 1.0]),
    "its derivative": (lambda x: sg.gradients(np.sum(sg.where(x > 0, np.log(x), 0)), [x])[0], [0.0, 1.0]),
    "the other branch": (lambda x: sg.where(x <= 0, 0, 1 / x), [0.0, 2.0]),
    "an infinity that is minimised away": (lambda x: np.minimum(1 / x, 3), [0.0, 2.0]),
    "an infinite argument": (lambda x: np.minimum(x, 3), [np.inf, 2.0]),
    "a mask of infinities": (lambda x: np.sum(np.exp(sg.where(x > 0, x, -np.inf))), [-1.0, 2.0]),
    "an infinite start": (lambda x: np.min(sg.where(x > 0, x, np.inf)), [-1.0, 2.0]),
    "an infinity divided by": (lambda x: 1 / np.exp(x), [1e4, 2.0]),
    "an element that is not read": (lambda x: np.log(x)[1:], [0.0, 2.0]),
    "an unused expression": (lambda x: x[1] + 0 * x[1], [np.nan, 2.0]),
    "overflow that a rewrite avoids": (lambda x: np.log(1 + np.exp(x)), [1e4, 2.0]),
    "softplus by logaddexp": (lambda x: sg.logsumexp(x), [1e4, 2.0]),
    "no float at all": (lambda x: x > 0, [np.nan, 2.0]),
    "a test for NaN": (lambda x: sg.where(np.isnan(x), 0, x), [np.nan, 2.0]),
}


@pytest.mark.parametrize("name", list(FINE))
def test_finite_results_are_not_reported(name: str) -> None:
    make, values = FINE[name]
    result = make(X)
    given = np.array(values)
    made = sg.compile(result, [X], check_finite=True)(given)
    assert np.all(np.isfinite(made))
    assert_same(made, sg.compile(result, [X])(given))


def test_overflow_that_a_rewrite_avoids_does_not_hide_another() -> None:
    x, y = sg.symbol("x_hide", ("n",)), sg.symbol("y_hide", ("n",))
    result = np.log(1 + np.exp(x)) + 1 / y
    kernel = sg.compile(result, [x, y], check_finite=True)
    assert re.fullmatch(r"divide: the first infinite value .*", blamed(kernel, np.full(2, 1e4), np.array([1.0, 0.0])))


def test_the_fault_of_the_element_that_reaches_the_result() -> None:
    """The logarithm's infinity becomes 0; another element is divided by 0."""
    x = sg.symbol("x_element", ("n",))
    a = np.log(x)
    b = 1 / a
    kernel = sg.compile(np.sum(b), [x], check_finite=True)
    assert kernel(np.array([0.0, np.e])) == 1
    assert blamed(kernel, np.array([0.0, 1.0])).startswith("divide: the first infinite value is made at test_check")


def test_of_two_faults_the_first_is_named() -> None:
    x = sg.symbol("x_two", ("n",))
    result = np.sum(np.exp(np.sqrt(x)))
    kernel = sg.compile(result, [x], check_finite=True)
    assert blamed(kernel, np.array([-1.0, 1e8])).startswith("sqrt: the first NaN")
    assert blamed(kernel, np.array([1.0, 1e8])).startswith("exp: the first infinite")


def test_a_mask_of_infinities_is_not_blamed_for_an_overflow() -> None:
    x = sg.symbol("x_mask", ("n",))
    kernel = sg.compile(np.sum(np.exp(sg.where(x > 0, x, -np.inf))), [x], check_finite=True)
    assert blamed(kernel, np.array([1e4, -1.0])).startswith("exp: the first infinite value")
    widest = sg.compile(np.min(sg.where(x > 0, x, np.inf)), [x], check_finite=True)
    assert blamed(widest, np.array([-1.0])).startswith("constant: the first infinite value")


# -- arguments and state --------------------------------------------------------------------------------------------
def test_arguments_are_named() -> None:
    x, y = sg.symbol("x_named", ("n",)), sg.symbol("y_named")
    kernel = sg.compile(np.sum(np.log(x) * y), [x, y], check_finite=True)
    assert blamed(kernel, np.array([0.0, np.nan]), 1.0) == "argument 'x_named': the first NaN value is in it"
    assert blamed(kernel, np.array([1.0, 2.0]), np.inf) == "argument 'y_named': the first infinite value is in it"
    with pytest.raises(FloatingPointError, match="argument 'y_named'"):
        kernel(np.ones(2), np.nan)


def test_nothing_is_written_when_a_call_fails() -> None:
    w = sg.variable("check_finite_w", [1.0, 4.0])
    count = sg.variable("check_finite_count", 0, trainable=False)
    x = sg.symbol("x_state", (2,))
    new = w - np.log(x)
    kernel = sg.compile([np.sum(w), new], [x], updates=[(w, new), (count, count + 1)], check_finite=True)
    total, made = kernel(np.array([1.0, np.e]))
    assert_same(total, 5.0)
    assert_same(made, np.array([1.0, 3.0]))
    assert_same(w.value, np.array([1.0, 3.0]))
    out = (np.array(7.0), np.array([8.0, 9.0]))
    with pytest.raises(sg.NonFiniteError, match=r"^log: the first infinite value is made at test_check_finite\.py"):
        kernel(np.array([1.0, 0.0]), out=out)
    assert_same(w.value, np.array([1.0, 3.0]))
    assert count.value == 1
    assert [float(out[0]), *out[1]] == [7, 8, 9]
    w.value = np.array([np.nan, 1.0])
    assert blamed(kernel, np.ones(2)) == "variable 'check_finite_w': the first NaN value is in it"


def test_an_update_alone() -> None:
    w = sg.variable("check_finite_alone", [1.0, 4.0])
    kernel = sg.compile((), [], updates=[(w, np.sqrt(w) - 1)], check_finite=True)
    kernel()
    assert_same(w.value, np.array([0.0, 1.0]))
    w.value = np.array([-4.0, 1.0])
    with pytest.raises(sg.NonFiniteError, match=r"^sqrt: the first NaN value"):
        kernel()
    assert_same(w.value, np.array([-4.0, 1.0]))


# -- every operation ------------------------------------------------------------------------------------------------
find_backend("llvm")  # registers everything that registers anything


def cases() -> list[Any]:
    """An operation of each name with float results, on its first arguments; of the elementwise ones, every fourth."""
    whole = [op for op in REGISTRY.values() if op.kind is not Kind.ELEMENTWISE]
    chosen = whole + [op for op in REGISTRY.values() if op.kind is Kind.ELEMENTWISE][::4]
    found = [(op, next(iter(op.samples(np.random.default_rng(7))), None)) for op in chosen]
    return [pytest.param(op, one, id=op.name) for op, one in found if one is not None and one.arrays]


@pytest.mark.parametrize(("op", "sample"), cases())
def test_every_operation(op: Any, sample: Any) -> None:
    """The check leaves results as they are, and blames arguments for what they bring."""
    given = [np.asarray(array) for array in sample.arrays]
    inputs = [parameter(f"x{k}", types.of(types.as_dtype(one.dtype), one.shape)) for k, one in enumerate(given)]
    node = apply(op, tuple(inputs), sample.attrs)
    if types.is_tuple(node.type):
        node = ops.item(node, 0)
    try:
        plain = sg.compile(node, inputs)
    except sg.CompileError:
        assert op.lowering == "host"
        return
    kernel = sg.compile(node, inputs, check_finite=True)
    want = plain(*given)
    if np.all(np.isfinite(want)):
        assert_same(kernel(*given), want)
    floats = [k for k, one in enumerate(given) if one.dtype.kind == "f"]
    for k in floats:
        poisoned = [np.full_like(one, np.nan) if j == k else one for j, one in enumerate(given)]
        if not np.all(np.isfinite(plain(*poisoned))):
            assert blamed(kernel, *poisoned) == f"argument 'x{k}': the first NaN value is in it"


# -- kinds of programs ----------------------------------------------------------------------------------------------
def test_empty_arrays() -> None:
    x, y = sg.symbol("x_empty", ("n",)), sg.symbol("y_empty", (0, 3))
    kernel = sg.compile([np.sum(np.log(x)), 1 / y], [x, y], check_finite=True)
    total, rest = kernel(np.zeros(0), np.zeros((0, 3)))
    assert total == 0
    assert rest.shape == (0, 3)
    assert blamed(kernel, np.zeros(1), np.zeros((0, 3))).startswith("log: the first infinite")


def test_matrices_of_many_shapes() -> None:
    x, A = sg.symbol("x_shapes", ("m_shapes",)), sg.symbol("A_shapes", ("n_shapes", "m_shapes"))
    hidden = np.tanh(A @ x)
    scaled = A / np.sum(A, axis=1, keepdims=True)
    result = np.sum(scaled.T @ hidden) + np.sum(scaled, axis=0) @ x
    slopes = sg.gradients(result, [x, A])
    plain, kernel = (sg.compile([result, *slopes], [x, A], check_finite=check) for check in (False, True))
    rng = np.random.default_rng(5)
    given = rng.uniform(1, 2, 40), rng.uniform(1, 2, (30, 40))
    for one, other in zip(kernel(*given), plain(*given), strict=True):
        assert_same(one, other)
    given[1][7] = 0
    assert blamed(kernel, *given).startswith("divide: the first NaN value is made at test_check_finite.py")


def test_indices_are_checked_first() -> None:
    x, i = sg.symbol("x_index", ("n",)), sg.symbol("i_index", ("m",), "int64")
    kernel = sg.compile(np.sum(np.log(x[i])), [x, i], check_finite=True)
    with pytest.raises(sg.KernelIndexError):
        kernel(np.zeros(3), np.array([0, 3]))
    assert blamed(kernel, np.array([0.0, 1.0]), np.array([1, 0])).startswith("log: the first infinite")
    assert kernel(np.array([0.0, 1.0]), np.array([1, 1])) == 0


def test_vmap_jacobian_and_second_order() -> None:
    x = sg.symbol("x_orders", ("n",))
    each = sg.vmap(lambda v: np.log(v) * 2)(x)
    assert blamed(sg.compile(each, [x], check_finite=True), np.zeros(2)).startswith("log: the first infinite value is")
    y = sg.symbol("y_orders", (2,))
    root = np.sqrt(y)
    table = sg.compile(sg.jacobian(root, y), [y], check_finite=True)
    assert_same(table(np.array([1.0, 4.0])), np.diag([0.5, 0.25]))
    assert re.fullmatch(
        r"derivative of sqrt \(test_check_finite.py:\d+\): the first infinite value is made by divide",
        blamed(table, np.array([0.0, 1.0])),
    )
    z = sg.symbol("z_orders")
    (first,) = sg.gradients(z**1.5, [z])
    (second,) = sg.gradients(first, [z])
    assert sg.compile(first, [z], check_finite=True)(0.0) == 0
    assert re.fullmatch(
        r"derivative of \w+ in the derivative of power \(test_check_finite.py:\d+\): the first infinite value is made by "
        r"\w+",
        blamed(sg.compile(second, [z], check_finite=True), 0.0),
    )


def test_rules_of_the_users_own() -> None:
    def scaled(node: Any, head: Any) -> Any:
        return head / (0 * node.inputs[0])

    x = sg.symbol("x_rules", (2,))
    value = np.sum(np.tanh(x))
    slope = sg.gradients(value, [x], rules=sg.Rules({"tanh": scaled}))[0]
    assert re.fullmatch(
        r"derivative of scaled \(test_check_finite.py:\d+\): the first infinite value is made by divide",
        blamed(sg.compile(slope, [x], check_finite=True), np.ones(2)),
    )

    @sg.custom_gradient
    def halved(v: Any) -> Any:
        return np.exp(v) / 2, lambda head: head * np.exp(v) / 2

    kernel = sg.compile(np.sum(halved(x)), [x], check_finite=True)
    assert blamed(kernel, np.array([0.0, 1e4])).startswith("exp: the first infinite value is made at test_check_finite")


def test_callbacks() -> None:
    x = sg.symbol("x_callback", (2,))
    y = sg.callback(lambda values: values / 2, [np.log(x)], x)
    z = sg.callback(lambda values: np.full_like(values, np.inf), [x], x)
    assert blamed(sg.compile(y, [x], check_finite=True), np.array([0.0, 1.0])).startswith(
        "log: the first infinite value"
    )
    made = sg.compile(np.sum(z * y), [x], check_finite=True)
    assert re.match(
        r"\w*callback: the first infinite value is made at test_check_finite.py", blamed(made, np.ones(2) * 2)
    )


def test_the_loop_program_says_the_same() -> None:
    """The stage that reports, by the loop IR's own interpreter: a status, and nothing written."""
    x = sg.symbol("x_loops", (20,))
    result = np.sum(np.log(x))
    check = finite_check([result])
    assert check is not None
    output, *nodes = canonical([result, *check.nodes]).outputs
    lowered = partition(Request((output,), (x,), check=check.with_nodes(nodes)))
    for value, status_text in ((1.0, None), (0.0, "infinite"), (-1.0, "NaN")):
        out = np.full((), 7.0)
        status = run(lowered.program, {("input", 0): np.full(20, value), ("output", 0): out}, {})
        if status_text is None:
            assert (status, out) == (0, 0)
        else:
            assert lowered.messages[status - 1].text.startswith(f"log: the first {status_text} value is made at")
            assert out == 7


def test_long_scalar_programs() -> None:
    x = sg.symbol("x_long")
    y = x
    for _ in range(150):
        y = np.sqrt(x + y)
    y = np.log(y - y)
    for _ in range(150):
        y = y * x + 1
    kernel = sg.compile(y, [x], check_finite=True)
    assert blamed(kernel, 2.0).startswith("log: the first infinite value is made at test_check_finite.py")


def test_without_the_option_nothing_changes() -> None:
    x = sg.symbol("x_plain", ("n",))
    result = np.sum(np.log(x))
    plain, checked = (sg.compile(result, [x], check_finite=check) for check in (False, True))
    assert "Report" in checked.loop_ir
    assert "Report" not in plain.loop_ir
    assert plain.llvm_ir == sg.compile(result, [x]).llvm_ir
    assert plain(np.zeros(2)) == -np.inf


# -- ahead of time --------------------------------------------------------------------------------------------------
@needs_linker
def test_ahead_of_time(tmp_path: Path) -> None:
    x = sg.symbol("x", ("n",))
    value = np.sum(np.sqrt(x))
    kernel = sg.compile([value, *sg.gradients(value, [x])], [x], check_finite=True)
    files = sg.export(tmp_path, {"roots": kernel})
    spec = importlib.util.spec_from_file_location("roots", files["python"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    total, slope = module.roots(np.array([1.0, 4.0]))
    assert total == 3
    assert_same(slope, np.array([0.5, 0.25]))
    for bad in (0.0, -1.0, np.inf):
        given = np.array([1.0, bad])
        with pytest.raises(FloatingPointError) as caught:
            module.roots(given)
        assert str(caught.value) == blamed(kernel, given)
    shared = ctypes.CDLL(str(files["shared"]))
    shared.roots_error.restype = ctypes.c_char_p
    given, out = np.array([1.0, 0.0]), [np.full((), 5.0), np.full(2, 5.0)]
    pointers = [ctypes.c_void_p(one.ctypes.data) for one in (given, *out)]
    shared.roots_workspace.restype = ctypes.c_int64
    room = np.zeros(shared.roots_workspace(ctypes.c_int64(2)) + 64, np.uint8)
    work = ctypes.c_void_p(room.ctypes.data + -room.ctypes.data % 64)
    status = shared.roots(*pointers, ctypes.c_int64(2), work)
    assert shared.roots_error(status).decode() == blamed(kernel, given)
    assert "derivative of sqrt (test_check_finite.py:" in blamed(kernel, given)
    assert [float(out[0]), *out[1]] == [5, 5, 5]
    assert "(finite): derivative of sqrt" in files["header"].read_text()
