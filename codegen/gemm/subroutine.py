"""Internal functions with folded parameters.  In: names, and the integers known while generating.  Out: typed calls.

A kernel for 64 x 64 and one for run-time sizes are the same text with some integers replaced by numbers.  A
:class:`Subroutine` keeps that choice in one place: known integers are neither passed nor computed, and they are part of
the function's name, so two callers that know the same things share one function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import I64, POINTER, Value

__all__ = ["Subroutine"]


@dataclass(frozen=True)
class Subroutine:
    """An internal function.

    Attributes
    ----------
    stem : str
        What it does, for its name.
    pointers : tuple of str
        Parameters that are pointers.
    integers : tuple of (str, int or None)
        Parameters that are integers, with their value where it is known while generating.
    """

    stem: str
    pointers: tuple[str, ...]
    integers: tuple[tuple[str, int | None], ...]

    @property
    def name(self) -> str:
        """The symbol: the stem, its integers, and of these everything known."""
        return "_".join([self.stem, *(name if value is None else f"{name}{value}" for name, value in self.integers)])

    @contextmanager
    def body(self, module: Module) -> Iterator[Function]:
        """Emit the function; the block builds its body.  To be used only where ``name`` is not in the module yet."""
        own = [(name, POINTER) for name in self.pointers]
        own += [(name, I64) for name, value in self.integers if value is None]
        f = module.function(self.name, own)
        yield f
        f.ret()

    def known(self, name: str) -> int | None:
        """The value of an integer parameter where it is known while generating."""
        return dict(self.integers)[name]

    def numbers(self, f: Function) -> dict[str, Int]:
        """The integer parameters inside the body: numbers or arguments."""
        return {name: f[name] if value is None else value for name, value in self.integers}

    def call(self, f: Function, pointers: Mapping[str, Value], integers: Mapping[str, Int]) -> None:
        """Call it; integers that it knows are left out."""
        passed = [f.i64(integers[name]) for name, value in self.integers if value is None]
        f.call(self.name, [*(pointers[name] for name in self.pointers), *passed])
