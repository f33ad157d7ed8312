"""The arithmetic of horizontal autoscaling: from measurements to a number of replicas. No I/O.

Source: "Horizontal Pod Autoscaling: Algorithm details" in the Kubernetes documentation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

TOLERANCE: Final = 0.1
DOWN_WINDOW_SECONDS: Final = 300.0
_ROUNDING: Final = 1e-9
UP_POLICIES: Final = (
    {"type": "Pods", "value": 4, "periodSeconds": 15},
    {"type": "Percent", "value": 100, "periodSeconds": 15},
)
DOWN_POLICIES: Final = ({"type": "Percent", "value": 100, "periodSeconds": 15},)


@dataclass(frozen=True)
class Measurement:
    """What one pod uses. `share` is what 100 % of the target means for it: its request, or 1 for plain values."""

    value: float | None
    share: float
    ready: bool = True


def proposal(pods: Sequence[Measurement], target: float, current: int) -> int:
    """How many replicas would bring the mean to the target, in units of a pod's share.

    Pods that are not ready or not measured count as idle when that would make more replicas, and as on target when it
    would make fewer, so that ignorance never scales far. Raises `ValueError` when no pod is measured.
    """
    measured = [(pod.value, pod.share) for pod in pods if pod.value is not None and pod.ready]
    if not measured:
        raise ValueError("did not receive metrics for targeted pods (pods might be unready)")
    first = _ratio(measured, target)
    unknown = [pod.share for pod in pods if pod.value is None or not pod.ready]
    if not unknown:
        return current if abs(first - 1.0) <= TOLERANCE else math.ceil(first * len(measured) - _ROUNDING)
    everyone = measured + [(0.0 if first > 1.0 else share * target, share) for share in unknown]
    ratio = _ratio(everyone, target)
    if abs(ratio - 1.0) <= TOLERANCE or (first > 1.0) != (ratio > 1.0):
        return current
    wanted = math.ceil(ratio * len(everyone) - _ROUNDING)
    return current if (ratio > 1.0) != (wanted > current) else wanted


def _ratio(pods: Sequence[tuple[float, float]], target: float) -> float:
    return sum(value for value, _ in pods) / (sum(share for _, share in pods) * target)


@dataclass(frozen=True)
class Outcome:
    """A number of replicas, and what held it back, in the reasons of the conditions."""

    replicas: int
    stabilised: bool = False
    limited: str = ""


@dataclass
class History:
    """What one autoscaler recommended and did, by a monotonic clock's seconds."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def settle(self, spec: Mapping[str, Any], current: int, wanted: int, now: float) -> Outcome:
        """What may be done now about a recommendation: windows first, then rates, then the range."""
        behavior = spec.get("behavior") or {}
        up, down = behavior.get("scaleUp") or {}, behavior.get("scaleDown") or {}
        up_window = float(up.get("stabilizationWindowSeconds") or 0)
        down_window = down.get("stabilizationWindowSeconds")
        down_window = DOWN_WINDOW_SECONDS if down_window is None else float(down_window)
        if not self.recommendations:
            self.recommendations.append((now, current))
        self.recommendations.append((now, wanted))
        longest = max(up_window, down_window)
        self.recommendations = [entry for entry in self.recommendations if now - entry[0] <= longest] or [(now, wanted)]
        lowest = min([wanted, *(n for at, n in self.recommendations if now - at < up_window)])
        highest = max([wanted, *(n for at, n in self.recommendations if now - at < down_window)])
        steady = min(max(current, lowest), highest)
        return self._limit(spec, current, steady, stabilised=steady != wanted, now=now)

    def _limit(self, spec: Mapping[str, Any], current: int, steady: int, *, stabilised: bool, now: float) -> Outcome:
        behavior = spec.get("behavior") or {}
        most, least = int(spec["maxReplicas"]), int(spec.get("minReplicas", 1))
        if steady > current:
            top = self._reach(behavior.get("scaleUp") or {}, UP_POLICIES, current, 1, now)
            limit, reason = (most, "TooManyReplicas") if most <= top else (top, "ScaleUpLimit")
            return Outcome(min(steady, limit), stabilised, reason if steady > limit else "")
        bottom = self._reach(behavior.get("scaleDown") or {}, DOWN_POLICIES, current, -1, now)
        limit, reason = (least, "TooFewReplicas") if least >= bottom else (bottom, "ScaleDownLimit")
        if steady > most:
            return Outcome(most, stabilised, "TooManyReplicas")
        return Outcome(max(steady, min(limit, current)), stabilised, reason if steady < limit else "")

    def _reach(
        self, rules: Mapping[str, Any], default: Sequence[Mapping[str, Any]], current: int, sign: int, now: float
    ) -> int:
        """How far the rates allow to go from where each of their periods began."""
        choice = rules.get("selectPolicy") or "Max"
        if choice == "Disabled":
            return current
        ends = []
        for policy in rules.get("policies") or default:
            done = [change for at, change in self.changes if now - at < policy["periodSeconds"] and change * sign > 0]
            start = current - sum(done)
            if policy["type"] == "Pods":
                ends.append(start + sign * int(policy["value"]))
            else:
                share = start * (1 + sign * int(policy["value"]) / 100)
                ends.append(math.ceil(share) if sign > 0 else math.floor(share))
        farthest = max(ends) if (choice == "Max") == (sign > 0) else min(ends)
        return max(farthest, current) if sign > 0 else min(farthest, current)

    def changed(self, change: int, now: float) -> None:
        """The target was scaled by so many replicas."""
        self.changes = [*((at, n) for at, n in self.changes if now - at < 1800), (now, change)]
