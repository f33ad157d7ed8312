"""The rows of `list` and `history`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from slipway.api import Phase, RoleStatus
from slipway.cli.outcome import READY
from slipway.cli.picture import Picture, Tried
from slipway.cli.timing import age

DEPLOYMENTS: Final = ("NAMESPACE", "NAME", "READY", "PHASE", "STABLE", "CANDIDATE", "PROGRESS", "REASON", "AGE")
REVISIONS: Final = ("REVISION", "VERSION", "ROLE", "PHASE", "WEIGHT", "TRIED", "FOR", "REASON", "MESSAGE")
LINEAGE: Final = ("REVISION", "VERSION", "WEIGHTS", "ADAPTERS", "DATA", "CODE", "RUN", "PIPELINE")

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def deployment_rows(pictures: Sequence[Picture], now: datetime) -> list[tuple[str, ...]]:
    """A row for each ModelDeployment."""
    return [
        (
            picture.namespace,
            picture.name,
            _ready(picture),
            picture.status.phase or "-",
            _version(picture.status.stable),
            _version(picture.status.candidate),
            picture.status.progress or "-",
            picture.status.reason or "-",
            age(picture.created, now),
        )
        for picture in pictures
    ]


def _ready(picture: Picture) -> str:
    ready = picture.condition(READY)
    return ready.status if ready is not None else "Unknown"


def _version(role: RoleStatus | None) -> str:
    return role.version if role is not None else "-"


def revision_rows(picture: Picture, now: datetime) -> list[tuple[str, ...]]:
    """A row for each release that was tried, the latest first."""
    return [
        _revision_row(picture, tried, now) for tried in sorted(picture.revisions.values(), key=_begun, reverse=True)
    ]


def _begun(tried: Tried) -> datetime:
    """When it was tried last."""
    began = [entry.time for entry in tried.record.timeline or () if entry.phase == Phase.PENDING]
    return max(began, default=tried.created or _NEVER)


def _revision_row(picture: Picture, tried: Tried, now: datetime) -> tuple[str, ...]:
    record, status = tried.record, picture.status
    roles = {"stable": status.stable, "candidate": status.candidate, "standby": status.standby}
    role = next((name for name, found in roles.items() if found is not None and found.hash == tried.hash), "-")
    return (
        tried.name,
        tried.version,
        role,
        record.phase or "-",
        f"{record.weight or 0:g}%",
        str(record.attempt or 1),
        age(record.phase_since, now),
        record.reason or "-",
        " ".join((record.message or "").split()),
    )


def lineage_rows(picture: Picture) -> list[tuple[str, ...]]:
    """What each release was made from, the latest first: digests, or else versions or addresses."""
    found = sorted(picture.revisions.values(), key=_begun, reverse=True)
    return [(tried.name, tried.version, *_made_from(tried)) for tried in found]


def _made_from(tried: Tried) -> tuple[str, ...]:
    release = tried.release
    lineage = release.get("lineage") or {}
    weights = {**(release.get("model") or {}), **(tried.resolved.get("artifact") or {})}
    pipeline = release.get("featurePipeline") or {}
    return (
        _which(weights, "digest", "uri"),
        ",".join(f"{one['name']}={_which(one, 'digest')}" for one in release.get("adapters") or ()) or "-",
        _which(lineage.get("dataset") or {}, "digest", "version", "uri"),
        _which(lineage.get("code") or {}, "commit"),
        _which(lineage.get("trainingRun") or {}, "id"),
        " ".join(str(pipeline[key]) for key in ("name", "version") if pipeline.get(key)) or "-",
    )


def _which(part: Mapping[str, Any], *fields: str) -> str:
    """The first field that says which one it is; a digest is long, and its beginning tells it."""
    value = next((str(part[field]) for field in fields if part.get(field)), "-")
    algorithm, _, digits = value.partition(":")
    return f"{algorithm}:{digits[:12]}" if algorithm in ("sha256", "sha512") else value[:60]
