"""The operator's view of a Kubernetes cluster: seven verbs on raw objects, and nothing else.

Objects stay the dictionaries that the API speaks, because the operator applies manifests whole and reads few fields;
typed models would cost ten times the CPU and refuse what a newer server adds. Writes are server-side apply wherever
possible: a builder says everything it wants, the server works out what that changes, and a write that changes nothing
costs nothing. What was decided on a read carries that read's resourceVersion, so a stale decision ends as a Conflict
and not as a stale write.

`Cluster` is a protocol with two implementations: `connect()` gives the one over HTTP, `MemoryCluster` is its twin for
tests and simulations, held to the same behaviour by the same tests. Configuration, exec plugins and the REST layer come
from the `kubernetes` package, imported when a connection is made: importing this package costs next to nothing.
"""

from slipway.cluster.around import Call, ClusterAround
from slipway.cluster.client import connect
from slipway.cluster.connection import ConnectionInfo, connection_info
from slipway.cluster.errors import (
    AlreadyExists,
    Cause,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotLeading,
    NotServed,
    Throttled,
    Unauthorized,
    Unavailable,
    Undeclared,
)
from slipway.cluster.events import EventRecorder
from slipway.cluster.fenced import FencedCluster
from slipway.cluster.kinds import (
    ACCESS_REVIEW,
    CLUSTER_MODEL_RUNTIME,
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    GATEWAY,
    GATEWAY_CLASS,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INGRESS,
    INGRESS_ROUTE,
    JOB,
    LEASE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    MODEL_RUNTIME,
    NAMESPACE,
    POD,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    TOKEN_REVIEW,
    TRAEFIK_SERVICE,
    VIRTUAL_SERVICE,
    Kind,
    Object,
    Objects,
    kind_of,
)
from slipway.cluster.lease import Elector, LeaseTimes, LostLeadError
from slipway.cluster.memory import MemoryCluster, Request
from slipway.cluster.protocol import FIELD_MANAGER, Cluster, Propagation

__all__ = [
    "Call",
    "ClusterAround",
    "Cluster",
    "connect",
    "connection_info",
    "ConnectionInfo",
    "MemoryCluster",
    "Request",
    "EventRecorder",
    "FencedCluster",
    "Elector",
    "LeaseTimes",
    "LostLeadError",
    "FIELD_MANAGER",
    "Propagation",
    "Object",
    "Objects",
    "Kind",
    "kind_of",
    "MODEL_DEPLOYMENT",
    "MODEL_REVISION",
    "MODEL_RUNTIME",
    "DEPLOYMENT",
    "JOB",
    "SERVICE",
    "POD",
    "CLUSTER_MODEL_RUNTIME",
    "CONFIG_MAP",
    "EVENT",
    "ENDPOINT_SLICE",
    "HORIZONTAL_POD_AUTOSCALER",
    "SCALED_OBJECT",
    "SECRET",
    "POD_DISRUPTION_BUDGET",
    "HTTP_ROUTE",
    "INGRESS",
    "INGRESS_ROUTE",
    "TRAEFIK_SERVICE",
    "VIRTUAL_SERVICE",
    "GATEWAY",
    "GATEWAY_CLASS",
    "CRD",
    "NAMESPACE",
    "LEASE",
    "TOKEN_REVIEW",
    "ACCESS_REVIEW",
    "ClusterError",
    "Unauthorized",
    "Forbidden",
    "NotServed",
    "NotLeading",
    "AlreadyExists",
    "Conflict",
    "Invalid",
    "Undeclared",
    "Cause",
    "Throttled",
    "Unavailable",
]
