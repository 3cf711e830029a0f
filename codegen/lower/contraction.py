"""Contractions as matrix products.  In: a matmul or einsum node of two operands, and where its arrays are.  Out: products.

Labels fall into batch (both operands and the result), rows (left and result), columns (right and result) and inner
(both operands only).  Labels of a group that are dense among themselves become one dimension; the others become loops
around the product.  Small static contractions are not products: they are written out where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf, prod
from typing import NamedTuple

import numpy as np

from codegen.gemm import Band
from codegen.lower.access import Stored, contraction_labels
from codegen.lower.loopir import Fill, Product, View
from codegen.lower.patterns import Pattern, Patterns
from symgrad import types
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.ops.contraction import label_sizes
from symgrad.ops.source import is_constant

__all__ = ["Groups", "is_product", "label_groups", "may_have_bands", "product_stages"]

_WRITTEN_OUT = 512  # multiplications of a small contraction inside a loop nest
_SMALL_CONSTANT = 48  # numbers of a constant matrix for whose products tiles are too large: 6 x 6 is, 8 x 8 is not
_BANDED = 16  # smallest operand whose zeros may be left out; for smaller ones, tiles are too large
_BANDED_RESULT = 32  # smallest result that may be left out in part: rows are cut into tiles anew for each of several
_WORTH = 0.75  # the part of a matrix that a band may have at most
_ENOUGH = 8  # rows of tiles, or steps of an inner axis, that are fast
_AT_HAND = 1 << 16  # elements of an operand that stays in the second cache
_WRITTEN_OUT_ALONE = 64  # the same where there is no loop around it


class Groups(NamedTuple):
    """Labels by role, each in the order of the result (the inner ones: of the left operand)."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    inner: tuple[int, ...]
    sizes: dict[int, Size]


def label_groups(node: Node) -> Groups:
    """The roles of the labels of a contraction of two operands."""
    attrs = contraction_labels(node)
    left, right = map(set, attrs.inputs)
    output = attrs.output
    return Groups(
        tuple(label for label in output if label in left and label in right),
        tuple(label for label in output if label in left and label not in right),
        tuple(label for label in output if label in right and label not in left),
        tuple(label for label in attrs.inputs[0] if label in right and label not in output),
        label_sizes(node.inputs, attrs),
    )


def is_product(node: Node, limit: int) -> bool:
    """Whether a contraction is worth a matrix product of its own; small ones with a constant matrix are not."""
    if node.op.name not in ("matmul", "einsum") or len(node.inputs) != 2:
        return False
    groups = label_groups(node)
    if not (groups.rows and groups.columns and groups.inner):
        return False
    work, long = 1, set()
    for label, size in groups.sizes.items():
        if not isinstance(size, int) or size > limit:
            long.add(label)
        elif label not in groups.batch:
            work *= size
    if long.issubset(groups.batch):
        return work > (_WRITTEN_OUT if long else _WRITTEN_OUT_ALONE)
    operands = zip(node.inputs, contraction_labels(node).inputs, strict=True)
    by_constant = any(long.isdisjoint(labels) and _is_small_constant(one) for one, labels in operands)
    return work > _WRITTEN_OUT or not by_constant


def _is_small_constant(node: Node) -> bool:
    size = node.type.size
    return isinstance(size, int) and size <= _SMALL_CONSTANT and is_constant(node)


class _Operand(NamedTuple):
    """A stored operand with its stride for each label, in the order of its axes, and which elements of it matter."""

    place: Stored
    strides: dict[int, Size]
    pattern: Pattern | None

    def stride(self, label: int) -> Size:
        return self.strides.get(label, 0)


def may_have_bands(node: Node) -> bool:
    """Whether the matrices of a product are large enough for parts of them to be left out."""
    groups = label_groups(node)
    large = [any(_is_large(groups.sizes[label], _BANDED) for label in own) for own in groups[1:4]]
    return sum(large) > 1


def _is_large(size: Size, least: int) -> bool:
    return isinstance(size, int) and size >= least


def product_stages(node: Node, a: Stored, b: Stored, c: Stored, marks: Patterns) -> list[Fill | Product]:
    """The product, after a fill where several inner labels cannot be merged."""
    attrs, groups = contraction_labels(node), label_groups(node)
    left, right, result = (
        _Operand(place, dict(zip(labels, place.strides, strict=True)), pattern)
        for place, labels, pattern in zip(
            (a, b, c),
            (*attrs.inputs, attrs.output),
            (*map(marks.entries.get, node.inputs), marks.needed.get(node)),
            strict=True,
        )
    )
    rows, columns = groups.rows, groups.columns
    if not any(_is_one(result.stride(label)) for label in columns):
        left, right, rows, columns = right, left, columns, rows
    bands = _bands(groups, rows, columns, (left, right, result))
    alone = {label for pair in bands for label in pair}
    column, beside_columns = _merged(columns, groups.sizes, (right, result), alone, last_is_unit=True)
    row, beside_rows = _merged(rows, groups.sizes, (left, result), alone, beside=(column, groups.inner))
    inner, beside_inner = _merged(groups.inner, groups.sizes, (left, right), alone, beside=(row, column))
    around = (*groups.batch, *beside_rows, *beside_columns, *beside_inner)
    made = Product(
        _view(left, around, row[-1], inner[-1]),
        _view(right, around, inner[-1], column[-1]),
        _view(result, around, row[-1], column[-1]),
        tuple(groups.sizes[label] for label in around),
        _size(row, groups.sizes),
        _size(column, groups.sizes),
        _size(inner, groups.sizes),
        accumulate=bool(beside_inner),
        a_band=bands.get((row[0], inner[0])),
        b_band=bands.get((inner[0], column[0])),
        c_band=bands.get((row[0], column[0])),
    )
    return [Fill(c.buffer), made] if beside_inner else [made]


