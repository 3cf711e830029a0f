"""What a kernel is made of.  In: a compile request.  Out: 32 bytes, equal where the machine code would be.

Nodes are written in topological order by what they are, never by where they lie in memory: operation, static parameters,
positions of the inputs; with them everything else that code generation reads: target, options, stated assumptions, and
the versions of the sources and libraries.  Source lines are left out; messages quote them, so a kernel that has messages
is kept under a second digest, with the lines.  A graph that calls functions of the host has no fingerprint.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import astuple
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import CodeType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from codegen.target import Target, native
from symgrad import assumptions, dims, ops
from symgrad.backend import CompileRequest
from symgrad.dims import Dim
from symgrad.node import Node, topological
from symgrad.opdef import Kind, OpDef
from symgrad.ops.source import Literal
from symgrad.provenance import SILENT, observed
from symgrad.types import TensorType

__all__ = ["Fingerprint", "fingerprint", "versions"]

_CHUNK = 1024  # nodes that are turned into text together
# Parameters that say nothing of the code: identities, memory, rules.
_READ = {"parameter": slice(2), "variable": slice(2), "custom_gradient": slice(1, 3)}


class Fingerprint:
    """The digests of a request.

    Attributes
    ----------
    key : bytes
        Of everything but source lines.
    """

    __slots__ = ("_order", "key")

    def __init__(self, key: bytes, order: Sequence[Node]) -> None:
        self.key, self._order = key, order

    def with_lines(self) -> bytes:
        """The digest of everything, with the source lines of all nodes."""
        digest = sha256(self.key)
        tables: dict[int, tuple[str, int, bytes]] = {}
        for node in self._order:
            digest.update(repr([_site(one, tables) for one in node.sites]).encode())
        return digest.digest()


def fingerprint(request: CompileRequest, variables: Sequence[Node], name: str, target: Target) -> Fingerprint | None:
    """What the code of a request depends on; None where a part of it is known to this process only.

    Parameters
    ----------
    request : CompileRequest
    variables : sequence of nodes
        In the order in which the kernel takes them.
    name : str
        The kernel's.
    target : Target
    """
    graph = request.graph
    news = [new for _, new in request.updates]
    order = topological([*graph.outputs, *news]) if news else graph.nodes
    options = (
        *(name, request.single, request.output_names, request.check_finite, sorted(request.fastmath)),
        *(request.threads, request.kink, assumptions.stated(), astuple(target)),
    )
    writer = _Writer()
    try:
        digest = sha256(repr((versions(), _sources(), astuple(native()), options)).encode())
        writer.add(digest, [*graph.inputs, *variables, *order])
    except _UnknownError:
        return None
    number = writer.number
    roots = (
        [number[node] for node in graph.inputs],
        [number[node] for node in variables],
        [number[node] for node in graph.outputs],
        [(number[variable], number[new]) for variable, new in request.updates],
    )
    digest.update(repr(roots).encode())
    return Fingerprint(digest.digest(), order)


class _UnknownError(Exception):
    """Something has no meaning outside this process."""


class _Writer:
    """``number``: the position of each node that has been written."""

    def __init__(self) -> None:
        self.number: dict[Node, int] = {}
        self._attrs: dict[int, Any] = {}  # by identity: nodes keep their parameters alive
        self._operations: dict[OpDef, bool] = {}

    def add(self, digest: Any, order: Sequence[Node]) -> None:
        """Write nodes whose inputs have been written before them."""
        number, records = self.number, []
        for node in order:
            if node not in number:
                records.append((node.op.name, self._parameters(node), *[number[one] for one in node.inputs]))
                number[node] = len(number)
                if len(records) == _CHUNK:
                    digest.update(repr(records).encode())
                    records.clear()
        digest.update(repr(records).encode())

    def _parameters(self, node: Node) -> Any:
        """The static parameters; for an operation that the user has defined, with its definition."""
        op, attrs = node.op, node.attrs
        own = self._operations.get(op)
        if own is None:
            own = self._operations[op] = _is_own(op)
        if not own:
            return _definition(node)
        if not attrs:
            return ()
        made = self._attrs.get(id(attrs))
        if made is None:
            made = self._attrs[id(attrs)] = _plain(attrs[_READ[op.name]] if op.name in _READ else attrs)
        return made


def _is_own(op: OpDef) -> bool:
    """Whether an operation's name says what it is."""
    if op.kind is Kind.CALLBACK:
        raise _UnknownError
    meaning = op.define or op.infer
    module = getattr(meaning, "func", meaning).__module__  # what a partial function is made of
    return module.startswith("symgrad.") and module != "symgrad.define"


def _definition(node: Node) -> str:
    """The digest of what an operation stands for on arguments of these types."""
    define = node.op.define
    if define is None:
        raise _UnknownError
    with observed(SILENT):
        leaves = [ops.parameter(f"x{k}", one.type) for k, one in enumerate(node.inputs)]
        made = define(tuple(leaves), node.attrs)
    digest, writer = sha256(), _Writer()
    writer.add(digest, [*leaves, *topological([made])])
    digest.update(repr(writer.number[made]).encode())
    return digest.hexdigest()


# -- values ---------------------------------------------------------------------------------------------------------
def _plain(value: Any) -> Any:
    """A value as tuples of what Python writes without ambiguity."""
    kind = value.__class__
    if value is None or kind in (bool, int, str, bytes, float):
        return value
    if isinstance(value, tuple):
        return (kind.__name__, *map(_plain, value))
    if kind is TensorType:
        return ("type", value.dtype.name, *map(_plain, value.shape))
    if kind is Dim:
        _, (offset, terms, recipes) = value.__reduce__()
        return ("dim", offset, terms, [(label, _plain(recipe)) for label, recipe in recipes.items()])
    if kind is Literal:
        return ("array", *value.key)
    if isinstance(value, np.dtype):
        return ("dtype", value.name)
    raise _UnknownError


def _site(one: Any, tables: dict[int, tuple[str, int, bytes]]) -> Any:
    """A part of a node's sites: the name of a rule, an instruction, or a code object by what places its lines."""
    if not isinstance(one, CodeType):
        return one
    known = tables.get(id(one))
    if known is None:
        place = (one.co_filename.rpartition("/")[2], one.co_firstlineno, sha256(one.co_linetable).digest())
        known = tables[id(one)] = place
    return known


# -- surroundings ---------------------------------------------------------------------------------------------------
def versions() -> tuple[Any, ...]:
    """Versions of the libraries that make the code."""
    return llvmlite.__version__, llvm.llvm_version_info, np.__version__, platform.python_version(), sys.byteorder


@cache
def _sources() -> list[tuple[str, int, int]]:
    """Names, sizes and times of the source files, so that whoever changes one never meets old code.

    Raises
    ------
    _UnknownError
        There are none to be seen.
    """
    found = []
    for root in (Path(__file__).parents[1], Path(dims.__file__).parent):
        for folder, _, files in os.walk(root):
            for file in files:
                if file.endswith(".py"):
                    place = os.path.join(folder, file)
                    state = os.stat(place)
                    found.append((os.path.relpath(place, root.parent), state.st_size, state.st_mtime_ns))
    if not found:
        raise _UnknownError
    return sorted(found)
