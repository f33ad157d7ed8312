"""Applied configurations: read by their type without filling anything in, so that only what the user said is owned."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import nodes, structural
from slipway_sandbox.apiserver.codec import DecodeError, Report, read_value
from slipway_sandbox.apiserver.errors import bad_request
from slipway_sandbox.apiserver.nodes import Node, type_node
from slipway_sandbox.apiserver.resources import Resource


def prepare(resource: Resource, config: dict[str, Any], report: Report | None) -> dict[str, Any]:
    """The configuration without unknown fields, its scalars in canonical form.

    Raises:
        ApiError: a value has the wrong type.
    """
    try:
        if resource.custom is not None:
            pruned = structural.prune(resource.node, config, report)
            pruned["metadata"] = _sparse(type_node("meta.v1.ObjectMeta"), config["metadata"], "metadata", report)
            return dict(pruned)
        return dict(_sparse(resource.node, config, "", report))
    except DecodeError as error:
        raise bad_request(str(error)) from error


def _sparse(node: Node, value: Any, path: str, report: Report | None) -> Any:
    if value is None:
        return None
    if node.kind == nodes.STRUCT and isinstance(value, dict):
        found = {}
        for name, below in value.items():
            field = node.fields.get(name)
            here = f"{path}.{name}" if path else name
            if field is None:
                if report is not None:
                    report.unknown(here)
                continue
            found[name] = _sparse(field, below, here, report)
        return found
    if node.kind == nodes.LIST and isinstance(value, list):
        return [_sparse(node.item, item, f"{path}[{index}]", report) for index, item in enumerate(value)]
    if node.kind == nodes.MAP and isinstance(value, dict):
        return {name: _sparse(node.item, item, f"{path}.{name}", report) for name, item in value.items()}
    return read_value(node, value, path, report)
