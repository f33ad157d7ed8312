"""The story of the demo, and everything that a user can look at held against what it should say.

Told once: v1 becomes stable, v2 is promoted through 10 → 50 → 100 %, v3 is hauled back by accuracy before it served
anybody, v4 is hauled back at its first step by errors.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
import pytest_asyncio
from sandbox.rollout.kit import complaints, weights_of

from demo.stage import Manifest, Stage
from demo.story import NAME, VERSIONS, Report, load_for, play

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FULL = 10_000


@dataclass(frozen=True)
class Story:
    """What came of it, and what was seen on the way."""

    stage: Stage
    report: Report
    routed: list[dict[str, int]]
    in_mid_canary: str
    wide: str

    def weights(self, version: str) -> list[int]:
        """The weights that a release had on the route, in order."""
        name, out = self.report.revisions[version]["metadata"]["name"], [0]
        out += [weights.get(name, 0) for weights in self.routed]
        return [after for before, after in pairwise(out) if after != before]

    def timeline(self, version: str) -> list[Manifest]:
        """The timeline of a release's revision."""
        entries: list[Manifest] = self.report.revisions[version]["status"]["timeline"]
        return entries

    @property
    def model_deployment(self) -> Manifest:
        """The ModelDeployment as it is at the end."""
        found = self.stage.deployments.get("default", NAME)
        assert found is not None
        return found

    def condition(self, kind: str) -> Manifest:
        """One of its conditions; empty when it is absent."""
        return next((found for found in self.model_deployment["status"]["conditions"] if found["type"] == kind), {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(platform: Stage) -> AsyncIterator[Story]:
    """The story as the demo plays it."""
    routed: list[dict[str, int]] = []
    platform.routes.add_handler(lambda _, route, __: routed.append(weights_of(route)))
    looking = asyncio.create_task(_look_in_mid_canary(platform))
    load = load_for(platform)
    try:
        report = await play(platform, load, lambda *_: None)
    finally:
        await load.stop()
        looked = await asyncio.wait_for(looking, 60)
    yield Story(platform, report, routed, *looked)


async def _look_in_mid_canary(platform: Stage) -> tuple[str, str]:
    await platform.until("v2 at its first step", lambda: platform.phase("v2") == "Stepping", seconds=180)
    return await platform.kubectl("get", "mdep,mrev,deploy,httproute"), await platform.kubectl("get", "mdep", "-owide")


def columns(text: str, kind: str) -> dict[str, dict[str, str]]:
    """What kubectl printed of a kind: cells by name and column."""
    block = next(part for part in text.split("\n\n") if kind in part).splitlines()
    starts = [found.start() for found in re.finditer(r"(?<=  )\S|^\S", block[0])] + [None]
    header, *rows = ([line[begin:end].strip() for begin, end in pairwise(starts)] for line in block)
    return {row[0].rpartition("/")[2]: dict(zip(header, row, strict=True)) for row in rows}


async def test_each_release_has_the_weights_of_its_story_and_no_others(story: Story) -> None:
    assert story.weights("v1") == [FULL, 9000, 5000, 0]
    assert story.weights("v2") == [1000, 5000, FULL, 9000, FULL]
    assert story.weights("v3") == []
    assert story.weights("v4") == [1000, 0]


async def test_the_rollouts_cause_no_failure_and_the_bad_answers_are_few(story: Story) -> None:
    report = story.report
    assert len(report.answers) > 500
    assert report.caused_by_rollouts == []
    for version in ("v1", "v2"):
        assert report.of(version)
        assert all(answer.good for answer in report.of(version))
    assert report.of("v3") == []
    assert 0 < sum(not answer.good for answer in report.of("v4")) < 20
    assert report.first_bad_to_zero is not None  # how long it is: tests/bench/rollback.py


UP = [("Pending", "RevisionCreated"), ("Starting", "CandidateStarting"), ("Evaluating", "CandidateEvaluating")]
STEP = ("Stepping", "StepStarted")
PROMOTED = [("Promoting", "CandidatePromoting"), ("Stable", "CandidatePromoted")]
BACK = [("RollingBack", "AnalysisFailed"), ("RolledBack", "RolledBack")]


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("v1", [*UP, *PROMOTED, ("Superseded", "Superseded")]),
        ("v2", [*UP, STEP, STEP, STEP, *PROMOTED]),
        ("v3", [*UP, *BACK]),
        ("v4", [*UP, STEP, *BACK]),
    ],
)
async def test_the_timeline_of_a_revision_tells_what_became_of_it(
    story: Story, version: str, told: list[tuple[str, str]]
) -> None:
    timeline = story.timeline(version)
    assert [(entry["phase"], entry["reason"]) for entry in timeline] == told
    assert [entry["time"] for entry in timeline] == sorted(entry["time"] for entry in timeline)
    status = story.report.revisions[version]["status"]
    assert status["attempt"] == 1
    assert status["phase"] == told[-1][0]
    assert status["reason"] == (told[-2][1] if version in ("v3", "v4") else told[-1][1]), "a rollback keeps its reason"


