"""Evidence that Jobs collect: golden sets that `slipway evaluate` replays, and what Jobs of the user measure.

The Job's name is made of what is measured, against whom, and for which attempt, so that one result is that of one
question. Items come as one batch of the whole set, which the core folds once: a batch that begins at the first item is
not the next one of a set that was folded before. Counts are folded once by the name of the Job.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from slipway.analysis import ArmCounts, GroupCounts, GroupName, PairedBatch
from slipway.api import (
    API_VERSION,
    MODEL_REVISION_KIND,
    SERVICE_PORT,
    GoldenSetSource,
    JobSettings,
    JobSource,
    MetricSpec,
    Phase,
    format_duration,
)
from slipway.cluster import ClusterError, Forbidden, Object
from slipway.cluster.endpoints import UnknownPortError
from slipway.controller.arm import Arm, ProtocolError
from slipway.controller.evaluation import CountsResult, GoldenResult, ItemsResult, R, ResultError, read_result
from slipway.controller.golden import asked_for, common_protocol, items_per_second
from slipway.controller.jobs import JobError, Jobs
from slipway.controller.observe import Scene
from slipway.outside import Egress
from slipway.probes import ProbeError
from slipway.release import revision_name
from slipway.rollout import (
    Evidence,
    GoldenBatch,
    GoldenRequest,
    JobCounts,
    Observation,
    Revision,
    SourceFailure,
    Waiting,
    trial,
)
from slipway.workload import (
    RESULT_PATH,
    JobPod,
    JobState,
    JobVolume,
    Owner,
    Progress,
    job_manifest,
    job_name,
    placement_of,
)

MOUNT: Final = "/data"
"""Where the volume of a golden set is mounted."""

_ON_TRIAL: Final = frozenset({Phase.EVALUATING, Phase.SHADOWING, Phase.STEPPING, Phase.PROMOTING})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobSources:
    """Collects evidence by Jobs. Without an image there are none that replay golden sets."""

    jobs: Jobs
    image: str | None
    egress: Egress

    async def batch(
        self, scene: Scene, request: GoldenRequest, source: GoldenSetSource, candidate: Arm, stable: Arm | None
    ) -> Evidence:
        """The whole golden set's result, or how far the Job is. `source` is that of the request."""
        question = _Question(scene, request.metric, source, candidate, stable)
        settings = source.job or JobSettings()

        async def read() -> Evidence:
            common_protocol(request, candidate, stable)
            arms = asked_for(request, candidate, stable)
            state = await self.jobs.run(
                scene.namespace,
                question.name,
                question.uid,
                lambda: question.job(self._replaying(scene, request, source, *arms), settings.timeout),
            )
            told = _told(question, state, GoldenResult)
            return told if isinstance(told, Waiting) else _batch(question, told, told.dataset)

        return await _or_failure(question, read)

    async def measure(self, scene: Scene, metric: MetricSpec, candidate: Arm, stable: Arm | None) -> Evidence:
        """What a Job of the user found, or how far it is."""
        source = metric.job
        if source is None:
            raise ValueError(f"{metric.name} is no metric of a Job")
        question = _Question(scene, metric.name, source, candidate, stable)
        compares = stable is not None and (metric.comparison or metric.non_inferiority) is not None

        async def read() -> Evidence:
            state = await self.jobs.run(
                scene.namespace,
                question.name,
                question.uid,
                lambda: question.job(_measuring(scene, source, candidate, stable), source.timeout),
            )
            if source.result == "Pairs":
                pairs = _told(question, state, ItemsResult)
                return pairs if isinstance(pairs, Waiting) else _batch(question, pairs, question.name)
            counts = _told(question, state, CountsResult)
            return counts if isinstance(counts, Waiting) else _counts(question, counts, compares=compares)

        return await _or_failure(question, read)

    async def tidy(self, scene: Scene, seen: Observation) -> None:
        """End the Jobs that nobody waits for any more, where there may be some."""
        metrics = [metric for metric in seen.analysis.metrics or () if metric.in_job]
        if not metrics:
            return
        judged, compared = trial(seen)
        revision = seen.revisions.get(judged) if judged is not None else None
        wanted = set()
        if revision is not None and revision.record.phase in _ON_TRIAL:
            wanted = {
                _name(scene, metric.name, metric.job or metric.golden_set, revision, compared) for metric in metrics
            }
        try:
            await self.jobs.end_others(scene.namespace, scene.name, wanted)
        except ClusterError as error:
            # What lacks a right stays so until somebody reads of it; all else passes.
            level = logging.WARNING if isinstance(error, Forbidden) else logging.DEBUG
            _log.log(level, "%s/%s: Jobs are left to end by themselves: %s", scene.namespace, scene.name, error)

    def _replaying(
        self, scene: Scene, request: GoldenRequest, source: GoldenSetSource, candidate: Arm, stable: Arm | None
    ) -> JobPod:
        """The pod that replays a golden set. Raises JobError and ProbeError."""
        field = f"spec.analysis.metrics[{request.metric}].goldenSet"
        if self.image is None:
            raise JobError(
                f"{field} takes a Job, and the operator does not know its own image: start it with --image, "
                "or SLIPWAY_IMAGE"
            )
        arguments = self._arguments(scene, request, source, candidate, stable)
        return JobPod(
            image=self.image,
            args=[word.replace("$", "$$") for word in arguments],  # a kubelet would put variables into them
            env=(source.job.env if source.job is not None else None) or (),
            resources=source.job.resources if source.job is not None else None,
            volume=JobVolume(source.pvc.claim_name, MOUNT) if source.pvc is not None else None,
            pull_secrets=_pull_secrets(scene, candidate),
            placement=_tolerated(scene, candidate),
        )

    def _arguments(
        self, scene: Scene, request: GoldenRequest, source: GoldenSetSource, candidate: Arm, stable: Arm | None
    ) -> Iterator[str]:
        yield "evaluate"
        yield f"{MOUNT}/{source.pvc.path}" if source.pvc is not None else source.url or ""
        for name, arm in (("candidate", candidate), ("stable", stable)):
            if arm is not None:
                yield from (f"--{name}={url}" for url in _addresses(scene, arm))
                yield f"--{name}-model={arm.model}"
                if arm.schemas is not None and arm.schemas.output is not None:
                    yield f"--{name}-answers={arm.schemas.output}"
        if candidate.schemas is not None and candidate.schemas.input is not None:
            yield f"--requests={candidate.schemas.input}"
        yield f"--seed={_uid(scene, candidate.revision)}"
        yield f"--namespace={scene.namespace}"
        if candidate.protocol is not None:
            yield f"--protocol={_json(candidate.protocol)}"
        if source.match is not None:
            yield f"--match={_json(source.match)}"
        if source.output is not None:
            yield f"--output={source.output}"
        if source.format is not None:
            yield f"--format={source.format}"
        yield from (f"--slice={name}" for name in source.slices or ())
        yield f"--tolerance={source.tolerance:g}"
        yield f"--items-per-second={items_per_second(request, candidate, stable)}"
        yield f"--timeout={format_duration(source.timeout)}"
        yield from (f"--egress={rule}" for rule in self.egress.rules)
        if not self.egress.public:
            yield "--no-public-egress"
        yield f"--result={RESULT_PATH}"


