"""What an auditor takes home of a release: its card, its bill of materials, its lineage, and what changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from unit.cli.builders import Object, a_release, a_revision
from unit.cli.conftest import Terminal

SHOP = ("--namespace", "shop")
SHA = "sha256:" + "ab" * 32
LINEAGE = {
    "dataset": {"uri": "s3://data/fraud/2026-04", "version": "2026-04", "digest": SHA},
    "code": {"repository": "https://git.example/fraud.git", "commit": "0123abcd"},
    "trainingRun": {"id": "run-7", "uri": "https://mlflow.example/run-7"},
    "evaluations": [{"name": "auc", "value": 0.93, "dataset": "holdout-2026-04"}],
    "approvals": [{"by": "model risk board", "uri": "https://tickets.example/42"}],
}
TIMELINE = [
    {"time": "2026-05-04T11:00:00Z", "phase": "Pending", "reason": "Created", "message": "release v2 was declared"},
    {
        "time": "2026-05-04T11:05:00Z",
        "phase": "Stepping",
        "reason": "Approved",
        "message": "a person approved what follows step 1 of release v2",
        "by": "alice@example.com",
    },
    {"time": "2026-05-04T11:20:00Z", "phase": "Stable", "reason": "Promoted", "message": "it takes all traffic"},
]


def a_full_release(version: str = "v2", **more: Any) -> Object:
    model = {"uri": f"s3://models/fraud/{version}/", "digest": SHA, "format": "onnx"}
    pipeline = {"name": "features", "version": "3", "uri": "s3://pipelines/3"}
    return a_release(version, model=model, lineage=LINEAGE, featurePipeline=pipeline, **more)


def recorded(terminal: Terminal, **release: Any) -> Object:
    metrics = [
        {
            "name": "accuracy",
            "verdict": "Pass",
            "message": "2 of 500 items got worse | and *none* better",
            "slices": [
                {
                    "slice": "country",
                    "group": "NZ",
                    "size": 40,
                    "items": 40,
                    "candidate": 0.95,
                    "stable": 0.9,
                    "verdict": "Pass",
                    "state": [],
                }
            ],
        },
        {"name": "errors", "verdict": "Continue", "message": "not enough requests"},
    ]
    made = a_revision("v2", "Stable", release=a_full_release(**release), metrics=metrics, timeline=TIMELINE)
    made["status"]["artifact"] = {
        "uri": "s3://models/fraud",
        "digest": "sha256:" + "cd" * 32,
        "bytes": 7,
        "files": 1,
        "time": "2026-05-04T11:40:00.000000Z",
    }
    terminal.shop(made)
    return made


def printed(terminal: Terminal, verb: str, revision: Object) -> str:
    code, out, err = terminal(verb, "fraud", "--revision", revision["metadata"]["name"], *SHOP)
    assert (code, err) == (0, "")
    return out


def test_a_card_tells_what_it_is_its_evidence_its_limits_and_who_approved(terminal: Terminal) -> None:
    text = printed(terminal, "card", recorded(terminal))
    for line in (
        "# Model card: fraud, release v2",
        "It serves since 2026-05-04 11:50:00 UTC.",
        "| Training data | s3://data/fraud/2026-04 |",
        "| auc | 0.93 | holdout-2026-04 |  |",
        "| accuracy | country = NZ | 40 of 40 | 95.00% | 90.00% | Pass |",
        "- Nothing was decided on errors.",
        "- model risk board, https://tickets.example/42 (declared)",
        "- 2026-05-04 11:05:00 UTC, alice@example.com: a person approved what follows step 1 of release v2",
    ):
        assert line in text.splitlines(), line


def test_what_others_wrote_makes_no_markup_of_its_own_in_a_card(terminal: Terminal) -> None:
    text = printed(terminal, "card", recorded(terminal))
    assert r"2 of 500 items got worse \| and \*none\* better" in text


ADAPTERS = [
    {"name": "support", "uri": "s3://adapters/support/7", "digest": SHA},
    {"name": "sales.v2", "uri": "hf://shop/sales@main", "digest": "sha256:" + "ef" * 32},
]


def test_a_card_names_every_adapter_with_its_digest(terminal: Terminal) -> None:
    lines = printed(terminal, "card", recorded(terminal, adapters=ADAPTERS)).splitlines()
    for line in (
        "| Adapter support | s3://adapters/support/7 |",
        f"| Digest of adapter support | {SHA} |",
        "| Adapter sales.v2 | hf://shop/sales@main |",
    ):
        assert line in lines, line


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_adapters_are_components_that_the_model_depends_on(terminal: Terminal) -> None:
    text = printed(terminal, "bom", recorded(terminal, adapters=ADAPTERS))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    written = json.loads(text)
    parts = {part["bom-ref"]: part for part in written["components"]}
    assert (parts["adapter-support"]["type"], parts["adapter-support"]["name"]) == ("machine-learning-model", "support")
    assert parts["adapter-support"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert parts["adapter-sales.v2"]["externalReferences"][0]["url"] == "hf://shop/sales@main"
    needs = {one["ref"]: one["dependsOn"] for one in written["dependencies"]}
    assert needs["model"] == ["adapter-support", "adapter-sales.v2", "training-data"]
    assert needs["release"] == ["model", "feature-pipeline", "server"]
    assert parts["model"]["modelCard"]["modelParameters"] == {"datasets": [{"ref": "training-data"}]}


def test_adapters_are_inputs_of_a_run(terminal: Terminal) -> None:
    made = recorded(terminal, adapters=ADAPTERS)
    for event in map(json.loads, printed(terminal, "lineage", made).splitlines()):
        versions = {one["name"]: one["facets"].get("version", {}).get("datasetVersion") for one in event["inputs"]}
        assert versions["support/7"] == SHA
        assert versions["sales@main"] == "sha256:" + "ef" * 32


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("full", [True, False])
def test_the_bill_of_materials_is_valid_cyclonedx(terminal: Terminal, full: bool) -> None:
    made = recorded(terminal)
    if not full:
        made = a_revision("v2", "Stepping")
        terminal.shop(made)
    text = printed(terminal, "bom", made)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    kinds = {part["bom-ref"]: part for part in json.loads(text)["components"]}
    assert set(kinds) == ({"model", "training-data", "feature-pipeline", "server"} if full else {"model", "server"})
    if full:
        assert kinds["model"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}], (
            "what was fetched, not what was said"
        )


def test_lineage_is_a_run_with_its_inputs_and_its_end(terminal: Terminal) -> None:
    made = recorded(terminal)
    start, end = map(json.loads, printed(terminal, "lineage", made).splitlines())
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert {(one["namespace"], one["name"]) for one in end["inputs"]} == {
        ("s3://models", "fraud/v2/"),
        ("s3://data", "fraud/2026-04"),
        ("s3://pipelines", "3"),
    }
    assert end["outputs"][0]["name"] == "fraud"
    assert end["job"]["facets"]["sourceCodeLocation"]["version"] == "0123abcd"
    for event in (start, end):
        assert {"eventTime", "run", "job", "producer", "schemaURL"} <= set(event)


def test_a_release_that_was_hauled_back_failed(terminal: Terminal) -> None:
    entries = [*TIMELINE[:2], TIMELINE[2] | {"phase": "RolledBack", "message": "errors rose"}]
    made = a_revision("v2", "RolledBack", timeline=entries)
    terminal.shop(made)
    end = json.loads(printed(terminal, "lineage", made).splitlines()[-1])
    assert end["eventType"] == "FAIL"
    assert end["run"]["facets"]["errorMessage"]["message"] == "errors rose"


def entries(*phases: str, since: int = 0) -> list[Object]:
    """A minute apart, from so many minutes after eleven o'clock."""
    return [
        {"time": f"2026-05-04T11:{since + index:02}:00Z", "phase": phase, "reason": "R", "message": f"{phase} {index}"}
        for index, phase in enumerate(phases)
    ]


