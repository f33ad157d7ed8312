"""A Kubernetes API server in memory: real HTTP, real watches, server-side apply, custom resources with CEL.

It exists so that an operator, kubectl, helm or a Gateway controller can be rehearsed without a cluster, and it is worth
as much as it is true to the original. So the shape is the original's: a request is parsed into verb and target
(`requests`, `dispatch`), carried out by one generic engine for all kinds (`handlers`, `writes`), which asks a strategy
what is particular to the kind (`strategy`: `kinds` for built-in ones, `structural`, `schema` and `cel` for custom ones)
and stores the result under one revision counter that watches resume from (`store`, `watches`), in a file as well
where the objects are to outlive the process (`journal`). Types are data
(`types/*.json`, `nodes`), shared by decoding, strategic merge, server-side apply and OpenAPI.

Controllers are not part of it: nothing here creates pods, collects garbage or empties namespaces.
"""

from slipway_sandbox.apiserver.journal import StateFileError
from slipway_sandbox.apiserver.server import ApiServer

__all__ = ["ApiServer", "StateFileError"]
