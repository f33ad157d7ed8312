"""The CustomResourceDefinitions, generated from the models: ``python -m slipway.api.crd FOLDER`` writes them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from slipway.api.common import API_VERSION, GROUP, VERSION
from slipway.api.modeldeployment import MODEL_DEPLOYMENT_KIND, ModelDeployment
from slipway.api.modelrevision import MODEL_REVISION_KIND, ModelRevision
from slipway.api.modelruntime import (
    CLUSTER_MODEL_RUNTIME_KIND,
    MODEL_RUNTIME_KIND,
    ClusterModelRuntime,
    ModelRuntime,
)

Schema = dict[str, Any]

_HEADER: Final = "# Generated from operator/slipway/api by `make generate`: change the models, not this file.\n"
_KEPT: Final = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(name: str, path: str, *, type_: str = "string", priority: int = 0, description: str = "") -> Schema:
    column: Schema = {"name": name, "type": type_, "jsonPath": path}
    if description:
        column["description"] = description
    if priority:
        column["priority"] = priority
    return column


MODEL_DEPLOYMENT_COLUMNS: Final = [
    _column("Ready", _condition("Ready"), description="Whether the declared release serves all traffic."),
    _column("Phase", ".status.phase"),
    _column("Stable", ".status.stable.version", description="Version of the model that is known to be good."),
    _column("Candidate", ".status.candidate.version", description="Version of the model that is on trial."),
    _column("Progress", ".status.progress", description="The candidate's share of the traffic and its step."),
    _column("Age", ".metadata.creationTimestamp", type_="date"),
    _column("Reason", ".status.reason", priority=1),
    _column("Message", ".status.message", priority=1),
]

MODEL_REVISION_COLUMNS: Final = [
    _column("Model", ".spec.modelDeployment"),
    _column("Version", ".spec.release.model.version"),
    _column("Phase", ".status.phase"),
    _column("Progress", ".status.progress"),
    _column("Reason", ".status.reason", description="Why the revision is in its phase."),
    _column("Age", ".metadata.creationTimestamp", type_="date"),
    _column("Runtime", ".spec.runtime.name", priority=1, description="The runtime that it was settled with."),
    _column("Message", ".status.message", priority=1),
]

MODEL_RUNTIME_COLUMNS: Final = [
    _column("Format", ".spec.supportedFormats[0].name", description="The first of the formats that it serves."),
    _column("Protocol", ".spec.protocol.name"),
    _column("Image", ".spec.container.image"),
    _column("Age", ".metadata.creationTimestamp", type_="date"),
]


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Turn a JSON Schema as pydantic writes it into a structural one: no references, no unions with null, no titles.

    Raises ValueError for a construct that a structural schema cannot say.
    """
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[1]]
        return structural({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    if "anyOf" in schema:
        branches = [branch for branch in schema["anyOf"] if branch.get("type") != "null"]
        if len(branches) != 1:
            raise ValueError(f"a union cannot be structural: {schema}")
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        return structural({**branches[0], **rest}, definitions)
    out: Schema = {key: schema[key] for key in _KEPT if key in schema}
    out |= {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    if "const" in schema:
        out["enum"] = [schema["const"]]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in out:  # OpenAPI v3.0 has booleans where JSON Schema has numbers
            out[bound] = out.pop(exclusive)
            out[exclusive] = True
    if "properties" in schema:
        out["properties"] = {name: structural(field, definitions) for name, field in schema["properties"].items()}
    if "items" in schema:
        out["items"] = structural(schema["items"], definitions)
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping):
        out["additionalProperties"] = structural(extra, definitions)
    return out


def _one_line(schema: Schema) -> Schema:
    """Fold descriptions, which come from docstrings, into one line each."""
    out = dict(schema)
    if "description" in out:
        out["description"] = " ".join(str(out["description"]).split())
    if "properties" in out:
        out["properties"] = {name: _one_line(field) for name, field in out["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(out.get(inner), dict):
            out[inner] = _one_line(out[inner])
    return out


def _object_schema(model: type[BaseModel]) -> Schema:
    raw = model.model_json_schema(by_alias=True, mode="serialization")
    schema = _one_line(structural(raw, raw.get("$defs", {})))
    told = {name: schema["properties"][name] for name in ("spec", "status") if name in schema["properties"]}
    if "status" in told:
        told["status"]["default"] = {"observedGeneration": -1}
    return {
        **{key: value for key, value in schema.items() if key not in {"properties", "required"}},
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "maxLength": 64, "description": f"Always {API_VERSION}."},
            "kind": {"type": "string", "maxLength": 64, "description": "The name of this kind."},
            "metadata": {"type": "object"},  # an API server lets nothing else be said of it
            **told,
        },
    }


SCALE: Final[Schema] = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
"""``kubectl scale`` sets the size of the stable release; the candidate's follows from its weight."""


def _definition(
    kind: str,
    short: str,
    model: type[BaseModel],
    columns: list[Schema],
    *,
    scale: Schema | None = None,
    scope: str = "Namespaced",
) -> Schema:
    plural = f"{kind.lower()}s"
    subresources: Schema = {"status": {}} if "status" in model.model_fields else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "slipway"}},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["slipway"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": subresources | ({"scale": scale} if scale else {}),
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _object_schema(model)},
                }
            ],
        },
    }


def definitions() -> dict[str, Schema]:
    """The CustomResourceDefinitions of this version, by their names; the caller may change them."""
    return copy.deepcopy(_definitions())


@cache
def _definitions() -> dict[str, Schema]:
    """They follow from the code alone, and take a tenth of a second and more to generate."""
    crds = (
        _definition(MODEL_DEPLOYMENT_KIND, "mdep", ModelDeployment, MODEL_DEPLOYMENT_COLUMNS, scale=SCALE),
        _definition(MODEL_REVISION_KIND, "mrev", ModelRevision, MODEL_REVISION_COLUMNS),
        _definition(MODEL_RUNTIME_KIND, "mrt", ModelRuntime, MODEL_RUNTIME_COLUMNS),
        _definition(CLUSTER_MODEL_RUNTIME_KIND, "cmrt", ClusterModelRuntime, MODEL_RUNTIME_COLUMNS, scope="Cluster"),
    )
    return {crd["metadata"]["name"]: crd for crd in crds}


class _Plain(yaml.SafeDumper):
    """Writes equal parts out again: anchors are lost on readers, and on tools that patch the file by its paths."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def render(crd: Schema) -> str:
    """One definition as the text of its file."""
    return _HEADER + yaml.dump(crd, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def file_name(crd: Schema) -> str:
    """Name of a definition's file, after its group and plural as controller-tools name theirs."""
    return f"{crd['spec']['group']}_{crd['spec']['names']['plural']}.yaml"


def main(folder: Path) -> None:
    """Write the definitions into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for crd in definitions().values():
        (folder / file_name(crd)).write_text(render(crd))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