@dataclass(frozen=True, slots=True)
class _Question:
    """What a Job is to find out."""

    scene: Scene
    metric: str
    source: GoldenSetSource | JobSource
    candidate: Arm
    stable: Arm | None

    @property
    def name(self) -> str:
        """The Job's."""
        against = self.stable.revision.hash if self.stable is not None else None
        return _name(self.scene, self.metric, self.source, self.candidate.revision, against)

    @property
    def uid(self) -> str:
        """That of the Job's owner, the revision."""
        return _uid(self.scene, self.candidate.revision)

    def job(self, pod: JobPod, timeout: timedelta) -> Object:
        """The Job with this pod. Raises ProbeError where nobody could answer it."""
        if not self.candidate.ready:
            raise ProbeError("no pod of the candidate is ready to be asked")
        hash_ = self.candidate.revision.hash
        return job_manifest(
            name=self.name,
            model_deployment=self.scene.name,
            namespace=self.scene.namespace,
            full_hash=hash_,
            owner=Owner(API_VERSION, MODEL_REVISION_KIND, revision_name(self.scene.name, hash_), self.uid),
            pod=pod,
            timeout=timeout,
        )


def _name(scene: Scene, metric: str, source: BaseModel | None, revision: Revision, against: str | None) -> str:
    """The name of the Job that answers a question: what is measured, of which attempt, and compared with what."""
    said = source.model_dump(mode="json", by_alias=True, exclude_none=True) if source is not None else None
    uid = _uid(scene, revision)
    return job_name(scene.name, revision.hash, uid, revision.record.attempt, against, metric, said)


def _uid(scene: Scene, revision: Revision) -> str:
    return str(scene.revisions[revision.hash]["metadata"]["uid"])


