"""Counters, histograms and single numbers that a Prometheus has collected.

Counters are read raw, pod by pod, at one instant that lies a little in the past; differences are taken by `delta` like
those of any source. So windows are disjoint however often one looks, resets and births are seen, and nothing is
extrapolated: ``increase()`` drops the first increment of a series, which for errors is the one that matters, and
overlapping ``rate()`` windows count each request several times.

A query that a user writes whole gives numbers without a sample size: one for a release serves limits only, one for each
pod can be ranked against those of stable.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from slipway.metrics.document import FETCH_TIMEOUT, Credentials, ask_document, together
from slipway.metrics.exposition import MAX_SERIES
from slipway.metrics.histogram import HistogramReading, read_buckets
from slipway.metrics.selector import Matcher, SelectorError, split_selector
from slipway.metrics.source import ServiceRef
from slipway.metrics.window import MAX_READINGS, Reading, SourceError
from slipway.outside import Outside

LAG: Final = 60.0
"""Seconds by which an instant lies in the past: two scrapes at the usual interval, so that all of both arms' counts of
that instant have arrived."""

SOURCE: Final = "prometheus"

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float
    """As Prometheus says it, NaN and infinity included."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that speaks the query API of Prometheus, as Thanos, Mimir and VictoriaMetrics do."""

    outside: Outside
    url: str
    """Base of the API, to which ``/api/v1/query`` is added."""
    namespace: str
    """Whose metrics are asked for, and on whose behalf."""
    credentials: Credentials | None = None
    lag: float = LAG
    namespace_label: str = "namespace"
    pod_label: str = "pod"
    clock: Callable[[], float] = time.time

    def matchers(self, service: ServiceRef) -> tuple[Matcher, ...]:
        """What the labels of a revision's series have to be."""
        return (
            (self.namespace_label, "=", service.namespace),
            (self.pod_label, "=~", service.pod_pattern()),
        )

    async def query(self, promql: str) -> tuple[Series, ...]:
        """The instant vector of an expression, `lag` seconds ago. Raises SourceError for all that is no whole one,
        warnings included: Thanos and others warn of what is missing."""
        form = {"query": promql, "time": f"{self.clock() - self.lag:.3f}", "timeout": f"{FETCH_TIMEOUT:g}s"}
        asked = await ask_document(
            self.outside,
            f"{self.url.rstrip('/')}/api/v1/query",
            source=SOURCE,
            namespace=self.namespace,
            credentials=self.credentials,
            form=urlencode(form).encode(),
        )
        answer = asked.document
        if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
            raise SourceError(
                SOURCE, f"its answer (HTTP {asked.status}) is not that of a Prometheus: check its address"
            )
        if answer["status"] == "error" or asked.status != 200:
            kind, text = self._told(answer.get("errorType")), self._told(answer.get("error"))
            raise SourceError(SOURCE, f"it cannot answer {_short(promql)} (HTTP {asked.status}, {kind}): {text}")
        if answer.get("warnings"):
            raise SourceError(SOURCE, f"it warns about its answer: {self._told(answer['warnings'])}")
        return _series(answer.get("data"), promql)

    def _told(self, words: Any) -> str:
        """What the server says, for a message that others read."""
        text = str(words)
        return (self.credentials.hidden(text) if self.credentials is not None else text)[:200]

    async def select(self, name: str, matchers: Sequence[Matcher], service: ServiceRef) -> tuple[Series, ...]:
        """The series of a revision's pods that a selector takes, as counts. Raises SourceError for a value that is no
        count, or a series without its pod's name."""
        everything = ",".join(_matcher(*one) for one in (*matchers, *self.matchers(service)))
        found = await self.query(f"{name}{{{everything}}}")
        for series in found:
            if not math.isfinite(series.value) or series.value < 0:
                raise SourceError(SOURCE, f"{name} is {series.value:g}, which is not a count")
            if not series.labels.get(self.pod_label):
                raise SourceError(SOURCE, f"{name} has a series without the label {self.pod_label}")
        return found

    def by_pod(self, found: Sequence[Series]) -> Mapping[str, list[Series]]:
        """The series of each pod. Raises SourceError where two targets show one pod, whose requests would then count
        twice, or where there are too many pods."""
        pods: dict[str, list[Series]] = {}
        for series in found:
            pods.setdefault(series.labels[self.pod_label], []).append(series)
        if len(pods) > MAX_READINGS:
            raise SourceError(SOURCE, f"{len(pods)} pods are more than the {MAX_READINGS} that are judged one by one")
        for pod, its in pods.items():
            targets = {(one.labels.get("job", ""), one.labels.get("instance", "")) for one in its}
            if len(targets) > 1:
                shown = ", ".join(sorted(f'job="{job}",instance="{instance}"' for job, instance in targets)[:4])
                raise SourceError(
                    SOURCE, f"pod {pod} is scraped more than once ({shown}): add a matcher that takes one"
                )
        return pods


