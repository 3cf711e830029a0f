"""What hints recommend exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import symgrad as sg
import symgrad.numpy

ROOT = Path(__file__).parents[2]
NAMED = sorted(
    {
        name
        for package in ("symgrad", "codegen")
        for path in (ROOT / package).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        for part in ast.walk(call)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        for name in re.findall(r"\bsg\.(\w+)", part.value)
    }
)


@pytest.mark.parametrize("name", NAMED)
def test_hints_name_what_exists(name: str) -> None:
    assert hasattr(sg, name)


def test_hints_are_found() -> None:
    assert {"assume", "symbol", "where", "jacobian", "gradients"} <= set(NAMED)


@pytest.mark.parametrize("name", ["array", "asarray", "full", "linspace", "vstack", "hstack", "column_stack"])
def test_symgrad_numpy_has_what_hints_promise(name: str) -> None:
    assert callable(getattr(symgrad.numpy, name))
