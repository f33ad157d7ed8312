"""What may go wrong with a delivery: one family, each error with the field that it is about and what to do.

No message holds text of a library, a URL's query, or a header: those are where tokens are.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Field(StrEnum):
    """What an error is about. Callers show the name that their users know it by."""

    URI = "uri"
    DIGEST = "digest"
    DEST = "dest"
    MAX_SIZE = "maxSize"
    CACHE = "cache"
    VOLUMES = "volumes"
    CREDENTIALS = "credentials"
    SIGNATURE = "signature"
    ATTESTATION = "attestation"
    TRUST = "trust"


class DeliveryError(Exception):
    """Nothing was delivered. `problem` says what is wrong and what to do."""

    field: Field = Field.URI

    def __init__(self, problem: str, field: Field | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.field = field or self.field

    @property
    def message(self) -> str:
        """The field and the problem."""
        return self.told({})

    def told(self, names: Mapping[Field, str]) -> str:
        """The message, with a field's name as callers know it, such as ``spec.release.model.uri``."""
        return f"{names.get(self.field, str(self.field))}: {self.problem}"

    def __str__(self) -> str:
        return self.message


class AddressError(DeliveryError):
    """The URI cannot be used as it is written."""


class NotFound(DeliveryError):
    """There is nothing at the URI."""


class Denied(DeliveryError):
    """Whoever holds the URI wants other credentials."""

    field = Field.CREDENTIALS


class MisconfiguredError(DeliveryError):
    """Whoever fetches is not set up for it, such as by environment variables. It says nothing of what is at the URI."""

    field = Field.CREDENTIALS  # whose keys are the environment variables


class Unreachable(DeliveryError):
    """Nobody answered, or only with errors that pass. Trying again later may help."""


class Changed(DeliveryError):
    """What is at the URI changed while it was fetched."""


class Incomplete(DeliveryError):
    """Less or more bytes came than were announced."""


class Unsafe(DeliveryError):
    """Names or entries that could reach outside the destination, or that not every file system tells apart."""


class TooLarge(DeliveryError):
    """More than may be fetched."""

    field = Field.MAX_SIZE


class DigestMismatch(DeliveryError):
    """Other bytes than those that were pinned."""

    field = Field.DIGEST


class SignatureError(DeliveryError):
    """Nobody who is trusted has signed these files."""

    field = Field.SIGNATURE


class AttestationError(DeliveryError):
    """Nobody who is trusted attests where these files come from."""

    field = Field.ATTESTATION


class UntrustedError(DeliveryError):
    """What signatures are held against is not there: a key, or the libraries."""

    field = Field.TRUST


class DiskFull(DeliveryError):
    """The volume of the destination is full."""

    field = Field.DEST


class DestinationError(DeliveryError):
    """The destination cannot be used."""

    field = Field.DEST


class CacheError(DeliveryError):
    """The cache's folder cannot be used."""

    field = Field.CACHE


class Passing(Exception):
    """Inside this package: a request failed in a way that passes. It is tried again a few times."""

    def __init__(self, why: str, *, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after
        """Seconds that the server asked to wait."""
