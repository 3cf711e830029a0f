"""Finance: printed prices, limits, martingales."""

from __future__ import annotations

import math

import scipy.stats

from published import finance
from published.cases.case import at, case

N = scipy.stats.norm.cdf
MARKET = (42.0, 40.0, 0.1, 0.2, 0.5)  # Hull: Options, futures, and other derivatives, example of the formula
FINANCE = [
    case(
        *(finance.normal_distribution, [-8.0, -1.3, 0.4, 7.5]),
        known=at([-8, -1.3, 0.4, 7.5], value=N([-8, -1.3, 0.4, 7.5]), rtol=1e-12),
    ),
    case(
        *(finance.black_scholes, *MARKET),
        wrt=(0, 1, 2, 3, 4),
        known=(
            at(*MARKET, value=4.76, rtol=2e-3),
            at(100.0, 100.0, 0.0, 0.2, 1.0, value=100 * (2 * N(0.1) - 1), rtol=1e-12),
        ),
    ),
    case(
        *(finance.black_76, 20.0, 20.0, 0.09, 0.25, 1 / 3),
        wrt=(0, 1, 2, 3, 4),
        known=at(20.0, 20.0, 0.09, 0.25, 1 / 3, value=1.12, rtol=5e-3),  # Hull, options on futures
    ),
    case(
        *(finance.bachelier, 1.02, 1.0, 0.08, 0.7),
        wrt=(0, 1, 2, 3),
        known=at(1.0, 1.0, 0.5, 4.0, value=1 / math.sqrt(2 * math.pi)),
    ),
    case(
        *(finance.margrabe, 1.1, 1.0, [0.2, 0.3], 0.4, 0.8),
        wrt=(0, 1, 2, 3, 4),
        known=at(1.0, 1.0, [0.3, 0.4], 0.0, 1.0, value=2 * N(0.25) - 1, rtol=1e-12),
    ),
    case(
        *(finance.kemna_vorst, *MARKET),
        wrt=(0, 1, 2, 3, 4),
        # a forward of log-mean (r - σ²/2) T / 2 and variance σ² T / 3, at the money of its median
        known=at(
            *(1.0, math.exp(0.01), 0.04, 0.2, 1.0),
            value=math.exp(-0.04) * (math.exp(0.01 + 0.02 / 3) * N(0.2 / math.sqrt(3)) - math.exp(0.01) * 0.5),
            rtol=1e-12,
        ),
    ),
    case(
        *(finance.merton_jumps, *MARKET, 0.8, -0.1, 0.25),
        wrt=(3, 5),
        known=(
            at(*MARKET, 0.0, -0.1, 0.25, value=finance.black_scholes(*MARKET)),
            at(42.0, 1e-9, 0.1, 0.2, 0.5, 0.8, -0.1, 0.25, value=42, rtol=1e-7),
        ),
    ),
    case(
        *(finance.sabr, 0.05, [0.03, 0.05, 0.07], 1.5, 0.08, 0.6, -0.3, 0.5),
        wrt=(0, 2, 3, 4, 5, 6),
        # β = 1, ν = 0: constant volatility
        known=at(0.05, [0.03, 0.05, 0.07], 1.5, 0.2, 1.0, 0.0, 1e-9, value=[0.2] * 3, rtol=1e-8),
    ),
    case(
        *(finance.svi, [-0.3, 0.1, 0.4], 0.04, 0.3, -0.4, 0.05, 0.2),
        wrt=(0, 1, 2, 3, 4, 5),
        known=at([0.05], 0.04, 0.3, -0.4, 0.05, 0.2, value=[0.04 + 0.3 * 0.2]),
    ),
    case(
        *(finance.heston_moment, 0.5, 1.2, 0.03, 0.8, 0.05, 1.5, 0.06, 0.4, -0.6),
        wrt=(0, 1, 2, 3, 4, 5, 6, 7, 8),
        known=(
            # the discounted price is a martingale
            at(1.0, 1.2, 0.03, 0.8, 0.05, 1.5, 0.06, 0.4, -0.6, value=1.2 * math.exp(0.03 * 0.8)),
            at(0.0, 1.2, 0.03, 0.8, 0.05, 1.5, 0.06, 0.4, -0.6, value=1),
        ),
    ),
    case(
        *(finance.nelson_siegel_svensson, [0.5, 2.0, 7.0], [0.04, -0.02, 0.01, 0.015], [1.3, 4.5]),
        wrt=(0, 1, 2),
        known=(
            at([1e-6], [0.04, -0.02, 0.01, 0.015], [1.3, 4.5], value=[0.02], rtol=1e-5),
            at([1e9], [0.04, -0.02, 0.01, 0.015], [1.3, 4.5], value=[0.04], rtol=1e-7),
        ),
    ),
    case(
        *(finance.vasicek_bond, 0.05, 3.0, 0.4, 0.06, 0.02),
        wrt=(0, 1, 2, 3, 4),
        known=(
            at(0.06, 3.0, 0.4, 0.06, 0.0, value=math.exp(-0.18)),
            at(0.05, 0.0, 0.4, 0.06, 0.02, value=1),
        ),
    ),
    case(
        *(finance.cox_ingersoll_ross_bond, 0.05, 3.0, 0.4, 0.06, 0.1),
        wrt=(0, 1, 2, 3, 4),
        known=(
            at(0.06, 3.0, 0.4, 0.06, 1e-4, value=math.exp(-0.18), rtol=1e-8),
            at(0.05, 0.0, 0.4, 0.06, 0.1, value=1),
        ),
    ),
    case(
        *(finance.binomial_american_put, 42.0, 40.0, 0.1, 0.2, 0.5),
        wrt=(0, 1, 2, 3, 4),
        known=at(10.0, 40.0, 0.1, 0.2, 0.5, value=30),  # deep in the money it is exercised at once
    ),
    case(
        *(finance.garch, 0.1, 0.2, 0.6, [0.3, -1.1, 0.6, 0.2]),
        wrt=(0, 1, 2, 3),
        known=at(0.5, 0.0, 0.5, [1, -1, 0], value=-0.5 * (3 * math.log(2 * math.pi) + 2)),
    ),
    case(
        *(finance.bond_duration, 0.06, 0.05, [1.0, 2.0, 3.0, 4.0]),
        wrt=(0, 1),
        known=(
            at(0.06, 0.0, [1, 2, 3], value=3),
            at(0.1, 0.1, [1, 2], value=(1 / 1.1) * 0.1 + 2 * 1.1 / 1.21),
        ),
    ),
    case(
        *(finance.minimum_variance, [[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]]),
        known=at([[1, 0], [0, 3]], value=[0.75, 0.25]),
    ),
    case(
        *(finance.black_litterman, [[0.04, 0.01], [0.01, 0.09]], [0.05, 0.08], [[1.0, -1.0]], [0.02], [0.003], 0.1),
        wrt=(0, 1, 2, 3, 4, 5),
        known=at([[1, 0], [0, 1]], [0.02, 0.04], [[1, 0]], [0.06], [0.5], 0.5, value=[0.04, 0.04]),
    ),
]
