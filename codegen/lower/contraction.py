"""Contractions as matrix products.  In: a matmul or einsum node of two operands, and where its arrays are.  Out: products.

Labels fall into batch (both operands and the result), rows (left and result), columns (right and result) and inner
(both operands only).  Labels of a group that are dense among themselves become one dimension; the others become loops
around the product.  Small static contractions are not products: they are written out where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from codegen.lower.access import Stored, contraction_labels
from codegen.lower.loopir import Fill, Product, View
from symgrad import types
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.ops.contraction import label_sizes

__all__ = ["Groups", "is_product", "label_groups", "product_stages"]

_WRITTEN_OUT = 512  # multiplications of a small contraction inside a loop nest
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
    """Whether a contraction is worth a matrix product of its own."""
    if node.op.name not in ("matmul", "einsum") or len(node.inputs) != 2:
        return False
    groups = label_groups(node)
    if not (groups.rows and groups.columns and groups.inner):
        return False
    work = 1
    for label in (*groups.rows, *groups.columns, *groups.inner):
        size = groups.sizes[label]
        if not isinstance(size, int) or size > limit:
            return True
        work *= size
    looped = any(not isinstance(groups.sizes[label], int) or groups.sizes[label] > limit for label in groups.batch)
    return work > (_WRITTEN_OUT if looped else _WRITTEN_OUT_ALONE)


class _Operand(NamedTuple):
    """A stored operand with its stride for each label."""

    place: Stored
    strides: dict[int, Size]

    def stride(self, label: int) -> Size:
        return self.strides.get(label, 0)


def product_stages(node: Node, a: Stored, b: Stored, c: Stored) -> list[Fill | Product]:
    """The product, after a fill where several inner labels cannot be merged."""
    attrs, groups = contraction_labels(node), label_groups(node)
    left = _Operand(a, dict(zip(attrs.inputs[0], a.strides, strict=True)))
    right = _Operand(b, dict(zip(attrs.inputs[1], b.strides, strict=True)))
    result = _Operand(c, dict(zip(attrs.output, c.strides, strict=True)))
    rows, columns = groups.rows, groups.columns
    if not any(_is_one(result.stride(label)) for label in columns):
        left, right, rows, columns = right, left, columns, rows
    column, beside_columns = _merged(columns, groups.sizes, (right, result), last_is_unit=True)
    row, beside_rows = _merged(rows, groups.sizes, (left, result))
    inner, beside_inner = _merged(groups.inner, groups.sizes, (left, right))
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
    )
    return [Fill(c.buffer), made] if beside_inner else [made]


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
    labels: Sequence[int], sizes: dict[int, Size], operands: Sequence[_Operand], *, last_is_unit: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The longest run of labels that both operands hold densely, and the labels left over.

    The run ends, for columns, at the label of unit stride in the result; else it is the run of most elements.
    """
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
        chosen = max(runs, key=lambda run: _weight(_size(run, sizes)))
    return tuple(chosen), tuple(label for run in runs if run is not chosen for label in run)


def _weight(size: Size) -> int:
    return size if isinstance(size, int) else 1000
