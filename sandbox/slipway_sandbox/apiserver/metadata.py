"""The rules of `metadata`, which are the same for every kind."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.codec import now
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, REQUIRED, TOO_LONG, FieldError

ANNOTATIONS_LIMIT = 256 * 1024
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_BUILT_IN_FINALIZERS = {FOREGROUND, ORPHAN, "kubernetes"}

NameRule = Callable[[str], str]


def begin(obj: dict[str, Any]) -> None:
    """Give a new object its server-owned metadata, in place."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
        metadata.pop(name, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now()


def validate(
    metadata: dict[str, Any], namespaced: bool, rule: NameRule, *, qualified_finalizers: bool = True
) -> list[FieldError]:
    """What is wrong with the metadata of an object that is to be stored."""
    errors = _validate_name(metadata, rule)
    namespace = metadata.get("namespace", "")
    if namespaced:
        if not namespace:
            errors.append(FieldError(REQUIRED, "metadata.namespace", ""))
        elif names.dns_label_problem(namespace):
            errors.append(FieldError(INVALID, "metadata.namespace", names.dns_label_problem(namespace), namespace))
    elif namespace:
        errors.append(FieldError(FORBIDDEN, "metadata.namespace", "not allowed on this type"))
    errors += _validate_finalizers(metadata.get("finalizers") or [], qualified_finalizers)
    if metadata.get("generation", 0) < 0:
        errors.append(
            FieldError(INVALID, "metadata.generation", "must be greater than or equal to 0", metadata["generation"])
        )
    return errors + _validate_parts(metadata)


def _validate_parts(metadata: dict[str, Any]) -> list[FieldError]:
    errors = _validate_labels(metadata.get("labels") or {}, "metadata.labels")
    errors += _validate_annotations(metadata.get("annotations") or {})
    errors += _validate_owners(metadata.get("ownerReferences") or [])
    return errors + _validate_managed(metadata.get("managedFields") or [])


def _validate_name(metadata: dict[str, Any], rule: NameRule) -> list[FieldError]:
    errors = []
    prefix = metadata.get("generateName", "")
    if prefix:
        problem = rule(prefix.rstrip("-.") or "-") if len(prefix) <= 250 else rule(prefix)
        if problem:
            errors.append(FieldError(INVALID, "metadata.generateName", problem, prefix))
    name = metadata.get("name", "")
    if not name:
        errors.append(FieldError(REQUIRED, "metadata.name", "name or generateName is required"))
    elif rule(name):
        errors.append(FieldError(INVALID, "metadata.name", rule(name), name))
    return errors


def _validate_labels(labels: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    for key, value in labels.items():
        if names.label_key_problem(key):
            errors.append(FieldError(INVALID, path, names.label_key_problem(key), key))
        if names.label_value_problem(value):
            errors.append(FieldError(INVALID, path, names.label_value_problem(value), value))
    return errors


def validate_labels(labels: dict[str, Any] | None, path: str) -> list[FieldError]:
    """What is wrong with labels at some other place (pod templates, selectors)."""
    return _validate_labels(labels or {}, path)


def _validate_annotations(annotations: dict[str, Any]) -> list[FieldError]:
    errors = [
        FieldError(INVALID, "metadata.annotations", names.label_key_problem(key.lower()), key)
        for key in annotations
        if names.label_key_problem(key.lower())
    ]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        errors.append(FieldError(TOO_LONG, "metadata.annotations", f"may not be more than {ANNOTATIONS_LIMIT} bytes"))
    return errors


def _validate_owners(owners: list[dict[str, Any]]) -> list[FieldError]:
    errors = []
    controllers = [owner for owner in owners if owner.get("controller")]
    for owner in owners:
        path = "metadata.ownerReferences"
        if not owner.get("apiVersion") or owner["apiVersion"].count("/") > 1:
            errors.append(
                FieldError(INVALID, f"{path}.apiVersion", "version must not be empty", owner.get("apiVersion", ""))
            )
        errors.extend(
            FieldError(INVALID, f"{path}.{name}", f"{name} must not be empty", owner.get(name, ""))
            for name in ("kind", "name", "uid")
            if not owner.get(name)
        )
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            errors.append(FieldError(INVALID, path, "is disallowed from being an owner", owner))
    if len(controllers) > 1:
        detail = "Only one reference can have Controller set to true"
        errors.append(FieldError(INVALID, "metadata.ownerReferences", detail, owners))
    return errors


def finalizer_warnings(metadata: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    """Finalizers without a domain are taken from custom resources, with a warning when they are new."""
    before = (old or {}).get("finalizers") or ()
    return [
        (
            f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name '
            f"{'including a path (/) ' if '.' in finalizer else ''}to avoid accidental conflicts with other "
            "finalizer writers"
        )
        for finalizer in sorted(set(metadata.get("finalizers") or ()) - set(before))
        if "/" not in finalizer and finalizer not in _BUILT_IN_FINALIZERS
    ]


def _validate_finalizers(finalizers: list[str], qualified: bool) -> list[FieldError]:
    errors = []
    for index, finalizer in enumerate(finalizers):
        problem = names.label_key_problem(finalizer)
        path = f"metadata.finalizers[{index}]"
        if problem:
            errors.append(FieldError(INVALID, "metadata.finalizers", problem, finalizer))
        elif qualified and "/" not in finalizer and finalizer not in _BUILT_IN_FINALIZERS:
            errors.append(
                FieldError(
                    INVALID, path, "name is neither a standard finalizer name nor is it fully qualified", finalizer
                )
            )
    if FOREGROUND in finalizers and ORPHAN in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(FieldError(INVALID, "metadata.finalizers", detail, finalizers))
    return errors


def _validate_managed(entries: list[dict[str, Any]]) -> list[FieldError]:
    errors = []
    for index, entry in enumerate(entries):
        path = f"metadata.managedFields[{index}]"
        if entry.get("operation") not in {"Apply", "Update"}:
            errors.append(
                FieldError(INVALID, f"{path}.operation", "must be `Apply` or `Update`", entry.get("operation", ""))
            )
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            errors.append(FieldError(INVALID, f"{path}.fieldsType", "must be `FieldsV1`", entry.get("fieldsType")))
        errors += manager_errors(entry.get("manager", ""), f"{path}.manager")
    return errors


def manager_errors(manager: str, path: str) -> list[FieldError]:
    """What is wrong with a field manager's name."""
    if len(manager) > 128:
        return [FieldError(TOO_LONG, path, "may not be more than 128 bytes")]
    if any(not character.isprintable() for character in manager):
        return [FieldError(INVALID, path, "should only contain printable characters", manager)]
    return []


def carry_over(new: dict[str, Any], old: dict[str, Any]) -> None:
    """Before an update is compared: what the server owns is the old object's, in place. `new`, `old` are metadata."""
    new["creationTimestamp"] = old["creationTimestamp"]
    if not new.get("uid"):
        new["uid"] = old["uid"]
    if "generation" in old:
        new["generation"] = old["generation"]
    else:
        new.pop("generation", None)
    if old.get("deletionTimestamp") and not new.get("deletionTimestamp"):
        new["deletionTimestamp"] = old["deletionTimestamp"]
    if "deletionGracePeriodSeconds" in old and "deletionGracePeriodSeconds" not in new:
        new["deletionGracePeriodSeconds"] = old["deletionGracePeriodSeconds"]


_IMMUTABLE = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate_update(new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """What an update may not do to metadata. The real server checks this twice, and says everything twice."""
    errors = [
        FieldError(INVALID, f"metadata.{name}", "field is immutable", new.get(name))
        for name in _IMMUTABLE
        if new.get(name) != old.get(name)
    ]
    if old.get("deletionTimestamp"):
        fresh = [item for item in new.get("finalizers") or [] if item not in (old.get("finalizers") or [])]
        if fresh:
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {fresh}"
            errors.append(FieldError(FORBIDDEN, "metadata.finalizers", detail))
    return (errors + _validate_parts(new)) * 2


DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}"
)


def without_repeated_owners(metadata: dict[str, Any], moment: str = "") -> list[str]:
    """Take repeated owner references out, in place; the warning that the request earns by them."""
    owners = metadata.get("ownerReferences") or []
    kept = [owner for index, owner in enumerate(owners) if owner not in owners[:index]]
    if len(kept) == len(owners):
        return []
    repeated = [owner.get("uid", "") for index, owner in enumerate(owners) if owner in owners[:index]]
    metadata["ownerReferences"] = kept
    return [DUPLICATE_OWNERS.format(moment, ", ".join(repeated))]


_MANAGER_FROM_AGENT = re.compile(r"[^/]*")


def manager_from_agent(agent: str) -> str:
    """The field manager that a user agent stands for when the request names none."""
    found = _MANAGER_FROM_AGENT.match(agent)
    text = "".join(character for character in (found.group(0) if found else "") if character.isprintable())
    return text[:128]


def embedded_errors(metadata: dict[str, Any], path: str) -> list[FieldError]:
    """What is wrong with the metadata of an object inside another one, at a path of its own."""
    found: list[FieldError] = []
    for name in ("labels", "annotations"):
        values = metadata.get(name)
        if isinstance(values, dict):
            check = _validate_labels(values, f"{path}.{name}") if name == "labels" else _validate_annotations(values)
            found += [replace(error, field=f"{path}.{name}") for error in check]
    return found
