"""Routers lead real requests through a real Traefik.

| | shares | header | cookie | preview | copies | sessions | given back |
|---|---|---|---|---|---|---|---|
| gateway, an owned route | x | x | x | host | refused | refused | |
| gateway, a user's rule | x | | | | | | x |
| traefik | x | x | x | host, header | x | x | |
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import httpx
import pytest
from sandbox.traffic.kit import Place, eventually

from slipway.api import CookieMatch, HeaderMatch, Preview, RequestMatch, Sticky
from slipway.cluster import GATEWAY_CLASS, HTTP_ROUTE
from slipway.traffic import WHOLE, Backend, RoutePlan, gateway_features, router_of

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

OLD, NEW = "fraud-0a0a0a0a", "fraud-1b1b1b1b"
SPLIT = RoutePlan([Backend(OLD, 7500), Backend(NEW, 2500)])
ALL_OLD = RoutePlan([Backend(OLD, WHOLE)])
PARENT = {"name": "sandbox", "namespace": "default"}

HEADER = HeaderMatch(name="X-Group", value='b "quoted" \\')
COOKIE = CookieMatch(name="group", value="b.1")
MATCHES = (RequestMatch(header=HEADER), RequestMatch(cookie=COOKIE))

routers = pytest.mark.parametrize("router", ["gateway", "traefik"])


def settings(router: str, place: Place, path: str = "/score") -> dict[str, object]:
    fields: dict[str, object] = {"hostnames": [place.host], "path": path}
    return {router: {**fields, "parentRefs": [PARENT]} if router == "gateway" else fields}


@routers
async def test_shares_that_are_observed_are_the_shares_of_the_requests(router: str, place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    route = await place.route(settings(router, place))
    status = await route.lead(SPLIT)
    assert status.observed == {OLD: 7500, NEW: 2500}
    await place.until({OLD: 3, NEW: 1}, "/score")
    assert await place.answers(40, "/score/x") == {OLD: 30, NEW: 10}
    assert await place.answers(1, "/scores") == {"404": 1}
    assert await route.write(SPLIT) == 0
    assert (await route.lead(ALL_OLD)).observed == {OLD: WHOLE}
    await place.until({OLD: 10}, "/score")


@routers
async def test_a_match_takes_its_requests_to_the_candidate_and_no_others(router: str, place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    route = await place.route(settings(router, place))
    status = await route.lead(replace(ALL_OLD, matches=MATCHES, matched=NEW))
    assert (status.matched, status.written) == (NEW, {OLD: WHOLE, NEW: 0})
    path = "/score"
    await place.until({NEW: 3}, path, **{"X-Group": HEADER.value})
    await place.until({OLD: 3}, path)
    assert await place.answers(3, path, **{"x-group": HEADER.value}) == {NEW: 3}
    assert await place.answers(3, path, **{"X-Group": "b"}) == {OLD: 3}
    assert await place.answers(3, path) == {OLD: 3}
    for cookies in ("group=b.1", "a=1; group=b.1", "group=b.1; z=2", "a=1; group=b.1; z=2"):
        assert await place.answers(1, path, Cookie=cookies) == {NEW: 1}, cookies
    for cookies in ("group=b.12", "group=bx1", "subgroup=b.1", "a=group=b.1", "group=b"):
        assert await place.answers(1, path, Cookie=cookies) == {OLD: 1}, cookies
    await route.lead(ALL_OLD)
    await place.until({OLD: 3}, path, **{"X-Group": HEADER.value})


@routers
async def test_a_preview_is_reached_under_its_host_and_nowhere_else(router: str, place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    route = await place.route(settings(router, place))
    host = f"next.{place.host}"
    plan = replace(ALL_OLD, preview=Preview(hostname=host), previewed=NEW)
    assert (await route.lead(plan)).previewed == NEW
    await place.until({NEW: 5}, "/score", host)
    await place.until({OLD: 5}, "/score")
    assert await place.answers(1, "/other", host) == {"404": 1}
    await route.lead(ALL_OLD)
    await place.until({"404": 1}, "/score", host)


@routers
async def test_a_preview_header_goes_before_a_match(router: str, place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    await place.model("fraud-2c2c2c2c")
    route = await place.route(settings(router, place, path="/"))
    preview = HeaderMatch(name="X-Preview", value="yes")
    plan = replace(ALL_OLD, matches=MATCHES, matched=NEW, preview=Preview(header=preview), previewed="fraud-2c2c2c2c")
    await route.lead(plan)
    both = {"X-Preview": "yes", "X-Group": HEADER.value}
    await place.until({"fraud-2c2c2c2c": 3}, **both)
    await place.until({OLD: 3})
    assert await place.answers(3, **{"X-Group": HEADER.value}) == {NEW: 3}
    assert await place.answers(3) == {OLD: 3}


async def test_traefik_says_that_its_gateway_api_copies_no_requests_and_matches_cookies(place: Place) -> None:
    async def listed() -> frozenset[str]:
        return gateway_features([await place.cluster.get(GATEWAY_CLASS, None, "traefik")]) or frozenset()

    async def complete() -> frozenset[str]:
        found = await listed()
        return found if "HTTPRoute" in found else frozenset()

    features = await eventually(complete)
    router, traffic = router_of((await place.route(settings("gateway", place))).traffic)
    able = router.capabilities(traffic=traffic, features=features)
    assert (able.mirror, able.mirror_percent, able.match, able.cookies, able.preview) == (
        False,
        False,
        True,
        True,
        True,
    )


async def test_traefik_copies_the_part_that_was_asked_for_and_users_see_only_stable(place: Place) -> None:
    old, new = await place.model(OLD), await place.model(NEW)
    route = await place.route(settings("traefik", place))
    status = await route.lead(replace(ALL_OLD, mirror=Backend(NEW, 5000)))
    assert (status.mirrored, status.observed) == (Backend(NEW, 5000), {OLD: WHOLE, NEW: 0})
    await place.until({OLD: 1}, "/score")
    assert await place.answers(20, "/score/copied") == {OLD: 20}

    async def copied() -> bool:
        return new.requests["/score/copied"] == 10

    await eventually(copied)
    assert old.requests["/score/copied"] == 20
    assert (await route.lead(ALL_OLD)).mirrored is None

    async def alone() -> bool:
        before = new.requests.total()
        return await place.answers(4, "/score") == {OLD: 4} and new.requests.total() == before

    await eventually(alone)


async def test_no_request_is_lost_while_copies_begin_and_end(place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    route = await place.route(settings("traefik", place))
    await route.lead(ALL_OLD)
    await place.until({OLD: 5}, "/score")
    answers: Counter[str] = Counter()

    async def asking() -> None:
        while True:
            answers.update(await place.answers(1, "/score"))

    asked = asyncio.create_task(asking())
    for _ in range(6):
        for plan in (replace(ALL_OLD, mirror=Backend(NEW, 5000)), SPLIT, ALL_OLD):
            await route.write(plan)
            await asyncio.sleep(0.1)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert answers[OLD] > 0
    assert set(answers) <= {OLD, NEW}


async def test_traefik_keeps_a_client_with_the_release_that_it_met_until_that_is_gone(place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    route = await place.route(settings("traefik", place))
    plan = replace(SPLIT, backends=[Backend(OLD, 5000), Backend(NEW, 5000)], sticky=Sticky(cookie="seat"))
    await route.lead(plan)
    await place.until({OLD: 1, NEW: 1}, "/score")
    met = set()
    for _ in range(2):
        async with httpx.AsyncClient(trust_env=False) as client:
            first = await client.get(f"{place.gateway_url}/score", headers={"Host": place.host})
            met.add(first.text)
            seat = {"Host": place.host, "Cookie": f"seat={first.cookies['seat']}"}
            again = [await client.get(f"{place.gateway_url}/score", headers=seat) for _ in range(6)]
            assert {response.text for response in again} == {first.text}
    assert met == {OLD, NEW}
    await route.lead(ALL_OLD)
    await place.until({OLD: 4}, "/score", Cookie=seat["Cookie"])


async def test_when_traefik_had_its_time_it_has_taken_the_change_up(place: Place) -> None:
    await place.model(OLD)
    await place.model(NEW)
    route = await place.route(settings("traefik", place))
    await route.write(SPLIT)
    assert (await route.status()).observed is None

    async def observed() -> bool:
        return (await route.status()).observed == {OLD: 7500, NEW: 2500}

    await eventually(observed)
    assert await place.answers(4, "/score") == {OLD: 3, NEW: 1}


async def test_one_release_without_pods_takes_only_its_own_share_off_the_air(place: Place) -> None:
    await place.model(OLD)
    await place.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NEW, "namespace": place.namespace},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        }
    )
    route = await place.route(settings("traefik", place))
    await route.lead(SPLIT)
    await place.until({OLD: 6, "503": 2}, "/score")


async def test_the_rule_of_a_users_route_is_led_and_given_back(place: Place) -> None:
    for service in ("legacy", "web", OLD, NEW):
        await place.model(service)
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "site", "namespace": place.namespace, "annotations": {"team": "risk"}},
        "spec": {
            "parentRefs": [PARENT],
            "hostnames": [place.host],
            "rules": [
                {
                    "name": "score",
                    "matches": [{"path": {"type": "PathPrefix", "value": "/score"}}],
                    "filters": [
                        {
                            "type": "ResponseHeaderModifier",
                            "responseHeaderModifier": {"set": [{"name": "X-Site", "value": "shop"}]},
                        }
                    ],
                    "backendRefs": [{"name": "legacy", "port": 80}],
                },
                {"name": "rest", "backendRefs": [{"name": "web", "port": 80}]},
            ],
        },
    }
    await place.cluster.apply(route)
    before = await place.cluster.get(HTTP_ROUTE, place.namespace, "site")
    at = await place.route({"gateway": {"route": {"name": "site", "rule": "score"}}})
    assert (await at.lead(SPLIT)).observed == {OLD: 7500, NEW: 2500}
    await place.until({OLD: 9, NEW: 3}, "/score")
    assert await place.answers(3, "/other") == {"web": 3}
    assert (await place.ask("/score")).headers["X-Site"] == "shop"
    assert await at.write(SPLIT) == 0
    assert await at.restore() == 1
    after = await place.cluster.get(HTTP_ROUTE, place.namespace, "site")
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == {"team": "risk"}
    await place.until({"legacy": 2}, "/score")
    assert await at.restore() == 0
