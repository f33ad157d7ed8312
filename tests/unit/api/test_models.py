"""What the models accept, and what they say of what they refuse.

Where the schema can say it too, it has to refuse the same: the API server's answer is the one that most users see. What
only CEL can say is for the API server alone; the models let it pass.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.api.builders import REMOVED, a_manifest

from slipway.api import (
    CanaryStep,
    ModelDeployment,
    ModelDeploymentStatus,
    ModelRevision,
    RollbackSpec,
    format_duration,
    format_time,
    parse_duration,
)
from slipway.api.crd import definitions

SCHEMA = definitions()["modeldeployments.slipway.dev"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
"""OpenAPI v3.0 is nearest to the fourth draft of JSON Schema: its exclusive bounds are booleans."""


def schema_accepts(manifest: dict[str, Any]) -> bool:
    return not list(jsonschema.Draft4Validator(SCHEMA).iter_errors(manifest))


ACCEPTED = [
    ("", REMOVED),
    ("spec.replicas", 0),
    ("spec.replicas", REMOVED),
    ("spec.analysis", REMOVED),
    ("spec.analysis", {}),
    ("spec.analysis.metrics", []),
    ("spec.strategy.canary.steps.0.weight", 0.25),
    ("spec.strategy.canary.steps.0.weight", 100),
    ("spec.strategy.canary.steps.0.minDuration", "1h30m10s500ms"),
    ("spec.release.model.uri", REMOVED),
    ("spec.release.model.digest", "sha256:" + "a" * 64),
    ("spec.release.container.env", [{"name": "A", "value": ""}, {"name": "B"}]),
    ("spec.release.container.resources", {"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": "1"}}),
    ("spec.release.pod", {"terminationGracePeriodSeconds": 30}),
    ("spec.release.runtime", {"name": "triton", "digest": "sha256:" + "a" * 64}),
    ("spec.release.runtime", {"name": "triton", "kind": "ModelRuntime"}),
    ("spec.release.model.version", REMOVED),  # the same
    ("spec.release.from", {"mlflow": {"model": "fraud", "alias": "production"}, "policy": "Automatic"}),
    ("spec.release.from", {"mlflow": {"uri": "http://mlflow.shop.svc:5000", "model": "the fraud", "alias": "a.b-c"}}),
    ("spec.release.from", {"huggingFace": {"repository": "acme/fraud.v2", "revision": "refs/pr/1"}, "interval": "30s"}),
    ("spec.release.from", {"oci": {"repository": "registry.example:5000/models/fraud", "tag": "v1.2"}}),
    ("spec.release.from", {"s3": {"prefix": "s3://models/fraud/"}, "credentials": {"secretName": "s3"}}),
    ("spec.release.container", REMOVED),  # what is left is a matter of the rule: see test_rules
    ("spec.traffic.gateway.hostnames.0", "*.example"),
    ("spec.traffic.gateway.path", "/fraud"),
    ("spec.rollback", {"progressDeadline": "2m", "scaleDownDelay": "0s", "revisionHistoryLimit": 0}),
]


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_a_good_manifest_is_accepted_by_model_and_schema(path: str, value: Any) -> None:
    manifest = a_manifest(path, value)
    ModelDeployment.model_validate(manifest)
    assert schema_accepts(manifest)


REFUSED = [
    ("spec.release.model.version", "", "at least 1 character"),
    ("spec.release.model.version", 1.4, "valid string"),
    ("spec.release.model.name", "a/b", "match pattern"),
    ("spec.release.from", {"policy": "Sometimes"}, "'Automatic' or 'Suggest'"),
    ("spec.release.from", {"mlflow": {"model": "fraud"}}, "Field required"),
    ("spec.release.from", {"mlflow": {"model": "a/b", "alias": "a"}}, "match pattern"),
    ("spec.release.from", {"mlflow": {"uri": "http://me:pw@mlflow", "model": "m", "alias": "a"}}, "match pattern"),
    ("spec.release.from", {"mlflow": {"uri": "http://mlflow?token=1", "model": "m", "alias": "a"}}, "match pattern"),
    ("spec.release.from", {"huggingFace": {"repository": "fraud", "revision": "main"}}, "match pattern"),
    ("spec.release.from", {"huggingFace": {"repository": "acme/..", "revision": "main"}}, "match pattern"),
    ("spec.release.from", {"oci": {"repository": "me:pw@registry/fraud", "tag": "v1"}}, "match pattern"),
    ("spec.release.from", {"s3": {"prefix": "s3://key:secret@models/fraud"}}, "match pattern"),
    ("spec.release.from", {"s3": {"prefix": "s3://models/fraud?versionId=1"}}, "match pattern"),
    ("spec.release.from", {"mlflow": {"model": "m", "alias": "a"}, "interval": "soon"}, "not a duration"),
    ("spec.release.model.uri", "no-scheme", "match pattern"),
    ("spec.release.model.digest", "sha256:abc", "match pattern"),
    ("spec.release.container.image", "two words", "match pattern"),
    ("spec.release.runtime", {}, "Field required"),
    ("spec.release.runtime", {"name": "Triton"}, "match pattern"),
    ("spec.release.runtime", {"name": "triton", "kind": "Runtime"}, "'ModelRuntime' or 'ClusterModelRuntime'"),
    ("spec.release.container.ports.0.containerPort", 0, "greater than or equal to 1"),
    ("spec.release.container.ports.0.containerPort", 65536, "less than or equal to 65535"),
    ("spec.release.container.env", [{"name": "1A"}], "match pattern"),
    ("spec.release.container.env", [{"name": f"A{n}"} for n in range(129)], "at most 128"),
    ("spec.release.pod", {"terminationGracePeriodSeconds": 0}, "greater than or equal to 1"),
    ("spec.release.lineage", {"code": {"repository": "r", "commit": "HEAD"}}, "at least 7 characters"),
    ("spec.replicas", -1, "greater than or equal to 0"),
    ("spec.replicas", 1001, "less than or equal to 1000"),
    ("spec.strategy.canary.steps", [], "at least 1 item"),
    ("spec.strategy.canary.steps.0.weight", 101, "less than or equal to 100"),
    ("spec.strategy.canary.steps.0.weight", -1, "greater than or equal to 0"),
    ("spec.strategy.canary.steps.0.minDuration", "soon", "'soon' is not a duration: write it like 90s, 10m or 1h30m"),
    ("spec.strategy.canary.steps.0.minDuration", "1d", "not a duration"),
    ("spec.strategy.canary.steps.0.minDuration", "1.5h", "not a duration"),
    ("spec.strategy.canary.steps.0.minDuration", "-5s", "not a duration"),
    ("spec.strategy.canary.steps.0.minDuration", "", "not a duration"),
    ("spec.strategy.canary.steps.0.minDuration", "90s\n", "not a duration"),
    ("spec.analysis.interval", "10 s", "not a duration"),
    ("spec.analysis.confidence", 1, "less than 1"),
    ("spec.analysis.onInconclusive", "Ignore", "'Hold', 'Promote' or 'Rollback'"),
    ("spec.analysis.metrics.0.name", "Errors", "match pattern"),
    ("spec.analysis.metrics.0.threshold.max", 1e16, "less than or equal to"),
    ("spec.analysis.metrics.0.action", "Explode", "'Rollback', 'Hold' or 'Observe'"),
    ("spec.traffic.gateway.parentRefs", [], "at least 1 item"),
    ("spec.traffic.gateway.hostnames.0", "Fraud.Example", "match pattern"),
    ("spec.traffic.gateway.path", "fraud", "match pattern"),
    ("spec.rollback.revisionHistoryLimit", 101, "less than or equal to 100"),
    ("spec.strategy", REMOVED, "Field required"),
    ("spec.traffic", REMOVED, "Field required"),
]


@pytest.mark.parametrize(("path", "value", "said"), REFUSED)
def test_a_bad_value_is_refused_by_schema_and_model_at_its_path(path: str, value: Any, said: str) -> None:
    manifest = a_manifest(path, value)
    with pytest.raises(ValidationError) as refused:
        ModelDeployment.model_validate(manifest)
    (error,) = refused.value.errors()
    where = ".".join(map(str, error["loc"]))
    assert where.startswith(path)
    assert said in error["msg"]
    if value != "90s\n":  # a newline at the end is a difference of regular expression dialects
        assert not schema_accepts(manifest)


@pytest.mark.parametrize(
    "path",
    [
        "spec.relaese",
        "spec.release.container.imagePullPolicy",
        "spec.release.container.securityContext",
        "spec.release.pod.hostNetwork",
        "spec.release.pod.volumes",
        "spec.release.pod.automountServiceAccountToken",
        "spec.strategy.recreate",
        "spec.strategy.canary.steps.0.wieght",
        "spec.analysis.metrics.0.promtheus",
        "spec.traffic.gateway.parentRefs.0.port",
    ],
)
def test_an_unknown_field_is_refused_by_name(path: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ModelDeployment.model_validate(a_manifest(path, {}))
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == path
    assert error["type"] == "extra_forbidden"


def test_a_weight_of_more_than_two_decimals_is_refused_with_the_reason() -> None:
    with pytest.raises(
        ValidationError, match=r"0\.125 has more than two decimals: weights are percent in steps of 0\.01"
    ):
        ModelDeployment.model_validate(a_manifest("spec.strategy.canary.steps.0.weight", 0.125))


def test_every_weight_in_steps_of_a_hundredth_is_accepted_and_becomes_whole_basis_points() -> None:
    for points in range(1, 10_001):
        step = CanaryStep.model_validate({"weight": points / 100})
        assert round(step.weight * 100) == points


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("0s", 0), ("500ms", 0.5), ("99999h", 99999 * 3600), ("1s1s", 2)],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "s", "1d", "1.5h", "-1s", "+1s", "1 s", "123456s", "1s1s1s1s1s", "90s\n", "１s"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 90s, 10m or 1h30m"):
        parse_duration(text)


@given(st.integers(0, 99_999 * 3_600_000))
def test_a_duration_reads_back_as_it_was_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


def test_a_moment_is_written_in_utc_with_microseconds() -> None:
    assert format_time(datetime(2025, 3, 1, 10, 0, 0, 25, tzinfo=UTC)) == "2025-03-01T10:00:00.000025Z"


def test_defaults_are_those_that_the_descriptions_tell() -> None:
    deployment = ModelDeployment.model_validate(a_manifest("spec.analysis", {}))
    analysis, rollback = deployment.spec.analysis, RollbackSpec()
    assert analysis is not None
    assert (analysis.interval, analysis.max_duration) == (timedelta(seconds=10), timedelta(minutes=30))
    assert (analysis.on_inconclusive, analysis.on_metric_error) == ("Hold", "Hold")
    assert (rollback.progress_deadline, rollback.scale_down_delay) == (timedelta(minutes=10), timedelta(seconds=30))
    assert deployment.spec.strategy.canary is not None
    assert deployment.spec.strategy.canary.steps[1].min_duration == timedelta(0)
    assert deployment.spec.traffic.gateway.path == "/"


def test_a_status_of_a_newer_operator_can_be_read() -> None:
    status = ModelDeploymentStatus.model_validate({"observedGeneration": 3, "phase": "Stable", "invented": {"x": 1}})
    assert status.observed_generation == 3


def test_a_revision_reads_the_release_of_its_model_deployment() -> None:
    release = a_manifest()["spec"]["release"]
    spec = {"modelDeployment": "fraud", "hash": "a" * 64, "release": release}
    assert ModelRevision.model_validate({"spec": spec}).spec.release.model.name == "fraud"
    with pytest.raises(ValidationError, match="hash"):
        ModelRevision.model_validate({"spec": spec | {"hash": "short"}})
