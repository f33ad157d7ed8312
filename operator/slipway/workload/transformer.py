"""The container in front of the model, in the same pod: one pod is one version of both, and no request can meet two.

It reaches the model over the pod's own address, which no Service and no router is part of.
"""

from __future__ import annotations

from typing import Any, Final

from slipway.api import ReleaseSpec, TransformerSpec
from slipway.release import asked_protocol
from slipway.workload.podspec import (
    DRAIN_SECONDS,
    GRACE_SECONDS,
    TRANSFORMER_NAME,
    drained,
    model_facts,
    model_ports,
    ready_path,
    rendered,
    told,
    transformer_ports,
)

PREDICTOR_URL: Final = "SLIPWAY_PREDICTOR_URL"
"""Variable with the address of the model's first port."""

POD_IP: Final = "POD_IP"
"""Variable with the pod's address."""


def with_transformer(pod: dict[str, Any], release: ReleaseSpec, *, drain: bool) -> dict[str, Any]:
    """The pod's spec with the release's transformer behind the model's container; the same where it has none.

    Both containers are told to end at the same time, and a request that is still in the transformer then needs the
    model: where pods drain, the model goes on for as long again.
    """
    if release.transformer is None:
        return pod
    model, *others = pod["containers"]
    transformer = _container(release, release.transformer)
    if drain:
        grace = (release.pod.termination_grace_period_seconds if release.pod is not None else None) or GRACE_SECONDS
        longest = min(2 * DRAIN_SECONDS, grace // 2)
        model, transformer = drained(model, longest), drained(transformer, longest // 2)
    return {**pod, "containers": [model, transformer, *others]}


def _container(release: ReleaseSpec, transformer: TransformerSpec) -> dict[str, Any]:
    declared, pipeline = transformer.container, release.feature_pipeline
    facts = model_facts(release)
    if pipeline is not None:
        facts |= {
            "SLIPWAY_PIPELINE_NAME": pipeline.name,
            "SLIPWAY_PIPELINE_VERSION": pipeline.version,
            "SLIPWAY_PIPELINE_URI": pipeline.uri,
            "SLIPWAY_PIPELINE_DIGEST": pipeline.digest,
        }
    return rendered(
        TRANSFORMER_NAME,
        declared,
        ports=transformer_ports(release),
        env=_addresses(release, told(facts, declared)),
        ready_at=ready_path(asked_protocol(release), release.model.name),
    )


def _addresses(release: ReleaseSpec, env: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The variables with the addresses before them, because a variable can refer only to those before it."""
    own = next((one for one in env if one["name"] == POD_IP), None)
    first = [own or {"name": POD_IP, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    if not any(one["name"] == PREDICTOR_URL for one in env):
        first.append({"name": PREDICTOR_URL, "value": f"http://$({POD_IP}):{model_ports(release)[0].number}"})
    return [*first, *(one for one in env if one is not own)]
