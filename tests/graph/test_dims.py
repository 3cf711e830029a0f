"""Dynamic dimensions: Python's integers are the judges."""

from __future__ import annotations

import copy
import operator
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symgrad as sg
from symgrad import dims, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.interp import evaluate

CALM = settings(derandomize=True, deadline=None, max_examples=200)
NAMES = ("n", "m", "k")

# -- expressions of sizes, as trees: evaluated with dimensions and with Python's integers ---------------------------
_BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "max": dims.maximum,
    "min": dims.minimum,
    "//": operator.floordiv,
    "%": operator.mod,
}
leaves = st.one_of(st.sampled_from(NAMES), st.integers(-4, 6))


def extend(inner):
    arithmetic = st.tuples(st.sampled_from(["+", "-", "*", "max", "min"]), inner, inner)
    by_number = st.tuples(st.sampled_from(["//", "%"]), inner, st.sampled_from([-3, -2, -1, 1, 2, 3, 5]))
    by_size = st.tuples(st.sampled_from(["//", "%"]), inner, st.sampled_from(NAMES))
    return st.one_of(arithmetic, by_number, by_size)


trees = st.recursive(leaves, extend, max_leaves=7)
sizes = st.fixed_dictionaries({name: st.integers(0, 9) for name in NAMES})


def value(tree, table):
    """The tree with its names looked up in the table; Python's own max and min where these are numbers."""
    if isinstance(tree, str):
        return table[tree]
    if isinstance(tree, int):
        return tree
    name, left, right = tree
    return _BINARY[name](value(left, table), value(right, table))


def symbolic(tree):
    """The tree over dimensions; trees that divide a plain integer by a dimension or by zero are left out."""
    try:
        return value(tree, {name: sg.dim(name) for name in NAMES})
    except (TypeError, ShapeError, ZeroDivisionError):
        assume(False)


def actual(tree, table):
    """The tree over Python's integers."""
    try:
        return value(tree, table)
    except ZeroDivisionError:
        assume(False)


def at(size, table):
    return dims.evaluate(size, {sg.dim(name).terms[0][0][0]: one for name, one in table.items()})


# -- arithmetic -----------------------------------------------------------------------------------------------------
@CALM
@given(trees, sizes)
def test_arithmetic_is_that_of_integers(tree, table):
    """Sums, products, quotients, remainders, maxima and minima agree with Python's for every size."""
    want = actual(tree, table)
    try:
        got = at(symbolic(tree), table)
    except ZeroDivisionError:
        assume(False)
    assert got == want
    assert type(got) is int


@CALM
@given(trees, trees)
def test_equal_polynomials_are_one_object(left, right):
    a, b = symbolic(left), symbolic(right)
    assert a + b is b + a or a + b == b + a
    assert a * b is b * a or a * b == b * a
    assert (a + b) - b is a or isinstance(a, int)
    difference = (a + b) * (a - b) - (a * a - b * b)
    assert isinstance(difference, int)
    assert difference == 0


bent = st.recursive(
    st.one_of(st.just("n"), st.integers(-9, 12)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "max", "min"]), inner, inner),
        st.tuples(st.just("*"), st.integers(-3, 3), inner),
    ),
    max_leaves=9,
)


@CALM
@given(bent, bent)
def test_functions_of_one_dimension_that_agree_are_one_object(left, right):
    """As clipped bounds of slices do that are reached in different ways; comparisons are then decided wherever they can be."""
    a, b = symbolic(left), symbolic(right)
    pairs = [(actual(left, {"n": n}), actual(right, {"n": n})) for n in range(5000)]
    same = all(one == other for one, other in pairs)
    assert types.same_shape((a,), (b,)) is same
    steeper = [pairs[-1][0] - pairs[-2][0], pairs[-1][1] - pairs[-2][1]]
    always = all(one >= other for one, other in pairs) and steeper[0] >= steeper[1]
    never = all(one < other for one, other in pairs) and steeper[0] <= steeper[1]
    assert dims.at_least(a, b) is (True if always else False if never else None)


