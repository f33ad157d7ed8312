"""One request and one answer, free of any HTTP library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from slipway_sandbox.apiserver import codec, errors, parsing, protobuf, views
from slipway_sandbox.apiserver.codec import Report
from slipway_sandbox.apiserver.requests import Media, Target

BODY_LIMIT = 3 * 1024 * 1024


@dataclass
class Call:
    """A request. `query` has the first value of each parameter."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    content_type: str
    accept: str
    agent: str
    user: str
    groups: tuple[str, ...] = ()
    target: Target = field(default_factory=lambda: Target("", ""))
    media: Media = field(default_factory=Media)


@dataclass
class Answer:
    """A response: a body, or a stream of chunks."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: AsyncIterator[bytes] | None = None
    upgrade: Any = None
    deferred: Callable[[], Awaitable[Answer]] | None = None
    """What has to be asked of somebody else first; the real answer comes from there."""


def json_answer(value: Any, media: Media, status: int = 200) -> Answer:
    return Answer(views.to_media(views.dump(value), media), status, media.header)


def text_answer(text: str, status: int = 200) -> Answer:
    return Answer(text.encode(), status, "text/plain; charset=utf-8")


@contextmanager
def carrying(warnings: list[str]) -> Iterator[None]:
    """Whatever is refused inside is refused with these warnings."""
    try:
        yield
    except errors.ApiError as error:
        error.warnings = warnings + error.warnings
        raise


def warn(answer: Answer, warnings: list[str]) -> Answer:
    """Attach warnings; each travels in a header of its own, once."""
    for warning in dict.fromkeys(warnings):
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        answer.headers.append(("Warning", f'299 - "{quoted}"'))
    return answer


_JSON_TYPES = {"application/json", ""}
_YAML_TYPES = {"application/yaml", "text/yaml", "application/x-yaml"}
OFFERED_BODIES = "application/json, application/yaml"


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def read_body(call: Call, report: Report | None, type_name: str = "") -> dict[str, Any]:
    """The body as an object; repeated keys go into the report. With the name of its type it may be protobuf.

    Raises:
        ApiError: 400 when it cannot be read, 415 when its media type is not known.
    """
    kind = media_type(call.content_type)
    if kind == protobuf.MEDIA_TYPE and type_name:
        return _read_protobuf(call, type_name)
    if kind not in _JSON_TYPES and kind not in _YAML_TYPES:
        raise errors.unsupported_media_type(OFFERED_BODIES)
    try:
        value = parsing.parse_yaml(call.body) if kind in _YAML_TYPES else parsing.parse_json(call.body)
    except ValueError as error:
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {call.target.resource}): {error}"
        ) from error
    if report is not None:
        parsing.duplicates(value, report)
    return codec.require_object(value)


def _read_protobuf(call: Call, type_name: str) -> dict[str, Any]:
    try:
        version, kind, message = protobuf.unwrap(call.body)
        wanted = type_name if kind != "DeleteOptions" else "meta.v1.DeleteOptions"
        return {**protobuf.decode(message, wanted), "apiVersion": version, "kind": kind}
    except protobuf.ProtobufError as error:
        raise errors.bad_request(str(error)) from error


def read_patch(call: Call) -> Any:
    """The body of a JSON patch or merge patch.

    Raises:
        ApiError: 400 when it is not JSON.
    """
    try:
        return parsing.parse_json(call.body)
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from error
