"""The NetworkX view, and the verifier: what is in them, and that broken graphs are caught."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

import symgrad as sg
from symgrad import types
from symgrad.errors import SymgradError
from symgrad.node import topological
from symgrad.opdef import OpDef
from symgrad.verify import verify

x, y = sg.symbols("x y")
v = sg.symbol("v", (3,))
A = sg.symbol("A", ("n", 3))


def test_nodes_are_the_expressions():
    shared = np.sin(x)
    made = shared * shared + y
    graph = sg.graph(made)
    assert isinstance(graph, networkx.MultiDiGraph)
    assert {*graph} == {x, shared, shared * shared, y, made}
    assert graph.nodes[made] == {"op": "add", "type": made.type, "label": "... + y"}
    assert graph.nodes[x] == {"op": "symbol", "type": x.type, "label": "x"}


def test_edges_are_keyed_by_argument_position():
    made = x - y
    graph = sg.graph(made)
    assert sorted((one.attrs.name, key) for one, _, key in graph.in_edges(made, keys=True)) == [("x", 0), ("y", 1)]
    square = x * x
    assert sorted(key for _, _, key in sg.graph(square).in_edges(square, keys=True)) == [0, 1]
    every = sg.graph([A @ v, np.sum(A, axis=0) + v])
    for node in every:
        inputs = sorted(((key, one) for one, _, key in every.in_edges(node, keys=True)), key=lambda pair: pair[0])
        assert [one for _, one in inputs] == list(node.inputs)
        assert [key for key, _ in inputs] == list(range(len(node.inputs)))


def test_containers_of_results():
    graph = sg.graph({"a": x + 1, "b": [np.sin(x), (y,)]})
    assert {x + 1, np.sin(x), y} <= {*graph}
    assert {*sg.Graph([x + y]).networkx()} == {x, y, x + y}


def test_the_algorithms_of_networkx_work_on_it():
    loss = np.sum((A @ v) ** 2) + x
    (slope,) = sg.gradients(loss, [v])
    graph = sg.graph([loss, slope])
    assert networkx.is_directed_acyclic_graph(graph)
    assert networkx.ancestors(graph, loss) == {*topological([loss])} - {loss}
    assert loss in networkx.descendants(graph, v)
    order = list(networkx.topological_sort(graph))
    place = {node: position for position, node in enumerate(order)}
    assert all(place[one] < place[node] for one, node, _ in graph.edges(keys=True))
    assert networkx.single_source_shortest_path_length(graph, x)[loss] == 1
    assert networkx.number_weakly_connected_components(graph) == 1
    assert {*next(networkx.topological_generations(sg.graph(np.sin(x) * y)))} == {x, y}


def test_a_minimum_cut_of_numbered_nodes():
    """Algorithms that compare nodes by == want numbers: NetworkX renames, and remembers."""
    bottleneck = np.sin(x * y)
    graph = networkx.convert_node_labels_to_integers(
        sg.graph(bottleneck * x + np.exp(bottleneck)), label_attribute="node"
    )
    numbers = {data["node"]: number for number, data in graph.nodes(data=True)}
    plain = networkx.DiGraph()
    plain.add_edges_from(((one, other) for one, other, _ in graph.edges), capacity=1.0)
    value, (left, _) = networkx.minimum_cut(plain, numbers[y], numbers[bottleneck])
    assert value == 1
    assert numbers[y] in left


def test_changing_the_view_leaves_the_expressions():
    made = np.sin(x) * y
    graph = sg.graph(made)
    graph.remove_node(x)
    assert [*topological([made])] == [x, np.sin(x), y, made]


# -- the verifier ---------------------------------------------------------------------------------------------------
def broken(node, **changes):
    """A copy of a node, outside the table of nodes, with some of its parts replaced."""
    made = type(node).__new__(type(node))
    for name in ("op", "inputs", "attrs", "type", "context", "sites"):
        setattr(made, name, changes.get(name, getattr(node, name)))
    return made


def test_sound_graphs_pass():
    loss = np.sum(np.tanh(A @ v)) * x + np.max(v[1:]) + sg.einsum("ij,ij->", A, A)
    verify([loss, *sg.gradients(loss, [v, x])])
    verify([])


def foreign():
    return OpDef(
        **{**{name: getattr(np.sin(x).op, name) for name in OpDef.__dataclass_fields__}, "doc": "not registered"}
    )


BROKEN = {
    "wrong shape": (
        lambda: broken(np.sin(v), type=types.of(types.FLOAT64, (4,))),
        "its type is float64[4], the type rule gives float64[3]",
    ),
    "wrong element type": (lambda: broken(np.sin(v), type=types.of(types.FLOAT32, (3,))), "its type is float32[3]"),
    "wrong input": (lambda: broken(np.sin(v), inputs=(x,)), "its type is float64[3], the type rule gives float64"),
    "too many operands": (lambda: broken(np.sin(v), inputs=(v, v)), "it has 2 operands"),
    "operands of two shapes": (lambda: broken(v + v, inputs=(v, x)), "its operands are float64[3], float64"),
    "attributes missing": (lambda: broken(np.sum(v), attrs=()), "are not of the declared class"),
    "attributes too many": (lambda: broken(np.sin(v), attrs=(1,)), "are not of the declared class"),
    "unregistered operation": (lambda: broken(np.sin(v), op=foreign()), "its operation is not the registered one"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_graphs_are_caught(name):
    make, what = BROKEN[name]
    bad = make()
    with pytest.raises(SymgradError) as caught:
        verify([bad])
    assert str(caught.value).startswith(f"verify: a {bad.op.name} node is broken: ")
    assert what in str(caught.value)
    # ... also when it is found deep inside
    around = broken(np.sum(np.sin(v)), inputs=(bad,)) if bad.type.shape == (3,) else None
    if around is not None:
        with pytest.raises(SymgradError, match="is broken"):
            verify([x, around])
