"""The services that the judge is tried on: what requests each pod takes at each look, and how many of them fail.

A look is 10 s, a rollout 30 minutes of them. The candidate has one pod and stable the others, all at the same traffic,
except in the ramp, where weights rise over ten pods' traffic.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LOOKS = 180
SECONDS = 10.0
LATE = LOOKS // 2
RAMP = (5, 10, 20, 35, 50)
BASE = 0.01

Rates = Callable[[np.random.Generator], np.ndarray]
"""Rates of bad requests, a row a look and a column a pod, the candidate's pod first."""


@dataclass(frozen=True)
class World:
    """Requests of each pod at each look, the rates at which they fail, and how many fail together.

    `harmful` says whether hauling back is right, `begins` at which look harm does.
    """

    name: str
    requests: np.ndarray
    rates: Rates
    harmful: bool
    burst: int = 1
    starts: tuple[int, ...] = (0, 36, 72, 108, 144)
    """Looks at which a weight step begins."""
    begins: int = 0

    def rollout(self, rng: np.random.Generator) -> np.ndarray:
        """Bad requests of one simulated rollout."""
        rates = self.rates(rng)
        if self.burst == 1:
            return rng.binomial(self.requests, rates)
        return np.minimum(rng.binomial(self.requests // self.burst, rates) * self.burst, self.requests)


def flat(candidate: float, stable: float = BASE, pods: int = 2) -> Rates:
    rates = np.full((LOOKS, pods), stable)
    rates[:, 0] = candidate
    return lambda _: rates


def steady(name: str, a_second: int, candidate: float, *, burst: int = 1) -> World:
    """All of stable in one column, at nine times the candidate's traffic."""
    requests = np.tile([10 * a_second, 90 * a_second], (LOOKS, 1))
    return World(name, requests, flat(candidate), candidate > BASE, burst)


def incident_on_a_ramp() -> World:
    """No difference, but both arms go from 0.5 % to 3 % at minute 15, while weights rise from 5 to 50 %."""
    weights = np.array([RAMP[look * len(RAMP) // LOOKS] for look in range(LOOKS)])
    rates = np.tile(np.where(np.arange(LOOKS) < LATE, 0.005, 0.03)[:, None], (1, 2))
    return World("shared incident + ramp", np.stack([10 * weights, 1000 - 10 * weights], 1), lambda _: rates, False)


def late(candidate: float) -> World:
    """Harm that begins with the second step, after twelve good minutes."""
    rates = np.full((LOOKS, 2), BASE)
    rates[72:, 0] = candidate
    requests = np.tile([100, 900], (LOOKS, 1))
    return World(f"1→{100 * candidate:.0f} % after 12 min", requests, lambda _: rates, True, starts=(0, 72), begins=72)


EPISODE = 4.0
"""Looks that a pod's bad time lasts on average: 40 s."""

PAUSE = 360.0
"""Looks between two bad times of a pod, on average."""

SEVERITY = 10.0
"""How many times more requests fail in one."""


def episodes(name: str, *, stable_pods: int = 9, factor: float = 1.0, shock: bool = False) -> World:
    """Each pod has bad times of its own. `factor` is how much worse the candidate's is always, `shock` hits all."""

    def rates(rng: np.random.Generator) -> np.ndarray:
        pods = stable_pods + 1
        state = rng.random(pods) < EPISODE / (EPISODE + PAUSE)
        rows = []
        for _ in range(LOOKS):
            rows.append(state)
            state = np.where(state, rng.random(pods) >= 1 / EPISODE, rng.random(pods) < 1 / PAUSE)
        values = BASE * np.where(np.array(rows), SEVERITY, 1.0)
        values[:, 0] *= factor
        if shock:
            values[LATE : LATE + 30] *= 5
        return np.minimum(values, 0.95)

    return World(name, np.full((LOOKS, stable_pods + 1), 100), rates, factor > 1)


def pods(name: str, candidate: float, stable_pods: int = 9) -> World:
    """No bad times: what the pod check costs."""
    return World(name, np.full((LOOKS, stable_pods + 1), 100), flat(candidate, pods=stable_pods + 1), candidate > BASE)


LIVE = (
    steady("no change, 10 rps", 10, 0.01),
    steady("no change, 1 rps", 1, 0.01),
    incident_on_a_ramp(),
    steady("1→2 %, 10 rps", 10, 0.02),
    steady("1→5 %, 10 rps", 10, 0.05),
    steady("1→5 %, 1 rps", 1, 0.05),
)

LATE_HARM = (late(0.02), late(0.05))

PROVABLE = (
    steady("no change, 10 rps", 10, 0.01),
    steady("no change, 1 rps", 1, 0.01),
    steady("worse by 0.5 pp, 10 rps", 10, 0.015),
    steady("worse by 1 pp, 10 rps", 10, 0.02),
)

TROUBLED = (
    steady("bursts of 5, no change", 10, 0.01, burst=5),
    episodes("pod episodes, no change"),
    episodes("pod episodes + shared shock, no change", shock=True),
    episodes("pod episodes, 2 stable pods, no change", stable_pods=2),
    episodes("pod episodes + shock, 2 stable pods, no change", stable_pods=2, shock=True),
    episodes("pod episodes, candidate 2x", factor=2),
    episodes("pod episodes, candidate 3x", factor=3),
    episodes("pod episodes, candidate 5x", factor=5),
    pods("candidate 50 % errors", 0.5),
    pods("1→2 %", 0.02),
    pods("1→5 %", 0.05),
)
