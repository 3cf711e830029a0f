"""Values of variables in a file.  In: variables.  Out: one ``.npz`` archive of their arrays by name, without any code in it.

A file appears whole or not at all; restoring checks every array before it changes the first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symgrad.errors import SymgradError
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.variables import is_variable, variables

__all__ = ["restore_variables", "save_variables"]


def save_variables(path: str | os.PathLike[str], of: Sequence[Any] | None = None) -> None:
    """Write the values of variables.

    Parameters
    ----------
    path : path
        Replaced if it exists.
    of : list of variables, optional
        By default all there are, those of optimisers among them.

    Raises
    ------
    SymgradError
        Two variables have one name.
    OSError
        The file cannot be written; then nothing is left of it.

    Examples
    --------
    >>> import symgrad as sg, tempfile
    >>> w = sg.variable("layer/w", [1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sg.save_variables(f"{folder}/state.npz", [w])
    ...     w.value = [0.0, 0.0]
    ...     sg.restore_variables(f"{folder}/state.npz", [w])
    >>> w.value
    array([1., 2.])
    """
    chosen = _by_name(of, "save_variables")
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **{name: one.value for name, one in chosen.items()})
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def restore_variables(path: str | os.PathLike[str], of: Sequence[Any] | None = None) -> None:
    """Give variables the values that :func:`save_variables` wrote.

    Parameters
    ----------
    path : path
    of : list of variables, optional
        By default all there are; each has to be in the file.

    Raises
    ------
    SymgradError
        The file is none of ours or damaged, lacks a variable, or has one of another shape or element type: then no
        variable has changed.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import symgrad as sg, tempfile
    >>> step = sg.variable("training/step", 7.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sg.save_variables(f"{folder}/state.npz", [step])
    ...     step.value = 0.0
    ...     sg.restore_variables(f"{folder}/state.npz", [step])
    >>> float(step.value)
    7.0
    """
    chosen = _by_name(of, "restore_variables")
    saved = _read(Path(path))
    for name, one in chosen.items():
        if name not in saved:
            raise SymgradError(
                f"restore_variables: {Path(path).name} has no variable {name!r}",
                where=user_line(),
                hint="name the variables that it has: restore_variables(path, [...])",
            )
        array = saved[name]
        if array.shape != one.shape or array.dtype != one.dtype:
            raise SymgradError(
                f"restore_variables: {name!r} is {array.dtype}{shape_text(array.shape)} in {Path(path).name}, the variable "
                f"is {one.dtype}{shape_text(one.shape)}",
                where=user_line(),
            )
    for name, one in chosen.items():
        one.value = saved[name]


def _by_name(of: Sequence[Any] | None, who: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for one in variables() if of is None else of:
        if not is_variable(one):
            raise SymgradError(f"{who}: {one!r} is no variable", where=user_line())
        if one.name in chosen and chosen[one.name] is not one:
            raise SymgradError(
                f"{who}: two variables are called {one.name!r}",
                where=user_line(),
                hint="build each in its sg.name_scope",
            )
        chosen[one.name] = one
    return chosen


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        try:
            with np.load(file) as archive:  # which refuses anything pickled
                return {name: archive[name] for name in archive.files}
        except Exception as error:  # damaged archives make NumPy and zipfile fail in many ways
            raise SymgradError(
                f"restore_variables: {path.name} is no file of variables, or damaged", where=user_line()
            ) from error
