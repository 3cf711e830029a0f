"""What is kept of a kernel.  In: its object, its messages, its figures.  Out: sections of bytes, and the same again.

What follows from a request itself, such as names and types of arguments, is not kept.  Figures with dynamic dimensions
are written with the labels of those, which are part of the digest.  Nothing that is read is ever executed but the code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen.cache.files import Store
from codegen.cache.fingerprint import Fingerprint
from codegen.signature import Message
from symgrad.dims import Dim, rebuild

__all__ = ["Record", "recall", "remember"]

_DIM = "size"


@dataclass(frozen=True)
class Record:
    """A kernel's code and what belongs to it.

    Attributes
    ----------
    object : bytes
        Object file of the body.
    entry : bytes
        Object file of the Python entry.
    messages : tuple of Message
    figures : mapping
        Of :func:`codegen.statistics.figures`.
    """

    object: bytes
    entry: bytes
    messages: tuple[Message, ...]
    figures: Mapping[str, Any]

    def sections(self) -> list[bytes]:
        """The record as bytes."""
        content = {"messages": [[one.kind, one.text] for one in self.messages], "figures": _written(self.figures)}
        return [json.dumps(content).encode(), self.object, self.entry]

    @classmethod
    def of(cls, sections: Sequence[bytes]) -> Record:
        """The record that gave these sections."""
        text, code, entry = sections
        content = json.loads(text)
        return cls(code, entry, tuple(Message(*one) for one in content["messages"]), _read(content["figures"]))


def _written(value: Any) -> Any:
    """A number, a text, a size with its dimensions, or a list or dictionary of such."""
    if isinstance(value, Dim):
        _, (offset, terms, recipes) = value.__reduce__()
        return {_DIM: [offset, terms, {label: _written(recipe) for label, recipe in recipes.items()}]}
    if isinstance(value, (list, tuple)):
        return [_written(one) for one in value]
    return {name: _written(one) for name, one in value.items()} if isinstance(value, Mapping) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(one) for one in value]
    if not isinstance(value, dict):
        return value
    if _DIM not in value:
        return {name: _read(one) for name, one in value.items()}
    offset, terms, recipes = value[_DIM]
    decoded = {label: (kind, tuple(map(_read, operands))) for label, (kind, operands) in recipes.items()}
    return rebuild(offset, terms, decoded)


def recall(store: Store, mark: Fingerprint) -> Record | None:
    """The record of a kernel with that fingerprint."""
    found = store.find(mark.key)
    if found is not None and not found:
        found = store.find(mark.with_lines())
    return Record.of(found) if found else None


def remember(store: Store, mark: Fingerprint, record: Record) -> bool:
    """Keep a record; whether that was possible.

    Messages quote source lines: such a record is kept under the digest with the lines, and an empty one under that
    without, which sends the reader there.
    """
    if not record.messages:
        return store.keep(mark.key, record.sections())
    return store.keep(mark.with_lines(), record.sections()) and store.keep(mark.key, [])
