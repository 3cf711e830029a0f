"""What is stated about dimensions.  In: relations.  Out: whether sizes may stand for one axis, and what a kernel has to check."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import NamedTuple

from symgrad import dims
from symgrad.dims import Atom, Dim, Relation, Size
from symgrad.errors import ShapeError

__all__ = ["agree", "assume", "stated"]


class _Assumptions(NamedTuple):
    """What is stated: dimensions in terms of others, and differences, unsolvable, that are zero."""

    solved: Mapping[Atom, Size] = {}
    zero: frozenset[Dim] = frozenset()


_assumed: ContextVar[_Assumptions] = ContextVar("symgrad_assumptions")
_NOTHING = _Assumptions()


def _assumptions() -> _Assumptions:
    return _assumed.get(_NOTHING)


class assume:  # noqa: N801 (reads as a statement)
    """State that dimensions are equal; kernels check it when they are called.

    Holds from here on, or, used as a context manager, inside the block only.

    Raises
    ------
    ShapeError
        The relation is certainly false.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> n, m = sg.dim("n"), sg.dim("m")
    >>> with sg.assume(n == m):
    ...     y = sg.symbol("x", (n,)) + sg.symbol("y", (m,))
    >>> y.shape
    (n,)
    """

    def __init__(self, *relations: Relation | bool) -> None:
        known = _assumptions()
        for relation in relations:
            if relation is True:
                continue
            if not isinstance(relation, Relation):
                raise ShapeError(f"assume: {relation!r} is not a relation between dimensions", hint="sg.assume(n == m)")
            known = _with(relation, known)
        self._token: Token[_Assumptions] | None = _assumed.set(known)

    def __enter__(self) -> assume:
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _assumed.reset(self._token)
            self._token = None


def _with(relation: Relation, known: _Assumptions) -> _Assumptions:
    """What is known once the relation is stated."""
    solved = known.solved
    difference = _canonical(relation.left, solved) - _canonical(relation.right, solved)
    answer = dims.equal(difference, 0)
    if answer is True:
        return known
    if answer is False or isinstance(difference, int):
        raise ShapeError(f"assume: {relation} cannot hold")
    for monomial, c in reversed(difference.terms):
        if len(monomial) == 1 and abs(c) == 1 and monomial[0].is_leaf:
            atom = monomial[0]
            rest = dims.without(difference, atom, c)
            if rest is not None:
                solution = rest * -c
                moved = {other: dims.substitute(value, {atom: solution}) for other, value in solved.items()}
                return known._replace(solved={**moved, atom: solution})
    negated = -difference
    assert isinstance(negated, Dim)
    return known._replace(zero=known.zero | {difference, negated})


def _canonical(size: Size, known: Mapping[Atom, Size]) -> Size:
    return dims.substitute(size, known) if known else size


def agree(left: Size, right: Size) -> bool | None:
    """Whether two sizes may stand for one axis: yes, no, or None where a run-time guard has to check.

    A guard is allowed where an assumption makes them equal or an anonymous dimension takes part.
    """
    if left is right or (isinstance(left, int) and isinstance(right, int)):
        return left == right if isinstance(left, int) else True
    answer = dims.equal(left, right)
    if answer is not None:
        return answer
    known = _assumptions()
    difference = _canonical(left, known.solved) - _canonical(right, known.solved)
    if dims.equal(difference, 0) or (isinstance(difference, Dim) and difference in known.zero):
        return None
    leaves = dims.atoms_of(left) | dims.atoms_of(right)
    return None if any(atom.kind == "anonymous" for atom in leaves) else False


def stated() -> str:
    """The assumptions in force, as text."""
    known = _assumptions()
    solved = sorted(f"{atom.label} == {size}" for atom, size in known.solved.items())
    return "; ".join([*solved, *sorted(f"{difference} == 0" for difference in known.zero)])
