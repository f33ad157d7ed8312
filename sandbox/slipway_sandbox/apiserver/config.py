"""Applied configurations: read by their type without filling anything in, so that only what the user said is owned."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import nodes, structural
from slipway_sandbox.apiserver.codec import read_value
from slipway_sandbox.apiserver.errors import TYPE_INVALID, FieldError
from slipway_sandbox.apiserver.nodes import Node, type_node
from slipway_sandbox.apiserver.resources import Resource


def prepare(resource: Resource, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with its scalars in canonical form.

    Raises:
        DecodeError: a value cannot be read as its type.
    """
    if resource.custom is not None:
        pruned = structural.prune(resource.node, config, None)
        pruned["metadata"] = _sparse(type_node("meta.v1.ObjectMeta"), config["metadata"], "metadata")
        return dict(pruned)
    return dict(_sparse(resource.node, config, ""))


def _sparse(node: Node, value: Any, path: str) -> Any:
    if value is None:
        return None
    if node.kind == nodes.STRUCT and isinstance(value, dict):
        found = {}
        for name, below in value.items():
            field = node.fields.get(name)
            here = f"{path}.{name}" if path else name
            if field is not None:
                found[name] = _sparse(field, below, here)
        return found
    if node.kind == nodes.LIST and isinstance(value, list):
        return [_sparse(node.item, item, f"{path}[{index}]") for index, item in enumerate(value)]
    if node.kind == nodes.MAP and isinstance(value, dict):
        return {name: _sparse(node.item, item, f"{path}.{name}") for name, item in value.items()}
    return read_value(node, value, path, None)


def null_errors(node: Node, value: Any, path: str = "") -> list[FieldError]:
    """The nulls in a custom resource that may not be there: where neither the schema allows one nor a default replaces it."""  # noqa: E501
    found: list[FieldError] = []
    if isinstance(value, dict):
        for name, below in value.items():
            child = node.child(name)
            if child is None or child.type_name:
                continue
            here = f"{path}.{name}" if path else name
            if below is None:
                if not child.nullable and child.kind != nodes.ANY and child.default is nodes.NO_DEFAULT:
                    kind = (child.schema or {}).get("type", "object")
                    found.append(
                        FieldError(TYPE_INVALID, here, f'{here} in body must be of type {kind}: "null"', "null")
                    )
            else:
                found += null_errors(child, below, here)
    elif isinstance(value, list) and node.kind == nodes.LIST:
        for index, item in enumerate(value):
            found += null_errors(node.item, item, f"{path}[{index}]")
    return found
