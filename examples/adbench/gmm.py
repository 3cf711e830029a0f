"""Gaussian mixture with a Wishart prior: log-likelihood and gradient (objective GMM of the ADBench suite).

    python examples/adbench/gmm.py [input file] [reference file]

The inverse covariance of component k is LᵀL with L lower triangular: ``icf[k]`` holds first the logarithms of L's
diagonal, then its strict lower triangle by columns.  Definition: Srajer, Kukelova, Fitzgibbon, arXiv 1807.10129.
"""

import math
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import symgrad as sg

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "adbench"


def triangle(d):
    """For each entry of a d × d matrix, its place in the packed lower triangle (anything above the diagonal)."""
    place = np.zeros((d, d), dtype=np.int64)
    columns, rows = np.triu_indices(d, 1)
    place[rows, columns] = d + np.arange(rows.size)
    return place


def logsumexp(x, axis):
    top = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis=axis)


def wishart_constant(d, gamma, m):
    """The logarithm of the prior's normalisation."""
    n = d + m + 1
    log_gamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma(n / 2 + (1 - j) / 2) for j in range(1, d + 1))
    return n * d * (math.log(gamma) - math.log(2) / 2) - log_gamma


def objective(alpha, mu, icf, x, gamma, m):
    """alpha (K,), mu (K, d), icf (K, d(d+1)/2), x (n, d): the log-likelihood, with the prior added."""
    n, d = x.shape
    count = mu.shape[0]
    log_diagonal, below = icf[:, :d], icf[:, d:]
    diagonal = np.where(np.eye(d) > 0, np.exp(log_diagonal)[:, :, None], 0.0)
    L = np.where(np.tri(d, k=-1) > 0, icf[:, triangle(d)], diagonal)
    y = np.einsum("kij,nj->nki", L, x) - np.einsum("kij,kj->ki", L, mu)
    log_det = np.sum(log_diagonal, axis=1)
    likelihood = np.sum(logsumexp(alpha + log_det - 0.5 * np.sum(y**2, axis=2), axis=1))
    squares = np.sum(np.exp(2 * log_diagonal)) + np.sum(below**2)
    prior = gamma**2 / 2 * squares - m * np.sum(log_det) - count * wishart_constant(d, gamma, m)
    return likelihood - n * d / 2 * math.log(2 * math.pi) - n * logsumexp(alpha, axis=0) + prior


def load(path):
    """alpha, mu, icf, x, gamma, m of an input file."""
    numbers = np.array(Path(path).read_text().split(), dtype=float)
    d, count, n = (int(number) for number in numbers[:3])
    sizes = [count, count * d, count * d * (d + 1) // 2, n * d]
    alpha, mu, icf, x, (gamma, m) = np.split(numbers[3:], np.cumsum(sizes))
    return alpha, mu.reshape(count, d), icf.reshape(count, -1), x.reshape(n, d), float(gamma), int(m)


def compiled(alpha, mu, icf, x, gamma, m):
    """A kernel for the value and the gradient with respect to alpha, mu and icf."""
    symbols = [sg.symbol(name, array.shape) for name, array in (("alpha", alpha), ("mu", mu), ("icf", icf), ("x", x))]
    value = objective(*symbols, gamma, m)
    return sg.compile([value, *sg.gradients(value, symbols[:3])], symbols, name="gmm")


def closeness(x, y):
    """The suite's measure: absolute for small numbers, relative for large ones."""
    x, y = np.ravel(x), np.ravel(y)
    return float(np.max(np.abs(x - y) / np.maximum(1, np.abs(x) + np.abs(y))))


def main(path=DATA / "gmm_1k_d2_K5.txt", reference=None):
    inputs = load(path)
    start = perf_counter()
    kernel = compiled(*inputs)
    print(f"compiled in {perf_counter() - start:.2f} s")
    value, *gradient = kernel(*inputs[:4])
    print(f"value {value:.12g}, gradient of {sum(part.size for part in gradient)} numbers")
    with np.load(reference or Path(path).with_suffix(".npz")) as expected:
        found = np.concatenate([np.ravel(part) for part in gradient])
        rho = max(closeness(value, expected["f"]), closeness(found, expected["J"]))
    print(f"largest deviation from the reference {rho:.1e}")
    return rho


if __name__ == "__main__":
    main(*sys.argv[1:])
