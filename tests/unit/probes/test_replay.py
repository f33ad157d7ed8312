"""The replay: outcomes of {right, wrong, 4xx, 5xx, NaN, broken, silent} an arm, spreading, limits, no evidence."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiohttp import web
from unit.controller.virtual_time import in_virtual_time
from unit.probes.builders import a_client, a_server, an_answer, an_endpoint, an_item

from slipway.cluster.endpoints import Endpoint, http_client
from slipway.probes import BodySchema, GoldenItem, KServeV1, Outcome, Pace, ProbeError, Replay, replay, sliced, within

CANDIDATE, STABLE = an_endpoint("c", address="10.0.0.1"), an_endpoint("s", address="10.0.0.2")

Reply = Callable[[], httpx.Response]


def broken() -> httpx.Response:
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


def silent() -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


ANSWERS: dict[str, Reply] = {
    "right": lambda: httpx.Response(200, json=an_answer(1)),
    "wrong": lambda: httpx.Response(200, json=an_answer(0)),
    "4xx": lambda: httpx.Response(400, text="bad input"),
    "5xx": lambda: httpx.Response(500, text="Internal Server Error"),
    "NaN": lambda: httpx.Response(200, text='{"outputs": [{"data": [NaN]}]}'),
    "broken": broken,
    "silent": silent,
}


async def run(
    candidate: list[str], stable: list[str] | None, /, *, client: httpx.AsyncClient | None = None, **options: Any
) -> Replay:
    """Replays one item for each of the answers; the answers of an arm are given in the order of the items."""
    items = [an_item(f"g{index}") for index in range(len(candidate))]

    def answer(request: httpx.Request) -> httpx.Response:
        answers = candidate if request.url.host == CANDIDATE.address else stable or []
        return ANSWERS[answers[int(json.loads(request.content)["id"][1:])]]()

    given: dict[str, Any] = {
        "candidate": [CANDIDATE],
        "stable": None if stable is None else [STABLE],
        "port": None,
        "candidate_model": "fraud",
        "stable_model": "fraud",
        "output": None,
        "timeout": 1,
    }
    async with client or a_client(answer) as used:
        return await replay(used, items, **(given | options))


UNANSWERED = ("4xx", "5xx", "NaN", "broken", "silent")


@pytest.mark.parametrize(
    ("stable", "candidate", "outcome"),
    [
        ("right", "right", "ties_right"),
        ("right", "wrong", "losses"),
        ("wrong", "right", "wins"),
        ("wrong", "wrong", "ties_wrong"),
        *(("right", failure, "losses") for failure in UNANSWERED),
        *(("wrong", failure, "ties_wrong") for failure in UNANSWERED),
        *((failure, "right", "wins") for failure in UNANSWERED),
        *((failure, "wrong", "ties_wrong") for failure in UNANSWERED),
        *((one, other, "excluded") for one in UNANSWERED for other in UNANSWERED),
    ],
)
async def test_every_pair_of_answers_has_one_outcome(stable: str, candidate: str, outcome: str) -> None:
    got = await run(["right", candidate], ["right", stable])
    counts = {name: getattr(got, name) for name in ("losses", "wins", "ties_right", "ties_wrong", "excluded")}
    expected = dict.fromkeys(counts, 0) | {"ties_right": 1}
    expected[outcome] += 1
    assert counts == expected
    assert got.candidate_right + got.candidate_wrong + got.excluded == 2
    assert got.candidate_right == 1 + (candidate == "right")
    assert got.candidate_unanswered == (candidate in UNANSWERED and outcome != "excluded")


@pytest.mark.parametrize("candidate", ["wrong", *UNANSWERED])
async def test_without_stable_whatever_is_not_right_is_wrong(candidate: str) -> None:
    got = await run(["right", candidate], None)
    assert (got.candidate_right, got.candidate_wrong, got.excluded) == (1, 1, 0)
    assert got.candidate_unanswered == (candidate != "wrong")
    assert (got.losses, got.wins, got.ties_right, got.ties_wrong) == (0, 0, 0, 0)


async def test_a_candidate_that_only_fails_is_wrong_and_no_error() -> None:
    assert (await run(["5xx"] * 3, None)).candidate_wrong == 3
    assert (await run(["broken"] * 3, None)).candidate_wrong == 3
    assert (await run(["silent"] * 3, ["right"] * 3)).losses == 3


@pytest.mark.parametrize("stable", [None, ["silent"] * 3])
async def test_silence_of_everything_is_no_evidence(stable: list[str] | None) -> None:
    with pytest.raises(ProbeError, match=r"not one of 3 golden items was answered \(the pod timed out after 1s\)"):
        await run(["silent"] * 3, stable)


async def test_items_that_neither_arm_predicts_are_no_evidence() -> None:
    with pytest.raises(ProbeError, match=r"answered HTTP 400\): compare its inputs with what the model takes"):
        await run(["4xx"] * 3, ["4xx"] * 3)
    with pytest.raises(ProbeError, match="look at the pods' logs"):
        await run(["5xx"] * 3, ["5xx"] * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidate": []}, "no pod of the candidate is ready"),
        ({"candidate": [an_endpoint(ready=False), an_endpoint(terminating=True)]}, "no pod of the candidate is ready"),
        ({"port": "grpc"}, "pod c has no port 'grpc'"),
    ],
)
async def test_nobody_to_ask_is_no_evidence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ProbeError, match=message):
        await run(["right"], ["right"], **options)
    with pytest.raises(ProbeError, match="no items"):
        await run([], None)


async def test_a_stable_without_pods_does_not_stop_the_candidate() -> None:
    got = await run(["right", "wrong"], ["right", "right"], stable=[])
    assert (got.wins, got.ties_wrong, got.losses) == (1, 1, 0)


async def test_examples_are_few_short_and_show_losses_first() -> None:
    got = await run(["wrong", "5xx", *["wrong"] * 8], ["wrong", "right", *["right"] * 8])
    assert len(got.examples) == 5
    assert got.examples[:2] == (
        "g1: expected [1], candidate answered HTTP 500, stable answered [1]",
        "g2: expected [1], candidate answered [0], stable [1]",
    )

    def long(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=an_answer(*["x" * 10_000] * 100))

    got = await run(["wrong"], None, client=a_client(long))
    assert len(got.examples[0]) < 250


@pytest.mark.parametrize(
    ("expected", "answered", "right"),
    [
        ((1,), (1.0,), True),
        ((1.0,), (1,), True),
        ((1,), (True,), True),
        (("a",), ("a",), True),
        ((1,), ("1",), False),
        ((1, 0), (1,), False),
        ((0.5,), (0.5000001,), False),
        ((2**53 + 1,), (2.0**53,), False),
    ],
)
async def test_right_is_exact_over_kinds_of_numbers_only(
    expected: tuple[Any, ...], answered: tuple[Any, ...], right: bool
) -> None:
    async with a_client(lambda _: httpx.Response(200, json=an_answer(*answered, shape=[len(answered), 1]))) as client:
        got = await replay(
            client, [an_item(expected=expected)], candidate=[CANDIDATE], stable=None, port=None,
            candidate_model="m", stable_model=None, output=None, timeout=20,
        )  # fmt: skip
    assert got.candidate_right == right


async def test_ready_pods_share_the_work_and_each_arm_is_asked_for_its_model() -> None:
    asked: Counter[tuple[str, str]] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        asked[request.url.host, request.url.path] += 1
        return httpx.Response(200, json=an_answer(1))

    pods = [an_endpoint(f"c{n}", address=f"10.0.1.{n}", ready=n != 2) for n in range(4)]
    await run(["right"] * 30, ["right"] * 30, client=a_client(answer), candidate=pods, candidate_model="new")
    assert asked == {
        ("10.0.1.0", "/v2/models/new/infer"): 10,
        ("10.0.1.1", "/v2/models/new/infer"): 10,
        ("10.0.1.3", "/v2/models/new/infer"): 10,
        ("10.0.0.2", "/v2/models/fraud/infer"): 30,
    }


async def test_pods_take_turns_over_the_whole_set_and_not_over_its_parts() -> None:
    asked: Counter[str] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] += 1
        return httpx.Response(200, json=an_answer(1))

    pods = [an_endpoint(f"c{n}", address=f"10.0.1.{n}") for n in range(4)]
    for position in range(0, 12, 2):
        await run(["right"] * 2, None, client=a_client(answer), candidate=pods, position=position)
    assert set(asked.values()) == {3}


async def test_an_item_whose_pod_ends_is_asked_once_more_of_the_next_pod() -> None:
    asked: Counter[str] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] += 1
        if request.url.host == "10.0.1.0":
            raise httpx.ConnectError("Connection refused")
        return httpx.Response(200, json=an_answer(1))

    pods = [an_endpoint(f"c{n}", address=f"10.0.1.{n}") for n in range(2)]
    got = await run(["right"] * 4, None, client=a_client(answer), candidate=pods)
    assert (got.candidate_right, got.candidate_wrong) == (4, 0)
    assert asked == {"10.0.1.0": 2, "10.0.1.1": 4}


@pytest.mark.parametrize(("fails", "right", "asked"), [("broken", 2, 3), ("silent", 1, 2), ("5xx", 1, 2)])
async def test_a_pod_is_asked_again_where_its_connection_broke_and_for_no_other_failure(
    fails: str, right: int, asked: int
) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return ANSWERS[fails if len(requests) == 1 else "right"]()

    got = await run(["right"] * 2, None, client=a_client(answer), concurrency=1)
    assert (got.candidate_right, got.candidate_wrong, len(requests)) == (right, 2 - right, asked)


def test_both_attempts_together_have_the_time_of_one() -> None:
    async def test() -> None:
        async def breaks_off(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.6)
            raise httpx.ReadError("Connection reset by peer")

        clock = asyncio.get_running_loop()
        begun = clock.time()
        client = httpx.AsyncClient(transport=httpx.MockTransport(breaks_off))
        got = await run(["right"], None, client=client, timeout=1)
        assert clock.time() - begun == pytest.approx(1)
        assert got.examples == ("g0: expected [1], candidate broke off the answer (ReadError)",)

    in_virtual_time(test())


async def test_after_its_time_no_item_is_begun_and_what_has_begun_is_answered() -> None:
    def until() -> float:
        return asyncio.get_running_loop().time()

    got = await run(["wrong", "5xx", "right", "right", "right"], ["right"] * 5, until=until())
    assert (got.begun, [one.item.id for one in got.items]) == (4, ["g0", "g1", "g2", "g3"])
    assert (got.losses, got.ties_right) == (2, 2)
    got = await run(["right"] * 5, ["right"] * 5, until=until() + 60)
    assert got.begun == got.ties_right == 5


async def test_a_part_that_was_silent_when_time_was_over_goes_on_where_it_ended() -> None:
    candidate = [*["silent"] * 4, "right"]
    with pytest.raises(ProbeError, match="not one of 4 golden items was answered") as silence:
        await run(candidate, None, until=0.0)
    got = await run(candidate, None, until=0.0, before=silence.value.unheard)
    assert (got.begun, got.candidate_right, got.candidate_wrong) == (5, 1, 4)


async def test_silence_of_a_whole_part_is_forgotten() -> None:
    with pytest.raises(ProbeError) as silence:
        await run(["silent"] * 6, None, until=0.0)
    with pytest.raises(ProbeError, match="not one of 6 golden items was answered") as whole:
        await run(["silent"] * 6, None, until=0.0, before=silence.value.unheard)
    assert whole.value.unheard is None


async def test_both_arms_together_stay_within_the_concurrency_and_use_it() -> None:
    now = most = 0

    async def infer(_: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response(an_answer(1))

    async with a_server(infer) as port:
        pod = an_endpoint(port=port)
        got = await run(["right"] * 20, ["right"] * 20, client=http_client(), candidate=[pod], stable=[pod])
    assert got.ties_right == 20
    assert most == 4


async def test_a_slow_candidate_loses_at_the_timeout_and_not_later() -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.json_response(an_answer(1))

    async def fast(_: web.Request) -> web.StreamResponse:
        return web.json_response(an_answer(1))

    start = time.monotonic()
    async with a_server(slow) as slow_port, a_server(fast) as fast_port:
        pods: dict[str, list[Endpoint]] = {
            "candidate": [an_endpoint(port=slow_port)],
            "stable": [an_endpoint(port=fast_port)],
        }
        got = await run(["right"] * 4, ["right"] * 4, client=http_client(), timeout=3, **pods)
    assert got.losses == got.candidate_unanswered == 4
    assert got.examples[0] == "g0: expected [1], candidate timed out after 3s, stable answered [1]"
    assert time.monotonic() - start < 25, "the candidate takes thirty"


async def test_a_cancelled_replay_leaves_no_request_behind() -> None:
    started = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        started.set()
        await asyncio.sleep(30)
        return web.Response()

    async with a_server(hang) as port:
        task = asyncio.create_task(
            run(["right"] * 9, None, client=http_client(), candidate=[an_endpoint(port=port)], timeout=20)
        )
        await asyncio.wait_for(started.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert not [other for other in asyncio.all_tasks() if "work" in str(other.get_coro())]


async def test_right_is_what_the_match_says() -> None:
    def nearly(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=an_answer(1.04))

    assert (await run(["right"], None, client=a_client(nearly))).candidate_wrong == 1
    assert (await run(["right"], None, client=a_client(nearly), match=within(absolute=0.05))).candidate_right == 1


async def test_an_answer_that_does_not_match_the_releases_schema_is_no_prediction() -> None:
    schema = BodySchema(json.dumps({"properties": {"outputs": {"items": {"required": ["name"]}}}}))
    got = await run(["right", "wrong"], None, answers=schema)
    assert (got.candidate_right, got.candidate_unanswered) == (1, 0)

    def nameless(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"outputs": [{"data": [1], "secret": "s3cret"}]})

    got = await run(["right"] * 2, None, client=a_client(nameless), answers=schema)
    assert (got.candidate_right, got.candidate_unanswered) == (0, 2)
    assert "$.outputs[0] is not as the schema has it (required)" in got.examples[0]
    assert "s3cret" not in str(got.examples)


async def test_a_schema_that_cannot_be_evaluated_passes_no_answer() -> None:
    for schema in ({"$ref": "#"}, {"$ref": "#nobody"}):
        got = await run(["right"], None, answers=BodySchema(json.dumps(schema)))
        assert (got.candidate_right, got.candidate_unanswered) == (0, 1)


async def test_each_arm_keeps_to_its_own_schema() -> None:
    strict, loose = BodySchema('{"required": ["nothing"]}'), BodySchema("{}")
    got = await run(["right"], ["right"], answers=loose, stable_answers=strict)
    assert (got.wins, got.losses) == (1, 0)
    got = await run(["right"], ["right"], answers=strict, stable_answers=loose)
    assert (got.wins, got.losses) == (0, 1)


async def test_a_schema_is_evaluated_for_every_answer_however_many_there_were() -> None:
    schema = BodySchema(json.dumps({"properties": {"outputs": {"items": {"required": ["name"]}}}}))
    for _ in range(40_000):
        assert not schema.problem({"outputs": [{"name": "x"}]})


async def test_every_item_is_given_with_its_answers_and_their_time() -> None:
    async def infer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return web.json_response(an_answer(1))

    async with a_server(infer) as port:
        pod = an_endpoint(port=port)
        got = await run(["right"] * 8, ["right"] * 8, client=http_client(), candidate=[pod], stable=[pod])
    assert sorted(asked.item.id for asked in got.items) == [f"g{n}" for n in range(8)]
    assert {asked.outcome for asked in got.items} == {Outcome.TIE_RIGHT}
    for asked in got.items:
        assert asked.stable is not None
        assert 0.02 <= (asked.candidate.seconds or 0) < 30
        assert 0.02 <= (asked.stable.seconds or 0) < 30
    assert 0.04 <= got.seconds < 30
    silent_ = (await run(["silent", "right"], None)).items
    assert {asked.candidate.seconds is None for asked in silent_} == {True, False}


async def test_a_pace_is_kept_by_all_who_share_it() -> None:
    pace = Pace(100)
    start = time.monotonic()
    await asyncio.gather(*(run(["right"] * 5, ["right"] * 5, pace=pace) for _ in range(2)))
    assert time.monotonic() - start >= 0.19, "20 requests at 100 a second"


async def test_turns_that_nobody_took_are_not_saved_up() -> None:
    pace = Pace(20)
    await pace.turn()
    await asyncio.sleep(0.2)
    start = time.monotonic()
    for _ in range(3):
        await pace.turn()
    assert time.monotonic() - start >= 0.095


@pytest.mark.parametrize("pace", [0, -1, float("nan"), float("inf")])
def test_a_pace_that_is_none_is_refused(pace: float) -> None:
    with pytest.raises(ValueError, match="no pace"):
        Pace(pace)


async def test_arms_are_asked_in_the_protocol_that_is_given() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"predictions": [1]})

    items = [GoldenItem("g1", [[1]], (1,))]
    async with a_client(answer) as client:
        got = await replay(
            client, items, candidate=[CANDIDATE], stable=[STABLE], port=None, candidate_model="new",
            stable_model="old", timeout=20, protocol=KServeV1(),
        )  # fmt: skip
    assert got.ties_right == 1
    assert sorted(asked) == ["/v1/models/new:predict", "/v1/models/old:predict"]


async def test_a_loss_in_one_slice_alone_shows_there() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        french = json.loads(request.content)["id"].startswith("fr")
        return httpx.Response(200, json=an_answer(0 if french and request.url.host == CANDIDATE.address else 1))

    items = [replace(an_item(f"de{n}"), slices={"country": "de"}) for n in range(6)]
    items += [replace(an_item(f"fr{n}"), slices={"country": "fr"}) for n in range(3)]
    async with a_client(answer) as client:
        whole = await replay(
            client, [*items, an_item("none")], candidate=[CANDIDATE], stable=[STABLE], port=None, candidate_model="m",
            stable_model="m", timeout=20,
        )  # fmt: skip
    groups = sliced(whole, "country")
    assert list(groups) == ["de", "fr"]
    assert (groups["de"].losses, groups["de"].ties_right) == (0, 6)
    assert (groups["fr"].losses, groups["fr"].ties_right) == (3, 0)
    assert groups["fr"].examples[0].startswith("fr0: expected [1], candidate answered [0]")
    assert (whole.losses, whole.ties_right) == (3, 7)
    assert sliced(whole, "city") == {}
