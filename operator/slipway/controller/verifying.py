"""What is known of the declared release's artifact: asked of a Job in the namespace, with the user's credentials.

The Job fetches to a volume of its own, computes the digest, verifies what is to be verified, and says what came of it.
Its name follows from the attempt and from what is asked for, so that an operator that was killed at any point finds it
again. A store that does not answer is tried again by the Job, for as long as the core waits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import Field

from slipway.api import API_VERSION, MODEL_REVISION_KIND, ArtifactStatus, Phase, ReleaseSpec
from slipway.cluster import Cluster, ClusterError, Object
from slipway.controller.evaluation import Result, ResultError, read_result
from slipway.controller.jobs import JobError, Jobs
from slipway.controller.observe import Scene
from slipway.release import revision_name
from slipway.rollout import WITHOUT_PODS, Observation, Revision, Verification, reasons, roles
from slipway.workload import (
    FOLDER,
    PLACE,
    RESULT_PATH,
    JobPod,
    Owner,
    Progress,
    job_manifest,
    job_name,
    means_of,
    plain,
)

TRIES: Final = 20
"""Pods that a Job may use up: Kubernetes waits longer between two of them each time, up to six minutes."""

_ENDED: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED})

_log = logging.getLogger(__name__)

Told = Annotated[str, Field(min_length=1, max_length=3000)]


class VerificationResult(Result):
    """What `slipway verify` found: either all of the first four, or why the artifact is refused."""

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    bytes: Annotated[int, Field(ge=0)] = 0
    files: Annotated[int, Field(ge=0)] = 0
    verified: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=8)] = ()
    refused: Told | None = None


@dataclass(frozen=True, slots=True)
class Verifier:
    """Has artifacts verified. Without an image nothing is, and the release waits."""

    cluster: Cluster
    image: str | None

    async def look(self, scene: Scene, seen: Observation) -> Observation:
        """The observation with what is known of the candidate's artifact, where it has one and no pods yet."""
        await self._tidy(scene, seen)
        candidate = roles(seen).candidate
        revision = seen.revisions.get(candidate) if candidate is not None else None
        if revision is None or revision.record.phase not in WITHOUT_PODS:
            return seen
        release = scene.release(revision.hash)
        if release.delivery is None:
            return seen
        if revision.record.artifact is not None:
            return replace(seen, verification=Verification(known=True))
        if revision.record.phase != Phase.VERIFYING:
            return replace(seen, verification=Verification())
        return replace(seen, verification=await self._asked(scene, seen, revision, release))

    async def _asked(self, scene: Scene, seen: Observation, revision: Revision, release: ReleaseSpec) -> Verification:
        if self.image is None:
            return Verification(
                waits="spec.release.delivery: the operator does not know its own image, which fetches models: start "
                "it with --image, or SLIPWAY_IMAGE"
            )
        name, image, uid = _name(scene, revision), self.image, _uid(scene, revision)
        try:
            state = await Jobs(self.cluster).run(
                scene.namespace, name, uid, lambda: _job(scene, seen, revision, name, _pod(release, image))
            )
            if state.progress is Progress.SUCCEEDED:
                return _found(read_result(state.said, VerificationResult), release, seen)
        except ResultError as error:
            return Verification(waits=f"Job {name}: {error}; it is run again once it is deleted")
        except (JobError, ClusterError) as error:
            return Verification(waits=str(error))
        if state.progress is Progress.FAILED:
            return Verification(waits=f"Job {name}: {state.said}")
        return Verification(waits=f"Job {name} runs{f', though {state.said}' if state.said else ''}")

    async def _tidy(self, scene: Scene, seen: Observation) -> None:
        """End the Jobs of releases that were given up before they were verified, where there may be some."""
        ended = [
            revision
            for revision in seen.revisions.values()
            if revision.record.phase in _ENDED
            and revision.record.artifact is None
            and scene.release(revision.hash).delivery is not None
        ]
        if not ended:
            return
        wanted = [
            _name(scene, revision)
            for revision in seen.revisions.values()
            if revision.record.phase == Phase.VERIFYING and revision.hash == seen.desired
        ]
        try:
            await Jobs(self.cluster).end_others(scene.namespace, scene.name, wanted, "verification")
        except ClusterError as error:
            _log.debug("%s/%s: Jobs are left to end by themselves: %s", scene.namespace, scene.name, error)


def _name(scene: Scene, revision: Revision) -> str:
    return job_name(scene.name, revision.hash, _uid(scene, revision), revision.record.attempt, "verify")


def _uid(scene: Scene, revision: Revision) -> str:
    return str(scene.revisions[revision.hash]["metadata"]["uid"])


def _job(scene: Scene, seen: Observation, revision: Revision, name: str, pod: JobPod) -> Object:
    return job_manifest(
        name=name,
        model_deployment=scene.name,
        namespace=scene.namespace,
        full_hash=revision.hash,
        owner=Owner(API_VERSION, MODEL_REVISION_KIND, revision_name(scene.name, revision.hash), _uid(scene, revision)),
        pod=pod,
        timeout=seen.rollback.progress_deadline,
        component="verification",
        tries=TRIES,
    )


def _pod(release: ReleaseSpec, image: str) -> JobPod:
    """The pod that fetches and verifies. It has what the release's own pods fetch with, and their identity."""
    delivery, uri, settings = release.delivery, release.model.uri, release.pod
    if delivery is None or uri is None:
        raise JobError("spec.release.model.uri: there is nothing to deliver")
    means = means_of(uri, delivery)
    security = settings.security_context if settings is not None else None
    return JobPod(
        image=image,
        args=plain([*_arguments(release, uri), *means.arguments]),
        facts={str(one["name"]): str(one["value"]) for one in means.env},
        resources=delivery.resources,
        pull_secrets=[secret.name for secret in (settings.image_pull_secrets if settings is not None else None) or ()],
        env_from=means.env_from,
        mounts=means.mounts,
        volumes=means.volumes,
        service_account=settings.service_account_name if settings is not None else None,
        security=security.model_dump(by_alias=True, exclude_none=True) if security is not None else {},
    )


def _arguments(release: ReleaseSpec, uri: str) -> Iterator[str]:
    yield from ("verify", uri, f"--into={PLACE}/{FOLDER}", f"--result={RESULT_PATH}")
    if release.model.digest is not None:
        yield f"--digest={release.model.digest}"


def _found(found: VerificationResult, release: ReleaseSpec, seen: Observation) -> Verification:
    if found.refused is not None:
        return Verification(refused=(reasons.VERIFICATION_FAILED, found.refused))
    if found.digest is None:
        raise ResultError("its result names no digest")
    return Verification(
        artifact=ArtifactStatus(
            uri=release.model.uri or "",
            digest=found.digest,
            bytes=found.bytes,
            files=found.files,
            verified=list(found.verified) or None,
            time=seen.now,
        )
    )
