"""A Deployment keeps the form of pods that it was born with, whatever newer versions of the operator give to others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from unit.controller.world import World, a_world
from unit.workload.builders import a_deployment

from slipway.api import ReleaseSpec
from slipway.cluster import DEPLOYMENT, Object
from slipway.workload import ANNOTATION_FORM, FORMS, needs_apply


def careful(release: ReleaseSpec, *, drain: bool) -> dict[str, Any]:
    """A form that some later version might bring."""
    return FORMS[0](release, drain=drain) | {"hostname": "careful"}


@contextmanager
def a_later_version() -> Iterator[None]:
    """The version of the operator that brings it."""
    FORMS.append(careful)
    try:
        yield
    finally:
        FORMS.pop()


def template(deployment: Object) -> Object:
    found: Object = deployment["spec"]["template"]
    return found


def hostname(world: World, version: str) -> Any:
    return template(world.mirror.one(DEPLOYMENT, world.name_of(version)))["spec"].get("hostname")


def test_a_deployment_of_the_first_form_does_not_say_so() -> None:
    assert ANNOTATION_FORM not in a_deployment()["metadata"]["annotations"]


def test_a_new_deployment_is_born_with_the_newest_form_and_says_so() -> None:
    with a_later_version():
        born = a_deployment()
        assert born["metadata"]["annotations"][ANNOTATION_FORM] == "2"
        assert template(born)["spec"]["hostname"] == "careful"
        assert a_deployment(live=born) == born


@pytest.mark.parametrize("drain", [False, True])
def test_a_deployment_of_an_earlier_version_is_rendered_as_before(drain: bool) -> None:
    before = a_deployment(drain=drain)
    with a_later_version():
        assert a_deployment(live=before, drain=not drain) == before


def test_what_somebody_changed_by_hand_is_repaired_in_the_form_of_its_birth() -> None:
    with a_later_version():
        born = a_deployment()
        changed = {**born, "spec": {**born["spec"], "template": {**template(born), "spec": {"containers": []}}}}
        assert a_deployment(live=changed) == born


def test_pods_of_a_form_that_only_a_newer_version_knows_are_left_as_they_are() -> None:
    with a_later_version():
        born = a_deployment()
    after = a_deployment(live=born, replicas=5)
    assert template(after) == template(born)
    assert after["spec"]["replicas"] == 5
    assert after["metadata"]["annotations"][ANNOTATION_FORM] == "2"
    assert not needs_apply(after, a_deployment(live=after, replicas=5))


@pytest.mark.parametrize("nonsense", ["", "two", "-1", "0", "²"])
def test_a_number_that_is_none_stands_for_the_first_form(nonsense: str) -> None:
    live = a_deployment()
    live["metadata"]["annotations"][ANNOTATION_FORM] = nonsense
    assert template(a_deployment(live=live)) == template(a_deployment())


async def test_an_upgrade_that_brings_a_new_form_restarts_nobody_and_serves_it_to_the_next_release() -> None:
    async with a_world() as world:  # which fails as soon as pods are restarted
        await world.serving("v1")
        world.restart_operator(drain=False)
        with a_later_version():
            world.declare("v2")
            await world.run()
        assert (hostname(world, "v1"), hostname(world, "v2")) == (None, "careful")


async def test_going_back_to_the_operator_before_a_new_form_restarts_nobody() -> None:
    async with a_world() as world:
        with a_later_version():
            await world.serving("v1")
        world.restart_operator(drain=False)
        world.declare("v2")
        await world.run()
        assert world.phase("v2") == "Stable"
        assert hostname(world, "v1") == "careful"
