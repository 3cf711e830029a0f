"""Array elements as scalar programs.  In: a node and an index.  Out: the instance that computes that element.

Views cost nothing: they only change the index.  What is stored is loaded; everything else is computed from its inputs.
Where an index cannot be followed (a flattened product of loop axes, a part chosen by a loop axis), :class:`NeedsStore`
says which array has to be stored first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from codegen.lower.forms import Axis, Form, Index, axes_of, combine, of_axis, ravel, scale, unravel
from codegen.lower.instances import Instance, Pool, value_of
from symgrad import types
from symgrad.dims import Dim, Size
from symgrad.node import Node
from symgrad.opdef import Kind
from symgrad.ops.boxes import Pick
from symgrad.ops.contraction import EinsumAttrs, label_sizes, matmul_labels
from symgrad.types import INT64, TensorType

__all__ = ["Flat", "NeedsStore", "Scalarizer", "Stored", "contraction_labels", "row_major", "wrapped_index"]

_ELEMENTWISE = Kind.ELEMENTWISE  # to find a member takes Python 3.11 longer than a test

Key = tuple[Node, tuple[Index, ...]]
Finish = Callable[[list[Instance]], "Instance | Again"]


class NeedsStore(Exception):  # noqa: N818 - a request, not an error
    """The node's array must be stored before what is being built can read it."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.op.name)
        self.node = node


class Again(NamedTuple):
    """A second round of requests, known only after the first."""

    requests: list[Key]
    finish: Finish


class Flat(NamedTuple):
    """A row-major position in place of an index tuple, for arrays that are only ever read element by element."""

    position: Index


def contraction_labels(node: Node) -> EinsumAttrs:
    """The labels of a matmul or einsum node."""
    if node.op.name == "einsum":
        attrs: EinsumAttrs = node.attrs
        return attrs
    left, right, output = matmul_labels(node.inputs[0].ndim, node.inputs[1].ndim)
    return EinsumAttrs((left, right), output)


class Stored(NamedTuple):
    """Where a stored array is: its buffer, first element and strides; whether its zeros may be structural."""

    buffer: Any
    base: Size
    strides: tuple[Size, ...]
    masked: bool = False


