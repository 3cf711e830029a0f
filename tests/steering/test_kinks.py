"""Kinks: the four settings, every spelling, both modes, orders 1 and 2, both float types, every road; and ``sg.kinks``.

Expected values are worked out from the one-sided derivatives of each operation, L and R, by the definitions of the
settings; none is computed by the library.
"""

from __future__ import annotations

import doctest
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from comparing import said
from roads import both_floats, every_road

import symgrad as sg

SETTINGS = ("zero", "half", "left", "right")


def convention(kink, left, right):
    """The slope that a setting takes at a kink between two one-sided ones."""
    if kink == "zero":  # of the interval between them, the element of smallest norm
        return sorted((left, right, 0.0))[1]
    return {"half": (left + right) / 2, "left": left, "right": right}[kink]


RISING = {
    "relu": sg.nn.relu,
    "maximum(x, 0)": lambda x: np.maximum(x, 0),
    "fmax": lambda x: np.fmax(x, 0.0),
    "maximum of a constant array": lambda x: np.maximum(x, np.array(0.0, "float32")),
    "clip from below": lambda x: np.clip(x, 0, None),
    "clip method": lambda x: x.clip(0, 5),
    "where >": lambda x: np.where(x > 0, x, 0),
    "where >=": lambda x: np.where(x >= 0, x, 0),
    "where <": lambda x: np.where(x < 0, 0, x),
    "where <=": lambda x: np.where(x <= 0, 0, x),
    "where not <=": lambda x: np.where(~(x <= 0), x, 0),
    "where not not >": lambda x: np.where(~~(x > 0), x, 0),
    "where, number first": lambda x: np.where(0 <= x, x, 0),  # noqa: SIM300
    "sg.where": lambda x: sg.where(x > 0, x, 0.0),
}
ABSOLUTE = {
    "abs": abs,
    "np.abs": np.abs,
    "np.fabs": np.fabs,
    "maximum(x, -x)": lambda x: np.maximum(x, -x),
    "where(x > -x)": lambda x: np.where(x > -x, x, -x),
    "root of a square": lambda x: np.sqrt(x**2),
    "root of a product": lambda x: np.sqrt(x * x),
    "root of np.square": lambda x: np.sqrt(np.square(x)),
    "power 0.5 of a square": lambda x: (x**2) ** 0.5,
    "root of a root of a fourth power": lambda x: np.sqrt(np.sqrt(x**4)),
}
# name: (function, kink, slope before it, slope behind it)
TABLE = {
    **{name: (f, 0.0, 0, 1) for name, f in RISING.items()},
    **{name: (f, 0.0, -1, 1) for name, f in ABSOLUTE.items()},
    "maximum(0, x)": (lambda x: np.maximum(0, x), 0.0, 0, 1),
    "negated minimum": (lambda x: -np.minimum(-x, 0), 0.0, 0, 1),
    "negated minimum of both signs": (lambda x: -np.minimum(-x, x), 0.0, -1, 1),
    "minimum(x, 0)": (lambda x: np.minimum(x, 0), 0.0, 1, 0),
    "fmin": (lambda x: np.fmin(x, 0.0), 0.0, 1, 0),
    "clip, lower end": (lambda x: np.clip(x, -1, 2), -1.0, 0, 1),
    "clip, upper end": (lambda x: np.clip(x, -1, 2), 2.0, 1, 0),
    "minimum of a maximum": (lambda x: np.minimum(np.maximum(x, -1), 2), 2.0, 1, 0),
    "relu6, upper end": (lambda x: np.minimum(sg.nn.relu(x), 6), 6.0, 1, 0),
}
# In these the first operand less the second falls as x grows, so that what is left of it lies behind the kink.
TURNED = {"maximum(0, x)", "negated minimum", "negated minimum of both signs"}
MODES = (("reverse", "reverse"), ("forward", "forward"), ("reverse", "forward"), ("forward", "reverse"))


def slopes(function, x, modes):
    out = [function(x)]
    for mode in modes:
        out.append(sg.jacobian(out[-1], x, mode))
    return out


@pytest.mark.parametrize("kink", SETTINGS)
@both_floats
@every_road
def test_the_table(run, dtype, kink):
    """Every entry at, before and behind its kink; orders 1 and 2 in all four combinations of modes."""
    outputs, values, want, labels = [], {}, [], []
    with sg.config.use(kink=kink):
        for k, (name, (function, point, before, behind)) in enumerate(TABLE.items()):
            at = convention(kink, behind, before) if name in TURNED else convention(kink, before, behind)
            for j, offset in enumerate((0.0, -0.25, 0.25)):
                x = sg.symbol(f"x{k}_{j}", dtype=dtype)
                expected = before if offset < 0 else behind if offset > 0 else at
                for modes in MODES if run.__name__ == "interpreted" else MODES[2:3]:
                    outputs += slopes(function, x, modes)[1:]
                    want += [expected, 0.0]
                    labels += [(name, offset, modes[:order]) for order in (1, 2)]
                values[x] = np.asarray(point + offset, dtype)
    got = run(outputs, values)
    assert {one.dtype for one in map(np.asarray, got)} == {np.dtype(dtype)}
    wrong = [row for row in zip(labels, map(float, got), want, strict=True) if row[1] != row[2]]
    assert not wrong


