"""Commands at a terminal: what is written, what is waited for, what comes out."""

from __future__ import annotations

import re

import pytest
from unit.cli.builders import (
    PROMOTED,
    ROLLED_BACK,
    a_revision,
    a_role,
    a_status,
    hash_of,
    rolled_back_revision,
    stable_revision,
    stepping_revision,
)
from unit.cli.conftest import Terminal

from slipway.cli.exits import Exit
from slipway.cluster import MODEL_DEPLOYMENT, Conflict, Request
from slipway.release import release_hash

SHOP = ("--namespace", "shop")


def annotation(terminal: Terminal) -> str | None:
    text = (terminal.deployment["metadata"].get("annotations") or {}).get("slipway.dev/command")
    return None if text is None else str(text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["promote", "fraud"], "promote@{hash}/2#"),
        (["promote", "fraud", "--full"], "promote-full@{hash}#"),
        (["approve", "fraud"], "approve@{hash}/2#"),
        (["pause", "fraud"], "pause@{hash}#"),
        (["resume", "fraud"], "resume@{hash}#"),
        (["abort", "fraud"], "abort@{hash}#"),
        (["retry", "fraud"], "retry@{hash}#"),
        (["undo", "fraud"], "abort@{hash}#"),
    ],
)
def test_a_verb_writes_its_command_and_prints_the_answer(terminal: Terminal, words: list[str], text: str) -> None:
    terminal.shop()
    terminal.answered_by("Accepted", "a person said so")
    code, out, err = terminal(*words, *SHOP)
    written = annotation(terminal)
    assert written is not None
    assert (code, err) == (0, "")
    assert re.fullmatch(re.escape(text.format(hash=hash_of("v2"))) + "[0-9a-f]{8}", written)
    assert out == f"{written}\nAccepted: a person said so\n"


def test_the_same_verb_twice_is_two_commands(terminal: Terminal) -> None:
    terminal.shop()
    terminal.answered_by("Accepted")
    assert terminal("pause", "fraud", *SHOP)[1] != terminal("pause", "fraud", *SHOP)[1]


def test_a_refusal_is_told_with_its_reason_and_a_code_of_its_own(terminal: Terminal) -> None:
    terminal.shop()
    terminal.answered_by("Refused", "release v2 is at step 3, not at step 2")
    code, _, err = terminal("promote", "fraud", *SHOP)
    assert (code, err) == (Exit.REFUSED, "slipway: Refused: release v2 is at step 3, not at step 2\n")


def test_without_an_answer_the_wait_ends_and_asks_for_the_operator(terminal: Terminal) -> None:
    terminal.shop()
    code, _, err = terminal("pause", "fraud", *SHOP, "--timeout", "50ms")
    assert code == Exit.TIMED_OUT
    assert "not answered within 50ms: is the operator running?" in err
    assert annotation(terminal) is not None


def test_who_does_not_wait_is_done_with_the_writing(terminal: Terminal) -> None:
    terminal.shop()
    assert terminal("pause", "fraud", *SHOP, "--no-wait")[0] == 0


def test_a_command_holds_on_the_version_that_was_read(terminal: Terminal) -> None:
    terminal.shop()
    terminal.answered_by("Accepted")
    before = terminal.deployment["metadata"]["resourceVersion"]
    terminal("pause", "fraud", *SHOP)
    (written,) = [request for request in terminal.cluster.requests if request.verb == "merge_patch"]
    assert written.body is not None
    assert written.body["metadata"]["resourceVersion"] == before


def test_a_change_meanwhile_is_read_and_the_same_command_written_again(terminal: Terminal) -> None:
    terminal.shop()
    terminal.answered_by("Accepted")
    for _ in range(2):
        terminal.cluster.fail_next("merge_patch", MODEL_DEPLOYMENT, Conflict("409"))
    assert terminal("promote", "fraud", *SHOP)[0] == 0


def test_a_rollout_that_moved_on_meanwhile_is_not_promoted_past_what_the_person_saw(terminal: Terminal) -> None:
    terminal.shop()
    terminal.answered_by("Accepted")

    def move_on(request: Request) -> None:
        if request.verb == "merge_patch":
            terminal.cluster.before_write = None
            terminal.put(stepping_revision(step=2))
            terminal.cluster.put(terminal.deployment | {"status": a_status(progress="100% (3/3)")})

    terminal.cluster.before_write = move_on
    code, _, err = terminal("promote", "fraud", *SHOP)
    assert code == Exit.ERROR
    assert "moved on meanwhile" in err
    assert annotation(terminal) is None


