"""Credentials out of Secrets, for the servers that a metric names."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from slipway.api import SourceAuth
from slipway.cluster import SECRET, Cluster, Object
from slipway.metrics import Credentials, SourceError

USERNAME: Final = "username"
PASSWORD: Final = "password"  # noqa: S105  the key of a Secret, not a password


async def credentials(cluster: Cluster, namespace: str, auth: SourceAuth | None, field: str) -> Credentials | None:
    """What the Secret that a metric names holds at this moment; `field` names the metric's auth in messages.

    It is read by its name and kept nowhere, so that a token that was replaced counts from the next look on. Raises
    SourceError where it is missing or is none, and ClusterError.
    """
    if auth is None:
        return None
    if auth.bearer is not None:
        secret = await _secret(cluster, namespace, auth.bearer.name, f"{field}.bearer")
        return Credentials(bearer=_value(secret, auth.bearer.key, f"{field}.bearer"))
    name = auth.basic.name if auth.basic is not None else ""
    secret = await _secret(cluster, namespace, name, f"{field}.basic")
    return Credentials(
        user=_value(secret, USERNAME, f"{field}.basic"), password=_value(secret, PASSWORD, f"{field}.basic")
    )


async def secret_text(cluster: Cluster, namespace: str, name: str, key: str, field: str) -> str:
    """The text under a key of a Secret. Raises as `credentials` does."""
    return _value(await _secret(cluster, namespace, name, field), key, field)


async def _secret(cluster: Cluster, namespace: str, name: str, field: str) -> Object:
    found = await cluster.get(SECRET, namespace, name)
    if found is None:
        raise SourceError(field, f"Secret {namespace}/{name} does not exist: create it")
    return found


def _value(secret: Object, key: str, field: str) -> str:
    data = secret.get("data") or {}
    name = f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
    if key not in data:
        known = ", ".join(sorted(data)) or "no key"
        raise SourceError(field, f"Secret {name} has no key {key!r} (it has {known})")
    try:
        return base64.b64decode(data[key], validate=True).decode()
    except (binascii.Error, ValueError):
        raise SourceError(field, f"Secret {name} holds no text under {key!r}: write the text itself there") from None
