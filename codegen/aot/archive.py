"""Static libraries.  In: named object files.  Out: the bytes of an ``ar`` archive with an index of symbols.

The format of GNU ar, as all linkers for ELF read it: every number in text, dates and owners zero, so that the same
members make the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from codegen.aot.elf import read_object
from symgrad.errors import CompileError

__all__ = ["write_archive"]

_MAGIC = b"!<arch>\n"
_HEADER = 60
_SHORT = 15  # letters of a name that fit into a header


def write_archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    """The archive of some object files.

    Raises
    ------
    CompileError
        Two members define the same name, or one is no object file.
    """
    names, long = _names([name for name, _ in members])
    symbols = [(symbol, k) for k, (_, data) in enumerate(members) for symbol in read_object(data).defined]
    if len({symbol for symbol, _ in symbols}) != len(symbols):
        raise CompileError("two members of the archive define the same name")
    text = b"".join(symbol.encode() + b"\0" for symbol, _ in symbols)
    place = len(_MAGIC) + _size(4 + 4 * len(symbols) + len(text)) + (_size(len(long)) if long else 0)
    places = []
    for _, data in members:
        places.append(place)
        place += _size(len(data))
    index = struct.pack(f">{len(symbols) + 1}I", len(symbols), *(places[k] for _, k in symbols)) + text
    parts = [_MAGIC, _member(b"/", index), _member(b"//", long) if long else b""]
    parts += [_member(name, data) for name, (_, data) in zip(names, members, strict=True)]
    return b"".join(parts)


def _names(names: Sequence[str]) -> tuple[list[bytes], bytes]:
    """What headers say, and the table of the names that are too long for them."""
    told, long = [], b""
    for name in names:
        if len(name) <= _SHORT:
            told.append(name.encode() + b"/")
        else:
            told.append(b"/%d" % len(long))
            long += name.encode() + b"/\n"
    return told, long + b"\n" * (len(long) % 2)


def _size(length: int) -> int:
    """Bytes of a member with its header."""
    return _HEADER + length + length % 2


def _member(name: bytes, data: bytes) -> bytes:
    mode = b"" if name == b"//" else b"0" if name == b"/" else b"644"
    date, owner = (b"", b"") if name == b"//" else (b"0", b"0")
    header = b"%-16s%-12s%-6s%-6s%-8s%-10d`\n" % (name, date, owner, owner, mode, len(data))
    return header + data + b"\n" * (len(data) % 2)
