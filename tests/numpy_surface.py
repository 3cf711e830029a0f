"""NumPy's public functions, called.  In: a function's name.  Out: what it makes of expressions, found by calling it.

Arguments follow from the parameters' names, so that functions of later versions of NumPy are called as well: ``a`` is an
array, ``axis`` a position, ``shape`` a shape.  A call is *sensible* if NumPy itself takes its arrays.
"""

from __future__ import annotations

import inspect
import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

import symgrad as sg
from symgrad.node import Node

NAMESPACES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}
RNG = np.random.default_rng(5)
MATRIX = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])  # symmetric, with positive eigenvalues
ARRAYS = {
    "matrix": MATRIX,
    "vector": np.array([0.5, 1.5, 2.5]),
    "integers": np.array([1, 0, 2]),
    "scalar": np.float64(0.75),
    "truths": np.array([True, False, True]),
    "stack": np.stack([MATRIX, MATRIX + 1]),
    "cube": RNG.normal(size=(2, 2, 4)),
}


class Arrays(NamedTuple):
    """Where a call has one of the arrays: alone, or several in a sequence."""

    count: int = 1
    kind: str | None = None

    def of(self, kind: str, make: Callable[[np.ndarray[Any, Any], str], Any]) -> Any:
        kind = self.kind or kind
        made = make(np.asarray(ARRAYS[kind]), kind)
        return made if self.count == 1 else [made] * self.count


ONE, TWO, WHOLE, TRUTHS = Arrays(), Arrays(2), Arrays(1, "integers"), Arrays(1, "truths")

# What stands for a parameter of that name; anything else is an array.
PARAMETERS: dict[str, Any] = {
    **dict.fromkeys(("axis", "source", "axis1", "start", "k", "n", "num"), 0),
    **dict.fromkeys(("axis2", "destination", "kth", "shift", "pad_width", "obj", "deg", "indices", "ind", "ddof"), 1),
    **dict.fromkeys(("repeats", "reps", "M", "N", "minlength"), 2),
    **dict.fromkeys(("indices_or_sections", "bins", "size"), 3),
    **dict.fromkeys(("arrays", "tup"), TWO),
    "q": Arrays(1, "scalar"),
    "axes": 0,
    "seq_of_zeros": Arrays(1, "vector"),
    "shape": (9,),
    "new_shape": (9,),
    "dims": (4,),
    "multi_index": (WHOLE,),
    "dimensions": (3, 2),
    "choices": TWO,
    "condlist": [TRUTHS],
    "choicelist": [ONE],
    "funclist": [np.sin],
    "condition": TRUTHS,
    "mask": TRUTHS,
    "dtype": "float64",
    "to": "float64",
    "from_": ONE,
    "func": np.sum,
    "func1d": np.sum,
    "function": np.add,
    "mask_func": np.triu,
    "stop": Arrays(1, "scalar"),
    "subscripts": "ij,jk",
    "file": io.BytesIO(),
    "fname": io.BytesIO(),
}  # fmt: skip
# Calls that names of parameters do not tell.
CALLS: dict[str, list[tuple[Any, ...]]] = {
    "np.einsum": [("ij,jk", ONE, ONE)],
    "np.einsum_path": [("ij,jk", ONE, ONE)],
    "np.linspace": [(ONE, ONE)],
    "np.geomspace": [(ONE, ONE)],
    "np.logspace": [(ONE, ONE)],
    "np.arange": [(Arrays(1, "scalar"),)],
    "np.broadcast_to": [(ONE, (3, 3))],
    "np.fromfunction": [(lambda i, j: i + j, (3, 3))],
    "np.where": [(TRUTHS, ONE, ONE)],
    "np.clip": [(ONE, ONE, ONE)],
    "np.full": [((3,), ONE)],
    "np.lexsort": [((ONE, ONE),)],
    "np.histogramdd": [(Arrays(1, "matrix"), 3)],
    "np.piecewise": [(Arrays(1, "vector"), [TRUTHS], [np.sin])],
    "np.select": [([TRUTHS], [ONE])],
    "np.compress": [(ARRAYS["truths"], ONE, 0)],
    "np.extract": [(ARRAYS["truths"], Arrays(1, "vector"))],
    "np.place": [(ONE, TRUTHS, ONE)],
    "np.putmask": [(ONE, TRUTHS, ONE)],
    "np.choose": [(WHOLE, Arrays(3, "vector"))],
    "np.take_along_axis": [(ONE, WHOLE, 0)],
    "np.put_along_axis": [(ONE, WHOLE, ONE, 0)],
    "np.block": [([ONE, ONE],)],
    "np.insert": [(ONE, 1, Arrays(1, "scalar"))],
    "np.digitize": [(ONE, Arrays(1, "vector"))],
    "np.interp": [(ONE, Arrays(1, "vector"), ONE)],
    "np.searchsorted": [(Arrays(1, "vector"), ONE)],
    "np.unravel_index": [(WHOLE, (4,))],
    "np.resize": [(ONE, (5,))],
    "np.kaiser": [(5, Arrays(1, "scalar"))],
    "np.linalg.multi_dot": [(Arrays(3, "matrix"),)],
    "np.linalg.tensorsolve": [(ONE, Arrays(1, "vector"))],
    "np.linalg.tensorinv": [(Arrays(1, "cube"),)],
    "np.linalg.matrix_power": [(ONE, 2)],
    "np.bincount": [(np.array([0, 2, 1]), ONE)],
    "np.moveaxis": [(ONE, 0, 1)],
    "np.from_dlpack": [(ONE,)],
    "np.astype": [(ONE, "float32")],
    "np.copyto": [(ONE, ONE)],
    "np.apply_over_axes": [(np.sum, ONE, 0)],
    "np.asmatrix": [(Arrays(1, "matrix"),)],
    "np.savez": [(io.BytesIO(), ONE)],
    "np.savez_compressed": [(io.BytesIO(), ONE)],
    "np.polyfit": [(Arrays(1, "vector"), Arrays(1, "vector"), 1)],
}


