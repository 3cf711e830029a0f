"""Why a derivative is what it is: planted causes are found, each with its kind and line, and ``gradients`` agrees."""

from __future__ import annotations

import inspect
import random

import numpy as np
import pytest
from comparing import said

import symgrad as sg
from symgrad import types
from symgrad.diff.paths import STATUSES
from symgrad.interp import evaluate
from symgrad.node import apply, topological
from symgrad.opdef import REGISTRY, Kind

FLOAT = np.dtype("float64")


@sg.register_gradient("SteeringTwice")
def twice(node, head):
    return 2 * head


@sg.register_gradient("SteeringNothing")
def nothing(node, head):
    return None


@sg.custom_gradient(untrue="to tell it from the derivative")
def sevenfold(x):
    return np.tanh(x), lambda head: 7 * head


def line_of(function):
    return f"test_why.py:{function.__code__.co_firstlineno}"


def is_float(node):
    return not types.is_tuple(node.type) and types.is_float(node.type.dtype)


def agrees(report, y, x, **settings):
    """The report says what ``gradients`` does."""
    (slope,) = sg.gradients(y, [x], **settings)
    assert report.connected == (slope is not None)
    return slope


# -- one cause in front of every operation, and behind it -----------------------------------------------------------
def overridden(rule):
    def build(u):
        with sg.gradient_override_map({"negative": rule}):
            return np.negative(u)

    return build


TWICE, NOTHING = overridden("SteeringTwice"), overridden("SteeringNothing")
OVERRIDE_LINE = f"test_why.py:{TWICE.__code__.co_firstlineno + 2}"


