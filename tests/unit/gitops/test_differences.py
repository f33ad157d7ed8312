"""The rules by which GitOps tools compare, as the end-to-end tests use them: they find what they have to find."""

from __future__ import annotations

import pytest
from sandbox.rollout.delivery import merge_patch, taken_over, three_way

from slipway.cluster import Object

GIT = {"metadata": {}, "spec": {"replicas": 2, "steps": [{"weight": 10}], "model": {"version": "v1"}}}


def test_fields_that_git_never_spoke_of_are_no_difference() -> None:
    live = {"metadata": {"finalizers": ["x"]}, "spec": GIT["spec"] | {"defaulted": True}}
    assert three_way(GIT, GIT, live) == {}


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"replicas": 3}, {"spec": {"replicas": 2}}),
        ({"model": {"version": "v2", "format": "onnx"}}, {"spec": {"model": {"version": "v1"}}}),
        ({"steps": [{"weight": 10, "defaulted": 1}]}, {"spec": {"steps": [{"weight": 10}]}}),
    ],
    ids=["a value", "a value beside a default", "a default inside a list"],
)
def test_what_was_written_over_is_put_back(changed: Object, difference: Object) -> None:
    assert three_way(GIT, GIT, {"metadata": {}, "spec": GIT["spec"] | changed}) == difference


def test_what_git_spoke_of_once_is_taken_away_while_it_is_there() -> None:
    before = {"metadata": {}, "spec": GIT["spec"] | {"paused": True}}
    assert three_way(before, GIT, before) == {"spec": {"paused": None}}
    assert three_way(before, GIT, GIT) == {}


def test_a_dry_run_shows_what_comes_and_what_goes() -> None:
    assert merge_patch({"a": 1, "b": {"c": 2, "d": [1]}}, {"b": {"c": 2, "d": [2]}, "e": 3}) == {
        "a": None,
        "b": {"d": [2]},
        "e": 3,
    }


def test_flux_takes_over_what_kubectl_wrote_but_neither_a_status_nor_what_the_command_line_wrote() -> None:
    def entry(manager: str, operation: str, name: str, **more: str) -> Object:
        return {"manager": manager, "operation": operation, "fieldsV1": {"f:metadata": {f"f:{name}": {}}}} | more

    ours = [entry("slipway-cli", "Update", "annotations"), entry("kubectl-edit", "Update", "a", subresource="status")]
    flux = entry("kustomize-controller", "Apply", "spec")
    assert taken_over([flux, *ours]) == [flux, *ours]
    found = taken_over([flux, entry("kubectl-annotate", "Update", "labels"), *ours])
    assert found == [flux | {"fieldsV1": {"f:metadata": {"f:spec": {}, "f:labels": {}}}}, *ours]