async def test_decisions_are_told_with_their_numbers(story: Story) -> None:
    reasons = {version: story.timeline(version) for version in VERSIONS}
    assert re.search(r"accuracy=92\.67% \(min 85\.00%\)", reasons["v1"][3]["message"])
    steps = [entry["message"] for entry in reasons["v2"] if entry["reason"] == "StepStarted"]
    assert [message.partition(":")[0] for message in steps] == [
        "step 1 of 3, 10% of the traffic",
        "step 2 of 3, 50% of the traffic",
        "step 3 of 3, 100% of the traffic",
    ]
    assert re.search(r"accuracy 93\.50% beside stable's 92\.67%, 3 lost and 8 won", steps[0])
    assert re.search(r"errors: \w+ n=\d+/\d+, bad=0/0", steps[1])
    failed = reasons["v3"][-2]["message"]
    assert re.search(r"accuracy: Fail n=\d+ of 600.*margin 2\.00pp.*evidence of harm (\d+|over a million) of", failed)
    assert re.search(r"errors: Fail n=\d+/\d+, bad=[1-9]\d*/0; diff=\+\d+", reasons["v4"][-2]["message"])


async def test_after_a_rollback_the_conditions_say_that_something_good_serves_and_the_declared_does_not(
    story: Story,
) -> None:
    said = {
        found["type"]: (found["status"], found["reason"]) for found in story.model_deployment["status"]["conditions"]
    }
    assert said == {
        "Available": ("True", "StableServing"),
        "Ready": ("False", "RolledBack"),
        "Stalled": ("True", "RolledBack"),
    }
    generation = story.model_deployment["metadata"]["generation"]
    assert generation == len(VERSIONS)
    assert story.model_deployment["status"]["observedGeneration"] == generation
    assert {found["observedGeneration"] for found in story.model_deployment["status"]["conditions"]} == {generation}
    assert "release v2 serves 100%" in story.condition("Available")["message"]
    assert re.search(r"release v4 was hauled back: errors: Fail n=\d+", story.condition("Ready")["message"])


async def test_events_tell_the_story_with_reasons_and_numbers(story: Story) -> None:
    text = await story.stage.kubectl(
        "get", "events", "--field-selector=involvedObject.kind=ModelDeployment,involvedObject.name=fraud", "-ojson"
    )
    events = json.loads(text)["items"]
    told = {(event["type"], event["reason"], event["message"]) for event in events}
    for version in VERSIONS:
        for entry in story.timeline(version):
            kind = "Warning" if entry["phase"] in ("RollingBack", "RolledBack") else "Normal"
            message = entry["message"]
            named = message if f"release {version}" in message else f"release {version}: {message}"
            assert (kind, entry["reason"], named) in told, "an Event says which release it is about"
    table = await story.stage.kubectl("get", "events")
    assert re.search(r"Warning +AnalysisFailed +modeldeployment/fraud +release v4: errors: Fail n=\d+/\d+, bad=", table)


async def test_kubectl_shows_in_mid_canary_what_serves_and_how_far_it_is(story: Story) -> None:
    old, new = (story.report.revisions[version]["metadata"]["name"] for version in ("v1", "v2"))
    summary = columns(story.in_mid_canary, "modeldeployment.slipway.dev")[NAME]
    assert {key: summary[key] for key in ("READY", "PHASE", "STABLE", "CANDIDATE", "PROGRESS")} == {
        "READY": "False",
        "PHASE": "Stepping",
        "STABLE": "v1",
        "CANDIDATE": "v2",
        "PROGRESS": "10% (1/3)",
    }
    revisions = columns(story.in_mid_canary, "modelrevision.slipway.dev")
    assert (revisions[old]["VERSION"], revisions[old]["PHASE"], revisions[old]["PROGRESS"]) == ("v1", "Stable", "90%")
    assert (revisions[new]["MODEL"], revisions[new]["VERSION"]) == ("fraud", "v2")
    assert (revisions[new]["PHASE"], revisions[new]["PROGRESS"]) == ("Stepping", "10% (1/3)")
    pods = columns(story.in_mid_canary, "deployment.apps")
    assert (pods[old]["READY"], pods[new]["READY"]) == ("2/2", "1/1")
    assert "fraud.example" in columns(story.in_mid_canary, "httproute")[NAME]["HOSTNAMES"]
    assert re.search(r"release v2 takes 10% of the traffic and is judged on it|accuracy: ", story.wide)


async def test_the_operator_owns_the_status_and_nothing_else(story: Story) -> None:
    metadata = story.model_deployment["metadata"]
    managers = {entry["manager"]: entry for entry in metadata["managedFields"]}
    assert set(managers) == {"kubectl-client-side-apply", "slipway"}
    assert managers["slipway"]["subresource"] == "status"
    assert set(managers["slipway"]["fieldsV1"]) == {"f:status"}
    assert set(metadata["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}
    assert "labels" not in metadata
    assert "finalizers" not in metadata
    applied = json.loads(metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    assert story.model_deployment["spec"] == applied["spec"]
    for revision in story.report.revisions.values():
        assert "finalizers" not in revision["metadata"]
        assert set(revision["metadata"]["annotations"]) == {"slipway.dev/applied"}


async def test_the_operator_has_nothing_to_complain_of(story: Story) -> None:
    assert complaints(story.stage.operator.log) == []
