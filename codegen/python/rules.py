"""What a kernel accepts.  In: the arguments of a call.  Out: dense arrays and the dynamic sizes.  Refuses all else.

This is the one definition of the argument rules: emitted code decides the common cases alike, and the loaders that are
written ahead of time carry the text of this module.  It therefore needs NumPy only and knows a kernel as plain data.

A size is an int or a polynomial ``(offset, ((coefficient, factors), ...))``, whose factors are numbers of dimensions,
or ``("//", size, size)`` and ``("max", size, size)``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "InputError",
    "Interface",
    "Parameter",
    "Step",
    "address",
    "as_inputs",
    "as_results",
    "as_written",
    "count",
    "evaluate",
    "find_sizes",
    "overlap",
]

Array = np.ndarray[Any, Any]
Form = Any  # an int or a polynomial, as above


class InputError(TypeError, ValueError):
    """A call that the rules do not allow: ``what`` is wrong, and a ``hint`` at what to do."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        self.what, self.hint = what, hint
        super().__init__(f"{what}\n  hint: {hint}" if hint else what)


@dataclass(frozen=True)
class Parameter:
    """An array argument or result: its name, NumPy's name of its dtype, its sizes, and those as text."""

    name: str
    dtype: str
    shape: tuple[Form, ...]
    sizes: tuple[str, ...]

    @property
    def text(self) -> str:
        """Its type as messages show it, ``float64[n, 3]``."""
        return f"{self.dtype}[{', '.join(self.sizes)}]" if self.sizes else self.dtype


@dataclass(frozen=True)
class Step:
    """One axis to look at: it yields the dimension ``unknown``, or has to have the size that is expected."""

    argument: int
    axis: int
    unknown: int | None


@dataclass(frozen=True)
class Interface:
    """A kernel as plain data.

    Attributes
    ----------
    variables : tuple of Parameter
        Arrays that are read and overwritten.
    steps : tuple of Step
        Every axis of the inputs, in an order in which each can be decided.
    """

    name: str
    inputs: tuple[Parameter, ...]
    variables: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    dims: tuple[str, ...]
    steps: tuple[Step, ...]
    returns_tuple: bool


# -- sizes ----------------------------------------------------------------------------------------------------------
def evaluate(form: Form, sizes: Sequence[int]) -> int:
    """A size as a number, given those of the dimensions."""
    if isinstance(form, int):
        return form
    total: int = form[0]
    for coefficient, factors in form[1]:
        product = coefficient
        for factor in factors:
            product *= sizes[factor] if isinstance(factor, int) else _operation(factor, sizes)
        total += product
    return total


def _operation(factor: tuple[str, Form, Form], sizes: Sequence[int]) -> int:
    left, right = evaluate(factor[1], sizes), evaluate(factor[2], sizes)
    return max(left, right) if factor[0] == "max" else left // right


def _size(kernel: Interface, one: Parameter, axis: int, sizes: Sequence[int]) -> int:
    try:
        return evaluate(one.shape[axis], sizes)
    except ZeroDivisionError:
        text = f"{kernel.name}(): {one.name!r}: the size {one.sizes[axis]} divides by a dimension that is 0"
        raise InputError(text) from None


