"""What the server counts, under the names that MLServer made common.

Only what the server itself got wrong is a failure: a 4xx is in neither counter, so that a client with a broken request
cannot make a release look bad. Every series is there, at 0, before the first request: a scrape tells "no failure" from
"no number".
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; from the overhead of a request to what a client would still wait for."""

_LABELS = ("model", "version")


class Metrics:
    """The counters of one model, in a registry of their own."""

    def __init__(self, model: str, version: str | None) -> None:
        self._registry = CollectorRegistry()
        labels = (model, version or "")
        self.success = Counter(
            "model_infer_request_success", "Inferences answered 200", _LABELS, registry=self._registry
        ).labels(*labels)
        self.failure = Counter(
            "model_infer_request_failure",
            "Inferences answered 5xx; a 4xx is not counted",
            _LABELS,
            registry=self._registry,
        ).labels(*labels)
        self.duration = Histogram(
            "model_infer_request_duration_seconds",
            "From the last byte of a request to its answer, successes and failures alike",
            _LABELS,
            buckets=_BUCKETS,
            registry=self._registry,
        ).labels(*labels)

    def exposition(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self._registry)
