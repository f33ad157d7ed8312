"""What is checked of the bodies of writes before the engine sees them: kind, name, namespace, preconditions."""

from __future__ import annotations

import json
from typing import Any

from slipway_sandbox.apiserver import codec, config, errors, ssa, views
from slipway_sandbox.apiserver.calls import Call
from slipway_sandbox.apiserver.codec import Report
from slipway_sandbox.apiserver.nodes import type_node
from slipway_sandbox.apiserver.options import IGNORE, WriteOptions, boolean, junk_version
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Record


def collecting(options: WriteOptions) -> Report | None:
    """Where problems of a body are collected, unless nobody wants to know of them."""
    return None if options.field_validation == IGNORE else Report()


def structural_copy(value: dict[str, Any]) -> dict[str, Any]:
    """A copy that may be changed below the top level of metadata."""
    return {
        **value,
        "metadata": dict(value["metadata"]) if isinstance(value.get("metadata"), dict) else value.get("metadata"),
    }


def check_kind(resource: Resource, value: dict[str, Any], *, required: bool = False) -> None:
    """The body has to be of the resource's kind and version.

    Raises:
        ApiError: 400, or 422 for another kind of the same group.
    """
    kind, version = value.get("kind") or "", value.get("apiVersion") or ""
    if not isinstance(kind, str) or not isinstance(version, str):
        raise errors.bad_request("couldn't get version/kind; json parse error")
    custom = resource.custom is not None
    if not kind and (required or custom):
        raise errors.bad_request(f"Object 'Kind' is missing in '{shorten(value)}'")
    if not version and (required or custom):
        raise errors.bad_request(f"Object 'apiVersion' is missing in '{shorten(value)}'")
    if custom and not required and kind != resource.kind and version == resource.api_version:
        found = [errors.FieldError(errors.INVALID, "kind", f"must be {resource.kind}", kind)]
        name = value["metadata"].get("name", "") if isinstance(value.get("metadata"), dict) else ""
        raise errors.invalid(resource.group, kind, name, found)
    if (kind and kind != resource.kind) or (version and version != resource.api_version):
        raise errors.bad_request(
            f"{kind or resource.kind} in version {version!r} cannot be handled as a {resource.kind}: the API version "
            f"in the data ({version}) does not match the expected API version ({resource.api_version})"
        )


def unknown_at_that_version(resource: Resource, value: dict[str, Any], report: Report | None) -> list[str]:
    """Warnings about a custom resource of a version that its definition does not have: no field is known there."""
    version = value.get("apiVersion")
    if report is None or resource.custom is None or not isinstance(version, str):
        return []
    group, _, number = version.rpartition("/")
    if group != resource.group or number in {resource.version, resource.custom.storage_version}:
        return []
    return [f'unknown field "{name}"' for name in sorted(value) if name not in {"apiVersion", "kind", "metadata"}]


def shorten(value: dict[str, Any]) -> str:
    return views.dump(value).decode("utf-8", "replace")[:200]


def check_name(obj: dict[str, Any], call: Call) -> None:
    """The name in the body has to be the one in the address.

    Raises:
        ApiError: 400.
    """
    name = obj["metadata"].get("name", "")
    if not name:
        raise errors.bad_request("the name of the object (based on its metadata.name) must be set")
    if name != call.target.name:
        raise errors.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({call.target.name})"
        )


def check_uid(resource: Resource, new: dict[str, Any], record: Record) -> None:
    """The uid in the body of a PUT is a precondition.

    Raises:
        ApiError: 409 when the object is another one of the same name.
    """
    wanted, found = new["metadata"].get("uid"), record.obj["metadata"]["uid"]
    if wanted and wanted != found:
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        raise errors.conflict(resource.group, resource.plural, record.obj["metadata"]["name"], why)


def set_namespace(resource: Resource, obj: dict[str, Any], call: Call) -> None:
    """Give the body the namespace of the address.

    Raises:
        ApiError: 400 when it names another one.
    """
    if not resource.namespaced:
        obj["metadata"].pop("namespace", None)
        return
    found = obj["metadata"].get("namespace", "")
    if found and found != call.target.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    obj["metadata"]["namespace"] = call.target.namespace


def check_apply_version(resource: Resource, config: dict[str, Any], record: Record | None) -> None:
    """A resource version in an applied configuration is a precondition."""
    wanted = config["metadata"].pop("resourceVersion", "")
    name = config["metadata"].get("name", "")
    if not wanted:
        return
    if not str(wanted).isdigit():
        raise junk_version(str(wanted))
    if record is None or record.obj["metadata"]["resourceVersion"] != wanted:
        raise errors.modified(resource.group, resource.plural, name)


def checked_delete_options(body: dict[str, Any]) -> dict[str, Any]:
    """Delete options in canonical form.

    Raises:
        ApiError: 400 when a value has the wrong type.
    """
    try:
        return codec.canonicalise(type_node("meta.v1.DeleteOptions"), body)
    except codec.DecodeError as error:
        raise errors.bad_request(str(error)) from error


def renew_last_applied(new: dict[str, Any], applied: dict[str, Any], options: WriteOptions) -> None:
    """Keep the annotation of client-side apply in step, so that people can go back to it."""
    annotations = new["metadata"].get("annotations") or {}
    if options.manager != "kubectl" or ssa.LAST_APPLIED not in annotations:
        return
    metadata = {name: value for name, value in applied["metadata"].items() if name != "managedFields"}
    if "annotations" in metadata:
        kept = {name: value for name, value in metadata["annotations"].items() if name != ssa.LAST_APPLIED}
        metadata["annotations"] = kept
    text = json.dumps({**applied, "metadata": metadata}, separators=(",", ":"), sort_keys=True) + "\n"
    new["metadata"]["annotations"] = {**annotations, ssa.LAST_APPLIED: text}


def refuse_nulls(resource: Resource, obj: dict[str, Any]) -> None:
    """Unlike elsewhere, a null in an applied custom resource is a value, and has to be allowed."""
    if resource.custom is None:
        return
    found = config.null_errors(resource.node, obj)
    if found:
        raise errors.invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), found)


def is_watch(call: Call) -> bool:
    """Whether a read wants to go on."""
    return boolean(call.query.get("watch")) or call.target.watch_prefix
