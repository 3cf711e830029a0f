"""Linear algebra on expressions."""

from symgrad.ops import cross, dot, einsum, inner, matmul, norm, outer, tensordot, transpose

__all__ = ["cross", "dot", "einsum", "inner", "matmul", "norm", "outer", "tensordot", "transpose"]