class Scalarizer:
    """Instances for the elements that one loop nest needs.

    Parameters
    ----------
    stored : where arrays that may be loaded are
    is_unrolled : whether an axis of that size is written out rather than looped over
    reduction_axis : the loop axis for a reduced axis of some extent, given the axes already in use
    """

    def __init__(
        self,
        stored: Mapping[Node, Stored],
        is_unrolled: Callable[[Size], bool],
        reduction_axis: Callable[[Size, set[Axis]], Axis],
    ) -> None:
        self.stored, self.is_unrolled, self.reduction_axis = stored, is_unrolled, reduction_axis
        self.pool = Pool()
        self.memo: dict[Key, Instance] = {}
        self.symmetric: dict[Any, bool] = {}
        self.origin: dict[Instance, Node] = {}

    def value(self, node: Node, index: tuple[Index, ...], computed: bool = False) -> Instance:
        """The element of ``node`` at ``index``; ``computed`` even where the array is stored (or about to be)."""
        memo = self.memo
        plans: dict[Key, tuple[list[Key], Finish]] = {}
        pending: list[Key] = [(node, index)]
        if computed:
            plans[node, index] = self._computed(node, index)
        while pending:
            key = pending[-1]
            if key in memo:
                pending.pop()
                continue
            plan = plans.get(key)
            if plan is None:
                own, at = key
                if own.op.kind is _ELEMENTWISE and own not in self.stored:  # most nodes: no plan to keep
                    operands = [(one, at) for one in own.inputs]
                    if all(map(memo.__contains__, operands)):
                        pending.pop()
                        args = tuple(map(memo.__getitem__, operands))
                        simple = memo[key] = self.pool.apply(own.op.name, args, own.type.dtype)
                        self.origin.setdefault(simple, own)
                    else:
                        pending.extend(operands)
                    continue
                plan = plans[key] = self._plan(own, at)
            requests, finish = plan
            missing = [one for one in requests if one not in memo]
            if missing:
                pending.extend(missing)
                continue
            made = finish([memo[one] for one in requests])
            if isinstance(made, Again):
                plans[key] = (made.requests, made.finish)
                continue
            pending.pop()
            del plans[key]
            memo[key] = made
            self.origin.setdefault(made, key[0])
        return memo[node, index]

    # -- one step --------------------------------------------------------------------------------------------------
    def _plan(self, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
        place = self.stored.get(node)
        if place is not None:
            loaded = self._load(node, place, index)
            return [], lambda _: loaded
        return self._computed(node, index)

    def _computed(self, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
        op = node.op
        if op.kind is _ELEMENTWISE:
            name, dtype = op.name, node.type.dtype
            pool = self.pool
            return [(one, index) for one in node.inputs], lambda args: pool.apply(name, tuple(args), dtype)
        step = _STEPS.get(op.name)
        if step is None:
            raise NeedsStore(node)
        return step(self, node, index)

    def _load(self, node: Node, place: Stored, index: tuple[Index, ...]) -> Instance:
        if place.buffer.kind == "table" and len(index) == 2 and self._is_symmetric(place.buffer):
            index = _in_order(index)
        if index and isinstance(index[0], Flat):
            offset = combine(place.base, index[0].position)
        else:
            offset = place.base
            for own, stride in zip(index, place.strides, strict=True):
                offset = combine(offset, scale(own, stride))
        return self.pool.load(place.buffer, offset, node.type.dtype, place.masked)

    def _is_symmetric(self, table: Any) -> bool:
        """Whether element (i, j) of a table equals (j, i), to the bit."""
        known = self.symmetric.get(table)
        if known is None:
            data = np.asarray(table.data)
            square = data.ndim == 2 and data.shape[0] == data.shape[1]
            known = self.symmetric[table] = square and data.tobytes() == data.T.tobytes()
        return known

    def alias(self, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
        """The element is that of another node."""
        return [(node, index)], lambda args: args[0]


def _in_order(index: tuple[Index, ...]) -> tuple[Index, ...]:
    """Two indices that may be exchanged, those of inner loops last."""
    a, b = index
    if isinstance(a, Form) and isinstance(b, Form) and len(a.terms) == len(b.terms) == 1:
        return (b, a) if b.terms[0][0].uid < a.terms[0][0].uid else index
    return index


def _flat(index: tuple[Index, ...]) -> bool:
    return bool(index) and isinstance(index[0], Flat)


# -- sources --------------------------------------------------------------------------------------------------------
def _constant(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    array = node.attrs.value.array
    if array.size == 1:
        made = s.pool.constant(array.reshape(())[()], node.type.dtype)
    elif all(isinstance(one, int) for one in index):
        made = s.pool.constant(array[index], node.type.dtype)
    else:
        raise NeedsStore(node)
    return [], lambda _: made


def _iota(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    made = s.pool.index(index[0].position if _flat(index) else index[0])
    return [], lambda _: made


def _dim_value(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    made = s.pool.index(node.attrs.dim)
    return [], lambda _: made


def _basis(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    """One where direction and position agree; the zeros are structural."""
    if _flat(index):
        raise NeedsStore(node)
    kind: TensorType = node.attrs.type
    direction, position = index[0], ravel(index[1:], kind.shape)
    dtype, pool = kind.dtype, s.pool
    if isinstance(direction, int) and isinstance(position, int):
        made = pool.constant(1, dtype) if direction == position else pool.zero(dtype)
    else:
        hit = pool.apply("equal", (pool.index(direction), pool.index(position)))
        made = pool.apply("where", (hit, pool.constant(1, dtype), pool.zero(dtype)))
    return [], lambda _: made


# -- views ----------------------------------------------------------------------------------------------------------
def _broadcast(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    (x,) = node.inputs
    if _flat(index):
        if any(not (isinstance(size, int) and size == 1) for size in x.shape):
            raise NeedsStore(node)
        return s.alias(x, (0,) * x.ndim)
    offset = node.ndim - x.ndim
    own = tuple(0 if isinstance(size, int) and size == 1 else index[offset + axis] for axis, size in enumerate(x.shape))
    return s.alias(x, own)


def _expand(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        return s.alias(node.inputs[0], index if node.inputs[0].ndim else ())
    return s.alias(node.inputs[0], tuple(one for axis, one in enumerate(index) if axis not in node.attrs.axes))


def _squeeze(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        return s.alias(node.inputs[0], index)
    own = list(index)
    for axis in node.attrs.axes:
        own.insert(axis, 0)
    return s.alias(node.inputs[0], tuple(own))


def _transpose(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        raise NeedsStore(node)
    own: list[Index] = [0] * len(index)
    for axis, source in enumerate(node.attrs.axes):
        own[source] = index[axis]
    return s.alias(node.inputs[0], tuple(own))


def _assert_shape(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    return s.alias(node.inputs[0], index)


def _reshape(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    (x,) = node.inputs
    if _flat(index):
        return s.alias(x, index if x.ndim else ())
    own: list[Index] = []
    for inside, outside in reshape_groups(x.shape, node.shape):
        position = ravel(index[outside[0] : outside[1]], node.shape[outside[0] : outside[1]])
        parts = unravel(position, x.shape[inside[0] : inside[1]])
        if parts is None:
            place = s.stored.get(x)
            if place is None or not types.same_shape(place.strides, row_major(x.shape)):
                raise NeedsStore(x)
            return s.alias(x, (Flat(ravel(index, node.shape)),))
        own.extend(parts)
    return s.alias(x, tuple(own))


def reshape_groups(inside: Sequence[Size], outside: Sequence[Size]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The finest pairing of runs of axes with equal products, as (start, stop) pairs."""
    groups = []
    a = b = 0
    while a < len(inside) or b < len(outside):
        first_a, first_b = a, b
        size_a = inside[a] if a < len(inside) else 1
        size_b = outside[b] if b < len(outside) else 1
        a, b = min(a + 1, len(inside)), min(b + 1, len(outside))
        while not types.same_shape((size_a,), (size_b,)):
            if a < len(inside) and _smaller(size_a, size_b):
                size_a = size_a * inside[a]
                a += 1
            elif b < len(outside):
                size_b = size_b * outside[b]
                b += 1
            elif a < len(inside):
                size_a = size_a * inside[a]
                a += 1
            else:
                break  # equal by a run-time guard only: everything in one group
        groups.append(((first_a, a), (first_b, b)))
    return groups


def _smaller(a: Size, b: Size) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return a < b
    return isinstance(a, int) or (isinstance(b, Dim) and len(a.terms[0][0]) < len(b.terms[0][0]))


# -- parts ----------------------------------------------------------------------------------------------------------
def _slice(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        raise NeedsStore(node)
    rest = iter(index)
    own = []
    for entry in node.attrs.box:
        if isinstance(entry, Pick):
            own.append(entry.position)
        else:
            own.append(combine(scale(next(rest), entry.step), entry.start))
    return s.alias(node.inputs[0], tuple(own))


def _windows(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        raise NeedsStore(node)
    rest = iter(index)
    own: list[Index] = []
    of_axis = {one.axis: one for one in node.attrs.windows}
    for axis in range(node.inputs[0].ndim):
        window = of_axis.get(axis)
        at = next(rest)
        own.append(at if window is None else combine(scale(at, window.step), scale(next(rest), window.dilation)))
    return s.alias(node.inputs[0], tuple(own))


def inside_box(box: Any, shape: Sequence[Size], index: tuple[Index, ...]) -> tuple[Index, ...] | bool:
    """The index within a box, False where it lies outside, True where that depends on a loop axis."""
    own = []
    for entry, size, one in zip(box, shape, index, strict=True):
        if isinstance(entry, Pick):
            if isinstance(one, int) and isinstance(entry.position, int):
                if one != entry.position:
                    return False
                continue
            if one is entry.position:
                continue
            return True
        whole = entry.step == 1 and types.same_shape((entry.start, entry.size), (0, size))
        if whole:
            own.append(one)
            continue
        if not all(isinstance(value, int) for value in (one, entry.start, entry.size)):
            return True
        position, beside = divmod(one - entry.start, entry.step)
        if beside or not 0 <= position < entry.size:
            return False
        own.append(position)
    return tuple(own)


def _place(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        raise NeedsStore(node)
    requests: list[Key] = []
    for box, part in zip(node.attrs.boxes, node.inputs, strict=True):
        own = inside_box(box, node.attrs.shape, index)
        if own is True:
            raise NeedsStore(node)
        if own is not False:
            requests.append((part, own))
    pool, dtype = s.pool, node.type.dtype
    return requests, lambda args: pool.total("sum", args) if args else pool.zero(dtype)


def _update(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    base, part = node.inputs
    if _flat(index):
        raise NeedsStore(node)
    own = inside_box(node.attrs.box, node.shape, index)
    if own is True:
        raise NeedsStore(node)
    return s.alias(base, index) if own is False else s.alias(part, own)


def _stack(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    axis = node.attrs.axis
    if _flat(index) or not isinstance(index[axis], int):
        raise NeedsStore(node)
    return s.alias(node.inputs[index[axis]], (*index[:axis], *index[axis + 1 :]))


def _concatenate(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    axis = node.attrs.axis
    if _flat(index) or not isinstance(index[axis], int):
        raise NeedsStore(node)
    position = index[axis]
    for one in node.inputs:
        size = one.shape[axis]
        if not isinstance(size, int):
            raise NeedsStore(node)
        if position < size:
            return s.alias(one, (*index[:axis], position, *index[axis + 1 :]))
        position -= size
    raise NeedsStore(node)


# -- gather ---------------------------------------------------------------------------------------------------------
def _gather(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        raise NeedsStore(node)
    x, *indices = node.inputs
    axis, rank = node.attrs.axis, indices[0].ndim
    before, within, behind = index[:axis], index[axis : axis + rank], index[axis + rank :]

    def finish(args: list[Instance]) -> Instance | Again:
        own = [wrapped_index(s, arg, x.shape[axis + k]) for k, arg in enumerate(args)]
        key = (x, (*before, *own, *behind))
        if x not in s.stored and not all(isinstance(one, (int, Dim)) for one in own):
            raise NeedsStore(x)
        return Again([key], lambda found: found[0])

    return [(one, within) for one in indices], finish


def wrapped_index(s: Scalarizer, value: Instance, size: Size) -> Index:
    """A computed index, with negative ones counted from the end."""
    if value.op == "const":
        number = int(value_of(value))
        return number + size if number < 0 else number
    if value.op == "index":
        return value.data  # an affine form of axes, never negative
    pool = s.pool
    wide = pool.apply("cast", (value,), INT64)
    negative = pool.apply("less", (wide, pool.constant(0, INT64)))
    made = pool.apply("where", (negative, pool.apply("add", (wide, pool.index(size))), wide))
    return Form(0, ((made, 1),))


# -- reductions and contractions ------------------------------------------------------------------------------------
def _split_axes(s: Scalarizer, sizes: Sequence[Size], used: set[Axis]) -> tuple[list[Axis], list[list[Index]]]:
    """For reduced axes: the loop axes, and every combination of indices with the small axes written out."""
    loops: list[Axis] = []
    choices: list[list[Index]] = []
    for size in sizes:
        if s.is_unrolled(size):
            assert isinstance(size, int)
            choices.append(list(range(size)))
        else:
            axis = s.reduction_axis(size, used)
            used.add(axis)
            loops.append(axis)
            choices.append([of_axis(axis)])
    return loops, [list(one) for one in itertools.product(*choices)]


def _used(index: Sequence[Index]) -> set[Axis]:
    """The loop axes that an index varies with."""
    found: set[Axis] = set()
    for one in index:
        for symbol in axes_of(one):
            found |= {symbol} if isinstance(symbol, Axis) else set(symbol.axes)
    return found


def _reduce(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    (x,) = node.inputs
    if _flat(index):
        raise NeedsStore(node)
    reduced = node.attrs.axes
    loops, combinations = _split_axes(s, [x.shape[axis] for axis in reduced], _used(index))
    requests = []
    for choice in combinations:
        rest, own = iter(index), iter(choice)
        requests.append((x, tuple(next(own) if axis in reduced else next(rest) for axis in range(x.ndim))))
    return requests, _total(s, node, loops)


def _total(s: Scalarizer, node: Node, loops: list[Axis]) -> Finish:
    kind = node.op.name if node.op.kind is Kind.REDUCTION else "sum"
    pool, dtype = s.pool, node.type.dtype

    def finish(args: list[Instance]) -> Instance:
        if not args:
            empty = {"sum": 0, "prod": 1, "any": False, "all": True}
            return pool.constant(empty[kind], dtype)
        made = pool.total(kind, args)
        return pool.reduce(kind, made, loops) if loops else made

    return finish


def _contract(s: Scalarizer, node: Node, index: tuple[Index, ...]) -> tuple[list[Key], Finish]:
    if _flat(index):
        raise NeedsStore(node)
    attrs = contraction_labels(node)
    sizes = label_sizes(node.inputs, attrs)
    bound = dict(zip(attrs.output, index, strict=True))
    summed = [label for label in sizes if label not in bound]
    loops, combinations = _split_axes(s, [sizes[label] for label in summed], _used(index))
    requests: list[Key] = []
    for choice in combinations:
        chosen = {**bound, **dict(zip(summed, choice, strict=True))}
        for one, labels in zip(node.inputs, attrs.inputs, strict=True):
            requests.append((one, tuple(chosen[label] for label in labels)))
    count, total, pool = len(node.inputs), _total(s, node, loops), s.pool

    def finish(args: list[Instance]) -> Instance | Again:
        terms = []
        for start in range(0, len(args), count):
            term = args[start]
            for one in args[start + 1 : start + count]:
                term = pool.apply("multiply", (term, one))
            terms.append(term)
        return total(terms)

    return requests, finish


_STEPS: dict[str, Callable[[Scalarizer, Node, tuple[Index, ...]], tuple[list[Key], Finish]]] = {
    "constant": _constant,
    "iota": _iota,
    "dim_value": _dim_value,
    "basis": _basis,
    "broadcast_to": _broadcast,
    "expand_dims": _expand,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "assert_shape": _assert_shape,
    "reshape": _reshape,
    "slice": _slice,
    "windows": _windows,
    "place": _place,
    "update": _update,
    "stack": _stack,
    "concatenate": _concatenate,
    "gather": _gather,
    "matmul": _contract,
    "einsum": _contract,
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all"), _reduce),
}


def row_major(shape: Sequence[Size]) -> tuple[Size, ...]:
    """Strides of a dense array."""
    strides: list[Size] = []
    step: Size = 1
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return tuple(reversed(strides))
