"""Convolutions and poolings of ``sg.nn`` against loops over places, taps and channels."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.interp import evaluate
from symgrad.node import topological

both_floats = pytest.mark.parametrize("dtype", ["float64", "float32"])


class Case(NamedTuple):
    """A convolution as a user writes it."""

    image: tuple[int, int]
    kernel: tuple[int, int]
    strides: object = 1
    padding: object = "valid"
    dilation: object = 1
    groups: int = 1
    channels: tuple[int, int] = (2, 3)  # in and out, of each group
    batch: int = 2

    @property
    def options(self):
        return {name: getattr(self, name) for name in ("strides", "padding", "dilation", "groups")}

    def shapes(self):
        """Of image and filter."""
        inside, outside = self.channels
        return (self.batch, *self.image, inside * self.groups), (*self.kernel, inside, outside * self.groups)


CASES = [
    Case((5, 6), (3, 2)),
    Case((4, 5), (1, 1), channels=(3, 2)),
    Case((5, 6), (3, 3), padding="same"),
    Case((6, 5), (2, 4), padding="SAME"),  # an odd total: the larger half at the end
    Case((7, 6), (3, 3), strides=2, padding="same"),
    Case((6, 7), (3, 2), strides=(3, 2), padding="Valid"),
    Case((5, 5), (1, 2), strides=3, padding="same"),
    Case((4, 6), (3, 3), padding=((2, 0), (1, 3))),
    Case((3, 3), (2, 2), strides=2, padding=((3, 2), (4, 0))),
    Case((7, 8), (3, 2), dilation=2),
    Case((8, 7), (2, 3), strides=(2, 3), padding="same", dilation=(3, 2)),
    Case((5, 6), (3, 2), padding="same", groups=2),
    Case((6, 5), (2, 3), strides=2, padding="same", dilation=(1, 2), groups=3, channels=(1, 1)),
    Case((5, 4), (3, 3), strides=(1, 2), padding=((1, 1), (2, 0)), groups=2, channels=(1, 3)),
    Case((5, 4), (2, 2), groups=2, channels=(3, 1)),
    Case((20, 18), (3, 3), padding="same", channels=(3, 18), batch=1),  # loops rather than written-out code
    Case((19, 20), (3, 3), strides=2, padding="same", channels=(17, 2), batch=1),
]
cases = pytest.mark.parametrize("case", CASES, ids=[str(k) for k in range(len(CASES))])


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def before_and_places(case):
    """Padding in front, and number of places, of each axis."""
    made = []
    axes = zip(case.image, case.kernel, both(case.strides), both(case.dilation), range(2), strict=True)
    for size, taps, stride, rate, axis in axes:
        reach = (taps - 1) * rate + 1
        if isinstance(case.padding, tuple):
            before, after = case.padding[axis]
        elif case.padding.lower() == "valid":
            before = after = 0
        else:
            wanted = -(-size // stride)
            total = max((wanted - 1) * stride + reach - size, 0)
            before, after = total // 2, total - total // 2
        made.append((before, (before + size + after - reach) // stride + 1))
    return made


def terms(case):
    """All products of the trilinear form: indices of head, image and filter."""
    (top, rows), (left, columns) = before_and_places(case)
    (down, right), (fall, rise) = both(case.strides), both(case.dilation)
    inside, outside = case.channels
    for b, y, x in itertools.product(range(case.batch), range(rows), range(columns)):
        for i, j in itertools.product(*map(range, case.kernel)):
            row, column = y * down + i * fall - top, x * right + j * rise - left
            if 0 <= row < case.image[0] and 0 <= column < case.image[1]:
                for group, c, d in itertools.product(range(case.groups), range(inside), range(outside)):
                    out = group * outside + d
                    yield (b, y, x, out), (b, row, column, group * inside + c), (i, j, c, out)


def by_loops(case, head, x, w):
    """The convolution and both its derivatives."""
    (_, rows), (_, columns) = before_and_places(case)
    made = np.zeros((case.batch, rows, columns, w.shape[3]), x.dtype)
    for_x, for_w = np.zeros_like(x), np.zeros_like(w)
    for there, here, tap in terms(case):
        made[there] += x[here] * w[tap]
        if head is not None:
            for_x[here] += head[there] * w[tap]
            for_w[tap] += head[there] * x[here]
    return made, for_x, for_w


def arrays_of(case, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x, w = (rng.normal(size=shape).astype(dtype) for shape in case.shapes())
    (_, rows), (_, columns) = before_and_places(case)
    return x, w, rng.normal(size=(case.batch, rows, columns, w.shape[3])).astype(dtype)


def symbols_of(arrays, batch=None):
    x, w, head = arrays
    first = x.shape[0] if batch is None else batch
    return (
        sg.symbol("x", (first, *x.shape[1:]), x.dtype.name),
        sg.symbol("w", w.shape, w.dtype.name),
        sg.symbol("head", (first, *head.shape[1:]), head.dtype.name),
    )


# -- values ---------------------------------------------------------------------------------------------------------
@both_floats
@cases
def test_the_three_operations_against_loops(case, dtype):
    arrays = arrays_of(case, dtype)
    x, w, head = symbols_of(arrays)
    made = [
        sg.nn.conv2d(x, w, **case.options),
        sg.nn.conv2d_backprop_input(x.shape, w, head, **case.options),
        sg.nn.conv2d_backprop_filter(x, w.shape, head, **case.options),
    ]
    wanted = by_loops(case, arrays[2], arrays[0], arrays[1])
    interpreted = evaluate(made, dict(zip((x, w, head), arrays, strict=True)))
    compiled = sg.compile(tuple(made), [x, w, head])(*arrays)
    for one, other, want in zip(interpreted, compiled, wanted, strict=True):
        options = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {}
        assert_same(one, want, **options)
        assert_same(other, want, **options)


def test_a_convolution_by_hand():
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    w = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1)
    valid = sg.jit(lambda x: sg.nn.conv2d(x, w))(x)
    assert_same(valid[0, :, :, 0], np.array([[5421.0, 6532.0], [8754.0, 9865.0]]))
    same = sg.jit(lambda x: sg.nn.conv2d(x, w, padding="same"))(x)  # one row and one column more, at the end
    assert_same(same[0, :, :, 0], np.array([[5421.0, 6532.0, 603.0], [8754.0, 9865.0, 906.0], [87.0, 98.0, 9.0]]))


def test_integers_take_the_common_type():
    x = sg.symbol("x", (1, 4, 4, 1), "int64")
    y = sg.nn.conv2d(x, np.ones((2, 2, 1, 1)))
    assert y.dtype == np.float64
    whole = sg.nn.conv2d(x, np.ones((2, 2, 1, 1), np.int64))
    values = np.arange(16).reshape(1, 4, 4, 1)
    want = values[:, :3, :3] + values[:, 1:, :3] + values[:, :3, 1:] + values[:, 1:, 1:]
    assert_same(sg.compile(whole, [x])(values), want)


# -- derivatives: row 24 --------------------------------------------------------------------------------------------
NAMES = {"conv2d", "conv2d_backprop_input", "conv2d_backprop_filter"}


def operations(nodes):
    return {node.op.name for node in topological(nodes)} & NAMES


@both_floats
@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[4], CASES[11]])
def test_gradients_are_the_named_operations(case, dtype):
    arrays = arrays_of(case, dtype)
    x, w, head = symbols_of(arrays)
    for_x, for_w = sg.gradients(sg.nn.conv2d(x, w, **case.options), [x, w], [head])
    assert for_x.same(sg.nn.conv2d_backprop_input(x.shape, w, head, **case.options))
    assert for_w.same(sg.nn.conv2d_backprop_filter(x, w.shape, head, **case.options))
    got = sg.compile((for_x, for_w), [x, w, head])(*arrays)
    for one, want in zip(got, by_loops(case, arrays[2], *arrays[:2])[1:], strict=True):
        assert_same(one, want, **({"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {}))


def test_every_order_stays_within_the_three_operations():
    x, w, head = symbols_of(arrays_of(CASES[4], "float64"))
    options = CASES[4].options
    nodes = [
        sg.nn.conv2d(x, w, **options),
        sg.nn.conv2d_backprop_input(x.shape, w, head, **options),
        sg.nn.conv2d_backprop_filter(x, w.shape, head, **options),
    ]
    for node in nodes:
        cotangent = sg.symbol("cotangent", node.shape)
        own = [one for one in node.inputs if one.op.name == "symbol"]
        made = sg.gradients(node, own, [cotangent])
        assert [one.op.name in NAMES for one in made] == [True, True]
        assert {one.op.name for one in (node, *made)} == NAMES
    energy = np.sum(nodes[0] ** 3)
    first = sg.gradients(energy, [x, w])
    second = sg.gradients(list(first), [x, w], [x, w])
    assert operations(second) == NAMES
    assert not any(node.op.name in ("einsum", "windows", "place", "slice") for node in topological(second))


@pytest.mark.parametrize("case", [CASES[2], CASES[4], CASES[8], CASES[10], CASES[12]])
def test_derivatives_against_finite_differences(case):
    x, w, _ = arrays_of(case, "float64")
    sg.check_gradients(lambda x, w: np.sum(np.tanh(sg.nn.conv2d(x, w, **case.options))), x, w, order=2)


@pytest.mark.parametrize("case", CASES, ids=[str(k) for k in range(len(CASES))])
def test_adjoint_identity(case):
    """<head, conv(x, w)> is the same number from each side."""
    arrays = arrays_of(case, "float64", 5)
    x, w, head = symbols_of(arrays)
    made = [
        np.sum(sg.nn.conv2d(x, w, **case.options) * head),
        np.sum(sg.nn.conv2d_backprop_input(x.shape, w, head, **case.options) * x),
        np.sum(sg.nn.conv2d_backprop_filter(x, w.shape, head, **case.options) * w),
    ]
    one, other, third = evaluate(made, dict(zip((x, w, head), arrays, strict=True)))
    np.testing.assert_allclose([other, third], one, rtol=1e-10)


def test_an_override_names_the_operation():
    x, w, head = symbols_of(arrays_of(CASES[0], "float64"))
    with sg.gradient_override_map({"Conv2D": "double"}):
        y = sg.nn.conv2d(x, w)
    plain = sg.nn.conv2d_backprop_input(x.shape, w, head)
    (made,) = sg.gradients(y, [x], [head])
    values = dict(zip((x, w, head), arrays_of(CASES[0], "float64"), strict=True))
    one, other = evaluate([made, plain], values)
    assert_same(one, 2 * other)


@sg.register_gradient("double")
def _double(node, head):
    x, w = node.inputs
    return 2 * sg.nn.conv2d_backprop_input(x.shape, w, head), None


def test_a_masked_cotangent_gives_zero_where_the_filter_is_infinite():
    """The derivative of a branch not taken contributes nothing, whatever it is multiplied with."""
    x = sg.symbol("x", (1, 3, 3, 1))
    w = sg.symbol("w", (1, 1, 1, 2))
    y = sg.nn.conv2d(x, 1 / w)
    loss = np.sum(sg.where(y < 1e6, y, 0.0))
    gradient = sg.gradients(loss, [x])[0]
    values = [np.full((1, 3, 3, 1), 2.0), np.array([4.0, 0.0]).reshape(1, 1, 1, 2)]
    for got in (sg.compile(gradient, [x, w])(*values), *evaluate([gradient], dict(zip((x, w), values, strict=True)))):
        assert_same(got, np.full((1, 3, 3, 1), 0.25))
    tangent = sg.compile(sg.jvp(lambda x: sg.nn.conv2d(sg.where(x > 0, x, 0.0), 1 / w), (x,), (x,))[1], [x, w])
    assert np.isinf(tangent(*values)[..., 1]).all()
    assert_same(tangent(-values[0], values[1]), np.zeros((1, 3, 3, 2)))


# -- batches --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", [CASES[2], CASES[4], CASES[11]])
def test_one_kernel_for_every_batch(case):
    x, w, head = symbols_of(arrays_of(case, "float64"), "n")
    y = sg.nn.conv2d(x, w, **case.options)
    kernel = sg.compile((y, *sg.gradients(y, [x, w], [head])), [x, w, head])
    for batch in (0, 1, 3):
        arrays = arrays_of(case._replace(batch=batch), "float64", batch)
        for got, want in zip(
            kernel(*arrays), by_loops(case._replace(batch=batch), arrays[2], *arrays[:2]), strict=True
        ):
            assert_same(got, want)


@pytest.mark.parametrize("case", [CASES[2], CASES[4], CASES[12]])
def test_vectorised(case):
    """Over images, over filters, over both, and gradients per example."""
    samples = [arrays_of(case, "float64", k) for k in range(3)]
    xs, ws, heads = (np.stack(one) for one in zip(*samples, strict=True))

    def convolve(x, w):
        return sg.nn.conv2d(x, w, **case.options)

    for axes, args in (((0, None), (xs, ws[0])), ((None, 0), (xs[0], ws)), ((0, 0), (xs, ws))):
        chosen = [(xs[k] if axes[0] == 0 else xs[0], ws[k] if axes[1] == 0 else ws[0]) for k in range(3)]
        got = sg.vmap(convolve, in_axes=axes)(*args)
        assert_same(got, np.stack([by_loops(case, None, *one)[0] for one in chosen]))
    slopes = sg.vmap(sg.grad(lambda w, x, head: np.sum(convolve(x, w) * head)), in_axes=(None, 0, 0))(ws[0], xs, heads)
    assert_same(slopes, np.stack([by_loops(case, head, x, ws[0])[2] for x, head in zip(xs, heads, strict=True)]))


def test_images_over_a_new_axis_stay_one_convolution():
    x, w = sg.symbol("x", (4, 2, 5, 5, 3)), sg.symbol("w", (3, 3, 3, 2))
    made = sg.vmap(lambda x: sg.nn.conv2d(x, w))(x)
    assert [node.op.name for node in topological([made]) if node.inputs] == ["reshape", "conv2d", "reshape"]


def test_saved_and_loaded(tmp_path):
    x, w, head = symbols_of(arrays_of(CASES[4], "float64"))
    y = sg.nn.conv2d(x, w, **CASES[4].options)
    made = [y, *sg.gradients(y, [x, w], [head]), sg.nn.max_pool2d(x, 2)]
    sg.save(tmp_path / "made.sg", made)
    assert all(one.same(other) for one, other in zip(sg.load(tmp_path / "made.sg"), made, strict=True))


# -- one dimension --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("strides", "padding", "dilation"), [(1, "valid", 1), (2, "same", 1), (1, (3, 0), 2)])
def test_conv1d(strides, padding, dilation):
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(2, 9, 3)), rng.normal(size=(4, 3, 5))
    got = sg.jit(lambda x, w: sg.nn.conv1d(x, w, strides, padding, dilation))(x, w)
    wide = padding if isinstance(padding, str) else ((0, 0), padding)
    case = Case((1, 9), (1, 4), (1, strides), wide, (1, dilation), channels=(3, 5))
    assert_same(got, by_loops(case, None, x[:, None], w[None])[0][:, 0])
    grouped = sg.jit(lambda x, w: sg.nn.conv1d(x, w, groups=3))(x, w[:, :1, :3])
    want = [np.convolve(x[1, :, k], w[::-1, 0, k], "valid") for k in range(3)]
    assert_same(grouped[1], np.stack(want, axis=-1))


# -- pooling --------------------------------------------------------------------------------------------------------
POOLS = [
    ((4, 6), 2, None, "valid"),
    ((5, 5), (3, 2), (2, 1), "valid"),
    ((5, 6), 3, 2, "SAME"),
    ((4, 5), (2, 3), 1, "same"),
    ((4, 4), 3, 2, ((1, 0), (2, 1))),
    ((20, 21), 3, 2, "same"),
]


def windows_of(x, window, strides, padding):
    """For each place, the elements of the image in the window: (place, batch, elements, channels)."""
    strides = window if strides is None else strides
    case = Case(x.shape[1:3], both(window), strides, padding)
    (top, rows), (left, columns) = before_and_places(case)
    (down, right), (height, width) = both(strides), both(window)
    for y, c in itertools.product(range(rows), range(columns)):
        first, side = y * down - top, c * right - left
        part = x[:, max(first, 0) : first + height, max(side, 0) : side + width]
        yield (y, c), part.reshape(x.shape[0], -1, x.shape[3])


@both_floats
@pytest.mark.parametrize(("image", "window", "strides", "padding"), POOLS)
@pytest.mark.parametrize(("pool", "mean"), [("max_pool2d", False), ("avg_pool2d", True)])
def test_pooling_against_loops(pool, mean, image, window, strides, padding, dtype):
    x = np.random.default_rng(1).normal(size=(2, *image, 3)).astype(dtype) - 3  # below 0: padding must not win
    own = sg.symbol("x", ("n", *x.shape[1:]), dtype)
    made = getattr(sg.nn, pool)(own, window, strides, padding)
    want = np.zeros((2, *made.shape[1:]), dtype)
    for (y, c), part in windows_of(x, window, strides, padding):
        want[:, y, c] = part.mean(axis=1) if mean else part.max(axis=1)
    assert_same(sg.compile(made, [own])(x), want)
    assert_same(evaluate([made], {own: x})[0], want)


@pytest.mark.parametrize(("image", "window", "strides", "padding"), POOLS[:5])
@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_derivatives_of_pooling(pool, image, window, strides, padding):
    x = np.random.default_rng(2).permutation(2 * image[0] * image[1] * 2).reshape(2, *image, 2) / 7.0
    sg.check_gradients(lambda x: np.sum(np.sin(getattr(sg.nn, pool)(x, window, strides, padding))), x)


def test_ties_share_the_derivative_of_a_maximum():
    x = np.array([[1.0, 5.0, 5.0], [5.0, 2.0, 3.0]]).reshape(1, 2, 3, 1)
    got = sg.grad(lambda x: np.sum(sg.nn.max_pool2d(x, 2, 1)))(x)
    assert_same(got[0, :, :, 0], np.array([[0.0, 0.5 + 0.5, 0.5], [0.5, 0.0, 0.0]]))
    assert sg.nn.max_pool is sg.nn.max_pool2d
    assert sg.nn.avg_pool is sg.nn.avg_pool2d


def test_pooling_vectorised():
    x = np.random.default_rng(3).normal(size=(3, 2, 5, 4, 2))
    for pool in (sg.nn.max_pool2d, sg.nn.avg_pool2d):
        got = sg.vmap(lambda one, pool=pool: pool(one, 2, 1, "same"))(x)
        assert_same(got, np.stack([sg.jit(lambda one, pool=pool: pool(one, 2, 1, "same"))(one) for one in x]))


# -- refusals -------------------------------------------------------------------------------------------------------
X, W = sg.symbol("x", ("n", 5, 6, 4)), sg.symbol("w", (3, 3, 4, 2))
RANK = "images are (batch, height, width, channels)"
PADDING = 'padding is "valid", "same", or ((top, bottom), (left, right)) of numbers not below 0'
REFUSED = {
    "rank of x": (lambda: sg.nn.conv2d(X[0], W), "conv2d: x has shape (5, 6, 4), not rank 4", RANK),
    "rank of w": (
        lambda: sg.nn.conv2d(X, W[0]),
        "conv2d: w has shape (3, 4, 2), not rank 4",
        "filters are (height, width, channels in / groups, channels out)",
    ),
    "dynamic width": (
        lambda: sg.nn.conv2d(sg.symbol("y", (1, 5, "m", 4)), W),
        "conv2d: x has shape (1, 5, m, 4), of which only the batch may be dynamic",
        None,
    ),
    "channels": (
        lambda: sg.nn.conv2d(X, W[:, :, :3]),
        "conv2d: x has 4 channels, w of shape (3, 3, 3, 2) takes 3",
        None,
    ),
    "channels in groups": (
        lambda: sg.nn.conv2d(X, W, groups=2),
        "conv2d: x has 4 channels, w of shape (3, 3, 4, 2) takes 4 in each of 2 groups",
        None,
    ),
    "channels out": (
        lambda: sg.nn.conv2d(X, np.zeros((3, 3, 1, 6)), groups=4),
        "conv2d: 6 channels out do not fall into 4 groups",
        None,
    ),
    "padding": (lambda: sg.nn.conv2d(X, W, padding="full"), "conv2d: padding 'full' is not understood", PADDING),
    "negative padding": (
        lambda: sg.nn.conv2d(X, W, padding=((0, 0), (-1, 0))),
        "conv2d: padding ((0, 0), (-1, 0)) is not understood",
        PADDING,
    ),
    "window": (
        lambda: sg.nn.conv2d(X, W, dilation=(1, 3)),
        "conv2d: the window (3, 7) is larger than the padded image (5, 6)",
        None,
    ),
    "strides": (
        lambda: sg.nn.conv2d(X, W, strides=(1, 0)),
        "conv2d: strides (1, 0) is not a positive integer, or 2 of them",
        None,
    ),
    "groups": (lambda: sg.nn.conv2d(X, W, groups=0), "conv2d: groups 0 is not a positive integer", None),
    "head": (
        lambda: sg.nn.conv2d_backprop_filter(np.zeros((2, 5, 6, 4)), W.shape, np.zeros((2, 3, 5, 2))),
        "conv2d_backprop_filter: head and result differ in shape: (2, 3, 5, 2) and (2, 3, 4, 2)",
        None,
    ),
    "rank of the head": (
        lambda: sg.nn.conv2d_backprop_input((1, 5, 6, 4), W, np.zeros((3, 4, 2))),
        "conv2d_backprop_input: head has shape (3, 4, 2), the result (1, 3, 4, 2)",
        None,
    ),
    "input shape": (
        lambda: sg.nn.conv2d_backprop_input((5, 6, 4), W, np.zeros((1, 3, 4, 2))),
        "conv2d_backprop_input: input_shape (5, 6, 4) is not of rank 4",
        None,
    ),
    "rank in one dimension": (
        lambda: sg.nn.conv1d(X, W),
        "conv1d: x has shape (n, 5, 6, 4), not rank 3",
        "it is (batch, length, channels)",
    ),
    "padding in one dimension": (
        lambda: sg.nn.conv1d(X[:, 0], W[0], padding=3),
        "conv1d: padding 3 is not understood",
        'padding is "valid", "same", or (left, right) of numbers not below 0',
    ),
    "pooled rank": (lambda: sg.nn.max_pool2d(X[0], 2), "max_pool2d: x has shape (5, 6, 4), not rank 4", RANK),
    "pooling window": (
        lambda: sg.nn.avg_pool2d(X, (6, 2)),
        "avg_pool2d: the window (6, 2) is larger than the padded image (5, 6)",
        None,
    ),
    "pooled padding": (
        lambda: sg.nn.avg_pool2d(X, 2, padding=((2, 0), (0, 0))),
        "avg_pool2d: padding ((2, 0), (0, 0)) makes windows that hold nothing else",
        None,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, what, hint = REFUSED[name]
    with pytest.raises(sg.ShapeError) as caught:
        call()
    assert (caught.value.what, caught.value.hint) == (what, hint)
    assert "test_nn.py" in caught.value.where


def test_bool_images_are_refused():
    with pytest.raises(sg.DTypeError) as caught:
        sg.nn.conv2d(sg.symbol("b", (1, 3, 3, 1), "bool"), np.ones((2, 2, 1, 1), bool))
    assert caught.value.what == "conv2d: not defined for bool operands"


def test_images_of_small_sides_are_looped_over():
    """Sides of up to 16 are written out one by one, but not two of them and the channels at once."""
    w, head = sg.symbol("w", (3, 3, 16, 32)), sg.symbol("head", ("n", 14, 14, 32))
    made = sg.nn.conv2d_backprop_input((head.shape[0], 28, 28, 16), w, head, strides=2, padding="same")
    assert len(sg.compile(made, [w, head]).llvm_ir.splitlines()) < 5000
