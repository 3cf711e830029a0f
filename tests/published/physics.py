"""Energies, equations of state, fields and rates of physics and physiology."""

import numpy as np

PLANCK, LIGHT, BOLTZMANN = 6.62607015e-34, 299792458.0, 1.380649e-23  # exact since the SI of 2019


def double_pendulum(state, masses, lengths):
    """Landau, Lifshitz: Mechanics, 1960, section 5, problem 1: energy, for angles and their rates (g = 9.81)."""
    a, b, va, vb = state
    m1, m2 = masses
    l1, l2 = lengths
    kinetic = 0.5 * (m1 + m2) * (l1 * va) ** 2 + 0.5 * m2 * (l2 * vb) ** 2
    kinetic = kinetic + m2 * l1 * l2 * va * vb * np.cos(a - b)
    return kinetic - 9.81 * ((m1 + m2) * l1 * np.cos(a) + m2 * l2 * np.cos(b))


def lennard_jones(positions, depth, diameter):
    """Jones: On the determination of molecular fields II, 1924: the energy of a cluster, with exponents 12 and 6."""
    i, j = np.triu_indices(len(positions), 1)
    distance = np.linalg.norm(positions[i] - positions[j], axis=1)
    ratio = (diameter / distance) ** 6
    return 4 * depth * np.sum(ratio**2 - ratio)


def morse(distance, depth, stiffness, rest):
    """Morse: Diatomic molecules according to the wave mechanics II, 1929, equation 4."""
    return depth * (np.exp(-2 * stiffness * (distance - rest)) - 2 * np.exp(-stiffness * (distance - rest)))


def stillinger_weber_pair(r, A, B, p, q, a):
    """Stillinger, Weber: Computer simulation of local order in condensed phases of silicon, 1985, equation 2.3."""
    inside = r < a
    gap = np.where(inside, r - a, -a)
    return np.sum(np.where(inside, A * (B * r**-p - r**-q) * np.exp(1 / gap), 0.0))


def kepler_anomaly(mean, eccentricity):
    """Kepler: Astronomia nova, 1609 (E - e sin E = M), by ten steps of Newton's method."""
    anomaly = mean + eccentricity * np.sin(mean)
    for _ in range(10):
        excess = anomaly - eccentricity * np.sin(anomaly) - mean
        anomaly = anomaly - excess / (1 - eccentricity * np.cos(anomaly))
    return anomaly


def kepler_energy(positions, velocities, masses):
    """Newton: Principia, 1687: the energy of gravitating bodies (G = 1)."""
    kinetic = 0.5 * np.einsum("i,ij,ij->", masses, velocities, velocities)
    gap = positions[:, None, :] - positions[None, :, :]
    i, j = np.triu_indices(len(masses), k=1)
    distance = np.sqrt(np.sum(gap[i, j] ** 2, axis=-1))
    return kinetic - np.sum(masses[i] * masses[j] / distance)


def van_der_waals(volume, temperature, a, b):
    """Van der Waals: Over de continuiteit van den gas- en vloeistoftoestand, 1873: the pressure of a mole (R = 1)."""
    return temperature / (volume - b) - a / volume**2


def redlich_kwong(volume, temperature, a, b):
    """Redlich, Kwong: On the thermodynamics of solutions V, 1949 (R = 1)."""
    return temperature / (volume - b) - a / (np.sqrt(temperature) * volume * (volume + b))


def planck_law(wavelength, temperature):
    """Planck: Ueber das Gesetz der Energieverteilung im Normalspectrum, 1901: spectral radiance per wavelength."""
    ratio = PLANCK * LIGHT / (wavelength * BOLTZMANN * temperature)
    return 2 * PLANCK * LIGHT**2 / wavelength**5 / np.expm1(ratio)


def relativistic_energy(momentum, mass):
    """Einstein: Zur Elektrodynamik bewegter Körper, 1905: kinetic energy from momentum (c = 1), without cancellation."""
    square = np.dot(momentum, momentum)
    return square / (np.sqrt(square + mass**2) + mass)


