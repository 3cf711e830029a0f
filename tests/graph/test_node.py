"""Nodes: identity, life time, source lines, threads, and traversals of very long chains."""

from __future__ import annotations

import copy
import gc
import inspect
import itertools
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
from symgrad import node as graph
from symgrad import ops
from symgrad.errors import TraceError
from symgrad.interp import evaluate
from symgrad.node import depends_on, substitute, topological

LONG = 200_000


def here() -> int:
    """The caller's line number."""
    return inspect.currentframe().f_back.f_lineno


def chain(x, length=LONG):
    for _ in range(length):
        x = ops.sin(x)
    return x


# -- identity -------------------------------------------------------------------------------------------------------
def test_same_operation_inputs_and_attributes():
    x, y = sg.symbol("x", (3,)), sg.symbol("y", (3,))
    assert (x + y) is (x + y)
    assert np.sum(x * y) is np.sum(x * y)
    assert np.sin(x) is ops.sin(x)
    assert x[1:] is x[1:]
    assert x.reshape(3, 1) is x.reshape((3, 1))
    assert (x + y) is not (y + x)
    assert x[0] is not x[1]
    assert sg.stop_gradient(x) is not sg.stop_gradient(x, 2)
    assert (x + y).same(x + y)
    assert not x.same(y)
    assert not x.same("x")


def test_symbols():
    x = sg.symbol("x")
    assert sg.symbol("x") is x
    assert sg.symbol("x", (1,)) is not x
    assert sg.symbol("x", dtype="float32") is not x
    assert sg.symbol("y") is not x
    assert sg.symbol("v", ("n",)) is sg.symbol("v", (sg.dim("n"),))
    assert [one.attrs.name for one in sg.symbols("x, y z")] == ["x", "y", "z"]
    assert sg.symbols("x, y")[0] is x
    for wrong in ("", 3, None):
        with pytest.raises(TraceError) as caught:
            sg.symbol(wrong)
        assert caught.value.what == f"symbol: {wrong!r} is not a name"


def test_symbols_are_the_same_in_every_scope():
    x = sg.symbol("x")
    one = sg.constant(1.5)
    with sg.name_scope("net"), sg.gradient_override_map({"sign": "Identity"}):
        assert sg.symbol("x") is x
        assert sg.constant(1.5) is one
        inner = x + 1
    assert sg.symbol("x") is x
    assert inner is not x + 1


def test_parameters_are_unique():
    kind = sg.TensorType((3,))
    assert ops.parameter("x", kind) is not ops.parameter("x", kind)
    assert ops.parameter("x", kind) is not sg.symbol("x", (3,))


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (float("nan"), float("nan"), True),
        (float("nan"), -float("nan"), False),
        (0.0, -0.0, False),
        (0.0, 0.0, True),
        (1, True, False),
        (1, 1.0, False),
        (0, False, False),
        (np.float32(1), 1.0, False),
        (np.float64(1), 1.0, True),
        (np.int32(1), np.int64(1), False),
        (np.int64(1), 1, True),
        (np.bool_(True), True, True),
        ([1.0, 2.0], np.array([1.0, 2.0]), True),
        ([1.0, 2.0], [[1.0, 2.0]], False),
        ([0.0, 1.0], [-0.0, 1.0], False),
        ([np.nan], [np.nan], True),
        (np.zeros((0, 3)), np.zeros((3, 0)), False),
        (np.zeros(100), np.zeros(100), True),
        (np.zeros(100), -np.zeros(100), False),
        (np.zeros(100), np.zeros(100, np.float32), False),
    ],
)
def test_constants_are_known_by_their_bits(left, right, same):
    a, b = sg.constant(left), sg.constant(right)
    assert (a is b) == same


@given(st.lists(st.floats(width=64), min_size=1, max_size=40), st.lists(st.floats(width=64), min_size=1, max_size=40))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_constants_are_equal_exactly_when_their_bytes_are(left, right):
    a, b = np.array(left), np.array(right)
    assert (sg.constant(a) is sg.constant(b)) == (a.shape == b.shape and a.tobytes() == b.tobytes())
    np.testing.assert_array_equal(evaluate([sg.constant(a)], {})[0].view(np.int64), a.view(np.int64))


def test_scalars_of_numpy_are_numbers():
    """Those of float32 are no Python floats; they are not cut to integers."""
    for value in (np.float32(-0.5), np.float64(-0.5), -0.5):
        assert ops.uniform_value(ops.number(value, np.dtype("float32"))) == -0.5
    assert ops.uniform_value(ops.number(np.int32(7), np.dtype("int64"))) == 7


