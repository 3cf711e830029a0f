"""Facts about a graph that decide its partition.  In: nodes and what must be stored.  Out: loops, costs, what else to store.

Every fact is found by one pass over the nodes in topological order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from typing import Any, NamedTuple

from codegen.lower.access import contraction_labels
from codegen.lower.boxes import overlapping, typical_size
from codegen.lower.schedule import COST
from symgrad import dims
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.opdef import Kind
from symgrad.ops.boxes import Box
from symgrad.ops.contraction import label_sizes
from symgrad.types import is_tuple, same_shape

__all__ = ["Facts", "analyse", "arrays_among", "largest_written_out", "level_of", "levels_of", "written_out"]

_ELEMENTWISE, _REDUCTION = Kind.ELEMENTWISE, Kind.REDUCTION  # to find a member takes Python 3.11 longer than a test
_REPEAT = 8  # cycles per element from which a value that several nests need is stored
_MUCH = 4  # times as many elements as one array has to have for another to be stored in its place
_TYPICAL = 100  # the size that a dynamic axis is taken for
_LIMIT = 1_000_000
_STATEMENTS = 512  # elements of one array that are written out, rather than looped over, at most
_LONG = 10  # cycles from which an operation is much code, as a tanh is, and counts as so many statements

Domain = tuple[Size, ...]  # extents of loop axes, sorted
_NO_LOOPS: Domain = ()


class Facts(NamedTuple):
    """What the analysis found.

    Attributes
    ----------
    flat : arrays whose elements only depend on elements at the same row-major position
    domains : extents of the loops that computing an element (and what it reduces) runs through, where there are any
    forced : arrays to store because several nests need them
    """

    flat: set[Node]
    domains: dict[Node, Domain]
    forced: set[Node]
    is_unrolled: Callable[[Size], bool]

    def domain(self, sources: Sequence[Node], shape: Sequence[Size], flat: bool) -> Any:
        """The loops of a writer."""
        made = _loops(shape, self.is_unrolled)
        return made if flat else _merged([made, *(self.domains.get(node, _NO_LOOPS) for node in sources)])


def arrays_among(order: Sequence[Node]) -> list[Node]:
    """All nodes but operations on scalars, which need no memory, loop, check or call of their own."""
    return [node for node in order if node.op.kind is not _ELEMENTWISE or node.type.shape]


def analyse(
    order: Sequence[Node],
    arrays: Sequence[Node],
    request: Any,
    forced: set[Node],
    arguments: set[Node],
    is_unrolled: Callable[[Size], bool],
) -> Facts:
    """Facts of a graph and of the arrays among its nodes, given what must be stored."""
    more: set[Node] = set()
    shapes = [kind.shape for kind in {node.type for node in arrays} if not is_tuple(kind)]
    has_matrices = any(len(shape) > 1 for shape in shapes)
    has_loops = not all(is_unrolled(size) for shape in shapes for size in shape)
    while True:
        stored = arguments | forced | more
        flat = _flat(arrays, stored) if has_matrices else set()
        domains = _domains(order, stored, is_unrolled) if has_loops else {}
        facts = Facts(flat, domains, more, is_unrolled)
        found = _repeated(order, request, stored, facts)
        if has_loops:
            found |= _shifted(order, arrays, stored, is_unrolled)
        if not found:
            return facts
        more |= found


# -- what is written out --------------------------------------------------------------------------------------------
def written_out(limit: int) -> Callable[[Size], bool]:
    """Whether an axis of a size is written out rather than looped over; of nothing but the limit.

    A method of what asks would keep that alive, with the whole graph, until a garbage collection.
    """
    return lambda size: isinstance(size, int) and size <= limit


def largest_written_out(arrays: Sequence[Node], limit: int, is_product: Callable[[Node, int], bool]) -> int:
    """The largest axis to write out: ``limit``, or less where an array of several such axes would be very long code."""
    seen: set[Any] = set()
    counted: set[Any] = set()
    for node in arrays:
        if is_tuple(node.type) or is_product(node, limit):
            continue
        shape = node.inputs[0].shape if node.op.kind is Kind.REDUCTION else node.shape
        if node.op.name in ("matmul", "einsum"):
            shape = tuple(label_sizes(node.inputs, contraction_labels(node)).values())
        most = _STATEMENTS // _LONG if COST.get(node.op.name, 1) >= _LONG else _STATEMENTS
        if len(shape) > 1 and (shape, most) not in counted:
            seen.add(shape)
            counted.add((shape, most))
            sizes = sorted(size for size in shape if isinstance(size, int) and 1 < size <= limit)
            while math.prod(sizes) > most:
                limit = sizes[-1] - 1
                sizes = [size for size in sizes if size <= limit]
    return _without_outer_axes(arrays, seen, limit)


def _without_outer_axes(arrays: Sequence[Node], shapes: Iterable[Sequence[Size]], limit: int) -> int:
    """The limit lowered so that axes around matrices are loops, unless elements along such an axis are combined."""

    def short(sizes: Iterable[Size]) -> set[int]:
        return {size for size in sizes if isinstance(size, int) and 1 < size <= limit}

    outer: set[int] = set()
    for shape in shapes:
        long = [axis for axis, size in enumerate(shape) if not isinstance(size, int) or size > limit]
        if len(long) > 1:
            outer |= short(shape[: long[-2]])
    if not outer:
        return limit
    largest = max(short(size for node in arrays for size in _combined(node)), default=1)
    return min((size - 1 for size in outer if size > largest), default=limit)


def _combined(node: Node) -> list[Size]:
    """Sizes of axes along which an operation tells elements apart."""
    if node.op.kind is Kind.REDUCTION:
        return [node.inputs[0].shape[axis] for axis in node.attrs.axes]
    if node.op.kind in (Kind.ELEMENTWISE, Kind.CONTRACTION) or node.op.name in _ALIKE or is_tuple(node.type):
        return []
    return [size for one in (node, *node.inputs) if not is_tuple(one.type) for size in one.shape]


# Arguments, and operations that treat all elements along an axis alike.
_ALIKE = {
    "symbol",
    "variable",
    "constant",
    "broadcast_to",
    "expand_dims",
    "squeeze",
    "transpose",
    "assert_shape",
    "reshape",
}


# -- flatness -------------------------------------------------------------------------------------------------------
def _flat(arrays: Sequence[Node], stored: set[Node]) -> set[Node]:
    flat: set[Node] = set()
    readable = set(stored)
    for node in arrays:
        if readable.issuperset(node.inputs) if node.op.kind is _ELEMENTWISE else _is_flat(node, readable):
            flat.add(node)
            readable.add(node)
    return flat


def _is_flat(node: Node, readable: set[Node]) -> bool:
    """Of the node's own value, with stored inputs read row-major."""
    name = node.op.name
    if name in ("expand_dims", "squeeze", "reshape", "assert_shape"):
        return readable.issuperset(node.inputs)
    if name == "broadcast_to":
        return all(isinstance(size, int) and size == 1 for size in node.inputs[0].shape)
    if name == "constant":
        return bool(node.attrs.value.array.size == 1)
    return name in ("iota", "dim_value")


