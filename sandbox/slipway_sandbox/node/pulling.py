"""Pulling an image: its entry in the table, and the environment that the entry runs in."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from slipway_sandbox.client import Manifest
from slipway_sandbox.images import BuildError, Environment, ImageEntry
from slipway_sandbox.node.context import NodeContext

LONGEST_BACKOFF_SECONDS: Final = 300.0


@dataclass(frozen=True)
class PulledImage:
    """An image that can be run."""

    entry: ImageEntry
    environment: Environment | None
    """The virtual environment that its commands come from, for an entry that has one."""


class _NotPulledError(Exception):
    """Why an image is not there; `never` where the pod forbids to get it."""

    def __init__(self, reason: str, *, never: bool = False) -> None:
        super().__init__(reason)
        self.never = never


class ImagePuller:
    """Gets the image of one container, again and again until it is there, and tells of it as a kubelet does."""

    def __init__(
        self,
        node: NodeContext,
        container: Manifest,
        wait_for: Callable[[str, str], None],
        event: Callable[[str, str, str], None],
    ) -> None:
        self._node = node
        self._image: str = container["image"]
        self._may_pull = container.get("imagePullPolicy") != "Never"
        self._wait_for = wait_for
        self._event = event

    async def pull(self) -> PulledImage:
        """The image, however long it takes; the container waits with the reason meanwhile."""
        pause = self._node.backoff_seconds
        while True:
            try:
                return await self._pull_once()
            except _NotPulledError as problem:
                await self._tell(problem, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_BACKOFF_SECONDS)

    async def _pull_once(self) -> PulledImage:
        entry = self._node.images().resolve(self._image)
        if entry is None:
            self._unknown()
        plan = entry.plan(self._image)
        note = entry.difference(self._image)
        told = f". Note: {note}" if note else ""
        try:
            environment = None if plan is None else await asyncio.to_thread(self._node.environments.cache.find, plan)
            if plan is None or environment is not None:
                self._event("Normal", "Pulled", f'Container image "{self._image}" already present on machine{told}')
                return PulledImage(entry, environment)
            if not self._may_pull:
                reason = f'Container image "{self._image}" is not present with pull policy of Never'
                raise _NotPulledError(reason, never=True)
            began = time.monotonic()
            self._event("Normal", "Pulling", f'Pulling image "{self._image}"')
            environment = await self._node.environments.get(plan)
        except (BuildError, OSError) as problem:
            raise _NotPulledError(f'failed to pull image "{self._image}": {problem}') from problem
        took = f"{time.monotonic() - began:.3g}s"
        self._event(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{self._image}" in {environment.seconds:.3g}s ({took} including waiting). '
            f"Image size: {environment.size} bytes{told}",
        )
        return PulledImage(entry, environment)

    def _unknown(self) -> NoReturn:
        raise _NotPulledError(
            f'failed to pull image "{self._image}": the sandbox runs images as local commands, and no entry of its '
            f"image table matches this name. Add one to {self._node.state / 'images.yaml'}, e.g. "
            f'{{images: [{{image: "{self._image}", command: [python, server.py]}}]}}, or ImageTable.add in Python; '
            f"it is looked up again by itself",
            never=not self._may_pull,
        )

    async def _tell(self, problem: _NotPulledError, pause: float) -> None:
        if problem.never:
            self._wait_for("ErrImageNeverPull", str(problem))
            return
        self._wait_for("ErrImagePull", str(problem))
        self._event("Warning", "Failed", f'Failed to pull image "{self._image}": {problem}')
        self._event("Warning", "Failed", "Error: ErrImagePull")
        await asyncio.sleep(min(1.0, pause))
        self._wait_for("ImagePullBackOff", f'Back-off pulling image "{self._image}": ErrImagePull: {problem}')
        self._event("Normal", "BackOff", f'Back-off pulling image "{self._image}"')