def velocity_addition(u, v):
    """Einstein: Zur Elektrodynamik bewegter Körper, 1905, section 5: v seen from a frame that moves with u (c = 1)."""
    gamma = 1 / np.sqrt(1 - np.dot(u, u))
    along = np.dot(u, v)
    return (v / gamma + u + gamma / (1 + gamma) * along * u) / (1 + along)


def compton(energy, angle):
    """Compton: A quantum theory of the scattering of X-rays by light elements, 1923 (m c² = 1)."""
    return energy / (1 + energy * (1 - np.cos(angle)))


def schwarzschild_potential(radius, momentum):
    """Schwarzschild: Über das Gravitationsfeld eines Massenpunktes, 1916: effective potential (G = c = M = 1)."""
    return (1 - 2 / radius) * (1 + (momentum / radius) ** 2)


def henon_heiles(state):
    """Hénon, Heiles: The applicability of the third integral of motion, 1964, equation 11: the energy."""
    x, y, px, py = state
    return 0.5 * (px**2 + py**2) + 0.5 * (x**2 + y**2 + 2 * x**2 * y - 2 / 3 * y**3)


def lorenz(state, sigma, rho, beta):
    """Lorenz: Deterministic nonperiodic flow, 1963, equations 25 to 27."""
    x, y, z = state
    return np.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz_96(x, forcing):
    """Lorenz: Predictability, a problem partly solved, 1996, equation 1."""
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + forcing


def xy_model(angles):
    """Kosterlitz, Thouless: Ordering, metastability and phase transitions, 1973: energy on a torus (J = 1)."""
    return -np.sum(np.cos(angles - np.roll(angles, 1, axis=0)) + np.cos(angles - np.roll(angles, 1, axis=1)))


def hodgkin_huxley(state, current):
    """Hodgkin, Huxley: A quantitative description of membrane current, 1952: rates of the state in their summary."""
    v, n, m, h = state
    alpha_n = 0.01 * (10 - v) / np.expm1((10 - v) / 10)
    alpha_m = 0.1 * (25 - v) / np.expm1((25 - v) / 10)
    alpha_h = 0.07 * np.exp(-v / 20)
    beta_n, beta_m = 0.125 * np.exp(-v / 80), 4 * np.exp(-v / 18)
    beta_h = 1 / (np.exp((30 - v) / 10) + 1)
    ionic = 120 * m**3 * h * (v - 115) + 36 * n**4 * (v + 12) + 0.3 * (v - 10.613)
    rates = [alpha_n * (1 - n) - beta_n * n, alpha_m * (1 - m) - beta_m * m, alpha_h * (1 - h) - beta_h * h]
    return np.stack([current - ionic, *rates])


def debye_heat(ratio):
    """Debye: Zur Theorie der spezifischen Wärmen, 1912: heat capacity over 3 N k, for theta / T."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    x = 0.5 * ratio * (nodes + 1)
    return 3 / ratio**3 * np.sum(0.5 * ratio * weights * x**4 * np.exp(x) / np.expm1(x) ** 2)


def pendulum_period(amplitude):
    """Gauss: Determinatio attractionis, 1818: the period over that of small swings, by the arithmetic-geometric mean."""
    a, g = 1.0, np.cos(amplitude / 2)
    for _ in range(5):
        a, g = (a + g) / 2, np.sqrt(a * g)
    return 1 / a


def fresnel_reflectance(angle, n1, n2):
    """Fresnel: Mémoire sur la loi des modifications que la réflexion imprime à la lumière polarisée, 1823."""
    inside = np.cos(np.arcsin(n1 / n2 * np.sin(angle)))
    outside = np.cos(angle)
    across = (n1 * outside - n2 * inside) / (n1 * outside + n2 * inside)
    along = (n1 * inside - n2 * outside) / (n1 * inside + n2 * outside)
    return (across**2 + along**2) / 2
