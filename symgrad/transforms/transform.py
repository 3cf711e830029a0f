"""What every transform is.  In: a rule from arguments to results, on expressions.  Out: a callable for both.

Called with expressions, a transform returns expressions.  Called with numbers and arrays only, it compiles its results
for their types on first use and runs the kernel; unless its function holds symbols or arguments of an enclosing trace,
or, inside such a trace, variables: then the result is an expression too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import update_wrapper
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops
from symgrad.compile import compile
from symgrad.config import current, during
from symgrad.containers import Structure, assembler, contents, unflatten
from symgrad.dims import Dim
from symgrad.errors import TraceError
from symgrad.node import Node, substitute, topological
from symgrad.ops.source import is_placeholder
from symgrad.provenance import user_line
from symgrad.transforms.parameters import NOTHING_STATIC, Parameters, Static
from symgrad.transforms.tracing import Arguments, as_outputs, bind, identity_of, leaf_type
from symgrad.variables import is_variable

__all__ = ["Transform"]

# (function, arguments' placeholders, arguments) -> results, as nested expressions
Rule = Callable[[Sequence[Any], Arguments], Any]

_tracing: ContextVar[bool] = ContextVar("symgrad_tracing", default=False)


class _Compiled(NamedTuple):
    """A kernel, what puts its results into their containers, and whether they depend on variables."""

    kernel: Any
    assemble: Callable[[tuple[Any, ...]], Any] | None  # None: the kernel's result is the result
    stateful: bool


class _Ready(NamedTuple):
    """A kernel for calls that look alike: where each of its arguments stands in them, None for as they are given."""

    compiled: _Compiled
    order: tuple[int, ...] | None


class Transform:
    """A function made from another by a transform.

    Parameters
    ----------
    function : the original, for its name and parameters
    rule : from fresh placeholders and the structure of the arguments to the results
    kind : name of the transform
    static : arguments that are not traced; those of a function that is a transform itself are not traced here either
    """

    def __init__(self, function: Callable[..., Any], rule: Rule, kind: str, static: Static = NOTHING_STATIC) -> None:
        if not callable(function):
            raise TraceError(
                f"{kind}: {function!r} is no function",
                where=user_line(),
                hint="sg.gradients(y, [x]), sg.jacobian(y, x) and sg.hessian(y, x) differentiate expressions",
            )
        self.function, self.rule, self.kind = function, rule, kind
        self.parameters = Parameters(function)
        self.static: Static = static.joined(function.static) if isinstance(function, Transform) else static
        self._all_traced = self.static == NOTHING_STATIC
        self._ready: dict[Any, _Ready] = {}  # by how a call looks
        self._kernels: dict[Any, _Compiled] = {}  # by what a trace depends on
        self._lock = threading.RLock()  # a function may call its own transform
        update_wrapper(self, function, updated=())  # the function may be a transform, with a rule of its own

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method of a class."""
        return self if instance is None else MethodType(self, instance)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        leaves: list[Any] = []
        look: list[Any] = [id(current()), len(args)]
        if self._all_traced:
            for arg in args:
                _look(arg, leaves, look)
            for name in kwargs:
                look.append(name)
                _look(kwargs[name], leaves, look)
        else:
            self._look_past_static(args, kwargs, leaves, look)
        key = tuple(look)
        try:
            ready = self._ready.get(key)
        except TypeError:  # something is not hashable: the other road says what
            ready = None
        if ready is None:
            return self._first(args, kwargs, leaves, key)
        return self._run(ready, args, kwargs, leaves)

    def _look_past_static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], look: list[Any]
    ) -> None:
        positions, names = self.static
        for position, arg in enumerate(args):
            if position in positions:
                look.append(identity_of(arg))
            else:
                _look(arg, leaves, look)
        for name, arg in kwargs.items():
            look.append(name)
            if name in names:
                look.append(identity_of(arg))
            else:
                _look(arg, leaves, look)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return bind(self.parameters, args, kwargs, self.static)

    def _first(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], key: Any) -> Any:
        """The first call that looks like this, and every one with expressions."""
        arguments = self._bound(args, kwargs)
        if arguments.symbolic:
            return self._symbolic(arguments)
        combination = (arguments.combination(self.kind), current())
        found = self._kernels.get(combination)
        if found is None:
            with self._lock:
                found = self._kernels.get(combination) or self._compiled(arguments)
                if found is None:
                    return self._symbolic(arguments)
                self._kernels[combination] = found
        self._ready[key] = ready = _Ready(found, _order(arguments, len(args), list(kwargs)))
        return self._run(ready, args, kwargs, leaves)

    def _run(self, ready: _Ready, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> Any:
        compiled, order = ready
        if compiled.stateful and _tracing.get():
            return self._symbolic(self._bound(args, kwargs))
        made = compiled.kernel(*leaves) if order is None else compiled.kernel(*[leaves[k] for k in order])
        return made if compiled.assemble is None else compiled.assemble(made)

    def _symbolic(self, arguments: Arguments) -> Any:
        """The results as expressions of the caller's."""
        leaves = [_as_argument(leaf) for leaf in arguments.leaves]
        own = arguments._replace(leaves=leaves)
        parameters, outputs, structure = self._traced(own)
        return unflatten(structure, substitute(outputs, dict(zip(parameters, leaves, strict=True))))

    def _traced(self, arguments: Arguments) -> tuple[list[Any], list[Any], Structure]:
        """Fresh placeholders for the arguments, and the results that the rule makes of them."""
        parameters = [
            ops.parameter(name, leaf_type(leaf)) for name, leaf in zip(arguments.names, arguments.leaves, strict=True)
        ]
        with during(_tracing, True):
            made = self.rule(parameters, arguments)
        return parameters, *as_outputs(made, self.kind)

    def _compiled(self, arguments: Arguments) -> _Compiled | None:
        """The kernel for arguments of these types; None where the results hold placeholders of somebody else."""
        parameters, outputs, structure = self._traced(arguments)
        others = {node for node in topological(outputs) if is_placeholder(node)} - set(parameters)
        if not all(is_variable(node) for node in others):
            return None
        name = f"{self.kind}_{getattr(self.function, '__name__', 'function')}"
        single = structure.kind is None
        kernel = compile(outputs[0] if single else tuple(outputs), parameters, name=name)
        flat = single or (structure.kind is tuple and all(part.kind is None for part in structure.parts))
        return _Compiled(kernel, None if flat else assembler(structure), bool(others))

    def __repr__(self) -> str:
        return f"<{self.kind} of {getattr(self.function, '__qualname__', self.function)}>"


def _look(value: Any, leaves: list[Any], look: list[Any]) -> None:
    """Collect the array-like leaves of an argument, and how it looks: whatever its part of a combination depends on."""
    kind = value.__class__
    if kind is np.ndarray:
        leaves.append(value)
        look += (value.dtype, value.shape)
    elif kind is float or kind is int or kind is bool:
        leaves.append(value)
        look.append(kind)
    elif kind is dict:
        look += (kind, tuple(value))
        for part in value.values():
            _look(part, leaves, look)
    elif kind is tuple or kind is list:
        look += (kind, len(value))
        for part in value:
            _look(part, leaves, look)
    else:
        _look_closer(value, leaves, look)


def _look_closer(value: Any, leaves: list[Any], look: list[Any]) -> None:
    """The same for arguments of other classes."""
    kind = value.__class__
    if isinstance(value, (np.ndarray, np.generic)):
        leaves.append(np.asarray(value) if isinstance(value, np.ndarray) else value)
        look += (value.dtype, value.shape)
    elif isinstance(value, (int, float)):
        leaves.append(value)
        look.append(kind)
    elif isinstance(value, (Node, Dim)):
        look.append(object())  # like nothing else: expressions have no kernel
    elif (found := contents(value)) is not None:
        keys, parts = found
        look += (kind, keys, len(parts))
        for part in parts:
            _look(part, leaves, look)
    else:
        look.append(identity_of(value))


def _order(arguments: Arguments, count: int, given: list[str]) -> tuple[int, ...] | None:
    """Where each array-like leaf stands in a call with that many positional arguments, then keywords in that order."""
    titles = arguments.titles[count:]
    if list(titles) == given:
        return None
    sizes = [sum(leaf is not None for leaf in group) for group in arguments.grouped(arguments.leaves)]
    own = dict(zip(titles, sizes[count:], strict=True))
    starts, position = {}, sum(sizes[:count])
    for name in given:
        starts[name] = range(position, position + own[name])
        position += own[name]
    return (*range(sum(sizes[:count])), *(place for name in titles for place in starts[name]))


def _as_argument(leaf: Any) -> Any:
    """An argument as an expression; Python numbers count as float64."""
    if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
        return ops.as_node(float(leaf))
    return ops.as_node(leaf)
