"""One object file from several.  In: relocatable ELF files of one machine.  Out: one, with the sections of all.

What ``ld -r`` does without joining sections: they are put one behind the other, and the numbers of sections and symbols
in tables and relocations are shifted.  Hidden names, by which parts of a module know each other, become local.  Refuses a
name that is defined twice, and kinds of sections it does not know.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from codegen.aot.elf import (
    HEADER,
    RELA,
    RELOCATION,
    SECTION,
    SYMBOL,
    SYMTAB,
    ObjectFile,
    Section,
    Symbol,
    read_object,
)
from symgrad.errors import CompileError

__all__ = ["merge_objects"]

_STRTAB, _GROUP, _SYMTAB_SHNDX, _LLVM_ADDRSIG = 3, 17, 18, 0x6FFF4C03
_LINK_ORDER = 0x80
_RESERVED = 0xFF00  # numbers of sections from here on mean something else
_LEFT_OUT = (SYMTAB, _STRTAB, _LLVM_ADDRSIG)  # written anew, and a hint to linkers that is optional


def merge_objects(objects: Sequence[bytes]) -> bytes:
    """One object file that defines what all of them define.

    Raises
    ------
    CompileError
        A name is defined twice, or the objects are not of one machine.
    """
    if len(objects) == 1:
        return objects[0]
    parts = [read_object(data) for data in objects]
    if len({(part.machine, part.flags) for part in parts}) != 1:
        raise CompileError("the objects to join are not of one machine")
    merged = _Merged()
    for part in parts:
        merged.add_sections(part)
    merged.number_symbols(parts)
    for k, part in enumerate(parts):
        merged.add_relocations(k, part)
    return merged.text(parts[0])


@dataclass
class _Merged:
    """The file being put together; ``places`` gives new numbers of sections, ``numbers`` those of symbols."""

    sections: list[Section] = field(default_factory=lambda: [Section("", 0, 0, 0, 0, 0, 0, 0, b"")])
    places: list[dict[int, int]] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=lambda: [Symbol("", 0, 0, 0, 0, 0)])
    numbers: list[dict[int, int]] = field(default_factory=list)
    locals: int = 0
    names: set[str] = field(default_factory=set)

    def add_sections(self, part: ObjectFile) -> None:
        """Everything but tables and relocations."""
        places: dict[int, int] = {0: 0}
        for k, one in enumerate(part.sections[1:], 1):
            if one.kind in (_GROUP, _SYMTAB_SHNDX) or one.flags & _LINK_ORDER:
                raise CompileError(f"an object has the section {one.name!r}, of a kind that cannot be joined")
            if one.kind not in (*_LEFT_OUT, RELA):
                places[k] = len(self.sections)
                self.sections.append(one)
        self.places.append(places)

    def number_symbols(self, parts: Sequence[ObjectFile]) -> None:
        """Local symbols of all parts first, as the format demands, then each global name once."""
        self.numbers = [{0: 0} for _ in parts]
        known: dict[str, int] = {}
        for k, part in enumerate(parts):
            for number, one in enumerate(part.symbols[1:], 1):
                if one.is_local or (one.is_hidden and one.is_defined):
                    if not one.is_local and known.setdefault(one.name, len(self.symbols)) != len(self.symbols):
                        raise CompileError(f"the name {one.name!r} is defined by two objects")
                    self.numbers[k][number] = len(self.symbols)
                    self.symbols.append(self._local(k, self._moved(k, one)))
        self.locals = len(self.symbols)
        for k, part in enumerate(parts):
            for number, one in enumerate(part.symbols[1:], 1):
                if number not in self.numbers[k]:
                    self.numbers[k][number] = self._global(known, self._moved(k, one))

    def _local(self, k: int, one: Symbol) -> Symbol:
        """A local symbol under a name that no other has: LLVM's loader looks them up by name."""
        taken = one.name and one.section < _RESERVED and one.name in self.names
        self.names.add(one.name)
        return replace(one.as_local(), name=f"{one.name}.{k}" if taken else one.name)

    def _moved(self, k: int, one: Symbol) -> Symbol:
        return one if one.section >= _RESERVED else replace(one, section=self.places[k][one.section])

    def _global(self, known: dict[str, int], one: Symbol) -> int:
        place = known.setdefault(one.name, len(self.symbols))
        if place == len(self.symbols):
            self.symbols.append(one)
        elif one.is_defined:
            if self.symbols[place].is_defined:
                raise CompileError(f"the name {one.name!r} is defined by two objects")
            self.symbols[place] = one
        return place

    def add_relocations(self, k: int, part: ObjectFile) -> None:
        for one in part.sections:
            if one.kind == RELA:
                data = b"".join(
                    RELOCATION.pack(place, self.numbers[k][info >> 32] << 32 | info & 0xFFFFFFFF, addend)
                    for place, info, addend in RELOCATION.iter_unpack(one.data)
                )
                self.sections.append(replace(one, data=data, info=self.places[k][one.info]))

    def text(self, model: ObjectFile) -> bytes:
        """The bytes of the file."""
        names = _Strings()
        symtab = b"".join(
            SYMBOL.pack(names.place(one.name), one.info, one.other, one.section, one.value, one.size)
            for one in self.symbols
        )
        table = len(self.sections)
        self.sections = [replace(one, link=table) if one.kind == RELA else one for one in self.sections]
        self.sections.append(Section(".symtab", SYMTAB, 0, len(symtab), table + 1, self.locals, 8, SYMBOL.size, symtab))
        for one in (*self.sections, Section(".strtab", _STRTAB, 0, 0, 0, 0, 1, 0, b"")):
            names.place(one.name)
        strings = bytes(names.data)
        self.sections.append(Section(".strtab", _STRTAB, 0, len(strings), 0, 0, 1, 0, strings))
        return _laid_out(self.sections, names, model)


class _Strings:
    """A table of strings, each once."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self._places = {"": 0}

    def place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._places[text]


def _laid_out(sections: Sequence[Section], names: _Strings, model: ObjectFile) -> bytes:
    body, headers = bytearray(HEADER.size), bytearray()
    for one in sections:
        if one.kind:
            body += bytes(-len(body) % max(1, one.alignment))
        place = len(body) if one.kind else 0
        body += one.data
        headers += SECTION.pack(
            names.place(one.name), one.kind, one.flags, 0, place, one.size, one.link, one.info, one.alignment, one.entry
        )
    body += bytes(-len(body) % 8)
    count = len(sections)
    if count >= _RESERVED:
        raise CompileError(f"{count} sections are more than one object file can have")
    ident = b"\x7fELF" + struct.pack("<BBB9x", 2, 1, 1)
    fields = (1, model.machine, 1, 0, 0, len(body), model.flags, HEADER.size, 0, 0, SECTION.size, count, count - 1)
    body[: HEADER.size] = HEADER.pack(ident, *fields)
    return bytes(body + headers)
