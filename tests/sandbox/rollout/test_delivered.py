"""Models that are delivered: fetched by an init container, verified before any pod exists, and never swapped silently.

| What is at the URI                     | What the cluster says                                         |
|----------------------------------------|---------------------------------------------------------------|
| the model                              | status.artifact names its digest; each pod fetches that       |
| other bytes, under a serving release   | ArtifactChanged; pods that start refuse, those that run go on |
| other bytes than those that are pinned | VerificationFailed; there never is a Deployment               |
| a signed model in a namespace's policy | it serves; with one flipped bit there never is a Deployment   |
| adapters on a shared base              | each pod has base and adapter; a rollback brings both back    |
| other bytes of an adapter              | the pod says so, and never serves                             |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sandbox.rollout.adapters import MODEL, QUESTIONS, RIGHT, WRONG, a_deployment, a_golden_set, a_runtime, answers
from sandbox.rollout.kit import Open, Shop, a_config_map, a_release, merge
from unit.delivery.servers import Server, files, serving
from unit.delivery.signing import a_key, public, sign

from demo.stage import FRAUD, Manifest
from slipway.delivery import tree_digest
from slipway_sandbox.client import DEPLOYMENTS, PODS

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

OTHER = f"sha256:{'0' * 64}"


@pytest.fixture
def store() -> dict[str, bytes]:
    """What the server has, by path: a test may replace it."""
    return {f"/{name}.onnx": (FRAUD / "models" / f"{name}.onnx").read_bytes() for name in ("v1", "v2")}


@pytest.fixture
def server(store: dict[str, bytes]) -> Iterator[Server]:
    """A server on loopback, as object stores behind https are."""
    with serving(files(store)) as running:
        yield running


def delivered(where: str, version: str, *, digest: str | None = None, **spec: Any) -> Manifest:
    """A release of the example whose model is fetched from there. The example's program wants a file's digest,
    and what is pinned is a tree's."""
    model = {"uri": where, "digest": digest}
    env = [
        {"name": "SLIPWAY_MODEL_URI", "value": f"file:///mnt/models/{version}.onnx"},
        {"name": "SLIPWAY_MODEL_DIGEST", "value": ""},
        {"name": "MODEL_ROOT", "value": ""},
    ]
    return a_release(version, release={"model": model, "delivery": {}, "container": {"env": env}}, **spec)


async def test_what_was_verified_is_what_serves_also_after_the_object_was_replaced(
    open_shops: Open, server: Server, store: dict[str, bytes]
) -> None:
    shop = await open_shops()
    await shop.apply(delivered(f"{server.url}/v1.onnx", "v1", replicas=2))
    await shop.until_ready("v1")
    artifact = shop.record("v1")["artifact"]
    assert (artifact["files"], artifact["bytes"]) == (1, len(store["/v1.onnx"]))
    assert [phase for phase, _ in shop.told("v1")][:3] == ["Pending", "Verifying", "Starting"]
    await shop.load.first_answer(seconds=60)
    shop.load.start()

    store["/v1.onnx"] = store["/v2.onnx"]
    items, _ = await shop.stage.sandbox.client.list_all(PODS, shop.namespace)
    serving_pod = next(pod for pod in items if pod["metadata"]["labels"].get("slipway.dev/revision"))
    await shop.kubectl("delete", "pod", serving_pod["metadata"]["name"], "--wait=false")
    message = await shop.until_told("ArtifactChanged", "True", "ArtifactChanged", saying="spec.release.model.uri")
    assert artifact["digest"] in message
    assert tree_digest_of("v1.onnx", store["/v1.onnx"]) in message
    await shop.until_served_by("v1")
    assert shop.condition("Available")["status"] == "True"
    assert shop.failed == []


async def test_other_bytes_than_those_that_are_pinned_never_get_a_pod(open_shops: Open, server: Server) -> None:
    shop = await open_shops()
    await shop.apply(delivered(f"{server.url}/v2.onnx", "v2", digest=OTHER))
    await shop.until_phase("v2", "RolledBack")
    assert ("RollingBack", "VerificationFailed") in shop.told("v2")
    assert "spec.release.model.digest" in json.dumps(shop.record("v2")["timeline"])
    deployments, _ = await shop.stage.sandbox.client.list_all(DEPLOYMENTS, shop.namespace)
    assert deployments == []


