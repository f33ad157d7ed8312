"""What every cluster does, in memory or over HTTP.

Covered: existence (get, create, apply, delete), ownership of fields, lists merged by key and lists replaced whole, the
status subresource, generations, preconditions of every write that takes one, labels and namespaces of lists,
finalizers. Not covered here: what HTTP alone can do wrong (test_http), what only the twin offers (test_memory), and the
cascade of owner references, which is not the API server's work.
"""

from __future__ import annotations

import asyncio

import pytest
from unit.cluster.builders import an_object

from slipway.cluster import (
    CONFIG_MAP,
    DEPLOYMENT,
    HTTP_ROUTE,
    LEASE,
    MODEL_DEPLOYMENT,
    SERVICE,
    AlreadyExists,
    Cluster,
    Conflict,
    Invalid,
    NotServed,
    Object,
    kind_of,
)


def a_config_map(name: str = "golden", data: dict[str, str] | None = None, **metadata: object) -> Object:
    return an_object(CONFIG_MAP, name, data=data if data is not None else {"a": "1"}, metadata=metadata)


def a_container(name: str, image: str = "scorer:1") -> Object:
    return {"name": name, "image": image}


def a_deployment(*containers: Object, replicas: int = 1, **metadata: object) -> Object:
    labels = {"app": "fraud"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers) or [a_container("model")]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return an_object(DEPLOYMENT, "fraud", spec=spec, metadata=metadata)


def a_model_deployment(**parts: object) -> Object:
    return an_object(MODEL_DEPLOYMENT, "fraud", **({"spec": {"replicas": 2}} | parts))


def a_condition(type_: str, status: str = "True") -> Object:
    return {
        "type": type_,
        "status": status,
        "reason": "Because",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


async def live(cluster: Cluster, obj: Object) -> Object:
    found = await cluster.get(kind_of(obj), obj["metadata"]["namespace"], obj["metadata"]["name"])
    assert found is not None
    return found


# --- existence


async def test_an_object_that_is_not_there_is_none(cluster: Cluster) -> None:
    assert await cluster.get(CONFIG_MAP, "shop", "nothing") is None


async def test_a_kind_that_is_not_there_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(NotServed, match="get HTTPRoute shop/fraud"):
        await cluster.get(HTTP_ROUTE, "shop", "fraud")
    with pytest.raises(NotServed, match="list HTTPRoute"):
        await cluster.list(HTTP_ROUTE)
    with pytest.raises(NotServed, match="apply HTTPRoute"):
        await cluster.apply(an_object(HTTP_ROUTE, spec={}))


async def test_what_was_created_can_be_read(cluster: Cluster) -> None:
    created = await cluster.create(a_config_map())
    read = await live(cluster, created)
    assert read == created
    assert read["data"] == {"a": "1"}
    assert {"uid", "resourceVersion", "creationTimestamp"} <= read["metadata"].keys()


async def test_a_name_is_created_only_once(cluster: Cluster) -> None:
    lease = an_object(LEASE, "leader", spec={"holderIdentity": "one"})
    await cluster.create(lease)
    with pytest.raises(AlreadyExists, match="create Lease shop/leader"):
        await cluster.create(lease | {"spec": {"holderIdentity": "two"}})
    assert (await live(cluster, lease))["spec"]["holderIdentity"] == "one"


async def test_an_object_without_a_name_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name"):
        await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop"}})


async def test_deleting_what_is_gone_is_fine(cluster: Cluster) -> None:
    await cluster.create(a_config_map())
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    assert await cluster.get(CONFIG_MAP, "shop", "golden") is None


async def test_a_deletion_of_another_object_or_version_is_refused(cluster: Cluster) -> None:
    old = await cluster.create(a_config_map())
    new = await cluster.apply(a_config_map(data={"a": "2"}))
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAP, "shop", "golden", uid="00000000-dead-4000-8000-000000000000")
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAP, "shop", "golden", resource_version=old["metadata"]["resourceVersion"])
    metadata = new["metadata"]
    await cluster.delete(
        CONFIG_MAP, "shop", "golden", uid=metadata["uid"], resource_version=metadata["resourceVersion"]
    )
    assert await cluster.get(CONFIG_MAP, "shop", "golden") is None


