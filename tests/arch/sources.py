"""The library's source files, as text and as syntax trees."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("symgrad", "codegen")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """The name under which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.stmt) -> list[str]:
    """Modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        full = [f"{node.module}.{one.name}" for one in node.names]
        return [name if name in MODULES else node.module or "" for name in full]
    return []


def imports(path: Path) -> tuple[set[str], set[str]]:
    """What a file imports when it is imported itself, and what its functions import when they run."""
    at_once, later = set(), set()
    own = tree(path)
    for node in ast.walk(own):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            (at_once if node in own.body else later).update(imported(node))
    return at_once, later
