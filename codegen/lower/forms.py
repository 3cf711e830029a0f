"""Indices.  In: loop axes, sizes, computed integers.  Out: integers, or affine forms of axes and computed values.

An index is a Python int where it is known while generating, a dimension, or a :class:`Form`.  Refuses what is not
affine: :func:`divide` then returns None, and the caller stores the array it wanted to look through.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from symgrad import dims
from symgrad.dims import Dim, Size

__all__ = ["Axis", "Form", "Index", "axes_of", "combine", "divide", "scale", "unravel"]

_uids = itertools.count()


class Axis:
    """A loop's index: runs from 0 to ``extent - 1``."""

    __slots__ = ("extent", "label", "uid")

    def __init__(self, extent: Size, label: str = "i") -> None:
        self.extent, self.label, self.uid = extent, label, next(_uids)

    def __repr__(self) -> str:
        return f"{self.label}<{self.extent}>"


class Form(NamedTuple):
    """``offset + sum(coefficient * symbol)``; a symbol is an axis or a computed integer (anything with a ``uid``)."""

    offset: Size
    terms: tuple[tuple[Any, Size], ...]


Index = Any  # int | Dim | Form


def of_axis(axis: Axis) -> Form:
    """The axis itself."""
    return Form(0, ((axis, 1),))


def _made(offset: Size, terms: dict[Any, Size]) -> Index:
    kept = tuple(
        sorted(((s, c) for s, c in terms.items() if not (isinstance(c, int) and c == 0)), key=lambda t: t[0].uid)
    )
    return Form(offset, kept) if kept else offset


def combine(left: Index, right: Index) -> Index:
    """The sum of two indices."""
    if left.__class__ is not Form and right.__class__ is not Form:
        return left + right
    if left.__class__ is not Form:
        left, right = right, left
    if right.__class__ is not Form:
        return left if isinstance(right, int) and right == 0 else Form(left.offset + right, left.terms)
    terms = dict(left.terms)
    for symbol, coefficient in right.terms:
        terms[symbol] = terms[symbol] + coefficient if symbol in terms else coefficient
    return _made(left.offset + right.offset, terms)


def scale(index: Index, factor: Size) -> Index:
    """The index times a size."""
    if index.__class__ is not Form:
        return index * factor
    if isinstance(factor, int) and factor == 1:
        return index
    return _made(index.offset * factor, {symbol: c * factor for symbol, c in index.terms})


def axes_of(index: Index) -> list[Any]:
    """The symbols that the index depends on."""
    return [symbol for symbol, _ in index.terms] if index.__class__ is Form else []


def ravel(indices: Sequence[Index], shape: Sequence[Size]) -> Index:
    """The position in row-major order."""
    total: Index = 0
    for index, size in zip(indices, shape, strict=True):
        total = combine(scale(total, size), index)
    return total


def divide(index: Index, size: Size) -> tuple[Index, Index] | None:
    """Quotient and remainder by a size, where both are certainly affine; None otherwise."""
    if isinstance(index, int) and isinstance(size, int):
        return divmod(index, size) if size else None
    if index.__class__ is not Form:
        index = Form(index, ())
    over: dict[Any, Size] = {}
    rest: dict[Any, Size] = {}
    for symbol, c in index.terms:
        quotient = _exact(c, size)
        if quotient is None:
            rest[symbol] = c
        else:
            over[symbol] = quotient
    split = _split(index.offset, size)
    if split is None:
        return None
    remainder = _made(split[1], rest)
    if not _within(remainder, size):
        return None
    return _made(split[0], over), remainder


def _exact(value: Size, size: Size) -> Size | None:
    if isinstance(value, int) and isinstance(size, int):
        return value // size if value % size == 0 else None
    if isinstance(value, Dim):
        quotient = dims.floordiv(value, size)
        return quotient if quotient * size is value else None
    return None


def _split(offset: Size, size: Size) -> tuple[Size, Size] | None:
    if isinstance(offset, int) and isinstance(size, int):
        return divmod(offset, size)
    if isinstance(offset, int) and offset >= 0 and dims.at_least(size, offset + 1):
        return 0, offset
    if isinstance(offset, int) and offset == 0:
        return 0, 0
    quotient = _exact(offset, size)
    return None if quotient is None else (quotient, 0)


def _within(index: Index, size: Size) -> bool:
    """Whether an index certainly lies in [0, size)."""
    if index.__class__ is not Form:
        return bool(isinstance(index, int) and (index == 0 or (index > 0 and dims.at_least(size, index + 1))))
    largest: Size = index.offset
    for symbol, c in index.terms:
        if not isinstance(symbol, Axis) or not (isinstance(c, int) and c > 0):
            return False
        largest = largest + c * (symbol.extent - 1)
    if not isinstance(index.offset, int) or index.offset < 0:
        return False
    return dims.at_least(size, largest + 1) is True


def unravel(position: Index, shape: Sequence[Size]) -> list[Index] | None:
    """The indices of a row-major position, where they are affine; None otherwise."""
    indices: list[Index] = []
    for size in reversed(shape[1:]):
        split = divide(position, size)
        if split is None:
            return None
        position, own = split
        indices.append(own)
    return [position, *reversed(indices)] if shape else []