def ran(terminal: Terminal, *phases: str, dropped: bool = False, **record: Any) -> list[Object]:
    """The events of a release that went through these phases."""
    more = {"dropped": "0" * 64} if dropped else {}
    made = a_revision("v2", phases[-1], timeline=entries(*phases), **record, **more)
    terminal.shop(made)
    return [json.loads(line) for line in printed(terminal, "lineage", made).splitlines()]


def told(events: list[Object]) -> list[tuple[str, str]]:
    return [(event["eventType"], event["eventTime"][14:16]) for event in events]


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        (("Stepping", "Stable"), [("COMPLETE", "02")]),
        (("Stepping", "Watching", "Stable"), [("COMPLETE", "02")]),
        (("Stepping", "Stable", "Superseded"), [("COMPLETE", "02")]),
        (("Stepping", "Watching", "Stable", "Superseded", "Stable"), [("COMPLETE", "02")]),
        (("Stepping", "Superseded"), [("ABORT", "02")]),
        (("Stepping", "RollingBack"), []),
        (("Stepping", "RollingBack", "RolledBack"), [("FAIL", "03")]),
        (("Stepping", "Watching", "RollingBack"), []),
        (("Stepping", "Watching", "RollingBack", "RolledBack", "RolledBack"), [("FAIL", "04")]),
    ],
)
def test_a_run_ends_as_the_release_did(
    terminal: Terminal, phases: tuple[str, ...], outcome: list[tuple[str, str]]
) -> None:
    assert told(ran(terminal, "Pending", *phases)) == [("START", "00"), *outcome]


