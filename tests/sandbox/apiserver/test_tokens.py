"""Tokens of service accounts: what they are for is part of what they prove."""

from __future__ import annotations

from sandbox.apiserver.conftest import Client

TOKEN = "/api/v1/namespaces/default/serviceaccounts/robot/token"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
ISSUER = "https://kubernetes.default.svc.cluster.local"


async def a_token(client: Client, *audiences: str) -> str:
    await client.post("/api/v1/namespaces/default/serviceaccounts", ACCOUNT)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [*audiences]}}
    return str((await client.post(TOKEN, request)).body["status"]["token"])


async def reviewed(client: Client, token: str, *audiences: str) -> dict:
    spec = {"token": token, "audiences": [*audiences]}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    return dict((await client.post(REVIEWS, review)).body["status"])


async def test_a_token_is_good_for_its_audiences_and_no_others(client: Client) -> None:
    token = await a_token(client, "one", "two")
    status = await reviewed(client, token, "two", "three")
    assert status["authenticated"]
    assert status["audiences"] == ["two"]
    assert status["user"]["username"] == "system:serviceaccount:default:robot"
    assert not (await reviewed(client, token, "three")).get("authenticated")
    assert not (await reviewed(client, token)).get("authenticated")


async def test_without_an_audience_a_token_is_for_the_api_server(client: Client) -> None:
    token = await a_token(client)
    assert (await reviewed(client, token))["authenticated"]
    assert (await reviewed(client, token, ISSUER))["audiences"] == [ISSUER]
    assert not (await reviewed(client, token, "one")).get("authenticated")


async def test_nonsense_is_nobodys_token(client: Client) -> None:
    for token in ("nonsense", "a.b.c", "..", "."):
        assert not (await reviewed(client, token, "one")).get("authenticated")
