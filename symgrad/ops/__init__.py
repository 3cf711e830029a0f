"""Every operation, as a function of expressions, arrays and numbers.

This is the vocabulary that the rest of the library builds graphs with; names are NumPy's.
"""

from symgrad.ops.bitwise import bitwise_and, bitwise_or, bitwise_xor, gcd, invert, lcm, left_shift, right_shift
from symgrad.ops.coerce import as_node, as_nodes, broadcast_shapes, broadcast_together, is_symbolic
from symgrad.ops.contraction import cross, dot, einsum, einsum_labels, inner, matmul, outer, tensordot
from symgrad.ops.control import Closed, identity, item, stop_gradient
from symgrad.ops.creation import arange, array, eye, full, ones, zeros
from symgrad.ops.declaring import ELEMENTWISE
from symgrad.ops.elementwise import (
    absolute,
    add,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cast,
    ceil,
    cos,
    cosh,
    digamma,
    divide,
    equal,
    erf,
    erfc,
    exp,
    exp2,
    expit,
    expm1,
    floor,
    floor_divide,
    gammaln,
    greater,
    greater_equal,
    hypot,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    masked_multiply,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    relu,
    remainder,
    rint,
    sign,
    signbit,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
    zero_multiply,
    zeta,
)
from symgrad.ops.gamma import beta, betaln, gamma, gammasgn
from symgrad.ops.indexing import gather, one_hot, scatter_add, scatter_set
from symgrad.ops.linalg import cholesky, det, inv, slogdet
from symgrad.ops.numeric import (
    cbrt,
    copysign,
    deg2rad,
    exponent,
    fabs,
    float_power,
    fmax,
    fmin,
    fmod,
    fraction,
    frexp,
    heaviside,
    ldexp,
    logaddexp,
    logaddexp2,
    mantissa,
    modf,
    nextafter,
    positive,
    rad2deg,
    reciprocal,
    spacing,
)
from symgrad.ops.numeric import divmod_ as divmod
from symgrad.ops.numeric import round_ as round
from symgrad.ops.ordering import argmax, argmin, argsort, searchsorted
from symgrad.ops.reduction import all_ as all
from symgrad.ops.reduction import any_ as any
from symgrad.ops.reduction import log_softmax, logsumexp, mean, norm, prod, softmax
from symgrad.ops.reduction import max_ as max
from symgrad.ops.reduction import min_ as min
from symgrad.ops.reduction import sum_ as sum
from symgrad.ops.running import cummax, cummin, cumprod, cumsum, recurrence
from symgrad.ops.shapes import assert_shape, broadcast_to, expand_dims, full_of, reshape, squeeze, transpose, zeros_like
from symgrad.ops.sinc import sinc
from symgrad.ops.singular import SVDResult, svd, svdvals
from symgrad.ops.source import (
    basis,
    constant,
    dim_value,
    iota,
    is_uniform,
    number,
    parameter,
    placeholders,
    symbol,
    uniform_value,
)
from symgrad.ops.special import (
    entr,
    erfcinv,
    erfcx,
    erfinv,
    kl_div,
    log_expit,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    rel_entr,
    xlog1py,
    xlogy,
)
from symgrad.ops.structure import concatenate, place, stack, update
from symgrad.ops.structure import slice_ as slice
from symgrad.ops.summation import total
from symgrad.ops.systems import solve, solve_triangular

__all__ = [name for name in dir() if not name.startswith("_")]