# -- loops ----------------------------------------------------------------------------------------------------------
def _loops(shape: Sequence[Size], is_unrolled: Callable[[Size], bool]) -> Domain:
    return tuple(sorted((size for size in shape if not is_unrolled(size)), key=str))


def _merged(domains: Sequence[Domain]) -> Domain:
    """Each extent as often as the domain that has it most often."""
    if len(domains) == 1 or all(one is domains[0] for one in domains[1:]):
        return domains[0]
    counts: Counter[Size] = Counter()
    for domain in set(domains):
        counts |= Counter(domain)  # sizes are compared by identity here, as keys
    return tuple(sorted((size for size, count in counts.items() for _ in range(count)), key=str))


def _domains(order: Sequence[Node], stored: set[Node], is_unrolled: Callable[[Size], bool]) -> dict[Node, Domain]:
    made: dict[Node, Domain] = {}
    looped = made.keys()
    shapes = {kind: () if is_tuple(kind) else kind.shape for kind in {node.type for node in order}}
    loops = {shape: _loops(shape, is_unrolled) for shape in shapes.values()}
    own_loops = {kind: loops[shape] for kind, shape in shapes.items()}
    for node in order:
        own = own_loops[node.type]
        if node.op.kind is _ELEMENTWISE:
            if own or not looped.isdisjoint(node.inputs):
                for one in node.inputs:
                    inner = made.get(one, _NO_LOOPS)
                    if inner is not own and one not in stored:
                        own = _merged([own, inner])
                if own:
                    made[node] = own
            continue
        if node.op.name in ("matmul", "einsum"):
            own = _loops(list(label_sizes(node.inputs, contraction_labels(node)).values()), is_unrolled)
        inside = [made.get(one, _NO_LOOPS) for one in node.inputs if one not in stored]
        if node.op.kind is _REDUCTION:
            inside.append(_loops(node.inputs[0].shape, is_unrolled))
        own = _merged([own, *inside]) if inside else own
        if own:
            made[node] = own
    return made


# -- repeated work --------------------------------------------------------------------------------------------------
def _repeated(order: Sequence[Node], request: Any, stored: set[Node], facts: Facts) -> set[Node]:
    """Expensive values that nests of several kinds would each compute: the last ones that they share, or what these repeat."""
    made = {node for node in stored if node.inputs}
    levels = levels_of(order, made)
    pulled: dict[Node, frozenset[Any]] = {}
    none: frozenset[Any] = frozenset()
    for node in [*request.outputs, *(value for _, value in request.updates)]:
        pulled[node] = pulled.get(node, none) | {_nest_key(node, levels, facts)}
    writers = frozenset(_nest_key(node, levels, facts) for node in made)
    if len(writers.union(*pulled.values())) < 2:
        return set()
    users: dict[Node, list[Node]] = {}
    for node in reversed(order):
        keys = pulled.get(node, none)
        if node in stored:  # arrays of other sizes than the typical ones may compute what they need again
            keys = frozenset({_nest_key(node, levels, facts)}) if typical_size(node.type.size) else none
        for one in node.inputs:
            users.setdefault(one, []).append(node)
            if one not in stored:
                before = pulled.get(one, none)
                pulled[one] = keys if not before else before if keys <= before else before | keys
    costs = _costs(order, stored)
    found: set[Node] = set()
    for node in order:
        keys = pulled.get(node, none)
        if node in stored or len(keys) < 2 or costs[node] < _REPEAT or not node.inputs or is_tuple(node.type):
            continue
        if all(pulled.get(user, none) == keys and user not in stored for user in users.get(node, ())) and users.get(
            node
        ):
            continue  # something nearer to the results is shared as well
        found |= _less(node, costs, stored | found)
    return found


