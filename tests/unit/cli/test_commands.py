"""The text of a command: the verb, the revision it is about, the step where one is meant."""

import pytest
from unit.cli.builders import (
    PROMOTED,
    ROLLED_BACK,
    a_revision,
    a_shop,
    hash_of,
    promoted,
    rolled_back_revision,
    stable_revision,
    stepping_revision,
)

from slipway.cli.commands import Verb, command, patch
from slipway.cli.exits import Exit, Stop
from slipway.rollout.commands import parse


def test_a_command_names_the_whole_hash() -> None:
    assert command(Verb.ABORT, a_shop(), "n1") == f"abort@{hash_of('v2')}#n1"


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.APPROVE])
def test_what_is_about_a_step_names_the_step_as_the_status_shows_it(verb: Verb) -> None:
    assert command(verb, a_shop(), "n1") == f"{verb}@{hash_of('v2')}/2#n1"


@pytest.mark.parametrize(("phase", "step"), [("Evaluating", "/golden"), ("Shadowing", "/shadow"), ("Starting", "")])
def test_the_stages_before_the_first_step_have_names(phase: str, step: str) -> None:
    picture = a_shop(stable_revision(), a_revision("v2", phase))
    assert command(Verb.PROMOTE, picture, "n1") == f"promote@{hash_of('v2')}{step}#n1"


def test_promoting_past_everything_names_no_step() -> None:
    assert command(Verb.PROMOTE_FULL, a_shop(), "n1") == f"promote-full@{hash_of('v2')}#n1"


def test_a_release_that_was_rolled_back_can_be_meant() -> None:
    picture = a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)
    assert command(Verb.RETRY, picture, "n1") == f"retry@{hash_of('v2')}#n1"


def test_a_promoted_release_can_be_meant_while_it_is_watched() -> None:
    picture = a_shop(a_revision("v2", "Watching"), status=PROMOTED)
    assert command(Verb.ABORT, picture, "n1") == f"abort@{hash_of('v2')}#n1"


@pytest.mark.parametrize(
    ("verb", "hint"),
    [(Verb.ABORT, "slipway undo fraud"), (Verb.PAUSE, "spec.paused"), (Verb.PROMOTE, "release v2 serves")],
)
def test_without_a_rollout_there_is_nothing_to_command_and_the_way_out_is_named(verb: Verb, hint: str) -> None:
    with pytest.raises(Stop, match=hint) as stop:
        command(verb, promoted(), "n1")
    assert stop.value.code is Exit.REFUSED


def test_before_the_operator_has_looked_there_is_nothing_to_command_yet() -> None:
    with pytest.raises(Stop, match="has not looked"):
        command(Verb.PAUSE, a_shop(generation=3, status=PROMOTED), "n1")


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize(
    "revision", [stepping_revision(), *(a_revision("v2", phase) for phase in ("Pending", "Evaluating", "Shadowing"))]
)
def test_the_operator_reads_what_is_written_here(verb: Verb, revision: dict) -> None:
    picture = a_shop(stable_revision(), revision)
    text = command(verb, picture, "0a1b2c3d")
    assert (parse(text).verb, parse(text).hash) == (verb, hash_of("v2"))


def test_the_patch_holds_on_the_version_that_was_seen_and_touches_nothing_else() -> None:
    assert patch(a_shop(), "text", None) == {
        "metadata": {
            "resourceVersion": "7",
            "annotations": {"slipway.dev/command": "text", "slipway.dev/command-by": None},
        }
    }


def test_a_command_goes_with_the_name_of_who_gives_it() -> None:
    annotations = patch(a_shop(), "abort@1a2b3c4d#1", "alice")["metadata"]["annotations"]
    assert annotations["slipway.dev/command-by"] == "abort@1a2b3c4d#1 alice"
