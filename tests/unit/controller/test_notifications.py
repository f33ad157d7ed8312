"""Who is told of decisions, over real HTTP: once, whatever happens to the operator, and no look waits."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from unit.controller.builders import NAMESPACE, a_model_deployment
from unit.controller.world import Killed, World, a_world

from slipway.cluster import CONFIG_MAP, EVENT, SECRET, Unavailable
from slipway.controller.notifying import MOST_WAITING, PAUSES
from slipway.controller.observe import InvalidSpecError, read_spec
from slipway.outside import Egress

SHORT: dict[str, Any] = {"strategy": {"canary": {"steps": [{"weight": 20}, {"weight": 60}]}}}


def hook(world: World, path: str = "/hook") -> str:
    return world.outside.metrics_url.replace("/metrics", path)


def receiver(world: World, name: str = "team", **more: Any) -> dict[str, Any]:
    return {"name": name, "webhook": {"url": hook(world)}, **more}


def allowing(world: World) -> None:
    world.kill_operator()
    world.egress = Egress(("127.0.0.0/8",))
    world.start_operator()


async def serving(world: World, *receivers: dict[str, Any]) -> None:
    """v1 serves, and its first rollout has been told of."""
    allowing(world)
    await world.serving("v1", notifications=list(receivers), **SHORT)
    await at_rest(world)
    world.outside.hooked.clear()


async def at_rest(world: World) -> None:
    await world.run()
    await world.notifier.idle()
    await world.run()


def deliveries(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.status["notifications"].get("deliveries", [])
    return found


def bodies(world: World) -> list[dict[str, Any]]:
    return [body for _, _, body in world.outside.hooked]


def put_config_map(world: World, text: str) -> None:
    metadata = {"name": "slipway-notifications", "namespace": NAMESPACE}
    data = {"notifications.yaml": text}
    world.cluster.put({"apiVersion": "v1", "kind": CONFIG_MAP.kind, "metadata": metadata, "data": data})


async def test_a_promotion_is_told_once(world: World) -> None:
    await serving(world, receiver(world))
    world.declare("v2")
    await at_rest(world)
    (body,) = bodies(world)
    assert (body["event"], body["version"], body["modelDeployment"]) == ("Promoted", "v2", "fraud")
    assert [one["state"] for one in deliveries(world)] == ["Sent"] * len(deliveries(world))
    allowing(world)
    await world.pass_time(300)
    await world.notifier.idle()
    assert len(bodies(world)) == 1


async def test_a_release_that_is_hauled_back_is_told_of_once(world: World) -> None:
    await serving(world, receiver(world))
    await world.model("v2", errors=0.33)
    world.declare("v2")
    await at_rest(world)
    (body,) = bodies(world)
    assert (body["event"], body["reason"], body["phase"]) == ("RolledBack", "AnalysisFailed", "RollingBack")


async def test_a_release_that_is_hauled_back_is_told_of_although_the_cluster_refuses_something(world: World) -> None:
    await serving(world, receiver(world))
    await world.model("v2", errors=0.33)
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    world.refuse_to_repair("v1")
    await world.pass_time(60)
    await world.notifier.idle()
    await world.pass_time(60)
    assert [body["event"] for body in bodies(world)] == ["RolledBack"]
    assert deliveries(world)[-1]["state"] == "Sent"


async def test_what_is_decided_is_told_by_a_replica_whose_clock_is_an_hour_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serving(world, receiver(world))
    ahead = world.now
    monkeypatch.setattr(world, "now", lambda: ahead() - timedelta(hours=1))
    allowing(world)
    world.declare("v2")
    await at_rest(world)
    assert [(body["event"], body["version"]) for body in bodies(world)] == [("Promoted", "v2")]
    allowing(world)
    await world.pass_time(300)
    await world.notifier.idle()
    assert len(bodies(world)) == 1


async def test_only_what_was_asked_for_is_told(world: World) -> None:
    await serving(world, receiver(world, events=["Started"]))
    world.declare("v2")
    await at_rest(world)
    assert [body["event"] for body in bodies(world)] == ["Started"]


async def test_an_approval_is_asked_for_once_while_it_lasts(world: World) -> None:
    strategy = {"canary": {"steps": [{"weight": 20, "approval": "Required"}, {"weight": 60}]}}
    await serving(world, receiver(world))
    world.declare("v2", strategy=strategy)
    await world.run(lambda: world.status.get("phase") == "AwaitingApproval")
    await world.pass_time(120)
    await world.notifier.idle()
    assert [(body["event"], body["phase"]) for body in bodies(world)] == [("AwaitingApproval", "AwaitingApproval")]


async def test_a_hold_is_told_once_also_where_its_receiver_was_away_or_could_not_be_read(world: World) -> None:
    strategy = {"canary": {"steps": [{"weight": 20, "approval": "Required"}, {"weight": 60}]}}
    put_config_map(world, json.dumps({"notifications": [receiver(world)]}))
    await serving(world)
    world.declare("v2", strategy=strategy)
    await world.run(lambda: world.status.get("phase") == "AwaitingApproval")
    await world.notifier.idle()
    world.kill_operator()
    world.cluster.fail_next("get", CONFIG_MAP, Unavailable("no leader"))
    world.start_operator()
    await world.pass_time(61)
    put_config_map(world, "notifications: []")
    await world.pass_time(130)
    put_config_map(world, json.dumps({"notifications": [receiver(world)]}))
    await world.pass_time(130)
    await world.notifier.idle()
    assert [body["event"] for body in bodies(world)] == ["AwaitingApproval"]


async def test_a_receiver_that_is_new_is_not_told_of_what_is_over(world: World) -> None:
    allowing(world)
    await world.serving("v1", **SHORT)
    world.edit(world.deployment, spec=world.deployment["spec"] | {"notifications": [receiver(world)]})
    await at_rest(world)
    assert bodies(world) == []


async def test_formats_and_templates(world: World) -> None:
    said = "{{name}} in {{namespace}}: {{version}} {{phase}}"
    formats = ("JSON", "Slack", "Teams", "CloudEvents")
    await serving(world, *(receiver(world, kind.lower(), format=kind, template=said) for kind in formats))
    world.declare("v2")
    await at_rest(world)
    text = f"fraud in {NAMESPACE}: v2 Stable"
    found = {kind: body for kind, _, body in world.outside.hooked if "specversion" in body}
    (event,) = found.values()
    assert list(found) == ["application/cloudevents+json"]
    assert (event["specversion"], event["type"], event["data"]["text"]) == (
        "1.0",
        "dev.slipway.rollout.promoted.v1",
        text,
    )
    assert {"text": text} in bodies(world)
    (card,) = [body["attachments"][0]["content"] for body in bodies(world) if "attachments" in body]
    assert (card["type"], card["body"][0]["text"]) == ("AdaptiveCard", text)
    assert [body["text"] for body in bodies(world) if "id" in body and "specversion" not in body] == [text]


async def test_a_secret_address_is_shown_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    source = {"webhook": {"urlFrom": {"name": "chat", "key": "url"}}, "name": "chat"}
    metadata = {"name": "chat", "namespace": NAMESPACE}
    data = {"url": base64.b64encode(hook(world, "/hook/T0/s3cret").encode()).decode()}
    world.cluster.put({"apiVersion": "v1", "kind": SECRET.kind, "metadata": metadata, "data": data})
    world.outside.hook_status = 404
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "httpx")  # as the operator sets up its logs
    caplog.set_level(logging.WARNING, "aiohttp.access")  # the receiver's own log
    await serving(world, source)
    world.declare("v2")
    await at_rest(world)
    assert len(bodies(world)) == 1
    assert deliveries(world)[-1]["message"] == "127.0.0.1 answered HTTP 404"
    assert any(reason == "NotificationFailed" for _, reason, _ in world.events())
    assert "s3cret" not in caplog.text + str(world.deployment) + str(world.events())


async def test_a_missing_secret_is_named(world: World) -> None:
    await serving(world, {"name": "chat", "webhook": {"urlFrom": {"name": "chat", "key": "url"}}})
    assert "urlFrom: Secret shop/chat does not exist: create it" in deliveries(world)[-1]["message"]


async def test_an_address_that_may_not_be_reached_is_refused(world: World) -> None:
    await world.serving("v1", notifications=[receiver(world)], **SHORT)
    await at_rest(world)
    assert "may not be reached" in deliveries(world)[-1]["message"]
    assert bodies(world) == []


async def test_what_was_not_taken_is_sent_again_and_then_given_up(world: World) -> None:
    world.outside.hook_status = 503
    await serving(world, receiver(world))
    world.pauses.clear()
    world.declare("v2")
    await at_rest(world)
    assert len(bodies(world)) == len(PAUSES) + 1
    assert tuple(world.pauses) == PAUSES
    assert len({body["id"] for body in bodies(world)}) == 1
    assert deliveries(world)[-1]["state"] == "Failed"


async def test_an_answer_that_leaves_open_whether_it_was_taken_is_final(world: World) -> None:
    await serving(world, receiver(world))
    world.outside.hook_status = 500
    world.declare("v2")
    await at_rest(world)
    assert len(bodies(world)) == 1


async def test_a_connection_that_is_refused_is_tried_again(world: World) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await serving(world, {"name": "gone", "webhook": {"url": f"http://127.0.0.1:{port}/"}})
    assert tuple(world.pauses) == PAUSES
    assert "cannot be resolved or connected to" in deliveries(world)[-1]["message"]


async def test_no_look_waits_for_a_receiver(world: World) -> None:
    await serving(world, receiver(world, events=["Started"]))
    world.outside.hook_opens = asyncio.Event()
    world.declare("v2")
    await world.run(lambda: world.stable == "v2")
    assert deliveries(world)[-1]["state"] == "Sending"
    world.outside.hook_opens.set()
    await world.notifier.idle()
    await world.run(lambda: deliveries(world)[-1]["state"] == "Sent")


async def test_receivers_of_a_namespace_are_told_and_replaced_by_name(world: World) -> None:
    shared = [receiver(world, "all"), receiver(world, "team", format="Slack")]
    put_config_map(world, json.dumps({"notifications": shared}))
    await serving(world, receiver(world, "team", format="JSON"))
    world.declare("v2")
    await at_rest(world)
    assert [body["event"] for body in bodies(world)] == ["Promoted", "Promoted"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{"notifications": [{"name": "team", "webhook": {"url": "https://a.example"}, "template": "{{who}}"}]}',
            "notifications.yaml: notifications.0.template: Value error, {{who}} is no placeholder",
        ),
        ("[" * 3000, "notifications.yaml is nested too deep"),
        ("!!timestamp soon", "notifications.yaml holds a value that its tag does not allow"),
    ],
    ids=["a placeholder that is none", "nested too deep", "a tag"],
)
async def test_a_config_map_that_cannot_be_read_holds_nothing_up_and_names_the_field(
    world: World, caplog: pytest.LogCaptureFixture, text: str, says: str
) -> None:
    put_config_map(world, text)
    await serving(world, receiver(world, "own"))
    world.declare("v2")
    await at_rest(world)
    assert [body["event"] for body in bodies(world)] == ["Promoted"]
    assert says in caplog.text


async def test_a_storm_is_bounded(world: World) -> None:
    put_config_map(world, json.dumps({"notifications": [receiver(world, f"all-{n}") for n in range(8)]}))
    await serving(world, *(receiver(world, f"own-{n}") for n in range(8)))
    for version in ("v2", "v3", "v4"):
        world.declare(version)
        await at_rest(world)
    assert len(bodies(world)) == 3 * 16
    assert len(deliveries(world)) == 48
    world.outside.hook_opens = asyncio.Event()
    world.notifier._tasks |= {asyncio.create_task(world.outside.hook_opens.wait()) for _ in range(MOST_WAITING)}  # type: ignore[misc]
    world.declare("v5")
    await world.run()
    world.outside.hook_opens.set()
    assert {one["state"] for one in deliveries(world)[-16:]} == {"Failed"}


@pytest.mark.parametrize("errors", [0.0, 0.33], ids=["promoted", "hauled back"])
async def test_an_operator_killed_before_any_write_has_nobody_told_twice(errors: float) -> None:
    index = told = 0
    while True:
        async with a_world() as world:
            await serving(world, receiver(world, events=["Started", "Promoted", "RolledBack"]))
            await world.model("v2", errors=errors)
            left = index

            def dying(request: Any) -> None:
                nonlocal left
                left -= request.kind != EVENT
                if left < 0:
                    raise Killed

            world.cluster.before_write = dying
            world.declare("v2")
            killed = False
            try:
                await at_rest(world)
            except Killed:
                killed = True
                world.cluster.before_write = None
                if index % 2:
                    await world.notifier.close()
                else:
                    await world.notifier.idle()
                world.start_operator()
                await at_rest(world)
            counted = Counter(body["event"] for body in bodies(world))
            assert max(counted.values(), default=0) <= 1, (index, counted)
            told += len(counted) == 2
        if not killed:
            break
        index += 1
    assert index > 20
    assert told > index / 2


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{versoin}}", "{{versoin}} is no placeholder"),
        ("{{ name }}", "{{ name }} is no placeholder"),
        ("{{name", "a double brace begins a placeholder"),
    ],
)
def test_a_bad_template_is_refused_with_its_field(template: str, problem: str) -> None:
    one = {"name": "team", "webhook": {"url": "https://chat.example.com/"}, "template": template}
    with pytest.raises(InvalidSpecError, match=r"spec\.notifications\.0\.template") as refusal:
        read_spec(a_model_deployment("v1", notifications=[one]))
    assert problem in str(refusal.value)
