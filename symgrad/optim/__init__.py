"""Training: optimisers, learning-rate schedules, clipping of gradients.

Everything here makes expressions and lists of updates; ``sg.compile(..., updates=...)`` makes a step of them, one kernel that
changes weights and optimiser state in place.
"""

from symgrad.optim.clipping import (
    clip_by_average_norm,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from symgrad.optim.fit import fit
from symgrad.optim.optimizers import SGD, Adagrad, Adam, AdamW, GradientDescent, Momentum, Optimizer, RMSProp
from symgrad.optim.schedules import cosine_decay, exponential_decay, piecewise_constant, polynomial_decay
from symgrad.optim.watch import histogram, plot, summary, watch

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "GradientDescent",
    "Momentum",
    "Optimizer",
    "RMSProp",
    "clip_by_average_norm",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "cosine_decay",
    "exponential_decay",
    "fit",
    "global_norm",
    "histogram",
    "piecewise_constant",
    "plot",
    "polynomial_decay",
    "summary",
    "watch",
]