async def test_a_finalizer_keeps_an_object_until_it_is_taken_off(cluster: Cluster) -> None:
    await cluster.create(a_config_map(finalizers=["example.com/wait"]))
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    waiting = await cluster.get(CONFIG_MAP, "shop", "golden")
    assert waiting is not None
    assert waiting["metadata"]["deletionTimestamp"]
    await cluster.merge_patch(CONFIG_MAP, "shop", "golden", {"metadata": {"finalizers": None}})
    assert await cluster.get(CONFIG_MAP, "shop", "golden") is None


# --- ownership of fields


async def test_an_apply_creates_what_is_missing(cluster: Cluster) -> None:
    applied = await cluster.apply(a_config_map())
    assert applied["data"] == {"a": "1"}
    assert await live(cluster, applied) == applied


async def test_an_apply_that_changes_nothing_makes_no_new_version(cluster: Cluster) -> None:
    first = await cluster.apply(a_deployment())
    again = await cluster.apply(a_deployment())
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_field_that_is_no_longer_applied_is_removed(cluster: Cluster) -> None:
    await cluster.apply(a_config_map(data={"a": "1", "b": "2"}, labels={"x": "1", "y": "2"}))
    after = await cluster.apply(a_config_map(data={"b": "2"}, labels={"x": "1"}))
    assert after["data"] == {"b": "2"}
    assert after["metadata"]["labels"] == {"x": "1"}


async def test_a_field_of_somebody_else_stays(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_config_map(data={"a": "1"}))
    await somebody_else.patch(mine, {"data": {"theirs": "1"}, "metadata": {"annotations": {"note": "x"}}})
    after = await cluster.apply(a_config_map(data={"a": "2"}))
    assert after["data"] == {"a": "2", "theirs": "1"}
    assert after["metadata"]["annotations"] == {"note": "x"}


async def test_an_apply_takes_its_field_back(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_config_map(data={"a": "1"}))
    await somebody_else.patch(mine, {"data": {"a": "drifted"}})
    assert (await live(cluster, mine))["data"] == {"a": "drifted"}
    assert (await cluster.apply(a_config_map(data={"a": "1"})))["data"] == {"a": "1"}
    assert (await cluster.apply(a_config_map(data={"b": "1"})))["data"] == {"b": "1"}


async def test_a_field_that_somebody_took_over_outlives_our_letting_go(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_config_map(data={"a": "1", "b": "1"}))
    await somebody_else.patch(mine, {"data": {"a": "2"}})
    assert (await cluster.apply(a_config_map(data={"b": "1"})))["data"] == {"a": "2", "b": "1"}


async def test_containers_are_merged_by_name(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_deployment(a_container("model")))
    template = (await live(cluster, mine))["spec"]["template"]
    sidecar = a_container("sidecar", "mesh:1")
    injected = {"spec": {"template": {"spec": {"containers": [*template["spec"]["containers"], sidecar]}}}}
    await somebody_else.patch(mine, injected)
    after = await cluster.apply(a_deployment(a_container("model", "scorer:2")))
    images = {c["name"]: c["image"] for c in after["spec"]["template"]["spec"]["containers"]}
    assert images == {"model": "scorer:2", "sidecar": "mesh:1"}


async def test_a_container_that_is_no_longer_applied_is_removed(cluster: Cluster) -> None:
    await cluster.apply(a_deployment(a_container("model"), a_container("transformer")))
    after = await cluster.apply(a_deployment(a_container("model")))
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["model"]


async def test_containers_are_kept_in_the_order_applied(cluster: Cluster) -> None:
    await cluster.apply(a_deployment(a_container("a"), a_container("c")))
    after = await cluster.apply(a_deployment(a_container("a"), a_container("b"), a_container("c")))
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["a", "b", "c"]


async def test_what_was_created_is_not_removed_by_applies(cluster: Cluster) -> None:
    await cluster.create(a_config_map(data={"created": "1"}))
    await cluster.apply(a_config_map(data={"created": "1", "applied": "1"}))
    after = await cluster.apply(a_config_map(data={"other": "1"}))
    assert after["data"] == {"created": "1", "other": "1"}


async def test_ports_of_a_service_are_merged_by_number(cluster: Cluster) -> None:
    def a_service(*ports: int) -> Object:
        return an_object(SERVICE, spec={"ports": [{"name": f"p{port}", "port": port} for port in ports]})

    await cluster.apply(a_service(80, 8080))
    after = await cluster.apply(a_service(80, 9090))
    assert sorted(port["port"] for port in after["spec"]["ports"]) == [80, 9090]


