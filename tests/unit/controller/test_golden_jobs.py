"""Golden sets that a Job replays: asked for once, folded once, and never passed in silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from unit.controller.builders import ACCURACY, ERRORS
from unit.controller.jobs import IMAGE, arguments, fail, finish, jobs, the_job
from unit.controller.world import Killed, World

from slipway.cluster import JOB, MODEL_REVISION, Request, Unavailable
from slipway.outside import Egress

VOLUME = {"pvc": {"claimName": "sets", "path": "fraud/v3.jsonl"}, "timeout": "2s"}
WORSE = {"dataset": "sha256:1", "losses": 40, "wins": 5, "tiesRight": 900, "tiesWrong": 55}
GOOD = {"dataset": "sha256:1", "losses": 5, "wins": 5, "tiesRight": 900, "tiesWrong": 90}


def an_analysis(source: dict[str, Any] = VOLUME, **analysis: Any) -> dict[str, Any]:
    metric = {key: value for key, value in ACCURACY.items() if key != "goldenSet"} | {"goldenSet": source}
    return {"interval": "10s", "maxDuration": "10m", "metrics": [metric, ERRORS], **analysis}


@pytest.fixture
async def shop(world: World) -> World:
    """A world whose operator knows its own image, and in which v1 serves."""
    world.image = IMAGE
    world.start_operator()
    await world.serving("v1")
    return world


async def asked(world: World, source: dict[str, Any] = VOLUME, **analysis: Any) -> None:
    """v2 is declared, and its Job is there."""
    world.declare("v2", analysis=an_analysis(source, **analysis))
    await world.run(lambda: bool(jobs(world)))


def saying(world: World) -> str:
    found: str = world.metric("v2", "accuracy")["message"]
    return found


async def test_a_release_that_is_worse_on_a_volumes_golden_set_is_hauled_back_before_any_traffic(shop: World) -> None:
    await asked(shop)
    finish(shop, WORSE | {"examples": ["g7: expected [1], candidate answered [0]"]})
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    assert "40 lost and 5 won" in saying(shop)
    assert "g7: expected" in saying(shop)
    assert shop.metric("v2", "accuracy")["dataset"] == "sha256:1"
    assert "Stepping" not in [phase for phase, _ in shop.timeline("v2")]


async def test_a_good_release_goes_on_once_its_job_is_done_and_not_before(shop: World) -> None:
    await asked(shop)
    await shop.pass_time(60)
    assert shop.phase("v2") == "Evaluating"
    assert saying(shop) == f"Job {the_job(shop)['metadata']['name']} runs"
    finish(shop, GOOD)
    await shop.run(lambda: shop.stable == "v2")
    assert len([write for write in shop.writes() if (write.verb, write.kind) == ("create", JOB)]) == 1


async def test_a_job_is_told_what_to_replay_against_whom(shop: World) -> None:
    source = VOLUME | {"match": {"within": {"absolute": 0.5}}, "output": "label", "format": "JSONLines"}
    await asked(shop, source)
    told = arguments(the_job(shop))
    assert told[:2] == ["evaluate", "/data/fraud/v3.jsonl"]
    for arm, version in (("candidate", "v2"), ("stable", "v1")):
        port = shop.outside.models[version].port
        addresses = [word for word in told if word.startswith(f"--{arm}=")]
        assert addresses[0] == f"--{arm}=http://{shop.name_of(version)}.shop.svc:80"
        assert set(addresses[1:]) == {f"--{arm}=http://127.0.0.1:{port}"}
    uid = shop.revision("v2")["metadata"]["uid"]
    for word in (
        f"--seed={uid}",
        '--match={"within": {"absolute": 0.5}}',
        "--output=label",
        "--timeout=2s",
        "--items-per-second=100",
    ):
        assert word in told
    assert the_job(shop)["metadata"]["ownerReferences"][0]["uid"] == uid


async def test_a_job_may_reach_no_more_than_the_operator(shop: World) -> None:
    shop.egress = Egress(("data.example.com",), public=False)
    shop.start_operator()
    await asked(shop)
    assert {"--egress=data.example.com", "--no-public-egress"} <= set(arguments(the_job(shop)))


async def test_a_first_release_is_asked_alone(world: World) -> None:
    world.image = IMAGE
    world.start_operator()
    world.declare("v1", analysis=an_analysis())
    await world.run(lambda: bool(jobs(world)))
    assert not [word for word in arguments(the_job(world)) if word.startswith("--stable")]
    finish(world, {"dataset": "sha256:1", "right": 95, "wrong": 5})
    await world.run(lambda: world.stable == "v1")


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ("", "it left no result"),
        ("all fine", "no JSON"),
        ('{"dataset": "d", "losses": NaN, "wins": 1, "tiesRight": 1, "tiesWrong": 1}', "NaN is no number"),
        (GOOD | {"losses": -1}, "losses: Input should be greater than or equal to 0"),
        ({"dataset": "d", "right": 9, "wrong": 1}, "it has to name losses, wins, tiesRight and tiesWrong"),
        ({"dataset": "d", "losses": 0, "wins": 0, "tiesRight": 0, "tiesWrong": 0}, "it has asked nothing"),
        (
            {"dataset": "d", "losses": 0, "wins": 0, "tiesRight": 0, "tiesWrong": 0, "excluded": 50},
            "no release gave a usable answer to any of 50 items",
        ),
    ],
)
async def test_a_result_that_cannot_be_used_is_an_error_with_its_reason(shop: World, result: Any, problem: str) -> None:
    await asked(shop)
    finish(shop, result)
    await shop.pass_time(60)
    assert shop.metric("v2", "accuracy")["verdict"] == "Error"
    assert problem in saying(shop)
    assert shop.phase("v2") == "Evaluating"


async def test_a_job_that_failed_is_an_error_and_runs_again_once_it_is_deleted(shop: World) -> None:
    await asked(shop, errorTimeout="2m")
    fail(shop, "BackoffLimitExceeded", "golden.jsonl, line 3: not JSON")
    await shop.pass_time(30)
    assert shop.metric("v2", "accuracy")["verdict"] == "Error"
    assert "each of its tries failed; at last: exit code 1: golden.jsonl, line 3: not JSON" in saying(shop)
    await shop.cluster.delete(JOB, "shop", the_job(shop)["metadata"]["name"])
    await shop.run(lambda: bool(jobs(shop)))
    finish(shop, GOOD)
    await shop.run(lambda: shop.stable == "v2")


async def test_without_the_operators_image_the_setting_is_named(world: World) -> None:
    await world.serving("v1")
    world.declare("v2", analysis=an_analysis())
    await world.pass_time(30)
    assert not jobs(world)
    assert "start it with --image, or SLIPWAY_IMAGE" in saying(world)
    assert world.metric("v2", "accuracy")["verdict"] == "Error"


async def test_a_job_of_another_owner_is_not_believed(shop: World) -> None:
    await asked(shop)
    job = the_job(shop)
    job["metadata"] |= {"ownerReferences": []}
    shop.cluster.put(job)
    finish(shop, GOOD)
    await shop.pass_time(30)
    assert "is not Slipway's: delete it" in saying(shop)


async def test_a_job_whose_release_is_off_is_ended(shop: World) -> None:
    await asked(shop)
    shop.declare("v1", analysis=an_analysis())
    await shop.run(lambda: not jobs(shop))
    assert shop.stable == "v1"


async def test_another_question_gets_another_job_and_the_old_one_ends(shop: World) -> None:
    await asked(shop)
    before = the_job(shop)["metadata"]["name"]
    shop.declare("v2", analysis=an_analysis(VOLUME | {"tolerance": 0.1}))
    await shop.run(lambda: bool(jobs(shop)) and the_job(shop)["metadata"]["name"] != before)
    assert "--tolerance=0.1" in arguments(the_job(shop))


async def test_whatever_write_the_operator_is_killed_at_the_result_counts_once(shop: World) -> None:
    await asked(shop)
    finish(shop, GOOD)
    left = [6]

    def die(request: Request) -> None:
        if request.kind in (JOB, MODEL_REVISION) and left[0]:
            left[0] -= 1
            raise Killed

    shop.cluster.before_write = die
    for _ in range(6):
        with pytest.raises(Killed):
            await shop.run(lambda: shop.stable == "v2")
        shop.kill_operator()
        shop.start_operator()
    shop.cluster.before_write = None
    await shop.run(lambda: shop.phase("v2") == "Stepping")
    state = {vector["name"]: vector["values"] for vector in shop.metric("v2", "accuracy")["state"]}
    assert sum(state["counts"]) == 1000


async def test_a_lost_answer_creates_no_second_job(shop: World) -> None:
    shop.cluster.fail_next("create", JOB, Unavailable("the connection broke"), after_write=True)
    await asked(shop)
    await shop.pass_time(30)
    finish(shop, GOOD)
    await shop.run(lambda: shop.stable == "v2")


async def test_a_store_s_address_takes_a_job_with_the_users_credentials(shop: World) -> None:
    env = [{"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "secret"}}}]
    source = {"url": "s3://golden/v3.jsonl", "job": {"env": env, "timeout": "1h"}}
    await asked(shop, source)
    job = the_job(shop)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert arguments(job)[1] == "s3://golden/v3.jsonl"
    assert container["env"] == env
    assert job["spec"]["activeDeadlineSeconds"] == timedelta(hours=1).total_seconds()


async def test_a_group_that_is_worse_hauls_a_release_back_that_is_good_on_the_whole(shop: World) -> None:
    await asked(shop, VOLUME | {"slices": ["country"]})
    assert "--slice=country" in arguments(the_job(shop))
    groups = {"de": [0, 60, 700, 60, 0], "fr": [55, 0, 120, 5, 0]}
    finish(
        shop,
        {"dataset": "d", "losses": 55, "wins": 60, "tiesRight": 820, "tiesWrong": 65, "groups": {"country": groups}},
    )
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    assert "country=fr" in saying(shop)
    told = {found["group"]: found["verdict"] for found in shop.metric("v2", "accuracy")["slices"]}
    assert (told["fr"], told["de"] != "Fail") == ("Fail", True)


async def test_groups_that_cannot_be_are_an_error(shop: World) -> None:
    await asked(shop, VOLUME | {"slices": ["country"]})
    finish(shop, GOOD | {"groups": {"country": {"de": [5, 5, 900, 91, 0]}}})
    await shop.pass_time(30)
    assert "the groups of 'country' have more items than there are" in saying(shop)
