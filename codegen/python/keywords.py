"""Arguments by position and by name.  In: those of a call.  Out: the same in order.  Refuses what has no place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegen.python.rules import InputError, Interface, count

__all__ = ["arrange"]


def arrange(kernel: Interface, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The arguments in order, and ``out``.

    Raises
    ------
    InputError
        The number of arguments or a keyword is wrong.
    """
    names = [one.name for one in kernel.inputs]
    if len(args) > len(names):
        raise InputError(f"{kernel.name}(): expected {count(len(names), 'argument')}, got {len(args)}", _usage(kernel))
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name == "out":
            continue
        if name not in names:
            raise InputError(f"{kernel.name}(): no argument is called {name!r}", _usage(kernel))
        if name in given:
            raise InputError(f"{kernel.name}(): argument {name!r} is given twice", _usage(kernel))
        given[name] = value
    missing = [repr(name) for name in names if name not in given]
    if missing:
        raise InputError(f"{kernel.name}(): missing {', '.join(missing)}", _usage(kernel))
    return [given[name] for name in names], kwargs.get("out")


def _usage(kernel: Interface) -> str:
    names = [one.name for one in kernel.inputs]
    return f"call {kernel.name}({', '.join([*names, 'out=None'])})"
