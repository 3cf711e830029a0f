"""Special functions on expressions, under SciPy's names."""

from symgrad.ops import digamma, erf, erfc, expit, expm1, gammaln, log1p, logsumexp, softplus

__all__ = ["digamma", "erf", "erfc", "expit", "expm1", "gammaln", "log1p", "logsumexp", "softplus"]