# name: what is built on the way, the status and kind that follow, and its line
PLANTED = {
    "stop": (lambda u: sg.stop_gradient(u), "stopped", "stop_gradient"),
    "integer cast": (lambda u: u.astype("int64").astype("float64"), "disconnected", "integer cast"),
    "narrow cast": (lambda u: (u.astype("int32") + 1).astype("float64"), "disconnected", "integer cast"),
    "bool cast": (lambda u: u.astype("bool").astype("float64"), "disconnected", "integer cast"),
    "comparison": (lambda u: (u > 0.1).astype("float64"), "disconnected", "comparison"),
    "condition": (lambda u: sg.where(u <= 0.1, 1.0, 2.0), "disconnected", "comparison"),
    "two comparisons": (lambda u: ((u > 0.1) & ~(u > 0.1)).astype("float64"), "disconnected", "comparison"),
    "position": (lambda u: np.argmax(u) * np.ones(u.shape), "disconnected", "argmax"),
    "order": (lambda u: np.argsort(u.reshape(-1)).reshape(u.shape) * 0.5, "disconnected", "argmax"),
    "truth": (lambda u: np.logical_not(u).astype("float64"), "disconnected", "comparison"),
    **{
        name: (lambda u, name=name: getattr(np, name)(u), "zero", "piecewise constant")
        for name in ("sign", "floor", "ceil", "rint", "trunc")
    },
    "floor division": (lambda u: u // 0.7, "zero", "piecewise constant"),
    "override": (TWICE, "overridden", "override map"),
    "override with None": (NOTHING, "stopped", "override map"),
    "custom gradient": (lambda u: sevenfold(u), "overridden", "custom_gradient"),
    "argument": (lambda u: u * 1.5, "stopped", "stop_gradients="),
    "rules stop": (lambda u: u * 1.5, "stopped", "Rules stop"),
    "rules override": (lambda u: -u, "overridden", "Rules override"),
}
SETTINGS = {
    "argument": lambda node: {"stop_gradients": [node]},
    "rules stop": lambda node: {"rules": sg.Rules(stops=[node])},
    "rules override": lambda node: {"rules": sg.Rules({node: "SteeringTwice"})},
}


def arguments():
    """Every floating argument of every operation, by its first sample."""
    for op in list(REGISTRY.values()):
        for sample in list(op.samples(np.random.default_rng(0)))[:1]:
            for k, array in enumerate(sample.arrays):
                if np.asarray(array).dtype == FLOAT and (op.name, k) != (
                    "zeta",
                    0,
                ):  # which has no derivative and says so
                    yield pytest.param(op, sample, k, id=f"{op.name}-{k}")


every_argument = pytest.mark.parametrize(("op", "sample", "k"), list(arguments()))


def node_of(op, sample, k, build):
    """The operation with ``build`` between a new symbol and argument k, where its type allows; its result, made a float."""
    arrays = [np.asarray(array) for array in sample.arrays]
    inputs = [sg.constant(array) for array in arrays]
    x = sg.symbol("planted", arrays[k].shape)
    planted = build(x)
    inputs[k] = planted
    return x, planted, apply(op, tuple(inputs), sample.attrs)


@every_argument
def test_planted_in_front_of_every_operation(op, sample, k):
    x, _, plain = node_of(op, sample, k, lambda u: u)
    if not is_float(plain) or sg.gradients(plain, [x])[0] is None:
        return
    for cause in PLANTED:
        planted_in_front(op, sample, k, cause, sg.why(plain, x).status)


def planted_in_front(op, sample, k, cause, before):
    build, status, kind = PLANTED[cause]
    x, planted, y = node_of(op, sample, k, build)
    settings = SETTINGS.get(cause, lambda node: {})(planted)
    report = sg.why(y, x, **settings)
    agrees(report, y, x, **settings)
    assert report.status == max(status, before, key=STATUSES.index), cause
    if before == "zero" and status in ("zero", "overridden"):  # one path shows both
        (path,) = report.paths
        assert path.at is y
        assert any(one is planted for one in path.nodes)
        return
    found = next(path for path in report.paths if path.kind == kind and path.at is not y)
    assert (OVERRIDE_LINE if build in (TWICE, NOTHING) else line_of(build)) in found.at.lines
    assert found.nodes[0] is y
    assert found.nodes[-1] is x
    for user, one in zip(found.nodes, found.nodes[1:], strict=False):
        assert any(one is own for own in user.inputs)


@every_argument
def test_planted_behind_every_operation(op, sample, k):
    x, _, inner = node_of(op, sample, k, lambda u: u)
    if is_float(inner) and op.name != "stop_gradient":
        for cause in PLANTED:
            planted_behind(inner, x, cause, sg.why(inner, x).status)


def planted_behind(inner, x, cause, before):
    build, status, kind = PLANTED[cause]
    planted = build(inner)
    y = np.sum(planted)
    settings = SETTINGS.get(cause, lambda node: {})(planted)
    report = sg.why(y, x, **settings)
    agrees(report, y, x, **settings)
    if status in ("stopped", "disconnected"):
        assert report.status == status, cause
        assert {path.kind for path in report.paths} == {kind}
        assert (OVERRIDE_LINE if build in (TWICE, NOTHING) else line_of(build)) in report.paths[0].at.lines
    else:
        assert report.status == max(status, before, key=STATUSES.index), cause


@pytest.mark.parametrize("make", [lambda u: sg.constant(np.ones(u.shape)), lambda u: sg.symbol("another", u.shape)])
@every_argument
def test_planted_constants_and_strangers(op, sample, k, make):
    x, _, y = node_of(op, sample, k, make)
    report = sg.why(y, x)
    if is_float(y):
        assert agrees(report, y, x) is None
    assert (report.status, report.paths) == ("disconnected", ())
    stranger = any(node.op.name == "symbol" for node in topological([y]))
    source = f"another ({line_of(make)})" if stranger else "constants only"
    assert report.reason == f"no y is made from it, but from {source}"


@pytest.mark.parametrize("name", [op.name for op in REGISTRY.values() if op.kind is not Kind.SOURCE])
def test_the_zoo_of_results_without_derivative(name):
    """An operation whose result is no float ends every path, and is named."""
    op = REGISTRY[name]
    for sample in op.samples(np.random.default_rng(0)):
        for k, array in enumerate(sample.arrays):
            if np.asarray(array).dtype != FLOAT:
                continue
            x, _, y = node_of(op, sample, k, lambda u: u)
            if is_float(y):
                continue
            report = sg.why(y, x)
            assert report.status == "disconnected"
            assert [path.at.op.name for path in report.paths] == [name]


# -- several causes -------------------------------------------------------------------------------------------------
def test_classes_of_paths_are_listed_from_best_to_worst():
    x = sg.symbol("x", (3,))
    parts = [np.floor(x), TWICE(x), sg.stop_gradient(x), (x > 0).astype("float64"), np.sin(x)]
    report = sg.why(sum(parts[1:], parts[0]), x)
    assert [path.status for path in report.paths] == ["connected", "overridden", "zero", "stopped", "disconnected"]
    assert report.status == "connected"
    for k, status in [(4, "overridden"), (3, "stopped"), (2, "zero")]:
        rest = {"overridden": parts[:4], "stopped": parts[2:4], "zero": [parts[0], *parts[2:4]]}[status]
        report = sg.why(sum(rest[1:], rest[0]), x)
        assert report.status == status, k


def test_what_lies_behind_a_cut_is_said_too():
    x = sg.symbol("x", (3,))
    y = np.sum(sg.stop_gradient(np.floor(x).astype("int64").astype("float64")))
    (path,) = sg.why(y, x).paths
    happened = {step.operation: step.happened for step in path if step.happened}
    assert list(happened) == ["stop_gradient", "cast", "floor"]
    assert path.step.operation == "stop_gradient"


def test_an_override_of_values_without_derivatives_is_never_asked():
    x = sg.symbol("x", (3,))
    with sg.gradient_override_map({"cast": "SteeringTwice"}):
        y = x.astype("int64")
    report = sg.why(y.astype("float64"), x)
    assert report.status == "disconnected"
    assert report.paths[0].step.happened == (
        "cast from float64 to int64; overridden by an override map with 'SteeringTwice', which is never asked"
    )


def test_what_a_custom_gradient_has_captured_is_cut():
    """The rule speaks for the arguments alone."""
    x, w = sg.symbols("x w")

    @sg.custom_gradient
    def scaled(u):
        return np.exp(u) * w, lambda head: head * w

    y = scaled(x)
    assert sg.why(y, x).status == "overridden"
    report = sg.why(y, w)
    assert agrees(report, y, w) is None
    assert (report.status, report.paths[0].kind) == ("stopped", "custom_gradient")


def test_a_custom_gradient_stands_for_its_values():
    """That the values' own paths end there is no news where the rule gives something to the argument."""
    x = sg.symbol("x", (3,))
    report = sg.why(sevenfold((x > 0).astype("float64")), x)
    assert [(path.status, path.kind) for path in report.paths] == [("disconnected", "comparison")]


def test_integer_sources():
    n = sg.symbol("n", (3,), dtype="int64")
    b = sg.symbol("b", (3,), dtype="bool")
    for y, status, kind in [
        (n * n + 1, "connected", "declared rules"),
        (n.astype("float64") * 2, "disconnected", "integer cast"),
        (np.sin(n), "disconnected", "integer cast"),
        (sg.where(n > 0, 1.0, 2.0), "disconnected", "comparison"),
        (n // 2, "disconnected", "integer arithmetic"),
    ]:
        report = sg.why(y, n)
        assert (report.status, report.paths[0].kind) == (status, kind)
        assert report.notes == ("the source is int64: its derivatives pass integer arithmetic only",)
        if y.op.name != "floor_divide":
            agrees(report, y, n)
    report = sg.why(sg.where(~b, 1.0, 2.0), b)
    assert report.paths[0].kind == "element type"
    assert report.paths[0].step.operation == "symbol b"


def test_several_ys_and_intermediate_xs():
    x, a = sg.symbol("x", (3,)), sg.symbol("a")
    hidden = np.sin(x)
    assert sg.why([hidden * 2, a], a).status == "connected"
    assert sg.why([hidden * 2, a], hidden).status == "connected"
    assert sg.why(hidden * 2, hidden, stop_gradients=[hidden]).status == "connected"
    assert sg.why(hidden * 2, x, stop_gradients=[hidden]).status == "stopped"
    assert sg.why(hidden, hidden).status == "connected"
    assert sg.why(sg.stop_gradient(x, order=2), x).status == "connected"


def test_forms_that_differentiate_better_do_not_hide_the_way():
    """Derivatives of log(exp(x)) and norm(x)**2 are made from other expressions; the paths are those that were written."""
    x = sg.symbol("x", (3,))
    for y, names in [
        (np.log(np.exp(x)), ["log", "exp", "symbol x"]),
        (np.log(np.sum(np.exp(x))), ["log", "sum", "exp", "symbol x"]),
        (np.linalg.norm(x) ** 2, ["power", "norm", "symbol x"]),
    ]:
        report = sg.why(y, x)
        assert [step.operation for step in report.paths[0]] == names
        assert len(report.paths) == 1
        between = y.inputs[0]
        for settings in ({"stop_gradients": [between]}, {"rules": sg.Rules(stops=[between])}):
            report = sg.why(y, x, **settings)
            assert report.status == "stopped"
            agrees(report, y, x, **settings)


def test_ys_that_are_stopped_themselves():
    x = sg.symbol("x", (3,))
    y = np.sin(x)
    report = sg.why(y, x, stop_gradients=[y])
    agrees(report, y, x, stop_gradients=[y])
    assert (report.status, report.paths[0].at is y) == ("stopped", True)


# -- no path --------------------------------------------------------------------------------------------------------
def test_namesakes_swapped_arguments_and_common_ancestors():
    x, other = sg.symbol("namesake", (3,)), sg.symbol("namesake")
    here = f"test_why.py:{inspect.currentframe().f_lineno - 1}"
    assert sg.why(x * 2, other).notes[1] == (
        f"y is made from another 'namesake': a symbol float64[3] at {here}; x is a symbol float64"
    )
    y = np.sin(x)
    assert "x is made from y: the arguments are swapped" in sg.why(x, y).notes
    assert f"x is made from namesake ({here}), and so is y, but not by way of x" in sg.why(x + 1, y).notes


def test_arrays_that_have_become_constants_are_named():
    x, z = sg.symbol("x", (3,)), sg.symbol("z", (3,))
    frozen = np.sin(np.arange(3.0))
    y = np.sum(frozen * z)
    line = inspect.currentframe().f_lineno - 1
    report = sg.why(y, x)
    assert (
        report.notes[1]
        == f"arrays that y holds as constants: {np.array2string(frozen, separator=', ')} (test_why.py:{line})"
    )


# -- against every path of small random graphs ----------------------------------------------------------------------
UNARY = [
    (np.sin, None),
    (np.negative, None),
    (sg.stop_gradient, "stopped"),
    (np.floor, "zero"),
    (np.sign, "zero"),
    (TWICE, "overridden"),
    (NOTHING, "stopped"),
]


def random_graph(choose):
    """Nodes of one shape, with what each does to derivatives that pass it."""
    nodes = [sg.symbol(name, (2,)) for name in "abc"]
    effects = {}
    for _ in range(choose.randint(4, 12)):
        if choose.random() < 0.5:
            build, effect = choose.choice(UNARY)
            node = build(choose.choice(nodes))
        else:
            build = choose.choice([np.add, np.multiply, np.subtract])
            node, effect = build(choose.choice(nodes), choose.choice(nodes)), None
        effects[node] = effect
        nodes.append(node)
    return nodes, effects


def every_path(node, x):
    """All ways from a node to x, as tuples of nodes."""
    if node is x:
        yield (x,)
        return
    for one in dict.fromkeys(node.inputs):
        for rest in every_path(one, x):
            yield (node, *rest)


def judged(path, effects):
    """The status of one path, and the first node that cuts it."""
    met = [(effects.get(node), node) for node in path[:-1]]
    cut = next((node for effect, node in met if effect == "stopped"), None)
    if cut is not None:
        return "stopped", cut
    found = {effect for effect, _ in met}
    return next((one for one in ("zero", "overridden") if one in found), "connected"), None


@pytest.mark.parametrize("seed", range(150))
def test_random_graphs(seed):
    """The status is the best of all paths; the nodes that cut are those that cut a path first."""
    choose = random.Random(seed)
    nodes, effects = random_graph(choose)
    y = nodes[-1]
    stops = choose.sample(nodes[3:], choose.randint(0, 1))
    for x in [*nodes[:3], choose.choice(nodes)]:
        known = {**effects, **{one: "stopped" for one in stops if one is not x}, x: None}
        paths = {path: judged(path, known) for path in every_path(y, x)}
        report = sg.why(y, x, stop_gradients=stops)
        slope = agrees(report, y, x, stop_gradients=stops)
        best = min((status for status, _ in paths.values()), key=STATUSES.index, default="disconnected")
        assert report.status == best
        assert {path.at for path in report.paths if path.status == "stopped"} == {
            cut for _, cut in paths.values() if cut is not None
        }
        for path in report.paths:
            assert paths[path.nodes][0] == path.status
        if report.status == "zero":
            inputs = {one: np.array([0.3, -1.7]) for one in topological([slope]) if one.op.name == "symbol"}
            np.testing.assert_array_equal(evaluate([slope], inputs)[0], 0.0)


# -- size -----------------------------------------------------------------------------------------------------------
def test_a_ladder_has_exponentially_many_paths_and_few_classes():
    x = sg.symbol("x")
    y = x
    for _ in range(200):
        y = np.sin(y) + np.cos(y)
    report = sg.why(y + sg.stop_gradient(y), x)
    assert [path.status for path in report.paths] == ["connected", "stopped"]


def test_a_long_chain():
    x = sg.symbol("x")
    y = x
    for _ in range(200_000):
        y = -y
    report = sg.why(sg.stop_gradient(y), x)
    assert (report.status, len(report.paths[0])) == ("stopped", 200_002)
    assert "... 199992 more steps" in str(report)
    assert sg.why(y, x).status == "connected"


def test_many_classes_are_counted():
    x = sg.symbol("x")
    report = sg.why(sum(sg.stop_gradient(x * k) for k in range(2, 52)), x)
    assert (report.status, len(report.paths), report.omitted) == ("stopped", 20, 30)
    assert str(report).endswith("and 30 more kinds of paths")
    assert report.reason.endswith("; 47 more kinds of paths")
    many = sg.why(sum(TWICE(x * k) for k in range(2, 52)), x)
    assert (many.status, len(many.paths), many.omitted) == ("overridden", 20, 30)


# -- what it says ---------------------------------------------------------------------------------------------------
def test_the_report_reads_as_text():
    line = inspect.currentframe().f_lineno
    x, w = sg.symbol("told", (3,)), sg.symbol("w", (3,))  # no other test makes this symbol
    y = np.sum(w * sg.stop_gradient(np.sin(x)))
    report = sg.why(y, x)
    assert str(report) == "\n".join(
        [
            "derivative of sum(w * stop_gradient(...)) by told: stopped",
            f"stopped: stop_gradient at test_why.py:{line + 2}: lets no derivative pass",
            f"    sum            test_why.py:{line + 2}",
            f"    multiply       test_why.py:{line + 2}",
            f"  > stop_gradient  test_why.py:{line + 2}  lets no derivative pass",
            f"    sin            test_why.py:{line + 2}",
            f"    symbol told    test_why.py:{line + 1}",
        ]
    )
    assert repr(report) == "<why: stopped, 1 kinds of paths>"
    assert [step.operation for step in report.paths[0][1:3]] == ["multiply", "stop_gradient"]
    assert report.paths[0][-1].node is x


def test_what_is_no_question():
    x, a = sg.symbols("x a")
    with pytest.raises(sg.GradientError) as caught:
        sg.why(x * a, [x, a])
    assert said(caught.value) == "why: x is 2 expressions\n  hint: ask for one at a time"
    with pytest.raises(sg.SymgradError, match="why: y: str 'x' is not an expression"):
        sg.why("x", x)
    with pytest.raises(sg.GradientError, match="no operation is named 'sun'"):
        sg.why(x * a, x, rules=sg.Rules(stops=["sun"]))
