"""What the result of ``gradients`` knows of each derivative node: the rule, the forward nodes, the lines."""

from __future__ import annotations

import numpy as np
from test_gradients import here

import symgrad as sg
from symgrad.node import topological


def test_the_ledger_knows_rule_and_forward_node():
    x = sg.symbol("x", (3,))
    s = np.sin(x)
    line_of_sin = here() - 1
    y = np.sum(s**2)
    line_of_sum = here() - 1
    found = sg.gradients(y, [x])
    ledger = found.ledger
    forward = set(topological([y]))
    new = [node for node in topological(found) if node not in forward]
    assert new
    rules = {"seed"} | {node.op.name for node in forward}
    for node in new:
        origins = ledger.origins(node)
        assert origins, node
        assert {origin.rule for origin in origins} <= rules
        assert all(origin.forward is None or origin.forward in forward for origin in origins)
    cosines = [node for node in new if node.op.name == "cos"]
    assert [{(o.rule, o.forward) for o in ledger.origins(node)} for node in cosines] == [{("sin", s)}]
    assert ledger.lines(cosines[0]) == [f"test_ledger.py:{line_of_sin}"]
    every = {line for node in new for line in ledger.lines(node)}
    assert every == {f"test_ledger.py:{line_of_sin}", f"test_ledger.py:{line_of_sum}"}


def test_the_ledger_holds_every_asker_of_a_shared_node():
    """cos(x) serves both as a forward value and in the derivative of sin: two rules may ask for one node."""
    x = sg.symbol("x")
    found = sg.gradients(np.sin(x) + 2 * np.sin(x) * np.cos(x), [x])
    (cosine,) = [node for node in topological(found) if node.op.name == "cos"]
    assert {origin.rule for origin in found.ledger.origins(cosine)} >= {"sin"}


def test_ledgers_are_of_one_call():
    x = sg.symbol("x")
    first = sg.gradients(np.exp(3 * x), [x])
    second = sg.gradients(np.log(x), [x])
    (log_node,) = second
    assert not first.ledger.origins(log_node)
    assert second.ledger.origins(log_node)
    assert not first.ledger.origins(sg.symbol("never used"))
    assert len(first.ledger) > 0


def test_derivative_nodes_are_outside_every_scope():
    x = sg.symbol("x")
    with sg.name_scope("model"):
        y = np.sin(x**3)
        (slope,) = sg.gradients(y, [x])
    forward = set(topological([y]))
    assert {node.scope for node in forward if node.inputs} == {"model"}
    assert {node.scope for node in topological([slope]) if node not in forward} == {""}
