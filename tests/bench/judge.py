"""How often the judge is wrong and how soon it is right, beside the rules that people use today.

    python tests/bench/judge.py [--replications 300] [--seed 1]

Looks every 10 s for 30 min, 90 % of the traffic to stable (except in the ramp). A cell is the share of rollouts that
were hauled back, and where harm was real the median number of candidate requests it took. The rules of today see the
last 60 s, as a dashboard's query would. Prints Markdown; standard errors are sqrt(p (1 - p) / replications).
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from slipway.analysis import ArmCounts, Gates, PairedBatch, PairedEvidence, RatioEvidence, Verdict

LOOKS = 180
LATE = LOOKS // 2
TRAILING = 6
RAMP = (5, 10, 20, 35, 50)


@dataclass(frozen=True)
class Scenario:
    """Requests a look on each arm, and the rates of bad ones; `harmful` says whether hauling back is right."""

    name: str
    candidate: Sequence[int]
    stable: Sequence[int]
    candidate_rate: Sequence[float]
    stable_rate: Sequence[float]
    harmful: bool


def steady(name: str, a_second: int, candidate_rate: float) -> Scenario:
    return Scenario(
        name,
        [a_second] * LOOKS,
        [9 * a_second] * LOOKS,
        [candidate_rate] * LOOKS,
        [0.01] * LOOKS,
        candidate_rate > 0.01,
    )


def incident_on_a_ramp() -> Scenario:
    weights = [RAMP[look * len(RAMP) // LOOKS] for look in range(LOOKS)]
    rates = [0.005 if look < LATE else 0.03 for look in range(LOOKS)]
    shares = [10 * weight for weight in weights]
    return Scenario("shared incident + ramp", shares, [1000 - share for share in shares], rates, rates, harmful=False)


SCENARIOS = (
    steady("no change, 10 rps", 100, 0.01),
    steady("no change, 1 rps", 10, 0.01),
    incident_on_a_ramp(),
    steady("1→2 %, 10 rps", 100, 0.02),
    steady("1→5 %, 10 rps", 100, 0.05),
    steady("1→5 %, 1 rps", 10, 0.05),
)

Counts = tuple[np.ndarray, np.ndarray]
Rule = Callable[[Scenario, np.ndarray, np.ndarray], int | None]
"""From the bad requests of each look on both arms to the look that hauls back."""


def first(condition: np.ndarray) -> int | None:
    return int(np.argmax(condition)) if condition.any() else None


def trailing(values: np.ndarray) -> np.ndarray:
    sums = np.cumsum(values)
    return sums - np.concatenate([np.zeros(TRAILING), sums[:-TRAILING]])


def limit(largest: float, *, consecutive: int) -> Rule:
    def rule(scenario: Scenario, bad: np.ndarray, _: np.ndarray) -> int | None:
        red = trailing(bad) / trailing(np.array(scenario.candidate)) > largest
        red[: TRAILING - 1] = False  # a dashboard's first minute is not full yet
        return first(np.convolve(red, np.ones(consecutive), "full")[:LOOKS] >= consecutive)

    return rule


def peeking_z_test(scenario: Scenario, bad: np.ndarray, stable_bad: np.ndarray) -> int | None:
    k, n = np.cumsum(bad), np.cumsum(scenario.candidate)
    stable_k, stable_n = np.cumsum(stable_bad), np.cumsum(scenario.stable)
    pooled = (k + stable_k) / (n + stable_n)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n + 1 / stable_n), 1e-12))
    return first((k / n - stable_k / stable_n) / spread > 1.6449)


def judged(alpha: float) -> Rule:
    def rule(scenario: Scenario, bad: np.ndarray, stable_bad: np.ndarray) -> int | None:
        evidence = RatioEvidence.begin(Gates(comparison_margin=0.005, fail_alpha=alpha), steps=len(RAMP))
        for look in range(LOOKS):
            if look * len(RAMP) % LOOKS == 0:
                evidence = evidence.enter_step()
            evidence = evidence.fold(
                ArmCounts(int(bad[look]), scenario.candidate[look]),
                ArmCounts(int(stable_bad[look]), scenario.stable[look]),
            )
            if evidence.judge().verdict is Verdict.FAIL:
                return look
        return None

    return rule


RULES: dict[str, Rule] = {
    "limit 2 %, first failure": limit(0.02, consecutive=1),
    "limit 2 %, 3 consecutive": limit(0.02, consecutive=3),
    "limit 5 %, first failure": limit(0.05, consecutive=1),
    "z-test .05 at every look": peeking_z_test,
    "**Slipway .05**": judged(0.05),
    "**Slipway .01 (default)**": judged(0.01),
}


def cell(rule: Rule, scenario: Scenario, replications: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    requests = np.cumsum(scenario.candidate)
    found = []
    for _ in range(replications):
        look = rule(
            scenario,
            rng.binomial(scenario.candidate, scenario.candidate_rate),
            rng.binomial(scenario.stable, scenario.stable_rate),
        )
        if look is not None:
            found.append(int(requests[look]))
    share = f"{100 * len(found) / replications:.1f} %"
    return f"{median(found):.0f} ({share})" if scenario.harmful and found else share


def live_table(replications: int, seed: int) -> None:
    print("| rule |", " | ".join(scenario.name for scenario in SCENARIOS), "|")
    print("|---" * (len(SCENARIOS) + 1) + "|")
    for name, rule in RULES.items():
        print(
            f"| {name} |",
            " | ".join(cell(rule, scenario, replications, seed) for scenario in SCENARIOS),
            "|",
            flush=True,
        )


GOLDEN = {
    "equal, 6 % discordant": (0.03, 0.03, 0.87, 0.07),
    "two points worse": (0.05, 0.03, 0.85, 0.07),
    "ten points worse": (0.13, 0.03, 0.77, 0.07),
}


def golden_table(replications: int, seed: int, size: int = 2000, batch: int = 50) -> None:
    print(f"\n| golden set of {size}, margin | candidate | Fail | median items | Pass |\n|---|---|---|---|---|")
    for margin in (0.01, 0.02):
        for name, cells in GOLDEN.items():
            rng = np.random.default_rng(seed)
            failed, passed = [], 0
            for _ in range(replications):
                evidence = PairedEvidence.begin(Gates(non_inferiority_margin=margin), size)
                while not evidence.exhausted and evidence.judge().verdict is not Verdict.FAIL:
                    counts = (int(count) for count in rng.multinomial(batch, cells))
                    evidence = evidence.fold(PairedBatch(*counts, 0))
                judgement = evidence.judge()
                if judgement.verdict is Verdict.FAIL:
                    failed.append(judgement.candidate_samples)
                passed += judgement.verdict is Verdict.PASS
            items = f"{median(failed):.0f}" if failed else "-"
            shares = [f"{100 * count / replications:.1f} %" for count in (len(failed), passed)]
            print(f"| {100 * margin:.0f} pp | {name} | {shares[0]} | {items} | {shares[1]} |", flush=True)


def cost_of_a_window(seed: int, windows: int = 2000) -> float:
    """Median seconds to fold one window with every gate in use."""
    rng = np.random.default_rng(seed)
    gates = Gates(threshold_max=0.05, comparison_margin=0.005, non_inferiority_margin=1e-6)
    evidence, durations = RatioEvidence.begin(gates, steps=3), []
    for _ in range(windows):
        window = ArmCounts(int(rng.binomial(100, 0.01)), 100), ArmCounts(int(rng.binomial(900, 0.01)), 900)
        start = time.perf_counter()
        evidence = evidence.fold(*window)
        durations.append(time.perf_counter() - start)
    return median(durations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    live_table(options.replications, options.seed)
    golden_table(options.replications, options.seed)
    print(f"\nOne window is folded in {1e6 * cost_of_a_window(options.seed):.0f} µs (median; budget 150 µs).")


if __name__ == "__main__":
    main()
