"""What an upgrade must not move: hashes of releases, pods, and what Helm cannot change in place.

A failure here is never mended by freezing again: the code has to change back. Pods get another form by a new entry in
`slipway.workload.FORMS`, which reaches no revision that runs.
"""

from __future__ import annotations

import pytest
from chart.kit import Chart
from upgrade.frozen import VERSIONS, Frozen, Object

from slipway.api import ReleaseSpec
from slipway.release import release_hash
from slipway.workload import Owner, deployment_manifest, needs_apply

OWNER = Owner("slipway.dev/v1alpha1", "ModelRevision", "model", "00000000-0000-4000-8000-000000000001")

versions = pytest.mark.parametrize("frozen", VERSIONS, ids=lambda frozen: frozen.version)


def rendered(entry: Object, live: Object) -> Object:
    """The Deployment that today's operator wants where this one runs."""
    return deployment_manifest(
        model_deployment=live["selector"]["matchLabels"]["slipway.dev/model-deployment"],
        namespace="models",
        release=ReleaseSpec.model_validate(entry["release"]),
        full_hash=entry["hash"],
        replicas=1,
        role="stable",
        owner=OWNER,
        live={"metadata": {"annotations": live.get("annotations") or {}}, "spec": live},
    )


def test_there_is_a_version_to_upgrade_from() -> None:
    assert VERSIONS
    assert all(frozen.releases and frozen.states for frozen in VERSIONS)


@versions
def test_every_release_keeps_its_hash(frozen: Frozen) -> None:
    for entry in frozen.releases:
        assert release_hash(entry["release"]) == entry["hash"], entry["example"]


@versions
@pytest.mark.parametrize("way", ["deployment", "drained"])
def test_pods_of_a_former_version_are_rendered_as_they_were_born(frozen: Frozen, way: str) -> None:
    entries = [entry for entry in frozen.releases if way in entry]
    assert entries
    for entry in entries:
        spec = rendered(entry, entry[way])["spec"]
        assert spec["template"] == entry[way]["template"], entry["example"]
        assert spec["selector"] == entry[way]["selector"], entry["example"]


@versions
def test_an_upgrade_in_the_middle_of_a_canary_has_no_deployment_to_write(frozen: Frozen) -> None:
    objects = frozen.midway["objects"]
    revisions = {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] == "ModelRevision"}
    found = [obj for obj in objects if obj["kind"] == "Deployment"]
    assert len(found) == 2
    for live in found:
        revision, labels = revisions[live["metadata"]["name"]], live["metadata"]["labels"]
        wanted = deployment_manifest(
            model_deployment="fraud",
            namespace="shop",
            release=ReleaseSpec.model_validate(revision["spec"]["release"]),
            full_hash=revision["spec"]["hash"],
            replicas=live["spec"]["replicas"],
            role=labels["slipway.dev/role"],
            owner=Owner("slipway.dev/v1alpha1", "ModelRevision", live["metadata"]["name"], revision["metadata"]["uid"]),
            live=live,
        )
        assert not needs_apply(live, wanted)


@versions
def test_helm_can_upgrade_the_chart_in_place(frozen: Frozen, chart: Chart) -> None:
    """An API server refuses another selector or another role of a binding, and Helm stops in the middle."""
    today = {(obj["kind"], obj["metadata"]["name"]): obj for obj in chart.objects()}
    for old in frozen.chart:
        new = today.get((old["kind"], old["metadata"]["name"]))
        if new is None:
            continue
        assert new.get("roleRef") == old.get("roleRef"), old["metadata"]["name"]
        if old["kind"] == "Deployment":
            assert new["spec"]["selector"] == old["spec"]["selector"]
    assert {key for key in today if key[0] == "Deployment"} == {
        (obj["kind"], obj["metadata"]["name"]) for obj in frozen.chart if obj["kind"] == "Deployment"
    }


@versions
def test_the_lease_stays_where_it_is_so_that_old_and_new_replicas_never_lead_at_once(
    frozen: Frozen, chart: Chart
) -> None:
    def said(objects: list[Object]) -> list[str]:
        (deployment,) = [obj for obj in objects if obj["kind"] == "Deployment"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        own = f"--lease-namespace={deployment['metadata']['namespace']}"  # which is where it is unless it is said
        return sorted(
            {own, *(argument for argument in container["args"] if "lease" in argument or "elect" in argument)}
        )

    assert len(said(frozen.chart)) == 3
    assert said(chart.objects()) == said(frozen.chart)
