"""The endpoint: who may report, what is bounded, and what is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from unit.feedback.builders import BEGAN, KEY, LABELS, NAME, NAMESPACE, V1, V2, Clock, a_revision, on_trial

from slipway.cluster import CONFIG_MAP, MODEL_REVISION, MemoryCluster, Object, Unavailable
from slipway.feedback import AUDIENCE, LARGEST_BODY, Doorman, Endpoint, Intake, Ledger, server, serving_feedback

PATH = f"/v1/namespaces/{NAMESPACE}/modeldeployments/{NAME}/feedback"
REWARDS: Object = LABELS | {"name": "rewards", "feedback": {"maturity": "1h", "kind": "Reward"}}


class Kubernetes:
    """What an API server says of tokens, ``<service account>@<namespace>:<audience>``, and of people."""

    def __init__(self) -> None:
        self.reviews: list[Object] = []
        self.expired: set[str] = set()
        self.may: set[str] = set()

    def __call__(self, review: Object) -> Object:
        self.reviews.append(review)
        spec = review["spec"]
        if review["kind"] == "TokenReview":
            return review | {"status": self._whose(spec["token"], spec["audiences"])}
        about = spec["resourceAttributes"]
        asked = (about["group"], about["resource"], about["subresource"], about["verb"], about["namespace"])
        granted = ("slipway.dev", "modeldeployments", "feedback", "create", NAMESPACE)
        return review | {"status": {"allowed": asked == granted and spec["user"] in self.may}}

    def _whose(self, token: str, audiences: list[str]) -> Object:
        who, _, audience = token.partition(":")
        account, at, namespace = who.partition("@")
        if not at or token in self.expired or audience not in audiences:
            return {"user": {}, "error": "invalid bearer token"}
        name = f"system:serviceaccount:{namespace}:{account}"
        return {"authenticated": True, "user": {"username": name, "groups": ["g"]}, "audiences": [audience]}


@dataclass
class Office:
    """An operator's endpoint, and a client of it."""

    cluster: MemoryCluster
    kubernetes: Kubernetes
    clock: Clock
    client: httpx.AsyncClient
    endpoint: Endpoint
    token: str = f"labels@{NAMESPACE}:{AUDIENCE}"

    async def post(self, *reports: Any, path: str = PATH, **about: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | about.pop("headers", {})
        content = about.pop("content", None) or json.dumps(list(reports)).encode()
        return await self.client.post(path, content=content, headers=headers, **about)

    async def counted(self, kind: Any = "Label") -> list[tuple[int, int]]:
        ledger = Ledger(self.cluster, clock=self.clock)
        return [found[0] for found in await ledger.counted(KEY, kind, [(0, 2**42)], [V1, V2])]


async def open_office(cluster: MemoryCluster) -> AsyncIterator[Office]:
    clock = Clock()
    cluster.reviews = kubernetes = Kubernetes()
    endpoint = Endpoint()
    endpoint.open(Doorman(cluster, clock=clock), Intake(cluster, Ledger(cluster, clock=clock), clock=clock))
    async with (
        serving_feedback(endpoint, "127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as client,
    ):
        yield Office(cluster, kubernetes, clock, client, endpoint)


@pytest_asyncio.fixture
async def office() -> AsyncIterator[Office]:
    async for opened in open_office(on_trial(metrics=(LABELS, REWARDS))):
        yield opened


@pytest_asyncio.fixture
async def idle() -> AsyncIterator[Office]:
    """Nothing is on trial."""
    async for opened in open_office(on_trial(since=None)):
        yield opened


def right(request: str = "r1", revision: str = V2, **fields: Any) -> Object:
    return {"requestId": request, "revision": revision, "outcome": "Right"} | fields


# --- who may report


async def test_a_service_account_of_the_namespace_may_report(office: Office) -> None:
    answer = await office.post(right(), right("r2", V1, outcome="Wrong"))
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2, "duplicate": 0, "ignored": 0, "late": 0, "refused": 0, "problems": [],
    }  # fmt: skip
    assert await office.counted() == [(1, 1), (1, 0)]


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (None, 401),
        ("nonsense", 401),
        (f"labels@{NAMESPACE}:https://kubernetes.default.svc", 401),
        (f"labels@{NAMESPACE}", 401),
        (f"labels@other:{AUDIENCE}", 403),
        (f"labels@{NAMESPACE}-other:{AUDIENCE}", 403),
        (f"x@{NAMESPACE[:-1]}:{AUDIENCE}", 403),
        (f"labels@{NAMESPACE}:{AUDIENCE}" + "x" * 9000, 400),
    ],
    ids=["none", "nonsense", "for the API server", "for nothing", "other", "longer", "shorter", "huge"],
)
async def test_nobody_else_may(office: Office, token: str | None, status: int) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = await office.client.post(PATH, content=json.dumps(right()), headers=headers)
    assert answer.status_code in {status, 401 if status == 400 else status}
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert await office.counted() == [(0, 0), (0, 0)]


