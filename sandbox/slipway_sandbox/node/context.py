"""What all pods of one node share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from slipway_sandbox.client import Client, EventRecorder, Manifest
from slipway_sandbox.images import EnvironmentStore, ImageTable


@dataclass(frozen=True)
class NodeContext:
    """The node as its pods see it."""

    client: Client
    events: EventRecorder
    session: aiohttp.ClientSession
    """For probes and hooks: one connection each, none kept."""
    images: Callable[[], ImageTable]
    """The image table as it is now; a user may have added an entry since the last look."""
    environments: EnvironmentStore
    """The virtual environments that images run in."""
    state: Path
    name: str
    host_address: str
    capacity: Mapping[str, str]
    """What the node has for its pods, by resource."""
    backoff_seconds: float
    """The first pause of CrashLoopBackOff and ImagePullBackOff; it doubles up to five minutes."""
    resumes: bool
    """Whether a later run goes on with the pods that are left when this one ends."""

    @property
    def pods_folder(self) -> Path:
        """Where pods keep their volumes, one folder each, named by uid."""
        return self.state / "pods"

    def pod_logs_folder(self, pod: Manifest) -> Path:
        """Where the logs of a pod are, one folder a container."""
        metadata = pod["metadata"]
        return self.state / "logs" / "pods" / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
