"""What the README shows works: its Python blocks run as doctests, its commands exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from linking import needs_linker

from symgrad.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_python_blocks():
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert tried > 15
    assert failed == 0


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
