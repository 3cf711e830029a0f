"""Stages as they run for a part of an axis.  In: a stage and what it does along the axis.  Out: the stage for one part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codegen.lower.forms import Axis
from codegen.lower.loopir import (
    Along,
    Buffer,
    For,
    IndexValue,
    Let,
    Load,
    Nest,
    Offset,
    Product,
    Scatter,
    Store,
    View,
    statements,
)
from codegen.lower.parts import Part, views
from symgrad.dims import Size

__all__ = ["PartWriter"]


class PartWriter:
    """Stages as they run for a part: loops run over the part, and arrays that hold more than it start further on.

    Parameters
    ----------
    local : arrays that others take the place of, which begin where the part begins
    start, size : first index of the part, and how many it has
    """

    def __init__(self, local: Mapping[Buffer, Buffer], start: Size, size: Size) -> None:
        self.local, self.start, self.size = local, start, size
        self.ids = itertools.count()

    def stage(self, part: Part) -> Any:
        """The stage of one part."""
        if isinstance(part.stage, Product):
            return self._product(part)
        if isinstance(part.stage, Along):
            return self._along(part.stage)
        self.ids = itertools.count(1 + max(_ids(part.stage.body)))
        axis = Axis(self.size * part.times, part.axis.label)
        return Nest(self._block(part.stage.body, part.axis, axis, part))

    def _block(self, block: Sequence[Any], old: Axis, new: Axis, part: Part) -> tuple[Any, ...]:
        start = self.start * part.times
        made: list[Any] = []
        for one in block:
            if isinstance(one, For):
                axis = new if one.axis is old else one.axis
                made.append(one._replace(axis=axis, body=self._block(one.body, old, new, part)))
            elif isinstance(one, IndexValue):
                made.append(one._replace(offset=_moved(one.offset, old, new, start)))
            elif isinstance(one, (Load, Store, Scatter)):
                place = self.local.get(one.buffer)
                moved = place is None and not one.buffer.per_lane
                offset = _moved(one.offset, old, new, start if moved else 0)
                here: Any = one._replace(buffer=one.buffer if place is None else place, offset=offset)
                total = isinstance(one, Store) and not one.add and one.buffer in part.sums
                made += self._added(here) if total else [here]
            else:
                made.append(one)
        return tuple(made)

    def _added(self, one: Store) -> list[Any]:
        """The store of a sum that goes on from the parts before: as three statements, so that rows load and store whole."""
        before, total = next(self.ids), next(self.ids)
        dtype = one.buffer.dtype
        return [
            Load(before, one.buffer, one.offset, dtype),
            Let(total, "add", (before, one.value), dtype),
            one._replace(value=total),
        ]

    def _product(self, part: Part) -> Product:
        product: Product = part.stage
        a, b, c = (self._view(view, along) for view, along, _ in views(product, part.axis))
        made = _without_bands(product._replace(a=a, b=b, c=c), part.axis)
        if isinstance(part.axis, int):
            batch = tuple(self.size if k == part.axis else size for k, size in enumerate(product.batch))
            return made._replace(batch=batch)
        if part.axis == "k":
            return made._replace(k=self.size, accumulate=True)
        return made._replace(m=self.size) if part.axis == "m" else made._replace(n=self.size)

    def _along(self, stage: Along) -> Along:
        operands = tuple(self._view(view, 0) for view in stage.operands)
        room = None if stage.room is None else self.local.get(stage.room, stage.room)
        outer = (self.size, *stage.outer[1:])
        return stage._replace(operands=operands, target=self._view(stage.target, 0), outer=outer, room=room)

    def _view(self, view: View, along: int | None) -> View:
        place = self.local.get(view.buffer)
        if place is not None:
            return view._replace(buffer=place)
        return view if along is None else view._replace(base=view.base + view.strides[along] * self.start)


def _without_bands(product: Product, axis: Any) -> Product:
    """The product without the bands that a part of the axis has elsewhere."""
    if axis == "m":
        return product._replace(a_band=None, c_band=None)
    if axis == "n":
        return product._replace(b_band=None, c_band=None)
    return product._replace(a_band=None, b_band=None) if axis == "k" else product


def _moved(offset: Offset, old: Axis, new: Axis, start: Size) -> Offset:
    """The place at index i of the new axis that was at index start + i of the old one."""
    coefficients = dict(offset.axes)
    base = offset.base + coefficients[old] * start if old in coefficients else offset.base
    return Offset(base, tuple((new if axis is old else axis, c) for axis, c in offset.axes), offset.values)


def _ids(body: Sequence[Any]) -> Iterator[int]:
    for one in statements(body):
        if isinstance(one, For):
            yield from (carry.id for carry in one.carries)
        elif not isinstance(one, (Store, Scatter)):
            yield one.id
