"""The cluster over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from slipway.cluster.answers import Answer, Missing, error_of, read_object
from slipway.cluster.connection import Credentials
from slipway.cluster.errors import Conflict, NotServed, Unavailable
from slipway.cluster.kinds import Kind, Object, Objects
from slipway.cluster.protocol import FIELD_MANAGER, Cluster, Propagation
from slipway.cluster.selectors import selector
from slipway.cluster.target import Target, status_alone, target_of
from slipway.cluster.transport import JSON, Transport

PAGE = 500
"""Objects a page of a list; kubectl's own number."""

LIST_TRIES = 3
"""How often a list is started before its expiring is given up on."""

APPLY = "application/apply-patch+yaml"
"""The content type of server-side apply. JSON is YAML."""

MERGE_PATCH = "application/merge-patch+json"


async def connect(
    *, kubeconfig: str | None = None, context: str | None = None, field_manager: str = FIELD_MANAGER
) -> Cluster:
    """The cluster that the kubeconfig names, or the one that this pod runs in when there is no kubeconfig.

    Whatever is written belongs to `field_manager`; never one that begins with kubectl, which GitOps tools take over.
    `kubeconfig` goes before KUBECONFIG, and that before ~/.kube/config. The credentials are loaded here, so that wrong
    ones are said at the start; nothing is sent yet. Raises Unauthorized without credentials, ClusterError for an
    unreadable file.
    """
    credentials = Credentials(kubeconfig, context)
    await credentials.current()
    return HttpCluster(Transport(credentials), field_manager)


class HttpCluster:
    """`Cluster` as requests to a Kubernetes API server."""

    def __init__(self, transport: Transport, field_manager: str = FIELD_MANAGER) -> None:
        self._transport = transport
        self._field_manager = field_manager

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        target = Target("get", kind, namespace, name)
        try:
            return await self._read(target, kind.path(namespace, name))
        except Missing:
            return None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | str | None = None
    ) -> Objects:
        target = Target("list", kind, namespace)
        query = {"limit": str(PAGE)}
        if labels:
            query["labelSelector"] = selector(labels)
        for _ in range(LIST_TRIES):
            items = await self._pages(target, kind.path(namespace), query)
            if items is not None:
                # A server leaves out of a list's items what the list says once.
                return [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in items]
        raise Unavailable(f"{target}: 410 the list expired {LIST_TRIES} times before its last page")

    async def create(self, obj: Object) -> Object:
        target = target_of("create", obj)
        # An older definition would drop what it does not know, and what was created would be something else.
        path = _query(target.kind.path(target.namespace), fieldManager=self._field_manager, fieldValidation="Strict")
        return await self._write(target, "POST", path, obj, JSON)

    async def apply(self, obj: Object) -> Object:
        target = target_of("apply", obj)
        path = _query(target.kind.path(target.namespace, target.name), fieldManager=self._field_manager, force="true")
        return await self._write(target, "PATCH", path, obj, APPLY)

    async def apply_status(self, obj: Object) -> Object:
        target = target_of("apply_status", obj)
        path = target.kind.path(target.namespace, target.name, "status")
        path = _query(path, fieldManager=self._field_manager, force="true")
        return await self._write(target, "PATCH", path, status_alone(obj), APPLY)

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        given = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in given.items() if value is not None}
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if preconditions:
            options["preconditions"] = preconditions
        target = Target("delete", kind, namespace, name)
        answer = await self._transport.request(target, "DELETE", kind.path(namespace, name), options)
        if not 200 <= answer.status < 300:
            error = error_of(target, answer)
            if not isinstance(error, Missing | NotServed):
                raise error

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        target = Target("merge_patch", kind, namespace, name)
        path = _query(kind.path(namespace, name), fieldManager=self._field_manager)
        return await self._write(target, "PATCH", path, patch, MERGE_PATCH)

    async def version(self) -> tuple[int, int]:
        target = Target("read", Kind("", "v1", "version of the API server", "version", namespaced=False))
        try:
            said = await self._read(target, "/version")
            major, minor = (int("".join(filter(str.isdigit, str(said[part])))) for part in ("major", "minor"))
        except (Missing, KeyError, ValueError) as error:
            raise Unavailable(f"{target}: the answer names no version: {error}") from error
        return major, minor  # some providers write a plus behind the minor version

    async def served(self) -> frozenset[str]:
        target = Target("read", Kind("", "v1", "list of APIs", "apis", namespaced=False))
        try:
            groups = (await self._read(target, "/apis")).get("groups") or []
            return frozenset(version["groupVersion"] for group in groups for version in group["versions"])
        except (Missing, KeyError, TypeError) as error:
            raise Unavailable(f"{target}: the answer lists no APIs: {error}") from error

    async def schema(self, kind: Kind) -> Object | None:
        target = Target("read", Kind("", "v1", "OpenAPI document", "openapi", namespaced=False))
        try:
            document = await self._read(target, f"/openapi/v3/apis/{kind.api_version}")
        except (Missing, NotServed):
            return None
        for schema in ((document.get("components") or {}).get("schemas") or {}).values():
            marks = schema.get("x-kubernetes-group-version-kind") or []
            if {"group": kind.group, "version": kind.version, "kind": kind.kind} in marks:
                return dict(schema)
        return None

    async def close(self) -> None:
        await self._transport.close()

    async def _read(self, target: Target, url: str) -> Object:
        answer = await self._transport.request(target, "GET", url)
        return read_object(target, answer)

    async def _write(self, target: Target, method: str, url: str, body: Object, content_type: str) -> Object:
        answer = await self._transport.request(target, method, url, body, content_type)
        try:
            return read_object(target, answer)
        except Missing as error:
            # The object, or its namespace, that the caller took to be there is not.
            raise Conflict(str(error)) from error

    async def _pages(self, target: Target, path: str, query: Mapping[str, str]) -> Objects | None:
        """All items of a list, or None when it expired on the way."""
        items: Objects = []
        position: str | None = None
        while True:
            url = _query(path, **query, **({"continue": position} if position else {}))
            answer = await self._transport.request(target, "GET", url)
            if position and answer.status == 410:
                return None
            page = _read_list(target, answer)
            items += page["items"]
            position = (page.get("metadata") or {}).get("continue")
            if not position:
                return items


def _read_list(target: Target, answer: Answer) -> Object:
    try:
        page = read_object(target, answer)
    except Missing as error:
        raise NotServed(str(error)) from error
    # Go encodes an empty list as null.
    items = page["items"] or [] if "items" in page else None
    if not isinstance(items, list):
        raise Unavailable(f"{target}: the answer is not a list but a {page.get('kind')}")
    return page | {"items": items}


def _query(path: str, **parameters: str) -> str:
    return f"{path}?{urlencode(parameters)}"
