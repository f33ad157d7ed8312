"""Fixed-sample tests, each used once: when a golden set has been replayed to its last item.

While items are left, e-processes decide. They pay for the freedom to look at any time; when no look is left to come,
half of the error probability has been kept for the sharper tests here. They return p-values.
"""

import math
import sys
from statistics import NormalDist

NEGLIGIBLE = 1e-18
"""A term this much smaller than the sum so far ends it: beyond the mode the terms fall at least geometrically."""


def binomial_upper(successes: int, trials: int, rate: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, rate)."""
    if successes <= 0:
        return 1.0
    if successes > trials:
        return 0.0
    if successes <= trials * rate:
        return max(0.0, 1.0 - _tail(trials - successes + 1, trials, 1 - rate))
    return _tail(successes, trials, rate)


def binomial_lower(successes: int, trials: int, rate: float) -> float:
    """P(X <= successes) for X ~ Binomial(trials, rate)."""
    return binomial_upper(trials - successes, trials, 1 - rate)


def binomial_point(successes: int, trials: int, rate: float) -> float:
    """P(X = successes) for X ~ Binomial(trials, rate)."""
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(ways + successes * math.log(rate) + (trials - successes) * math.log1p(-rate))


def _tail(first: int, trials: int, rate: float) -> float:
    """The upper tail from `first`, which lies beyond the mean."""
    term = total = binomial_point(first, trials, rate)
    odds = rate / (1 - rate)
    for k in range(first, trials):
        term *= odds * (trials - k) / (k + 1)
        total += term
        if term <= NEGLIGIBLE * total:
            break
    return min(1.0, total)


def mcnemar_mid_p(losses: int, wins: int) -> float:
    """One-sided mid-p of "losses are no likelier than wins" (McNemar 1947; Fagerland, Lydersen, Laake 2013)."""
    discordant = losses + wins
    if not discordant:
        return 1.0
    return max(0.0, binomial_upper(losses, discordant, 0.5) - 0.5 * binomial_point(losses, discordant, 0.5))


def bonett_price_p(losses: int, wins: int, items: int, margin: float) -> float:
    """One-sided p-value of "accuracy is lower by at least `margin`" for paired items (Bonett and Price 2012).

    One item is added to each discordant cell, which keeps the normal approximation honest when both are rare.
    """
    difference, spread = _adjusted(losses, wins, items)
    return NormalDist().cdf((difference - margin) / spread)


def log_inverse(p_value: float) -> float:
    """ln(1/p): a p-value on the scale on which e-values are read. 0 becomes the smallest double."""
    return -math.log(max(p_value, sys.float_info.min))


def bonett_price_bound(losses: int, wins: int, items: int, alpha: float) -> float:
    """The loss of accuracy that the same test excludes at `alpha`, as a fraction."""
    difference, spread = _adjusted(losses, wins, items)
    return difference + NormalDist().inv_cdf(1 - alpha) * spread


def _adjusted(losses: int, wins: int, items: int) -> tuple[float, float]:
    worse, better = (losses + 1) / (items + 2), (wins + 1) / (items + 2)
    return worse - better, math.sqrt((worse + better - (worse - better) ** 2) / (items + 2))


def chi_square_quantile(probability: float, degrees: int) -> float:
    """The value that a chi-square variable of so many degrees of freedom stays below with this probability."""
    low, high = 0.0, 1.0
    while _gamma_lower(degrees / 2, high / 2) < probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if _gamma_lower(degrees / 2, middle / 2) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _gamma_lower(shape: float, x: float) -> float:
    """The regularised lower incomplete gamma function, by its power series (Abramowitz and Stegun 1964, 6.5.29)."""
    if x <= 0:
        return 0.0
    term = total = 1 / shape
    k = shape
    while term > NEGLIGIBLE * total:
        k += 1
        term *= x / k
        total += term
    return min(1.0, total * math.exp(shape * math.log(x) - x - math.lgamma(shape)))
