"""Weights inside a rule of a route that the user owns: what changes, what does not, and what comes back."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from unit.traffic.served import NEW, OLD, OWNER, Served, settings

from slipway.traffic import WHOLE, Backend, RoutePlan, gateways_of
from slipway.workload import needs_apply

PLAN = RoutePlan([Backend(OLD, 9000), Backend(NEW, 1000)])
MIRRORING = RoutePlan([Backend(OLD, WHOLE)], mirror=Backend(NEW, 5000))

SCORE = {
    "name": "score",
    "matches": [{"path": {"type": "Exact", "value": "/score"}, "method": "POST"}],
    "filters": [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit", "port": 80}}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Site", "value": "a"}]}},
    ],
    "backendRefs": [{"name": "legacy", "port": 8080, "weight": 3}, {"name": "old", "port": 80}],
    "timeouts": {"request": "5s"},
}
OTHER = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"name": "web", "port": 80}]}


def the_users(*rules: dict[str, Any], uid: str = "", name: str = "fraud") -> Served:
    """The route of a user, with these rules, and a ModelDeployment that wants the rule `score`."""
    owner = {**OWNER, "uid": uid or OWNER["uid"], "name": name}
    at = Served(settings("gateway", route={"name": "site", "rule": "score"}), name, owner=owner)
    (reference,) = at.references
    at.objects[reference] = {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "metadata": {
            "name": "site",
            "namespace": "shop",
            "annotations": {"team": "risk"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 7,
        },
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "edge", "port": 443}],
            "hostnames": ["shop.example"],
            "rules": copy.deepcopy(list(rules or (SCORE, OTHER))),
        },
        "status": {"parents": []},
    }
    return at


def the_rule(at: Served, name: str = "score") -> dict[str, Any]:
    (rule,) = [rule for rule in at.of("HTTPRoute", "site")["spec"]["rules"] if rule.get("name") == name]
    return rule


def names(rule: dict[str, Any]) -> dict[str, int]:
    return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}


def test_of_the_named_rule_only_the_backends_change() -> None:
    at = the_users().lead(PLAN)
    route = at.of("HTTPRoute", "site")
    assert names(the_rule(at)) == {OLD: 9000, NEW: 1000}
    assert {**the_rule(at), "backendRefs": 0, "filters": 0} == {**SCORE, "backendRefs": 0, "filters": 0}
    assert [entry["type"] for entry in the_rule(at)["filters"]] == [entry["type"] for entry in SCORE["filters"]]
    before = the_users().lead(PLAN).of("HTTPRoute", "site")
    assert route["spec"]["rules"][1] == before["spec"]["rules"][1]
    assert route["metadata"]["annotations"]["team"] == "risk"


def test_nothing_of_the_route_but_its_rules_and_one_annotation_is_written() -> None:
    (change,) = the_users().changes(PLAN)
    assert change.patch
    assert set(change.body) == {"metadata", "spec"}
    assert set(change.body["spec"]) == {"rules"}
    assert set(change.body["metadata"]) == {"annotations"}
    assert len(change.body["metadata"]["annotations"]) == 1
    assert change.body["spec"]["rules"][1] == OTHER


@pytest.mark.parametrize("plans", [[PLAN], [MIRRORING], [PLAN, MIRRORING, PLAN], [MIRRORING, MIRRORING]])
def test_everything_is_given_back_as_it_was(plans: list[RoutePlan]) -> None:
    at = the_users()
    touched = the_users().carry_out([])
    for plan in plans:
        at.lead(plan)
    at.restore()
    defaulted = touched.lead(PLAN).restore().of("HTTPRoute", "site")
    assert at.of("HTTPRoute", "site")["spec"] == defaulted["spec"]
    assert names(the_rule(at)) == {"legacy": 3, "old": 1}
    assert [entry["type"] for entry in the_rule(at)["filters"]] == ["RequestMirror", "ResponseHeaderModifier"]
    assert at.of("HTTPRoute", "site")["metadata"]["annotations"] == {"team": "risk"}


def test_a_rule_that_had_no_backends_has_none_again() -> None:
    bare = {"name": "score", "matches": SCORE["matches"]}
    at = the_users(bare)
    at.lead(MIRRORING).restore()
    assert the_rule(at) == bare


def test_what_the_user_changes_meanwhile_stays_when_the_backends_are_given_back() -> None:
    at = the_users().lead(PLAN)
    the_rule(at)["timeouts"] = {"request": "9s"}
    at.of("HTTPRoute", "site")["spec"]["rules"].append({"name": "new", "backendRefs": []})
    at.restore()
    assert the_rule(at)["timeouts"] == {"request": "9s"}
    assert names(the_rule(at)) == {"legacy": 3, "old": 1}
    assert the_rule(at, "new") == {"name": "new", "backendRefs": []}


def test_copies_are_one_filter_more_and_those_of_the_user_stay() -> None:
    at = the_users().lead(MIRRORING)
    mirrors = [entry["requestMirror"] for entry in the_rule(at)["filters"] if entry["type"] == "RequestMirror"]
    assert [(mirror["backendRef"]["name"], mirror.get("percent")) for mirror in mirrors] == [("audit", None), (NEW, 50)]
    assert at.status().mirrored == Backend(NEW, 5000)
    assert at.lead(PLAN).status().mirrored is None
    assert [entry["type"] for entry in the_rule(at)["filters"]] == ["RequestMirror", "ResponseHeaderModifier"]


def test_the_users_own_backends_are_read_as_the_shares_that_they_have() -> None:
    status = the_users().status()
    assert (status.exists, status.owned) == (True, True)
    assert status.written == {"legacy": 7500, "old": 2500, "audit": 0}
    assert status.mirrored is None
    assert the_users().lead(PLAN).status().written == {OLD: 9000, NEW: 1000, "audit": 0}


def test_every_parent_of_the_users_route_has_to_take_it_up() -> None:
    at = the_users()
    assert at.status().problem == "no controller has answered for Gateway edge/public"
    assert at.lead(PLAN).status().observed == {OLD: 9000, NEW: 1000, "audit": 0}
    at.of("HTTPRoute", "site")["metadata"]["generation"] += 1
    assert "has not taken up the latest version" in str(at.status().problem)


def test_a_gitops_tool_that_puts_the_rule_back_is_drift_and_the_first_original_is_kept() -> None:
    at = the_users().lead(PLAN)
    the_rule(at)["backendRefs"] = copy.deepcopy(SCORE["backendRefs"])
    (change,) = at.changes(PLAN)
    assert needs_apply(at.of("HTTPRoute", "site"), change.body)
    assert at.status().written == {"legacy": 7500, "old": 2500, "audit": 0}
    at.lead(PLAN).restore()
    assert names(the_rule(at)) == {"legacy": 3, "old": 1}


def said_of(at: Served) -> str:
    """What keeps the rule, which status and a plan say alike."""
    status = at.status(uid=at.owner["uid"])
    assert (status.owned, status.accepted, dict(status.written)) == (False, False, {})
    assert status.problem == at.refusal(PLAN)
    return str(status.problem)


def test_a_route_that_does_not_exist_is_refused_and_not_made() -> None:
    at = the_users()
    at.objects.clear()
    assert said_of(at) == (
        "spec.traffic.gateway.route.name: HTTPRoute shop/site does not exist: create it, or name another one"
    )
    assert not at.status().exists


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([OTHER], "has no rule named score: none of its rules has a name"),
        ([{**OTHER, "name": "web"}], "has no rule named score: its rules are named web"),
        ([SCORE, SCORE], "has 2 rules named score: give each a name of its own"),
    ],
)
def test_a_rule_that_is_not_there_once_is_refused(rules: list[Any], said: str) -> None:
    assert said_of(the_users(*rules)) == f"spec.traffic.gateway.route.rule: HTTPRoute shop/site {said}"


def test_a_rule_that_another_model_deployment_has_is_refused_and_left_alone() -> None:
    first = the_users().lead(PLAN)
    second = Served(first.traffic, "churn", owner={**OWNER, "uid": "uid-of-churn"}, objects=first.objects)
    assert "belongs to ModelDeployment fraud: name another rule" in said_of(second)
    before = copy.deepcopy(first.objects)
    second.restore(uid="uid-of-churn")
    assert first.objects == before
    first.restore()
    assert second.refusal(PLAN) == ""


def test_two_model_deployments_share_a_route_when_each_has_a_rule_of_its_own() -> None:
    first = the_users(SCORE, {**OTHER, "name": "rank"}).lead(PLAN)
    other = settings("gateway", route={"name": "site", "rule": "rank"})
    second = Served(other, "rank", owner={**OWNER, "uid": "uid-of-rank"}, objects=first.objects)
    second.lead(RoutePlan([Backend("rank-0a0a0a0a", WHOLE)]))
    assert first.status().observed == {OLD: 9000, NEW: 1000, "audit": 0}
    first.restore()
    assert second.status(uid="uid-of-rank").observed == {"rank-0a0a0a0a": WHOLE}


def test_a_route_that_slipway_wrote_for_another_model_deployment_is_refused() -> None:
    at = the_users()
    at.of("HTTPRoute", "site")["metadata"]["ownerReferences"] = [{**OWNER, "name": "churn", "uid": "uid-of-churn"}]
    assert said_of(at).startswith("spec.traffic.gateway.route.name: HTTPRoute shop/site is what Slipway writes for")


def test_a_route_that_attaches_nowhere_is_not_in_force() -> None:
    at = the_users()
    at.of("HTTPRoute", "site")["spec"]["parentRefs"] = []
    assert at.lead(PLAN).status().problem == "HTTPRoute shop/site names no parentRefs"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"uid": "uid-of-fraud", "modelDeployment": 3}'])
def test_a_kept_rule_that_somebody_made_unreadable_is_not_written_over(text: str) -> None:
    at = the_users().lead(PLAN)
    annotations = at.of("HTTPRoute", "site")["metadata"]["annotations"]
    (name,) = annotations.keys() - {"team"}
    annotations[name] = text
    assert f"annotation {name} cannot be read" in said_of(at)
    before = copy.deepcopy(at.objects)
    assert at.restore().objects == before


def test_a_rule_that_is_gone_when_it_should_be_given_back_leaves_no_annotation() -> None:
    at = the_users().lead(PLAN)
    at.of("HTTPRoute", "site")["spec"]["rules"].pop(0)
    at.restore()
    assert at.of("HTTPRoute", "site")["metadata"]["annotations"] == {"team": "risk"}
    assert len(at.of("HTTPRoute", "site")["spec"]["rules"]) == 1
    at.objects.clear()
    assert at.restore().objects == {}


def test_matches_and_previews_need_a_route_of_their_own() -> None:
    preview = replace(PLAN, preview={"hostname": "p.example"}, previewed=NEW)
    assert "spec.traffic.gateway: it has no preview address" in the_users().refusal(preview)


def test_the_gateways_are_those_that_the_user_chose() -> None:
    at = the_users()
    traffic = at.traffic.gateway
    assert traffic is not None
    assert gateways_of(traffic, "shop", at.of("HTTPRoute", "site")) == (("edge", "public"),)
    assert gateways_of(traffic, "shop", None) == ()
