"""Matrix products.  In: a :class:`Product` (sizes and strides, each known or not).  Out: a function in an LLVM module.

The ways to compute one, by what is known while generating (choose.py):

====================  =========================================================================================
small.py              all sizes known and small: no loops
thin.py               one dimension of 1: dot products, sweeps, outer products
narrow.py             few columns: lanes along the rows of C or along k
blocked.py            everything else: cache blocks (packing.py), column panels (panel.py), register tiles (tile.py)
====================  =========================================================================================

Outside dot products (known few columns with contiguous rows of A, or a known single row's mirror image) every element of C is one
chain of fused multiply-adds over ascending k, whatever the way, the blocking and the element's place: a row computed
alone has the bits that it has in a batch.  Dot products have a fixed order of their own, the same for every row.
"""

from __future__ import annotations

from codegen.gemm.band import Band
from codegen.gemm.choose import band_share, with_useful_bands
from codegen.gemm.columns import Strip
from codegen.gemm.emit import emit_product, workspace_bytes
from codegen.gemm.product import Product
from codegen.gemm.tile import Epilogue, Tile

__all__ = [
    "Band",
    "Epilogue",
    "Product",
    "Strip",
    "Tile",
    "band_share",
    "emit_product",
    "with_useful_bands",
    "workspace_bytes",
]
