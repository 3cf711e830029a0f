"""Filters, transforms, operators and waveforms of signal processing."""

import numpy as np

SAVITZKY_GOLAY = np.array([-3, 12, 17, 12, -3]) / 35


def fir_filter(x, taps):
    """Oppenheim, Schafer: Discrete-time signal processing, 1989: convolution, where signals overlap."""
    return np.convolve(x, taps, mode="valid")


def fir_by_slices(x, taps):
    """Oppenheim, Schafer: Discrete-time signal processing, 1989: convolution as a sum of slices."""
    count = len(x) - len(taps) + 1
    return sum(tap * x[len(taps) - 1 - k : len(taps) - 1 - k + count] for k, tap in enumerate(taps))


def dft_magnitude(x):
    """Cooley, Tukey: An algorithm for the machine calculation of complex Fourier series, 1965, equation 1: magnitudes."""
    n = np.arange(len(x))
    angle = 2 * np.pi * np.outer(n, n) / len(x)
    return np.sqrt((np.cos(angle) @ x) ** 2 + (np.sin(angle) @ x) ** 2)


def goertzel(x, frequency):
    """Goertzel: An algorithm for the evaluation of finite trigonometric series, 1958: power at radians per sample."""
    factor = 2 * np.cos(frequency)
    last, before = 0.0, 0.0
    for sample in x:
        last, before = sample + factor * last - before, last
    return last**2 + before**2 - factor * last * before


def dct(x):
    """Ahmed, Natarajan, Rao: Discrete cosine transform, 1974, equations 1 and 2."""
    k, m = np.arange(len(x))[:, None], np.arange(len(x))
    transformed = 2 / len(x) * np.cos((2 * m + 1) * k * np.pi / (2 * len(x))) @ x
    return np.where(np.arange(len(x)) == 0, transformed / np.sqrt(2), transformed)


def haar_wavelet(x):
    """Haar: Zur Theorie der orthogonalen Funktionensysteme, 1910: the transform of a signal of 2**k samples."""
    details = []
    while len(x) > 1:
        details.insert(0, (x[0::2] - x[1::2]) / np.sqrt(2))
        x = (x[0::2] + x[1::2]) / np.sqrt(2)
    return np.concatenate([x, *details])


def chirp(times, start, rate, decay):
    """Klauder, Price, Darlington, Albersheim: The theory and design of chirp radars, 1960: linear sweep, damped."""
    return np.exp(-decay * times) * np.cos(2 * np.pi * (start * times + rate * times**2 / 2))


def ricker_wavelet(times, frequency, delay):
    """Ricker: The form and laws of propagation of seismic wavelets, 1953."""
    square = (np.pi * frequency * (times - delay)) ** 2
    return (1 - 2 * square) * np.exp(-square)


def gabor(times, centre, width, frequency, phase):
    """Gabor: Theory of communication, 1946: the real part of an elementary signal."""
    return np.exp(-(((times - centre) / width) ** 2)) * np.cos(frequency * (times - centre) + phase)


def savitzky_golay(x):
    """Savitzky, Golay: Smoothing and differentiation of data by simplified least squares, 1964, table 1: 5 points."""
    windows = np.stack([x[k : len(x) - 4 + k] for k in range(5)])
    return SAVITZKY_GOLAY @ windows


def teager_kaiser(x):
    """Kaiser: On a simple algorithm to calculate the energy of a signal, 1990."""
    return x[1:-1] ** 2 - x[:-2] * x[2:]


def autocorrelation(x, lags=3):
    """Box, Jenkins: Time series analysis, 1970, section 2.1: of a sample, at the first lags"""
    centred = x - np.mean(x)
    return np.stack([np.sum(centred[: len(x) - k] * centred[k:]) for k in range(lags)]) / np.sum(centred**2)


def levinson_durbin(r):
    """Durbin: The fitting of time-series models, 1960: reflection coefficients of an autocorrelation."""
    error, a, reflections = r[0], [], []
    for k in range(1, len(r)):
        reflection = (r[k] - sum(c * r[k - 1 - i] for i, c in enumerate(a))) / error
        a = [c - reflection * a[-1 - i] for i, c in enumerate(a)] + [reflection]
        error = error * (1 - reflection**2)
        reflections.append(reflection)
    return np.stack(reflections)


def butterworth_gain(frequencies, cutoff, order=3):
    """Butterworth: On the theory of filter amplifiers, 1930: amplitude."""
    return 1 / np.sqrt(1 + (frequencies / cutoff) ** (2 * order))


def biquad(x, b, a):
    """Oppenheim, Schafer: Discrete-time signal processing, 1989: a filter of second order, transposed form II."""
    out, first, second = [], 0.0, 0.0
    for sample in x:
        y = b[0] * sample + first
        first, second = b[1] * sample - a[0] * y + second, b[2] * sample - a[1] * y
        out.append(y)
    return np.stack(out)


def holt_smoothing(y, alpha, beta):
    """Holt: Forecasting seasonals and trends by exponentially weighted moving averages, 1957: squared errors."""
    level, trend, total = y[0], y[1] - y[0], 0.0
    for value in y[1:]:
        error = value - level - trend
        total = total + error**2
        level, trend = level + trend + alpha * error, trend + alpha * beta * error
    return total


def total_variation(image, noisy, weight, smoothing):
    """Rudin, Osher, Fatemi: Nonlinear total variation based noise removal algorithms, 1992, with a smoothed norm."""
    across, down = np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1]
    return np.sum(np.sqrt(across**2 + down**2 + smoothing**2)) + weight / 2 * np.sum((image - noisy) ** 2)


def spectral_flatness(power):
    """Gray, Markel: A spectral-flatness measure for studying the autocorrelation method, 1974."""
    return np.exp(np.mean(np.log(power))) / np.mean(power)


def wiener_filter(autocorrelation, crosscorrelation):
    """Wiener: Extrapolation, interpolation, and smoothing of stationary time series, 1949: taps of a finite filter."""
    n = np.arange(len(autocorrelation))
    return np.linalg.solve(autocorrelation[np.abs(n[:, None] - n)], crosscorrelation)


def capon_power(covariance, frequency):
    """Capon: High-resolution frequency-wavenumber spectrum analysis, 1969: power of a real process."""
    n = np.arange(len(covariance))
    inverse = np.linalg.inv(covariance)
    c, s = np.cos(frequency * n), np.sin(frequency * n)
    return 1 / (c @ inverse @ c + s @ inverse @ s)
