"""Values of variables in files: what is saved is what comes back, or nothing changes."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

import symgrad as sg

PROGRAM = """
import sys
import numpy as np
import symgrad as sg

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
w, b = sg.variable("net/w", np.linspace(-1, 1, 12).reshape(3, 4).astype("float32")), sg.variable("net/b", 0.25)
x = np.sin(np.arange(15.0)).reshape(5, 3).astype("float32")
loss = np.mean((np.tanh(x @ w) + b.astype("float32")) ** 2)
optimizer = sg.optim.Adam(0.05)
step = sg.compile(loss, [], updates=optimizer.minimize(loss))
state = [w, b, *optimizer.variables]
if first:
    sg.restore_variables(path, state)
for _ in range(first, last):
    step()
sg.save_variables(path, state)
print(w.value.tobytes().hex(), float(b.value).hex())
"""


def run(path, first, last):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(first), str(last)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_stopping_and_resuming_gives_the_same_bits(tmp_path):
    whole = run(tmp_path / "whole.npz", 0, 12)
    run(tmp_path / "part.npz", 0, 7)
    assert run(tmp_path / "part.npz", 7, 12) == whole


UNTIL_KILLED = """
import sys
import numpy as np
import symgrad as sg

path, last = sys.argv[1], int(sys.argv[2])
data = np.random.default_rng(1)
xs, ys = data.normal(size=(40, 3)).astype("float32"), data.normal(size=40).astype("float32")
w, count = sg.variable("net/w", np.zeros(3, "float32")), sg.variable("count", np.int64(0), trainable=False)
x, y = sg.symbol("x", (None, 3), "float32"), sg.symbol("y", (None,), "float32")
rate = sg.optim.exponential_decay(np.float32(0.1), count, 10, 0.5)
optimizer = sg.optim.RMSProp(rate, momentum=0.9)
updates = optimizer.minimize(np.mean((np.tanh(x @ w) - y) ** 2))
step = sg.compile([], [x, y], updates=[*updates, (count, count + 1)])
state = [w, count, *optimizer.variables]
try:
    sg.restore_variables(path, state)
except FileNotFoundError:
    pass
while count.value < last:
    rows = np.random.default_rng(int(count.value)).permutation(40)[: 5 + int(count.value) % 7]
    step(xs[rows], ys[rows])
    sg.save_variables(path, state)
    print("step", int(count.value), flush=True)
print(*(one.value.tobytes().hex() for one in state), flush=True)
"""


def test_a_killed_training_goes_on_with_the_same_bits(tmp_path):
    """Killed at any moment, while it saves perhaps, it leaves a whole file behind."""

    def start(path):
        program = [sys.executable, "-c", UNTIL_KILLED, str(path), "30"]
        return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)

    def ending(path):
        said, _ = start(path).communicate()
        return said.splitlines()

    whole, path = ending(tmp_path / "whole.npz"), tmp_path / "killed.npz"
    with start(path) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line == "step 11\n":
                running.kill()
                break
        running.stdout.read()
    assert running.returncode == -signal.SIGKILL
    rest = ending(path)
    assert 1 <= len(rest) - 1 <= 19  # it did not begin anew, and had not ended
    assert rest[-1] == whole[-1]


def test_nothing_changes_unless_everything_fits(tmp_path):
    path = tmp_path / "state.npz"
    a, b = sg.variable("checkpoint/a", [1.0, 2.0]), sg.variable("checkpoint/b", np.float32(3))
    sg.save_variables(path, [a, b])
    other = sg.variable("checkpoint/b", [1.0, 2.0, 3.0])
    missing = sg.variable("checkpoint/c", 1.0)
    a.value = [5.0, 6.0]
    for chosen, what in (
        ([a, other], "restore_variables: 'checkpoint/b' is float32() in state.npz, the variable is float64(3,)"),
        ([a, missing], "restore_variables: state.npz has no variable 'checkpoint/c'"),
        ([a, b, other], "restore_variables: two variables are called 'checkpoint/b'"),
        ([a, a * 2], "restore_variables: <float64[2]: a * 2> is no variable"),
    ):
        with pytest.raises(sg.SymgradError) as caught:
            sg.restore_variables(path, chosen)
        assert caught.value.what == what.replace("a * 2", "checkpoint/a * 2")
        np.testing.assert_array_equal(a.value, [5.0, 6.0])
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], b"no archive", data[:10] + b"x" * 40 + data[50:]):
        path.write_bytes(damaged)
        with pytest.raises(sg.SymgradError, match=r"state\.npz is no file of variables, or damaged"):
            sg.restore_variables(path, [a])
    np.testing.assert_array_equal(a.value, [5.0, 6.0])
    with pytest.raises(FileNotFoundError):
        sg.restore_variables(tmp_path / "nowhere.npz", [a])
    with pytest.raises(OSError, match="nowhere"):
        sg.save_variables(tmp_path / "nowhere" / "state.npz", [a])


def test_any_damage_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "state.npz"
    w, b = sg.variable("damage/w", np.array([1.5, -2.5, 1 / 3])), sg.variable("damage/b", np.float32(7))
    saved = [w.value, b.value]
    sg.save_variables(path, [w, b])
    data = path.read_bytes()
    files = [data[:length] for length in range(0, len(data), 5)]
    files += [data[:k] + bytes([data[k] ^ 0x41]) + data[k + 1 :] for k in range(len(data))]
    refused = 0
    for damaged in files:
        path.write_bytes(damaged)
        w.value, b.value = [9.0, 9.0, 9.0], 9.0
        try:
            sg.restore_variables(path, [w, b])
        except sg.SymgradError:
            refused += 1
            want = [np.full(3, 9.0), np.float32(9)]
        else:
            want = saved
        for one, value in zip([w, b], want, strict=True):
            np.testing.assert_array_equal(one.value, value)
    assert refused > len(files) / 2
