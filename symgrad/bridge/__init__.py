"""Bridges to NumPy, SymPy and NetworkX."""
