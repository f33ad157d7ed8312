"""Images without containers: a table says which local command stands for which image name.

A sandbox has no registry and no container runtime. When a pod asks for an image, the node agent looks the name up
here and runs the command that the best matching entry names, as an ordinary process. An image without an entry is an
image that cannot be pulled, and the pod says so the way a kubelet does.
"""

from slipway_sandbox.images.table import ImageEntry, ImageError, ImageTable

__all__ = ["ImageEntry", "ImageError", "ImageTable"]