async def test_a_signed_model_serves_and_one_flipped_bit_never_gets_a_pod(open_shops: Open, tmp_path: Path) -> None:
    shop = await open_shops()
    key, model = a_key(), tmp_path / "signed"
    model.mkdir()
    (model / "v1.onnx").write_bytes((FRAUD / "models" / "v1.onnx").read_bytes())
    sign(model, key, tmp_path)
    policy = {"require": ["signature"], "trusted": {"keys": [public(key).decode()]}}
    await shop.apply(a_config_map("slipway-policy", {"policy.yaml": yaml.safe_dump(policy)}))
    release = delivered(f"file://{model}", "v1")
    await shop.apply(release)
    await shop.until_ready("v1")
    assert shop.record("v1")["artifact"]["verified"] == ["signature"]

    weights = bytearray((model / "v1.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (model / "v1.onnx").write_bytes(weights)
    flipped = {"spec": {"release": {"model": {"version": "flipped"}}}}
    await shop.apply(merge(release, flipped))
    await shop.until_phase("flipped", "RolledBack")
    assert "spec.release.verification.signature" in shop.record("flipped")["message"]
    deployments, _ = await shop.stage.sandbox.client.list_all(DEPLOYMENTS, shop.namespace)
    assert [obj["metadata"]["name"] for obj in deployments] == [shop.revision("v1")["metadata"]["name"]]


async def test_an_adapter_is_released_judged_and_taken_back_on_its_base(
    open_shops: Open, server: Server, store: dict[str, bytes]
) -> None:
    store |= {"/base/answers.json": answers({"hello": "good day"})}
    store |= {"/right/answers.json": answers(RIGHT), "/wrong/answers.json": answers(WRONG)}
    base = f"{server.url}/base/answers.json"

    def a_release_of(version: str, adapter: str, *, of: str | None = None) -> Manifest:
        digest = tree_digest_of("answers.json", store[f"/{of or adapter}/answers.json"])
        return a_deployment(version, base, f"{server.url}/{adapter}/answers.json", digest)

    shop = await open_shops()
    await shop.apply(a_runtime(), a_golden_set(), a_release_of("v1", "right"))
    await shop.until_ready("v1")
    assert await said(shop, "v1", MODEL, QUESTIONS[0]) == RIGHT[QUESTIONS[0]]
    assert await said(shop, "v1", MODEL, "hello") == "good day", "the base is under it"
    assert await said(shop, "v1", f"{MODEL}-base", QUESTIONS[0]) == "sorry?"

    await shop.apply(a_release_of("v2", "wrong"))
    await shop.until_phase("v2", "RolledBack")
    assert ("RollingBack", "AnalysisFailed") in shop.told("v2")
    await shop.until("v1 serving", lambda: shop.weight("v1") == 10_000)
    assert await said(shop, "v1", MODEL, QUESTIONS[0]) == RIGHT[QUESTIONS[0]]

    await shop.apply(a_release_of("v3", "wrong", of="right"))
    await shop.until_phase("v3", "RolledBack")
    assert "spec.release.adapters[0].uri: the URI holds" in shop.record("v3")["message"]
    assert all(set(weights) == {shop.service("v1")} for weights in shop.routed)
    assert await said(shop, "v1", MODEL, QUESTIONS[0]) == RIGHT[QUESTIONS[0]]


async def said(shop: Shop, version: str, model: str, question: str) -> str:
    """What a pod of a release answers to a question."""
    items, _ = await shop.stage.sandbox.client.list_all(PODS, shop.namespace)
    mine = shop.service(version).rpartition("-")[2]
    [pod] = [pod for pod in items if pod["metadata"]["labels"].get("slipway.dev/revision") == mine]
    asked = {"model": model, "messages": [{"role": "user", "content": question}]}
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(f"http://{pod['status']['podIP']}:8080/v1/chat/completions", json=asked)
    return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])


def tree_digest_of(name: str, content: bytes) -> str:
    return tree_digest({name: hashlib.sha256(content).hexdigest()})
