"""MLflow's webhooks: whether one is MLflow's, and which alias it is about. Pure.

MLflow signs as https://www.standardwebhooks.com describes it: HMAC-SHA256 over the delivery's id, the time and the
body, with a dot between them, in Base64 behind ``v1,``.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

SIGNATURE: Final = "x-mlflow-signature"
TIMESTAMP: Final = "x-mlflow-timestamp"
DELIVERY: Final = "x-mlflow-delivery-id"

TOLERANCE: Final = timedelta(minutes=5)
"""How far a delivery's time may be from the operator's: what is older may be a replay."""

LONGEST_ID: Final = 128
"""Characters of a delivery's id; MLflow's are UUIDs."""


class NotSignedError(ValueError):
    """A delivery whose signature does not show that it comes from who has the secret, or not now."""


def delivery_of(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The id of a delivery that is signed with the secret. Header names are in lower case. Raises NotSignedError."""
    identity, time = headers.get(DELIVERY, ""), headers.get(TIMESTAMP, "")
    if not (identity.isascii() and 0 < len(identity) <= LONGEST_ID) or not (
        time.isascii() and time.isdecimal() and len(time) <= 12
    ):
        raise NotSignedError(f"{DELIVERY} and {TIMESTAMP} are missing or no id and time")
    wanted = base64.b64encode(hmac.digest(secret.encode(), f"{identity}.{time}.".encode() + body, "sha256"))
    given = [one.partition(",") for one in headers.get(SIGNATURE, "").split(" ")]
    values = [value.encode(errors="surrogateescape") for version, _, value in given if version == "v1"]
    if not any(hmac.compare_digest(value, wanted) for value in values):
        raise NotSignedError(f"{SIGNATURE} is not that of the secret")
    if abs(int(time) - now.timestamp()) > TOLERANCE.total_seconds():
        raise NotSignedError(f"{TIMESTAMP} is more than {TOLERANCE.total_seconds() / 60:g} minutes from now")
    return identity


def moved_alias(body: bytes) -> tuple[str, str] | None:
    """Model and alias of an alias that was set or deleted; None for any other event."""
    try:
        event = json.loads(body)
        if event["entity"] != "model_version_alias":
            return None
        data = event["data"]
        return str(data["name"]), str(data["alias"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
