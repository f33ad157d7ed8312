"""The CRDs: generated, structural, bounded, and without defaults that GitOps tools would report for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.api.crd import definitions, file_name, main, render

FOLDER = Path(__file__).parents[3] / "crds"
CRDS = definitions()
LIMIT = 256 * 1024
"""What `kubectl apply` can hold in its annotation, as JSON."""

Node = tuple[str, dict[str, Any]]


def schema_of(name: str) -> dict[str, Any]:
    return CRDS[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str) -> Iterator[Node]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


NODES: list[Node] = [node for name in CRDS for node in nodes(schema_of(name), name)]


def offenders(says: Any) -> list[str]:
    return [path for path, schema in NODES if says(schema)]


def test_the_files_are_what_the_models_generate() -> None:
    """Run `make generate` when this fails."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == {
        file_name(crd): render(crd) for crd in CRDS.values()
    }


def test_the_generator_writes_them(tmp_path: Path) -> None:
    main(tmp_path / "new")
    assert len(list((tmp_path / "new").iterdir())) == len(CRDS)


@pytest.mark.parametrize("name", CRDS)
def test_a_crd_fits_the_annotation_of_kubectl_apply_and_has_no_anchors(name: str) -> None:
    assert len(json.dumps(CRDS[name]).encode()) < LIMIT
    text = render(CRDS[name])
    assert yaml.safe_load(text) == CRDS[name]
    assert not [token for token in yaml.scan(text) if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]


def test_the_walk_sees_the_whole_schema() -> None:
    paths = {path for path, _ in NODES}
    assert "modeldeployments.slipway.dev.spec.release.container.env[].valueFrom.secretKeyRef.name" in paths
    assert "modelrevisions.slipway.dev.status.metrics[].counters[].source" in paths
    assert "modelrevisions.slipway.dev.spec.release.container.resources.limits{}" in paths


def test_every_string_is_bounded() -> None:
    def unbounded(schema: dict[str, Any]) -> bool:
        is_text = schema.get("type") == "string" or schema.get("x-kubernetes-int-or-string")
        return bool(is_text) and not ("enum" in schema or "maxLength" in schema)

    assert not offenders(unbounded)


def test_every_list_is_bounded() -> None:
    assert not offenders(lambda schema: schema.get("type") == "array" and "maxItems" not in schema)


def test_every_map_is_bounded() -> None:
    assert not offenders(lambda schema: "additionalProperties" in schema and "maxProperties" not in schema)


def test_every_number_is_bounded_below() -> None:
    free = offenders(lambda schema: schema.get("type") in {"integer", "number"} and "minimum" not in schema)
    status = "modelrevisions.slipway.dev.status"
    readings = [f"{status}.metrics[].history[].{name}" for name in ("allowed", "high", "low", "value")]
    states = [f"{status}.{where}.state[].values[]" for where in ("metrics[]", "share", "drift.signals[]")]
    kinds = ("modeldeployments", "modelrevisions")
    results = [f"{kind}.slipway.dev.spec.release.lineage.evaluations[].value" for kind in kinds]
    # in a user's own unit, and any numbers of a test's state
    assert sorted(free) == sorted([*readings, *states, *results])


def test_every_node_has_a_type() -> None:
    assert not offenders(lambda schema: "type" not in schema and not schema.get("x-kubernetes-int-or-string"))


@pytest.mark.parametrize(
    "word",
    [
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "nullable",
        "title",
        "uniqueItems",
        "x-kubernetes-preserve-unknown-fields",
    ],
)
def test_nothing_is_said_that_a_structural_schema_cannot_say_or_should_not(word: str) -> None:
    assert not offenders(lambda schema: word in schema)


def test_only_the_status_has_a_default() -> None:
    defaults = {path: schema["default"] for path, schema in NODES if "default" in schema}
    assert defaults == {
        f"{name}.status": {"observedGeneration": -1} for name in CRDS if "status" in schema_of(name)["properties"]
    }


