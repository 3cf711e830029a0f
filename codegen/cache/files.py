"""Entries on the disk.  In: a digest, and the bytes to keep under it.  Out: those bytes, in this or a later process.

One file an entry, written beside its place and moved there, so that nobody ever reads half of one; a checksum finds what
was damaged otherwise.  Entries hold machine code: the directory has to belong to the user, who alone may write to it.  A
directory that is not so, or cannot be written, is left alone, and everything works without it.  When the entries
together exceed a bound, those not used for longest go.
"""

from __future__ import annotations

import os
import secrets
import struct
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from symgrad.config import current

__all__ = ["Store", "store_in_force"]

_MAGIC = b"symgrad\x01"  # the last byte is the version of the format
_HEADER = struct.Struct("<8s32s32s")  # magic, digest, checksum of the rest
_LENGTH = struct.Struct("<Q")  # the number of sections, then their lengths, then they themselves
_SUFFIX = ".kernel"
_FRESH = 3600.0  # seconds for which a use is not noted again, and a file being written is left alone
_KEPT = 0.75  # of the bound is left when entries are thrown away


class Store:
    """A directory of entries.

    Parameters
    ----------
    directory : path
        Made when the first entry is written.
    bound : int
        Bytes that all entries together may take.
    """

    def __init__(self, directory: Path, bound: int) -> None:
        self.directory, self.bound = directory, bound
        self._written = 0  # bytes since the entries were counted
        self._counting = Lock()

    def find(self, key: bytes) -> list[bytes] | None:
        """The sections kept under a digest; None where there is no intact entry."""
        if not _is_private(self.directory):
            return None
        place = self._place(key)
        try:
            with open(place, "rb") as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                data = file.read()
            if age > _FRESH:
                os.utime(place)
        except OSError:
            return None
        return _sections(key, data)

    def keep(self, key: bytes, sections: list[bytes]) -> bool:
        """Keep sections under a digest; whether that was possible."""
        body = b"".join([*(_LENGTH.pack(number) for number in (len(sections), *map(len, sections))), *sections])
        data = _HEADER.pack(_MAGIC, key, sha256(body).digest()) + body
        if len(data) > self.bound:
            return False
        place = self._place(key)
        temporary = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self.directory):
                return False
            try:
                with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(data)
                os.replace(temporary, place)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError:
            return False
        self._bounded(len(data), key)
        return True

    def _place(self, key: bytes) -> Path:
        return self.directory / f"{key.hex()}{_SUFFIX}"

    def _bounded(self, added: int, key: bytes) -> None:
        """Throw away what was not used for longest where it is too much.

        Counting takes some microseconds an entry, so it waits for a 64th of the bound to be written, by one process or, on
        the average, by many: one write in 256 counts anyway.
        """
        with self._counting:
            self._written += added
            if key[0] and self._written < self.bound // 64:
                return
            self._written = 0
        _shrink(self.directory, self.bound)


def _sections(key: bytes, data: bytes) -> list[bytes] | None:
    """What a file holds; None where it is not what was written under the digest."""
    if len(data) < _HEADER.size:
        return None
    magic, own, checksum = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    if magic != _MAGIC or own != key or sha256(body).digest() != checksum:
        return None
    (count,) = _LENGTH.unpack_from(body)
    place, sections = _LENGTH.size * (count + 1), []
    for (length,) in _LENGTH.iter_unpack(body[_LENGTH.size : place]):
        sections.append(body[place : place + length])
        place += length
    return sections


def _is_private(directory: Path) -> bool:
    """Whether nobody but the user may write to a directory."""
    try:
        state = directory.stat()
    except OSError:
        return False
    return os.name == "nt" or (state.st_uid == os.geteuid() and not state.st_mode & 0o022)


def _shrink(directory: Path, bound: int) -> None:
    """Remove the oldest entries if all are more than the bound, and what broken writes have left."""
    entries, now = [], time.time()
    try:
        with os.scandir(directory) as listing:
            for one in listing:
                if one.name.endswith(_SUFFIX):
                    state = one.stat()
                    entries.append((state.st_mtime, state.st_size, one.path))
                elif _SUFFIX in one.name and now - one.stat().st_mtime > _FRESH:
                    os.unlink(one.path)
    except OSError:  # another process was faster; it is counted again next time
        pass
    total = sum(size for _, size, _ in entries)
    kept = bound * _KEPT if total > bound else bound
    for _, size, path in sorted(entries):
        if total <= kept:
            break
        with suppress(OSError):
            os.unlink(path)
        total -= size


# -- settings -------------------------------------------------------------------------------------------------------
_stores: dict[tuple[Path, int], Store] = {}


def store_in_force() -> Store | None:
    """The store that the settings name; None where the cache is switched off or there is no place for it."""
    settings = current()
    if settings.cache is False:
        return None
    place = _users_own() if settings.cache is True else Path(settings.cache)
    if place is None:
        return None
    return _stores.setdefault((place, settings.cache_bytes), Store(place, settings.cache_bytes))


def _users_own() -> Path | None:
    """The directory for the user's caches."""
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA")
            return Path(base) / "symgrad" / "cache" if base else None
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base and os.path.isabs(base) else Path.home() / ".cache") / "symgrad"
    except RuntimeError:  # nobody knows the user's home
        return None
