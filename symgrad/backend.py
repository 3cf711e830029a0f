"""The back end, seen from here.  In: what to compile.  Out: a callable kernel.  Refuses names that no package offers.

symgrad reaches machine code only through :class:`Backend`.  A package offers one under the entry point
``symgrad.backends``; without installed metadata the module ``codegen`` is taken, if it carries the marker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from symgrad.config import current
from symgrad.errors import CompileError
from symgrad.graph import Graph
from symgrad.node import Node

__all__ = ["Backend", "CompileRequest", "find_backend"]


@dataclass(frozen=True)
class CompileRequest:
    """What to compile.

    Attributes
    ----------
    graph : Graph
        Results (without the updates' new values) and placeholders.
    updates : pairs of variable and new value
    name : str
    single : bool
        Whether a call returns one array rather than a tuple.
    output_names : tuple of str
        Names of the results in interfaces; empty for default ones.
    target : str
    threads : int
    fastmath : set of str
    check_finite : bool
    kink : str
        The convention for derivatives at kinks in force when the request was made; artefacts record it.
    """

    graph: Graph
    updates: tuple[tuple[Node, Node], ...] = ()
    name: str = "kernel"
    single: bool = False
    output_names: tuple[str, ...] = ()
    target: str = "native"
    threads: int = 1
    fastmath: frozenset[str] = field(default_factory=lambda: frozenset({"contract"}))
    check_finite: bool = False
    kink: str = field(default_factory=lambda: current().kink)


class Backend(Protocol):
    """What a back end offers."""

    def compile(self, request: CompileRequest) -> Callable[..., Any]:
        """A kernel callable with arrays, with the attributes that the public interface names."""
        ...

    def export(
        self, directory: Path, name: str, requests: Sequence[CompileRequest], kinds: Sequence[str]
    ) -> Mapping[str, Path]:
        """Write compiled kernels to files; returns the path of each kind of file."""
        ...


@cache
def find_backend(name: str) -> Backend:
    """The back end of that name.

    Raises
    ------
    CompileError
        No package offers it.
    """
    for entry in entry_points(group="symgrad.backends"):
        if entry.name == name:
            offered: Backend = entry.load().backend
            return offered
    try:
        package = import_module("codegen")
    except ImportError:
        package = None
    if package is not None and getattr(package, "BACKEND_FOR_SYMGRAD", None) == name:
        fallback: Backend = import_module("codegen.backend").backend
        return fallback
    raise CompileError(
        f"no back end is named {name!r}", hint="install a package that offers it; the built-in one is 'llvm'"
    )