def test_a_release_that_was_hauled_back_after_its_promotion_failed_for_what_was_found(terminal: Terminal) -> None:
    events = ran(terminal, "Pending", "Watching", "RollingBack", "RolledBack")
    assert events[-1]["run"]["facets"]["errorMessage"]["message"] == "RollingBack 2"


@pytest.mark.parametrize("before", [("RollingBack", "RolledBack"), ("Superseded",), ("Stable", "Superseded")])
@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (("Pending", "Stepping"), []),
        (("Pending", "Pending", "Stable"), ["COMPLETE"]),
        (("Pending", "RollingBack", "RolledBack"), ["FAIL"]),
        (("Pending", "Superseded"), ["ABORT"]),
    ],
)
def test_an_attempt_is_a_run_of_its_own(
    terminal: Terminal, before: tuple[str, ...], now: tuple[str, ...], outcome: list[str]
) -> None:
    first = ran(terminal, "Pending", *before, attempt=1)
    second = ran(terminal, "Pending", *before, *now, attempt=2)
    began = len(before) + 1
    assert told(second)[0] == ("START", f"{began:02}")
    assert [event["eventType"] for event in second[1:]] == outcome
    assert {event["run"]["runId"] for event in first}.isdisjoint(event["run"]["runId"] for event in second)


def test_an_attempt_whose_beginning_was_dropped_has_not_begun_with_another_one(terminal: Terminal) -> None:
    assert told(ran(terminal, "Pending", "Stepping", "Stepping", dropped=True, attempt=3)) == [("START", "01")]
    assert told(ran(terminal, "Pending", "Pending", "Stepping", dropped=True, attempt=3)) == [("START", "01")]
    assert told(ran(terminal, "Pending", "Stepping", "Stepping", dropped=True, attempt=1)) == [("START", "00")]


def differences(terminal: Terminal, before: list[Object], after: list[Object]) -> list[str]:
    """The lines of a diff of two releases that have these adapters."""
    revisions = [
        a_revision("v2", phase, release=a_full_release(**({"adapters": adapters} if adapters else {})))
        for phase, adapters in (("Stable", before), ("Stepping", after))
    ]
    terminal.shop(*revisions)
    code, out, err = terminal("diff", *(one["metadata"]["name"] for one in revisions), *SHOP)
    assert (code, err) == (0, "")
    return [line.strip(" ├└─│") for line in out.splitlines()][1:]


