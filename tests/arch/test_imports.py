"""Who imports whom: layers, and what ``import symgrad`` does not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from sources import MODULES, ROOT, imports, tree

# Each layer imports only from itself and from those before it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("provenance", "collection", "errors", "containers", "config", "piecewise", "dims", "assumptions", "types", "node"),
    ("opdef",),
    (
        "ops",
        "indexing",
        "functions",
        "methods",
        "expr",
        "printing",
        "latex",
        "verify",
        "variables",
        "symbols",
        "numpy",
        "array_api",
        "scipy",
        "linalg",
        "nn",
        "special",
    ),
    ("interp", "graph", "rewrite", "bridge", "saving", "batching", "referee", "define"),
    ("diff",),
    ("backend", "compile", "check", "probing", "truth", "transforms"),
    ("tape", "optim", "checkpoint", "random"),
    ("",),  # the package itself, which lists the public names
    ("compat",),
    ("cli", "__main__"),
)
# Functions that reach up when they are called; nothing of this happens while modules load.
DOORS = {
    "node": {"opdef"},  # saved nodes find their operation by name
    "ops.coerce": {"ops"},
    "functions.calling": {"transforms.vmap"},  # np.apply_along_axis
    "expr": {"bridge.numpy", "bridge.sympy", "saving"},  # operators and conversions of the user's expressions
    "diff.custom": {"truth"},  # a rule is checked at once at a point that the user gives
    "diff.rules": {"truth"},  # or beside the operation that it is for
    "define": {"diff.gradients"},  # a new operation's derivative is checked at once
}


def layer_of(module: str) -> int:
    """The number of a symgrad module's layer."""
    own = module.removeprefix("symgrad").removeprefix(".")
    first = own.partition(".")[0]
    return next(k for k, layer in enumerate(LAYERS) if first in layer)


def own_modules(names: set[str], package: str) -> set[str]:
    return {name for name in names if name.partition(".")[0] == package}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("symgrad")])
def test_each_layer_imports_only_from_earlier_ones(module: str) -> None:
    at_once, later = imports(MODULES[module])
    doors = {f"symgrad.{name}" for name in DOORS.get(module.removeprefix("symgrad."), ())}
    above = {name for name in own_modules(at_once | later, "symgrad") if layer_of(name) > layer_of(module)}
    assert above <= (later - at_once) & doors


def test_every_door_is_used() -> None:
    for module, doors in DOORS.items():
        _, later = imports(MODULES[f"symgrad.{module}"])
        assert {f"symgrad.{name}" for name in doors} <= later


@pytest.mark.parametrize("package", ["symgrad", "codegen"])
def test_no_module_imports_itself_in_a_circle(package: str) -> None:
    own = {name: path for name, path in MODULES.items() if name.partition(".")[0] == package}
    graph = {name: own_modules(imports(path)[0], package) - {name, package} for name, path in own.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(own) | {one for used in graph.values() for one in used}


def test_symgrad_reaches_the_back_end_in_one_place_only() -> None:
    texts = {
        name
        for name, path in MODULES.items()
        if name.startswith("symgrad")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.partition(".")[0] == "codegen"
    }
    assert texts == {"symgrad.backend", "symgrad.provenance"}  # the latter only knows whose lines are no user's
    for name, path in MODULES.items():
        if name.startswith("symgrad"):
            assert not own_modules(set.union(*imports(path)), "codegen"), name


ALLOWED_IN_CODEGEN = {
    *(
        "assumptions",
        "backend",
        "collection",
        "config",
        "dims",
        "errors",
        "graph",
        "node",
        "opdef",
        "ops",
        "piecewise",
        "provenance",
        "rewrite",
        "types",
        "variables",
    ),
}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("codegen")])
def test_codegen_uses_the_graph_layers_only(module: str) -> None:
    used = own_modules(set.union(*imports(MODULES[module])), "symgrad")
    assert {name.removeprefix("symgrad.").partition(".")[0] for name in used} <= ALLOWED_IN_CODEGEN


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in memory after a statement, in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_symgrad_loads_no_heavy_package() -> None:
    loaded = loaded_by("import symgrad")
    assert "numpy" in loaded
    assert not loaded & {"scipy", "networkx", "llvmlite", "codegen", "sympy", "mpmath"}


def test_the_back_end_is_loaded_by_the_first_compilation() -> None:
    loaded = loaded_by("import symgrad as sg\nx = sg.symbol('x')\nassert sg.compile(x + 1, [x])(2.0) == 3.0")
    assert {"codegen", "llvmlite"} <= loaded
    assert not loaded & {"scipy", "networkx"}
