"""Errors as a Kubernetes client expects them: an HTTP code and a `Status` body.

Every refusal is raised as `ApiError`; the server turns it into the answer in one place. Field errors are collected
first (`FieldError`), because a client wants to see all of them at once in `details.causes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
NOT_SUPPORTED = "FieldValueNotSupported"
DUPLICATE = "FieldValueDuplicate"
NOT_FOUND = "FieldValueNotFound"
FORBIDDEN = "FieldValueForbidden"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
TYPE_INVALID = "FieldValueTypeInvalid"

_WORDS = {
    REQUIRED: "Required value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    DUPLICATE: "Duplicate value",
    NOT_FOUND: "Not found",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TYPE_INVALID: "Invalid value",
}


OMITTED: Any = object()
"""Stands for a value that a message does not show."""


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with an object: `reason` is one of the constants above, `field` a dotted path."""

    reason: str
    field: str
    detail: str
    value: Any = OMITTED

    @property
    def message(self) -> str:
        word = _WORDS[self.reason]
        if self.reason in {REQUIRED, FORBIDDEN, TOO_LONG, TOO_MANY}:
            return f"{word}: {self.detail}" if self.detail else word
        if self.value is OMITTED:
            return f"{word}: {self.detail}" if self.detail else word
        shown = f'"{self.value}"' if isinstance(self.value, str) else _shown(self.value)
        return f"{word}: {shown}: {self.detail}" if self.detail else f"{word}: {shown}"

    def cause(self) -> dict[str, Any]:
        return {"reason": self.reason, "message": self.message, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _shown(value: Any) -> str:
    import json

    return json.dumps(value, separators=(",", ":"), default=str)


class ApiError(Exception):
    """A refusal with its HTTP code and `Status` fields."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.warnings: list[str] = []
        """Travel with the refusal, as they would with the answer."""

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


class PlainNotFoundError(Exception):
    """The path belongs to no API at all: the answer is plain text, not a `Status`."""


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details.update({key: value for key, value in more.items() if value})
    return details


def _qualified(kind: str, group: str) -> str:
    return f"{kind}.{group}" if group else kind


def not_found(group: str, resource: str, name: str, uid: str = "") -> ApiError:
    return ApiError(
        404, "NotFound", f'{_qualified(resource, group)} "{name}" not found', _details(name, group, resource, uid=uid)
    )


def already_exists(group: str, resource: str, name: str) -> ApiError:
    return ApiError(
        409, "AlreadyExists", f'{_qualified(resource, group)} "{name}" already exists', _details(name, group, resource)
    )


def conflict(group: str, resource: str, name: str, why: str) -> ApiError:
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {_qualified(resource, group)} "{name}": {why}',
        _details(name, group, resource),
    )


def modified(group: str, resource: str, name: str) -> ApiError:
    return conflict(
        group,
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def invalid(group: str, kind: str, name: str, errors: list[FieldError]) -> ApiError:
    shown = [str(error) for error in errors]
    text = shown[0] if len(shown) == 1 else "[" + ", ".join(shown) + "]"
    details = _details(name, group, kind)
    details["causes"] = [error.cause() for error in errors]
    return ApiError(422, "Invalid", f'{_qualified(kind, group)} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def forbidden(group: str, resource: str, name: str, why: str, causes: list[dict[str, Any]] | None = None) -> ApiError:
    shown = f' "{name}"' if name else ""
    return ApiError(
        403,
        "Forbidden",
        f"{_qualified(resource, group)}{shown} is forbidden: {why}",
        _details(name, group, resource, causes=causes),
    )


def method_not_allowed(group: str, resource: str, verb: str) -> ApiError:
    return ApiError(
        405,
        "MethodNotAllowed",
        f'{verb} is not supported on resources of kind "{_qualified(resource, group)}"',
        _details("", group, resource),
    )


def plain_method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def no_such_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def not_acceptable(offered: str) -> ApiError:
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {offered}")


def unsupported_media_type(offered: str) -> ApiError:
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {offered}",
    )


def too_large(message: str) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", message)


def unprocessable(message: str) -> ApiError:
    """A patch that is well formed but cannot be carried out."""
    return ApiError(422, "Invalid", message, {})


def bare_500(message: str) -> ApiError:
    """The real server's answer to some malformed inputs: 500 with neither reason nor details."""
    return ApiError(500, "", message)


def internal(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})
