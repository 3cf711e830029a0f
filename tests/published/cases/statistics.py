"""Statistics: densities of SciPy, closed forms of small samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats as stats

from published import statistics
from published.cases.case import at, case

RNG = np.random.default_rng(1972)
T_SAMPLE = [0.3, -1.2, 2.5, 0.8]
POSITIVE = [0.4, 1.7, 2.9]
SHARES = [0.15, 0.62, 0.8]
DESIGN = RNG.normal(size=(5, 2))
SIGNS = [1.0, -1.0, 1.0, 1.0, -1.0]
COUNTS = [2.0, 0.0, 3.0, 1.0, 5.0]
W2 = np.array([0.4, -0.3])
JOINT = stats.multivariate_normal([0.3, -0.2], [[5, 2], [2, 2]])
LABELS = np.array([0, 2, 1, 1, 0])
TIMES = [3.0, 1.5, 4.0, 0.7, 2.2]
SEEN = [1.0, 0.0, 1.0, 1.0, 1.0]
SERIES = [0.3, 0.9, 1.1, 1.8, 2.1]
CHAIN = ([[0.7, 0.3], [0.4, 0.6]], [[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]], [0.6, 0.4])


def trend_log_density(log_variances: Any, y: Any) -> float:
    """The joint normal log-density of a local linear trend's observations, from their covariance."""
    observation, level, slope = np.exp(log_variances)
    F, n = np.array([[1.0, 1.0], [0.0, 1.0]]), len(y)
    P, covariances = 10 * np.eye(2), []
    for _ in range(n):
        P = F @ P @ F.T + np.diag([level, slope])
        covariances.append(P)
    joint = observation * np.eye(n)
    for i in range(n):
        for j in range(n):
            early, late = min(i, j), max(i, j)
            joint[i, j] += (np.linalg.matrix_power(F, late - early) @ covariances[early])[0, 0]
    return stats.multivariate_normal(np.zeros(n), joint).logpdf(y)


