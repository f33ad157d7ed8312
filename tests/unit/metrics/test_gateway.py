"""Traefik's counters of services, by the names that Traefik 3.5 to 3.7 gives them."""

from __future__ import annotations

import httpx
import pytest
from unit.probes.builders import a_client

from slipway.api import Counter
from slipway.metrics import GatewayCounters, Reading, ServiceRef, SourceError, delta, snapshot

ROUTE = "httproute-ml-fraud-gw-infra-public-ep-web-0-4e4f63791f52a3c8c6aa"
EVIL = ROUTE.replace("ml-fraud", "evil-r")
STABLE = ServiceRef("ml", "fraud-1a2b3c4d", 80, "fraud")
CANDIDATE = ServiceRef("ml", "fraud-9e8f7a6b", 80, "fraud")
ARMS = {"stable": STABLE, "candidate": CANDIDATE}
EMPTY = "# TYPE traefik_config_reloads_total counter\ntraefik_config_reloads_total 1\n"


def a_series(service: str, value: float, code: int = 200, method: str = "GET") -> str:
    labels = f'code="{code}",method="{method}",protocol="http",service="{service}@kubernetesgateway"'
    return f"traefik_service_requests_total{{{labels}}} {value}\n"


def newer(service: ServiceRef, index: int, route: str = ROUTE) -> str:
    return f"{route}-svc-{service.namespace}-{service.name}-{index}"


async def read(*pages: str, arms: dict[str, ServiceRef] | None = None) -> dict[str, tuple[Reading, ...]]:
    urls = [f"http://10.0.0.{index}:8080/metrics" for index in range(len(pages))]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=pages[int(request.url.host.rsplit(".")[-1])])

    async with a_client(answer) as client:
        return dict(await GatewayCounters(client, urls).read(arms or ARMS))


def sums(readings: tuple[Reading, ...]) -> tuple[float, float]:
    return sum(reading.bad for reading in readings), sum(reading.total for reading in readings)


async def test_every_arm_is_read_from_one_scrape() -> None:
    page = EMPTY + "".join(
        [
            a_series(newer(STABLE, 0), 90),
            a_series(newer(STABLE, 0), 5, method="POST"),
            a_series(newer(STABLE, 0), 3, code=404),
            a_series(newer(CANDIDATE, 1), 6),
            a_series(newer(CANDIDATE, 1), 3, code=500),
            a_series(newer(CANDIDATE, 1), 1, code=502),
        ]
    )
    readings = await read(page)
    assert sums(readings["stable"]) == (0, 98)
    assert sums(readings["candidate"]) == (4, 10)
    assert [reading.source.rsplit("/", 1)[0] for reading in readings["candidate"]] == ["candidate/gateway-0"]


async def test_the_name_that_older_versions_give_is_read_too() -> None:
    readings = await read(EMPTY + a_series("ml-fraud-1a2b3c4d-http-80", 7))
    assert sums(readings["stable"]) == (0, 7)


@pytest.mark.parametrize(
    "other",
    [
        "ml-fraud-1a2b3c4d-http-8080",
        "ml-fraud-1a2b3c4d-x-http-80",
        "ml-fraud-1a2b3c4d-http-80-http-80",
        "other-ml-fraud-1a2b3c4d-http-80",
        f"{ROUTE}-svc-ml-fraud-1a2b3c4d-x-0",
        f"{ROUTE}-svc-ml-x-fraud-1a2b3c4d-0",
        f"{ROUTE}-svc-ml-fraud-1a2b3c4d",
        f"{ROUTE}-wrr",
        # a route of somebody else whose Service is named to look like this one
        f"{EVIL}-svc-evil-x-0-4e4f63791f52a3c8c6aa-svc-ml-fraud-1a2b3c4d-0",
        "httproute-ml-other-gw-infra-public-ep-web-0-4e4f63791f52a3c8c6aa-svc-ml-fraud-1a2b3c4d-0",
    ],
)
async def test_no_other_service_is_taken_for_this_one(other: str) -> None:
    assert (await read(EMPTY + a_series(other, 7)))["stable"] == (Reading("stable/gateway-0", 0, 0),)


