"""Variables: assignment, variables without a value, scopes that select them, exclusive use."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from comparing import assert_same, said

import symgrad as sg
from symgrad.interp import evaluate

X = sg.symbol("x", (2,))


# -- assignment -----------------------------------------------------------------------------------------------------
def test_values_are_assigned_at_once():
    w = sg.variable("w", [1.0, 2.0])
    assert w.assign([3.0, 4.0]) is None
    assert_same(w.value, np.array([3.0, 4.0]))
    w.assign_add([1.0, 2.0])
    w.assign_add(10)
    assert_same(w.value, np.array([14.0, 16.0]))
    w.assign_sub(np.array([4.0, 6.0]))
    assert_same(w.value, np.array([10.0, 10.0]))
    half = sg.variable("half", np.float32(1.0))
    half.assign_add(0.5)
    assert_same(half.value, np.float32(1.5))


def test_expressions_make_updates():
    w, v = sg.variable("w", [1.0, 2.0]), sg.variable("v", [10.0, 20.0])
    step = sg.compile(w.assign_add(X)[1], [X], updates=[w.assign_add(X), v.assign_sub(w * 2)])
    assert_same(w.value, np.array([1.0, 2.0]))
    assert_same(step(np.array([5.0, 6.0])), np.array([6.0, 8.0]))
    assert_same(w.value, np.array([6.0, 8.0]))
    assert_same(v.value, np.array([8.0, 16.0]))
    sg.compile([], [], updates=[w.assign(v + 1)])()
    assert_same(w.value, np.array([9.0, 17.0]))


def test_what_cannot_be_assigned():
    w, n = sg.variable("w", [1.0, 2.0]), sg.variable("n", np.array([1, 2]))
    for call, error, what in [
        (lambda: w.assign([1.0]), sg.ShapeError, "variable 'w': a value of shape (1,) for float64[2]"),
        (lambda: w.assign_add([[1.0, 2.0]]), sg.ShapeError, "variable 'w': a value of shape (1, 2) for float64[2]"),
        (lambda: n.assign_sub(0.5), sg.DTypeError, "variable 'n': a value of float64 for int64[2]"),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert said(caught.value) == what
    assert_same(w.value, np.array([1.0, 2.0]))
    assert_same(n.value, np.array([1, 2]))
    with pytest.raises(AttributeError, match="only a variable has a value"):
        X.assign([1.0, 2.0])
    with pytest.raises(AttributeError, match="only a variable has a value"):
        (w * 2).assign_add(X)


@pytest.mark.parametrize("pair", [None, 3.0, ("a", "b", "c")])
def test_updates_that_are_no_pairs(pair):
    with pytest.raises(sg.CompileError) as caught:
        sg.compile([], [], updates=[pair])
    assert said(caught.value) == (
        f"compile: updates hold {pair!r}, which is no pair of a variable and its new value\n"
        "  hint: (w, w + 1); w.assign_add(1) changes the value at once, w.assign_add(expression) gives a pair"
    )


# -- without a value ------------------------------------------------------------------------------------------------
UNREAD = (
    "variable 'net/w' is read before it has a value\n  hint: assign one: w.value = ..., or run a kernel that updates it"
)


def unset(shape=(2,), **more):
    with sg.name_scope("net"):
        return sg.variable("w", shape=shape, **more)


def test_a_variable_without_a_value_cannot_be_read():
    w = unset()
    kernel = sg.compile(w * X, [X])
    for read in (
        lambda: w.value,
        lambda: kernel(np.ones(2)),
        lambda: evaluate([w + 1], {}),
        lambda: w.assign_add(1.0),
        lambda: sg.jit(lambda x: x * w)(np.ones(2)),
    ):
        with pytest.raises(sg.SymgradError) as caught:
            read()
        assert said(caught.value) == UNREAD
        assert caught.value.where.startswith("test_variable_state.py:")
    w.assign([3.0, 4.0])
    for _ in range(2):
        assert_same(kernel(np.array([1.0, 2.0])), np.array([3.0, 8.0]))
    assert_same(w.value, np.array([3.0, 4.0]))


def test_an_update_gives_a_value():
    w, other = unset(), unset()
    begin = sg.compile([], [X], updates=[(w, X * 2)])
    half = sg.compile([], [X], updates=[(w, X * 2), (other, other + 1)])
    with pytest.raises(sg.SymgradError, match="'net/w' is read before"):
        half(np.ones(2))
    with pytest.raises(sg.SymgradError, match="'net/w' is read before"):
        w.value  # noqa: B018 - the other kernel has not run
    begin(np.array([1.0, 2.0]))
    assert_same(w.value, np.array([2.0, 4.0]))


def test_a_kernel_keeps_its_abilities():
    w = unset()
    kernel = sg.compile({"twice": w * 2, "sum": w + X}, [X], name="later")
    assert kernel.__name__ == "later"
    w.value = [1.0, 2.0]
    made = kernel(x=np.array([10.0, 20.0]))
    assert_same(made["sum"], np.array([11.0, 22.0]))
    assert_same(made["twice"], np.array([2.0, 4.0]))


def test_a_variable_with_a_value_costs_no_check():
    """Kernels whose variables have values when they are compiled are the bare ones."""
    unset()
    w, missing = sg.variable("w", [1.0, 2.0]), unset()
    assert type(sg.compile(w * X, [X])).__name__ == "Kernel"
    assert type(sg.compile(missing * X, [X])).__name__ != "Kernel"
    missing.value = [1.0, 2.0]
    assert type(sg.compile(missing * X, [X])).__name__ == "Kernel"


@pytest.mark.parametrize(
    ("options", "type_text"),
    [
        ({}, "float64[2]"),
        ({"shape": (), "dtype": "int32"}, "int32"),
        ({"shape": (3, 4), "dtype": np.float32}, "float32[3, 4]"),
    ],
)
def test_types_without_values(options, type_text):
    assert str(unset(**options).type) == type_text


def test_derivatives_need_no_value():
    w = unset()
    (slope,) = sg.gradients(np.sum(w**2 * X), [w])
    kernel = sg.compile(slope, [X])
    w.value = [3.0, 5.0]
    assert_same(kernel(np.array([1.0, 2.0])), np.array([6.0, 20.0]))


def test_variables_that_cannot_be_made():
    static = "sg.variable(name, value), or sg.variable(name, shape=(3,), dtype='float64')"
    for call, what in [
        (lambda: sg.variable("w"), f"variable 'w': neither value nor shape is given\n  hint: {static}"),
        (lambda: sg.variable("w", shape=("n",)), f"variable 'w': its shape is not static\n  hint: {static}"),
        (
            lambda: sg.variable("w", [1.0], shape=(2,)),
            "variable 'w': a value of shape (1,), but shape=(2,)\n  hint: leave shape out: it is that of the value",
        ),
    ]:
        with pytest.raises(sg.ShapeError) as caught:
            call()
        assert said(caught.value) == what


# -- scopes ---------------------------------------------------------------------------------------------------------
def network():
    with sg.name_scope("target"), sg.name_scope("layer1"):
        frozen = sg.variable("w", [1.0, 2.0])
        hidden = frozen * X
    with sg.name_scope("online"):
        w = sg.variable("w", [3.0, 4.0])
    return frozen, w, np.sum(hidden * w + frozen * w**2)


def test_a_scope_selects_its_variables():
    frozen, w, loss = network()
    assert (frozen.name, w.name) == ("target/layer1/w", "online/w")
    assert None not in sg.gradients(loss, [frozen, w])
    for glob in ("target/*", "target/layer1/*", "target/layer1/w", "*/layer1/*"):
        on_frozen, on_w = sg.gradients(loss, [frozen, w], rules=sg.Rules(stops=[glob]))
        assert on_frozen is None
        assert_same(
            sg.compile(on_w, [X])(np.array([5.0, 6.0])),
            np.array([1.0, 2.0]) * [5.0, 6.0] + 2 * np.array([1.0, 2.0]) * [3.0, 4.0],
        )
        report = sg.why(loss, frozen, rules=sg.Rules(stops=[glob]))
        assert (report.status, report.paths[0].kind) == ("stopped", "Rules stop")
        assert report.paths[0].reason.endswith(f"stopped by Rules(stops=['{glob}'])")
        assert report.paths[0].nodes[0] is loss
        assert report.paths[0].nodes[-1] is frozen
        with pytest.raises(sg.UnconnectedGradientError, match=r"stopped by Rules\(stops="):
            sg.gradients(loss, [frozen], rules=sg.Rules(stops=[glob]), unconnected="raise")


def test_a_scope_does_not_select_its_neighbours():
    frozen, w, loss = network()
    with pytest.raises(sg.GradientError, match="'tar/\\*' selects nothing"):
        sg.gradients(loss, [w], rules=sg.Rules(stops=["tar/*"]))
    on_frozen, on_w = sg.gradients(loss, [frozen, w], rules=sg.Rules(stops=["online/*"]))
    assert on_w is None
    assert on_frozen is not None


def test_a_variable_that_is_a_selector_itself_keeps_its_own_derivative():
    """As with stop_gradients=, which is about what lies behind."""
    w = sg.variable("w", [3.0, 4.0])
    for settings in ({"stop_gradients": [w]}, {"rules": sg.Rules(stops=[w])}):
        (slope,) = sg.gradients(np.sum(w * X), [w], **settings)
        assert_same(sg.compile(slope, [X])(np.array([5.0, 6.0])), np.array([5.0, 6.0]))
        assert sg.why(np.sum(w * X), w, **settings).status == "connected"


def test_overrides_by_scope():
    x = sg.symbol("x")
    with sg.name_scope("inner"):
        y = np.sin(x)
    (slope,) = sg.gradients(y * np.cos(x), [x], rules=sg.Rules({"inner/*": lambda node, head: 7 * head}))
    assert_same(sg.compile(slope, [x])(0.5), 7 * np.cos(0.5) - np.sin(0.5) ** 2)


# -- exclusive use --------------------------------------------------------------------------------------------------
def test_reads_never_see_half_an_update():
    """A kernel writes while another thread reads: all elements that are read belong to one state."""
    w = sg.variable("w", np.zeros(200_000))
    step = sg.compile([], [], updates=[(w, w + 1)])
    done = threading.Event()

    def work():
        for _ in range(200):
            step()
        done.set()

    writer = threading.Thread(target=work)
    writer.start()
    torn = 0
    while not done.is_set():
        seen = w.value
        torn += int(seen.min() != seen.max())
    writer.join()
    assert torn == 0
    assert w.value[0] == 200.0


def test_sums_of_several_threads_are_complete():
    w = sg.variable("w", np.zeros(3))
    threads = [threading.Thread(target=lambda: [w.assign_add(1.0) for _ in range(200)]) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert_same(w.value, np.full(3, 800.0))