def test_an_object_that_never_holds_still_is_given_up(terminal: Terminal) -> None:
    terminal.shop()
    for _ in range(9):
        terminal.cluster.fail_next("merge_patch", MODEL_DEPLOYMENT, Conflict("409"))
    assert "changes faster" in terminal("pause", "fraud", *SHOP)[2]


def test_another_command_before_the_answer_is_told(terminal: Terminal) -> None:
    terminal.shop()

    def somebody_else(text: str) -> None:
        if text.startswith("pause"):
            live = terminal.deployment
            changed = live["metadata"] | {"annotations": {"slipway.dev/command": "abort@1a2b3c4d#9"}}
            terminal.cluster.put(live | {"metadata": changed})

    terminal.on_command(somebody_else)
    code, _, err = terminal("pause", "fraud", *SHOP)
    assert (code, "was replaced, or taken away" in err) == (Exit.ERROR, True)


def test_a_command_that_takes_the_place_of_an_unanswered_one_says_so(terminal: Terminal) -> None:
    terminal.shop(annotations={"slipway.dev/command": "pause@1a2b3c4d#1"})
    _, _, err = terminal("abort", "fraud", *SHOP, "--no-wait")
    assert "takes the place of pause@1a2b3c4d#1" in err


def test_without_a_rollout_nothing_is_written(terminal: Terminal) -> None:
    terminal.shop(a_revision("v2", "Stable"), status=PROMOTED)
    code, _, err = terminal("pause", "fraud", *SHOP)
    assert code == Exit.REFUSED
    assert "there is nothing to pause" in err
    assert annotation(terminal) is None


# --- undo -----------------------------------------------------------------------------------------------------------


def test_undo_aborts_a_release_that_is_watched(terminal: Terminal) -> None:
    status = a_status(stable=a_role("v2", 100.0), candidate=None, standby=a_role("v1", 0.0))
    terminal.shop(a_revision("v1", "Superseded"), a_revision("v2", "Watching"), status=status)
    terminal.answered_by("Accepted", "aborted")
    assert terminal("undo", "fraud", *SHOP)[1].endswith("Accepted: aborted\n")


def settled(terminal: Terminal) -> None:
    """v2 is stable, and v1 was before."""
    before = a_revision("v1", "Superseded", stableUntil="2026-05-04T11:00:00Z")
    terminal.shop(before, a_revision("v2", "Stable"), status=PROMOTED)


def test_undo_of_a_settled_release_says_what_to_revert_and_changes_nothing(terminal: Terminal) -> None:
    settled(terminal)
    spec = terminal.deployment["spec"]
    code, out, _ = terminal("undo", "fraud", *SHOP)
    assert code == 0
    assert "The release before was v1" in out
    assert "Revert spec.release in git" in out
    assert "slipway undo fraud --namespace shop --apply" in out
    assert terminal.deployment["spec"] == spec


def test_undo_apply_declares_exactly_the_earlier_release_and_warns_of_gitops(terminal: Terminal) -> None:
    settled(terminal)
    code, out, _ = terminal("undo", "fraud", *SHOP, "--apply")
    assert code == 0
    assert "GitOps will put that back" in out
    assert release_hash(terminal.deployment["spec"]["release"]) == hash_of("v1")


def test_undo_after_a_rollback_names_the_release_that_serves(terminal: Terminal) -> None:
    terminal.shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)
    assert "Release v1 (fraud-" in terminal("undo", "fraud", *SHOP)[1]


def test_undo_apply_after_a_rollback_declares_what_serves(terminal: Terminal) -> None:
    terminal.shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)
    terminal("undo", "fraud", *SHOP, "--apply")
    assert release_hash(terminal.deployment["spec"]["release"]) == hash_of("v1")


def test_undo_of_the_first_release_has_nowhere_to_go(terminal: Terminal) -> None:
    terminal.shop(a_revision("v2", "Stable"), status=PROMOTED)
    code, _, err = terminal("undo", "fraud", *SHOP, "--apply")
    assert (code, "no earlier release" in err) == (Exit.REFUSED, True)
