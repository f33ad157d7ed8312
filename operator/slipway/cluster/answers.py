"""From an HTTP answer to an object or an error.

The API server describes a refusal in a `Status` object, but proxies and load balancers in front of it answer too, with
HTML or nothing. Whatever comes, the error names what was asked for and quotes the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.cluster.errors import (
    AlreadyExists,
    Cause,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotServed,
    Throttled,
    Unauthorized,
    Unavailable,
    Undeclared,
)
from slipway.cluster.kinds import Object
from slipway.cluster.target import Target

QUOTED = 1000
"""How much of a server's reason goes into a message; an admission webhook can answer with pages."""

DEFAULT_RETRY_AFTER = 1.0
"""Seconds to wait when the server throttles and does not say for how long."""

NOT_DECLARED = "field not declared in schema"
"""What an API server says of a field that server-side apply brings and the kind's schema lacks; its code is 500, as if
the server were at fault."""

_REFUSED = frozenset({400, 405, 406, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Missing(Exception):
    """The API serves the kind and has no such object. What that means depends on the verb; it never gets out."""


def read_object(target: Target, answer: Answer) -> Object:
    """The object in an answer. Raises the ClusterError, or Missing, that the answer stands for."""
    if not 200 <= answer.status < 300:
        raise error_of(target, answer)
    try:
        parsed = json.loads(answer.body)
    except ValueError as error:
        raise Unavailable(f"{target}: the answer is not JSON ({len(answer.body)} bytes): {error}") from error
    if not isinstance(parsed, dict):
        raise Unavailable(f"{target}: the answer is not an object but a {type(parsed).__name__}")
    return parsed


def error_of(target: Target, answer: Answer) -> ClusterError | Missing:
    """The error that an answer outside 2xx stands for."""
    status = _status_object(answer.body)
    details = status.get("details") or {}
    message = f"{target}: {answer.status} {_reason(answer, status)}"
    match answer.status:
        case 401:
            return Unauthorized(message)
        case 403 if any(cause.get("reason") == "NamespaceTerminating" for cause in details.get("causes") or []):
            return Conflict(message)  # all that was read here is on its way out
        case 403:
            return Forbidden(message)
        case 404:
            # A path that is not served is answered in plain text, or by a Status that names no object.
            return Missing(message) if details.get("name") else NotServed(message)
        case 409:
            return AlreadyExists(message) if status.get("reason") == "AlreadyExists" else Conflict(message)
        case 429:
            return Throttled(message, _retry_after(answer, details))
        case refused if refused in _REFUSED:
            causes = details.get("causes") or []
            return Invalid(message, tuple(Cause(c.get("field", ""), c.get("message", "")) for c in causes))
        case 500 if NOT_DECLARED in message:
            return Undeclared(
                f"{message}: the cluster's CRD of {target.kind.kind} is older than this operator: upgrade it"
            )
        case _:
            return Unavailable(message)


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}


def _reason(answer: Answer, status: Mapping[str, Any]) -> str:
    if status:
        text = ": ".join(str(part) for part in (status.get("reason"), status.get("message")) if part)
    else:
        text = answer.body.decode(errors="replace").strip()
    return text[:QUOTED] if text else "without a reason"


def _retry_after(answer: Answer, details: Mapping[str, Any]) -> float:
    """Seconds; the header first, as it is what a proxy sets too. Its date form is not used by API servers."""
    for said in (answer.headers.get("Retry-After"), details.get("retryAfterSeconds")):
        try:
            return max(0.0, float(said))  # type: ignore[arg-type] # None and dates fail like any other nonsense
        except (TypeError, ValueError):
            continue
    return DEFAULT_RETRY_AFTER
