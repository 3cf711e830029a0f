"""Functions of the host in a graph.  In: attributes of a callback node, arrays.  Out: its results, checked; the order of calls.

A host function gets read-only copies and returns arrays of exactly the declared types.  Over batch axes it is called
once per element, one after the other.  Stateful callbacks have a place among each other: the order of their creation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from symgrad.dims import Dim, Size
from symgrad.errors import KernelInputError, ShapeError
from symgrad.node import Node, topological
from symgrad.opdef import Kind
from symgrad.types import TensorType, TupleType

__all__ = [
    "CallbackAttrs",
    "Host",
    "evaluate",
    "host_of",
    "in_program_order",
    "infer",
    "result_types",
    "run",
    "stateful_calls",
]

Array = np.ndarray[Any, Any]
_places = itertools.count()


class Host:
    """A function of the host and its gradient rule; made by :func:`host_of`, so that equal ones are the same object.

    ``claim`` is what :mod:`symgrad.truth` knows of the rule, if anything.
    """

    __slots__ = ("__weakref__", "claim", "function", "gradient", "name", "where")

    def __init__(self, function: Callable[..., Any], gradient: Callable[..., Any] | None, where: str | None) -> None:
        self.function, self.gradient, self.where = function, gradient, where
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self.claim: Any = None

    def __repr__(self) -> str:
        return f"<host function {self.name}>"


_hosts: WeakValueDictionary[tuple[int, int], Host] = WeakValueDictionary()  # which keep alive what the keys name


def host_of(function: Callable[..., Any], gradient: Callable[..., Any] | None, where: str | None) -> Host:
    """The host function of this function and this rule."""
    return _hosts.setdefault((id(function), id(gradient)), Host(function, gradient, where))


class CallbackAttrs(NamedTuple):
    """What a callback node calls.

    Attributes
    ----------
    host : the function
    results : types of the results of one call
    single : whether the function has one result, rather than a tuple of them
    batch : for each batch axis, outermost first, its size and which inputs have it
    place : of a stateful callback, its place among all of them; None for a stateless one
    """

    host: Host
    results: tuple[TensorType, ...]
    single: bool
    batch: tuple[tuple[Size, tuple[bool, ...]], ...] = ()
    place: int | None = None

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def stateful(self) -> bool:
        return self.place is not None


def next_place() -> int:
    """The place of a new stateful callback."""
    return next(_places)


def result_types(attrs: CallbackAttrs) -> tuple[TensorType, ...]:
    """Types of all results, with the batch axes."""
    sizes = tuple(size for size, _ in attrs.batch)
    return tuple(kind.with_shape((*sizes, *kind.shape)) for kind in attrs.results)


def infer(inputs: Sequence[Node], attrs: CallbackAttrs) -> TensorType | TupleType:
    """The type rule."""
    kinds = result_types(attrs)
    return kinds[0] if attrs.single else TupleType(kinds)


# -- calls ----------------------------------------------------------------------------------------------------------
def evaluate(attrs: CallbackAttrs, *arrays: Array) -> Any:
    """The value of a callback whose sizes are numbers."""
    shapes = [kind.shape for kind in result_types(attrs)]
    unknown = [size for shape in shapes for size in shape if isinstance(size, Dim)]
    if unknown:
        raise ShapeError(
            f"callback {attrs.host.name}: the size {unknown[0]} of a result cannot be found from the arguments",
            where=attrs.host.where,
        )
    made = [np.empty(shape, kind.dtype) for shape, kind in zip(shapes, attrs.results, strict=True)]
    run(attrs, [_copied(array) for array in arrays], made)
    return made[0] if attrs.single else tuple(made)


def _copied(array: Array) -> Array:
    made = np.array(array)
    made.flags.writeable = False
    return made


def run(attrs: CallbackAttrs, arrays: Sequence[Array], results: Sequence[Array]) -> None:
    """Call the function and write its results; it may keep the arrays that it gets.

    Raises
    ------
    KernelInputError
        The function returned something else than it declares.
    """
    depth = len(attrs.batch)
    for index in np.ndindex(*results[0].shape[:depth]) if depth else [()]:
        own = arrays
        if depth:
            own = [_element(array, index, [flags[k] for _, flags in attrs.batch]) for k, array in enumerate(arrays)]
        values = _listed(attrs, attrs.host.function(*own))
        checked = [
            _checked(attrs.host, k, value, whole.dtype, whole.shape[depth:])
            for k, (whole, value) in enumerate(zip(results, values, strict=True))
        ]
        for whole, array in zip(results, checked, strict=True):
            whole[(*index, ...)] = array


def _element(array: Array, index: Sequence[int], batched: Sequence[bool]) -> Array:
    place: Any = (*(k for k, own in zip(index, batched, strict=True) if own), ...)
    found: Array = array[place]
    return found


def _listed(attrs: CallbackAttrs, made: Any) -> Sequence[Any]:
    if not isinstance(made, (tuple, list)):
        made = (made,)
    if len(made) != len(attrs.results):
        raise _refused(attrs.host, f"returned {_count(len(made))}, not {_count(len(attrs.results))}")
    return made


def _count(number: int) -> str:
    return "1 array" if number == 1 else f"{number} arrays"


def _checked(host: Host, position: int, value: Any, dtype: Any, shape: tuple[int, ...]) -> Array:
    array = np.asarray(value)
    if array.dtype != dtype:
        raise _refused(host, f"result {position} has element type {array.dtype}, not {dtype}")
    if array.shape != shape:
        raise _refused(host, f"result {position} has shape {array.shape}, not {shape}")
    return array


def _refused(host: Host, what: str) -> KernelInputError:
    return KernelInputError(
        f"callback {host.name}: {what}", where=host.where, hint="return exactly what result_types declares"
    )


# -- order ----------------------------------------------------------------------------------------------------------
def stateful_calls(order: Iterable[Node]) -> list[Node]:
    """The stateful callbacks among the nodes, in the order of their creation."""
    callback = Kind.CALLBACK
    found = [node for node in order if node.op.kind is callback and node.attrs.stateful]
    return sorted(found, key=lambda node: node.attrs.place)


def in_program_order(outputs: Sequence[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """As :func:`symgrad.node.topological`, with stateful callbacks in the order of their creation.

    A callback that was made to depend on a later one by a substitution comes after it.
    """
    order = topological(outputs, stop)
    calls = stateful_calls(order)
    return topological([*calls, *outputs], stop) if calls else order
