"""What Argo CD makes of a ModelDeployment: its health, and the commands that it offers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from unit.gitops.lua import action, actions, health
from unit.gitops.record import files
from unit.gitops.recorded import STORIES, record

from slipway.rollout.commands import parse

GITOPS = Path(__file__).parents[3] / "gitops"

HEALTH = {
    "unobserved": "Progressing",
    "starting": "Progressing",
    "stable": "Healthy",
    "stepping": "Progressing",
    "awaiting-approval": "Suspended",
    "paused": "Suspended",
    "holding": "Progressing",
    "rolled-back": "Degraded",
    "returned": "Healthy",
    "watching": "Healthy",
    "invalid": "Degraded",
}

ENABLED = {
    "unobserved": set(),
    "starting": {"promote-full", "pause", "abort"},
    "stable": set(),
    "stepping": {"promote", "promote-full", "pause", "abort"},
    "awaiting-approval": {"promote", "promote-full", "approve", "pause", "abort"},
    "paused": {"promote", "promote-full", "resume", "abort"},
    "holding": {"promote", "promote-full", "pause", "abort"},
    "rolled-back": {"retry"},
    "returned": set(),
    "watching": {"abort"},
    "invalid": set(),
}


def test_every_story_is_spoken_of() -> None:
    assert HEALTH.keys() == STORIES.keys() == ENABLED.keys()


@pytest.mark.parametrize("name", STORIES)
def test_argo_cd_sees_how_a_rollout_stands_and_offers_what_is_possible(name: str) -> None:
    obj = record(name)
    found = health(obj)
    assert found["status"] == HEALTH[name]
    assert found["message"] == (
        (obj.get("status") or {}).get("message") or "waiting for the specification to be observed"
    )
    assert {name for name, offered in actions(obj).items() if not offered["disabled"]} == ENABLED[name]


def test_a_release_that_is_declared_after_a_rollback_is_not_degraded_before_it_was_looked_at() -> None:
    obj = record("rolled-back")
    obj["metadata"]["generation"] += 1
    assert health(obj)["status"] == "Progressing"


def test_an_outage_of_stable_is_degraded_unless_another_release_is_on_its_way() -> None:
    obj = record("stable")
    for condition in obj["status"]["conditions"]:
        condition |= {"status": "False", "message": "none of the pods is ready"}
    assert health(obj) == {"status": "Degraded", "message": "none of the pods is ready"}
    obj["status"]["candidate"] = obj["status"]["stable"]
    assert health(obj)["status"] == "Progressing"


@pytest.mark.parametrize("name", ["promote", "promote-full", "approve", "pause", "resume", "abort", "retry"])
def test_an_action_writes_a_command_that_the_operator_reads_and_nothing_else(name: str) -> None:
    obj = record("awaiting-approval")
    acted = action(name, obj)
    text = acted["metadata"]["annotations"].pop("slipway.dev/command")
    assert acted == obj
    command = parse(text)
    assert command.verb == name
    assert obj["status"]["candidate"]["hash"].startswith(command.hash)
    assert command.step == (0 if name in {"promote", "approve"} else None)


def test_what_argo_cd_reads_is_what_the_operator_and_the_scripts_say_now() -> None:
    for path, text in files().items():
        assert (GITOPS / path).read_text() == text, f"{path}: run python tests/unit/gitops/record.py gitops"
    written = {path for path in (GITOPS / "argocd").rglob("*.yaml") if "application" not in path.name}
    assert written == {GITOPS / path for path in files()}


def test_the_settings_for_argo_cd_are_what_it_can_read() -> None:
    data = yaml.safe_load((GITOPS / "argocd" / "argocd-cm.yaml").read_text())["data"]
    parsed = yaml.safe_load(data["resource.customizations.actions.slipway.dev_ModelDeployment"])
    assert {found["name"] for found in parsed["definitions"]} == set(actions(record("stable")))