def test_the_conventions_themselves():
    """The numbers behind the table, in full."""
    assert [convention(kink, 0, 1) for kink in SETTINGS] == [0, 0.5, 0, 1]
    assert [convention(kink, -1, 1) for kink in SETTINGS] == [0, 0, -1, 1]
    assert [convention(kink, 1, 0) for kink in SETTINGS] == [0, 0.5, 1, 0]


@both_floats
def test_pytorch_184572_clamp_agrees_with_relu_at_both_ends(dtype):
    """Slopes at -1, 0, 1 of clip(x, -1, 1), and of its halves: zero at an end, as relu's at 0."""
    points = np.array([-2, -1, 0, 1, 2], dtype)
    for function, want in (
        (lambda x: np.clip(x, -1, 1), [0, 0, 1, 0, 0]),
        (lambda x: np.clip(x, -1, None), [0, 0, 1, 1, 1]),
        (lambda x: np.clip(x, None, 1), [1, 1, 1, 0, 0]),
        (lambda x: np.clip(x, np.array([-1, -1, 0, 0, 0], dtype), None), [0, 0, 0, 1, 1]),
        (lambda x: sg.nn.relu(x + 1) - 1, [0, 0, 1, 1, 1]),
    ):
        found = sg.grad(lambda x, f=function: np.sum(f(x)))(points)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, want)


@every_road
def test_jax_37821_spellings_agree_down_to_subnormal_numbers(run):
    """maximum(x, 0) and where(x > 0, x, 0) at 0, ±smallest subnormal and beside: 0 or 1, never between."""
    tiny = float(np.finfo("float32").smallest_subnormal)
    points = np.array([0.0, -0.0, tiny, -tiny, 1e-10, -1e-10, 1.0, -1.0], "float32")
    x = sg.symbol("x", (8,), "float32")
    found = run([sg.gradients(np.sum(f(x)), [x])[0] for f in RISING.values()], {x: points})
    for slope in found:
        np.testing.assert_array_equal(slope, [0, 0, 1, 0, 1, 0, 1, 0])


@pytest.mark.parametrize("kink", SETTINGS)
@every_road
def test_ties_between_two_arguments(run, kink):
    """max(a, b) = b + relu(a - b), min(a, b) = b - relu(b - a): shares by a, those by b are the rest to one."""
    share = {"zero": (0.5, 0.5), "half": (0.5, 0.5), "left": (0, 1), "right": (1, 0)}[kink]
    spellings = {
        True: (np.maximum, np.fmax, lambda a, b: sg.where(a > b, a, b), lambda a, b: sg.where(a <= b, b, a)),
        False: (np.minimum, np.fmin, lambda a, b: sg.where(a < b, a, b), lambda a, b: sg.where(a >= b, b, a)),
    }
    a, b = sg.symbols("a b")
    outputs, want = [], []
    with sg.config.use(kink=kink):
        for larger, functions in spellings.items():
            for function in functions:
                y = function(a, b)
                outputs += [*sg.gradients(y, [a, b]), sg.jacobian(y, a, "forward"), sg.jacobian(y, b, "forward")]
                by_a = share[0 if larger else 1]
                want += [by_a, 1 - by_a] * 2
    assert [float(one) for one in run(outputs, {a: np.float64(1.5), b: np.float64(1.5)})] == want