async def test_a_selector_is_replaced_whole(cluster: Cluster, somebody_else) -> None:
    def a_service(selector: Object) -> Object:
        return an_object(SERVICE, spec={"ports": [{"port": 80}], "selector": selector})

    mine = await cluster.apply(a_service({"a": "1"}))
    await somebody_else.patch(mine, {"spec": {"selector": {"theirs": "1"}}})
    assert (await cluster.apply(a_service({"a": "1"})))["spec"]["selector"] == {"a": "1"}


async def test_other_lists_are_replaced_whole(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_model_deployment(spec={"steps": [{"weight": 1}, {"weight": 2}]}))
    await somebody_else.patch(mine, {"spec": {"steps": [{"weight": 9}]}})
    after = await cluster.apply(a_model_deployment(spec={"steps": [{"weight": 1}, {"weight": 2}]}))
    assert after["spec"]["steps"] == [{"weight": 1}, {"weight": 2}]


async def test_an_apply_on_a_stale_version_is_refused(cluster: Cluster) -> None:
    old = await cluster.apply(a_config_map(data={"a": "1"}))
    await cluster.apply(a_config_map(data={"a": "2"}))
    with pytest.raises(Conflict, match="apply ConfigMap shop/golden"):
        await cluster.apply(a_config_map(data={"a": "3"}, resourceVersion=old["metadata"]["resourceVersion"]))


# --- generation and status


async def test_a_generation_counts_changes_of_the_spec_alone(cluster: Cluster) -> None:
    generations = [
        (await cluster.apply(obj))["metadata"]["generation"]
        for obj in (a_deployment(), a_deployment(labels={"x": "1"}), a_deployment(labels={"x": "1"}, replicas=2))
    ]
    assert generations == [1, 1, 2]


async def test_an_apply_leaves_the_status_alone(cluster: Cluster) -> None:
    assert "phase" not in (await cluster.apply(a_model_deployment(status={"phase": "x"}))).get("status", {})
    await cluster.apply_status(a_model_deployment(status={"phase": "Stable"}))
    after = await cluster.apply(a_model_deployment(spec={"replicas": 3}))
    assert after["status"] == {"phase": "Stable"}


async def test_a_status_write_leaves_everything_else_alone(cluster: Cluster) -> None:
    before = await cluster.apply(a_model_deployment())
    given = an_object(
        MODEL_DEPLOYMENT, spec={"replicas": 9}, status={"phase": "Stable"}, metadata={"labels": {"x": "1"}}
    )
    after = await cluster.apply_status(given)
    assert after["spec"] == {"replicas": 2}
    assert "labels" not in after["metadata"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


async def test_a_status_field_that_is_no_longer_applied_is_removed(cluster: Cluster) -> None:
    await cluster.apply(a_model_deployment())
    both = [a_condition("Ready"), a_condition("Stalled")]
    await cluster.apply_status(a_model_deployment(status={"phase": "Stepping", "conditions": both}))
    after = await cluster.apply_status(a_model_deployment(status={"conditions": [a_condition("Ready", "False")]}))
    assert after["status"] == {"conditions": [a_condition("Ready", "False")]}


async def test_a_condition_of_somebody_else_stays(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_model_deployment())
    await somebody_else.patch(mine, {"status": {"conditions": [a_condition("Audited")]}}, "status")
    after = await cluster.apply_status(a_model_deployment(status={"conditions": [a_condition("Ready")]}))
    assert sorted(c["type"] for c in after["status"]["conditions"]) == ["Audited", "Ready"]


async def test_a_status_decided_on_a_stale_version_is_refused(cluster: Cluster) -> None:
    read = await cluster.apply(a_model_deployment())
    await cluster.apply(a_model_deployment(spec={"replicas": 3}))
    metadata = {"resourceVersion": read["metadata"]["resourceVersion"]}
    with pytest.raises(Conflict, match="apply_status ModelDeployment shop/fraud"):
        await cluster.apply_status(a_model_deployment(status={"phase": "Stable"}, metadata=metadata))
    assert "phase" not in (await live(cluster, read)).get("status", {})


async def test_a_status_decided_on_the_live_version_is_written(cluster: Cluster) -> None:
    read = await cluster.apply(a_model_deployment())
    kept = {key: read["metadata"][key] for key in ("uid", "resourceVersion")}
    after = await cluster.apply_status(a_model_deployment(status={"phase": "Stable"}, metadata=kept))
    assert after["status"]["phase"] == "Stable"


async def test_a_status_for_what_is_gone_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Conflict, match="apply_status ModelDeployment shop/fraud"):
        await cluster.apply_status(a_model_deployment(status={"phase": "Stable"}))
    assert await cluster.get(MODEL_DEPLOYMENT, "shop", "fraud") is None


