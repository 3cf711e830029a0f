"""Activations, normalisation, attention and losses of ``sg.nn`` against SciPy's functions and formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import scipy.stats
from comparing import assert_same

import symgrad as sg
from symgrad.interp import evaluate

both_floats = pytest.mark.parametrize("dtype", ["float64", "float32"])
POINTS = np.array([-60.0, -9.0, -2.0, -0.3, -1e-3, 0.0, 1e-3, 0.7, 2.5, 6.5, 50.0])


def both_ways(made, values):
    """The value from the interpreter, which the compiled one equals."""
    (want,) = evaluate([made], values)
    assert_same(sg.compile(made, list(values))(*values.values()), want)
    return want


# -- activations ----------------------------------------------------------------------------------------------------
def tanh_gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "elu": (sg.nn.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    "elu of another size": (lambda x: sg.nn.elu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(x))),
    "selu": (
        sg.nn.selu,
        lambda x: 1.0507009873554804934 * np.where(x > 0, x, 1.6732632423543772848 * np.expm1(x)),
    ),
    "gelu": (sg.nn.gelu, lambda x: x * scipy.special.ndtr(x)),
    "gelu by tanh": (lambda x: sg.nn.gelu(x, approximate="tanh"), tanh_gelu),
    "silu": (sg.nn.silu, lambda x: x * scipy.special.expit(x)),
    "leaky_relu": (sg.nn.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "leaky_relu, steeper": (lambda x: sg.nn.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    "softsign": (sg.nn.softsign, lambda x: x / (1 + np.abs(x))),
    "relu6": (sg.nn.relu6, lambda x: np.clip(x, 0, 6)),
}


@both_floats
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    ours, theirs = ACTIVATIONS[name]
    x = sg.symbol("x", ("n",), dtype)
    points = POINTS.astype(dtype)
    want = theirs(points.astype("float64"))
    assert_same(both_ways(ours(x), {x: points}), want.astype(dtype))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_of_activations(name):
    sg.check_gradients(lambda x: np.sum(ACTIVATIONS[name][0](x)), POINTS[POINTS != 0], order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_stay_finite_far_out(name):
    far = np.array([-1e3, 1e3])
    slope = sg.jit(sg.vmap(sg.grad(ACTIVATIONS[name][0])))(far)
    assert np.isfinite(slope).all()


def test_gelu_keeps_its_digits_where_it_is_small():
    made = sg.jit(sg.nn.gelu)(np.array([-12.0]))
    np.testing.assert_allclose(made, [-12 * scipy.stats.norm.cdf(-12.0)], rtol=1e-12)


def test_gelu_refuses_an_unknown_approximation():
    with pytest.raises(sg.TraceError) as caught:
        sg.nn.gelu(sg.symbol("x"), approximate="sigmoid")
    assert caught.value.what == "gelu: approximate 'sigmoid' is not understood"
    assert caught.value.hint == 'it is "none" or "tanh"'


def test_numbers_and_arrays_are_taken_too():
    assert float(evaluate([sg.nn.silu(0)], {})[0]) == 0.0
    assert sg.nn.swish is sg.nn.silu


# -- normalisation --------------------------------------------------------------------------------------------------
@both_floats
def test_moments_and_normalisation(dtype):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(4, 5, 3)) * 2 + 1).astype(dtype)
    scale, shift = (rng.normal(size=3).astype(dtype) for _ in range(2))
    x = sg.symbol("x", ("n", 5, 3), dtype)
    for axes in (None, 0, (0, 1), -1):
        mean, variance = sg.nn.moments(x, axes)
        assert_same(both_ways(mean, {x: values}), values.mean(axis=axes))
        assert_same(both_ways(variance, {x: values}), values.var(axis=axes))
    wide = values.astype("float64")
    by_row = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    assert_same(both_ways(sg.nn.layer_norm(x), {x: values}), by_row.astype(dtype))
    assert_same(both_ways(sg.nn.layer_norm(x, scale, shift), {x: values}), (by_row * scale + shift).astype(dtype))
    by_batch = (wide - wide.mean((0, 1))) / np.sqrt(wide.var((0, 1)) + 1e-3) * scale + shift
    made = sg.nn.batch_norm(x, *sg.nn.moments(x, (0, 1)), scale, shift, 1e-3)
    assert_same(both_ways(made, {x: values}), by_batch.astype(dtype))
    both = sg.nn.layer_norm(x, axis=(1, 2), epsilon=0.5)
    centred = wide - wide.mean((1, 2), keepdims=True)
    assert_same(
        both_ways(both, {x: values}), (centred / np.sqrt((centred**2).mean((1, 2), keepdims=True) + 0.5)).astype(dtype)
    )


def test_derivatives_of_normalisation():
    rng = np.random.default_rng(1)
    x, scale, shift = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)
    sg.check_gradients(lambda x, s, t: np.sum(np.sin(sg.nn.layer_norm(x, s, t))), x, scale, shift, order=2)
    sg.check_gradients(lambda x, s: np.sum(np.sin(sg.nn.batch_norm(x, *sg.nn.moments(x, 0), s))), x, scale)
    slope = sg.grad(lambda x: np.sum(sg.nn.layer_norm(x) ** 2))(np.ones((2, 3)))  # no variance, no infinity
    assert_same(slope, np.zeros((2, 3)))


def test_bias_add():
    x = sg.symbol("x", ("n", 3))
    values = np.arange(6.0).reshape(2, 3)
    bias = np.array([1.0, 2.0, 3.0])
    assert_same(both_ways(sg.nn.bias_add(x, bias), {x: values}), values + bias)
    for bias, shape in ((np.zeros(2), "(2,)"), (np.zeros((2, 3)), "(2, 3)"), (1.0, "()")):
        with pytest.raises(sg.ShapeError) as caught:
            sg.nn.bias_add(x, bias)
        assert caught.value.what == f"bias_add: bias of shape {shape} for x of shape (n, 3)"
        assert caught.value.hint == "the bias is a vector of the last axis' size"


# -- attention ------------------------------------------------------------------------------------------------------
def attend(q, k, v, allowed=None):
    scores = q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    return scipy.special.softmax(scores, axis=-1) @ v


@both_floats
def test_attention(dtype):
    rng = np.random.default_rng(2)
    q, k, v = (rng.normal(size=shape).astype(dtype) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 6)))
    own = (
        sg.symbol("q", ("b", "n", 4), dtype),
        sg.symbol("k", ("b", "m", 4), dtype),
        sg.symbol("v", ("b", "m", 6), dtype),
    )
    values = dict(zip(own, (q, k, v), strict=True))
    assert_same(both_ways(sg.nn.attention(*own), values), attend(q, k, v))
    allowed = np.tril(np.ones((3, 5), bool), 1)
    fixed = [sg.symbol(name, one.shape, dtype) for name, one in zip("qkv", (q, k, v), strict=True)]
    values = dict(zip(fixed, (q, k, v), strict=True))
    assert_same(both_ways(sg.nn.attention(*fixed, mask=allowed), values), attend(q, k, v, allowed))
    added = rng.normal(size=(3, 5)).astype(dtype)
    scores = q @ np.swapaxes(k, -1, -2) / 2 + added
    assert_same(both_ways(sg.nn.attention(*fixed, mask=added), values), scipy.special.softmax(scores, axis=-1) @ v)


def test_a_query_without_keys_gets_no_nan():
    rng = np.random.default_rng(3)
    q, k, v = rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    allowed = np.array([[True, False, True], [False, False, False]])
    made = sg.jit(lambda q: sg.nn.attention(q, k, v, allowed))(q)
    assert_same(made, np.stack([attend(q[:1], k[[0, 2]], v[[0, 2]])[0], v.mean(axis=0)]))


def test_derivatives_of_attention():
    rng = np.random.default_rng(4)
    q, k, v = rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    allowed = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1]], bool)
    sg.check_gradients(lambda q, k, v: np.sum(np.sin(sg.nn.attention(q, k, v, allowed))), q, k, v, order=2)


def test_attention_refuses_vectors():
    with pytest.raises(sg.ShapeError) as caught:
        sg.nn.attention(np.zeros((2, 4)), np.zeros(4), np.zeros((3, 2)))
    assert caught.value.what == "attention: k has shape (4,), not rank 2 or more"


# -- losses ---------------------------------------------------------------------------------------------------------
@both_floats
def test_cross_entropies(dtype):
    rng = np.random.default_rng(5)
    logits = (rng.normal(size=(4, 3)) * 5).astype(dtype)
    logits[0] = [1000, 0, -1000]
    labels = scipy.special.softmax(rng.normal(size=(4, 3)), axis=-1).astype(dtype)
    z = sg.symbol("z", ("n", 3), dtype)
    of_rows = -(labels * scipy.special.log_softmax(logits, axis=-1)).sum(-1)
    y = sg.symbol("y", ("n", 3), dtype)
    made = sg.nn.softmax_cross_entropy_with_logits(y, z)
    assert_same(both_ways(made, {y: labels, z: logits}), of_rows)
    turned = sg.nn.softmax_cross_entropy_with_logits(y.T, z.T, axis=0)
    assert_same(both_ways(turned, {y: labels, z: logits}), of_rows)
    classes = np.array([2, 0, 1, 1])
    known = sg.symbol("known", ("n",), "int64")
    sparse = sg.nn.sparse_softmax_cross_entropy_with_logits(known, z)
    want = -scipy.special.log_softmax(logits, axis=-1)[np.arange(4), classes]
    assert_same(both_ways(sparse, {known: classes, z: logits}), want)
    single = sg.nn.sigmoid_cross_entropy_with_logits(y, z)
    wide = logits.astype("float64")
    want = -labels * scipy.special.log_expit(wide) - (1 - labels) * scipy.special.log_expit(-wide)
    assert_same(both_ways(single, {y: labels, z: logits}), want.astype(dtype))


def test_cross_entropies_keep_their_digits_where_they_are_small():
    z = np.array([40.0, -40.0])
    made = sg.jit(lambda z: sg.nn.sigmoid_cross_entropy_with_logits(np.array([1.0, 0.0]), z))(z)
    np.testing.assert_allclose(made, np.log1p(np.exp(-40.0)), rtol=1e-13)


def test_derivatives_of_cross_entropies():
    rng = np.random.default_rng(6)
    z, labels = rng.normal(size=(3, 4)), scipy.special.softmax(rng.normal(size=(3, 4)), axis=-1)
    classes = np.array([3, 0, 2])
    losses = (
        lambda z: np.sum(sg.nn.softmax_cross_entropy_with_logits(labels, z)),
        lambda z: np.sum(sg.nn.sparse_softmax_cross_entropy_with_logits(classes, z)),
        lambda z: np.sum(sg.nn.sigmoid_cross_entropy_with_logits(labels, z)),
    )
    for loss in losses:
        sg.check_gradients(loss, z, order=2)
    soft = scipy.special.softmax(z, axis=-1)
    assert_same(sg.grad(losses[0])(z), soft - labels)
    assert_same(sg.grad(losses[1])(z), soft - np.eye(4)[classes])
    assert_same(sg.grad(losses[2])(np.zeros((3, 4))), 0.5 - labels)


def test_labels_that_do_not_fit():
    with pytest.raises(sg.DTypeError) as refused:
        sg.nn.sparse_softmax_cross_entropy_with_logits(np.zeros(2), np.zeros((2, 3)))
    assert refused.value.what == "sparse_softmax_cross_entropy_with_logits: labels are float64, not integers"
    assert refused.value.hint == "sg.nn.softmax_cross_entropy_with_logits takes probabilities"
    with pytest.raises(sg.ShapeError) as caught:
        sg.nn.sparse_softmax_cross_entropy_with_logits(np.zeros((2, 3), int), np.zeros((2, 3)))
    assert caught.value.what == (
        "sparse_softmax_cross_entropy_with_logits: labels of shape (2, 3) for logits of shape (2, 3)"
    )
    assert caught.value.hint == "logits have one axis more, the last: the classes"


def test_l2_loss():
    x = sg.symbol("x", ("n", 2))
    assert_same(both_ways(sg.nn.l2_loss(x), {x: np.array([[1.0, 2.0], [3.0, 4.0]])}), 15.0)
