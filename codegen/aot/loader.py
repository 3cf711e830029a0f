"""Python modules that load a library.  In: the interfaces of its kernels.  Out: the text of a module.

The module needs NumPy only.  It holds the text of the argument rules and a function with a signature for each kernel.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Sequence
from dataclasses import fields

from codegen.aot import loaded_kernel
from codegen.aot.identifiers import dim_names, distinct, size_text
from codegen.python import native_call, rules
from codegen.python.rules import Interface, Parameter
from codegen.python.sizes import interface_of
from codegen.signature import Argument, KernelSpec

__all__ = ["loader_text"]

_OPENING = '''\
"""Kernels of {file}, compiled by symgrad; called with NumPy arrays.

{names}
"""

import ctypes
import os


def _runtime():
    """The rules for arguments, which are symgrad's own, in a scope that no kernel's name gets into."""
{embedded}

    return InputError, Interface, LoadedKernel, Parameter, Step


InputError, Interface, LoadedKernel, Parameter, Step = _runtime()
InputError.__qualname__ = "InputError"
_library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), {file!r}))

'''


def loader_text(file: str, specs: Sequence[KernelSpec]) -> str:
    """The module that loads the shared library of that file name beside it.

    Raises
    ------
    CompileError
        The shapes of the inputs do not determine a dimension.
    """
    names = "\n".join(_line(spec) for spec in specs)
    opening = _OPENING.format(file=file, names=names, embedded=_indented(_embedded()))
    kernels = "\n".join(_kernel(spec) for spec in specs)  # before the functions, whose names may be any
    exported = f"\n__all__ = {[spec.name for spec in specs]}\n"
    return opening + kernels + exported + "".join(_function(spec) for spec in specs)


# -- what is carried along ------------------------------------------------------------------------------------------
def _embedded() -> str:
    """The text of the argument rules and of the call, with their imports."""
    bodies, plain = [], set()
    taken: dict[str, set[str]] = {"builtins": set()}
    for module in (rules, native_call, loaded_kernel):
        source = inspect.getsource(module)
        tree = ast.parse(source)
        bodies.append(_body(tree, source))
        taken["builtins"] |= {
            one.id
            for one in ast.walk(tree)
            if isinstance(one, ast.Name) and one.id != "_" and hasattr(builtins, one.id)
        }
        for one in tree.body:
            if isinstance(one, ast.Import):
                plain.add(ast.unparse(one))
            elif (
                isinstance(one, ast.ImportFrom) and one.module and not one.module.startswith(("__future__", "codegen"))
            ):
                taken.setdefault(one.module, set()).update(alias.name for alias in one.names)
    lines = [f"from {module} import ({', '.join(sorted(names))})" for module, names in sorted(taken.items())]
    wrapped = [textwrap.fill(line, 110, subsequent_indent="    ") for line in (*sorted(plain), *lines)]
    return "\n".join([*wrapped, "", "\n\n\n".join(bodies)])


def _body(tree: ast.Module, source: str) -> str:
    """The text of a module behind its docstring, imports and list of names."""
    lines = source.splitlines()
    for statement in tree.body:
        exported = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
        if not isinstance(statement, (ast.Expr, ast.Import, ast.ImportFrom)) and not exported:
            decorators = getattr(statement, "decorator_list", [])
            first = min([statement.lineno, *(one.lineno for one in decorators)])
            return "\n".join(lines[first - 1 :])
    return ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


# -- functions ------------------------------------------------------------------------------------------------------
def _names(spec: KernelSpec) -> list[str]:
    """Python names of the inputs and variables."""
    return distinct((one.name for one in (*spec.inputs, *spec.variables)), ("out", f"_kernel_{spec.name}"))


def _line(spec: KernelSpec) -> str:
    return f"{spec.name}({', '.join([*_names(spec), 'out=None'])})"


def _kernel(spec: KernelSpec) -> str:
    messages = tuple((message.kind, message.text) for message in spec.messages)
    interface = _literal(_interface(spec, _names(spec))).replace("\n", "\n    ")
    return f"_kernel_{spec.name} = LoadedKernel(\n    _library,\n    {interface},\n    {messages!r},\n)"


def _function(spec: KernelSpec) -> str:
    names = _names(spec)
    inputs, variables = names[: len(spec.inputs)], names[len(spec.inputs) :]
    return f'''

def {spec.name}({", ".join([*names, "*", "out=None"])}):
    """{_documentation(spec, names)}
    """
    return _kernel_{spec.name}({_tuple(inputs)}, {_tuple(variables)}, out)
'''


def _tuple(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _interface(spec: KernelSpec, names: Sequence[str]) -> Interface:
    """The interface in the names of the generated function."""
    dims = dim_names(spec)
    plain = interface_of(spec, returns_tuple=len(spec.outputs) != 1)
    told = [*names, *(one.name for one in spec.outputs)]

    def named(parameter: Parameter, one: Argument, name: str) -> Parameter:
        sizes = tuple(size_text(size, dims) for size in one.type.shape)
        return Parameter(name, parameter.dtype, parameter.shape, sizes)

    parameters = [*plain.inputs, *plain.variables, *plain.outputs]
    made = tuple(named(*three) for three in zip(parameters, spec.arrays, told, strict=True))
    first, second = len(spec.inputs), len(spec.inputs) + len(spec.variables)
    return Interface(
        plain.name,
        made[:first],
        made[first:second],
        made[second:],
        tuple(dims.values()),
        plain.steps,
        plain.returns_tuple,
    )


def _literal(interface: Interface) -> str:
    """An expression that makes the interface, a line for each field."""
    lines = [f"    {one.name}={_lines(getattr(interface, one.name))}," for one in fields(interface)]
    return "\n".join(["Interface(", *lines, ")"])


def _lines(value: object) -> str:
    """A value as text, a line for each parameter in a tuple of them."""
    if not isinstance(value, tuple) or not value or not isinstance(value[0], Parameter):
        return repr(value)
    return "\n".join(["(", *(f"        {one!r}," for one in value), "    )"])


def _documentation(spec: KernelSpec, names: Sequence[str]) -> str:
    dims = dim_names(spec)

    def told(one: Argument, name: str) -> str:
        shape = ", ".join(size_text(size, dims) for size in one.type.shape)
        return f"{name} : {one.type.dtype.name}[{shape}]" if shape else f"{name} : {one.type.dtype.name}"

    lines = [f"Kernel {spec.name}.", "", "Parameters", "----------"]
    lines += [told(one, name) for one, name in zip((*spec.inputs, *spec.variables), names, strict=True)]
    if spec.variables:
        lines.append(f"    (changed in place: {', '.join(names[len(spec.inputs) :])})")
    lines += ["out : " + ("a tuple of arrays" if len(spec.outputs) != 1 else "array") + ", optional"]
    lines += ["", "Returns", "-------", *(told(one, one.name) for one in spec.outputs)]
    text = _indented("\n".join(lines)).strip()
    return text.replace("\\", "\\\\").replace('"""', "'''")
