"""From a URI to what is known of it: what `slipway verify` does.

What a claim holds is looked at where it is, because that is where it will be read; everything else, and what has to be
unpacked, is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from slipway.delivery.address import address
from slipway.delivery.digest import digest_of, regular_files
from slipway.delivery.errors import (
    AddressError,
    CacheError,
    Changed,
    DeliveryError,
    Denied,
    DestinationError,
    DigestMismatch,
    DiskFull,
    Incomplete,
    MisconfiguredError,
    NotFound,
    TooLarge,
    Unreachable,
    UntrustedError,
)
from slipway.delivery.fetching import Options, fetch
from slipway.delivery.local import mounted
from slipway.delivery.place import Artifact
from slipway.delivery.progress import Report
from slipway.delivery.signatures import Attestation, Signature, check_attestation, check_signature

PASSING: Final = (
    Unreachable,
    Denied,
    MisconfiguredError,
    Changed,
    Incomplete,
    DiskFull,
    DestinationError,
    CacheError,
    UntrustedError,
)
"""Errors that say nothing of the artifact, and that somebody can repair without another release."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What has to hold beside the digest: each of the signatures, and each of the attestations."""

    signatures: Sequence[Signature] = ()
    attestations: Sequence[Attestation] = ()
    aside: Sequence[str] = ()
    """Files that no attestation has to be about: signatures, which may be made after it."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a URI holds, and what of it was verified."""

    artifact: Artifact
    held: tuple[str, ...]


def verify(
    uri: str, into: Path, options: Options, progress: Report | None = None, checks: Checks = Checks()
) -> Verified:
    """Finds out what is at a URI, and whether it is what it has to be. Fetches into a folder where it has to.

    Raises DeliveryError; one of `PASSING` where that is not known.
    """
    where = address(uri, pinned=options.digest is not None)
    if where.scheme == "pvc" and not options.extract:
        folder = mounted(where, options.volumes)
        artifact = _in_place(uri, folder, options)
    else:
        folder = into
        artifact = replace(fetch(uri, into, options, progress), uri=uri)
    held = ["digest"] if options.digest is not None else []
    for signature in checks.signatures:
        check_signature(folder, signature)
    for attestation in checks.attestations:
        check_attestation(folder, attestation, checks.aside)
    held += ["signature"] if checks.signatures else []
    held += ["attestation"] if checks.attestations else []
    return Verified(artifact, tuple(held))


def _in_place(uri: str, folder: Path, options: Options) -> Artifact:
    if not folder.exists():
        raise NotFound(f"there is no file or folder {folder}: check the path, and that the volume is mounted")
    if folder.is_file():
        raise AddressError("it names a file, and a claim is mounted as a folder: name the folder that it is in")
    digest = digest_of(folder)
    sizes = [path.stat().st_size for _, path in regular_files(folder)]
    if options.max_size is not None and sum(sizes) > options.max_size:
        raise TooLarge(
            f"there are {sum(sizes)} bytes, more than {options.max_size}: allow more, or name a smaller part"
        )
    if options.digest is not None and digest != options.digest:
        raise DigestMismatch(
            f"the URI holds {digest}, and {options.digest} is wanted: pin the former if that is what is meant"
        )
    return Artifact(uri, digest, sum(sizes), len(sizes))


def passes(error: DeliveryError) -> bool:
    """Whether an error says nothing of the artifact."""
    return isinstance(error, PASSING)
