"""Published functions trace, differentiate, compile and agree with NumPy and with arithmetic of 60 digits.

Derivatives are judged by difference quotients of the same NumPy code at 60 digits: errors in them are far below float64's.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from comparing import assert_same

import symgrad as sg
import symgrad.numpy
from published import precise
from published.cases import CASES
from symgrad.interp import evaluate

FIELDS = ("optimization", "physics", "statistics", "robotics", "finance", "signals")
TABLE = Path(__file__).parents[2] / "docs" / "published.md"
every = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.field}-{case.name}")


@cache
def _module(field, namespace):
    """A field's module with something else imported as ``np``."""
    original = sys.modules[f"published.{field}"]
    spec = importlib.util.spec_from_file_location(f"other_{field}", original.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.np = namespace
    return module


NUMBERS = precise.Numpy()


def traceable(case):
    return case.function if case.as_imported else getattr(_module(case.field, symgrad.numpy), case.name)


def reference(case):
    return getattr(_module(case.field, NUMBERS), case.name)


def scalar_of(function, shift=0):
    """A function as one with a scalar value: the sum of squares of an array's elements, moved by a shift."""

    def scalar(*args):
        value = function(*args)
        return value if np.ndim(value) == 0 else np.sum((value + shift) ** 2)

    return scalar


@cache
def first_derivatives(case):
    """Value and derivatives, compiled on first use."""
    function = traceable(case)

    def twice(*args):
        value = function(*args)
        return value, value

    return sg.jacobian(twice, case.wrt, has_aux=True)


def as_matrix(case, blocks):
    """Jacobian blocks, one for each argument, side by side, over the flattened value."""
    sizes = [np.size(case.args[k]) for k in case.wrt]
    return np.concatenate([np.reshape(one, (-1, n)) for one, n in zip(blocks, sizes, strict=True)], axis=1)


def close(got, want, rtol):
    """Agreement relative to each element, or to the largest of the array where elements cancel."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = np.max(np.abs(want), initial=0.0)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * 1e-3 * scale + 1e-300)


def shifted(case, k):
    """The case's arguments, the k-th time a little elsewhere."""
    return tuple(
        arg * (1 + 0.01 * k) if i in case.wrt and np.asarray(arg).dtype.kind == "f" else arg
        for i, arg in enumerate(case.args)
    )


@every
def test_numpy_gives_what_is_known(case):
    for known in case.known:
        np.testing.assert_allclose(case.function(*known.args), known.value, rtol=known.rtol, atol=known.atol)


@every
def test_traced_value(case):
    """As NumPy's, interpreted; functions that need another import say which."""
    if not case.as_imported:
        with pytest.raises(sg.TraceError, match=r"import symgrad\.numpy"):
            sg.jit(case.function)(*case.args)
    symbols = [sg.symbol(f"x{k}", np.shape(arg), dtype=np.asarray(arg).dtype) for k, arg in enumerate(case.args)]
    made = traceable(case)(*symbols)
    got = evaluate([made], dict(zip(symbols, map(np.asarray, case.args), strict=True)))[0]
    assert_same(got, case.function(*case.args))


@every
def test_compiled_value_and_first_derivatives(case):
    blocks, value = first_derivatives(case)(*case.args)
    assert_same(value, case.function(*case.args))
    close(value, precise.value(reference(case), case.args), 1e-10)
    close(as_matrix(case, blocks), precise.jacobian(reference(case), case.args, case.wrt), 1e-9)


@every
def test_second_derivatives(case):
    """Of a scalar; of the sum of squares of residuals; elsewhere moved by 1, lest squares of rotations add up to constants."""
    shift = 0 if case.minima else 1
    rows = sg.hessian(scalar_of(traceable(case), shift), case.wrt)(*case.args)
    sizes = [np.size(case.args[k]) for k in case.wrt]
    found = [np.concatenate([np.reshape(one, (n, -1)) for one in row], 1) for row, n in zip(rows, sizes, strict=True)]
    close(np.concatenate(found), precise.hessian(scalar_of(reference(case), shift), case.args, case.wrt), 1e-8)


@every
def test_vmap_is_a_loop(case):
    points = [shifted(case, k) for k in range(3)]
    axes = tuple(0 if k in case.wrt else None for k in range(len(case.args)))
    stacked = [np.stack([p[k] for p in points]) if axis == 0 else case.args[k] for k, axis in enumerate(axes)]
    blocks, values = sg.vmap(first_derivatives(case), in_axes=axes)(*stacked)
    for k, point in enumerate(points):
        own, value = first_derivatives(case)(*point)
        close(values[k], value, 1e-12)
        close(as_matrix(case, [one[k] for one in blocks]), as_matrix(case, own), 1e-10)


@every
def test_float32(case):
    """Element types as NumPy's, and values as close to the exact ones as NumPy's own float32 come, or close to those."""
    args = tuple(np.asarray(a, np.float32)[()] if np.asarray(a).dtype.kind == "f" else a for a in case.args)
    with np.errstate(all="ignore"):
        numpys = np.asarray(case.function(*args))
    exact = precise.value(reference(case), args)
    got = np.asarray(sg.jit(traceable(case))(*args))
    assert got.dtype == numpys.dtype
    scale = np.max(np.abs(exact))
    error = np.max(np.abs(got - exact)) / scale
    assert error <= max(4 * np.max(np.abs(numpys - exact)) / scale, 1e-5)


@every
def test_gradient_costs_at_most_four_values(case):
    """In counted operations; of the sum of squares where the value is an array."""
    symbols = [sg.symbol(f"x{k}", np.shape(arg), dtype=np.asarray(arg).dtype) for k, arg in enumerate(case.args)]
    value = scalar_of(traceable(case))(*symbols)
    both = [value, *sg.gradients(value, [symbols[k] for k in case.wrt])]
    assert sg.compile(both, symbols).stats["flops"] <= 4 * sg.compile(value, symbols).stats["flops"]


PROBLEMS = [case for case in CASES if case.field == "optimization"]


@pytest.mark.parametrize("case", PROBLEMS, ids=lambda case: case.name)
def test_published_minima_are_reached(case):
    """A trust-region method with compiled Jacobians goes from the published start to the published minimum.

    Not ``method="lm"``: where a Jacobian is rank-deficient, as at the start of ``biggs_exp6``, SciPy 1.17.1's answer depends on
    what memory held before (the same is seen with Jacobians written in NumPy, under ``MALLOC_PERTURB_`` of 85 and 170).
    """
    derivatives = first_derivatives(case)
    found = scipy.optimize.least_squares(
        *(lambda x: derivatives(x)[1], case.args[0]),
        jac=lambda x: derivatives(x)[0][0],
        method="trf",
        x_scale="jac",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
        max_nfev=2000,
    )
    assert any(np.isclose(2 * found.cost, minimum, rtol=1e-5, atol=1e-15) for minimum in case.minima), found


def test_all_problems_are_there():
    numbers = [int(case.function.__doc__.split()[1].strip(";")) for case in PROBLEMS]
    assert numbers == list(range(1, 36))


def test_every_field_is_there_and_every_function_once():
    assert {case.field for case in CASES} == set(FIELDS)
    assert len({case.function for case in CASES}) == len(CASES) > 100
    assert [case.name for case in CASES if not case.known and not case.minima] == []


def test_modules_import_numpy_only():
    for field in FIELDS:
        text = Path(sys.modules[f"published.{field}"].__file__).read_text(encoding="utf-8")
        assert [line for line in text.split("\n") if line.startswith(("import", "from"))] == ["import numpy as np"]


def table_row(case):
    """A function's line in docs/published.md."""
    known = [f"{len(case.known)} known value" + "s" * (len(case.known) > 1)] if case.known else []
    minima = [f"minimum {' or '.join(f'{one:.6g}' for one in case.minima)}"] if case.minima else []
    other = [] if case.as_imported else ["`import symgrad.numpy as np`"]
    source = " ".join(case.function.__doc__.split()).rstrip(".")
    return f"| `{case.name}` | {case.field} | {source} | {', '.join([*known, *minima, *other])} |"


def test_the_table_is_complete(update_golden):
    lines = TABLE.read_text(encoding="utf-8").split("\n")
    outside = [line for line in lines if not line.startswith("| `")]
    if update_golden:
        rows = [table_row(case) for case in CASES]
        TABLE.write_text("\n".join([*outside[:-1], *rows, ""]), encoding="utf-8")
    assert [line for line in TABLE.read_text(encoding="utf-8").split("\n") if line.startswith("| `")] == [
        table_row(case) for case in CASES
    ]
