"""Transforms of Python functions."""
