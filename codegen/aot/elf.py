"""Reading object files.  In: the bytes of a relocatable ELF file of 64 bits.  Out: its sections and symbols.

Refuses everything else: other formats (macOS, Windows), big-endian machines, executables.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from symgrad.errors import CompileError

__all__ = [
    "HEADER",
    "MACHINES",
    "RELA",
    "RELOCATION",
    "SECTION",
    "SYMBOL",
    "SYMTAB",
    "ObjectFile",
    "Section",
    "Symbol",
    "read_object",
]

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQq")
MACHINES = {"x86_64": 62, "aarch64": 183}
SYMTAB, RELA, NOBITS = 2, 4, 8
_RELOCATABLE = 1


@dataclass(frozen=True)
class Section:
    """A section: the fields of its header, with its name and its bytes."""

    name: str
    kind: int
    flags: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int
    data: bytes


@dataclass(frozen=True)
class Symbol:
    """An entry of the symbol table; ``section`` is 0 for what is defined elsewhere."""

    name: str
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def is_local(self) -> bool:
        return self.info >> 4 == 0

    @property
    def is_hidden(self) -> bool:
        return self.other & 3 == 2

    @property
    def is_defined(self) -> bool:
        return self.section != 0

    def as_local(self) -> Symbol:
        """The same symbol, for its own file only."""
        return replace(self, info=self.info & 0xF, other=self.other & ~3)


@dataclass(frozen=True)
class ObjectFile:
    """An object file."""

    machine: int
    flags: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    @property
    def defined(self) -> list[str]:
        """Names that other objects can refer to."""
        return [one.name for one in self.symbols if one.is_defined and not one.is_local]


def read_object(data: bytes) -> ObjectFile:
    """The sections and symbols of an object file.

    Raises
    ------
    CompileError
        It is no relocatable ELF file of 64 bits, little-endian.
    """
    if len(data) < HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        raise CompileError(
            "files can be written ahead of time for ELF machines only (Linux, BSD)",
            hint="choose a target such as x86-64-v3 or aarch64",
        )
    header = HEADER.unpack_from(data)
    if header[1] != _RELOCATABLE:
        raise CompileError("this ELF file is not an object file, but linked already")
    raw = [SECTION.unpack_from(data, header[6] + SECTION.size * k) for k in range(header[12])]
    names = _contents(data, raw[header[13]])
    sections = tuple(
        Section(_string(names, s[0]), s[1], s[2], s[5], s[6], s[7], s[8], s[9], _contents(data, s)) for s in raw
    )
    tables = [one for one in sections if one.kind == SYMTAB]
    symbols = tuple(symbol for one in tables for symbol in _symbols(one, sections))
    return ObjectFile(header[2], header[7], sections, symbols)


def _contents(data: bytes, raw: tuple[int, ...]) -> bytes:
    return b"" if raw[1] == NOBITS else data[raw[4] : raw[4] + raw[5]]


def _string(table: bytes, place: int) -> str:
    return table[place : table.index(b"\0", place)].decode()


def _symbols(table: Section, sections: tuple[Section, ...]) -> list[Symbol]:
    names = sections[table.link].data
    return [Symbol(_string(names, raw[0]), *raw[1:]) for raw in SYMBOL.iter_unpack(table.data)]