async def test_a_backend_of_traefiks_own_kinds_is_read_too() -> None:
    def own(service: str, value: float) -> str:
        return a_series(service, value).replace("@kubernetesgateway", "@kubernetescrd")

    page = EMPTY + own("ml-fraud-1a2b3c4d-80", 7) + own("ml-fraud-1a2b3c4d-8080", 1) + own("ml-fraud", 1)
    assert sums((await read(page))["stable"]) == (0, 7)


async def test_other_providers_do_not_count() -> None:
    page = EMPTY + a_series("ml-fraud-1a2b3c4d-http-80", 7).replace("@kubernetesgateway", "@file")
    assert sums((await read(page))["stable"]) == (0, 0)


async def test_names_are_normalised_as_the_gateway_does_it() -> None:
    double = ServiceRef("ml", "my--model-1a2b3c4d", 80, "my--model")
    older = a_series("ml-my-model-1a2b3c4d-http-80", 1)
    route = "httproute-ml-my-model-gw-infra-public-ep-web-0-4e4f63791f52a3c8c6aa"
    page = EMPTY + older + a_series(newer(double, 0, route), 2)
    assert sums((await read(page, arms={"stable": double}))["stable"]) == (0, 3)


async def test_a_service_without_requests_is_zero_and_its_first_errors_count() -> None:
    before = await read(EMPTY)
    assert before["candidate"] == (Reading("candidate/gateway-0", 0, 0),)
    memory = snapshot((), before["candidate"])
    after = await read(EMPTY + a_series(newer(CANDIDATE, 1), 3, code=500))
    assert delta(memory, after["candidate"]) == (3, 3)


async def test_a_backend_that_changes_its_place_is_counted_once() -> None:
    """The gateway then begins a new series and drops the old one after one more scrape."""
    pages = [
        EMPTY + a_series(newer(CANDIDATE, 1), 1000) + a_series(newer(CANDIDATE, 1), 10, code=500),
        EMPTY + a_series(newer(CANDIDATE, 1), 1010) + a_series(newer(CANDIDATE, 1), 10, code=500)
        + a_series(newer(CANDIDATE, 0), 5),
        EMPTY + a_series(newer(CANDIDATE, 0), 25),
        EMPTY + a_series(newer(CANDIDATE, 0), 30) + a_series(newer(CANDIDATE, 1), 2),
    ]  # fmt: skip
    memory: tuple[Counter, ...] = ()
    windows = []
    for page in pages:
        readings = (await read(page))["candidate"]
        windows.append(delta(memory, readings))
        memory = snapshot(memory, readings)
    assert windows == [(0, 0), (0, 15), (0, 20), (0, 7)]


async def test_every_replica_counts_for_itself() -> None:
    before = await read(EMPTY + a_series(newer(STABLE, 0), 100), EMPTY + a_series(newer(STABLE, 0), 50))
    assert sums(before["stable"]) == (0, 150)
    memory = snapshot((), before["stable"])
    after = await read(EMPTY + a_series(newer(STABLE, 0), 110), EMPTY + a_series(newer(STABLE, 0), 7))
    assert delta(memory, after["stable"]) == (0, 17), "the second replica was restarted"


async def test_a_replica_that_cannot_be_read_puts_everything_off() -> None:
    with pytest.raises(
        SourceError, match=r"^gateway-1: .*shows no metrics of Traefik or Envoy: correct the operator's --gateway"
    ):
        await read(EMPTY, "go_goroutines 7\n")
    with pytest.raises(SourceError, match=r"^gateway-0: .*did not answer with metrics"):
        await read("<html>", EMPTY)


async def test_a_gateway_that_was_not_configured_names_the_setting() -> None:
    with pytest.raises(SourceError, match=r"--gateway-metrics http://HOST:PORT/metrics or set SLIPWAY_GATEWAY_METRICS"):
        await read()
