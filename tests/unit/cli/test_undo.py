"""Going back: which release, and the patch that declares exactly it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from unit.cli.builders import (
    MINUTE,
    ROLLED_BACK,
    a_release,
    a_revision,
    a_shop,
    ago,
    merged,
    promoted,
    rolled_back_revision,
    stable_revision,
)

from slipway.cli.picture import Picture
from slipway.cli.undo import earlier, exactly, patch

JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


def version(picture: Picture) -> str | None:
    found = earlier(picture)
    return found.version if found is not None else None


def test_the_release_before_is_the_one_that_was_stable_last() -> None:
    revisions = (
        a_revision("v0", "Superseded", stableUntil=ago(60 * MINUTE)),
        a_revision("v1", "Superseded", stableUntil=ago(5 * MINUTE)),
        a_revision("v2", "Stable"),
        a_revision("v3", "Superseded"),
    )
    assert version(promoted(*revisions)) == "v1"


def test_with_another_release_declared_the_one_that_serves_is_meant() -> None:
    assert version(a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)) == "v1"


def test_the_first_release_has_none_before_it() -> None:
    assert version(promoted(a_revision("v2", "Stable"))) is None


@given(before=OBJECTS, after=OBJECTS)
def test_the_patch_leaves_exactly_the_release_that_is_meant(before: dict, after: dict) -> None:
    assert merged(before, exactly(before, after)) == after


def test_a_field_of_the_newer_release_is_taken_away_and_lists_are_whole() -> None:
    newer = a_release("v2", pod={"priorityClassName": "high"}, container={"args": ["a", "b"]})
    older = a_release("v1", container={"args": ["a"]})
    assert exactly(newer, older) == {"pod": None, "model": {"version": "v1"}, "container": {"args": ["a"]}}


def test_it_holds_on_the_version_that_was_seen_and_touches_nothing_else() -> None:
    to = earlier(promoted())
    assert to is not None
    assert patch(promoted(), to) == {
        "metadata": {"resourceVersion": "7"},
        "spec": {"release": {"model": {"version": "v1"}}},
    }
