"""MLflow's webhooks over real HTTP: who has the secret has the registry asked at once, and nobody else anything."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from unit.controller.builders import NAMESPACE
from unit.controller.test_registries import KEY, SHORT, a_secret, allowing, automatic, heard
from unit.controller.world import EPOCH, World
from unit.registries.mlflow_server import MLflowServer, an_mlflow_server

from slipway.controller.registry_desk import RegistryDesk
from slipway.feedback import Endpoint, serving_feedback
from slipway.registries import NotSignedError, delivery_of

SECRET = "s3cret"
PATH = f"/v1/namespaces/{NAMESPACE}/modeldeployments/fraud/registry"

RECORDED = {
    "x-mlflow-delivery-id": "0b7b8f9e-2f6c-4d51-9a4e-6d7c5b1f0a11",
    "x-mlflow-timestamp": "1772442000",
    "x-mlflow-signature": "v1,TBRhbKaUxjDwc+liR7lfO51oVDmVcieGFDDJKRmOTWc=",
}
BODY = (
    '{"entity": "model_version_alias", "action": "created", "timestamp": "2026-03-02T09:00:00+00:00", '
    '"data": {"name": "fraud", "alias": "production", "version": "2"}}'
)
"""What MLflow 3.17.2 signs, with the secret above and at the moment at which the tests' time begins."""


@pytest.fixture
async def mlflow() -> AsyncIterator[MLflowServer]:
    async with an_mlflow_server() as server:
        server.aliases["production"] = "1"
        yield server


@pytest.fixture
async def door(world: World, mlflow: MLflowServer) -> AsyncIterator[httpx.AsyncClient]:
    """Where deliveries are sent, for a ModelDeployment that takes them."""
    allowing(world)
    a_secret(world, MLFLOW_TRACKING_URI=mlflow.url, MLFLOW_WEBHOOK_SECRET=SECRET)
    world.declare(release=automatic(None, credentials={"secretName": "registry"}), **SHORT)
    await world.run()
    await world.registries.idle()
    mlflow.asked.clear()
    endpoint = Endpoint()
    endpoint.desk = RegistryDesk(world.registries, clock=world.now).take
    async with serving_feedback(endpoint, "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


def signed(world: World, body: str = BODY, *, secret: str = SECRET, late: int = 0) -> dict[str, str]:
    identity = "1"
    time = str(int(world.now().timestamp()) - late)
    mac = hmac.digest(secret.encode(), f"{identity}.{time}.{body}".encode(), "sha256")
    return {
        "X-MLflow-Delivery-Id": identity,
        "X-MLflow-Timestamp": time,
        "X-MLflow-Signature": f"v1,{base64.b64encode(mac).decode()}",
    }


async def asked(world: World, mlflow: MLflowServer) -> int:
    await world.registries.idle()
    return mlflow.asked.count("GET registered-models/alias")


async def test_an_alias_that_moves_is_rolled_out_at_once(
    world: World, mlflow: MLflowServer, door: httpx.AsyncClient
) -> None:
    await world.run()
    assert world.stable == "1"
    mlflow.aliases["production"] = "2"
    answer = await door.post(PATH, content=BODY, headers=signed(world))
    assert answer.status_code == 202
    await heard(world)
    assert world.stable == "2"


def test_what_mlflow_itself_signed_is_taken() -> None:
    assert delivery_of(SECRET, RECORDED, BODY.encode(), EPOCH) == RECORDED["x-mlflow-delivery-id"]
    with pytest.raises(NotSignedError):
        delivery_of(SECRET, RECORDED, BODY.encode() + b" ", EPOCH)


async def test_a_delivery_that_comes_again_is_asked_for_once(
    world: World, mlflow: MLflowServer, door: httpx.AsyncClient
) -> None:
    headers = signed(world)
    codes = [(await door.post(PATH, content=BODY, headers=headers)).status_code for _ in range(3)]
    assert codes == [202, 200, 200]
    assert await asked(world, mlflow) == 1


OTHER: dict[str, Any] = {"entity": "model_version_alias", "action": "created"}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"entity": "model_version", "action": "created", "data": {"name": "fraud", "version": "3"}}),
        json.dumps(OTHER | {"data": {"name": "fraud", "alias": "other", "version": "2"}}),
        json.dumps(OTHER | {"data": {"name": "another", "alias": "production", "version": "2"}}),
        json.dumps([]),
        "no JSON",
    ],
)
async def test_other_events_are_answered_and_ask_nothing(
    world: World, mlflow: MLflowServer, door: httpx.AsyncClient, body: str
) -> None:
    answer = await door.post(PATH, content=body, headers=signed(world, body))
    assert answer.status_code == 200
    assert await asked(world, mlflow) == 0


async def test_who_does_not_have_the_secret_is_refused(
    world: World, mlflow: MLflowServer, door: httpx.AsyncClient
) -> None:
    good = signed(world)
    attempts = [
        {},
        signed(world, secret="another"),
        signed(world, late=301),
        signed(world, late=-301),
        signed(world, late=-900_000_000_000),  # beyond every calendar
        good | {"X-MLflow-Delivery-Id": "2"},
        good | {"X-MLflow-Timestamp": "now"},
        good | {"X-MLflow-Timestamp": str(int(good["X-MLflow-Timestamp"]) + 1)},
        good | {"X-MLflow-Signature": good["X-MLflow-Signature"].replace("v1,", "v2,")},
        good | {"X-MLflow-Signature": "v1,"},
    ]
    codes = [(await door.post(PATH, content=BODY, headers=headers)).status_code for headers in attempts]
    changed = await door.post(PATH, content=BODY.replace("created", "deleted"), headers=good)
    elsewhere = await door.post(PATH.replace("fraud", "unknown"), content=BODY, headers=good)
    assert {*codes, changed.status_code, elsewhere.status_code} == {401}
    assert await asked(world, mlflow) == 0


async def test_without_a_secret_nothing_is_taken(world: World, mlflow: MLflowServer, door: httpx.AsyncClient) -> None:
    a_secret(world, MLFLOW_TRACKING_URI=mlflow.url)
    world.registries.ask_now(KEY)
    await world.registries.idle()
    for secret in ("", SECRET):
        answer = await door.post(PATH, content=BODY, headers=signed(world, secret=secret))
        assert answer.status_code == 401


async def test_a_replica_that_does_not_lead_asks_to_come_back() -> None:
    async with serving_feedback(Endpoint(), "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post(PATH, content=BODY, headers=RECORDED)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
