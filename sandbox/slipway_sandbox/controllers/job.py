"""Job: run pods until so many have succeeded."""

import asyncio
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import islice, repeat
from typing import Final

from slipway_sandbox.client import JOBS, PODS, ApiError, Client, InformerSet, Manifest, key_of
from slipway_sandbox.controllers.base import Controller, moment_of, owner_reference, timestamp
from slipway_sandbox.controllers.indexes import free_indexes, indexes_of, is_indexed, numbered, shown
from slipway_sandbox.controllers.replicaset import NAME_ALPHABET
from slipway_sandbox.controllers.selectors import condition_of, is_active, is_ready

FIRST_RETRY_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 600.0


class JobController(Controller):
    """Creates pods up to the parallelism, counts ends, retries failures with growing pauses, and concludes."""

    name = "job-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.jobs = informers.of(JOBS)
        self.pods = informers.of(PODS)
        self.jobs.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, _kind: str, pod: Manifest, _before: Manifest | None) -> None:
        for reference in pod["metadata"].get("ownerReferences") or ():
            if reference.get("controller") and reference["kind"] == JOBS.kind:
                self.queue.add(f"{pod['metadata']['namespace']}/{reference['name']}")

    async def reconcile(self, key: str) -> None:
        job = self.jobs.by_key(key)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return
        if _concluded(job):
            await self._expire(job)
            return
        pods = self.pods.controlled_by(job["metadata"]["uid"])
        active = [pod for pod in pods if is_active(pod)]
        succeeded = [pod for pod in pods if pod.get("status", {}).get("phase") == "Succeeded"]
        done: Collection[int] = indexes_of(succeeded) if is_indexed(job) else range(len(succeeded))
        failed = sum(pod.get("status", {}).get("phase") == "Failed" for pod in pods)
        spec = job["spec"]
        verdict = self._verdict(job, len(done), failed, active)
        if verdict is not None or spec.get("suspend"):
            await asyncio.gather(*(self._delete(pod) for pod in active))
            failed += len(active) if verdict is not None else 0  # what had to be ended has not succeeded
            active = []
        elif not self._pausing(job, pods, failed):
            wanted = _wanted(spec, len(done), len(active)) - len(active)
            free = free_indexes(job, indexes_of([*succeeded, *active])) if is_indexed(job) else repeat(None)
            created = await asyncio.gather(*(self._create(job, index) for index in islice(free, max(wanted, 0))))
            active = [*active, *created]
        await self._report(job, active, succeeded, failed, verdict)

    def _verdict(self, job: Manifest, succeeded: int, failed: int, active: list[Manifest]) -> Manifest | None:
        """The condition that ends the job, when it is over."""
        spec, status = job["spec"], job.get("status", {})
        if failed > int(spec.get("backoffLimit", 6)):
            return {
                "type": "Failed",
                "reason": "BackoffLimitExceeded",
                "message": "Job has reached the specified backoff limit",
            }
        limit, started = spec.get("activeDeadlineSeconds"), status.get("startTime")
        if limit is not None and started:
            left = limit - (datetime.now(UTC) - moment_of(started)).total_seconds()
            if left <= 0:
                message = "Job was active longer than specified deadline"
                return {"type": "Failed", "reason": "DeadlineExceeded", "message": message}
            self.queue.add_after(key_of(job), left + 0.1)
        completions = spec.get("completions")
        done = succeeded >= completions if completions is not None else succeeded > 0 and not active
        if done:
            message = "Reached expected number of succeeded pods"
            return {"type": "Complete", "reason": "CompletionsReached", "message": message}
        return None

    def _pausing(self, job: Manifest, pods: list[Manifest], failed: int) -> bool:
        """Whether the pause after the last failure still runs; if so, the job is looked at when it is over."""
        ends = [
            status["state"]["terminated"]["finishedAt"]
            for pod in pods
            if pod.get("status", {}).get("phase") == "Failed"
            for status in pod["status"].get("containerStatuses") or ()
            if "terminated" in status["state"]
        ]
        if not ends:
            return False
        pause = min(FIRST_RETRY_SECONDS * 2 ** (failed - 1), LONGEST_RETRY_SECONDS)
        left: float = pause - (datetime.now(UTC) - moment_of(max(ends))).total_seconds()
        if left > 0:
            self.queue.add_after(key_of(job), left)
        return left > 0

    async def _create(self, job: Manifest, index: int | None) -> Manifest:
        metadata, template = job["metadata"], job["spec"]["template"]
        suffix = "".join(secrets.choice(NAME_ALPHABET) for _ in range(5))
        labels = dict((template.get("metadata") or {}).get("labels") or {})
        labels |= (job["spec"].get("selector") or {}).get("matchLabels") or {}
        labels |= {"batch.kubernetes.io/job-name": metadata["name"], "job-name": metadata["name"]}
        stem = metadata["name"][:57] if index is None else f"{metadata['name'][: 56 - len(str(index))]}-{index}"
        pod: Manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{stem}-{suffix}",
                "generateName": f"{stem}-",
                "namespace": metadata["namespace"],
                "labels": labels,
                "annotations": (template.get("metadata") or {}).get("annotations") or {},
                "ownerReferences": [owner_reference(job)],
            },
            "spec": template["spec"],
        }
        if index is not None:
            pod = numbered(pod, metadata["name"], index)
        created = await self.client.create(PODS, pod)
        self.pods.observe(created)
        self.events.record("Normal", job, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def _delete(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        await self.client.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])

    async def _report(
        self, job: Manifest, active: list[Manifest], succeeded: list[Manifest], failed: int, verdict: Manifest | None
    ) -> None:
        old = job.get("status", {})
        status: Manifest = {
            "ready": sum(is_ready(pod) for pod in active),
            "terminating": 0,
            "uncountedTerminatedPods": {},
        }
        if not job["spec"].get("suspend"):
            status["startTime"] = old.get("startTime") or timestamp()  # a deadline does not run while it is suspended
        counts = {"active": len(active), "succeeded": len(succeeded), "failed": failed}
        status |= {name: value for name, value in counts.items() if value}
        if is_indexed(job) and succeeded:
            status["completedIndexes"] = shown(indexes_of(succeeded))
        conditions = self._suspension(job)
        if verdict is not None:
            criterion = "SuccessCriteriaMet" if verdict["type"] == "Complete" else "FailureTarget"
            conditions += [_condition({**verdict, "type": criterion}), _condition(verdict)]
            if verdict["type"] == "Complete":
                status["completionTime"] = timestamp()
            kind = "Normal" if verdict["type"] == "Complete" else "Warning"
            reason = "Completed" if verdict["type"] == "Complete" else verdict["reason"]
            message = "Job completed" if verdict["type"] == "Complete" else verdict["message"]
            self.events.record(kind, job, reason, message)
        if conditions:
            status["conditions"] = conditions
        if status != old:
            self.jobs.observe(await self.client.replace(JOBS, {**job, "status": status}, "status"))

    def _suspension(self, job: Manifest) -> list[Manifest]:
        """The conditions so far, with what a suspension or its end has changed."""
        conditions = list(job.get("status", {}).get("conditions") or ())
        known = condition_of(job, "Suspended")
        wanted = "True" if job["spec"].get("suspend") else "False"
        if (known["status"] if known is not None else "False") == wanted:
            return conditions
        verb = "suspended" if wanted == "True" else "resumed"
        words = {"type": "Suspended", "reason": f"Job{verb.capitalize()}", "message": f"Job {verb}"}
        self.events.record("Normal", job, verb.capitalize(), words["message"])
        return [*(entry for entry in conditions if entry is not known), {**_condition(words), "status": wanted}]

    async def _expire(self, job: Manifest) -> None:
        lifetime, ended = job["spec"].get("ttlSecondsAfterFinished"), _concluded(job)
        if lifetime is None or ended is None:
            return
        left = lifetime - (datetime.now(UTC) - moment_of(ended["lastTransitionTime"])).total_seconds()
        if left > 0:
            self.queue.add_after(key_of(job), left)
            return
        metadata = job["metadata"]
        try:
            await self.client.delete(
                JOBS, metadata["namespace"], metadata["name"], uid=metadata["uid"], propagation="Foreground"
            )
        except ApiError as refusal:
            if not refusal.absent:
                raise


def _wanted(spec: Manifest, succeeded: int, active: int) -> int:
    """How many pods should be active: the parallelism, but no more than completions are missing."""
    parallelism, completions = int(spec.get("parallelism", 1)), spec.get("completions")
    if completions is not None:
        return min(parallelism, int(completions) - succeeded)
    return active if succeeded else parallelism  # a work queue: after the first success no new workers are started


def _concluded(job: Manifest) -> Manifest | None:
    for kind in ("Complete", "Failed"):
        condition = condition_of(job, kind)
        if condition is not None and condition["status"] == "True":
            return condition
    return None


def _condition(words: Manifest) -> Manifest:
    now = timestamp()
    return {"type": words["type"], "status": "True", "lastProbeTime": now, "lastTransitionTime": now, **words}