# --- merge patches


async def test_a_merge_patch_removes_one_field_and_keeps_the_rest(cluster: Cluster, somebody_else) -> None:
    mine = await cluster.apply(a_config_map())
    await somebody_else.patch(mine, {"metadata": {"annotations": {"slipway.dev/command": "pause", "note": "x"}}})
    patch = {"metadata": {"annotations": {"slipway.dev/command": None}}}
    after = await cluster.merge_patch(CONFIG_MAP, "shop", "golden", patch)
    assert after["metadata"]["annotations"] == {"note": "x"}
    assert after["data"] == {"a": "1"}


async def test_a_merge_patch_keeps_to_its_precondition(cluster: Cluster) -> None:
    old = await cluster.apply(a_config_map())
    await cluster.apply(a_config_map(data={"a": "2"}))
    patch = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    with pytest.raises(Conflict):
        await cluster.merge_patch(CONFIG_MAP, "shop", "golden", patch)


async def test_a_merge_patch_of_what_is_gone_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Conflict, match="merge_patch ConfigMap shop/golden"):
        await cluster.merge_patch(CONFIG_MAP, "shop", "golden", {"data": {"a": "1"}})


# --- lists


async def test_a_list_keeps_to_its_namespace_and_labels(cluster: Cluster) -> None:
    await cluster.apply(an_object_in("default", "elsewhere", {"app": "x"}))
    await cluster.apply(a_config_map("one", labels={"app": "x", "role": "stable"}))
    await cluster.apply(a_config_map("two", labels={"app": "x"}))
    await cluster.apply(a_config_map("three"))

    async def names(namespace: str | None, labels: dict[str, str] | None) -> list[str]:
        return [obj["metadata"]["name"] for obj in await cluster.list(CONFIG_MAP, namespace, labels=labels)]

    assert await names("shop", None) == ["one", "three", "two"]
    assert await names("shop", {"app": "x"}) == ["one", "two"]
    assert await names("shop", {"app": "x", "role": "stable"}) == ["one"]
    assert await names(None, {"app": "x"}) == ["elsewhere", "one", "two"]
    assert await names("shop", {"app": "nothing"}) == []


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("shard=a", ["one", "two"]),
        ("shard==a,tier!=prod", ["two"]),
        ("shard in (a, b), !tier", ["three", "two"]),
        ("shard notin (a)", ["four", "three"]),
        ("shard", ["one", "three", "two"]),
    ],
)
async def test_a_list_reads_a_label_selector_as_it_is_written(
    cluster: Cluster, selector: str, found: list[str]
) -> None:
    for name, labels in (
        ("one", {"shard": "a", "tier": "prod"}),
        ("two", {"shard": "a"}),
        ("three", {"shard": "b"}),
        ("four", {}),
    ):
        await cluster.apply(a_config_map(name, labels=labels))
    listed = await cluster.list(CONFIG_MAP, "shop", labels=selector)
    assert [obj["metadata"]["name"] for obj in listed] == found


def an_object_in(namespace: str, name: str, labels: dict[str, str]) -> Object:
    return an_object(CONFIG_MAP, name, metadata={"namespace": namespace, "labels": labels})


async def test_listed_objects_are_whole(cluster: Cluster) -> None:
    applied = await cluster.apply(a_config_map())
    assert await cluster.list(CONFIG_MAP, "shop") == [applied]


async def test_what_goes_out_belongs_to_the_caller(cluster: Cluster) -> None:
    given = a_config_map()
    answer = await cluster.apply(given)
    answer["data"]["a"] = given["data"]["a"] = "scribbled on"
    assert (await live(cluster, given))["data"] == {"a": "1"}


async def test_calls_can_be_made_at_once(cluster: Cluster) -> None:
    await asyncio.gather(*(cluster.apply(a_config_map(f"c{n}")) for n in range(40)))
    assert len(await cluster.list(CONFIG_MAP, "shop")) == 40
