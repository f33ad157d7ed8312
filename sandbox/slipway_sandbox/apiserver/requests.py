"""What a request asks for: the path taken apart, the query read, the answer's media type chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from slipway_sandbox.apiserver.errors import PlainNotFoundError, not_acceptable


@dataclass(frozen=True)
class Target:
    """The resource that a path names. `resource` is "" for the root of a group or version."""

    group: str
    version: str
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows a proxy subresource."""
    watch_prefix: bool = False


def parse_path(path: str) -> Target | None:
    """The target of a path below /api or /apis; None for the roots themselves.

    Raises:
        PlainNotFoundError: no such path can exist.
    """
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts and parts[-1] == "":
        parts.pop()
    if parts[0] == "api":
        if len(parts) == 1:
            return None
        if parts[1] != "v1":
            raise PlainNotFoundError
        return _below_version("", parts[1], parts[2:])
    if len(parts) == 1:
        return None
    if len(parts) == 2:
        return Target(parts[1], "")
    return _below_version(parts[1], parts[2], parts[3:])


def _below_version(group: str, version: str, parts: list[str]) -> Target:
    watch_prefix = bool(parts) and parts[0] == "watch"
    if watch_prefix:
        parts = parts[1:]
    namespace = ""
    own_part = len(parts) == 3 and parts[2] in {"status", "finalize"} and group == ""
    if len(parts) > 2 and parts[0] == "namespaces" and not own_part:
        namespace, parts = parts[1], parts[2:]
    padded = [*parts, "", "", ""][:3]
    return Target(group, version, padded[0], namespace, padded[1], padded[2], "/".join(parts[3:]), watch_prefix)


@dataclass(frozen=True)
class Media:
    """The chosen form of an answer. `kind` is "" for the object itself, or Table, PartialObjectMetadata..."""

    content_type: str = "application/json"
    kind: str = ""
    version: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    yaml: bool = False
    pretty: bool = False
    stream: bool = False

    @property
    def header(self) -> str:
        if not self.kind or self.kind in _TRANSFORMS:
            return self.content_type
        return f"{self.content_type};g={self.parameters['g']};v={self.version};as={self.kind}"


_TRANSFORMS = {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}
OFFERED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_JSON = {"application/json", "*/*", "application/*"}


def _ranges(accept: str) -> list[tuple[float, int, str, dict[str, str]]]:
    found = []
    for position, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        read = {key.strip(): value.strip() for key, _, value in (p.partition("=") for p in parameters)}
        try:
            weight = float(read.pop("q", "1"))
        except ValueError:
            weight = 1.0
        if name:
            found.append((-weight, position, name, read))
    return sorted(found, key=lambda entry: entry[:2])


def negotiate(accept: str, *, allowed: frozenset[tuple[str, str, str]] = frozenset()) -> Media:
    """The first acceptable form that the server can produce.

    Args:
        accept: the Accept header ("" accepts anything).
        allowed: the transformations on offer as (group, version, kind).

    Raises:
        ApiError: 406 when none is.
    """
    for _, _, name, parameters in _ranges(accept or "*/*"):
        kind = parameters.get("as", "")
        if kind and (parameters.get("g", ""), parameters.get("v", ""), kind) not in allowed:
            continue
        stream = parameters.get("stream") == "watch"
        if name in _JSON:
            return Media("application/json", kind, parameters.get("v", ""), parameters, stream=stream)
        if name in {"application/yaml", "text/yaml"} and not kind:
            return Media("application/yaml", yaml=True, stream=stream)
    raise not_acceptable(OFFERED)
