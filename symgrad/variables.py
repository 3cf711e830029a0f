"""State.  In: an initial value and a name.  Out: an expression whose value lives in memory and can be assigned.

A variable's array is allocated once, aligned, and never moves: compiled kernels read and write it in place.
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
from symgrad.errors import DTypeError, ShapeError
from symgrad.expr import Expr
from symgrad.node import Node, apply
from symgrad.opdef import Constant, Kind, OpDef, register
from symgrad.ops.coerce import shape_text
from symgrad.ops.source import placeholder_ops
from symgrad.provenance import scope_path, user_line
from symgrad.types import TensorType

__all__ = ["State", "is_variable", "variable", "variables"]

_ALIGNMENT = 64


_lock = threading.RLock()


@contextmanager
def _one_at_a_time(array: np.ndarray[Any, Any]) -> Iterator[None]:
    with _lock:
        yield


# Exclusive use of a variable's array; a back end whose kernels run without the interpreter lock sets its own.
exclusive: Callable[[np.ndarray[Any, Any]], AbstractContextManager[None]] = _one_at_a_time


class State:
    """The memory of a variable."""

    __slots__ = ("__weakref__", "array", "trainable")

    def __init__(self, array: np.ndarray[Any, Any], trainable: bool) -> None:
        room = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
        start = -room.ctypes.data % _ALIGNMENT
        self.array = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        self.array[...] = array
        self.trainable = trainable


class VariableAttrs(NamedTuple):
    name: str
    type: TensorType
    state: State


VARIABLE = register(
    OpDef(
        name="variable",
        kind=Kind.SOURCE,
        infer=lambda inputs, attrs: attrs.type,
        evaluate=lambda attrs: attrs.state.array.copy(),
        derivative=Constant(),
        samples=lambda rng: (),
        attrs=VariableAttrs,
        doc="A named array whose value can be assigned.",
    )
)
placeholder_ops.add(VARIABLE)
_live: WeakSet[Node] = WeakSet()


def variable(name: str, value: Any, trainable: bool = True, dtype: Any = None) -> Any:
    """A variable: an expression with state.

    Parameters
    ----------
    name : str
        Its name within the name scope in force.
    value : array-like
        Initial value, copied; Python numbers become float64.
    trainable : bool
        Whether optimisers change it by default.
    dtype : dtype-like, optional

    Returns
    -------
    Expr with a ``value`` attribute, which reads a copy and assigns.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> w = sg.variable("w", np.zeros(2))
    >>> step = sg.compile([], [], updates=[(w, w + 1)])
    >>> _ = step(), step()
    >>> w.value
    array([2., 2.])
    """
    array = np.asarray(value)
    if dtype is None and isinstance(value, (int, list, tuple)) and array.dtype.kind == "i":
        array = array.astype(np.float64)
    kind = types.as_dtype(array.dtype if dtype is None else dtype)
    scope = scope_path()
    full = f"{scope}/{name}" if scope else name
    state = State(np.asarray(array, kind), trainable)
    made = apply(VARIABLE, (), VariableAttrs(full, types.of(kind, array.shape), state))
    _live.add(made)
    return made


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


def _get_value(self: Expr) -> Any:
    """The value of a variable: a copy; assigning changes the state."""
    state = _state(self)
    with exclusive(state.array):
        return state.array.copy()


def _set_value(self: Expr, value: Any) -> None:
    state = _state(self)
    new = np.asarray(value)
    if new.shape != state.array.shape:
        raise ShapeError(
            f"variable {self.attrs.name!r}: a value of shape {shape_text(new.shape)} for {self.type}", where=user_line()
        )
    if not np.can_cast(new.dtype, state.array.dtype, "same_kind"):
        raise DTypeError(f"variable {self.attrs.name!r}: a value of {new.dtype} for {self.type}", where=user_line())
    with exclusive(state.array):
        state.array[...] = new


def _state(node: Node) -> State:
    if node.op is not VARIABLE:
        raise AttributeError("only a variable has a value; evaluate an expression with sg.compile")
    state: State = node.attrs.state
    return state


Expr.value = property(_get_value, _set_value)  # type: ignore[attr-defined]
