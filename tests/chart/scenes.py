"""Short stories that need the operator's rights, each of its own part: in a world without processes, in no time.

Every scene names what it waits for before it waits. One that lacks a right stops there, or goes on to its end.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from chart.account import Account, Scene, Seen, Stopped
from unit.controller.builders import ACCURACY, NAMESPACE
from unit.controller.jobs import jobs
from unit.controller.test_sources import a_secret, a_server, of_prometheus
from unit.controller.world import World, a_world
from unit.feedback.builders import KEY, V1, Clock, a_report, on_trial, the_terms
from unit.traffic.builders import an_answer

from slipway.cluster import (
    CLUSTER_MODEL_RUNTIME,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INGRESS,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    MODEL_RUNTIME,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    TRAEFIK_SERVICE,
    VIRTUAL_SERVICE,
    ClusterError,
    Elector,
    Kind,
    LeaseTimes,
    MemoryCluster,
    Object,
)
from slipway.controller.surroundings import Surroundings
from slipway.feedback import AUDIENCE, Doorman, Ledger
from slipway.feedback.ledger import SEGMENT_REPORTS
from slipway.outside import Egress
from slipway.release import release_hash, revision_name

LOOKS: Final = 30
"""More than any scene needs between two places, and few enough to give up soon."""

QUICK: Final[dict[str, Any]] = {
    "analysis": {"interval": "10s", "maxDuration": "5m", "metrics": [ACCURACY]},
    "strategy": {"canary": {"steps": [{"weight": 100}]}},
    "rollback": {"revisionHistoryLimit": 0, "scaleDownDelay": "1s", "watch": "0s", "progressDeadline": "1h"},
}
"""A release that its golden set alone judges."""


@asynccontextmanager
async def a_stage(account: Account, seen: Seen) -> AsyncIterator[World]:
    """A world whose operator has this account; what its objects say is told at the end."""
    async with a_world() as world:
        world.kill_operator()
        world.through = account.of
        world.egress = Egress(("127.0.0.0/8",))
        world.start_operator()
        try:
            yield world
        finally:
            await world.reactions.close()
            await world.notifier.close()
            world.kill_operator()
            kinds = (MODEL_DEPLOYMENT, MODEL_REVISION)
            found = [obj.get("status") for kind in kinds for obj in world.mirror.objects(kind)]
            seen.told["status"] = "\n".join(_texts(found))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


async def until(world: World, seen: Seen, place: str, condition: Callable[[], bool]) -> None:
    """Live on until something is so. Raises Stopped where nothing happens any more, or only the same again."""
    seen.waits_for(place)
    for _ in range(LOOKS):
        await world.actors.settle()
        if condition():
            return
        due = world.queue.statistics()
        if due.depth:
            await world.look()
        elif due.delayed:
            await asyncio.sleep(0)
            world.clock.advance_to_next()
        else:
            break
    await world.actors.settle()
    if not condition():
        seen.stopped_at = place
        raise Stopped


def serves(world: World, version: str) -> Callable[[], bool]:
    """Nothing of an older release is left, and nothing is refused."""

    def so() -> bool:
        return world.stable == version and world.versions() == [version] and is_ready(world)

    return so


def count(world: World, kind: Kind) -> int:
    return len(world.mirror.objects(kind))


async def a_gateway(account: Account, seen: Seen) -> None:
    """A model on a route of its own, then on a plain Service, then in a rule of a user's route, until it is deleted."""
    async with a_stage(account, seen) as world:
        world.declare("v1", **QUICK)
        await until(world, seen, "v1 serves", serves(world, "v1"))
        world.declare("v2")
        await until(world, seen, "v2 serves, and v1 is gone", serves(world, "v2"))
        world.declare("v2", traffic={"service": {}})
        await until(world, seen, "the route is gone", lambda: not count(world, HTTP_ROUTE) and is_ready(world))
        world.gateway.accepted.clear()  # it has seen the route go
        world.cluster.put(a_users_route())
        world.declare("v2", traffic={"gateway": {"route": {"name": "site", "rule": "score"}}})
        await until(world, seen, "the user's rule leads to it", lambda: leads(world))
        await until(world, seen, "the Service is gone", lambda: count(world, SERVICE) == 1 and is_ready(world))
        await world.cluster.delete(MODEL_DEPLOYMENT, NAMESPACE, "fraud")
        await until(world, seen, "the user's rule is as it was", lambda: not leads(world))
        await until(world, seen, "it is let go", lambda: not count(world, MODEL_DEPLOYMENT))


