"""The command line.  In: ``symgrad build|show|check|why|demo ...``.  Out: files and text; exit status 0, 1 (failed), 2 (misuse), 3 (linker)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from symgrad import __version__
from symgrad.cli import build, check, demo, show, why
from symgrad.errors import SymgradError

__all__ = ["main"]

_COMMANDS = {"build": build, "show": show, "check": check, "why": why, "demo": demo}
LINKER_MISSING = 3


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    made = argparse.ArgumentParser(
        prog="symgrad", description="Exact derivatives of NumPy-style functions, as machine code."
    )
    made.add_argument("--version", action="version", version=f"symgrad {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in _COMMANDS.items():
        summary = (module.__doc__ or "").split(".")[0]
        own = commands.add_parser(name, help=summary, description=summary + ".")
        module.add_arguments(own)
        own.set_defaults(run=module.run)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except SymgradError as error:
        print(f"symgrad {options.command}: {type(error).__name__}: {error}", file=sys.stderr)
        return LINKER_MISSING if type(error).__name__ == "LinkerMissingError" else 1
    except OSError as error:
        print(f"symgrad {options.command}: {error}", file=sys.stderr)
        return 1
    return status
