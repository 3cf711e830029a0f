"""docs/support.md: what every operation supports, found by the checks of tests/op_checks.py and tests/op_shapes.py.

``python tests/support_table.py`` writes it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import op_checks
import op_shapes
from op_cases import Case, cases_of

from symgrad.opdef import REGISTRY, Kind

PAGE = Path(__file__).parents[1] / "docs" / "support.md"
COLUMNS = (
    *("operation", "float32", "float64", "integers", "forward", "reverse", "second order", "vmap", "dynamic shape"),
    *("machine code", "allowed ulp"),
)
LEGEND = {  # what a cell may say, and what was seen
    "yes": "checked on the operation's samples",
    "zero": "constant almost everywhere: the derivative is there and is zero",
    "interpreted": "right, but only in the interpreter: `zeta`, of which it is made, has no machine code",
    "as float64": "integers are converted to float64 first",
    "some axes": "the last axis of the first operand and all of the others have known sizes",
    "first axis": "only first axes may be dynamic, as of batches",
    "only x1": "no derivative with respect to the first operand: asking for it is an error",
    "discrete": "the result or the operands are integers, positions or truth values, which have no derivative",
    "cut": "no derivative passes, on purpose",
    "no operand": "there is nothing that could be differentiated, vary over a batch, or be of that type",
    "no float": "defined on integers or truth values only",
    "truth values": "defined on truth values only",
    "refused": "floating numbers only: a `DTypeError`",
    "fixed": "the size is part of the operation",
}
GRANTED = ("yes", "zero", "interpreted", "as float64", "some axes", "first axis", "only x1")
UNDECIDED = ("not here", "no axis", "refused sizes")  # another sample decides


# Each check runs once in a process, for the page and for the tests.
@cache
def case(name: str, k: int) -> Case:
    return cases_of(REGISTRY[name])[k]


@cache
def value(name: str, k: int, dtype: str) -> str:
    return op_checks.check_value(case(name, k), dtype)


@cache
def slopes(name: str, k: int, dtype: str) -> op_checks.Slopes:
    return op_checks.check_derivatives(case(name, k), dtype)


def both(name: str, k: int) -> op_checks.Slopes:
    """The verdicts on derivatives, which are the same in both floating types."""
    double, single = slopes(name, k, "float64"), slopes(name, k, "float32")
    assert double == single
    return double


@cache
def dynamic(name: str, k: int) -> str:
    return op_shapes.check_dynamic(case(name, k))


def order_of(name: str) -> list[int]:
    """The operation's cases, the most telling first: neither scalars nor without elements."""
    cases = cases_of(REGISTRY[name])
    return sorted(
        range(len(cases)), key=lambda k: min((min(a.shape, default=0) for a in cases[k].arrays), default=1) < 1
    )


def code(name: str) -> str:
    """What the machine code of a case calls, or of matrices of all sizes."""
    cases = order_of(name) if REGISTRY[name].kind is Kind.MATRIX else order_of(name)[:1]
    return "; ".join(dict.fromkeys(op_shapes.check_code(case(name, k)) for k in cases))


def row(name: str) -> tuple[str, ...]:
    """The operation's verdicts, column by column."""
    order = order_of(name)
    first = order[0]
    derivatives = next((one for k in order if "not here" not in (one := both(name, k))), ("not here",) * 3)
    sizes = [dynamic(name, k) for k in order if REGISTRY[name].kind is not Kind.ELEMENTWISE or k == first]
    return (
        value(name, first, "float32"),
        value(name, first, "float64"),
        op_shapes.check_integers(case(name, first)),
        *derivatives,
        op_shapes.check_vectorised(case(name, first), compile=True),
        min(sizes, key=lambda one: [*GRANTED, *LEGEND, *UNDECIDED].index(one)),
        code(name),
    )


def bounds(name: str) -> str:
    found = op_checks.BOUNDS.get(name, op_checks.Bounds())
    return " / ".join(f"{one:g}" for one in found)


def line(name: str, found: tuple[str, ...]) -> str:
    """The operation's line of the page."""
    cells = [one if one == "yes" else f"yes: {one}" if one in GRANTED else f"no: {one}" for one in found[:-1]]
    exact = bounds(name) if found[3] in GRANTED and name not in op_checks.WITHOUT_EXACT else ""
    return f"| `{name}` | {' | '.join([*cells, found[-1], exact])} |"


HEAD = """# What every operation supports
One row for each operation of the registry, which all functions and derivatives are made of; made by
`python tests/support_table.py`, which runs the checks of `tests/ops/test_every_op.py`. No cell is written by hand, and a test
fails where one is out of date.

- **float32, float64, integers**: the type rule gives NumPy's type, the interpreter NumPy's value, compiled code the interpreter's.
- **forward, reverse, second order**: interpreted and compiled derivatives, in both floating types, agree with differences of
  values of 110 digits, which know no derivative rule (LAPACK's factors and callbacks: with extrapolated finite differences).
- **allowed ulp**: how far values, first and second derivatives may be from the exact ones, in units in the last place. Of
  elementwise operations each element is judged by its own last place (sums of several terms by that of the terms), so that bounds
  are large where a derivative passes through zero within the samples; of others by the last place of the largest element;
  of callbacks and singular values, which have no exact ones here, nothing is stated.
- **vmap**: over all operands or some, against a loop. **dynamic shape**: one kernel for every size.
- **machine code**: inline, or what is called: functions of the C library, functions of the host by pointer.

"""


def head() -> str:
    """What stands above the rows."""
    legend = [f"- *{key}*: {meaning}." for key, meaning in LEGEND.items() if key != "yes"]
    return "\n".join([HEAD + "\n".join(legend), "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS), ""])


def text() -> str:
    return head() + "\n".join([*(line(name, row(name)) for name in REGISTRY), ""])


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