UNCHANGED = "the same: data, code, pipeline, evaluations and approvals"


def test_other_bytes_of_an_adapter_are_other_weights(terminal: Terminal) -> None:
    after = [ADAPTERS[0], ADAPTERS[1] | {"digest": SHA}]
    change = f"~ adapters.sales.v2.digest: sha256:{'ef' * 32} -> {SHA}"
    assert differences(terminal, ADAPTERS, after) == ["weights", change, f"{UNCHANGED}, configuration"]


@pytest.mark.parametrize("comes", [True, False])
def test_an_adapter_that_comes_or_goes_changes_no_other_and_is_told_in_full(terminal: Terminal, comes: bool) -> None:
    one, two, sign = ADAPTERS[1:], ADAPTERS, "+" if comes else "-"
    assert differences(terminal, *((one, two) if comes else (two, one))) == [
        "weights",
        f"{sign} adapters.support.uri: s3://adapters/support/7",
        f"{sign} adapters.support.digest: {SHA}",
        f"{UNCHANGED}, configuration",
    ]
    assert f"{sign} adapters.support.digest: {SHA}" in differences(terminal, *(([], two) if comes else (two, [])))


def test_another_order_of_adapters_is_configuration(terminal: Terminal) -> None:
    change = '~ adapters: ["support", "sales.v2"] -> ["sales.v2", "support"]'
    assert differences(terminal, ADAPTERS, ADAPTERS[::-1]) == [
        "configuration",
        change,
        UNCHANGED.replace("data", "weights, data"),
    ]


def test_a_difference_of_two_revisions_is_told_by_what_it_is_about(terminal: Terminal) -> None:
    lineage = LINEAGE | {"dataset": {"version": "2026-05"}, "evaluations": [{"name": "auc", "value": 0.94}]}
    before = a_revision("v2", "Stable", release=a_full_release())
    after = a_revision("v3", "Stepping", release=a_full_release("v3") | {"lineage": lineage})
    terminal.shop(before, after)
    code, out, err = terminal("diff", before["metadata"]["name"], after["metadata"]["name"], *SHOP)
    assert (code, err) == (0, "")
    told = [line.strip(" ├└─│") for line in out.splitlines()]
    assert [line for line in told if line in ("weights", "data", "code", "pipeline", "configuration")] == [
        "weights",
        "data",
    ]
    assert "~ model.version: v2 -> v3" in told
    assert "~ lineage.dataset.version: 2026-04 -> 2026-05" in told
    assert "the same: code, pipeline, configuration" in told


def test_history_tells_what_each_release_was_made_from(terminal: Terminal) -> None:
    made = recorded(terminal, adapters=ADAPTERS)
    code, out, _ = terminal("history", "fraud", "--lineage", *SHOP)
    assert code == 0
    header, row = (line.split() for line in out.splitlines())
    assert header == ["REVISION", "VERSION", "WEIGHTS", "ADAPTERS", "DATA", "CODE", "RUN", "PIPELINE"]
    adapters = f"support=sha256:{'ab' * 6},sales.v2=sha256:{'ef' * 6}"
    digests = [f"sha256:{'cd' * 6}", adapters, f"sha256:{'ab' * 6}"]
    assert row == [made["metadata"]["name"], "v2", *digests, "0123abcd", "run-7", "features", "3"]


def test_history_says_of_a_release_without_adapters_that_it_has_none(terminal: Terminal) -> None:
    recorded(terminal)
    code, out, _ = terminal("history", "fraud", "--lineage", *SHOP)
    assert (code, out.splitlines()[1].split()[3]) == (0, "-")


def test_a_diff_takes_two_revisions_or_manifests(terminal: Terminal) -> None:
    code, _, err = terminal("diff", "one", *SHOP)
    assert code != 0
    assert "name two revisions, or manifests with --filename" in err
    code, _, err = terminal("diff", "one", "two", *SHOP)
    assert code != 0
    assert "there is no ModelRevision one in namespace shop" in err
