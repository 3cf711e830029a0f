"""Files: their size, their names, what they say of themselves, and that no text is ever run as code."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest
from sources import FILES, MODULES, ROOT, module_name, tree

ABOUT_400 = 450  # lines of code: neither documentation nor comments nor empty lines
ABOUT_30 = 60
FLAT_TABLES = {
    "codegen.mathlib.coefficients",  # numbers
}
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|misc|stuff|new|v2|old|tmp)(_|$)")
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(path: Path) -> set[int]:
    """Numbers of the lines that hold code."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    lines = {line for one in tokens if one.type not in LAYOUT for line in range(one.start[0], one.end[0] + 1)}
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def test_files_are_short_except_flat_tables() -> None:
    assert {module_name(path) for path in FILES if len(code_lines(path)) > ABOUT_400} == FLAT_TABLES


@pytest.mark.parametrize("package", ["symgrad", "codegen"])
def test_functions_are_short(package: str) -> None:
    long = []
    for path in FILES:
        if module_name(path).partition(".")[0] == package:
            lines = code_lines(path)
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.FunctionDef):
                    own = sum(1 for line in lines if node.lineno <= line <= (node.end_lineno or 0))
                    long += [f"{module_name(path)}.{node.name}: {own} lines"] if own > ABOUT_30 else []
    assert long == []


def test_file_names_say_what_is_in_them() -> None:
    names = [part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts]
    assert [name for name in names if VAGUE.search(name)] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    said = ast.get_docstring(tree(MODULES[module]))
    assert said is not None
    assert said.split("\n")[0].endswith((".", ":", "?")) or "\n" in said


RUNS_TEXT = {"eval", "exec", "pickle", "marshal", "shelve", "dill", "cloudpickle", "parse_expr"}


def calls_of_text(path: Path) -> list[str]:
    """Uses of what would run text or data as code."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name) and node.id in RUNS_TEXT:
            found.append(node.id)
        elif isinstance(node, ast.Attribute) and node.attr in RUNS_TEXT - {"eval"}:
            found.append(node.attr)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [one.name for one in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.partition(".")[0] in RUNS_TEXT]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sympify"):
            found += (
                [] if [ast.unparse(one) for one in node.keywords] == ["strict=True"] else ["sympify"]
            )  # else it parses
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            found.append(node.arg)
    return found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_text_is_run_as_code(path: Path) -> None:
    assert calls_of_text(path) == []


def test_the_search_for_run_text_finds_it(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import pickle\neval('1')\nsympy.sympify(text)\nrun(x, shell=True)\n", encoding="utf-8")
    assert sorted(calls_of_text(bad)) == ["eval", "pickle", "shell", "sympify"]
