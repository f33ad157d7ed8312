"""The published OpenAPI documents: version 3 a group version each, and version 2 in one piece.

kubectl reads them to find out whether the server validates fields, how lists merge, and for `explain`. They are made
when first asked for and kept until the registry changes.
"""

from __future__ import annotations

import hashlib
from typing import Any

from slipway_sandbox.apiserver import errors, views
from slipway_sandbox.apiserver.calls import Answer, Call
from slipway_sandbox.apiserver.errors import PlainNotFoundError
from slipway_sandbox.apiserver.openapi_paths import paths_of
from slipway_sandbox.apiserver.openapi_schemas import Schemas
from slipway_sandbox.apiserver.resources import Registry

INFO = {"title": "Kubernetes", "version": "v1.36.2"}

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def _bare_protobuf() -> bytes:
    """Version 2 as a protobuf message with nothing but its head.

    kubectl asks for this form, and only this, where it wants to validate by itself (a `List`); it skips every kind that
    the document does not describe, and the server validates anyway.
    """

    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    return text(1, b"2.0") + text(2, text(1, INFO["title"].encode()) + text(2, INFO["version"].encode()))


class OpenApi:
    """Answers below /openapi."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = -1
        self._documents: dict[str, bytes] = {}

    def answer(self, call: Call) -> Answer:
        """Answer a request.

        Raises:
            PlainNotFoundError: there is no such document.
        """
        if call.method not in {"GET", "HEAD"}:
            raise errors.plain_method_not_allowed()
        if self._generation != self._registry.generation:
            self._documents.clear()
            self._generation = self._registry.generation
        path = call.path.removeprefix("/openapi/").rstrip("/")
        if path == "v3":
            return Answer(self._index(), 200, "text/plain; charset=utf-8")
        if path == "v2" and "proto-openapi.spec.v2" in call.accept and "json" not in call.accept:
            return Answer(_bare_protobuf(), 200, PROTOBUF)
        if "json" not in call.accept and "*" not in call.accept and call.accept:
            raise errors.not_acceptable("application/json")
        if path == "v2":
            return Answer(self._document("v2"))
        wanted = path.removeprefix("v3/")
        if wanted == path or wanted not in self._group_versions():
            raise PlainNotFoundError
        return Answer(self._document(wanted))

    def _group_versions(self) -> dict[str, tuple[str, str]]:
        found = {"api/v1": ("", "v1")}
        for group in self._registry.groups():
            for version in self._registry.versions(group):
                found[f"apis/{group}/{version}"] = (group, version)
        return found

    def _index(self) -> bytes:
        found = self._documents.get("index")
        if found is None:
            paths = {}
            for path, (group, version) in self._group_versions().items():
                digest = self._hash(group, version)
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
            found = self._documents["index"] = views.dump({"paths": paths})
        return found

    def _hash(self, group: str, version: str) -> str:
        """What changes when the document does: for built-in groups never, for custom ones with their schemas."""
        seed = [f"{group}/{version}"]
        for resource in self._registry.resources(group, version):
            custom = resource.custom
            seed.append(
                resource.kind if custom is None else f"{resource.kind}{sorted(resource.subresources)}{custom.schema}"
            )
        return hashlib.sha512("\n".join(seed).encode()).hexdigest().upper()

    def _document(self, name: str) -> bytes:
        found = self._documents.get(name)
        if found is None:
            built = self._version_two() if name == "v2" else self._version_three(*self._group_versions()[name])
            found = self._documents[name] = views.dump(built)
        return found

    def _version_three(self, group: str, version: str) -> dict[str, Any]:
        schemas = Schemas("#/components/schemas/", three=True)
        paths: dict[str, Any] = {}
        for resource in self._registry.resources(group, version):
            schemas.add_resource(resource)
            paths.update(paths_of(resource, schemas, three=True))
        return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas.found}}

    def _version_two(self) -> dict[str, Any]:
        schemas = Schemas("#/definitions/", three=False)
        paths: dict[str, Any] = {}
        for resource in self._registry.all():
            schemas.add_resource(resource)
            paths.update(paths_of(resource, schemas, three=False))
        return {"swagger": "2.0", "info": INFO, "paths": paths, "definitions": schemas.found}