def _shape(kernel: Interface, one: Parameter, sizes: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(_size(kernel, one, axis, sizes) for axis in range(len(one.shape)))
    for size, text in zip(shape, one.sizes, strict=True):
        if size < 0:
            raise InputError(f"{kernel.name}(): {one.name!r}: the size {text} is negative: {size}")
    return shape


def find_sizes(kernel: Interface, arrays: Sequence[Array]) -> list[int]:
    """The sizes of the dimensions, from the shapes of the inputs.

    Raises
    ------
    InputError
        A shape contradicts its type or another argument.
    """
    sizes = [0] * len(kernel.dims)
    origins = [""] * len(kernel.dims)
    for step in kernel.steps:
        expected, array = kernel.inputs[step.argument], arrays[step.argument]
        actual = array.shape[step.axis]
        if step.unknown is not None:
            solved = _solve(kernel, step, actual, sizes)
            if solved is None:
                reason = f"no {kernel.dims[step.unknown]} makes {expected.sizes[step.axis]} equal to {actual}"
                raise _mismatch(kernel, expected, array, f": {reason}")
            sizes[step.unknown], origins[step.unknown] = solved, expected.name
        elif _size(kernel, expected, step.axis, sizes) != actual:
            raise _mismatch(kernel, expected, array, _origin(kernel, expected.shape[step.axis], sizes, origins))
    return sizes


def _solve(kernel: Interface, step: Step, actual: int, sizes: list[int]) -> int | None:
    """The value of the step's dimension, in which the size is linear."""
    one, unknown = kernel.inputs[step.argument], step.unknown or 0
    if one.shape[step.axis] == (0, ((1, (unknown,)),)):
        return actual
    rest, other = (_size(kernel, one, step.axis, [*sizes[:unknown], value, *sizes[unknown + 1 :]]) for value in (0, 1))
    factor = other - rest
    if factor == 0 or (actual - rest) % factor or (actual - rest) // factor < 0:
        return None
    return (actual - rest) // factor


def _origin(kernel: Interface, form: Form, sizes: Sequence[int], origins: Sequence[str]) -> str:
    """Which dimensions a size is made of, what they are and where that comes from."""
    used = sorted(_dims_in(form))
    known = ", ".join(
        f"{kernel.dims[k]} = {sizes[k]}" + (f" by argument {origins[k]!r}" if origins[k] else "") for k in used
    )
    return f", where {known}" if known else ""


def _dims_in(form: Form) -> set[int]:
    if isinstance(form, int):
        return set()
    found: set[int] = set()
    for _, factors in form[1]:
        for factor in factors:
            found |= {factor} if isinstance(factor, int) else _dims_in(factor[1]) | _dims_in(factor[2])
    return found


# -- inputs ---------------------------------------------------------------------------------------------------------
def as_inputs(kernel: Interface, values: Sequence[Any]) -> list[Array]:
    """Dense arrays of exactly the declared dtypes and ranks; copies where the memory layout demands it.

    Raises
    ------
    InputError
        A value has another type, dtype or rank.
    """
    return [_as_input(kernel, one, value) for one, value in zip(kernel.inputs, values, strict=True)]


def _as_input(kernel: Interface, expected: Parameter, value: Any) -> Array:
    if not expected.shape and not isinstance(value, np.ndarray):
        return _as_number(kernel, expected, value)
    if not isinstance(value, np.ndarray):
        number = value is None or isinstance(value, (bool, int, float, str, np.generic))
        advice = None if number else f"np.asarray({expected.name}, dtype=np.{expected.dtype})"
        raise _mismatch(kernel, expected, value, hint=advice)
    if _is_masked(value):
        raise _mismatch(kernel, expected, value, hint="fill it first: masks are not taken into account")
    _check_type(kernel, expected, value)
    return _dense(value, np.dtype(expected.dtype))


def _check_type(kernel: Interface, expected: Parameter, value: Array) -> None:
    dtype = np.dtype(expected.dtype)
    if value.dtype != dtype:
        swapped = value.dtype.newbyteorder("=") == dtype
        kind = f"{expected.name}.dtype.newbyteorder('=')" if swapped else f"np.{dtype.name}"
        raise _mismatch(kernel, expected, value, hint=f"{expected.name}.astype({kind})")
    if value.ndim != len(expected.shape):
        raise _mismatch(kernel, expected, value)


def _is_masked(value: Array) -> bool:
    module = sys.modules.get("numpy.ma")  # not imported on account of a question whose answer would be no
    return module is not None and isinstance(value, module.MaskedArray)


def _dense(value: Array, dtype: np.dtype[Any]) -> Array:
    """The same values as a plain, aligned, C-contiguous array whose dtype object is NumPy's own."""
    plain = np.asarray(value)
    if not (plain.flags.c_contiguous and plain.flags.aligned):
        return np.array(plain, dtype=dtype, order="C", copy=True)
    return plain if plain.dtype is dtype else plain.view(dtype)


def _as_number(kernel: Interface, expected: Parameter, value: Any) -> Array:
    """A number as an array of rank 0: Python's where they fit, NumPy's where the cast is safe."""
    dtype = np.dtype(expected.dtype)
    if isinstance(value, np.generic):
        fits = np.can_cast(value.dtype, dtype, "safe")
    else:
        fits = isinstance(value, (bool, int, float)) and _fits(value, dtype)
    if not fits:
        raise _mismatch(kernel, expected, value)
    return np.array(float(value) if dtype.kind == "f" else value, dtype=dtype)


# Python floats from here on round to an infinite float32: midway between the largest one and the next power of two.
_INFINITE = {"float64": float("inf"), "float32": (2.0 - 2.0**-24) * 2.0**127}


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a Python number may stand for a value of the dtype: no truncation, no overflow."""
    if isinstance(value, bool):
        return True
    if dtype.kind == "b":
        return False
    if dtype.kind == "i":
        return isinstance(value, int) and int(np.iinfo(dtype).min) <= value <= int(np.iinfo(dtype).max)
    try:
        number = float(value)
    except OverflowError:
        return False
    return not math.isfinite(number) or abs(number) < _INFINITE[dtype.name]


# -- results --------------------------------------------------------------------------------------------------------
def as_results(kernel: Interface, out: Any, sizes: Sequence[int], others: Mapping[str, Array]) -> list[Array]:
    """The arrays to write to; new ones where ``out`` is None.

    Parameters
    ----------
    others : dict of str to array
        Named arrays that no result may overlap.

    Raises
    ------
    InputError
        ``out`` does not fit the results exactly, or overlaps another array.
    """
    shapes = [_shape(kernel, one, sizes) for one in kernel.outputs]
    if out is None:
        return [np.empty(shape, one.dtype) for one, shape in zip(kernel.outputs, shapes, strict=True)]
    names = [f"out[{k}]" for k in range(len(shapes))] if kernel.returns_tuple else ["out"]
    return as_written(kernel, kernel.outputs, names, _out_arrays(kernel, out), sizes, others)


def as_written(
    kernel: Interface,
    expected: Sequence[Parameter],
    names: Sequence[str],
    given: Sequence[Any],
    sizes: Sequence[int],
    others: Mapping[str, Array],
) -> list[Array]:
    """Arrays that will be written in place, as plain arrays over the same memory.  ``names`` are what messages say.

    Raises
    ------
    InputError
        One does not fit exactly, or overlaps another array.
    """
    kept = dict(others)
    for one, name, array in zip(expected, names, given, strict=True):
        _check_written(kernel, one, name, _shape(kernel, one, sizes), array)
        for other, taken in kept.items():
            if overlap(array, taken):
                hint = "pass an array with memory of its own"
                raise InputError(f"{kernel.name}(): {name} shares memory with {other}", hint)
        kept[name] = array
    return [_dense(array, np.dtype(one.dtype)) for one, array in zip(expected, given, strict=True)]


def _out_arrays(kernel: Interface, out: Any) -> tuple[Any, ...]:
    if not kernel.returns_tuple:
        return (out,)
    if not isinstance(out, tuple) or len(out) != len(kernel.outputs):
        got = f"a tuple of {len(out)}" if isinstance(out, tuple) else _given(out)
        raise InputError(f"{kernel.name}(): out: expected a tuple of {count(len(kernel.outputs), 'array')}, got {got}")
    return out


def _check_written(kernel: Interface, expected: Parameter, name: str, shape: tuple[int, ...], array: Any) -> None:
    wanted = f"{expected.dtype}[{', '.join(map(str, shape))}]"
    fits = isinstance(array, np.ndarray) and not _is_masked(array)
    if not fits or array.dtype != np.dtype(expected.dtype) or array.shape != shape:
        raise InputError(f"{kernel.name}(): {name}: expected {wanted}, got {_given(array)}")
    for flag, word in (("writeable", "writeable"), ("c_contiguous", "C-contiguous"), ("aligned", "aligned")):
        if not getattr(array.flags, flag):
            raise InputError(f"{kernel.name}(): {name}: expected {wanted}, got one that is not {word}")


def overlap(left: Array, right: Array) -> bool:
    """Whether two arrays share memory; also where deciding it would take long."""
    try:
        return np.shares_memory(left, right, max_work=1000)  # type: ignore[arg-type]  # NumPy's stub knows two values
    except np.exceptions.TooHardError:
        return True


def address(array: Array) -> int:
    """Where an array's memory begins."""
    start: int = array.__array_interface__["data"][0]
    return start


# -- messages -------------------------------------------------------------------------------------------------------
def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mismatch(
    kernel: Interface, expected: Parameter, value: Any, detail: str = "", hint: str | None = None
) -> InputError:
    what = f"{kernel.name}(): argument {expected.name!r}: expected {expected.text}, got {_given(value)}{detail}"
    return InputError(what, hint)


def _given(value: Any) -> str:
    """What a value is, in the words of messages."""
    if isinstance(value, np.ndarray):
        order = "" if value.dtype.isnative else " in foreign byte order"
        masked = "masked " if _is_masked(value) else ""
        return f"{masked}{value.dtype.name}[{', '.join(map(str, value.shape))}]{order}"
    if isinstance(value, np.generic):
        return f"the scalar {value!r}"
    if isinstance(value, (bool, int, float)):
        large = isinstance(value, int) and value.bit_length() > 128
        return "a very large int" if large else f"the {type(value).__name__} {value!r}"
    return "None" if value is None else f"an object of type {type(value).__name__}"
