"""What `decide` costs: the median over a mid-canary observation with ten revisions, in microseconds.

Run it with ``python tests/bench/decide.py``; the budget is 200 µs.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from unit.rollout.builders import NOW, SECOND, a_hash, a_rollout, a_window, accuracy, errors

from slipway.api import Phase
from slipway.rollout import Observation, Revision, decide


def an_observation() -> Observation:
    """Step 2 of 3 at rest between two looks, with eight revisions that are over beside stable and candidate."""
    rollout = a_rollout().with_metrics(accuracy(), errors()).at_step(2)
    rollout.with_evidence(a_window(None, None)).then().after(10 * SECOND)
    rollout.with_evidence(a_window((1, 500), (1, 500))).then()
    for number in range(8):
        old = Revision(a_hash(f"old {number}"), f"fraud-o{number}", "0")
        rollout.seen = replace(rollout.seen, revisions={**rollout.seen.revisions, old.hash: old})
        since = NOW - timedelta(days=number + 1)
        rollout.in_phase(Phase.SUPERSEDED, of=old.hash, weight=0.0, idle_since=since, phase_since=since)
    return rollout.then().after(5 * SECOND).seen


def median_microseconds(seen: Observation, *, rounds: int = 2_000) -> float:
    """The median time of one decision."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        decide(seen)
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1_000


if __name__ == "__main__":
    seen = an_observation()
    print(f"decide, {len(seen.revisions)} revisions, mid-canary: {median_microseconds(seen):.0f} µs at the median")