async def test_an_expired_token_is_refused_at_once_and_one_that_was_known_after_a_minute(office: Office) -> None:
    assert (await office.post(right("r1"))).status_code == 200
    office.kubernetes.expired.add(office.token)
    assert (await office.post(right("r2"))).status_code == 200
    office.clock.forward(seconds=61)
    assert (await office.post(right("r3"))).status_code == 401


async def test_a_known_token_is_not_asked_about_again_and_opens_no_other_door(office: Office) -> None:
    for n in range(3):
        assert (await office.post(right(f"r{n}"))).status_code == 200
    assert [review["kind"] for review in office.kubernetes.reviews] == ["TokenReview"]
    elsewhere = await office.post(right(), path=PATH.replace(NAMESPACE, "other"))
    assert elsewhere.status_code == 403


async def test_who_may_create_feedback_may_report_from_another_namespace(office: Office) -> None:
    office.token = f"central@labelling:{AUDIENCE}"
    office.kubernetes.may.add("system:serviceaccount:labelling:central")
    assert (await office.post(right())).status_code == 200
    assert office.kubernetes.reviews[-1]["spec"]["groups"] == ["g"]


async def test_what_exists_is_not_told_to_strangers(office: Office) -> None:
    office.token = f"labels@other:{AUDIENCE}"
    told = [await office.post(right(), path=PATH.replace(NAME, name)) for name in (NAME, "none")]
    assert told[0].status_code == told[1].status_code == 403
    assert told[0].text == told[1].text


async def test_an_api_server_without_audiences_vouches_for_nobody(office: Office) -> None:
    def careless(review: Object) -> Object:
        return review | {
            "status": {"authenticated": True, "user": {"username": f"system:serviceaccount:{NAMESPACE}:x"}}
        }

    office.cluster.reviews = careless
    assert (await office.post(right())).status_code == 401


# --- what is bounded


async def test_a_large_body_is_refused_before_it_is_read(office: Office) -> None:
    answer = await office.post(content=b"[" + b" " * LARGEST_BODY + b"]")
    assert answer.status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    assert (await office.post(content=endless())).status_code == 413
    assert await office.counted() == [(0, 0), (0, 0)]


