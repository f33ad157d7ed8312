"""The `authorizer` of admission policies: what the one who writes may do beside what is being written.

As in a cluster it is asked in steps, such as `authorizer.group('apps').resource('deployments').check('scale').allowed()`,
and knows the resource of the request as `authorizer.requestResource`. Each step is a map with one marker key, like the
other added types. Who asks is known only while a policy is evaluated, hence the context variable.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from cel_expr_python import cel

from slipway_sandbox.apiserver.rbac import AUTHENTICATED, SERVICE_ACCOUNTS, Authorizer, Request

NAME = "authorizer"
_WHO = "$authorizer"
_WHAT = "$check"
_ANSWER = "$decision"
_FIELDS = ("group", "resource", "subresource", "namespace", "name", "path")

_asked: ContextVar[Authorizer] = ContextVar("asked")
T = cel.Type


@contextmanager
def asking(authorizer: Authorizer) -> Iterator[None]:
    """Whose roles and bindings `check` reads inside."""
    before = _asked.set(authorizer)
    try:
        yield
    finally:
        _asked.reset(before)


def authorizer_of(user: str, groups: tuple[str, ...], request: Request) -> dict[str, Any]:
    """The value of the variable for somebody who makes a request."""
    who = {"user": user, "groups": list(groups)}
    return {_WHO: who, "requestResource": {_WHAT: {**who, **{name: getattr(request, name) for name in _FIELDS}}}}


def functions() -> list[Any]:
    """Declarations with implementations, for a CEL environment."""
    box, text = T.MAP, T.STRING

    def one(name: str, result: Any, parameters: list[Any], impl: Callable[..., Any]) -> Any:
        overload = cel.Overload(
            f"k8s_authorizer_{name}", return_type=result, parameters=[box, *parameters], is_member=True, impl=impl
        )
        return cel.FunctionDecl(name, [overload])

    steps = [one(name, T.DYN, [text], _with(name)) for name in _FIELDS]
    return [
        *steps,
        one("serviceAccount", T.DYN, [text, text], _service_account),
        one("check", T.DYN, [text], _check),
        one("allowed", T.BOOL, [], lambda value: bool(_part(value, _ANSWER)["allowed"])),
        one("reason", text, [], lambda _: ""),
        one("errored", T.BOOL, [], lambda _: False),
        one("error", text, [], lambda _: ""),
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, cel.Value):
        return _plain(value.plain_value())
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list) else value


def _part(value: Any, *markers: str) -> dict[str, Any]:
    plain = _plain(value)
    for marker in markers:
        if isinstance(plain, dict) and marker in plain:
            found: dict[str, Any] = plain[marker]
            return found
    raise ValueError("no such overload: the argument does not come from authorizer")


def _with(field: str) -> Callable[[Any, str], dict[str, Any]]:
    return lambda value, text: {_WHAT: {**_part(value, _WHAT, _WHO), field: text}}


def _service_account(value: Any, namespace: str, name: str) -> dict[str, Any]:
    _part(value, _WHO)
    groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED]
    return {_WHO: {"user": f"system:serviceaccount:{namespace}:{name}", "groups": groups}}


def _check(value: Any, verb: str) -> dict[str, Any]:
    asked = _part(value, _WHAT)
    request = replace(Request(verb), **{name: asked[name] for name in _FIELDS if name in asked})
    return {_ANSWER: {"allowed": _asked.get().allows(asked["user"], tuple(asked["groups"]), request)}}
