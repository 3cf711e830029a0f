"""Where expressions come from.  In: the Python stack and the scopes in force.  Out: source sites, and the build context
that every new node reads.

A *site* is a line of the user's code.  It is captured as (code object, instruction), which costs little, and turned
into ``file:line`` only when somebody asks.  A derivative node has the sites of the node that was differentiated, behind
the name of the rule that did it.  The *build context* is one immutable object in one context variable, so
that creating a node costs a single look-up however many scopes are open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import takewhile
from types import CodeType, FrameType
from typing import Any, Protocol

__all__ = [
    "SILENT",
    "BuildContext",
    "Identity",
    "Observer",
    "Sites",
    "current",
    "derived_by",
    "describe",
    "name_scope",
    "observed",
    "remember",
    "user_line",
]

# Names of rules, then code object, instruction, code object, instruction, ...: flat, so that the collector skips it.
Sites = tuple[Any, ...]

MAX_SITES = 4  # source lines remembered for a node that is built again and again
_INTERNAL = ("symgrad", "codegen", "numpy", "sympy", "functools", "contextlib")
_COMMAND_LINE = "symgrad.cli"  # what calls it is no user's code


class Identity:
    """The part of a build context that belongs to a node's identity: name scope and override map."""

    __slots__ = ("overrides", "scope")

    def __init__(self, scope: str, overrides: tuple[tuple[str, str], ...]) -> None:
        self.scope, self.overrides = scope, overrides


class Observer(Protocol):
    """Told of every node that is built or found while it is in force."""

    def note(self, node: Any) -> None: ...


class _Silent:
    """An observer that takes no notice; it keeps the library's own building out of the source lines."""

    def note(self, node: Any) -> None:
        return None


SILENT: Observer = _Silent()


class BuildContext:
    """What a new node takes from its surroundings."""

    __slots__ = ("identity", "observer")

    def __init__(self, identity: Identity | None = None, observer: Observer | None = None) -> None:
        self.identity, self.observer = identity, observer


_identities: dict[tuple[Any, ...], Identity] = {}
_PLAIN = BuildContext()
current: ContextVar[BuildContext] = ContextVar("symgrad_build_context", default=_PLAIN)


def identity(scope: str, overrides: tuple[tuple[str, str], ...] = ()) -> Identity | None:
    """The interned identity of a scope and an override map; None for neither."""
    if not scope and not overrides:
        return None
    key = (scope, overrides)
    return _identities.get(key) or _identities.setdefault(key, Identity(scope, overrides))


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Nodes and variables created inside belong to the scope; scopes nest as paths.

    Parameters
    ----------
    name : str
        One or more path components, ``"net"`` or ``"net/layer1"``.

    Yields
    ------
    str
        The full path.

    Examples
    --------
    >>> import symgrad as sg
    >>> with sg.name_scope("net"), sg.name_scope("layer1") as path:
    ...     w = sg.variable("w", [1.0, 2.0])
    >>> path, w.name
    ('net/layer1', 'net/layer1/w')
    """
    here = current.get()
    outer = here.identity
    path = f"{outer.scope}/{name}" if outer and outer.scope else name
    token = current.set(BuildContext(identity(path, outer.overrides if outer else ()), here.observer))
    try:
        yield path
    finally:
        current.reset(token)


def scope_path() -> str:
    """The name scope in force, ``""`` outside any."""
    here = current.get().identity
    return here.scope if here else ""


@contextmanager
def observed(observer: Observer | None) -> Iterator[None]:
    """Build derivative or lowered nodes: outside every scope and override map, reported to ``observer``."""
    token = current.set(BuildContext(None, observer))
    try:
        yield
    finally:
        current.reset(token)


# -- sites ----------------------------------------------------------------------------------------------------------
class _Internal(dict[str, bool]):
    """Whether a module, by name, is the library's or one that calls it on the user's behalf."""

    def __missing__(self, name: str) -> bool:
        answer = self[name] = name.partition(".")[0] in _INTERNAL
        return answer


_internal = _Internal()


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame, from ``frame`` outwards, that is not the library's."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not _internal[name]:
            return frame
        frame = None if name == _COMMAND_LINE else frame.f_back
    return None


def remember(node: Any) -> None:
    """Add the user's line that is being executed to the node's sites."""
    known = node.sites
    if known and known[0].__class__ is str:
        known = ()
    elif len(known) >= 2 * MAX_SITES:
        return
    frame = user_frame(sys._getframe(2))  # past this function and the one that made the node
    if frame is None:
        return
    code, instruction = frame.f_code, frame.f_lasti
    for k in range(0, len(known), 2):
        if known[k] is code and known[k + 1] == instruction:
            return
    node.sites = (*known, code, instruction)


def derived_by(sites: Sites) -> Sites:
    """The rules that differentiated, the last one first; empty for a node that the user's lines built."""
    return tuple(takewhile(lambda one: one.__class__ is str, sites))


def describe(sites: Sites) -> list[str]:
    """Sites as ``file:line``, each once."""
    sites = sites[len(derived_by(sites)) :]
    return list(dict.fromkeys(map(_line, sites[::2], sites[1::2])))


def _line(code: CodeType, instruction: int) -> str:
    line = code.co_firstlineno
    positions = list(code.co_positions())
    if 0 <= instruction // 2 < len(positions):
        line = positions[instruction // 2][0] or line
    return f"{code.co_filename.rpartition('/')[2]}:{line}"


def user_line() -> str | None:
    """The user's current line as ``file:line``, for messages."""
    frame = user_frame(sys._getframe(1))
    return None if frame is None else f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
