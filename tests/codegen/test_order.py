"""The order of instructions: a permutation that keeps what must stay, and mixes chains."""

from __future__ import annotations

import itertools
import random
import re

import numpy as np
import pytest

import symgrad as sg
from codegen.emit import nest
from codegen.emit.order import FENCE, ordered

KIND = "<4 x double>"


def chain(name: str, start: str, length: int) -> list[str]:
    """So many products, each of the one before."""
    names = [start, *(f"%{name}{k}" for k in range(length))]
    return [f"  {names[k + 1]} = fmul contract {KIND} {names[k]}, {names[k]}" for k in range(length)]


def load(name: str, pointer: str) -> str:
    return f"  %{name} = load {KIND}, ptr %{pointer}, align 8"


def store(value: str, pointer: str) -> str:
    return f"  store {KIND} %{value}, ptr %{pointer}, align 8"


def test_chains_are_mixed() -> None:
    lines = [load("a", "p"), *chain("a_", "%a", 20), load("b", "q"), *chain("b_", "%b", 20), store("b_19", "r")]
    made = ordered(lines, 1, 16)
    assert sorted(made) == sorted(lines)
    middle = [line.split("_")[0][-1] for line in made if "fmul" in line][10:-10]
    assert {"".join(pair) for pair in itertools.pairwise(middle)} == {"ab", "ba"}
    assert made[-1] == lines[-1]


def fused(name: str, start: str, length: int) -> list[str]:
    """So many steps of a polynomial."""
    names = [start, *(f"%{name}{k}" for k in range(length))]
    called = f"call {KIND} @llvm.fma.v4f64({KIND}"
    return [f"  {names[k + 1]} = {called} {names[k]}, {KIND} {start}, {KIND} {start})" for k in range(length)]


def test_fences_keep_long_chains_of_fused_steps_mixed() -> None:
    few = [load("a", "p"), *fused("a_", "%a", 20), load("b", "q"), *fused("b_", "%b", 20)]
    made = ordered(few, 1, 16)
    assert sorted(line for line in made if line != FENCE) == sorted(few)
    assert all(FENCE in made[k : k + 13] for k in range(len(made) - 12))
    many = [line for k in range(20) for line in (load(f"c{k}", "p"), *fused(f"d{k}_", f"%c{k}", 20))]
    assert FENCE not in ordered(many, 1, 16)  # enough work to wait for none
    assert FENCE not in ordered([load("a", "p"), *chain("a_", "%a", 40)], 1, 16)


def test_memory_and_effects_keep_their_order() -> None:
    lines = [load("a", "p"), *chain("a_", "%a", 12), store("a_11", "p"), load("b", "p"), *chain("b_", "%b", 12)]
    lines += [store("b_3", "q"), store("b_2", "p")]
    call = "  call void @touch(ptr %p)"
    made = ordered([*lines, call, "next:", *lines, "  br label %next"], 2, 16)
    first, second = made[: len(lines)], made[len(lines) + 2 : -1]
    assert made[len(lines) : len(lines) + 2] == [call, "next:"]
    for half in (first, second):
        kept = [line for line in half if "store" in line or line in (lines[0], lines[14])]
        assert kept == [lines[0], lines[13], lines[14], lines[27], lines[28]]


@pytest.mark.parametrize("seed", range(20))
def test_operands_come_first(seed: int) -> None:
    rng = random.Random(seed)
    lines = [load("v0", "p"), load("v1", "q")]
    for k in range(2, 80):
        op = rng.choice(["fadd", "fmul", "fdiv", "fsub"])
        lines.append(f"  %v{k} = {op} {KIND} %v{rng.randrange(k)}, %v{rng.randrange(k)}")
    lines.append(store("v79", "r"))
    made = ordered(lines, 2, 16)
    assert sorted(made) == sorted(lines)
    known: set[str] = set()
    for line in made:
        left, _, right = line.partition(" = ")
        used = re.findall(r"%v\d+", right or left)
        assert known.issuperset(used)
        known.add(left.strip())


x, y = sg.symbol("x_ordered", ("n",)), sg.symbol("y_ordered", ("n",))
value = np.exp(x) * np.log(y) / np.sqrt(x + y) + np.tanh(x * y)


def test_the_same_lines_and_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [value, *sg.gradients(value, [x, y]), np.cumsum(value)]
    arrays = np.random.default_rng(1).uniform(0.1, 2, (2, 1003))
    kernel = sg.compile(results, [x, y])
    text = [line for line in kernel.llvm_ir.splitlines() if "codeview.annotation" not in line]
    monkeypatch.setattr(nest, "_has_chains", lambda body: False)
    plain = sg.compile(results, [x, y])
    as_written = plain.llvm_ir.splitlines()
    assert text != as_written
    assert sorted(text) == sorted(as_written)
    for own, other in zip(kernel(*arrays), plain(*arrays), strict=True):
        np.testing.assert_array_equal(own, other)