def is_ready(world: World) -> bool:
    return bool(world.condition("Ready").get("status") == "True")


def a_users_route() -> Object:
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": {"name": "site", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [{"name": "score", "backendRefs": [{"name": "nobody", "port": 80}]}],
        },
    }


def leads(world: World) -> bool:
    """Whether the rule leads to a release; the gateway takes up what is written meanwhile."""
    route = world.mirror.one(HTTP_ROUTE, "site")
    generation = route["metadata"]["generation"]
    parents = (route.get("status") or {}).get("parents") or [{}]
    if (parents[0].get("conditions") or [{}])[0].get("observedGeneration") != generation:
        answer = an_answer(generation=generation)
        world.cluster.put(route | {"status": {"parents": [answer]}})
    (rule,) = route["spec"]["rules"]
    return [backend["name"] for backend in rule["backendRefs"]] != ["nobody"]


def on_a_router(name: str, kind: Kind, **settings: Any) -> Scene:
    """A model on a router that says nothing of what it has taken up, then on a plain Service."""

    async def scene(account: Account, seen: Seen) -> None:
        async with a_stage(account, seen) as world:
            world.declare("v1", **QUICK, traffic={name: settings})
            await until(world, seen, "v1 serves", serves(world, "v1"))
            world.declare("v2")
            await until(world, seen, "v2 serves, and v1 is gone", serves(world, "v2"))
            world.declare("v2", traffic={"service": {}})
            await until(world, seen, "the route is gone", lambda: not count(world, kind) and is_ready(world))

    return scene


def with_an_autoscaler(kind: Kind, **autoscaling: Any) -> Scene:
    """A model with an autoscaler and a disruption budget, then without."""

    async def scene(account: Account, seen: Seen) -> None:
        async with a_stage(account, seen) as world:
            scaled = {"minReplicas": 1, "maxReplicas": 4, **autoscaling}
            budget = {"maxUnavailable": 1}
            traffic = {"service": {}}
            world.declare("v1", **QUICK, replicas=None, autoscaling=scaled, podDisruptionBudget=budget, traffic=traffic)
            await until(world, seen, "v1 serves", serves(world, "v1"))
            for _ in range(2):
                world.queue.add((NAMESPACE, "fraud"))
                await world.look()
            changed = {**scaled, "maxReplicas": 5}
            world.declare("v1", autoscaling=changed, podDisruptionBudget={"maxUnavailable": 2})
            await until(world, seen, "it is scaled otherwise", lambda: is_current(world))
            world.declare("v1", replicas=1, autoscaling=None, podDisruptionBudget=None)
            await until(world, seen, "the autoscaler is gone", lambda: not count(world, kind))
            await until(world, seen, "the budget is gone", lambda: not count(world, POD_DISRUPTION_BUDGET))

    return scene


def is_current(world: World) -> bool:
    """Whether what was declared last is what is so."""
    generation = world.deployment["metadata"]["generation"]
    return is_ready(world) and world.status.get("observedGeneration") == generation


async def a_job(account: Account, seen: Seen) -> None:
    """A Job measures a candidate, which is replaced before the Job has ended."""
    async with a_stage(account, seen) as world:
        await world.model("v1")
        job = {"name": "safety", "job": {"image": "checks.example/safety:3"}, "comparison": {"margin": 0.01}}
        kept = {"rollback": {**QUICK["rollback"], "revisionHistoryLimit": 5}}  # what is off does not take its Job along
        world.declare("v1", **{**QUICK, **kept})
        await until(world, seen, "v1 serves", serves(world, "v1"))
        world.declare("v2", analysis={**QUICK["analysis"], "metrics": [ACCURACY, job]})
        await until(world, seen, "a Job runs", lambda: len(jobs(world)) == 1)
        before = jobs(world)[0]["metadata"]["name"]
        world.declare("v3")
        await until(world, seen, "the next one runs", lambda: bool({*job_names(world)} - {before}))
        await until(world, seen, "the first one is gone", lambda: before not in job_names(world))


