"""Prices, volatilities, yields and likelihoods of finance."""

import numpy as np


def normal_distribution(x):
    """Hart: Computer approximations, 1968, algorithm 5666, as in West: Better approximations to cumulative normal
    functions, 2005: the distribution function of the standard normal law to double precision."""
    size = np.abs(x)
    bell = np.exp(-(size**2) / 2)
    top = 3.52624965998911e-02 * size + 0.700383064443688
    for c in (6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376):
        top = top * size + c
    bottom = 8.83883476483184e-02 * size + 1.75566716318264
    for c in (16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831, 793.826512519948):
        bottom = bottom * size + c
    bottom = bottom * size + 440.413735824752
    far = size + 0.65
    for c in (4, 3, 2, 1):
        far = size + c / far
    tail = np.where(size < 7.07106781186547, bell * top / bottom, bell / far / 2.506628274631)
    return np.where(x > 0, 1 - tail, tail)


def black_scholes(spot, strike, rate, volatility, time):
    """Black, Scholes: The pricing of options and corporate liabilities, 1973, equation 13: a call."""
    deviation = volatility * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / deviation
    d2 = d1 - deviation
    return spot * normal_distribution(d1) - strike * np.exp(-rate * time) * normal_distribution(d2)


def black_76(forward, strike, rate, volatility, time):
    """Black: The pricing of commodity contracts, 1976, equation 16: a put on a future."""
    deviation = volatility * np.sqrt(time)
    d1 = np.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    return np.exp(-rate * time) * (strike * normal_distribution(-d2) - forward * normal_distribution(-d1))


def bachelier(forward, strike, volatility, time):
    """Bachelier: Théorie de la spéculation, 1900: a call under a normal law."""
    deviation = volatility * np.sqrt(time)
    d = (forward - strike) / deviation
    return (forward - strike) * normal_distribution(d) + deviation * np.exp(-(d**2) / 2) / np.sqrt(2 * np.pi)


def margrabe(first, second, volatilities, correlation, time):
    """Margrabe: The value of an option to exchange one asset for another, 1978, equation 7."""
    a, b = volatilities
    deviation = np.sqrt((a**2 + b**2 - 2 * correlation * a * b) * time)
    d1 = np.log(first / second) / deviation + deviation / 2
    return first * normal_distribution(d1) - second * normal_distribution(d1 - deviation)


def kemna_vorst(spot, strike, rate, volatility, time):
    """Kemna, Vorst: A pricing method for options based on average asset values, 1990: a call on the geometric mean."""
    deviation = volatility * np.sqrt(time / 3)
    drift = (rate - volatility**2 / 6) * time / 2
    d1 = (np.log(spot / strike) + drift + deviation**2 / 2) / deviation
    present = spot * np.exp(drift - rate * time)
    return present * normal_distribution(d1) - strike * np.exp(-rate * time) * normal_distribution(d1 - deviation)


def merton_jumps(spot, strike, rate, volatility, time, intensity, mean, spread):
    """Merton: Option pricing when underlying stock returns are discontinuous, 1976, equation 19, to 7 jumps."""
    relative = np.exp(mean + spread**2 / 2)
    expected = intensity * relative * time
    price, chance = 0.0, np.exp(-expected)
    for n in range(8):
        own_rate = rate - intensity * (relative - 1) + n * np.log(relative) / time
        own_volatility = np.sqrt(volatility**2 + n * spread**2 / time)
        price = price + chance * black_scholes(spot, strike, own_rate, own_volatility, time)
        chance = chance * expected / (n + 1)
    return price


def sabr(forward, strikes, time, alpha, beta, rho, nu):
    """Hagan, Kumar, Lesniewski, Woodward: Managing smile risk, 2002, equation 2.17a: implied volatilities."""
    power = (forward * strikes) ** ((1 - beta) / 2)
    moneyness = np.log(forward / strikes)
    z = nu / alpha * power * moneyness
    at_money = np.abs(z) < 1e-8
    safe = np.where(at_money, 1.0, z)
    x = np.log((np.sqrt(1 - 2 * rho * safe + safe**2) + safe - rho) / (1 - rho))
    ratio = np.where(at_money, 1 - rho * z / 2, safe / x)
    square = ((1 - beta) * moneyness) ** 2
    bottom = power * (1 + square / 24 + square**2 / 1920)
    correction = ((1 - beta) * alpha / power) ** 2 / 24 + rho * beta * nu * alpha / (4 * power)
    correction = correction + (2 - 3 * rho**2) / 24 * nu**2
    return alpha / bottom * ratio * (1 + correction * time)


