"""Sums of products.  In: arrays and, for einsum, labels of their axes.  Out: contracted arrays.

``matmul`` keeps matrix notation readable; ``einsum`` is the general form, to which the back end reduces both.  In an
``einsum`` node every operand's labels are distinct and every summed label belongs to at least two operands: diagonals
and lone sums are taken beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import assumptions, types
from symgrad.dims import Size
from symgrad.errors import DTypeError, ShapeError
from symgrad.node import Node, apply
from symgrad.opdef import Kind, Linear, OpDef, Sample, register
from symgrad.ops import coerce, elementwise, reduction, source
from symgrad.ops.boxes import Pick, whole
from symgrad.ops.indexing import gather
from symgrad.ops.shapes import assert_shape, broadcast_to, reshape, sampler, squeeze, transpose
from symgrad.ops.structure import slice_, stack
from symgrad.provenance import user_line
from symgrad.types import BOOL, TensorType

__all__ = ["cross", "dot", "einsum", "einsum_labels", "inner", "matmul", "outer", "tensordot"]

Labels = tuple[int, ...]
_LETTERS = "ijklmnopqrstuvwxyzabcdefghIJKLMNOPQRSTUVWXYZABCDEFGH"


class EinsumAttrs(NamedTuple):
    inputs: tuple[Labels, ...]
    output: Labels


def subscripts(attrs: EinsumAttrs) -> str:
    """The labels as NumPy's subscript string."""
    letters = ["".join(_LETTERS[label] for label in labels) for labels in (*attrs.inputs, attrs.output)]
    return f"{','.join(letters[:-1])}->{letters[-1]}"


def _numbers(nodes: Sequence[Any], who: str) -> list[Any]:
    ready = coerce.as_nodes(list(nodes), who=who)
    if ready[0].type.dtype is BOOL:
        raise DTypeError(
            f"{who}: not defined for bool operands", where=user_line(), hint="convert with .astype('float64')"
        )
    return ready


# -- einsum ---------------------------------------------------------------------------------------------------------
def label_sizes(inputs: Sequence[Node], attrs: EinsumAttrs) -> dict[int, Size]:
    return {
        label: size
        for node, labels in zip(inputs, attrs.inputs, strict=True)
        for label, size in zip(labels, node.shape, strict=True)
    }


def _infer_einsum(inputs: tuple[Node, ...], attrs: EinsumAttrs) -> TensorType:
    sizes = label_sizes(inputs, attrs)
    return inputs[0].type.with_shape(tuple(sizes[label] for label in attrs.output))


def _evaluate_einsum(attrs: EinsumAttrs, *arrays: Any) -> Any:
    """NumPy's sums; where nothing is summed, plain products, since a sum that begins with 0 loses the sign of -0."""
    if any(label not in attrs.output for labels in attrs.inputs for label in labels):
        return np.einsum(subscripts(attrs), *arrays, optimize=len(arrays) > 2)
    spread = []
    for array, labels in zip(arrays, attrs.inputs, strict=True):
        order = np.argsort([attrs.output.index(label) for label in labels])
        spread.append(array.transpose(order)[tuple(slice(None) if k in labels else None for k in attrs.output)])
    return math.prod(spread[1:], start=spread[0])


def _transpose_einsum(node: Node, i: int, head: Node) -> Node:
    labels = node.attrs.inputs
    rest = [j for j in range(len(labels)) if j != i]
    return einsum_labels(
        [head, *(node.inputs[j] for j in rest)], [node.attrs.output, *(labels[j] for j in rest)], labels[i]
    )


