"""Signals: transforms of NumPy and SciPy, tones, parabolas, impulses."""

from __future__ import annotations

import math

import numpy as np
import scipy.signal

from published import signals
from published.cases.case import at, case

RNG = np.random.default_rng(1965)
POSITIVE = [0.4, 1.7, 2.9]
SERIES = [0.3, 0.9, 1.1, 1.8, 2.1]
NOISE = list(RNG.normal(size=8))
TONE = 1.5 * np.cos(0.4 * np.arange(6) + 0.2)
SIGNALS = [
    case(
        *(signals.fir_filter, NOISE, [0.2, 0.5, -0.3]),
        wrt=(0, 1),
        known=at([1, 2, 3, 4], [1, 10], value=[12, 23, 34]),
    ),
    case(
        *(signals.fir_by_slices, NOISE, [0.2, 0.5, -0.3]),
        wrt=(0, 1),
        known=at([1, 2, 3, 4], [1, 10], value=[12, 23, 34]),
    ),
    case(
        *(signals.dft_magnitude, NOISE),
        known=(at(NOISE, value=np.abs(np.fft.fft(NOISE)), rtol=1e-12), at([1, 0, 0, 0], value=[1, 1, 1, 1])),
    ),
    case(
        *(signals.goertzel, NOISE, 0.9),
        wrt=(0, 1),
        known=at(NOISE, math.pi / 2, value=np.abs(np.fft.fft(NOISE)[2]) ** 2, rtol=1e-12),
    ),
    case(
        *(signals.dct, NOISE),
        known=at([1, 1, 1, 1], value=[math.sqrt(2), 0, 0, 0]),
    ),
    case(
        *(signals.haar_wavelet, NOISE),
        known=at([4, 2, 5, 5], value=[8, -2, math.sqrt(2), 0]),
    ),
    case(
        *(signals.chirp, [0.1, 0.4, 0.9], 1.2, 0.7, 0.3),
        wrt=(0, 1, 2, 3),
        known=at([0, 1], 0.25, 0.5, 0.0, value=[1, -1]),
    ),
    case(
        *(signals.ricker_wavelet, [0.0, 0.1, 0.25], 2.0, 0.12),
        wrt=(0, 1, 2),
        known=at([0.3, 0.3 + 1 / (2 * math.pi * math.sqrt(2))], 2.0, 0.3, value=[1, 0]),
    ),
    case(
        *(signals.gabor, [0.0, 0.4, 1.1], 0.5, 0.6, 7.0, 0.3),
        wrt=(0, 1, 2, 3, 4),
        known=at([0.5, 1.1], 0.5, 0.6, 0.0, 0.0, value=[1, math.exp(-1)]),
    ),
    case(
        *(signals.savitzky_golay, NOISE),
        known=at([9, 4, 1, 0, 1, 4], value=[1, 0]),  # parabolas stay as they are
    ),
    case(
        *(signals.teager_kaiser, NOISE),
        known=at(TONE, value=[2.25 * math.sin(0.4) ** 2] * 4),  # of A cos(Ωn): A² sin² Ω
    ),
    case(
        *(signals.autocorrelation, NOISE),
        known=at([1, -1, 1, -1], value=[1, -0.75, 0.5]),
    ),
    case(
        *(signals.levinson_durbin, [2.0, 0.9, -0.3, 0.4]),
        known=at([1, 0.5, 0.25, 0.125], value=[0.5, 0, 0]),  # of a process of first order
    ),
    case(
        *(signals.butterworth_gain, [0.5, 1.2, 3.0], 1.1),
        wrt=(0, 1),
        known=at([0, 1.1], 1.1, value=[1, math.sqrt(0.5)]),
    ),
    case(
        *(signals.biquad, NOISE, [0.3, 0.2, -0.1], [-0.5, 0.25]),
        wrt=(0, 1, 2),
        known=at(
            *(NOISE, [0.3, 0.2, -0.1], [-0.5, 0.25]),
            value=scipy.signal.lfilter([0.3, 0.2, -0.1], [1, -0.5, 0.25], NOISE),
        ),
    ),
    case(
        *(signals.holt_smoothing, SERIES, 0.4, 0.3),
        wrt=(0, 1, 2),
        known=(at([1, 3, 5, 7], 0.4, 0.3, value=0), at([0, 0, 2], 1.0, 0.5, value=4)),
    ),
    case(
        *(signals.total_variation, RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3)), 0.8, 0.1),
        wrt=(0, 1, 2, 3),
        known=at([[0, 3], [4, 9]], [[0, 3], [4, 8]], 2.0, 0.0, value=5 + 1),
    ),
    case(
        *(signals.spectral_flatness, POSITIVE),
        known=(at([2, 2, 2], value=1), at([1, 4], value=0.8)),
    ),
    case(
        *(signals.wiener_filter, [2.0, 0.9, -0.3], [1.0, 0.4, 0.2]),
        wrt=(0, 1),
        known=at([1, 0.5, 0.25], [0.5, 0.25, 0.125], value=[0.5, 0, 0]),  # prediction of a process of first order
    ),
    case(
        *(signals.capon_power, [[2.0, 0.5], [0.5, 1.8]], 0.9),
        wrt=(0, 1),
        known=at(4 * np.eye(5), 0.3, value=0.8),  # of white noise: its variance over the number of samples
    ),
]
