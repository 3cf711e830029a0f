"""Every operation on every target: machine code, or a refusal that says why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from op_cases import BY_HAND, cases_of, point_of, variables_of

import symgrad as sg
from codegen.driver import compile_body
from codegen.target import TARGETS, find_target
from symgrad.errors import CompileError
from symgrad.node import apply, topological
from symgrad.opdef import REGISTRY, Kind


class Case(NamedTuple):
    """A result that holds the operation, its inputs and its variables."""

    output: Any
    inputs: Sequence[Any]
    variables: Sequence[Any] = ()


def case_of(name: str) -> Case:
    point = point_of(cases_of(REGISTRY[name])[0])
    return Case(point.node, point.inputs, variables_of(point.node))


def code(case: Case, target: str) -> Any:
    return compile_body([case.output], case.inputs, case.variables, [], "kernel", find_target(target), ())


def test_operations_without_samples_are_tried_by_hand() -> None:
    assert {name for name, op in REGISTRY.items() if not list(op.samples(np.random.default_rng(3)))} == set(BY_HAND)


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("name", sorted(name for name, op in REGISTRY.items() if op.lowering != "host"))
def test_lowered(name: str, target: str) -> None:
    case = case_of(name)
    assert name in {node.op.name for node in topological([case.output])}
    made = code(case, target)
    assert made.object.startswith(b"\x7fELF")
    assert "@kernel(" in made.text


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("name", sorted(name for name, op in REGISTRY.items() if op.lowering == "host"))
def test_refused_with_a_reason(name: str, target: str) -> None:
    with pytest.raises(CompileError) as caught:
        code(case_of(name), target)
    assert caught.value.what == f"{name}: no machine code for float64 operands"


def _libm_called(name: str) -> set[str]:
    """Functions of the C library that code for a vector of numbers calls, but on lanes that are rare."""
    op = REGISTRY[name]
    sample = next(iter(op.samples(np.random.default_rng(3))))
    inputs = [sg.symbol(f"x{k}", ("n",), str(np.asarray(a).dtype)) for k, a in enumerate(sample.arrays)]
    text = code(Case(apply(op, tuple(inputs), sample.attrs), tuple(inputs)), "x86-64-v3").text
    called: set[str] = set()
    for function in re.split(r"^(?=define )", text, flags=re.MULTILINE):
        if not re.match(r"define [^@]*@mathlib\.", function):
            called.update(re.findall(r"call (?:double|float) @([a-z0-9]+)\(", function))
    return called


ELEMENTWISE = sorted(
    name for name, op in REGISTRY.items()
    if op.kind is Kind.ELEMENTWISE and op.lowering != "host" and list(op.samples(np.random.default_rng(3)))
)  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_labels_are_true(name: str) -> None:
    assert (REGISTRY[name].lowering == "libm") == bool(_libm_called(name))


def test_few_operations_call_libm() -> None:
    assert {name for name, op in REGISTRY.items() if op.lowering == "libm"} == {"gamma"}
    assert _libm_called("gamma") == {"tgamma"}


def test_few_operations_are_refused() -> None:
    assert {name for name, op in REGISTRY.items() if op.lowering == "host"} == {"zeta"}
