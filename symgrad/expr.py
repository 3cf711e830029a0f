"""Expressions: nodes as the user sees them, with operators, NumPy's protocols and errors that say what to use instead.

A node of rank 0 is a :class:`ScalarExpr`, which has neither length nor items, so that NumPy never takes it for a
sequence; any other is an :class:`ArrayExpr`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NoReturn

import numpy as np

from symgrad import dims, indexing, ops
from symgrad.dims import Dim
from symgrad.errors import TraceError
from symgrad.methods import ArrayMethods
from symgrad.node import Node, set_faces
from symgrad.ops.source import is_placeholder
from symgrad.provenance import user_line

__all__ = ["ArrayExpr", "Expr", "ScalarExpr"]


def _binary(name: str, reflected: bool = False) -> Callable[[Any, Any], Any]:
    builder = getattr(ops, name)
    if reflected:
        return lambda self, other: builder(other, self) if _operand(other) else NotImplemented
    return lambda self, other: builder(self, other) if _operand(other) else NotImplemented


_NO_OPERANDS = (str, bytes, dict, set, type(None), type(np._NoValue))


def _operand(other: Any) -> bool:
    """Whether an operator takes the value: everything but strings, containers of other kinds, and values not given."""
    return isinstance(other, Node) or not isinstance(other, _NO_OPERANDS)


def _refuse(what: str, hint: str) -> NoReturn:
    raise TraceError(f"{what} an expression, whose value is unknown while tracing", where=user_line(), hint=hint)


_NUMPY = "use NumPy's functions (np.sin, not math.sin); symgrad.numpy.array and np.stack make arrays of expressions"
_ARRAY = (
    "import symgrad.numpy as np, whose array, asarray, full and linspace take expressions; sg.constant(table)[i] "
    "indexes an array with an expression"
)


@cache
def _numpy_bridge() -> Callable[..., Any]:
    """What NumPy's ufuncs make of expressions: of a later layer, and looked up once."""
    from symgrad.bridge.numpy import call_ufunc

    return call_ufunc


