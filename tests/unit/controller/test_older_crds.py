"""CRDs that are older than the operator: nothing is lost, what serves goes on serving, and it is told.

The server is a twin here that refuses as a genuine one does; tests/upgrade asks the sandbox's API server the same.
"""

from __future__ import annotations

import copy

from unit.controller.world import World

from slipway.api.crd import definitions
from slipway.cluster import MODEL_REVISION, Object, Request, Undeclared
from slipway.controller.statuses import declared

SLOW = {"canary": {"steps": [{"weight": 10, "minDuration": "1h"}, {"weight": 50}, {"weight": 100}]}}


def without(*fields: str) -> Object:
    """The schema of a ModelRevision before these fields of its status were added."""
    crd = definitions()["modelrevisions.slipway.dev"]
    schema: Object = copy.deepcopy(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    for field in fields:
        *way, last = field.split(".")
        at = schema["properties"]["status"]
        for name in way:
            at = at["properties"][name]
            at = at.get("items", at)
        del at["properties"][last]
    return schema


def install(world: World, *, lacking: str) -> None:
    """CRDs that lack a field of the revisions' status."""
    world.cluster.schemas[MODEL_REVISION] = schema = without(lacking)

    def refuse(request: Request) -> None:
        if request.kind == MODEL_REVISION and request.verb == "apply_status":
            said = {"status": (request.body or {})["status"]}
            if declared(schema, said) != said:
                raise Undeclared(f".status.{lacking}: field not declared in schema")

    world.cluster.before_write = refuse


def upgrade(world: World) -> None:
    """The CRDs of this version."""
    world.cluster.before_write = None


async def midway(world: World) -> None:
    await world.serving("v1")
    world.declare("v2", strategy=SLOW)
    await world.run(lambda: world.phase("v2") == "Stepping" and bool(world.record("v2").get("weightObservedAt")))
    await world.pass_time(60)


async def test_a_rollout_waits_with_its_evidence_until_the_crds_are_there(world: World) -> None:
    await midway(world)
    before, weights = world.record("v2"), world.weights
    install(world, lacking="metrics.counters")
    await world.pass_time(300)
    assert (world.record("v2"), world.weights) == (before, weights)
    told = world.condition("Reconciling")
    assert (told["status"], told["reason"]) == ("True", "ApplyRefused")
    assert "metrics.counters: field not declared in schema" in told["message"]
    assert world.condition("Available")["status"] == "True"

    upgrade(world)
    await world.run(lambda: world.record("v2")["metrics"] != before["metrics"])
    (old,) = [metric for metric in before["metrics"] if metric["name"] == "errors"]
    new = world.metric("v2", "errors")
    assert new["history"][: len(old["history"])] == old["history"]
    assert new["counters"][0]["total"] > old["counters"][0]["total"]
    assert world.weights == weights


async def test_a_release_that_was_declared_meanwhile_waits_and_nothing_is_routed_to_it(world: World) -> None:
    await world.serving("v1")
    install(world, lacking="timeline")
    world.declare("v2")
    await world.pass_time(120)
    assert world.record("v2").get("phase") is None
    assert list(world.weights) == ["v1"]
    upgrade(world)
    await world.run(lambda: world.stable == "v2")


async def test_a_bad_candidate_is_hauled_back_all_the_same(world: World) -> None:
    await midway(world)
    install(world, lacking="share")
    (live,) = [model for model in world.outside.models.values() if model is await world.model("v2")]
    live.starts = False
    await world.run(lambda: world.phase("v2") == "RolledBack")
    assert world.weights.get("v2", 0) == 0
    assert "share" not in world.record("v2")


def test_what_a_schema_declares_is_kept_word_for_word() -> None:
    schema = {
        "properties": {
            "open": {"x-kubernetes-preserve-unknown-fields": True},
            "map": {"additionalProperties": {"properties": {"a": {}}}},
            "list": {"items": {"properties": {"a": {}}}},
        }
    }
    value = {"open": {"any": 1}, "map": {"k": {"a": 1, "b": 2}}, "list": [{"a": 1, "b": 2}], "other": 1}
    assert declared(schema, value) == {"open": {"any": 1}, "map": {"k": {"a": 1}}, "list": [{"a": 1}]}
