"""How often, in which order and in which thread host functions are called, and what becomes of their exceptions."""

from __future__ import annotations

import functools
import gc
import threading
import weakref

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.interp import evaluate


class Recorder:
    """A function that counts its calls and keeps what it was given."""

    def __init__(self, name, log=None, factor=1.0):
        self.__name__, self.factor = name, factor
        self.log = [] if log is None else log

    def __call__(self, x):
        self.log.append((self.__name__, x))
        return x * np.asarray(self.factor, x.dtype)

    @property
    def names(self):
        return [name for name, _ in self.log]


# -- batches --------------------------------------------------------------------------------------------------------
def weighted(x, w):
    """The sum of squares of a vector times a number, with its gradient."""
    rule = lambda node, head: (2 * node.inputs[1] * node.inputs[0] * head, np.sum(node.inputs[0] ** 2) * head)  # noqa: E731
    return sg.callback(_weighted, [x, w], 0.0, gradient=rule)


def _weighted(x, w):
    assert x.shape == (3,)
    assert w.shape == ()
    return w * np.sum(x * x)


def test_batches_are_loops():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(2, 4, 3)), rng.normal(size=4)
    mapped = sg.vmap(sg.vmap(weighted), in_axes=(0, None))
    want = w * np.sum(x**2, axis=-1)
    assert_same(mapped(x, w), want)
    heads = rng.normal(size=(2, 4))
    loss = lambda x, w: np.sum(mapped(x, w) * heads)  # noqa: E731
    dx, dw = sg.grad(loss, argnums=(0, 1))(x, w)
    assert_same(dx, 2 * (heads * w)[..., None] * x)
    assert_same(dw, np.sum(heads * np.sum(x**2, axis=-1), axis=0))
    inner = sg.vmap(sg.vmap(sg.grad(weighted)), in_axes=(0, None))
    assert_same(inner(x, w), 2 * w[:, None] * x)


def test_batches_of_several_results_and_dynamic_size():
    def f(x):
        big, where = sg.callback(lambda x: (x.max(), x.argmax()), x, [0.0, 0])
        return big, where

    xs = sg.symbol("xs", ("n", 3))
    kernel = sg.compile(sg.vmap(f)(xs), [xs])
    for count in (0, 1, 4):
        values = np.random.default_rng(count).normal(size=(count, 3))
        got = kernel(values)
        assert_same(got[0], values.max(1))
        assert_same(got[1], values.argmax(1))


def test_batched_calls_come_in_order():
    record = Recorder("f")
    sg.vmap(lambda x: sg.callback(record, x, x))(np.arange(4.0))
    assert [float(x) for _, x in record.log] == [0, 1, 2, 3]


# -- state ----------------------------------------------------------------------------------------------------------
def test_stateful_calls_run_once_each_in_the_order_of_creation():
    log = []
    first, second, third = (Recorder(name, log) for name in ("first", "second", "third"))
    x = sg.symbol("x", (3,))
    a = sg.callback(first, np.sum(np.exp(x @ np.ones((3, 3)))), 0.0)  # needs the most before it can run
    b = sg.callback(second, x, x)
    c = sg.callback(third, x, x)
    again = sg.callback(second, x, x)
    assert not again.same(b)
    outputs = [c * a + again, b + b, np.sum(c), again]
    kernel = sg.compile(tuple(outputs), [x])
    evaluate(outputs, {x: np.ones(3)})
    kernel(np.ones(3))
    kernel(np.ones(3))
    assert [name for name, _ in log] == ["first", "second", "third", "second"] * 3


def test_an_index_made_late_does_not_change_the_order():
    log = []
    first, second = Recorder("first", log), Recorder("second", log)
    x, i = sg.symbol("x", (5,)), sg.symbol("i", (2,), "int64")
    picked = sg.callback(first, x[i], ((2,), "float64"))
    position = sg.callback(second, i, i)
    kernel = sg.compile((x[position], picked), [x, i])
    values = np.arange(5.0)
    got = kernel(values, np.array([4, 1]))
    assert_same(got[0], np.array([4.0, 1.0]))
    assert_same(got[1], np.array([4.0, 1.0]))
    assert [name for name, _ in log] == ["first", "second"]
    with pytest.raises(IndexError):
        kernel(values, np.array([4, 10**12]))
    assert len(log) == 2  # what cannot be read is not passed on


def test_nothing_that_reaches_a_result_is_dropped():
    record = Recorder("record")
    x = sg.symbol("x", (3,))
    unused, used = sg.callback(lambda x: (record(x), x), x, [x, x])
    y = sg.callback(record, x, x)
    outputs = (np.where(sg.constant(True), x, y), sg.stop_gradient(y) * 0 + used)
    sg.compile(outputs, [x])(np.ones(3))
    assert len(record.log) == 2
    sg.compile(np.where(sg.constant(True), x, y), [x])(np.ones(3))
    assert len(record.log) == 3
    sg.compile(x, [x])(np.ones(3))
    assert len(record.log) == 3
    assert unused is not None


