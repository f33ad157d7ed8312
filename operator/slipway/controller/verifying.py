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

from slipway.api import API_VERSION, MODEL_REVISION_KIND, ArtifactStatus, Phase, PolicySpec, ReleaseSpec
from slipway.cluster import Cluster, ClusterError, Object
from slipway.controller.evaluation import Result, ResultError, read_result
from slipway.controller.jobs import JobError, Jobs
from slipway.controller.observe import Scene
from slipway.controller.policy import PolicyError, policy_of, unmet, unmet_by_adapters
from slipway.release import revision_name
from slipway.rollout import WITHOUT_PODS, Observation, Revision, Verification, reasons, roles
from slipway.workload import (
    FOLDER,
    PLACE,
    RESULT_PATH,
    JobPod,
    Owner,
    Progress,
    found_at,
    job_manifest,
    job_name,
    means_of,
    placement_of,
    plain,
)

TRIES: Final = 20
"""Pods that a Job may use up: Kubernetes waits longer between two of them each time, up to six minutes."""

_TRUST: Final = "/slipway/trust"
_KEY: Final = "key.pem"
"""Where public keys are mounted."""

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
        try:
            policy = await policy_of(self.cluster, scene.namespace)
        except PolicyError as error:
            return replace(seen, verification=Verification(unruled=str(error), waits=str(error)))
        if release.delivery is None and release.verification is None and not policy.require:
            return seen
        artifact = revision.record.artifact
        held = artifact is not None and set(policy.require) <= set(artifact.verified or ())
        if held and unmet_by_adapters(release, policy) is None:  # what was recorded is about the base
            return replace(seen, verification=Verification(known=True))
        if revision.record.phase != Phase.VERIFYING:
            return replace(seen, verification=Verification())
        found = unmet(release, policy) or await self._asked(scene, seen, revision, release, policy)
        return replace(seen, verification=found)

    async def _asked(
        self, scene: Scene, seen: Observation, revision: Revision, release: ReleaseSpec, policy: PolicySpec
    ) -> Verification:
        if self.image is None:
            return Verification(
                waits="spec.release.delivery: the operator does not know its own image, which fetches models: start "
                "it with --image, or SLIPWAY_IMAGE"
            )
        name, image, uid = _name(scene, revision, policy), self.image, _uid(scene, revision)
        try:
            state = await Jobs(self.cluster).run(
                scene.namespace,
                name,
                uid,
                lambda: _job(scene, seen, revision, name, _pod(scene, release, policy, revision, image)),
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
            revision.hash
            for revision in seen.revisions.values()
            if revision.record.phase == Phase.VERIFYING and revision.hash == seen.desired
        ]
        try:
            policy = await policy_of(self.cluster, scene.namespace) if wanted else PolicySpec()
            names = [_name(scene, seen.revisions[hash_], policy) for hash_ in wanted]
            await Jobs(self.cluster).end_others(scene.namespace, scene.name, names, "verification")
        except (ClusterError, PolicyError) as error:
            _log.debug("%s/%s: Jobs are left to end by themselves: %s", scene.namespace, scene.name, error)


def _name(scene: Scene, revision: Revision, policy: PolicySpec) -> str:
    asked = _json(policy) if policy.require else None
    return job_name(scene.name, revision.hash, _uid(scene, revision), revision.record.attempt, "verify", asked)


def _json(policy: PolicySpec) -> str:
    return policy.model_dump_json(by_alias=True, exclude_defaults=True)


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


def _pod(scene: Scene, release: ReleaseSpec, policy: PolicySpec, revision: Revision, image: str) -> JobPod:
    """The pod that fetches and verifies. It has what the release's own pods fetch with, and their identity, and runs
    where they may: a volume may be of one node only, and all that a namespace may use may be tainted."""
    delivery, uri, settings = release.delivery, release.model.uri, release.pod
    if delivery is None or uri is None:
        raise JobError("spec.release.model.uri: there is nothing to deliver")
    means = means_of(uri, delivery, scene.releases[revision.hash].spec.mlflow_tracking_uri)
    security = settings.security_context if settings is not None else None
    trust = list(_trust(release))
    return JobPod(
        image=image,
        args=plain([*_arguments(release, policy, revision, found_at(uri, delivery)), *means.arguments]),
        facts={str(one["name"]): str(one["value"]) for one in means.env},
        resources=delivery.resources,
        pull_secrets=[secret.name for secret in (settings.image_pull_secrets if settings is not None else None) or ()],
        env_from=means.env_from,
        mounts=[*means.mounts, *(mount for mount, _ in trust)],
        volumes=[*means.volumes, *(volume for _, volume in trust)],
        service_account=settings.service_account_name if settings is not None else None,
        security=security.model_dump(by_alias=True, exclude_none=True) if security is not None else {},
        placement=placement_of(release),
    )


def _trust(release: ReleaseSpec) -> Iterator[tuple[Object, Object]]:
    """Where public keys are mounted, and from what. A key that is not there is told by who looks for it."""
    asked = release.verification
    signature, attestation = (asked.signature, asked.attestation) if asked is not None else (None, None)
    for name, source in (
        ("signature", signature.public_key if signature is not None else None),
        ("attestation", attestation.public_key if attestation is not None else None),
    ):
        reference = source and (source.config_map_key_ref or source.secret_key_ref)
        if source is None or not reference:
            continue
        items = [{"key": reference.key, "path": _KEY}]
        volume = (
            {"configMap": {"name": reference.name, "items": items, "optional": True}}
            if source.config_map_key_ref is not None
            else {"secret": {"secretName": reference.name, "items": items, "optional": True}}
        )
        volume_name = f"slipway-{name}-key"
        yield (
            {"name": volume_name, "mountPath": f"{_TRUST}/{name}", "readOnly": True},
            {"name": volume_name, **volume},
        )


def _arguments(release: ReleaseSpec, policy: PolicySpec, revision: Revision, uri: str) -> Iterator[str]:
    yield from ("verify", uri, f"--into={PLACE}/{FOLDER}", f"--result={RESULT_PATH}")
    known = revision.record.artifact
    digest = known.digest if known is not None else release.model.digest
    if digest is not None:
        yield f"--digest={digest}"
    if policy.require:
        yield f"--policy={_json(policy)}"
    asked = release.verification
    if asked is None:
        return
    if (signature := asked.signature) is not None:
        if signature.path is not None:
            yield f"--signature={signature.path}"
        if signature.public_key is not None:
            yield f"--public-key={_TRUST}/signature/{_KEY}"
        else:
            yield f"--identity={signature.identity}"
            yield f"--identity-provider={signature.identity_provider}"
    if (attestation := asked.attestation) is not None:
        if attestation.path is not None:
            yield f"--attestation={attestation.path}"
        yield f"--attestation-key={_TRUST}/attestation/{_KEY}"
        yield from (f"--builder={builder}" for builder in attestation.builders or ())


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