def job_names(world: World) -> list[str]:
    return [found["metadata"]["name"] for found in jobs(world)]


async def a_source_with_a_password(account: Account, seen: Seen) -> None:
    """A metric of a Prometheus that wants to know who asks."""
    async with a_server() as server, a_stage(account, seen) as world:
        world.cluster.put(a_secret(token="swordfish"))
        metric = of_prometheus(server, auth={"bearer": {"name": "login", "key": "token"}})
        world.declare("v1", **{**QUICK, "analysis": {**QUICK["analysis"], "metrics": [metric]}})
        await until(world, seen, "v1 serves", serves(world, "v1"))
        world.declare("v2")
        await until(world, seen, "v2 serves, and v1 is gone", serves(world, "v2"))


async def pods_that_do_not_start(account: Account, seen: Seen) -> None:
    """A release whose image nobody finds."""
    async with a_stage(account, seen) as world:
        await world.model("v1", starts=False)
        world.declare("v1", **QUICK)
        await until(world, seen, "the reason is told", lambda: "ImagePullBackOff" in str(world.status))


async def what_is_not_where_it_was(account: Account, seen: Seen) -> None:
    """A Deployment lost the label that it is found by, and a revision's name is taken."""
    async with a_stage(account, seen) as world:
        world.declare("v1", **QUICK, traffic={"service": {}})
        await until(world, seen, "v1 serves", serves(world, "v1"))
        live = copy.deepcopy(world.mirror.one(DEPLOYMENT, world.name_of("v1")))
        labels = live["metadata"].pop("labels")
        world.cluster.put(live)
        world.queue.add((NAMESPACE, "fraud"))
        label = "slipway.dev/model-deployment"
        await until(
            world,
            seen,
            "the label is back",
            lambda: (
                world.mirror.one(DEPLOYMENT, world.name_of("v1"))["metadata"].get("labels", {}).get(label)
                == labels[label]
            ),
        )
        world.declare("v2")
        taken = copy.deepcopy(world.revision("v1"))
        name = revision_name("fraud", release_hash(world.deployment["spec"]["release"]))
        taken["metadata"] = {"name": name, "namespace": NAMESPACE}
        world.cluster.put(taken)
        world.queue.add((NAMESPACE, "fraud"))
        await until(world, seen, "the name is told", lambda: "does not belong to this" in str(world.status))


async def feedback(account: Account, seen: Seen) -> None:
    """Reports fill a ConfigMap and begin others, until the first is too old to count."""
    cluster = on_trial()
    cluster.reviews = whoever
    clock, guarded = Clock(), account.of(cluster)
    try:
        seen.waits_for("a token is recognised")
        await Doorman(guarded, clock=clock).admit(f"labels@{NAMESPACE}:x", *KEY)
        ledger, terms = Ledger(guarded, clock=clock), the_terms(cluster)
        seen.waits_for("the first reports are kept")
        await ledger.add(KEY, [a_report("r0", V1)], terms)
        seen.waits_for("more are kept beside them")
        await ledger.add(KEY, [a_report(f"r{n}", V1) for n in range(1, SEGMENT_REPORTS)], terms)
        seen.waits_for("old reports are deleted")
        clock.forward(hours=1)
        young = [a_report(f"s{n}", V1, made=clock.now) for n in range(SEGMENT_REPORTS + 1)]
        await ledger.add(KEY, young[:1], terms)
        later = the_terms(cluster, needed_since=clock.now - timedelta(minutes=1))
        await ledger.add(KEY, young[1:], later)
    except ClusterError as error:
        # The endpoint logs it and answers 503: "send them again".
        seen.told["answer"] = str(error)
        seen.stopped_at = seen.place


