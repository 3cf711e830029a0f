"""The garbage collector around passes: off inside, afterwards as it was before, whatever happened inside."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import symgrad as sg
from symgrad.collection import collection_paused


@pytest.fixture(autouse=True)
def enabled():
    gc.enable()
    yield
    gc.enable()


def test_passes_nest():
    with collection_paused():
        assert not gc.isenabled()
        with collection_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_on_again_after_an_error():
    with pytest.raises(ZeroDivisionError), collection_paused():
        raise ZeroDivisionError
    assert gc.isenabled()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_derivative_leaves_it_as_it_was(before, fails):
    seen = []

    @sg.register_gradient(f"collection {before} {fails}")
    def rule(node, head):
        seen.append(gc.isenabled())
        if fails:
            raise RuntimeError
        return head

    x = sg.symbol("x")
    with sg.gradient_override_map({"sin": f"collection {before} {fails}"}):
        y = np.sin(x)
    if not before:
        gc.disable()
    if fails:
        with pytest.raises(RuntimeError):
            sg.gradients(y, [x])
    else:
        assert sg.gradients(y, [x])[0].op.name == "constant"
    assert seen == [False]
    assert gc.isenabled() == before
