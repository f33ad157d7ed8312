"""The rules that are compared: from the requests of a rollout to the look at which it is hauled back, or None."""

from collections.abc import Callable

import numpy as np
from bench._judge_worlds import LOOKS, SECONDS, World

from slipway.analysis import ArmCounts, Dispersion, Gates, PodWindow, RatioEvidence

TRAILING = 6
"""Looks that a dashboard's query covers: the last minute."""

Rule = Callable[[World, np.ndarray], int | None]


def _first(condition: np.ndarray) -> int | None:
    return int(np.argmax(condition)) if condition.any() else None


def _trailing(values: np.ndarray) -> np.ndarray:
    sums = np.cumsum(values)
    return sums - np.concatenate([np.zeros(TRAILING), sums[:-TRAILING]])


def _red(world: World, bad: np.ndarray, largest: float) -> np.ndarray:
    red = _trailing(bad[:, 0]) / np.maximum(_trailing(world.requests[:, 0]), 1) > largest
    red[: TRAILING - 1] = False  # a dashboard's first minute is not full yet
    return red


def limit(largest: float, *, consecutive: int) -> Rule:
    """So many red looks in a row."""

    def rule(world: World, bad: np.ndarray) -> int | None:
        run = np.convolve(_red(world, bad, largest), np.ones(consecutive), "full")[:LOOKS]
        return _first(run >= consecutive)

    return rule


def cumulative(largest: float, *, failures: int) -> Rule:
    """So many red looks in all."""
    return lambda world, bad: _first(np.cumsum(_red(world, bad, largest)) >= failures)


def z_test(*, looks: str) -> Rule:
    """Two proportions at .05, one-sided, at every look or once at the end."""

    def rule(world: World, bad: np.ndarray) -> int | None:
        k, n = np.cumsum(bad[:, 0]), np.cumsum(world.requests[:, 0])
        stable_k, stable_n = np.cumsum(bad[:, 1:].sum(1)), np.cumsum(world.requests[:, 1:].sum(1))
        pooled = (k + stable_k) / (n + stable_n)
        spread = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n + 1 / stable_n), 1e-12))
        high = (k / n - stable_k / stable_n) / spread > 1.6449
        if looks == "once":
            high[:-1] = False
        return _first(high)

    return rule


def judged(
    alpha: float, *, dispersed: bool = False, by_pod: bool = False, announced: bool = True, proof: float | None = None
) -> Rule:
    """Slipway's own: with or without its safeguards against requests that fail together; for a margin, its Pass."""

    def rule(world: World, bad: np.ndarray) -> int | None:
        gates = Gates(comparison_margin=0.005, fail_alpha=alpha)
        if proof is not None:
            gates = Gates(non_inferiority_margin=proof, fail_alpha=1e-9, pass_alpha=alpha)
        dispersion = Dispersion() if dispersed else None
        evidence = RatioEvidence.begin(gates, steps=len(world.starts), dispersion=dispersion)
        totals = world.requests
        for look in range(LOOKS):
            if look == 0 or (announced and look in world.starts):
                evidence = evidence.enter_step()
            counts = [ArmCounts(int(k), int(n)) for k, n in zip(bad[look], totals[look], strict=True)]
            stable = ArmCounts(int(bad[look, 1:].sum()), int(totals[look, 1:].sum()))
            pods = PodWindow({"c": counts[0]}, {f"s{i}": c for i, c in enumerate(counts[1:])}) if by_pod else None
            evidence = evidence.fold(counts[0], stable, seconds=SECONDS, pods=pods)
            if evidence.broken:
                return look if proof is None else None
            if proof is not None and evidence.is_safe:
                return look
        return None

    return rule


LIVE_RULES: dict[str, Rule] = {
    "limit 2 %, first failure": limit(0.02, consecutive=1),
    "limit 2 %, 3 consecutive": limit(0.02, consecutive=3),
    "limit 2 %, 5 in all": cumulative(0.02, failures=5),
    "limit 5 %, first failure": limit(0.05, consecutive=1),
    "limit 5 %, 3 consecutive": limit(0.05, consecutive=3),
    "z-test .05 at every look": z_test(looks="every"),
    "z-test .05 once, at the end": z_test(looks="once"),
    "**Slipway .05**": judged(0.05),
    "**Slipway .01 (default)**": judged(0.01),
}

LATE_RULES: dict[str, Rule] = {
    "steps announced, .01": judged(0.01),
    "one process from the beginning, .01": judged(0.01, announced=False),
}

PROOF_RULES: dict[str, Rule] = {
    "margin 0.5 pp": judged(0.05, proof=0.005),
    "margin 1 pp": judged(0.05, proof=0.01),
}

TROUBLED_RULES: dict[str, Rule] = {
    "limit 3 %, 3 consecutive": limit(0.03, consecutive=3),
    "requests alone, .01": judged(0.01),
    "discounted, .01": judged(0.01, dispersed=True),
    "with the pod check, .01": judged(0.01, by_pod=True),
    "both, .01": judged(0.01, dispersed=True, by_pod=True),
}
