"""Tables: what `kubectl get` prints. Custom resources bring columns; built-in kinds have theirs in `columns`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from slipway_sandbox.apiserver import columns, errors, jsonpath, views
from slipway_sandbox.apiserver.cells import since
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Record

NAME_HELP = "The name, unique within a namespace for its kind."
AGE_HELP = "How long ago the object was created."

Row = Callable[[dict[str, Any]], list[Any]]


def _definition(name: str, kind: str, form: str = "", priority: int = 0, text: str = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "format": form, "description": text or name, "priority": priority}


def _shape(resource: Resource) -> tuple[list[dict[str, Any]], Row]:
    """The columns of a kind, and how to fill them."""
    if resource.custom is not None:
        return _custom_shape(resource.custom.columns)
    known = columns.COLUMNS.get(resource.key)
    if known is None:
        definitions = [
            _definition("Name", "string", "name", text=NAME_HELP),
            _definition("Age", "string", text=AGE_HELP),
        ]
        return definitions, lambda obj: [
            obj["metadata"].get("name", ""),
            since(obj["metadata"].get("creationTimestamp")),
        ]
    definitions = [
        _definition(column.name, column.kind, "name" if column.name == "Name" else "", column.priority)
        for column in known
    ]
    return definitions, lambda obj: [column.cell(obj) for column in known]


def _custom_shape(declared: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Row]:
    definitions = [_definition("Name", "string", "name", text=NAME_HELP)]
    if not declared:
        declared = [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": AGE_HELP}]
    for column in declared:
        text = (
            column.get("description") or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
        )
        definitions.append(
            _definition(column["name"], column["type"], column.get("format", ""), column.get("priority", 0), text)
        )

    def row(obj: dict[str, Any]) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(_custom_cell(column, obj) for column in declared)]

    return definitions, row


def _custom_cell(column: dict[str, Any], obj: dict[str, Any]) -> Any:
    try:
        found = jsonpath.find(column["jsonPath"], obj)
    except jsonpath.PathError:
        return None
    if not found:
        return None
    value, kind = found[0], column["type"]
    if kind == "date":
        return since(value) if isinstance(value, str) else "<invalid>"
    if kind == "string":
        if isinstance(value, str):
            return value
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return _typed_cell(kind, value)


def _typed_cell(kind: str, value: Any) -> Any:
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "integer":
        return int(value)
    return value


def _row_object(obj: dict[str, Any], include: str) -> Any:
    if include == "None":
        return None
    return obj if include == "Object" else views.partial(obj)


def _include(query: Mapping[str, str]) -> str:
    include = query.get("includeObject", "") or "Metadata"
    if include not in {"None", "Metadata", "Object"}:
        raise errors.bad_request(
            f"Unable to convert to Table as requested: includeObject: Invalid value: {json.dumps(include)}: "
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return include


def table(
    resource: Resource, objects: list[dict[str, Any]], query: Mapping[str, str], meta: dict[str, Any], version: str
) -> dict[str, Any]:
    """A Table of objects; `meta` is the list's metadata.

    Raises:
        ApiError: 400 for an unknown `includeObject`.
    """
    include = _include(query)
    definitions, row = _shape(resource)
    rows = [{"cells": row(obj), "object": _row_object(obj, include)} for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version or 'v1'}",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


class Stream:
    """Tables in a watch: one row each, the columns only in the first."""

    def __init__(self, resource: Resource, query: Mapping[str, str], version: str) -> None:
        self._resource = resource
        self._query = query
        self._version = version
        self._started = False
        _include(query)

    def encode(self, record: Record) -> bytes:
        obj = views.shown(self._resource, record.obj)
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        found = table(self._resource, [obj], self._query, meta, self._version)
        if self._started:
            found["columnDefinitions"] = None
        self._started = True
        return views.dump(found)

    def bookmark(self, revision: str, ends_initial: bool) -> dict[str, Any]:
        found = table(self._resource, [], self._query, {"resourceVersion": revision}, self._version)
        if self._started:
            found["columnDefinitions"] = None
        self._started = True
        metadata: dict[str, Any] = {"resourceVersion": revision, "creationTimestamp": None}
        if ends_initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        empty = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        found["rows"] = [{"cells": [], "object": empty}]
        return found