def test_numbers_as_operands_keep_their_bits():
    x = sg.symbol("x")
    assert (x + 0.0) is not (x + -0.0)
    assert (x + float("nan")) is (x + float("nan"))
    assert (x * 1) is (x * 1.0)
    i = sg.symbol("i", dtype="int64")
    assert (i * 1) is not (i * 1.0)


@pytest.mark.parametrize("operand", [2**70, -(2**70)])
def test_huge_integers_act_as_in_numpy(operand):
    """A Python integer beyond 64 bits is a fine float64 operand."""
    (got,) = evaluate([sg.symbol("x") + operand], {sg.symbol("x"): 1.5})
    assert got == np.float64(1.5) + operand


def test_constants_are_copies():
    array = np.arange(3.0)
    node = sg.constant(array)
    array[0] = 99
    np.testing.assert_array_equal(evaluate([node], {})[0], [0, 1, 2])
    assert sg.constant(np.arange(3.0)) is node
    view = np.arange(6.0)[::2]
    other = sg.constant(view)
    view[0] = 7
    np.testing.assert_array_equal(evaluate([other], {})[0], [0, 2, 4])


def test_an_interpreted_value_cannot_change_a_constant():
    node = sg.constant(np.arange(300.0))
    (value,) = evaluate([node], {})
    if value.flags.writeable:
        value[:] = 0
    np.testing.assert_array_equal(evaluate([node], {})[0], np.arange(300.0))


# -- scopes and override maps ---------------------------------------------------------------------------------------
def test_scopes_belong_to_identity():
    x = sg.symbol("x")
    plain = x * 2
    with sg.name_scope("a") as path:
        assert path == "a"
        scoped = x * 2
        assert x * 2 is scoped
        with sg.name_scope("b/c") as path:
            assert path == "a/b/c"
            deeper = x * 2
    assert len({plain, scoped, deeper}) == 3
    assert [node.scope for node in (plain, scoped, deeper, x)] == ["", "a", "a/b/c", ""]
    with sg.name_scope("a"), sg.name_scope("b"), sg.name_scope("c"):
        assert x * 2 is deeper
    with sg.name_scope("a"):
        assert x * 2 is scoped
    assert x * 2 is plain


def test_override_maps_belong_to_identity():
    x = sg.symbol("x")
    plain = np.sign(x)
    with sg.gradient_override_map({"sign": "Identity"}):
        mapped = np.sign(x)
        with sg.gradient_override_map({"floor": "Identity"}):
            nested = np.sign(x)
    with sg.gradient_override_map({"Sign": "Identity"}):
        renamed = np.sign(x)
    assert plain is not mapped
    assert nested is not plain
    values = evaluate([plain, mapped, nested, renamed], {x: -2.5})
    assert [float(one) for one in values] == [-1.0] * 4
    with sg.gradient_override_map({"sign": "Identity"}):
        assert np.sign(x) is mapped


def test_scopes_end_with_an_exception():
    x = sg.symbol("x")
    with pytest.raises(ZeroDivisionError), sg.name_scope("a"):
        raise ZeroDivisionError
    assert (x * 3).scope == ""


def test_many_scopes_at_once():
    x = sg.symbol("x")
    with ExitStack() as stack:
        for k in range(500):
            stack.enter_context(sg.name_scope(f"s{k}"))
        assert (x * 3).scope == "/".join(f"s{k}" for k in range(500))


# -- life time ------------------------------------------------------------------------------------------------------
def test_unused_nodes_are_forgotten():
    x = sg.symbol("x", (3,))
    gc.collect()
    before = len(graph._table)
    for k in range(10_000):
        np.sum(x * float(k) + 1.0) ** 2
    gc.collect()
    # only numbers that are kept for reuse may remain, and none of the ten thousand expressions
    assert len(graph._table) <= before + 10
    node = x * 12345.0
    assert len(graph._table) <= before + 13
    del node


def test_inputs_live_as_long_as_their_users():
    total = np.sum(np.exp(sg.symbol("only_here", (3,))))
    gc.collect()
    (value,) = evaluate([total], {sg.symbol("only_here", (3,)): np.zeros(3)})
    assert value == 3.0


def test_a_forgotten_node_can_be_built_again():
    x = sg.symbol("x")
    for _ in range(1000):
        assert (x + 0.12345) is (x + 0.12345)


# -- source lines ---------------------------------------------------------------------------------------------------
def test_lines_name_the_users_file_and_line():
    x = sg.symbol("lines_x")
    y = np.exp(x) + 17.0; line = here()  # noqa: E702  # fmt: skip
    assert y.lines == [f"test_node.py:{line}"]
    assert y.inputs[0].lines == [f"test_node.py:{line}"]
    z = ops.sum(
        sg.symbol("lines_v", (3,))
        * 3.0
    )  # fmt: skip
    assert z.lines[0].startswith("test_node.py:")
    assert line < int(z.lines[0].split(":")[1]) <= here()


