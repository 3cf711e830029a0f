"""Functions named on the command line.  In: ``model.py:loss`` and ``--arg x:f64[n,3]``.  Out: the function, traced.

The file is the user's own and is run, as ``python model.py`` would; argument types are parsed, never evaluated.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from symgrad import ops
from symgrad.errors import DTypeError, SymgradError
from symgrad.ops import as_node
from symgrad.transforms.tracing import argument_names
from symgrad.types import TensorType

__all__ = ["Model", "add_model_arguments", "load_model"]

_DTYPES = {"f64": "float64", "f32": "float32", "i64": "int64", "i32": "int32", "bool": "bool"}
_ARGUMENT = re.compile(r"(?P<name>\w+):(?P<dtype>\w+)(?:\[(?P<shape>[^\]]*)\])?")


class Model(NamedTuple):
    """A traced function: its name, its placeholders by name, and its value."""

    name: str
    function: Callable[..., Any]
    inputs: dict[str, Any]
    value: Any

    def input(self, name: str) -> Any:
        """The placeholder of that name.

        Raises
        ------
        SymgradError
            There is none.
        """
        if name not in self.inputs:
            raise SymgradError(f"{self.name} has no argument {name!r}", hint=f"its arguments: {', '.join(self.inputs)}")
        return self.inputs[name]


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which function, and the types of its arguments."""
    parser.add_argument("model", help="file and function: model.py:loss")
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME:TYPE",
        help="an argument's type, for each argument in order: x:f64[n,3], w:f64[3], a:f64; a name is a dynamic size",
    )


def parse_argument(text: str) -> tuple[str, TensorType]:
    """``x:f64[n,3]`` as a name and a type.

    Raises
    ------
    DTypeError
        The text is none, or names an unknown element type.
    """
    match = _ARGUMENT.fullmatch(text.replace(" ", ""))
    if match is None or match["dtype"] not in {*_DTYPES, *_DTYPES.values()}:
        raise DTypeError(f"--arg {text!r} is no NAME:TYPE", hint=f"x:f64[n,3]; element types {', '.join(_DTYPES)}")
    sizes = [size for size in (match["shape"] or "").split(",") if size]
    return match["name"], TensorType(
        [int(size) if size.isdigit() else size for size in sizes], _DTYPES.get(match["dtype"], match["dtype"])
    )


def load_function(text: str) -> Callable[..., Any]:
    """The function that ``path.py:name`` means.

    Raises
    ------
    SymgradError
        There is no such file, or no such function in it.
    """
    path, _, name = text.rpartition(":")
    if not path or not name:
        raise SymgradError(f"{text!r} names no function", hint="model.py:loss")
    file = Path(path)
    if not file.is_file():
        raise SymgradError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise SymgradError(f"{path} defines no function {name!r}")
    made: Callable[..., Any] = function
    return made


def load_model(options: argparse.Namespace) -> Model:
    """The function of a command, traced on placeholders of the given types."""
    function = load_function(options.model)
    name = options.model.rpartition(":")[2]
    given = dict(parse_argument(text) for text in options.arg)
    names = argument_names(function, len(given))
    unknown = [own for own in given if own not in names]
    if unknown or len(given) != len(options.arg):
        raise SymgradError(f"{name} takes {', '.join(names) or 'nothing'}; --arg gives {', '.join(given) or 'nothing'}")
    inputs = {own: ops.symbol(own, given[own].shape, given[own].dtype) for own in names}
    return Model(name, function, inputs, as_node(function(*inputs.values()), who=name))


def chosen(model: Model, names: Sequence[str]) -> list[Any]:
    """Placeholders by name."""
    return [model.input(name) for name in names]