async def test_a_body_that_does_not_come_is_not_waited_for(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_TIMEOUT", 0.1)

    async def slow() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.sleep(0.5)

    assert (await office.post(content=slow())).status_code == 408


async def test_a_client_that_goes_away_is_nothing_to_complain_of(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"["
        raise OSError("the client's own trouble")

    with pytest.raises(OSError, match="own trouble"):
        await office.post(content=broken())
    assert (await office.post(right())).status_code == 200
    assert caplog.records == []


async def test_bad_json_is_told(office: Office) -> None:
    answer = await office.post(content=b'{"requestId": ')
    assert answer.status_code == 422
    assert "not JSON" in answer.json()["error"]


async def test_one_bad_report_costs_no_other_and_is_told_by_its_place(office: Office) -> None:
    answer = await office.post(right(), {"requestId": "r2"}, right("r3", "fraud-of-yesterday"), right("r4"))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["accepted"], told["refused"]) == (2, 2)
    assert [problem["item"] for problem in told["problems"]] == [1, 2]
    assert "no revision of this name" in told["problems"][1]["message"]


async def test_lines_are_taken_too(office: Office) -> None:
    text = "\n".join(json.dumps(right(f"r{n}")) for n in range(3)).encode()
    answer = await office.post(content=text, headers={"Content-Type": "application/x-ndjson"})
    assert answer.json()["accepted"] == 3


# --- what counts


async def test_without_a_trial_nothing_is_kept(idle: Office) -> None:
    assert (await idle.post(right())).json()["ignored"] == 1
    idle.clock.forward(seconds=1)
    assert (await idle.post(right("r2"))).json()["ignored"] == 1
    assert await idle.cluster.list(CONFIG_MAP, NAMESPACE) == []


async def test_the_first_request_of_a_trial_counts_although_none_was_known_a_moment_before(idle: Office) -> None:
    assert (await idle.post(right())).json()["ignored"] == 1
    idle.clock.forward(milliseconds=100)
    found = (await idle.cluster.get(MODEL_REVISION, NAMESPACE, V2)) or {}
    uid = found["metadata"]["ownerReferences"][0]["uid"]
    idle.cluster.put(a_revision(V2, owner=uid, phase="Stepping", since=idle.clock.now - timedelta(milliseconds=50)))
    idle.clock.forward(seconds=1)
    assert (await idle.post(right("r2"))).json()["accepted"] == 1


async def test_a_report_that_nothing_counts_is_ignored(office: Office) -> None:
    told = (
        await office.post(
            right(time=(BEGAN - timedelta(seconds=1)).isoformat()), right("r2", time="2026-05-01T00:00:00Z")
        )
    ).json()
    assert (told["accepted"], told["ignored"]) == (0, 2)
    assert (await office.post({"requestId": "r3", "revision": V2, "reward": 1.0})).json()["accepted"] == 1
    assert await office.counted("Reward") == [(0, 0), (1, 0)]


async def test_a_model_deployment_that_asks_for_no_feedback_says_so() -> None:
    errors = {"name": "errors", "gateway": {}, "comparison": {"margin": 0.02}}
    async for office in open_office(on_trial(metrics=(errors,))):
        answer = await office.post(right())
        assert answer.status_code == 422
        assert "no metric with feedback" in answer.json()["error"]
        assert (await office.post(right(), path=PATH.replace(NAME, "none"))).status_code == 404


@pytest.mark.parametrize("verb", ["create", "list", "get"])
async def test_an_api_server_that_does_not_answer_is_no_acknowledgement(office: Office, verb: Any) -> None:
    assert (await office.post(content=b"[]")).status_code == 422  # the token is known from now on
    office.cluster.fail_next(verb, None, Unavailable("gone"), after_write=verb == "create")
    answer = await office.post(right())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    told = (await office.post(right())).json()
    assert told["accepted"] + told["duplicate"] == 1
    assert await office.counted() == [(0, 0), (1, 0)]


async def test_a_replica_that_does_not_lead_sends_its_clients_on(office: Office) -> None:
    office.endpoint.close()
    answer = await office.post(right())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert office.kubernetes.reviews == []


async def test_more_requests_than_can_be_worked_on_are_asked_to_come_back(office: Office) -> None:
    gate = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        await gate.wait()
        yield b"]"

    held = [asyncio.create_task(office.post(content=body())) for _ in range(server.AT_ONCE)]
    async with asyncio.timeout(30):
        while (answer := await office.post(right())).status_code != 503:
            held.append(asyncio.create_task(office.post(content=body())))  # this one had a place that is free now
    assert answer.headers["Retry-After"] == "1"
    gate.set()
    assert {one.status_code for one in await asyncio.gather(*held)} <= {422, 503}
    assert (await office.post(right())).status_code == 200
