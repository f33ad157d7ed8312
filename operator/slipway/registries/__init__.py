"""Model registries: which version an alias, a revision, a tag or a prefix names now.

Each registry is asked with the operator's own network position, so every request goes through `slipway.outside`, which
judges addresses, and is bounded in time and size. What comes back is data from outside: it is checked before anything
follows from it. Nothing is fetched here but names: weights are brought by `slipway.delivery`.
"""

from slipway.registries.asking import Asker, RegistryError
from slipway.registries.find import HUB, Memory, Registry, find
from slipway.registries.mlflow import SERVER as TRACKING_SERVER
from slipway.registries.mlflow import set_alias, set_tag, tracking_server
from slipway.registries.webhook import NotSignedError, delivery_of, moved_alias

__all__ = [
    "HUB",
    "TRACKING_SERVER",
    "Asker",
    "Memory",
    "NotSignedError",
    "delivery_of",
    "moved_alias",
    "Registry",
    "RegistryError",
    "find",
    "set_alias",
    "set_tag",
    "tracking_server",
]
