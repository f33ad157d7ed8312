"""Stored objects as a client sees them: at the version it asked for, serialised once and remembered."""

from __future__ import annotations

import json
from typing import Any

import yaml

from slipway_sandbox.apiserver import structural
from slipway_sandbox.apiserver.codec import canonicalise
from slipway_sandbox.apiserver.requests import Media
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Record

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def dump(value: Any) -> bytes:
    """A value as compact JSON."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def shown(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """An object of the store at a resource's version; the stored dict is not changed."""
    if resource.from_storage is not None:
        return canonicalise(resource.node, resource.from_storage(obj))
    if resource.custom is None:
        return obj
    view = structural.prune(resource.node, obj, None)
    if resource.custom.has_defaults:
        view = structural.copy_json(view)
        structural.apply_defaults(resource.node, view)
    view["apiVersion"], view["kind"] = resource.api_version, resource.kind
    return dict(view)


def _prefix(resource: Resource) -> bytes:
    return dump({"kind": resource.kind, "apiVersion": resource.api_version})[:-1] + b","


def encoded(resource: Resource, record: Record) -> bytes:
    """The object as JSON, kind and apiVersion first."""
    found = record.encoded.get(resource)
    if found is None:
        view = shown(resource, record.obj)
        found = dump({"kind": resource.kind, "apiVersion": resource.api_version, **_rest(view)})
        record.encoded[resource] = found
    return found


def encoded_item(resource: Resource, record: Record) -> bytes:
    """The object as an item of a list: built-in kinds are shown without kind and apiVersion there."""
    full = encoded(resource, record)
    if resource.custom is not None:
        return full
    return b"{" + full[len(_prefix(resource)) :]


def _rest(view: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in view.items() if name not in {"kind", "apiVersion"}}


def encode_object(resource: Resource, obj: dict[str, Any]) -> bytes:
    """An object that is not (or not yet) in the store, as JSON."""
    return dump({"kind": resource.kind, "apiVersion": resource.api_version, **_rest(obj)})


def partial(obj: dict[str, Any]) -> dict[str, Any]:
    """Only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def to_media(body: bytes, media: Media) -> bytes:
    """JSON in the form the client wants."""
    if not media.yaml:
        return body
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(json.loads(body), Dumper=dumper, default_flow_style=False, allow_unicode=True).encode()