def test_slices_of_slices_fit_each_other():
    """The parts of a stencil, of dynamic sizes, have one shape."""
    u = sg.symbol("u", (sg.dim("n"), sg.dim("m")))
    parts = u[2:, 1:-1], u[:-2, 1:-1], u[1:-1, 2:], u[1:-1, :-2], u[1:-1, 1:-1], u[1:][:-1, 2:], u[::-1][2:, 2:]
    assert all(types.same_shape(part.shape, parts[0].shape) for part in parts)
    assert str(parts[0].shape[0]) == "max(n - 2, 0)"


@CALM
@given(trees, trees, sizes)
def test_a_decided_comparison_holds_for_every_size(left, right, table):
    """What ``<``, ``<=``, ``==`` answer without asking is true whatever the sizes turn out to be."""
    a, b = symbolic(left), symbolic(right)
    if isinstance(a, int) and isinstance(b, int):
        return
    x, y = actual(left, table), actual(right, table)
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        try:
            answer = bool(compare(a, b))
        except TraceError:
            continue
        assert answer == compare(x, y), f"{a} {compare.__name__} {b} with {table}"


@CALM
@given(trees, sizes)
def test_a_decided_truth_holds_for_every_size(tree, table):
    size = symbolic(tree)
    try:
        answer = bool(size)
    except TraceError:
        return
    assert answer == bool(actual(tree, table)), f"{size} with {table}"


def test_text():
    n, m = sg.dim("n"), sg.dim("m")
    assert str(n) == "n"
    assert str(2 * n - 3 * m + n * m - 1) == "-3*m + 2*n + m*n - 1"
    assert repr(3 - n) == "-n + 3"
    assert f"{n + 1}" == "n + 1"


def test_simplified_quotients():
    n, m = sg.dim("n"), sg.dim("m")
    assert (n * m) // m is n
    assert (2 * n + 4) // 2 is n + 2
    assert (n * m + n) // n is m + 1
    assert n // 1 is n
    assert n // n == 1
    assert isinstance(n - n, int)
    assert 0 * n == 0


