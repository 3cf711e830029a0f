"""All of NumPy's public functions, called with expressions in every place: nothing is ever detached.

A call gives an expression, or raises one of symgrad's errors; what follows from types and shapes alone is NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy_surface as surface
import numpy_table
import pytest

import symgrad as sg
from symgrad.functions import FUNCTIONS
from symgrad.functions.refusals import REFUSALS

EXPRESSIONS = {
    "scalar": np.float64(0.5),
    "integer": np.int64(2),
    "vector": np.array([0.5, 1.5, 2.5]),
    "integers": np.array([1, 0, 2]),
    "matrix": surface.MATRIX,
    "truths": np.array([True, False, True]),
}
CALLED = [
    name for name in surface.public() if name not in numpy_table.NOT_APPLICABLE[next(iter(numpy_table.NOT_APPLICABLE))]
]
APPLICABLE = [name for name in surface.public() if name not in numpy_table.REASONS]


def symbol(kind: str) -> Any:
    return sg.symbol(kind, EXPRESSIONS[kind].shape, EXPRESSIONS[kind].dtype)


def sensible_calls(name: str) -> list[tuple[Any, list[Any]]]:
    """Calls that NumPy takes with arrays, with a matrix and with something else where both are possible."""
    found = list(surface.sensible(name))[:2] or [(surface.calls(name)[0], "vector")]
    return [(args, [surface.filled(one, kind, surface.as_array) for one in args]) for args, kind in found]


def told(error: Exception) -> bool:
    """Whether an error is one of ours, with advice where an expression was asked for what it is not."""
    if isinstance(error, sg.TraceError):
        return bool(error.hint)
    # NumPy puts type errors of its own in place of ours where it reads sizes and positions; they name the expression.
    replaced = isinstance(error, TypeError) and ("'ScalarExpr'" in str(error) or ", got '<" in str(error))
    return isinstance(error, sg.SymgradError) or replaced or isinstance(error.__cause__, sg.TraceError)


@pytest.mark.parametrize("name", APPLICABLE)
def test_expressions_in_every_place_of_an_argument(name: str) -> None:
    function = surface.public()[name]
    wrong = []
    for _, base in sensible_calls(name):
        for place in range(len(base)):
            for kind, array in EXPRESSIONS.items():
                what, made = surface.attempt(function, [*base[:place], symbol(kind), *base[place + 1 :]])
                if what == "raised":
                    taken = surface.attempt(function, [*base[:place], array, *base[place + 1 :]])[0] == "made"
                    bad = taken and not told(made)
                else:
                    bad = surface.has_objects(made) or not (surface.has_expression(made) or _known(name, place, made))
                if bad:
                    wrong.append((place, kind, repr(made)))
    assert wrong == []


def _known(name: str, place: int, made: Any) -> bool:
    """Whether a result without expressions is right: it is empty, or follows from types and shapes."""
    parameter = list(surface.parameters(surface.public()[name]))[place : place + 1]
    return name in surface.STATIC or parameter == ["dtype"] or not list(surface.leaves(made))


@pytest.mark.parametrize("name", CALLED)
def test_expressions_as_options(name: str) -> None:
    """An option that is an expression is refused, taken, or of no consequence."""
    function = surface.public()[name]
    options = [
        one.name
        for one in surface.parameters(function).values()
        if one.default is not one.empty and one.name not in ("dtype", "like")
    ]
    wrong = []
    for args, base in sensible_calls(name):
        if not any(map(surface.places, args)):
            continue
        want = repr(surface.attempt(function, base)[1])
        for option in options:
            for kind in EXPRESSIONS:
                what, made = surface.attempt(function, base, {option: symbol(kind)})
                if what == "raised":
                    bad = isinstance(made, sg.TraceError) and not made.hint
                else:
                    idle = repr(made) == want or name in surface.STATIC
                    bad = surface.has_objects(made) or not (surface.has_expression(made) or idle)
                if bad:
                    wrong.append((option, kind, repr(made)))
    assert wrong == []


def test_the_search_finds_what_is_detached() -> None:
    """The judges above, on functions that do detach."""
    assert surface.has_objects((np.array([None]), 1))
    assert not surface.has_expression(np.ones(2))
    assert not told(TypeError("no"))
    assert not told(sg.TraceError("no advice"))
    assert told(sg.ShapeError("shapes do not broadcast"))


# -- lists and methods of ufuncs ------------------------------------------------------------------------------------
SWALLOWED = {"np.array_equal", "np.array_equiv"}  # NumPy answers False for anything that it cannot make an array of


@pytest.mark.parametrize("name", [name for name in APPLICABLE if name not in SWALLOWED])
def test_lists_of_expressions(name: str) -> None:
    function, several = surface.public()[name], [sg.symbol("a"), sg.symbol("b"), sg.symbol("c")]
    for args, base in sensible_calls(name):
        for place, argument in enumerate(args):
            if surface.places(argument):
                what, made = surface.attempt(function, [*base[:place], several, *base[place + 1 :]])
                if what == "made":
                    assert not surface.has_objects(made)
                    assert surface.has_expression(made) or name in surface.STATIC


UFUNCS = [name for name, function in surface.public().items() if isinstance(function, np.ufunc)]


@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("method", ["reduce", "accumulate", "reduceat", "outer", "at"])
def test_methods_of_ufuncs(name: str, method: str) -> None:
    function = getattr(surface.public()[name], method)
    arrays = {"float64": np.array([1.0, 2.0, 3.0]), "int64": np.array([1, 0, 2]), "bool": np.array([True, False, True])}
    others: dict[str, list[Any]] = {
        "reduce": [],
        "accumulate": [],
        "reduceat": [np.array([0, 2])],
        "outer": [np.array([1, 2])],
        "at": [np.array([0, 1]), np.array([1, 1])],
    }
    for dtype, array in arrays.items():
        base = [array, *others[method]]
        for place in range(len(base)):
            given = list(base)
            given[place] = sg.symbol(f"{dtype}{place}", base[place].shape, base[place].dtype)
            what, made = surface.attempt(
                function, [one.copy() if isinstance(one, np.ndarray) else one for one in given]
            )
            if what == "made":
                assert surface.has_expression(made)
                assert not surface.has_objects(made)
            elif surface.attempt(function, [one.copy() for one in base])[0] == "made":
                assert told(made), repr(made)


# -- the table ------------------------------------------------------------------------------------------------------
def test_the_table_is_up_to_date() -> None:
    page = numpy_table.PAGE.read_text(encoding="utf-8")
    if f"## NumPy {np.__version__}:" in page:
        assert page == numpy_table.text(), "run python tests/numpy_table.py"


def test_few_functions_are_not_applicable() -> None:
    found = numpy_table.counts()
    assert set(found) == set(numpy_table.STATUSES)
    assert found["not applicable"] <= 0.1 * sum(found.values())


def test_rates() -> None:
    shares = [many / total for many, total in numpy_table.rates().values()]
    assert all(share >= least for share, least in zip(shares, (0.98, 0.98, 0.85, 0.95), strict=True))


def test_no_function_that_is_not_applicable_takes_expressions() -> None:
    for name in set(numpy_table.REASONS) - set(numpy_table.NOT_APPLICABLE["settings and tests of NumPy itself"]):
        assert surface.finding(name).status in ("refused", "untouched")


def test_no_function_is_both_refused_and_there() -> None:
    assert [one.__name__ for one, refuse in REFUSALS.items() if FUNCTIONS[one] is not refuse] == []


@pytest.mark.parametrize("name", APPLICABLE)
def test_refusals_say_what_to_do(name: str) -> None:
    row = surface.finding(name)
    assert row.status in ("dispatched", "symgrad.numpy") or (row.status == "refused" and row.note)
