"""The canonical form of a release, and its hash.

The form is fixed for ever: a hash that moved with the operator or a library would restart every model of every user on
the day of an upgrade. It is therefore computed from the parsed JSON that the API server stores, not from our models,
and by few rules:

- a null says the same as an absent field, and is left out; so is an object or list that is empty after that;
- members are sorted by their names' code points; strings are written in UTF-8 without escaping beyond what JSON needs;
- a number that is a whole one is written without a fraction (``1.0`` is ``1``), others in the shortest form that reads
  back as the same double, as in RFC 8785;
- the order of a list means something, and is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipway.release.declared import declared_release

_PREFIX: Final = b"slipway.dev/release/v1\n"
"""Names the form, so that the hash of another form can never be mistaken for this one's."""

SHORT_HASH_LENGTH: Final = 8


class NotCanonicalError(ValueError):
    """A value that JSON cannot say, such as NaN, at the path that the message names."""


def _reduce(value: Any, path: str) -> Any:
    """Return the value by the rules above; None when nothing of it is left."""
    if isinstance(value, Mapping):
        members = {str(name): _reduce(inner, f"{path}.{name}") for name, inner in value.items()}
        return {name: inner for name, inner in members.items() if inner is not None} or None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_reduce(inner, f"{path}[{index}]") for index, inner in enumerate(value)] or None
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotCanonicalError(f"{path}: {value} is not a JSON number")
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, bool | int | str):
        return value
    raise NotCanonicalError(f"{path}: {type(value).__name__} is not a JSON value")


def canonical(release: Mapping[str, Any]) -> bytes:
    """The canonical form of ``spec.release`` as the API server stores it.

    Raises NotCanonicalError for a value that is not JSON.
    """
    reduced = _reduce(release, "release") or {}
    return json.dumps(reduced, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def release_hash(release: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical form, as 64 hexadecimal digits: the identity of a release.

    ``from`` is left out: where a version comes from is no part of what it is.
    """
    return hashlib.sha256(_PREFIX + canonical(declared_release(release))).hexdigest()


def settings_hash(settings: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical form of settings that evidence is collected under, such as the analysis."""
    return hashlib.sha256(b"slipway.dev/settings/v1\n" + canonical(settings)).hexdigest()


def gates_hash(spec: Mapping[str, Any]) -> str:
    """Hash of what the candidates of a ModelDeployment are judged under, from its specification as it is written.

    How long pods are kept, and how many revisions, judges nobody. The kind of strategy is part of it, because steps of
    one are no steps of another: a candidate half way up a canary has not passed the approval of a blue-green. Of a
    canary nothing is said, as in the records of earlier versions.
    """
    judged = {
        "analysis": spec.get("analysis"),
        "progressDeadline": (spec.get("rollback") or {}).get("progressDeadline"),
    }
    kind = next((name for name, block in (spec.get("strategy") or {}).items() if block is not None), "canary")
    return settings_hash(judged if kind == "canary" else judged | {"strategy": kind})


def short_hash(full: str) -> str:
    """The part of a hash that names objects and labels."""
    return full[:SHORT_HASH_LENGTH]


def revision_name(model_deployment: str, full_hash: str) -> str:
    """Name of a revision and of all its children: ``<modeldeployment>-<hash8>``."""
    return f"{model_deployment}-{short_hash(full_hash)}"
