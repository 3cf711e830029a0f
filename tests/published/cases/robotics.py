"""Robotics: poses worked by hand, matrix exponentials of SciPy."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

from published import robotics
from published.cases.case import at, case

ARM = ([0.3, -0.7, 1.1], [0.5, -0.2, 0.9], [0.4, 0.3, 0.2], [0.1, 0.6, -0.3])
UNIT = [0.5, 0.5, 0.5, 0.5]
TURNED = [math.cos(0.3), 0.0, math.sin(0.3), 0.0]
TWIST = [0.4, -0.1, 0.7, 0.5, 0.2, -0.6]
W3 = np.array([0.5, 0.2, -0.6])
CORNERS = np.array([[1.0, 0.2, 0.0], [-0.4, 1.1, 0.1], [-0.7, -0.9, 0.3]])
ROBOTICS = [
    case(
        *(robotics.denavit_hartenberg, *ARM),
        wrt=(0, 2),
        known=at(
            *([math.pi / 2, -math.pi / 2], [0, 0], [2, 1], [0.5, 0.25]),
            value=[[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 0.75], [0, 0, 0, 1]],
        ),
        as_imported=False,
    ),
    case(
        *(robotics.roll_pitch_yaw, [0.3, -0.5, 1.2]),
        known=at(
            [0.3, -0.5, 1.2],
            value=scipy.linalg.expm(robotics.skew([0, 0, 1.2]))
            @ scipy.linalg.expm(robotics.skew([0, -0.5, 0]))
            @ scipy.linalg.expm(robotics.skew([0.3, 0, 0])),
        ),
        as_imported=False,
    ),
    case(
        *(robotics.quaternion_rotation, [0.9, 0.1, -0.3, 0.4], [0.3, 1.2, -0.8]),
        wrt=(0, 1),
        known=at(UNIT, [1, 2, 3], value=[3, 1, 2]),
    ),
    case(
        *(robotics.quaternion_product, [0.9, 0.1, -0.3, 0.4], [0.2, -0.6, 0.3, 1.1]),
        wrt=(0, 1),
        known=(at([0, 1, 0, 0], [0, 0, 1, 0], value=[0, 0, 0, 1]), at(UNIT, UNIT, value=[-0.5, 0.5, 0.5, 0.5])),
    ),
    case(
        *(robotics.slerp, UNIT, TURNED, 0.3),
        wrt=(0, 1, 2),
        known=at([1, 0, 0, 0], TURNED, 0.5, value=[math.cos(0.15), 0, math.sin(0.15), 0]),
    ),
    case(
        *(robotics.rodrigues, W3),
        known=(at(W3, value=scipy.linalg.expm(robotics.skew(W3))), at([0, 0, 0], value=np.eye(3))),
        as_imported=False,
    ),
    case(
        *(robotics.rigid_body_exponential, TWIST),
        known=at(
            TWIST,
            value=scipy.linalg.expm(np.vstack([np.column_stack([robotics.skew(TWIST[3:]), TWIST[:3]]), np.zeros(4)])),
        ),
        as_imported=False,
    ),
    case(
        *(robotics.pinhole, [0.3, -0.5, 4.0], [0.1, 0.2, -0.3], [0.2, 0.1, 0.5], 500.0, [320.0, 240.0]),
        [-0.2, 0.05, 1e-3, -2e-3, 0.01],
        wrt=(0, 1, 3, 5),
        known=(
            at([1, 0, 1], [0, 0, math.pi / 2], [0, 0, 1], 100.0, [5, 6], [0] * 5, value=[5, 56]),
            # r² = 1 on the axis: x (1 + k1 + k2 + k3) + 3 p2 and p1
            at(
                *([1, 0, 0], [0, 2 * math.pi, 0], [0, 0, 1], 1.0, [0, 0], [0.1, 0.2, 0.3, 0.4, 0.5]),
                value=[1.8 + 1.2, 0.3],
                rtol=1e-12,
            ),
        ),
    ),
    case(
        *(robotics.fisheye, [0.3, -0.5, 1.2], 300.0, [0.01, -0.002, 3e-4, 1e-5]),
        wrt=(0, 1, 2),
        known=at([3, 4, 5], 4.0, [0, 0, 0, 0], value=[math.pi * 0.6, math.pi * 0.8]),
    ),
    case(
        *(robotics.planar_arm_dynamics, [0.4, -0.9], [0.7, 0.3], [1.1, -0.5], [1.2, 0.8], [0.5, 0.4]),
        wrt=(0, 1, 2, 3, 4),
        known=at(
            *([0, 0], [0, 0], [0, 0], [1.2, 0.8], [0.5, 0.4]),
            value=[9.81 * (1.2 * 0.5 + 0.8 * 0.9), 9.81 * 0.8 * 0.4],
        ),
        as_imported=False,
    ),
    case(
        *(robotics.cart_pole, [0.1, 0.5, 0.2, -0.7], 3.0),
        wrt=(0, 1),
        known=at([0, 0, 0, 0], 1.1, value=[0, 1 + 0.05 / (0.5 * (4 / 3 - 1 / 11)) / 1.1, 0, -1 / (2 / 3 - 0.5 / 11)]),
    ),
    case(
        *(robotics.stewart_platform, [0.1, -0.2, 1.5], [0.1, 0.2, -0.1], CORNERS, 0.6 * CORNERS),
        wrt=(0, 1),
        known=at([0, 0, 2], [0, 0, 0], CORNERS, CORNERS, value=[2, 2, 2]),
        as_imported=False,
    ),
    case(
        *(robotics.magic_formula, 0.06, 10.0, 1.9, 1.1, 0.97),
        wrt=(0, 1, 2, 3, 4),
        known=at(math.tan(math.pi / 4) / 10, 10.0, 2.0, 1.1, 0.0, value=1.1),
    ),
    case(
        *(robotics.manipulability, [0.3, 0.8, -0.4], [0.5, 0.4, 0.3]),
        wrt=(0, 1),
        known=at([0.3, 0.8], [0.5, 0.4], value=0.5 * 0.4 * math.sin(0.8)),
    ),
    case(
        *(robotics.minimum_jerk, [0.1, 0.5, 0.8], [0.0, 1.0], [2.0, -1.0], 1.3),
        wrt=(0, 1, 2, 3),
        known=at([0, 0.5, 1], [0, 1], [2, -1], 1.0, value=[[0, 1], [1, 0], [2, -1]]),
    ),
    case(
        *(robotics.de_casteljau, [[0.0, 0.0], [0.4, 1.0], [1.2, 0.8], [1.5, -0.3]], 0.35),
        wrt=(0, 1),
        known=at([[0, 0], [0, 8], [8, 8], [8, 0]], 0.5, value=[4, 6]),
    ),
    case(
        *(robotics.damped_least_squares, [0.3, 0.8, -0.4], [0.5, 0.4, 0.3], [0.6, 0.7], 0.2),
        wrt=(0, 1, 2, 3),
        known=at([0, math.pi / 2], [1, 1], [1, 2], 0.0, value=[1, -1]),
    ),
    case(
        *(robotics.euler_rotation, np.diag([1.0, 2.0, 3.0]) + 0.1, [0.3, -0.5, 0.7], [0.1, 0.2, -0.3]),
        wrt=(0, 1, 2),
        known=at(np.diag([1.0, 2.0, 3.0]), [1, 1, 1], [0, 0, 0], value=[-1, 1, -1 / 3]),
    ),
]
