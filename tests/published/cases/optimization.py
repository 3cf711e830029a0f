"""The test problems: standard starting points, minimisers and minima as the paper prints them."""

from __future__ import annotations

import numpy as np

import published.optimization as o
from published.cases.case import at, mgh


def grid(n: int) -> np.ndarray:
    """The points i / (n + 1)."""
    return np.arange(1, n + 1) / (n + 1)


OPTIMIZATION = [
    mgh(o.rosenbrock, [-1.2, 1.0], 0, at([1, 1], value=[0, 0]), as_imported=False),
    mgh(o.freudenstein_roth, [0.5, -2.0], (48.9842, 0), at([5, 4], value=[0, 0]), as_imported=False),
    mgh(o.powell_badly_scaled, [0.0, 1.0], 0, at([1.098e-5, 9.106], value=[0, 0], atol=2e-4), as_imported=False),
    mgh(o.brown_badly_scaled, [1.0, 1.0], 0, at([1e6, 2e-6], value=[0, 0, 0]), as_imported=False),
    mgh(o.beale, [1.0, 1.0], 0, at([3, 0.5], value=[0, 0, 0])),
    mgh(o.jennrich_sampson, [0.3, 0.4], 124.362, at([0, 0], value=2.0 * np.arange(1, 11))),
    mgh(o.helical_valley, [-1.0, 0.0, 0.0], 0, at([1, 0, 0], value=[0, 0, 0]), as_imported=False),
    mgh(o.bard, [1.0, 1.0, 1.0], 8.21487e-3),
    mgh(o.gaussian, [0.4, 1.0, 0.0], 1.12793e-8),
    mgh(o.meyer, [0.02, 4000.0, 250.0], 87.9458),
    mgh(o.gulf, [5.0, 2.5, 0.15], 0, at([50, 25, 1.5], value=np.zeros(20))),
    mgh(o.box, [0.0, 10.0, 20.0], 0, (at([1, 10, 1], value=np.zeros(10)), at([10, 1, -1], value=np.zeros(10)))),
    mgh(o.powell_singular, [3.0, -1.0, 0.0, 1.0], 0, at([0] * 4, value=[0] * 4), as_imported=False),
    mgh(o.wood, [-3.0, -1.0, -3.0, -1.0], 0, at([1] * 4, value=[0] * 6), as_imported=False),
    mgh(o.kowalik_osborne, [0.25, 0.39, 0.415, 0.39], 3.07505e-4),
    mgh(o.brown_dennis, [25.0, 5.0, -5.0, -1.0], 85822.2),
    mgh(o.osborne_1, [0.5, 1.5, -1.0, 0.01, 0.02], 5.46489e-5),
    mgh(o.biggs_exp6, [1.0, 2.0, 1.0, 1.0, 1.0, 1.0], (5.65565e-3, 0), at([1, 10, 1, 5, 4, 3], value=np.zeros(13))),
    mgh(o.osborne_2, [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], 4.01377e-2),
    mgh(o.watson, [0.0] * 6, 2.28767e-3, at([0] * 6, value=[-1] * 29 + [0, -1])),
    mgh(o.extended_rosenbrock, [-1.2, 1.0] * 3, 0, at([1] * 6, value=[0] * 6)),
    mgh(o.extended_powell_singular, [3.0, -1.0, 0.0, 1.0] * 2, 0, at([0] * 8, value=[0] * 8)),
    mgh(o.penalty_1, [1.0, 2.0, 3.0, 4.0], 2.24997e-5),
    mgh(o.penalty_2, [0.5] * 4, 9.37629e-6),
    mgh(o.variably_dimensioned, list(1 - np.arange(1, 5) / 4), 0, at([1] * 4, value=[0] * 6)),
    mgh(o.trigonometric, [0.2] * 5, 0, at([0] * 5, value=[0] * 5)),
    mgh(o.brown_almost_linear, [0.5] * 5, 0, at([1] * 5, value=[0] * 5)),
    mgh(o.discrete_boundary_value, list(grid(5) * (grid(5) - 1)), 0),
    mgh(o.discrete_integral_equation, list(grid(5) * (grid(5) - 1)), 0),
    mgh(o.broyden_tridiagonal, [-1.0] * 5, 0),
    mgh(o.broyden_banded, [-1.0] * 7, 0),
    mgh(o.linear_full_rank, [1.0] * 4, 3.0, at([-1] * 4, value=[-2 + 8 / 7 + 0] * 4 + [8 / 7 - 1] * 3)),
    mgh(o.linear_rank_1, [1.0] * 4, 7 * 6 / (2 * 15)),
    mgh(o.linear_rank_1_with_zeros, [1.0] * 4, (49 + 21 - 6) / (2 * 11)),
    mgh(o.chebyquad, list(grid(8)), 3.51687e-3),
]
