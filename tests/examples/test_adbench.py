"""The ADBench objectives agree with the references of the suite, compiled just in time and ahead of time.

The small files are test data; SYMGRAD_ADBENCH names a directory with all of them (inputs below it, references as
``name.npz`` beside an input or anywhere below).
"""

from __future__ import annotations

import importlib.util
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from linking import needs_linker

import symgrad as sg

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SYMGRAD_ADBENCH", ROOT / "tests" / "data" / "adbench"))
REFERENCES = {path.stem: path for path in DATA.rglob("*.npz")}
GMM, BA = (runpy.run_path(str(ROOT / "examples" / "adbench" / f"{name}.py")) for name in ("gmm", "ba"))


def files(name):
    found = [path for path in sorted(DATA.rglob(f"{name}*.txt")) if path.stem in REFERENCES]
    assert found
    return pytest.mark.parametrize("path", found, ids=lambda path: path.stem)


def bound(path):
    return 1e-9 if "_d64_" in path.stem else 1e-10


def artefact(directory, kernel, name):
    """The function of a kernel's library, as a program that only has NumPy would load it."""
    made = sg.export(directory, {name: kernel}, kinds=("python",))
    spec = importlib.util.spec_from_file_location(name, made["python"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def deviation_of_gmm(run, path):
    value, *gradient = run(*GMM["load"](path)[:4])
    with np.load(REFERENCES[path.stem]) as expected:
        found = np.concatenate([np.ravel(part) for part in gradient])
        return max(GMM["closeness"](value, expected["f"]), GMM["closeness"](found, expected["J"]))


def deviation_of_ba(run, path):
    outputs = run(*BA["load"](path))
    with np.load(REFERENCES[path.stem]) as expected:
        wanted = [expected[name] for name in ("r", "w_err", "blocks", "dw")]
        return max(
            BA["closeness"](out, one.reshape(-1, *out.shape[1:])) for out, one in zip(outputs, wanted, strict=True)
        )


@files("gmm")
def test_mixtures(path):
    assert deviation_of_gmm(GMM["compiled"](*GMM["load"](path)), path) <= bound(path)


@files("ba")
def test_bundle_adjustment(path):
    assert deviation_of_ba(BA["compiled"](), path) <= bound(path)


@needs_linker
@files("gmm")
def test_mixtures_ahead_of_time(path, tmp_path):
    run = artefact(tmp_path / "made", GMM["compiled"](*GMM["load"](path)), "gmm")
    assert deviation_of_gmm(run, path) <= bound(path)


@needs_linker
@files("ba")
def test_bundle_adjustment_ahead_of_time(path, tmp_path):
    assert deviation_of_ba(artefact(tmp_path / "made", BA["compiled"](), "ba"), path) <= bound(path)
