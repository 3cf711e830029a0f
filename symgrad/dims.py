"""Sizes of axes.  In: names, integers, arithmetic.  Out: ``int`` or interned :class:`Dim`.  Refuses: deciding what it
cannot know (a named dimension has no value while tracing).

A dimension is an integer polynomial in *atoms*: named dimensions, anonymous ones, floor quotients and maxima.  Equal
polynomials are the same object, so ``is`` compares them.  Named and anonymous dimensions are at least zero.  Maxima of
functions of one dimension have one spelling (:mod:`symgrad.piecewise`), so that equal ones are equal polynomials.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral
from threading import RLock
from typing import Any, Union
from weakref import WeakValueDictionary

from symgrad.errors import ShapeError, TraceError
from symgrad.piecewise import Piecewise

__all__ = [
    "Atom",
    "Dim",
    "Relation",
    "Size",
    "anonymous",
    "at_least",
    "atoms_of",
    "dim",
    "equal",
    "evaluate",
    "floordiv",
    "has_maximum",
    "maximum",
    "minimum",
    "of_piecewise",
    "piecewise",
    "product",
    "rebuild",
    "substitute",
    "without",
]

Size = Union[int, "Dim"]
Monomial = tuple["Atom", ...]


class Atom:
    """An indivisible dimension: ``name`` (named), ``uid`` (anonymous), or ``kind`` with operands (``//``, ``max``)."""

    __slots__ = ("__weakref__", "kind", "label", "operands", "order")

    def __init__(self, kind: str, label: str, operands: tuple[Size, ...]) -> None:
        self.kind, self.label, self.operands = kind, label, operands
        self.order = (kind, label)

    @property
    def is_leaf(self) -> bool:
        return self.kind in ("name", "anonymous", "local")

    def __repr__(self) -> str:
        return self.label


_atoms: WeakValueDictionary[tuple[Any, ...], Atom] = WeakValueDictionary()
_dims: WeakValueDictionary[tuple[Any, ...], Dim] = WeakValueDictionary()
_counter = itertools.count()

_writing = RLock()  # re-entrant: a collection inside the guarded lines may drop table entries

# Set by the expression layer, which is above this one: a Dim as an int64 scalar expression, and NumPy's ufuncs.
lift: Callable[[Dim], Any] | None = None
call_ufunc: Callable[..., Any] | None = None


def _atom(kind: str, label: str, *operands: Size) -> Atom:
    key = (kind, label, *map(_key, operands))
    found = _atoms.get(key)
    if found is None:
        with _writing:
            found = _atoms.setdefault(key, Atom(kind, label, operands))
    return found


def _as_size(value: object) -> Size | None:
    """The value as a size, or None if it is none; NumPy's integers are Python's."""
    if isinstance(value, (int, Dim)):
        return value
    return int(value) if isinstance(value, Integral) else None


def _key(size: Size) -> Any:
    return size if isinstance(size, int) else ("dim", id(size))


class Dim:
    """A dimension whose size is known only when a kernel runs.

    Supports ``+ - * //`` and ``%`` with integers and other dimensions, and takes part in expressions as an integer
    scalar.  Comparing two dimensions answers when the answer is certain and raises :class:`TraceError` otherwise.

    Examples
    --------
    >>> import symgrad as sg
    >>> n = sg.dim("n")
    >>> n + 1, (2 * n + 4) // 2, n - n
    (n + 1, n + 2, 0)
    """

    __slots__ = ("__weakref__", "offset", "terms")
    terms: tuple[tuple[Monomial, int], ...]
    offset: int

    # -- arithmetic ------------------------------------------------------------------------------------------------
    # With sizes: sizes.  With other numbers: expressions.  Arrays and expressions get to answer themselves.
    def __add__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__add__", other) if size is None else _sum(self, size, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__sub__", other) if size is None else _sum(self, size, -1)

    def __rsub__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__rsub__", other) if size is None else _sum(size, self, -1)

    def __neg__(self) -> Size:
        return _scale(self, -1)

    def __mul__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__mul__", other) if size is None else _times(self, size)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__floordiv__", other) if size is None else floordiv(self, size)

    def __rfloordiv__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__rfloordiv__", other) if size is None else floordiv(size, self)

    def __mod__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__mod__", other) if size is None else _remainder(self, size)

    def __rmod__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__rmod__", other) if size is None else _remainder(size, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __truediv__(self, other: Any) -> Any:
        return self._lifted("__truediv__", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._lifted("__rtruediv__", other)

    def __pow__(self, other: Any) -> Any:
        return self._lifted("__pow__", other)

    def __rpow__(self, other: Any) -> Any:
        return self._lifted("__rpow__", other)

    def _lifted(self, method: str, other: Any) -> Any:
        if lift is None or not isinstance(other, (int, float, Dim)):
            return NotImplemented
        return getattr(lift(self), method)(lift(other) if isinstance(other, Dim) else other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return NotImplemented if call_ufunc is None else call_ufunc(ufunc, method, inputs, kwargs)

    # -- comparison ------------------------------------------------------------------------------------------------
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        size = _as_size(other)
        return self._lifted("__eq__", other) if size is None else Relation(self, size)

    def __ne__(self, other: object) -> Any:
        size = _as_size(other)
        return self._lifted("__ne__", other) if size is None else not self.__eq__(size)

    def __lt__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__lt__", other) if size is None else _decide(at_least(size, self + 1), self, "<", size)

    def __le__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__le__", other) if size is None else _decide(at_least(size, self), self, "<=", size)

    def __gt__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__gt__", other) if size is None else _decide(at_least(self, size + 1), self, ">", size)

    def __ge__(self, other: Any) -> Any:
        size = _as_size(other)
        return self._lifted("__ge__", other) if size is None else _decide(at_least(self, size), self, ">=", size)

    # -- what only a number has ------------------------------------------------------------------------------------
    def _no_number(self, what: str) -> TraceError:
        return TraceError(
            f"{what} of the dynamic dimension {self}: its size is known only when a kernel runs",
            hint="use array operations over the axis, or give the axis a fixed size",
        )

    def __index__(self) -> int:
        raise self._no_number("an integer value")

    def __int__(self) -> int:
        raise self._no_number("an integer value")

    def __float__(self) -> float:
        raise self._no_number("a floating value")

    def __bool__(self) -> bool:
        answer = equal(self, 0)
        if answer is None:
            raise self._no_number("the truth")
        return not answer

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self._no_number("the array")

    def __repr__(self) -> str:
        return _format(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (self.offset, [([a.label for a in m], c) for m, c in self.terms], _leaf_recipes(self))


class Relation:
    """``n == m`` between dimensions: true or false where that is certain, and what :func:`assume` takes."""

    __slots__ = ("left", "right")

    def __init__(self, left: Size, right: Size) -> None:
        self.left, self.right = left, right

    def __bool__(self) -> bool:
        return _decide(equal(self.left, self.right), self.left, "==", self.right)

    def __repr__(self) -> str:
        return f"{self.left} == {self.right}"


def _decide(answer: bool | None, left: Size, operator: str, right: Size) -> bool:
    if answer is None:
        raise TraceError(
            f"cannot decide whether {left} {operator} {right}: the sizes are known only when a kernel runs",
            hint=f"sg.assume({left} == {right}) states it and adds a run-time guard" if operator == "==" else None,
        )
    return answer


# -- construction ---------------------------------------------------------------------------------------------------
def _make(terms: Mapping[Monomial, int], offset: int) -> Size:
    kept = [(monomial, c) for monomial, c in terms.items() if c]
    if not kept:
        return offset
    kept.sort(key=lambda term: (len(term[0]), [a.order for a in term[0]]))
    key = (offset, *((tuple(map(id, m)), c) for m, c in kept))
    found = _dims.get(key)
    if found is None:
        made = Dim.__new__(Dim)
        made.terms, made.offset = tuple(kept), offset
        with _writing:
            found = _dims.setdefault(key, made)
    return found


def _of_atom(atom: Atom) -> Dim:
    made = _make({(atom,): 1}, 0)
    assert isinstance(made, Dim)
    return made


def _sum(left: Size, right: Size, sign: int) -> Size:
    if isinstance(left, int) and isinstance(right, int):
        return left + sign * right
    terms: dict[Monomial, int] = dict(left.terms) if isinstance(left, Dim) else {}
    offset = left.offset if isinstance(left, Dim) else left
    if isinstance(right, Dim):
        for monomial, c in right.terms:
            terms[monomial] = terms.get(monomial, 0) + sign * c
        return _make(terms, offset + sign * right.offset)
    return _make(terms, offset + sign * right)


def _scale(size: Size, factor: int) -> Size:
    if isinstance(size, int):
        return size * factor
    return _make({m: c * factor for m, c in size.terms}, size.offset * factor)


def _times(left: Size, right: Size) -> Size:
    if isinstance(left, int):
        return _scale(right, left)
    if isinstance(right, int):
        return _scale(left, right)
    terms: dict[Monomial, int] = {}
    for (m1, c1), (m2, c2) in itertools.product(_all_terms(left), _all_terms(right)):
        monomial = tuple(sorted(m1 + m2, key=lambda a: a.order))
        terms[monomial] = terms.get(monomial, 0) + c1 * c2
    offset = terms.pop((), 0)
    return _make(terms, offset)


def _all_terms(size: Dim) -> Iterator[tuple[Monomial, int]]:
    yield from size.terms
    yield (), size.offset


def dim(name: str) -> Dim:
    """The dynamic dimension called ``name``; equal names are equal dimensions.

    Parameters
    ----------
    name : str
        An identifier.

    Raises
    ------
    ShapeError
        It is none.

    Examples
    --------
    >>> import symgrad as sg
    >>> sg.dim("n") is sg.dim("n")
    True
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ShapeError(f"dim: {name!r} is not a dimension's name", hint="use an identifier such as 'n'")
    return _of_atom(_atom("name", name))


def anonymous() -> Dim:
    """A new dimension without a name; it may turn out equal to any other (a run-time guard checks)."""
    return _of_atom(_atom("anonymous", f"?{next(_counter)}"))


def local(label: str) -> Dim:
    """A dimension inside a program, such as the length of a block of a loop; no user's dimension is the same."""
    return _of_atom(_atom("local", label))


def floordiv(left: Size, right: Size) -> Size:
    """``left // right``, exact where every coefficient divides."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    if isinstance(right, int):
        if right == 0:
            raise ShapeError("a dimension divided by zero")
        assert isinstance(left, Dim)
        if left.offset % right == 0 and all(c % right == 0 for _, c in left.terms):
            return _make({m: c // right for m, c in left.terms}, left.offset // right)
    elif isinstance(left, Dim) and (quotient := _exact_quotient(left, right)) is not None:
        return quotient
    return _of_atom(_atom("//", f"({left})//({right})", left, right))


def _remainder(left: Size, right: Size) -> Size:
    return _sum(left, _times(floordiv(left, right), right), -1)


def _exact_quotient(left: Dim, right: Dim) -> Size | None:
    """``left / right`` where ``right`` is one monomial that divides every term (the case of reshapes)."""
    if right.offset or len(right.terms) != 1 or left.offset:
        return None
    divisor, scale = right.terms[0]
    terms: dict[Monomial, int] = {}
    for monomial, c in left.terms:
        rest = list(monomial)
        for atom in divisor:
            if atom not in rest:
                return None
            rest.remove(atom)
        if c % scale:
            return None
        terms[tuple(rest)] = c // scale
    offset = terms.pop((), 0)
    return _make(terms, offset)


def maximum(left: Size, right: Size) -> Size:
    """The larger of two sizes, decided where possible."""
    excess = _sum(left, right, -1)
    if (found := piecewise(excess)) is not None:
        return _sum(of_piecewise(found[0], found[1].or_zero()), right, 1)
    if at_least(left, right):
        return left
    if at_least(right, left):
        return right
    # max(a, b) = b + max(a - b, 0): one spelling for all of a kind
    if isinstance(left, int) or (isinstance(right, Dim) and str(left) < str(right)):
        left, right, excess = right, left, _scale(excess, -1)
    return _sum(_of_atom(_atom("max", f"max({excess}, 0)", excess, 0)), right, 1)


def minimum(left: Size, right: Size) -> Size:
    """The smaller of two sizes, decided where possible."""
    return _sum(_sum(left, right, 1), maximum(left, right), -1)


def piecewise(size: Size) -> tuple[Atom, Piecewise] | None:
    """The only dimension that a size depends on, and how; None where it depends on others, or in other ways."""
    leaves = atoms_of(size)
    if isinstance(size, int) or len(leaves) > 1 or any(len(monomial) > 1 for monomial, _ in size.terms):
        return None
    leaf, bends = leaves.pop(), []
    for [atom], c in size.terms:
        place = 0 if atom is leaf else _of_atom(leaf) - atom.operands[0]
        if not isinstance(place, int) or (atom is not leaf and (atom.kind != "max" or place < 1)):
            return None
        bends.append((place, c))
    return leaf, Piecewise(size.offset, tuple(bends))


def of_piecewise(atom: Atom, bent: Piecewise) -> Size:
    """A function of one dimension as a size."""
    excesses = [_of_atom(atom) - place for place, _ in bent.bends]
    atoms = [_atom("max", f"max({one}, 0)", one, 0) if one.offset else atom for one in excesses]
    return _make({(one,): change for one, (_, change) in zip(atoms, bent.bends, strict=True)}, bent.start)


def product(sizes: Iterable[Size]) -> Size:
    """The number of elements of a shape."""
    total: Size = 1
    for size in sizes:
        total = _times(total, size)
    return total


# -- questions ------------------------------------------------------------------------------------------------------
def _lower_bound(size: Size) -> int | None:
    """An integer that the size certainly reaches, or None."""
    if isinstance(size, int):
        return size
    if (found := piecewise(size)) is not None:
        return found[1].least()
    if any(c < 0 for _, c in size.terms):
        return _bound_of_difference(size)
    bound = size.offset
    for monomial, c in size.terms:
        smallest = [_atom_bound(atom) for atom in monomial]
        if None in smallest or (len(smallest) > 1 and min(filter(None, smallest), default=0) < 0):
            return None
        bound += c * math.prod(one for one in smallest if one is not None)
    return bound


def _bound_of_difference(size: Dim) -> int | None:
    """A lower bound of a size with negative factors, by putting something simpler in place of an atom."""
    single = [(monomial[0], c) for monomial, c in size.terms if len(monomial) == 1]
    for atom, c in single:
        if atom.kind == "max":
            # a maximum is one of its operands, and at least either
            choices = [_lower_bound(substitute(size, {atom: operand})) for operand in atom.operands]
            known = [one for one in choices if one is not None]
            if c > 0 and without(size, atom, c) is not None:
                return max(known, default=None)
            return min(known) if len(known) == len(choices) else None
    for atom, c in single:
        left, k = atom.operands if atom.kind == "//" else (0, 0)
        if c < 0 and isinstance(k, int) and k > 0 and (rest := without(size, atom, c)) is not None:
            # floor(a / k) <= a / k
            scaled = _lower_bound(_sum(_scale(rest, k), _scale(left, c), 1))
            return None if scaled is None else -(-scaled // k)
    return None


def without(size: Dim, atom: Atom, c: int) -> Size | None:
    """The size less ``c`` times the atom, where the atom occurs in nothing else of it; None where it does."""
    rest = _sum(size, _scale(_of_atom(atom), c), -1)
    pending = [rest]
    while pending:
        one = pending.pop()
        for found in (found for monomial, _ in one.terms for found in monomial) if isinstance(one, Dim) else ():
            if found is atom:
                return None
            pending.extend(found.operands)
    return rest


def _atom_bound(atom: Atom) -> int | None:
    if atom.is_leaf:
        return 0
    left, right = map(_lower_bound, atom.operands)
    if atom.kind == "max":
        return max((one for one in (left, right) if one is not None), default=None)
    if left is None or right is None or right < 0 or (left < 0 and not isinstance(atom.operands[1], int)):
        return None
    return left // right if isinstance(atom.operands[1], int) else 0


def at_least(left: Size, right: Size) -> bool | None:
    """Whether ``left >= right``: yes, no, or None where that depends on sizes known only at run time."""
    bound = _lower_bound(_sum(left, right, -1))
    if bound is not None and bound >= 0:
        return True
    bound = _lower_bound(_sum(right, left, -1))
    return False if bound is not None and bound > 0 else None


def equal(left: Size, right: Size) -> bool | None:
    """Whether two sizes are equal: yes, no, or None where that depends on sizes known only at run time."""
    difference = _sum(left, right, -1)
    if isinstance(difference, int):
        return difference == 0
    for one in (difference, _scale(difference, -1)):
        bound = _lower_bound(one)
        if bound is not None and bound > 0:
            return False
    return None


def has_maximum(size: Size) -> bool:
    """Whether a size is made with :func:`maximum`."""
    return isinstance(size, Dim) and any(atom.kind == "max" for monomial, _ in size.terms for atom in monomial)


def atoms_of(size: Size) -> set[Atom]:
    """The named and anonymous dimensions that a size is made of."""
    found: set[Atom] = set()
    pending: list[Size] = [size]
    while pending:
        one = pending.pop()
        if isinstance(one, Dim):
            for monomial, _ in one.terms:
                for atom in monomial:
                    found.add(atom) if atom.is_leaf else pending.extend(atom.operands)
    return found


def evaluate(size: Size, values: Mapping[Atom, int]) -> int:
    """The size as a number, given those of its named and anonymous dimensions."""
    result = substitute(size, values)
    if not isinstance(result, int):
        missing = ", ".join(sorted(atom.label for atom in atoms_of(result)))
        raise ShapeError(f"the size {size} needs a value of {missing}")
    return result


def substitute(size: Size, values: Mapping[Atom, Size]) -> Size:
    """The size with some of its atoms replaced."""
    if isinstance(size, int):
        return size
    total: Size = size.offset
    for monomial, c in size.terms:
        total = _sum(total, _scale(product(_replace(atom, values) for atom in monomial), c), 1)
    return total


def _replace(atom: Atom, values: Mapping[Atom, Size]) -> Size:
    if atom in values:
        return values[atom]
    if atom.is_leaf:
        return _of_atom(atom)
    left, right = (substitute(operand, values) for operand in atom.operands)
    return floordiv(left, right) if atom.kind == "//" else maximum(left, right)


# -- text and pickling ----------------------------------------------------------------------------------------------
def _format(size: Dim) -> str:
    parts: list[str] = []
    for monomial, c in size.terms:
        body = "*".join(a.label if a.is_leaf or a.kind == "max" else f"({a.label})" for a in monomial)
        sign = "-" if c < 0 else "+"
        factor = "" if abs(c) == 1 else f"{abs(c)}*"
        parts.append(f" {sign} {factor}{body}" if parts else f"{'-' if c < 0 else ''}{factor}{body}")
    if size.offset:
        parts.append(f" {'-' if size.offset < 0 else '+'} {abs(size.offset)}")
    return "".join(parts)


def _leaf_recipes(size: Dim) -> dict[str, tuple[str, tuple[Size, ...]]]:
    return {atom.label: (atom.kind, atom.operands) for monomial, _ in size.terms for atom in monomial}


def rebuild(offset: int, terms: list[tuple[list[str], int]], recipes: dict[str, tuple[str, tuple[Size, ...]]]) -> Size:
    """The size that ``Dim.__reduce__`` has taken apart."""
    total: Size = offset
    for labels, c in terms:
        factors = [_of_atom(_atom(recipes[label][0], label, *recipes[label][1])) for label in labels]
        total = _sum(total, _scale(product(factors), c), 1)
    return total
