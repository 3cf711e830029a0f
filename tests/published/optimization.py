"""Test problems of Moré, Garbow, Hillstrom: Testing unconstrained optimization software, 1981 (ACM TOMS 7(1), 17-41).

Each function returns the residuals of a problem of their section 3, under the number given there; the objective is the
sum of the squared residuals.
"""

import numpy as np

BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
GAUSSIAN = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])
MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
)
KOWALIK = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
OSBORNE_1 = np.array(
    [
        *(0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751),
        *(0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490),
        *(0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406),
    ]
)
OSBORNE_2 = np.array(
    [
        *(1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608),
        *(0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661),
        *(0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428),
        *(0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559),
        *(0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054),
    ]
)


def rosenbrock(x):
    """Problem 1; Rosenbrock: An automatic method for finding the greatest or least value of a function, 1960."""
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def freudenstein_roth(x):
    """Problem 2; Freudenstein, Roth: Numerical solutions of systems of nonlinear equations, 1963."""
    x1, x2 = x
    return np.array([-13 + x1 + ((5 - x2) * x2 - 2) * x2, -29 + x1 + ((x2 + 1) * x2 - 14) * x2])


def powell_badly_scaled(x):
    """Problem 3; Powell: A hybrid method for nonlinear equations, 1970."""
    return np.array([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def brown_badly_scaled(x):
    """Problem 4; Brown, in Moré, Garbow, Hillstrom."""
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def beale(x):
    """Problem 5; Beale: On an iterative method of finding a local minimum of a function of more than one variable, 1958."""
    return np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** np.arange(1, 4))


def jennrich_sampson(x):
    """Problem 6; Jennrich, Sampson: Application of stepwise regression to nonlinear estimation, 1968."""
    i = np.arange(1, 11)
    return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))


def helical_valley(x):
    """Problem 7; Fletcher, Powell: A rapidly convergent descent method for minimization, 1963."""
    x1, x2, x3 = x
    turn = np.arctan(x2 / x1) / (2 * np.pi)
    theta = np.where(x1 > 0, turn, turn + 0.5)
    return np.array([10 * (x3 - 10 * theta), 10 * (np.sqrt(x1**2 + x2**2) - 1), x3])


def bard(x):
    """Problem 8; Bard: Comparison of gradient methods for the solution of nonlinear parameter estimation problems, 1970."""
    u = np.arange(1, 16)
    v = 16 - u
    w = np.minimum(u, v)
    return BARD - (x[0] + u / (v * x[1] + w * x[2]))


def gaussian(x):
    """Problem 9; Gaussian, in Moré, Garbow, Hillstrom."""
    y = np.concatenate([GAUSSIAN, GAUSSIAN[-2::-1]])
    t = (8 - np.arange(1, 16)) / 2
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - y


def meyer(x):
    """Problem 10; Meyer: Theoretical and computational aspects of nonlinear regression, 1970."""
    t = 45 + 5 * np.arange(1, 17)
    return x[0] * np.exp(x[1] / (t + x[2])) - MEYER


def gulf(x):
    """Problem 11; Cox: Comparison of the performance of seven optimization algorithms, 1969 (m = 20)."""
    t = np.arange(1, 21) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    return np.exp(-(np.abs(y - x[1]) ** x[2]) / x[0]) - t


def box(x):
    """Problem 12; Box: A comparison of several current optimization methods, 1966 (m = 10)."""
    t = 0.1 * np.arange(1, 11)
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def powell_singular(x):
    """Problem 13; Powell: An iterative method for finding stationary values of a function of several variables, 1962."""
    x1, x2, x3, x4 = x
    return np.array([x1 + 10 * x2, np.sqrt(5) * (x3 - x4), (x2 - 2 * x3) ** 2, np.sqrt(10) * (x1 - x4) ** 2])


def wood(x):
    """Problem 14; Colville: A comparative study of nonlinear programming codes, 1968."""
    x1, x2, x3, x4 = x
    first = [10 * (x2 - x1**2), 1 - x1, np.sqrt(90) * (x4 - x3**2), 1 - x3]
    return np.array([*first, np.sqrt(10) * (x2 + x4 - 2), (x2 - x4) / np.sqrt(10)])


def kowalik_osborne(x):
    """Problem 15; Kowalik, Osborne: Methods for unconstrained optimization problems, 1968."""
    u = KOWALIK_U
    return KOWALIK - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x):
    """Problem 16; Brown, Dennis: New computational algorithms for minimizing a sum of squares of nonlinear functions, 1971."""
    t = np.arange(1, 21) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


def osborne_1(x):
    """Problem 17; Osborne: Some aspects of nonlinear least squares calculations, 1972."""
    t = 10.0 * np.arange(33)
    return OSBORNE_1 - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def biggs_exp6(x):
    """Problem 18; Biggs: Minimization algorithms making use of non-quadratic properties of the objective function, 1971."""
    t = 0.1 * np.arange(1, 14)
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


def osborne_2(x):
    """Problem 19; Osborne: Some aspects of nonlinear least squares calculations, 1972."""
    t = np.arange(65) / 10
    peaks = x[1:4] * np.exp(-((t[:, None] - x[8:11]) ** 2) * x[5:8])
    return OSBORNE_2 - (x[0] * np.exp(-t * x[4]) + np.sum(peaks, axis=1))


