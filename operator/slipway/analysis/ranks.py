"""Pods compared with pods: evidence that does not care how errors come.

A pod may have a bad minute of its own, a full disk or a noisy neighbour, and then its requests fail together. No count
of requests tells such a minute on the candidate's only pod from a bad release. Ranks do: if the candidate is no worse,
its pod is as likely as any other to be the worst of m + 1 in a block of time, whatever happens inside the block. The
capital is multiplied by (m + 1) w(r), where r counts the pods that did as badly or worse and w falls geometrically; it
is a fair bet when pods are exchangeable within each block (ranks as e-values: Vovk, Nouretdinov, Gammerman 2003).
"""

import math
from collections.abc import Callable, Iterable, Sequence

from slipway.analysis.eprocess import ArmCounts
from slipway.analysis.hypergeometric import sample

FALLS = (0.05, 0.2, 0.4, 0.6, 0.8)
"""How w falls from rank to rank, one bet each: the first wins most when the candidate is the worst in every block."""

BUSY_SHARE = 0.5
"""A pod of stable that took fewer requests than this share of the candidate's sits out the block."""

LARGEST_SAMPLE = 1000
"""Requests a pod that are compared in a block: more would tell hardly more, and cost more to compare."""


def log_rank_bets(candidate: Iterable[ArmCounts], stable: Sequence[ArmCounts]) -> tuple[float, ...]:
    """The log e-values of a block of requests, one for each of `FALLS`.

    All pods are brought to the exposure of the one with the fewest requests, in expectation over all samples, and ties
    count against harm. Several pods of the candidate are bets on their own, of which the mean is taken.
    """
    return _mean([_requests_value(pod, stable) for pod in candidate if pod.total])


def log_gauge_bets(candidate: Iterable[float], stable: Sequence[float]) -> tuple[float, ...]:
    """The same for one reading a pod, where a higher one is worse."""
    return _mean([_reading_value(reading, stable) for reading in candidate])


def _mean(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    if not values:
        return (0.0,) * len(FALLS)
    return tuple(math.log(math.fsum(column) / len(values)) for column in zip(*values, strict=True))


def _value(others: int, expected_power: Callable[[float], float]) -> tuple[float, ...]:
    """(m + 1) w(r) for each fall g, where w(r) = g^r (1 - g) / (1 - g^(m + 1)); E[g^r] stands in for g^r."""
    if not others:
        return (1.0,) * len(FALLS)
    return tuple((others + 1) * (1 - g) / (1 - g ** (others + 1)) * expected_power(g) for g in FALLS)


def _reading_value(reading: float, stable: Sequence[float]) -> tuple[float, ...]:
    rank = sum(other >= reading for other in stable)
    return _value(len(stable), lambda fall: fall**rank)


def _requests_value(candidate: ArmCounts, stable: Sequence[ArmCounts]) -> tuple[float, ...]:
    pods = [pod for pod in stable if pod.total and pod.total >= BUSY_SHARE * candidate.total]
    if not pods:
        return (1.0,) * len(FALLS)
    size = min(candidate.total, LARGEST_SAMPLE, *(pod.total for pod in pods))
    own = sample(candidate.bad, candidate.total, size)
    others = [(other.low, other.reaches()) for other in (sample(pod.bad, pod.total, size) for pod in pods)]
    rows = [
        (chance, [_reaches(low, tails, bad) for low, tails in others])
        for bad, chance in enumerate(own.chances, own.low)
    ]

    def expected_power(fall: float) -> float:
        """E[fall^r]: pods are sampled independently, so it is a product for each outcome of the candidate's own."""
        return math.fsum(chance * math.prod(1 - (1 - fall) * tail for tail in tails) for chance, tails in rows)

    return _value(len(pods), expected_power)


def _reaches(low: int, tails: Sequence[float], bad: int) -> float:
    if bad <= low:
        return 1.0
    return tails[bad - low] if bad - low < len(tails) else 0.0
