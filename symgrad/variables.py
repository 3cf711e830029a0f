"""State.  In: an initial value and a name.  Out: an expression whose value lives in memory and can be assigned.

A variable's array is allocated once, aligned, and never moves: compiled kernels read and write it in place.  Refuses to
be read before it has a value.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from weakref import WeakSet

import numpy as np

from symgrad import types
from symgrad.errors import DTypeError, ShapeError, SymgradError
from symgrad.expr import Expr
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Kind, OpDef, register
from symgrad.ops.coerce import shape_text
from symgrad.ops.source import placeholder_ops
from symgrad.provenance import scope_path, user_line
from symgrad.types import TensorType

__all__ = ["State", "is_variable", "require_value", "set_exclusive", "variable", "variables", "without_value"]

_ALIGNMENT = 64


_lock = threading.RLock()


@contextmanager
def _one_at_a_time(array: np.ndarray[Any, Any]) -> Iterator[None]:
    with _lock:
        yield


Exclusive = Callable[[np.ndarray[Any, Any]], AbstractContextManager[None]]
_exclusive: list[Exclusive] = [_one_at_a_time]


def set_exclusive(use: Exclusive) -> None:
    """How the array of a variable is used exclusively: for a back end whose kernels run without the interpreter lock."""
    _exclusive[0] = use


def exclusive(array: np.ndarray[Any, Any]) -> AbstractContextManager[None]:
    """Keep kernels and other threads from the array inside a block."""
    return _exclusive[0](array)


class State:
    """The memory of a variable; ``ready`` once it has a value."""

    __slots__ = ("__weakref__", "array", "ready", "trainable")

    def __init__(self, array: np.ndarray[Any, Any], trainable: bool, ready: bool = True) -> None:
        room = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
        start = -room.ctypes.data % _ALIGNMENT
        self.array = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        self.array[...] = array
        self.trainable, self.ready = trainable, ready


class VariableAttrs(NamedTuple):
    name: str
    type: TensorType
    state: State


VARIABLE = register(
    OpDef(
        name="variable",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: attrs.type,
        evaluate=lambda attrs: _read(attrs),
        derivative=Constant(),
        samples=lambda rng: (),
        attrs=VariableAttrs,
        doc="A named array whose value can be assigned.",
    )
)
placeholder_ops.add(VARIABLE)
_live: WeakSet[Node] = WeakSet()
_begun: WeakSet[Node] = WeakSet()  # those made without a value


def variable(name: str, value: Any = None, trainable: bool = True, dtype: Any = None, shape: Any = None) -> Any:
    """A variable: an expression with state.

    Parameters
    ----------
    name : str
        Its name within the name scope in force.
    value : array-like, optional
        Initial value, copied; Python numbers become float64.  Without one the variable has to be assigned, or updated by
        a kernel, before it is read.
    trainable : bool
        Whether optimisers change it by default.
    dtype : dtype-like, optional
        By default that of the value, or float64.
    shape : tuple of int, optional
        Of a variable without an initial value.

    Returns
    -------
    Expr with a ``value`` attribute, which reads a copy and assigns.  ``assign``, ``assign_add`` and ``assign_sub`` change it
    at once by a value; by an expression they give a pair for ``updates``.

    Raises
    ------
    ShapeError, DTypeError
        Neither value nor shape is given, or they do not fit; the element type is not supported.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> w = sg.variable("w", np.zeros(2))
    >>> step = sg.compile([], [], updates=[(w, w + 1)])
    >>> _ = step(), step()
    >>> w.value
    array([2., 2.])
    >>> w.assign_add([1.0, 5.0])
    >>> _ = sg.compile([], [], updates=[w.assign_sub(w / 2)])()
    >>> w.value
    array([1.5, 3.5])
    """
    array = _initial(name, value, shape)
    if dtype is None and isinstance(value, (int, list, tuple)) and array.dtype.kind == "i":
        array = array.astype(np.float64)
    kind = types.as_dtype(array.dtype if dtype is None else dtype)
    scope = scope_path()
    full = f"{scope}/{name}" if scope else name
    state = State(np.asarray(array, kind), trainable, value is not None)
    made = apply(VARIABLE, (), VariableAttrs(full, types.of(kind, array.shape), state))
    _live.add(made)
    if value is None:
        _begun.add(made)
    return made


def _initial(name: str, value: Any, shape: Any) -> np.ndarray[Any, Any]:
    if value is None:
        sizes = None if shape is None else types.as_shape(shape)
        if sizes is None or not all(isinstance(size, int) for size in sizes):
            raise ShapeError(
                f"variable {name!r}: {'neither value nor shape is given' if shape is None else 'its shape is not static'}",
                where=user_line(),
                hint="sg.variable(name, value), or sg.variable(name, shape=(3,), dtype='float64')",
            )
        return np.zeros(sizes)
    array = np.asarray(value)
    if shape is not None and array.shape != tuple(shape):
        raise ShapeError(
            f"variable {name!r}: a value of shape {shape_text(array.shape)}, but shape={shape_text(tuple(shape))}",
            where=user_line(),
            hint="leave shape out: it is that of the value",
        )
    return array


def is_variable(node: Node) -> bool:
    return node.op is VARIABLE


def variables(scope: str = "*", trainable: bool | None = None) -> list[Any]:
    """The variables whose names match a glob (``"net/*"``), by name.

    Parameters
    ----------
    scope : str
    trainable : bool, optional
        Only those for which it is so.

    Examples
    --------
    >>> import symgrad as sg
    >>> with sg.name_scope("encoder"):
    ...     w = sg.variable("w", [1.0, 2.0])
    >>> [one.name for one in sg.variables("encoder/*")]
    ['encoder/w']
    """
    found = [one for one in _live if fnmatchcase(one.attrs.name, scope)]
    wanted = [one for one in found if trainable is None or one.attrs.state.trainable == trainable]
    return sorted(wanted, key=lambda one: one.attrs.name)


def without_value() -> set[Node]:
    """The variables that have no value yet."""
    return {node for node in _begun if not node.attrs.state.ready}


def require_value(node: Node) -> None:
    """Refuse a variable that has no value yet.

    Raises
    ------
    SymgradError
    """
    _ready(node.attrs)


def _ready(attrs: VariableAttrs) -> State:
    if not attrs.state.ready:
        raise SymgradError(
            f"variable {attrs.name!r} is read before it has a value",
            where=user_line(),
            hint=f"assign one: {attrs.name.rpartition('/')[2]}.value = ..., or run a kernel that updates it",
        )
    return attrs.state


def _read(attrs: VariableAttrs) -> np.ndarray[Any, Any]:
    state = _ready(attrs)
    with exclusive(state.array):
        return state.array.copy()


# -- what expressions that are variables can do besides ----------------------------------------------------------------
def _get_value(self: Expr) -> Any:
    """The value of a variable: a copy; assigning changes the state."""
    _state(self)
    return _read(self.attrs)


def _set_value(self: Expr, value: Any) -> None:
    state = _state(self)
    new = _fitting(self, value)
    with exclusive(state.array):
        state.array[...] = new
    state.ready = True


def _fitting(node: Expr, value: Any) -> np.ndarray[Any, Any]:
    """A value as an array that may be stored."""
    new, state = np.asarray(value), node.attrs.state
    if new.shape != state.array.shape:
        raise ShapeError(
            f"variable {node.attrs.name!r}: a value of shape {shape_text(new.shape)} for {node.type}", where=user_line()
        )
    if not np.can_cast(new.dtype, state.array.dtype, "same_kind"):
        raise DTypeError(f"variable {node.attrs.name!r}: a value of {new.dtype} for {node.type}", where=user_line())
    return new


def _state(node: Node) -> State:
    if node.op is not VARIABLE:
        raise AttributeError("only a variable has a value; evaluate an expression with sg.compile")
    state: State = node.attrs.state
    return state


def _assign(self: Expr, value: Any) -> tuple[Expr, Any] | None:
    """Give a variable a value at once; or, by an expression, an update: the pair of variable and new value."""
    _state(self)
    if isinstance(value, Node):
        return self, value
    _set_value(self, value)
    return None


def _assign_add(self: Expr, value: Any) -> tuple[Expr, Any] | None:
    """Add a value of its shape (or a number) at once; or, by an expression, give an update."""
    return _assign_sum(self, value, np.add)


def _assign_sub(self: Expr, value: Any) -> tuple[Expr, Any] | None:
    """Subtract a value of its shape (or a number) at once; or, by an expression, give an update."""
    return _assign_sum(self, value, np.subtract)


def _assign_sum(self: Any, value: Any, change: Callable[[Any, Any], Any]) -> tuple[Expr, Any] | None:
    _state(self)
    if isinstance(value, Node):
        return self, change(self, value)
    state, given = _ready(self.attrs), np.asarray(value)
    if given.ndim == 0:
        given = np.broadcast_to(given, state.array.shape)
    new = _fitting(self, given)
    with exclusive(state.array):
        state.array[...] = change(state.array, new.astype(state.array.dtype))
    return None


Expr.value = property(_get_value, _set_value)  # type: ignore[attr-defined]
Expr.assign = _assign  # type: ignore[attr-defined]
Expr.assign_add = _assign_add  # type: ignore[attr-defined]
Expr.assign_sub = _assign_sub  # type: ignore[attr-defined]
