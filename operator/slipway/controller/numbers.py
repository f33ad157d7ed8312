"""From what a source read to what is judged: numbers of a release, or of its pods."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.api import MetricSpec
from slipway.metrics import SelectorError
from slipway.rollout import NumberReading, Role

Number = float | Mapping[str, float] | None
"""One for a release, one a pod, or none yet."""


def reading_of(metric: MetricSpec, found: Mapping[str, Number]) -> NumberReading:
    """The reading of both arms, or of the candidate alone. Raises SelectorError for numbers that cannot be compared."""
    if metric.threshold is None:
        for arm, number in found.items():
            _check_ranked(metric, arm, number)
    silent = [arm for arm, number in found.items() if not _values(number)]
    return NumberReading(
        metric=metric.name,
        candidate=_values(found.get(str(Role.CANDIDATE))),
        stable=_values(found.get(str(Role.STABLE))),
        missing=f"no number of {' and '.join(silent)} yet: does {_named(metric)} name what they show?"
        if silent
        else "",
    )


def _values(number: Number) -> tuple[float, ...]:
    if number is None:
        return ()
    return tuple(number.values()) if isinstance(number, Mapping) else (number,)


def _check_ranked(metric: MetricSpec, arm: str, number: Number) -> None:
    if isinstance(number, float):
        problem = "it gives one number for a whole release, and pods are what is ranked: keep their label, as by (pod)"
        raise SelectorError("prometheus.query", problem)
    if any(value < 0 for value in _values(number)):
        raise SelectorError(
            _named(metric), f"a pod of {arm} is below 0, of which no share can be taken: use a threshold"
        )


def _named(metric: MetricSpec) -> str:
    """The field that says what is read."""
    if metric.pods is not None:
        return "pods.gauge"
    return "prometheus.query" if metric.prometheus is not None else "web.value"
