"""Namespaces, ConfigMaps, Secrets, service accounts, volumes and other small kinds of the core group."""

from __future__ import annotations

import base64
import re
from typing import Any, ClassVar

from slipway_sandbox.apiserver import names, quantity
from slipway_sandbox.apiserver.errors import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    FieldError,
)
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
DATA_LIMIT = 1024 * 1024
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def _validate_keys(data: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    for key in data:
        if len(key) > 253:
            errors.append(FieldError(INVALID, f"{path}[{key}]", "must be no more than 253 characters", key))
        elif not _KEY.fullmatch(key) or key in {".", ".."} or key.startswith(".."):
            detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            errors.append(FieldError(INVALID, f"{path}[{key}]", detail, key))
    return errors


def _frozen(new: dict[str, Any], old: dict[str, Any], *parts: str) -> list[FieldError]:
    """Data that was declared immutable stays as it is."""
    if not old.get("immutable"):
        return []
    errors = []
    if not new.get("immutable"):
        errors.append(FieldError(FORBIDDEN, "immutable", "field is immutable when `immutable` is set"))
    errors.extend(
        FieldError(FORBIDDEN, part, "field is immutable when `immutable` is set")
        for part in parts
        if (new.get(part) or {}) != (old.get(part) or {})
    )
    return errors


class Namespaces(Hooks):
    def name_rule(self, name: str) -> str:
        return names.dns_label_problem(name)

    def default(self, obj: dict[str, Any]) -> None:
        name = obj["metadata"].get("name")
        if name:
            obj["metadata"].setdefault("labels", {})[NAMESPACE_LABEL] = name

    def for_create(self, obj: dict[str, Any]) -> None:
        self.default(obj)
        obj["status"] = {"phase": "Active"}
        finalizers = obj["spec"].get("finalizers") or []
        if "kubernetes" not in finalizers:
            obj["spec"]["finalizers"] = [*finalizers, "kubernetes"]

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:
        if "finalizers" in old["spec"]:
            new["spec"]["finalizers"] = old["spec"]["finalizers"]
        else:
            new["spec"].pop("finalizers", None)


class ConfigMaps(Hooks):
    checks_metadata_again = True

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        errors = _validate_keys(data, "data") + _validate_keys(binary, "binaryData")
        for key in data:
            if key in binary:
                errors.append(FieldError(INVALID, f"data[{key}]", "duplicate of key present in binaryData", key))
        size = sum(len(key) + len(value.encode()) for key, value in data.items())
        size += sum(len(key) + len(base64.b64decode(value or "")) for key, value in binary.items())
        if size > DATA_LIMIT:
            errors.append(FieldError(TOO_LONG, "[]", f"may not be more than {DATA_LIMIT} bytes"))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return _frozen(new, old, "data", "binaryData")


class Secrets(Hooks):
    checks_metadata_again = True
    _REQUIRED: ClassVar = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson",  # noqa: E501
                 "kubernetes.io/ssh-auth": "ssh-privatekey"}  # fmt: skip

    def default(self, obj: dict[str, Any]) -> None:
        if not obj.get("type"):
            obj["type"] = "Opaque"
        plain = obj.pop("stringData", None)
        if plain:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        data = obj.get("data") or {}
        errors = _validate_keys(data, "data")
        if sum(len(base64.b64decode(value or "")) for value in data.values()) > DATA_LIMIT:
            errors.append(FieldError(TOO_LONG, "data", f"may not be more than {DATA_LIMIT} bytes"))
        kind = obj["type"]
        needed = self._REQUIRED.get(kind)
        if needed and needed not in data:
            errors.append(FieldError(REQUIRED, f"data[{needed}]", ""))
        if kind == "kubernetes.io/tls":
            errors += [FieldError(REQUIRED, f"data[{key}]", "") for key in ("tls.crt", "tls.key") if key not in data]
        if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
            errors += [FieldError(REQUIRED, f"data[{key}]", "") for key in ("username", "password")]
        if kind == "kubernetes.io/service-account-token":  # noqa: SIM102
            if not (obj["metadata"].get("annotations") or {}).get("kubernetes.io/service-account.name"):
                errors.append(FieldError(REQUIRED, "metadata.annotations[kubernetes.io/service-account.name]", ""))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        errors = _frozen(new, old, "data")
        if new.get("type") != old.get("type"):
            errors.append(FieldError(INVALID, "type", "field is immutable", new.get("type")))
        return errors


class ServiceAccounts(Hooks):
    """Plain data; tokens are a subresource."""

    checks_metadata_again = True


