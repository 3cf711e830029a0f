"""Parameters of Python functions.  In: a function.  Out: where its arguments belong.  Refuses: names that it does not have.

What the signature of a function says is read once, when a transform is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import index
from typing import Any, NamedTuple

from symgrad.errors import KernelInputError, TraceError
from symgrad.provenance import user_line

__all__ = ["NOTHING_STATIC", "Parameters", "Static", "positions_of"]

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Static(NamedTuple):
    """Arguments that are not traced: by position, and by name."""

    positions: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()

    def joined(self, other: Static) -> Static:
        return Static(self.positions | other.positions, self.names | other.names)


NOTHING_STATIC = Static()


def positions_of(given: Any, who: str, what: str) -> tuple[int, ...]:
    """Positions that a user gave as an int or several.

    Raises
    ------
    TraceError
        They are anything else.
    """
    several = tuple(given) if isinstance(given, Iterable) else (given,)
    try:
        if any(isinstance(one, bool) for one in several):
            raise TypeError
        return tuple(map(index, several))
    except TypeError:
        raise TraceError(f"{who}: {what}={given!r} is neither an int nor a tuple of ints", where=user_line()) from None


class Parameters:
    """What a function takes; where that is unknown, as of some built-in functions, any positions and names."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.title = getattr(function, "__name__", "function")
        try:
            self._signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self._signature = None
        every = list(self._signature.parameters.values()) if self._signature else []
        self.positional = [one.name for one in every if one.kind in _BY_POSITION]
        self._variadic = next((one.name for one in every if one.kind is inspect.Parameter.VAR_POSITIONAL), None)
        self._keyword_only = [one.name for one in every if one.kind is inspect.Parameter.KEYWORD_ONLY]
        self._open = self._signature is None or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in every)

    def names(self, count: int) -> list[str]:
        """Names of the first positional arguments, ``arg0``, ``arg1``, ... where they are unknown."""
        rest = range(len(self.positional), count)
        return [*self.positional[:count], *(f"{self._variadic or 'arg'}{k}" for k in rest)]

    def place(self, name: str) -> int:
        """The position of a parameter that is given by name; -1 where it has none."""
        return self.positional.index(name) if name in self.positional else -1

    def arranged(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Positional and keyword arguments, with as many as possible in their positions.

        Raises
        ------
        KernelInputError
            They do not fit the function.
        """
        if self._signature is None:
            return args, kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise KernelInputError(f"{self.title}(): {error}", where=user_line()) from None
        return bound.args, bound.kwargs

    def static(self, argnums: Any, argnames: Any, who: str) -> Static:
        """The arguments that a user declared static, by position, by name, or both.

        Raises
        ------
        TraceError
            The function has no such parameter.
        """
        positions = [self._position(one, argnums, who) for one in positions_of(argnums, who, "static_argnums")]
        if not isinstance(argnames, Iterable):
            raise TraceError(
                f"{who}: static_argnames={argnames!r} is neither a name nor a tuple of names", where=user_line()
            )
        names = (argnames,) if isinstance(argnames, str) else tuple(argnames)
        for name in names:
            if not (isinstance(name, str) and (self._open or name in (*self.positional, *self._keyword_only))):
                raise TraceError(
                    f"{who}: static_argnames={argnames!r}, but {self.title} has no parameter {name!r}",
                    where=user_line(),
                    hint=f"its parameters are {', '.join((*self.positional, *self._keyword_only))}",
                )
        positions += [self.place(name) for name in names if name in self.positional]
        own = [self.positional[one] for one in positions if one < len(self.positional)]
        return Static(frozenset(positions), frozenset((*names, *own)))

    def _position(self, position: int, argnums: Any, who: str) -> int:
        endless = self._signature is None or self._variadic is not None
        count = len(self.positional)
        if position < 0 and not endless:
            position += count
        if position < 0 or (position >= count and not endless):
            raise TraceError(
                f"{who}: static_argnums={argnums!r}, but {self.title} takes "
                f"{'any number of' if endless else count} positional arguments",
                where=user_line(),
                hint="positions count from 0; keyword-only arguments are named by static_argnames",
            )
        return position
