"""Releases: their canonical form, their hash and the names that follow from it. Pure, and frozen for ever."""

from slipway.release.audit import Flaw, Link, broken, flaws, links, seal
from slipway.release.canonical import (
    NotCanonicalError,
    canonical,
    gates_hash,
    release_hash,
    revision_name,
    settings_hash,
    short_hash,
)
from slipway.release.served import served_release, wants_runtime

__all__ = [
    "Flaw",
    "Link",
    "NotCanonicalError",
    "broken",
    "canonical",
    "flaws",
    "gates_hash",
    "links",
    "release_hash",
    "revision_name",
    "served_release",
    "seal",
    "settings_hash",
    "short_hash",
    "wants_runtime",
]
