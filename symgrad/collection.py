"""Python's cyclic garbage collector, kept from passes that make many objects which live on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collection_paused"]


@contextmanager
def collection_paused() -> Iterator[None]:
    """No automatic collection inside; it is on again afterwards if it was on before.

    A pass over a graph makes objects in proportion to its nodes, none of them garbage: collections would only walk them
    again and again, which costs about a third of the pass.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
