"""Histograms, and watching gradients in the kernel that trains."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
def test_histograms_equal_numpys_of_clipped_values(dtype):
    rng = np.random.default_rng(1)
    x = sg.symbol("x", ("n", 3), dtype)
    counts = sg.compile(sg.histogram(x, 7, (-4, 10)), [x])
    for rows in (0, 1, 400):
        values = (30 * rng.normal(size=(rows, 3))).astype(dtype)
        want = np.histogram(np.clip(values, -4, 10 - 1e-6), 7, (-4, 10))[0]
        assert_same(counts(values), want)


def test_edges_of_bins_and_what_is_not_finite():
    x = sg.symbol("x", (9,))
    values = np.array([0.0, 1.0, 2.0, 3.0, -np.inf, np.inf, np.nan, 0.999, -1e300])
    assert_same(sg.compile(sg.histogram(x, 3, (0, 3)), [x])(values), np.array([4, 1, 3]))
    assert sg.gradients(sg.histogram(x, 3, (0, 3)).astype("float64"), [x]) == [None]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda x: sg.histogram(x, 0, (0, 1)), "histogram: bins=0 is not a positive integer"),
        (lambda x: sg.histogram(x, 2.0, (0, 1)), "histogram: bins=2.0 is not a positive integer"),
        (lambda x: sg.histogram(x, 2, (1, 1)), "histogram: the range (1, 1) is not an interval"),
        (lambda x: sg.histogram(x, 2, (0, np.inf)), "histogram: the range (0, inf) is not an interval"),
        (lambda x: sg.optim.watch([x]), "watch: entry 0 is no (gradient, variable) pair"),
        (lambda x: sg.optim.watch([(x, x)]), "watch: entry 0 is no (gradient, variable) pair"),
        (lambda x: sg.optim.plot([]), "plot: the history is empty"),
    ],
)
def test_mistakes_are_named(call, what):
    with pytest.raises(sg.SymgradError) as caught:
        call(sg.symbol("x", (3,)))
    assert caught.value.what == what


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_watched_equals_numpy(dtype):
    rng = np.random.default_rng(2)
    x = sg.symbol("x", ("n", 4), dtype)
    with sg.name_scope("watched"):
        W = sg.variable("W", rng.normal(size=(4, 3)).astype(dtype))
        b = sg.variable("b", np.zeros(3, dtype))
        unused = sg.variable("unused", np.zeros(2, dtype))
    loss = np.sum((x @ W + b) ** 2)
    optimizer = sg.optim.GradientDescent(0.01)
    pairs = optimizer.compute_gradients(loss, [W, b, unused])
    step = sg.compile(
        [loss, sg.optim.watch(pairs, bins=4, range=(-2, 2))], [x], updates=optimizer.apply_gradients(pairs)
    )
    values, before = rng.normal(size=(6, 4)).astype(dtype), W.value
    _, seen = step(values)
    assert list(seen) == ["watched/W", "watched/b"]
    head = 2 * (values @ before)
    for name, want in (("watched/W", values.T @ head), ("watched/b", head.sum(0))):
        found = seen[name]
        assert_same(found["norm"], np.linalg.norm(want).astype(dtype))
        assert_same(found["min"], want.min())
        assert_same(found["max"], want.max())
        assert_same(found["mean"], want.mean())
        assert_same(found["histogram"], np.histogram(np.clip(want, -2, 2 - 1e-6), 4, (-2, 2))[0])
    assert np.any(before != W.value)  # the same kernel trains


def test_the_summary_names_layers_whose_gradients_vanish_or_explode():
    def row(norm):
        return {"norm": norm, "min": -norm, "max": norm, "mean": 0.0}

    text = sg.optim.summary({"a/w": row(1.0), "b/w": row(1e-7), "c/w": row(1e7), "d/w": row(np.nan)})
    lines = text.split("\n")
    assert [line.split()[0] for line in lines[1:5]] == ["a/w", "b/w", "c/w", "d/w"]
    assert lines[2].endswith("vanishing: 1.0e-07 of the largest")
    assert lines[3].endswith("exploding")
    assert lines[4].endswith("not finite")
    assert lines[-2] == "hint: the gradient of c/w explodes: sg.clip_by_global_norm, or a smaller learning rate"
    assert "hint" not in sg.optim.summary({"a/w": row(1.0), "b/w": row(0.1)})


def test_a_deep_sigmoid_network_is_said_to_vanish():
    rng = np.random.default_rng(0)
    x = h = sg.symbol("x", ("n", 4))
    weights = []
    for k in range(12):
        with sg.name_scope(f"deep/layer{k}"):
            weights.append(sg.variable("w", 0.5 * rng.normal(size=(4, 4))))
        h = sg.nn.sigmoid(h @ weights[-1])
    pairs = sg.optim.GradientDescent(0.1).compute_gradients(np.mean(h), weights)
    text = sg.optim.summary(sg.compile(sg.optim.watch(pairs), [x])(rng.normal(size=(8, 4))))
    assert "hint: the gradient of deep/layer0/w vanishes" in text
    assert "gradient of deep/layer11/w" not in text


def test_plots_need_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(sg.SymgradError) as caught:
        sg.optim.plot([{"w": {"norm": 1.0}}])
    assert (caught.value.what, caught.value.hint) == ("plot: matplotlib is not installed", "pip install symgrad[plot]")


def test_plots_draw_one_curve_for_each_variable():
    class Axes:
        def __init__(self):
            self.curves, self.labels = {}, []

        def semilogy(self, values, label):
            self.curves[label] = values

        def set_xlabel(self, text):
            self.labels.append(text)

        set_ylabel = set_xlabel

        def legend(self):
            self.labels.append("legend")

    axes = Axes()
    history = [{"v": {"norm": np.float32(k)}, "w": {"norm": 2.0 * k}} for k in (1, 2)]
    assert sg.optim.plot(history, axes) is axes
    assert axes.curves == {"v": [1.0, 2.0], "w": [2.0, 4.0]}
    assert axes.labels == ["step", "norm of the gradient", "legend"]
