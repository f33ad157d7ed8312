"""What `diff` says: fields, and whether there would be a new revision.

Cases: nothing there yet; nothing changes; settings alone, with a candidate on trial, rolled back, or none; a new
release, also with another one on trial; a release that was there before: stable, lately stable, long ago, never.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from unit.cli.builders import (
    MINUTE,
    NOW,
    ROLLED_BACK,
    Object,
    a_revision,
    a_shop,
    a_spec,
    ago,
    name_of,
    promoted,
    rolled_back_revision,
    stable_revision,
    stepping_revision,
)

from slipway.cli.changes import changes, difference
from slipway.cli.manifests import Manifest
from slipway.cli.picture import Picture


def lines(live: Picture | None, spec: Object) -> list[str]:
    manifest = Manifest("-", {"metadata": {"name": "fraud"}, "spec": spec}, 1)
    return [line.text for line in difference(live, manifest, "shop", NOW).children]


def test_what_is_not_there_is_created() -> None:
    assert lines(None, a_spec()) == [f"it is created, with release v2 as its first revision {name_of('v2')}"]


def test_the_same_manifest_changes_nothing() -> None:
    assert lines(a_shop(), a_spec()) == ["nothing changes"]


def test_a_setting_makes_no_revision() -> None:
    assert lines(promoted(), a_spec(replicas=3)) == [
        "~ spec.replicas: 2 -> 3",
        "no new revision: the release is the one that is declared now",
    ]


def test_a_candidate_on_trial_is_judged_anew_when_its_gates_change() -> None:
    assert lines(a_shop(), a_spec(analysis={"interval": "5s"}))[-1] == (
        "what it is judged under changes: release v2 is judged anew"
    )


def test_a_release_that_was_rolled_back_is_tried_again_when_its_gates_change() -> None:
    live = a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)
    assert lines(live, a_spec(rollback={"progressDeadline": "5m"}))[-1].endswith("release v2 is tried again")


@pytest.mark.parametrize("rollback", [{"scaleDownDelay": "5m"}, {"watch": "1h"}])
def test_how_long_pods_are_kept_judges_nobody(rollback: Object) -> None:
    assert lines(a_shop(), a_spec(rollback=rollback))[1:] == [
        "no new revision: the release is the one that is declared now"
    ]


def test_a_new_release_is_a_new_revision_and_takes_the_place_of_one_on_trial() -> None:
    assert lines(a_shop(), a_spec("v3")) == [
        "~ spec.release.model.version: v2 -> v3",
        f"new revision {name_of('v3')}: release v3 is the candidate",
        "release v2, which is on trial, is superseded",
    ]


def test_a_candidate_that_the_status_still_shows_is_not_superseded_by_itself() -> None:
    live = a_shop(stable_revision(), stepping_revision(), spec=a_spec("v3"))
    assert not any("superseded" in line for line in lines(live, a_spec("v2")))


def test_going_back_to_stable_needs_no_trial() -> None:
    live = a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)
    assert lines(live, a_spec("v1"))[1:] == [f"no new revision: release v1 is {name_of('v1')}, which is stable"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"stableUntil": ago(MINUTE)}, "it comes back without being judged anew"),
        ({"stableUntil": ago(timedelta(hours=25))}, "which is Superseded: it is judged anew"),
        ({}, "which is Superseded: it is judged anew"),
    ],
)
def test_a_release_of_before_comes_back_by_when_it_was_stable(record: Object, told: str) -> None:
    live = promoted(a_revision("v1", "Superseded", **record), a_revision("v2", "Stable"))
    assert lines(live, a_spec("v1"))[-1].endswith(told)


def test_a_field_that_the_manifest_does_not_have_may_stay() -> None:
    assert lines(promoted(), a_spec(replicas=None))[0] == (
        "- spec.replicas: 2  (not in the manifest: it stays if something else has set it)"
    )


def test_a_running_candidate_is_kept_by_a_manifest_of_its_own_release() -> None:
    live = a_shop(stable_revision(), stepping_revision())
    assert not any("superseded" in line for line in lines(live, a_spec(replicas=4)))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, ["~ a[1]: 2 -> 3", "+ a[2]: 4"]),
        ({"a": {"b": 1}}, {"a": {"c": {"d": 2}}}, ["- a.b: 1", '+ a.c: {"d": 2}']),
        ({"a": 0}, {"a": False}, []),
        ({"a": "x" * 200}, {"a": ""}, [f"~ a: {'x' * 79}… -> "]),
        ({"a": 1}, {"a": {"b": 2}}, ['~ a: 1 -> {"b": 2}']),
    ],
)
def test_changes_go_as_deep_as_both_sides_have_fields(before: Any, after: Any, told: list[str]) -> None:
    assert [change.line().text.partition("  (")[0] for change in changes(before, after)] == told
