"""Sending a document to an address that a user named: the one way in which the operator tells receivers anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from slipway.api import SourceAuth
from slipway.cluster import Cluster
from slipway.controller.secrets import credentials
from slipway.metrics import Credentials
from slipway.outside import Fetched, Outside

TIMEOUT: Final = 10.0
"""Seconds that a receiver has for its whole answer."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer; nobody reads it."""


async def post(
    cluster: Cluster,
    outside: Outside,
    url: str,
    document: Mapping[str, Any],
    *,
    namespace: str,
    content_type: str,
    auth: SourceAuth | None,
    field: str,
) -> Fetched:
    """What the receiver answers. `field` names the webhook in messages. A redirect is an answer: it is not followed.

    Raises SourceError and ClusterError for credentials that cannot be read, and FetchError.
    """
    proof = await credentials(cluster, namespace, auth, f"{field}.auth") or Credentials()
    return await outside.request(
        url,
        namespace=namespace,
        timeout=TIMEOUT,
        limit=MAX_ANSWER,
        method="POST",
        content=json.dumps(document).encode(),
        headers={"content-type": content_type, **proof.headers(f"{field}.auth")},
        redirects=0,
    )