def test_every_line_that_builds_a_node_is_remembered():
    x = sg.symbol("lines_again")
    first = x * 3.25; a = here()  # noqa: E702  # fmt: skip
    second = x * 3.25; b = here()  # noqa: E702  # fmt: skip
    for _ in range(5):
        third = x * 3.25; c = here()  # noqa: E702  # fmt: skip
    assert first is second
    assert third is first
    assert first.lines == [f"test_node.py:{line}" for line in (a, b, c)]


def test_lines_stay_few():
    x = sg.symbol("lines_many")
    built = [eval(compile("\n" * k + "x * 4.75", "user.py", "eval"), {"x": x}) for k in range(50)]
    assert len(set(built)) == 1
    assert 1 <= len(built[0].lines) <= 10
    assert built[0].lines[0] == "user.py:1"


def test_lines_of_derivatives_and_of_rebuilt_nodes():
    x, y = sg.symbol("lines_p"), sg.symbol("lines_q")
    made = np.tanh(x) * 5.5; line = here()  # noqa: E702  # fmt: skip
    (moved,) = substitute([made], {x: y})
    assert moved.lines == [f"test_node.py:{line}"]


# -- equality, hashing, copies --------------------------------------------------------------------------------------
def test_equality_compares_elements_and_hashing_is_by_identity():
    x, y = sg.symbol("x", (3,)), sg.symbol("y", (3,))
    assert (x == y).dtype == bool
    (got,) = evaluate([x == y], {x: [1.0, 2.0, 3.0], y: [1.0, 0.0, 3.0]})
    np.testing.assert_array_equal(got, [True, False, True])
    assert {x: 1, y: 2}[x] == 1
    assert x in [x]
    assert hash(x) == hash(sg.symbol("x", (3,)))
    with pytest.raises(TraceError, match="Python asked for the truth of an expression"):
        assert y in [x]
    assert x is not None
    assert (x != 3).type is sg.TensorType((3,), "bool")


@pytest.mark.parametrize("other", [None, "x", b"x", {}, set()])
def test_expressions_never_equal_what_is_no_value(other):
    x = sg.symbol("x")
    assert not x == other
    assert x != other


def test_copies_are_the_node_itself():
    x = sg.symbol("x", ("n", 2))
    y = np.sum(np.exp(x) * 2.0)
    assert copy.copy(y) is y
    assert copy.deepcopy({"a": [y, x]})["a"][0] is y
    assert pickle.loads(pickle.dumps(y)) is y
    again = pickle.loads(pickle.dumps([x, y]))
    assert again[0] is x
    assert again[1] is y


def test_pickled_with_every_protocol():
    y = sg.symbol("x", ("n",)) * 2
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(y, protocol)) is y


def test_pickled_scopes_and_overrides():
    x = sg.symbol("x")
    with sg.name_scope("net"), sg.gradient_override_map({"sign": "Identity"}):
        y = np.sign(x) * 2
    assert pickle.loads(pickle.dumps(y)) is y
    assert pickle.loads(pickle.dumps(y)).scope == "net"


# -- threads --------------------------------------------------------------------------------------------------------
def test_threads_build_the_same_nodes(racing):
    """Whatever the interleaving, one operation on one set of inputs is one object."""
    x = sg.symbol("x", (3,))
    for made in racing(lambda k: (x * float(k + 1_000), sg.symbol(f"fresh{k}"), sg.constant(np.full(3, k + 0.5)))):
        for position in range(3):
            assert len({id(row[position]) for row in made}) == 1


def test_threads_build_whole_expressions(racing):
    x = sg.symbol("x", (3,))

    def build(k):
        y = x
        for j in range(8):
            y = np.sin(y * float(j + k)) + y
        return np.sum(y)

    assert all(len(set(map(id, made))) == 1 for made in racing(build))


def test_threads_have_scopes_of_their_own(racing):
    x = sg.symbol("x")
    names = itertools.count()

    def build(k):
        with sg.name_scope(f"thread{next(names)}") as path:
            return path == (x * 2).scope

    assert all(all(made) for made in racing(build))


def test_threads_that_build_and_forget():
    """While one thread drops the last user of a node, others find it or build it anew, but never hold two of it."""
    x = sg.symbol("x")
    different, failures = [], []

    def work():
        for k in range(10_000):
            first = x * 2.5
            second = x * 2.5
            if first is not second:
                different.append(k)

    hook, interval = sys.unraisablehook, sys.getswitchinterval()
    sys.unraisablehook = failures.append
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.unraisablehook = hook
        sys.setswitchinterval(interval)
    assert not different
    assert not failures


