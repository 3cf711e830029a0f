"""Log-likelihoods, log-densities and losses of statistics."""

import numpy as np

LANCZOS = np.array(
    [
        *(0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059),
        *(12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7),
    ]
)


def log_gamma(x):
    """Lanczos: A precision approximation of the gamma function, 1964 (g = 7, 9 terms; x > 1/2)."""
    series = LANCZOS[0]
    for k in range(1, 9):
        series = series + LANCZOS[k] / (x - 1 + k)
    shifted = x + 6.5
    return 0.5 * np.log(2 * np.pi) + (x - 0.5) * np.log(shifted) - shifted + np.log(series)


def gamma_log_density(x, shape, rate):
    """Johnson, Kotz, Balakrishnan: Continuous univariate distributions 1, 1994, chapter 17: sum over a sample."""
    return np.sum(shape * np.log(rate) - log_gamma(shape) + (shape - 1) * np.log(x) - rate * x)


def beta_log_density(x, a, b):
    """Johnson, Kotz, Balakrishnan: Continuous univariate distributions 2, 1995, chapter 25: sum over a sample."""
    return np.sum((a - 1) * np.log(x) + (b - 1) * np.log1p(-x)) - len(x) * (
        log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    )


def student_t(x, freedom, location, scale):
    """Student: The probable error of a mean, 1908: log-likelihood of a sample with location and scale."""
    z = (x - location) / scale
    front = log_gamma((freedom + 1) / 2) - log_gamma(freedom / 2) - 0.5 * np.log(freedom * np.pi) - np.log(scale)
    return np.sum(front - (freedom + 1) / 2 * np.log1p(z**2 / freedom))


def gaussian_mixture(weights, means, scales, x):
    """Pearson: Contributions to the mathematical theory of evolution, 1894: log-likelihood; logits, logs of scales."""
    logits = weights - np.log(np.sum(np.exp(weights)))
    z = (x[:, None] - means) / np.exp(scales)
    terms = logits - scales - 0.5 * np.log(2 * np.pi) - 0.5 * z**2
    top = np.max(terms, axis=1, keepdims=True)
    return np.sum(top[:, 0] + np.log(np.sum(np.exp(terms - top), axis=1)))


def logistic_regression(weights, X, y):
    """Cox: The regression analysis of binary sequences, 1958: mean negative log-likelihood, labels -1 and 1."""
    return np.mean(np.log1p(np.exp(-y * (X @ weights))))


def multinomial_logit(W, X, y):
    """McFadden: Conditional logit analysis of qualitative choice behavior, 1974: log-likelihood of choices y."""
    scores = X @ W
    scores = scores - np.max(scores, axis=1, keepdims=True)
    chosen = scores[np.arange(len(y)), y]
    return np.sum(chosen - np.log(np.sum(np.exp(scores), axis=1)))


def poisson_glm(weights, X, counts):
    """Nelder, Wedderburn: Generalized linear models, 1972: Poisson log-likelihood with the log link."""
    eta = X @ weights
    return np.sum(counts * eta - np.exp(eta) - log_gamma(counts + 1))


def negative_binomial(weights, dispersion, X, counts):
    """Lawless: Negative binomial and mixed Poisson regression, 1987: log-likelihood (theta = 1 / a)."""
    mean = np.exp(X @ weights)
    size = 1 / dispersion
    terms = log_gamma(counts + size) - log_gamma(size) - log_gamma(counts + 1)
    return np.sum(terms + size * np.log(size / (size + mean)) + counts * np.log(mean / (size + mean)))


def cox_partial_likelihood(weights, X, times, observed):
    """Cox: Regression models and life-tables, 1972: log partial likelihood without ties."""
    order = np.argsort(-times)
    risk = X[order] @ weights
    return np.sum(observed[order] * (risk - np.log(np.cumsum(np.exp(risk)))))


def weibull_censored(log_scale, shape, times, observed):
    """Kalbfleisch, Prentice: The statistical analysis of failure time data, 1980: log-likelihood."""
    z = times / np.exp(log_scale)
    hazard = np.log(shape) - log_scale + (shape - 1) * np.log(z)
    return np.sum(np.where(observed == 1, hazard, 0.0) - z**shape)


def von_mises(location, concentration, angles):
    """Von Mises: Über die Ganzzahligkeit der Atomgewichte, 1918: log-likelihood; I0 as a mean over the circle."""
    circle = 2 * np.pi * np.arange(48) / 48
    bessel = np.mean(np.exp(concentration * (np.cos(circle) - 1)))
    return np.sum(concentration * (np.cos(angles - location) - 1) - np.log(2 * np.pi * bessel))


