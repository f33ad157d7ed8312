"""Where registries tell that an alias has moved, so that nobody has to wait for the next interval.

A delivery only says that it is time to ask: what is named is asked of the registry itself. It is taken where the Secret
of ``credentials`` holds a secret for webhooks, as it was read for the last request; nothing is read for a delivery, so
that who is not known costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from slipway.controller.registries import Key, Registries
from slipway.registries import NotSignedError, delivery_of, moved_alias

REMEMBERED: Final = 1024
"""Deliveries that are known again; older ones are refused by their time, or cost one request."""


class RegistryDesk:
    """Takes deliveries of MLflow's webhooks."""

    def __init__(self, registries: Registries, *, clock: Callable[[], datetime]) -> None:
        self._registries = registries
        self._clock = clock
        self._seen: OrderedDict[tuple[Key, str], None] = OrderedDict()

    def take(self, key: Key, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """The HTTP status of the answer, and what it says."""
        known = self._registries.hook_of(key)
        if known is None:
            return 401, "no secret for webhooks is known of this ModelDeployment"
        secret, model, alias = known
        try:
            identity = delivery_of(secret, headers, body, self._clock())
        except NotSignedError as error:
            return 401, str(error)
        if (key, identity) in self._seen:
            return 200, "known already"
        self._seen[key, identity] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if moved_alias(body) != (model, alias):
            return 200, "about something else"
        self._registries.ask_now(key)
        return 202, "the registry is asked now"