@pytest.mark.parametrize("kink", SETTINGS)
@every_road
def test_max_reductions_share_equally_in_every_setting(run, kink):
    x = sg.symbol("x", (2, 4))
    point = np.array([[3.0, 1.0, 3.0, 3.0], [-1.0, -1.0, -2.0, 0.0]])
    with sg.config.use(kink=kink):
        outputs = [sg.gradients(np.sum(f(x, axis=1)), [x])[0] for f in (np.max, np.min)]
        outputs += [sg.gradients(np.max(x), [x])[0], sg.gradients(np.maximum.reduce(x, axis=1), [x])[0]]
    largest, smallest, overall, reduced = run(outputs, {x: point})
    third = 1 / 3
    np.testing.assert_allclose(largest, [[third, 0, third, third], [0, 0, 0, 1]])
    np.testing.assert_allclose(smallest, [[0, 1, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_allclose(overall, [[third, 0, third, third], [0, 0, 0, 0]])
    np.testing.assert_allclose(reduced, largest)


@pytest.mark.parametrize("kink", SETTINGS)
def test_jumps_have_slope_zero_and_other_selections_are_plain(kink):
    points = np.array([-1.5, 0.0, 1.0, 2.5])
    with sg.config.use(kink=kink):
        for function in (np.sign, np.floor, np.ceil, np.rint, np.trunc):
            np.testing.assert_array_equal(sg.grad(lambda x, f=function: np.sum(f(x)))(points), np.zeros(4))
        plain = {
            "where(x >= 0, x, -x)": (lambda x: np.where(x >= 0, x, -x), 1.0),
            "where(x > 0, x, -x)": (lambda x: np.where(x > 0, x, -x), -1.0),
            "leaky": (lambda x: np.where(x > 0, x, 0.1 * x), 0.1),
            "product with a comparison": (lambda x: (x > 0).astype("float64") * x, 0.0),
            "another threshold": (lambda x: np.where(x > 0, x + 1, 1.0), 0.0),
        }
        for name, (function, want) in plain.items():
            assert sg.grad(function)(0.0) == want, name


def test_a_setting_is_read_when_the_derivative_is_formed_and_compiled_functions_know_it():
    gradient = sg.grad(sg.nn.relu)
    for kink in (*SETTINGS, *reversed(SETTINGS)):
        with sg.config.use(kink=kink):
            assert gradient(0.0) == convention(kink, 0, 1)
    x = sg.symbol("x")
    with sg.config.use(kink="half"):
        (slope,) = sg.gradients(abs(x) + sg.nn.relu(x), [x])
    assert sg.compile(slope, [x])(0.0) == 0.5
    (slope,) = sg.gradients(abs(x) + sg.nn.relu(x), [x])
    assert sg.compile(slope, [x])(0.0) == 0.0


def test_relu_is_an_operation_of_its_own():
    x = sg.symbol("x")
    with sg.gradient_override_map({"Relu": "Identity"}):
        y, other = sg.nn.relu(x), np.maximum(x, 0)
    assert y.op.name == "relu"
    slopes = sg.compile((sg.gradients(y, [x])[0], sg.gradients(other, [x])[0]), [x])(-1.0)
    assert [float(one) for one in slopes] == [1.0, 0.0]


def test_artefacts_record_the_convention(tmp_path):
    x = sg.symbol("x")
    with sg.config.use(kink="left"):
        kernel = sg.compile(sg.gradients(abs(x), [x])[0], [x])
    for kind, spec in (("made inside", kernel), ("made outside", (sg.gradients(abs(x), [x])[0], [x]))):
        files = sg.export(tmp_path / kind, {"slope": spec}, kinds=("object",))
        recorded = json.loads(files["manifest"].read_text())["kernels"][0]["kink"]
        assert recorded == ("left" if spec is kernel else "zero")


# -- the list of switching surfaces ---------------------------------------------------------------------------------
def vanishing(found, x, point):
    """The values of the surfaces at a point."""
    return [np.asarray(value) for value in sg.compile(tuple(one.surface for one in found), [x])(point)]


def test_kinks_lists_operation_surface_convention_and_line():
    x = sg.symbol("u_of_kinks")
    y = np.maximum(x - 1, 0) + abs(x)
    found = sg.kinks(y)
    assert [(one.operation, str(one.surface)) for one in found] == [
        ("maximum", "u_of_kinks - 1"),
        ("absolute", "u_of_kinks"),
    ]
    line = found[0].line
    assert line.startswith("test_kinks.py:")
    assert str(found) == (
        "maximum at u_of_kinks - 1 = 0: slope 0 by the first operand, between 0 on the left and 1 on the right (kink = 'zero')  "
        f"[{line}]\nabsolute at u_of_kinks = 0: slope 0, between -1 on the left and 1 on the right (kink = 'zero')  [{line}]"
    )
    for kink, slope in (("half", "0"), ("left", "-1"), ("right", "1")):
        with sg.config.use(kink=kink):
            assert sg.kinks(y)[1].convention.startswith(f"slope {slope}, between -1 on the left")


# function, operations, points on its surfaces (one for each), a point on none
SURFACES = {
    "relu": (sg.nn.relu, ["relu"], [0.0], 1.0),
    "maximum": (lambda x: np.maximum(2 * x, x + 1), ["maximum"], [1.0], 0.0),
    "clip": (lambda x: np.clip(x, -1, 2), ["maximum", "minimum"], [-1.0, 2.0], 0.5),
    "every spelling of a maximum": (lambda x: np.where(~(x <= 3), x, 3), ["where"], [3.0], 1.0),
    "fmax": (lambda x: np.fmax(x, 3.0), ["maximum"], [3.0], 1.0),
    "root of a square": (lambda x: np.sqrt((x - 1) ** 2), ["absolute"], [1.0], 0.0),
    "sign": (lambda x: np.sign(x - 2), ["sign"], [2.0], 0.0),
    "floor": (np.floor, ["floor"], [3.0], 2.5),
    "rint": (np.rint, ["rint"], [2.5], 3.0),
    "remainder": (lambda x: np.remainder(x, 1.5), ["remainder"], [4.5], 4.0),
    "plain select": (lambda x: np.where(x > 4, x**2, 0.0), ["greater"], [4.0], 0.0),
    "joint condition": (lambda x: np.where((x > 4) & (x <= 5), x, 0.0), ["greater", "less_equal"], [4.0, 5.0], 0.0),
    "counted condition": (lambda x: (x < 2).astype("float64"), ["less"], [2.0], 0.0),
}


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_vanish_where_the_function_switches(name):
    function, operations, on, off = SURFACES[name]
    x = sg.symbol("x")
    found = sg.kinks(function(x))
    assert [one.operation for one in found] == operations
    for k, point in enumerate(on):
        assert vanishing(found, x, point)[k] == 0
    assert all(value != 0 for value in vanishing(found, x, off))


def test_surfaces_of_a_reduction_and_of_norms():
    x = sg.symbol("x", (2, 3))
    found = sg.kinks(np.max(x, axis=1))
    (surface,) = vanishing(found, x, np.array([[1.0, 5.0, 5.0], [2.0, -1.0, 0.0]]))
    np.testing.assert_array_equal(surface, [[-4.0, 0.0, 0.0], [2.0, -3.0, -2.0]])
    assert found[0].convention == "ties share the slope equally"
    (surface,) = vanishing(sg.kinks(np.min(x)), x, np.array([[1.0, 5.0, 5.0], [2.0, 1.0, 4.0]]))
    np.testing.assert_array_equal(surface, [[0.0, 4.0, 4.0], [1.0, 0.0, 3.0]])
    for root in (sg.norm, lambda x: np.sqrt(np.sum(x**2)), lambda x: np.hypot(x[0, 0], x[0, 1])):
        (one,) = sg.kinks(root(x))
        assert one.convention == "slope 0 at the tip of a cone"
        assert vanishing([one], x, np.zeros((2, 3)))[0] == 0


def test_what_is_smooth_has_no_kinks():
    x = sg.symbol("x", (3,))
    smooth = [
        np.exp(x),
        sg.norm(x) ** 2,
        np.sqrt(np.sum(x**2)) ** 2,
        abs(x) ** 2,
        np.cos(abs(x)),
        np.sqrt(x),
        sg.logsumexp(x),
    ]
    assert sg.kinks(smooth) == []
    assert str(sg.kinks(smooth)) == "no switching surfaces"
    assert sg.kinks(np.maximum(3.0, sg.constant(2.0)) * x) == []


def test_kinks_of_functions_and_of_derivatives():
    def model(x, low):
        return sg.nn.relu(x - 1) ** 2 + np.maximum(x, low)

    found = sg.kinks(model, 0.5, 2.0)
    assert [(one.operation, str(one.surface)) for one in found] == [("relu", "x - 1"), ("maximum", "x - low")]
    assert {one.operation for one in sg.kinks(sg.grad(model), 0.5, 2.0)} == {
        "greater",
        "relu",
        "greater_equal",
        "equal",
    }
    a = sg.symbol("a")
    assert [str(one.surface) for one in sg.kinks(model, a, 2.0)] == ["a - 1", "a - 2"]
    with sg.gradient_override_map({"Sign": "Identity"}):
        y = np.sign(a)
    assert sg.kinks({"y": y})[0].convention == "overridden with 'Identity'"


def test_kinks_refuses():
    with pytest.raises(sg.GradientError) as caught:
        sg.kinks(abs)
    assert said(caught.value) == (
        "kinks: the arguments of abs are missing\n  hint: sg.kinks(f, x0): numbers and arrays of the types that it takes"
    )
    with pytest.raises(sg.GradientError) as caught:
        sg.kinks(sg.symbol("x"), 1.0)
    assert said(caught.value) == ("kinks: arguments were given with expressions\n  hint: arguments go with a function")


def test_spellings_agree_in_sums_of_many():
    """All spellings of relu in one function, whose slope at 0 is as many times the convention's."""
    for kink in SETTINGS:
        with sg.config.use(kink=kink):
            total = sg.grad(lambda x: sum(f(x) for f in itertools.chain(RISING.values(), [sg.nn.relu])))(0.0)
        assert total == (len(RISING) + 1) * convention(kink, 0, 1)


def test_the_page_on_kinks_runs():
    page = Path(__file__).parents[2] / "docs" / "kinks.md"
    outcome = doctest.testfile(str(page), module_relative=False)
    assert outcome.attempted > 8
    assert outcome.failed == 0
