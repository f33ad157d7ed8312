"""The scale subresource: a small view of an object that has replicas."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import calls, codec, errors, jsonpath, parsing, patches
from slipway_sandbox.apiserver.calls import Call, media_type
from slipway_sandbox.apiserver.cells import selector_text
from slipway_sandbox.apiserver.codec import DecodeError, canonicalise
from slipway_sandbox.apiserver.errors import INVALID, FieldError
from slipway_sandbox.apiserver.nodes import type_node
from slipway_sandbox.apiserver.resources import Resource

_TYPE = "autoscaling.v1.Scale"
_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def is_apply(call: Call) -> bool:
    return media_type(call.content_type).startswith("application/apply-patch")


def to_scale(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """The scale of an object.

    Raises:
        ApiError: 500 when a custom resource does not have its replicas field.
    """
    metadata = {name: obj["metadata"][name] for name in _META if name in obj["metadata"]}
    if resource.custom is None or resource.custom.scale is None:
        wanted, found, selector = (
            obj["spec"].get("replicas", 0),
            obj.get("status", {}).get("replicas", 0),
            obj["spec"].get("selector"),
        )
        text = "" if selector is None else selector_text(selector)
    else:
        wanted, found, text = _custom(resource.custom.scale, obj)
    status: dict[str, Any] = {"replicas": found or 0}
    if text:
        status["selector"] = text
    spec = {"replicas": wanted} if wanted else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def _custom(paths: dict[str, Any], obj: dict[str, Any]) -> tuple[Any, Any, str]:
    wanted = jsonpath.find(paths["specReplicasPath"], obj)
    if not wanted:
        raise errors.internal(f"the spec replicas field {paths['specReplicasPath']!r} does not exist")
    found = jsonpath.find(paths["statusReplicasPath"], obj)
    selector = jsonpath.find(paths["labelSelectorPath"], obj) if paths.get("labelSelectorPath") else []
    return wanted[0], found[0] if found else 0, selector[0] if selector and isinstance(selector[0], str) else ""


def read_body(call: Call) -> dict[str, Any]:
    """The scale in a PUT.

    Raises:
        ApiError: it cannot be read.
    """
    return _canonical(calls.read_body(call, None, _TYPE))


def _canonical(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return canonicalise(type_node(_TYPE), value)
    except DecodeError as error:
        raise errors.bad_request(f'Scale in version "v1" cannot be handled as a Scale: {error}') from error


def read_patch(resource: Resource, obj: dict[str, Any], call: Call) -> dict[str, Any]:
    """The scale that a patch leads to; one of a custom resource may start without replicas.

    Raises:
        ApiError: the patch cannot be applied.
    """
    try:
        base = to_scale(resource, obj)
    except errors.ApiError:
        base = {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: obj["metadata"][name] for name in _META if name in obj["metadata"]},
            "spec": {},
            "status": {"replicas": 0},
        }
    kind = media_type(call.content_type)
    if kind == "application/json-patch+json":
        return _canonical(codec.require_object(patches.json_patch(base, calls.read_patch(call))))
    return _canonical(patches.merge_patch(base, codec.require_object(calls.read_patch(call))))


def read_config(resource: Resource, call: Call) -> dict[str, Any]:
    """What an applied scale means for the object that is scaled: a configuration with its replicas alone.

    Raises:
        ApiError: it is no scale.
    """
    try:
        value = codec.require_object(parsing.parse_yaml(call.body))
    except ValueError as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from error
    if (value.get("apiVersion"), value.get("kind")) != ("autoscaling/v1", "Scale"):
        raise errors.bad_request(f"invalid object type: {value.get('apiVersion', '/')}, Kind={value.get('kind', '')}")
    wanted = _canonical(value)
    check(wanted, call.target.name)
    found = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": call.target.name}}
    if "replicas" not in (value.get("spec") or {}):
        return found
    return dict(_with(found, _path(resource), wanted["spec"].get("replicas", 0)))


def check(scale: dict[str, Any], name: str) -> None:
    """Refuse what is no possible scale.

    Raises:
        ApiError: 422 for negative replicas, 400 for another object's name.
    """
    if scale["metadata"].get("name") not in {name, "", None}:
        raise errors.bad_request(
            f"the name of the object ({scale['metadata']['name']}) does not match the name on the URL ({name})"
        )
    replicas = scale["spec"].get("replicas", 0)
    if replicas < 0:
        found = [FieldError(INVALID, "spec.replicas", "must be greater than or equal to 0", replicas)]
        raise errors.invalid("autoscaling", "Scale", name, found)


def with_replicas(resource: Resource, obj: dict[str, Any], scale: dict[str, Any]) -> dict[str, Any]:
    """The object with the scale's replicas, carrying the scale's version as its precondition."""
    metadata = {**obj["metadata"]}
    wanted = scale["metadata"].get("resourceVersion")
    metadata["resourceVersion"] = wanted or metadata["resourceVersion"]
    if scale["metadata"].get("uid"):
        metadata["uid"] = scale["metadata"]["uid"]
    return {**_with(obj, _path(resource), scale["spec"].get("replicas", 0)), "metadata": metadata}


def _path(resource: Resource) -> list[str]:
    """Where the replicas are."""
    if resource.custom is not None and resource.custom.scale is not None:
        return [step[1] for step in jsonpath.compile_path(resource.custom.scale["specReplicasPath"])]
    return ["spec", "replicas"]


def _with(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    inner = value if isinstance(value, dict) else {}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], new)}
