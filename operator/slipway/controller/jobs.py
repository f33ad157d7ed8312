"""Jobs: created once, by their name, and read whenever somebody wants to know how they went.

Nothing about them is remembered. An operator that was killed at any point finds the Job under the name that it would
give it again; what the Job found is folded by the core, whose record says what was folded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Final

from slipway.api import LABEL_MODEL_DEPLOYMENT, Component
from slipway.cluster import JOB, POD, AlreadyExists, Cluster, Forbidden, Invalid, NotServed, Object
from slipway.workload import JobState, Progress, job_state

COMPONENT: Final = "app.kubernetes.io/component"

_log = logging.getLogger(__name__)


class JobError(Exception):
    """A Job cannot be run as it is asked for. The message says why."""


class Jobs:
    """Runs Jobs, and says how they went."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def run(self, namespace: str, name: str, owner: str, make: Callable[[], Object]) -> JobState:
        """How far the Job of this name is, which belongs to the object of the uid `owner`; where there is none, the one
        that `make` makes is created.

        Raises JobError where the name is somebody else's or the cluster refuses the Job, ClusterError, and what `make`
        raises.
        """
        live = await self._cluster.get(JOB, namespace, name)
        if live is None:
            live = await self._create(make())
        if live is None:
            return JobState(Progress.RUNNING)
        if all(found["uid"] != owner for found in live["metadata"].get("ownerReferences") or []):
            raise JobError(f"Job {namespace}/{name} exists and is not Slipway's: delete it")
        if live["metadata"].get("deletionTimestamp"):
            return JobState(Progress.RUNNING, "an earlier one of its name is being deleted")
        return job_state(live, await self._cluster.list(POD, namespace, labels=_selector(live)))

    async def _create(self, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        try:
            created = await self._cluster.create(manifest)
        except AlreadyExists:
            return None  # by another operator, or by this one before its answer was lost: looked at next time
        except (Invalid, Forbidden, NotServed) as error:
            raise JobError(f"the cluster refuses the Job: {error}") from error
        _log.info("%s: Job %s was created", metadata["namespace"], metadata["name"])
        return created

    async def end_others(
        self, namespace: str, model_deployment: str, wanted: Collection[str], component: Component = "job"
    ) -> None:
        """Delete the Jobs of a ModelDeployment that still run and that nobody waits for any more: what they would find
        is about a release that is off."""
        labels = {LABEL_MODEL_DEPLOYMENT: model_deployment, COMPONENT: component}
        for job in await self._cluster.list(JOB, namespace, labels=labels):
            metadata = job["metadata"]
            running = job_state(job, ()).progress is Progress.RUNNING
            if running and metadata["name"] not in wanted and not metadata.get("deletionTimestamp"):
                await self._cluster.delete(JOB, namespace, metadata["name"], uid=metadata["uid"])


def _selector(job: Object) -> dict[str, str]:
    """What finds the Job's pods: its own selector, which the cluster has made."""
    labels: dict[str, str] = ((job.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return labels or {"job-name": job["metadata"]["name"]}
