"""The three roads from expressions to numbers: interpreter, kernel, and a library that only NumPy loads."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linking import needs_linker

import symgrad as sg
from symgrad.interp import evaluate

__all__ = ["both_floats", "every_road"]


def interpreted(outputs: Sequence[Any], values: Mapping[Any, Any]) -> list[np.ndarray]:
    return evaluate(list(outputs), values)


def compiled(outputs: Sequence[Any], values: Mapping[Any, Any]) -> list[np.ndarray]:
    return list(sg.compile(tuple(outputs), list(values))(*values.values()))


def ahead_of_time(outputs: Sequence[Any], values: Mapping[Any, Any]) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as directory:
        kernel = sg.compile(tuple(outputs), list(values))
        path = sg.export(Path(directory) / "made", {"steered": kernel}, kinds=("python",))["python"]
        spec = importlib.util.spec_from_file_location("steered", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made = module.steered(*values.values())
        return list(made) if isinstance(made, tuple) else [made]


every_road = pytest.mark.parametrize("run", [interpreted, compiled, pytest.param(ahead_of_time, marks=needs_linker)])
both_floats = pytest.mark.parametrize("dtype", ["float64", "float32"])
