"""Comparing a whole error message: what, the user's line, and the hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Refusal(NamedTuple):
    """A call that has to fail on the last line of its code, and what is said then."""

    call: Callable[[], Any]
    kind: type[Exception]
    what: str
    hint: str | None = None


def line_of(function: Callable[..., Any]) -> str:
    """The last line of a function, as messages give it."""
    code = function.__code__
    return f"{Path(code.co_filename).name}:{max(line for *_, line in code.co_lines() if line)}"


def assert_refused(case: Refusal) -> None:
    """The error is of exactly this kind, and its message is this one from the first to the last character."""
    with pytest.raises(case.kind) as caught:
        case.call()
    assert type(caught.value) is case.kind
    hint = "" if case.hint is None else f"\n  hint: {case.hint}"
    assert str(caught.value) == f"{case.what}\n  at {line_of(case.call)}{hint}"
