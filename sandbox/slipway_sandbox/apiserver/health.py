"""The health of the server, as a whole and check by check."""

from __future__ import annotations

from slipway_sandbox.apiserver.calls import Answer, Call, text_answer

ROOTS = ("healthz", "livez", "readyz")
_CHECKS = (
    "ping",
    "log",
    "etcd",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/apiservice-discovery-controller",
)
_READY = ("informer-sync", "shutdown")


def health(call: Call) -> Answer | None:
    """Answer a question about the server's health; None where there is no such check. All checks always pass."""
    root, _, name = call.path.strip("/").partition("/")
    checks = [*_CHECKS, *(_READY if root == "readyz" else ())]
    if name:
        return text_answer("ok") if name in checks else None
    if "verbose" not in call.query:
        return text_answer("ok")
    left_out = call.query.get("exclude", "")
    lines = [f"[+]{check} {'excluded: ' if check == left_out else ''}ok" for check in checks]
    return text_answer("\n".join([*lines, f"{root} check passed", ""]))
