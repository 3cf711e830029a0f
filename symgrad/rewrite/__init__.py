"""Rewriting of graphs by named rules."""

from symgrad.rewrite.engine import Report, Rule, rewrite
from symgrad.rewrite.rules import EXACT, STABLE, rule_names, simplify

__all__ = ["EXACT", "STABLE", "Report", "Rule", "rewrite", "rule_names", "simplify"]
