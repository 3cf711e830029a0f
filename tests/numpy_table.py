"""docs/numpy.md: NumPy's public functions and what expressions make of them, found by calling each.

``python tests/numpy_table.py`` writes it, for the version of NumPy that is installed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy_elsewhere import AUTOGRAD_DERIVATIVES, AUTOGRAD_VALUES, JAX
from numpy_surface import Finding, finding, public

from symgrad import array_api

PAGE = Path(__file__).parents[1] / "docs" / "numpy.md"
STATUSES = ("dispatched", "symgrad.numpy", "refused", "not applicable")
# Functions that make nothing of an expression because they take no array of numbers; the reasons are a closed set.
NOT_APPLICABLE: dict[str, tuple[str, ...]] = {
    "settings and tests of NumPy itself": (
        *("np.get_include", "np.get_printoptions", "np.getbufsize", "np.geterr", "np.geterrcall", "np.info"),
        *("np.printoptions", "np.set_printoptions", "np.setbufsize", "np.seterr", "np.seterrcall", "np.show_config"),
        *("np.show_runtime", "np.test", "np.linalg.test", "np.fft.test"),
    ),
    "files, buffers and texts": (
        *("np.frombuffer", "np.fromfile", "np.fromregex", "np.fromstring", "np.genfromtxt"),
        *("np.load", "np.loadtxt", "np.binary_repr", "np.bmat"),
    ),
    "element types and memory layout": (
        *("np.datetime_data", "np.isdtype", "np.isfortran", "np.issubdtype", "np.nested_iters", "np.promote_types"),
        "np.typename",
    ),
    "only sizes, which are known numbers": (
        *("np.mask_indices", "np.tril_indices", "np.triu_indices", "np.fft.fftfreq", "np.fft.rfftfreq"),
        "np.broadcast_shapes",
    ),
    "calls a function with positions": ("np.fromfunction",),
}
# Functions of complex numbers, which are no element type here.
COMPLEX = frozenset(
    {"np.linalg.eig", "np.linalg.eigvals", "np.roots", "np.sort_complex"}
    | {name for name in public() if name.startswith("np.fft.") and not name.endswith(("shift", "freq", "test"))}
)
REASONS = {name: reason for reason, names in NOT_APPLICABLE.items() for name in names}


def status(name: str) -> Finding:
    """A function's row; what no call can find out has one of the reasons above."""
    if name in REASONS:
        return Finding("not applicable", REASONS[name])
    return finding(name)


def counts() -> Counter[str]:
    return Counter(status(name).status for name in public())


def traced(names: Iterable[str]) -> tuple[int, int]:
    """How many of the functions take expressions, through NumPy or symgrad.numpy, and how many there are."""
    found = [status(name).status in STATUSES[:2] for name in names]
    return sum(found), len(found)


def rates() -> dict[str, tuple[int, int]]:
    """How many functions of other libraries' NumPy have a counterpart that takes expressions."""
    there = {name for name in public() if name not in REASONS and name not in COMPLEX}
    main = [name for names in array_api.STANDARD.values() for name in names]
    return {
        "names that autograd 1.9 differentiates (`autograd.numpy.numpy_vjps`)": traced(AUTOGRAD_DERIVATIVES),
        "names that it differentiates or evaluates": traced((*AUTOGRAD_DERIVATIVES, *AUTOGRAD_VALUES)),
        "`jax.numpy` 0.7's functions of real arrays, `linalg` and `fft` included": traced(
            name for name in JAX if name in there
        ),
        "functions of the array API standard 2023.12": (
            sum(name not in array_api_refused() for name in main),
            len(main),
        ),
    }


def array_api_refused() -> set[str]:
    """The standard's functions that refuse expressions."""
    names = {name for names in array_api.STANDARD.values() for name in names}
    return {name for name in names if f"np.{name}" in public() and status(f"np.{name}").status == "refused"}


def text() -> str:
    """The page: what stands above its rates, and those and the table."""
    head = PAGE.read_text(encoding="utf-8").partition("\n## Rates")[0]
    found = counts()
    total = sum(found.values())
    shares = [f"- {100 * many / all_:.1f} % ({many} of {all_}) of the {what}" for what, (many, all_) in rates().items()]
    lines = [f"{head}\n## Rates", "Expressions are taken, through NumPy or `symgrad.numpy`, by", "", *shares, ""]
    lines += [
        f"## NumPy {np.__version__}: {total} functions",
        ", ".join(f"{found[one]} {one}" for one in STATUSES) + ".",
        "",
    ]
    lines += ["| Function | | |", "|---|---|---|"]
    for name in public():
        row = status(name)
        lines.append(f"| `{name}` | {row.status} | {_cell(row.note)} |")
    return "\n".join(lines) + "\n"


def _cell(note: str) -> str:
    return re.sub(r"\s+", " ", note.replace("|", "\\|"))


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    print(counts())
