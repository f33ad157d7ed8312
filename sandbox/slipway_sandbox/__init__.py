"""A Kubernetes for rehearsals: one machine, no cluster, no container runtime.

The sandbox is a Kubernetes API with the controllers that matter, a node that runs pods as local processes on their own
loopback addresses, and a real Gateway API implementation in front of them. kubectl, helm and operators work against it
unchanged: they are given a kubeconfig, like anywhere else.

    from slipway_sandbox import Sandbox

    async with Sandbox() as sandbox:
        await sandbox.apply(Path("manifests.yaml"))

The command `slipway sandbox up`, or `python -m slipway_sandbox up`, starts one that stays.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from slipway_sandbox.images import ImageEntry, ImageError, ImageTable
    from slipway_sandbox.sandbox import Sandbox, SandboxError

__all__ = ["ImageEntry", "ImageError", "ImageTable", "Sandbox", "SandboxError"]

_HOME: Final = {
    "ImageEntry": "slipway_sandbox.images",
    "ImageError": "slipway_sandbox.images",
    "ImageTable": "slipway_sandbox.images",
    "Sandbox": "slipway_sandbox.sandbox",
    "SandboxError": "slipway_sandbox.sandbox",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: the model server in each pod needs none of it, and starts a third sooner."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
