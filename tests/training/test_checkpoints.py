"""Values of variables in files: what is saved is what comes back, or nothing changes."""

from __future__ import annotations

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
