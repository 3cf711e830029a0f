"""Functions that others published, written in plain NumPy from their formulas, by field."""
