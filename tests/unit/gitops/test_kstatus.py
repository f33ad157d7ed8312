"""What kstatus, and with it Flux and `kubectl wait`, makes of a ModelDeployment: its rules, over every way to stand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from unit.gitops.recorded import STORIES, record

from slipway.cluster import Object

GITOPS = Path(__file__).parents[3] / "gitops"

EXPECTED = {
    "unobserved": "InProgress",
    "starting": "InProgress",
    "stable": "Current",
    "stepping": "InProgress",
    "awaiting-approval": "InProgress",
    "paused": "InProgress",
    "holding": "InProgress",
    "rolled-back": "Failed",
    "returned": "Current",
    "watching": "Current",
    "invalid": "Failed",
}


def kstatus(obj: Object) -> str:
    """The generic rules of sigs.k8s.io/cli-utils, pkg/kstatus/status: deletion, generation, Reconciling and Stalled,
    Ready; without any condition an object is current."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    if "observedGeneration" in status and status["observedGeneration"] != obj["metadata"]["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    for condition in conditions:
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"


@pytest.mark.parametrize("name", STORIES)
def test_kstatus_reads_how_a_rollout_stands(name: str) -> None:
    assert kstatus(record(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", STORIES)
def test_abnormal_conditions_are_there_only_while_they_are_true(name: str) -> None:
    conditions = (record(name).get("status") or {}).get("conditions") or []
    for condition in conditions:
        if condition["type"] in {"Reconciling", "Stalled", "Paused"}:
            assert condition["status"] == "True"


def test_a_new_generation_after_a_rollback_is_in_progress_until_it_was_looked_at() -> None:
    obj = record("rolled-back")
    obj["metadata"]["generation"] += 1
    assert kstatus(obj) == "InProgress"


def test_the_health_checks_of_flux_name_our_kind_and_only_fields_that_a_status_has() -> None:
    documents = list(yaml.safe_load_all((GITOPS / "flux" / "kustomization.yaml").read_text()))
    (kustomization,) = [document for document in documents if document["kind"] == "Kustomization"]
    (expressions,) = kustomization["spec"]["healthCheckExprs"]
    assert (expressions["apiVersion"], expressions["kind"]) == ("slipway.dev/v1alpha1", "ModelDeployment")
    assert "Stalled" in expressions["failed"]
    assert "Ready" in expressions["current"]
