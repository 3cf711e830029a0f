"""One test for every operation in the registry, from its own samples.

NumPy and numbers of 110 digits are the judges of values, differences of such numbers of derivatives, a Python loop of
vectorisation; the interpreter and compiled code are both judged.  docs/support.md is made of the same checks.
"""

from __future__ import annotations

import numpy as np
import pytest
import support_table
from op_cases import cases_of, point_of
from op_checks import WITHOUT_EXACT, exact_or_none
from op_shapes import check_vectorised

import symgrad as sg
from symgrad import types
from symgrad.interp import evaluate
from symgrad.opdef import REGISTRY, Linear

OPERATIONS = tuple(REGISTRY)  # when tests are collected: tests may register their own
CASES = [pytest.param(name, k, id=f"{name}-{k}") for name, op in REGISTRY.items() for k in range(len(cases_of(op)))]
FLOATS = ["float64", "float32"]
CONVOLUTIONS = ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter")  # whose filters have known sizes


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "k"), CASES)
def test_value(name, k, dtype):
    """NumPy's type, NumPy's value, and within a few units in the last place of the exact one, also in compiled code."""
    made = support_table.value(name, k, dtype)
    case = support_table.case(name, k)
    assert (made == "interpreted") <= (case.op.lowering == "host")
    assert (made == "no float") <= all(a.dtype.kind != "f" for a in case.arrays)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "k"), CASES)
def test_derivatives(name, k, dtype):
    """Both modes, first and second order, interpreted and compiled, against differences of many digits."""
    made = support_table.slopes(name, k, dtype)
    case = support_table.case(name, k)
    smooth = case.smooth and any(a.dtype.kind == "f" and a.size for a in case.arrays)
    if smooth and types.is_float(point_of(case).node.dtype) and not isinstance(case.op.derivative, sg.opdef.Constant):
        assert set(made) <= {"yes", "zero", "interpreted", "only x1", "not here"}


def test_few_operations_have_no_exact_meaning():
    """Of floating results; of the others, finite differences judge derivatives."""
    points = {name: point_of(cases_of(REGISTRY[name])[0]) for name in OPERATIONS}
    floating = {name: point for name, point in points.items() if types.is_float(point.node.dtype)}
    without = {name for name, point in floating.items() if exact_or_none(point) is None}
    assert without == WITHOUT_EXACT


@pytest.mark.parametrize(("name", "k"), CASES)
def test_vectorised(name, k):
    """Over a new axis of any subset of the inputs, against a loop."""
    assert check_vectorised(support_table.case(name, k)) in ("yes", "no operand")


@pytest.mark.parametrize(("name", "k"), CASES)
def test_dynamic_shapes(name, k):
    """One kernel for every size: axes longer than 1 become dynamic dimensions."""
    made = support_table.dynamic(name, k)
    assert made != "refused sizes" or name == "reshape" or name in CONVOLUTIONS  # sizes that cannot be compared
    assert made not in ("some axes", "first axis") or name in CONVOLUTIONS


@pytest.mark.parametrize("name", OPERATIONS)
def test_support(name):
    """The operation's line of docs/support.md is what the checks find, and says something in every cell."""
    found = support_table.row(name)
    assert [one for one in found[:-1] if one not in support_table.LEGEND] == []
    lines = support_table.PAGE.read_text(encoding="utf-8").split("\n")
    assert [one for one in lines if one.startswith(f"| `{name}` |")] == [support_table.line(name, found)]


def test_support_is_complete():
    """One line for each operation, in order, below the text that explains them."""
    page = support_table.PAGE.read_text(encoding="utf-8")
    assert [one.split("`")[1] for one in page.split("\n") if one.startswith("| `")] == list(OPERATIONS)
    assert page.startswith(support_table.head())


LINEAR = [op for op in REGISTRY.values() if isinstance(op.derivative, Linear)]


@pytest.mark.parametrize("op", LINEAR, ids=lambda op: op.name)
def test_adjoint_identity(op):
    """<u, op(v)> = <transpose(u), v> for every linear argument."""
    for case in cases_of(op):
        inputs, arrays, node = point = point_of(case)
        (value,) = evaluate([node], point.values())
        head = np.random.default_rng(2).normal(size=value.shape)
        linear = op.derivative.arguments if op.derivative.arguments is not None else range(len(inputs))
        total = 0.0
        for i in linear:
            (cotangent,) = sg.gradients(node, [inputs[i]], [head], unconnected="zero")
            (back,) = evaluate([cotangent], point.values())
            inner = float(np.sum(back * arrays[i]))
            if op.derivative.joint:
                total += inner
            else:
                np.testing.assert_allclose(inner, np.sum(head * value), rtol=1e-10, atol=1e-10)
        if op.derivative.joint:
            np.testing.assert_allclose(total, np.sum(head * value), rtol=1e-10, atol=1e-10)