def _batch_einsum(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    new = 1 + max((label for labels in (*node.attrs.inputs, node.attrs.output) for label in labels), default=-1)
    labels = [(new, *own) if is_batched else own for own, is_batched in zip(node.attrs.inputs, batched, strict=True)]
    return einsum_labels(inputs, labels, (new, *node.attrs.output))


def _einsum_samples(rng: np.random.Generator) -> Iterable[Sample]:
    sizes = (3, 4, 5, 2)
    for inputs, output in (
        (((0, 1), (1, 2)), (0, 2)),
        (((0, 1), (0, 1)), ()),
        (((0, 1, 2), (3, 0, 2)), (3, 0, 1)),
        (((0,), (1,)), (0, 1)),
        (((0, 1), (1, 2), (2, 3)), (3, 0)),
        (((0, 1), (0, 1, 2), (0,)), (2,)),
    ):
        yield Sample(
            tuple(rng.normal(size=[sizes[label] for label in labels]) for labels in inputs), EinsumAttrs(inputs, output)
        )


EINSUM = register(
    OpDef(
        name="einsum",
        kind=Kind.CONTRACTION,
        infer=_infer_einsum,
        evaluate=_evaluate_einsum,
        derivative=Linear(_transpose_einsum),
        batch=_batch_einsum,
        attrs=EinsumAttrs,
        samples=_einsum_samples,
        doc="Sum of products over labelled axes.",
    )
)


def einsum_labels(operands: Sequence[Any], labels: Sequence[Sequence[int]], output: Sequence[int]) -> Any:
    """Einstein summation with integer labels; each operand's labels may repeat.

    Raises
    ------
    ShapeError
        Sizes under one label differ, or the output has a label that no operand has, or one twice.
    """
    nodes, names = [], []
    for node, own in zip(operands, labels, strict=True):
        one, distinct = _diagonal(node, tuple(own))
        nodes.append(one)
        names.append(distinct)
    nodes = _agree(nodes, names)
    known = {label for own in names for label in own}
    if len(set(output)) != len(output) or not known.issuperset(output):
        raise ShapeError("einsum: the output's labels must be distinct labels of the operands", where=user_line())
    nodes, names = _sum_lone(nodes, names, output)
    if len(nodes) == 1:
        return transpose(nodes[0], tuple(names[0].index(label) for label in output))
    return apply(EINSUM, tuple(nodes), _renumbered(names, tuple(output)))


def _renumbered(names: Sequence[Labels], output: Labels) -> EinsumAttrs:
    order: dict[int, int] = {}
    for label in (label for own in names for label in own):
        order.setdefault(label, len(order))
    return EinsumAttrs(
        tuple(tuple(order[label] for label in own) for own in names), tuple(order[label] for label in output)
    )


def _diagonal(node: Any, labels: Labels) -> tuple[Any, Labels]:
    """The operand with repeated labels reduced to their diagonal."""
    if len(labels) != node.ndim:
        raise ShapeError(f"einsum: {len(labels)} labels for an array of rank {node.ndim}", where=user_line())
    for label in labels:
        axes = [axis for axis, one in enumerate(labels) if one == label]
        if len(axes) > 1:
            rest = [axis for axis in range(node.ndim) if axis not in axes]
            moved = transpose(node, (*axes, *rest))
            if any(assumptions.agree(moved.shape[0], moved.shape[k]) is not True for k in range(len(axes))):
                raise ShapeError(f"einsum: a repeated label on sizes {moved.shape[: len(axes)]}", where=user_line())
            index = source.iota(moved.shape[0])
            return _diagonal(gather(moved, [index] * len(axes), 0), (label, *(labels[axis] for axis in rest)))
    return node, labels


def _agree(nodes: list[Any], names: list[Labels]) -> list[Any]:
    """Equal labels get equal sizes; a size of 1 is refused against others, as einsum does not broadcast here."""
    sizes: dict[int, Size] = {}
    for node, own in zip(nodes, names, strict=True):
        for label, size in zip(own, node.shape, strict=True):
            first = sizes.setdefault(label, size)
            if assumptions.agree(first, size) is False:
                raise coerce.mismatch("einsum", "sizes of one label differ", first, size, [x.shape for x in nodes])
    return [assert_shape(node, tuple(sizes[label] for label in own)) for node, own in zip(nodes, names, strict=True)]


def _sum_lone(nodes: list[Any], names: list[Labels], output: Sequence[int]) -> tuple[list[Any], list[Labels]]:
    """Labels of one operand only, and not of the output, are summed before anything is multiplied."""
    out_nodes, out_names = [], []
    for k, (node, own) in enumerate(zip(nodes, names, strict=True)):
        others = {label for j, other in enumerate(names) if j != k for label in other}
        lone = tuple(axis for axis, label in enumerate(own) if label not in others and label not in output)
        out_nodes.append(reduction.sum_(node, axis=lone, dtype=node.type.dtype) if lone else node)
        out_names.append(tuple(label for axis, label in enumerate(own) if axis not in lone))
    return out_nodes, out_names


def einsum(expression: str, *operands: Any) -> Any:
    """Einstein summation, with NumPy's subscripts: implicit output, ellipsis and repeated labels included.

    Parameters
    ----------
    expression : str
        Labels of each operand's axes, and after ``->`` of the result's.
    operands : arrays and expressions

    Raises
    ------
    ShapeError
        The subscripts do not fit the operands.

    Examples
    --------
    >>> import symgrad as sg
    >>> A, x = sg.symbol("A", ("n", 3)), sg.symbol("x", (3,))
    >>> print(sg.einsum("ij,j->i", A, x), sg.einsum("ij,j->i", A, x).type)
    einsum('ij,j->i', A, x) float64[n]
    """
    nodes = _numbers(operands, "einsum")
    text = expression.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(nodes):
        raise ShapeError(f"einsum: {expression!r} has {len(terms)} operands ({len(nodes)} given)", where=user_line())
    spread = max(
        (node.ndim - len(term.replace("...", "")) for node, term in zip(nodes, terms, strict=True) if "..." in term),
        default=0,
    )
    labels = [_parse(term, node.ndim, spread, expression) for term, node in zip(terms, nodes, strict=True)]
    every = [label for own in labels for label in own]
    if arrow:
        output = _parse(right, spread + len(right.replace("...", "")), spread, expression)
    else:
        output = list(range(-spread, 0)) + sorted(
            label for label in set(every) if label >= 0 and every.count(label) == 1
        )
    nodes, labels = _drop_stretched(nodes, labels)
    return einsum_labels(nodes, labels, output)


def _parse(term: str, rank: int, spread: int, expression: str) -> list[int]:
    """Labels of one term; the ellipsis stands for the last of the labels -spread .. -1."""
    before, dots, after = term.partition("...")
    named = [ord(letter) for letter in before + after]
    if not (before + after).isalpha() and (before + after):
        raise ShapeError(f"einsum: {expression!r} is not a subscript string", where=user_line())
    count = rank - len(named)
    if count < 0 or (count and not dots):
        raise ShapeError(f"einsum: {term!r} does not fit an array of rank {rank}", where=user_line())
    return [*named[: len(before)], *(range(-count, 0) if dots else ()), *named[len(before) :]]


def _drop_stretched(nodes: list[Any], labels: list[list[int]]) -> tuple[list[Any], list[list[int]]]:
    """Axes of size 1 under an ellipsis label that is larger elsewhere broadcast: they are dropped."""
    wide = {
        label
        for node, own in zip(nodes, labels, strict=True)
        for label, size in zip(own, node.shape, strict=True)
        if not _is_one(size)
    }
    out_nodes, out_labels = [], []
    for node, own in zip(nodes, labels, strict=True):
        drop = tuple(
            axis for axis, label in enumerate(own) if label < 0 and label in wide and _is_one(node.shape[axis])
        )
        out_nodes.append(squeeze(node, drop) if drop else node)
        out_labels.append([label for axis, label in enumerate(own) if axis not in drop])
    return out_nodes, out_labels


def _is_one(size: Size) -> bool:
    return isinstance(size, int) and size == 1


# -- matmul ---------------------------------------------------------------------------------------------------------
def matmul_labels(rank_a: int, rank_b: int) -> tuple[Labels, Labels, Labels]:
    """Labels of a matrix product: batch labels from 3 on, rows 0, inner 1, columns 2."""
    batch = tuple(range(3, 3 + max(rank_a, rank_b) - 2))
    own_a = batch[len(batch) - max(rank_a - 2, 0) :]
    own_b = batch[len(batch) - max(rank_b - 2, 0) :]
    left = (*own_a, 0, 1) if rank_a > 1 else (1,)
    right = (*own_b, 1, 2) if rank_b > 1 else (1,)
    return left, right, (*batch, *((0,) if rank_a > 1 else ()), *((2,) if rank_b > 1 else ()))


def _infer_matmul(inputs: tuple[Node, ...], attrs: Any) -> TensorType:
    a, b = inputs
    left, right, output = matmul_labels(a.ndim, b.ndim)
    sizes = {**dict(zip(right, b.shape, strict=True)), **dict(zip(left, a.shape, strict=True))}
    return a.type.with_shape(tuple(sizes[label] for label in output))


def _swapped(x: Node) -> Node:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _transpose_matmul(node: Node, i: int, head: Node) -> Node:
    a, b = node.inputs
    other = node.inputs[1 - i]
    if node.ndim == 0:
        return elementwise.multiply(head, other)
    if a.ndim >= 2 and b.ndim >= 2:
        if i == 0 and a.ndim >= b.ndim:
            return matmul(head, _swapped(b))
        if i == 1 and b.ndim >= a.ndim:
            return matmul(_swapped(a), head)
    elif (a.ndim, b.ndim) == (2, 1) and i == 1:
        return matmul(_swapped(a), head)
    elif (a.ndim, b.ndim) == (1, 2) and i == 0:
        return matmul(b, head)
    left, right, output = matmul_labels(a.ndim, b.ndim)
    return einsum_labels([head, other], [output, right if i == 0 else left], left if i == 0 else right)


def _batch_matmul(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    a, b = inputs
    rank_a, rank_b = (x.ndim - is_batched for x, is_batched in zip(inputs, batched, strict=True))
    if (rank_a, rank_b) == (2, 2) and (all(batched) or batched[0]):
        return matmul(a, b)
    left, right, output = matmul_labels(rank_a, rank_b)
    new = 3 + max(rank_a, rank_b)
    return einsum_labels(
        [a, b], [(new, *left) if batched[0] else left, (new, *right) if batched[1] else right], (new, *output)
    )


def _matmul_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for a, b in (
        ((3, 4), (4, 2)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((4,), (4,)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((3, 0), (0, 2)),
        ((17, 19), (19, 33)),
    ):
        yield Sample((rng.normal(size=a), rng.normal(size=b)))


MATMUL = register(
    OpDef(
        name="matmul",
        kind=Kind.CONTRACTION,
        infer=_infer_matmul,
        evaluate=lambda attrs, a, b: np.matmul(a, b),
        derivative=Linear(_transpose_matmul),
        batch=_batch_matmul,
        samples=_matmul_samples,
        doc="Matrix product over the last two axes.",
    )
)


def matmul(a: Any, b: Any) -> Any:
    """The matrix product, with NumPy's rules for vectors and batch axes.

    Parameters
    ----------
    a, b : arrays or expressions
        Of shapes (..., m, k) and (..., k, n); a vector is a row on the left and a column on the right.

    Raises
    ------
    ShapeError
        Inner or batch sizes differ, or an operand is a scalar.
    DTypeError
        Both are bool.

    Examples
    --------
    >>> import symgrad as sg
    >>> A, x = sg.symbol("A", ("n", 3)), sg.symbol("x", (3,))
    >>> sg.matmul(A, x).same(A @ x), (A @ x).type
    (True, float64[n])
    """
    a, b = _numbers([a, b], "matmul")
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError("matmul: an operand is a scalar", where=user_line(), hint="use * to scale")
    inner_b = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if assumptions.agree(a.shape[-1], inner_b) is False:
        raise coerce.mismatch("matmul", "inner sizes differ", a.shape[-1], inner_b, [a.shape, b.shape])
    b = assert_shape(b, (*b.shape[:-2], a.shape[-1], b.shape[-1]) if b.ndim > 1 else (a.shape[-1],))
    batch_a, batch_b = a.shape[:-2], b.shape[:-2]
    if not batch_a or not batch_b:
        if (batch_a and b.ndim == 2) or (batch_b and a.ndim == 2) or not (batch_a or batch_b):
            return apply(MATMUL, (a, b))
    elif types.same_shape(batch_a, batch_b):
        return apply(MATMUL, (a, b))
    return _general_matmul(a, b)


def _general_matmul(a: Any, b: Any) -> Any:
    """Batch axes that broadcast: by labels, with stretched axes of size 1 dropped."""
    coerce.broadcast_shapes([a.shape[:-2], b.shape[:-2]], "matmul")
    left, right, output = matmul_labels(a.ndim, b.ndim)
    names = [[-label if label >= 3 else label for label in own] for own in (left, right)]
    nodes, labels = _drop_stretched([a, b], names)
    return einsum_labels(nodes, labels, [-label if label >= 3 else label for label in output])


def dot(a: Any, b: Any) -> Any:
    """NumPy's ``dot``: a product with a scalar, else the sum over the last axis of ``a`` and the second last of ``b``.

    Parameters
    ----------
    a, b : arrays or expressions

    Raises
    ------
    ShapeError
        The two axes differ in size.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> print(sg.linalg.dot(x, x))
    x @ x
    """
    a, b = _numbers([a, b], "dot")
    if a.ndim == 0 or b.ndim == 0:
        return elementwise.multiply(a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ([-1], [-2 if b.ndim > 1 else -1]))


def inner(a: Any, b: Any) -> Any:
    """Sum of products over the last axes of both.

    Parameters
    ----------
    a, b : arrays or expressions

    Raises
    ------
    ShapeError
        The last axes differ in size.

    Examples
    --------
    >>> import symgrad as sg
    >>> A, B = sg.symbol("A", (2, 3)), sg.symbol("B", (4, 3))
    >>> sg.linalg.inner(A, B).type
    float64[2, 4]
    """
    a, b = _numbers([a, b], "inner")
    if a.ndim == 0 or b.ndim == 0:
        return elementwise.multiply(a, b)
    return matmul(a, b) if a.ndim == b.ndim == 1 else tensordot(a, b, ([-1], [-1]))


def outer(a: Any, b: Any) -> Any:
    """All products of an element of ``a`` and one of ``b``, both flattened.

    Parameters
    ----------
    a, b : arrays or expressions

    Returns
    -------
    expression of shape (a.size, b.size)

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> print(sg.linalg.outer(x, x), sg.linalg.outer(x, x).type)
    outer(x, x) float64[3, 3]
    """
    a, b = (reshape(x, -1) if x.ndim != 1 else x for x in _numbers([a, b], "outer"))
    return einsum_labels([a, b], [(0,), (1,)], (0, 1))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over pairs of axes.

    Parameters
    ----------
    a, b : arrays or expressions
    axes : int, or two lists of int
        How many of the last axes of ``a`` go with the first of ``b``; or which go with which.

    Raises
    ------
    ShapeError
        The lists differ in length, or two axes of a pair in size.

    Examples
    --------
    >>> import symgrad as sg
    >>> A, B = sg.symbol("A", (2, 3, 4)), sg.symbol("B", (4, 3))
    >>> sg.linalg.tensordot(A, B, ([1, 2], [1, 0])).type
    float64[2]
    """
    a, b = _numbers([a, b], "tensordot")
    if isinstance(axes, (int, np.integer)):
        own_a, own_b = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    else:
        own_a, own_b = (list(x) if isinstance(x, (tuple, list)) else [x] for x in axes)
    own_a = [coerce.normalize_axis(axis, a.ndim, "tensordot") for axis in own_a]
    own_b = [coerce.normalize_axis(axis, b.ndim, "tensordot") for axis in own_b]
    if len(own_a) != len(own_b):
        raise ShapeError("tensordot: the two lists of axes differ in length", where=user_line())
    left = list(range(a.ndim))
    right = list(range(a.ndim, a.ndim + b.ndim))
    for axis_a, axis_b in zip(own_a, own_b, strict=True):
        right[axis_b] = left[axis_a]
    output = [label for axis, label in enumerate(left) if axis not in own_a]
    output += [label for axis, label in enumerate(right) if axis not in own_b]
    return einsum_labels([a, b], [left, right], output)


# -- cross ----------------------------------------------------------------------------------------------------------
def _define_cross(inputs: tuple[Node, ...], attrs: Any) -> Node:
    a, b = ([slice_(x, (*whole(x.shape[:-1]), Pick(k))) for k in range(3)] for x in inputs)
    parts = []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        parts.append(elementwise.subtract(elementwise.multiply(a[i], b[j]), elementwise.multiply(a[j], b[i])))
    made: Node = stack(parts, axis=-1)
    return made


def _transpose_cross(node: Node, i: int, head: Node) -> Node:
    a, b = node.inputs
    made: Node = apply(CROSS, (b, head) if i == 0 else (head, a))
    return made


CROSS: OpDef = register(
    OpDef(
        name="cross",
        kind=Kind.CONTRACTION,
        infer=lambda inputs, attrs: inputs[0].type,
        evaluate=lambda attrs, a, b: np.cross(a, b),
        derivative=Linear(_transpose_cross),
        batch=lambda node, inputs, batched, size: apply(
            CROSS,
            tuple(x if own else broadcast_to(x, (size, *x.shape)) for x, own in zip(inputs, batched, strict=True)),
        ),
        define=_define_cross,
        samples=sampler(((), (3,), (3,)), ((), (4, 3), (4, 3))),
        doc="Vector product of 3-vectors along the last axis.",
    )
)


def cross(a: Any, b: Any, axis: int = -1) -> Any:
    """The vector product of 3-vectors.

    Parameters
    ----------
    a, b : arrays or expressions
        Other axes than the vectors' broadcast.
    axis : int
        Along which the vectors lie, in the broadcast arrays.

    Raises
    ------
    ShapeError
        The axis is not of size 3, or other axes do not broadcast.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> sg.compile(sg.cross(x, np.array([0.0, 0.0, 1.0])), [x])(np.array([1.0, 0.0, 0.0]))
    array([ 0., -1.,  0.])
    """
    a, b = coerce.broadcast_together(_numbers([a, b], "cross"), "cross")
    place = coerce.normalize_axis(axis, a.ndim, "cross")
    if not types.same_shape((a.shape[place],), (3,)):
        raise ShapeError(f"cross: axis {axis} of {coerce.shape_text(a.shape)} is not of size 3", where=user_line())
    order = (*(k for k in range(a.ndim) if k != place), place)
    made = apply(CROSS, (transpose(a, order), transpose(b, order)))
    return transpose(made, tuple(int(k) for k in np.argsort(order)))
