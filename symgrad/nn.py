"""Functions for neural networks, on expressions, arrays and numbers."""

from symgrad.ops import expit as sigmoid
from symgrad.ops import log_softmax, one_hot, relu, softmax, softplus, tanh

__all__ = ["log_softmax", "one_hot", "relu", "sigmoid", "softmax", "softplus", "tanh"]
