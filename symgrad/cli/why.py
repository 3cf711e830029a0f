"""Say which paths lead from a function's value to an argument, and what becomes of the derivative on each."""

from __future__ import annotations

import argparse

from symgrad.cli.model import add_model_arguments, chosen, load_model
from symgrad.diff.why import why

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument(
        "--wrt", action="append", default=[], metavar="ARG", help="this argument (default: each in turn)"
    )


def run(options: argparse.Namespace) -> int:
    model = load_model(options)
    reports = [why(model.value, x) for x in chosen(model, options.wrt or list(model.inputs))]
    print("\n\n".join(map(str, reports)))
    return 0
