"""Who may report: the owner of a token that was made for this, in the namespace that it reports to.

A token has to name the audience `AUDIENCE`. A service account's usual token is for the API server: whoever receives it
could act in its place there, so it is neither asked for nor taken. What the API server says of a token counts for a
minute, and what it refuses is asked again each time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from slipway.api import GROUP, VERSION
from slipway.cluster import Cluster, Object

AUDIENCE: Final = f"feedback.{GROUP}"
"""What a token has to be made for."""

REMEMBERED: Final = timedelta(seconds=60)
"""How long an answer of the API server counts: a token that was revoked may report for so long."""

MOST_TOKENS: Final = 1024
"""Answers that are remembered."""

AT_ONCE: Final = 4
"""Tokens that the API server is asked about at a time. It may take long for each, and rollouts are looked after over
the same few connections."""

LONGEST_TOKEN: Final = 8192
"""Characters of a token; those of service accounts have about one thousand."""

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"


class RefusedError(Exception):
    """Somebody may not report. ``known`` says whether it is clear who it is."""

    def __init__(self, message: str, *, known: bool) -> None:
        super().__init__(message)
        self.known = known


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    about: Object
    """What the API server says of it, for the question what it may do."""


class Doorman:
    """Asks the API server who somebody is and what it may do."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._admitted: OrderedDict[tuple[bytes, str], datetime] = OrderedDict()
        self._questions = asyncio.Semaphore(AT_ONCE)

    async def admit(self, token: str | None, namespace: str, name: str) -> None:
        """Return where the token's owner may report on this ModelDeployment.

        A service account of the namespace may, and whoever may create ``modeldeployments/feedback`` there. Raises
        RefusedError for all others, and ClusterError when the API server could not be asked.
        """
        if token is None or not 0 < len(token) <= LONGEST_TOKEN:
            raise RefusedError(
                f"send a token for the audience {AUDIENCE} as Authorization: Bearer (kubectl create token "
                f"SERVICEACCOUNT --audience={AUDIENCE})",
                known=False,
            )
        key = sha256(token.encode(errors="surrogateescape")).digest(), f"{namespace}/{name}"
        if self._is_admitted(key):  # who is known does not wait behind those who are not
            return
        async with self._questions:
            if self._is_admitted(key):
                return
            await self._ask(token, namespace, name)
        self._admitted[key] = self._clock() + REMEMBERED
        self._admitted.move_to_end(key)
        while len(self._admitted) > MOST_TOKENS:
            self._admitted.popitem(last=False)

    def _is_admitted(self, key: tuple[bytes, str]) -> bool:
        return key in self._admitted and self._admitted[key] > self._clock()

    async def _ask(self, token: str, namespace: str, name: str) -> None:
        user = await self._recognised(token)
        if not user.name.startswith(f"{_SERVICE_ACCOUNT}{namespace}:") and not await self._allowed(
            user, namespace, name
        ):
            raise RefusedError(
                f"{user.name} is no service account of namespace {namespace}, and may not create "
                f"modeldeployments.{GROUP}/feedback there",
                known=True,
            )

    async def _recognised(self, token: str) -> _User:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        status: dict[str, Any] = (await self._cluster.create(review)).get("status") or {}
        user = status.get("user") or {}
        # A server that knows no audiences names none: it would take a token that is for something else.
        meant = AUDIENCE in (status.get("audiences") or [])
        if not status.get("authenticated") or not meant or not user.get("username"):
            raise RefusedError(f"the API server does not take the token for the audience {AUDIENCE}", known=False)
        return _User(str(user["username"]), user)

    async def _allowed(self, user: _User, namespace: str, name: str) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {
                "user": user.name,
                **{field: user.about[field] for field in ("uid", "groups", "extra") if user.about.get(field)},
                "resourceAttributes": {
                    "group": GROUP,
                    "version": VERSION,
                    "resource": "modeldeployments",
                    "subresource": "feedback",
                    "verb": "create",
                    "namespace": namespace,
                    "name": name,
                },
            },
        }
        return bool(((await self._cluster.create(review)).get("status") or {}).get("allowed"))
