"""Static checks of a policy's expressions: what they see has the types that a real server knows.

An object that is admitted is dynamic. The parts of a request are not, and neither is a variable of the policy: it has
the type of its expression.
"""

from __future__ import annotations

from typing import Any, Final

from slipway_sandbox.apiserver import cel
from slipway_sandbox.apiserver.cel import CelError
from slipway_sandbox.apiserver.cel_literals import is_known, mixed_literal

_DYNAMIC: Final = ("object", "oldObject")
_UNKNOWN: Final = ("request", "namespaceObject", "variables", "authorizer", "params")
_TEXTS: Final = ("name", "namespace", "operation", "subResource", "userInfo.username", "userInfo.uid")


class PolicyChecker:
    """The expressions of one policy, checked in the order in which they may refer to each other."""

    def __init__(self) -> None:
        from cel_expr_python import cel as engine

        self._types: dict[str, Any] = dict.fromkeys((*_DYNAMIC, *_UNKNOWN), engine.Type.DYN)
        self._types |= dict.fromkeys((f"request.{name}" for name in _TEXTS), engine.Type.STRING)
        self._types["request.userInfo.groups"] = engine.Type.List(engine.Type.STRING)
        self._unknown = frozenset(_UNKNOWN)
        self._environment = cel.environment_of(self._types)

    def check(self, text: str) -> Any:
        """The compiled expression.

        Raises:
            CelError: it does not compile; the message says where.
        """
        try:
            compiled = self._environment.compile(text)
        except Exception as error:
            raise CelError(str(error)) from error
        mixed = mixed_literal(compiled.serialize(), text, self._unknown)
        if mixed is not None:
            raise CelError(mixed)
        return compiled

    def declare(self, name: str, compiled: Any) -> None:
        """From here on `variables.<name>` is what the expression gives."""
        full = f"variables.{name}"
        self._types[full] = compiled.return_type()
        if not is_known(compiled.serialize(), self._unknown):
            self._unknown |= {full}
        self._environment = cel.environment_of(self._types)
