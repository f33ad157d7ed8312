"""ingress-nginx's canary annotations, read as its documentation has them. There is none in the sandbox to ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from unit.traffic.served import GONE, LATER, NEW, OLD, Served, settings

from slipway.api import CookieMatch, HeaderMatch, Preview, RequestMatch, Sticky
from slipway.traffic import WHOLE, Backend, RoutePlan

PLAN = RoutePlan([Backend(OLD, 9000), Backend(NEW, 1000)])
ALL_OLD = RoutePlan([Backend(OLD, WHOLE)])
ALL_NEW = RoutePlan([Backend(NEW, WHOLE)])


def ingresses(plan: RoutePlan = PLAN, **fields: Any) -> Served:
    return Served(settings("ingressNginx", **{"hostnames": ["a.example", "b.example"], **fields})).lead(plan)


def annotations(at: Served, name: str = "fraud-canary") -> dict[str, str]:
    """Those of ingress-nginx, by the last part of their names."""
    found = at.of("Ingress", name)["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/"
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}


def leads_to(at: Served, name: str = "fraud") -> set[str]:
    rules = at.of("Ingress", name)["spec"]["rules"]
    return {path["backend"]["service"]["name"] for rule in rules for path in rule["http"]["paths"]}


def headers(*pairs: tuple[str, str]) -> tuple[RequestMatch, ...]:
    return tuple(RequestMatch(header=HeaderMatch(name=name, value=value)) for name, value in pairs)


def test_the_second_release_is_the_canary_of_the_first_with_its_weight_out_of_ten_thousand() -> None:
    at = ingresses(path="/v2", ingressClassName="internal")
    assert (leads_to(at), leads_to(at, "fraud-canary")) == ({OLD}, {NEW})
    assert annotations(at) == {"canary": "true", "canary-weight": "1000", "canary-weight-total": "10000"}
    assert annotations(at, "fraud") == {}
    for name in ("fraud", "fraud-canary"):  # a canary belongs to rules with the same host, path and type
        spec = at.of("Ingress", name)["spec"]
        assert spec["ingressClassName"] == "internal"
        assert [rule["host"] for rule in spec["rules"]] == ["a.example", "b.example"]
        paths = [path for rule in spec["rules"] for path in rule["http"]["paths"]]
        assert {(path["path"], path["pathType"]) for path in paths} == {("/v2", "Prefix")}


@pytest.mark.parametrize("share", [1, 9999])
def test_the_main_release_stays_the_main_one_for_as_long_as_it_serves(share: int) -> None:
    at = ingresses().lead(RoutePlan([Backend(NEW, share), Backend(OLD, WHOLE - share)]))
    assert (leads_to(at), leads_to(at, "fraud-canary")) == ({OLD}, {NEW})
    assert annotations(at)["canary-weight"] == str(share)


def deleted(at: Served, plan: RoutePlan) -> list[tuple[str, bool]]:
    return [(change.reference.name, change.delete) for change in at.changes(plan)]


def test_a_canary_that_is_hauled_back_goes_first() -> None:
    assert deleted(ingresses(), ALL_OLD) == [("fraud-canary", True), ("fraud", False)]


def test_a_canary_that_is_promoted_goes_last_so_that_no_share_ever_falls_back() -> None:
    assert deleted(ingresses(), ALL_NEW) == [("fraud", False), ("fraud-canary", True)]


def test_a_stop_between_two_writes_leaves_shares_that_are_known_and_mended() -> None:
    for plan in (ALL_OLD, ALL_NEW, PLAN):
        at = ingresses()
        first, *_ = at.changes(plan)
        at.carry_out([first])
        assert sum(at.status().written.values()) == WHOLE
        assert at.lead(plan).status().observed == {backend.service: backend.basis_points for backend in plan.backends}


def test_the_time_of_a_canary_that_is_gone_is_the_time_of_the_main_one() -> None:
    at = ingresses()
    assert at.status(now=LATER).settles_in is None
    at.lead(ALL_OLD, now=LATER)
    assert at.status(now=LATER + timedelta(seconds=1)).observed is None
    assert at.status(now=LATER + timedelta(seconds=10)).observed == {OLD: WHOLE}


def test_one_header_takes_its_requests_before_the_weight_does() -> None:
    at = ingresses(replace(ALL_OLD, matches=headers(("X-Group", "b.1")), matched=NEW))
    assert annotations(at) == {
        "canary": "true",
        "canary-by-header": "X-Group",
        "canary-by-header-value": "b.1",
        "canary-weight": "0",
        "canary-weight-total": "10000",
    }
    assert at.status().written == {OLD: WHOLE, NEW: 0}


def test_several_values_of_one_header_are_one_pattern() -> None:
    matches = headers(("X-Group", "b.1"), ("x-group", "c"))
    assert annotations(ingresses(replace(PLAN, matches=matches, matched=NEW)))["canary-by-header-pattern"] == (
        "^(b[.]1|c)$"
    )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (
            replace(PLAN, matches=headers(("a", "1"), ("b", "1")), matched=NEW),
            "it matches one header, and there are a and b",
        ),
        (
            replace(PLAN, matches=headers(("a", "x y")), matched=NEW),
            "it matches headers of letters, digits and -._~/: only",
        ),
        (replace(PLAN, matches=headers(("a", '"'), ("a", "b")), matched=NEW), "it matches headers of letters"),
        (
            replace(PLAN, matches=(RequestMatch(cookie=CookieMatch(name="a", value="always")),), matched=NEW),
            "it cannot match the value of a cookie",
        ),
        (replace(PLAN, matches=headers(("a", "1")), matched=GONE), "one main release and to one other"),
        (replace(PLAN, backends=[Backend(OLD, 8000), Backend(NEW, 1000), Backend(GONE, 1000)]), "and to one other"),
        (replace(ALL_OLD, matches=headers(("a", "1")), matched=OLD), "and to one other"),
        (RoutePlan([], matches=headers(("a", "1")), matched=NEW), "and to one other"),
        (replace(PLAN, mirror=Backend(NEW, WHOLE)), "it cannot copy requests"),
        (replace(PLAN, preview=Preview(hostname="next.example"), previewed=NEW), "would not lead a preview host to it"),
    ],
)
def test_what_its_documentation_rules_out_is_refused(plan: RoutePlan, said: str) -> None:
    assert said in ingresses(ALL_OLD).refusal(plan)


def test_a_path_that_the_controller_would_not_take_is_refused() -> None:
    at = Served(settings("ingressNginx", hostnames=["a.example"], path="/v2/models:infer"))
    assert at.refusal(PLAN).startswith("spec.traffic.ingressNginx.path: ")


def test_a_preview_host_is_an_ingress_of_its_own() -> None:
    at = ingresses(replace(ALL_OLD, preview=Preview(hostname="next.example"), previewed=NEW))
    assert [rule["host"] for rule in at.of("Ingress", "fraud-preview")["spec"]["rules"]] == ["next.example"]
    assert leads_to(at, "fraud-preview") == {NEW}
    assert at.status().written == {OLD: WHOLE, NEW: 0}
    assert deleted(at, ALL_NEW) == [("fraud", False), ("fraud-preview", True)]


def test_sessions_are_said_on_the_main_ingress_which_the_canary_inherits_from() -> None:
    at = ingresses(replace(PLAN, sticky=Sticky(cookie="seat")))
    assert annotations(at, "fraud") == {"affinity": "cookie", "session-cookie-name": "seat"}
    assert "affinity" not in annotations(at)


def test_when_nothing_may_serve_there_is_no_ingress() -> None:
    at = ingresses().lead(RoutePlan([]))
    assert at.objects == {}
    assert not at.status().exists


@pytest.mark.parametrize(
    ("edit", "share"),
    [
        ({"canary-weight": "50", "canary-weight-total": "10"}, 5000),  # a total below 100 counts as 100
        ({"canary-weight": "30", "canary-weight-total": ""}, 3000),
        ({"canary-weight": "300", "canary-weight-total": "200"}, WHOLE),
        ({"canary-weight": "-4"}, 0),
        ({"canary-weight": "many"}, 0),
        ({"canary": "false"}, 0),
    ],
)
def test_what_somebody_wrote_into_the_annotations_is_read_as_the_controller_reads_it(
    edit: dict[str, str], share: int
) -> None:
    at = ingresses()
    found = at.of("Ingress", "fraud-canary")["metadata"]["annotations"]
    found |= {f"nginx.ingress.kubernetes.io/{name}": value for name, value in edit.items()}
    assert at.status().written == {OLD: WHOLE - share, NEW: share}


def test_a_canary_of_the_main_release_itself_takes_nothing() -> None:
    at = ingresses()
    for rule in at.of("Ingress", "fraud")["spec"]["rules"]:
        rule["http"]["paths"][0]["backend"]["service"]["name"] = NEW
    assert at.status().written == {NEW: WHOLE}
