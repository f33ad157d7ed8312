"""Releases with a transformer in front of the model: whom the operator asks, and in which protocol."""

from __future__ import annotations

from unit.controller.builders import ACCURACY, GOLDEN, KEY, a_golden_set, a_release
from unit.controller.test_protocols import CUSTOM, TABLE
from unit.controller.world import World

from slipway.cluster import Object
from slipway.cluster.endpoints import Endpoint
from slipway.controller.arm import Arm
from slipway.rollout import Revision

AHEAD: Object = {"container": {"image": "features:7", "ports": [{"containerPort": 9000}]}}


def an_arm(predictor: str | None = None) -> Arm:
    ports = {"http": 9000, "predictor": 8080, "metrics": 8082}
    endpoint = Endpoint("fraud-1", "127.0.0.1", ports, ready=True, terminating=False)
    names = {"in": "http", "predictor": "predictor", "metrics": "metrics"}
    revision = Revision("a" * 64, "fraud-aaaaaaaa", "v1")
    return Arm(revision, (endpoint,), "fraud", None, names, "http", predictor=predictor)


async def test_the_transformer_is_asked_in_its_own_protocol_whatever_the_model_speaks(world: World) -> None:
    world.cluster.put(a_golden_set(TABLE))
    ahead = {**AHEAD, "protocol": {"name": "CustomHTTP", "custom": CUSTOM}}
    release = a_release("v1") | {"protocol": {"name": "KServeV1"}, "transformer": ahead}
    source = {"configMap": {"name": GOLDEN, "key": KEY}, "format": "CSV"}
    world.declare("v1", release=release, analysis={"metrics": [{**ACCURACY, "goldenSet": {"timeout": "2s", **source}}]})
    model = await world.model("v1")
    await world.run()
    assert world.stable == "v1", world.story()
    assert model.asked == 8


async def test_a_transformer_that_says_nothing_of_its_protocol_speaks_the_models(world: World) -> None:
    world.declare("v1", release=a_release("v1") | {"transformer": AHEAD})
    await world.run()
    assert world.stable == "v1", world.story()


def test_requests_go_to_the_transformer_and_a_servers_metrics_are_read_from_the_server() -> None:
    arm = an_arm(predictor="predictor")
    assert arm.service_port(None) == "http"
    assert arm.service_port("in") == "http"
    assert arm.server_port(8082) == "metrics"
    assert arm.server_port(8000) == "predictor"
    assert an_arm().server_port(8000) == "http"
