"""symgrad."""
from symgrad.ops import symbol, where, stop_gradient, constant
from symgrad.expr import *
from symgrad.dims import dim, assume
from symgrad.config import config
from symgrad.diff.gradients import gradients, derivatives
from symgrad.diff.custom import *
from symgrad.diff.rules import *
from symgrad.provenance import name_scope
from symgrad.variables import variable
from symgrad.compile import compile
from symgrad.transforms.derivatives import *
from symgrad.transforms.vmap import *
