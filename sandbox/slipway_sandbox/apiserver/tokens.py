"""Tokens of service accounts: issued on request, recognised when they come back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver.rbac import AUTHENTICATED, MASTERS, SERVICE_ACCOUNTS

ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class User:
    """Somebody who was recognised."""

    name: str
    groups: tuple[str, ...]


def new_key() -> bytes:
    """A key to sign tokens with."""
    return secrets.token_bytes(32)


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))


class Tokens:
    """Signs and reads tokens. `admin` is the administrator's token, `key` signs those of service accounts."""

    def __init__(self, admin: str | None, key: bytes) -> None:
        self._admin = admin
        self._key = key

    def issue(self, namespace: str, name: str, uid: str, audiences: list[str], seconds: int) -> tuple[str, float]:
        """A token for a service account, and when it expires (Unix time)."""
        issued = time.time()
        expires = issued + seconds
        claims = {
            "iss": ISSUER, "sub": f"system:serviceaccount:{namespace}:{name}", "aud": audiences, "iat": int(issued),
            "nbf": int(issued), "exp": int(expires), "jti": secrets.token_hex(16),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        }  # fmt: skip
        head = _encode({"alg": "HS256", "typ": "JWT"})
        body = f"{head}.{_encode(claims)}"
        return f"{body}.{self._sign(body)}", expires

    def _sign(self, body: str) -> str:
        return _base64(hmac.new(self._key, body.encode(), hashlib.sha256).digest())

    def user(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User | None:
        """Whose token it is, if it is one of this server, still valid, and made for one of these audiences."""
        if self._admin is not None and hmac.compare_digest(token.encode(), self._admin.encode()):
            return ADMIN
        body, _, signature = token.rpartition(".")
        if not body or not hmac.compare_digest(self._sign(body).encode(), signature.encode()):
            return None
        encoded = body.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        if claims["exp"] < time.time() or not set(audiences) & set(claims["aud"]):
            return None
        namespace = claims["kubernetes.io"]["namespace"]
        return User(claims["sub"], (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED))


def audiences_of(token: str) -> tuple[str, ...]:
    """What a token was made for; nothing for one that is not signed here, such as the administrator's."""
    parts = token.split(".")
    if len(parts) != 3:
        return ()
    return tuple(json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))["aud"])


def _encode(value: Any) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