class PrometheusCounters:
    """Requests and bad ones of each arm's pods, by selectors to which the revision's own matchers are added."""

    def __init__(self, prometheus: Prometheus, bad: Sequence[str], total: Sequence[str]) -> None:
        """Raises SelectorError."""
        self._prometheus = prometheus
        self._bad = [split_selector(text, f"prometheus.bad[{index}]") for index, text in enumerate(bad)]
        self._total = [split_selector(text, f"prometheus.total[{index}]") for index, text in enumerate(total)]

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[Reading, ...]]:
        """One reading for each pod that has been scraped; an arm has none before its first scrape.

        Raises SourceError where neither arm has a series, as for a name that nobody exposes, and where a pod counts
        bad requests but none at all.
        """
        found = await together(self._arm(arm, service) for arm, service in services.items())
        readings = dict(zip(services, found, strict=True))
        if not any(readings.values()):
            names = ", ".join(dict.fromkeys(name for name, _ in self._total))
            raise SourceError(SOURCE, _unknown(names, self._prometheus))
        return readings

    async def _arm(self, arm: str, service: ServiceRef) -> tuple[Reading, ...]:
        bad, total = await together(self._union(selectors, service) for selectors in (self._bad, self._total))
        pods, bad_pods = self._prometheus.by_pod(total), self._prometheus.by_pod(bad)
        for pod, found in bad_pods.items():
            if pod not in pods and any(one.value for one in found):
                raise SourceError(SOURCE, f"pod {pod} counts bad requests and none in total: total has to include them")
        return tuple(
            Reading(f"{arm}/{pod}", sum(one.value for one in bad_pods.get(pod, ())), sum(one.value for one in found))
            for pod, found in sorted(pods.items())
        )

    async def _union(
        self, selectors: Sequence[tuple[str, tuple[Matcher, ...]]], service: ServiceRef
    ) -> tuple[Series, ...]:
        """The series that any of the selectors takes, each once."""
        answers = await together(self._prometheus.select(*one, service) for one in selectors)
        found = {frozenset(series.labels.items()): series for answer in answers for series in answer}
        return tuple(found.values())


class PrometheusHistograms:
    """Durations of each arm's requests, pod by pod."""

    def __init__(self, prometheus: Prometheus, histogram: str, *, unit: float = 1.0) -> None:
        """`histogram` is a selector of the histogram, without ``_bucket``; `unit` is what one of its units is in
        seconds. Raises SelectorError."""
        name, matchers = split_selector(histogram, "prometheus.histogram")
        self._prometheus = prometheus
        self._selector = f"{name.removesuffix('_bucket')}_bucket", matchers
        self._unit = unit

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[HistogramReading, ...]]:
        """As `PrometheusCounters.read`."""
        found = await together(self._arm(arm, service) for arm, service in services.items())
        readings = dict(zip(services, found, strict=True))
        if not any(readings.values()):
            raise SourceError(SOURCE, _unknown(self._selector[0], self._prometheus))
        return readings

    async def _arm(self, arm: str, service: ServiceRef) -> tuple[HistogramReading, ...]:
        pods = self._prometheus.by_pod(await self._prometheus.select(*self._selector, service))
        return tuple(
            read_buckets(f"{arm}/{pod}", ((one.labels.get("le", ""), one.value) for one in found), unit=self._unit)
            for pod, found in sorted(pods.items())
        )


_NAMES: Final = ("selector", "namespace", "service", "revision", "window")
_OF_A_RELEASE: Final = frozenset({"selector", "service", "revision"})