def test_the_keys_of_every_list_map_are_required_scalars() -> None:
    """The API server refuses a CRD where a key is neither required nor defaulted."""
    maps = [(path, schema) for path, schema in NODES if schema.get("x-kubernetes-list-type") == "map"]
    assert maps
    for path, schema in maps:
        for key in schema["x-kubernetes-list-map-keys"]:
            assert key in schema["items"]["required"], path
            assert schema["items"]["properties"][key]["type"] in {"string", "integer"}, path


def test_every_rule_has_a_message() -> None:
    rules = [rule for _, schema in NODES for rule in schema.get("x-kubernetes-validations", [])]
    assert len(rules) > 8
    assert all(rule["rule"] and rule["message"] for rule in rules)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("modeldeployments.slipway.dev", "self.metadata.name.size() <= 54"),
        ("modeldeployments.slipway.dev.spec.strategy", "exactly one strategy"),
        ("modeldeployments.slipway.dev.spec.strategy.canary.steps", "have to rise"),
        ("modeldeployments.slipway.dev.spec.strategy.canary.steps[].weight", "two decimals"),
        ("modeldeployments.slipway.dev.spec.analysis.metrics[]", "exactly one source"),
        ("modelrevisions.slipway.dev.spec", "self == oldSelf"),
        ("modeldeployments.slipway.dev.spec.release", "nothing says what serves the model"),
    ],
)
def test_what_a_schema_cannot_say_is_said_by_a_rule(path: str, part: str) -> None:
    (schema,) = [schema for found, schema in NODES if found == path]
    assert any(part in rule["rule"] + rule["message"] for rule in schema["x-kubernetes-validations"])


@pytest.mark.parametrize(
    ("name", "short", "columns", "wide"),
    [
        (
            "modeldeployments.slipway.dev",
            "mdep",
            ["Ready", "Phase", "Stable", "Candidate", "Progress", "Age"],
            ["Reason", "Message"],
        ),
        (
            "modelrevisions.slipway.dev",
            "mrev",
            ["Model", "Version", "Phase", "Progress", "Reason", "Age"],
            ["Runtime", "Message"],
        ),
        ("modelruntimes.slipway.dev", "mrt", ["Format", "Protocol", "Image", "Age"], []),
        ("clustermodelruntimes.slipway.dev", "cmrt", ["Format", "Protocol", "Image", "Age"], []),
    ],
)
def test_kubectl_get_tells_the_story(name: str, short: str, columns: list[str], wide: list[str]) -> None:
    spec = CRDS[name]["spec"]
    (version,) = spec["versions"]
    told = version["additionalPrinterColumns"]
    assert [column["name"] for column in told if not column.get("priority")] == columns
    assert [column["name"] for column in told if column.get("priority")] == wide
    assert spec["names"]["shortNames"] == [short]
    assert spec["names"]["categories"] == ["slipway"]
    assert ("status" in version["subresources"]) is ("status" in schema_of(name)["properties"])


def test_only_the_cluster_runtimes_are_of_the_cluster() -> None:
    scopes = {name: crd["spec"]["scope"] for name, crd in CRDS.items()}
    assert [name for name, scope in scopes.items() if scope == "Cluster"] == ["clustermodelruntimes.slipway.dev"]


def test_scale_is_of_the_stable_release_and_model_deployments_alone_have_it() -> None:
    scales = {name: crd["spec"]["versions"][0]["subresources"].get("scale") for name, crd in CRDS.items()}
    assert scales.pop("modeldeployments.slipway.dev") == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert set(scales.values()) == {None}


def test_every_column_reads_a_field_that_exists() -> None:
    paths = {path for path, _ in NODES}
    for name, crd in CRDS.items():
        for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]:
            field = column["jsonPath"].split("[?")[0].replace("[0]", "[]")
            assert field == ".metadata.creationTimestamp" or f"{name}{field}" in paths, field
