"""What the README and the pages of the documentation show works: Python blocks run as doctests, commands exist."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path

import pytest
from linking import needs_linker

from symgrad.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_python_blocks():
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert tried > 15
    assert failed == 0


PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if ">>> " in path.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore::symgrad.errors.RuleWarning")  # which pages show
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_python_blocks_of_pages(page):
    """Blocks with prompts are doctests, whose results are those that the page shows; others are Python at least."""
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if block.startswith(">>> "):
            assert block.endswith("\n\n"), "a blank line ends a block's last result"
        else:
            ast.parse(block)
    failed, tried = doctest.testfile(str(page), False, encoding="utf-8", optionflags=doctest.ELLIPSIS)
    assert tried > 0
    assert failed == 0


def test_pages_are_found_and_their_links_lead_somewhere():
    assert {"why.md", "splitting-gradients.md"} <= {page.name for page in PAGES}
    for page in (ROOT / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_set_up_commands_name_what_exists():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"```bash\n(.*?)\n```", text, re.DOTALL)
    assert len(commands) == 2
    project = (ROOT / "pyproject.toml").read_text()
    assert 'symgrad = "symgrad.cli:main"' in project
    assert "\ntest = [" in project


@needs_linker
def test_build_command(tmp_path):
    (tmp_path / "model.py").write_text("import numpy as np\n\ndef loss(x):\n    return np.sum(np.sin(x) ** 2)\n")
    text = (ROOT / "README.md").read_text()
    words = re.search(r"`symgrad (build .*?)`", text)[1].split()
    words[1] = f"{tmp_path}/{words[1]}"
    words[-1] = str(tmp_path / words[-1])
    assert main(words) == 0
    assert (tmp_path / "build" / "loss.h").exists()