class PrometheusQuery:
    """One number an arm, or one a pod, from an expression in which the names of the release are put.

    ``{{selector}}`` becomes the matchers of its pods, ``{{namespace}}``, ``{{service}}`` and ``{{revision}}``, which is
    the short hash, what names it, and ``{{window}}`` a range.
    """

    def __init__(self, prometheus: Prometheus, template: str, *, window: float) -> None:
        """`window` is in seconds: the time since the last look, so that ranges do not overlap. Raises SelectorError."""
        names = _PLACEHOLDER.findall(template)
        unknown = [name for name in names if name not in _NAMES]
        if unknown:
            known = ", ".join(f"{{{{{name}}}}}" for name in _NAMES)
            raise SelectorError("prometheus.query", f"it has {{{{{unknown[0]}}}}}: known are {known}")
        if not _OF_A_RELEASE.intersection(names):
            raise SelectorError(
                "prometheus.query",
                "it has no {{selector}} and would say the same of every revision: put it into the braces",
            )
        if not math.isfinite(window) or window < 0:
            raise SelectorError("prometheus.query", f"a window of {window} seconds is none")
        self._prometheus = prometheus
        self._template = template
        self._window = max(1, math.ceil(window))

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, float | Mapping[str, float] | None]:
        """The number of each arm, or of each of its pods where the series have their names. None where there is none
        yet: an empty answer, or NaN, as of nothing divided by nothing; a pod without a number is left out.

        Raises SourceError for infinity, and for several series that pods do not tell apart.
        """
        found = await together(self._arm(service) for service in services.values())
        return dict(zip(services, found, strict=True))

    async def _arm(self, service: ServiceRef) -> float | Mapping[str, float] | None:
        known = {
            "selector": ",".join(_matcher(*one) for one in self._prometheus.matchers(service)),
            "namespace": service.namespace,
            "service": service.name,
            "revision": service.revision,
            "window": f"{self._window}s",
        }
        promql = _PLACEHOLDER.sub(lambda found: known[found[1]], self._template)
        found = await self._prometheus.query(promql)
        if any(math.isinf(one.value) for one in found):
            raise SourceError(SOURCE, f"{_short(promql)} is infinite")
        pods = [one.labels.get(self._prometheus.pod_label, "") for one in found]
        if found and all(pods):
            if len(set(pods)) < len(pods):
                raise SourceError(SOURCE, f"{_short(promql)} gives several series of one pod: add up by the pod")
            return {pod: one.value for pod, one in zip(pods, found, strict=True) if not math.isnan(one.value)} or None
        if len(found) > 1:
            label = self._prometheus.pod_label
            raise SourceError(
                SOURCE,
                f"{_short(promql)} gives {len(found)} series where one is needed, or one for each {label}: add up, as "
                "with sum()",
            )
        return found[0].value if found and not math.isnan(found[0].value) else None


def _series(data: Any, promql: str) -> tuple[Series, ...]:
    kind = data.get("resultType") if isinstance(data, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    try:
        if kind == "scalar":
            return (Series({}, _number(result)),)
        if kind != "vector" or not isinstance(result, list):
            raise SourceError(SOURCE, f"{_short(promql)} gives a {str(kind)[:20]}: it has to give an instant vector")
        if len(result) > MAX_SERIES:
            raise SourceError(SOURCE, f"{_short(promql)} gives more than {MAX_SERIES} series: add matchers")
        if any("histogram" in one for one in result):
            raise SourceError(
                SOURCE, f"{_short(promql)} is a native histogram: name a classic one, or a query of numbers"
            )
        found = tuple(Series(_labels(one["metric"]), _number(one["value"])) for one in result)
    except (KeyError, IndexError, TypeError, ValueError):
        raise SourceError(SOURCE, f"its answer to {_short(promql)} is not in the form of a Prometheus") from None
    if len({frozenset(one.labels.items()) for one in found}) < len(found):
        raise SourceError(SOURCE, f"its answer to {_short(promql)} has one series twice")
    return found


def _labels(metric: Any) -> Mapping[str, str]:
    if not isinstance(metric, dict) or not all(isinstance(value, str) for value in metric.values()):
        raise ValueError
    return metric


def _number(value: Any) -> float:
    instant, text = value
    if not isinstance(instant, int | float) or not isinstance(text, str):
        raise TypeError
    return float(text)


def _matcher(label: str, operator: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}{operator}"{escaped}"'


def _unknown(names: str, prometheus: Prometheus) -> str:
    return (
        f"it knows no series of {names} for either revision: check the name, that the pods are scraped, and that "
        f"series have the labels {prometheus.namespace_label} and {prometheus.pod_label}"
    )


def _short(promql: str) -> str:
    return repr(promql if len(promql) <= 120 else promql[:119] + "…")
