"""A small asynchronous client of the Kubernetes API, and the informer that controllers watch through.

The sandbox's controllers and its node agent are ordinary clients: they see the API as any controller in a cluster
does, over HTTP, with nothing but lists, watches and writes. That keeps the API server honest (whatever it gets wrong
shows here first) and lets every part run against a real cluster unchanged. Objects are plain dictionaries, because a
controller that reads three fields of a Pod has no use for a class with three hundred.

* `Client` turns verbs into requests and refusals into `ApiError`;
* `Resource` names a kind by the path that serves it;
* `Informer` is a watched, indexed copy of one resource that survives dropped and expired watches;
* `EventRecorder` writes Events and counts repetitions instead of repeating them.
"""

from slipway_sandbox.client.events import EventRecorder
from slipway_sandbox.client.informer import Informer, InformerSet
from slipway_sandbox.client.quantities import quantity
from slipway_sandbox.client.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Manifest,
    Resource,
    key_of,
)
from slipway_sandbox.client.rest import JSON_PATCH, MERGE_PATCH, ApiError, Client

__all__ = [
    "ApiError",
    "CONFIG_MAPS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "Client",
    "DEPLOYMENTS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "EventRecorder",
    "HORIZONTAL_POD_AUTOSCALERS",
    "Informer",
    "InformerSet",
    "JOBS",
    "JSON_PATCH",
    "MERGE_PATCH",
    "Manifest",
    "NAMESPACES",
    "NODES",
    "PERSISTENT_VOLUME_CLAIMS",
    "PODS",
    "POD_DISRUPTION_BUDGETS",
    "REPLICA_SETS",
    "Resource",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "key_of",
    "quantity",
]
