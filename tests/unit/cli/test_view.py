"""The tree of `status`, and the same facts as data."""

import json

from unit.cli.builders import (
    MINUTE,
    NOW,
    ROLLED_BACK,
    a_revision,
    a_role,
    a_shop,
    a_status,
    ago,
    drifted,
    hash_of,
    name_of,
    promoted,
    rolled_back_revision,
    stable_revision,
    stepping_revision,
)

from slipway.cli.outcome import outcome
from slipway.cli.picture import Picture
from slipway.cli.view import document, plain, tree


def lines(picture: Picture) -> list[str]:
    return list(plain(tree(picture, outcome(picture), NOW)))


def test_a_rollout_in_the_middle_is_told_whole() -> None:
    assert lines(a_shop()) == [
        "fraud  on its way  (namespace shop, generation 2)",
        "  release v2 takes 50% of the traffic and is judged on it",
        f"  stable     v1  {name_of('v1')}  2/2 pods ready  50% of the traffic",
        f"  candidate  v2  {name_of('v2')}  1/1 pods ready  50% of the traffic",
        "    Stepping for 30s, step 2 of 3",
        "    GatheringEvidence: neither harm nor safety is shown yet",
        "    gate accuracy  Pass  accuracy 91.20% of 500 items, at least 85.00%",
        "    gate errors  Continue  +0.02pp, evidence of harm 1.1 of 100 needed",
        "    in 1m30s at the earliest: the step is over",
        "    in 6m30s at the earliest: it is promoted",
        "    in 29m30s: no more time for a verdict, and analysis.onInconclusive follows",
    ]


def test_a_weight_that_the_gateway_has_not_taken_yet_shows_both() -> None:
    picture = a_shop(status=a_status(candidate=a_role("v2", 10.0)))
    assert any("10% of the traffic, 50% asked for" in line for line in lines(picture))


def test_without_the_right_to_read_deployments_only_ready_pods_are_told() -> None:
    shown = lines(a_shop(fleets=({**stable_revision(), "spec": {"replicas": 1}},)))
    assert any("  1 pods ready" in line for line in shown)


def test_a_release_that_was_hauled_back_keeps_its_reason() -> None:
    shown = lines(a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK))
    assert shown[0].startswith("fraud  rolled back")
    assert "    RolledBack for 10m" in shown
    assert "    AnalysisFailed: errors: +30.00pp of 0.50pp allowed" in shown


def test_a_stable_release_that_nobody_questions_is_one_line() -> None:
    assert len(lines(promoted())) == 3


def test_what_is_watched_of_the_stable_release_is_a_line_for_each_signal() -> None:
    shown = lines(drifted())
    assert "    drift of feature amount  Drifted, 4m ago  not read for 2m  index=0.612" in shown
    assert "    drift of golden set  Steady  n=500" in shown
    data = document(drifted(), outcome(drifted()), NOW)["stable"]["drift"]
    assert data[0] == {"kind": "Feature", "name": "amount", "verdict": "Drifted", "message": "index=0.612"}


def test_a_watched_release_tells_until_when_and_what_is_kept_warm() -> None:
    watched = a_revision("v2", "Watching", weight=100.0, reason="PromotionWatched", message="watched")
    status = a_status(stable=a_role("v2", 100.0), candidate=None, standby=a_role("v1", 0.0))
    shown = lines(a_shop(a_revision("v1", "Superseded", weight=0.0), watched, status=status))
    assert "    Watching for 10m" in shown
    assert any(line.startswith("  standby    v1") for line in shown)


def test_a_second_attempt_and_a_pause_are_told() -> None:
    shown = lines(a_shop(stable_revision(), stepping_revision(attempt=2, paused=True)))
    assert "    Stepping for 30s, step 2 of 3, attempt 2" in shown
    assert "    paused by a person" in shown


def test_the_last_command_and_one_that_waits_for_its_answer_are_told() -> None:
    answered = {"command": "pause@1a2b3c4d#1", "outcome": "Accepted", "message": "paused", "time": ago(MINUTE)}
    picture = a_shop(status=a_status(lastCommand=answered), annotations={"slipway.dev/command": "resume@1a2b3c4d#2"})
    shown = lines(picture)
    assert "  last command  pause@1a2b3c4d#1  Accepted, 60s ago: paused" in shown
    assert "  not answered yet  resume@1a2b3c4d#2" in shown


def test_a_command_too_long_for_the_status_counts_as_answered_by_its_beginning() -> None:
    text = "x" * 300
    answered = {"command": text[:256], "outcome": "Refused", "message": "no", "time": ago(MINUTE)}
    picture = a_shop(status=a_status(lastCommand=answered), annotations={"slipway.dev/command": text})
    assert not any("not answered yet" in line for line in lines(picture))


def test_an_object_that_nobody_looked_at_says_so() -> None:
    shown = lines(a_shop(status={"observedGeneration": -1}))
    assert shown[1:] == ["  the operator has not looked at generation 2 of fraud yet", "  no release yet"]


def test_a_status_that_cannot_be_read_is_no_reason_to_fail() -> None:
    assert "on its way" in lines(a_shop(status={"stable": "nonsense"}))[0]


def test_a_revision_of_an_earlier_object_of_the_same_name_is_none_of_this_one() -> None:
    assert a_shop(stable_revision(), a_revision("v0", "Stable", uid="somebody")).revisions.keys() == {hash_of("v1")}


def test_data_says_the_same_as_the_tree_and_nothing_unknown() -> None:
    picture = a_shop()
    told = document(picture, outcome(picture), NOW)
    assert json.loads(json.dumps(told)) == told
    assert told["outcome"] == "IN_PROGRESS"
    assert told["candidate"]["weightAskedFor"] == 50.0
    assert told["candidate"]["gates"][1]["verdict"] == "Continue"
    assert told["candidate"]["expected"][0] == {
        "what": "the step is over",
        "at": "2026-05-04T12:01:30.000000Z",
        "earliest": True,
    }
    assert None not in told.values()
    assert "gates" not in told["stable"]
    assert "lastCommand" not in told