class Nodes(Hooks):
    keeps_status = True


class PersistentVolumes(Hooks):
    def default(self, obj: dict[str, Any]) -> None:
        fill(obj["spec"], persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"phase": "Pending"}


class PersistentVolumeClaims(Hooks):
    def default(self, obj: dict[str, Any]) -> None:
        fill(obj["spec"], volumeMode="Filesystem")

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"phase": "Pending"}
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if "kubernetes.io/pvc-protection" not in finalizers:
            finalizers.append("kubernetes.io/pvc-protection")

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        if not obj["spec"].get("accessModes"):
            errors.append(FieldError(REQUIRED, "spec.accessModes", "at least 1 access mode is required"))
        allowed = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
        for mode in obj["spec"].get("accessModes") or ():
            if mode not in allowed:
                listed = ", ".join(f'"{name}"' for name in allowed)
                errors.append(FieldError(NOT_SUPPORTED, "spec.accessModes", f"supported values: {listed}", mode))
        if "storage" not in (obj["spec"].get("resources", {}).get("requests") or {}):
            errors.append(FieldError(REQUIRED, "spec.resources[storage]", ""))
        elif quantity.value(obj["spec"]["resources"]["requests"]["storage"]) <= 0:
            amount = obj["spec"]["resources"]["requests"]["storage"]
            errors.append(FieldError(INVALID, "spec.resources[storage]", "must be greater than zero", amount))
        modes = obj["spec"].get("accessModes") or ()
        if "ReadWriteOncePod" in modes and len(modes) > 1:
            detail = "may not use ReadWriteOncePod with other access modes"
            errors.append(FieldError(FORBIDDEN, "spec.accessModes", detail))
        mode = obj["spec"]["volumeMode"]
        if mode not in {"Block", "Filesystem"}:
            detail = 'supported values: "Block", "Filesystem"'
            errors.append(FieldError(NOT_SUPPORTED, "spec.volumeMode", detail, mode))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        bound = (old.get("status") or {}).get("phase") == "Bound"
        fresh, before = dict(new["spec"]), dict(old["spec"])
        for spec in (fresh, before):
            if bound:
                spec.pop("volumeAttributesClassName", None)
                spec["resources"] = {**spec.get("resources", {}), "requests": None}
        if not before.get("volumeName"):
            fresh.pop("volumeName", None)
        if before.get("storageClassName") is None:
            fresh.pop("storageClassName", None)
        if fresh == before:
            return []
        allowed = "resources.requests and volumeAttributesClassName for bound claims"
        return [FieldError(FORBIDDEN, "spec", f"spec is immutable after creation except {allowed}")]


class ResourceQuotas(Hooks):
    """Stored and shown; nothing counts against them here."""


class LimitRanges(Hooks):
    def default(self, obj: dict[str, Any]) -> None:
        for limit in obj["spec"].get("limits") or ():
            if limit.get("type") == "Container":
                self._fill_container(limit)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        seen: set[str] = set()
        for index, limit in enumerate(obj["spec"].get("limits") or ()):
            here, kind = f"spec.limits[{index}]", limit.get("type", "")
            if kind in seen:
                errors.append(FieldError(DUPLICATE, f"{here}.type", "", kind))
            seen.add(kind)
            if kind == "Pod":
                detail = "may not be specified when `type` is 'Pod'"
                errors += [
                    FieldError(FORBIDDEN, f"{here}.{name}", detail)
                    for name in ("default", "defaultRequest")
                    if limit.get(name)
                ]
            errors += self._order(limit, here)
        return errors

    def _order(self, limit: dict[str, Any], path: str) -> list[FieldError]:
        """Each of these is at most what comes after it."""
        errors = []
        for low, high, at in (
            ("min", "max", "min"),
            ("min", "default", "default"),
            ("min", "defaultRequest", "defaultRequest"),
            ("default", "max", "default"),
            ("defaultRequest", "max", "defaultRequest"),
            ("defaultRequest", "default", "defaultRequest"),
        ):
            for name, least in (limit.get(low) or {}).items():
                most = (limit.get(high) or {}).get(name)
                if most is not None and quantity.value(least) > quantity.value(most):
                    detail = f"{low} value {least} is greater than {high} value {most}"
                    errors.append(FieldError(INVALID, f"{path}.{at}[{name}]", detail, limit[at][name]))
        return errors

    def _fill_container(self, limit: dict[str, Any]) -> None:
        for source, target in (("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")):
            for name, amount in (limit.get(source) or {}).items():
                limit.setdefault(target, {}).setdefault(name, amount)
