"""JSON patch and JSON merge patch, with the tolerance of the implementation that Kubernetes uses.

The `jsonpatch` package is stricter than a real API server in one point that clients rely on: here `replace` of an absent
member of an existing object adds it.
"""  # noqa: E501

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver.errors import bad_request, too_large, unprocessable
from slipway_sandbox.apiserver.structural import copy_json

_ABSENT: Any = object()
MAX_OPERATIONS = 10_000


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def json_patch(target: dict[str, Any], operations: Any) -> Any:
    """RFC 6902. Returns a new value.

    Raises:
        ApiError: 400 when the patch cannot be understood, 413 when it is too long, 422 when it cannot be applied.
    """
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal into a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise too_large(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    document: Any = copy_json(target)
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str) or not isinstance(kind, str):
        raise unprocessable("the server rejected our request due to an error in our request")
    segments = _segments(path)
    if kind == "test":
        found = _read(document, segments)
        wanted = operation.get("value")
        if (None if found is _ABSENT else found) != wanted or isinstance(found, bool) != isinstance(wanted, bool):
            raise unprocessable(f"testing value {path} failed: test failed")
        return document
    if kind in {"add", "replace"}:
        if "value" not in operation:
            raise unprocessable(f"{kind} operation does not apply: missing value")
        return _write(document, segments, copy_json(operation["value"]), replace=kind == "replace")
    if kind == "remove":
        return _remove(document, segments)
    if kind in {"move", "copy"}:
        source = operation.get("from")
        if not isinstance(source, str):
            raise unprocessable(f"{kind} operation does not apply: missing from")
        value = _read(document, _segments(source))
        if value is _ABSENT:
            raise unprocessable(f"{kind} operation does not apply: doc is missing from path: {source}: missing value")
        if kind == "move":
            document = _remove(document, _segments(source))
        return _write(document, segments, copy_json(value), replace=False)
    raise unprocessable(f"Unexpected kind: {kind}")


def _segments(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise unprocessable(f"path {path} does not start with a slash")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _read(document: Any, segments: list[str]) -> Any:
    for segment in segments:
        if isinstance(document, dict):
            document = document.get(segment, _ABSENT)
        elif isinstance(document, list):
            index = _index(segment, len(document))
            document = _ABSENT if index is None or index >= len(document) else document[index]
        else:
            return _ABSENT
        if document is _ABSENT:
            return _ABSENT
    return document


def _index(segment: str, length: int) -> int | None:
    """The index that a segment names; negative ones count from the end."""
    if not segment.lstrip("-").isdigit() or segment.count("-") > 1:
        return None
    index = int(segment)
    return index + length if index < 0 else index


def _parent(document: Any, segments: list[str]) -> Any:
    parent = _read(document, segments[:-1])
    if not isinstance(parent, dict | list):
        raise unprocessable(f"operation does not apply: doc is missing path: /{'/'.join(segments)}: missing value")
    return parent


def _write(document: Any, segments: list[str], value: Any, *, replace: bool) -> Any:
    if not segments:
        return value
    parent, last = _parent(document, segments), segments[-1]
    if isinstance(parent, dict):
        parent[last] = value
        return document
    if last == "-" and not replace:
        parent.append(value)
        return document
    index = _index(last, len(parent) + (0 if replace else 1))
    limit = len(parent) - 1 if replace else len(parent)
    if index is None or not 0 <= index <= limit:
        raise unprocessable(
            f"operation does not apply: doc is missing key: /{'/'.join(segments)}: invalid index referenced"
        )
    if replace:
        parent[index] = value
    else:
        parent.insert(index, value)
    return document


def _remove(document: Any, segments: list[str]) -> Any:
    if not segments:
        raise unprocessable("remove operation does not apply: the document root cannot be removed")
    parent, last = _parent(document, segments), segments[-1]
    if isinstance(parent, dict):
        if last not in parent:
            raise unprocessable(
                f"remove operation does not apply: doc is missing path: /{'/'.join(segments)}: missing value"
            )
        del parent[last]
        return document
    index = _index(last, len(parent))
    if index is None or not 0 <= index < len(parent):
        raise unprocessable(f"remove operation does not apply: invalid index referenced: {last}")
    del parent[index]
    return document
