"""Values whose derivatives vanish from an order on.  In: ``stop_gradient(u, order=k)``.  Out: a polynomial equal to u.

With s the stopped inputs of u and d = x - s, which is zero but has a derivative, the Taylor polynomial of degree k - 1,

    u(s) + u'(s) d + u''(s) d d / 2 + ...,

has the value of u and its derivatives below order k; those of order k and above are zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symgrad import ops
from symgrad.diff.forward import Forward
from symgrad.diff.heads import Head, materialize
from symgrad.node import Node, substitute, topological

__all__ = ["truncated"]


def truncated(node: Node, sources: Iterable[Node]) -> Any:
    """The Taylor polynomial of what ``node`` stops, in the sources and the leaves of its graph."""
    (inner,) = node.inputs
    known = set(sources)
    order = topological([inner], known.__contains__)
    leaves = [one for one in order if one in known or one.op.name in ("symbol", "parameter", "variable")]
    centre: list[Any] = [ops.parameter("centre", one.type) for one in leaves]
    step: list[Any] = [ops.parameter("step", one.type) for one in leaves]
    terms = substitute([inner], dict(zip(leaves, centre, strict=True)))
    for degree in range(1, node.attrs.order):
        (slope,) = Forward([terms[-1]], centre).run([Head(one) for one in step])
        if slope is None:
            break
        terms.append(ops.multiply(1.0 / degree, materialize(slope).value))
    total = terms[0]
    for term in terms[1:]:
        total = ops.add(total, term)
    stopped = [ops.stop_gradient(one) for one in leaves]
    places = dict(zip(centre, stopped, strict=True))
    places.update({d: ops.subtract(x, s) for d, x, s in zip(step, leaves, stopped, strict=True)})
    return substitute([total], places)[0]
