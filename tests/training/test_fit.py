"""The training loop: which rows are in which batch, what it returns, what it says and refuses."""

from __future__ import annotations

import sys
from itertools import chain

import numpy as np
import pytest

import symgrad as sg


def recorded(batches):
    def step(rows, doubled):
        assert np.array_equal(2 * rows, doubled)
        batches.append(list(rows))
        return float(np.mean(rows)), {"sum": np.array([rows.sum(), 1.0]), "none": None}

    return step


def test_batches_cover_every_epoch_once():
    batches: list[list[int]] = []
    rows = np.arange(10)
    sg.fit(recorded(batches), (rows, 2 * rows), epochs=2, batch_size=4)
    assert [len(one) for one in batches] == [4, 4, 2] * 2
    first, second = list(chain(*batches[:3])), list(chain(*batches[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first != list(range(10))


def test_orders_follow_the_seed_and_may_be_left_alone():
    def order(**how):
        batches: list[list[int]] = []
        sg.fit(recorded(batches), [np.arange(10), 2 * np.arange(10)], batch_size=3, **how)
        return list(chain(*batches))

    assert order(seed=5) == order(seed=5)
    assert order(seed=5) != order(seed=6)
    assert order(shuffle=False) == list(range(10))


def test_history_is_the_mean_over_rows():
    history = sg.fit(recorded([]), (np.arange(10), 2 * np.arange(10)), epochs=3, batch_size=4)
    assert len(history) == 3
    for mean, other in history:
        assert mean == pytest.approx(4.5)
        assert other["none"] is None
        assert other["sum"][1] == 1.0
    assert sg.fit(recorded([]), (np.arange(3), 2 * np.arange(3)))[0][0] == pytest.approx(1.0)  # one batch of all
    assert sg.fit(lambda rows: None, np.arange(3)) == [None]


def test_a_kernel_is_trained():
    rng = np.random.default_rng(0)
    x, y = sg.symbol("x", ("n", 3)), sg.symbol("y", ("n",))
    w = sg.variable("fit/w", np.zeros(3))
    loss = np.mean((x @ w - y) ** 2)
    step = sg.compile(loss, [x, y], updates=sg.optim.GradientDescent(0.2).minimize(loss))
    xs, true = rng.normal(size=(200, 3)), np.array([1.0, -2.0, 0.5])
    history = sg.fit(step, (xs, xs @ true), epochs=30, batch_size=32)
    np.testing.assert_allclose(w.value, true, atol=1e-6)
    assert history[0] > 1e3 * history[-1]


@pytest.mark.parametrize(
    ("data", "how", "kind", "what"),
    [
        (
            (np.zeros(3), np.zeros((4, 2))),
            {},
            sg.ShapeError,
            "fit: array 0 of the data has 3 rows, array 1 has 4 (shape (4, 2))",
        ),
        ((np.zeros(3), 5.0), {}, sg.ShapeError, "fit: array 1 of the data is a number"),
        ((), {}, sg.SymgradError, "fit: there is no data"),
        (np.zeros((0, 3)), {}, sg.SymgradError, "fit: the data has no rows"),
        (np.zeros(3), {"batch_size": 0}, sg.SymgradError, "fit: batch_size=0 is not a positive integer"),
        (np.zeros(3), {"batch_size": 2.5}, sg.SymgradError, "fit: batch_size=2.5 is not a positive integer"),
        (np.zeros(3), {"epochs": 0}, sg.SymgradError, "fit: epochs=0 is not a positive integer"),
    ],
)
def test_mistakes_are_named(data, how, kind, what):
    calls: list[int] = []
    with pytest.raises(kind) as caught:
        sg.fit(lambda *batch: calls.append(1), data, **how)
    assert caught.value.what == what
    assert not calls


def test_progress_without_tqdm(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    sg.fit(lambda rows: float(len(rows)), np.arange(10), epochs=2, batch_size=5, progress=True)
    assert capsys.readouterr().err == "epoch 1/2: 2/4 steps, mean 5\nepoch 2/2: 4/4 steps, mean 5\n"
    sg.fit(lambda rows: None, np.arange(10), progress=False)
    sg.fit(lambda rows: None, np.arange(10))
    assert capsys.readouterr().err == ""


def test_progress_with_tqdm(monkeypatch):
    said = []

    class Bar:
        def __init__(self, total):
            said.append(total)

        def set_description_str(self, text, refresh):
            said.append(text)

        def set_postfix_str(self, text, refresh):
            said.append(text)

        def update(self):
            said.append("step")

        def close(self):
            said.append("closed")

    class Module:
        tqdm = Bar

    monkeypatch.setitem(sys.modules, "tqdm", Module)
    sg.fit(lambda rows: 2.0, np.arange(4), batch_size=2, progress=True)
    assert said == [2, "epoch 1/1", "mean 2", "step", "epoch 1/1", "mean 2", "step", "closed"]
