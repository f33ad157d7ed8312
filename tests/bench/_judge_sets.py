"""Golden sets and latencies: what the judge and the rules of today make of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slipway.analysis import Gates, Histogram, LatencyEvidence, PairedBatch, PairedEvidence, Verdict

ITEMS, BATCH = 2000, 50

CELLS = {
    "equal, 6 % discordant": (0.03, 0.03, 0.87, 0.07),
    "two points worse": (0.05, 0.03, 0.85, 0.07),
    "ten points worse": (0.13, 0.03, 0.77, 0.07),
}
"""Chances of loss, win, both right, both wrong: stable is right on 90 % of the items."""

SetRule = Callable[[np.ndarray], tuple[Verdict, int]]
"""From the counts of each batch to the verdict and the items it took."""


def stopped(condition: np.ndarray) -> tuple[Verdict, int]:
    if condition.any():
        return Verdict.FAIL, BATCH * (int(np.argmax(condition)) + 1)
    return Verdict.PASS, ITEMS


def accuracy_below(least: float, consecutive: int) -> SetRule:
    def rule(batches: np.ndarray) -> tuple[Verdict, int]:
        sums = np.cumsum(batches, 0)
        low = (sums[:, 1] + sums[:, 2]) / sums.sum(1) < least
        return stopped(np.convolve(low, np.ones(consecutive), "full")[: len(low)] >= consecutive)

    return rule


def mcnemar(*, once: bool) -> SetRule:
    def rule(batches: np.ndarray) -> tuple[Verdict, int]:
        losses, wins = np.cumsum(batches[:, 0]), np.cumsum(batches[:, 1])
        high = (losses - wins) / np.sqrt(np.maximum(losses + wins, 1)) > 1.6449
        if once:
            high[:-1] = False
        return stopped(high)

    return rule


def paired(alpha: float, margin: float) -> SetRule:
    def rule(batches: np.ndarray) -> tuple[Verdict, int]:
        gates = Gates(non_inferiority_margin=margin, fail_alpha=alpha, min_samples=1)
        evidence = PairedEvidence.begin(gates, ITEMS)
        for batch in batches:
            losses, wins, right, wrong = (int(count) for count in batch)
            evidence = evidence.fold(PairedBatch(losses, wins, right, wrong, 0))
            if evidence.is_worse:
                break
        return evidence.judge().verdict, evidence.counts.items

    return rule


SET_RULES: dict[str, SetRule] = {
    "accuracy < .89, first failure": accuracy_below(0.89, 1),
    "accuracy < .89, 3 consecutive": accuracy_below(0.89, 3),
    "McNemar z .05 at every batch": mcnemar(once=False),
    "McNemar z .05 once, at the end": mcnemar(once=True),
    "**Slipway .05**, margin 1 pp": paired(0.05, 0.01),
    "**Slipway .01 (default)**, margin 1 pp": paired(0.01, 0.01),
    "**Slipway .01 (default)**, margin 2 pp": paired(0.01, 0.02),
}

BOUNDS = tuple(round(0.01 * 1.25**i, 6) for i in range(30))
LOOKS, SIGMA, PAST = 180, 0.6, 20_000


@dataclass(frozen=True)
class Slowness:
    """Log-normal latencies around 100 ms: all slower by a factor, or a share that hangs six times as long."""

    name: str
    factor: float = 1.0
    hanging: float = 0.0

    def drawn(self, rng: np.random.Generator, requests: int) -> np.ndarray:
        seconds = 0.1 * self.factor * np.exp(SIGMA * rng.standard_normal(requests))
        return np.where(rng.random(requests) < self.hanging, 6 * seconds, seconds)


SLOWNESS = (
    Slowness("no change"),
    Slowness("10 % slower", factor=1.1),
    Slowness("20 % slower", factor=1.2),
    Slowness("3 % of the requests 6x slower", hanging=0.03),
)


def histogram(seconds: np.ndarray) -> Histogram:
    counts = np.bincount(np.searchsorted(BOUNDS, seconds), minlength=len(BOUNDS) + 1)
    return Histogram(BOUNDS, tuple(int(count) for count in counts))


def p99_limit(rng: np.random.Generator, slow: Slowness, consecutive: int) -> int | None:
    """The 99th percentile of the last minute, 600 requests, above 1.2 times stable's, so many looks in a row."""
    usual = 0.1 * float(np.exp(SIGMA * 2.3263))
    windows = [slow.drawn(rng, 100) for _ in range(LOOKS)]
    run = 0
    for look in range(5, LOOKS):
        run = run + 1 if np.quantile(np.concatenate(windows[look - 5 : look + 1]), 0.99) > 1.2 * usual else 0
        if run >= consecutive:
            return look
    return None


def judged_latency(rng: np.random.Generator, slow: Slowness) -> int | None:
    same = SLOWNESS[0]
    past = histogram(same.drawn(rng, PAST))
    evidence = LatencyEvidence.begin(Gates(comparison_margin=0.01), steps=1, past=past).enter_step()
    for look in range(LOOKS):
        evidence = evidence.fold(histogram(slow.drawn(rng, 100)), histogram(same.drawn(rng, 900)), seconds=10)
        if evidence.failed:
            return look
    return None


LATENCY_RULES: dict[str, Callable[[np.random.Generator, Slowness], int | None]] = {
    "p99 > 1.2x stable's, first failure": lambda rng, slow: p99_limit(rng, slow, 1),
    "p99 > 1.2x stable's, 3 consecutive": lambda rng, slow: p99_limit(rng, slow, 3),
    "**Slipway .01 (default)**": judged_latency,
}
