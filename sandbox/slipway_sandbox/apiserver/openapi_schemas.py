"""Schemas of the published OpenAPI documents, from the same nodes and custom schemas that requests are read by."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import nodes
from slipway_sandbox.apiserver.nodes import Node, type_fields
from slipway_sandbox.apiserver.quantity import PATTERN
from slipway_sandbox.apiserver.resources import Resource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_PACKAGES = {
    "meta.v1": _META,
    "apiextensions.v1": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.",
    "apiregistration.v1": "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.",
}
_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "uint32": {"type": "integer", "format": "int64"},
    "uint64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "float32": {"type": "number", "format": "float"},
    "Duration": {"type": "string"},
}
_NAMED = {
    "Quantity": ("io.k8s.apimachinery.pkg.api.resource.Quantity", {"type": "string", "pattern": PATTERN}),
    "IntOrString": ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", {"type": "string", "format": "int-or-string"}),
    "Time": (_META + "Time", {"type": "string", "format": "date-time"}),
    "MicroTime": (_META + "MicroTime", {"type": "string", "format": "date-time"}),
    "RawExtension": ("io.k8s.apimachinery.pkg.runtime.RawExtension", {"type": "object"}),
    "RawObject": (_META + "FieldsV1", {"type": "object"}),
    "JSON": ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", {}),
}
_STRUCTURE = "x-kubernetes-"


def published_name(type_name: str) -> str:
    """The name under which a built-in type is published."""
    package, _, short = type_name.rpartition(".")
    return _PACKAGES.get(package, f"io.k8s.api.{package}.") + short


def reversed_group(group: str) -> str:
    return ".".join(reversed(group.split(".")))


class Schemas:
    """Collects the schemas of a document, following references."""

    def __init__(self, prefix: str, *, three: bool) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._prefix = prefix
        self._three = three

    def reference(self, name: str) -> dict[str, Any]:
        return {"$ref": self._prefix + name}

    def name_of(self, resource: Resource) -> str:
        """The schema's name of a resource's kind."""
        if resource.custom is None:
            return published_name(resource.type_name)
        return f"{reversed_group(resource.group)}.{resource.version}.{resource.kind}"

    def add_resource(self, resource: Resource) -> None:
        """Add the kind of a resource, its list, and everything they refer to."""
        name = self.name_of(resource)
        gvk = [{"group": resource.group, "kind": resource.kind, "version": resource.version}]
        if resource.custom is None:
            self._add_type(resource.type_name)
            self.found[name] = {**self.found[name], "x-kubernetes-group-version-kind": gvk}
            text = self.found[name]["properties"]
            text["apiVersion"], text["kind"] = (
                _text("The version of this representation."),
                _text("The kind of this object."),
            )
            self.found[name]["properties"] = dict(sorted(text.items()))
        else:
            self._add_type("meta.v1.ObjectMeta")
            self.found[name] = {**self._custom(resource.custom.schema), "x-kubernetes-group-version-kind": gvk}
        if resource.stored:
            self._add_list(resource, name)
        for type_name in ("meta.v1.DeleteOptions", "autoscaling.v1.Scale") if resource.stored else ():
            self._add_type(type_name)
        scale = published_name("autoscaling.v1.Scale")
        if scale in self.found:
            kind = {"group": "autoscaling", "kind": "Scale", "version": "v1"}
            self.found[scale].setdefault("x-kubernetes-group-version-kind", [kind])

    def _add_list(self, resource: Resource, name: str) -> None:
        self._add_type("meta.v1.ListMeta")
        gvk = [{"group": resource.group, "kind": resource.list_kind, "version": resource.version}]
        list_name = name.removesuffix(resource.kind) + resource.list_kind
        self.found[list_name] = {
            "type": "object",
            "description": f"A list of {resource.kind} objects.",
            "required": ["items"],
            "properties": {
                "apiVersion": _text("The version of this representation."),
                "items": {"type": "array", "items": self._referring(name), "description": "The objects."},
                "kind": _text("The kind of this list."),
                "metadata": self._referring(_META + "ListMeta"),
            },
            "x-kubernetes-group-version-kind": gvk,
        }

    def _referring(self, name: str) -> dict[str, Any]:
        return {"allOf": [self.reference(name)], "default": {}} if self._three else self.reference(name)

    def _add_type(self, type_name: str) -> None:
        name = published_name(type_name)
        if name in self.found:
            return
        short = type_name.rsplit(".", 1)[-1]
        schema: dict[str, Any] = {"type": "object", "description": f"{short} of Kubernetes."}
        self.found[name] = schema
        fields = type_fields(type_name)
        required = [field for field, node in fields.items() if node.required]
        if required:
            schema["required"] = sorted(required)
        schema["properties"] = {
            field: {"description": f"The field {field} of {short}.", **self._node(node)}
            for field, node in sorted(fields.items())
        }

    def _node(self, node: Node) -> dict[str, Any]:
        schema = self._shape(node)
        if node.kind == nodes.LIST and node.list_type in {"map", "set"}:
            schema[_STRUCTURE + "list-type"] = node.list_type
            if node.keys:
                schema[_STRUCTURE + "list-map-keys"] = list(node.keys)
        elif node.kind == nodes.LIST:
            schema[_STRUCTURE + "list-type"] = "atomic"
        elif node.atomic and node.kind in {nodes.STRUCT, nodes.MAP}:
            schema[_STRUCTURE + "map-type"] = "atomic"
        if node.merge_key:
            schema[_STRUCTURE + "patch-merge-key"] = node.merge_key
        if node.strategy:
            schema[_STRUCTURE + "patch-strategy"] = ",".join(node.strategy)
        if node.default is not nodes.NO_DEFAULT:
            schema["default"] = node.default
        return schema

    def _shape(self, node: Node) -> dict[str, Any]:
        if node.kind == nodes.STRUCT:
            self._add_type(node.type_name)
            reference = self.reference(published_name(node.type_name))
            return {"allOf": [reference]} if self._three else dict(reference)
        if node.kind == nodes.LIST:
            return {"type": "array", "items": self._shape(node.item)}
        if node.kind == nodes.MAP:
            return {"type": "object", "additionalProperties": self._shape(node.item)}
        if node.scalar in _NAMED:
            name, schema = _NAMED[node.scalar]
            self.found.setdefault(name, dict(schema))
            reference = self.reference(name)
            return {"allOf": [reference]} if self._three else dict(reference)
        return dict(_SCALARS[node.scalar])

    def _custom(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A custom resource's schema with the server's own fields put in."""
        found = self._converted(schema)
        properties = {
            **found.get("properties", {}),
            "apiVersion": _text("The version of this representation."),
            "kind": _text("The kind of this object."),
            "metadata": {**self._referring(_META + "ObjectMeta"), "description": "Standard object metadata."},
        }
        properties["metadata"].pop("default", None)
        return {**found, "type": "object", "properties": properties}

    def _converted(self, schema: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in schema.items():
            if name == "properties":
                found[name] = {key: self._converted(below) for key, below in value.items()}
            elif name in {"items", "additionalProperties", "not"} and isinstance(value, dict):
                found[name] = self._converted(value)
            elif name in {"allOf", "anyOf", "oneOf"}:
                found[name] = [self._converted(below) for below in value]
            else:
                found[name] = value
        if schema.get(_STRUCTURE + "int-or-string") and "anyOf" not in schema:
            found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        return found if self._three else _version_two(found)


def _version_two(schema: dict[str, Any]) -> dict[str, Any]:
    """What version 2 cannot say is left out, so that nothing valid is refused by it."""
    found = {
        name: value for name, value in schema.items() if name not in {"allOf", "anyOf", "oneOf", "not", "nullable"}
    }
    if schema.get("nullable") or schema.get(_STRUCTURE + "preserve-unknown-fields"):
        for name in ("type", "items", "properties", "additionalProperties"):
            if schema.get("nullable"):
                found.pop(name, None)
    return found


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}
