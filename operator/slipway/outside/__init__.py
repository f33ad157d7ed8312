"""What users name that lies outside their release: URLs, and places in JSON documents.

A URL in somebody's spec is fetched with the operator's own network position, which reaches metadata services, other
tenants' Services and the node. So nothing here trusts a name: `Egress` says which addresses may be reached on behalf
of which namespace, and `Outside` connects to the very address that was judged, hop by hop, within limits of time and
size. A JSONPath in somebody's spec runs on the operator's CPU, so `JsonPath` takes those only whose cost is bounded by
the document.
"""

from slipway.outside.egress import Egress, EgressError, FetchError, Resolved, UnreachedError
from slipway.outside.fetch import Fetched, Outside, Resolver
from slipway.outside.jsonpath import JsonPath, JsonPathError

__all__ = [
    "Egress",
    "EgressError",
    "FetchError",
    "Fetched",
    "JsonPath",
    "JsonPathError",
    "Outside",
    "Resolved",
    "Resolver",
    "UnreachedError",
]
