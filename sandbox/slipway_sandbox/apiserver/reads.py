"""Lists: selection, paging, the state at an older version."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver import errors, selectors, views
from slipway_sandbox.apiserver.errors import FORBIDDEN, FieldError
from slipway_sandbox.apiserver.options import boolean, junk_version
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.selectors import FieldTerm, Predicate, Requirement
from slipway_sandbox.apiserver.store import ExpiredError, Record, Store

# What field selectors may name beyond metadata.name and metadata.namespace, and the value where the object has none.
_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ),
    ("", "events"): (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    ),
    ("", "secrets"): ("type",),
    ("", "namespaces"): ("status.phase", "name"),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "replicationcontrollers"): ("status.replicas",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
}  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """Which objects a list or watch is about."""

    namespace: str
    labels: tuple[Requirement, ...]
    fields: tuple[FieldTerm, ...]
    resource: Resource

    @property
    def everything(self) -> bool:
        return not self.labels and not self.fields

    def predicate(self) -> Predicate | None:
        """The test for one object, or None when all pass."""
        if self.everything:
            return None
        by_label = selectors.label_predicate(self.labels)
        terms, resource = self.fields, self.resource

        def matches(obj: dict[str, Any]) -> bool:
            return by_label(obj) and all((field_value(resource, obj, t.path) == t.value) == t.equal for t in terms)

        return matches


def field_value(resource: Resource, obj: dict[str, Any], path: str) -> str:
    """The text that a field selector compares with."""
    if resource.key == ("", "events") and path == "source":
        return str(obj.get("source", {}).get("component") or obj.get("reportingComponent", ""))
    if resource.key == ("", "namespaces") and path == "name":
        path = "metadata.name"
    if resource.key == ("batch", "jobs") and path == "status.successful":
        path = "status.succeeded"
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return _ZERO.get((*resource.key, path), "")
    return _text(value)


_ZERO = {
    ("", "nodes", "spec.unschedulable"): "false",
    ("", "pods", "spec.hostNetwork"): "false",
    ("apps", "replicasets", "status.replicas"): "0",
    ("", "replicationcontrollers", "status.replicas"): "0",
    ("batch", "jobs", "status.succeeded"): "0",
}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def selection(resource: Resource, namespace: str, name: str, query: Mapping[str, str]) -> Selection:
    """Read the selectors of a request.

    Raises:
        ApiError: 400 for a malformed selector or a field that cannot be selected by.
    """
    try:
        labels = selectors.parse_labels(query.get("labelSelector", ""))
    except selectors.SelectorError as error:
        raise errors.bad_request(f"unable to parse requirement: {error}") from error
    try:
        fields = selectors.parse_fields(query.get("fieldSelector", ""))
    except selectors.SelectorError as error:
        raise errors.bad_request(str(error)) from error
    custom = resource.custom
    selectable = (
        {path.lstrip(".") for path in custom.selectable} if custom is not None else set(_FIELDS.get(resource.key, ()))
    )
    for term in fields:
        if term.path != "metadata.name" and not (term.path == "metadata.namespace" and resource.namespaced):  # noqa: SIM102
            if term.path not in selectable and not (
                resource.key == ("", "namespaces") and term.path == "metadata.namespace"
            ):
                raise errors.bad_request(f"field label not supported: {term.path}")
    if name and any((term.path, term.equal, term.value) != ("metadata.name", True, name) for term in fields):
        raise errors.bad_request("fieldSelector metadata.name doesn't match requested name")
    if name:
        fields = (FieldTerm("metadata.name", True, name),)
    return Selection(namespace, labels, fields, resource)


@dataclass(frozen=True)
class Page:
    """One answer to a list: records, the version they are of, and how to go on."""

    records: list[Record]
    revision: int
    next: str = ""
    remaining: int | None = None


def read_version(query: Mapping[str, str], *, listing: bool = False) -> int | None:
    """The `resourceVersion` of a read: None when not given.

    Raises:
        ApiError: it is no number.
    """
    text = query.get("resourceVersion", "")
    if text == "":
        return None
    if not text.isdigit():
        if listing:
            raise errors.bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}"')
        raise junk_version(text)
    return int(text)


def check_list_options(query: Mapping[str, str]) -> None:
    """Combinations that a list or watch may not have.

    Raises:
        ApiError: 400 or 422.
    """
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    if boolean(query.get("watch")):
        found = _watch_problems(match, "sendInitialEvents" in query)
    else:
        found = _list_problems(match, version)
        if "sendInitialEvents" in query:
            found.append(FieldError(FORBIDDEN, "sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if match and query.get("continue"):
        found.append(_match_forbidden("when continue is provided"))
    if found:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", found)


def _match_forbidden(when: str) -> FieldError:
    return FieldError(FORBIDDEN, "resourceVersionMatch", f"resourceVersionMatch is forbidden {when}")


def _match_unknown(match: str, *known: str) -> FieldError:
    listed = ", ".join(f'"{name}"' for name in known)
    return FieldError(errors.NOT_SUPPORTED, "resourceVersionMatch", f"supported values: {listed}", match)


def _watch_problems(match: str, initial: bool) -> list[FieldError]:
    found = []
    if initial and match != "NotOlderThan":
        detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        found.append(FieldError(FORBIDDEN, "resourceVersionMatch", detail))
    if match and not initial:
        found.append(_match_forbidden("for watch unless sendInitialEvents is provided"))
    if match and match != "NotOlderThan":
        found.append(_match_unknown(match, "NotOlderThan"))
    return found


def _list_problems(match: str, version: str) -> list[FieldError]:
    found = []
    if match and not version:
        found.append(_match_forbidden("unless resourceVersion is provided"))
    if match and match not in {"Exact", "NotOlderThan"}:
        found.append(_match_unknown(match, "Exact", "NotOlderThan", ""))
    if match == "Exact" and version == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        found.append(FieldError(FORBIDDEN, "resourceVersionMatch", detail))
    return found


def integer(query: Mapping[str, str], name: str) -> int:
    """A parameter that is a count; 0 when it is not given.

    Raises:
        ApiError: 400 when it is no number.
    """
    text = query.get(name, "")
    if text == "":
        return 0
    try:
        return max(0, int(text))
    except ValueError as error:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def page(store: Store, selected: Selection, query: Mapping[str, str]) -> Page:
    """The objects of a list request.

    Raises:
        ApiError: 400 for a bad token or version, 410 when the version is gone, 504 when it is in the future.
    """
    limit = integer(query, "limit")
    integer(query, "timeoutSeconds")
    token = query.get("continue", "")
    version = read_version(query, listing=True)
    start = ""
    revision = store.revision
    exact = query.get("resourceVersionMatch") == "Exact" or (
        bool(limit) and version and not query.get("resourceVersionMatch")
    )
    if token:
        if version:
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        revision, start = _read_token(token)
        exact = True
        if revision < 0:
            revision = store.revision
    elif version and version > store.revision:
        raise too_new(version, store.revision)
    elif exact and version:
        revision = version
    candidates = _candidates(store, selected, revision if exact and revision != store.revision else None, bool(token))
    return _cut(candidates, selected, start, limit, revision)


def too_new(version: int, current: int) -> errors.ApiError:
    """The refusal of a version that does not exist yet."""
    return errors.ApiError(
        504, "Timeout", f"Too large resource version: {version}, current: {current}",
        {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1},  # noqa: E501
        {"Retry-After": "1"},
    )  # fmt: skip


def _candidates(store: Store, selected: Selection, at: int | None, paging: bool) -> list[tuple[str, Record]]:
    collection = store.collection(selected.resource.key)
    if at is None:
        return [(key, collection.records[key]) for key in collection.keys(selected.namespace)]
    try:
        state = collection.at(at)
    except ExpiredError:
        raise errors.expired(
            "The provided continue parameter is too old to display a consistent list result."
            if paging
            else f"The resourceVersion for the provided list is too old: {at}"
        ) from None
    prefix = selected.namespace + "/" if selected.namespace else ""
    return [(key, record) for key, record in state if key.startswith(prefix)]


def _cut(candidates: list[tuple[str, Record]], selected: Selection, start: str, limit: int, revision: int) -> Page:
    predicate = selected.predicate()
    found: list[Record] = []
    for index, (key, record) in enumerate(candidates):
        if start and key <= start:
            continue
        if predicate is not None and not predicate(views.shown(selected.resource, record.obj)):
            continue
        found.append(record)
        if limit and len(found) == limit:
            rest = len(candidates) - index - 1
            if rest == 0:
                break
            return Page(found, revision, _token(revision, key), rest if predicate is None else None)
    return Page(found, revision)


def _token(revision: int, key: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": key + "\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, str]:
    try:
        padded = token + "=" * (-len(token) % 4)
        read = json.loads(base64.urlsafe_b64decode(padded.encode()))
        if read["v"] != "meta.k8s.io/v1":
            raise ValueError("unknown version")
        return int(read["rv"]), str(read["start"]).rstrip("\0")
    except (ValueError, KeyError, TypeError) as error:
        raise errors.bad_request(f"continue key is not valid: {error}") from error


def list_body(resource: Resource, found: Page) -> bytes:
    """The page as a list object."""
    meta: dict[str, Any] = {"resourceVersion": str(found.revision)}
    if found.next or resource.custom is not None:
        meta["continue"] = found.next
    if found.remaining is not None:
        meta["remainingItemCount"] = found.remaining
    head = views.dump({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta})
    items = b",".join([views.encoded_item(resource, record) for record in found.records])
    return head[:-1] + b',"items":[' + items + b"]}"
