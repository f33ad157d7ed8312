"""Releases: their canonical form and their hash, which are frozen for ever, and what serves them. Pure."""

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
from slipway.release.declared import declared_release, is_automatic, is_declared, source_of, to_declare
from slipway.release.resolve import (
    Runtime,
    Unresolved,
    UnresolvedError,
    edited,
    read_runtime,
    resolve,
    settle,
)
from slipway.release.served import asked_protocol, served_release, wants_runtime

__all__ = [
    "declared_release",
    "is_automatic",
    "is_declared",
    "source_of",
    "to_declare",
    "Flaw",
    "Link",
    "NotCanonicalError",
    "Runtime",
    "Unresolved",
    "UnresolvedError",
    "asked_protocol",
    "broken",
    "canonical",
    "edited",
    "flaws",
    "gates_hash",
    "links",
    "read_runtime",
    "release_hash",
    "resolve",
    "revision_name",
    "served_release",
    "seal",
    "settings_hash",
    "settle",
    "short_hash",
    "wants_runtime",
]
