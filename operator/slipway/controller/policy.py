"""What a namespace asks of its releases: the ConfigMap ``slipway-policy``, read where a release is about to begin.

A namespace without it asks for nothing. One that cannot be read lets nothing begin: whoever can break a policy could
otherwise do without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from slipway.api import POLICY_CONFIG_MAP, POLICY_KEY, PolicySpec, ReleaseSpec
from slipway.cluster import CONFIG_MAP, Cluster, Forbidden
from slipway.controller.texts import read_yaml
from slipway.rollout import Verification, reasons

NOTHING: Final = PolicySpec()


class PolicyError(Exception):
    """What a namespace asks for cannot be read. The message names the field and what to do."""


async def policy_of(cluster: Cluster, namespace: str) -> PolicySpec:
    """The policy of a namespace. Raises PolicyError, and ClusterError when nobody answers."""
    try:
        found = await cluster.get(CONFIG_MAP, namespace, POLICY_CONFIG_MAP)
    except Forbidden as error:
        raise PolicyError(f"ConfigMap {POLICY_CONFIG_MAP}: the operator may not read it: {error}") from error
    if found is None:
        return NOTHING
    try:
        return read_policy(found.get("data") or {})
    except ValueError as error:
        raise PolicyError(f"ConfigMap {POLICY_CONFIG_MAP}: {error}") from error


def read_policy(data: Mapping[str, str]) -> PolicySpec:
    """The policy in the data of a ConfigMap. Raises ValueError, which names the field."""
    if POLICY_KEY not in data:
        raise ValueError(f"it has no key {POLICY_KEY}: write require there, or delete the ConfigMap")
    try:
        return PolicySpec.model_validate(read_yaml(data, POLICY_KEY) or {})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ValueError(f"{POLICY_KEY}: {'; '.join(problems)}") from None


def unmet(release: ReleaseSpec, policy: PolicySpec) -> Verification | None:
    """Why a release cannot meet what is asked of it, whatever is at its URI; None where that is to be found out."""
    asked = f"ConfigMap {POLICY_CONFIG_MAP} asks for {', '.join(policy.require)}"
    if release.delivery is None:
        said = asked if policy.require else "spec.release.verification asks for it"
        return _refused(f"spec.release.delivery: {said}, and only what is delivered can be verified: add it")
    if (refused := unmet_by_adapters(release, policy)) is not None:
        return refused
    if "digest" in policy.require and release.model.digest is None:
        return _refused(f"spec.release.model.digest: {asked}: write what slipway fetch prints")
    verification, trusted = release.verification, policy.trusted
    signed = verification is not None and verification.signature is not None
    if "signature" in policy.require and not (signed or trusted.keys or trusted.identities):
        return _refused(f"spec.release.verification.signature: {asked}: name publicKey, or identity")
    attested = verification is not None and verification.attestation is not None
    if "attestation" in policy.require and not (attested or trusted.keys):
        return _refused(f"spec.release.verification.attestation: {asked}: name publicKey")
    return None


def unmet_by_adapters(release: ReleaseSpec, policy: PolicySpec) -> Verification | None:
    """Why the adapters of a release cannot meet what is asked of it, whoever vouches for the base."""
    if not release.adapters or not {"signature", "attestation"} & set(policy.require):
        return None
    return _refused(
        f"spec.release.adapters: ConfigMap {POLICY_CONFIG_MAP} asks for {', '.join(policy.require)}, and adapters are "
        "pinned by digest: their signatures and attestations are not verified. Deliver a model that they are merged "
        "into, or have the policy ask for digest alone"
    )


def _refused(message: str) -> Verification:
    return Verification(refused=(reasons.VERIFICATION_FAILED, message))
