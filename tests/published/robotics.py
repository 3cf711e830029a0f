"""Kinematics, dynamics, camera models and curves of robotics."""

import numpy as np


def denavit_hartenberg(joints, twists, lengths, offsets):
    """Denavit, Hartenberg: A kinematic notation for lower-pair mechanisms, 1955: pose of the last link."""
    pose = np.eye(4)
    for theta, alpha, a, d in zip(joints, twists, lengths, offsets, strict=True):
        ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        link = np.array(
            [
                [ct, -st * ca, st * sa, a * ct],
                [st, ct * ca, -ct * sa, a * st],
                [0, sa, ca, d],
                [0, 0, 0, 1],
            ]
        )
        pose = pose @ link
    return pose


def roll_pitch_yaw(angles):
    """Craig: Introduction to robotics, 1989: rotation about fixed axes x, y, z."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles), np.sin(angles)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def quaternion_rotation(q, v):
    """Hamilton: On quaternions, 1844: q v q*, for a quaternion (w, x, y, z) that is normalised first."""
    q = q / np.linalg.norm(q)
    w, u = q[0], q[1:]
    return v + 2 * np.cross(u, w * v + np.cross(u, v))


def quaternion_product(p, q):
    """Hamilton: On quaternions, 1844: the product of quaternions (w, x, y, z)."""
    scalar = p[0] * q[0] - np.dot(p[1:], q[1:])
    return np.hstack([scalar, p[0] * q[1:] + q[0] * p[1:] + np.cross(p[1:], q[1:])])


def slerp(p, q, t):
    """Shoemake: Animating rotation with quaternion curves, 1985."""
    angle = np.arccos(np.dot(p, q))
    return (np.sin((1 - t) * angle) * p + np.sin(t * angle) * q) / np.sin(angle)


def skew(w):
    return np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])


def rodrigues(w):
    """Rodrigues: Des lois géométriques qui régissent les déplacements d'un système solide, 1840: rotation matrix."""
    square = np.sum(w**2)
    small = square < 1e-12
    angle = np.sqrt(np.where(small, 1.0, square))
    first = np.where(small, 1 - square / 6, np.sin(angle) / angle)
    second = np.where(small, 0.5 - square / 24, (1 - np.cos(angle)) / angle**2)
    W = skew(w)
    return np.eye(3) + first * W + second * (W @ W)


def rigid_body_exponential(twist):
    """Murray, Li, Sastry: A mathematical introduction to robotic manipulation, 1994, equation 2.36: a 4 x 4 pose."""
    v, w = twist[:3], twist[3:]
    angle = np.linalg.norm(w)
    W = skew(w)
    R = np.eye(3) + np.sin(angle) / angle * W + (1 - np.cos(angle)) / angle**2 * W @ W
    V = np.eye(3) + (1 - np.cos(angle)) / angle**2 * W + (angle - np.sin(angle)) / angle**3 * W @ W
    return np.vstack([np.column_stack([R, V @ v]), [0, 0, 0, 1]])


def pinhole(point, rotation, translation, focal, centre, distortion):
    """Brown: Close-range camera calibration, 1971: pixel of a point, with radial and tangential distortion."""
    angle = np.sqrt(np.sum(rotation**2))
    axis = rotation / angle
    turned = point * np.cos(angle) + np.cross(axis, point) * np.sin(angle)
    turned = turned + axis * np.dot(axis, point) * (1 - np.cos(angle)) + translation
    x, y = turned[0] / turned[2], turned[1] / turned[2]
    k1, k2, p1, p2, k3 = distortion
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    v = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return focal * np.stack([u, v]) + centre


def fisheye(point, focal, coefficients):
    """Kannala, Brandt: A generic camera model and calibration method, 2006, equation 6."""
    radius = np.hypot(point[0], point[1])
    theta = np.arctan2(radius, point[2])
    distorted = theta * (1 + np.sum(coefficients * theta ** (2 * np.arange(1, 5))))
    return focal * distorted * point[:2] / radius


