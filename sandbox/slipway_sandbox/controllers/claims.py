"""PersistentVolumeClaim: bound as soon as it is there, and kept while a pod uses it."""

from slipway_sandbox.client import PERSISTENT_VOLUME_CLAIMS, PODS, Client, InformerSet, Manifest, key_of
from slipway_sandbox.controllers.base import Controller
from slipway_sandbox.controllers.selectors import is_finished

PROTECTION = "kubernetes.io/pvc-protection"


class ClaimController(Controller):
    """Binds every claim, whatever its class: the node makes a folder of any claim that a pod mounts."""

    name = "persistentvolumeclaim-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.claims = informers.of(PERSISTENT_VOLUME_CLAIMS)
        self.pods = informers.of(PODS)
        self.claims.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, kind: str, pod: Manifest, _before: Manifest | None) -> None:
        if kind == "DELETED" or is_finished(pod):
            for name in _claims_of(pod):
                self.queue.add(f"{pod['metadata']['namespace']}/{name}")

    async def reconcile(self, key: str) -> None:
        claim = self.claims.by_key(key)
        if claim is None:
            return
        metadata = claim["metadata"]
        if metadata.get("deletionTimestamp"):
            if PROTECTION in metadata.get("finalizers", ()) and not self._in_use(claim):
                kept = [entry for entry in metadata["finalizers"] if entry != PROTECTION]
                freed = {**claim, "metadata": {**metadata, "finalizers": kept}}
                await self.client.replace(PERSISTENT_VOLUME_CLAIMS, freed)
            return
        if claim.get("status", {}).get("phase") != "Bound":
            spec = claim["spec"]
            capacity = {"storage": spec["resources"]["requests"]["storage"]}
            status = {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": capacity}
            written = await self.client.replace(PERSISTENT_VOLUME_CLAIMS, {**claim, "status": status}, "status")
            self.claims.observe(written)

    def _in_use(self, claim: Manifest) -> bool:
        metadata = claim["metadata"]
        pods = self.pods.in_namespace(metadata["namespace"])
        return any(metadata["name"] in _claims_of(pod) for pod in pods if not is_finished(pod))


def _claims_of(pod: Manifest) -> list[str]:
    volumes = pod["spec"].get("volumes") or ()
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
