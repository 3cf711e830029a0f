"""Shared by all tests: random numbers, and comparing compiled with interpreted values."""

from __future__ import annotations

import os

os.environ["SYMGRAD_CACHE"] = "off"  # read when symgrad is imported, by this process and by those that it starts

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.diff.claims import forget
from symgrad.interp import evaluate


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the stored loop programs")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True)
def _rules_are_judged_by_their_own_test() -> Iterator[None]:
    yield
    forget()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture
def agree() -> Callable[..., list[np.ndarray]]:
    """Compile expressions, run them, compare with the interpreter; returns the values."""

    def run(outputs: Sequence[Any], inputs: Sequence[Any], arrays: Sequence[Any], **options: float) -> list[np.ndarray]:
        kernel = sg.compile(tuple(outputs), list(inputs))
        got = kernel(*arrays)
        want = evaluate(list(outputs), dict(zip(inputs, arrays, strict=True)))
        for one, other in zip(got, want, strict=True):
            assert_same(one, other, **options)
        return want

    return run
