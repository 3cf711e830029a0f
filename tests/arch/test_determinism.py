"""The same graph gives the same machine code text in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sources import ROOT

PROGRAM = """
import hashlib, numpy as np, symgrad as sg
A, x, b = sg.symbol("A", ("n", "m")), sg.symbol("x", ("m",)), sg.symbol("b", ("n",))
i = sg.symbol("i", ("k",), "int64")
w = sg.variable("w", np.ones(3))
loss = np.sum(np.exp(-((A @ x - b) ** 2))) + np.sum(sg.logsumexp(A, axis=1)) + np.sum(w * w) * np.sum(b[i])
slopes = sg.gradients(loss, [A, x, b, w])
kernel = sg.compile({"loss": loss, "slopes": slopes}, [A, x, b, i], updates=[(w, w - 0.1 * slopes[3])])
curved = sg.compile(sg.hessian(loss, x), [A, x, b, i])
texts = [kernel.llvm_ir, kernel.loop_ir, str(loss), *map(str, slopes), curved.llvm_ir]
print([hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts])
"""


def texts_under(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


@pytest.fixture(scope="module")
def first() -> str:
    return texts_under("0")


@pytest.mark.parametrize("seed", ["1", "4242", "random"])
def test_hash_seeds_change_nothing(first: str, seed: str) -> None:
    assert len(set(first.split())) >= 8
    assert texts_under(seed) == first
