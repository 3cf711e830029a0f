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
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops
from symgrad.compile import compile
from symgrad.config import current
from symgrad.containers import Structure, unflatten
from symgrad.dims import Dim
from symgrad.errors import KernelInputError
from symgrad.node import Node, substitute, topological
from symgrad.ops.source import is_placeholder
from symgrad.transforms.tracing import Arguments, as_outputs, bind, leaf_type
from symgrad.variables import is_variable

__all__ = ["Transform"]

# (function, arguments' placeholders, arguments) -> results, as nested expressions
Rule = Callable[[Sequence[Any], Arguments], Any]

_tracing: ContextVar[bool] = ContextVar("symgrad_tracing", default=False)


class _Compiled(NamedTuple):
    """A kernel, the structure of its results, and whether they depend on variables."""

    kernel: Any
    structure: Structure
    stateful: bool


class Transform:
    """A function made from another by a transform.

    Parameters
    ----------
    function : the original, for its name and parameters
    rule : from fresh placeholders and the structure of the arguments to the results
    kind : name of the transform
    static : positions of arguments that are not traced
    """

    def __init__(self, function: Callable[..., Any], rule: Rule, kind: str, static: Sequence[int] = ()) -> None:
        self.function, self.rule, self.kind, self.static = function, rule, kind, tuple(static)
        self._kernels: dict[Any, _Compiled] = {}
        self._lock = threading.RLock()  # a function may call its own transform
        update_wrapper(self, function, updated=())  # the function may be a transform, with a rule of its own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args = _positional(self.function, args, kwargs)
        arguments = bind(self.function, args, self.static)
        if any(isinstance(leaf, (Node, Dim)) for leaf in arguments.leaves):
            return self._symbolic(arguments)
        return self._numeric(arguments)

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
        token = _tracing.set(True)
        try:
            made = self.rule(parameters, arguments)
        finally:
            _tracing.reset(token)
        return parameters, *as_outputs(made, self.kind)

    def _numeric(self, arguments: Arguments) -> Any:
        types = tuple(leaf_type(leaf) for leaf in arguments.leaves)
        key = (types, arguments.fixed, arguments.structure, current())
        found = self._kernels.get(key)
        if found is None:
            with self._lock:
                found = self._kernels.get(key) or self._compiled(arguments)
                if found is None:
                    return self._symbolic(arguments)
                self._kernels[key] = found
        if found.stateful and _tracing.get():
            return self._symbolic(arguments)
        made = found.kernel(*(_as_array(leaf, kind) for leaf, kind in zip(arguments.leaves, types, strict=True)))
        if found.structure.kind is None:
            return made
        return unflatten(found.structure, list(made) if isinstance(made, tuple) else [made])

    def _compiled(self, arguments: Arguments) -> _Compiled | None:
        """The kernel for arguments of these types; None where the results hold placeholders of somebody else."""
        parameters, outputs, structure = self._traced(arguments)
        others = {node for node in topological(outputs) if is_placeholder(node)} - set(parameters)
        if not all(is_variable(node) for node in others):
            return None
        name = f"{self.kind}_{getattr(self.function, '__name__', 'function')}"
        kernel = compile(outputs[0] if structure.kind is None else tuple(outputs), parameters, name=name)
        return _Compiled(kernel, structure, bool(others))

    def __repr__(self) -> str:
        return f"<{self.kind} of {getattr(self.function, '__qualname__', self.function)}>"


def _positional(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Keyword arguments in their positions."""
    import inspect

    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise KernelInputError(f"{getattr(function, '__name__', 'function')}(): {error}") from None
    if bound.kwargs:
        name = next(iter(bound.kwargs))
        raise KernelInputError(
            f"{getattr(function, '__name__', 'function')}(): the keyword-only argument {name!r} cannot be traced"
        )
    return bound.args


def _as_argument(leaf: Any) -> Any:
    """An argument as an expression; Python numbers count as float64."""
    if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
        return ops.as_node(float(leaf))
    return ops.as_node(leaf)


def _as_array(leaf: Any, kind: Any) -> Any:
    if isinstance(leaf, (bool, int, float)):
        return kind.dtype.type(leaf) if isinstance(leaf, int) else leaf
    return np.asarray(leaf)