def test_stateless_calls_are_shared():
    record = Recorder("record")
    x = sg.symbol("x", (3,))
    one, other = (sg.callback(record, [x], x, stateful=False) for _ in range(2))
    assert one.same(other)
    assert not one.same(sg.callback(Recorder("another"), [x], x, stateful=False))
    sg.compile((one + other, np.where(sg.constant(True), x, one)), [x])(np.ones(3))
    assert len(record.log) == 1
    sg.compile(np.where(sg.constant(True), x, one), [x])(np.ones(3))
    assert len(record.log) == 1


def test_value_and_gradient_share_the_call():
    record = Recorder("square")
    f = lambda x: np.sum(sg.callback(record, x, x, gradient=lambda node, head: head * node.output))  # noqa: E731
    value, slope = sg.value_and_grad(f)(np.ones(3))
    assert (value, slope.tolist(), len(record.log)) == (3, [1, 1, 1], 1)


def test_updates_wait_for_the_calls():
    def fail(x):
        if x[0] > 1:
            raise RuntimeError("too large")
        return x

    w = sg.variable("callback_w", np.zeros(2))
    x = sg.symbol("x", (2,))
    checked = sg.callback(fail, w + x, x)
    step = sg.compile(np.sum(w), [x], updates=[(w, checked)])
    assert step(np.ones(2)) == 0
    with pytest.raises(RuntimeError, match="too large"):
        step(np.ones(2))
    assert w.value.tolist() == [1, 1]
    assert step(np.full(2, -1.0)) == 2
    assert w.value.tolist() == [0, 0]


# -- exceptions -----------------------------------------------------------------------------------------------------
class Own(Exception):  # noqa: N818
    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code


@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize(
    "error", [ValueError("no"), Own(7, "own"), KeyboardInterrupt(), SystemExit(3), StopIteration()]
)
def test_exceptions_come_as_themselves(error, size):
    def maybe(x):
        if x[0] < 0:
            raise error
        return x

    x = sg.symbol("x", ("n",))
    kernel = sg.compile((x * 2, sg.callback(maybe, x, x) + 1), [x])
    out = np.full(size, 9.0), np.full(size, 9.0)
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            kernel(np.full(size, -1.0), out=out)
        assert caught.value is error
        assert np.all(out[0] == 9)  # nothing is written by a call that fails
        assert np.all(out[1] == 9)
        assert_same(kernel(np.ones(size))[1], np.full(size, 2.0))
        with pytest.raises(type(error)):
            kernel(np.full(2 * size, -1.0)[::2])  # arrays that are not dense go by the slow road
    assert maybe.__name__ in "".join(frame.name for frame in caught.traceback)


def test_a_failing_call_stops_those_behind_it():
    def fail(x):
        raise OSError("gone")

    record = Recorder("after")
    x = sg.symbol("x")
    outputs = sg.callback(fail, x, x), sg.callback(record, x, x)
    with pytest.raises(OSError, match="gone"):
        sg.compile(outputs, [x])(1.0)
    assert record.log == []


def test_kernels_inside_callbacks():
    def root(v):
        if v < 0:
            raise ValueError("negative")
        return np.sqrt(v)

    x = sg.symbol("x")
    inner = sg.compile(sg.callback(root, x, x), [x])

    def guarded(v):
        try:
            return inner(v)
        except ValueError:
            return inner(-v)

    outer = sg.compile(sg.callback(guarded, x, x) + sg.callback(inner, x, x), [x])
    assert outer(4.0) == 4
    with pytest.raises(ValueError, match="negative"):
        outer(-4.0)
    assert sg.compile(sg.callback(guarded, x, x), [x])(-4.0) == 2


# -- kernels --------------------------------------------------------------------------------------------------------
def test_threads_do_not_meet():
    def odd(x):
        if x[0] % 2:
            raise ValueError(str(int(x[0])))
        return x

    x = sg.symbol("x", ("n",))
    kernel = sg.compile(sg.callback(odd, x * 1, x) * 2, [x])
    wrong = []

    def work(number):
        for k in range(60):
            value = 1000 * number + k
            size = 50_000 if k % 7 == 0 else 5
            try:
                got = kernel(np.full(size, float(value)))
                ok = value % 2 == 0 and np.all(got == 2 * value)
            except ValueError as error:
                ok = str(error) == str(value)
            if not ok:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_functions_live_as_long_as_their_kernels():
    def make():
        record = Recorder("kept", factor=3.0)
        x = sg.symbol("x")
        return sg.compile(sg.callback(record, x, x), [x]), weakref.ref(record)

    kernel, reference = make()
    gc.collect()
    assert kernel(2.0) == 6
    del kernel
    gc.collect()
    assert reference() is None


def test_any_callable():
    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def times(self, x):
            return self.factor * x

        __call__ = times

    x = sg.symbol("x")
    outputs = [
        sg.callback(f, x, x) for f in (Scaled(2.0), Scaled(3.0).times, functools.partial(np.multiply, 4.0), np.negative)
    ]
    assert [float(one) for one in sg.compile(tuple(outputs), [x])(1.5)] == [3, 4.5, 6, -1.5]


def test_check_finite_names_the_callback():
    x = sg.symbol("x")
    kernel = sg.compile(sg.callback(np.log, x, x) + 1, [x], check_finite=True)
    assert kernel(1.0) == 1
    with np.errstate(divide="ignore"), pytest.raises(FloatingPointError, match="callback: the first infinite value"):
        kernel(0.0)