STATISTICS = [
    case(
        *(statistics.log_gamma, 2.3),
        known=(at(5.0, value=math.log(24)), at(0.5, value=0.5 * math.log(math.pi)), at(3.7, value=math.lgamma(3.7))),
    ),
    case(
        *(statistics.gamma_log_density, POSITIVE, 2.2, 1.4),
        wrt=(0, 1, 2),
        known=at(POSITIVE, 2.2, 1.4, value=stats.gamma.logpdf(POSITIVE, 2.2, scale=1 / 1.4).sum()),
    ),
    case(
        *(statistics.beta_log_density, SHARES, 2.2, 3.4),
        wrt=(0, 1, 2),
        known=at(SHARES, 2.2, 3.4, value=stats.beta.logpdf(SHARES, 2.2, 3.4).sum()),
    ),
    case(
        *(statistics.student_t, T_SAMPLE, 3.5, 0.2, 1.3),
        wrt=(0, 1, 2, 3),
        known=at(T_SAMPLE, 3.5, 0.2, 1.3, value=stats.t.logpdf(T_SAMPLE, 3.5, 0.2, 1.3).sum()),
    ),
    case(
        *(statistics.gaussian_mixture, [0.3, -0.2], [-1.0, 1.5], [0.1, -0.4], T_SAMPLE),
        wrt=(0, 1, 2, 3),
        known=(
            at([0], [0.5], [math.log(2)], T_SAMPLE, value=stats.norm.logpdf(T_SAMPLE, 0.5, 2).sum()),
            at([0, 0], [0, 0], [0, 0], T_SAMPLE, value=stats.norm.logpdf(T_SAMPLE).sum()),
        ),
    ),
    case(
        *(statistics.logistic_regression, W2, DESIGN, SIGNS),
        wrt=(0, 1),
        known=at([0, 0], DESIGN, SIGNS, value=math.log(2)),
    ),
    case(
        *(statistics.multinomial_logit, RNG.normal(size=(2, 3)), DESIGN, LABELS),
        known=at(np.zeros((2, 3)), DESIGN, LABELS, value=-5 * math.log(3)),
    ),
    case(
        *(statistics.poisson_glm, W2, DESIGN, COUNTS),
        known=at(W2, DESIGN, COUNTS, value=stats.poisson.logpmf(COUNTS, np.exp(DESIGN @ W2)).sum()),
    ),
    case(
        *(statistics.negative_binomial, W2, 0.6, DESIGN, COUNTS),
        wrt=(0, 1),
        known=at(
            *(W2, 0.6, DESIGN, COUNTS),
            value=stats.nbinom.logpmf(COUNTS, 1 / 0.6, 1 / (1 + 0.6 * np.exp(DESIGN @ W2))).sum(),
        ),
    ),
    case(
        *(statistics.cox_partial_likelihood, W2, DESIGN, TIMES, SEEN),
        wrt=(0, 1),
        known=at([0, 0], DESIGN, TIMES, [1] * 5, value=-math.log(120)),
    ),
    case(
        *(statistics.weibull_censored, 0.8, 1.7, TIMES, SEEN),
        wrt=(0, 1, 2),
        known=(
            at(0.8, 1.7, TIMES, [1] * 5, value=stats.weibull_min.logpdf(TIMES, 1.7, scale=math.exp(0.8)).sum()),
            at(0.8, 1.7, TIMES, [0] * 5, value=stats.weibull_min.logsf(TIMES, 1.7, scale=math.exp(0.8)).sum()),
        ),
    ),
    case(
        *(statistics.von_mises, 0.4, 2.1, T_SAMPLE),
        wrt=(0, 1, 2),
        known=at(0.4, 2.1, T_SAMPLE, value=stats.vonmises.logpdf(T_SAMPLE, 2.1, loc=0.4).sum()),
    ),
    case(
        *(statistics.kalman_local_trend, [-1.0, -2.0, -3.0], SERIES),
        wrt=(0, 1),
        known=at([-1, -2, -3], SERIES, value=trend_log_density(np.array([-1, -2, -3]), SERIES)),
    ),
    case(
        *(statistics.hidden_markov, *CHAIN, np.array([0, 2, 1])),
        wrt=(0, 1, 2),
        # two paths of one step: 0.6·0.5·(0.7·0.4 + 0.3·0.3) + 0.4·0.1·(0.4·0.4 + 0.6·0.3)
        known=at(*CHAIN, np.array([0, 1]), value=math.log(0.3 * 0.37 + 0.04 * 0.34)),
    ),
    case(
        *(statistics.huber, 0.1, T_SAMPLE, 1.345),
        wrt=(0, 1, 2),
        known=at(0.0, [0.5, -3], 1.0, value=0.125 + 2.5),
    ),
    case(
        *(statistics.quantile_regression, W2, DESIGN, COUNTS, 0.3),
        wrt=(0, 1, 2, 3),
        known=at([0, 0], np.zeros((2, 2)), [4, -4], 0.25, value=4 * 0.25 + 4 * 0.75),
    ),
    case(
        *(statistics.bradley_terry, [0.3, -0.1, 0.6], np.array([0, 2, 2, 1]), np.array([1, 0, 1, 0])),
        known=at([math.log(3), 0], np.array([0, 1]), np.array([1, 0]), value=math.log(3 / 4) + math.log(1 / 4)),
    ),
    case(
        *(statistics.box_cox, 0.4, POSITIVE),
        wrt=(0, 1),
        known=at(0.4, POSITIVE, value=stats.boxcox_llf(0.4, POSITIVE)),
    ),
    case(
        *(statistics.ornstein_uhlenbeck, 0.7, 0.2, 1.1, T_SAMPLE),
        wrt=(0, 1, 2, 3),
        known=at(
            *(math.log(2), 0.0, math.sqrt(2 * math.log(2)), [1.0, 0.5]),  # halves in a step; variance 3/4
            value=-0.5 * math.log(2 * math.pi * 0.75),
        ),
    ),
    case(
        *(statistics.pairwise_kernel_mean, RNG.normal(size=(3, 2)), RNG.normal(size=(2, 2)), 1.1),
        wrt=(0, 1, 2),
        known=at([[0, 0]], [[1, 1]], 1.0, value=2 - 2 * math.exp(-1)),
    ),
    case(
        *(statistics.gaussian_process, [0.2, -0.1, -1.0], T_SAMPLE[:3], [0.5, -0.8, 1.0]),
        wrt=(0, 1, 2),
        known=at([-40, 0, 0], T_SAMPLE, [0.5, -0.8, 1, 0.2], value=stats.norm.logpdf([0.5, -0.8, 1, 0.2]).sum()),
    ),
    case(
        *(statistics.multivariate_normal, [0.3, -0.2], [[1.1, 0.2], [-0.4, 0.7]], DESIGN),
        wrt=(0, 1),
        known=at([0.3, -0.2], [[2], [1]], DESIGN, value=JOINT.logpdf(DESIGN).sum()),
    ),
    case(
        *(statistics.generalized_cross_validation, -1.0, DESIGN, COUNTS),
        wrt=(0, 2),
        # one column of ones: the fit is a mean shrunk by 1 / (1 + ridge)
        known=at(0.0, np.ones((2, 1)), [1, 3], value=(0 + 4) / 2 / (1 - 1 / 4) ** 2),
    ),
    case(
        *(statistics.fisher_discriminant, DESIGN[:3], DESIGN[3:] + 1),
        wrt=(0, 1),
        known=at([[0, 1], [0, -1], [1, 0], [-1, 0]], [[4, 1], [4, -1], [5, 0], [3, 0]], value=[-1, 0]),
    ),
]