# -- bands ----------------------------------------------------------------------------------------------------------
def _bands(
    groups: Groups, rows: Sequence[int], columns: Sequence[int], operands: tuple[_Operand, _Operand, _Operand]
) -> dict[tuple[int, int], Band]:
    """Bands that leave enough out, by their labels, of which at most one is a row, one a column and one an inner label."""
    left, right, result = operands
    last = [label for label in columns if _is_one(result.stride(label))]
    found: dict[tuple[int, int], Band] = {}
    for one, across, along in ((left, rows, groups.inner), (right, groups.inner, last), (result, rows, last)):
        for pair in product(across, along):
            band = _band(one, *pair, groups.sizes, _BANDED_RESULT if one is result else _BANDED)
            taken = {label for other in found for label in other}
            clash = any(taken & {*own} - {label} for own, label in zip((across, along), pair, strict=True))
            if band is not None and not clash:
                found[pair] = band
    return found


def _band(operand: _Operand, row: int, column: int, sizes: dict[int, Size], least: int) -> Band | None:
    """The band of an operand as a matrix of these labels; None where there is none, or it is most of the matrix."""
    rows, columns = sizes[row], sizes[column]
    if (
        operand.pattern is None
        or not isinstance(rows, int)
        or not isinstance(columns, int)
        or min(rows, columns) < least
    ):
        return None
    places = [list(operand.strides).index(label) for label in (row, column)]
    others = tuple(axis for axis in range(operand.pattern.ndim) if axis not in places)
    matrix = np.any(operand.pattern, axis=others)
    matrix = np.broadcast_to(matrix if places[0] < places[1] else matrix.T, (rows, columns))
    diagonals = np.subtract(*np.nonzero(matrix)[::-1])
    if not diagonals.size:
        return None
    band = Band(int(diagonals.min()), int(diagonals.max()))
    inside = sum(band.rows_of(k, 1, rows) for k in range(columns))
    return band if inside <= _WORTH * rows * columns else None


def _view(operand: _Operand, around: Sequence[int], row: int, column: int) -> View:
    strides = (*(operand.stride(label) for label in around), operand.stride(row), operand.stride(column))
    return View(operand.place.buffer, operand.place.base, strides)


def _is_one(size: Size) -> bool:
    return isinstance(size, int) and size == 1


def _size(labels: Sequence[int], sizes: dict[int, Size]) -> Size:
    total: Size = 1
    for label in labels:
        total = total * sizes[label]
    return total


def _merged(
    labels: Sequence[int],
    sizes: dict[int, Size],
    operands: Sequence[_Operand],
    alone: set[int],
    *,
    last_is_unit: bool = False,
    beside: Sequence[Sequence[int]] = (),
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A run of labels that both operands hold densely, and the labels left over.

    The run ends, for columns, at the label of unit stride in the result; else it is the best to run along, or the label
    that has to stay ``alone``.  ``beside`` are the labels of the third operand, which is gone through again for each
    index of the labels left over.
    """
    for label in labels:
        if label in alone:
            return (label,), tuple(one for one in labels if one != label)
    runs: list[list[int]] = [[labels[0]]]
    for label in labels[1:]:
        before = runs[-1][-1]
        dense = all(types.same_shape((one.stride(before),), (one.stride(label) * sizes[label],)) for one in operands)
        if dense:
            runs[-1].append(label)
        else:
            runs.append([label])
    if last_is_unit:
        chosen = next(run for run in runs if _is_one(operands[-1].stride(run[-1])))
    else:
        again = prod(_weight(_size(labels, sizes)) for labels in beside)
        chosen = min(runs, key=lambda run: _order(_size(run, sizes), [one.stride(run[-1]) for one in operands], again))
    return tuple(chosen), tuple(label for run in runs if run is not chosen for label in run)


def _order(size: Size, strides: Sequence[Size], again: int) -> tuple[float, int]:
    """What comes first is the better to run along.

    That is what lies closest together, where it is long enough for tiles: images of a batch are on different pages, the
    places of a row beside each other.  Where the third operand is too large to be gone through often, and else, it is
    what is longest.
    """
    length = _weight(size)
    near = length >= _ENOUGH and again <= _AT_HAND
    return sum(_distance(stride) for stride in strides) if near else inf, -length


def _distance(stride: Size) -> float:
    return abs(stride) if isinstance(stride, int) else inf


def _weight(size: Size) -> int:
    return size if isinstance(size, int) else 1000
