"""Every public name is documented in NumPy's style with an example, and every example runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from types import ModuleType

import pytest
from sources import MODULES

import symgrad as sg

PUBLIC = [name for name in sg.__all__ if not isinstance(getattr(sg, name), ModuleType)]
FUNCTIONS = [
    f"{place}.{name}"
    for place in ("nn", "linalg", "random", "special")
    for name in getattr(sg, place).__all__
    if inspect.isfunction(getattr(getattr(sg, place), name))
]
RUN = sorted(set(MODULES) - {"symgrad.__main__"})


def find(path: str) -> object:
    found: object = sg
    for part in path.split("."):
        found = getattr(found, part)
    return found


def test_public_names_are_objects_not_modules() -> None:
    """A submodule must not take the place of a function of the same name."""
    modules = {name for name in sg.__all__ if isinstance(getattr(sg, name), ModuleType)}
    assert modules == {"linalg", "nn", "optim", "random", "special"}


def test_the_list_of_public_names_is_complete() -> None:
    offered = {name for name, value in vars(sg).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert offered == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC + FUNCTIONS)
def test_public_names_have_a_docstring_with_an_example(name: str) -> None:
    said = inspect.getdoc(find(name)) or ""
    assert len(said.split("\n")[0]) > 15
    assert re.search(r"^Examples\n-{8}\n", said, re.MULTILINE)
    assert ">>> " in said


@pytest.mark.parametrize("name", [name for name in PUBLIC + FUNCTIONS if inspect.isfunction(find(name))])
def test_functions_with_parameters_describe_them(name: str) -> None:
    said = inspect.getdoc(find(name)) or ""
    assert re.search(r"^(Parameters|Returns|Raises)\n-+\n", said, re.MULTILINE)


@pytest.mark.parametrize("module", RUN)
def test_examples_run(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.failed == 0


def test_there_are_many_examples() -> None:
    finder = doctest.DocTestFinder()
    examples = [one for name in RUN for one in finder.find(importlib.import_module(name)) if one.examples]
    assert len(examples) > 70
