"""Emission: the loop IR becomes LLVM functions with explicit vectors."""
