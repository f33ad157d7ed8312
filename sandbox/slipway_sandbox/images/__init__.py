"""Images without containers: a table says which local command stands for which image name.

A sandbox has no registry and no container runtime. When a pod asks for an image, the node agent looks the name up
here and runs the command that the best matching entry names, as an ordinary process. An image without an entry is an
image that cannot be pulled, and the pod says so the way a kubelet does.

What a registry holds for a cluster, a package index holds for a sandbox: an entry may name Python packages, and then
its pods run in a virtual environment of those. Pulling such an image is making the environment, once for all sandboxes
of a user. The presets are entries of that kind, for the model servers that people use most.
"""

from slipway_sandbox.images.environments import Cache, Environment, Plan
from slipway_sandbox.images.store import BuildError, EnvironmentStore
from slipway_sandbox.images.table import ImageEntry, ImageError, ImageTable
from slipway_sandbox.images.wanted import RequirementsError, read_requirements

__all__ = [
    "ImageEntry",
    "ImageError",
    "ImageTable",
    "Cache",
    "Environment",
    "EnvironmentStore",
    "BuildError",
    "Plan",
    "RequirementsError",
    "read_requirements",
]
