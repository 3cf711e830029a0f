"""Show the main job from start to end, on measured flowers, in seconds.

Traces a loss, prints its gradient as mathematics, compiles both ahead of time, calls the artefact from Python and from C,
checks the derivative, and times value and gradient.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import util
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import symgrad as sg
from symgrad.interp import evaluate

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", metavar="DIR", help="keep the files in this directory")


def iris() -> tuple[Any, Any]:
    """150 flowers: four measurements each, standardised, and rows of an identity matrix for their kinds."""
    text = files("symgrad").joinpath("data/iris.csv").read_text()
    table = np.array([line.split(",") for line in text.splitlines()[1:]], dtype=float)
    measured = table[:, :4]
    return (measured - measured.mean(0)) / measured.std(0), np.eye(3)[table[:, 4].astype(int)]


def loss(W: Any, b: Any, X: Any, Y: Any) -> Any:
    """Mean negative log-likelihood of softmax regression, with a small penalty."""
    scores = X @ W + b
    return -np.mean(np.sum(Y * sg.log_softmax(scores), axis=1)) + 0.01 * np.sum(W**2)


@contextmanager
def step(title: str) -> Iterator[None]:
    """A line that appears when its work begins and is completed by the time it took."""
    print(f"{title} ...", end="", flush=True)
    start = time.perf_counter()
    yield
    print(f"\r{title:<58} {time.perf_counter() - start:6.2f} s", flush=True)


def run(options: argparse.Namespace) -> int:
    X, Y = iris()
    W, b = np.full((4, 3), 0.1), np.zeros(3)
    with step("1. trace the loss and differentiate it"):
        symbols = [sg.symbol("W", (4, 3)), sg.symbol("b", (3,)), sg.symbol("X", ("n", 4)), sg.symbol("Y", ("n", 3))]
        value = loss(*symbols)
        slopes = sg.gradients(value, symbols[:2])
    _show(value, slopes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        with step("2. compile value and gradient ahead of time"):
            outputs = {"value": value, "grad_W": slopes[0], "grad_b": slopes[1]}
            linker = any(map(shutil.which, ("cc", "gcc", "clang", "ld")))
            kinds = ("object", "static", "header", *(("shared", "python") if linker else ()))
            written = sg.export(folder, {"loss": ({"value": value}, symbols), "loss_grad": (outputs, symbols)}, kinds)
        for path in written.values():
            print(f"     {path.name:<16} {path.stat().st_size:7d} bytes")
        arguments = (W, b, X, Y)
        found = _call_artefact(written, arguments) if linker else None
        _check(value, slopes, symbols, arguments, found)
        _call_from_c(folder, arguments)
    _measure(value, slopes, symbols, arguments)
    return 0


def _show(value: Any, slopes: Any) -> None:
    print(f"\n   loss        {value}")
    for name, slope in zip(("W", "b"), slopes, strict=True):
        body = str(sg.simplify(slope)).replace("\n", "\n" + " " * 15)
        print(f"   dloss/d{name}    {body}")
    print()


def _call_artefact(written: Any, arguments: Any) -> Any:
    """Value and gradient by the exported library, through its own loader, which knows nothing of symgrad."""
    with step("3. call the artefact from Python (ctypes and NumPy only)"):
        spec = util.spec_from_file_location("loss_artefact", written["python"])
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = module.loss_grad(*arguments)
    print(f"     loss {float(found[0]):.6f}, gradient by b {np.round(found[2], 6)}")
    return found


def _check(value: Any, slopes: Any, symbols: Any, arguments: Any, found: Any) -> None:
    with step("4. check against finite differences"):
        report = sg.check_gradients(lambda W, b: loss(W, b, *arguments[2:]), *arguments[:2])
    print(f"     {report.checked} derivatives of first and second order agree, worst {report.worst:.0e}")
    if found is not None:
        want = evaluate([value, *slopes], dict(zip(symbols, arguments, strict=True)))
        worst = max(float(np.max(np.abs(one - other))) for one, other in zip(found, want, strict=True))
        print(f"     artefact and interpreter differ by at most {worst:.0e}")


_MAIN = """#include <stdio.h>
#include <stdlib.h>
#include "loss.h"
static const double W[12] = {{{W}}}, b[3] = {{{b}}}, X[{nx}] = {{{X}}}, Y[{ny}] = {{{Y}}};
int main(void) {{
    double value, grad_W[12], grad_b[3];
    int64_t size = loss_grad_workspace({n});
    void *work = aligned_alloc(64, (size_t)(size + 63) / 64 * 64 + 64);
    int32_t status = loss_grad(W, b, X, Y, &value, grad_W, grad_b, {n}, work);
    printf("loss %.6f, gradient by b [%.6f %.6f %.6f]\\n", value, grad_b[0], grad_b[1], grad_b[2]);
    free(work);
    return status;
}}
"""


def _numbers(array: Any) -> str:
    return ", ".join(repr(float(number)) for number in np.ravel(array))


def _call_from_c(folder: Path, arguments: Any) -> None:
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        print("5. no C compiler found: the call from C is left out")
        return
    W, b, X, Y = arguments
    source = _MAIN.format(W=_numbers(W), b=_numbers(b), X=_numbers(X), Y=_numbers(Y), n=len(X), nx=X.size, ny=Y.size)
    with step("5. call it from C, linked statically"):
        (folder / "main.c").write_text(source)
        subprocess.run([compiler, "-std=c11", "main.c", "loss.o", "-lm", "-o", "main"], cwd=folder, check=True)
        said = subprocess.run([str(folder / "main")], capture_output=True, text=True, check=True).stdout
    print(f"     {said.strip()}")


def _measure(value: Any, slopes: Any, symbols: Any, arguments: Any) -> None:
    with step("6. time value and gradient"):
        alone = sg.compile(value, symbols, name="loss")
        both = sg.compile([value, *slopes], symbols, name="loss_grad")
        first, second = _seconds(lambda: alone(*arguments)), _seconds(lambda: both(*arguments))
    print(f"     value {first * 1e6:.1f} us, value and gradient {second * 1e6:.1f} us: ratio {second / first:.2f}")


def _seconds(call: Callable[[], Any]) -> float:
    """The shortest of many calls."""
    call()
    best = float("inf")
    for _ in range(300):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
