"""Stacks of vector code."""

from __future__ import annotations

import numpy as np

import symgrad as sg
from codegen.driver import compile_body
from codegen.target import TARGETS

x = sg.symbol("x_on_the_stack", ("n",))


def test_stacks_of_nests_begin_at_a_vector() -> None:
    for target, text in (("x86-64-v3", "alignstack(32)"), ("x86-64-v4", "alignstack(64)"), ("aarch64", "noinline #0")):
        assert text in compile_body([np.exp(x)], [x], (), (), "aligned", TARGETS[target]).text
