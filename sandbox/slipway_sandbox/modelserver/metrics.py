"""What the server counts, under the names that MLServer made common.

Only what the server itself got wrong is a failure: a 4xx is in neither counter, so that a client with a broken request
cannot make a release look bad. Their series are there, at 0, before the first request: a scrape tells "no failure" from
"no number". What was asked and answered is counted by value, for those who watch for drift.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from slipway_sandbox.modelserver.protocol import Array

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; from the overhead of a request to what a client would still wait for."""

_LABELS = ("model", "version")

_VALUES = (-100.0, -10.0, -1.0, 0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 1e4, 1e5)
"""Edges of what a number may be; nothing is known here of what it means."""

_MOST_CLASSES = 32
"""Classes that are told apart; a server whose series grow with its requests ends in no good."""


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

        self._labels = labels
        self._values = Histogram(
            "model_tensor_value",
            "Fractional numbers that were asked and answered, by the name of the tensor and the place in its row",
            (*_LABELS, "tensor"),
            buckets=_VALUES,
            registry=self._registry,
        )
        self._classes = Counter(
            "model_tensor_class",
            "Whole numbers that were asked and answered, likewise",
            (*_LABELS, "tensor", "class"),
            registry=self._registry,
        )
        self._known: dict[str, set[int]] = {}

    def count(self, tensors: Iterable[tuple[str, Array]]) -> None:
        """Count what was asked or answered, for those who watch for drift. Texts and truths are not counted."""
        for name, tensor in tensors:
            width = tensor.shape[-1] if tensor.ndim > 1 else 1
            if tensor.dtype.kind not in "fiu" or not tensor.size:
                continue
            for place, column in enumerate(tensor.reshape(-1, width).T.tolist()):
                named = f"{name}_{place}" if width > 1 else name
                for value in column:
                    if tensor.dtype.kind == "f":
                        self._values.labels(*self._labels, named).observe(value)
                    else:
                        self._classes.labels(*self._labels, named, self._class(named, value)).inc()

    def _class(self, tensor: str, value: int) -> str:
        known = self._known.setdefault(tensor, set())
        if value not in known and len(known) >= _MOST_CLASSES:
            return "other"
        known.add(value)
        return str(value)

    def exposition(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self._registry)
