"""The operations of the published OpenAPI documents."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver.openapi_schemas import Schemas, published_name
from slipway_sandbox.apiserver.resources import Resource, Subresource

_PATCHES = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
_STRATEGIC = "application/strategic-merge-patch+json"
_WRITE = {"dryRun": "string", "fieldManager": "string", "fieldValidation": "string"}
_DELETE = {
    "dryRun": "string",
    "gracePeriodSeconds": "integer",
    "orphanDependents": "boolean",
    "propagationPolicy": "string",
}
_LIST = {
    "allowWatchBookmarks": "boolean", "continue": "string", "fieldSelector": "string", "labelSelector": "string",
    "limit": "integer", "resourceVersion": "string", "resourceVersionMatch": "string", "sendInitialEvents": "boolean",
    "timeoutSeconds": "integer", "watch": "boolean",
}  # fmt: skip
_ACTIONS = {
    "get": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "deletecollection",
    "list": "list",
}
_METHODS = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}


class _Operations:
    def __init__(self, resource: Resource, schemas: Schemas, *, three: bool) -> None:
        self._resource = resource
        self._schemas = schemas
        self._three = three

    def parameter(self, name: str, kind: str, where: str = "query") -> dict[str, Any]:
        found: dict[str, Any] = {"name": name, "in": where, "description": f"The {where} parameter {name}."}
        if where == "path":
            found["required"] = True
        if self._three:
            found["schema"] = {"type": kind, "uniqueItems": True}
        else:
            found.update(type=kind, uniqueItems=True)
        return found

    def operation(self, verb: str, kind: dict[str, str], schema: str) -> dict[str, Any]:
        options = (
            _LIST
            if verb in {"list", "deletecollection"}
            else _DELETE
            if verb == "delete"
            else {}
            if verb == "get"
            else _WRITE
        )
        if verb == "patch":
            options = {**options, "force": "boolean"}
        shared = {"pretty": "string", **options}
        found: dict[str, Any] = {
            "x-kubernetes-action": _ACTIONS[verb],
            "x-kubernetes-group-version-kind": kind,
            "operationId": f"{verb}{self._resource.group.title().replace('.', '')}{self._resource.version.title()}{kind['kind']}{schema.rsplit('.', 1)[-1]}",  # noqa: E501
            "parameters": [self.parameter(name, value) for name, value in sorted(shared.items())],
            "responses": {"200": self._response(schema), "401": {"description": "Unauthorized"}},
        }
        if verb in {"create", "update", "patch"}:
            self._add_body(found, verb, schema)
        return found

    def _response(self, schema: str) -> dict[str, Any]:
        reference = self._schemas.reference(schema)
        if not self._three:
            return {"description": "OK", "schema": reference}
        return {"description": "OK", "content": {"application/json": {"schema": reference}}}

    def _add_body(self, operation: dict[str, Any], verb: str, schema: str) -> None:
        kinds = ["*/*"] if verb != "patch" else [*_PATCHES, *([] if self._resource.custom else [_STRATEGIC])]
        if not self._three:
            operation["consumes"] = kinds
            operation["parameters"].append(
                {"name": "body", "in": "body", "required": True, "schema": self._schemas.reference(schema)}
            )
            return
        content = {name: {"schema": self._schemas.reference(schema)} for name in kinds}
        operation["requestBody"] = {"required": True, "content": content}


def paths_of(resource: Resource, schemas: Schemas, *, three: bool) -> dict[str, Any]:
    """The paths of a resource, with their operations."""
    operations = _Operations(resource, schemas, three=three)
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    plain = f"{root}/{resource.plural}"
    collection = f"{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else plain
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    name = schemas.name_of(resource)
    listed = name.removesuffix(resource.kind) + resource.list_kind
    scope = [operations.parameter("namespace", "string", "path")] if resource.namespaced else []
    verbs = set(resource.verbs)

    def item(chosen: tuple[str, ...], extra: list[dict[str, Any]], schema_of: dict[str, str]) -> dict[str, Any]:
        built: dict[str, Any] = {
            _METHODS[verb]: operations.operation(verb, kind, schema_of.get(verb, name))
            for verb in chosen
            if verb in verbs
        }
        return {**built, "parameters": extra} if extra else built

    paths = {
        collection: item(("list", "create", "deletecollection"), scope, {"list": listed, "deletecollection": listed})
    }
    if not resource.stored:
        return paths
    if resource.namespaced:
        paths[plain] = item(("list",), [], {"list": listed})
    named = [operations.parameter("name", "string", "path"), *scope]
    paths[f"{collection}/{{name}}"] = item(("get", "update", "patch", "delete"), named, {})
    for sub in resource.subresources.values():
        paths[f"{collection}/{{name}}/{sub.name}"] = _subresource(operations, resource, sub, name, named)
    return paths


def _subresource(
    operations: _Operations, resource: Resource, sub: Subresource, name: str, named: list[dict[str, Any]]
) -> dict[str, Any]:
    kind = {"group": sub.group or resource.group, "version": sub.version or resource.version, "kind": sub.kind}
    schema = published_name("autoscaling.v1.Scale") if sub.kind == "Scale" else name
    built: dict[str, Any] = {
        _METHODS[verb]: operations.operation(verb, kind, schema) for verb in sub.verbs if verb in _METHODS
    }
    return {**built, "parameters": named}