def test_quotient_of_a_possibly_negative_size_is_not_taken_for_positive():
    """(n - 5) // 2 is -3 for n = 0, n // -2 is -1 for n = 2."""
    n = sg.dim("n")
    for size, witness in (((n - 5) // 2, 0), (n // -2, 2), ((n - 1) // 3, 0)):
        assert at(dims.maximum(size, 0), {"n": witness}) == 0
        with pytest.raises(TraceError):
            bool(size >= 0)


def test_remainder_of_a_number_by_a_dimension():
    n = sg.dim("n")
    for size in (1, 2, 3, 7, 10):
        assert at(7 % n, {"n": size}) == 7 % size
        assert at(7 // n, {"n": size}) == 7 // size
        assert at(divmod(n, 3)[1], {"n": size}) == size % 3


def test_powers_in_both_directions():
    """A power of dimensions is an expression: the sizes come from an array."""
    n = sg.dim("n")
    x = sg.symbol("x", (n,))
    for size in (1, 4):
        got = evaluate([n**2, 2**n], {x: np.zeros(size)})
        np.testing.assert_array_equal(got, [size**2, 2**size])


def test_division_by_zero():
    n = sg.dim("n")
    for divide in (lambda: n // 0, lambda: n % 0):
        with pytest.raises(ShapeError, match="a dimension divided by zero"):
            divide()


def test_numpy_integers_are_integers():
    """A size computed with NumPy takes part in sizes as a Python integer does."""
    n = sg.dim("n")
    assert sg.zeros((n, np.int64(2))).shape == (n, 2)
    assert bool(n >= np.int64(0))
    assert bool(n + 1 > np.int64(0))


# -- interning, names, pickling -------------------------------------------------------------------------------------
def test_names():
    assert sg.dim("n") is sg.dim("n")
    assert sg.dim("n") is not sg.dim("m")
    for wrong in ("1", "a b", "", 3, None):
        with pytest.raises(ShapeError) as caught:
            sg.dim(wrong)
        assert caught.value.what == f"dim: {wrong!r} is not a dimension's name"
        assert caught.value.hint == "use an identifier such as 'n'"


def test_anonymous_dimensions_differ():
    a, b = (sg.symbol("x", (None,)).shape[0] for _ in range(2))
    assert a is not b
    with pytest.raises(TraceError):
        bool(a == b)


@CALM
@given(trees)
def test_pickled_and_copied(tree):
    size = symbolic(tree)
    if isinstance(size, Dim):
        assert pickle.loads(pickle.dumps(size)) is size
        assert copy.copy(size) is size
        assert copy.deepcopy(size) is size
        assert hash(size) == hash(symbolic(tree))


def test_unused_dimensions_are_forgotten():
    """The tables are weak: a thousand sums and products leave nothing behind."""
    n = sg.dim("n")
    before = len(dims._dims), len(dims._atoms)
    for k in range(2, 1000):
        dims.maximum((n * k + 7) // (k + 1), k)
    assert (len(dims._dims), len(dims._atoms)) == before


def test_threads_get_one_dimension(racing):
    """Many threads that make the same dimension at once get the same object."""
    for made in racing(lambda k: (sg.dim(f"fresh{k}"), sg.dim(f"fresh{k}") * 3 + 1, sg.dim(f"fresh{k}") // 7)):
        assert len({id(one) for one, _, _ in made}) == 1
        assert len({id(one) for _, one, _ in made}) == 1
        assert len({id(one) for _, _, one in made}) == 1


# -- comparisons ----------------------------------------------------------------------------------------------------
def test_decided():
    n, m = sg.dim("n"), sg.dim("m")
    assert n >= 0
    assert not n < 0
    assert n + 1 > n
    assert n + m >= m
    assert n == n
    assert not n != n
    assert not n == n + 1
    assert n != n + 1
    assert not n == -1
    assert max(n, 0) is n
    assert min(n, n + 1) is n
    assert sorted([n + 1, n]) == [n, n + 1]
    assert bool(n + 1)
    assert n * m >= 0
    assert 2 * n >= n
    assert dims.maximum(n, m) >= 0
    assert dims.maximum(n, 3) >= 3
    assert dims.minimum(n, m) <= n


@pytest.mark.parametrize(
    ("compare", "text"),
    [
        (lambda n, m: n < m, "n < m"),
        (lambda n, m: n <= 3, "n <= 3"),
        (lambda n, m: n > 2 * m, "n > 2*m"),
        (lambda n, m: n + 1 >= m, "n + 1 >= m"),
    ],
)
def test_undecided(compare, text):
    with pytest.raises(TraceError) as caught:
        compare(sg.dim("n"), sg.dim("m"))
    assert caught.value.what == f"cannot decide whether {text}: the sizes are known only when a kernel runs"


@pytest.mark.parametrize("other", ["m", 3, 1])
def test_undecided_equality(other):
    n, right = sg.dim("n"), sg.dim(other) if isinstance(other, str) else other
    for compare in (operator.eq, operator.ne):
        with pytest.raises(TraceError) as caught:
            bool(compare(n, right))
        assert caught.value.what == f"cannot decide whether n == {other}: the sizes are known only when a kernel runs"
        assert caught.value.hint == f"sg.assume(n == {other}) states it and adds a run-time guard"


def test_equality_with_a_float_is_not_answered_by_accident():
    """n may be 1, so ``n == 1.0`` has no answer; n is never 1.5."""
    n = sg.dim("n")
    with pytest.raises(TraceError):
        bool(n == 1.0)
    assert not n == "n"
    assert n is not None
    assert not n == None  # noqa: E711


# -- what only a number has -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (int, "an integer value"),
        (operator.index, "an integer value"),
        (range, "an integer value"),
        (lambda n: [1, 2, 3][n], "an integer value"),
        (lambda n: [0] * n, "an integer value"),
        (float, "a floating value"),
        (bool, "the truth"),
        (lambda n: 1 if n else 0, "the truth"),
    ],
)
def test_refusals(ask, what):
    with pytest.raises(TraceError) as caught:
        ask(sg.dim("n"))
    assert caught.value.what == f"{what} of the dynamic dimension n: its size is known only when a kernel runs"
    assert caught.value.hint == "use array operations over the axis, or give the axis a fixed size"


def test_length_and_iteration_of_a_dynamic_axis():
    x = sg.symbol("x", ("n", 2))
    with pytest.raises(TraceError, match=r"len\(\) of a dynamic dimension n"):
        len(x)
    with pytest.raises(TraceError, match="iteration over the dynamic dimension n"):
        iter(x)
    with pytest.raises(TraceError, match="iteration over the dynamic dimension n"):
        a, b = x
    assert len(sg.symbol("y", (3, "n"))) == 3
    assert [part.shape for part in sg.symbol("y", (2, "n"))] == [(sg.dim("n"),)] * 2


def test_numpy_never_makes_an_object_array_of_dimensions():
    n = sg.dim("n")
    for make in (lambda: np.array([n, 1]), lambda: np.asarray(n), lambda: np.zeros(n), lambda: np.float64(n)):
        with pytest.raises(TypeError):
            make()


@pytest.mark.parametrize("other", ["a", [1], None, {}, b"1"])
def test_other_operands_are_refused(other):
    n = sg.dim("n")
    for combine in (operator.add, operator.sub, operator.floordiv, operator.lt):
        with pytest.raises(TypeError):
            combine(n, other)


# -- in expressions -------------------------------------------------------------------------------------------------
_OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@pytest.mark.parametrize("reflected", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("sign", _OPERATORS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
def test_a_dimension_is_a_weak_integer(dtype, sign, reflected):
    """On either side of an operator a dimension acts as the Python integer that it will be."""
    n = sg.dim("n")
    x = sg.symbol("x", (n,), dtype)
    array = np.array([1, 2, 5], dtype)
    combine = _OPERATORS[sign]
    made = combine(n, x) if reflected else combine(x, n)
    want = combine(3, array) if reflected else combine(array, 3)
    assert made.dtype == want.dtype
    np.testing.assert_array_equal(evaluate([made], {x: array})[0], want)


@pytest.mark.parametrize("function", [np.add, np.multiply, np.maximum, np.subtract, np.divide])
@pytest.mark.parametrize("reflected", [False, True], ids=["right", "left"])
def test_a_dimension_is_weak_in_ufuncs(function, reflected):
    n = sg.dim("n")
    x = sg.symbol("x", (n,), "float32")
    array = np.array([1, 2, 5], "float32")
    made = function(n, x) if reflected else function(x, n)
    want = function(3, array) if reflected else function(array, 3)
    assert made.dtype == want.dtype
    np.testing.assert_array_equal(evaluate([made], {x: array})[0], want)


@pytest.mark.parametrize("reflected", [False, True], ids=["right", "left"])
def test_a_dimension_is_weak_against_numpy_arrays(reflected):
    n = sg.dim("n")
    x = sg.symbol("x", (n,))
    for array in (np.ones(2, np.float32), np.float32(1.5), np.ones(2, np.int32)):
        made = n * array if reflected else array * n
        want = array * 3
        assert made.dtype == want.dtype
        np.testing.assert_array_equal(evaluate([made], {x: np.zeros(3)})[0], want)


def test_a_dimension_alone_is_an_int64_scalar(agree):
    n = sg.dim("n")
    x = sg.symbol("x", (n,))
    outputs = [np.sum(x) / n, n * sg.constant(np.int64(1)), np.sin(n), sg.ops.arange(n), sg.zeros((n, 2)), n / 2]
    for size in (1, 3):
        values = agree(outputs, [x], [np.arange(float(size))])
        np.testing.assert_allclose(values[0], np.mean(np.arange(float(size))))
        np.testing.assert_array_equal(values[1], np.int64(size))
        assert values[1].dtype == np.int64
        np.testing.assert_allclose(values[2], np.sin(size))
        np.testing.assert_array_equal(values[3], np.arange(size))
        np.testing.assert_array_equal(values[4], np.zeros((size, 2)))
        np.testing.assert_array_equal(values[5], size / 2)


# -- sizes of slices ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "before", [lambda x: x, lambda x: x[1:], lambda x: x[:-2], lambda x: x[1:-1], lambda x: x[::2]]
)
@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_shifted_parts_of_an_axis_are_of_one_size(before, width):
    """A stencil adds up x[2:], x[1:-1] and x[:-2], whose lengths are equal however short x is."""
    x = sg.symbol("x", ("n",))

    def stencil(y):
        parts = [y[k : -last if (last := width - 1 - k) else None] for k in range(width)]
        return sum((2.0**k * part for k, part in enumerate(parts)), 0.0)

    made = stencil(before(x))
    for size in (0, 1, 2, 3, 4, 7, 12):
        array = np.arange(1.0, size + 1)
        np.testing.assert_array_equal(evaluate([made], {x: array})[0], stencil(before(array)))
    twice = stencil(stencil(before(x)))
    array = np.arange(1.0, 30.0)
    np.testing.assert_array_equal(evaluate([twice], {x: array})[0], stencil(stencil(before(array))))


def test_pairs_of_neighbours_are_of_one_size():
    x = sg.symbol("x", ("n",))
    made = x[1::2] - x[:-1:2]
    for size in (0, 1, 2, 3, 8):
        array = np.arange(float(size)) ** 2
        np.testing.assert_array_equal(evaluate([made], {x: array})[0], array[1::2] - array[:-1:2])


def test_a_maximum_in_a_maximum():
    n = sg.dim("n")
    assert dims.maximum(dims.maximum(n - 1, 0) - 2, 0) is dims.maximum(n - 3, 0)
    assert dims.maximum(2 * dims.maximum(n - 1, 0) - n, 0) is dims.maximum(n - 2, 0)
    assert dims.maximum(dims.maximum(n - 1, 0) + 2, 0) is not dims.maximum(n + 1, 0)
    for size in range(6):
        assert at(dims.maximum(dims.maximum(n - 3, 0) - 2 * dims.maximum(n - 4, 0), 1), {"n": size}) == max(
            max(size - 3, 0) - 2 * max(size - 4, 0), 1
        )


# -- sizes in which something occurs twice --------------------------------------------------------------------------
def test_a_maximum_that_is_also_a_factor():
    """max(m - 1, 0) is no bound of k max(m - 1, 0): one operand of the maximum stands for all of its occurrences."""
    k, m = sg.dim("k"), sg.dim("m")
    short, quotient = dims.maximum(m - 1, 0), m // 3
    assert dims.at_least(short, k * short) is None
    assert dims.at_least(short - k * short, 0) is None
    assert dims.at_least(quotient * k, quotient) is None
    assert dims.at_least(2 * short, short) is True


@pytest.mark.parametrize(
    "cut", [lambda x: x[:, 1:], lambda x: x[:, :-2] + x[:, 1:-1], lambda x: x[:, ::3], lambda x: x[:, :2]]
)
@pytest.mark.parametrize("shape", [(4, 7), (1, 5), (3, 2), (0, 4), (2, 0)])
def test_parts_of_dynamic_rows_behind_one_another(cut, shape):
    """Rows of x[:, 1:] are not adjacent in x, however many there are."""
    x = sg.symbol("x", ("k", "m"))
    array = np.random.default_rng(0).normal(size=shape)
    rows = [cut(x).reshape(-1), np.sum(cut(x).reshape(-1)), np.concatenate([cut(x).reshape(-1)] * 2)]
    want = cut(array).reshape(-1)
    got = sg.compile(rows, [x])(array)
    for one, other in zip(got, [want, np.sum(want), np.concatenate([want, want])], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)
