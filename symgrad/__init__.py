"""symgrad: symbolic differentiation and code generation.

Write a function in NumPy style, as expressions, or in SymPy; get its exact derivatives, which are expressions again and
read as mathematics; compile them to vectorised machine code, just in time or ahead of time.

>>> import numpy as np, symgrad as sg
>>> x = sg.symbol("x", ("n",))
>>> loss = np.sum(np.log(1 + x**2))
>>> print(sg.gradients(loss, [x])[0])
1 / (1 + x**2) * 2 * x
>>> sg.compile(sg.gradients(loss, [x])[0], [x])(np.array([1.0, 3.0]))
array([1. , 0.6])
"""

from symgrad import linalg, nn, special
from symgrad.bridge.networkx import graph
from symgrad.bridge.sympy import from_sympy
from symgrad.check import CheckReport, check_gradients
from symgrad.compile import compile
from symgrad.config import config
from symgrad.define import elementwise
from symgrad.diff.custom import custom_gradient
from symgrad.diff.gradients import derivatives, gradients
from symgrad.diff.rules import Rules, gradient_override_map, register_gradient
from symgrad.dims import Dim, assume, dim
from symgrad.errors import (
    CompileError,
    DTypeError,
    GradientError,
    KernelIndexError,
    KernelInputError,
    ShapeError,
    SymgradError,
    TraceError,
    UnconnectedGradientError,
)
from symgrad.expr import ArrayExpr, Expr, ScalarExpr
from symgrad.graph import Graph
from symgrad.ops import (
    array,
    concatenate,
    constant,
    cross,
    einsum,
    eye,
    log_softmax,
    logsumexp,
    matmul,
    norm,
    one_hot,
    ones,
    stack,
    stop_gradient,
    symbol,
    where,
    zeros,
)
from symgrad.provenance import name_scope
from symgrad.rewrite import simplify
from symgrad.saving import load, save
from symgrad.symbols import symbols
from symgrad.transforms.derivatives import derivative, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from symgrad.transforms.export import export
from symgrad.transforms.vmap import jit, vmap
from symgrad.types import TensorType
from symgrad.variables import variable, variables

__version__ = "0.1.0"

__all__ = [
    "ArrayExpr",
    "CheckReport",
    "CompileError",
    "DTypeError",
    "Dim",
    "Expr",
    "GradientError",
    "Graph",
    "KernelIndexError",
    "KernelInputError",
    "Rules",
    "ScalarExpr",
    "ShapeError",
    "SymgradError",
    "TensorType",
    "TraceError",
    "UnconnectedGradientError",
    "array",
    "assume",
    "check_gradients",
    "compile",
    "concatenate",
    "config",
    "constant",
    "cross",
    "custom_gradient",
    "derivative",
    "derivatives",
    "dim",
    "einsum",
    "elementwise",
    "export",
    "eye",
    "from_sympy",
    "grad",
    "gradient_override_map",
    "gradients",
    "graph",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "linalg",
    "load",
    "log_softmax",
    "logsumexp",
    "matmul",
    "name_scope",
    "nn",
    "norm",
    "one_hot",
    "ones",
    "register_gradient",
    "save",
    "simplify",
    "special",
    "stack",
    "stop_gradient",
    "symbol",
    "symbols",
    "value_and_grad",
    "variable",
    "variables",
    "vjp",
    "vmap",
    "where",
    "zeros",
]
