"""The identity of a release, for ever.

The golden files pin canonical form and hash. They are never to be regenerated: a hash that moves restarts every model
of every user on the day of an upgrade. When a test here fails, the code has to change back. New cases may be added.
"""

from __future__ import annotations

import copy
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slipway.release import NotCanonicalError, canonical, release_hash, revision_name, settings_hash, short_hash

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)
releases = st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=5)


def meaning(value: Any) -> Any:
    """What a value says, told in another way than the code tells it: equal meanings, and only they, share a hash."""
    if isinstance(value, dict):
        members = {name: meaning(inner) for name, inner in value.items()}
        return frozenset((name, inner) for name, inner in members.items() if inner is not None) or None
    if isinstance(value, list):
        return ("list", *(meaning(inner) for inner in value)) if value else None
    if isinstance(value, bool) or value is None:
        return value if value is None else ("bool", value)
    return ("text", value) if isinstance(value, str) else ("number", Fraction(value))


def shuffled(value: Any, order: Any) -> Any:
    """The same value with the members of all objects in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name], order) for name in sorted(value, key=order)}
    return [shuffled(inner, order) for inner in value] if isinstance(value, list) else value


def with_nulls(value: Any) -> Any:
    """The same value with a member that is null, empty or emptily nested in each object."""
    if isinstance(value, dict):
        return {name: with_nulls(inner) for name, inner in value.items()} | {
            "null?": None,
            "list?": [],
            "map?": {"a": {"b": None}},
        }
    return [with_nulls(inner) if inner else inner for inner in value] if isinstance(value, list) else value


def as_floats(value: Any) -> Any:
    """The same value with whole numbers written with a fraction, where a double holds them."""
    if isinstance(value, dict):
        return {name: as_floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_floats(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value


def test_there_are_golden_files() -> None:
    assert len(GOLDEN) >= 5


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_release_keeps_its_form_and_its_hash(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert canonical(golden["release"]).decode() == golden["canonical"]
    assert release_hash(golden["release"]) == golden["hash"]


def test_golden_hashes_differ() -> None:
    hashes = [json.loads(path.read_text(encoding="utf-8"))["hash"] for path in GOLDEN]
    assert len(set(hashes)) == len(hashes)


@given(releases)
def test_the_order_of_members_means_nothing(release: dict[str, Any]) -> None:
    assert release_hash(shuffled(release, lambda name: name[::-1])) == release_hash(release)
    assert release_hash(shuffled(release, lambda name: (-len(name), name))) == release_hash(release)


@given(releases)
def test_null_and_empty_say_the_same_as_absent(release: dict[str, Any]) -> None:
    assert release_hash(with_nulls(release)) == release_hash(release)


@given(releases)
def test_a_whole_number_is_the_same_with_and_without_a_fraction(release: dict[str, Any]) -> None:
    assert release_hash(as_floats(release)) == release_hash(release)


@given(releases, st.data())
def test_any_other_change_of_a_value_changes_the_hash(release: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(release)
    parent, key = changed, None
    while isinstance(parent, dict | list) and len(parent):
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = data.draw(st.sampled_from(keys))
        inner = parent[key]
        if not (isinstance(inner, dict | list) and inner and data.draw(st.booleans())):
            break
        parent = inner
    assume(key is not None)
    parent[key] = data.draw(values)
    assert (release_hash(changed) == release_hash(release)) is (meaning(changed) == meaning(release))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": ""}, {}),
        ({"a": 0}, {}),
        ({"a": False}, {}),
        ({"a": "1"}, {"a": 1}),
        ({"a": True}, {"a": 1}),
        ({"a": [None]}, {"a": []}),
        ({"a": "é"}, {"a": "e\u0301"}),
    ],
)
def test_what_looks_alike_but_is_not_the_same_has_another_hash(one: Any, other: Any) -> None:
    assert release_hash(one) != release_hash(other)


@given(releases)
def test_the_canonical_form_says_what_the_release_says(release: dict[str, Any]) -> None:
    read = json.loads(canonical(release))
    assert meaning(read) == meaning(release)
    assert canonical(read) == canonical(release)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {1, 2}, object()])
def test_what_json_cannot_say_is_refused_with_its_path(value: Any) -> None:
    with pytest.raises(NotCanonicalError, match=r"release\.model\.tags\[1\]: "):
        canonical({"model": {"tags": ["x", value]}})


def test_a_hash_is_of_the_release_and_names_what_is_made_of_it() -> None:
    full = release_hash({"model": {"name": "fraud"}})
    assert len(full) == 64
    assert short_hash(full) == full[:8]
    assert revision_name("fraud", full) == f"fraud-{full[:8]}"


def test_settings_and_releases_never_share_a_hash() -> None:
    assert settings_hash({"a": 1}) != release_hash({"a": 1})
    assert settings_hash({"a": 1, "b": None}) == settings_hash({"a": 1.0})
