"""Random numbers: those of NumPy's generator, moved and scaled; derivatives by their parameters; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from scipy import stats

import symgrad as sg
import symgrad.compat.tf1 as tf

COUNT = 4000


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda **how: sg.random.normal((COUNT,), 2.0, 0.5, **how), stats.norm(2, 0.5)),
        (lambda **how: sg.random.truncated_normal((COUNT,), 2.0, 0.5, **how), stats.truncnorm(-2, 2, 2, 0.5)),
        (lambda **how: sg.random.uniform((COUNT,), -1.0, 3.0, **how), stats.uniform(-1, 4)),
    ],
)
def test_numbers_follow_their_distribution_and_differ_from_run_to_run(draw, law, dtype):
    kernel = sg.compile(draw(dtype=dtype, seed=11), [])
    first, second = kernel(), kernel()
    for found in (first, second):
        assert found.dtype == dtype
        assert stats.kstest(found.astype(np.float64), law.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(COUNT)


def test_numbers_are_those_of_numpys_generator():
    x = sg.symbol("x", ("n",))
    kernel = sg.compile([sg.random.uniform(x.shape, seed=[1, 2]), sg.random.normal((2, 3), seed=5)], [x])
    ours, theirs = np.random.default_rng([1, 2]), np.random.default_rng(5)
    for size in (3, 5):
        found = kernel(np.ones(size))
        np.testing.assert_array_equal(found[0], ours.random(size))
        np.testing.assert_array_equal(found[1], theirs.standard_normal((2, 3)))


def test_each_expression_draws_once_a_run():
    z = sg.random.normal((5,))
    a, b, c = sg.compile([z, z + 1, sg.random.normal((5,))], [])()
    np.testing.assert_array_equal(a + 1, b)
    assert np.all(a != c)


def test_derivatives_pass_through_the_parameters():
    mu, sigma = sg.symbol("mu"), sg.symbol("sigma", (3,))
    z = sg.random.normal((3,), mu, sigma)
    found, by_mu, by_sigma = sg.compile([z, *sg.gradients(z * z, [mu, sigma])], [mu, sigma])(0.5, np.array([1.0, 2, 4]))
    np.testing.assert_allclose(by_mu, np.sum(2 * found), rtol=1e-13)
    np.testing.assert_allclose(by_sigma, 2 * found * (found - 0.5) / [1, 2, 4], rtol=1e-12)


def test_dropout():
    x, rate = sg.symbol("x", ("n",), dtype="float32"), sg.symbol("rate", dtype="float32")
    y = sg.random.dropout(x, rate, seed=3)
    kernel = sg.compile([y, *sg.gradients(y * y, [x])], [x, rate])
    given = np.random.default_rng(0).normal(size=COUNT).astype(np.float32)
    for share in (0.0, 0.25, 0.75):
        kept, slope = kernel(given, share)
        mask = kept != 0
        assert abs(np.mean(mask) - (1 - share)) < 5 * np.sqrt(share * (1 - share) / COUNT) + 1e-9
        assert_same(kept, np.where(mask, given / np.float32(1 - share), np.float32(0)))
        assert_same(slope, np.where(mask, 2 * kept / np.float32(1 - share), np.float32(0)))


def test_other_element_types_are_refused():
    with pytest.raises(sg.DTypeError) as caught:
        sg.random.uniform((2,), dtype="int64")
    assert caught.value.what == "random numbers are floating, not int64"


def test_seeds_of_graphs_in_the_tensorflow_spelling():
    def drawn(seed):
        tf.reset_default_graph()
        tf.set_random_seed(seed)
        rows = [tf.random_normal([50]), tf.random_normal([50]), tf.random_uniform([50], 2.0, 3.0, seed=1)]
        with tf.Session() as sess:
            return sess.run(rows)

    first, again, other = drawn(1), drawn(1), drawn(2)
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert np.all(one != different)
    assert np.all(first[0] != first[1])
    assert first[2].dtype == np.float32
    assert np.all((first[2] >= 2) & (first[2] <= 3))


@pytest.mark.parametrize(
    ("initializer", "law"),
    [
        (tf.random_normal_initializer(1.0, 0.5, seed=2), stats.norm(1, 0.5)),
        (tf.truncated_normal_initializer(stddev=0.1, seed=2), stats.truncnorm(-2, 2, 0, 0.1)),
        (tf.random_uniform_initializer(-1, 1, seed=2), stats.uniform(-1, 2)),
        (tf.glorot_uniform_initializer(seed=2), stats.uniform(-np.sqrt(0.06), 2 * np.sqrt(0.06))),
    ],
)
def test_initial_values_in_the_tensorflow_spelling(initializer, law):
    tf.reset_default_graph()
    w = tf.get_variable("w", [60, 40], initializer=initializer)
    with tf.Session() as sess:
        sess.run(w.initializer)
        found = sess.run(w)
    assert found.dtype == np.float32
    assert stats.kstest(found.ravel().astype(np.float64), law.cdf).pvalue > 1e-3


def test_constant_initial_values_in_the_tensorflow_spelling():
    tf.reset_default_graph()
    made = [
        tf.get_variable("a", [2], initializer=tf.zeros_initializer()),
        tf.get_variable("b", 3, tf.float64, initializer=tf.ones_initializer()),
        tf.get_variable("c", [1, 2], initializer=tf.constant_initializer([3.0, 4.0])),
    ]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for found, want in zip(sess.run(made), (np.zeros(2, "f4"), np.ones(3), np.float32([[3, 4]])), strict=True):
            assert_same(found, want)
