"""A rollout as OpenLineage events (https://openlineage.io/docs/spec): one that it began, and one that it ended. Pure.

The job is the ModelDeployment, the run is one attempt of one revision, the inputs are what the release was made from
and the output is the model that serves. Datasets are named after OpenLineage's naming: a namespace such as
``s3://bucket`` and the path in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from slipway import __version__
from slipway.api import Phase, TimelineEntry
from slipway.cli.attempts import latest_attempt
from slipway.cli.picture import Tried

PRODUCER: Final = f"https://slipway.dev/operator/{__version__}"
_SPEC: Final = "https://openlineage.io/spec"
_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"


def events(model_deployment: str, tried: Tried) -> list[dict[str, Any]]:
    """The events of a revision's latest attempt: START, and COMPLETE, FAIL or ABORT once it is at its end. None before
    its first entry."""
    entries = latest_attempt(tried.record)
    if not entries:
        return []
    out = [_event("START", entries[0].time, model_deployment, tried)]
    end = _end(entries)
    if end is not None:
        kind, time, message = end
        out.append(_event(kind, time, model_deployment, tried, message))
    return out


def _end(entries: Sequence[TimelineEntry]) -> tuple[str, datetime, str] | None:
    """How an attempt ended, when, and why; None while it is under way.

    A release that was stable and was replaced ended well: its end is its promotion. One that is hauled back failed,
    also after its promotion, and its end is that the gateway sends it nothing.
    """
    first: dict[str, TimelineEntry] = {}
    for entry in entries:
        first.setdefault(entry.phase, entry)
    given_up, hauled_back = first.get(Phase.ROLLING_BACK), first.get(Phase.ROLLED_BACK)
    if hauled_back is not None:
        return "FAIL", hauled_back.time, (given_up or hauled_back).message
    if given_up is not None:
        return None
    promoted = next((entry for entry in entries if entry.phase in (Phase.STABLE, Phase.WATCHING)), None)
    if promoted is not None:
        return "COMPLETE", promoted.time, promoted.message
    superseded = first.get(Phase.SUPERSEDED)
    return ("ABORT", superseded.time, superseded.message) if superseded is not None else None


def _event(kind: str, time: datetime, model_deployment: str, tried: Tried, message: str = "") -> dict[str, Any]:
    release = tried.release
    served = {"namespace": f"slipway://{tried.namespace}", "name": model_deployment}
    run = uuid.uuid5(uuid.NAMESPACE_URL, f"slipway.dev/{tried.uid}/{tried.hash}/{tried.record.attempt or 1}")
    facets = _run_facets(release) | (_error(message) if kind in ("FAIL", "ABORT") else {})
    return {
        "eventType": kind,
        "eventTime": time.isoformat(),
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {"runId": str(run), "facets": facets},
        "job": {**served, "facets": _job_facets(release)},
        "inputs": list(_inputs(tried)),
        "outputs": [{**served, "facets": _version(str(tried.version))}],
    }


def _facet(name: str, edition: str, /, **said: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{edition}/{name}.json#/$defs/{name}", **said}


def _version(version: str) -> dict[str, Any]:
    return {"version": _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=version)}


def _error(message: str) -> dict[str, Any]:
    return {"errorMessage": _facet("ErrorMessageRunFacet", "1-0-1", message=message, programmingLanguage="none")}


def _run_facets(release: Mapping[str, Any]) -> dict[str, Any]:
    run = (release.get("lineage") or {}).get("trainingRun")
    return (
        {"slipway_trainingRun": {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}/trainingRun", **run}} if run else {}
    )


def _job_facets(release: Mapping[str, Any]) -> dict[str, Any]:
    code = (release.get("lineage") or {}).get("code")
    kind = _facet("JobTypeJobFacet", "2-0-3", processingType="STREAMING", integration="SLIPWAY", jobType="ROLLOUT")
    if not code:
        return {"jobType": kind}
    where = {"type": "git", "url": code["repository"], "repoUrl": code["repository"], "version": code["commit"]}
    return {"jobType": kind, "sourceCodeLocation": _facet("SourceCodeLocationJobFacet", "1-0-1", **where)}


def _inputs(tried: Tried) -> Iterator[dict[str, Any]]:
    release = tried.release
    model = dict(release.get("model") or {})
    model["digest"] = (tried.resolved.get("artifact") or {}).get("digest") or model.get("digest")
    dataset = (release.get("lineage") or {}).get("dataset")
    for part in (model, *(release.get("adapters") or ()), dataset, release.get("featurePipeline")):
        if part and part.get("uri"):
            version = part.get("digest") or part.get("version")
            yield {**_named(str(part["uri"])), "facets": _version(str(version)) if version else {}}


def _named(uri: str) -> dict[str, str]:
    """A dataset's namespace and name."""
    parts = urlsplit(uri)
    name = parts.path.lstrip("/") or parts.path or "/"
    return {"namespace": f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.scheme or "file", "name": name}