def svi(log_moneyness, a, b, rho, m, sigma):
    """Gatheral: A parsimonious arbitrage-free implied volatility parameterization, 2004: total variance."""
    k = log_moneyness - m
    return a + b * (rho * k + np.sqrt(k**2 + sigma**2))


def heston_moment(power, spot, rate, time, variance, speed, mean, noise, rho):
    """Heston: A closed-form solution for options with stochastic volatility, 1993, equation 17, at real powers of S."""
    b = speed - rho * noise * power
    d = np.sqrt(b**2 + noise**2 * (power - power**2))
    g = (b - d) / (b + d)
    decay = np.exp(-d * time)
    C = rate * power * time
    C = C + speed * mean / noise**2 * ((b - d) * time - 2 * np.log((1 - g * decay) / (1 - g)))
    D = (b - d) / noise**2 * (1 - decay) / (1 - g * decay)
    return np.exp(C + D * variance + power * np.log(spot))


def nelson_siegel_svensson(times, beta, tau):
    """Svensson: Estimating and interpreting forward interest rates, 1994: spot rates."""
    a, b = times / tau[0], times / tau[1]
    slope, second = -np.expm1(-a) / a, -np.expm1(-b) / b
    return beta[0] + beta[1] * slope + beta[2] * (slope - np.exp(-a)) + beta[3] * (second - np.exp(-b))


def vasicek_bond(rate, time, speed, mean, noise):
    """Vasicek: An equilibrium characterization of the term structure, 1977, equation 27: price of a zero bond."""
    B = (1 - np.exp(-speed * time)) / speed
    A = (B - time) * (mean - noise**2 / (2 * speed**2)) - noise**2 * B**2 / (4 * speed)
    return np.exp(A - B * rate)


def cox_ingersoll_ross_bond(rate, time, speed, mean, noise):
    """Cox, Ingersoll, Ross: A theory of the term structure of interest rates, 1985, equation 23: a zero bond."""
    h = np.sqrt(speed**2 + 2 * noise**2)
    grown = np.expm1(h * time)
    bottom = 2 * h + (speed + h) * grown
    A = (2 * h * np.exp((speed + h) * time / 2) / bottom) ** (2 * speed * mean / noise**2)
    return A * np.exp(-2 * grown / bottom * rate)


def binomial_american_put(spot, strike, rate, volatility, time, steps=4):
    """Cox, Ross, Rubinstein: Option pricing, a simplified approach, 1979: an American put on a lattice."""
    dt = time / steps
    up = np.exp(volatility * np.sqrt(dt))
    chance = (np.exp(rate * dt) - 1 / up) / (up - 1 / up)
    value = np.maximum(strike - spot * up ** (2.0 * np.arange(steps + 1) - steps), 0)
    for n in range(steps - 1, -1, -1):
        held = np.exp(-rate * dt) * (chance * value[1:] + (1 - chance) * value[:-1])
        value = np.maximum(held, strike - spot * up ** (2.0 * np.arange(n + 1) - n))
    return value[0]


def garch(omega, alpha, beta, returns):
    """Bollerslev: Generalized autoregressive conditional heteroskedasticity, 1986: log-likelihood."""
    variance = omega / (1 - alpha - beta)
    total = 0.0
    for one in returns:
        total = total - 0.5 * (np.log(2 * np.pi * variance) + one**2 / variance)
        variance = omega + alpha * one**2 + beta * variance
    return total


def bond_duration(yield_, coupon, times):
    """Macaulay: Some theoretical problems suggested by the movements of interest rates, 1938: mean time of payments."""
    payments = coupon + (times == times.max())
    present = payments * (1 + yield_) ** -times
    return np.sum(times * present) / np.sum(present)


def minimum_variance(covariance):
    """Markowitz: Portfolio selection, 1952: shares of the portfolio of least variance."""
    shares = np.linalg.solve(covariance, np.ones(len(covariance)))
    return shares / np.sum(shares)


def black_litterman(covariance, prior, views, outlook, doubt, trust):
    """Black, Litterman: Global portfolio optimization, 1992: posterior expected returns."""
    scaled = np.linalg.inv(trust * covariance)
    doubted = views.T / doubt
    return np.linalg.solve(scaled + doubted @ views, scaled @ prior + doubted @ outlook)