def planar_arm_dynamics(q, rates, accelerations, masses, lengths):
    """Spong, Vidyasagar: Robot dynamics and control, 1989, chapter 6: torques of two links with masses at the tips."""
    m1, m2 = masses
    l1, l2 = lengths
    c2, s2 = np.cos(q[1]), np.sin(q[1])
    d11 = (m1 + m2) * l1**2 + m2 * l2**2 + 2 * m2 * l1 * l2 * c2
    d12 = m2 * l2**2 + m2 * l1 * l2 * c2
    d22 = m2 * l2**2
    h = m2 * l1 * l2 * s2
    far = m2 * l2 * 9.81 * np.cos(q[0] + q[1])
    near = (m1 + m2) * l1 * 9.81 * np.cos(q[0]) + far
    first = d11 * accelerations[0] + d12 * accelerations[1] - h * (2 * rates[0] * rates[1] + rates[1] ** 2) + near
    second = d12 * accelerations[0] + d22 * accelerations[1] + h * rates[0] ** 2 + far
    return np.array([first, second])


def cart_pole(state, force):
    """Barto, Sutton, Anderson: Neuronlike adaptive elements, 1983: rates of the state, without friction."""
    _, speed, angle, rate = state
    total, length, pole = 1.1, 0.5, 0.1
    push = (force + pole * length * rate**2 * np.sin(angle)) / total
    turn = 9.8 * np.sin(angle) - np.cos(angle) * push
    turn = turn / (length * (4 / 3 - pole * np.cos(angle) ** 2 / total))
    return np.stack([speed, push - pole * length * turn * np.cos(angle) / total, rate, turn])


def stewart_platform(translation, angles, base, platform):
    """Stewart: A platform with six degrees of freedom, 1965: lengths of the legs."""
    corners = platform @ roll_pitch_yaw(angles).T + translation
    return np.linalg.norm(corners - base, axis=1)


def magic_formula(slip, stiffness, shape, peak, curvature):
    """Bakker, Nyborg, Pacejka: Tyre modelling for use in vehicle dynamics studies, 1987: force of a tyre."""
    scaled = stiffness * slip
    return peak * np.sin(shape * np.arctan(scaled - curvature * (scaled - np.arctan(scaled))))


def manipulability(joints, lengths):
    """Yoshikawa: Manipulability of robotic mechanisms, 1985: of a planar arm."""
    direction = np.cumsum(joints)
    x, y = lengths * np.cos(direction), lengths * np.sin(direction)
    columns = np.stack([-np.cumsum(y[::-1])[::-1], np.cumsum(x[::-1])[::-1]])
    product = columns @ columns.T
    return np.sqrt(product[0, 0] * product[1, 1] - product[0, 1] * product[1, 0])


def minimum_jerk(times, start, end, duration):
    """Flash, Hogan: The coordination of arm movements, 1985."""
    s = times / duration
    return start + (end - start) * (10 * s**3 - 15 * s**4 + 6 * s**5)[:, None]


def de_casteljau(points, t):
    """De Casteljau: Courbes et surfaces à pôles, 1963: a point of a Bézier curve."""
    while len(points) > 1:
        points = (1 - t) * points[:-1] + t * points[1:]
    return points[0]


def damped_least_squares(joints, lengths, target, damping):
    """Wampler: Manipulator inverse kinematic solutions based on damped least-squares methods, 1986: a step."""
    direction = np.cumsum(joints)
    x, y = lengths * np.cos(direction), lengths * np.sin(direction)
    J = np.stack([-np.cumsum(y[::-1])[::-1], np.cumsum(x[::-1])[::-1]])
    error = target - np.stack([x.sum(), y.sum()])
    return J.T @ np.linalg.solve(J @ J.T + damping**2 * np.eye(2), error)


def euler_rotation(inertia, rate, torque):
    """Euler: Du mouvement de rotation des corps solides autour d'un axe variable, 1765: change of the angular rate."""
    return np.linalg.solve(inertia, torque - np.cross(rate, inertia @ rate))
