"""What a release declares of its requests and answers, through a whole operator."""

from __future__ import annotations

import json
from typing import Any

from unit.controller.builders import a_release
from unit.controller.world import World


def declaring(version: str, **schemas: Any) -> dict[str, Any]:
    return a_release(version) | {"schemas": {name: json.dumps(schema) for name, schema in schemas.items()}}


def labelled(kind: str) -> dict[str, Any]:
    return {"properties": {"outputs": {"items": {"properties": {"data": {"items": {"type": kind}}}}}}}


async def test_answers_as_they_were_declared_pass_the_golden_set(world: World) -> None:
    await world.serving("v1")
    world.declare("v2", release=declaring("v2", output=labelled("integer"), input={"required": ["inputs"]}))
    await world.run()
    assert world.stable == "v2", world.story()


async def test_answers_that_are_not_as_declared_are_failures_with_an_example(world: World) -> None:
    await world.serving("v1")
    world.golden(200)
    world.declare("v2", release=declaring("v2", output=labelled("string")))
    await world.run()
    assert world.stable == "v1", world.story()
    assert "accuracy: Fail" in world.record("v2")["message"]
    message = world.metric("v2", "accuracy")["message"]
    assert "$.outputs[0].data[0] is not as the schema has it (type)" in message


async def test_stable_is_not_measured_by_what_the_candidate_declares(world: World) -> None:
    """And the other way round: each release keeps to its own."""
    world.declare("v1", release=declaring("v1", output=labelled("integer")))
    await world.run()
    world.golden(200)
    world.declare("v2", release=declaring("v2", output=labelled("number")))
    await world.run()
    assert world.stable == "v2", world.story()
    world.declare("v3")
    await world.run()
    assert world.stable == "v3", world.story()


async def test_items_that_become_another_request_than_the_model_takes_are_bad_items(world: World) -> None:
    await world.serving("v1")
    schema = {"properties": {"inputs": {"items": {"properties": {"data": {"items": {"maximum": 3}}}}}}}
    world.declare("v2", release=declaring("v2", input=schema))
    await world.pass_time(30)
    status = world.metric("v2", "accuracy")
    assert status["verdict"] == "Error"
    assert "spec.analysis.metrics[accuracy].goldenSet.configMap" in status["message"]
    assert "the request that it becomes: $.inputs[0].data[0] is not as the schema has it (maximum)" in status["message"]
    assert world.weights == {"v1": 10_000}


async def test_another_schema_is_another_release(world: World) -> None:
    world.declare("v1", release=declaring("v1", output=labelled("integer")))
    await world.run()
    first = world.name_of("v1")
    world.declare("v2", release=declaring("v1", output=labelled("number")))
    await world.run()
    assert world.status["stable"]["revision"] != first


async def test_a_schema_that_is_none_names_its_field_and_leaves_what_serves(world: World) -> None:
    await world.serving("v1")
    world.declare("v2", release=declaring("v2", output={"$ref": "https://schemas.example/x.json"}))
    await world.run()
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert ready["message"].startswith("spec.release.schemas.output: the schema refers to 'https://schemas.example")
    assert world.condition("Available")["status"] == "True"
    world.declare("v2")
    await world.run()
    assert world.stable == "v2", world.story()
