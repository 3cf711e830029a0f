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

from symgrad import linalg, nn, optim, random, special
from symgrad.assumptions import assume
from symgrad.bridge.networkx import graph
from symgrad.bridge.sympy import from_sympy
from symgrad.check import CheckReport, check_gradients
from symgrad.checkpoint import restore_variables, save_variables
from symgrad.compile import compile
from symgrad.config import config
from symgrad.define import elementwise
from symgrad.diff.callback import callback
from symgrad.diff.custom import custom_gradient
from symgrad.diff.gradients import derivatives, gradients
from symgrad.diff.rules import Rules, gradient_override_map, register_gradient
from symgrad.diff.why import why
from symgrad.dims import Dim, dim
from symgrad.errors import (
    CompileError,
    DTypeError,
    GradientError,
    KernelIndexError,
    KernelInputError,
    KernelMemoryError,
    NonFiniteError,
    RuleWarning,
    ShapeError,
    SymgradError,
    TraceError,
    UnconnectedGradientError,
)
from symgrad.expr import ArrayExpr, Expr, ScalarExpr
from symgrad.graph import Graph
from symgrad.latex import latex
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
from symgrad.ops import total as sum
from symgrad.optim import (
    clip_by_average_norm,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    fit,
    global_norm,
    histogram,
)
from symgrad.provenance import name_scope
from symgrad.rewrite import simplify
from symgrad.saving import load, save
from symgrad.symbols import symbols
from symgrad.tape import GradientTape
from symgrad.transforms.derivatives import derivative, grad, hessian, jacobian, value_and_grad
from symgrad.transforms.export import export
from symgrad.transforms.kinks import kinks
from symgrad.transforms.products import hvp, jvp, vjp
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
    "GradientTape",
    "Graph",
    "KernelIndexError",
    "KernelInputError",
    "KernelMemoryError",
    "NonFiniteError",
    "RuleWarning",
    "Rules",
    "ScalarExpr",
    "ShapeError",
    "SymgradError",
    "TensorType",
    "TraceError",
    "UnconnectedGradientError",
    "array",
    "assume",
    "callback",
    "check_gradients",
    "clip_by_average_norm",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
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
    "fit",
    "from_sympy",
    "global_norm",
    "grad",
    "gradient_override_map",
    "gradients",
    "graph",
    "hessian",
    "histogram",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "kinks",
    "latex",
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
    "optim",
    "random",
    "register_gradient",
    "restore_variables",
    "save",
    "save_variables",
    "simplify",
    "special",
    "stack",
    "stop_gradient",
    "sum",
    "symbol",
    "symbols",
    "value_and_grad",
    "variable",
    "variables",
    "vjp",
    "vmap",
    "where",
    "why",
    "zeros",
]