# -- substitution ---------------------------------------------------------------------------------------------------
def test_substitution():
    x, y, z = sg.symbols("x y z")
    value = np.sin(x) * y + np.sin(x)
    (moved,) = substitute([value], {x: z})
    assert moved is np.sin(z) * y + np.sin(z)
    (inner,) = substitute([value], {np.sin(x): z})
    assert inner is z * y + z
    assert substitute([value], {})[0] is value
    assert substitute([value], {z: x})[0] is value
    swapped = substitute([value, x, y], {x: y, y: x})
    assert swapped[0] is np.sin(y) * x + np.sin(y)
    assert swapped[1] is y
    assert swapped[2] is x


def test_substitution_keeps_untouched_parts_and_scopes():
    x, y = sg.symbols("x y")
    with sg.name_scope("left"):
        left = np.exp(x)
    with sg.name_scope("right"), sg.gradient_override_map({"sin": "Identity"}):
        right = np.sin(y)
    product = left * right
    with sg.name_scope("elsewhere"):
        (moved,) = substitute([product], {y: x})
    assert moved.inputs[0] is left
    assert moved.inputs[1].scope == "right"
    assert moved.inputs[1].op.name == "sin"
    assert moved.inputs[1] is not np.sin(x)
    assert moved.scope == ""


def test_substitution_by_itself_changes_nothing():
    x = sg.symbol("x")
    y = np.sin(x) + 1
    assert substitute([y], {x: x})[0] is y


@given(st.data())
@settings(derandomize=True, deadline=None, max_examples=60)
def test_substituted_values(data):
    """Replacing placeholders by expressions gives the value at the expressions' values."""
    x, y = sg.symbols("x y")
    pool = [x, y, sg.constant(0.5)]
    for _ in range(data.draw(st.integers(1, 8))):
        a, b = (data.draw(st.sampled_from(pool)) for _ in range(2))
        pool.append(data.draw(st.sampled_from([ops.add, ops.multiply, ops.subtract, ops.maximum]))(a, b))
    inner = data.draw(st.sampled_from(pool))
    (moved,) = substitute([pool[-1]], {x: inner})
    point = {x: 0.75, y: -1.25}
    (at,) = evaluate([inner], point)
    (want,) = evaluate([pool[-1]], {x: at, y: -1.25})
    assert evaluate([moved], point)[0] == want


# -- traversals -----------------------------------------------------------------------------------------------------
def test_topological_order():
    x, y = sg.symbols("x y")
    shared = np.sin(x)
    value = shared * y + shared
    order = topological([value, shared, value])
    assert len(order) == len(set(order)) == 5
    assert {one.op.name for one in order} == {"symbol", "sin", "multiply", "add"}
    place = {node: k for k, node in enumerate(order)}
    assert all(place[one] < place[node] for node in order for one in node.inputs)
    assert {*topological([value], shared.same)} == {shared, y, shared * y, value}
    assert depends_on(order, [y]) == {y, shared * y, value}
    assert topological([]) == []


@pytest.fixture(scope="module")
def long_chain():
    x = sg.symbol("x")
    return x, chain(x)


def test_long_chain_topological(long_chain):
    x, end = long_chain
    order = topological([end])
    assert len(order) == LONG + 1
    assert order[0] is x
    assert order[-1] is end
    assert len(depends_on(order, [x])) == LONG + 1


def test_long_chain_substitute(long_chain):
    x, end = long_chain
    y = sg.symbol("y")
    (moved,) = substitute([end], {x: y})
    order = topological([moved])
    assert len(order) == LONG + 1
    assert order[0] is y


def test_long_chain_value(long_chain):
    x, end = long_chain
    want = np.float64(0.5)
    for _ in range(LONG):
        want = np.sin(want)
    assert evaluate([end], {x: 0.5})[0] == want


def test_long_chain_text(long_chain):
    _, end = long_chain
    assert len(str(end)) < 500
    assert len(repr(end)) < 300


def test_long_chain_dies():
    """In a process of its own, where a crash of the interpreter is seen."""
    program = """
        import gc
        import symgrad as sg
        from symgrad import node, ops
        x = sg.symbol("x")
        before = len(node._table)
        y = x
        for _ in range(200_000):
            y = ops.sin(y)
        assert len(node._table) >= before + 200_000
        del y
        gc.collect()
        print(len(node._table) - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 0


def test_wide_and_shared_graphs():
    """A graph with 2**200 paths is walked once per node."""
    x = sg.symbol("x")
    y = x
    for _ in range(200):
        y = y + y
    assert len(topological([y])) == 201
    (moved,) = substitute([y], {x: sg.symbol("z")})
    assert evaluate([moved], {sg.symbol("z"): 1.0})[0] == 2.0**200
    wide = ops.concatenate([sg.symbol(f"w{k}", (1,)) for k in range(2000)])
    assert len(topological([wide])) == 2001
