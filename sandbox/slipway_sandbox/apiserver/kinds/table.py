"""Which hooks belong to which resource."""

from __future__ import annotations

from slipway_sandbox.apiserver.kinds.hooks import Hooks

HOOKS: dict[tuple[str, str], Hooks] = {}