def watson(x):
    """Problem 20; Kowalik, Osborne: Methods for unconstrained optimization problems, 1968."""
    powers = (np.arange(1, 30)[:, None] / 29) ** np.arange(len(x))
    slope = powers[:, :-1] @ (np.arange(1, len(x)) * x[1:])
    return np.concatenate([slope - (powers @ x) ** 2 - 1, x[:1], x[1:2] - x[:1] ** 2 - 1])


def extended_rosenbrock(x):
    """Problem 21; Spedicato: Computational experience with quasi-Newton algorithms, 1975."""
    odd, even = x[0::2], x[1::2]
    return np.concatenate([10 * (even - odd**2), 1 - odd])


def extended_powell_singular(x):
    """Problem 22; Spedicato: Computational experience with quasi-Newton algorithms, 1975."""
    a, b, c, d = x.reshape(-1, 4).T
    return np.hstack([a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2])


def penalty_1(x):
    """Problem 23; Gill, Murray, Pitfield: The implementation of two revised quasi-Newton algorithms, 1972."""
    return np.append(np.sqrt(1e-5) * (x - 1), np.sum(x**2) - 0.25)


def penalty_2(x):
    """Problem 24; Gill, Murray, Pitfield: The implementation of two revised quasi-Newton algorithms, 1972."""
    n = len(x)
    i = np.arange(2, n + 1)
    grown = np.exp(x / 10)
    pairs = grown[1:] + grown[:-1] - (np.exp(i / 10) + np.exp((i - 1) / 10))
    single = grown[1:] - np.exp(-0.1)
    weighted = np.sum((n - np.arange(n)) * x**2) - 1
    return np.hstack([x[0] - 0.2, np.sqrt(1e-5) * pairs, np.sqrt(1e-5) * single, weighted])


def variably_dimensioned(x):
    """Problem 25; variably dimensioned, in Moré, Garbow, Hillstrom."""
    total = np.dot(np.arange(1, len(x) + 1), x - 1)
    return np.hstack([x - 1, total, total**2])


def trigonometric(x):
    """Problem 26; Spedicato: Computational experience with quasi-Newton algorithms, 1975."""
    n = len(x)
    return n - np.cos(x).sum() + np.arange(1, n + 1) * (1 - np.cos(x)) - np.sin(x)


def brown_almost_linear(x):
    """Problem 27; Brown: A quadratically convergent Newton-like method based upon Gaussian elimination, 1969."""
    return np.append(x[:-1] + np.sum(x) - (len(x) + 1), np.prod(x) - 1)


def discrete_boundary_value(x):
    """Problem 28; Moré, Cosnard: Numerical solution of nonlinear equations, 1979."""
    h = 1 / (len(x) + 1)
    t = h * np.arange(1, len(x) + 1)
    padded = np.pad(x, 1)
    return 2 * x - padded[:-2] - padded[2:] + h**2 * (x + t + 1) ** 3 / 2


def discrete_integral_equation(x):
    """Problem 29; Moré, Cosnard: Numerical solution of nonlinear equations, 1979."""
    h = 1 / (len(x) + 1)
    t = h * np.arange(1, len(x) + 1)
    cubes = (x + t + 1) ** 3
    left = np.cumsum(t * cubes)
    right = np.sum((1 - t) * cubes) - np.cumsum((1 - t) * cubes)
    return x + h * ((1 - t) * left + t * right) / 2


def broyden_tridiagonal(x):
    """Problem 30; Broyden: A class of methods for solving nonlinear simultaneous equations, 1965."""
    padded = np.pad(x, 1)
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def broyden_banded(x):
    """Problem 31; Broyden: The convergence of an algorithm for solving sparse nonlinear systems, 1971."""
    n = len(x)
    band = np.triu(np.tril(np.ones((n, n)), 1), -5) - np.eye(n)
    return x * (2 + 5 * x**2) + 1 - band @ (x * (1 + x))


def linear_full_rank(x):
    """Problem 32; linear function of full rank, in Moré, Garbow, Hillstrom (m = n + 3)."""
    m = len(x) + 3
    return np.pad(x, (0, 3)) - 2 / m * np.sum(x) - 1


def linear_rank_1(x):
    """Problem 33; linear function of rank 1, in Moré, Garbow, Hillstrom (m = n + 3)."""
    i = np.arange(1, len(x) + 4)
    return i * np.sum(i[:-3] * x) - 1


def linear_rank_1_with_zeros(x):
    """Problem 34; linear function of rank 1 with zero columns and rows, in Moré, Garbow, Hillstrom (m = n + 3)."""
    n = len(x)
    rows = np.concatenate([[0], np.arange(1, n + 2), [0]])
    return rows * np.dot(np.arange(2, n), x[1:-1]) - 1


def chebyquad(x):
    """Problem 35; Fletcher: Function minimization without evaluating derivatives, 1965."""
    before, now = 1.0, 2 * x - 1
    residuals = []
    for i in range(1, len(x) + 1):
        integral = 0.0 if i % 2 else -1 / (i**2 - 1)
        residuals.append(np.mean(now) - integral)
        before, now = now, 2 * (2 * x - 1) * now - before
    return np.stack(residuals)
