"""Feedback as a live source: the requests that reports are due for, and the reports on windows that are mature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from slipway.api import MetricSpec, MetricStatus
from slipway.controller.observe import Scene
from slipway.feedback import Ledger, SegmentError
from slipway.metrics import Reading, SourceError, delta, snapshot
from slipway.release import revision_name
from slipway.rollout import LabelWindow, Matured, Reported, Revision, Role, windows_due


class Labels:
    """Puts requests and reports together."""

    def __init__(self, ledger: Ledger | None) -> None:
        """`ledger` is None where the operator takes no feedback."""
        self._ledger = ledger

    async def window(
        self,
        scene: Scene,
        metric: MetricSpec,
        status: MetricStatus | None,
        arms: Mapping[str, Revision],
        readings: Mapping[str, Sequence[Reading]],
        *,
        now: datetime,
    ) -> LabelWindow:
        """What is new since the last look. Raises SourceError and ClusterError."""
        if self._ledger is None or metric.feedback is None:
            raise SourceError("feedback", "this operator takes no feedback: start it with --feedback ADDRESS:PORT")
        before = tuple(status.counters or ()) if status is not None else ()
        requests = {arm: delta(before, found)[1] if before else None for arm, found in readings.items()}
        due = windows_due(status, now)
        names = [revision_name(scene.name, arms[role].hash) for role in (Role.CANDIDATE, Role.STABLE)]
        key = scene.namespace, scene.name
        try:
            reports = await self._ledger.counted(key, metric.feedback.kind, due, names) if due else [[], []]
        except SegmentError as error:
            raise SourceError("feedback", str(error)) from error
        return LabelWindow(
            metric=metric.name,
            candidate=requests[Role.CANDIDATE],
            stable=requests[Role.STABLE],
            counters=snapshot(before, [reading for found in readings.values() for reading in found]),
            matured=tuple(
                Matured(start, end, Reported(*candidate), Reported(*stable))
                for (start, end), candidate, stable in zip(due, *reports, strict=True)
            ),
        )
