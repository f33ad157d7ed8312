"""What a sample of some requests would have shown, had only so many been made.

Two pods that took a different number of requests cannot be ranked by their errors. Taking a random sample of the busier
one's requests makes them comparable; taking the expectation over all samples does the same without drawing a number.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

NEGLIGIBLE = 1e-16
"""Probabilities this small relative to the largest are left out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How many of a sample are bad: `chances[i]` is the probability of `low` + i."""

    low: int
    chances: tuple[float, ...]

    def reaches(self) -> tuple[float, ...]:
        """P(at least `low` + i) for each i; it is 1 below and 0 above."""
        tails, tail = [], 0.0
        for chance in reversed(self.chances):
            tail += chance
            tails.append(min(tail, 1.0))
        tails[-1] = 1.0
        return tuple(reversed(tails))


def sample(bad: int, total: int, size: int) -> Sample:
    """The hypergeometric distribution of the bad ones among `size` of `total` requests, of which `bad` are bad."""
    if size >= total or bad in (0, total):
        certain = bad if size >= total else min(bad, size)
        return Sample(certain, (1.0,))
    least, most = max(0, size - (total - bad)), min(bad, size)
    mode = min(max((size + 1) * (bad + 1) // (total + 2), least), most)
    up = _run(lambda k: (bad - k) * (size - k) / ((k + 1) * (total - bad - size + k + 1)), mode, most, 1)
    down = _run(lambda k: k * (total - bad - size + k) / ((bad - k + 1) * (size - k + 1)), mode, least, -1)
    terms = [*reversed(down), 1.0, *up]
    whole = math.fsum(terms)
    return Sample(mode - len(down), tuple(term / whole for term in terms))


def _run(ratio: Callable[[int], float], start: int, end: int, step: int) -> list[float]:
    """The probabilities from beside the mode to the end, relative to the mode's, until they do not matter."""
    terms, term = [], 1.0
    for k in range(start, end, step):
        term *= ratio(k)
        if term < NEGLIGIBLE:
            break
        terms.append(term)
    return terms
