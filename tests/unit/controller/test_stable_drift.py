"""The watch over the stable release, with pages of metrics and golden sets over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from unit.controller.builders import GOLDEN, KEY
from unit.controller.world import World

from slipway.cluster import ENDPOINT_SLICE, MODEL_REVISION, Unavailable

HOUR = 3600
AMOUNT = {"name": "amount", "pods": {"path": "/counted", "histogram": "amount"}}
LABEL = {"name": "label", "pods": {"path": "/counted", "counter": "predictions_total", "label": "class"}}
DRIFT: dict[str, Any] = {
    "features": [AMOUNT],
    "predictions": [LABEL],
    "reference": {"minSamples": 1000, "minDuration": "0s"},
}
PODS = 2
"""Each of which shows the page of the model."""


class Counted:
    """What the pods of a model count."""

    def __init__(self) -> None:
        self.amounts = [0, 0, 0]
        self.classes = {"ham": 0, "spam": 0}

    def add(self, *amounts: int, **classes: int) -> Counted:
        """Requests, over all pods."""
        self.amounts = [old + new // PODS for old, new in zip(self.amounts, amounts, strict=True)]
        for name, count in classes.items():
            self.classes[name] = self.classes.get(name, 0) + count // PODS
        return self

    def page(self) -> str:
        small, middle, large = self.amounts
        lines = [
            "# TYPE amount histogram",
            f'amount_bucket{{le="10"}} {small}',
            f'amount_bucket{{le="100"}} {small + middle}',
            f'amount_bucket{{le="+Inf"}} {small + middle + large}',
            f"amount_sum {large * 500}",
            f"amount_count {small + middle + large}",
            *(f'predictions_total{{class="{name}"}} {count}' for name, count in self.classes.items()),
        ]
        return "\n".join(lines) + "\n"


async def watched(world: World, **drift: Any) -> Counted:
    """v1 serves, and counts."""
    counted = Counted().add(40, 40, 20, ham=80, spam=20)
    await world.model("v1", counted=counted.page())
    world.declare("v1", drift={**DRIFT, **drift})
    await world.run(lambda: world.stable == "v1" and "drift" in world.record("v1"))
    return counted


async def an_hour(world: World, counted: Counted, *amounts: int, **classes: int) -> None:
    """Requests of an hour, and the look after it."""
    (await world.model("v1")).counted = counted.add(*amounts, **classes).page()
    await world.pass_time(HOUR + 60)


def signal(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in world.record("v1")["drift"]["signals"] if one["name"] == name)
    return found


def drifted(world: World) -> tuple[str, str]:
    found = world.condition("Drifted")
    return found["status"], found["reason"]


async def test_inputs_that_change_are_found_and_predictions_that_do_not_are_not(world: World) -> None:
    counted = await watched(world)
    assert drifted(world) == ("Unknown", "DriftCollecting")
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert signal(world, "amount")["reference"] == [400, 400, 200]
    assert signal(world, "label")["bins"] == ["(other)", "ham", "spam"]
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert drifted(world) == ("False", "NoDrift")
    before = len(world.events())
    await an_hour(world, counted, 100, 100, 800, ham=800, spam=200)
    assert drifted(world) == ("True", "DriftFound")
    assert (signal(world, "amount")["verdict"], signal(world, "label")["verdict"]) == ("Drifted", "Steady")
    assert "feature amount" in world.condition("Drifted")["message"]
    assert b'slipway_modeldeployment_drifted{name="fraud",namespace="shop"} 1.0' in world.telemetry.page()
    assert [(kind, reason) for kind, reason, _ in world.events()[before:]] == [("Warning", "DriftFound")]
    assert world.weights == {"v1": 10_000}
    assert world.phase("v1") == "Stable"
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert drifted(world) == ("False", "NoDrift")


async def test_between_two_looks_the_cluster_is_not_asked_at_all(world: World) -> None:
    await watched(world)
    await world.pass_time(60)
    asked = len(world.cluster.requests)
    await world.pass_time(HOUR * 0.9)
    assert len(world.cluster.requests) == asked


async def test_an_operator_that_is_killed_at_every_look_finds_the_same(world: World) -> None:
    counted = await watched(world)
    for amounts in ((400, 400, 200), (200, 200, 100), (30, 30, 240), (30, 30, 240)):
        world.kill_operator()
        world.start_operator()
        await an_hour(world, counted, *amounts, ham=sum(amounts), spam=0)
    assert signal(world, "amount")["reference"] == [400, 400, 200]
    assert drifted(world) == ("True", "DriftFound")


async def test_a_window_whose_record_cannot_be_written_is_counted_once(world: World) -> None:
    counted = await watched(world)
    world.cluster.fail_next("apply_status", MODEL_REVISION, Unavailable("no leader"))
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert signal(world, "amount")["reference"] == [400, 400, 200]


async def test_a_page_that_says_nonsense_is_told_by_its_field_and_asked_again_soon(world: World) -> None:
    counted = await watched(world)
    model = await world.model("v1")
    model.counted = counted.page().replace('le="+Inf"} 50', 'le="+Inf"} NaN')
    await world.pass_time(HOUR + 60)
    assert drifted(world) == ("Unknown", "DriftUnreadable")
    assert "is nan, which is not a count" in signal(world, "amount")["message"]
    model.counted = counted.add(400, 400, 200, ham=800, spam=200).page()
    await world.pass_time(70)
    assert signal(world, "amount")["reference"] == [400, 400, 200]


async def test_buckets_that_change_are_told_and_nothing_is_compared(world: World) -> None:
    counted = await watched(world)
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    (await world.model("v1")).counted = counted.page().replace('le="100"', 'le="200"')
    await world.pass_time(HOUR + 60)
    assert "spec.drift.features[amount]: stable/" in signal(world, "amount")["message"]
    assert "restore the buckets" in signal(world, "amount")["message"]


async def test_a_selector_that_is_none_names_its_field(world: World) -> None:
    broken = {"name": "amount", "pods": {"path": "/counted", "histogram": "amount{"}}
    await watched(world, features=[broken])
    assert signal(world, "amount")["message"].startswith("spec.drift.features[amount].pods.histogram: ")


async def test_pods_whose_addresses_cannot_be_had_are_no_evidence(world: World) -> None:
    counted = await watched(world)
    world.cluster.fail_next("list", ENDPOINT_SLICE, Unavailable("no leader"))
    (await world.model("v1")).counted = counted.add(400, 400, 200, ham=800, spam=200).page()
    await world.run(lambda: drifted(world) == ("Unknown", "DriftUnreadable"))
    assert "the addresses of pods are not known" in signal(world, "amount")["message"]
    await world.run(lambda: signal(world, "amount").get("reference") == [400, 400, 200])


async def test_an_address_that_may_not_be_reached_is_refused(world: World) -> None:
    asked = {"url": world.outside.metrics_url, "counter": "predictions_total", "label": "class"}
    await watched(world, predictions=[{"name": "label", "prometheus": asked}])
    assert "loopback is allowed by an address only" in signal(world, "label")["message"]
    assert signal(world, "label")["message"].startswith("spec.drift.predictions[label]: ")


async def test_requests_of_a_rollout_are_no_part_of_it(world: World) -> None:
    counted = await watched(world)
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    await world.model("v2", errors=0.5)
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Stepping")
    (await world.model("v1")).counted = counted.add(0, 0, 2000, ham=2000, spam=0).page()
    await world.run(lambda: world.phase("v2") == "RolledBack")
    await world.pass_time(10)
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert drifted(world) == ("False", "NoDrift")


async def test_the_golden_set_is_answered_again_and_its_items_are_no_requests(world: World) -> None:
    world.golden(200)
    golden = {"source": {"configMap": {"name": GOLDEN, "key": KEY}, "timeout": "2s"}, "min": 0.8}
    model = await world.model("v1")
    counted = await watched(world, goldenSet=golden)

    def note() -> None:
        counted.amounts[2] += 1
        model.counted = counted.page()

    model.when_asked = note
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert signal(world, "golden-set")["verdict"] == "Steady"
    assert signal(world, "amount")["reference"] == pytest.approx([400, 400, 200])
    model.accuracy = 0.5
    await an_hour(world, counted, 400, 400, 200, ham=800, spam=200)
    assert signal(world, "golden-set")["verdict"] == "Drifted"
    assert signal(world, "amount")["verdict"] == "Steady"
    assert drifted(world) == ("True", "DriftFound")


async def test_a_golden_set_that_is_missing_is_told_by_its_field(world: World) -> None:
    golden = {"source": {"configMap": {"name": "nowhere", "key": KEY}}, "min": 0.8}
    await watched(world, goldenSet=golden)
    expected = "spec.drift.goldenSet.source.configMap: ConfigMap shop/nowhere does not exist: create it"
    assert signal(world, "golden-set")["message"] == expected
