"""The definitions beside those of the Gateway API project: the same structure, and the same judgement of any object.

The genuine files are no part of the repository. Without them these tests are skipped; the others state behaviour.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from sandbox.gatewayapi.examples import changed, examples
from sandbox.gatewayapi.kit import Api, Object, Verdict, serving

from slipway_sandbox.gatewayapi import GROUP, crds

GENUINE = Path(__file__).parents[3].parent / "shared" / "crds" / "gateway-api"
KINDS = [definition["spec"]["names"]["kind"] for definition in crds()]
RULES = "x-kubernetes-validations"

EXPECTED = {
    f"/metadata/annotations/{GROUP}/bundle-version": "the files come from a build of the line; this names its release",
    "/spec/versions/v1alpha2": "neither served nor stored",
    "/spec/versions/v1alpha3": "neither served nor stored",
}
"""What may differ, and why."""

pytestmark = pytest.mark.skipif(not GENUINE.is_dir(), reason="the genuine definitions are not on this machine")


@functools.cache
def genuine() -> dict[str, Object]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [each for path in GENUINE.glob("*.yaml") for each in yaml.load_all(path.read_text(), loader) if each]
    return {each["spec"]["names"]["kind"]: each for each in found}


def by_name(definition: Object) -> Object:
    """The definition with its versions by name, so that one can be missing."""
    spec = {**definition["spec"], "versions": {each["name"]: each for each in definition["spec"]["versions"]}}
    return {**definition, "spec": spec}


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[str]:
    """Where two definitions differ; words for people are not compared, and of rules only how many there are."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        theirs, ours = essence(theirs), essence(ours)
        for name in sorted({*theirs, *ours}):
            if name not in theirs or name not in ours:
                yield f"{path}/{name}"
            elif name == RULES:
                yield from () if len(theirs[name]) == len(ours[name]) else (f"{path}/{name}",)
            else:
                yield from differences(theirs[name], ours[name], f"{path}/{name}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        if path.endswith("/required"):
            theirs, ours = sorted(theirs), sorted(ours)
        for index, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(a, b, f"{path}/{index}")
    elif theirs != ours:
        yield f"{path}: {theirs!r} became {ours!r}"


def essence(node: Object) -> Object:
    """Without what says nothing: descriptions, a length of at least zero, no subresources."""
    empty = {"minLength": 0, "subresources": {}}
    return {
        name: value
        for name, value in node.items()
        if not (name == "description" and isinstance(value, str)) and not (name in empty and value == empty[name])
    }


def test_every_kind_is_there() -> None:
    assert sorted(KINDS) == sorted(genuine())


@pytest.mark.parametrize("ours", crds(), ids=KINDS)
def test_a_definition_has_the_structure_of_the_genuine_one(ours: Object) -> None:
    theirs = genuine()[ours["spec"]["names"]["kind"]]
    found = differences(by_name(theirs), by_name(ours))
    assert [each for each in found if each.partition(": ")[0] not in EXPECTED] == []


@pytest.mark.parametrize("name", ["v1alpha2", "v1alpha3"])
def test_a_version_that_is_left_out_is_one_that_nobody_can_use(name: str) -> None:
    left_out = [each for kind in genuine().values() for each in kind["spec"]["versions"] if each["name"] == name]
    assert left_out
    assert not [each for each in left_out if each["served"] or each["storage"]]


def sentences(node: Any) -> Iterator[str]:
    """Descriptions, and messages of rules; a default is data, whatever it says."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "default":
                continue
            if name in {"description", "message"} and isinstance(value, str):
                yield value
            yield from sentences(value)
    elif isinstance(node, list):
        for value in node:
            yield from sentences(value)


def test_what_people_read_is_in_words_of_our_own() -> None:
    ours = {each for definition in crds() for each in sentences(definition["spec"])}
    assert ours & {each for definition in genuine().values() for each in sentences(definition["spec"])} == set()


# -- judgement


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def original() -> AsyncIterator[Api]:
    async with serving(genuine().values()) as found:
        yield found


def told(verdict: Verdict) -> Any:
    """What a client learns: the completed object, or how often which field is complained about."""
    if not verdict.accepted:
        return verdict.status, Counter(verdict.causes)
    return verdict.status, verdict.body["spec"], verdict.body.get("status")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("kind", KINDS)
async def test_an_object_that_uses_everything_is_accepted_by_both(api: Api, original: Api, kind: str) -> None:
    ours, theirs = await api.judge(examples()[kind]), await original.judge(examples()[kind])
    assert ours.accepted, ours.messages
    assert told(ours) == told(theirs)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("kind", KINDS)
async def test_both_judge_an_object_with_accidents_alike(api: Api, original: Api, kind: str) -> None:
    chance = random.Random(kind)  # the same accidents in every run
    outcomes = Counter[int]()
    for _ in range(150 if kind in {"HTTPRoute", "Gateway"} else 40):
        obj = changed(examples()[kind], chance)
        ours, theirs = await api.judge(obj), await original.judge(obj)
        assert told(ours) == told(theirs), (obj, ours.messages, theirs.messages)
        outcomes[ours.status] += 1
    assert len(outcomes) > 1, "accidents that are all refused, or all accepted, show little"
