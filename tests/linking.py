"""What tests of shared libraries need of the machine: a linker.  Without one, the error that says so is tested."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["needs_linker", "require_linker"]

_TOOLS = (os.environ.get("CC", "cc").split()[0], "cc", "gcc", "clang", "ld")
_MISSING = not any(map(shutil.which, _TOOLS))

needs_linker = pytest.mark.skipif(_MISSING, reason="no linker")


def require_linker() -> None:
    """Skip what asks for it: for fixtures, which take no marks."""
    if _MISSING:
        pytest.skip("no linker")
