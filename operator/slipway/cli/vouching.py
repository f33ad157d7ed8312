"""Who has to vouch for a model: what its release names, and what the policy of its namespace asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway.api import PolicySpec
    from slipway.delivery import Checks, Signer


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a release says of its signature and its provenance."""

    signature: str
    attestation: str
    """Where their files are among those of the model."""
    public_key: Path | None = None
    identity: str | None = None
    provider: str | None = None
    attestation_key: Path | None = None
    builders: tuple[str, ...] = ()


def checks_of(release: Vouched, policy: PolicySpec, *, pinned: bool) -> Checks:
    """What has to hold: what the release names, and, where the policy asks for it, that somebody whom the policy trusts
    vouches too. A policy that trusts nobody in particular is content with whom the release names.

    Raises DeliveryError where the policy asks for something that nobody could vouch for, and where a key is not there.
    """
    from slipway.delivery import Attestation, AttestationError, Checks, DigestMismatch, Signature, SignatureError

    if "digest" in policy.require and not pinned:
        raise DigestMismatch("the policy of the namespace asks for it: write what slipway fetch prints")
    own = _signers(release)
    signatures = [Signature(release.signature, own)] if own else []
    if "signature" in policy.require:
        trusted = _trusted(policy)
        if not trusted and not own:
            raise SignatureError("the policy of the namespace asks for it: name publicKey, or identity")
        signatures += [Signature(release.signature, trusted)] if trusted else []
    attestations = []
    if release.attestation_key is not None:
        attestations.append(Attestation(release.attestation, [_key(release.attestation_key)], release.builders))
    if "attestation" in policy.require:
        keys = [key.encode() for key in policy.trusted.keys]
        if not keys and not attestations:
            raise AttestationError("the policy of the namespace asks for it: name publicKey")
        keys = keys or list(attestations[0].keys)
        attestations.append(Attestation(release.attestation, keys, policy.trusted.builders))
    return Checks(signatures, attestations, (release.signature,))


def _signers(release: Vouched) -> list[Signer]:
    from slipway.delivery import Signer

    if release.public_key is not None:
        return [Signer(_key(release.public_key))]
    if release.identity is not None:
        return [Signer(None, release.identity, release.provider or "")]
    return []


def _trusted(policy: PolicySpec) -> list[Signer]:
    from slipway.delivery import Signer

    keys = [Signer(key.encode()) for key in policy.trusted.keys]
    return [*keys, *(Signer(None, one.identity, one.identity_provider) for one in policy.trusted.identities)]


def _key(path: Path) -> bytes:
    from slipway.delivery import UntrustedError

    try:
        return path.read_bytes()
    except OSError:
        raise UntrustedError(
            "there is no public key where publicKey says: create the object that it names, with that key"
        ) from None