class Expr(ArrayMethods, Node):
    """A symbolic array or scalar; operators and NumPy functions on it build further expressions.

    ``==`` compares elements; use :meth:`same` for identity.  Hashing is by identity.

    Raises
    ------
    TraceError
        Python or NumPy asks for a number: ``bool``, ``float``, ``if``, ``in``, ``np.array``, item assignment.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", ("n", 3))
    >>> y = (x**2).sum(axis=1)
    >>> print(y, y.type, isinstance(y, sg.Expr))
    sum(x**2, axis=1) float64[n] True
    """

    __slots__ = ()

    # -- operators -------------------------------------------------------------------------------------------------
    __add__, __radd__ = _binary("add"), _binary("add", True)
    __sub__, __rsub__ = _binary("subtract"), _binary("subtract", True)
    __mul__, __rmul__ = _binary("multiply"), _binary("multiply", True)
    __truediv__, __rtruediv__ = _binary("divide"), _binary("divide", True)
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _binary("floor_divide", True)
    __mod__, __rmod__ = _binary("remainder"), _binary("remainder", True)
    __pow__, __rpow__ = _binary("power"), _binary("power", True)
    __matmul__, __rmatmul__ = _binary("matmul"), _binary("matmul", True)
    __and__, __rand__ = _binary("bitwise_and"), _binary("bitwise_and", True)
    __or__, __ror__ = _binary("bitwise_or"), _binary("bitwise_or", True)
    __xor__, __rxor__ = _binary("bitwise_xor"), _binary("bitwise_xor", True)
    __lshift__, __rlshift__ = _binary("left_shift"), _binary("left_shift", True)
    __rshift__, __rrshift__ = _binary("right_shift"), _binary("right_shift", True)
    __divmod__, __rdivmod__ = _binary("divmod"), _binary("divmod", True)
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __eq__, __ne__ = _binary("equal"), _binary("not_equal")
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return ops.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return ops.absolute(self)

    def __invert__(self) -> Any:
        return ops.invert(self)

    def __round__(self, digits: int | None = None) -> Any:
        """Rounded, of the same element type: unlike Python's own numbers, which become integers."""
        return ops.round(self, 0 if digits is None else digits)

    def __floor__(self) -> Any:
        return ops.floor(self)

    def __ceil__(self) -> Any:
        return ops.ceil(self)

    def __trunc__(self) -> Any:
        return ops.trunc(self)

    def same(self, other: Any) -> bool:
        """Whether the other expression is this one."""
        return self is other

    # -- methods ---------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """The name of a symbol, traced argument or variable; other expressions have none."""
        if not is_placeholder(self):
            raise AttributeError("only symbols, traced arguments and variables have a name")
        name: str = self.attrs.name
        return name

    # -- reading ---------------------------------------------------------------------------------------------------
    def __str__(self) -> str:
        from symgrad.printing import text

        return text(self)

    def _repr_latex_(self) -> str:
        """Mathematics in notebooks."""
        from symgrad.latex import latex

        return rf"$\displaystyle {latex(self)}$"

    def __repr__(self) -> str:
        from symgrad.printing import summary

        return f"<{self.type}: {summary(self)}>"

    def to_sympy(self) -> Any:
        """The expression as a SymPy one; see :func:`symgrad.bridge.sympy.to_sympy`."""
        from symgrad.bridge.sympy import to_sympy

        return to_sympy(self)

    def __reduce__(self) -> tuple[Any, ...]:
        from symgrad.saving import dumps, loads_one

        return loads_one, (dumps([self]),)

    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: Any) -> Expr:
        return self

    # -- NumPy -----------------------------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _numpy_bridge()(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        from symgrad.bridge.numpy import call_function

        return call_function(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        _refuse("NumPy asked for the array of", _ARRAY)

    # -- what only a number has ------------------------------------------------------------------------------------
    def __bool__(self) -> NoReturn:
        _refuse("Python asked for the truth of", "use np.where(...) or sg.where(...) instead of if, and, or, not, in")

    def __float__(self) -> NoReturn:
        _refuse("Python asked for the float value of", _NUMPY)

    def __int__(self) -> NoReturn:
        _refuse("Python asked for the integer value of", "use x.astype('int64')")

    def __index__(self) -> NoReturn:
        _refuse("Python asked for an index from", "index an expression with it (x[i]), or make it a static argument")

    def __complex__(self) -> NoReturn:
        _refuse("Python asked for the complex value of", "complex numbers are not supported: keep their parts apart")

    def __contains__(self, item: Any) -> NoReturn:
        _refuse("Python asked whether something is in", "use np.any(x == value)")


class ScalarExpr(Expr):
    """A symbolic scalar: it has neither length nor items, so that NumPy never takes it for a sequence.

    Examples
    --------
    >>> import symgrad as sg
    >>> isinstance(sg.symbol("a"), sg.ScalarExpr), isinstance(sg.symbol("x", (3,)), sg.ScalarExpr)
    (True, False)
    """

    __slots__ = ()


class ArrayExpr(Expr):
    """A symbolic array of rank one or more: indexing and slicing as NumPy's, ``x.at[i].set(v)`` for changed copies.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> print(x[1:] * 2, isinstance(x, sg.ArrayExpr))
    x[1:] * 2 True
    """

    __slots__ = ()

    def __len__(self) -> int:
        size = self.shape[0]
        if isinstance(size, Dim):
            raise TraceError(
                f"len() of a dynamic dimension {size}",
                where=user_line(),
                hint="use x.shape[0], which takes part in expressions",
            )
        return size

    def __iter__(self) -> Iterator[Any]:
        size = self.shape[0]
        if isinstance(size, Dim):
            raise TraceError(
                f"iteration over the dynamic dimension {size}",
                where=user_line(),
                hint="use array operations over the axis, or give the axis a fixed size",
            )
        return (indexing.getitem(self, i) for i in range(size))

    def __getitem__(self, key: Any) -> Any:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TraceError(
            "an expression cannot be changed in place", where=user_line(), hint="y = x.at[index].set(value)"
        )

    def __delitem__(self, key: Any) -> NoReturn:
        raise TraceError(
            "an expression cannot be changed in place", where=user_line(), hint="select what is left: x[1:], x[indices]"
        )

    @property
    def at(self) -> indexing.At:
        """Places to change: ``x.at[i].set(v)``, ``.add``, ``.multiply``, ``.min``, ``.max`` return a changed copy."""
        return indexing.At(self)


set_faces(ScalarExpr, ArrayExpr)
dims.lift = ops.dim_value
dims.call_ufunc = lambda *call: _numpy_bridge()(*call)
