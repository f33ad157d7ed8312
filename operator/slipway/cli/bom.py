"""An ML-BOM of one revision, in CycloneDX 1.6 JSON (https://cyclonedx.org/capabilities/mlbom/). Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from slipway import __version__
from slipway.cli.picture import Tried

Component = dict[str, Any]

_ALGORITHMS: Final = {"sha256": "SHA-256", "sha512": "SHA-512"}


def bom(model_deployment: str, tried: Tried, now: datetime) -> dict[str, Any]:
    """The bill of materials: the model, its adapters, its data, its feature pipeline and the images that serve it."""
    data, adapters, software = list(_data(tried.release)), list(_adapters(tried.release)), list(_software(tried))
    model = _model(tried, [part["bom-ref"] for part in data])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'slipway.dev/{tried.uid}/{tried.hash}')}",
        "version": 1,
        "metadata": {
            "timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "slipway", "version": __version__}]},
            "component": {
                "type": "application",
                "bom-ref": "release",
                "name": model_deployment,
                "version": tried.version,
                "properties": _properties({"hash": tried.hash, "revision": f"{tried.namespace}/{tried.name}"}),
            },
        },
        "components": [model, *adapters, *data, *software],
        "dependencies": [
            {"ref": "release", "dependsOn": ["model", *(part["bom-ref"] for part in software)]},
            {"ref": "model", "dependsOn": [part["bom-ref"] for part in (*adapters, *data)]},
        ],
    }


def _model(tried: Tried, datasets: list[str]) -> Component:
    declared = tried.release.get("model") or {}
    lineage = tried.release.get("lineage") or {}
    artifact = tried.resolved.get("artifact") or {}
    code, run = lineage.get("code") or {}, lineage.get("trainingRun") or {}
    metrics = [
        {
            "type": str(one["name"]),
            "value": f"{one['value']:g}",
            **({"slice": one["dataset"]} if "dataset" in one else {}),
        }
        for one in lineage.get("evaluations") or []
    ]
    card = {
        **({"modelParameters": {"datasets": [{"ref": ref} for ref in datasets]}} if datasets else {}),
        **({"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}),
    }
    references = [
        {"type": "distribution", "url": declared.get("uri")},
        {"type": "vcs", "url": code.get("repository"), "comment": f"commit {code.get('commit')}"},
        {"type": "build-meta", "url": run.get("uri"), "comment": f"training run {run.get('id')}"},
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": str(declared.get("name", "")),
        "version": str(declared.get("version", "")),
        **_hashes(artifact.get("digest") or declared.get("digest")),
        **_some("externalReferences", [one for one in references if one["url"]]),
        **_some("properties", _properties({"format": declared.get("format"), "trainingRun": run.get("id")})),
        **({"modelCard": card} if card else {}),
    }


def _adapters(release: Mapping[str, Any]) -> Iterator[Component]:
    for adapter in release.get("adapters") or ():
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"adapter-{adapter['name']}",
            "name": adapter["name"],
            "description": "An adapter on the weights of the model.",
            **_hashes(adapter.get("digest")),
            "externalReferences": [{"type": "distribution", "url": adapter["uri"]}],
        }


def _data(release: Mapping[str, Any]) -> Iterator[Component]:
    dataset = (release.get("lineage") or {}).get("dataset")
    if dataset:
        named = str(dataset.get("uri") or dataset.get("version") or dataset.get("digest"))
        contents = {"contents": {"url": dataset["uri"]}} if dataset.get("uri") else {}
        yield {
            "type": "data",
            "bom-ref": "training-data",
            "name": named,
            **({"version": dataset["version"]} if dataset.get("version") else {}),
            **_hashes(dataset.get("digest")),
            "data": [{"type": "dataset", "name": named, **contents}],
        }


def _software(tried: Tried) -> Iterator[Component]:
    pipeline = tried.release.get("featurePipeline")
    if pipeline:
        references = [{"type": "distribution", "url": pipeline["uri"]}] if pipeline.get("uri") else []
        yield {
            "type": "application",
            "bom-ref": "feature-pipeline",
            "name": pipeline["name"],
            **({"version": pipeline["version"]} if pipeline.get("version") else {}),
            **_hashes(pipeline.get("digest")),
            **_some("externalReferences", references),
        }
    frozen = ((tried.resolved.get("runtime") or {}).get("container")) or {}
    container = {**frozen, **(tried.release.get("container") or {})}
    transformer = (tried.release.get("transformer") or {}).get("container") or {}
    for ref, image in (("server", container.get("image")), ("transformer", transformer.get("image"))):
        if image:
            name, _, digest = str(image).partition("@")
            yield {"type": "container", "bom-ref": ref, "name": name, **_hashes(digest or None)}


def _hashes(digest: str | None) -> dict[str, Any]:
    algorithm, _, content = (digest or "").partition(":")
    if algorithm not in _ALGORITHMS:
        return {}
    return {"hashes": [{"alg": _ALGORITHMS[algorithm], "content": content}]}


def _properties(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": f"slipway.dev:{name}", "value": str(value)} for name, value in values.items() if value]


def _some(name: str, values: list[Any]) -> dict[str, Any]:
    return {name: values} if values else {}
