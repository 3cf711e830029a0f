"""LLVM's value types.  In: an element type and a number of lanes.  Out: interned :class:`Type` and typed :class:`Value`."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["BOOL", "BYTE", "DOUBLE", "FLOAT", "I32", "I64", "POINTER", "Type", "Value", "constant", "vector"]

_BITS = {"double": 64, "float": 32, "ptr": 64}
_SUFFIX = {"double": "f64", "float": "f32", "ptr": "p0"}


class Type:
    """An element type with a number of lanes; one lane is a scalar.

    Attributes
    ----------
    element : str
        ``double``, ``float``, ``i64``, ``i32``, ``i8``, ``i1`` or ``ptr``.
    lanes : int
    text : str
        As LLVM writes it, ``<4 x double>``.
    suffix : str
        As intrinsics' names have it, ``v4f64``.
    """

    __slots__ = ("bits", "element", "is_float", "lanes", "suffix", "text")

    def __init__(self, element: str, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        self.text = element if lanes == 1 else f"<{lanes} x {element}>"
        own = _SUFFIX.get(element, element)
        self.suffix = own if lanes == 1 else f"v{lanes}{own}"
        self.bits = _BITS[element] if element in _BITS else int(element[1:])
        self.is_float = element in ("double", "float")

    @property
    def bytes(self) -> int:
        """Bytes of one element in memory."""
        return max(1, self.bits // 8)

    @property
    def scalar(self) -> Type:
        return vector(self.element, 1)

    def with_lanes(self, lanes: int) -> Type:
        return vector(self.element, lanes)

    def with_element(self, element: str) -> Type:
        return vector(element, self.lanes)

    @property
    def integer(self) -> Type:
        """The integer type of the same width and lanes."""
        return vector(f"i{self.bits}", self.lanes)

    @property
    def mask(self) -> Type:
        return vector("i1", self.lanes)

    def __repr__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[object, ...]:
        return vector, (self.element, self.lanes)


_types: dict[tuple[str, int], Type] = {}


def vector(element: str, lanes: int) -> Type:
    """The type of ``lanes`` elements."""
    key = (element, lanes)
    found = _types.get(key)
    if found is None:
        found = _types[key] = Type(element, lanes)
    return found


DOUBLE: Final = vector("double", 1)
FLOAT: Final = vector("float", 1)
I64: Final = vector("i64", 1)
I32: Final = vector("i32", 1)
BYTE: Final = vector("i8", 1)
BOOL: Final = vector("i1", 1)
POINTER: Final = vector("ptr", 1)


class Value:
    """An SSA value or a constant: its text and its type."""

    __slots__ = ("text", "type")

    def __init__(self, text: str, kind: Type) -> None:
        self.text, self.type = text, kind

    @property
    def typed(self) -> str:
        """Type and text, as operands are written."""
        return f"{self.type.text} {self.text}"

    def __repr__(self) -> str:
        return self.typed


def scalar_text(value: float | int | bool, kind: Type) -> str:
    """A constant of the scalar type as LLVM writes it; floats as bit patterns, so that nothing is rounded twice."""
    if kind.element == "double":
        return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"
    if kind.element == "float":
        single = struct.unpack("<f", _single(float(value)))[0]
        return f"0x{struct.unpack('<Q', struct.pack('<d', single))[0]:016X}"
    if kind.element == "i1":
        return "true" if value else "false"
    return str(int(value))


def _single(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def constant(value: float | int | bool, kind: Type) -> Value:
    """The constant of that type, the same in every lane."""
    text = scalar_text(value, kind.scalar)
    return Value(text if kind.lanes == 1 else f"splat ({kind.element} {text})", kind)
