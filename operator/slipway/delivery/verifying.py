"""From a URI to what is known of it: what `slipway verify` does.

What is on this machine, such as a claim or an image volume, is looked at where it is, because that is where it will be
read; everything else, and what has to be unpacked, is fetched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from slipway.delivery.address import Address, address
from slipway.delivery.digest import digest_of
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
    TooLarge,
    Unreachable,
    UntrustedError,
)
from slipway.delivery.fetching import Options, fetch
from slipway.delivery.local import LocalFiles, mounted, unread_of
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
    uri: str, into: Path | None, options: Options, progress: Report | None = None, checks: Checks = Checks()
) -> Verified:
    """Finds out what is at a URI, and whether it is what it has to be.

    Fetches where it has to: into a folder, or where None is named into one that is removed afterwards. Raises
    DeliveryError; one of `PASSING` where that is not known.
    """
    where = address(uri, pinned=options.digest is not None)
    if where.scheme in ("pvc", "file") and not options.extract:
        folder = mounted(where, options.volumes) if where.scheme == "pvc" else Path("/") / where.path
        unread = unread_of(where, options.volumes)
        return _checked(_in_place(where, folder, unread, options), folder, options, checks, unread)
    if into is not None:
        return _checked(replace(fetch(uri, into, options, progress), uri=uri), into, options, checks)
    with tempfile.TemporaryDirectory(prefix="slipway-") as scratch:
        return verify(uri, Path(scratch) / "model", options, progress, checks)


def _checked(artifact: Artifact, folder: Path, options: Options, checks: Checks, unread: str = "") -> Verified:
    held = ["digest"] if options.digest is not None else []
    for signature in checks.signatures:
        check_signature(folder, signature)
    for attestation in checks.attestations:
        check_attestation(folder, attestation, checks.aside, unread)
    held += ["signature"] if checks.signatures else []
    held += ["attestation"] if checks.attestations else []
    return Verified(artifact, tuple(held))


def _in_place(where: Address, folder: Path, unread: str, options: Options) -> Artifact:
    if where.scheme == "pvc" and folder.is_file():
        raise AddressError("it names a file, and a claim is mounted as a folder: name the folder that it is in")
    sizes = [entry.size or 0 for entry in LocalFiles(folder, unread).entries()]
    if not sizes:
        raise AddressError("it is empty: there is nothing to verify; check the path")
    if options.max_size is not None and sum(sizes) > options.max_size:
        raise TooLarge(
            f"there are {sum(sizes)} bytes, more than {options.max_size}: allow more, or name a smaller part"
        )
    digest = digest_of(folder, unread=unread)
    if options.digest is not None and digest != options.digest:
        raise DigestMismatch(
            f"the URI holds {digest}, and {options.digest} is wanted: pin the former if that is what is meant"
        )
    return Artifact(where.uri, digest, sum(sizes), len(sizes))


def passes(error: DeliveryError) -> bool:
    """Whether an error says nothing of the artifact."""
    return isinstance(error, PASSING)