def _measuring(scene: Scene, source: JobSource, candidate: Arm, stable: Arm | None) -> JobPod:
    """The pod of a user's Job, which is told whom to ask and where to write. Raises ProbeError."""
    facts = {"SLIPWAY_RESULT": RESULT_PATH, "SLIPWAY_NAMESPACE": scene.namespace}
    for name, arm in (("CANDIDATE", candidate), ("STABLE", stable)):
        if arm is not None:
            service, *pods = _addresses(scene, arm)
            facts |= {
                f"SLIPWAY_{name}_URL": service,
                f"SLIPWAY_{name}_PODS": ",".join(pods),
                f"SLIPWAY_{name}_MODEL": arm.model,
                f"SLIPWAY_{name}_VERSION": arm.revision.version,
            }
    return JobPod(
        image=source.image,
        command=source.command or (),
        args=source.args or (),
        facts=facts,
        env=source.env or (),
        resources=source.resources,
        pull_secrets=_pull_secrets(scene, candidate),
        placement=_tolerated(scene, candidate),
    )


def _addresses(scene: Scene, arm: Arm) -> Sequence[str]:
    """Where an arm is asked: its Service, and for where nobody knows Services by name the pods that are ready now."""
    name = revision_name(scene.name, arm.revision.hash)
    try:
        pods = [pod.url(arm.port, "") for pod in arm.ready]
    except UnknownPortError as error:
        raise ProbeError(str(error)) from None
    return [f"http://{name}.{scene.namespace}.svc:{SERVICE_PORT}", *pods]


def _pull_secrets(scene: Scene, arm: Arm) -> Sequence[str]:
    """The registry credentials of a release, for the Jobs beside its pods."""
    settings = scene.release(arm.revision.hash).pod
    return [secret.name for secret in (settings.image_pull_secrets if settings is not None else None) or ()]


def _tolerated(scene: Scene, arm: Arm) -> Object:
    """The taints that a release's pods put up with, for the Jobs beside them: all nodes of a namespace may have one.
    Nothing else of where its pods run: who asks needs no accelerator, and may not fit beside who answers."""
    tolerations = placement_of(scene.release(arm.revision.hash)).get("tolerations")
    return {"tolerations": tolerations} if tolerations else {}


def _json(model: BaseModel) -> str:
    return json.dumps(model.model_dump(mode="json", by_alias=True, exclude_none=True))


# --- what came of it ------------------------------------------------------------------------------------------------


async def _or_failure(question: _Question, read: Callable[[], Awaitable[Evidence]]) -> Evidence:
    try:
        return await read()
    except ResultError as error:
        message = f"Job {question.name}: {error}; it is run again once it is deleted"
    except (JobError, ProtocolError, ProbeError, ClusterError) as error:
        message = str(error)
    return SourceFailure(question.metric, message)


def _told(question: _Question, state: JobState, model: type[R]) -> R | Waiting:
    """The Job's result, or that it is still at work. Raises ResultError."""
    match state.progress:
        case Progress.RUNNING:
            though = f", though {state.said}" if state.said else ""
            return Waiting(question.metric, f"Job {question.name} runs{though}")
        case Progress.FAILED:
            raise ResultError(state.said)
        case Progress.SUCCEEDED:
            return read_result(state.said, model)


def _batch(question: _Question, found: ItemsResult, dataset: str) -> GoldenBatch:
    """Items as a batch that is the whole set. Raises ResultError."""
    if not found.items:
        raise ResultError("it has asked nothing")
    if found.paired is not (question.stable is not None):
        wanted = "losses, wins, tiesRight and tiesWrong" if question.stable is not None else "right and wrong"
        raise ResultError(f"its result is not of the arms that it was told to ask: it has to name {wanted}")
    golden = found if isinstance(found, GoldenResult) else None
    return GoldenBatch(
        metric=question.metric,
        dataset=dataset,
        size=found.items,
        start=0,
        losses=found.losses or found.wrong or 0,
        wins=found.wins or found.right or 0,
        ties_right=found.ties_right or 0,
        ties_wrong=found.ties_wrong or 0,
        excluded=found.excluded,
        examples=tuple(golden.examples) if golden is not None else (),
        left_out=golden.left_out if golden is not None else "",
        groups=tuple(
            GroupCounts(GroupName(kind, group), sum(counts), PairedBatch(*counts))
            for kind, groups in (golden.groups if golden is not None else {}).items()
            for group, counts in groups.items()
        ),
    )


def _counts(question: _Question, found: CountsResult, *, compares: bool) -> JobCounts:
    """The counts of the arms. Raises ResultError."""
    candidate, stable = found.arm(), found.stable
    if compares and stable is None:
        raise ResultError("its result is of one arm, and it is compared: it has to name candidate and stable")
    if not candidate.total or (stable is not None and not stable.total):
        raise ResultError("it has measured nothing: a total is 0")
    return JobCounts(
        question.metric,
        question.name,
        ArmCounts(candidate.bad, candidate.total),
        ArmCounts(stable.bad, stable.total) if stable is not None and question.stable is not None else None,
    )