def _less(node: Node, costs: dict[Node, int], stored: Set[Node]) -> set[Node]:
    """What to store for a value that is needed again: smaller arrays of which it is soon made, or its own."""
    own, work = typical_size(node.type.size), 0
    smaller: set[Node] = set()
    pending, seen = [node], {node}
    while pending:
        one = pending.pop()
        if one in stored:
            continue
        if costs[one] < _REPEAT:
            work += costs[one]
            continue
        if _MUCH * typical_size(one.type.size) <= own and one.op.kind in (_ELEMENTWISE, _REDUCTION):
            smaller.add(one)
            continue
        if one.op.kind is not _ELEMENTWISE and one.op.name not in _ALIKE:
            return {node}
        work += COST.get(one.op.name, 1) if one.op.kind is _ELEMENTWISE else 0
        for inner in one.inputs:
            if inner not in seen:
                seen.add(inner)
                pending.append(inner)
    return smaller if work < _REPEAT else {node}


def _shifted(
    order: Sequence[Node], arrays: Sequence[Node], stored: set[Node], is_unrolled: Callable[[Size], bool]
) -> set[Node]:
    """Values that one loop would compute several times, as it uses overlapping parts of their array: the last such ones."""
    costs: dict[Node, int] = {}  # once one may matter
    parts: dict[Node, set[Box]] = {}  # of each array, those that are used
    counts: dict[frozenset[Box], int] = {}
    found = set()
    for node in reversed(arrays):
        if node.op.name == "slice":
            parts.setdefault(node.inputs[0], set()).add(node.attrs.box)
        elif node in parts and node.op.kind is _ELEMENTWISE and node not in stored and node.inputs:
            own = parts[node]
            if all(map(is_unrolled, node.shape)):
                continue
            key = frozenset(own)
            if key not in counts:
                counts[key] = overlapping(list(own))
            if counts[key] > 1:
                costs = costs or _costs(order, stored)
                if costs[node] * (counts[key] - 1) >= _REPEAT:
                    found.add(node)
                    continue
            for one in node.inputs:
                if same_shape(one.shape, node.shape):
                    parts.setdefault(one, set()).update(own)
    return found


def levels_of(order: Sequence[Node], made: Collection[Node]) -> dict[Node, int]:
    """How many arrays of those that are made and stored lie one behind the other up to each node, where there are any."""
    levels: dict[Node, int] = {}
    above = levels.keys()
    for node in order if made else ():
        if node in made:
            levels[node] = 1 + level_of(node.inputs, levels)
        elif above and not above.isdisjoint(node.inputs):
            levels[node] = level_of(node.inputs, levels)
    return levels


def level_of(inputs: Sequence[Node], levels: dict[Node, int]) -> int:
    """The highest of their levels; those without one are on the lowest."""
    return max([levels.get(one, 0) for one in inputs], default=0)


def _nest_key(node: Node, levels: dict[Node, int], facts: Facts) -> Any:
    flat = node in facts.flat and node.ndim > 1
    if node.op.name in ("place", "stack") and all(not one.shape for one in node.inputs):
        return level_of(node.inputs, levels), facts.domain(node.inputs, (), False)  # written number by number
    shape = (dims.product(node.shape),) if flat else node.shape
    return level_of(node.inputs, levels), facts.domain([node], shape, flat)


def _costs(order: Sequence[Node], stored: set[Node]) -> dict[Node, int]:
    """Cycles to compute one element, from stored arrays."""
    costs: dict[Node, int] = {}
    for node in order:
        kind, cost = node.op.kind, 0
        for one in node.inputs:
            if one not in stored:
                cost += costs[one]
        if kind is _ELEMENTWISE:
            cost += COST.get(node.op.name, 1)
        elif kind is _REDUCTION:
            cost = (cost + 1) * _repeats(node)
        elif kind is Kind.CONTRACTION:
            cost = _LIMIT
        costs[node] = cost if cost < _LIMIT else _LIMIT
    return costs


def _repeats(node: Node) -> int:
    """How many elements of its input an element of a reduction combines."""
    total = 1
    for axis in node.attrs.axes:
        size = node.inputs[0].shape[axis]
        total *= size if isinstance(size, int) else _TYPICAL
    return max(total, 1)
