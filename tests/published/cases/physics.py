"""Physics: equilibria, critical points, limits."""

from __future__ import annotations

import math

import numpy as np
import scipy.special

from published import physics
from published.cases.case import at, case

RNG = np.random.default_rng(1924)
DIMER = [[0.0, 0.0, 0.0], [2 ** (1 / 6), 0.0, 0.0]]
TRIMER = [*DIMER, [2 ** (1 / 6) / 2, 2 ** (1 / 6) * math.sqrt(3) / 2, 0.0]]
WIEN = physics.PLANCK * physics.LIGHT / (physics.BOLTZMANN * 1e-6 * 5000)
PHYSICS = [
    case(
        *(physics.double_pendulum, [0.7, -0.4, 1.1, 0.6], [1.0, 2.0], [0.5, 0.8]),
        wrt=(0, 1, 2),
        known=at([0, 0, 0, 0], [1, 2], [0.5, 0.8], value=-9.81 * (3 * 0.5 + 2 * 0.8)),
    ),
    case(
        *(physics.lennard_jones, RNG.normal(size=(3, 3)) + 2 * np.eye(3), 0.7, 1.1),
        wrt=(0, 1, 2),
        known=(at(DIMER, 1.0, 1.0, value=-1), at(TRIMER, 1.0, 1.0, value=-3)),
    ),
    case(physics.morse, 1.3, 4.7, 1.9, 0.74, wrt=(0, 1, 2, 3), known=at(0.74, 4.7, 1.9, 0.74, value=-4.7)),
    case(
        *(physics.stillinger_weber_pair, [0.9, 1.3, 2.1], 7.049556277, 0.6022245584, 4.0, 0.0, 1.8),
        wrt=(0, 1, 2),
        known=at([2 ** (1 / 6)], 7.049556277, 0.6022245584, 4.0, 0.0, 1.8, value=-1, rtol=1e-9),
    ),
    case(
        *(physics.kepler_anomaly, 0.9, 0.4),
        wrt=(0, 1),
        # Meeus: Astronomical algorithms, 1991, example 30.a
        known=at(math.radians(5), 0.1, value=math.radians(5.554589), rtol=1e-7),
    ),
    case(
        *(physics.kepler_energy, RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), [1.0, 0.3, 0.2]),
        wrt=(0, 1, 2),
        known=at([[0, 0], [2, 0]], [[0, 0], [0, 1]], [3, 1], value=0.5 - 1.5),
    ),
    case(
        *(physics.van_der_waals, 4.0, 1.2, 1.5, 0.3),
        wrt=(0, 1, 2, 3),
        known=at(0.9, 8 * 1.5 / (27 * 0.3), 1.5, 0.3, value=1.5 / (27 * 0.09)),  # the critical point
    ),
    case(
        *(physics.redlich_kwong, 4.0, 1.2, 1.5, 0.3),
        wrt=(0, 1, 2, 3),
        known=at(2.0, 4.0, 3.0, 1.0, value=4 - 3 / (2 * 6)),
    ),
    case(
        *(physics.planck_law, 5e-7, 5800.0),
        wrt=(0, 1),
        known=at(1e-6, 5000.0, value=2 * physics.PLANCK * physics.LIGHT**2 * 1e30 / (math.exp(WIEN) - 1)),
    ),
    case(physics.relativistic_energy, [0.3, -0.5, 0.2], 0.9, wrt=(0, 1), known=at([3, 0, 0], 4.0, value=1)),
    case(
        *(physics.velocity_addition, [0.3, -0.2, 0.4], [0.1, 0.5, -0.3]),
        wrt=(0, 1),
        known=(
            at([0.5, 0, 0], [0.5, 0, 0], value=[0.8, 0, 0]),
            at([0.6, 0, 0], [0, 0.5, 0], value=[0.6, 0.4, 0]),
        ),
    ),
    case(physics.compton, 1.3, 0.8, wrt=(0, 1), known=at(1.0, math.pi, value=1 / 3)),
    case(physics.schwarzschild_potential, 5.0, 3.7, wrt=(0, 1), known=at(6.0, math.sqrt(12), value=8 / 9)),
    case(
        *(physics.henon_heiles, [0.1, -0.3, 0.2, 0.4]),
        known=(at([0, 1, 0, 0], value=1 / 6), at([math.sqrt(3) / 2, -0.5, 0, 0], value=1 / 6)),
    ),
    case(
        *(physics.lorenz, [1.0, 2.0, 3.0], 10.0, 28.0, 8 / 3),
        wrt=(0, 1, 2, 3),
        known=at([math.sqrt(72), math.sqrt(72), 27], 10.0, 28.0, 8 / 3, value=[0, 0, 0], atol=1e-13),
    ),
    case(physics.lorenz_96, list(RNG.normal(size=6)), 8.0, wrt=(0, 1), known=at([8] * 6, 8.0, value=[0] * 6)),
    case(physics.xy_model, RNG.normal(size=(3, 4)), known=at([[0.3] * 4] * 3, value=-24)),
    case(
        *(physics.hodgkin_huxley, [12.0, 0.4, 0.1, 0.5], 7.0),
        wrt=(0, 1),
        # at rest every gate is at alpha / (alpha + beta), and the paper's leak potential lets the current nearly vanish
        known=at(
            *([0, 0.3176769140606974, 0.05293248525724958, 0.5961207535084603], 0.0),
            value=[0, 0, 0, 0],
            atol=5e-3,
        ),
    ),
    case(
        *(physics.debye_heat, 1.7),
        known=(at(1.0, value=0.951732, rtol=1e-6), at(1e-2, value=1 - 1e-4 / 20, rtol=1e-9)),
    ),
    case(
        *(physics.pendulum_period, 1.2),
        known=at(math.pi / 2, value=scipy.special.ellipk(0.5) * 2 / math.pi),
    ),
    case(
        *(physics.fresnel_reflectance, 0.6, 1.0, 1.5),
        wrt=(0, 1, 2),
        known=(at(0.0, 1.0, 1.5, value=0.04), at(math.atan(1.5), 1.0, 1.5, value=(5 / 13) ** 2 / 2)),
    ),
]