@cache
def public() -> dict[str, Callable[..., Any]]:
    """Every public function and ufunc of NumPy's main namespaces, by name."""
    return {
        f"{space}.{name}": value
        for space, module in NAMESPACES.items()
        for name in sorted(dir(module))
        for value in [getattr(module, name)]
        if not name.startswith("_") and callable(value) and not isinstance(value, type)
    }


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    if isinstance(function, np.ufunc):
        return {}
    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:
        return {}


def calls(name: str) -> list[tuple[Any, ...]]:
    """Sensible arguments of a function, with places for arrays."""
    function = public()[name]
    if name in CALLS:
        return CALLS[name]
    if isinstance(function, np.ufunc):
        return [(ONE,) * function.nin]
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = parameters(function).values()
    required = tuple(
        PARAMETERS.get(one.name, ONE) for one in wanted if one.default is one.empty and one.kind not in several
    )
    spread = any(one.kind is one.VAR_POSITIONAL for one in wanted)
    return [required if required or not spread else (ONE, ONE)]


def filled(argument: Any, kind: str, make: Callable[[np.ndarray[Any, Any], str], Any]) -> Any:
    """An argument with arrays in its places."""
    if isinstance(argument, Arrays):
        return argument.of(kind, make)
    if isinstance(argument, (list, tuple)):
        return type(argument)(filled(one, kind, make) for one in argument)
    return argument


def places(argument: Any) -> bool:
    """Whether an argument has a place for an array."""
    return isinstance(argument, Arrays) or (isinstance(argument, (list, tuple)) and any(map(places, argument)))


def as_array(value: np.ndarray[Any, Any], kind: str) -> Any:
    return value.copy()


def as_symbol(value: np.ndarray[Any, Any], kind: str) -> Any:
    return sg.symbol(kind, value.shape, value.dtype)


def attempt(function: Callable[..., Any], args: Any, kwargs: Any = None) -> tuple[str, Any]:
    """What a call does: ``("made", result)`` or ``("raised", error)``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "made", function(*args, **(kwargs or {}))
        except Exception as error:
            return "raised", error


def leaves(result: Any) -> Iterator[Any]:
    """Everything in a result."""
    if isinstance(result, (list, tuple)):
        for one in result:
            yield from leaves(one)
    elif isinstance(result, dict):
        yield from leaves(list(result.values()))
    else:
        yield result


def has_expression(result: Any) -> bool:
    return any(isinstance(one, Node) for one in leaves(result))


def has_objects(result: Any) -> bool:
    return any(isinstance(one, np.ndarray) and one.dtype == object for one in leaves(result))


def sensible(name: str) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Arguments, and the kind of array in their places, that NumPy takes."""
    for args, kind in itertools.product(calls(name), ARRAYS):
        if (
            any(map(places, args))
            and attempt(public()[name], [filled(one, kind, as_array) for one in args])[0] == "made"
        ):
            yield args, kind


class Finding(NamedTuple):
    """What a function makes of expressions: ``dispatched``, ``symgrad.numpy``, ``refused`` or ``untouched``."""

    status: str
    note: str = ""


@cache
def finding(name: str) -> Finding:
    """A function's status, found by calling it with expressions wherever it takes arrays."""
    import symgrad.numpy as snp

    ours = attrgetter(name.removeprefix("np."))(snp)
    reasons: list[str] = []
    static = False
    for args, kind in itertools.product(calls(name), ARRAYS):
        if not any(map(places, args)):
            continue
        given = [filled(one, kind, as_symbol) for one in args]
        for status, function in (("dispatched", public()[name]), ("symgrad.numpy", ours)):
            what, result = attempt(function, given)
            if what == "made" and has_expression(result):
                return Finding(status)
            static = static or (status == "dispatched" and what == "made" and name in STATIC)
            if what == "raised" and isinstance(result, sg.SymgradError):
                reasons.append(result.hint or result.what)
                if "does not work on expressions" in result.what:
                    reasons.insert(0, result.hint or "")
    if static:
        return Finding("dispatched", "known while tracing")
    if _takes_dimensions(name, ours):
        return Finding("symgrad.numpy", "sizes may be dynamic")
    return Finding("refused", reasons[0]) if reasons else Finding("untouched")


def _takes_dimensions(name: str, ours: Callable[..., Any]) -> bool:
    """Whether symgrad's function takes a dynamic size where NumPy's takes a size."""
    wanted = parameters(public()[name])
    sizes = [one for one in wanted if one in ("shape", "N", "M", "n", "dimensions", "start_or_stop")]
    size = sg.dim("n")
    if not sizes or next(iter(wanted)) != sizes[0]:
        return False
    given = (size, 2) if sizes[0] in ("shape", "dimensions") else size
    return any(
        what == "made" and has_expression(result)
        for what, result in (attempt(ours, (given,)), attempt(ours, (given, 1.0)))
    )


# Results that follow from element types and shapes alone.
STATIC = frozenset(
    f"np.{name}"
    for name in (
        *("array2string", "array_repr", "array_str", "can_cast", "common_type", "einsum_path", "iscomplexobj"),
        *("isrealobj", "isscalar", "iterable", "min_scalar_type", "ndim", "result_type", "shape", "size"),
        *("diag_indices_from", "tril_indices_from", "triu_indices_from", "info"),
    )
)
