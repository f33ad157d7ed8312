"""PodDisruptionBudget: how many of the selected pods may be taken down at will right now."""

from slipway_sandbox.client import POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, Client, InformerSet, Manifest, key_of
from slipway_sandbox.controllers.base import Controller, timestamp
from slipway_sandbox.controllers.rolling import resolve
from slipway_sandbox.controllers.selectors import condition_of, is_active, is_ready, matches


class DisruptionController(Controller):
    """Keeps the status of every budget true; eviction reads it."""

    name = "disruption-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.budgets = informers.of(POD_DISRUPTION_BUDGETS)
        self.pods = informers.of(PODS)
        self.sets = informers.of(REPLICA_SETS)
        self.budgets.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.pods.add_handler(self._pod_changed)
        self.sets.add_handler(self._set_changed)

    def _pod_changed(self, _kind: str, pod: Manifest, _before: Manifest | None) -> None:
        for budget in self.budgets.in_namespace(pod["metadata"]["namespace"]):
            if matches(budget.get("spec", {}).get("selector"), pod["metadata"].get("labels")):
                self.queue.add(key_of(budget))

    def _set_changed(self, _kind: str, replica_set: Manifest, before: Manifest | None) -> None:
        if before is None or before["spec"].get("replicas") != replica_set["spec"].get("replicas"):
            for budget in self.budgets.in_namespace(replica_set["metadata"]["namespace"]):
                self.queue.add(key_of(budget))

    async def reconcile(self, key: str) -> None:
        budget = self.budgets.by_key(key)
        if budget is None or budget["metadata"].get("deletionTimestamp"):
            return
        spec = budget.get("spec", {})
        pods = [
            pod
            for pod in self.pods.in_namespace(budget["metadata"]["namespace"])
            if matches(spec.get("selector"), pod["metadata"].get("labels")) and is_active(pod)
        ]
        expected = self._expected(pods)
        if "maxUnavailable" in spec:
            needed = max(0, expected - resolve(spec["maxUnavailable"], expected, up=True))
        else:
            needed = resolve(spec.get("minAvailable", 1), expected, up=True)
            if isinstance(spec.get("minAvailable", 1), int):
                expected = len(pods)
        healthy = sum(is_ready(pod) for pod in pods)
        allowed = max(0, healthy - needed) if expected else 0
        await self._report(budget, healthy, needed, expected, allowed)

    def _expected(self, pods: list[Manifest]) -> int:
        """How many pods there should be, as their controllers say; a pod without one counts for itself."""
        owners: dict[str, int] = {}
        for pod in pods:
            references = pod["metadata"].get("ownerReferences") or ()
            owner = next((reference for reference in references if reference.get("controller")), None)
            replica_set = self.sets.get(pod["metadata"]["namespace"], owner["name"]) if owner else None
            if owner and replica_set is not None:
                owners[owner["uid"]] = int(replica_set["spec"].get("replicas", 1))
            else:
                owners[pod["metadata"]["uid"]] = 1
        return sum(owners.values())

    async def _report(self, budget: Manifest, healthy: int, needed: int, expected: int, allowed: int) -> None:
        known = condition_of(budget, "DisruptionAllowed")
        state = "True" if allowed else "False"
        condition = {
            "type": "DisruptionAllowed",
            "status": state,
            "observedGeneration": budget["metadata"].get("generation", 0),
            "lastTransitionTime": known["lastTransitionTime"] if known and known["status"] == state else timestamp(),
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
        }
        status = {
            "observedGeneration": budget["metadata"].get("generation", 0),
            "currentHealthy": healthy,
            "desiredHealthy": needed,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "conditions": [condition],
        }
        old = budget.get("status", {})
        if any(old.get(name, 0) != value for name, value in status.items()):
            written = {**budget, "status": status}
            self.budgets.observe(await self.client.replace(POD_DISRUPTION_BUDGETS, written, "status"))