def kalman_local_trend(log_variances, y):
    """Kalman: A new approach to linear filtering and prediction problems, 1960: log-likelihood of level and slope."""
    observation, level, slope = np.exp(log_variances)
    F = np.array([[1.0, 1.0], [0.0, 1.0]])
    first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    Q = level * np.outer(first, first) + slope * np.outer(second, second)
    mean, P = np.zeros(2), 10 * np.eye(2)
    total = 0.0
    for value in y:
        mean, P = F @ mean, F @ P @ F.T + Q
        S = P[0, 0] + observation
        innovation = value - mean[0]
        total = total - 0.5 * (np.log(2 * np.pi * S) + innovation**2 / S)
        gain = P[:, 0] / S
        mean, P = mean + gain * innovation, P - np.outer(gain, P[0])
    return total


def hidden_markov(transition, emission, start, symbols):
    """Rabiner: A tutorial on hidden Markov models, 1989, equations 19 to 21: log-likelihood, with scaling."""
    forward = start * emission[:, symbols[0]]
    total = 0.0
    for symbol in symbols[1:]:
        scale = np.sum(forward)
        total = total + np.log(scale)
        forward = (forward / scale) @ transition * emission[:, symbol]
    return total + np.log(np.sum(forward))


def huber(location, x, k):
    """Huber: Robust estimation of a location parameter, 1964."""
    residual = x - location
    size = np.abs(residual)
    return np.sum(np.where(size <= k, 0.5 * residual**2, k * size - 0.5 * k**2))


def quantile_regression(weights, X, y, level):
    """Koenker, Bassett: Regression quantiles, 1978."""
    residual = y - X @ weights
    return np.sum(np.maximum(level * residual, (level - 1) * residual))


def bradley_terry(strengths, winners, losers):
    """Bradley, Terry: Rank analysis of incomplete block designs, 1952: log-likelihood of comparisons."""
    return -np.sum(np.log1p(np.exp(strengths[losers] - strengths[winners])))


def box_cox(power, y):
    """Box, Cox: An analysis of transformations, 1964: profile log-likelihood of the power."""
    z = (y**power - 1) / power
    return -0.5 * len(y) * np.log(np.var(z)) + (power - 1) * np.sum(np.log(y))


def ornstein_uhlenbeck(speed, mean, noise, x):
    """Uhlenbeck, Ornstein: On the theory of the Brownian motion, 1930: log-likelihood of a path at unit steps."""
    decay = np.exp(-speed)
    variance = noise**2 * -np.expm1(-2 * speed) / (2 * speed)
    residual = x[1:] - mean - decay * (x[:-1] - mean)
    return -0.5 * np.sum(residual**2 / variance + np.log(2 * np.pi * variance))


def pairwise_kernel_mean(x, y, width):
    """Gretton, Borgwardt, Rasch, Schölkopf, Smola: A kernel two-sample test, 2012: squared discrepancy."""

    def kernel(a, b):
        return np.exp(-np.sum((a[:, None, :] - b[None, :, :]) ** 2, axis=-1) / (2 * width**2))

    return np.mean(kernel(x, x)) + np.mean(kernel(y, y)) - 2 * np.mean(kernel(x, y))


def gaussian_process(log_scales, x, y):
    """Rasmussen, Williams: Gaussian processes for machine learning, 2006, algorithm 2.1: log marginal likelihood."""
    amplitude, width, noise = np.exp(log_scales)
    gaps = x[:, None] - x[None, :]
    K = amplitude**2 * np.exp(-0.5 * (gaps / width) ** 2) + noise**2 * np.eye(len(x))
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return -0.5 * y @ alpha - np.sum(np.log(np.diag(L))) - len(x) / 2 * np.log(2 * np.pi)


def multivariate_normal(mean, factor, X):
    """Anderson: An introduction to multivariate statistical analysis, 1958, section 2.3: covariance F Fᵀ + 1."""
    covariance = factor @ factor.T + np.eye(len(mean))
    _, log_determinant = np.linalg.slogdet(covariance)
    centred = X - mean
    square = np.sum(centred * np.linalg.solve(covariance, centred.T).T)
    return -0.5 * (square + len(X) * (log_determinant + len(mean) * np.log(2 * np.pi)))


def generalized_cross_validation(log_ridge, X, y):
    """Golub, Heath, Wahba: Generalized cross-validation as a method for choosing a good ridge parameter, 1979."""
    n, p = X.shape
    hat = X @ np.linalg.inv(X.T @ X + n * np.exp(log_ridge) * np.eye(p)) @ X.T
    residual = y - hat @ y
    return np.mean(residual**2) / (1 - np.trace(hat) / n) ** 2


def fisher_discriminant(first, second):
    """Fisher: The use of multiple measurements in taxonomic problems, 1936: the direction that separates two samples."""
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    return np.linalg.solve(a.T @ a + b.T @ b, first.mean(axis=0) - second.mean(axis=0))
