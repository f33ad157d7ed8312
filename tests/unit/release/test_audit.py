"""The chain of decisions: whoever edits a record shows it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from slipway.api import MAX_TIMELINE, ModelRevisionStatus, TimelineEntry
from slipway.release import flaws, release_hash, seal
from slipway.rollout import sealed

RELEASE = {"model": {"name": "fraud", "version": "v2"}, "container": {"image": "fraud:2"}}
HASH = release_hash(RELEASE)


def a_record(entries: int, *, at_once: int = 1) -> ModelRevisionStatus:
    """A record that gained entries, so many at each look."""
    record = ModelRevisionStatus()
    for first in range(0, entries, at_once):
        gained = [
            TimelineEntry(time="2026-05-04T12:00:00Z", phase="Stepping", reason="Advanced", message=f"{n}", weight=10.0)
            for n in range(first, min(first + at_once, entries))
        ]
        after = record.model_copy(update={"timeline": [*(record.timeline or ()), *gained]})
        record = sealed(record, after, hash_=HASH)
    return record


def a_revision(record: ModelRevisionStatus) -> dict[str, Any]:
    """The same as the API shows it."""
    return {
        "metadata": {"name": f"fraud-{HASH[:8]}", "namespace": "shop"},
        "spec": {"modelDeployment": "fraud", "hash": HASH, "release": copy.deepcopy(RELEASE)},
        "status": record.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def positions(revision: dict[str, Any]) -> list[int]:
    return [flaw.position for flaw in flaws(revision)]


@pytest.mark.parametrize("entries", [0, 1, 2, MAX_TIMELINE, MAX_TIMELINE + 1, 3 * MAX_TIMELINE])
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_record_as_it_was_written_has_no_flaw(entries: int, at_once: int) -> None:
    record = a_record(entries, at_once=at_once)
    assert flaws(a_revision(record)) == []
    assert len(record.timeline or ()) == min(entries, MAX_TIMELINE)
    if entries > MAX_TIMELINE:
        assert record.timeline is not None
        assert [record.timeline[0].sequence, record.timeline[-1].sequence] == [1, entries]


@given(some.integers(0, 9), some.sampled_from(["message", "time", "reason", "phase", "weight", "by"]))
def test_an_edited_entry_is_reported_with_its_position(index: int, field: str) -> None:
    revision = a_revision(a_record(10))
    revision["status"]["timeline"][index][field] = 90 if field == "weight" else "2027-01-01T00:00:00Z"
    assert index + 1 in positions(revision)


@given(some.integers(0, 8))
def test_a_removed_entry_is_reported_where_it_is_missing(index: int) -> None:
    revision = a_revision(a_record(10))
    del revision["status"]["timeline"][index]
    assert positions(revision)[0] == index + 1


@settings(max_examples=30)
@given(some.integers(1, 40), some.integers(1, 40))
def test_a_removed_entry_of_a_long_record_is_reported_too(index: int, more: int) -> None:
    revision = a_revision(a_record(MAX_TIMELINE + more))
    del revision["status"]["timeline"][index]
    assert flaws(revision)


@given(some.integers(0, 8), some.integers(0, 8))
def test_entries_that_changed_places_are_reported(one: int, other: int) -> None:
    revision = a_revision(a_record(10))
    entries = revision["status"]["timeline"]
    entries[one], entries[other] = entries[other], entries[one]
    assert bool(flaws(revision)) == (one != other)


def test_whoever_seals_an_edited_entry_anew_breaks_the_next_one() -> None:
    revision = a_revision(a_record(4))
    entries = revision["status"]["timeline"]
    entries[1]["message"] = "nothing happened"
    entries[1]["digest"] = seal(entries[1], entries[0]["digest"])
    assert positions(revision) == [3]


def test_the_chain_begins_with_the_release() -> None:
    revision = a_revision(a_record(2))
    revision["spec"]["release"]["model"]["version"] = "v3"
    assert positions(revision) == [0]
    revision["spec"]["hash"] = release_hash(revision["spec"]["release"])
    assert positions(revision) == [1]


def test_entries_of_an_operator_that_did_not_seal_are_sealed_with_the_next_one() -> None:
    def entry(n: int) -> TimelineEntry:
        return TimelineEntry(time="2026-05-04T12:00:00Z", phase="Pending", reason="Created", message=f"{n}")

    before = ModelRevisionStatus(timeline=[entry(1), entry(2)])
    assert sealed(before, before, hash_=HASH) is before, "an upgrade alone writes no record"
    assert flaws(a_revision(before)) == []
    after = sealed(before, before.model_copy(update={"timeline": [entry(1), entry(2), entry(3)]}), hash_=HASH, by="ann")
    assert flaws(a_revision(after)) == []
    assert [(found.sequence, found.by) for found in after.timeline or ()] == [(1, None), (2, None), (3, "ann")]


def test_an_entry_that_lost_its_digest_is_not_sealed_anew_with_the_next_decision() -> None:
    record = a_record(3)
    assert record.timeline is not None
    edited = [entry.model_copy(update={"message": "nothing happened", "digest": None}) for entry in record.timeline]
    before = record.model_copy(update={"timeline": edited})
    later = TimelineEntry(time="2026-05-04T12:00:00Z", phase="Stable", reason="Promoted", message="3")
    after = sealed(before, before.model_copy(update={"timeline": [*edited, later]}), hash_=HASH)
    assert {1, 2, 3} <= set(positions(a_revision(after)))
