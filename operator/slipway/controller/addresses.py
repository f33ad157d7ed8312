"""Whether what a release has delivered can be fetched at all, as far as its URI tells."""

from __future__ import annotations

from slipway.api import ReleaseSpec
from slipway.delivery import AddressError, address


def address_problem(release: ReleaseSpec, *, delivered: bool) -> str | None:
    """What is wrong with the URI of what is delivered, beginning with the field; it repeats no credentials."""
    if not delivered or release.model.uri is None:
        return None
    try:
        address(release.model.uri, pinned=release.model.digest is not None)
    except AddressError as error:
        return f"spec.release.model.uri: {error.problem}"
    return None
