"""What the real server knows of each built-in kind beyond its type: defaults, limits of endpoints, validation.

`hooks_for` finds the hooks of a resource; a kind without an entry is treated as plain data.
"""

from __future__ import annotations

from slipway_sandbox.apiserver.kinds.hooks import Hooks

__all__ = ["Hooks", "hooks_for"]

_PLAIN = Hooks()


def hooks_for(group: str, plural: str) -> Hooks:
    """The hooks of a stored resource."""
    from slipway_sandbox.apiserver.kinds.table import HOOKS

    return HOOKS.get((group, plural), _PLAIN)
