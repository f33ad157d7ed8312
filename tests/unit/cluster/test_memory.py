"""What the twin in memory offers beyond the contract: time, faults, stale reads, hooks, and the garbage collector's
work.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.cluster.builders import an_object

from slipway.cluster import (
    CONFIG_MAP,
    DEPLOYMENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    Cluster,
    MemoryCluster,
    NotServed,
    Object,
    Request,
    Unavailable,
)


def a_config_map(name: str = "golden", data: dict[str, str] | None = None, **metadata: object) -> Object:
    return an_object(CONFIG_MAP, name, data=data or {"a": "1"}, metadata=metadata)


def owned_by(*owners: Object) -> list[Object]:
    return [
        {"apiVersion": o["apiVersion"], "kind": o["kind"], "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster(clock=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))


async def names(cluster: MemoryCluster) -> list[str]:
    return [obj["metadata"]["name"] for obj in await cluster.list(CONFIG_MAP)]


def test_it_is_a_cluster() -> None:
    cluster: Cluster = MemoryCluster()
    assert cluster


# --- what the server sets


async def test_time_comes_from_the_clock(cluster: MemoryCluster) -> None:
    assert (await cluster.apply(a_config_map()))["metadata"]["creationTimestamp"] == "2026-03-01T12:00:00Z"


async def test_two_runs_give_the_same_objects() -> None:
    def clock() -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)

    runs = [await MemoryCluster(clock=clock).apply(a_config_map()) for _ in range(2)]
    assert runs[0] == runs[1]


async def test_what_the_server_sets_cannot_be_forged(cluster: MemoryCluster) -> None:
    forged = {"creationTimestamp": "1999-01-01T00:00:00Z", "generation": 7, "deletionTimestamp": "1999-01-01T00:00:00Z"}
    applied = await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={}, metadata=forged))
    assert applied["metadata"]["generation"] == 1
    assert applied["metadata"]["creationTimestamp"] == "2026-03-01T12:00:00Z"
    assert "deletionTimestamp" not in applied["metadata"]


async def test_what_is_not_json_is_refused(cluster: MemoryCluster) -> None:
    with pytest.raises(TypeError, match="is not JSON"):
        await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={"at": datetime(2026, 1, 1, tzinfo=UTC)}))


async def test_somebody_else_may_put_a_status_and_keeps_the_identity(cluster: MemoryCluster) -> None:
    applied = await cluster.apply(an_object(DEPLOYMENT, spec={"replicas": 1}))
    put = cluster.put(an_object(DEPLOYMENT, spec={"replicas": 1}, status={"readyReplicas": 1}))
    assert put["metadata"]["uid"] == applied["metadata"]["uid"]
    assert put["metadata"]["generation"] == 1
    assert (await cluster.apply(an_object(DEPLOYMENT, spec={"replicas": 2})))["status"] == {"readyReplicas": 1}


async def test_a_default_that_the_server_adds_survives_our_applies(cluster: MemoryCluster) -> None:
    first = await cluster.apply(an_object(DEPLOYMENT, spec={"replicas": 1}))
    defaulted = cluster.put(first | {"spec": {"replicas": 1, "progressDeadlineSeconds": 600}})
    again = await cluster.apply(an_object(DEPLOYMENT, spec={"replicas": 1}))
    assert again == defaulted


async def test_an_element_that_somebody_added_to_keeps_its_key_when_we_let_go(cluster: MemoryCluster) -> None:
    ready = {"type": "Ready", "status": "True"}
    await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={}))
    mine = await cluster.apply_status(an_object(MODEL_DEPLOYMENT, status={"conditions": [ready]}))
    cluster.put(mine | {"status": {"conditions": [ready | {"note": "theirs"}]}})
    after = await cluster.apply_status(an_object(MODEL_DEPLOYMENT, status={"phase": "Stable"}))
    assert after["status"] == {"conditions": [{"type": "Ready", "note": "theirs"}], "phase": "Stable"}


# --- deletion


async def test_what_an_object_owns_goes_with_it_down_to_the_last(cluster: MemoryCluster) -> None:
    root = await cluster.create(a_config_map("root"))
    child = await cluster.create(a_config_map("child", ownerReferences=owned_by(root)))
    await cluster.create(a_config_map("grandchild", ownerReferences=owned_by(child)))
    await cluster.create(a_config_map("free"))
    await cluster.delete(CONFIG_MAP, "shop", "root")
    assert await names(cluster) == ["free"]


async def test_what_has_another_owner_stays(cluster: MemoryCluster) -> None:
    one, two = [await cluster.create(a_config_map(name)) for name in ("one", "two")]
    await cluster.create(a_config_map("shared", ownerReferences=owned_by(one, two)))
    await cluster.delete(CONFIG_MAP, "shop", "one")
    shared = await cluster.get(CONFIG_MAP, "shop", "shared")
    assert shared is not None
    assert shared["metadata"]["ownerReferences"] == owned_by(two)


async def test_orphans_stay_without_their_owner(cluster: MemoryCluster) -> None:
    owner = await cluster.create(a_config_map("owner"))
    await cluster.create(a_config_map("orphan", ownerReferences=owned_by(owner)))
    await cluster.delete(CONFIG_MAP, "shop", "owner", propagation="Orphan")
    orphan = await cluster.get(CONFIG_MAP, "shop", "orphan")
    assert orphan is not None
    assert "ownerReferences" not in orphan["metadata"]


async def test_a_name_that_is_used_again_is_another_object(cluster: MemoryCluster) -> None:
    first = await cluster.create(a_config_map())
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    second = await cluster.create(a_config_map())
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


# --- watching


async def test_subscribers_hear_of_every_change_and_of_nothing_else(cluster: MemoryCluster) -> None:
    heard: list[tuple[str, str]] = []
    stop = cluster.subscribe(lambda change, obj: heard.append((change, obj["metadata"]["resourceVersion"])))
    for data in ({"a": "1"}, {"a": "1"}, {"a": "2"}):
        await cluster.apply(a_config_map(data=data))
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    stop()
    await cluster.apply(a_config_map())
    assert heard == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "3")]


# --- trouble on request


async def test_the_next_call_fails_and_the_one_after_does_not(cluster: MemoryCluster) -> None:
    cluster.fail_next("apply", CONFIG_MAP, Unavailable("down"))
    await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={}))
    with pytest.raises(Unavailable):
        await cluster.apply(a_config_map())
    assert await names(cluster) == []
    await cluster.apply(a_config_map())
    assert await names(cluster) == ["golden"]


async def test_faults_of_any_kind_are_used_up_one_by_one(cluster: MemoryCluster) -> None:
    cluster.fail_next("get", None, Unavailable("first"))
    cluster.fail_next("get", None, Unavailable("second"))
    for message in ("first", "second"):
        with pytest.raises(Unavailable, match=message):
            await cluster.get(CONFIG_MAP, "shop", "golden")
    assert await cluster.get(CONFIG_MAP, "shop", "golden") is None


@pytest.mark.parametrize("verb", ["create", "apply", "apply_status", "merge_patch", "delete"])
async def test_an_answer_may_be_lost_after_the_write(cluster: MemoryCluster, verb: str) -> None:
    before = None if verb == "create" else await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={"replicas": 1}))
    cluster.fail_next(verb, MODEL_DEPLOYMENT, Unavailable("the answer was lost"), after_write=True)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await write(cluster, verb)
    assert await cluster.get(MODEL_DEPLOYMENT, "shop", "fraud") != before


async def write(cluster: MemoryCluster, verb: str) -> None:
    obj = an_object(MODEL_DEPLOYMENT, spec={"replicas": 2}, status={"phase": "Stable"})
    match verb:
        case "delete":
            await cluster.delete(MODEL_DEPLOYMENT, "shop", "fraud")
        case "merge_patch":
            await cluster.merge_patch(MODEL_DEPLOYMENT, "shop", "fraud", {"spec": {"replicas": 2}})
        case _:
            await getattr(cluster, verb)(obj)


class Killed(BaseException):
    """The end of the process that was about to write."""


@pytest.mark.parametrize("verb", ["create", "apply", "apply_status", "merge_patch", "delete"])
async def test_a_writer_can_be_stopped_before_any_write(cluster: MemoryCluster, verb: str) -> None:
    before = None if verb == "create" else await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={"replicas": 1}))

    def kill(request: Request) -> None:
        assert (request.verb, request.kind, request.name) == (verb, MODEL_DEPLOYMENT, "fraud")
        raise Killed

    cluster.before_write = kill
    with pytest.raises(Killed):
        await write(cluster, verb)
    assert await cluster.get(MODEL_DEPLOYMENT, "shop", "fraud") == before


async def test_stale_reads_see_the_cluster_as_it_was(cluster: MemoryCluster) -> None:
    await cluster.apply(a_config_map(data={"a": "old"}))
    cluster.stale_reads(2)
    await cluster.apply(a_config_map(data={"a": "new"}))
    await cluster.apply(a_config_map("another"))
    stale = await cluster.get(CONFIG_MAP, "shop", "golden")
    assert stale is not None
    assert stale["data"] == {"a": "old"}
    assert await names(cluster) == ["golden"]
    assert await names(cluster) == ["another", "golden"]


async def test_a_missing_crd_can_be_installed(cluster: MemoryCluster) -> None:
    cluster.absent.add(HTTP_ROUTE)
    with pytest.raises(NotServed):
        await cluster.apply(an_object(HTTP_ROUTE, spec={}))
    await cluster.delete(HTTP_ROUTE, "shop", "fraud")
    cluster.absent.discard(HTTP_ROUTE)
    assert await cluster.apply(an_object(HTTP_ROUTE, spec={}))


async def test_every_call_is_on_record(cluster: MemoryCluster) -> None:
    await cluster.list(MODEL_DEPLOYMENT)
    applied = a_config_map()
    await cluster.apply(applied)
    cluster.put(an_object(MODEL_REVISION))
    assert cluster.requests == [
        Request("list", MODEL_DEPLOYMENT, None, None),
        Request("apply", CONFIG_MAP, "shop", "golden", applied),
    ]


# --- merging, against any manifests

values = st.recursive(
    st.sampled_from(["x", "y", 0, 1, True]),
    lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3) | st.lists(below, max_size=2),
    max_leaves=6,
)
specs = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(st.lists(specs, min_size=1, max_size=5))
async def test_the_last_of_many_applies_is_all_there_is(given_specs: list[Object]) -> None:
    cluster = MemoryCluster()
    for spec in given_specs:
        after = await cluster.apply(an_object(MODEL_DEPLOYMENT, spec=spec))
    assert after["spec"] == given_specs[-1]


@given(st.lists(st.tuples(st.booleans(), specs), min_size=1, max_size=6), specs)
async def test_an_apply_gets_what_it_says_and_again_changes_nothing(
    history: list[tuple[bool, Object]], last: Object
) -> None:
    cluster = MemoryCluster()
    for by_us, spec in history:
        obj = an_object(MODEL_DEPLOYMENT, spec=spec)
        if by_us:
            await cluster.apply(obj)
        else:
            cluster.put(obj)
    once = await cluster.apply(an_object(MODEL_DEPLOYMENT, spec=last))
    assert holds(once["spec"], last)
    assert await cluster.apply(an_object(MODEL_DEPLOYMENT, spec=last)) == once


def holds(value: object, given_part: object) -> bool:
    """Whether everything that was given is there."""
    if isinstance(given_part, dict):
        return isinstance(value, dict) and all(k in value and holds(value[k], v) for k, v in given_part.items())
    return value == given_part