def whoever(review: Object) -> Object:
    """What an API server says of a user of another namespace who may report."""
    if review["kind"] == "TokenReview":
        user = {"username": "system:serviceaccount:elsewhere:labels", "groups": []}
        return review | {"status": {"authenticated": True, "user": user, "audiences": [AUDIENCE]}}
    return review | {"status": {"allowed": True}}


async def the_lead(account: Account, seen: Seen) -> None:
    """A replica takes the lease that nobody has made yet, and renews it."""
    cluster = MemoryCluster()
    elector = Elector(account.of(cluster), "ops", "rel-slipway", "me", times=LeaseTimes(2.0, 1.0, 0.05, 0.05))
    seen.waits_for("it leads")
    keeping = asyncio.ensure_future(lead(elector, cluster, seen))
    try:
        async with asyncio.timeout(2):
            await keeping
    except TimeoutError:
        seen.stopped_at = seen.place
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        seen.told["readiness"] = elector.problem or ""


async def lead(elector: Elector, cluster: MemoryCluster, seen: Seen) -> None:
    await elector.acquire()
    seen.waits_for("it goes on leading")
    before = len(cluster.requests)
    keeping = asyncio.ensure_future(elector.keep())
    try:
        while not any(request.verb == "merge_patch" for request in cluster.requests[before:]):  # noqa: ASYNC110 - there is nobody to set an event
            await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def the_start(account: Account, seen: Seen) -> None:
    """What is looked for before anything is done."""
    around = Surroundings(account.of(MemoryCluster()), (), "shard=a")
    seen.waits_for("it is ready")
    if not await around.look():
        seen.stopped_at = seen.place
    seen.told["readiness"] = around.missing or ""


async def a_runtime(account: Account, seen: Seen) -> None:
    """Releases that leave it to runtimes of the namespace and of the cluster what serves them."""
    async with a_stage(account, seen) as world:
        for kind, name, model_format in (
            (MODEL_RUNTIME, "house", "sklearn"),
            (CLUSTER_MODEL_RUNTIME, "wide", "onnx"),
        ):
            metadata = {"name": name, **({"namespace": NAMESPACE} if kind.namespaced else {})}
            container = {"image": "models.example/fraud:1"}
            spec = {"supportedFormats": [{"name": model_format}], "container": container}
            world.cluster.put({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})
        for version, said, how in (
            ("v1", {"format": "sklearn"}, "by its format"),
            ("v2", {"format": "onnx"}, "by its format"),
            ("v3", {"runtime": "house"}, "by the name"),
            ("v4", {"runtime": "wide"}, "by the name"),
        ):
            release: dict[str, Any] = {"model": {"name": "fraud", "version": version}}
            if "runtime" in said:
                release["runtime"] = {"name": said["runtime"]}
            else:
                release["model"] |= said
            world.declare(version, **QUICK, release=release)
            await until(world, seen, f"{version} serves {how}", serves(world, version))


SCENES: Final[dict[str, Scene]] = {
    "the start": the_start,
    "the lead": the_lead,
    "an autoscaler": with_an_autoscaler(
        HORIZONTAL_POD_AUTOSCALER, metrics=[{"resource": "cpu", "averageUtilization": 70}]
    ),
    "a runtime": a_runtime,
    "KEDA": with_an_autoscaler(
        SCALED_OBJECT, keda={"triggers": [{"type": "cron", "metadata": {"desiredReplicas": "2"}}]}
    ),
    "a gateway": a_gateway,
    "pods that do not start": pods_that_do_not_start,
    "what is not where it was": what_is_not_where_it_was,
    "Traefik": on_a_router("traefik", TRAEFIK_SERVICE, hostnames=["fraud.example"]),
    "Istio": on_a_router("istio", VIRTUAL_SERVICE, hostnames=["fraud.example"]),
    "ingress-nginx": on_a_router("ingressNginx", INGRESS, hostnames=["fraud.example"]),
    "a Job": a_job,
    "a source with a password": a_source_with_a_password,
    "feedback": feedback,
}
"""The first scene that uses a right is the one in which it is taken away."""
